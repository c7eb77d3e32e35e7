"""Reads tar archives as npm does, so that what guard sees in a package is what npm unpacks.

Tar has many dialects, and where two readers take one archive differently a file can be hidden from one of them. This
reader does what npm's own does (node-tar 6 and 7: ``parse.js``, ``header.js``, ``pax.js``, ``unpack.js``, with
``strip: 1`` as in pacote's ``lib/fetcher.js``). It refuses what those two versions read differently, what npm passes
over in the middle of an archive, and what only ever serves to mislead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from guard import limits

_BLOCK_BYTES = 512
_SKIP_BYTES = 1024 * 1024
_END = bytes(_BLOCK_BYTES)
_PLAIN = frozenset({b"0", b"\0"})
_FILES = _PLAIN | {b"7"}
_LINKS = frozenset({b"1", b"2"})
_FOLDER = b"5"
# Devices, too, which npm passes over.
_MEMBERS = _FILES | _LINKS | {_FOLDER, b"3", b"4", b"6"}
_LONG_NAMES = {b"L": "path", b"K": "linkpath"}
_PAX, _PAX_FOR_ALL = b"x", b"g"
_EXTENSIONS = frozenset({*_LONG_NAMES, _PAX, _PAX_FOR_ALL})
_POSIX_MAGIC = b"ustar\x0000"
_PAX_RECORD = re.compile(rb"([1-9][0-9]*) ([^=]+)=(.*)", re.DOTALL)
_PAX_TELLING = frozenset({"path", "linkpath", "size"})
_PAX_DOUBTFUL = re.compile(rb"(?:path|size|type)=")
_NUMBER = re.compile(rb" *([0-7]+)[ \0]*")
# To JavaScript's dot, with which npm cuts a text off behind a NUL, a line ends at these.
_LINE_ENDS = re.compile(rb"[\n\r]|\xe2\x80[\xa8\xa9]")
# npm takes such roots off a path on every system, as Windows knows them (``strip-absolute-path.js``).
_FOREIGN_ROOT = re.compile(r"/*(?:\\|[A-Za-z]:|\?/)")


class Stream(Protocol):
    """Where an archive is read from."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes: as many as asked for, fewer at the end only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of an archive, whose content can be read until the next one is asked for.

    Args:
        place: where npm puts it, relative to the package's folder; empty where npm leaves it out.
        is_file: whether npm makes a file of it; npm leaves links and devices out.
        content: what it holds, from which nothing was read yet.
    """

    place: str
    is_file: bool
    content: Content = field(repr=False)


class Content:
    """What one member holds.

    Args:
        stream: the archive, where the content begins.
        size_bytes: without the padding behind it.
    """

    def __init__(self, stream: Stream, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._stream = stream
        self._left = size_bytes + -size_bytes % _BLOCK_BYTES

    def read(self) -> bytes:
        """Return all of it; what a caller does not want in memory it can tell by its size."""
        return self._take(self._left)[: self.size_bytes]

    def skip(self) -> None:
        """Pass over what was not read."""
        while self._left:
            self._take(min(self._left, _SKIP_BYTES))

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise ValueError("it ends in the middle of a file")
        self._left -= count
        return data


@dataclass(frozen=True, slots=True)
class _Header:
    kind: bytes
    path: str
    size_bytes: int
    is_linked: bool


def read_members(stream: Stream) -> Iterator[Member]:
    """Yield every member of an archive but those that describe others.

    Args:
        stream: the archive, not compressed.

    Raises:
        ValueError: it is no archive, or one that can be read in more than one way.
    """
    said: dict[str, str] = {}  # of the next member, by the extension headers before it
    while len(block := stream.read(_BLOCK_BYTES)) == _BLOCK_BYTES:
        if block == _END:
            if stream.read(_BLOCK_BYTES).strip(b"\0"):
                raise ValueError("there is more behind its end")
            return
        header = _parse_header(block, said)
        content = Content(stream, header.size_bytes)
        if header.kind in _EXTENSIONS:
            said |= _extension(header, content)
        else:
            yield _member(header, said, content)
            said = {}
        content.skip()


def place_of(path: str) -> str:
    """Return where npm puts a member of this path; empty where it leaves it out.

    Raises:
        ValueError: it begins as absolute paths of Windows do, which npm cuts off on every system.
    """
    inner = path.partition("/")[2]
    if _FOREIGN_ROOT.match(inner):
        raise ValueError(f"a file has the path {path[:200]!r}")
    parts = inner.split("/")
    return "" if ".." in parts else "/".join(part for part in parts if part not in ("", "."))


def _parse_header(block: bytes, said: Mapping[str, str]) -> _Header:
    summed = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
    if block[155] not in b" \0" or _number(block[148:155]) != summed:
        raise ValueError("a header has a wrong checksum")
    kind, path, size_bytes = block[156:157], said.get("path") or _listed_path(block), _number(block[124:136])
    if kind == _FOLDER or (kind in _PLAIN and path.endswith("/")):
        kind, size_bytes = _FOLDER, 0
    if said.get("size", str(size_bytes)) != str(size_bytes):
        raise ValueError("two headers say different sizes of one file")
    return _Header(kind, path, size_bytes, is_linked=bool(_text(block[157:257])))


def _listed_path(block: bytes) -> str:
    name = _text(block[:100])
    if not name:
        raise ValueError("a file has no name")
    if block[257:265] != _POSIX_MAGIC:
        return name
    prefix = _text(block[345:500] if block[475] else block[345:475])
    return f"{prefix}/{name}" if prefix or block[475] else name


def _extension(header: _Header, content: Content) -> Mapping[str, str]:
    """Return what an extension header says of the member behind it."""
    if header.is_linked or header.size_bytes > limits.TARBALL_EXTENSION_MAX_BYTES:
        raise ValueError("an extension header is too large, or has the target of a link")
    data = content.read()
    if header.kind in _LONG_NAMES:
        return {_LONG_NAMES[header.kind]: _text(data)}
    records = dict(_pax_records(data))
    if header.kind == _PAX_FOR_ALL and records:
        raise ValueError("a header says one thing of all files that can be true of one only")
    return records


def _pax_records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield what matters in a pax header, read as npm does: line by line, though values may hold line ends."""
    for line in data.removesuffix(b"\n").split(b"\n"):
        record = _PAX_RECORD.fullmatch(line)
        key = record[2].decode("utf-8", "replace") if record and int(record[1]) == len(line) + 1 else None
        if record and key in _PAX_TELLING and b"\0" not in line:
            yield key, record[3].decode()
        elif key in _PAX_TELLING or key == "type" or (key is None and _PAX_DOUBTFUL.search(line)):
            raise ValueError("an extension header cannot be read, or says of what kind a file is")


def _member(header: _Header, said: Mapping[str, str], content: Content) -> Member:
    """Return a member as npm takes it.

    npm takes what a file with the target of a link holds, and what a link without one holds, for further headers.
    """
    if header.kind not in _MEMBERS:
        raise ValueError(f"a member is of the unknown kind {header.kind!r}")
    is_link = header.kind in _LINKS
    if header.is_linked is not is_link or ("linkpath" in said and not is_link):
        raise ValueError("a link has no target, or a file has one")
    return Member(place=place_of(header.path), is_file=header.kind in _FILES, content=content)


def _text(data: bytes) -> str:
    text, _, behind = data.partition(b"\0")
    if _LINE_ENDS.search(behind):
        raise ValueError("a header has text behind the end of a name")
    return text.decode("utf-8", "replace")


def _number(data: bytes) -> int:
    if not data.strip(b" \0"):
        return 0
    found = _NUMBER.fullmatch(data)
    if found is None:
        raise ValueError("a header has a number that is none")
    return int(found[1], 8)

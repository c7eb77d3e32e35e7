"""TOML lockfiles: bytes to a document that knows where its tables stand, read as the tools' own parsers read it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import tomli

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.toml_positions import KeyPath, locate_keys

# Far beyond real files, whose largest are some 10 MB.
_DOCUMENT_MAX_BYTES = 32 * 1024 * 1024
_CONFLICT_MARKER = re.compile(r"^(?:<{7}|>{7}|\|{7}) ", re.MULTILINE)
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """A TOML document.

    Args:
        values: its root table.
        places: line and column of each key, from 1.
    """

    values: Mapping[str, object]
    places: Mapping[KeyPath, tuple[int, int]]

    def place(self, *path: str | int) -> tuple[int, int]:
        """Return line and column of a path, or of the nearest table around it."""
        at: KeyPath = path
        while at and at not in self.places:
            at = at[:-1]
        return self.places.get(at, (1, 1))

    def table(self, *path: str) -> Mapping[str, object]:
        """Return a table; empty where the document has none.

        Raises:
            MalformedLockfile: something else stands there.
        """
        values = self.values
        for depth, key in enumerate(path, start=1):
            value = values.get(key, {})
            if not isinstance(value, dict):
                raise self.malformed(f"`{'.'.join(path[:depth])}` is not a table", *path[:depth])
            values = value
        return values

    def tables(self, key: str) -> Iterator[tuple[int, object]]:
        """Return the elements of a top-level array with their indexes; none where the document has no such key.

        Raises:
            MalformedLockfile: something else stands there.
        """
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise self.malformed(f"`{key}` is not an array of tables", key)
        return enumerate(value)

    def malformed(self, message: str, *path: str | int) -> MalformedLockfile:
        """Return the error for what stands at a path; without one, for the whole file."""
        return MalformedLockfile(message, line=self.place(*path)[0] if path else None)


def parse_toml(data: bytes, *, skips_mark: bool = False) -> TomlDocument:
    """Parse a TOML document.

    Args:
        data: its bytes, UTF-8.
        skips_mark: whether the tool that owns the file reads it behind a byte order mark.

    Raises:
        MalformedLockfile: it is too large, no UTF-8, no TOML 1.0.0, too deeply nested, or an unfinished merge.
    """
    if len(data) > _DOCUMENT_MAX_BYTES:
        raise MalformedLockfile(f"larger than {_DOCUMENT_MAX_BYTES // 1024 // 1024} MB")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedLockfile("UTF-16, which TOML is not")
    try:
        text = (data.removeprefix(codecs.BOM_UTF8) if skips_mark else data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedLockfile("not UTF-8", line=data.count(b"\n", 0, error.start) + 1) from error
    try:
        return TomlDocument(tomli.loads(text), locate_keys(text))
    except RecursionError as error:
        raise MalformedLockfile("nested too deeply") from error
    except ValueError as error:
        raise _syntax_error(text, error) from error


def _syntax_error(text: str, error: ValueError) -> MalformedLockfile:
    conflict = _CONFLICT_MARKER.search(text)
    if conflict is not None:
        line = text.count("\n", 0, conflict.start()) + 1
        return MalformedLockfile("a merge with conflicts was not finished", line=line)
    # tomli's message may hold a key of the file, or nothing about the place when a document ends too early.
    found = _AT_LINE.search(str(error))
    return MalformedLockfile("no TOML", line=int(found[1]) if found else text.rstrip().count("\n") + 1)

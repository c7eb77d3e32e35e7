"""Typed reading of an entry's fields: each value is of its type and printable, or the entry is unreadable."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import UnreadableEntry, parse_digests

ENTRIES_MAX_COUNT = 200_000  # far beyond real files
_TEXT_MAX_CHARACTERS = 8192
_SHOWN_MAX_CHARACTERS = 300
_CONDITIONS_MAX_CHARACTERS = 8192

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?")  # PEP 508, "Names"
_VERSION = re.compile(r"[^\s/\\:@#?%]{1,256}")
_FILE_NAME = re.compile(r"(?!\.{1,2}$)[^/\\]{1,512}")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar", ".tar.lzma", ".tar.lz", ".tbz", ".txz")
_EXTRA = re.compile(r"\bextras?\b|\bdependency_groups\b")


class Unreadable(Exception):
    """Why an entry is unreadable, without values of the file."""


def printable(text: str) -> str:
    """Return the start of ``text`` with every character that could steer a terminal spelled out."""
    shown = text[:_SHOWN_MAX_CHARACTERS]
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)


def as_object(value: object, what: str) -> Mapping[str, object]:
    """Return ``value``, which must be a table or object.

    Raises:
        Unreadable: it is something else.
    """
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not a table")
    return value


def read_object(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return a member that is a table; empty where there is none."""
    return as_object(value.get(key, {}), f"`{key}`")


def read_items(value: Mapping[str, object], key: str) -> Sequence[object]:
    """Return a member that is an array; empty where there is none."""
    member = value.get(key, [])
    if not isinstance(member, list):
        raise Unreadable(f"`{key}` is not an array")
    return member


def read_text(value: Mapping[str, object], key: str) -> str | None:
    """Return a member that is a printable string; ``None`` where there is none."""
    member = value.get(key)
    return None if member is None else _as_text(member, key)


def read_texts(value: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Return a member that is an array of printable strings."""
    return tuple(_as_text(member, key) for member in read_items(value, key))


def read_flag(value: Mapping[str, object], key: str) -> bool:
    """Return a member that is true or false; false where there is none."""
    member = value.get(key, False)
    if not isinstance(member, bool):
        raise Unreadable(f"`{key}` is neither true nor false")
    return member


def read_name(value: Mapping[str, object]) -> str:
    """Return ``name``, normalised (PEP 503)."""
    return as_name(read_text(value, "name"))


def as_name(text: str | None) -> str:
    """Return a project's name, normalised (PEP 503).

    Raises:
        Unreadable: it is none, or there is none.
    """
    if text is None or not _NAME.fullmatch(text):
        raise Unreadable("`name` is no package name")
    return canonicalize_name(text)


def as_version(text: str | None) -> str:
    """Return a version as written, or the empty string where there is none.

    Raises:
        Unreadable: it cannot be one.
    """
    if text is not None and not _VERSION.fullmatch(text):
        raise Unreadable("`version` is no version")
    return text or ""


def as_file_name(text: str) -> str:
    """Return the name of a file without a folder.

    Raises:
        Unreadable: it has a folder, or is no name.
    """
    if not _FILE_NAME.fullmatch(text) or not text.isprintable():
        raise Unreadable("a file's name is no name")
    return text


def host_of(address: str) -> str:
    """Return the host of a URL, or the empty string where it has none.

    Raises:
        Unreadable: it is no URL that can be read.
    """
    try:
        return urlsplit(address).hostname or ""
    except ValueError as error:
        raise Unreadable("a URL that cannot be read") from error


def file_name_of(address: str) -> str:
    """Return the file name at the end of a URL or path.

    Raises:
        Unreadable: nothing that could be one stands there.
    """
    if "://" not in address:
        return as_file_name(address.replace("\\", "/").rpartition("/")[2])
    try:
        path = urlsplit(address).path
    except ValueError as error:
        raise Unreadable("a URL that cannot be read") from error
    return as_file_name(unquote(path.rpartition("/")[2]))


def is_archive(path: str) -> bool:
    """Return whether a path or file URL is that of a wheel or sdist, by its name."""
    return path.partition("#")[0].lower().endswith(_ARCHIVES)


def is_project_folder(path: str) -> bool:
    """Return whether a path is that of the lock's own folder, the project itself."""
    return posixpath.normpath(path.replace("\\", "/")) == "."


def as_digest(text: str) -> str:
    """Return ``ALGORITHM:HEX`` in lower case.

    Raises:
        Unreadable: it is no digest of a known algorithm.
    """
    try:
        (digest,) = parse_digests([text])
    except ValueError as error:
        raise Unreadable("a hash is no `ALGORITHM:HEX` of a known algorithm") from error
    return digest


def read_marker(value: Mapping[str, object], key: str) -> str | None:
    """Return a member that is an environment marker (PEP 508), as written; ``None`` where there is none."""
    text = read_text(value, key)
    return None if not text else as_marker(text)


@functools.lru_cache(maxsize=4096)
def as_marker(text: str) -> str:
    """Return an environment marker as written.

    Raises:
        Unreadable: it is none.
    """
    try:
        Marker(text)
    except (InvalidMarker, RecursionError) as error:
        raise Unreadable("a marker is no environment marker") from error
    return text


def any_of(markers: Sequence[str]) -> str | None:
    """Return one condition that holds where one of ``markers`` does, or ``None`` for one that may hold everywhere.

    A marker on an extra or group says nothing about a platform; and one that is too long is left out, since what it
    guards is then used rather than passed over.
    """
    distinct = sorted(set(markers))
    condition = distinct[0] if len(distinct) == 1 else " or ".join(f"({marker})" for marker in distinct)
    if not condition or len(condition) > _CONDITIONS_MAX_CHARACTERS or _EXTRA.search(condition):
        return None
    return condition


def unreadable_entry(value: object, error: Unreadable, place: tuple[int, int], fallback: str) -> UnreadableEntry:
    """Return the entry for what cannot be read.

    Args:
        value: whose ``name`` it is shown by, where it has one.
        error: why.
        place: line and column.
        fallback: what it is shown by without a name.
    """
    name = value.get("name") if isinstance(value, dict) else None
    shown = printable(name if isinstance(name, str) and name else fallback)
    return UnreadableEntry(place=shown, reason=str(error), line=place[0], column=place[1])


def check_count(count: int, line: int) -> None:
    """Refuse a file with too many entries.

    Raises:
        MalformedLockfile: ``count`` is above the limit.
    """
    if count > ENTRIES_MAX_COUNT:
        raise MalformedLockfile(f"more than {ENTRIES_MAX_COUNT} entries", line=line)


def _as_text(member: object, key: str) -> str:
    if not isinstance(member, str):
        raise Unreadable(f"`{key}` is not a string")
    if len(member) > _TEXT_MAX_CHARACTERS or not member.isprintable():
        raise Unreadable(f"`{key}` holds control characters, or too many")
    return member

"""Indexes and find-links locations on this machine: ``file://`` addresses, folders and files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from guard.errors import MalformedInput, NotFound, Unavailable
from guard.registry.credentials import redact_url

_CHUNK_BYTES = 1024 * 1024


def is_file_url(url: str) -> bool:
    """Whether ``url`` names a file of this machine."""
    return url[:5].lower() == "file:"


def path_from_url(url: str) -> Path:
    """Return the path that a ``file://`` URL names (RFC 8089).

    Raises:
        MalformedInput: it names another host, or holds a NUL.
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or "\0" in unquote(parts.path):
        raise MalformedInput(f"not a file of this machine: {redact_url(url)}")
    # With it comes all of http.client, for which an installation from indexes has no use before its first request.
    from urllib.request import url2pathname

    return Path(url2pathname(parts.path))


def load_local_file(path: Path, *, max_bytes: int) -> bytes:
    """Read a whole file.

    Raises:
        NotFound: there is none.
        Unavailable: it cannot be read.
        MalformedInput: it is larger than ``max_bytes``.
    """
    try:
        with path.open("rb") as source:
            body = source.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(body) > max_bytes:
        raise MalformedInput(f"{path} is larger than {max_bytes} bytes")
    return body


def copy_local_file(path: Path, sink: BinaryIO, *, max_bytes: int) -> None:
    """Copy a file into ``sink``.

    Raises:
        NotFound: there is none.
        Unavailable: it cannot be read.
        MalformedInput: it is larger than ``max_bytes``.
    """
    try:
        source = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    total = 0
    with source:
        while chunk := source.read(_CHUNK_BYTES):
            total += len(chunk)
            if total > max_bytes:
                raise MalformedInput(f"{path} is larger than {max_bytes} bytes")
            sink.write(chunk)


def list_local_folder(path: Path) -> tuple[Path, ...]:
    """Return the files of a folder, sorted by name.

    Raises:
        Unavailable: it cannot be read.
    """
    try:
        return tuple(sorted(entry for entry in path.iterdir() if entry.is_file()))
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> Unavailable:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NotFound(f"{path} does not exist")
    return Unavailable(f"{path} cannot be read: {error.strerror}")

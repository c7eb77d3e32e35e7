"""Content-addressed store of downloaded files: bytes under the name of their sha256, or of another strong digest.

A file appears under its final name only when it is complete (written aside, then renamed), so that a killed run
leaves no half file behind. What is found is hashed again before it is used: the name says what should be inside, the
digest says what is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from guard.model import Digest

_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A complete file in the store and the digests of exactly its bytes."""

    path: Path
    size_bytes: int
    digests: tuple[Digest, ...]

    @property
    def sha256(self) -> Digest:
        """The sha256 of the bytes."""
        return self.digest("sha256")

    def digest(self, algorithm: str) -> Digest:
        """Return the digest of one of the algorithms that were asked for."""
        return next(digest for digest in self.digests if digest.algorithm == algorithm)


class FileStore:
    """The store in one folder, which may be shared by several processes.

    Args:
        root: folder of the store; made with mode 0700 when first written to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self, name: Digest, *, algorithms: frozenset[str]) -> StoredFile | None:
        """Return the file with this digest, or ``None`` when it is not there or its bytes have another digest.

        Args:
            name: digest of the wanted bytes, of the algorithm that it was stored under.
            algorithms: further digests to compute, by hashlib name.
        """
        path = self._path(name)
        try:
            stored = measure(path, algorithms=algorithms | {name.algorithm})
        except OSError:
            return None
        if stored.digest(name.algorithm) == name:
            return stored
        with contextlib.suppress(OSError):
            path.unlink()  # damaged on disk: fetched anew
        return None

    def store(
        self, write: Callable[[BinaryIO], None], *, algorithms: frozenset[str], named_by: str = "sha256"
    ) -> StoredFile:
        """Store what ``write`` writes and return it under the digest of its bytes.

        Args:
            write: writes the whole file into the seekable stream it is given; what it raises passes and nothing is
                stored.
            algorithms: further digests to compute, by hashlib name.
            named_by: algorithm of the digest that names the file, the one its registry lists.
        """
        with self._new_file() as (stream, temporary):
            write(stream)
            stream.flush()
            measured = measure(temporary, algorithms=algorithms | {named_by})
            path = self._path(measured.digest(named_by))
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
        return replace(measured, path=path)

    def _path(self, name: Digest) -> Path:
        return self._root / name.algorithm / name.hex[:2] / name.hex

    @contextmanager
    def _new_file(self) -> Iterator[tuple[BinaryIO, Path]]:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        incoming = self._root / "incoming"
        incoming.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=incoming)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream, temporary
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()


def measure(path: Path, *, algorithms: frozenset[str]) -> StoredFile:
    """Return size, sha256 and further digests of a file, reading it once in bounded memory.

    Args:
        path: a regular file, in the store or the user's own.
        algorithms: hashlib names.

    Raises:
        OSError: the file cannot be read.
    """
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in sorted(algorithms | {"sha256"})}
    size_bytes = 0
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            size_bytes += len(block)
            for running in hashes.values():
                running.update(block)
    digests = tuple(Digest(name, running.hexdigest()) for name, running in hashes.items())
    return StoredFile(path, size_bytes, digests)

"""Private folders for the length of one command, and the sweeping of those that a killed command left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Runs:
    """Folders of running commands, all in one place.

    Args:
        root: where they are; made with mode 0700.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def new(self) -> Iterator[Path]:
        """Give a new empty folder (mode 0700) that is removed at the end, whatever happens."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._root))
        with locked(folder):
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove the folders of commands that no longer run: nobody holds their lock."""
        for folder in self._root.glob("run-*"):
            with contextlib.suppress(OSError), locked(folder):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process.

    Raises:
        OSError: somebody else holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)

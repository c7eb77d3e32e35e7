"""Changing several files so that either all of them are changed or none is.

Every file is written aside first, so that a full disk or a folder without permission is met before anything changes;
then each is renamed into place. Where one of the renames fails, those before it are taken back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guard_shims.errors import ShimsError

_FOLDER_MODE = 0o700
_FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Change:
    """What a file is to hold.

    Args:
        path: the file itself, not a link to it.
        content: its bytes; ``None`` deletes it.
        mode: its mode; ``None`` keeps the one it has.
    """

    path: Path
    content: bytes | None
    mode: int | None = None


def load_if_there(path: Path) -> bytes | None:
    """Return a file's bytes, or ``None`` when it does not exist.

    Raises:
        ShimsError: it is there and cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ShimsError(f"{path} is no regular file")  # a pipe would keep guard waiting
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ShimsError(f"{path} cannot be read: {error.strerror}") from error


def missing_folders(path: Path) -> list[Path]:
    """Return the folders above a file that do not exist, or cannot be seen, the outermost first."""
    return [folder for folder in reversed(path.parents) if not os.path.exists(folder)]  # noqa: PTH110


def apply_changes(changes: Sequence[Change]) -> None:
    """Make all changes, or none.

    Args:
        changes: in the order in which they take effect.

    Raises:
        ShimsError: one of them cannot be made.
    """
    before = [Change(change.path, load_if_there(change.path)) for change in changes]
    with _new_folders(changes), _written_aside(changes) as prepared, _written_aside(before) as originals:
        done = 0
        try:
            for change, aside in zip(changes, prepared, strict=True):
                _put(change.path, aside)
                done += 1
        except BaseException as error:
            for change, aside in zip(before[:done], originals, strict=False):
                _put(change.path, aside)
            if isinstance(error, OSError):
                raise _not_writable(changes[done].path, error) from error
            raise


@contextlib.contextmanager
def _new_folders(changes: Sequence[Change]) -> Iterator[None]:
    """Make the folders that files need, and take them away again when the changes fail."""
    made: list[Path] = []
    try:
        for change in changes:
            for folder in missing_folders(change.path) if change.content is not None else ():
                try:
                    folder.mkdir(mode=_FOLDER_MODE)
                except OSError as error:
                    raise _not_writable(folder, error) from error
                made.append(folder)
        yield
    except BaseException:
        for folder in reversed(made):
            folder.rmdir()
        raise


@contextlib.contextmanager
def _written_aside(changes: Sequence[Change]) -> Iterator[list[Path | None]]:
    """Write every content into a file beside its place; what nobody has renamed is removed at the end."""
    aside: list[Path | None] = []
    try:
        for change in changes:
            try:
                aside.append(None if change.content is None else _write_beside(change, change.content))
            except OSError as error:
                raise _not_writable(change.path, error) from error
        yield aside
    finally:
        for path in aside:
            if path is not None:
                path.unlink(missing_ok=True)


def _write_beside(change: Change, content: bytes) -> Path:
    try:
        status = change.path.stat()
    except FileNotFoundError:
        status = None
    if status is not None and not os.access(change.path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # rename would not ask
    mode = change.mode or (status.st_mode & 0o7777 if status else _FILE_MODE)
    descriptor, name = tempfile.mkstemp(prefix=f".{change.path.name}.", dir=change.path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if status is not None:
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _put(path: Path, aside: Path | None) -> None:
    if aside is None:
        path.unlink(missing_ok=True)
    else:
        aside.replace(path)


def _not_writable(path: Path, error: OSError) -> ShimsError:
    return ShimsError(f"{path} cannot be written: {error.strerror}", hint="nothing was changed")

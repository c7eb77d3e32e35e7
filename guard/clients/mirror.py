"""A scratch copy of a project, in which a client may change manifests and locks, and putting them into the project.

Files that a client reads as settings, manifests or locks are copied; folders are made; everything else is a link to the
user's own file, so that a large project costs little. What is no part of a project's source is left out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from guard import limits
from guard.errors import Refused
from guard.model import RuleId

_LEFT_OUT = frozenset({".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox", ".yarn/cache"})
_LINKED_FOLDERS = frozenset({".git", ".hg"})


def copy_project(root: Path, scratch: Path, *, copied: Collection[str]) -> None:
    """Make the scratch copy.

    Args:
        root: of the project.
        scratch: an empty folder.
        copied: names of files that are copied, wherever they are.

    Raises:
        Refused: the project has too many files.
    """
    count = 0
    for folder, folders, files in os.walk(root):
        below = scratch / Path(folder).relative_to(root)
        for name in sorted(_LINKED_FOLDERS & set(folders)):
            (below / name).symlink_to(Path(folder, name))
        folders[:] = [name for name in folders if _is_source(Path(folder, name))]
        for name in folders:
            (below / name).mkdir()
        count += len(files) + len(folders)
        if count > limits.PROJECT_MAX_COUNT:
            raise Refused(
                RuleId.COMMAND_NOT_GUARDED.value,
                f"{root} has more than {limits.PROJECT_MAX_COUNT} files, too many to resolve in a copy of it",
                hint="lock with the tool itself, then install frozen through guard",
            )
        for name in files:
            _copy_file(Path(folder, name), below / name, is_copied=name in copied)


def _is_source(folder: Path) -> bool:
    is_left_out = folder.name in _LEFT_OUT | _LINKED_FOLDERS or (folder / "pyvenv.cfg").exists()
    return not is_left_out and not folder.is_symlink()


def _copy_file(source: Path, target: Path, *, is_copied: bool) -> None:
    if is_copied and source.is_file():
        shutil.copyfile(source, target)
    elif source.exists():
        target.symlink_to(source.absolute())


def find_changes(root: Path, scratch: Path, names: Collection[str]) -> dict[Path, bytes]:
    """Return the files that differ in the scratch copy, by their path in the project.

    Args:
        root: of the project.
        scratch: of :func:`copy_project`.
        names: of the files that count.
    """
    changes = {}
    for folder, _, files in os.walk(scratch):
        for name in sorted(set(files) & set(names)):
            written, own = Path(folder, name), root / Path(folder, name).relative_to(scratch)
            content = written.read_bytes()
            if not own.is_file() or own.read_bytes() != content:
                changes[own] = content
    return changes


@contextmanager
def placed(changes: Mapping[Path, bytes]) -> Iterator[list[bool]]:
    """Put changed files into the project; they are taken back where the block raises or does not say that they stay.

    Yields:
        A list; what is true in it says that the files stay.
    """
    former = {path: path.read_bytes() if path.is_file() else None for path in changes}
    stays: list[bool] = []
    try:
        for path, content in changes.items():
            _write(path, content)
        yield stays
    finally:
        if not any(stays):
            for path, own in former.items():
                if own is None:
                    path.unlink(missing_ok=True)
                else:
                    _write(path, own)


def _write(path: Path, content: bytes) -> None:
    """Replace a file's content whole, its mode and the place that a link leads to kept."""
    path = Path(os.path.realpath(path))
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(name, mode)  # noqa: PTH101
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Which lockfiles there are: those that were named, and those that are found by name below a folder.

Inside a git repository what git ignores is left out; links are not followed, so that a search stays where it began.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.audit.git import find_repository
from guard.errors import UsageError
from guard_lockfiles.formats import FORMATS, Format, Unsupported, find_format, find_unsupported

# Where npm records what it installed; see guard.audit.installed.
HIDDEN_LOCK_NAME = ".package-lock.json"
# What tools unpacked is not the project's own, and its lockfiles say nothing about what is installed here.
_SKIPPED_FOLDERS = frozenset({".git", ".hg", "node_modules", ".venv", "venv", ".tox", ".nox", "site-packages"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A lockfile.

    Args:
        path: absolute.
        format: as what it is read, or what it is refused as.
    """

    path: Path
    format: Format | Unsupported

    @property
    def folder(self) -> Path:
        """The folder of the project that it is of, which is another one where it lies in ``node_modules``."""
        return self.path.parent.parent if self.path.name == HIDDEN_LOCK_NAME else self.path.parent


def find_lockfiles(paths: Sequence[Path], *, cwd: Path, environ: Mapping[str, str]) -> tuple[FoundFile, ...]:
    """Find lockfiles.

    Args:
        paths: files, and folders to search; of none, the working directory is searched.
        cwd: the working directory.
        environ: the user's environment.

    Raises:
        UsageError: a path does not exist, a file is not known as a lockfile by its name, or there is none at all.
    """
    found: dict[Path, FoundFile] = {}
    for path in [cwd / path for path in paths] or [cwd]:
        for each in (recognise_named(path),) if path.is_file() else _search(path, environ):
            found.setdefault(each.path, each)
    if not found:
        names = "requirements*.txt, pylock.toml, package-lock.json"
        raise UsageError(
            f"no lockfile was found in {', '.join(map(str, paths)) or cwd}",
            hint=f"guard knows {names} and those of docs/lockfiles.md; name a file that is called otherwise",
        )
    return tuple(found.values())


def recognise(path: Path) -> FoundFile | None:
    """Return a file as the lockfile that its name says it is; ``None`` where it says nothing."""
    found = find_format(path.name, folder=path.parent.name) or find_unsupported(path.name)
    return None if found is None else FoundFile(path, found)


def recognise_named(path: Path) -> FoundFile:
    """Return a file that the user names as the lockfile that it is.

    Raises:
        UsageError: its name says nothing.
    """
    path = Path(os.path.normpath(path))
    found = recognise(path)
    if found is None and path.suffix == ".txt":  # which the user says is one, whatever it is called
        found = FoundFile(path, next(each for each in FORMATS if each.id == "requirements"))
    if found is None:
        raise UsageError(
            f"{path} is no lockfile that guard knows by its name", hint="docs/lockfiles.md lists the names"
        )
    return found


def _search(folder: Path, environ: Mapping[str, str]) -> Iterator[FoundFile]:
    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist")
    folder = Path(os.path.normpath(folder))
    for path in sorted(_files_below(folder, environ)):
        found = recognise(path)
        if found is not None and path.is_file() and not path.is_symlink():
            yield found


def _files_below(folder: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    repository = find_repository(folder, environ)
    if repository is None:
        yield from _walk(folder)
        return
    for path in repository.list_files(folder):
        if is_unpacked(path.relative_to(folder)):
            continue
        if path.is_dir() and not path.is_symlink() and path != folder:  # a submodule, or a repository of its own
            yield from _files_below(path, environ)
        else:
            yield path


def is_unpacked(path: Path) -> bool:
    """Return whether a path, from where a search began, lies in a folder that tools unpack packages into."""
    return not _SKIPPED_FOLDERS.isdisjoint(path.parts[:-1])


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name not in _SKIPPED_FOLDERS and not (Path(parent) / name / "pyvenv.cfg").exists()
        ]
        yield from (Path(parent) / name for name in files)

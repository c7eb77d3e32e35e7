"""What is about to be committed: the lockfiles whose staged content, or that of what they include, is another one.

Everything is read from git's index: what of a file is not staged is no part of the commit. Locks that the commit leaves
as they are were judged when they came, and are not read at all.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.app import App
from guard.audit.changes import Base
from guard.audit.discovery import FoundFile, is_unpacked, recognise, recognise_named
from guard.audit.reading import LoadedLock, LockReader, UnreadableLock
from guard.errors import UsageError
from guard.store.policies import IDENTITY_LOCK_NAME

_INCLUDING = "requirements"  # the one format whose files include others


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staged:
    """The index.

    Args:
        files: that it holds.
        changed: those whose content is not that of the base; ``None`` for all of them.
    """

    files: Collection[Path]
    changed: frozenset[Path] | None

    def has_changed(self, path: Path) -> bool:
        return self.changed is None or path in self.changed

    def may_have_changed(self, found: FoundFile) -> bool:
        return found.format.id == _INCLUDING or self.has_changed(found.path) or self.governs_anew(found.path)

    def has_changed_part(self, lock: LoadedLock) -> bool:
        return self.governs_anew(lock.found.path) or any(self.has_changed(part.path) for part in lock.parts)

    def governs_anew(self, lock: Path) -> bool:
        """Return whether the commit changes which registries a lock is used with, or who may publish what it names."""
        above = (folder / IDENTITY_LOCK_NAME for folder in lock.parents)
        return self.has_changed(lock.parent / ".npmrc") or any(map(self.has_changed, above))


def read_staged_locks(
    app: App, base: Base, paths: Sequence[Path]
) -> tuple[tuple[LoadedLock, ...], tuple[UnreadableLock, ...]]:
    """Read the lockfiles that a commit changes.

    Args:
        app: the outside.
        base: with the index as what is compared.
        paths: files, and folders to search; of none, the working directory is searched.

    Returns:
        The locks, and each file that is none.

    Raises:
        UsageError: a path is not staged, or is not known as a lockfile by its name.
        ConfigInvalid: git does not answer.
    """
    repository = base.repository
    files = dict.fromkeys(repository.list_staged(repository.root))
    changed = None if base.commit is None else repository.list_staged_changes(base.commit)
    staged = _Staged(files=files.keys(), changed=changed)
    found = {each.path: each for path in paths or [app.cwd] for each in _find(app.cwd / path, staged)}
    now = LockReader(base.load_changed_lock, cwd=app.cwd, project=app.project, environ=app.environ)
    before = LockReader(base.load_lock, cwd=app.cwd, project=app.project, environ=app.environ)
    locks: list[LoadedLock] = []
    broken: list[UnreadableLock] = []
    for each in filter(staged.may_have_changed, found.values()):
        match now.read(each):
            case LoadedLock() as lock:
                if staged.has_changed_part(lock):
                    locks.append(lock)
            case UnreadableLock() as lock:
                # One that the commit does not touch, and that could not be read before it, is not the commit's matter.
                if staged.has_changed(each.path) or isinstance(before.read(each), LoadedLock):
                    broken.append(lock)
    return tuple(locks), tuple(broken)


def _find(path: Path, staged: _Staged) -> Iterator[FoundFile]:
    path = Path(os.path.normpath(path))
    if path in staged.files:
        yield recognise_named(path)
        return
    if not path.is_dir():
        raise UsageError(f"{path} is not staged", hint=f"git add {path}")
    for file in staged.files:
        if file.is_relative_to(path) and not is_unpacked(file.relative_to(path)):
            found = recognise(file)
            if found is not None:
                yield found

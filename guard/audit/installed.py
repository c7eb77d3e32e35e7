"""What npm installed: the record that it keeps in ``node_modules``, and whether the tree is what the record says.

The record names the integrity of each tarball, which is held against the registry as that of a lock is. Files that were
unpacked are not compared: npm keeps no digest of them. Of pip, which keeps digests of files and none of the wheel that
they came from, nothing can be held against an index, so that its environments are refused.

Source: ``lib/shrinkwrap.js`` of @npmcli/arborist (``assertNoNewer``), by which npm itself believes the record. npm
goes by times of folders, too, which scripts of packages change; guard reads every package.json instead.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from guard.audit.discovery import HIDDEN_LOCK_NAME, FoundFile
from guard.audit.reading import LoadedLock, load_from_disk
from guard.errors import ConfigInvalid, UsageError
from guard.model import Finding, Level, Location, RuleId
from guard_lockfiles.formats import Format
from guard_lockfiles.package_lock import LockedPackage, parse_package_lock
from guard_lockfiles.package_lock_entries import parse_package_lock_entries

_FORMAT = Format("package-lock", re.compile(re.escape(HIDDEN_LOCK_NAME)), parse_package_lock_entries)
_VERSION_PREFIX = re.compile(r"^[=v\s]+")
_SHOWN_MAX_CHARACTERS = 80
# Files by which other tools know a node_modules of their own, and the lock that says the same.
_OTHER_TOOLS = {
    ".modules.yaml": "pnpm-lock.yaml",
    ".yarn-integrity": "yarn.lock",
    ".yarn-state.yml": "yarn.lock",
}


def find_installed(paths: Sequence[Path], *, cwd: Path) -> tuple[FoundFile, ...]:
    """Find npm's records of what it installed.

    Args:
        paths: folders of projects, or their ``node_modules``; none for the working directory.
        cwd: the working directory.

    Raises:
        UsageError: there is no such record; of what other tools installed, there is none that could be compared.
    """
    records = dict.fromkeys(_record(Path(os.path.normpath(cwd / path))) for path in paths or [cwd])
    return tuple(FoundFile(path, _FORMAT) for path in records)


def _record(folder: Path) -> Path:
    modules = folder if folder.name == "node_modules" else folder / "node_modules"
    record = modules / HIDDEN_LOCK_NAME
    if record.is_file():
        return record
    if (folder / "pyvenv.cfg").exists() or folder.name == "site-packages" or any(folder.glob("*.dist-info")):
        raise UsageError(
            f"{folder} is an environment of Python, which keeps no digest of the wheels that it was installed from",
            hint="audit the lock that it was installed from: guard audit requirements.txt",
        )
    for name, lock in _OTHER_TOOLS.items():
        if (modules / name).exists():
            raise UsageError(f"{modules} was not made by npm", hint=f"guard audit {lock}")
    raise UsageError(
        f"{record} does not exist: there npm 7 and newer record what they install, except with -g",
        hint="npm ci writes it",
    )


def compare_installed(lock: LoadedLock, *, cwd: Path) -> tuple[Finding, ...]:
    """Say where a tree is not what npm recorded.

    Args:
        lock: from a file of :func:`find_installed`.
        cwd: the working directory, from which paths are shown.

    Raises:
        ConfigInvalid: the record cannot be read.
    """
    recorded = {each.path: each for each in parse_package_lock(load_from_disk(lock.found.path)).packages}
    tree = _Tree(lock.found.folder, recorded, cwd)
    return (*tree.unrecorded(), *tree.differing(lock.shown))


class _Tree:
    """A tree on disk, and what npm recorded of it.

    Args:
        root: folder of the project.
        recorded: entries by their path from there.
        cwd: the working directory.
    """

    def __init__(self, root: Path, recorded: Mapping[str, LockedPackage], cwd: Path) -> None:
        self._root = root
        self._recorded = recorded
        self._cwd = cwd

    def unrecorded(self) -> Iterator[Finding]:
        """Find what node would load and npm did not record: whatever lies in a ``node_modules`` of the tree."""
        holders = ["", *(path for path, entry in self._recorded.items() if not entry.link)]
        for holder in dict.fromkeys(holders):
            modules = self._root / holder / "node_modules"
            if modules.is_dir() and (not holder or not (self._root / holder).is_symlink()):
                for path in _packages(modules):
                    relative = Path(os.path.relpath(path, self._root)).as_posix()
                    if relative not in self._recorded:
                        yield _finding(Level.BLOCK, f"npm did not record {relative}", Location(self._shown(path)))

    def differing(self, shown: str) -> Iterator[Finding]:
        """Compare each entry with what lies in its place."""
        for entry in self._recorded.values():
            if entry.path and not entry.is_folder:
                level, problem = self._compare(entry)
                if problem:
                    yield _finding(level, f"{entry.path} {problem}", Location(shown, entry.line, entry.column))

    def _compare(self, entry: LockedPackage) -> tuple[Level, str]:
        path = self._root / entry.path
        if not path.is_symlink() and not path.exists():
            return Level.WARN, "is recorded, and is not there"
        if entry.link:
            target = os.path.normpath(path.parent / path.readlink()) if path.is_symlink() else None
            is_same = target == os.path.normpath(self._root / (entry.resolved or ""))
            return Level.BLOCK, "" if is_same else "is recorded as a link, and is another one or none"
        if path.is_symlink() or not path.is_dir():
            return Level.BLOCK, "is recorded as a package, and is a link or a file"
        name, version = _manifest_of(path)
        if (name, _VERSION_PREFIX.sub("", version)) == (entry.name, entry.version or version):
            return Level.BLOCK, ""
        found = f"{name}@{version}"[:_SHOWN_MAX_CHARACTERS]
        return Level.BLOCK, f"is recorded as {entry.name}@{entry.version}, and its package.json says {found!r}"

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._cwd)) if path.is_relative_to(self._cwd) else str(path)


def _packages(modules: Path) -> Iterator[Path]:
    """Yield what lies in a ``node_modules``, and in its scopes; what begins with a dot is of tools, and no package."""
    for path in sorted(modules.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name.startswith("@") and path.is_dir() and not path.is_symlink():
            yield from (each for each in sorted(path.iterdir()) if not each.name.startswith("."))
        else:
            yield path


def _manifest_of(folder: Path) -> tuple[str, str]:
    """Return name and version that a package.json says; empty texts where it says none."""
    try:
        manifest = json.loads(load_from_disk(folder / "package.json"))
    except (ConfigInvalid, ValueError, RecursionError):
        return "", ""
    if not isinstance(manifest, dict):
        return "", ""
    name, version = manifest.get("name"), manifest.get("version")
    return name if isinstance(name, str) else "", version if isinstance(version, str) else ""


def _finding(level: Level, message: str, location: Location) -> Finding:
    return Finding(
        rule=RuleId.INSTALLED_DIFFERS,
        level=level,
        message=message,
        next="npm ci installs what the lock names, and nothing else",
        location=location,
    )

"""Which releases the user names: by a lock, by an exact version, and by what is installed already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guard.managers.npm.project import Project, load_installed_lock
from guard.policy.offer import NamedReleases
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.package_lock import parse_package_lock

_EXACT = r"[v=\s]*(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)(?:\+[0-9A-Za-z.-]+)?\s*"
_VERSION = re.compile(_EXACT)
# What may stand before it: a name of one's own, and ``npm:`` for an alias (npm-package-arg, ``fromAlias``).
_TYPED = re.compile(rf"(?:(?:@[^/@]+/)?[^/@:]+@npm:)?((?:@[^/@]+/)?[^/@:]+)@{_EXACT}")
_ALIASED = re.compile(rf"npm:((?:@[^/@]+/)?[^/@]+)@{_EXACT}")


def find_named(project: Project, arguments: Iterable[str]) -> NamedReleases:
    """Return the releases that nobody needs to choose any more.

    Args:
        project: its lock, what its package.json files ask for exactly, and what is installed in it.
        arguments: of the command line.
    """
    versions = {*_locked(project.lock), *_locked(load_installed_lock(project))}
    versions |= {(match[1], match[2]) for match in map(_TYPED.fullmatch, arguments) if match}
    for name, spec in project.named_specs():
        plain, aliased = _VERSION.fullmatch(spec), _ALIASED.fullmatch(spec)
        if plain:
            versions.add((name, plain[1]))
        if aliased:
            versions.add((aliased[1], aliased[2]))
    return NamedReleases(versions=frozenset(versions))


def _locked(data: bytes | None) -> Iterator[tuple[str, str]]:
    if data is None:
        return
    try:
        lock = parse_package_lock(data)
    except MalformedLockfile:
        return  # said where the lock is needed
    for entry in lock.packages:
        if entry.name and entry.version:
            yield entry.name, entry.version

"""What npm would fetch for a lockfile on one platform, and from which kind of source.

Where it is not certain that npm leaves an entry out, it stays in: an entry too many is decided for nothing, one too few
would be refused at delivery. So the rules here are those that hold for npm 9 to 11 alike, on the entry's own flags.
npm 11 also passes over what only a skipped entry asks for (``lib/optional-set.js``); that is left aside, since npm 9
and 10 may have asked for its tarball by then. Sources: ``lib/node.js`` (``shouldOmit``, ``getBundler``),
``lib/arborist/build-ideal-tree.js`` (``#checkEngineAndPlatform``) and ``reify.js`` of @npmcli/arborist,
npm-install-checks, npm-package-arg and hosted-git-info.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from guard.model import SourceKind
from guard.registry.credentials import redact_url
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Source
from guard_lockfiles.package_lock import DependencyKind, LockedPackage, PackageLock, parse_declared
from guard_lockfiles.package_lock_sources import (
    classify_entry,
    find_bundlers,
    is_in_node_modules,
    local_path_of,
    pinned_commit,
    requested_urls,
    resolve_name,
    stays_inside,
)

_USER = re.compile(r"[^/@]*@")
_PLACE = re.compile(r"(?:(?P<above>.*)/)?node_modules/(?:@[^/]+/)?[^/]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The platform that npm installs for, in node's words.

    Args:
        os: ``process.platform``.
        cpu: ``process.arch``.
        libc: ``glibc`` or ``musl`` on Linux; ``None`` elsewhere, or where it is not known.
    """

    os: str
    cpu: str
    libc: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Omit:
    """The kinds of dependencies that npm was told to leave out."""

    dev: bool = False
    optional: bool = False
    peer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPackage:
    """An entry that has to be decided.

    Args:
        entry: as the lock gives it; one that claims to be bundled, and is not, is without its integrity.
        source: where npm would take it from.
        origin: the source's own URL or path, without credentials; ``None`` for what registries serve.
        parent: the entry whose tarball holds it, for BUNDLED.
    """

    entry: LockedPackage
    source: SourceKind
    origin: str | None = None
    parent: LockedPackage | None = None


def plan_lock(lock: PackageLock, *, platform: Platform, omit: Omit) -> tuple[PlannedPackage, ...]:
    """Return every entry of a lock that npm would fetch on a platform, link or unpack, in the lock's order.

    The project itself is left out, and so is a link whose folder has an entry of its own. What a lock's unreadable
    entries stand for is the caller's to refuse.

    Args:
        lock: the whole lock.
        platform: where it is installed.
        omit: what npm was told to leave out.
    """
    entries = {entry.path: entry for entry in lock.packages}
    bundlers = find_bundlers(entries)
    wanted = _Wanted(platform, omit, _workspace_folders(lock))
    urls = requested_urls(lock)
    planned = []
    for entry in lock.packages:
        parent = bundlers.get(entry.path)
        if entry.path == "" or not wanted.holds(entry) or (parent and not wanted.holds(parent)):
            continue
        if entry.link and (entry.resolved or "") in entries:
            continue
        planned.append(_plan_entry(entry, parent=parent, urls=urls))
    return tuple(planned)


def requires_resolution(
    lock: PackageLock, manifest: Mapping[str, object], workspaces: Mapping[str, Mapping[str, object]]
) -> bool:
    """Return whether the project asks for anything else than its lock records.

    Args:
        lock: the project's lock.
        manifest: its package.json.
        workspaces: the package.json of every workspace, and of every other folder that it links to, by the folder's
            path from the project.

    Returns:
        ``False`` only where ``npm install`` without arguments installs the lock as it is.
    """
    entries = {entry.path: entry for entry in lock.packages}
    folders = {entry.path for entry in lock.packages if entry.is_folder and not is_in_node_modules(entry.path)}
    manifests = {"": manifest, **workspaces}
    if lock.lockfile_version == 1 or manifest.get("overrides") or not folders <= manifests.keys() or "" not in folders:
        return True  # what version 1 does not say at all, and no version says of overrides
    if manifest.get("workspaces") and folders != manifests.keys():
        return True  # one more workspace, perhaps
    links = {entry.resolved: entry.name for entry in lock.packages if entry.link}
    return any(
        _asks_otherwise(entries[path], manifests[path]) or (path and links.get(path) != _name_of(path, manifests[path]))
        for path in folders
    ) or any(_lacks_dependency(entry, entries) for entry in lock.packages)


def _asks_otherwise(entry: LockedPackage, manifest: Mapping[str, object]) -> bool:
    try:
        declared = parse_declared(manifest, dev=True)
    except MalformedLockfile:
        return True
    return (
        dict(declared.requested) != dict(entry.requested)
        or dict(declared.kinds) != dict(entry.kinds)
        or set(declared.bundles) != set(entry.bundles)
        or (entry.path != "" and (manifest.get("version") or "") != entry.version)
    )


def _name_of(path: str, manifest: Mapping[str, object]) -> object:
    return manifest.get("name") or posixpath.basename(path)


def _lacks_dependency(entry: LockedPackage, entries: Mapping[str, LockedPackage]) -> bool:
    # An optional one that is missing, npm would add as well: without asking again whether it may.
    needed = (DependencyKind.REQUIRED, DependencyKind.DEV, DependencyKind.OPTIONAL)
    names = (name for name, kind in entry.kinds.items() if kind in needed)
    return not entry.in_bundle and any(resolve_name(entry.path, name, entries) is None for name in names)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Tells which entries npm leaves out for certain."""

    platform: Platform
    omit: Omit
    workspaces: frozenset[str]

    def holds(self, entry: LockedPackage) -> bool:
        """Return whether npm may install the entry."""
        return not self._is_omitted(entry) and (not entry.optional or self._is_for_platform(entry))

    def _is_omitted(self, entry: LockedPackage) -> bool:
        """``Node.shouldOmit``: only below the project and its workspaces, never below another folder."""
        omit = self.omit
        if entry.is_folder or _top_folder(entry.path) not in self.workspaces:
            return False
        return (
            (omit.peer and entry.peer)
            or (omit.dev and entry.dev)
            or (omit.optional and entry.optional)
            or (omit.optional and omit.dev and entry.dev_optional)
        )

    def _is_for_platform(self, entry: LockedPackage) -> bool:
        """``checkPlatform`` of npm-install-checks. A Linux whose library is not known may be any."""
        platform = self.platform
        fits_libc = platform.os == "linux" if platform.libc is None else _fits(platform.libc, entry.libc)
        return _fits(platform.os, entry.os) and _fits(platform.cpu, entry.cpu) and (fits_libc or not entry.libc)


def _fits(value: str, accepted: Sequence[str]) -> bool:
    """``checkList`` of npm-install-checks."""
    if not accepted or list(accepted) == ["any"]:
        return True
    denied = [name[1:] for name in accepted if name.startswith("!")]
    return value not in denied and (value in accepted or len(denied) == len(accepted))


def _workspace_folders(lock: PackageLock) -> frozenset[str]:
    """Return the folders that are the project or certainly its workspaces.

    The target of a link is a workspace unless some entry asks for that name by a path; version 1, and a file without
    the project's own entry, do not say what the project asks for.
    """
    project = frozenset({""})
    if lock.lockfile_version == 1 or not any(entry.path == "" for entry in lock.packages):
        return project
    by_path = {
        name
        for entry in lock.packages
        for name, spec in entry.requested.items()
        if "/" in spec or ":" in spec or spec.startswith(".")
    }
    return project | {entry.resolved or "" for entry in lock.packages if entry.link and entry.name not in by_path}


def _top_folder(path: str) -> str:
    """Return the folder that a place stands in, through every node_modules between them (``Node.top``)."""
    while place := _PLACE.fullmatch(path):
        path = place["above"] or ""
    return path


def _plan_entry(
    entry: LockedPackage, *, parent: LockedPackage | None, urls: frozenset[tuple[str, str]]
) -> PlannedPackage:
    match classify_entry(entry, bundler=parent, urls=urls):
        case Source.BUNDLED if parent is None:  # in no tarball that could be decided
            return PlannedPackage(entry=replace(entry, integrity=None), source=SourceKind.REGISTRY)
        case Source.BUNDLED:
            return PlannedPackage(entry=entry, source=SourceKind.BUNDLED, parent=parent)
        case Source.FOLDER | Source.FILE:
            path = local_path_of(entry)
            source = SourceKind.LOCAL if stays_inside(path) else SourceKind.PATH
            return PlannedPackage(entry=entry, source=source, origin=posixpath.normpath(path))
        case Source.GIT:
            resolved = entry.resolved or ""
            source = SourceKind.VCS_PINNED if pinned_commit(resolved) else SourceKind.VCS
            return PlannedPackage(entry=entry, source=source, origin=_without_credentials(resolved))
        case Source.URL:
            source = SourceKind.URL_HASHED if entry.integrity else SourceKind.URL
            return PlannedPackage(entry=entry, source=source, origin=_without_credentials(entry.resolved or ""))
        case Source.REGISTRY | Source.OTHER:
            return PlannedPackage(entry=entry, source=SourceKind.ALIAS if entry.alias else SourceKind.REGISTRY)


def _without_credentials(address: str) -> str:
    """Return an address that a message may hold; of its fragment only a commit is kept."""
    place, _, fragment = address.partition("#")
    shown = redact_url(place) if "://" in place else _USER.sub("", place)
    return f"{shown}#{fragment}" if pinned_commit(address) else shown

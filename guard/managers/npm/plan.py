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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from guard.model import SourceKind
from guard.registry.credentials import redact_url
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.package_lock import DependencyKind, LockedPackage, PackageLock, parse_declared

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_GIT_SCHEMES = frozenset({"git", "ssh", "github", "gitlab", "bitbucket", "gist", "sourcehut"})
# What npm takes for a repository without its saying so: two names on a host that it knows, user@host:path, user/name.
_HOSTED_GIT = re.compile(
    r"https?://(?:[^/@]*@)?(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org|gist\.github\.com|git\.sr\.ht)"
    r"/(?:[^/?#]+/)?[^/?#]+/?(?:/tree/[^?#]*)?(?:#.*)?",
    re.IGNORECASE,
)
_SCP_ADDRESS = re.compile(r"[^@/]+@[^:./]+\.[^:]+:.+")
_SHORTCUT = re.compile(r"[^@/.~:][^@/:]*/[^/#]+(?:#.*)?")
_COMMIT = re.compile(r".*#[0-9a-f]{40}(?:[0-9a-f]{24})?")
_USER = re.compile(r"[^/@]*@")
_REGISTRY_SCHEMES = frozenset({"", "npm", "http", "https"})
_PLACE = re.compile(r"(?:(?P<above>.*)/)?node_modules/(?:@[^/]+/)?[^/]+")
_FILE = re.compile(r"file:|[./~]|[A-Za-z]:", re.IGNORECASE)
_OUTSIDE = re.compile(r"\.\.(?:/|$)|/|~|[A-Za-z]:")


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
    bundlers = _find_bundlers(entries)
    wanted = _Wanted(platform, omit, _workspace_folders(lock))
    urls = frozenset(
        (name, spec)
        for entry in lock.packages
        for name, spec in entry.requested.items()
        if spec.lower().startswith(("http:", "https:"))
    )
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
    folders = {entry.path for entry in lock.packages if entry.is_folder and not _is_in_node_modules(entry.path)}
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
    return not entry.in_bundle and any(_resolve(entry.path, name, entries) is None for name in names)


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


def _find_bundlers(entries: Mapping[str, LockedPackage]) -> Mapping[str, LockedPackage]:
    """Return who bundles what claims to be bundled, and which package every folder inside one belongs to.

    A tarball holds what its package bundles and what that requires, as far as it stands below the package, outermost
    package first (``Node.getBundler``). The project and its workspaces may bundle too, which npm fetches all the same.
    """
    bundlers: dict[str, LockedPackage] = {}
    bundling = [entry for entry in entries.values() if entry.bundles and not entry.link]
    for entry in sorted(bundling, key=lambda entry: (entry.is_folder, len(entry.path))):
        if entry.path not in bundlers:
            for path in _bundled_paths(entry, entries):
                bundlers.setdefault(path, entry)
    found = {path: bundler for path, bundler in bundlers.items() if entries[path].in_bundle}
    for entry in entries.values():
        holder = _holder_of(entry, entries) if entry.is_folder and _is_in_node_modules(entry.path) else None
        if holder:
            found[entry.path] = found.get(holder.path, holder)
    return found


def _bundled_paths(bundler: LockedPackage, entries: Mapping[str, LockedPackage]) -> Iterator[str]:
    inside = posixpath.join(bundler.path, "node_modules/")
    waiting = [inside + name for name in bundler.bundles]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or path not in entries:
            continue
        seen.add(path)
        yield path
        names = (*entries[path].requested, *entries[path].bundles)
        found = (_resolve(path, name, entries) for name in names)
        waiting += [entry.path for entry in found if entry is not None and entry.path.startswith(inside)]


def _holder_of(folder: LockedPackage, entries: Mapping[str, LockedPackage]) -> LockedPackage | None:
    """Return the package that a folder in a node_modules is part of."""
    path = folder.path
    while path := path.rpartition("/")[0]:
        entry = entries.get(path)
        if entry and not entry.is_folder:
            return None if entry.link else entry
    return None


def _is_in_node_modules(path: str) -> bool:
    return "node_modules" in path.split("/")


def _resolve(path: str, name: str, entries: Mapping[str, LockedPackage]) -> LockedPackage | None:
    """Find what a name means to an entry, as node does: in the node_modules of its folder and of those above it."""
    while path and path != "..":
        entry = entries.get(f"{path}/node_modules/{name}")
        if entry:
            return entry
        nested, _, _ = path.rpartition("/node_modules/")
        path = nested or path.rpartition("/")[0]
    return entries.get(f"node_modules/{name}")


def _plan_entry(
    entry: LockedPackage, *, parent: LockedPackage | None, urls: frozenset[tuple[str, str]]
) -> PlannedPackage:
    if parent and not parent.is_folder:
        return PlannedPackage(entry=entry, source=SourceKind.BUNDLED, parent=parent)
    in_package = entry.is_folder and _is_in_node_modules(entry.path)
    if parent is None and (entry.in_bundle or in_package):  # in no tarball that could be decided
        return PlannedPackage(entry=replace(entry, integrity=None), source=SourceKind.REGISTRY)
    if entry.is_folder or entry.link:
        return _plan_path(entry, entry.path if entry.is_folder else entry.resolved or "")
    return _plan_source(entry, urls)


def _plan_source(entry: LockedPackage, urls: frozenset[tuple[str, str]]) -> PlannedPackage:
    resolved = entry.resolved or ""
    found = _SCHEME.match(resolved)
    scheme = found[1].lower() if found else ""
    if _is_repository(resolved, scheme):
        source = SourceKind.VCS_PINNED if _COMMIT.fullmatch(resolved) else SourceKind.VCS
        return PlannedPackage(entry=entry, source=source, origin=_without_credentials(resolved))
    if _FILE.match(resolved) or ("/" in resolved and not scheme):
        return _plan_path(entry, re.sub("(?i)^file:", "", resolved))
    is_web = scheme in ("http", "https")
    if (is_web and not entry.version) or (entry.installed_name, resolved) in urls or scheme not in _REGISTRY_SCHEMES:
        source = SourceKind.URL_HASHED if entry.integrity else SourceKind.URL
        return PlannedPackage(entry=entry, source=source, origin=_without_credentials(resolved))
    return PlannedPackage(entry=entry, source=SourceKind.ALIAS if entry.alias else SourceKind.REGISTRY)


def _plan_path(entry: LockedPackage, path: str) -> PlannedPackage:
    """Plan a folder or a file: the user's own inside the project, except in a node_modules.

    npm 9 decodes percent signs and npm 11 does not, and on Windows a backslash divides too: each reading counts.
    """
    readings = {posixpath.normpath(reading.replace("\\", "/")) for reading in (path, unquote(path))}
    is_own = not any(_OUTSIDE.match(reading) or _is_in_node_modules(reading) for reading in readings)
    source = SourceKind.LOCAL if is_own else SourceKind.PATH
    return PlannedPackage(entry=entry, source=source, origin=posixpath.normpath(path))


def _is_repository(resolved: str, scheme: str) -> bool:
    """Return whether npm would take a source for a git repository (npm-package-arg and hosted-git-info)."""
    if not scheme:
        return bool(_SCP_ADDRESS.match(resolved) or _SHORTCUT.fullmatch(resolved))
    return scheme.startswith("git+") or scheme in _GIT_SCHEMES or bool(_HOSTED_GIT.fullmatch(resolved))


def _without_credentials(address: str) -> str:
    """Return an address that a message may hold; of its fragment only a commit is kept."""
    place, _, fragment = address.partition("#")
    shown = redact_url(place) if "://" in place else _USER.sub("", place)
    return f"{shown}#{fragment}" if _COMMIT.fullmatch(f"#{fragment}") else shown

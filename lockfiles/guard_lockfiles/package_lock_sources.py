"""Where each entry of npm's lockfiles comes from, as npm would read it, and which tarballs hold which entries.

Sources: ``lib/node.js`` and ``lib/arborist/load-virtual.js`` of @npmcli/arborist, npm-package-arg and hosted-git-info
(npm 9 to 11).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from guard_lockfiles.lockfile import Source
from guard_lockfiles.package_lock import LockedPackage, PackageLock

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
_COMMIT = re.compile(r".*#([0-9a-f]{40}(?:[0-9a-f]{24})?)")
_REGISTRY_SCHEMES = frozenset({"", "npm", "http", "https"})
_FILE = re.compile(r"file:|[./~]|[A-Za-z]:", re.IGNORECASE)
_OUTSIDE = re.compile(r"\.\.(?:/|$)|/|~|[A-Za-z]:")


def requested_urls(lock: PackageLock) -> frozenset[tuple[str, str]]:
    """Return the addresses that entries ask for in place of a version, each with the name that it is asked for by."""
    return frozenset(
        (name, spec)
        for entry in lock.packages
        for name, spec in entry.requested.items()
        if spec.lower().startswith(("http:", "https:"))
    )


def classify_entry(entry: LockedPackage, *, bundler: LockedPackage | None, urls: frozenset[tuple[str, str]]) -> Source:
    """Return where npm takes an entry from.

    Args:
        entry: any but the project itself.
        bundler: see :func:`find_bundlers`. What claims to be bundled, or stands inside a package, and has none is
            ``BUNDLED`` by nothing that could be decided.
        urls: of :func:`requested_urls`.
    """
    in_package = entry.is_folder and is_in_node_modules(entry.path)
    if (bundler and not bundler.is_folder) or (bundler is None and (entry.in_bundle or in_package)):
        return Source.BUNDLED
    if entry.is_folder or entry.link:
        return Source.FOLDER
    resolved = entry.resolved or ""
    found = _SCHEME.match(resolved)
    scheme = found[1].lower() if found else ""
    if _is_repository(resolved, scheme):
        return Source.GIT
    if _FILE.match(resolved) or ("/" in resolved and not scheme):
        return Source.FILE
    is_web = scheme in ("http", "https")
    if (is_web and not entry.version) or (entry.installed_name, resolved) in urls or scheme not in _REGISTRY_SCHEMES:
        return Source.URL
    return Source.REGISTRY


def local_path_of(entry: LockedPackage) -> str:
    """Return the path of a ``FOLDER`` or ``FILE``, from the project."""
    return entry.path if entry.is_folder else re.sub("(?i)^file:", "", entry.resolved or "")


def stays_inside(path: str) -> bool:
    """Return whether a path from the project stays in it, and is no package's.

    npm 9 decodes percent signs and npm 11 does not, and on Windows a backslash divides too: each reading counts.
    """
    readings = {posixpath.normpath(reading.replace("\\", "/")) for reading in (path, unquote(path))}
    return not any(_OUTSIDE.match(reading) or is_in_node_modules(reading) for reading in readings)


def pinned_commit(resolved: str) -> str | None:
    """Return the commit that a repository's address pins; ``None`` where it pins none."""
    match = _COMMIT.fullmatch(resolved)
    return match[1] if match else None


def find_bundlers(entries: Mapping[str, LockedPackage]) -> Mapping[str, LockedPackage]:
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
        holder = _holder_of(entry, entries) if entry.is_folder and is_in_node_modules(entry.path) else None
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
        found = (resolve_name(path, name, entries) for name in names)
        waiting += [entry.path for entry in found if entry is not None and entry.path.startswith(inside)]


def _holder_of(folder: LockedPackage, entries: Mapping[str, LockedPackage]) -> LockedPackage | None:
    """Return the package that a folder in a node_modules is part of."""
    path = folder.path
    while path := path.rpartition("/")[0]:
        entry = entries.get(path)
        if entry and not entry.is_folder:
            return None if entry.link else entry
    return None


def is_in_node_modules(path: str) -> bool:
    """Return whether a path leads through a node_modules."""
    return "node_modules" in path.split("/")


def resolve_name(path: str, name: str, entries: Mapping[str, LockedPackage]) -> LockedPackage | None:
    """Find what a name means to an entry, as node does: in the node_modules of its folder and of those above it."""
    while path and path != "..":
        entry = entries.get(f"{path}/node_modules/{name}")
        if entry:
            return entry
        nested, _, _ = path.rpartition("/node_modules/")
        path = nested or path.rpartition("/")[0]
    return entries.get(f"node_modules/{name}")


def _is_repository(resolved: str, scheme: str) -> bool:
    """Return whether npm would take a source for a git repository."""
    if not scheme:
        return bool(_SCP_ADDRESS.match(resolved) or _SHORTCUT.fullmatch(resolved))
    return scheme.startswith("git+") or scheme in _GIT_SCHEMES or bool(_HOSTED_GIT.fullmatch(resolved))

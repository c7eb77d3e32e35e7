"""npm's lockfiles in the shape that all lockfiles have: one entry for each place in the tree.

Left out are the project itself, its workspaces and the links to folders inside it, which nobody fetches. For one whose
source is a registry, ``resolved`` says where npm found it when it locked; where npm fetches it, its configuration says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.npm_fields import digests_of
from guard_lockfiles.package_lock import LockedPackage, PackageLock, parse_package_lock
from guard_lockfiles.package_lock_sources import (
    classify_entry,
    find_bundlers,
    local_path_of,
    pinned_commit,
    requested_urls,
    stays_inside,
)

# npm-package-arg, ``fromAlias``.
_ALIAS_SPEC = re.compile(r"npm:((?:@[^/@]+/)?[^/@]+)(?:@.*)?", re.IGNORECASE | re.DOTALL)


def parse_package_lock_entries(data: bytes) -> Lockfile:
    """Parse package-lock.json or npm-shrinkwrap.json into its entries.

    Args:
        data: its bytes: UTF-8, with or without a byte order mark.

    Raises:
        MalformedLockfile: see :func:`guard_lockfiles.package_lock.parse_package_lock`.
    """
    lock = parse_package_lock(data)
    specs = (spec for entry in lock.packages if entry.path for spec in entry.requested.values())
    return Lockfile(
        format="package-lock",
        version=str(lock.lockfile_version),
        artifacts=tuple(_artifacts(lock)),
        unreadable=tuple(
            UnreadableEntry(place=entry.path, reason=entry.reason, line=entry.line) for entry in lock.unreadable
        ),
        aliased=frozenset(name for spec in specs if (name := aliased_name(spec))),
        folders=tuple(entry.path for entry in lock.packages if entry.is_folder and stays_inside(entry.path)),
    )


def aliased_name(spec: str) -> str | None:
    """Return the registry name that a dependency's specification (``npm:NAME@…``) asks for under another one."""
    match = _ALIAS_SPEC.fullmatch(spec)
    return match[1] if match else None


def _artifacts(lock: PackageLock) -> Iterator[LockedArtifact]:
    entries = {entry.path: entry for entry in lock.packages}
    bundlers = find_bundlers(entries)
    urls = requested_urls(lock)
    for entry in lock.packages:
        if not entry.path or (entry.link and (entry.resolved or "") in entries):
            continue
        bundler = bundlers.get(entry.path)
        source = classify_entry(entry, bundler=bundler, urls=urls)
        if source is not Source.FOLDER or not stays_inside(local_path_of(entry)):
            yield _artifact(entry, source, bundler)


def _artifact(entry: LockedPackage, source: Source, bundler: LockedPackage | None) -> LockedArtifact:
    is_bundled = source is Source.BUNDLED
    return LockedArtifact(
        ecosystem=Ecosystem.NPM,
        name=entry.name,
        version=entry.version,
        source=source,
        line=entry.line,
        column=entry.column,
        place=entry.path,
        installed_as=entry.alias,
        digests=() if is_bundled or not entry.integrity else digests_of(entry.integrity),
        resolved=local_path_of(entry) if source in (Source.FOLDER, Source.FILE) else entry.resolved,
        commit=pinned_commit(entry.resolved or "") if source is Source.GIT else None,
        os=entry.os,
        cpu=entry.cpu,
        libc=entry.libc,
        is_dev=entry.dev,
        is_optional=entry.optional,
        has_install_script=entry.has_install_script,
        bundled_in=bundler.path if is_bundled and bundler else None,
    )

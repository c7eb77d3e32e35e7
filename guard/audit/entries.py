"""Entries of locks as questions to the engines: what is to be decided, and from which kind of source it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from guard.audit.reading import LoadedLock, LockPart, load_if_there
from guard.engine.locked import LockedRequest
from guard.errors import ConfigInvalid
from guard.managers.pip.places import is_inside, path_of_url
from guard.model import Artifact, Digest, Ecosystem, Location, SourceKind
from guard.registry.credentials import redact_url
from guard_lockfiles.lockfile import Ecosystem as LockedEcosystem
from guard_lockfiles.lockfile import LockedArtifact, Source
from guard_lockfiles.package_lock_entries import aliased_name
from guard_lockfiles.package_lock_sources import stays_inside

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.IGNORECASE)
# yarn, ``patchUtils.ts``: flags before each patch, and the patches that yarn itself brings.
_PATCH_FLAGS = re.compile(r"^(?:~|optional!)*(?=builtin<)|^(?:optional!)*")
_BUILTIN_PATCH = re.compile(r"builtin<[^<>]*>")
_USER = re.compile(r"^[^/@]*@")

LoadBeside = Callable[[Path], "bytes | None"]
"""Gets the bytes of a file beside a lock; ``None`` where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry of a lock.

    Args:
        lock: that it is in.
        part: the file of it that it stands in.
        locked: as the lock says it.
        location: where it stands.
        request: what is asked about it, without the place, which decides nothing.
    """

    lock: LoadedLock
    part: LockPart
    locked: LockedArtifact
    location: Location
    request: LockedRequest

    @property
    def artifact(self) -> Artifact:
        """What is to be decided."""
        return self.request.artifact


def entries_of(lock: LoadedLock, *, load: LoadBeside = load_if_there) -> tuple[AuditEntry, ...]:
    """Return every entry of a lock, in its order.

    Args:
        lock: the lock.
        load: gets the manifests of the project, which are of the same time as the lock.
    """
    asked = _asked_aliases(lock, load)
    entries = []
    for part in lock.parts:
        for locked in part.lock.artifacts:
            enforced = lock.is_pinned and not part.lock.pins_other_files
            request = _request(_as_asked(locked, asked), part, lock.root, enforced=enforced)
            location = Location(part.shown, locked.line, locked.column)
            entries.append(AuditEntry(lock=lock, part=part, locked=locked, location=location, request=request))
    return tuple(entries)


def _as_asked(locked: LockedArtifact, asked: frozenset[str] | None) -> LockedArtifact:
    """Return an entry as what was asked for: an alias that nobody asks for is another package in place of that."""
    if not locked.installed_as or asked is None or locked.name in asked:
        return locked
    return replace(locked, name=locked.installed_as, installed_as=None)


def _request(locked: LockedArtifact, part: LockPart, project: Path, *, enforced: bool) -> LockedRequest:
    source = _source_kind(locked, part, project)
    is_of_registry = source in (SourceKind.REGISTRY, SourceKind.ALIAS)
    resolved = locked.resolved or ""
    shown = _without_user(resolved) if resolved else None
    artifact = Artifact(
        ecosystem=Ecosystem(locked.ecosystem.value),
        name=locked.name or shown or locked.place,
        version=locked.version,
        file=locked.file or _file_of(source, resolved),
        source=source,
        origin=locked.bundled_in if source is SourceKind.BUNDLED else None if is_of_registry else shown,
        pinned=tuple(map(Digest.from_text, locked.digests)),
    )
    return LockedRequest(
        artifact=artifact,
        resolved=locked.resolved if is_of_registry else None,
        registry=locked.registry if is_of_registry else None,
        enforced=enforced,
        has_install_script=locked.has_install_script,
    )


def _source_kind(locked: LockedArtifact, part: LockPart, project: Path) -> SourceKind:
    match locked.source:
        case Source.REGISTRY:
            return SourceKind.ALIAS if locked.installed_as else SourceKind.REGISTRY
        case Source.BUNDLED:  # what no entry bundles is in no tarball that could be decided
            return SourceKind.BUNDLED if locked.bundled_in is not None else SourceKind.REGISTRY
        case Source.GIT:
            return SourceKind.VCS_PINNED if _COMMIT.fullmatch(locked.commit or "") else SourceKind.VCS
        case Source.FILE | Source.FOLDER:
            return SourceKind.LOCAL if _is_own(locked, part, project) else SourceKind.PATH
        case Source.OTHER if (locked.resolved or "").startswith("patch:"):
            return SourceKind.LOCAL if _is_own_patch(locked.resolved or "") else SourceKind.PATH
        case Source.URL | Source.OTHER:
            is_bound = any(Digest.from_text(text).is_strong for text in locked.digests)
            return SourceKind.URL_HASHED if is_bound else SourceKind.URL


def _is_own(locked: LockedArtifact, part: LockPart, project: Path) -> bool:
    path = locked.resolved or ""
    if locked.ecosystem is LockedEcosystem.NPM:
        return stays_inside(path)
    return is_inside(str(part.path.parent / _local_path(path)), project)


def _is_own_patch(resolved: str) -> bool:
    """Return whether what yarn patches a package with is its own, or in the project; the package is another entry."""
    patches = [_PATCH_FLAGS.sub("", each) for each in resolved.removeprefix("patch:").split("&")]
    return all(_BUILTIN_PATCH.fullmatch(each) or stays_inside(each.removeprefix("~/")) for each in patches)


def _file_of(source: SourceKind, resolved: str) -> str | None:
    """Return the name of the archive that an address leads to; of a folder or a repository there is none."""
    if source not in (SourceKind.URL, SourceKind.URL_HASHED, SourceKind.PATH, SourceKind.LOCAL):
        return None
    name = resolved.partition("#")[0].partition("?")[0].rpartition("/")[2]
    return name if name.endswith((".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")) else None


def _local_path(address: str) -> str:
    """Return a path, of a ``file:`` URL the one that it names."""
    try:
        return path_of_url(address) if address.lower().startswith("file:") else address
    except ValueError:
        return address


def _without_user(address: str) -> str:
    if address.lower().startswith("file:"):
        return _local_path(address)
    return redact_url(address) if "://" in address else _USER.sub("", address)


def _asked_aliases(lock: LoadedLock, load: LoadBeside) -> frozenset[str] | None:
    """Return the names that anybody asks for by an alias; ``None`` where every alias is asked for.

    npm does not compare the name in its lock with the one that the project asks for. Other lockers do, and a lock
    without a package.json beside it is nobody's project.
    """
    if lock.found.format.id != "package-lock":
        return None
    folder = lock.found.folder
    (part,) = lock.parts
    manifests = [_load_manifest(folder / name / "package.json", load) for name in ("", *part.lock.folders)]
    if manifests[0] is None:
        return None
    specs = (spec for manifest in manifests if manifest for spec in _specs(manifest))
    return part.lock.aliased | frozenset(name for spec in specs if (name := aliased_name(spec)))


def _load_manifest(path: Path, load: LoadBeside) -> Mapping[str, object] | None:
    try:
        manifest = json.loads(load(path) or b"")
    except (ConfigInvalid, ValueError, RecursionError):  # npm, too, would say what is wrong with it
        return None
    return manifest if isinstance(manifest, dict) else None


def _specs(manifest: Mapping[str, object]) -> Iterator[str]:
    for member in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides"):
        yield from _texts(manifest.get(member))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON object and those inside it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)

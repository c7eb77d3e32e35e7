"""Judging the entries of a lock: each one that npm would fetch on this platform, and whatever cannot be judged."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from guard.engine.npm import NpmRequest
from guard.engine.outcome import Outcome, Pins
from guard.errors import MalformedInput
from guard.managers.npm.plan import Omit, PlannedPackage, plan_lock
from guard.managers.npm.project import Project
from guard.managers.npm.session import Session
from guard.model import Artifact, Digest, Ecosystem, Facts, Finding, Judged, Level, Location, RuleId, SourceKind
from guard.store.files import measure
from guard_lockfiles.package_lock import LockedPackage, PackageLock
from guard_lockfiles.package_lock_entries import aliased_name

_ALGORITHMS = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})
_FETCHED = frozenset({SourceKind.REGISTRY, SourceKind.ALIAS})
LOCAL_SOURCES = frozenset({SourceKind.LOCAL, SourceKind.PATH})
# What npm cannot be held to the bytes of, even where the policy allows it.
_NOT_BOUND = frozenset({SourceKind.VCS_PINNED, SourceKind.URL_HASHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTree:
    """A tree that is going to be installed.

    Args:
        project: whose it is.
        lock: every entry of it; ``None`` when there is none.
        base: the folder that the lock's paths are relative to: the project, or the copy that it was resolved in.
        own: the project's own lock as it was, whose digests are pins; ``None`` when it had none.
    """

    project: Project
    lock: PackageLock | None
    base: Path
    own: PackageLock | None

    def find_aliased(self) -> frozenset[str]:
        """Return the names of the packages that anybody asks for by an alias.

        What the project itself asks for is in its own files; its lock says so, too, but that alone would be nobody's
        wish. A lock that npm has just made has what the command line asks for.
        """
        entries = self.lock.packages if self.lock else ()
        is_new = self.lock != self.own
        specs = [spec for entry in entries if entry.path or is_new for spec in entry.requested.values()]
        overrides = _texts(self.project.manifest.get("overrides"))
        found = map(aliased_name, (*specs, *self.project.specs(), *overrides))
        return frozenset(filter(None, found))

    def find_pinned(self) -> Mapping[tuple[str, str], LockedPackage]:
        """Return the entries of the project's own lock, by place and version."""
        return {(entry.path, entry.version): entry for entry in (self.own.packages if self.own else ())}


def judge_tree(session: Session, tree: LockedTree) -> Outcome:
    """Judge every entry of a tree that npm would fetch here, all at once.

    One release that stands in several places of the tree is one artifact.
    """
    if tree.lock is None:
        return Outcome()
    omitted = session.configuration.omit
    omit = Omit(dev="dev" in omitted, optional="optional" in omitted, peer="peer" in omitted)
    pinned, aliased = tree.find_pinned(), tree.find_aliased()
    distinct: dict[object, PlannedPackage] = {}
    for planned in plan_lock(tree.lock, platform=session.platform, omit=omit):
        package = _located(_as_asked(planned, aliased), session, tree)
        own = pinned.get((package.entry.path, package.entry.version))
        distinct.setdefault(_identity(package, is_pinned=own is not None), package)
    packages = tuple(distinct.values())
    judged = session.engine.run_all(functools.partial(_judge, session, tree, pinned, package) for package in packages)
    findings = [_unreadable(tree, entry.path, entry.reason, entry.line) for entry in tree.lock.unreadable]
    findings += [
        _not_bound(item) for item in judged if item.artifact.source in _NOT_BOUND and item.decision.verdict.installs
    ]
    return Outcome(judged=judged, findings=tuple(findings), planned=len(packages))


def _located(package: PlannedPackage, session: Session, tree: LockedTree) -> PlannedPackage:
    """Return a folder or archive by its path from the project; what the command line names is the user's own."""
    if package.source not in LOCAL_SOURCES:
        return package
    path = Path(os.path.normpath(tree.base / (package.origin or "")))
    if path.is_relative_to(tree.base):
        path = tree.project.root / path.relative_to(tree.base)
    source = SourceKind.LOCAL if path in session.named_paths.values() else package.source
    return replace(package, source=source, origin=os.path.relpath(path, tree.project.root))


def _as_asked(package: PlannedPackage, aliased: frozenset[str]) -> PlannedPackage:
    """Return an entry as what was asked for: an alias that nobody asks for is another package in place of that."""
    entry = package.entry
    if package.source is not SourceKind.ALIAS or entry.name in aliased:
        return package
    return replace(package, entry=replace(entry, name=entry.installed_name, alias=None), source=SourceKind.REGISTRY)


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON object and those inside it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)


def _identity(package: PlannedPackage, *, is_pinned: bool) -> object:
    entry = package.entry
    parent = package.parent.path if package.parent else None
    return entry.name, entry.version, entry.integrity, entry.resolved, package.source, parent, is_pinned


def _judge(
    session: Session, tree: LockedTree, pinned: Mapping[tuple[str, str], LockedPackage], package: PlannedPackage
) -> Judged:
    entry = package.entry
    own = pinned.get((entry.path, entry.version))
    location = Location(str(tree.project.lock_path), own.line, own.column) if own else None
    try:
        digests = _digests(entry.integrity)
    except MalformedInput as error:
        return session.engine.judge_facts(Facts(artifact=_artifact(package, location), bytes_problem=error.message))
    if package.source in _FETCHED:
        request = NpmRequest(
            name=entry.name,
            version=entry.version,
            pins=Pins(digests=digests, location=location, enforced=own is not None),
            resolved=entry.resolved,
            source=package.source,
        )
        return session.engine.judge(request)
    facts = Facts(artifact=_artifact(package, location, digests), hashes_enforced=False)
    return session.engine.judge_facts(_with_file(facts, package, tree.project.root))


def _digests(integrity: str | None) -> tuple[Digest, ...]:
    """Return every digest of a Subresource Integrity value; algorithms that are not known say nothing (W3C SRI)."""
    values = (integrity or "").split()
    digests = [Digest.from_sri(value) for value in values if value.partition("-")[0].lower() in _ALGORITHMS]
    if integrity and not digests:
        raise MalformedInput(f"the lock's integrity has no known algorithm: {integrity[:140]!r}")
    return tuple(digests)


def _artifact(package: PlannedPackage, location: Location | None, digests: tuple[Digest, ...] = ()) -> Artifact:
    entry = package.entry
    return Artifact(
        ecosystem=Ecosystem.NPM,
        name=entry.name or entry.path,
        version=entry.version,
        source=package.source,
        origin=package.parent.path if package.parent else package.origin,
        location=location,
        pinned=digests,
    )


def _with_file(facts: Facts, package: PlannedPackage, root: Path) -> Facts:
    """Add the digests of an archive on this machine: npm compares them with the lock's."""
    path = root / (package.origin or "")
    if package.source not in LOCAL_SOURCES or not path.is_file():
        return facts
    try:
        stored = measure(path, algorithms=frozenset({"sha1", "sha512"}))
    except OSError as error:
        return Facts(artifact=facts.artifact, registry_problem=f"{path} cannot be read: {error.strerror}")
    return Facts(artifact=facts.artifact, observed=stored.digests)


def _unreadable(tree: LockedTree, path: str, reason: str, line: int) -> Finding:
    return Finding(
        rule=RuleId.LOCK_ENTRY_UNREADABLE,
        level=Level.BLOCK,
        message=f"the entry {path!r} cannot be read, so what it asks for cannot be checked: {reason}",
        location=Location(str(tree.project.lock_path), line),
    )


def _not_bound(judged: Judged) -> Finding:
    return Finding(
        rule=RuleId.COMMAND_NOT_GUARDED,
        level=Level.BLOCK,
        message=f"guard cannot yet hold npm to the bytes of a {judged.artifact.source.value} source",
        next="depend on a release of a registry instead",
        location=judged.artifact.location,
    )

"""Judging what the user named before pip runs: repositories, URLs, local files, unreadable lines, missing hashes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guard.engine.outcome import Outcome
from guard.errors import MalformedInput
from guard.managers.pip.entries import RequirementEntry
from guard.managers.pip.plan import PlanItem, PlanKind
from guard.managers.pip.requirements import UnreadableLine
from guard.managers.pip.session import Session
from guard.model import Artifact, Digest, Ecosystem, Facts, Finding, Judged, Level, Location, RuleId, SourceKind
from guard.registry.credentials import redact_url
from guard.store.archives import load_sdist_metadata, load_wheel_metadata, parse_core_metadata
from guard.store.files import measure

if TYPE_CHECKING:
    from guard.managers.pip.pylock import LoadedPylock

# Sources that pip fetches by itself. Policy may allow them, but guard cannot yet hold pip to their bytes.
_LOCAL_SOURCES = frozenset({SourceKind.LOCAL, SourceKind.PATH})
_NOT_BOUND = frozenset({SourceKind.VCS_PINNED, SourceKind.URL_HASHED})


def judge_inputs(session: Session) -> Outcome:
    """Judge every requirement that is not a name on an index, and every line that could not be read.

    A constraint may say where a project is to be taken from as well, and pip follows it.
    """
    constraints = (*session.files.constraints, *session.files.build_constraints)
    placed = (
        entry for entry in constraints if entry.source is not SourceKind.REGISTRY and session.applies(entry.marker)
    )
    entries = [*(entry for entry in session.requirements if _concerns(session, entry)), *placed]
    judged = tuple(session.engine.judge_facts(_facts(session, entry)) for entry in entries)
    unreadable = (_unreadable(line) for line in session.files.unreadable)
    notes = (_note(remark, lock) for lock in session.pylocks for remark in lock.remarks)
    findings = (*unreadable, *(_not_bound(entry) for entry in entries if entry.source in _NOT_BOUND), *notes)
    return Outcome(judged=judged, findings=findings, planned=len(judged))


def judge_elsewhere(session: Session, item: PlanItem) -> Judged:
    """Judge a planned item that comes from no index."""
    match item.kind:
        case PlanKind.LOCAL_DIRECTORY | PlanKind.LOCAL_FILE:
            return session.engine.judge_facts(_local_facts(session, item))
        case PlanKind.REPOSITORY:
            source = SourceKind.VCS
        case PlanKind.ELSEWHERE | PlanKind.INDEX:
            source = SourceKind.URL
    artifact = Artifact(
        ecosystem=Ecosystem.PYPI, name=item.name, version=item.version, source=source, origin=redact_url(item.path)
    )
    return session.engine.judge_facts(Facts(artifact=artifact))


def _concerns(session: Session, entry: RequirementEntry) -> bool:
    if entry.source is SourceKind.LOCAL:
        return False  # judged when its name and version are known
    is_pinned = any(digest.is_strong for digest in entry.digests)
    return entry.source is not SourceKind.REGISTRY or (session.hashes_enforced and not is_pinned)


def _facts(session: Session, entry: RequirementEntry) -> Facts:
    artifact = Artifact(
        ecosystem=Ecosystem.PYPI,
        name=entry.name or entry.origin or "",
        version=entry.exact_version or "",
        source=entry.source,
        origin=entry.origin,
        location=entry.location,
        pinned=entry.digests,
    )
    return Facts(artifact=artifact, hashes_enforced=session.hashes_enforced)


def _unreadable(line: UnreadableLine) -> Finding:
    return Finding(
        rule=line.rule,
        level=Level.BLOCK,
        message=f"this line cannot be read, so what it asks for cannot be checked: {line.reason}",
        location=line.location,
    )


def _note(remark: str, lock: LoadedPylock) -> Finding:
    location = Location(str(lock.path))
    return Finding(rule=RuleId.LOCK_ENTRY_UNREADABLE, level=Level.NOTE, message=remark, location=location)


def _not_bound(entry: RequirementEntry) -> Finding:
    return Finding(
        rule=RuleId.COMMAND_NOT_GUARDED,
        level=Level.BLOCK,
        message=f"guard cannot yet hold pip to the bytes of a {entry.source.value} source",
        next="build a wheel of it and install that from a folder or an index",
        location=entry.location,
    )


def _local_facts(session: Session, item: PlanItem) -> Facts:
    path = Path(item.path)
    local = (entry for entry in session.requirements if entry.source in _LOCAL_SOURCES and entry.origin)
    named = next((entry for entry in local if Path(entry.origin or "").resolve() == path.resolve()), None)
    source = named.source if named is not None else SourceKind.PATH
    artifact = Artifact(
        ecosystem=Ecosystem.PYPI,
        name=item.name,
        version=item.version,
        file=path.name if item.kind is PlanKind.LOCAL_FILE else None,
        source=source,
        origin=item.path,
        location=named.location if named else None,
        pinned=named.digests if named else (),
    )
    if item.kind is PlanKind.LOCAL_DIRECTORY:
        return Facts(artifact=artifact)
    observed = _observed(path)
    problem = _local_metadata_problem(path, item)
    return Facts(artifact=artifact, observed=observed, metadata_problem=problem)


def _observed(path: Path) -> tuple[Digest, ...]:
    return measure(path, algorithms=frozenset({"sha256", "sha384", "sha512"})).digests


def _local_metadata_problem(path: Path, item: PlanItem) -> str:
    try:
        load = load_wheel_metadata if path.suffix == ".whl" else load_sdist_metadata
        metadata = load(path, filename=path.name)
        stated = parse_core_metadata(metadata, what=path.name) if metadata is not None else None
    except MalformedInput as error:
        return error.message
    if stated is not None and (stated.name, stated.version) != (item.name, item.version):
        return f"{path.name} says of itself that it is {stated.name} {stated.version}"
    return ""

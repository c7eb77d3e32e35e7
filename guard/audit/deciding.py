"""One question for everything that the locks name, and the answer brought back to every place that named it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from guard.audit.engines import Engines
from guard.audit.entries import AuditEntry, LoadBeside, entries_of
from guard.audit.platforms import AuditPlatform, Platforms, platforms_named, platforms_of
from guard.audit.reading import LoadedLock, load_if_there
from guard.engine.engine import Engine
from guard.engine.locked import LockedRequest
from guard.engine.outcome import NotDecided, Outcome
from guard.model import Ecosystem, Facts, Finding, Judged, Level, Location, RuleId, SourceKind
from guard.store.files import measure

_LOCAL_SOURCES = frozenset({SourceKind.LOCAL, SourceKind.PATH})
_MUSL_LOADERS = ("/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of some locks is decided.

    Args:
        entries: those that are decided, with the platforms that they are decided for.
        left_out: those that are not, with the reason.
        findings: on whole locks.
    """

    entries: tuple[tuple[AuditEntry, Platforms], ...] = ()
    left_out: tuple[NotDecided, ...] = ()
    findings: tuple[Finding, ...] = ()


def running_platform() -> AuditPlatform:
    """Return the platform that guard runs on."""
    is_musl = any(os.path.exists(loader) for loader in _MUSL_LOADERS) and not platform.libc_ver()[0]  # noqa: PTH110
    return AuditPlatform.from_names(sys.platform, platform.machine(), is_musl=is_musl)


def select_entries(
    locks: Iterable[LoadedLock],
    *,
    named: frozenset[str] | None,
    all_platforms: bool,
    load: LoadBeside = load_if_there,
) -> Selection:
    """Choose what is decided: each entry once, of pinned locks, that the audit's platforms can use.

    Args:
        locks: every lock that could be read.
        named: platforms that the policy names; ``None`` for the running one and those that each lock names.
        all_platforms: whether entries and files for all platforms are decided.
        load: gets what stands beside a lock.
    """
    entries: list[tuple[AuditEntry, Platforms]] = []
    omitted: list[NotDecided] = []
    findings: list[Finding] = []
    seen: set[object] = set()
    running = running_platform()
    fixed = platforms_named(named or ())
    shared: dict[tuple[AuditPlatform, ...], Platforms] = {}
    for lock in locks:
        findings += [finding for finding in lock.findings if finding not in findings]
        names = () if all_platforms else fixed or _platforms_of(lock, running)
        platforms = shared.setdefault(names, Platforms(names))
        if not lock.is_pinned:
            findings.append(_unpinned(lock))
        for entry in entries_of(lock, load=load):
            key = (entry.location, lock.index, lock.is_pinned)
            if key in seen:  # of a file that several others include
                continue
            seen.add(key)
            if not lock.is_pinned:
                omitted.append(left_out(entry, "nothing in its file is pinned by a hash"))
            elif platforms.take(entry.locked):
                entries.append((entry, platforms))
            else:
                omitted.append(left_out(entry, "no platform of this audit can use it"))
    return Selection(entries=tuple(entries), left_out=tuple(omitted), findings=tuple(findings))


def decide_entries(
    selection: Selection, engines: Engines, *, done: Callable[[int, int], None] = lambda _done, _all: None
) -> Outcome:
    """Decide what was chosen: each release that several places name once.

    Args:
        selection: of :func:`select_entries`.
        engines: gather and decide.
        done: told how many of how many are decided.
    """

    def lock_of(entry: AuditEntry) -> object:
        lock = engines.identity_lock(entry.lock.found.folder)
        return lock and lock.path

    batches = batches_of(selection, lock_of)
    total = sum(len(batch.questions) for batch in batches.values())
    count = 0

    def tick(_: Judged) -> None:
        nonlocal count
        count += 1
        done(count, total)

    answers = {key: _judge(batch, engines, tick) for key, batch in batches.items()}
    judged = tuple(
        _at_place(answers[key][_question(entry)], entry)
        for key, (entry, _) in zip(_batch_keys(selection, lock_of), selection.entries, strict=True)
    )
    return Outcome(judged=judged, findings=selection.findings, planned=len(selection.entries))


@dataclass(slots=True)
class Batch:
    """Questions that one engine answers, for one choice of platforms.

    Args:
        platforms: for which the files of a release are chosen.
        questions: each question once, with the first entry that asks it.
    """

    platforms: Platforms
    questions: dict[LockedRequest, AuditEntry] = field(default_factory=dict)

    @property
    def ecosystem(self) -> Ecosystem:
        """Of every question."""
        return next(iter(self.questions)).artifact.ecosystem

    @property
    def lock(self) -> LoadedLock:
        """One of the locks that ask, all of which are used with the same registries."""
        return next(iter(self.questions.values())).lock


def batches_of(
    selection: Selection, lock_of: Callable[[AuditEntry], object] = lambda _: None
) -> Mapping[tuple[object, ...], Batch]:
    """Return what is asked, by who answers it.

    Args:
        selection: of :func:`select_entries`.
        lock_of: the guard.lock that governs an entry; entries of different ones are asked by themselves.
    """
    batches: dict[tuple[object, ...], Batch] = {}
    for key, (entry, platforms) in zip(_batch_keys(selection, lock_of), selection.entries, strict=True):
        if key not in batches:
            batches[key] = Batch(platforms)
        batches[key].questions.setdefault(_question(entry), entry)
    return batches


def _judge(batch: Batch, engines: Engines, done: Callable[[Judged], None]) -> Mapping[LockedRequest, Judged]:
    asked = tuple(question for question, entry in batch.questions.items() if not _is_local(entry))
    engine: Engine
    if batch.ecosystem is Ecosystem.NPM:
        engine = engines.npm(batch.lock.found.folder)
        judged = engine.judge_all_locked(asked, done=done)
    else:
        engine = engines.pypi(batch.lock.index, batch.lock.found.folder)
        judged = engine.judge_all_locked(asked, fits=batch.platforms.take_file, done=done)
    answers = dict(zip(asked, judged, strict=True))
    for question, entry in batch.questions.items():
        if _is_local(entry):
            answers[question] = engine.judge_facts(_local_facts(entry))
            done(answers[question])
    return answers


def _batch_keys(selection: Selection, lock_of: Callable[[AuditEntry], object]) -> Iterator[tuple[object, ...]]:
    """Yield for each entry what answers it; looked up on disk once for a lock, whose entries have it in common."""
    known: dict[tuple[int, int, Ecosystem], tuple[object, ...]] = {}
    for entry, platforms in selection.entries:
        asking = (id(entry.lock), id(platforms), entry.artifact.ecosystem)
        if asking not in known:
            known[asking] = _batch_key(entry, platforms, lock_of)
        yield known[asking]


def _batch_key(entry: AuditEntry, platforms: Platforms, lock_of: Callable[[AuditEntry], object]) -> tuple[object, ...]:
    if entry.artifact.ecosystem is Ecosystem.NPM:
        folder = entry.lock.found.folder
        return Ecosystem.NPM, folder if (folder / ".npmrc").is_file() else None, lock_of(entry)
    return entry.lock.index, platforms, lock_of(entry)


def _question(entry: AuditEntry) -> LockedRequest:
    """Return what is asked; of a path, only its place says where it leads."""
    request = entry.request
    return (
        replace(request, artifact=replace(request.artifact, location=entry.location)) if _is_local(entry) else request
    )


def _is_local(entry: AuditEntry) -> bool:
    return entry.artifact.source in _LOCAL_SOURCES


def _local_facts(entry: AuditEntry) -> Facts:
    """Add the digests of an archive of the user's own, with which its lock's are compared."""
    facts = entry.request.facts
    folder = entry.part.path.parent if entry.artifact.ecosystem is Ecosystem.PYPI else entry.lock.found.folder
    path = folder / (entry.locked.resolved or "")
    if entry.artifact.source is not SourceKind.LOCAL or entry.artifact.file is None or not path.is_file():
        return facts
    try:
        stored = measure(path, algorithms=frozenset({"sha1", "sha256", "sha384", "sha512"}))
    except OSError as error:
        return replace(facts, registry_problem=f"{path} cannot be read: {error.strerror}")
    return replace(facts, observed=stored.digests)


def _at_place(judged: Judged, entry: AuditEntry) -> Judged:
    location, decision = entry.location, judged.decision
    if not all(finding.location for finding in decision.findings):
        placed = tuple(each if each.location else replace(each, location=location) for each in decision.findings)
        decision = replace(decision, findings=placed)
    facts = replace(judged.facts, artifact=replace(judged.facts.artifact, location=location))
    return replace(judged, facts=facts, decision=decision)


def _platforms_of(lock: LoadedLock, running: AuditPlatform) -> tuple[AuditPlatform, ...]:
    found = (each for part in lock.parts for each in platforms_of(part.lock, running))
    return tuple(dict.fromkeys(found))


def left_out(entry: AuditEntry, reason: str) -> NotDecided:
    """Return an entry as one that is not decided."""
    artifact = entry.artifact
    return NotDecided(purl=artifact.purl, file=artifact.file, location=entry.location, reason=reason)


def _unpinned(lock: LoadedLock) -> Finding:
    return Finding(
        rule=RuleId.HASH_MISSING,
        level=Level.WARN,
        message=f"{lock.shown} pins nothing by a hash, so it locks nothing, and nothing of it was decided",
        next="lock it: pip-compile --generate-hashes, uv pip compile --generate-hashes, or pip lock",
        location=Location(lock.shown),
    )

"""An ad-hoc installation: resolve through the open gateway, decide the whole plan, install through the closed one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from guard.engine.outcome import NO_PINS, Outcome, Pins
from guard.gateway.index import ClosedSite, Delivered, OpenSite
from guard.gateway.server import Gateway
from guard.managers.imports import import_ahead
from guard.managers.pip.inputs import judge_elsewhere
from guard.managers.pip.plan import PlanItem, PlanKind, parse_installation_report
from guard.managers.pip.replay import bound_to_plan, resolving
from guard.managers.pip.session import Session
from guard.managers.process import run_quietly
from guard.model import Finding, HeldBack, Judged
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolution:
    """What the resolving run came to.

    Args:
        site: what it was served from.
        plan: what pip would install.
        findings: what was refused meanwhile.
        held_back: what the resolver was not offered.
    """

    site: OpenSite
    plan: tuple[PlanItem, ...]
    findings: tuple[Finding, ...]
    held_back: tuple[HeldBack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A resolving run in which pip failed and nothing was refused.

    Args:
        site: what it was served from.
        gateway: where.
        outcome: what the whole command comes to.
        streams: what pip wrote to its two streams.
    """

    site: OpenSite
    gateway: Gateway
    outcome: Outcome
    streams: tuple[bytes, bytes]

    def show(self, session: Session, descriptors: tuple[int, int] = (1, 2)) -> Outcome:
        """Write what pip said to the user's own streams."""
        session.progress.stop()
        addresses = session.addresses(self.gateway, self.site.find_file)
        for descriptor, text in zip(descriptors, self.streams, strict=True):
            _write_all(descriptor, addresses.show(text))
        return self.outcome


def run_installation(session: Session, before: Outcome) -> Outcome:
    """Resolve, decide and install.

    Args:
        session: the run.
        before: what judging the user's input came to; nothing in it refuses.
    """
    resolved = _resolve(session, before)
    if isinstance(resolved, _Failure):
        return resolved.show(session)
    if isinstance(resolved, Outcome):
        return resolved
    decided, built, others = _decide(session, resolved)
    outcome = _outcome_of(before, resolved, decided, built, others)
    return _install(session, outcome, decided, built, hashable=not others) if outcome.allowed else outcome


def run_resolution(session: Session, before: Outcome) -> Outcome:
    """Resolve and decide; nothing is installed, and what pip says where it fails goes to standard error.

    Args:
        session: the run.
        before: what judging the user's input came to; nothing in it refuses.
    """
    resolved = _resolve(session, before)
    if isinstance(resolved, _Failure):
        return resolved.show(session, descriptors=(2, 2))
    if isinstance(resolved, Outcome):
        return resolved
    return replace(_outcome_of(before, resolved, *_decide(session, resolved)), tool_status=0)


def _outcome_of(
    before: Outcome,
    resolved: _Resolution,
    decided: list[Delivered],
    built: list[Delivered],
    others: tuple[Judged, ...],
) -> Outcome:
    return Outcome(
        judged=(*before.judged, *(item.judged for item in decided), *others, *(item.judged for item in built)),
        findings=resolved.findings,
        held_back=resolved.held_back,
        planned=before.planned + len(resolved.plan) + len(built),
    )


def _resolve(session: Session, before: Outcome) -> _Resolution | _Failure | Outcome:
    session.progress.step("resolving")
    session.engine.add_named(session.find_named())
    found = _resolve_once(session, before, holds_back=True)
    if isinstance(found, _Failure) and found.site.held_back:
        # What the same command comes to with everything on offer says whether that is why, and which rule it is.
        again = _resolve_once(session, replace(before, held_back=found.site.held_back), holds_back=False)
        found = found if isinstance(again, _Failure) else again
    return found


def _work_ahead(session: Session) -> None:
    """Begin to import and to fetch what pip asks for once it has started."""
    session.engine.start(import_ahead)
    session.anticipate_names(entry.name for entry in session.requirements if entry.name)


def _resolve_once(session: Session, before: Outcome, *, holds_back: bool) -> _Resolution | _Failure | Outcome:
    report = session.folder / "resolution.json"
    site = OpenSite(
        session.engine,
        wheel_metadata=True,
        wheel_tags=session.wheel_tags,
        anticipate=session.anticipate,
        holds_back=holds_back,
    )
    with Gateway(site) as gateway:
        command = resolving(session.prepare(gateway), report)
        status, stdout, stderr = run_quietly(
            session.argv(command), environ=session.environment(gateway), meanwhile=lambda: _work_ahead(session)
        )
    site.raise_crash()
    refused = replace(
        before,
        judged=(*before.judged, *site.refused),
        findings=(
            *before.findings,
            *site.findings,
            *gateway.foreign_hosts,
            *(site.explanations if status != 0 else ()),
        ),
        held_back=before.held_back or site.held_back,
        planned=before.planned + len(site.refused),
    )
    if not refused.allowed:
        return refused
    if status != 0:
        outcome = replace(refused, tool_status=status)
        return _Failure(site=site, gateway=gateway, outcome=outcome, streams=(stdout, stderr))
    plan = parse_installation_report(report.read_bytes(), gateway_url=gateway.url)
    return _Resolution(site=site, plan=plan, findings=refused.findings, held_back=refused.held_back)


def _decide(session: Session, resolved: _Resolution) -> tuple[list[Delivered], list[Delivered], tuple[Judged, ...]]:
    """Judge the plan: return its files of indexes, the files that only builds used, and whatever else it has."""
    plan = resolved.plan
    session.progress.step(f"deciding {len(plan)} file{'' if len(plan) == 1 else 's'}")
    located = [(item, resolved.site.find(item.path) if item.kind is PlanKind.INDEX else None) for item in plan]
    files = [found for _, found in located if found is not None]
    requests = ((project, file, _constraint_pins(session, project, file)) for project, file in files)
    judged = session.engine.judge_all(requests, done=lambda _: None)
    decided = [Delivered(project, file, item) for (project, file), item in zip(files, judged, strict=True)]
    planned = {item.file for item in decided}
    built = [
        replace(item, judged=replace(item.judged, installed=False))
        for item in resolved.site.delivered
        if item.file not in planned
    ]
    others = tuple(judge_elsewhere(session, item) for item, found in located if found is None)
    return decided, built, others


def _constraint_pins(session: Session, project: Project, file: IndexFile) -> Pins:
    """Return the digests that the user's constraints accept for a file; pip may forget them beside the plan's own."""
    for entry in session.pinned_constraints:
        if entry.name == project.name and entry.exact_version in (None, file.version):
            return Pins(digests=entry.digests, location=entry.location)
    return NO_PINS


def _install(
    session: Session, outcome: Outcome, decided: list[Delivered], built: list[Delivered], *, hashable: bool
) -> Outcome:
    stored = [(item, session.engine.load_file(item.file)) for item in decided]
    site = ClosedSite([*stored, *((item, session.engine.load_file(item.file)) for item in built)])
    with Gateway(site) as gateway:
        command, bound_by = bound_to_plan(
            session.prepare(gateway), session.target, stored, folder=session.folder, hashable=hashable
        )
        status = session.run_shown(command, gateway, _finder([*decided, *built]))
    refused = (*site.findings, *gateway.foreign_hosts)
    planned = {id(item.judged) for item in decided}
    return replace(
        outcome,
        judged=tuple(replace(item, bound_by=bound_by) if id(item) in planned else item for item in outcome.judged),
        findings=(*outcome.findings, *refused),
        tool_status=None if refused else status,
    )


def _finder(items: Iterable[Delivered]) -> Callable[[str], IndexFile | None]:
    files = {f"/files/{item.project.name}/{item.file.filename}": item.file for item in items}
    return files.get


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

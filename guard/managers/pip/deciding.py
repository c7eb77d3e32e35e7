"""Commands that pip runs once: hashed installations, ``download`` and ``wheel``.

Where the input pins digests it is the plan already; where nothing is installed there is nothing to plan. Each file is
decided when pip asks for it, and pip has all files before it installs, saves or builds the first. What the input pins
is fetched and decided ahead, concurrently, which pip alone does not do.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from guard.engine.outcome import Outcome, Pins
from guard.errors import GuardError
from guard.gateway.index import OpenSite, PinnedProject
from guard.gateway.server import Gateway
from guard.managers.pip.command import Option
from guard.managers.pip.entries import RequirementEntry
from guard.managers.pip.session import Session
from guard.model import Artifact, Ecosystem, Facts, Judged, SourceKind
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile


def run_deciding(session: Session, before: Outcome) -> Outcome:
    """Run the user's command once, deciding each file when it is asked for.

    Args:
        session: the run.
        before: what judging the user's input came to; nothing in it refuses.
    """
    session.engine.add_named(session.find_named())
    pinned = pinned_projects(session.requirements) if session.hashes_enforced else {}
    # What is only constrained may not be needed at all, so nothing of it is fetched ahead.
    constrained = pinned_projects(session.pinned_constraints)
    _decide_ahead(session, pinned)
    site = OpenSite(session.engine, pins=constrained | pinned, wheel_metadata=not pinned, wheel_tags=session.wheel_tags)
    with Gateway(site) as gateway:
        command = session.prepare(gateway)
        if pinned and not any(entry.source is SourceKind.LOCAL for entry in session.requirements):
            command = command.followed_by([Option("--require-hashes")])
        status = session.run_shown(command, gateway, site.find_file)
    site.raise_crash()
    bound_by = "pip-hash" if pinned else "gateway"
    delivered = (replace(item.judged, bound_by=bound_by) for item in site.delivered)
    unlisted = _judge_unlisted_pins(session, constrained | pinned if status else pinned)
    judged = (*before.judged, *unlisted, *delivered, *site.refused)
    findings = (
        *before.findings,
        *site.findings,
        *gateway.foreign_hosts,
        *(site.explanations if status else ()),
        *(site.explain_failure() if status else ()),
    )
    outcome = Outcome(judged=judged, findings=findings, held_back=site.held_back, planned=len(judged))
    return replace(outcome, tool_status=status) if outcome.allowed else outcome


def pinned_projects(entries: Iterable[RequirementEntry]) -> dict[str, PinnedProject]:
    """Return what the user's input accepts of each project that it pins."""
    pinned: dict[str, PinnedProject] = {}
    for entry in entries:
        if entry.name is None or not entry.digests:
            continue
        known = pinned.get(entry.name)
        digests = (*known.pins.digests, *entry.digests) if known else entry.digests
        pins = Pins(digests=digests, location=entry.location, enforced=True)
        pinned[entry.name] = PinnedProject(entry.exact_version, pins)
    return pinned


def _decide_ahead(session: Session, pinned: Mapping[str, PinnedProject]) -> None:
    """Start fetching and deciding the file of each pinned project that this interpreter will take."""
    if not pinned:
        return
    ranks = {tag: rank for rank, tag in enumerate(session.target.probe.load_tags())}

    def decide(name: str, project_pins: PinnedProject) -> None:
        project = session.engine.fetch_project(name)
        accepted = [
            file for file in project.files if project_pins.is_pinned_version(file) and project_pins.accepts(file)
        ]
        ranked = [(rank, file) for file in accepted if (rank := _rank(file, ranks)) is not None]
        if ranked:
            session.engine.judge(project, min(ranked, key=lambda pair: pair[0])[1], project_pins.pins)

    for name, project_pins in pinned.items():
        session.engine.start(functools.partial(decide, name, project_pins))


def _rank(file: IndexFile, ranks: Mapping[str, int]) -> int | None:
    """Return how early pip would take a file, source distributions last; ``None`` for one that it would not take."""
    if not file.filename.endswith(".whl"):
        return len(ranks)
    try:
        tags = parse_wheel_filename(file.filename)[3]
    except InvalidWheelFilename:
        return None
    return min((ranks[str(tag)] for tag in tags if str(tag) in ranks), default=None)


def _judge_unlisted_pins(session: Session, pinned: Mapping[str, PinnedProject]) -> Iterable[Judged]:
    """Judge pins none of which the registry lists for the release: a lock whose digests were swapped."""
    for name, project_pins in pinned.items():
        try:
            project = session.engine.fetch_project(name)
        except GuardError:
            continue  # said by the gateway when pip asked for the page
        release = [file for file in project.files if project_pins.is_pinned_version(file)]
        if release and not any(project_pins.accepts(file) for file in release):
            yield session.engine.judge_facts(_unlisted(project, project_pins, release))


def _unlisted(project: Project, project_pins: PinnedProject, release: Iterable[IndexFile]) -> Facts:
    listed = tuple(digest for file in release for digest in file.digests)
    artifact = Artifact(
        ecosystem=Ecosystem.PYPI,
        name=project.name,
        version=project_pins.version or "",
        origin=project.page.url if project.page else None,
        location=project_pins.pins.location,
        pinned=project_pins.pins.digests,
    )
    return Facts(artifact=artifact, listed=listed, hashes_enforced=True)

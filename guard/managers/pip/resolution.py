"""What a requirements file that pins nothing comes to today: resolved with the user's pip, decided, not installed.

The digests of what pip takes are those that the index states now. They say nothing about yesterday's or tomorrow's
files, and nothing was held against the index (facts/amendments, number 25): reports call them ``pinned-now``.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from guard.app import App
from guard.engine.outcome import Outcome
from guard.errors import MalformedInput, Refused, Unavailable
from guard.managers.pip.command import parse_command
from guard.managers.pip.configured import find_target
from guard.managers.pip.driver import open_session
from guard.managers.pip.inputs import judge_inputs
from guard.managers.pip.installing import run_resolution
from guard.managers.pip.session import Session
from guard.managers.refusal import outcome_of
from guard.model import Judged, Location
from guard.policy.policy import Policy
from guard.sigstore.trust_root import TrustRoot


def resolve_requirements(app: App, file: str, *, policy: Policy, trust_root: TrustRoot) -> Outcome:
    """Decide every file that pip would install into an empty environment for a requirements file.

    Args:
        app: the outside.
        file: the requirements file, as pip would be given it here; locations name it so.
        policy: the policy in force, with the guard.lock that governs the file.
        trust_root: what signatures are checked with.

    Returns:
        What it came to. ``tool_status`` is pip's own where nothing was refused, and pip said why it failed.

    Raises:
        ToolNotFound: there is no pip.
        ConfigInvalid: pip's configuration, or the file, cannot be used.
    """
    typed = parse_command(["install", "--dry-run", "--ignore-installed", "--requirement", file])
    target, configured = find_target(app, typed)
    with ExitStack() as stack:
        try:
            session = open_session(app, typed, configured, target, policy, trust_root, stack)
            before = judge_inputs(session)
            if not before.allowed:
                return before
            session.files.write_private_copies()
            outcome = run_resolution(session, before)
        except (Refused, MalformedInput, Unavailable) as error:
            return outcome_of(error)
    named = _locations(session)
    return replace(outcome, judged=tuple(_pinned_now(each, named) for each in outcome.judged))


def _locations(session: Session) -> dict[str, Location]:
    """Return where each project is named; what only others require is named nowhere."""
    named = [(entry.name, entry.location) for entry in session.requirements]
    return {name: location for name, location in reversed(named) if name and location}


def _pinned_now(judged: Judged, named: dict[str, Location]) -> Judged:
    artifact, decision = judged.artifact, judged.decision
    location = artifact.location or named.get(artifact.name)
    findings = tuple(each if each.location else replace(each, location=location) for each in decision.findings)
    return replace(
        judged,
        facts=replace(judged.facts, artifact=replace(artifact, location=location)),
        decision=replace(decision, findings=findings),
        bound_by="pinned-now",
    )

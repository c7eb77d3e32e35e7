"""Deciding what requirements files that pin nothing come to today (``guard audit --resolve``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from guard.audit.engines import Engines
from guard.audit.reading import LoadedLock
from guard.engine.outcome import Outcome
from guard.model import Finding, Level, Location, RuleId


def is_resolved(lock: LoadedLock) -> bool:
    """Return whether a lock is a requirements file that locks nothing, which only a resolver can say more about."""
    return lock.found.format.id == "requirements" and not lock.is_pinned


def decide_resolved(locks: Sequence[LoadedLock], engines: Engines) -> Outcome:
    """Resolve locks with the user's pip, each by itself, and decide what that comes to.

    Args:
        locks: those of :func:`is_resolved`.
        engines: of the audit.

    Raises:
        ToolNotFound: there is no pip.
        ConfigInvalid: a file, or pip's configuration, cannot be used.
    """
    outcome = Outcome()
    for lock in locks:
        found = _resolve(lock, engines)
        outcome = replace(
            outcome,
            judged=(*outcome.judged, *found.judged),
            findings=(*outcome.findings, *lock.findings, *found.findings),
            held_back=(*outcome.held_back, *found.held_back),
            planned=outcome.planned + found.planned,
        )
    return outcome


def _resolve(lock: LoadedLock, engines: Engines) -> Outcome:
    from guard.managers.pip.resolution import resolve_requirements  # all that drives pip

    policy = replace(engines.policy, identity_lock=engines.identity_lock(lock.found.folder))
    found = resolve_requirements(engines.app, lock.shown, policy=policy, trust_root=engines.trust_root)
    if found.allowed and found.tool_status != 0:
        return replace(found, findings=(*found.findings, _unresolved(lock, found.tool_status)))
    return replace(found, findings=(*found.findings, _pinned_now(lock)))


def _pinned_now(lock: LoadedLock) -> Finding:
    return Finding(
        rule=RuleId.HASH_MISSING,
        level=Level.NOTE,
        message=f"{lock.shown} pins nothing by a hash: what pip takes for it now was decided, by the digests that the "
        "index states now (pinned-now), and another day it may take other files",
        next="lock it: pip-compile --generate-hashes, uv pip compile --generate-hashes, or pip lock",
        location=Location(lock.shown),
    )


def _unresolved(lock: LoadedLock, status: int | None) -> Finding:
    return Finding(
        rule=RuleId.LOCK_ENTRY_UNREADABLE,
        level=Level.BLOCK,
        message=f"pip could not resolve it, ended with status {status} and said why; so nothing of it was decided",
        location=Location(lock.shown),
    )

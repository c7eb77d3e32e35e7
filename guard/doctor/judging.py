"""Checks of what decides how an install is judged: settings, registries, trust root, guard.lock, policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from guard.doctor.model import Row, State
from guard.doctor.snapshot import Snapshot
from guard.model import Level

# Twice the time within which Sigstore's repository signs its metadata anew; guard refreshes once a day.
TRUST_ROOT_MAX_DAYS = 30

_SHOWN = 3

# What a setting does to an install that guard does not see. Everything of it is read by guard and decided.
_PIP_SETTINGS = {
    "index-url": "names the index",
    "extra-index-url": "adds an index, from which bare pip takes any higher version of a name",
    "find-links": "adds files beside the index",
    "no-index": "turns the index off",
    "trusted-host": "turns the check of certificates off",
    "proxy": "sends requests through a proxy",
    "cert": "names the certificates that are believed",
    "python": "sends pip to another interpreter",
    "constraint": "holds versions",
    "no-build-isolation": "builds with what is installed",
}
_NPM_SETTINGS = {
    "registry": "names the registry",
    "script-shell": "names the shell that scripts run in",
    "strict-ssl": "has a say in the check of certificates",
    "ca": "names the certificates that are believed",
    "cafile": "names the certificates that are believed",
    "proxy": "sends requests through a proxy",
    "https-proxy": "sends requests through a proxy",
    "git": "names the program for repositories",
    "node-options": "has node load something first",
    "before": "holds newer releases back",
}
_MEANINGS = {"pip": _PIP_SETTINGS, "npm": _NPM_SETTINGS}
_SETTINGS_OF_SCOPES = "names the registry of a scope"


def meaning_of(tool: str, key: str) -> str | None:
    """Return what a setting has to do with what is installed; ``None`` where it has nothing.

    Args:
        tool: ``pip`` or ``npm``.
        key: as the tool calls it.
    """
    if tool == "npm" and key.startswith("@") and key.endswith(":registry"):
        return _SETTINGS_OF_SCOPES
    return _MEANINGS[tool].get(key)


def evaluate_settings(snapshot: Snapshot) -> Iterator[Row]:
    """Settings of pip and npm, wherever they stand."""
    for setting in snapshot.settings:
        meaning = meaning_of(setting.tool, setting.key)
        if meaning is not None:
            yield Row(
                check=f"{setting.tool}-setting",
                subject=f"{setting.source}: {setting.key}",
                state=State.NOTE,
                message=f"{setting.value or 'set'}: {meaning}; guard reads it and decides what comes of it",
            )


def evaluate_registries(snapshot: Snapshot) -> Iterator[Row]:
    """Registries: whether they say which files have provenance."""
    for registry in snapshot.registries:
        if registry.is_evidence_bearing:
            state, message, fix = State.GUARDED, "says which files have provenance", ""
        else:
            state, message = (
                State.NOTE,
                "is not known to serve provenance: what it leaves out is unavailable, not absent",
            )
            table = "[pypi] provenance-url" if registry.tool == "pip" else "[policy] provenance"
            fix = f"{table} in guard.toml, see docs/policy.md"
        yield Row(check="registry", subject=f"{registry.tool}: {registry.url}", state=state, message=message, fix=fix)


def evaluate_trust_root(snapshot: Snapshot) -> Iterator[Row]:
    """The Sigstore trust root: whether it is known to be current."""
    if snapshot.trust_root is None:
        return
    age = snapshot.trust_root_age_days
    is_stale = age is not None and age > TRUST_ROOT_MAX_DAYS
    known = "has no date" if age is None else f"was current {age} day{'' if age == 1 else 's'} ago"
    yield Row(
        check="trust-root",
        subject=snapshot.trust_root,
        state=State.OPEN if is_stale else State.GUARDED,
        message=known,
        fix="guard trust-root update" if is_stale else "",
    )


def evaluate_identity_lock(snapshot: Snapshot) -> Iterator[Row]:
    """guard.lock: whether there is one for the lockfiles, and whether it names what they name."""
    lock = snapshot.identity_lock
    if lock is None or not lock.lockfiles:
        return
    if lock.path is None:
        message = f"there is none for {_first_of(lock.lockfiles)}: a change of publisher is not noticed"
        yield Row(check="guard-lock", subject="guard.lock", state=State.NOTE, message=message, fix="guard lock")
    elif lock.stale:
        message = f"out of date: no lockfile names {_first_of(lock.stale)}"
        yield Row(check="guard-lock", subject=lock.path, state=State.OPEN, message=message, fix="guard lock")
    else:
        message = "names nothing that no lockfile names; guard lock --check asks the registries, too"
        yield Row(check="guard-lock", subject=lock.path, state=State.GUARDED, message=message)


def _first_of(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def evaluate_policy(snapshot: Snapshot) -> Iterator[Row]:
    """What reading the policy had to say: anchors that wait for trust, rules that a project loosens."""
    for finding in snapshot.notes:
        state = State.NOTE if finding.level in (Level.NOTE, Level.WARN) else State.OPEN
        yield Row(check="policy", subject="guard.toml", state=state, message=finding.message, fix=finding.next)


def evaluate_problems(snapshot: Snapshot) -> Iterator[Row]:
    """What could not be read, so that an install would stop there."""
    for problem in snapshot.problems:
        yield Row(
            check="unreadable", subject=problem.subject, state=State.OPEN, message=problem.message, fix=problem.hint
        )

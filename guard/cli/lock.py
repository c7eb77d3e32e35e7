"""``guard lock``: record who publishes what lockfiles name, and say who changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import click

from guard.app import App
from guard.audit.deciding import decide_entries, select_entries
from guard.audit.discovery import find_lockfiles
from guard.audit.engines import Engines
from guard.audit.entries import entries_of
from guard.audit.reading import LoadedLock, load_from_disk
from guard.audit.recording import Obstacle, Record, record_publishers
from guard.cli.audit import read_locks
from guard.engine.lock_pins import members_of
from guard.engine.outcome import Outcome
from guard.errors import ConfigInvalid, ExitCode
from guard.managers.progress import show_progress
from guard.model import Ecosystem, Finding, Level, Location, RuleId
from guard.policy.identity_lock import IdentityLock, render_identity_lock
from guard.policy.identity_lock_changes import ChangeKind, PackageKey, update_identity_lock
from guard.policy.patterns import normalised_name
from guard.report.text import printable
from guard.store.policies import IDENTITY_LOCK_NAME
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.pylock_publishers import write_publishers

# From the best to the worst.
_GRAVITY = (ExitCode.ALLOWED, ExitCode.UNDECIDED, ExitCode.BLOCKED)
_WORDS = {
    ChangeKind.ADDED: "new",
    ChangeKind.REMOVED: "removed",
    ChangeKind.CHANGED: "CHANGED",
    ChangeKind.DRIFTED: "changed",
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """One guard.lock and the locks that it governs."""

    path: Path
    lock: IdentityLock | None
    locks: tuple[LoadedLock, ...]


def run_lock(app: App, paths: tuple[Path, ...], *, check: bool, all_platforms: bool, pylock: bool) -> int:
    """Record who publishes what lockfiles name.

    Args:
        app: the outside.
        paths: lockfiles and folders; none for the working directory.
        check: whether nothing is written.
        all_platforms: whether entries for every platform are looked at.
        pylock: whether publishers are written into pylock.toml files as well.

    Returns:
        0 where all is recorded; 10 where something is refused, or with ``check`` where guard.lock is stale; 11 where
        something could not be found out.

    Raises:
        UsageError: there is no lockfile.
        ConfigInvalid: a lockfile, guard.lock, a policy or a trust root cannot be used, or guard.lock not be written.
    """
    found = find_lockfiles(paths, cwd=app.cwd, environ=app.environ)
    locks, broken = read_locks(app, found)
    if broken:
        raise ConfigInvalid(f"{broken[0].location}: {broken[0].message}")
    plans = tuple(_plans(app, locks))
    # Judged without guard.lock, a changed publisher is seen and not refused.
    policy = replace(app.load_policy(), identity_lock=None)
    with ExitStack() as stack:
        trust_root = app.load_trust_root(policy)
        engines = Engines(app=app, policy=policy, trust_root=trust_root, stack=stack, asks_anew=True)
        progress = show_progress(app, stack)
        records, outcomes = [], []
        for plan in plans:
            selection = select_entries(plan.locks, named=policy.platforms, all_platforms=all_platforms)
            progress.step(f"who publishes what {plan.locks[0].shown} names")
            outcome = decide_entries(selection, engines)
            records.append(record_publishers(outcome.judged, plan.lock))
            outcomes.append(outcome)
        progress.stop()
    pairs = tuple(zip(plans, records, strict=True))
    concluded = [_conclude(app, plan, record, check=check) for plan, record in pairs]
    statuses = [status for status, _ in concluded]
    if pylock:
        statuses += [_write_pylocks(plan, record, check=check) for plan, record in pairs]
    status = max(statuses, key=_GRAVITY.index)
    seen = Outcome(
        judged=tuple(judged for outcome in outcomes for judged in outcome.judged),
        not_decided=tuple(entry for outcome in outcomes for entry in outcome.not_decided),
        findings=tuple(finding for _, findings in concluded for finding in findings),
    )
    app.report_status(status, seen, policy=policy, trust_root=trust_root)
    return status


def _plans(app: App, locks: Sequence[LoadedLock]) -> Iterator[_Plan]:
    """Give each guard.lock its lockfiles: the nearest one upwards, else a new one beside the lockfile."""
    governed: dict[Path, list[LoadedLock]] = {}
    existing: dict[Path, IdentityLock | None] = {}
    for lock in locks:
        folder = lock.found.path.parent
        identity_lock = app.find_identity_lock(folder)
        path = Path(identity_lock.path) if identity_lock else folder / IDENTITY_LOCK_NAME
        existing[path] = identity_lock
        governed.setdefault(path, []).append(lock)
    for path, some in governed.items():
        yield _Plan(path, existing[path], tuple(some))


def _conclude(app: App, plan: _Plan, record: Record, *, check: bool) -> tuple[int, tuple[Finding, ...]]:
    """Print what changed, write it unless only checking, and return the status and the changes as findings."""
    lock, changes = update_identity_lock(plan.lock, record.seen, kept=_kept(app, plan))
    shown = plan.path.relative_to(app.cwd) if plan.path.is_relative_to(app.cwd) else plan.path
    for change in changes:
        click.echo(printable(f"{_WORDS[change.kind]} {change}"))
    for problem, _ in record.obstacles:
        click.echo(printable(f"guard: not recorded: {problem}"), err=True)
    is_stale = bool(changes)
    if is_stale and not check:
        _write(plan.path, render_identity_lock(lock))
    if not app.options.quiet:
        state = "is not as it should be: guard lock" if check and is_stale else "is as it should be"
        click.echo(printable(f"guard: {shown} {state} ({len(lock.packages)} packages)"), err=True)
    obstacles = {obstacle for _, obstacle in record.obstacles}
    level = Level.BLOCK if check else Level.NOTE
    findings = tuple(_finding(f"{_WORDS[change.kind]} {change}", level, plan.path) for change in changes)
    if Obstacle.REFUSED in obstacles or (check and is_stale):
        return ExitCode.BLOCKED, findings
    return ExitCode.UNDECIDED if obstacles else ExitCode.ALLOWED, findings


def _finding(message: str, level: Level, path: Path) -> Finding:
    return Finding(rule=RuleId.IDENTITY_LOCK_CHANGED, level=level, message=message, location=Location(str(path)))


def _write_pylocks(plan: _Plan, record: Record, *, check: bool) -> int:
    """Write the publishers into each pylock.toml, as far as indexes know such publishers (PEP 751)."""
    publishers = {
        name: [dict(members) for each in identities if (members := members_of(each.publisher)) is not None]
        for (ecosystem, name), identities in record.seen.items()
        if ecosystem is Ecosystem.PYPI
    }
    status = ExitCode.ALLOWED
    for lock in plan.locks:
        if lock.found.format.id != "pylock":
            continue
        before = load_from_disk(lock.found.path)
        try:
            after = write_publishers(before, publishers)
        except MalformedLockfile as error:
            place = Location(lock.shown, error.line)
            raise ConfigInvalid(f"{place}: {error.message}", hint="remove attestation-identities") from error
        if after == before:
            continue
        click.echo(printable(f"changed {lock.shown}: the publishers that it names"))
        if check:
            status = ExitCode.BLOCKED
        else:
            _write(lock.found.path, after)
    return status


def _kept(app: App, plan: _Plan) -> set[PackageKey]:
    """Return the packages whose entries stay although nobody was seen: those that a lockfile still names.

    Where a lockfile that guard.lock governs was not looked at, that may be any.
    """
    entries = (entry.artifact for lock in plan.locks for entry in entries_of(lock))
    named = {(each.ecosystem, normalised_name(each.ecosystem, each.name)) for each in entries}
    governed = find_lockfiles((plan.path.parent,), cwd=app.cwd, environ=app.environ)
    is_whole = {each.path for each in governed} <= {lock.found.path for lock in plan.locks}
    return named if is_whole or plan.lock is None else {*named, *plan.lock.packages}


def _write(path: Path, data: bytes) -> None:
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(name).replace(path)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be written: {error.strerror}") from error

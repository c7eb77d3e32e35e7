"""``guard audit``: decide every artifact of lockfiles; nothing is installed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from guard import limits
from guard.app import App
from guard.audit.changes import Base, accept, find_base, find_changes, find_staged_base, with_previous
from guard.audit.deciding import decide_entries, select_entries
from guard.audit.discovery import FoundFile, find_lockfiles
from guard.audit.engines import Engines
from guard.audit.entries import AuditEntry
from guard.audit.installed import compare_installed, find_installed
from guard.audit.reading import LoadedLock, LockReader, UnreadableLock, load_from_disk, load_if_there
from guard.audit.resolving import decide_resolved, is_resolved
from guard.audit.staged import read_staged_locks
from guard.engine.lock_pins import Members, pins_of
from guard.engine.outcome import Outcome
from guard.errors import ConfigInvalid, ExitCode, UsageError
from guard.managers.progress import Progress, show_progress
from guard.model import Ecosystem, Finding
from guard.policy.policy import Policy
from guard.report.model import RunReport
from guard.store.evidence_folder import EvidenceFolder
from guard.store.policies import load_file

# `text` is for people, and stands on standard error in any case.
FORMATS = ("text", "json", "sarif", "github", "junit")

# What an audit makes of a large lock stays until its report is written; to look it over again and again frees nothing.
_COLLECTED_EVERY = (50_000, 20, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """What the command line asks.

    Args:
        paths: lockfiles and folders; none for the working directory.
        formats: of :data:`FORMATS`, in which the report is written.
        outputs: files for them, in their order; the last one without a file goes to standard output.
        all_platforms: whether entries for every platform are decided.
        changed_since: the revision that a change is compared with; ``None`` to decide everything.
        staged: whether what is about to be committed is decided, and only what that changes.
        resolve: whether requirements files that pin nothing are resolved with pip, and what that comes to is decided.
        installed: whether what npm installed is decided, instead of lockfiles.
        accept_identity_changes: whether the reviewer accepts a change of the rules themselves.
        offline: whether nothing is asked of registries.
        evidence: folder of saved evidence.
    """

    paths: tuple[Path, ...]
    formats: tuple[str, ...]
    outputs: tuple[Path, ...]
    all_platforms: bool
    changed_since: str | None
    staged: bool
    resolve: bool
    installed: bool
    accept_identity_changes: bool
    offline: bool
    evidence: Path | None


def run_audit(app: App, request: AuditRequest) -> int:
    """Decide what lockfiles name.

    Args:
        app: the outside.
        request: the command line.

    Returns:
        0 where everything was allowed, 10 or 11 where it was not, 2 where a lockfile cannot be read.

    Raises:
        UsageError: there is no lockfile, or the command line cannot be carried out.
        ConfigInvalid: a configuration file, a policy or a trust root cannot be used.
    """
    written = _pair(request)
    gc.set_threshold(*_COLLECTED_EVERY)
    base = _find_base(app, request)
    locks, broken, differing = _read(app, request, base)
    policy = app.load_policy() if base is None else app.load_policy(base.load_rules)
    policy = replace(policy, lock_pins=pins_of(_publishers(locks)))
    trust_root = app.load_trust_root(policy)
    with ExitStack() as stack:
        engines = Engines(
            app=app,
            policy=policy,
            trust_root=trust_root,
            stack=stack,
            folder=_evidence_folder(app, request),
            is_offline=request.offline,
            find_lock=lambda folder: app.find_identity_lock(folder, load_file if base is None else base.load_rules),
        )
        outcome = _decide(app, request, base, policy, locks, engines, show_progress(app, stack))
    _say_requests(app)
    findings = (
        *broken,
        *differing,
        *(accept(outcome.findings) if request.accept_identity_changes else outcome.findings),
    )
    return app.conclude(
        replace(outcome, findings=findings, tool_status=ExitCode.ALLOWED),
        command=app.command,
        policy=policy,
        trust_root=trust_root,
        show=lambda report: _write(app, report, written),
        unusable=bool(broken),
        is_offline=request.offline,
    )


def _read(
    app: App, request: AuditRequest, base: Base | None
) -> tuple[tuple[LoadedLock, ...], tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the locks, a finding for each file that is none, and one for all that is not as its lock says."""
    if base is not None and base.is_staged:
        locks, unreadable = read_staged_locks(app, base, request.paths)
        return locks, tuple(each.finding for each in unreadable), ()
    if request.installed:
        locks, broken = read_locks(app, find_installed(request.paths, cwd=app.cwd))
        return locks, broken, tuple(finding for lock in locks for finding in compare_installed(lock, cwd=app.cwd))
    return *read_locks(app, find_lockfiles(request.paths, cwd=app.cwd, environ=app.environ)), ()


def read_locks(app: App, found: Sequence[FoundFile]) -> tuple[tuple[LoadedLock, ...], tuple[Finding, ...]]:
    """Read lockfiles.

    Returns:
        The locks, and a finding for each file that is none.
    """
    reader = LockReader(load_from_disk, cwd=app.cwd, project=app.project, environ=app.environ)
    read = [reader.read(each) for each in found]
    broken = tuple(each.finding for each in read if isinstance(each, UnreadableLock))
    return tuple(each for each in read if isinstance(each, LoadedLock)), broken


def _publishers(locks: Iterable[LoadedLock]) -> Iterator[tuple[Ecosystem, str, Iterable[Members]]]:
    """Yield the publishers that locks name by themselves: of every entry the package, and who is named for it."""
    for artifact in (each for lock in locks for part in lock.parts for each in part.lock.artifacts):
        yield Ecosystem(artifact.ecosystem.value), artifact.name, artifact.publishers


def _find_base(app: App, request: AuditRequest) -> Base | None:
    if request.installed and (request.staged or request.changed_since is not None):
        raise UsageError("--installed is about what is on disk, which no commit holds: leave the other option out")
    if request.resolve and (request.installed or request.staged or request.changed_since is not None):
        raise UsageError(
            "--resolve is about what pip would take now, and no change says that: leave the other option out"
        )
    if request.resolve and request.offline:
        raise UsageError("--resolve asks the index, and --offline asks nobody: take one")
    if request.staged:
        if request.changed_since is not None:
            raise UsageError("--staged compares with HEAD, and --changed-since with another revision: take one")
        return find_staged_base(app)
    return None if request.changed_since is None else find_base(app, request.changed_since)


def _evidence_folder(app: App, request: AuditRequest) -> EvidenceFolder | None:
    if request.evidence is None:
        return None
    path = app.cwd / request.evidence
    if not path.is_dir():
        raise UsageError(f"{path} is no folder of evidence", hint=f"guard evidence fetch -o {request.evidence}")
    return EvidenceFolder(path)


def _decide(
    app: App,
    request: AuditRequest,
    base: Base | None,
    policy: Policy,
    locks: tuple[LoadedLock, ...],
    engines: Engines,
    progress: Progress,
) -> Outcome:
    resolved = [lock for lock in locks if request.resolve and is_resolved(lock)]
    selection = select_entries(
        (lock for lock in locks if lock not in resolved) if resolved else locks,
        named=policy.platforms,
        all_platforms=request.all_platforms or request.installed,
        load=load_if_there if base is None else base.load_now,
    )
    old: tuple[AuditEntry, ...] = ()
    is_compared = base is not None and base.commit is not None
    if base is not None and is_compared:
        selection, old = find_changes(app, base, selection, locks, policy)
    outcome = decide_entries(selection, engines, done=lambda done, total: progress.step(_progress(app, done, total)))
    if is_compared:
        progress.step("who published what stood in their place")
        outcome = with_previous(outcome, selection, old, engines)
    if resolved:
        progress.step("resolving what is not pinned")
        now = decide_resolved(resolved, engines)
        outcome = replace(
            outcome,
            judged=(*outcome.judged, *now.judged),
            findings=(*outcome.findings, *now.findings),
            held_back=now.held_back,
            planned=outcome.planned + now.planned,
        )
    progress.stop()
    return replace(outcome, not_decided=selection.left_out, since=None if base is None else base.commit)


def _progress(app: App, done: int, total: int) -> str:
    return f"{done} of {total} decided, {app.deadline.requests_count} requests"


def _say_requests(app: App) -> None:
    """Say what the audit cost the registries, and what it may."""
    if app.options.verbose:
        most, seconds = limits.REQUESTS_PER_HOST_MAX_COUNT, limits.RUN_DEADLINE_SECONDS
        allowed = f"at most {most} at a time of one host and within {seconds:g} seconds"
        app.console.print(f"guard: {app.deadline.requests_count} requests, {allowed}", markup=False)


def _pair(request: AuditRequest) -> tuple[tuple[str, Path | None], ...]:
    """Give each format its file.

    Raises:
        UsageError: files are left over, or several formats would be mixed on standard output.
    """
    formats = tuple(dict.fromkeys(each for each in request.formats if each != "text"))
    missing = len(formats) - len(request.outputs)
    if missing < 0:
        raise UsageError("--output names a file for a --format, in their order; text has none", hint="--format json")
    if missing > 1:
        raise UsageError("several formats would be mixed on standard output", hint="give each an --output FILE")
    return tuple(zip(formats, (*request.outputs, None), strict=False))


def _write(app: App, report: RunReport, written: tuple[tuple[str, Path | None], ...]) -> None:
    for name, path, text in _texts(app, report, written):
        if path is None:
            sys.stdout.write(text)
            continue
        try:
            with (app.cwd / path).open("a" if name == "summary" else "w", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise ConfigInvalid(f"the report {path} cannot be written: {error.strerror}") from error


def _texts(
    app: App, report: RunReport, written: tuple[tuple[str, Path | None], ...]
) -> Iterator[tuple[str, Path | None, str]]:
    for name, path in written:
        yield name, path, _render(name, report)
        summary = app.environ.get("GITHUB_STEP_SUMMARY")
        if name == "github" and summary:
            from guard.report.github import render_step_summary

            yield "summary", Path(summary), render_step_summary(report)


def _render(name: str, report: RunReport) -> str:
    """Return the report in one format, whose renderer is imported only where it is asked for."""
    match name:
        case "sarif":
            from guard.report.sarif import render_sarif

            return render_sarif(report)
        case "github":
            from guard.report.github import render_annotations

            return render_annotations(report)
        case "junit":
            from guard.report.junit import render_junit

            return render_junit(report)
        case _:
            from guard.report.json_report import render_json

            return render_json(report)

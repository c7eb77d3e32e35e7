"""``guard audit``: decide every artifact of lockfiles; nothing is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from guard.app import App
from guard.audit.deciding import decide_entries, select_entries
from guard.audit.discovery import find_lockfiles
from guard.audit.engines import Engines
from guard.audit.reading import LoadedLock, LockReader, UnreadableLock, load_from_disk
from guard.errors import ConfigInvalid, ExitCode
from guard.managers.progress import show_progress
from guard.report.json_report import render_json
from guard.report.model import RunReport

# What a format makes of a report; `text` is for people, and stands on standard error in any case.
RENDERERS: Mapping[str, Callable[[RunReport], str]] = {"json": render_json}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """What the command line asks.

    Args:
        paths: lockfiles and folders; none for the working directory.
        output_format: ``text``, or a key of :data:`RENDERERS`.
        output: file for the report in that format; ``None`` for standard output.
        all_platforms: whether entries for every platform are decided.
    """

    paths: tuple[Path, ...]
    output_format: str
    output: Path | None
    all_platforms: bool


def run_audit(app: App, request: AuditRequest) -> int:
    """Decide what lockfiles name.

    Args:
        app: the outside.
        request: the command line.

    Returns:
        0 where everything was allowed, 10 or 11 where it was not, 2 where a lockfile cannot be read.

    Raises:
        UsageError: there is no lockfile.
        ConfigInvalid: a configuration file, a policy or a trust root cannot be used.
    """
    found = find_lockfiles(request.paths, cwd=app.cwd, environ=app.environ)
    policy = app.load_policy()
    trust_root = app.load_trust_root(policy)
    reader = LockReader(load_from_disk, cwd=app.cwd, root=app.project, environ=app.environ)
    read = [reader.read(each) for each in found]
    locks = [each for each in read if isinstance(each, LoadedLock)]
    broken = [each for each in read if isinstance(each, UnreadableLock)]
    with ExitStack() as stack:
        progress = show_progress(app, stack)
        selection = select_entries(
            locks, project=app.project, named=policy.platforms, all_platforms=request.all_platforms
        )
        engines = Engines(app=app, policy=policy, trust_root=trust_root, stack=stack)
        outcome = decide_entries(
            selection, engines, done=lambda done, total: progress.step(f"{done} of {total} decided")
        )
    findings = (*(each.finding for each in broken), *outcome.findings)
    return app.conclude(
        replace(outcome, findings=findings, not_decided=selection.left_out, tool_status=ExitCode.ALLOWED),
        command=app.command,
        policy=policy,
        trust_root=trust_root,
        show=lambda report: _show(report, request),
        unusable=bool(broken),
    )


def _show(report: RunReport, request: AuditRequest) -> None:
    if request.output_format == "text":
        return
    text = RENDERERS[request.output_format](report)
    if request.output is None:
        sys.stdout.write(text)
        return
    try:
        request.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigInvalid(f"the report {request.output} cannot be written: {error.strerror}") from error

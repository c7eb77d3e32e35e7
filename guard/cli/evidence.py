"""``guard evidence``: saving what registries say about locks, for machines that cannot ask them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from guard.app import App
from guard.audit.deciding import Batch, batches_of, select_entries
from guard.audit.discovery import find_lockfiles
from guard.audit.engines import Engines
from guard.cli.audit import read_locks
from guard.engine.evidence_saving import Saved, save_npm_evidence, save_pypi_evidence
from guard.errors import ExitCode
from guard.managers.progress import show_progress
from guard.model import Ecosystem
from guard.report.text import printable
from guard.store.evidence_folder import EvidenceFolder


def fetch(app: App, paths: tuple[Path, ...], output: Path, *, all_platforms: bool) -> int:
    """Save evidence about what lockfiles name.

    Args:
        app: the outside.
        paths: lockfiles and folders; none for the working directory.
        output: folder to save it in; it need not exist.
        all_platforms: whether for the files of every platform.

    Returns:
        0 where all was saved, 11 where something could not be had, 2 where a lockfile cannot be read.

    Raises:
        UsageError: there is no lockfile.
        ConfigInvalid: a configuration file or the policy cannot be used, or the folder cannot be written to.
    """
    found = find_lockfiles(paths, cwd=app.cwd, environ=app.environ)
    policy = app.load_policy()
    locks, broken = read_locks(app, found)
    folder = EvidenceFolder(app.cwd / output)
    saved = Saved(problems=tuple(f"{finding.location}: {finding.message}" for finding in broken))
    with ExitStack() as stack:
        progress = show_progress(app, stack)
        selection = select_entries(locks, named=policy.platforms, all_platforms=all_platforms)
        engines = Engines(app=app, policy=policy, trust_root=app.load_trust_root(policy), stack=stack)
        for batch in batches_of(selection).values():
            progress.step(f"saving what registries say about {len(batch.questions)} entries of {batch.lock.shown}")
            saved += _save(batch, engines, folder)
    for problem in saved.problems:
        click.echo(printable(f"guard: not saved: {problem}"), err=True)
    if not app.options.quiet:
        counts = f"{saved.listings} listings and {saved.documents} documents of evidence"
        click.echo(printable(f"guard: {counts} are in {output}"), err=True)
    if broken:
        return ExitCode.USAGE
    return ExitCode.UNDECIDED if saved.problems else ExitCode.ALLOWED


def _save(batch: Batch, engines: Engines, folder: EvidenceFolder) -> Saved:
    questions = tuple(batch.questions)
    if batch.ecosystem is Ecosystem.NPM:
        return save_npm_evidence(engines.npm_client(batch.lock.found.folder), folder, questions)
    client = engines.index_client(batch.lock.index)
    return save_pypi_evidence(client, folder, questions, fits=batch.platforms.take_file)

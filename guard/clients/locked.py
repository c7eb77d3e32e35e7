"""The steps of clients whose lock says all that they install: make it in a copy, decide it, install it frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from guard.audit.engines import Engines
from guard.clients.mirror import copy_project, find_changes, placed
from guard.clients.session import Session, refuse_unlocked
from guard.engine.outcome import Outcome
from guard.managers.pip.index_settings import IndexSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedRun:
    """One command of a client that goes by a lock.

    Args:
        session: the run.
        engines: gather and decide.
        root: folder of the lock.
        lock: name of the lock.
        copied: names of the files that the tool reads or writes as manifests, settings and locks.
        environ: for the tool.
        locking: arguments that make the lock and install nothing; ``None`` where the lock is taken as it is.
        installing: arguments that install it frozen; ``None`` where nothing is installed.
        check: raises where what was decided may not be installed so after all.
        all_platforms: whether the tool may be told to install for other platforms.
        unlocked: what to do where there is no lock.
        index: the Python package indexes that the tool asks.
        takes_back: whether the tool itself takes changed manifests back where installing fails.
    """

    session: Session
    engines: Engines
    root: Path
    lock: str
    copied: frozenset[str]
    environ: Mapping[str, str]
    locking: Sequence[str] | None
    installing: Sequence[str] | None
    check: Callable[[Outcome], None]
    all_platforms: bool
    unlocked: str
    index: IndexSettings | None = None
    takes_back: bool = False


def run_from_lock(run: LockedRun) -> Outcome:
    """Carry the command out."""
    path = run.root / run.lock
    former = {path: path.read_bytes()} if path.is_file() else {}
    changes: dict[Path, bytes] = {}
    if run.locking is not None:
        made = _make_lock(run)
        if isinstance(made, Outcome):
            return made
        changes = made
    locks = {**former, **{each: content for each, content in changes.items() if each == path}}
    if not locks:
        return refuse_unlocked(path, run.unlocked)
    before = former if run.locking is not None else None
    outcome = run.session.decide_locks(
        locks, run.engines, before=before, index=run.index, all_platforms=run.all_platforms
    )
    if not outcome.allowed:
        return outcome
    run.check(outcome)
    with placed(changes) as stays:
        status = 0 if run.installing is None else run.session.run_shown(run.installing, run.environ)
        stays.append(status == 0 or not run.takes_back)
    return replace(outcome, tool_status=status)


def _make_lock(run: LockedRun) -> dict[Path, bytes] | Outcome:
    session = run.session
    session.progress.step("locking")
    scratch = session.folder / "project"
    scratch.mkdir()
    copy_project(run.root, scratch, copied=run.copied)
    words = [word.replace(str(run.root), str(scratch)) for word in run.locking or ()]
    status, stdout, stderr = session.run_quietly(words, run.environ, scratch / session.app.cwd.relative_to(run.root))
    if status != 0:
        session.show((stdout, scratch), (stderr, scratch))
        return Outcome(tool_status=status)
    return find_changes(run.root, scratch, run.copied)

"""``pip lock``: resolve through the open gateway, decide every locked file, and only then write the user's lock."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from guard.engine.outcome import NO_PINS, Outcome
from guard.errors import MalformedInput
from guard.gateway.index import OpenSite
from guard.gateway.server import Gateway
from guard.managers.pip.command import Option
from guard.managers.pip.pylock import locked_files
from guard.managers.pip.session import Session
from guard.model import Judged

_DEFAULT_OUTPUT = "pylock.toml"
_STDOUT = "-"


def run_locking(session: Session, before: Outcome) -> Outcome:
    """Lock.

    Args:
        session: the run.
        before: what judging the user's input came to; nothing in it refuses.
    """
    session.engine.add_named(session.find_named())
    output = session.command.last("--output") or _DEFAULT_OUTPUT
    site = OpenSite(session.engine, wheel_metadata=True, anticipate=session.anticipate)
    with Gateway(site) as gateway, _beside(output) as written:
        command = session.prepare(gateway).without({"--output"}).followed_by([Option("--output", str(written))])
        status = session.run_shown(command, gateway, site.find_file)
        site.raise_crash()
        lock = written.read_bytes() if written.exists() else b""
    locked = _judge_locked(session, site, lock) if lock else ()
    files = {item.artifact.file for item in locked}
    built = tuple(replace(item.judged, installed=False) for item in site.delivered if item.file.filename not in files)
    judged = (*before.judged, *locked, *built, *site.refused)
    findings = (
        *before.findings,
        *site.findings,
        *gateway.foreign_hosts,
        *(site.explanations if status else ()),
        *(site.explain_failure() if status else ()),
    )
    outcome = Outcome(judged=judged, findings=findings, held_back=site.held_back, planned=len(judged))
    if not outcome.allowed:
        return outcome
    if lock:
        _write(output, session.addresses(gateway, site.find_file).replace_in(lock))
    return replace(outcome, tool_status=status)


def _judge_locked(session: Session, site: OpenSite, lock: bytes) -> tuple[Judged, ...]:
    requests = []
    for locked in locked_files(lock, what="the lock that pip wrote"):
        found = site.find(f"/files/{locked.name}/{locked.filename}")
        if found is None:
            raise MalformedInput(f"pip locked {locked.filename}, which it was not offered")
        requests.append((*found, NO_PINS))
    return session.engine.judge_all(requests, done=lambda _: None)


@contextmanager
def _beside(output: str) -> Iterator[Path]:
    """Give a name in the folder of the lock, to which pip makes paths relative; the file is removed at the end."""
    folder = Path() if output == _STDOUT else Path(output).parent
    path = folder / f"pylock.guard-{os.getpid()}.toml"
    try:
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _write(output: str, lock: bytes) -> None:
    if output == _STDOUT:
        sys.stdout.buffer.write(lock)
        sys.stdout.buffer.flush()
    else:
        # Written aside and renamed: a lock is as before or as after, never between.
        complete = Path(f"{output}.{os.getpid()}.new")
        try:
            complete.write_bytes(lock)
            complete.replace(output)
        finally:
            complete.unlink(missing_ok=True)

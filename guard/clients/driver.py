"""``guard uv`` and the other clients: what every one of them goes through before and after its own steps."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from guard.app import App
from guard.clients.refused import REFUSED, refused_command
from guard.clients.session import Session
from guard.clients.words import LEADING_WORDS, PROGRAMS, passes_through
from guard.engine.outcome import Outcome
from guard.errors import MalformedInput, Refused, ToolNotFound, Unavailable, UsageError
from guard.managers.npm.target import find_script
from guard.managers.process import run_quietly
from guard.managers.progress import show_progress
from guard.managers.refusal import outcome_of
from guard.report.model import Tool

_VERSION = re.compile(r"\d+(\.\d+)+[\w.+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What carrying out a command came to.

    Args:
        outcome: of it.
        become: starts the user's program in place of guard, where the command is to end so.
    """

    outcome: Outcome
    become: Callable[[], None] | None = None


def run_client(app: App, word: str, arguments: Sequence[str]) -> int:
    """Carry out ``guard WORD ARGUMENTS``.

    Args:
        app: the outside.
        word: one of :data:`guard.clients.words.PROGRAMS`.
        arguments: what follows it.

    Returns:
        guard's exit status where it refuses or could not decide, else the tool's own.
    """
    program = find_program(PROGRAMS[word], app.environ.get("PATH", os.defpath))
    if passes_through(word, list(arguments)):
        os.execv(program, [str(program), *LEADING_WORDS.get(word, ()), *arguments])  # noqa: S606 - the user's own tool
    _refuse_own_environment(app)
    policy = app.load_policy()
    trust_root = app.load_trust_root(policy)
    become = None
    version = _version_of(program, app)
    with ExitStack() as stack:
        try:
            session = Session(
                app=app,
                tool=PROGRAMS[word],
                program=program,
                version=version,
                policy=policy,
                trust_root=trust_root,
                stack=stack,
                folder=stack.enter_context(app.runs.new()),
                progress=show_progress(app, stack),
            )
            done = _carry_out(session, word, arguments)
            outcome, become = done.outcome, done.become
        except (Refused, MalformedInput, Unavailable) as error:
            outcome = outcome_of(error)
        if become is None or not outcome.allowed or outcome.tool_status != 0:
            become = None
    status = app.conclude(
        outcome,
        command=(word, *arguments),
        tool=Tool(name=PROGRAMS[word], version=version),
        policy=policy,
        trust_root=trust_root,
    )
    if become is not None and status == 0:
        become()
    return status


def _refuse_own_environment(app: App) -> None:
    """Refuse to change the environment that guard itself runs from, where that is activated."""
    active = app.environ.get("VIRTUAL_ENV")
    if active and not app.options.same_environment and Path(active).resolve() == Path(sys.prefix).resolve():
        raise UsageError(
            f"{active} is the environment that guard itself runs from",
            hint="activate the project's environment, or give guard one of its own: pipx install provenance-guard",
        )


def find_program(name: str, path: str) -> Path:
    """Return the first program of a name on PATH that is not a shim of guard's.

    Raises:
        ToolNotFound: there is none.
    """
    try:
        return find_script(path, name)
    except ToolNotFound as error:
        raise ToolNotFound(error.message, hint=f"install {name}, or put its folder on PATH") from error


def _version_of(program: Path, app: App) -> str:
    # In the root folder no project chooses another version.
    _, stdout, _ = run_quietly([str(program), "--version"], environ=app.environ, cwd="/")
    found = _VERSION.search(stdout.decode("utf-8", "replace"))
    return found[0] if found else ""


def _pass_through(session: Session, become: Callable[[], None]) -> NoReturn:
    session.stack.close()
    become()
    raise AssertionError("exec does not return")


def _carry_out(session: Session, word: str, arguments: Sequence[str]) -> Done:
    if word == "pnpm":
        from guard.clients.pnpm import run_pnpm

        return Done(outcome=run_pnpm(session, arguments[0], arguments[1:]))
    if word in ("poetry", "pdm"):
        from guard.clients.python_locks import run_python_client

        came_to = run_python_client(session, arguments[0], arguments[1:])
        return Done(outcome=came_to) if isinstance(came_to, Outcome) else _pass_through(session, came_to)
    if word in REFUSED:
        raise refused_command(word, arguments)
    from guard.clients.uv.commands import carry_out as carry_out_uv

    return carry_out_uv(session, word, arguments)

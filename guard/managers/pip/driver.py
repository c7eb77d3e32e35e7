"""``guard pip``: resolve with the user's pip, decide every file, then run the user's own command on exactly those."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from guard import limits
from guard.app import App
from guard.engine.lock_pins import pins_of
from guard.engine.outcome import Outcome
from guard.engine.pypi import PyPIEngine
from guard.errors import MalformedInput, Refused, Unavailable, UsageError
from guard.managers.imports import import_ahead
from guard.managers.pip.command import Kind, PipCommand, classify, parse_command
from guard.managers.pip.configured import find_target, find_users_pip
from guard.managers.pip.entries import parse_arguments
from guard.managers.pip.inputs import judge_inputs
from guard.managers.pip.installing import run_installation
from guard.managers.pip.requirements import RequirementFiles, load_requirement_files
from guard.managers.pip.session import Session
from guard.managers.pip.target import Probe, Target, is_own_environment
from guard.managers.pip.upstream import make_http, make_upstream
from guard.managers.progress import show_progress
from guard.managers.refusal import outcome_of
from guard.model import Ecosystem
from guard.policy.policy import Policy
from guard.sigstore.trust_root import TrustRoot

if TYPE_CHECKING:
    from guard.managers.pip.pylock import LoadedPylock
    from guard.sigstore.verify import Verifier

# Options that send an installation somewhere else than into the interpreter's environment.
_ELSEWHERE = ("--target", "--prefix", "--root", "--dry-run")


def run_pip(app: App, arguments: Sequence[str], *, probe: Probe | None = None) -> int:
    """Carry out ``guard pip ARGUMENTS``.

    Args:
        app: the outside.
        arguments: what follows ``pip``.
        probe: see :func:`~guard.managers.pip.target.start_probe`.

    Returns:
        guard's exit status where it refuses or could not decide, else pip's own.
    """
    if classify(arguments) is Kind.PASS_THROUGH:
        pip = find_users_pip(app)
        os.execv(pip.interpreter, [*pip.argv, *arguments])  # noqa: S606 - the user's own pip
    try:
        typed = parse_command(arguments)
    except Refused as error:
        return app.conclude(outcome_of(error), command=("pip", *arguments))
    target, configured = _find_target(app, typed, probe)
    policy = app.load_policy()
    trust_root = app.load_trust_root(policy)
    with ExitStack() as stack:
        try:
            outcome = _run(app, typed, configured, target, policy, trust_root, stack)
        except (Refused, MalformedInput, Unavailable) as error:
            outcome = outcome_of(error)
    from guard.report.model import Tool

    return app.conclude(
        outcome,
        command=("pip", *arguments),
        tool=Tool(name="pip", version=target.version),
        policy=policy,
        trust_root=trust_root,
    )


def _run(
    app: App,
    typed: PipCommand,
    configured: PipCommand,
    target: Target,
    policy: Policy,
    trust_root: TrustRoot,
    stack: ExitStack,
) -> Outcome:
    session = open_session(app, typed, configured, target, policy, trust_root, stack)
    before = judge_inputs(session)
    if not before.allowed:
        return before
    session.files.write_private_copies()
    # Only what the command needs is imported, so that pip begins soon.
    if typed.command == Kind.INSTALL and not session.hashes_enforced:
        return run_installation(session, before)
    session.engine.start(import_ahead)
    if typed.command == Kind.LOCK:
        from guard.managers.pip.locking import run_locking

        return run_locking(session, before)
    from guard.managers.pip.deciding import run_deciding

    return run_deciding(session, before)


def open_session(
    app: App,
    typed: PipCommand,
    configured: PipCommand,
    target: Target,
    policy: Policy,
    trust_root: TrustRoot,
    stack: ExitStack,
) -> Session:
    """Return what a guarded run of pip needs.

    Args:
        app: the outside.
        typed: the command line.
        configured: the options of pip's configuration alone.
        target: the pip that is driven.
        policy: the policy in force.
        trust_root: what signatures are checked with.
        stack: closes all of it.
    """
    folder = stack.enter_context(app.runs.new())
    command = typed.preceded_by(configured.options)
    files = _load_files(app, command, folder)
    pylocks = tuple(_load_pylocks(files, target))
    upstream = make_upstream(
        typed=typed,
        configured=configured,
        files=files.index,
        anchors=policy.anchors,
        environ=app.environ,
        home=app.home,
        deadline=app.deadline,
    )
    engine = PyPIEngine(
        index=upstream.client,
        store=app.file_store,
        verified=stack.enter_context(closing(app.facts)),
        make_verifier=lambda: _make_verifier(app, trust_root),
        policy=_with_pins(policy, pylocks),
        now=app.started,
    )
    stack.callback(engine.close)
    return Session(
        command=command,
        target=target,
        files=files,
        pylocks=pylocks,
        arguments=parse_arguments(typed.arguments, editables=command.values("--editable")),
        upstream=upstream,
        engine=engine,
        environ=app.environ,
        folder=folder,
        progress=show_progress(app, stack),
    )


def _load_pylocks(files: RequirementFiles, target: Target) -> Iterable[LoadedPylock]:
    if files.pylocks:
        from guard.managers.pip.pylock import load_pylock

        for value in files.pylocks:
            yield load_pylock(value, pip_release=target.release)


def _make_verifier(app: App, trust_root: TrustRoot) -> Verifier:
    from guard.sigstore.verify import Verifier

    return Verifier(trust_root, now=app.latest_now)


def _with_pins(policy: Policy, pylocks: Iterable[LoadedPylock]) -> Policy:
    """Return the policy with the publishers that locks name as pins, as an audit of the same locks has them."""
    named = ((Ecosystem.PYPI, name, publishers) for lock in pylocks for name, publishers in lock.publishers)
    return replace(policy, lock_pins=pins_of(named))


def _load_files(app: App, command: PipCommand, folder: Path) -> RequirementFiles:
    def fetch(url: str) -> bytes:
        http, credentials = make_http(command, environ=app.environ, home=app.home, deadline=app.deadline)
        return http.fetch(credentials.add_url(url), accept="*/*", max_bytes=limits.REQUIREMENTS_MAX_BYTES).body

    return load_requirement_files(
        requirements=command.values("--requirement"),
        constraints=command.values("--constraint"),
        build_constraints=command.values("--build-constraint"),
        environ=app.environ,
        folder=folder,
        project=app.project,
        fetch=fetch,
    )


def _find_target(app: App, typed: PipCommand, probe: Probe | None) -> tuple[Target, PipCommand]:
    """Return the pip to drive and the options that configure it.

    Raises:
        UsageError: it would change the environment that guard runs from.
    """
    target, configured = find_target(app, typed, probe=probe)
    if app.options.verbose:
        app.console.print(f"guard: pip {target.version} of {target.prefix}", markup=False)
    elsewhere = any(typed.has(option) or configured.has(option) for option in _ELSEWHERE)
    changes = typed.command == Kind.INSTALL and not elsewhere
    if changes and is_own_environment(target) and not app.options.same_environment:
        raise UsageError(
            f"{target.prefix} is the environment that guard itself runs from",
            hint="activate the project's environment, or give guard one of its own: pipx install provenance-guard",
        )
    return target, configured

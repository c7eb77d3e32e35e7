"""``guard npm`` and ``guard npx``: resolve with the user's npm, decide every release, run the user's own command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from guard.app import App
from guard.engine.npm import NpmEngine
from guard.engine.outcome import Outcome
from guard.errors import MalformedInput, Refused, Unavailable
from guard.managers.imports import import_ahead
from guard.managers.npm.command import NpmCommand, classify, parse_command, rewrite_npx
from guard.managers.npm.config import NpmConfiguration, load_configuration, passes_through
from guard.managers.npm.configured import load_keys, make_client, path_of
from guard.managers.npm.deciding import run_deciding
from guard.managers.npm.environment import Places
from guard.managers.npm.global_tree import run_global, run_link
from guard.managers.npm.installing import run_installation
from guard.managers.npm.options import Kind
from guard.managers.npm.session import Session
from guard.managers.npm.target import NpmTarget, find_npm
from guard.managers.progress import show_progress
from guard.managers.refusal import outcome_of
from guard.policy.policy import Policy
from guard.sigstore.trust_root import TrustRoot
from guard.sigstore.verify import Verifier

_RESOLVED = frozenset({Kind.CI, Kind.INSTALL, Kind.AUDIT_FIX, Kind.REBUILD})


def run_npm(app: App, arguments: Sequence[str]) -> int:
    """Carry out ``guard npm ARGUMENTS``.

    Args:
        app: the outside.
        arguments: what follows ``npm``.

    Returns:
        guard's exit status where it refuses or could not decide, else npm's own.
    """
    target = find_npm(path_of(app))
    command = parse_command(arguments, major=target.major)
    return _run(app, ("npm", *arguments), command, classify(arguments, (command.major,)), target)


def run_npx(app: App, arguments: Sequence[str]) -> int:
    """Carry out ``guard npx ARGUMENTS``: the ``npm exec`` that npx starts.

    Args:
        app: the outside.
        arguments: what follows ``npx``.

    Returns:
        guard's exit status where it refuses or could not decide, else npx's own.
    """
    target = find_npm(path_of(app))
    line, removed = rewrite_npx(arguments, major=target.major)
    for name in removed:
        sys.stderr.write(f"npx: the --{name} argument has been removed.\n")
    command = parse_command(line, major=target.major)
    return _run(app, ("npx", *arguments), command, classify(line, (command.major,)), target)


def _run(app: App, typed: Sequence[str], command: NpmCommand, kind: Kind, target: NpmTarget) -> int:
    if kind is Kind.REFUSED:
        what = f"npm {command.word}" if command.word else "npm without a command"
        refused = Refused(
            "command-not-guarded",
            f"{what} is not a command that guard can carry out",
            hint="write the command's full name; run it with npm itself if it installs nothing",
        )
        return app.conclude(outcome_of(refused), command=typed)
    if kind is Kind.PASS_THROUGH:
        _become_npm(target, command)
    policy = app.load_policy()
    trust_root = app.load_trust_root(policy)
    with ExitStack() as stack:
        try:
            outcome = _carry_out(app, command, kind, target, policy, trust_root, stack)
        except (Refused, MalformedInput, Unavailable) as error:
            outcome = outcome_of(error)
    from guard.report.model import Tool

    return app.conclude(
        outcome,
        command=typed,
        tool=Tool(name="npm", version=target.version),
        policy=policy,
        trust_root=trust_root,
    )


def _carry_out(
    app: App,
    command: NpmCommand,
    kind: Kind,
    target: NpmTarget,
    policy: Policy,
    trust_root: TrustRoot,
    stack: ExitStack,
) -> Outcome:
    if kind in _RESOLVED:
        target.ask_platform()
    folder = stack.enter_context(app.runs.new())
    configuration = load_configuration(environ=app.environ, cwd=app.cwd, command=command, npm=target, home=app.home)
    if kind is Kind.OTHER and passes_through(command, configuration):
        stack.close()
        _become_npm(target, command)
    client = make_client(configuration, policy, app.deadline)
    engine = NpmEngine(
        client=client,
        store=app.file_store,
        verified=stack.enter_context(closing(app.facts)),
        facts=app.tarball_facts,
        keys=load_keys(app, policy),
        make_verifier=lambda: Verifier(trust_root, now=app.latest_now),
        policy=policy,
        now=app.started,
    )
    stack.callback(engine.close)
    if kind not in _RESOLVED:
        engine.start(import_ahead)
    session = Session(
        command=command,
        target=target,
        configuration=configuration,
        client=client,
        engine=engine,
        environ=app.environ,
        cwd=app.cwd,
        places=Places(folder=folder, logs=_logs(configuration, app.home)),
        progress=show_progress(app, stack),
    )
    if app.options.verbose:
        app.console.print(f"guard: npm {target.version} of {target.argv[-1]}", markup=False)
    if kind in _RESOLVED:
        return run_global(session) if configuration.is_global else run_installation(session, kind)
    if command.command == "link" and command.arguments and not configuration.is_global:
        return run_link(session)
    return run_deciding(session)


def _become_npm(target: NpmTarget, command: NpmCommand) -> None:
    os.execv(target.argv[0], [*target.argv, *command.to_argv()])  # noqa: S606 - the user's own npm


def _logs(configuration: NpmConfiguration, home: Path) -> Path:
    named = configuration.value("logs-dir")
    cache = configuration.value("cache")
    return Path(str(named)) if named else (Path(str(cache)) if cache else home / ".npm") / "_logs"

"""Commands of uv that go by ``uv.lock``: ``sync``, ``lock``, ``add``, ``remove`` and ``run``.

The lock is made, where it has to be, by the user's own uv in a scratch copy of the project, where nothing is built. All
that it names is decided, it takes the place of the user's, and uv installs with ``--frozen``: it takes files from the
addresses in the lock and compares their hashes, which is what binds. Only folders of the user's own are built; what
that needs and no lock names comes from guard's index (docs/decisions/0013).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from guard.clients.engines import IndexEngines, make_engines
from guard.clients.line import Line, Vocabulary, not_guarded, parse_line
from guard.clients.mirror import copy_project, find_changes, placed
from guard.clients.session import Session
from guard.clients.uv.gateway import plain_environment, run_deciding
from guard.clients.uv.project import (
    COPIED,
    LOCK,
    Contents,
    UvProject,
    find_build_requirements,
    find_project,
    read_contents,
    refuse_outside_paths,
)
from guard.clients.uv.settings import find_indexes
from guard.engine.outcome import Outcome

_QUIET = "--quiet -q --verbose -v --no-progress"
_SELECTING = (
    "--all-extras --no-dev --dev --only-dev --all-groups --no-default-groups --all-packages --no-editable "
    "--no-install-project --no-install-workspace --no-install-local"
)
_SELECTING_VALUED = "--extra --no-extra --group --no-group --only-group --package --no-install-package"
_COMMON_VALUED = "--python -p --color"
_SYNC = Vocabulary.of(
    f"--frozen --locked --inexact --exact --active --compile-bytecode {_SELECTING} {_QUIET}",
    f"--link-mode {_SELECTING_VALUED} {_COMMON_VALUED}",
)
_RUN = Vocabulary.of(
    f"--frozen --locked --inexact --exact --no-sync --isolated -m --module --active {_SELECTING} {_QUIET}",
    f"--env-file {_SELECTING_VALUED} {_COMMON_VALUED}",
    stops=True,
)
_LOCK = Vocabulary.of(f"--check --locked --upgrade -U {_QUIET}", f"--upgrade-package -P {_COMMON_VALUED}")
_ADD = Vocabulary.of(
    f"--dev --no-sync --active {_QUIET}", f"--group --optional --extra --bounds --marker -m --package {_COMMON_VALUED}"
)
_REMOVE = Vocabulary.of(f"--dev --no-sync --active {_QUIET}", f"--group --optional --package {_COMMON_VALUED}")
_VOCABULARIES = {"sync": _SYNC, "run": _RUN, "lock": _LOCK, "add": _ADD, "remove": _REMOVE}
_HINTS = {
    "add": "write indexes and sources into pyproject.toml, then: guard uv sync",
    "lock": "lock with uv itself, then: guard uv sync --frozen",
    "remove": "edit pyproject.toml, then: guard uv sync",
    "sync": "write it without that option, or lock with uv itself and then: guard uv sync --frozen",
    "run": "add what it needs: guard uv add --dev NAME, or: guard uvx NAME",
}
COMMANDS = frozenset(_VOCABULARIES)

# What of a line `uv sync` understands, too.
_SYNCED = frozenset(f"--active {_SELECTING} {_SELECTING_VALUED} {_COMMON_VALUED} {_QUIET}".split()) - {"-m"}
# And what `uv lock` understands.
_LOCKED = _LOCK.switches | _LOCK.valued
_INLINE_METADATA = b"# /// script"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One command on a project."""

    session: Session
    project: UvProject
    engines: IndexEngines
    command: str
    line: Line


def run_locked(session: Session, command: str, words: Sequence[str]) -> Outcome:
    """Carry out one of :data:`COMMANDS`, but for the program of ``run``, which is started when all is concluded.

    Raises:
        Refused: guard cannot carry it out.
    """
    line = parse_line(f"uv {command}", words, _VOCABULARIES[command], hint=_HINTS[command])
    if command == "run":
        _refuse_script(session, line)
    if line.has("--isolated"):
        raise not_guarded("uv run --isolated", hint="guard uv sync, then: uv run --no-sync")
    app = session.app
    project = find_project(app.cwd, environ=app.environ, home=app.home)
    if project is None or (line.has("--no-sync") and command == "run"):
        return Outcome(tool_status=0) if command == "run" else _run_bare(session, command, line)
    work = _Work(session=session, project=project, engines=make_engines(session), command=command, line=line)
    former = project.load_locks()
    if line.has("--frozen") or app.environ.get("UV_FROZEN"):
        if not former:
            return _run_bare(session, "sync", replace(line, options=(*line.options, ("--frozen", None))))
        return _install(work, former, {}, {})
    return _make_lock(work, former)


def argv_of_program(words: Sequence[str]) -> list[str]:
    """Return the line that starts the program of ``uv run``, everything being installed."""
    return ["run", "--no-sync", "--no-python-downloads", *words]


def _run_bare(session: Session, command: str, line: Line) -> Outcome:
    """Let uv say what is wrong: there is nothing that it could install."""
    environ = {**plain_environment(session.app.environ), "UV_OFFLINE": "1"}
    status = session.run_shown([command, *line.words(), *line.arguments], environ)
    return Outcome(tool_status=status)


def _refuse_script(session: Session, line: Line) -> None:
    """Refuse programs that bring requirements of their own, or come from elsewhere."""
    target = line.arguments[0] if line.arguments else ""
    if not target or line.has("-m", "--module"):
        return
    if target == "-" or "://" in target:
        raise not_guarded("uv run of a script from elsewhere", hint="save it as a file and look at it first")
    path = session.app.cwd / target
    if path.is_file() and _INLINE_METADATA in path.read_bytes():
        raise not_guarded(
            f"{target}, which names requirements of its own,",
            hint=f"guard uvx --with REQUIREMENT python {target}",
        )


def _make_lock(work: _Work, former: dict[Path, bytes]) -> Outcome:
    """Make the lock in a copy, decide it, and go on with it."""
    session, project = work.session, work.project
    _refuse_sources(work)
    session.progress.step("locking")
    scratch = session.folder / "project"
    scratch.mkdir()
    copy_project(project.root, scratch, copied=COPIED)
    refuse_outside_paths(project, scratch)
    cwd = scratch / session.app.cwd.relative_to(project.root)
    cwd.mkdir(parents=True, exist_ok=True)
    environ = {
        **plain_environment(session.app.environ),
        "UV_NO_BUILD": "1",
        # uv builds the user's own folders all the same; without isolation it does so with what is installed below.
        "UV_NO_BUILD_ISOLATION": "1",
        "UV_PROJECT_ENVIRONMENT": str(session.folder / "builds"),
        "PIP_NO_INDEX": "1",
    }
    environ.pop("VIRTUAL_ENV", None)
    requires = find_build_requirements(scratch)
    built = _install_build_requirements(work, requires, scratch) if requires else Outcome(tool_status=0)
    if built.tool_status != 0:
        return built
    status, stdout, stderr = session.run_quietly(_locking(work), environ, cwd)
    if status != 0 or work.command in ("lock", "add", "remove"):
        session.show((stdout, scratch), (stderr, scratch))
    if status != 0:
        return _explained(status, stderr)
    changes = find_changes(project.root, scratch, COPIED)
    return _with_builds(_install(work, former, {**former, **_locks_in(changes)}, changes), built)


def _install_build_requirements(work: _Work, requires: Sequence[str], scratch: Path) -> Outcome:
    """Give the builds that tell dynamic metadata of the user's own folders an environment, from guard's index."""
    session, environment = work.session, str(work.session.folder / "builds")
    environ = plain_environment(session.app.environ)
    status, stdout, stderr = session.run_quietly(["venv", "--quiet", environment], environ, scratch)
    if status != 0:
        session.show((stdout, scratch), (stderr, scratch))
        return Outcome(tool_status=status)
    return run_deciding(
        session,
        work.engines,
        find_indexes(work.project.tables, environ=session.app.environ),
        ["pip", "install", "--quiet", f"--python={environment}", *requires],
        own_cache=True,
    )


def _with_builds(outcome: Outcome, built: Outcome) -> Outcome:
    """Return an outcome with what was installed only to make the lock."""
    judged = tuple(replace(each, installed=False) for each in built.judged)
    return replace(
        outcome,
        judged=(*outcome.judged, *judged),
        findings=(*outcome.findings, *built.findings),
        held_back=(*outcome.held_back, *built.held_back),
        planned=outcome.planned + len(judged),
    )


def _locking(work: _Work) -> list[str]:
    """Return the line that makes the lock and installs nothing."""
    line = work.line
    if work.command in ("add", "remove"):
        return [work.command, "--no-sync", *line.words(without=("--no-sync", "--active")), "--", *line.arguments]
    return ["lock", *line.words(only=_LOCKED)]


def _explained(status: int, stderr: bytes) -> Outcome:
    """Return what a lock that could not be made comes to: refused where uv wanted to build something for it."""
    if b"ailed to build" in stderr or b"uilding source distributions" in stderr or b"no-build" in stderr:
        raise not_guarded(
            "a lock for which something has to be built",
            hint="lock with uv itself, which builds it unguarded, then: guard uv sync --frozen",
        )
    return Outcome(tool_status=status)


def _refuse_sources(work: _Work) -> None:
    """Refuse requirements on the command line that are on no index."""
    for argument in work.line.arguments if work.command == "add" else ():
        if "://" in argument or "@" in argument or argument.startswith((".", "/")) or Path(argument).exists():
            raise not_guarded(
                f"uv add {argument}", hint="name a release of an index, or write the source into pyproject.toml"
            )
    if work.command not in ("add", "remove") and work.command != "run" and work.line.arguments:
        raise not_guarded(f"uv {work.command} {work.line.arguments[0]}")


def _locks_in(changes: dict[Path, bytes]) -> dict[Path, bytes]:
    return {path: content for path, content in changes.items() if path.name == LOCK}


def _install(work: _Work, former: dict[Path, bytes], locks: dict[Path, bytes], changes: dict[Path, bytes]) -> Outcome:
    """Decide locks, put what changed into the project, and install from them."""
    session = work.session
    index = find_indexes(work.project.tables, environ=session.app.environ)
    locks = locks or former
    outcome = session.decide_locks(
        locks, work.engines, before=former if changes else None, index=index, all_platforms=False
    )
    if not outcome.allowed:
        return outcome
    contents = read_contents(locks.values())
    with placed(changes) as stays:
        if work.command == "lock" or work.line.has("--no-sync"):
            stays.append(True)
            return replace(outcome, tool_status=0)
        if contents.own:
            installed = _sync_with_builds(work, contents)
        else:
            environ = {**plain_environment(session.app.environ), "UV_NO_BUILD": "1"}
            installed = Outcome(tool_status=session.run_shown(_syncing(work), environ))
        is_done = installed.tool_status == 0
        # uv itself leaves a new lock behind a failed sync, but takes back what it was told to add.
        stays.append(is_done or (installed.allowed and work.command not in ("add", "remove")))
    return replace(_with_builds(outcome, installed), tool_status=installed.tool_status)


def _syncing(work: _Work) -> list[str]:
    line = work.line
    words = line.words(only=_SYNCED | ({"--inexact", "--exact", "--compile-bytecode", "--link-mode"}))
    if work.command == "sync":
        return ["sync", "--frozen", *words]
    words = line.words(only=_SYNCED)
    if work.command in ("add", "remove"):
        words = line.words(only=_SYNCED - {"--package", "--group", "--extra", "--dev"})
        words += [f"--group={name}" for name in line.values("--group")] if work.command == "add" else []
        words += [f"--extra={name}" for name in line.values("--optional")] if work.command == "add" else []
        words += [f"--package={name}" for name in line.values("--package")]
    exactness = [] if line.has("--exact") or work.command == "remove" else ["--inexact"]
    return ["sync", "--frozen", *exactness, *words]


def _sync_with_builds(work: _Work, contents: Contents) -> Outcome:
    """Install a lock of which folders of the user's own are built.

    What is locked is fetched first, into uv's cache by way of an environment that nobody needs. Then nothing but
    guard's index can be reached: uv takes what is locked from its cache, and what builds need from guard. It has built
    everything before it installs anything.
    """
    session = work.session
    syncing = _syncing(work)
    left_out = [f"--no-install-package={name}" for name in contents.own]
    environ = {
        **plain_environment(session.app.environ),
        "UV_NO_BUILD": "1",
        "UV_PROJECT_ENVIRONMENT": str(session.folder / "fetched"),
        "UV_VENV_CLEAR": "1",
    }
    environ.pop("VIRTUAL_ENV", None)
    # Without a cache uv would fetch it all again, and could not.
    cache = {"UV_CACHE_DIR": str(session.folder / "uv-cache")} if environ.pop("UV_NO_CACHE", "") else {}
    session.progress.step("fetching what is locked")
    fetching = [word for word in syncing if word not in ("--active", "--compile-bytecode")]
    status, _, stderr = session.run_quietly([*fetching, *left_out], {**environ, **cache})
    if status != 0:
        session.show((stderr, session.folder))
        return Outcome(tool_status=status)
    return run_deciding(
        session,
        work.engines,
        find_indexes(work.project.tables, environ=session.app.environ),
        syncing,
        own_cache=bool(cache),
        variables={"UV_NO_BUILD_PACKAGE": " ".join(contents.registry)} if contents.registry else {},
    )


def become_program(session: Session, words: Sequence[str]) -> None:
    """Become the program of ``uv run``, with the user's own environment."""
    argv = [str(session.program), *argv_of_program(words)]
    os.execve(argv[0], argv, dict(session.app.environ))  # noqa: S606 - the user's own program

"""Commands of uv that go by no lock: ``uv pip``, ``uv tool`` and ``uvx`` run once, through guard's index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from guard.audit.discovery import FoundFile
from guard.audit.reading import LockReader, UnreadableLock, load_from_disk
from guard.clients.engines import IndexEngines, make_engines
from guard.clients.line import Line, Vocabulary, not_guarded, parse_line
from guard.clients.session import Session
from guard.clients.uv.gateway import run_deciding
from guard.clients.uv.project import MANIFEST
from guard.clients.uv.settings import Index, find_indexes, index_of, load_configuration, load_manifest, table_of
from guard.engine.outcome import Outcome
from guard.gateway.server import Gateway
from guard.managers.pip.index_settings import IndexSettings
from guard.policy.offer import NamedReleases
from guard_lockfiles.formats import FORMATS
from guard_lockfiles.lockfile import Source

_QUIET = "--quiet -q --verbose -v --no-progress"
_INDEX_VALUED = "--index --default-index --index-url -i --extra-index-url"
_DEFAULTS = frozenset({"--default-index", "--index-url", "-i"})
_FILES = (
    "--requirement --requirements -r --constraint --constraints -c --override --overrides --build-constraint "
    "--build-constraints -b"
)
_RESOLVING = "--upgrade -U --pre --no-build --no-deps --all-extras --require-hashes"
_RESOLVING_VALUED = (
    "--upgrade-package -P --resolution --prerelease --exclude-newer --no-binary --only-binary --extra "
    f"--python -p --python-version --python-platform --color {_INDEX_VALUED} {_FILES}"
)
_INSTALLING = "--system --break-system-packages --dry-run --compile-bytecode --strict --exact --reinstall"
_INSTALLING_VALUED = "--link-mode --target -t --prefix --reinstall-package --editable -e"
_PIP_INSTALL = Vocabulary.of(f"{_RESOLVING} {_INSTALLING} {_QUIET}", f"{_RESOLVING_VALUED} {_INSTALLING_VALUED}")
_PIP_SYNC = Vocabulary.of(
    f"{_RESOLVING} {_INSTALLING} --allow-empty-requirements {_QUIET}", f"{_RESOLVING_VALUED} {_INSTALLING_VALUED}"
)
_PIP_COMPILE = Vocabulary.of(
    "--universal --generate-hashes --no-header --no-annotate --no-strip-extras --no-strip-markers "
    f"{_RESOLVING} {_QUIET}",
    f"{_RESOLVING_VALUED} --output-file -o --annotation-style --custom-compile-command",
)
_TOOL_INSTALL = Vocabulary.of(f"--upgrade -U --force --reinstall {_QUIET}", f"--with --python -p {_INDEX_VALUED}")
_TOOL_RUN = Vocabulary.of(_QUIET, f"--from --with -w --python -p {_INDEX_VALUED}", stops=True)
_VOCABULARIES = {
    ("pip", "install"): _PIP_INSTALL,
    ("pip", "sync"): _PIP_SYNC,
    ("pip", "compile"): _PIP_COMPILE,
    ("tool", "install"): _TOOL_INSTALL,
    ("tool", "run"): _TOOL_RUN,
}
COMMANDS = frozenset(_VOCABULARIES)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def run_asking(session: Session, command: tuple[str, str], words: Sequence[str]) -> Outcome:
    """Carry out one of :data:`COMMANDS`.

    Raises:
        Refused: guard cannot carry it out.
    """
    line = parse_line(f"uv {' '.join(command)}", words, _VOCABULARIES[command], hint="guard pip install knows more")
    index = _find_indexes(session, line)
    engines = make_engines(session)
    if command == ("tool", "run"):
        return _run_program(session, engines, index, line)
    requirements = _requirements_of(session, command, line)
    _name(engines, index, requirements)
    end = ["--"] if any(argument.startswith("-") for argument in line.arguments) else []
    arguments = [*command, *line.words(without=_INDEX_VALUED.split()), *end, *line.arguments]

    def finish(gateway: Gateway) -> None:
        if command == ("tool", "install"):
            _mend_receipts(session, gateway)

    return run_deciding(session, engines, index, arguments, own_cache=True, finish=finish)


def _find_indexes(session: Session, line: Line) -> IndexSettings | None:
    app = session.app
    typed: list[Index] = []
    for name, value in line.options:
        if name in _INDEX_VALUED.split() and value is not None:
            typed += [index_of(word, is_default=name in _DEFAULTS) for word in value.split()]
    folders = [folder for folder in (app.cwd, *app.cwd.parents) if (folder / MANIFEST).is_file()]
    tables = load_configuration((app.cwd, *folders[:1]), environ=app.environ, home=app.home)
    return find_indexes(tables, typed=typed, environ=app.environ)


def _requirements_of(session: Session, command: tuple[str, str], line: Line) -> list[str]:
    """Return the requirements of a command line and its files.

    Raises:
        Refused: one is of no index, or a file leads uv to another one.
    """
    files = list(line.values(*_FILES.split()))
    arguments = list(line.arguments)
    if command in (("pip", "sync"), ("pip", "compile")):
        files, arguments = [*files, *arguments], []
    for argument in (*arguments, *line.values("--editable", "-e"), *line.values("--with")):
        _refuse_elsewhere(session.app.cwd, argument)
    found = [*arguments, *line.values("--with")]
    for name in files:
        found += _requirements_in(session, name, is_compiled=command[1] == "compile")
    return found


def _refuse_elsewhere(cwd: Path, argument: str) -> None:
    """Refuse what is on no index, but for folders of the user's own."""
    path = cwd / argument.partition("[")[0]
    if path.is_dir():
        manifest = path / MANIFEST
        has_files = manifest.is_file() and b"file:" in manifest.read_bytes()
        if has_files or table_of(load_manifest(path), "tool", "uv", "sources"):
            raise not_guarded(f"{argument}, which names sources of its own,", hint="guard uv sync")
    elif "://" in argument or "@" in argument or argument.lower().endswith(_ARCHIVES) or path.exists():
        raise not_guarded(argument, hint=f"guard pip install {argument}")


def _requirements_in(session: Session, name: str, *, is_compiled: bool) -> list[str]:
    path = session.app.cwd / name
    if is_compiled and path.name == MANIFEST:
        _refuse_elsewhere(session.app.cwd, str(path.parent))
        return []
    if path.suffix not in (".txt", ".in"):
        raise not_guarded(f"requirements from {name}", hint="guard pip install -r, or guard uv sync")
    form = next(each for each in FORMATS if each.id == "requirements")
    reader = LockReader(load_from_disk, cwd=session.app.cwd, project=session.app.project, environ=session.app.environ)
    lock = reader.read(FoundFile(path, form))
    if isinstance(lock, UnreadableLock) or lock.findings:
        raise not_guarded(f"{name}, which has lines that guard cannot read,", hint=f"guard audit {name} says which")
    if lock.index != IndexSettings():
        raise not_guarded(f"{name}, which names indexes,", hint="name them with --index, UV_INDEX or in uv.toml")
    locked = [each for part in lock.parts for each in part.lock.artifacts]
    for each in locked:
        if each.source not in (Source.REGISTRY, Source.FOLDER):
            raise not_guarded(f"{each.name or each.resolved} of {name}, which is on no index,")
    return [f"{each.name}=={each.version}" for each in locked if each.name and each.version]


def _name(engines: IndexEngines, index: IndexSettings | None, requirements: Iterable[str]) -> None:
    """Tell the engine which releases are named exactly: these are offered, however young."""
    named = set()
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        for each in requirement.specifier:
            if each.operator in ("==", "==="):
                named.add((str(canonicalize_name(requirement.name)), each.version))
    engines.pypi(index or IndexSettings()).add_named(NamedReleases(versions=frozenset(named)))


def _mend_receipts(session: Session, gateway: Gateway) -> None:
    """Take guard's index out of the receipts that uv writes beside each tool, from which it upgrades the tool."""
    _, stdout, _ = session.run_quietly(["tool", "dir", "--color=never"], session.app.environ)
    for receipt in Path(os.fsdecode(stdout).strip()).glob("*/uv-receipt.toml"):
        text = receipt.read_text(encoding="utf-8")
        if gateway.url in text:
            lines = (line for line in text.splitlines(keepends=True) if gateway.url not in line)
            receipt.write_text("".join(lines), encoding="utf-8")


def _run_program(session: Session, engines: IndexEngines, index: IndexSettings | None, line: Line) -> Outcome:
    """Install a program into a folder of the run, and start it with the user's own environment."""
    if not line.arguments:
        raise not_guarded("uv tool run without a program", hint="uv tool list")
    program = line.arguments[0]
    package, at, version = program.partition("@")
    requirement = (line.values("--from") or (f"{package}=={version}" if at and version != "latest" else package,))[-1]
    with_these = line.values("--with", "-w")
    for argument in (requirement, *with_these):
        if (session.app.cwd / argument).exists():
            raise not_guarded(argument, hint="name a release of an index")
        _refuse_elsewhere(session.app.cwd, argument)
    _name(engines, index, (requirement, *with_these))
    options = [*line.words(only=["--python", "-p", *_QUIET.split()]), *(f"--with={each}" for each in with_these)]
    tools = session.folder / "tools"
    outcome = run_deciding(
        session,
        engines,
        index,
        ["tool", "install", "--quiet", *options, "--", requirement],
        own_cache=True,
        variables={"UV_TOOL_DIR": str(tools), "UV_TOOL_BIN_DIR": str(session.folder / "bin")},
    )
    if not outcome.allowed or outcome.tool_status != 0:
        return outcome
    name = package if at else program
    found = next((path for path in tools.glob(f"*/bin/{name}") if name not in ("", ".", "..")), None)
    if found is None or urlsplit(name).path != name or "/" in name:
        raise not_guarded(f"{name}, which {requirement} does not bring,", hint="guard uvx --from PACKAGE PROGRAM")
    # The program is the user's own now: neither guard's index nor its proxy is in its environment.
    return replace(outcome, tool_status=session.run_program([str(found), *line.rest]))

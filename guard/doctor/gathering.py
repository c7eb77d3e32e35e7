"""Looking at the machine, the user and the project; whatever cannot be looked at is a problem, never an end."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from guard import limits
from guard.app import App
from guard.audit.discovery import find_lockfiles
from guard.audit.reading import LoadedLock, LockReader, load_from_disk
from guard.constants import EVIDENCE_BEARING_INDEX_HOSTS, EVIDENCE_BEARING_REGISTRY_HOSTS
from guard.doctor.judging import meaning_of
from guard.doctor.snapshot import (
    Environment,
    IdentityLock,
    PathFolder,
    Problem,
    Program,
    Registry,
    Snapshot,
    StartupFile,
    ToolSetting,
)
from guard.errors import GuardError, ToolNotFound, UsageError
from guard.managers.npm.config import NpmConfiguration
from guard.managers.npm.configured import load_npm_configuration, registries_in_force
from guard.managers.pip.config import PipConfiguration, load_configuration
from guard.managers.pip.configured import find_users_pip, make_configured_client
from guard.model import Ecosystem
from guard.policy.identity_lock import parse_identity_lock
from guard.policy.patterns import normalised_name
from guard.policy.policy import Policy
from guard.registry.credentials import origin_of, redact_url
from guard_shims.changes import load_if_there
from guard_shims.errors import ShimsError
from guard_shims.install import Setting
from guard_shims.launcher import MORE_TOOLS, TOOLS, find_executables, is_shim, word_of
from guard_shims.shells import Shell, has_block, is_used, render_block

_T = TypeVar("_T")

# Installers that people have, beside those that guard has a command for.
_OTHER_TOOLS = (
    "bun",
    "bunx",
    "deno",
    "conda",
    "mamba",
    "micromamba",
    "pixi",
    "rye",
    "hatch",
    "corepack",
    "easy_install",
)
_PIP_OF_VERSION = re.compile(r"pip3\.[0-9]+")
_GUARD_COMMANDS = ("guard", "provenance-guard")
_IDENTITY_LOCK = "guard.lock"


@dataclass(frozen=True, slots=True)
class _Look:
    """What is looked at, and what went wrong meanwhile."""

    app: App
    shims: Setting
    problems: list[Problem] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.app.environ.get("PATH", os.defpath)

    def attempt(self, subject: str, action: Callable[[], _T]) -> _T | None:
        """Return what an action comes to; ``None``, and a problem, where it ends with an error of guard's."""
        try:
            return action()
        except GuardError as error:
            self.problems.append(Problem(subject=subject, message=error.message, hint=error.hint))
            return None


def gather_snapshot(app: App, *, shims: Setting, words: frozenset[str]) -> Snapshot:
    """Look at everything.

    Args:
        app: the outside.
        shims: where guard's shims are on this machine.
        words: tools that guard has a command for.
    """
    look = _Look(app, shims)
    policy = look.attempt("guard.toml", app.load_policy) or Policy()
    root = look.attempt("trust root", lambda: app.load_trust_root(policy))
    pip = _pip_configuration(look)
    npm = look.attempt("npm's configuration", lambda: load_npm_configuration(app))
    return Snapshot(
        path=tuple(_path_folders(look)),
        programs=tuple(_programs(look)),
        words=words | {name for name in _names(look) if word_of(name) in words},
        environments=tuple(_environments(look)),
        startup_files=tuple(_startup_files(look)),
        settings=(*_pip_settings(pip), *_npm_settings(npm)),
        registries=(*_indexes(look, policy, pip), *_npm_registries(policy, npm)),
        guards=tuple(_other_guards(look)),
        own_prefix=sys.prefix,
        is_own_pip_first=_is_own_pip_first(look),
        python_path=bool(app.environ.get("PYTHONPATH")),
        trust_root=None if root is None else root.source,
        trust_root_age_days=None if root is None else app.age_days(root),
        identity_lock=_identity_lock(look),
        notes=tuple(app.notes),
        problems=tuple(look.problems),
    )


def _path_folders(look: _Look) -> Iterator[PathFolder]:
    is_before = True
    for text in look.path.split(os.pathsep):
        is_before = is_before and os.path.realpath(text or ".") != os.path.realpath(look.shims.folder)
        problem = _problem_of(text)
        if problem:
            yield PathFolder(text=text, problem=problem, is_before_shims=is_before)


def _problem_of(text: str) -> str:
    if not os.path.isabs(text):  # noqa: PTH117 - the empty entry, too
        return "relative"
    try:
        os.listdir(text)  # noqa: PTH208
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    return ""


def _names(look: _Look) -> list[str]:
    versions: set[str] = set()
    for folder in look.path.split(os.pathsep):
        with suppress(OSError):
            versions |= {name for name in os.listdir(folder or ".") if _PIP_OF_VERSION.fullmatch(name)}  # noqa: PTH208
    return [*TOOLS, *sorted(versions), *MORE_TOOLS, *_OTHER_TOOLS]


def _programs(look: _Look) -> Iterator[Program]:
    shims = {shim.name: (shim, content) for shim, content in look.shims.shims.items()}
    for name in _names(look):
        found = find_executables(name, look.path)
        if not found and name not in shims:
            continue
        shim, content = shims.get(name, (look.shims.folder / name, None))
        there = _content_of(shim)
        first = found[0] if found else None
        yield Program(
            name=name,
            first=first,
            real=next((each for each in found if not is_shim(each)), None),
            shim=str(shim),
            is_shim_first=first is not None and os.path.realpath(first) == os.path.realpath(shim),
            is_shim_ours=there is not None and there == content and os.access(shim, os.X_OK),
            is_shim_there=is_shim(str(shim)),
        )


def _content_of(path: Path) -> bytes | None:
    try:
        return load_if_there(path)
    except ShimsError:
        return None


def _environments(look: _Look) -> Iterator[Environment]:
    active = look.app.environ.get("VIRTUAL_ENV") or look.app.environ.get("CONDA_PREFIX")
    for folder in dict.fromkeys([*([Path(active)] if active else []), *_environment_folders(look)]):
        programs = [folder / "bin" / name for name in ("pip", "pip3")]
        yield Environment(
            folder=str(folder),
            python=str(folder / "bin" / "python"),
            pips=tuple(str(path) for path in programs if os.access(path, os.X_OK)),
            is_active=active is not None and os.path.realpath(folder) == os.path.realpath(active),
            is_guards=os.path.realpath(folder) == os.path.realpath(sys.prefix),
        )


def _environment_folders(look: _Look) -> Iterator[Path]:
    """Return the virtual environments (PEP 405) in the working directory and in the project's folder."""
    for parent in dict.fromkeys((look.app.cwd, look.app.project)):
        with suppress(OSError):
            yield from sorted(each for each in parent.iterdir() if os.path.isfile(each / "pyvenv.cfg"))  # noqa: PTH113


def _startup_files(look: _Look) -> Iterator[StartupFile]:
    shims = look.shims
    for shell in Shell:
        path = shims.startup_file(shell)
        try:
            content, problem = load_if_there(path) or b"", ""
        except ShimsError as error:
            content, problem = b"", error.message
        block = render_block(shell, shims.folder, more=shims.more)
        yield StartupFile(
            shell=shell.value,
            path=str(path),
            is_used=is_used(shell, environ=shims.environ, home=shims.home),
            is_told=has_block(content),
            is_current=block in content,
            problem=problem,
        )


def _pip_configuration(look: _Look) -> PipConfiguration | None:
    app = look.app
    try:
        prefix = Path(find_users_pip(app).script).parent.parent
    except ToolNotFound:
        prefix = Path(app.environ.get("VIRTUAL_ENV") or sys.base_prefix)
    return look.attempt(
        "pip's configuration",
        lambda: load_configuration(
            environ=app.environ, prefix=prefix, command="install", isolated=False, platform=sys.platform
        ),
    )


def _pip_settings(configuration: PipConfiguration | None) -> Iterator[ToolSetting]:
    for setting in configuration.settings if configuration else ():
        if meaning_of("pip", setting.key):
            value = _fit_to_show(setting.value)
            yield ToolSetting(tool="pip", key=setting.key, value=value, source=setting.source)


def _npm_settings(configuration: NpmConfiguration | None) -> Iterator[ToolSetting]:
    for name, level in configuration.levels.items() if configuration else ():
        for key, value in level.items() if name not in ("default", "builtin", "cli") else ():
            if meaning_of("npm", key):
                shown = _fit_to_show(str(value)) if isinstance(value, str | bool | int) else ""
                yield ToolSetting(tool="npm", key=key, value=shown, source=_NPM_LEVELS[name])


_NPM_LEVELS = {
    "global": "the global npmrc",
    "user": "the user's .npmrc",
    "project": "the project's .npmrc",
    "env": "npm_config_* in the environment",
}


def _fit_to_show(value: str) -> str:
    """Return addresses without credentials and short words; certificates and the like are not repeated."""
    words = value.split()
    return " ".join(redact_url(word) for word in words) if len(value) <= limits.SETTING_SHOWN_MAX_CHARS else ""


def _indexes(look: _Look, policy: Policy, configuration: PipConfiguration | None) -> Iterator[Registry]:
    if configuration is None:
        return
    client = look.attempt("pip's indexes", lambda: make_configured_client(look.app, policy, configuration))
    for index in client.indexes if client else ():
        is_bearing = policy.anchors.provenance_url is not None or _host_of(index.url) in EVIDENCE_BEARING_INDEX_HOSTS
        yield Registry(tool="pip", url=redact_url(index.url), is_evidence_bearing=is_bearing)


def _npm_registries(policy: Policy, configuration: NpmConfiguration | None) -> Iterator[Registry]:
    for url in registries_in_force(configuration, policy).urls if configuration else ():
        is_bearing = _host_of(url) in EVIDENCE_BEARING_REGISTRY_HOSTS
        yield Registry(tool="npm", url=redact_url(url), is_evidence_bearing=is_bearing)


def _host_of(url: str) -> str:
    try:
        return origin_of(url).host
    except ValueError:
        return ""


def _other_guards(look: _Look) -> Iterator[str]:
    """Return guard's commands on PATH that start another interpreter than the one that runs this."""
    own = {os.fsencode(sys.executable), os.fsencode(os.path.realpath(sys.executable))}
    found = [path for name in _GUARD_COMMANDS for path in find_executables(name, look.path)]
    for path in dict.fromkeys(map(os.path.realpath, found)):
        is_beside = os.path.dirname(path) == os.path.realpath(os.path.dirname(sys.executable))  # noqa: PTH120
        if not is_beside and not any(each in _head_of(path) for each in own):
            yield path


def _head_of(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(limits.COMMAND_HEAD_BYTES)
    except OSError:
        return b""


def _is_own_pip_first(look: _Look) -> bool:
    try:
        script = find_users_pip(look.app).script
    except ToolNotFound:
        return False
    return os.path.realpath(Path(script).parent) == os.path.realpath(Path(sys.prefix) / "bin")


def _identity_lock(look: _Look) -> IdentityLock | None:
    app = look.app
    try:
        found = find_lockfiles((), cwd=app.cwd, environ=app.environ)
    except (UsageError, OSError):
        return None
    reader = LockReader(load_from_disk, cwd=app.cwd, project=app.project, environ=app.environ)
    locks = [lock for lock in map(reader.read, found) if isinstance(lock, LoadedLock) and lock.is_pinned]
    lockfiles = tuple(lock.shown for lock in locks)
    path = next((each for each in (app.cwd / _IDENTITY_LOCK, app.project / _IDENTITY_LOCK) if each.is_file()), None)
    if path is None:
        return IdentityLock(lockfiles=lockfiles, path=None)
    stale = look.attempt(str(path), lambda: _stale_packages(path, locks))
    return None if stale is None else IdentityLock(lockfiles=lockfiles, path=str(path), stale=stale)


def _stale_packages(path: Path, locks: Sequence[LoadedLock]) -> tuple[str, ...]:
    artifacts = (artifact for lock in locks for part in lock.parts for artifact in part.lock.artifacts)
    named = set()
    for artifact in artifacts:
        ecosystem = Ecosystem(artifact.ecosystem.value)
        named.add((ecosystem, normalised_name(ecosystem, artifact.name)))
    lock = parse_identity_lock(load_from_disk(path), path=str(path))
    return tuple(str(package) for key, package in lock.packages.items() if key not in named)

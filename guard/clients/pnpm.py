"""``guard pnpm``: ``pnpm-lock.yaml`` is made in a copy where it has to be, decided, and installed frozen.

pnpm compares each tarball with the lock's integrity, and its store is kept by that integrity. Settings that would lead
it past the lock are given on the command line, where they win (pnpm.io/settings, pnpm.io/cli/install).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from guard.audit.engines import Engines
from guard.clients.line import Line, Vocabulary, not_guarded, parse_line
from guard.clients.locked import LockedRun, run_from_lock
from guard.clients.npm_packages import refuse_left_out_scripts, refuse_names_off_registry
from guard.clients.session import Session
from guard.engine.outcome import Outcome
from guard.errors import ConfigInvalid, UsageError

_LOCK = "pnpm-lock.yaml"
_WORKSPACE = "pnpm-workspace.yaml"
_COPIED = frozenset({_LOCK, _WORKSPACE, "package.json", ".npmrc", ".pnpmfile.cjs", ".pnpmfile.mjs", "pnpmfile.cjs"})
_OLDEST = 8

_COMMON = (
    "--prod -P --production --dev -D --no-optional --ignore-scripts --offline --prefer-offline --silent -s --recursive "
    "-r --color --no-color --strict-peer-dependencies --no-strict-peer-dependencies --workspace-root -w "
    "--ignore-pnpmfile --aggregate-output"
)
_COMMON_VALUED = "--filter -F --reporter --loglevel --network-concurrency --child-concurrency"
_INSTALL = Vocabulary.of(f"--frozen-lockfile --no-frozen-lockfile --prefer-frozen-lockfile {_COMMON}", _COMMON_VALUED)
_ADDING = f"--save-prod --save-dev --save-optional -O --save-exact -E --save-peer --workspace {_COMMON}"
_ADD = Vocabulary.of(f"{_ADDING} --ignore-workspace-root-check", f"--save-prefix --tag {_COMMON_VALUED}")
_UPDATE = Vocabulary.of(f"--latest -L --no-save {_ADDING}", f"--depth {_COMMON_VALUED}")
_REMOVE = Vocabulary.of(f"--save-prod --save-dev --save-optional -O {_COMMON}", _COMMON_VALUED)
_VOCABULARIES = {"install": _INSTALL, "add": _ADD, "update": _UPDATE, "remove": _REMOVE}
_NAMES = {
    "i": "install",
    "install": "install",
    "add": "add",
    "up": "update",
    "upgrade": "update",
    "update": "update",
    "rm": "remove",
    "remove": "remove",
    "uninstall": "remove",
    "un": "remove",
}
# Of a line that adds or removes, what `pnpm install` understands in the same sense.
_INSTALLED = frozenset(f"{_COMMON} {_COMMON_VALUED}".split()) - {
    "-P",
    "-D",
    "-w",
    "--prod",
    "--dev",
    "--workspace-root",
}
# Settings by which pnpm would install past the lock, or not compare.
_REFUSED_SETTINGS = frozenset(
    {
        "configDependencies",
        "executionEnv",
        "gitBranchLockfile",
        "lockfileDir",
        "nodeVersion",
        "sharedWorkspaceLockfile",
        "useNodeVersion",
        "verifyStoreIntegrity",
    }
)
_REFUSED_VARIABLES = ("npm_config_workspace_dir", "npm_config_use_node_version", "npm_config_dir")
_NODE_SETTING = re.compile(r"""^\s*["']?use-node-version["']?\s*=""", re.MULTILINE)
_HINTS = {
    "ci": "guard pnpm install --frozen-lockfile",
    "create": "guard npx create-NAME",
    "dedupe": "pnpm dedupe --lockfile-only --ignore-scripts, then: guard pnpm install --frozen-lockfile",
    "dlx": "guard npx NAME, or: guard pnpm add -D NAME, then: pnpm exec NAME",
    "env": "a node is no package of a registry; install it with your version manager",
    "import": "pnpm import, which installs nothing, then: guard pnpm install --frozen-lockfile",
}
_USUAL_HINT = "write the command first, by its full name: pnpm run NAME, pnpm exec NAME, pnpm install --filter NAME"


def run_pnpm(session: Session, command: str, words: Sequence[str]) -> Outcome:
    """Carry out a command of pnpm.

    Raises:
        Refused: it is nothing that guard can carry out.
        UsageError: pnpm is too old.
    """
    name = _NAMES.get(command)
    if name is None:
        raise not_guarded(f"pnpm {command}", hint=_HINTS.get(command, _USUAL_HINT))
    if session.release[:1] < (_OLDEST,):
        raise UsageError(f"pnpm {session.version} is too old to be guarded; {_OLDEST} is the oldest that can be")
    line = parse_line(f"pnpm {command}", words, _VOCABULARIES[name], hint=_HINTS["ci"])
    if name == "install" and line.arguments:
        name = "add"
    refuse_names_off_registry(session.app.cwd, line.arguments if name in ("add", "update") else ())
    root = _find_root(session.app.cwd)
    _refuse_settings(session, root)
    pins = _pins(root)
    is_frozen = name == "install" and _is_frozen(session, line, root)
    kept = line.words(only=_INSTALLED) if name != "install" else _installing(line)
    return run_from_lock(
        LockedRun(
            session=session,
            engines=Engines(
                app=session.app,
                policy=session.policy,
                trust_root=session.trust_root,
                stack=session.stack,
                asks_anew=True,
            ),
            root=root,
            lock=_LOCK,
            copied=_COPIED,
            environ={**session.app.environ, "COREPACK_ENABLE_NETWORK": "0", "GIT_ALLOW_PROTOCOL": "none"},
            locking=None if is_frozen else _locking(name, line, pins),
            installing=["install", "--frozen-lockfile", *kept, *pins],
            check=lambda outcome: refuse_left_out_scripts(
                session, outcome, is_left_out=line.has("--ignore-scripts"), line="guard pnpm install --ignore-scripts"
            ),
            all_platforms=True,
            unlocked="guard pnpm install --no-frozen-lockfile",
            takes_back=name != "install",
        )
    )


def _locking(name: str, line: Line, pins: Sequence[str]) -> list[str]:
    words = _installing(line) if name == "install" else line.words(without=("--ignore-scripts", "--offline"))
    return [name, *line.arguments, *words, "--lockfile-only", "--config.ignore-scripts=true", *pins]


def _installing(line: Line) -> list[str]:
    return line.words(without=("--frozen-lockfile", "--no-frozen-lockfile", "--prefer-frozen-lockfile"))


def _is_frozen(session: Session, line: Line, root: Path) -> bool:
    """Whether pnpm would take the lock as it is: so it does in CI, where there is one."""
    is_ci = session.app.environ.get("CI", "").lower() not in ("", "0", "false")
    if line.has("--no-frozen-lockfile"):
        return False
    return line.has("--frozen-lockfile") or (is_ci and (root / _LOCK).is_file())


def _find_root(cwd: Path) -> Path:
    """Return the workspace around a folder, else the nearest package."""
    above = (cwd, *cwd.parents)
    workspace = next((folder for folder in above if (folder / _WORKSPACE).is_file()), None)
    package = next((folder for folder in above if (folder / "package.json").is_file()), None)
    found = workspace or package
    if found is None:
        raise not_guarded("pnpm where there is no package.json", hint="write one, or: pnpm init")
    return found


def _refuse_settings(session: Session, root: Path) -> None:
    for name in session.app.environ:
        if name.lower() in _REFUSED_VARIABLES:
            raise not_guarded(f"pnpm with {name} in the environment", hint=f"unset {name}")
    for npmrc in (root / ".npmrc", session.app.home / ".npmrc"):
        if npmrc.is_file() and _NODE_SETTING.search(npmrc.read_text(errors="replace")):
            raise not_guarded(f"use-node-version in {npmrc}, by which pnpm fetches a node,")
    path = root / _WORKSPACE
    if not path.is_file():
        return
    try:
        settings = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigInvalid(f"{path} cannot be read: {error}") from error
    for name in sorted(_REFUSED_SETTINGS & set(settings if isinstance(settings, dict) else ())):
        raise not_guarded(f"{name} in {path.name}, by which pnpm installs what its lock does not name,")


def _pins(root: Path) -> list[str]:
    """Return the settings by which pnpm reads the lock that was decided and compares what it gets."""
    return [
        f"--lockfile-dir={root}",
        "--config.git-branch-lockfile=false",
        "--config.lockfile=true",
        "--config.manage-package-manager-versions=false",
        "--config.pm-on-fail=ignore",
        "--config.shared-workspace-lockfile=true",
        "--config.update-notifier=false",
        "--config.verify-store-integrity=true",
    ]

"""The environment that guard gives to the user's npm, and the shell that npm runs scripts with.

Settings reach npm through ``npm_config_*`` variables: they win over every .npmrc, and nothing of them stands in an
argument list. Scripts get a shell of guard's: it runs nothing once a package was refused, skips the scripts of packages
that are installed without them, and gives scripts the user's own network back, since a script that may run may use it.
A program that npx starts gets the user's own environment, without any variable of guard's.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard import limits
from guard.gateway.server import Gateway

_PREFIX = "npm_config_"
_NOPROXY = f"{_PREFIX}noproxy"
_GIT_PROTOCOLS = "GIT_ALLOW_PROTOCOL"
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Settings that lead npm to the network, to its cache, or to programs that do.
REPLACED = frozenset(
    {
        "registry",
        "replace-registry-host",
        "proxy",
        "https-proxy",
        "http-proxy",
        "noproxy",
        "cache",
        "logs-dir",
        "git",
        "script-shell",
        "update-notifier",
        "fetch-timeout",
        "prefer-online",
        "prefer-offline",
        "offline",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Files of one run.

    Args:
        folder: private folder of the run.
        logs: where npm keeps its logs: the user's own place.
    """

    folder: Path
    logs: Path

    @property
    def cache(self) -> Path:
        """Cache of npm for this run alone: it holds nothing but what was decided."""
        return self.folder / "cache"

    @property
    def quiet_logs(self) -> Path:
        """Logs of the runs whose output is not shown."""
        return self.folder / "logs"

    @property
    def shell(self) -> Path:
        """The shell that npm runs scripts with."""
        return self.folder / "shell"

    @property
    def script_settings(self) -> Path:
        """The global .npmrc for an npm that a script starts."""
        return self.folder / "npmrc"

    @property
    def refused(self) -> Path:
        """Exists once anything was refused."""
        return self.folder / "refused"

    @property
    def skipped(self) -> Path:
        """Folder with a file ``NAME@VERSION`` for each package that is installed without its scripts."""
        return self.folder / "skipped"

    @property
    def git(self) -> Path:
        """What npm runs in place of git."""
        return self.folder / "refuse-git"

    @property
    def git_log(self) -> Path:
        """What npm wanted of git, one line each."""
        return self.folder / "git"


def npm_environment(
    environ: Mapping[str, str],
    gateway: Gateway,
    places: Places,
    *,
    handed_on: Mapping[str, str],
    scopes: Iterable[str],
    script_shell: str,
    global_settings: Path,
) -> dict[str, str]:
    """Return the environment for npm, reaching nothing but the gateway.

    Args:
        environ: the user's environment.
        gateway: registry and proxy to use.
        places: files of the run; the shell and the stand-in for git are written there.
        handed_on: variables by which npm, unguarded, would tell a program that it starts of the user's settings.
        scopes: every scope that any setting names a registry for.
        script_shell: the shell that the user's npm would run scripts with.
        global_settings: the user's global .npmrc, which need not exist.
    """
    kept = {name: value for name, value in environ.items() if not _leads_past(name)}
    settings = {
        "registry": f"{gateway.url}/",
        "replace_registry_host": "always",
        "proxy": gateway.url,
        "https_proxy": gateway.url,
        "noproxy": "127.0.0.1",
        f"//127.0.0.1:{gateway.port}/:_authToken": gateway.password,
        "cache": str(places.cache),
        "logs_dir": str(places.logs),
        "git": str(places.git),
        "script_shell": str(places.shell),
        "update_notifier": "false",
        "fetch_timeout": str(int(limits.RUN_DEADLINE_SECONDS * 1000)),
        **{f"{scope}:registry": f"{gateway.url}/" for scope in scopes},
    }
    own = {f"{_PREFIX}{key}": value for key, value in settings.items()} | {_GIT_PROTOCOLS: "none"}
    _write_script_settings(places.script_settings, gateway, global_settings)
    _write_program(places.git, _git_lines(places))
    _write_program(places.shell, _shell_lines(environ, own, handed_on, places, script_shell))
    return kept | own


def _leads_past(name: str) -> bool:
    """Whether a variable would lead npm elsewhere than the gateway."""
    lowered = name.lower()
    if lowered.endswith("_proxy") and not lowered.startswith(_PREFIX):
        return True
    key = lowered.removeprefix(_PREFIX)
    is_scoped = key.startswith("@") and key.endswith(":registry")
    return lowered.startswith(_PREFIX) and (key.replace("_", "-") in REPLACED or is_scoped)


def _git_lines(places: Places) -> list[str]:
    return [f"printf '%s\\n' \"$*\" >> {shlex.quote(str(places.git_log))}", "exit 128"]


def _shell_lines(
    environ: Mapping[str, str],
    own: Mapping[str, str],
    handed_on: Mapping[str, str],
    places: Places,
    script_shell: str,
) -> list[str]:
    """Return the shell that npm runs scripts with, as lines of sh."""
    shell = shlex.quote(script_shell)
    skipped = shlex.quote(str(places.skipped))
    network = [name for name in (*own, *environ) if name.lower().endswith("_proxy") or name == _GIT_PROTOCOLS]
    everything = [*own, *handed_on, *(name for name in environ if _leads_past(name))]
    users = {**environ, **handed_on}
    # An npm that a script starts asks the gateway, and must not ask it through the user's proxy.
    spared = ",".join(filter(None, (users.get(_NOPROXY), own[_NOPROXY])))
    return [
        f"if [ -e {shlex.quote(str(places.refused))} ]; then",
        "  echo 'guard: a package was refused, so no script runs' >&2",
        "  exit 126",
        "fi",
        f'if [ -e {skipped}/"$npm_package_name@$npm_package_version" ]; then',
        '  case "$npm_lifecycle_event" in preinstall | install | postinstall) exit 0 ;; esac',
        "fi",
        'if [ "$npm_lifecycle_event" = npx ]; then',
        *_restoring(everything, users, f'{shell} "$@"'),
        "fi",
        f"export {_PREFIX}globalconfig={shlex.quote(str(places.script_settings))}",
        *_restoring([*network, _NOPROXY], {**users, _NOPROXY: spared}, f'{shell} "$@"'),
    ]


def _write_script_settings(path: Path, gateway: Gateway, global_settings: Path) -> None:
    """Write the credential into a file: a shell may not hand on a variable of that name, and dash does not."""
    path.touch(mode=0o600, exist_ok=True)
    users = global_settings.read_bytes() if global_settings.is_file() else b""
    path.write_bytes(f"//127.0.0.1:{gateway.port}/:_authToken={gateway.password}\n".encode() + users)


def _restoring(names: Iterable[str], environ: Mapping[str, str], command: str) -> list[str]:
    """Return lines that run a command with variables as they are in ``environ``.

    The shell itself sets those that it can, so that no value (a proxy's password, say) stands in an argument list. On a
    script's PATH the packages' own programs stand first, so that ``env`` is named by its place.
    """
    lines, removed, given = [], [], []
    for name in dict.fromkeys(names):
        value = environ.get(name)
        if _SHELL_NAME.fullmatch(name):
            lines.append(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
        else:
            removed += ["-u", shlex.quote(name)]
            given += [] if value is None else [shlex.quote(f"{name}={value}")]
    return [*lines, " ".join(["exec", *(["/usr/bin/env"] if removed else []), *removed, *given, command])]


def _write_program(path: Path, lines: list[str]) -> None:
    text = "\n".join(["#!/bin/sh", *lines, ""])
    path.touch(mode=0o700, exist_ok=True)
    path.write_bytes(os.fsencode(text))

"""npm's configuration: the levels as npm merges them, and what guard needs of it.

npm refuses to print credentials, so guard reads the files itself. Source: ``@npmcli/config/lib/index.js`` and
``lib/definitions`` of npm 9, 10 and 11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from guard.constants import NPM_REGISTRY_URL
from guard.errors import ConfigInvalid
from guard.managers.npm.command import NpmCommand
from guard.managers.npm.ini import IniValue
from guard.managers.npm.network import SCOPED_REGISTRY, credentials_of, http_settings_of, registries_of
from guard.managers.npm.npmrc import Level, SettingsReader, is_true
from guard.managers.npm.prefix import LocalPrefix, find_local_prefix
from guard.managers.npm.target import NpmTarget
from guard.managers.npm.vocabulary import types_of
from guard.registry.http_settings import HttpSettings
from guard.registry.npm import NpmRegistries

Levels: TypeAlias = "dict[str, Level]"

# The weakest first.
_LEVELS = ("default", "builtin", "global", "user", "project", "env", "cli")
# What npm has where nobody says anything, of the settings that guard looks at.
_DEFAULTS: Mapping[str, IniValue] = MappingProxyType(
    {
        "cache": "~/.npm",
        "fetch-timeout": 300_000,
        "git": "git",
        "global": False,
        "ignore-scripts": False,
        "location": "user",
        "package-lock": True,
        "package-lock-only": False,
        "dry-run": False,
        "offline": False,
        "prefer-offline": False,
        "prefer-online": False,
        "registry": NPM_REGISTRY_URL,
        "replace-registry-host": "npmjs",
        "shrinkwrap": True,
        "strict-ssl": True,
        "update-notifier": True,
        "userconfig": "~/.npmrc",
    }
)
# Settings whose default npm does not know again once it has read it, so that it hands them on always.
_HANDED_ON = frozenset({"cache", "noproxy"})
_OMITTING = ("omit", "include", "only", "production", "also", "dev", "optional")


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmConfiguration:
    """What npm's settings come to for one command.

    Args:
        levels: settings by key, by level, the weakest first; hold secrets.
        local_prefix: the folder that npm works in.
        global_prefix: the folder below which global packages are.
        workspace: the workspace that the working directory is in, where ``local_prefix`` is the root above it.
        registries: the registries, without credentials.
        auth: credentials by nerf dart (``//HOST/PATH/``), by name of the setting. npm 9 and later send none that is
            not under a nerf dart, and refuse files that hold one.
        http: how the network is reached.
    """

    levels: Mapping[str, Mapping[str, IniValue]] = field(repr=False)
    local_prefix: Path
    global_prefix: Path
    workspace: Path | None
    registries: NpmRegistries
    auth: Mapping[str, Mapping[str, str]] = field(repr=False)
    http: HttpSettings = field(repr=False)

    def value(self, key: str) -> IniValue:
        """Return a setting as ``npm config get`` has it, of those that are set or that guard knows a default of."""
        return _value(self.levels, key)

    def level(self, key: str) -> str | None:
        """Return the level that a setting comes from: ``cli``, ``env``, ``project``, ``user`` and so on."""
        return next((name for name in reversed(_LEVELS) if key in self.levels[name]), None)

    def variables(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the variables by which npm hands settings on to what it starts (``lib/set-envs.js``).

        Args:
            keys: the settings; left out are those that are npm's default, and those that a variable is the source of.
        """
        default = self.levels["default"]
        changed = {key for key in keys if self.level(key) != "env" and self.value(key) != default.get(key)}
        handed_on = {key: self.value(key) for key in sorted(changed | _HANDED_ON)}
        return {f"npm_config_{key.replace('-', '_')}": _as_variable(value) for key, value in handed_on.items()}

    @property
    def is_global(self) -> bool:
        """Whether the command concerns the global packages."""
        return _is_global(self.levels)

    @property
    def scopes(self) -> frozenset[str]:
        """Every scope that any level names a registry for."""
        keys = (key for level in self.levels.values() for key in level)
        return frozenset(match[1] for key in keys if (match := SCOPED_REGISTRY.fullmatch(key)))

    @property
    def package_lock(self) -> bool:
        """Whether npm reads and writes a lock; ``shrinkwrap`` is an older name, and wins in one level."""
        if is_true(self.value("package-lock-only")):
            return True
        for name in reversed(_LEVELS):
            for key in ("shrinkwrap", "package-lock"):
                if key in self.levels[name]:
                    return is_true(self.levels[name][key])
        return True

    @property
    def omit(self) -> frozenset[str]:
        """The kinds of dependencies that are not installed: ``dev``, ``optional``, ``peer``."""
        return _omitted(self.levels)

    @property
    def os(self) -> str | None:
        """The operating system to install for, where it is not this one."""
        return self._text("os")

    @property
    def cpu(self) -> str | None:
        """The processor to install for, where it is not this one."""
        return self._text("cpu")

    @property
    def libc(self) -> str | None:
        """The C library to install for, where it is not this one; npm 9 knows no such setting."""
        return self._text("libc") if "libc" in self.levels["default"] else None

    @property
    def git(self) -> str:
        """The program that npm runs for repositories."""
        return self._text("git") or "git"

    @property
    def script_shell(self) -> str | None:
        """The shell that npm runs scripts with, where the user names one."""
        return self._text("script-shell")

    @property
    def ignore_scripts(self) -> bool:
        """Whether scripts are not run."""
        return is_true(self.value("ignore-scripts"))

    @property
    def dry_run(self) -> bool:
        """Whether nothing is changed."""
        return is_true(self.value("dry-run"))

    @property
    def workspaces(self) -> bool | None:
        """Whether the command concerns all workspaces; ``None`` where nobody says."""
        value = self.value("workspaces")
        return None if value is None else is_true(value)

    @property
    def concerns_workspaces(self) -> bool:
        """Whether npm carries the command out in workspaces, as it does where the user stands in one."""
        return self.workspaces is not False and (is_true(self.workspaces) or bool(self.value("workspace")))

    def _text(self, key: str) -> str | None:
        value = self.value(key)
        return value if isinstance(value, str) and value else None


def load_configuration(
    *, environ: Mapping[str, str], cwd: Path, command: NpmCommand, npm: NpmTarget, home: Path
) -> NpmConfiguration:
    """Read npm's configuration for one command.

    Args:
        environ: the user's environment.
        cwd: the working directory, absolute.
        command: the command line, whose options win.
        npm: the npm that will run it.
        home: the user's home folder.

    Raises:
        ConfigInvalid: a file cannot be read, or a setting that guard needs is not what npm could use.
    """
    reader = SettingsReader(types=types_of(command.major), environ=environ, cwd=cwd, home=home, npm_version=npm.release)
    levels: Levels = {name: {} for name in _LEVELS}
    levels["default"] = reader.read({**_defaults(environ, npm), **({"libc": None} if "libc" in reader.types else {})})
    levels["builtin"] = reader.load_file(npm.root / "npmrc") or {}
    levels["cli"] = reader.read_options(command.options)
    levels["env"] = reader.read_environment()
    local = _find_prefix(levels, cwd)
    if local.workspace is not None:
        levels["default"]["workspace"] = [str(local.workspace)]
    _load_files(levels, reader, local.path)
    merged = {key: value for level in levels.values() for key, value in level.items()}
    return NpmConfiguration(
        levels=MappingProxyType({name: MappingProxyType(level) for name, level in levels.items()}),
        local_prefix=local.path,
        global_prefix=_path(levels, "prefix"),
        workspace=local.workspace,
        registries=registries_of(merged),
        auth=credentials_of(merged),
        http=http_settings_of(levels.values(), environ),
    )


def _defaults(environ: Mapping[str, str], npm: NpmTarget) -> Level:
    """Return the weakest level. ``--omit=dev`` is the default for production; the prefix is where node is."""
    prefix = environ.get("PREFIX") or str(npm.node.parent.parent)
    if environ.get("DESTDIR") and not environ.get("PREFIX"):
        prefix = f"{environ['DESTDIR']}/{prefix}"
    omit: list[IniValue] = ["dev"] if environ.get("NODE_ENV") == "production" else []
    return {**_DEFAULTS, "prefix": prefix, "omit": omit, "include": []}


def _find_prefix(levels: Levels, cwd: Path) -> LocalPrefix:
    named = levels["cli"].get("prefix")
    if isinstance(named, str) and named:
        return LocalPrefix(Path(named))
    looks_for_root = levels["cli"].get("workspaces") is not False and not _is_global(levels)
    return find_local_prefix(cwd, looks_for_root=looks_for_root)


def _load_files(levels: Levels, reader: SettingsReader, local_prefix: Path) -> None:
    """Load the project's, the user's and the global file, each of which can say where the next one is."""
    loaded: set[Path] = set()

    def load(name: str, path: Path) -> None:
        if path in loaded:
            raise ConfigInvalid(f"{path}: npm does not read one file for two levels of its configuration")
        loaded.add(path)
        levels[name] = reader.load_file(path) or {}

    project = local_prefix / ".npmrc"
    is_ignored = _value(levels, "global") is True or _value(levels, "location") == "global"
    if not is_ignored and project != _path(levels, "userconfig"):
        load("project", project)
    load("user", _path(levels, "userconfig"))
    # npm writes the first one that it meets into the defaults, so that a later, weaker one wins over it.
    named = [name for name in ("builtin", "cli", "env", "project", "user") if "globalconfig" in levels[name]]
    default = levels[named[0]].pop("globalconfig") if named else str(_path(levels, "prefix") / "etc" / "npmrc")
    levels["default"]["globalconfig"] = default
    load("global", _path(levels, "globalconfig"))


def _value(levels: Mapping[str, Mapping[str, IniValue]], key: str) -> IniValue:
    return next((levels[name][key] for name in reversed(_LEVELS) if key in levels[name]), None)


def _path(levels: Levels, key: str) -> Path:
    value = _value(levels, key)
    if not isinstance(value, str):
        raise ConfigInvalid(f"npm's setting {key} is not a path")
    return Path(value)


def _is_global(levels: Mapping[str, Mapping[str, IniValue]]) -> bool:
    return is_true(_value(levels, "global")) or _value(levels, "location") == "global"


def _as_variable(value: IniValue) -> str:
    if isinstance(value, list):
        return "\n\n".join(map(_as_variable, value))
    if isinstance(value, bool) or value is None:
        return "true" if value else ""
    return str(value)


def _omitted(levels: Mapping[str, Mapping[str, IniValue]]) -> frozenset[str]:
    """Work out what is omitted (``buildOmitList``): in each level that has a say, from what it and those below say."""
    seen: dict[str, IniValue] = {}
    for name in _LEVELS:
        level = levels[name]
        if not any(key in level for key in _OMITTING):
            continue
        seen.update({key: level[key] for key in _OMITTING if key in level})
        omit, include = _names(seen.get("omit")), _names(seen.get("include"))
        production = seen.get("production")
        if seen.get("only") in ("prod", "production") or is_true(production):
            omit.append("dev")
        elif production is False:
            include.append("dev")
        if str(seen.get("also")).startswith("dev") or is_true(seen.get("dev")):
            include.append("dev")
        if isinstance(seen.get("optional"), bool):
            (include if seen["optional"] else omit).append("optional")
        seen["omit"] = [kind for kind in dict.fromkeys(omit) if kind not in include]
        seen["include"] = [*dict.fromkeys(include)]
    return frozenset(str(kind) for kind in _names(seen.get("omit")))


def _names(value: IniValue) -> list[IniValue]:
    return [*value] if isinstance(value, list) else []


def passes_through(command: NpmCommand, configuration: NpmConfiguration) -> bool:
    """Whether a command that hangs on the configuration installs nothing after all.

    ``npm init`` without an initializer and ``npm version NEW`` end with an install only where a workspace is concerned
    (``lib/utils/update-workspaces.js``).

    Args:
        command: the command line.
        configuration: of :func:`load_configuration` for it.
    """
    is_plain = command.command == "version" or (command.command == "init" and not command.arguments)
    return is_plain and not configuration.concerns_workspaces

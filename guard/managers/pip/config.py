"""pip's configuration, merged as pip merges it, and what of it remains as command-line options.

guard runs pip without any configuration (``PIP_CONFIG_FILE`` empty, no ``PIP_*``), so that no setting can lead it past
the gateway; what the user configured is put in front of the command line instead, where it has the same effect.
Sources: ``pip/_internal/configuration.py`` and ``pip/_internal/cli/parser.py`` of pip 22.3 to 26.3.
"""

from __future__ import annotations

import configparser
import itertools
import locale
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard import limits
from guard.errors import ConfigInvalid
from guard.managers.pip.command import Option
from guard.managers.pip.options import OPTIONS, Action, OptionSpec, options_of

_GENERAL_SECTION = "global"
_ENVIRONMENT_SECTION = ":env:"
_IGNORED_VARIABLES = frozenset({"PIP_VERSION", "PIP_HELP"})
_TRUE_WORDS = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE_WORDS = frozenset({"n", "no", "f", "false", "off", "0"})
_HOMEBREW_PREFIX = "/opt/homebrew"


@dataclass(frozen=True, slots=True)
class Setting:
    """One configured value.

    Args:
        key: normalised name without dashes in front: ``index-url``.
        value: as written, never empty.
        source: the file or the environment variable that says it.
    """

    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PipConfiguration:
    """What configuration files and environment say to one command.

    Args:
        settings: in the order in which pip applies them; the later one wins.
        python: the interpreter that pip would start itself again with. Its own parser reads this before it knows
            the command, so ``--isolated`` and the command's section have no part in it.
        files: the files that were read.
    """

    settings: tuple[Setting, ...] = ()
    python: str | None = None
    files: tuple[str, ...] = ()


def load_configuration(
    *, environ: Mapping[str, str], prefix: Path, command: str, isolated: bool, platform: str
) -> PipConfiguration:
    """Read pip's configuration for one command.

    Args:
        environ: the user's environment.
        prefix: ``sys.prefix`` of the interpreter that pip runs in.
        command: the command whose section counts beside ``[global]``.
        isolated: see :attr:`guard.managers.pip.command.PipCommand.isolated`.
        platform: ``sys.platform``.

    Raises:
        ConfigInvalid: a file is not what pip can read.
    """
    paths = configuration_files(environ=environ, prefix=prefix, isolated=isolated, platform=platform)
    files = {str(path): _load_file(path) for path in paths if path.exists()}
    general_paths = configuration_files(environ=environ, prefix=prefix, isolated=False, platform=platform)
    general_files = {str(path): _load_file(path) for path in general_paths if path.exists()} if isolated else files
    python = next(
        (
            setting.value
            for setting in reversed(_merge(general_files, environ, (_GENERAL_SECTION, _ENVIRONMENT_SECTION)))
            if setting.key == "python"
        ),
        None,
    )
    sections = (_GENERAL_SECTION, command, _ENVIRONMENT_SECTION)
    settings = _merge(files, {} if isolated else environ, sections)
    return PipConfiguration(settings=settings, python=python, files=tuple(files))


def configuration_files(*, environ: Mapping[str, str], prefix: Path, isolated: bool, platform: str) -> tuple[Path, ...]:
    """Return the files that pip would look for, the strongest last (``Configuration.iter_config_files``).

    Args:
        environ: the user's environment.
        prefix: ``sys.prefix`` of the interpreter that pip runs in.
        isolated: whether the user's own files stay unread.
        platform: ``sys.platform``.
    """
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return ()
    home = Path(environ.get("HOME") or Path.home())
    files = [folder / "pip.conf" for folder in _site_folders(environ, prefix, platform)]
    if not isolated and not (named and Path(named).exists()):
        files += [home / ".pip" / "pip.conf", _user_folder(environ, home, platform) / "pip.conf"]
    files.append(prefix / "pip.conf")
    if named:
        files.append(Path(named))
    return tuple(files)


def _site_folders(environ: Mapping[str, str], prefix: Path, platform: str) -> list[Path]:
    if platform == "darwin":
        homebrew = [Path(_HOMEBREW_PREFIX, "share", "pip")] if str(prefix).startswith(_HOMEBREW_PREFIX) else []
        return [*homebrew, Path("/Library/Application Support/pip")]
    folders = [Path(folder.strip()) for folder in environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)]
    absolute = [folder for folder in folders if folder.is_absolute()] or [Path("/etc/xdg")]
    return [*(folder / "pip" for folder in absolute), Path("/etc")]


def _user_folder(environ: Mapping[str, str], home: Path, platform: str) -> Path:
    if platform == "darwin":
        folder = home / "Library" / "Application Support" / "pip"
        return folder if folder.is_dir() else home / ".config" / "pip"
    configured = Path(environ.get("XDG_CONFIG_HOME", "").strip())
    return (configured if configured.is_absolute() else home / ".config") / "pip"


def _load_file(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        with path.open(encoding=locale.getpreferredencoding(False)) as stream:
            text = stream.read(limits.POLICY_MAX_BYTES + 1)
    except OSError:
        return {}  # pip passes over a file that it may not read
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not text in the encoding {error.encoding}") from error
    if len(text) > limits.POLICY_MAX_BYTES:
        raise ConfigInvalid(f"{path}: larger than {limits.POLICY_MAX_BYTES} characters")
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as error:
        # The library's own message quotes the line, which may hold a password.
        raise ConfigInvalid(f"{path}{_line_of(error)}: not a configuration file that pip can read") from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _line_of(error: configparser.Error) -> str:
    line = getattr(error, "lineno", None)
    if line is None:
        line = next(iter(getattr(error, "errors", ())), (None,))[0]
    return f":{line}" if isinstance(line, int) else ""


def _merge(
    files: Mapping[str, Mapping[str, Mapping[str, str]]], environ: Mapping[str, str], sections: Iterable[str]
) -> tuple[Setting, ...]:
    """Merge as ``ConfigOptionParser._get_ordered_configuration_items``: by section, then by file.

    An empty value takes a weaker one of the same section away, and says nothing itself; only pip 25.2 and 25.3 let the
    weaker one stand.
    """
    merged: dict[str, dict[str, Setting]] = {section: {} for section in sections}
    for source, content in files.items():
        for section in content.keys() & merged.keys():
            for name, value in content[section].items():
                key = _normalize(name)
                merged[section][key] = Setting(key, value, source)
    for setting in _environment_settings(environ):
        merged[_ENVIRONMENT_SECTION][setting.key] = setting
    ordered = itertools.chain.from_iterable(content.values() for content in merged.values())
    return tuple(setting for setting in ordered if setting.value)


def _environment_settings(environ: Mapping[str, str]) -> Iterator[Setting]:
    for name, value in environ.items():
        if name.startswith("PIP_") and name.upper() not in _IGNORED_VARIABLES:
            yield Setting(_normalize(name.removeprefix("PIP_")), value, name)


def _normalize(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def configuration_options(
    config: PipConfiguration, command: str, *, pip_version: tuple[int, ...]
) -> tuple[Option, ...]:
    """Return the options that have, in front of the command line, the effect of the configuration.

    Settings that name no option of this command in this version of pip say nothing, as with pip.

    Args:
        config: of :func:`load_configuration`.
        command: the command.
        pip_version: of the pip that will run, such as ``(26, 1, 2)``.

    Raises:
        ConfigInvalid: a value that pip would refuse where it wants yes or no.
    """
    specs = {name: spec for name, spec in options_of(command).items() if spec.exists_in(pip_version)}
    plain: dict[str, tuple[Option, ...]] = {}
    late: list[Option] = []  # pip lets its callbacks win over plain settings of the same target
    if config.python is not None:
        plain["--python"] = (Option("--python", config.python, from_general=True),)
    for setting in config.settings:
        spec = specs.get(f"--{setting.key}")
        if spec is None or spec.name in ("--help", "--version", "--python"):
            continue
        if spec.action is Action.FLAG:
            late.append(_flag_option(spec, setting))
        elif spec.action is Action.CALLBACK:
            late.append(Option(spec.name, setting.value))
        else:
            plain[spec.target] = _plain_options(spec, setting, specs.values())
    return (*itertools.chain.from_iterable(plain.values()), *late)


def _plain_options(spec: OptionSpec, setting: Setting, specs: Iterable[OptionSpec]) -> tuple[Option, ...]:
    if spec.action is Action.STORE:
        return (Option(spec.name, setting.value),)
    if spec.action is Action.APPEND:
        return tuple(Option(spec.name, value) for value in setting.value.split())
    if spec.action is Action.COUNT:
        return (Option(spec.name),) * _parse_count(setting)
    return _switch_options(spec.target, specs, wanted=_parse_boolean(setting))


def _switch_options(target: str, specs: Iterable[OptionSpec], *, wanted: bool) -> tuple[Option, ...]:
    """Return the option that sets ``target`` so.

    pip stores a configured boolean in the setting itself, whatever the option of that name would do on the command
    line: ``no-compile = true`` compiles. Where no option says the value, it is the default.
    """
    actions = (Action.TRUE,) if wanted else (Action.FALSE, Action.FLAG)
    names = {spec.name for spec in specs if spec.target == target and spec.action in actions}
    return tuple(Option(name) for name in names)


def _flag_option(spec: OptionSpec, setting: Setting) -> Option:
    if spec.name == "--no-use-pep517":
        raise _invalid(setting, "pip takes no value for it")
    _parse_boolean(setting)  # pip turns the cache off for every valid value, "false" included
    return Option(spec.name)


def _parse_boolean(setting: Setting) -> bool:
    word = setting.value.lower()
    if word not in _TRUE_WORDS | _FALSE_WORDS:
        raise _invalid(setting, "not a yes or no that pip understands")
    return word in _TRUE_WORDS


def _parse_count(setting: Setting) -> int:
    word = setting.value.lower()
    if word in _TRUE_WORDS | _FALSE_WORDS:
        return int(word in _TRUE_WORDS)
    try:
        count = int(word)
    except ValueError:
        count = -1
    if not 0 <= count <= len(OPTIONS):
        raise _invalid(setting, "not a number or a yes or no that pip understands")
    return count


def _invalid(setting: Setting, reason: str) -> ConfigInvalid:
    return ConfigInvalid(f"{setting.source}: {setting.key}: {reason}")

"""What a setting of npm's means: from a file, from the environment, or from the command line.

Each of the three is read into a level, settings by key, with values as ``npm config get`` has them. Source:
``@npmcli/config`` (``lib/index.js``, ``lib/parse-field.js``, ``lib/env-replace.js``) and ``clean`` of ``nopt``.
"""

from __future__ import annotations

import enum
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from guard import limits
from guard.errors import ConfigInvalid
from guard.managers.npm.ini import WHITESPACE, IniValue, parse_ini
from guard.managers.npm.options import Part

Level: TypeAlias = "dict[str, IniValue]"

_VARIABLE = re.compile(r"(?<!\\)(\\*)\$\{([^${}]+)()\}")
_VARIABLE_OR_NOTHING = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
_OPTIONAL_VARIABLES_SINCE = (11, 6)
_PREFIX = re.compile("npm_config_", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "undefined": None}
# Words that nopt reads for an option with one of these types, or with none that it knows.
_WORDS_OF_TYPES = {
    "true": frozenset({"boolean"}),
    "false": frozenset({"boolean", "false"}),
    "null": frozenset({"null"}),
}
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")


class _Dropped(enum.Enum):
    """In place of a value that no type of its option accepts."""

    DROPPED = enum.auto()


def expand_variables(text: str, environ: Mapping[str, str], *, npm_version: tuple[int, ...]) -> str:
    """Replace ``${NAME}`` by the variable's value; an unknown one stays, and a backslash in front keeps it as it is.

    Since npm 11.6, ``${NAME?}`` is empty where the variable is not set. Source: ``lib/env-replace.js``.

    Args:
        text: of a key or a value.
        environ: the user's environment.
        npm_version: whose rules hold.
    """

    def replace(match: re.Match[str]) -> str:
        escapes, name, is_optional = match.groups()
        if len(escapes) % 2:
            return match[0][(len(escapes) + 1) // 2 :]
        return escapes[len(escapes) // 2 :] + environ.get(name, "" if is_optional else f"${{{name}}}")

    pattern = _VARIABLE_OR_NOTHING if npm_version >= _OPTIONAL_VARIABLES_SINCE else _VARIABLE
    return pattern.sub(replace, text)


def is_true(value: IniValue) -> bool:
    """Whether JavaScript takes a value for true: an empty list is, an empty text is not."""
    return value not in (None, False, 0, "") or isinstance(value, (list, dict))


def resolve_path(text: str, base: Path) -> str:
    """Return an absolute path as Node's ``path.resolve`` does: links are left as they are."""
    return "/" + os.path.normpath(base / text).lstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReader:
    """Reads levels of settings.

    Args:
        types: of every option of this npm.
        environ: the user's environment.
        cwd: to which paths are relative, wherever they are written.
        home: the user's home folder.
        npm_version: whose rules hold.
    """

    types: Mapping[str, tuple[str, ...]]
    environ: Mapping[str, str]
    cwd: Path
    home: Path
    npm_version: tuple[int, ...]

    def load_file(self, path: Path) -> Level | None:
        """Read an .npmrc file; ``None`` when there is none.

        Raises:
            ConfigInvalid: the file is there and cannot be read. npm goes on without it, and so without the
                registries that it names.
        """
        try:
            with path.open("rb") as stream:
                data = stream.read(limits.POLICY_MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ConfigInvalid(f"{path}: cannot be read: {error.strerror}") from error
        if len(data) > limits.POLICY_MAX_BYTES:
            raise ConfigInvalid(f"{path}: larger than {limits.POLICY_MAX_BYTES} bytes")
        return self.read(parse_ini(data))

    def read_environment(self) -> Level:
        """Read the ``npm_config_*`` variables, in any case; of two that mean one setting the later counts."""
        settings: Level = {}
        for name, value in self.environ.items():
            if _PREFIX.match(name) and value:
                key = name[len("npm_config_") :]
                if not key.startswith("//"):
                    key = (key[:1] + key[1:].replace("_", "-")).lower()
                settings[key] = value
        return self.read(settings)

    def read_options(self, options: Iterable[Part]) -> Level:
        """Read the options of a command line; values that npm would warn of and drop are dropped."""
        values: dict[str, list[IniValue | _Dropped]] = {}
        for option in options:
            if option.key is not None:
                types = self.types.get(option.key)
                values.setdefault(option.key, []).append(self._clean(option.value, types))
        settings: Level = {}
        for key, given in values.items():
            accepted = [value for value in given if not isinstance(value, _Dropped)]
            if "array" in self.types.get(key, ()) or (key not in self.types and len(given) > 1):
                settings[key] = accepted
            elif not isinstance(given[-1], _Dropped):
                settings[key] = given[-1]
        return self.read(settings)

    def read(self, settings: Mapping[str, IniValue]) -> Level:
        """Read settings as written: variables in keys and values are replaced, words and paths are understood."""
        expanded = ((self._expand(key), value) for key, value in settings.items())
        return {key: self._read_field(value, self.types.get(key, ())) for key, value in expanded}

    def _expand(self, text: str) -> str:
        return expand_variables(text, self.environ, npm_version=self.npm_version)

    def _resolve(self, text: str) -> str:
        return resolve_path(text[2:], self.home) if text.startswith("~/") else resolve_path(text, self.cwd)

    def _read_field(self, value: IniValue, types: tuple[str, ...]) -> IniValue:
        """Coerce a value to the best type (``parseField``)."""
        if "array" in types:
            if isinstance(value, str):
                value = [*value.strip(WHITESPACE).split("\n\n")]  # how a list stands in the environment
            if isinstance(value, list):
                element = tuple(name for name in types if name != "array")
                return [item if isinstance(item, list) else self._read_field(item, element) for item in value]
        if not isinstance(value, str):
            return value
        text = value.strip(WHITESPACE)
        is_text = "path" in types or "string" in types
        if not text and "boolean" in types and not is_text:
            return True
        if text in _WORDS and not is_text and "number" not in types:
            return _WORDS[text]
        text = self._expand(text)
        if "path" in types:
            return self._resolve(text)
        return _to_number(text) if "number" in types else text

    def _clean(self, value: IniValue, types: tuple[str, ...] | None) -> IniValue | _Dropped:
        """Hold the value of an option against its types (``clean`` of nopt)."""
        if isinstance(value, str):
            value = value.strip(WHITESPACE)
            if value in _WORDS_OF_TYPES and (types is None or not _WORDS_OF_TYPES[value].isdisjoint(types)):
                value = _WORDS[value]
        if types is None:
            return value
        if value is False and "null" in types and _WORDS_OF_TYPES["false"].isdisjoint(types):
            return None
        accepted = (self._accept(value, name) for name in types)
        return next((item for item in accepted if not isinstance(item, _Dropped)), _Dropped.DROPPED)

    def _accept(self, value: IniValue, name: str) -> IniValue | _Dropped:
        match name:
            case "null" if value is None:
                return None
            case "false" if value is False:
                return False
            case "boolean":
                return value not in (False, None, "0", "null", "false")
            case "string":
                return value if isinstance(value, str) else json.dumps(value)
            case "path" if isinstance(value, str):
                return self._resolve(value)
            case "number":
                number = _to_number(value) if isinstance(value, str) else int(bool(value))
                return _Dropped.DROPPED if isinstance(number, str) else number
            case "url" if isinstance(value, str) and not _has_host(value):
                return _Dropped.DROPPED
            case "url" | "date" | "semver" | "umask" | "address" if isinstance(value, str):
                return value
        return value if name == f'"{value}"' else _Dropped.DROPPED


def _to_number(text: str) -> int | float | str:
    """Return what JavaScript makes of a plain decimal number; anything else stays."""
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).netloc)
    except ValueError:
        return False

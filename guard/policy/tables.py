"""Typed reading of a parsed TOML document: each value is of its type, or :class:`ConfigInvalid` names its line."""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import NoReturn, TypeVar

import tomli

from guard.errors import ConfigInvalid
from guard.limits import POLICY_MAX_BYTES
from guard.model import Location
from guard_lockfiles.toml_positions import KeyPath, locate_keys

_Choice = TypeVar("_Choice", bound=enum.Enum)
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a TOML document that knows where its keys stand."""

    values: Mapping[str, object]
    at: KeyPath
    places: Mapping[KeyPath, Location]
    path: str

    def location(self, *key: str | int) -> Location:
        """Return the place of ``key``, or of the nearest table around it."""
        at = (*self.at, *key)
        while at and at not in self.places:
            at = at[:-1]
        return self.places.get(at, Location(self.path))

    def fail(self, message: str, *key: str | int, hint: str = "") -> NoReturn:
        """Raise :class:`ConfigInvalid` that names the place of ``key``."""
        place = self.location(*key)
        column = f":{place.column}" if place.column else ""
        raise ConfigInvalid(f"{message} at {place}{column}", hint=hint)

    def only(self, known: Iterable[str]) -> None:
        """Refuse every key that is not ``known``: a misspelt rule must not silently be no rule.

        Raises:
            ConfigInvalid: on the first unknown key.
        """
        names = sorted(known)
        for key in self.values:
            if key not in names:
                close = difflib.get_close_matches(key, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(names)}"
                self.fail(f"unknown key {self.name(key)!r}", key, hint=hint)

    def name(self, key: str) -> str:
        """Return how documentation names ``key`` of this table: ``package.identity.issuer``."""
        return ".".join(str(part) for part in (*self.at, key) if isinstance(part, str))

    def text(self, key: str) -> str | None:
        """Return a string that is not blank, or ``None`` when the key is not written."""
        value = self.values.get(key)
        return None if value is None else self._text(value, key)

    def parsed(self, key: str, parse: Callable[[str], _Parsed]) -> _Parsed | None:
        """Return ``parse`` of a string, or ``None`` when the key is not written.

        Raises:
            ConfigInvalid: ``parse`` raised ``ValueError``, whose text completes "'KEY' …".
        """
        value = self.text(key)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.fail(f"{self.name(key)!r} {error}", key)

    def required(self, key: str, parse: Callable[[str], _Parsed]) -> _Parsed:
        """Return ``parse`` of a string that must be written."""
        value = self.parsed(key, parse)
        return self.fail(f"{self.name(key)!r} is missing", key) if value is None else value

    def parsed_list(self, key: str, parse: Callable[[str], _Parsed]) -> tuple[_Parsed, ...] | None:
        """Return ``parse`` of each string of an array, or ``None`` when the key is not written."""
        values = self.values.get(key)
        if values is None:
            return None
        if not isinstance(values, list):
            self.fail(f"{self.name(key)!r} must be an array of strings", key)
        items = []
        for index, value in enumerate(values):
            try:
                items.append(parse(self._text(value, key, index)))
            except ValueError as error:
                self.fail(f"{self.name(key)!r} {error}", key, index)
        return tuple(items)

    def choice(self, key: str, choices: Iterable[_Choice]) -> _Choice | None:
        """Return the one of ``choices`` whose value is written, or ``None`` when the key is not."""
        return self.parsed(key, partial(_choose, tuple(choices)))

    def choice_set(self, key: str, choices: Iterable[_Choice]) -> frozenset[_Choice] | None:
        """Return the ``choices`` that a non-empty array names, or ``None`` when the key is not written."""
        return self.parsed_set(key, partial(_choose, tuple(choices)))

    def parsed_set(self, key: str, parse: Callable[[str], _Parsed]) -> frozenset[_Parsed] | None:
        """Return ``parse`` of each string of a non-empty array, or ``None`` when the key is not written."""
        items = self.parsed_list(key, parse)
        if items == ():
            self.fail(f"{self.name(key)!r} must not be empty", key)
        return None if items is None else frozenset(items)

    def integer(self, key: str, allowed: range) -> int | None:
        """Return a whole number among ``allowed``, or ``None`` when the key is not written."""
        value = self.values.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value not in allowed):
            self.fail(f"{self.name(key)!r} must be a whole number from {allowed[0]} to {allowed[-1]}", key)
        return value

    def date(self, key: str) -> date:
        """Return a TOML local date that must be written."""
        value = self.values.get(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            what = "is missing" if value is None else "is not a date"
            self.fail(f"{self.name(key)!r} {what}", key, hint="write a date without quotes, such as 2027-01-31")
        return value

    def table(self, key: str) -> Table:
        """Return a sub-table; one that is not written is empty."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.fail(f"{self.name(key)!r} must be a table: [{self.name(key)}]", key)
        return Table(value, (*self.at, key), self.places, self.path)

    def tables(self, key: str) -> tuple[Table, ...]:
        """Return an array of tables; one that is not written is empty, an empty one that is written is refused."""
        values = self.values.get(key)
        if values is None:
            return ()
        if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
            self.fail(f"{self.name(key)!r} must be one or more tables: [[{self.name(key)}]]", key)
        return tuple(Table(value, (*self.at, key, index), self.places, self.path) for index, value in enumerate(values))

    def _text(self, value: object, *key: str | int) -> str:
        if not isinstance(value, str) or not value.strip():
            self.fail(f"{self.name(str(key[0]))!r} must be a string that is not empty", *key)
        return value


def _choose(choices: tuple[_Choice, ...], text: str) -> _Choice:
    for choice in choices:
        if choice.value == text:
            return choice
    known = ", ".join(f'"{choice.value}"' for choice in choices)
    raise ValueError(f"must be one of {known}, not {text[:80]!r}")


def parse_document(data: bytes, *, path: str, max_bytes: int = POLICY_MAX_BYTES) -> Table:
    """Parse a TOML document of the user's.

    Args:
        data: the whole file.
        path: its name, for messages.
        max_bytes: how large it may be.

    Raises:
        ConfigInvalid: it is too large, is not UTF-8 or is not TOML 1.0.0.
    """
    if len(data) > max_bytes:
        raise ConfigInvalid(f"{path} is larger than {max_bytes} bytes")
    try:
        text = data.decode("utf-8")
        document = tomli.loads(text)
        places = {at: Location(path, line, column) for at, (line, column) in locate_keys(text).items()}
        return Table(document, (), places, path)
    except (ValueError, RecursionError) as error:
        raise ConfigInvalid(_syntax_message(error, path)) from error


def _syntax_message(error: Exception, path: str) -> str:
    """Turn tomli's ``… (at line 3, column 5)`` into guard's ``… at guard.toml:3:5``."""
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at {path}, byte {error.start}"
    if isinstance(error, RecursionError):
        return f"nested too deeply at {path}"
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error), re.DOTALL)
    if found is None:
        return f"not TOML at {path}: {' '.join(str(error).split())[:200]}"
    return f"not TOML: {found[1]} at {path}:{found[2]}:{found[3]}"

"""YAML read as the lockfiles of pnpm and yarn need it: mappings, sequences and texts, and where every name stands.

libyaml gives the events (YAML 1.1); what they become is decided here, and what could be understood differently by the
tools' own reader (js-yaml, YAML 1.2) is malformed: names that stand twice, merge keys, tags, anchors, aliases,
directives, and line breaks that only one of the two knows. So no document grows when it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from guard_lockfiles.errors import MalformedLockfile

# Real files are six deep; libyaml ends at 1,000.
_NESTING_MAX_DEPTH = 32

# What js-yaml takes for no text where it stands without quotes (``lib/type`` of js-yaml 3 and 4), or more.
_NUMBER = re.compile(
    r"[-+]?(?:0[bxo][0-9a-fA-F_]+|[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"
)
_WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL")) | {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
# Line breaks of YAML 1.1 alone, byte order marks inside, and what no reader takes.
_FOREIGN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|^%", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class YamlNumber:
    """A number or a date, which no lockfile means by it: what stands there, without quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class YamlPlace:
    """Line and column, from 1."""

    line: int
    column: int


class YamlMapping(dict[str, object]):
    """A mapping that knows where each of its names stands."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, YamlPlace] = {}


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document.

    Args:
        root: its value: a mapping, list, text, truth value, number or ``None``.
        line: where it starts, from 1: at its ``---``, if it has one.
        is_marked: whether it starts with ``---``.
        is_ended: whether it ends with ``...``.
    """

    root: object
    line: int
    is_marked: bool
    is_ended: bool


def parse_yaml(text: str, *, only_texts: bool = False) -> tuple[YamlDocument, ...]:
    """Parse every document of a file.

    Args:
        text: of the file, without a byte order mark.
        only_texts: whether every scalar is a text, as in the failsafe schema, quoted or not.

    Raises:
        MalformedLockfile: it is no YAML, or uses what no lockfile uses.
    """
    foreign = _FOREIGN.search(text)
    if foreign is not None:
        line = text.count("\n", 0, foreign.start()) + 1
        raise MalformedLockfile("a directive, or a character that no lockfile holds", line=line)
    try:
        return tuple(_Builder(yaml.CSafeLoader(text), only_texts=only_texts).build())
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark.line + 1 if error.problem_mark else None
        raise MalformedLockfile(f"no YAML: {error.problem or error.context}", line=at) from error
    except yaml.YAMLError as error:
        raise MalformedLockfile("no YAML") from error


class _Builder:
    """Makes values of libyaml's events, with a stack of its own, so that depth costs no call stack."""

    def __init__(self, loader: yaml.CSafeLoader, *, only_texts: bool) -> None:
        self._next_event = loader.get_event
        self._only_texts = only_texts
        self._root: object = None
        self._stack: list[YamlMapping | list[object]] = []
        self._names: list[str | None] = []

    def build(self) -> list[YamlDocument]:
        documents: list[YamlDocument] = []
        line, is_marked = 1, False
        event: Any
        while not isinstance(event := self._next_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                assert event.start_mark is not None  # only events that a program makes have none
                self._root, line, is_marked = None, event.start_mark.line + 1, bool(event.explicit)
            elif isinstance(event, yaml.DocumentEndEvent):
                documents.append(YamlDocument(self._root, line, is_marked, bool(event.explicit)))
            elif not isinstance(event, yaml.StreamStartEvent):
                self._take(event)
        return documents

    def _take(self, event: Any) -> None:  # events have no common type that has these members
        kind = type(event)
        if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._stack.pop()
            self._names.pop()
            return
        if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
            raise MalformedLockfile("an anchor, alias or tag", line=event.start_mark.line + 1)
        if kind is yaml.ScalarEvent:
            self._take_scalar(event)
            return
        if len(self._stack) >= _NESTING_MAX_DEPTH:
            raise MalformedLockfile(f"nested deeper than {_NESTING_MAX_DEPTH}", line=event.start_mark.line + 1)
        container: YamlMapping | list[object] = YamlMapping() if kind is yaml.MappingStartEvent else []
        self._add(container, event)
        self._stack.append(container)
        self._names.append(None)

    def _take_scalar(self, event: yaml.ScalarEvent) -> None:
        if not self._stack or type(self._stack[-1]) is list or self._names[-1] is not None:
            self._add(event.value if event.style or self._only_texts else _plain_value(event.value), event)
            return
        name = event.value
        mapping, mark = self._stack[-1], event.start_mark
        assert isinstance(mapping, YamlMapping)
        assert mark is not None
        if name in mapping.places:
            raise MalformedLockfile("a name stands twice in one mapping", line=mark.line + 1)
        if not event.style and (name == "<<" or not (self._only_texts or isinstance(_plain_value(name), str))):
            raise MalformedLockfile("a name that is no text", line=mark.line + 1)
        mapping.places[name] = YamlPlace(mark.line + 1, mark.column + 1)
        self._names[-1] = name

    def _add(self, value: object, event: Any) -> None:
        if not self._stack:
            self._root = value
            return
        container, name = self._stack[-1], self._names[-1]
        if isinstance(container, list):
            container.append(value)
        elif name is None:
            raise MalformedLockfile("a name that is no text", line=event.start_mark.line + 1)
        else:
            container[name] = value
            self._names[-1] = None


def _plain_value(text: str) -> object:
    """Return what js-yaml makes of a scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    return YamlNumber(text) if _NUMBER.fullmatch(text) else text

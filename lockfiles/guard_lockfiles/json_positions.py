"""JSON read so that every member's place is known and no two readers can understand it differently.

The objects that matter are read here member by member, every value inside them by :mod:`json`; so a place is where the
parser itself stood, never the result of a second search. RFC 8259 leaves names that stand twice to each reader; here
they are malformed, as in RFC 7493 (I-JSON, section 2.3).
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NoReturn

from guard_lockfiles.errors import MalformedLockfile

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_NEWLINE = re.compile("\n")

OnMember = Callable[[str, int, int], int]
"""Gets a member's name, where its name stands and where its value starts; returns where the value ends."""


class JsonReader:
    """A JSON document that is read from the outside in; offsets count characters from 0.

    Args:
        text: the document, without a byte order mark.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(match.end() for match in _NEWLINE.finditer(text))]
        decoder = json.JSONDecoder(object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant)
        self._decode = decoder.raw_decode

    def line(self, offset: int) -> int:
        """Return the line of an offset, from 1."""
        return bisect_right(self._lines, offset)

    def column(self, offset: int) -> int:
        """Return the column of an offset, in characters from 1."""
        return offset - self._lines[self.line(offset) - 1] + 1

    def is_object(self, offset: int) -> bool:
        """Return whether an object starts at the offset."""
        return self._text.startswith("{", offset)

    def read_document(self, on_member: OnMember) -> None:
        """Read the whole document, an object and nothing behind it.

        Raises:
            MalformedLockfile: it is something else, or no JSON.
        """
        end = self._skip(self.read_object(self._skip(0), on_member))
        if end != len(self._text):
            raise self._malformed("something stands behind its end", end)

    def read_object(self, offset: int, on_member: OnMember) -> int:
        """Read the object at the offset member by member, and return where it ends.

        Raises:
            MalformedLockfile: there is no object, it is no JSON, or one of its names stands twice.
        """
        at = self._skip(self._expect("{", offset, "an object"))
        if self._text.startswith("}", at):
            return at + 1
        names: set[str] = set()
        while True:
            self._expect('"', at, "a name in quotes")
            name, end = self.read_value(at)
            assert isinstance(name, str)
            if name in names:
                raise self._malformed("a name stands twice in one object", at)
            names.add(name)
            value_at = self._skip(self._expect(":", self._skip(end), "a colon"))
            end = self._skip(on_member(name, at, value_at))
            if self._text.startswith("}", end):
                return end + 1
            at = self._skip(self._expect(",", end, "a comma"))

    def read_value(self, offset: int) -> tuple[object, int]:
        """Return the value at the offset and where it ends.

        Raises:
            MalformedLockfile: it is no JSON, or a name stands twice in an object of it.
        """
        try:
            return self._decode(self._text, offset)
        except _DuplicateName:
            if self.is_object(offset):
                self.read_object(offset, self._read_inside)  # once more, for the line of the second one
            raise self._malformed("a name stands twice in one object", offset) from None
        except json.JSONDecodeError as error:
            raise self._malformed(f"no JSON: {error.msg}", error.pos) from error
        except ValueError as error:
            raise self._malformed("a number that no reader takes", offset) from error

    def _read_inside(self, _name: str, _at: int, value_at: int) -> int:
        if self.is_object(value_at):
            return self.read_object(value_at, self._read_inside)
        return self.read_value(value_at)[1]

    def _skip(self, offset: int) -> int:
        match = _WHITESPACE.match(self._text, offset)
        assert match is not None  # it may match nothing
        return match.end()

    def _expect(self, token: str, offset: int, what: str) -> int:
        if not self._text.startswith(token, offset):
            raise self._malformed(f"no JSON: {what} is missing", offset)
        return offset + len(token)

    def _malformed(self, message: str, offset: int) -> MalformedLockfile:
        return MalformedLockfile(message, line=self.line(min(offset, len(self._text))))


class _DuplicateName(Exception):
    """A name stands twice in an object."""


def _object_without_duplicates(members: Sequence[tuple[str, object]]) -> dict[str, object]:
    value = dict(members)
    if len(value) != len(members):
        raise _DuplicateName
    return value


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")

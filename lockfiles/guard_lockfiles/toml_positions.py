"""Where each key of a TOML document stands, which TOML parsers do not tell once a document is valid."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

KeyPath = tuple[str | int, ...]

# Far beyond real files; every path is kept whole, so that without it memory grows by the square of a key's length.
_DEPTH_MAX = 32

_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES_AND_COMMENTS = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_VALUE = re.compile(r"[^,\]}\r\n#]*")
_BARE_KEY = re.compile(r"[^ \t\r\n.=\]},]*")
_INSIDE_STRING = {
    '"': re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL),
    "'": re.compile(r"[^']*"),
    '"""': re.compile(r'[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*', re.DOTALL),
    "'''": re.compile(r"[^']*(?:'(?!'')[^']*)*"),
}
_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(........)|(.))", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


def locate_keys(text: str) -> dict[KeyPath, tuple[int, int]]:
    """Find the place of every table, key and array item.

    Paths are those of the parsed document: ``("package", 0, "name")`` is the ``name`` of the first ``[[package]]``.

    Args:
        text: a document that a TOML parser accepted; of any other text, some places may be missing or wrong.

    Returns:
        Line and column, from 1, of the first place of each path. A table that no header names has the place of the
        first header or dotted key that goes through it.

    Raises:
        RecursionError: a path has more than 32 parts.

    Source: TOML 1.0.0, sections "Keys", "Table", "Array of Tables", "Inline Table".
    """
    scanner = _Scanner(text)
    scanner.scan_document()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    lines = {found: bisect_right(starts, offset) for found, offset in scanner.found.items()}
    return {found: (line, scanner.found[found] - starts[line - 1] + 1) for found, line in lines.items()}


class _Scanner:
    """Walks over a valid document once; every loop moves forward, so that it ends on any text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.found: dict[KeyPath, int] = {}
        self._lengths: dict[KeyPath, int] = {}

    def scan_document(self) -> None:
        table: KeyPath = ()
        while True:
            self._skip(_BLANK_LINES_AND_COMMENTS)
            if self.position >= len(self.text):
                return
            if self._peek("["):
                table = self._header()
            else:
                self._key_value(table)

    def _header(self) -> KeyPath:
        start = self.position
        brackets = 2 if self._peek("[[") else 1
        self.position += brackets
        *parents, last = self._key()
        path = (*self._resolve(parents), last)
        if brackets == 2:
            self._record(path, start)
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            path = (*path, index)
        else:
            path = self._resolve([*parents, last])
        self._record(path, start)
        self._skip(_BLANK)
        self.position += brackets
        return path

    def _resolve(self, parts: Iterable[str]) -> KeyPath:
        """Follow a header's names into the last element of each array of tables on the way."""
        path: KeyPath = ()
        for part in parts:
            path = (*path, part)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        return path

    def _key_value(self, table: KeyPath) -> None:
        start = self.position
        path = (*table, *self._key())
        self._record(path, start)
        self._skip(_BLANK)
        self.position += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _record(self, path: KeyPath, start: int) -> None:
        if len(path) > _DEPTH_MAX:
            raise RecursionError(f"nested more deeply than {_DEPTH_MAX} levels")
        while path and path not in self.found:  # what is found has all that leads to it
            self.found[path] = start
            path = path[:-1]

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_BLANK)
            parts.append(self._key_part())
            self._skip(_BLANK)
            if not self._peek(".") or len(parts) > _DEPTH_MAX:
                return parts
            self.position += 1

    def _key_part(self) -> str:
        if self._peek('"') or self._peek("'"):
            return self._string()
        start = self.position
        self._skip(_BARE_KEY)
        return self.text[start : self.position]

    def _value(self, path: KeyPath) -> None:
        if self._peek('"') or self._peek("'"):
            self._string()
        elif self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        else:
            self.position += 1  # a bare value is not empty; this also keeps arrays moving on text that is not valid
            self._skip(_BARE_VALUE)

    def _array(self, path: KeyPath) -> None:
        self.position += 1
        index = 0
        while self._before_end("]"):
            item: KeyPath = (*path, index)
            self._record(item, self.position)
            self._value(item)
            index += 1
            self._separator()

    def _inline_table(self, path: KeyPath) -> None:
        self.position += 1
        while self._before_end("}"):
            self._key_value(path)
            self._separator()

    def _before_end(self, bracket: str) -> bool:
        self._skip(_BLANK_LINES_AND_COMMENTS)
        if self.position < len(self.text) and not self._peek(bracket):
            return True
        self.position += 1
        return False

    def _separator(self) -> None:
        self._skip(_BLANK_LINES_AND_COMMENTS)
        if self._peek(","):
            self.position += 1

    def _string(self) -> str:
        quote = self.text[self.position]
        delimiter = quote * 3 if self._peek(quote * 3) else quote
        self.position += len(delimiter)
        start = self.position
        self._skip(_INSIDE_STRING[delimiter])
        inside = self.text[start : self.position]
        self.position += len(delimiter)
        while len(delimiter) == 3 and self._peek(quote):  # up to two quotes may stand before the closing three
            self.position += 1
        return _ESCAPE.sub(_unescape, inside) if quote == '"' and "\\" in inside else inside

    def _peek(self, expected: str) -> bool:
        return self.text.startswith(expected, self.position)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.position)
        assert match is not None  # each of them may match nothing
        self.position = match.end()


def _unescape(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits is None:
        return _ESCAPES.get(match[4], "")
    return chr(int(digits, 16))

"""Where each key of a TOML document stands, which TOML parsers do not tell once a document is valid."""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Location

KeyPath = tuple[str | int, ...]

_BLANK = " \t"
_BLANK_OR_LINE = " \t\r\n"
_END_OF_BARE_VALUE = ",]}\r\n#"
_END_OF_BARE_KEY = " \t\r\n.=]},"
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}


def locate_keys(text: str, *, path: str) -> dict[KeyPath, Location]:
    """Find the place of every table, key and array item.

    Paths are those of the parsed document: ``("package", 0, "name")`` is the ``name`` of the first ``[[package]]``.

    Args:
        text: a document that a TOML parser accepted; of any other text, some places may be missing or wrong.
        path: the file's name, for the locations.

    Returns:
        The first place of each path. A table that no header names has the place of the first
        header or dotted key that goes through it.

    Source: TOML 1.0.0, sections "Keys", "Table", "Array of Tables", "Inline Table".
    """
    scanner = _Scanner(text)
    scanner.scan_document()
    starts = [0]
    starts.extend(index + 1 for index, character in enumerate(text) if character == "\n")
    return {found: _location(path, starts, offset) for found, offset in scanner.found.items()}


def _location(path: str, line_starts: list[int], offset: int) -> Location:
    low, high = 0, len(line_starts)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if line_starts[middle] <= offset else (low, middle)
    return Location(path=path, line=low + 1, column=offset - line_starts[low] + 1)


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
            self._skip_blank_and_comments()
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
        for length in range(1, len(path) + 1):
            self.found.setdefault(path[:length], start)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_BLANK)
            parts.append(self._key_part())
            self._skip(_BLANK)
            if not self._peek("."):
                return parts
            self.position += 1

    def _key_part(self) -> str:
        if self._peek('"') or self._peek("'"):
            return self._string()
        start = self.position
        self._skip_until(_END_OF_BARE_KEY)
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
            self._skip_until(_END_OF_BARE_VALUE)

    def _array(self, path: KeyPath) -> None:
        self.position += 1
        index = 0
        while self._before_end("]"):
            item: KeyPath = (*path, index)
            self.found[item] = self.position
            self._value(item)
            index += 1
            self._separator()

    def _inline_table(self, path: KeyPath) -> None:
        self.position += 1
        while self._before_end("}"):
            self._key_value(path)
            self._separator()

    def _before_end(self, bracket: str) -> bool:
        self._skip_blank_and_comments()
        if self.position < len(self.text) and not self._peek(bracket):
            return True
        self.position += 1
        return False

    def _separator(self) -> None:
        self._skip_blank_and_comments()
        if self._peek(","):
            self.position += 1

    def _string(self) -> str:
        quote = self.text[self.position]
        delimiter = quote * 3 if self._peek(quote * 3) else quote
        self.position += len(delimiter)
        characters: list[str] = []
        while self.position < len(self.text) and not self._peek(delimiter):
            escaped = quote == '"' and self._peek("\\")
            characters.append(self._escape() if escaped else self.text[self.position])
            self.position += 0 if escaped else 1
        self.position += len(delimiter)
        while len(delimiter) == 3 and self._peek(quote):  # up to two quotes may stand before the closing three
            self.position += 1
        return "".join(characters)

    def _escape(self) -> str:
        letter = self.text[self.position + 1 : self.position + 2]
        self.position += 2
        if letter not in _HEX_ESCAPES:
            return _ESCAPES.get(letter, "")
        digits = self.text[self.position : self.position + _HEX_ESCAPES[letter]]
        self.position += len(digits)
        return chr(int(digits, 16))

    def _peek(self, expected: str) -> bool:
        return self.text.startswith(expected, self.position)

    def _skip(self, characters: str) -> None:
        while self.position < len(self.text) and self.text[self.position] in characters:
            self.position += 1

    def _skip_until(self, characters: str) -> None:
        while self.position < len(self.text) and self.text[self.position] not in characters:
            self.position += 1

    def _skip_blank_and_comments(self) -> None:
        self._skip(_BLANK_OR_LINE)
        while self._peek("#"):
            self._skip_until("\n")
            self._skip(_BLANK_OR_LINE)

"""The format of .npmrc: npm's package ``ini``, whose ``decode`` never refuses a file.

Source: ``ini/lib/ini.js`` of npm 9, 10 and 11, which read alike.
"""

from __future__ import annotations

import json
import re
from typing import TypeAlias

from guard.errors import malformed_input_boundary

IniValue: TypeAlias = "str | bool | int | float | list[IniValue] | dict[str, IniValue] | None"

# What JavaScript's trim() takes off and its \s stands for (ECMA-262, WhiteSpace and LineTerminator).
WHITESPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000\ufeff"
)

_LINE_BREAKS = re.compile(r"[\r\n]+")
_SECTION = re.compile(rf"\[([^\]]*)\][{WHITESPACE}]*")
_SECTION_DOT = re.compile(r"(?<!\\)\.")
# Line ends to JavaScript's dot, so that npm finds no value in such a line and passes over it.
_OTHER_LINE_ENDS = re.compile("[\u2028\u2029]")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_PROTOTYPE = "__proto__"


def parse_ini(data: bytes) -> dict[str, IniValue]:
    """Parse an .npmrc file.

    Args:
        data: the file; bytes that are not UTF-8 read as U+FFFD, as with Node.

    Returns:
        Values by key, as npm has them before it looks at types: a key without ``=`` is ``True``, ``key[]`` makes a
        list, and a ``[section]``, of which npm knows none, hides its keys in an object of its own.

    Raises:
        MalformedInput: it is nested beyond all measure.
    """
    with malformed_input_boundary("the .npmrc file"):
        settings: dict[str, IniValue] = {}
        sections: dict[str, dict[str, IniValue]] = {}
        target = settings
        for line in _LINE_BREAKS.split(data.decode("utf-8", "replace")):
            section = _SECTION.fullmatch(line)
            if section:
                name = str(_unescape(section[1]))
                target = sections.setdefault(name, {})
                if name != _PROTOTYPE and not settings.get(name):
                    settings[name] = target
            else:
                _read_line(line, target)
        _nest_sections(settings, sections)
        return settings


def _read_line(line: str, target: dict[str, IniValue]) -> None:
    text = line.strip(WHITESPACE)
    name, equals, written = line.partition("=")
    if not name or not text or text[0] in ";#" or _OTHER_LINE_ENDS.search(written):
        return
    key = _unescape(name)
    if isinstance(key, bool | int):  # 'true' in quotes: JavaScript makes text of it again
        key = json.dumps(key)
    if not isinstance(key, str):
        return
    is_list = len(key) > len("[]") and key.endswith("[]")
    key = key.removesuffix("[]") if is_list else key
    if key == _PROTOTYPE:
        return
    value = _unescape(written) if equals else True
    if isinstance(value, str) and value in _WORDS:
        value = _WORDS[value]
    known = target.get(key)
    if isinstance(known, list):
        known.append(value)
    elif is_list:
        target[key] = [known, value] if key in target else [value]
    else:
        target[key] = value


def _unescape(text: str) -> IniValue:
    """Read a key or a value (``unsafe``): quoted as JSON, else up to a comment, whose signs a backslash escapes."""
    text = text.strip(WHITESPACE)
    for quote in "\"'":
        if text.startswith(quote) and text.endswith(quote):
            inner = text[1:-1] if quote == "'" else text
            return _parse_json(inner)
    plain, at = "", 0
    while at < len(text) and text[at] not in ";#":
        escaped = text[at + 1 : at + 2]
        if text[at] == "\\" and escaped:
            plain += escaped if escaped in "\\;#" else f"\\{escaped}"
            at += 2
        else:
            plain += text[at]
            at += 1
    return plain.strip(WHITESPACE)


def _parse_json(text: str) -> IniValue:
    """Return what JSON says; what is none stands for itself."""
    try:
        value: IniValue = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _nest_sections(settings: dict[str, IniValue], sections: dict[str, dict[str, IniValue]]) -> None:
    """Put the section ``a.b`` into the object ``a``; whatever else ``a`` was is lost."""
    for name, section in sections.items():
        *parents, last = _SECTION_DOT.split(name)
        if settings.get(name) is not section or (not parents and "\\." not in last):
            continue
        place = settings
        for parent in parents:
            inner = place.get(parent)
            place[parent] = inner = inner if isinstance(inner, dict) else {}
            place = inner
        del settings[name]
        place[last.replace("\\.", ".")] = section

"""Writing ``packages.attestation-identities`` into a pylock.toml (PEP 751), and nothing else of it anew.

Each package's publishers stand in one line behind its name, so that the file's own layout, comments and order stay as
its tool wrote them. Where that cannot be done without touching more, the file is refused and stays as it is.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.pylock import parse_pylock_document
from guard_lockfiles.toml_document import TomlDocument, parse_toml

_KEY = "attestation-identities"
_NAME_LINE = re.compile(r"\s*name\s*=")
_WHOLE_LINE = re.compile(rf"\s*{_KEY}\s*=\s*\[.*\]\s*")

Publishers = Sequence[Mapping[str, str]]


def write_publishers(data: bytes, publishers: Mapping[str, Publishers]) -> bytes:
    """Return a pylock.toml in which packages name their publishers.

    Args:
        data: the file.
        publishers: members of each publisher, by the package's normalised name; a package that is not named here keeps
            what it has.

    Raises:
        MalformedLockfile: it is no pylock.toml, or has its packages or their publishers in a form that is not a line
            of its own.
    """
    document, _ = parse_pylock_document(data)
    expected: Any = copy.deepcopy(document.values)
    lines = data.decode("utf-8").splitlines(keepends=True)
    more: dict[int, str] = {}
    for number, package in enumerate(expected["packages"]):
        wanted = [dict(sorted(each.items())) for each in publishers.get(package["name"], ())]
        if wanted and package.get(_KEY) != wanted:
            is_there = _KEY in package
            package[_KEY] = wanted
            index = _line_of(document, lines, number, _KEY if is_there else "name")
            more[index] = _rendered(wanted, lines[index], behind="" if is_there else lines[index])
    text = "".join(more.get(index, line) for index, line in enumerate(lines))
    if parse_toml(text.encode("utf-8")).values != expected:
        raise MalformedLockfile(f"its packages' {_KEY} cannot be written without changing more of it")
    return text.encode("utf-8")


def _line_of(document: TomlDocument, lines: list[str], number: int, key: str) -> int:
    line, _ = document.place("packages", number, key)
    is_whole = (_WHOLE_LINE if key == _KEY else _NAME_LINE).match(lines[line - 1])
    if not is_whole:
        raise MalformedLockfile(f"`{key}` of a package is not a line of its own", line=line)
    return line - 1


def _rendered(publishers: Publishers, line: str, *, behind: str) -> str:
    ending = "\r\n" if line.endswith("\r\n") else "\n"
    tables = (", ".join(f"{name} = {_quoted(value)}" for name, value in each.items()) for each in publishers)
    first = behind if not behind or behind.endswith("\n") else behind + ending
    return f"{first}{_KEY} = [{', '.join(f'{{ {table} }}' for table in tables)}]{ending}"


def _quoted(text: str) -> str:
    """Return a TOML basic string; those of JSON are the same but for one control character (TOML 1.0.0, "String")."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

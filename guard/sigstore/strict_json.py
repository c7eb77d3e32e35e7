"""JSON of untrusted documents, read so that two readers cannot understand it differently.

RFC 8259 leaves duplicate names, lone surrogates and numbers such as ``NaN`` to each implementation, and RFC 7493
(I-JSON, sections 2.1 to 2.3) forbids them. Here they are malformed: what one check looked at must be what the next one
sees. Nesting is capped, because recursion is the cheapest attack on a parser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

from guard.errors import MalformedInput, malformed_input_boundary
from guard.limits import JSON_MAX_DEPTH

JsonObject = Mapping[str, object]


def parse_json_object(data: bytes, *, what: str) -> dict[str, object]:
    """Parse a JSON object.

    Args:
        data: the document's bytes; the caller has capped their number.
        what: the document in the user's words, for the message.

    Returns:
        The object, of dictionaries, lists, strings, numbers, booleans and ``None``.

    Raises:
        MalformedInput: not UTF-8, not JSON, not an object, a name given twice, or nested too deeply.
    """
    with malformed_input_boundary(what):
        value: object = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant
        )
        if _may_be_refused(data):
            _check_values(value)
    if not isinstance(value, dict):
        raise MalformedInput(f"{what} is not a JSON object")
    return value


def text_member(parent: JsonObject, name: str, *, context: str = "") -> str:
    """Return the member ``name``, a string.

    Raises:
        MalformedInput: it is missing or no string.
    """
    value = parent.get(name)
    if not isinstance(value, str):
        raise MalformedInput(f"{name!r} is missing or no string", context=context)
    return value


def object_member(parent: JsonObject, name: str, *, context: str = "") -> dict[str, object]:
    """Return the member ``name``, an object.

    Raises:
        MalformedInput: it is missing or no object.
    """
    value = parent.get(name)
    if not isinstance(value, dict):
        raise MalformedInput(f"{name!r} is missing or no object", context=context)
    return value


def objects_member(parent: JsonObject, name: str, *, context: str = "") -> list[dict[str, object]]:
    """Return the member ``name``, a list of objects.

    Raises:
        MalformedInput: it is missing, no list, or holds something else than objects.
    """
    value = parent.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MalformedInput(f"{name!r} is missing or no list of objects", context=context)
    return value


def _object_without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"name {twice[:80]!r} occurs twice in one object")
    return members


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _may_be_refused(data: bytes) -> bool:
    """Whether a document could be too deep, or write half of a character: most could not, and are not walked."""
    is_flat = data.count(b"{") + data.count(b"[") <= JSON_MAX_DEPTH
    return not is_flat or b"\\ud" in data or b"\\uD" in data


def _check_values(root: object) -> None:
    pending: list[tuple[object, int]] = [(root, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > JSON_MAX_DEPTH:
            raise ValueError(f"nested deeper than {JSON_MAX_DEPTH} levels")
        if isinstance(value, str):
            value.encode("utf-8")  # a lone surrogate, written \ud800, fails here and not where a report is printed
        elif isinstance(value, dict):
            pending.extend((name, depth) for name in value)
            pending.extend((member, depth + 1) for member in value.values())
        elif isinstance(value, list):
            pending.extend((item, depth + 1) for item in value)

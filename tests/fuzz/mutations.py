"""Documents that are nearly right: good ones with parts changed, as JSON, inside their base64, and as bytes."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.sim.documents import JsonObject, base64_text

_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, 10**400, 1.5, 1e300, [], {}, [[]], [{}], {"": None}),
    *("", "0", "1", "-1", " 1", "+1", "\u0661", "9" * 5000, "AA==", "AA", "=", "a\nb", "\x00", "\u2014", "\ud800"),
    *("dsse", "intoto", "hashedrekord", "0.0.1", "0.0.2", "SHA2_256", "SHA2_512", "x" * 3000, "2024-01-01T00:00:00"),
    *("application/vnd.dev.sigstore.bundle+json;version=0.1", "application/vnd.dev.sigstore.bundle.v0.3+json"),
    *("https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1", "GitHub", "GitLab", "ecdsa-sha2-nistp256"),
]
# What JSON allows and a strict reader does not, or what is hard to read.
_JUNK = [
    *(b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN", b"-Infinity", b"1e999", b'"\\ud800"', b"{}"),
    *(b'{"a":1,"a":2}', b"[" * 70, b"[" * 100_000, b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\r\n\r\n", b"\n\n"),
]
# What stands behind a key in TOML and YAML, and what lockfiles have there.
_LINE_VALUES = [
    *(b"", b"1", b"-1", b"1.0", b"true", b"null", b"~", b"[]", b"{}", b'""', b"''", b'"', b"[[", b"&a", b"*a", b"|"),
    *(b'"\\u0000"', b'"\\u202e"', b'"\\ud800"', b"2026-12-31", b"9" * 5000, b'"' + b"x" * 3000 + b'"', b"1e999"),
    *(b'"https://u:p@example.test/a.tgz"', b'"file://["', b'"http://[::1"', b'"../../x"', b'"npm:a@1"', b'"a@1.0.0"'),
    *(b'"git+ssh://git@example.test/a#b"', b'"link:../a"', b'"workspace:*"', b'"sha256:00"', b'"sha512-AA=="', b"<<"),
]


@st.composite
def documents_like(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return a JSON document that is nearly one of ``seeds``."""
    raw = draw(st.sampled_from(seeds))
    if draw(st.integers(0, 4)):
        document = json.loads(raw)
        pool = json.loads(draw(st.sampled_from(seeds)))
        for _ in range(draw(st.integers(1, 3))):
            document = draw(_altered(document, pool))
        raw = json.dumps(document).encode()
    return raw if draw(st.integers(0, 3)) else draw(bytes_like([raw]))


@st.composite
def bytes_like(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return bytes that are nearly one of ``seeds``, or any."""
    if draw(st.integers(0, 20)) == 0:
        return draw(st.binary(max_size=300))
    raw = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.sampled_from([0, 0, 1, 1, 2, 4, 32, 1000])))
        match draw(st.sampled_from(["flip", "flip", "junk", "cut", "copy", "any"])):
            case "flip" if start < len(raw):
                raw[start] ^= 1 << draw(st.integers(0, 7))
            case "junk":
                raw[start:end] = draw(st.sampled_from(_JUNK))
            case "cut":
                del raw[start:end]
            case "copy":
                raw[start:start] = raw[start:end]
            case _:
                raw[start:end] = draw(st.binary(max_size=8))
    return bytes(raw)


@st.composite
def lines_like(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return a text of lines, such as TOML and YAML are, that is nearly one of ``seeds``."""
    lines = draw(st.sampled_from(seeds)).split(b"\n")
    pool = draw(st.sampled_from(seeds)).split(b"\n")
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(lines) - 1)))
        match draw(st.sampled_from(["value", "value", "exchange", "leave-out", "repeat", "indent", "move"])):
            case "value" if lines:
                lines[place] = draw(_with_value(lines[place]))
            case "exchange" if lines:
                lines[place] = draw(st.sampled_from(pool))
            case "leave-out":
                del lines[place : place + draw(st.sampled_from([1, 1, 3, 20]))]
            case "repeat":
                lines[place:place] = lines[place : place + draw(st.sampled_from([1, 1, 3, 20]))]
            case "indent" if lines:
                lines[place] = draw(st.sampled_from([b" ", b"  ", b"\t", b"- "])) + lines[place]
            case _:
                lines.insert(place, draw(st.sampled_from(pool)))
    raw = b"\n".join(lines)
    return raw if draw(st.integers(0, 3)) else draw(bytes_like([raw]))


@st.composite
def _with_value(draw: st.DrawFn, line: bytes) -> bytes:
    """Return a line with what stands between quotes, or behind a colon or an equals sign, exchanged."""
    value = draw(st.sampled_from(_LINE_VALUES))
    found = list(re.finditer(rb"\"[^\"]*\"|'[^']*'|(?<=[:=@]) ?[^\s,{}\[\]]+", line))
    if not found:
        return value
    match = draw(st.sampled_from(found))
    return line[: match.start()] + value + line[match.end() :]


@st.composite
def _altered(draw: st.DrawFn, document: Any, pool: Any) -> Any:
    places = _places(document)
    if not places:
        return copy.deepcopy(draw(st.sampled_from(_VALUES)))
    parent, name = draw(st.sampled_from(places))
    value = parent[name]
    match draw(st.sampled_from(["value", "exchange", "inside", "inside", "text", "leave-out", "repeat", "add"])):
        case "exchange":
            parent[name] = _same_place(pool, name, value)
        case "inside" if isinstance(value, str) and (inner := _decoded(value)):
            parent[name] = base64_text(draw(_altered_inside(inner)))
        case "text" if isinstance(value, str) and value:
            place = draw(st.integers(0, len(value) - 1))
            parent[name] = value[:place] + draw(st.sampled_from("AZaz09+/= \n@:.-\u2014")) + value[place + 1 :]
        case "leave-out":
            del parent[name]
        case "repeat" if isinstance(value, list):
            parent[name] = value * draw(st.sampled_from([2, 3, 70]))
        case "add" if isinstance(value, dict):
            value[draw(st.sampled_from([*_names(pool), "unknown"]))] = copy.deepcopy(draw(st.sampled_from(_VALUES)))
        case _:
            parent[name] = copy.deepcopy(draw(st.sampled_from(_VALUES)))
    return document


@st.composite
def _altered_inside(draw: st.DrawFn, inner: bytes) -> bytes:
    try:
        document = json.loads(inner)
    except ValueError:
        return draw(bytes_like([inner]))
    return json.dumps(draw(_altered(document, document))).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """List every part of a document, as what holds it and where."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, inner in list(items) for found in ((value, name), *_places(inner))]


def _names(document: Any) -> list[str]:
    return sorted({name for _, name in _places(document) if isinstance(name, str)})


def _same_place(pool: Any, name: Any, default: Any) -> Any:
    found: JsonObject | list[Any] | None = next((parent for parent, other in _places(pool) if other == name), None)
    return default if found is None else json.loads(json.dumps(found[name]))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""

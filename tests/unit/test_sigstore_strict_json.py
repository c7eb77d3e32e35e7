from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import MalformedInput
from guard.limits import JSON_MAX_DEPTH
from guard.sigstore.strict_json import object_member, objects_member, parse_json_object, text_member


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("data", "part"),
    [
        pytest.param(b"", "malformed", id="empty"),
        pytest.param(b"[]", "not a JSON object", id="list"),
        pytest.param(b'"text"', "not a JSON object", id="string"),
        pytest.param(b"{} {}", "Extra data", id="two-documents"),
        pytest.param(b'{"a":1', "malformed", id="cut"),
        pytest.param(b'{"a":1,"a":1}', "'a' occurs twice", id="duplicate-name"),
        pytest.param(b'{"b":[{"a":1,"\\u0061":2}]}', "'a' occurs twice", id="duplicate-name-nested-and-escaped"),
        pytest.param(b'{"a":NaN}', "NaN is not JSON", id="nan"),
        pytest.param(b'{"a":-Infinity}', "-Infinity is not JSON", id="infinity"),
        pytest.param(b'{"a":"\\ud800"}', "surrogates not allowed", id="lone-surrogate-value"),
        pytest.param(b'{"\\ud800":1}', "surrogates not allowed", id="lone-surrogate-name"),
        pytest.param(b'{"a":"\xff"}', "utf-8", id="not-utf-8"),
        pytest.param('{"a":1}'.encode("utf-16"), "utf-8", id="utf-16"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', "malformed", id="byte-order-mark"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "malformed", id="number-of-5000-digits"),
        pytest.param(nested(JSON_MAX_DEPTH + 2), "nested deeper", id="too-deep"),
        pytest.param(b'{"a":' + b"[" * 200_000, "malformed", id="recursion"),
    ],
)
def test_refuses(data: bytes, part: str) -> None:
    with pytest.raises(MalformedInput, match="the document") as caught:
        parse_json_object(data, what="the document")
    assert part in caught.value.message


def test_depth_at_the_limit_is_read() -> None:
    parse_json_object(nested(JSON_MAX_DEPTH), what="the document")


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    try:
        parsed = parse_json_object(data, what="the document")
    except MalformedInput:
        return
    assert parsed == json.loads(data)


@pytest.mark.parametrize("value", [None, 1, True, [], {}], ids=repr)
def test_text_member_refuses_other_types(value: object) -> None:
    with pytest.raises(MalformedInput, match="place: 'a' is missing or no string"):
        text_member({"a": value}, "a", context="place")


@pytest.mark.parametrize("value", [None, 1, [], "x"], ids=repr)
def test_object_member_refuses_other_types(value: object) -> None:
    with pytest.raises(MalformedInput, match="'a' is missing or no object"):
        object_member({"a": value}, "a")


@pytest.mark.parametrize("value", [None, 1, {}, "x", [1], [{}, None]], ids=repr)
def test_objects_member_refuses_other_types(value: object) -> None:
    with pytest.raises(MalformedInput, match="'a' is missing or no list of objects"):
        objects_member({"a": value}, "a")

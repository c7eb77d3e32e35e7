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


def listed(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"1" + b"]" * (levels - 1) + b"}"


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
        pytest.param(b'{"b":1,"a":1,"a":2}', "'a' occurs twice", id="duplicate-name-after-another"),
        pytest.param(b'{"a":NaN}', "NaN is not JSON", id="nan"),
        pytest.param(b'{"a":-Infinity}', "-Infinity is not JSON", id="infinity"),
        pytest.param(b'{"a":"\\ud800"}', "surrogates not allowed", id="lone-surrogate-value"),
        pytest.param(b'{"\\ud800":1}', "surrogates not allowed", id="lone-surrogate-name"),
        pytest.param(b'{"a":"\\uD800"}', "surrogates not allowed", id="lone-surrogate-in-capitals"),
        pytest.param(b'{"a":[{"b":["\\udc00"]}]}', "surrogates not allowed", id="lone-surrogate-in-a-list"),
        pytest.param(b'{"a":"\xff"}', "utf-8", id="not-utf-8"),
        pytest.param('{"a":1}'.encode("utf-16"), "utf-8", id="utf-16"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', "malformed", id="byte-order-mark"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "malformed", id="number-of-5000-digits"),
        pytest.param(nested(JSON_MAX_DEPTH + 1), "nested deeper", id="too-deep"),
        pytest.param(listed(JSON_MAX_DEPTH + 1), "nested deeper", id="lists-too-deep"),
        pytest.param(
            b'{"a":{"b":' + listed(JSON_MAX_DEPTH - 1) + b"}}", "nested deeper", id="lists-in-objects-too-deep"
        ),
        pytest.param(b'{"a":' + b"[" * 200_000, "malformed", id="recursion"),
    ],
)
def test_refuses(data: bytes, part: str) -> None:
    with pytest.raises(MalformedInput, match="the document") as caught:
        parse_json_object(data, what="the document")
    assert part in caught.value.message


def test_depth_at_the_limit_is_read() -> None:
    for document in (nested(JSON_MAX_DEPTH), listed(JSON_MAX_DEPTH)):
        parse_json_object(document, what="the document")
        # With a character that is written in two halves all of it is walked.
        parse_json_object(document.replace(b"1", b'"\\ud83d\\ude00"'), what="the document")


def test_many_values_beside_each_other_are_not_deep() -> None:
    parse_json_object(b'{"a":[' + b"{}," * 200 + b"[]]}", what="the document")


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


def test_a_place_that_is_not_said_is_not_made_up() -> None:
    for read, message in (
        (text_member, "'a' is missing or no string"),
        (object_member, "'a' is missing or no object"),
        (objects_member, "'a' is missing or no list of objects"),
    ):
        with pytest.raises(MalformedInput) as caught:
            read({}, "a")
        assert caught.value.message == message

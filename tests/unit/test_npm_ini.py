"""The format of .npmrc, and the variables that stand in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import MalformedInput
from guard.managers.npm.ini import parse_ini
from guard.managers.npm.npmrc import expand_variables


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        (" a = b \r\n\r\n c=d ", {"a": "b", "c": "d"}),
        ("; a=b\n # c=d\n", {}),
        ("a=b ; c\nd=e # f\ng=h\\;i\\#j\\\\k\\l\\", {"a": "b", "d": "e", "g": "h;i#j\\k\\l\\"}),
        ("a\nb=\n=c", {"a": True, "b": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=true\nb=false\nc=null\nd='true'", {"a": True, "b": False, "c": None, "d": True}),
        ('a="b # c"\nd=\'e;f\'\ng="h\\ni"', {"a": "b # c", "d": "e;f", "g": "h\ni"}),
        ('a="\nb=\'\nc="d', {"a": '"', "b": "", "c": '"d'}),
        ("a='NaN'\nb='7'\nc='[1]'", {"a": "NaN", "b": 7, "c": [1]}),
        ("'true'=a\n'7'=b\n'null'=c\n'[1]'=d", {"true": "a", "7": "b"}),
        ("a[]=1\na[]=2\na=3", {"a": ["1", "2", "3"]}),
        ("a=1\na[]=2", {"a": ["1", "2"]}),
        ("[]=1", {"[]": "1"}),
        ("a=1\na=2", {"a": "2"}),
        ("__proto__=x\n[__proto__]\na=b", {}),
        ("[a]\nb=c\n[d]\ne=f\n[a]\ng=h", {"a": {"b": "c", "g": "h"}, "d": {"e": "f"}}),
        ("[a.b]\nc=d\n[e\\.f]\ng=h", {"a": {"b": {"c": "d"}}, "e.f": {"g": "h"}}),
        ("a=b\n[a]\nregistry=x", {"a": "b"}),
        ("[a]x\n[b", {"[a]x": True, "[b": True}),
        ("\ufeffa=b\u2003", {"a": "b"}),
        ("a=b\u2028c\nd=e", {"d": "e"}),
    ],
)
def test_lines_read_as_npm_reads_them(text: str, settings: object) -> None:
    assert parse_ini(text.encode()) == settings


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert parse_ini(b"a=\xff") == {"a": "\ufffd"}


def test_nesting_beyond_measure_is_malformed() -> None:
    with pytest.raises(MalformedInput, match=r"\.npmrc"):
        parse_ini(b"a='" + b"[" * 200_000 + b"'")


PIECES = st.sampled_from(
    ["a", "b[]", "=", "\n", ";", "\\", '"', "'", "[", "]", ".", "__proto__", "true", "\u2028", "{", "1"]
)


@given(st.binary() | st.lists(PIECES, max_size=20).map(lambda pieces: "".join(pieces).encode()))
def test_any_bytes_parse(data: bytes) -> None:
    assert all(isinstance(key, str) for key in parse_ini(data))


@pytest.mark.parametrize(
    ("text", "npm_10", "npm_11"),
    [
        ("${A}/${B}", "a/b", "a/b"),
        ("${NONE}", "${NONE}", "${NONE}"),
        ("${NONE?}", "${NONE?}", ""),
        ("${A?}", "${A?}", "a"),
        ("${A:-x}", "${A:-x}", "${A:-x}"),
        ("\\${A}", "${A}", "${A}"),
        ("\\\\${A}", "\\a", "\\a"),
        ("\\\\\\${A}", "\\${A}", "\\${A}"),
        ("$A ${} ${${A}}", "$A ${} ${a}", "$A ${} ${a}"),
        ("${EMPTY}x", "x", "x"),
    ],
)
def test_variables_are_replaced(text: str, npm_10: str, npm_11: str) -> None:
    environ = {"A": "a", "B": "b", "EMPTY": ""}
    assert expand_variables(text, environ, npm_version=(10, 9)) == npm_10
    assert expand_variables(text, environ, npm_version=(11, 5)) == npm_10
    assert expand_variables(text, environ, npm_version=(11, 6)) == npm_11


@given(st.text(alphabet="\\${}?AB:"))
def test_any_text_is_expanded(text: str) -> None:
    assert isinstance(expand_variables(text, {"A": "a"}, npm_version=(11, 19)), str)

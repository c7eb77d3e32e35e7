"""The locator: every path of a valid document has the place where it is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tomli
from hypothesis import assume, given
from hypothesis import strategies as st

from guard_lockfiles.toml_positions import KeyPath, locate_keys


def paths(value: object, at: KeyPath = ()) -> Iterator[KeyPath]:
    if at:
        yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*at, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*at, index))


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        pytest.param("a = 1\n  b = 2", ("b",), (2, 3), id="indented"),
        pytest.param("a.b.c = 1", ("a", "b", "c"), (1, 1), id="dotted"),
        pytest.param("[a]\n[a.b]\nc = 1", ("a", "b", "c"), (3, 1), id="table"),
        pytest.param("[a.b.c]", ("a", "b"), (1, 1), id="implicit-table"),
        pytest.param("[[a]]\nx = 1\n[[a]]\nx = 2", ("a", 1, "x"), (4, 1), id="array-of-tables"),
        pytest.param("[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\n[[a.b]]\nx=1", ("a", 1, "b", 1, "x"), (6, 1), id="nested-arrays"),
        pytest.param("[[a]]\n[a.b]\nx=1\n[[a]]\n[a.b]\nx=1", ("a", 1, "b", "x"), (6, 1), id="table-in-array"),
        pytest.param("a = [\n 1, # x\n 2,\n]", ("a", 1), (3, 2), id="array-item"),
        pytest.param("a = {b = 1, c.d = 2}", ("a", "c", "d"), (1, 13), id="inline-table"),
        pytest.param("a = [{b = 1}, {b = 2}]", ("a", 1, "b"), (1, 16), id="inline-tables"),
        pytest.param('a = "x # = [y]"\nb = 1', ("b",), (2, 1), id="string"),
        pytest.param("a = '\\'\nb = 1", ("b",), (2, 1), id="literal-string"),
        pytest.param('a = "\\""\nb = 1', ("b",), (2, 1), id="escaped-quote"),
        pytest.param('a = """\nx = 1\n\\""" y"""""\nb = 1', ("b",), (4, 1), id="multi-line"),
        pytest.param("a = '''\nx = 1\n''y'''\nb = 1", ("b",), (4, 1), id="multi-line-literal"),
        pytest.param('"a.b" = 1', ("a.b",), (1, 1), id="quoted"),
        pytest.param('"\\u0061\\tb" = 1', ("a\tb",), (1, 1), id="escaped-key"),
        pytest.param("a = 1 # c\r\nb = 1", ("b",), (2, 1), id="crlf"),
        pytest.param("a = 2027-01-31 07:00:00\nb = 1", ("b",), (2, 1), id="date-with-space"),
        pytest.param("[ a . 'b' ]\nc=1", ("a", "b", "c"), (2, 1), id="blanks-in-header"),
    ],
)
def test_places(text: str, path: KeyPath, place: tuple[int, int]) -> None:
    tomli.loads(text)
    assert locate_keys(text)[path] == place


_PIECES = [
    "a",
    "b",
    "'c'",
    '"d"',
    ".",
    "=",
    "1",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    "\n",
    " ",
    '"x"',
    "'''y\n'''",
    "# z\n",
]
_LINES = [
    "a = 1\n",
    "b.c = 'x'\n",
    "[t]\n",
    "[[u]]\n",
    "[[u.v]]\n",
    "[u.w]\n",
    "k = [1, {x = 2}, [3]]\n",
    '"q r" = """\n"""\n',
]


@given(
    st.one_of(st.lists(st.sampled_from(_LINES), max_size=12), st.lists(st.sampled_from(_PIECES), max_size=20)).map(
        "".join
    )
)
def test_every_path_of_a_valid_document_has_a_place(text: str) -> None:
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError:
        assume(False)
    assert set(paths(document)) <= set(locate_keys(text))


@given(st.text(alphabet="ab.=[]{}\"'#,\n \\1", max_size=60))
def test_any_text_ends(text: str) -> None:
    locate_keys(text)


@pytest.mark.parametrize("text", ["a." * 100_000 + "b = 1", "[" + "a." * 33 + "b]", "a = " + "[" * 40 + "]" * 40])
def test_what_nests_too_deeply_is_refused_at_once(text: str) -> None:
    with pytest.raises(RecursionError):
        locate_keys(text)

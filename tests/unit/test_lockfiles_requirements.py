"""Requirement files: every line is accounted for, whatever stands in it."""

from __future__ import annotations

import codecs
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.requirements import (
    LineKind,
    LineOption,
    RequirementLine,
    parse_requirement,
    parse_requirements,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def parse(text: str, **variables: str) -> tuple[RequirementLine, ...]:
    return parse_requirements(text.encode(), expand=variables.get).lines


def parse_one(text: str, **variables: str) -> RequirementLine:
    (line,) = parse(text, **variables)
    return line


@pytest.mark.parametrize(
    ("text", "name", "specifier", "extras", "marker"),
    [
        ("six", "six", "", (), ""),
        ("Zope.Interface==5.0", "zope-interface", "==5.0", (), ""),
        ("foo[b, a]>=1 ; python_version < '3'", "foo", ">=1", ("a", "b"), 'python_version < "3"'),
        ("foo (>=1)", "foo", ">=1", (), ""),
        ("foo===legacy", "foo", "===legacy", (), ""),
        ('foo; os_name == "--hash"', "foo", "", (), 'os_name == "--hash"'),
    ],
)
def test_a_requirement_by_name(text: str, name: str, specifier: str, extras: tuple[str, ...], marker: str) -> None:
    line = parse_one(text)
    assert line.kind is LineKind.REQUIREMENT
    assert (line.name, line.specifier, line.extras, line.marker) == (name, specifier, extras, marker)
    assert (line.url, line.path, line.requirement) == (None, None, text)


@pytest.mark.parametrize(
    ("text", "name", "url", "path"),
    [
        ("foo @ https://u:p@x/y-1.tar.gz#sha256=ab", "foo", "https://u:p@x/y-1.tar.gz#sha256=ab", None),
        (f"foo@git+https://x/y@{COMMIT}", "foo", f"git+https://x/y@{COMMIT}", None),
        ("git+ssh://git@x/y#egg=Foo.Bar", "foo-bar", "git+ssh://git@x/y#egg=Foo.Bar", None),
        ("https://x/foo-1.0-py3-none-any.whl", "foo", "https://x/foo-1.0-py3-none-any.whl", None),
        ("https://x/y.zip", None, "https://x/y.zip", None),
        ("foo @ file:///a/b", "foo", "file:///a/b", None),
        ("./folder", None, None, "./folder"),
        ("./folder[extra]", None, None, "./folder"),
        ("foo.tar.gz", None, None, "foo.tar.gz"),
        ("dir/foo-1.0-py3-none-any.whl", "foo", None, "dir/foo-1.0-py3-none-any.whl"),
        ("..", None, None, ".."),
    ],
)
def test_a_requirement_by_place(text: str, name: str | None, url: str | None, path: str | None) -> None:
    line = parse_one(text)
    assert line.kind is LineKind.REQUIREMENT
    assert (line.name, line.url, line.path) == (name, url, path)


@pytest.mark.parametrize(
    ("text", "name", "url", "path"),
    [
        ("-e .", None, None, "."),
        ("--editable=./a[x]", None, None, "./a"),
        ("-e git+https://x/y@main#egg=foo", "foo", "git+https://x/y@main#egg=foo", None),
        ('-e "foo @ git+https://x/y"', "foo", "git+https://x/y", None),
    ],
)
def test_an_editable(text: str, name: str | None, url: str | None, path: str | None) -> None:
    line = parse_one(text)
    assert line.kind is LineKind.EDITABLE
    assert (line.name, line.url, line.path) == (name, url, path)


@pytest.mark.parametrize(
    ("text", "kind", "options"),
    [
        ("-r a.txt", LineKind.INCLUDE, [("--requirement", "a.txt")]),
        ("--requirement='a b.txt'", LineKind.INCLUDE, [("--requirement", "a b.txt")]),
        ("-ca.txt", LineKind.CONSTRAINT, [("--constraint", "a.txt")]),
        ("-i https://x", LineKind.OPTION, [("--index-url", "https://x")]),
        ("--pypi-url https://x", LineKind.OPTION, [("--index-url", "https://x")]),
        ("--extra-index https://x", LineKind.OPTION, [("--extra-index-url", "https://x")]),
        ("--no-index --pre -f d", LineKind.OPTION, [("--no-index", None), ("--pre", None), ("--find-links", "d")]),
        ("--no-binary :all:", LineKind.OPTION, [("--no-binary", ":all:")]),
        ("--require-hashes", LineKind.OPTION, [("--require-hashes", None)]),
        ("--no-require-hashes", LineKind.OPTION, [("--no-require-hashes", None)]),
        ("--only-final=:all:", LineKind.OPTION, [("--only-final", ":all:")]),
        ("--use-feature fast-deps", LineKind.OPTION, [("--use-feature", "fast-deps")]),
    ],
)
def test_a_line_of_options(text: str, kind: LineKind, options: list[tuple[str, str | None]]) -> None:
    line = parse_one(text)
    assert line.kind is kind
    assert line.options == tuple(LineOption(*option) for option in options)


def test_options_of_a_requirement() -> None:
    line = parse_one("foo==1 --hash=sha256:aa --hash sha512:bb -C 'a=b c' --global-option=x")
    assert line.kind is LineKind.REQUIREMENT
    assert line.hashes == ("sha256:aa", "sha512:bb")
    assert line.values("--config-settings") == ("a=b c",)
    assert line.values("--global-option") == ("x",)
    assert line.requirement == "foo==1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("--hash=sha256:aa", "without a requirement"),
        ("--config-settings a=b", "without a requirement"),
        ("--bogus", "no such option"),
        ("--trusted", "requires 1 argument"),
        ("-i", "requires 1 argument"),
        ("--pre=1", "does not take a value"),
        ("--require x.txt", "ambiguous"),
        ("--install-o", "requires 1 argument"),
        ("--requirements a.txt", "no such option"),
        ("foo --pre", "--pre behind a requirement"),
        ("foo -r a.txt", "--requirement behind a requirement"),
        ("foo -i https://x", "--index-url behind a requirement"),
        ("-e . --hash=sha256:aa", "--hash behind a requirement"),
        ("-e a/ -e b/", "several --editable"),
        ("-e foo @ git+https://x/y", "words behind"),
        ("-r a.txt -r b.txt", "more than an include"),
        ("-r a.txt -c b.txt", "more than an include"),
        ("-r a.txt --pre", "more than an include"),
        ("-f a -f b", "several --find-links"),
        ("--pre foo", "words behind"),
        ("--pre -- foo", "words behind"),
        ("foo --hash='sha256:aa", "not closed"),
        ("foo==", "not a requirement"),
        ("foo=1", "not a requirement"),
        ("foo @ git+https://[x/y", "not a"),
        ("foo; python_version", "not a requirement"),
        ("-e git+https://x/y", "not a repository with a name"),
        ("-e https://x/y#egg=foo", "not a repository with a name"),
        ("-e 'foo @ https://x/y'", "not a repository with a name"),
        ("--", "nothing else"),
        ("foo-1.whl", "not a requirement"),
        ("foo\\ # bar", "backslash"),
        ("foo\0", "NUL"),
        ("foo --hash=sha256:\0", "NUL"),
        ("a" * 9000, "longer than 8192"),
        ("-e " + "a" * 9000, "longer than 8192"),
        ("a" + "[" * 65, "opening brackets"),
        ("a --hash=" + "b" * 300_000, "longer than 262144"),
        ("a --hash='" + "b" * 20_000 + "'", "quoted options longer"),
        ("--pre " * 5000, "more than 4096 options"),
    ],
    ids=lambda value: value[:30],
)
def test_what_pip_passes_over_or_cannot_read_is_unreadable(text: str, reason: str) -> None:
    line = parse_one(text)
    assert line.kind is LineKind.UNREADABLE
    assert reason in line.reason


def test_a_reason_does_not_quote_the_line() -> None:
    for text in ("--bogus=hunter2", "foo @ hunter2 ==", "--pre hunter2", "-e hunter2:x", "foo --hash='hunter2"):
        assert "hunter2" not in parse_one(text).reason


def test_continuations_keep_the_first_line() -> None:
    lines = parse("\nfoo==1 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb\nbar\n")
    assert [(line.line, line.line_count, line.kind) for line in lines] == [
        (1, 1, LineKind.BLANK),
        (2, 3, LineKind.REQUIREMENT),
        (5, 1, LineKind.REQUIREMENT),
    ]
    assert lines[1].hashes == ("sha256:aa", "sha256:bb")


def test_a_comment_ends_a_continuation_and_orphans_the_hash() -> None:
    lines = parse("foo==1 \\\n# why\n  --hash=sha256:aa\n")
    assert [(line.line, line.line_count, line.kind) for line in lines] == [
        (1, 2, LineKind.REQUIREMENT),
        (3, 1, LineKind.UNREADABLE),
    ]
    assert lines[0].hashes == ()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("foo # bar", "foo"),
        ("foo\t#bar", "foo"),
        ("foo @ https://x/y#egg=foo # bar", "foo @ https://x/y#egg=foo"),
        ("foo @ https://x/y#egg=foo#bar", "foo @ https://x/y#egg=foo#bar"),
        ("  # bar", ""),
        ("#foo", ""),
        ("# foo \\", ""),
        ("   ", ""),
    ],
)
def test_comments_are_cut_off(text: str, kept: str) -> None:
    line = parse_one(text)
    assert line.text == kept
    assert (line.kind is LineKind.BLANK) is (not kept)


def test_an_escaped_comment_does_not_continue() -> None:
    assert [line.kind for line in parse("# foo \\\nbar\n")] == [LineKind.BLANK, LineKind.REQUIREMENT]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_newline_counts(newline: str) -> None:
    lines = parse(f"foo \\{newline}  --hash=sha256:aa{newline}{newline}bar{newline}")
    assert [(line.line, line.name) for line in lines] == [(1, "foo"), (3, None), (4, "bar")]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-8"),
    ],
)
def test_marks_say_the_encoding(mark: bytes, encoding: str) -> None:
    (line,) = parse_requirements(mark + "./größe".encode(encoding)).lines
    assert line.path == "./größe"


def test_a_comment_says_the_encoding() -> None:
    data = "# first\n# -*- coding: latin-1 -*-\n./größe\n".encode("latin-1")
    assert parse_requirements(data).lines[-1].path == "./größe"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"foo\xff",
        b"# coding: no-such\nfoo",
        b"# coding: zlib\nfoo",
        b"# coding: punycode\nfoo",
        b"# coding: utf-7\n+2AA-",
        b"# coding: ascii\n\xff",
    ],
    ids=["cut-utf16", "not-utf8", "unknown", "not-text", "slow", "surrogate", "not-ascii"],
)
def test_what_is_not_text_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedLockfile):
        parse_requirements(data)


def test_a_third_line_says_no_encoding() -> None:
    assert len(parse_requirements(b"foo\n\n# coding: no-such\n").lines) == 2


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("foo==${V}", "foo==1"),
        ("foo==$V", None),
        ("foo @ https://${TOKEN}@x/${V}.zip", "foo @ https://hunter2@x/1.zip"),
        ("foo @ https://x/${MISSING}", "foo @ https://x/${MISSING}"),
        ("foo @ https://x/${EMPTY}", "foo @ https://x/${EMPTY}"),
        ("foo @ https://x/${v}", "foo @ https://x/${v}"),
    ],
)
def test_variables_are_expanded_in_what_pip_gets_alone(text: str, requirement: str | None) -> None:
    line = parse_one(text, V="1", TOKEN="hunter2", EMPTY="", v="2")
    assert line.text == text
    if requirement is None:
        assert line.kind is LineKind.UNREADABLE
    else:
        assert line.requirement == requirement


def test_a_comment_in_a_variable_is_none() -> None:
    assert parse_one("${X}", X="foo #bar").kind is LineKind.UNREADABLE


def test_an_option_may_come_from_a_variable() -> None:
    assert parse_one("${X}", X="-i https://x").values("--index-url") == ("https://x",)


def test_an_empty_file_has_no_lines() -> None:
    assert parse("") == ()


def test_a_run_of_blank_lines_is_one() -> None:
    assert [(line.line, line.line_count) for line in parse("\n# a\n\nfoo\n\n")] == [(1, 3), (4, 1), (5, 1)]


@pytest.mark.parametrize(
    "text", [" " * 10_000_000 + "x", "[" * 10_000_000, "\\\n" * 500_000, "a#" * 500_000], ids=lambda text: text[:2]
)
def test_a_huge_hostile_file_is_read(text: str) -> None:
    assert sum(line.line_count for line in parse(text)) == len(text.splitlines())


def test_too_many_lines_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard_lockfiles.requirements._LINES_MAX_COUNT", 10)
    with pytest.raises(MalformedLockfile, match="more than 10 lines") as caught:
        parse("foo\n" * 12)
    assert caught.value.line == 12


def test_a_typed_requirement() -> None:
    assert parse_requirement("foo[a]>=1; python_version > '3'").name == "foo"
    line = parse_requirement("./x", editable=True)
    assert (line.kind, line.path) == (LineKind.EDITABLE, "./x")


@pytest.mark.parametrize("text", ["", "foo==", "foo --pre", "foo\0"])
def test_a_typed_requirement_that_pip_cannot_read(text: str) -> None:
    with pytest.raises(MalformedLockfile):
        parse_requirement(text)


_PIECES = st.sampled_from(
    ["foo", "==1", " ", "\\", "\n", "\r\n", "#", "'", '"', "-r", "-e ", "--hash=sha256:ab", " --pre", "-i https://x",
     "\0", "[x]", ";", "@", "https://x/y", "git+", "./", "${V}", "\x0c", "\u2028", "ü", "--", "=", "=1"]
)  # fmt: skip


def assert_all_accounted_for(data: bytes) -> None:
    try:
        lines = parse_requirements(data, expand={"V": "-c x"}.get).lines
    except MalformedLockfile:
        return
    assert all(after.line == before.line + before.line_count for before, after in pairwise(lines))
    assert not lines or lines[0].line == 1
    for line in lines:
        assert bool(line.reason) is (line.kind is LineKind.UNREADABLE)
        assert bool(line.text) is (line.kind is not LineKind.BLANK)
        if line.kind in (LineKind.OPTION, LineKind.INCLUDE, LineKind.CONSTRAINT):
            assert line.options


@given(st.lists(_PIECES, max_size=25).map("".join))
def test_every_line_is_accounted_for(text: str) -> None:
    assert_all_accounted_for(text.encode())


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    assert_all_accounted_for(data)

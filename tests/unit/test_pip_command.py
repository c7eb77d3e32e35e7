"""pip's command line: which lines are guarded, and that parsing and replaying one changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from guard.errors import GuardError, Refused, UsageError
from guard.managers.pip.command import Kind, Option, PipCommand, classify, parse_command
from guard.managers.pip.options import OPTIONS, Treatment, names_treated, options_of


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", Kind.PASS_THROUGH),
        ("--version", Kind.PASS_THROUGH),
        ("-V", Kind.PASS_THROUGH),
        ("-h", Kind.PASS_THROUGH),
        ("--help install", Kind.PASS_THROUGH),
        ("help install", Kind.PASS_THROUGH),
        ("--version install six", Kind.PASS_THROUGH),
        ("list", Kind.PASS_THROUGH),
        ("--timeout 5 list --bogus", Kind.PASS_THROUGH),
        ("install --help", Kind.PASS_THROUGH),
        ("install -Uh six", Kind.PASS_THROUGH),
        ("install six --he", Kind.PASS_THROUGH),
        ("install six", Kind.INSTALL),
        ("--isolated -qq install six", Kind.INSTALL),
        ("-- install six", Kind.INSTALL),
        ("install --report --help six", Kind.INSTALL),
        ("install -r -h", Kind.INSTALL),
        ("install -- --help", Kind.INSTALL),
        ("-- install --help", Kind.INSTALL),
        ("install list", Kind.INSTALL),
        ("install --bogus --help", Kind.INSTALL),
        ("download six", Kind.DOWNLOAD),
        ("wheel .", Kind.WHEEL),
        ("lock -e .", Kind.LOCK),
        ("instal six", Kind.REFUSED),
        ("lis", Kind.REFUSED),
        ("INSTALL six", Kind.REFUSED),
        ("sync", Kind.REFUSED),
        ("--bogus list", Kind.REFUSED),
        ("--log", Kind.REFUSED),
        ("--log install --timeout 5 install six", Kind.REFUSED),
    ],
    ids=lambda value: value if isinstance(value, str) else value.value,
)
def test_a_line_is_classified(line: str, kind: Kind) -> None:
    assert classify(line.split()) is kind


def test_classification_imports_next_to_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); from guard.managers.pip.options import classify; classify(['list']);"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    root = str(Path(__file__).parents[2])
    run = subprocess.run([sys.executable, "-Sc", program], cwd=root, capture_output=True, text=True, check=True)
    assert {"dataclasses", "inspect", "typing", "optparse", "re"}.isdisjoint(run.stdout.split())


@pytest.mark.parametrize(
    ("line", "options", "arguments"),
    [
        ("install six", [], ["six"]),
        ("install --requirement a.txt", [("--requirement", "a.txt")], []),
        ("install --requirement=a.txt", [("--requirement", "a.txt")], []),
        ("install --requirement=a=b", [("--requirement", "a=b")], []),
        ("install --proxy=", [("--proxy", "")], []),
        ("install -ra.txt", [("--requirement", "a.txt")], []),
        ("install -r=a.txt", [("--requirement", "=a.txt")], []),
        ("install -r a.txt -c b.txt", [("--requirement", "a.txt"), ("--constraint", "b.txt")], []),
        ("install -qqU six", [("--quiet", None), ("--quiet", None), ("--upgrade", None)], ["six"]),
        ("install -Ura.txt", [("--upgrade", None), ("--requirement", "a.txt")], []),
        ("install six -U idna", [("--upgrade", None)], ["six", "idna"]),
        ("install -- -U six", [], ["-U", "six"]),
        ("install six -", [], ["six", "-"]),
        ("install --index https://x", [("--index-url", "https://x")], []),
        ("install --pypi-url https://x", [("--index-url", "https://x")], []),
        ("install --default-timeout 3", [("--timeout", "3")], []),
        ("install --pre", [("--pre", None)], []),
        ("install -r --pre", [("--requirement", "--pre")], []),
        ("download --destination-dir d", [("--dest", "d")], []),
        ("wheel -w d", [("--wheel-dir", "d")], []),
        ("lock -o -", [("--output", "-")], []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_are_read_as_optparse_does(
    line: str, options: list[tuple[str, str | None]], arguments: list[str]
) -> None:
    command = parse_command(line.split())
    assert [(option.name, option.value) for option in command.options] == options
    assert list(command.arguments) == arguments


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("install --requi a.txt", "ambiguous option: --requi"),
        ("install --log-", "--log-file needs a value"),
        ("install -r", "-r needs a value"),
        ("install --lo x", r"ambiguous option: --lo \(--local-log, --log, --log-file"),
        ("install --pre=yes six", "--pre does not take a value"),
        ("--log install --timeout 5 install six", "pip would misread it"),
    ],
)
def test_a_line_that_pip_would_not_take_is_a_usage_error(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_command(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "install --bogus six",
        "install -Z six",
        "--bogus install six",
        "download --user six",
        "sync",
        "",
        "list",
        "ins six",
    ],
)
def test_what_guard_does_not_know_is_refused(line: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_command(line.split())
    assert caught.value.rule == "command-not-guarded"


def test_an_unknown_option_is_named_without_its_value() -> None:
    with pytest.raises(Refused, match="--bogus") as caught:
        parse_command(["install", "--bogus=hunter2"])
    assert "hunter2" not in caught.value.message


def test_general_options_stay_before_the_command() -> None:
    command = parse_command(["--python", ".venv", "-q", "install", "-q", "six"])
    assert command.to_argv() == ("--python=.venv", "--quiet", "install", "--quiet", "six")


def test_pip_takes_out_the_first_token_named_like_the_command() -> None:
    # Harmless where the option's value stands right before the command: either way the same tokens remain.
    assert parse_command(["--log", "install", "install", "six"]).last("--log") == "install"


@pytest.mark.parametrize(
    ("line", "isolated"),
    [("--isolated install x", True), ("install x --isolated", True), ("install --isol x", False), ("install x", False)],
)
def test_pip_is_isolated_by_the_whole_word_alone(line: str, *, isolated: bool) -> None:
    assert parse_command(line.split()).isolated is isolated


def test_undecodable_bytes_survive() -> None:
    argv = ("install", "-r", "r\udcff.txt", "./p\udcfe")
    assert parse_command(argv).to_argv() == ("install", "--requirement=r\udcff.txt", "./p\udcfe")


def test_a_command_can_be_taken_apart_and_put_together() -> None:
    command = parse_command(["install", "-r", "a.txt", "-i", "https://x", "-r", "b.txt", "--user", "six"])
    assert command.values("--requirement") == ("a.txt", "b.txt")
    assert command.last("--requirement") == "b.txt"
    assert command.last("--constraint") is None
    assert command.has("--user")
    assert not command.has("--no-deps")
    assert command.without(names_treated(Treatment.INDEX)).to_argv() == (
        "install", "--requirement=a.txt", "--requirement=b.txt", "--user", "six",
    )  # fmt: skip
    assert command.replacing("--requirement", {"a.txt": "1", "b.txt": "2"}).values("--requirement") == ("1", "2")
    assert command.preceded_by([Option("--no-user")]).options[0] == Option("--no-user")
    assert command.followed_by([Option("--no-user")]).options[-1] == Option("--no-user")


def test_a_value_without_a_replacement_is_not_passed_on() -> None:
    with pytest.raises(KeyError):
        parse_command(["install", "-r", "a.txt"]).replacing("--requirement", {})


_WORDS = st.sampled_from(
    ["-r", "-U", "-qqU", "-ra", "--pre", "--req", "--log", "--log=x", "--no-binary=:all:", "--", "-", "six", "a b", "",
     "--user", "--no-user", "-e", ".", "-h", "--proxy=", "--isolated", "install", "\udcff"]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=6), st.lists(_WORDS, max_size=8))
def test_replaying_a_line_says_the_same_again(before: list[str], after: list[str]) -> None:
    argv = [*before, "install", *after]
    try:
        command = parse_command(argv)
    except GuardError:
        return
    assume(not command.has("--help"))
    again = parse_command(command.to_argv())
    assert (again.options, again.arguments) == (command.options, command.arguments)


@given(st.lists(st.text(max_size=6), max_size=5))
def test_any_line_is_classified(argv: list[str]) -> None:
    assert isinstance(classify(argv), Kind)


def test_no_spelling_is_in_the_table_twice() -> None:
    for command in ("install", "download", "wheel", "lock"):
        names = [name for spec in OPTIONS if command in spec.commands for name in spec.names]
        assert len(names) == len(set(names)) == len(options_of(command))


def test_every_option_that_leads_to_an_index_is_taken_out() -> None:
    assert names_treated(Treatment.INDEX) == {
        "--index-url", "--extra-index-url", "--no-index", "--find-links", "--trusted-host",
    }  # fmt: skip


def test_made_of_nothing_a_command_has_nothing() -> None:
    assert PipCommand("install").to_argv() == ("install",)

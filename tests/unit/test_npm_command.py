"""npm's command line: what passes through, what is guarded, what is refused, and putting a line together again."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.managers.npm.command import NpmCommand, parse_command, parse_npx, rewrite_npx
from guard.managers.npm.options import MAJORS, Kind, classify
from guard.managers.npm.vocabulary import SHORTHANDS, types_of

TOKENS = st.one_of(
    st.sampled_from(
        ["install", "i", "true", "false", "null", "--", "-", "", "x@1", "-gD", "--no-save", "--omit", "dev"]
    ),
    st.sampled_from(
        ["--registry", "--json=install", "-w=a", "--unknown=x", "--json=--", "-=x", "--reg=https://e.test"]
    ),
    st.sampled_from([f"--{name}" for name in types_of(11)] + [f"-{name}" for name in SHORTHANDS]),
    st.text(max_size=4),
)
LINES = st.lists(TOKENS, max_size=8)


class TestPassThrough:
    @pytest.mark.parametrize(
        "line",
        [
            "",
            "--version",
            "-v",
            "--versions",
            "--version install x",
            "-h",
            "-?",
            "--help",
            "install --help",
            "i -h evil",
            "help install",
            "help",
            "run build",
            "run-script build",
            "runScript build",
            "--silent run build",
            "--loglevel silent test",
            "--json --no-color ls",
            "--prefix install ls",
            "t",
            "ls --all",
            "view x versions",
            "view @s/x@1.0.0 dist.tarball",
            "view . name",
            "config set registry https://example.test/",
            "audit",
            "audit --json",
            "audit signatures",
            "cache clean --force",
            "cache",
            "pack",
            "pack ./folder x.tgz",
            "publish",
            "publish ./x-1.0.0.tgz --access public",
            "diff",
            "docs x",
            "fund @s/x",
            "version",
            "stage publish",
            "stage approve 1",
            "trust github x --file y.yml",
            "undeprecate x@1",
            "hook ls",
            "explore x -- ls",
            "exec --help",
        ],
    )
    def test_what_installs_nothing_passes(self, line: str) -> None:
        assert classify(line.split()) is Kind.PASS_THROUGH


class TestGuarded:
    @pytest.mark.parametrize(
        ("line", "kind"),
        [
            ("ci", Kind.CI),
            ("clean-install", Kind.CI),
            ("cleanInstall", Kind.CI),
            ("ic", Kind.CI),
            ("cit", Kind.CI),
            ("install-ci-test", Kind.CI),
            ("install", Kind.INSTALL),
            ("i x", Kind.INSTALL),
            ("add x", Kind.INSTALL),
            ("isntall x", Kind.INSTALL),
            ("-g i x", Kind.INSTALL),
            ("--global=install x", Kind.INSTALL),
            ("--json=false install", Kind.INSTALL),
            ("--prefix x install", Kind.INSTALL),
            ("--no-prefix install", Kind.INSTALL),
            ("--unknown install x", Kind.INSTALL),
            ("--unknown=run install x", Kind.INSTALL),
            ("--color always install", Kind.INSTALL),
            ("-- install x", Kind.INSTALL),
            ("-=install x", Kind.INSTALL),
            ("--usage=false install", Kind.INSTALL),
            ("install --no-help", Kind.INSTALL),
            ("install --help false", Kind.INSTALL),
            ("install -- --help", Kind.INSTALL),
            ("installTest", Kind.INSTALL),
            ("it", Kind.INSTALL),
            ("update", Kind.INSTALL),
            ("u", Kind.INSTALL),
            ("upg", Kind.INSTALL),
            ("ded", Kind.INSTALL),
            ("uninstall x", Kind.INSTALL),
            ("rm x", Kind.INSTALL),
            ("prune", Kind.INSTALL),
            ("audit fix", Kind.AUDIT_FIX),
            ("audi fix", Kind.AUDIT_FIX),
            ("audit --json fix", Kind.AUDIT_FIX),
            ("audit anything", Kind.AUDIT_FIX),
            ("exec x", Kind.EXEC),
            ("x -- y", Kind.EXEC),
            ("exec -c ls", Kind.EXEC),
            ("init react-app", Kind.EXEC),
            ("create x", Kind.EXEC),
            ("cre x", Kind.EXEC),
            ("innit @s", Kind.EXEC),
            ("rebuild", Kind.REBUILD),
            ("rb x", Kind.REBUILD),
            ("link", Kind.OTHER),
            ("lin x", Kind.OTHER),
            ("edit x", Kind.REFUSED),
            ("find-dupes", Kind.OTHER),
            ("init", Kind.OTHER),
            ("init -w a", Kind.OTHER),
            ("version patch", Kind.OTHER),
            ("pack x", Kind.OTHER),
            ("pack . x@1", Kind.OTHER),
            ("publish x@1", Kind.OTHER),
            ("publish https://example.test/x.tgz", Kind.OTHER),
            ("stage publish github:a/b", Kind.OTHER),
            ("diff --diff=x@1", Kind.OTHER),
            ("view a/b", Kind.OTHER),
            ("view git+https://example.test/a.git name", Kind.OTHER),
            ("docs x@github:a/b", Kind.OTHER),
            ("approve-scripts x", Kind.OTHER),
            ("install-scripts ls", Kind.OTHER),
        ],
    )
    def test_what_installs_is_guarded(self, line: str, kind: Kind) -> None:
        assert classify(line.split()) is kind

    @pytest.mark.parametrize(
        "line",
        [
            "frobnicate",
            "cache add x",
            "cache ad x",
            "vie x",
            "tes",
            "ru build",
            "Install x",
            "-=yz",
            "constructor",
            "installx",
        ],
    )
    def test_what_cannot_be_told_is_refused(self, line: str) -> None:
        assert classify(line.split()) is Kind.REFUSED

    def test_an_option_that_only_some_versions_know_hides_no_install(self) -> None:
        # npm 11 takes `run` for a value; to npm 9 and 10 it is the command.
        assert classify(["--packages", "run", "install", "x"], [11]) is Kind.INSTALL
        assert classify(["--packages", "run", "install", "x"], [9]) is Kind.PASS_THROUGH
        assert classify(["--packages", "run", "install", "x"]) is Kind.INSTALL

    def test_versions_that_guard_in_different_ways_refuse(self) -> None:
        assert classify(["--packages", "exec", "install", "x"]) is Kind.REFUSED

    @given(LINES)
    def test_any_line_is_read(self, line: list[str]) -> None:
        assert isinstance(classify(line), Kind)


class TestParse:
    def test_options_arguments_and_their_places(self) -> None:
        command = parse_command(["--reg", "https://e.test", "i", "-gD", "a", "--omit=dev", "b@1", "--no-package-lock"])
        assert (command.command, command.word) == ("install", "i")
        assert command.arguments == ("a", "b@1")
        assert command.positions == (4, 6)
        assert [(part.key, part.value) for part in command.options] == [
            ("registry", "https://e.test"),
            ("global", True),
            ("save-dev", True),
            ("omit", "dev"),
            ("package-lock", False),
        ]
        assert command.has("global")
        assert not command.has("g")
        assert command.last("package-lock") is False
        assert command.last("tag") is None

    def test_values_add_up_in_order(self) -> None:
        assert parse_command(["ci", "--omit", "dev", "--omit=peer"]).values("omit") == ("dev", "peer")

    def test_a_version_reads_the_options_that_it_knows(self) -> None:
        assert parse_command(["--libc", "musl", "ci"], major=9).word == "musl"
        assert parse_command(["--libc", "musl", "ci"], major=10).word == "ci"

    @pytest.mark.parametrize(("major", "read_as"), [(3, 9), (9, 9), (11, 11), (99, 11)])
    def test_versions_out_of_range_are_read_as_the_nearest(self, major: int, read_as: int) -> None:
        assert parse_command(["ci"], major=major).major == read_as

    def test_no_command_and_an_unknown_one(self) -> None:
        assert (parse_command(["-g"]).command, parse_command(["-g"]).word) == (None, None)
        assert (parse_command(["frob"]).command, parse_command(["frob"]).word) == (None, "frob")

    def test_secrets_stay_out_of_the_text_form(self) -> None:
        assert "s3cret" not in repr(parse_command(["i", "--//e.test/:_authToken=s3cret", "--_auth", "s3cret"]))


class TestPutTogether:
    @given(LINES, st.sampled_from(MAJORS))
    def test_a_line_stays_what_it_was(self, line: list[str], major: int) -> None:
        assert parse_command(line, major=major).to_argv() == tuple(line)

    def test_bytes_spaces_quotes_and_newlines_stay(self) -> None:
        line = ("install", "a b", '"q"', "n\nl", "\udcff\udcfe", "--tag=\udcff", "--", "-x", "--registry")
        command = parse_command(line)
        assert command.without({"registry"}).to_argv() == line
        assert command.arguments == ("a b", '"q"', "n\nl", "\udcff\udcfe", "-x", "--registry")

    @pytest.mark.parametrize(
        ("line", "left"),
        [
            ("i --registry https://e.test a", "i a"),
            ("--reg=https://e.test i a --json", "i a --json"),
            ("i -gD a", "i --save-dev a"),
            ("i --no-global a", "i a"),
            ("i a -- --global", "i a -- --global"),
            ("-g=i a", "i a"),
            ("--global true i", "i"),
            ("i --json --registry x true", "--json -- i true"),  # else --json would take `true`
        ],
    )
    def test_options_are_taken_out(self, line: str, left: str) -> None:
        assert parse_command(line.split()).without({"registry", "global"}).to_argv() == tuple(left.split())

    @given(LINES, st.sampled_from(MAJORS), st.sampled_from(["registry", "json", "unknown", "global", "workspace"]))
    def test_what_remains_means_what_it_meant(self, line: list[str], major: int, key: str) -> None:
        command = parse_command(line, major=major)
        left = parse_command(command.without({key}).to_argv(), major=major)
        assert says(left) == (
            [(part.key, part.value) for part in command.options if part.key != key],
            command.word,
            command.arguments,
        )

    @given(LINES, st.lists(st.text(max_size=3), max_size=3), st.sampled_from(MAJORS))
    def test_arguments_are_replaced(self, line: list[str], arguments: list[str], major: int) -> None:
        command = parse_command(["install", *line], major=major)
        changed = parse_command(command.with_arguments(arguments).to_argv(), major=major)
        assert says(changed) == (says(command)[0], "install", tuple(arguments))

    @given(LINES, st.sampled_from(MAJORS))
    def test_options_are_added(self, line: list[str], major: int) -> None:
        command = parse_command(line, major=major)
        changed = parse_command(command.followed_by(["--no-audit", "--tag=x"]).to_argv(), major=major)
        options, *words = says(changed)
        assert words == [command.word, command.arguments]
        assert [option for option in options if option not in (("audit", False), ("tag", "x"))] == [
            option for option in says(command)[0] if option not in (("audit", False), ("tag", "x"))
        ]
        assert changed.last("audit") is False

    def test_an_option_without_its_value_takes_none_that_is_added(self) -> None:
        changed = parse_command(["i", "a", "--cache"]).followed_by(["--no-audit"])
        assert changed.to_argv() == ("--no-audit", "--cache", "--", "i", "a")


def says(command: NpmCommand) -> tuple[list[tuple[str | None, object]], str | None, tuple[str, ...]]:
    return [(part.key, part.value) for part in command.options], command.word, command.arguments


class TestNpx:
    @pytest.mark.parametrize(
        ("line", "rewritten"),
        [
            ("x --help", "exec -- x --help"),
            ("-y x -y", "exec --yes -- x -y"),
            ("-p a -p=b cmd --flag", "exec --package a --package=b -- cmd --flag"),
            ("-c ls", "exec --call ls"),
            ("--no-install x", "exec --yes=false -- x"),
            ("--shell sh x", "exec --script-shell sh -- x"),
            ("-- x", "exec -- x"),
            ("--foo bar baz", "exec --foo bar -- baz"),
            ("--quiet x", "exec --loglevel warn -- x"),
            ("-q -- -y", "exec --loglevel warn -- -y"),
        ],
    )
    def test_options_end_at_the_first_argument(self, line: str, rewritten: str) -> None:
        assert rewrite_npx(line.split()) == (tuple(rewritten.split()), ())

    def test_removed_options_are_named_and_gone(self) -> None:
        line = ["-n", "a", "--npm=b", "--node-arg", "c", "--always-spawn", "--ignore-existing", "x", "-n"]
        assert rewrite_npx(line) == (
            ("exec", "--", "x", "-n"),
            ("n", "npm", "node-arg", "always-spawn", "ignore-existing"),
        )

    def test_it_reads_as_npm_exec(self) -> None:
        command = parse_npx(["-p", "a@1", "cmd", "--version"])
        assert (command.command, command.arguments) == ("exec", ("cmd", "--version"))
        assert command.values("package") == ("a@1",)

    @pytest.mark.parametrize(
        ("line", "kind"), [("-v", Kind.PASS_THROUGH), ("-h", Kind.PASS_THROUGH), ("x -v", Kind.EXEC)]
    )
    def test_only_its_own_version_and_help_pass(self, line: str, kind: Kind) -> None:
        assert classify(rewrite_npx(line.split())[0]) is kind

    @given(LINES, st.sampled_from(MAJORS))
    def test_any_line_is_read(self, line: list[str], major: int) -> None:
        assert parse_npx(line, major=major).word == "exec"


def test_a_passed_through_command_imports_nothing_that_is_slow() -> None:
    code = "import sys; before = set(sys.modules); import guard.managers.npm.options; print(*set(sys.modules) - before)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in run.stdout.split()} <= {"guard", "__future__", "enum", "collections"} | {
        "types",
        "operator",
        "_operator",
        "functools",
        "keyword",
        "reprlib",
        "_collections",
        "_functools",
        "itertools",
        "_collections_abc",
    }

"""What the README and the pages beside it name exists: commands, options, statuses, rules, tests, links."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import tomli

from guard.cli.commands import guard
from guard.cli.main import OPTIONS_WITH_VALUE, split_at_command
from guard.errors import ExitCode
from guard.managers.npm.command import classify as classify_npm
from guard.managers.npm.command import rewrite_npx
from guard.managers.npm.options import Kind as NpmKind
from guard.managers.pip.command import Kind, classify, parse_command
from guard.model import RuleId
from guard.policy.schema import parse_policy

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests" / "sim" / "FIDELITY.md"])
# Where people look for what they can type.
PAGES_OF_COMMANDS = [page for page in PAGES if page.name in ("README.md", "policy.md", "rules.md", "report.md")]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), flags=re.MULTILINE | re.DOTALL)


def typed_lines(page: Path) -> list[list[str]]:
    """Every command of the page's console blocks."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


def guard_lines() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES_OF_COMMANDS:
        yield from ((name_of(page), words[1:]) for words in typed_lines(page) if words[0] == "guard")


def options_of(command: click.Command) -> set[str]:
    return {
        spelling for parameter in command.params if isinstance(parameter, click.Option) for spelling in parameter.opts
    }


def every_option() -> set[str]:
    """Every long option of guard's own, of all its commands."""
    pending: list[click.Command] = [guard]
    found = {"--help"}
    while pending:
        command = pending.pop()
        found |= options_of(command)
        pending += command.commands.values() if isinstance(command, click.Group) else []
    return {option for option in found if option.startswith("--")}


def read_as_pip(arguments: list[str]) -> None:
    assert classify(arguments) is not Kind.REFUSED
    if classify(arguments) is not Kind.PASS_THROUGH:
        parse_command(arguments)


def read_as_npm(arguments: list[str]) -> None:
    assert classify_npm(arguments) is not NpmKind.REFUSED


# What reads the rest of a line behind the word.
TOOLS: dict[str, Callable[[list[str]], None]] = {
    "pip": read_as_pip,
    "npm": read_as_npm,
    "npx": lambda arguments: read_as_npm([*rewrite_npx(arguments)[0]]),
}


def defined_tests() -> dict[str, set[str]]:
    """Names of the test functions, by file."""
    return {
        path.name: set(re.findall(r"^ *def (test_\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        for path in (ROOT / "tests").rglob("test_*.py")
    }


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_options_that_take_a_value_are_those_of_the_parser() -> None:
    options = [parameter for parameter in guard.params if isinstance(parameter, click.Option)]
    taking = [option for option in options if not option.is_flag and not option.count]
    assert {spelling for option in taking for spelling in option.opts} == OPTIONS_WITH_VALUE


def test_the_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", "".join(map(text_of, PAGES))))
    typed = {words[1] for words in typed_lines(ROOT / "README.md") if words[0] == "make"}
    assert {"demo", "test"} <= typed
    assert typed | named <= targets


@pytest.mark.parametrize(("page", "words"), [pytest.param(*line, id=" ".join(line[1])) for line in guard_lines()])
def test_a_line_that_is_shown_is_one_that_guard_reads(page: str, words: list[str]) -> None:
    word, arguments = split_at_command(words)
    before = words[: len(words) - len(arguments) - (word is not None)]
    assert {each for each in before if each.startswith("-")} <= options_of(guard) | {"-h", "--help", "--version"}
    if word in TOOLS:
        TOOLS[word](arguments)
    elif word is not None:
        command = guard.commands[word]
        while isinstance(command, click.Group):
            command = command.commands[arguments.pop(0)]
        command.make_parser(click.Context(command)).parse_args(arguments)


@pytest.mark.parametrize("page", PAGES_OF_COMMANDS, ids=name_of)
def test_commands_and_options_in_running_text_exist(page: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", text_of(page))
    for words in (span.split() for span in spans if span.startswith("guard ")):
        assert words[1] in {*guard.commands, *options_of(guard)}, words
        group = guard.commands.get(words[1])
        if isinstance(group, click.Group) and len(words) > 2:
            assert words[2] in group.commands, words


def test_every_option_of_guard_is_in_its_help_and_every_one_of_the_readme_is_an_option() -> None:
    # Options of other programs that the README speaks of.
    others = {"--dry-run", "--hash", "--python", "--target"}
    named = set(re.findall(r"`(--[a-z-]+)`", text_of(ROOT / "README.md")))
    assert named <= every_option() | others
    help_page = guard.get_help(click.Context(guard))
    assert all(option in help_page for option in options_of(guard))


def test_the_exit_statuses_of_the_readme_are_those_of_the_code() -> None:
    section = text_of(ROOT / "README.md").split("## Exit status")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\d+)` \|", section, flags=re.MULTILINE)
    assert rows == [str(code.value) for code in ExitCode]


def test_the_table_of_checks_names_rules_and_statuses_of_the_code() -> None:
    section = text_of(ROOT / "README.md").split("## What is checked")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ") and "exit" not in line]
    statuses = {"allowed": ExitCode.ALLOWED, "blocked": ExitCode.BLOCKED, "undecided": ExitCode.UNDECIDED}
    named = set()
    for _, rules, verdict, status in rows:
        named |= set(re.findall(r"`([a-z-]+)`", rules))
        words = re.findall("|".join(statuses), verdict)
        assert [int(number) for number in re.findall(r"\d+", status)] == [statuses[word].value for word in words]
    about_files = set(RuleId) - {
        RuleId.COMMAND_NOT_GUARDED,
        RuleId.EXCEPTION_EXPIRED,
        RuleId.POLICY_LOOSENED,
        RuleId.LOCK_ENTRY_UNREADABLE,
        RuleId.IDENTITY_LOCK_CHANGED,
        RuleId.INSTALLED_DIFFERS,
    }
    assert named == {rule.value for rule in about_files}


def test_the_policy_of_the_readme_is_a_policy() -> None:
    [example] = blocks(ROOT / "README.md", "toml")
    [package] = parse_policy(example.encode(), path="guard.toml").packages
    assert package.identities


def test_every_dependency_has_its_reason() -> None:
    project = tomli.loads(text_of(ROOT / "pyproject.toml"))
    page = text_of(ROOT / "docs" / "dependencies.md")
    _, at_run_time, to_develop = re.split(r"^## .+$", page, flags=re.MULTILINE)
    for section, declared in (
        (at_run_time, project["project"]["dependencies"]),
        (to_develop, project["dependency-groups"]["dev"]),
    ):
        rows = re.findall(r"^\| `([a-z0-9-]+)` \| \S", section, flags=re.MULTILINE)
        assert rows == sorted(re.match(r"[\w-]+", requirement)[0] for requirement in declared)  # type: ignore[index]


def test_every_dependency_is_bounded() -> None:
    project = tomli.loads(text_of(ROOT / "pyproject.toml"))
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    assert [each for each in declared if not re.fullmatch(r"[\w-]+>=[\d.]+,<\d+", each)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    tests = defined_tests()
    text = text_of(page)
    for file, name in re.findall(r"(test_\w+\.py)::(test_\w+)", text):
        assert name in tests.get(file, ()), f"{file}::{name}"
    everywhere = set().union(*tests.values())
    for span in re.findall(r"`(test_\w+)`", text):
        assert span in everywhere, span
    for file in re.findall(r"\b(test_\w+\.py)\b", text):
        assert file in tests, file


def test_every_invariant_has_tests() -> None:
    sections = re.split(r"^### ", text_of(ROOT / "docs" / "threat-model.md"), flags=re.MULTILINE)[1:]
    shown = {section.split()[0]: len(re.findall(r"test_\w+\.py::test_", section)) for section in sections}
    assert all(shown[f"I{number}"] for number in range(1, 10))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_sections(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", text_of(linked), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert re.findall(r"\((\d{4}-[\w-]+\.md)\)", text_of(folder / "README.md")) == records
    assert [name[:4] for name in records] == [f"{number:04}" for number in range(1, len(records) + 1)]


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    places = re.compile(rb"(?<![\w.])/(?:root|tmp|work|home/\w+|Users/\w+)/")
    found = {name_of(path): match[0] for path in tracked_files() if (match := places.search(path.read_bytes()))}
    assert found == {}

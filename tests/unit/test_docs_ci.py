"""The examples of docs/ci.md are workflows, jobs and hooks that could be used as they stand."""

from __future__ import annotations

import re
import shlex
from typing import Any

import click
import pytest
import yaml

from guard.cli.commands import guard
from tests.unit.test_docs import ROOT, blocks, text_of

PAGE = ROOT / "docs" / "ci.md"
ACTION: dict[str, Any] = yaml.safe_load(text_of(ROOT / "action.yml"))
[HOOK] = yaml.safe_load(text_of(ROOT / ".pre-commit-hooks.yaml"))
WORKFLOW, GITLAB, PRE_COMMIT = (yaml.safe_load(block) for block in blocks(PAGE, "yaml"))


def table(title: str) -> dict[str, list[str]]:
    """Rows of the table whose first column has a title, by what that column names."""
    rows = re.search(rf"^\| {title} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text_of(PAGE), flags=re.MULTILINE)
    assert rows, title
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in rows[1].splitlines())
    return {name.strip("`"): rest for name, *rest in cells}


def test_the_workflow_uses_the_action_and_what_it_gives() -> None:
    _, ours, upload = WORKFLOW["jobs"]["audit"]["steps"]
    assert ours["uses"] == "OWNER/guard@COMMIT"
    assert upload["with"]["sarif_file"] == f"${{{{ steps.{ours['id']}.outputs.sarif }}}}"
    assert "sarif" in ACTION["outputs"]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["jobs"]["audit"]["permissions"] == {"contents": "read", "security-events": "write"}
    assert set(WORKFLOW[True]) == {"pull_request", "push"}  # YAML 1.1 reads ``on`` as a boolean


def test_inputs_and_outputs_of_the_action_are_listed_with_their_defaults() -> None:
    inputs = table("input")
    assert list(inputs) == list(ACTION["inputs"])
    for name, (default, _) in inputs.items():
        if default.startswith("`") and name != "policy":
            assert default.strip("`") == ACTION["inputs"][name]["default"]
    assert list(table("output")) == list(ACTION["outputs"])


def test_the_hook_is_named_as_the_manifest_names_it() -> None:
    [repository] = PRE_COMMIT["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == [HOOK["id"]]
    assert f"SKIP={HOOK['id']} " in text_of(PAGE)
    assert f"$ {HOOK['entry']}\n" in text_of(PAGE)


@pytest.mark.parametrize(
    "line",
    [
        *(line for line in GITLAB["guard"]["script"] if line.startswith("guard ")),
        *(
            line.removeprefix("$ ")
            for block in blocks(PAGE, "console")
            for line in block.splitlines()
            if "$ guard" in line
        ),
        *(span for span in re.findall(r"`(guard audit [^`]+)`", text_of(PAGE))),
    ],
)
def test_commands_are_ones_that_guard_reads(line: str) -> None:
    _, word, *arguments = shlex.split(line)
    command = guard.commands[word]
    command.make_parser(click.Context(command)).parse_args(arguments)


def test_reports_of_the_gitlab_job_are_those_that_guard_writes() -> None:
    job = GITLAB["guard"]
    assert f"--format junit --output {job['artifacts']['reports']['junit']}" in job["script"][-1]
    assert re.search(r"^install:", text_of(ROOT / "Makefile"), flags=re.MULTILINE)

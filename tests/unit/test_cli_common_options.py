"""guard's own options stand before the command word or after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from guard.cli.commands import guard
from guard.cli.run import run
from tests.e2e.surroundings import REPORT_VALIDATOR

TOOLS = {"pip", "npm", "npx", "uv", "uvx", "pnpm", "pnpx", "yarn", "pipx", "poetry", "pdm"}
COMMON = {"--quiet", "--verbose", "--color", "--no-progress", "--policy", "--trust-root", "--report"}


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


OWN = {name: command for name, command in commands(guard) if name not in TOOLS}


@pytest.mark.parametrize("name", OWN)
def test_every_command_of_its_own_takes_guards_options(name: str) -> None:
    spellings = {spelling for parameter in OWN[name].params for spelling in parameter.opts}
    assert spellings >= COMMON


@pytest.mark.parametrize("line", [["--report", "{}", "policy", "check"], ["policy", "check", "--report", "{}"]])
def test_the_report_of_what_decides_nothing_states_its_status(line: list[str], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert run([word.format(report) for word in line]) == 0
    document = json.loads(report.read_text())
    REPORT_VALIDATOR.validate(document)
    assert (document["exit_code"], document["verdict"], document["artifacts"]) == (0, "allow", [])
    assert document["run"]["command"][:2] == ["policy", "check"]


def test_what_stands_behind_the_word_wins(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.toml"
    good.write_text("version = 1\n")
    assert run(["--policy", str(tmp_path / "none.toml"), "policy", "check", "--policy", str(good)]) == 0
    assert str(good) in capfd.readouterr().out

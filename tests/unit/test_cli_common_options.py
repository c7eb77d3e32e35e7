"""guard's own options stand before the command word or after it; what decides nothing has no report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from guard.cli.commands import guard, run

TOOLS = {"pip", "npm", "npx", "uv", "uvx", "pnpm", "pnpx", "yarn", "pipx", "poetry", "pdm"}
JUDGING = {"audit", "explain", "evidence fetch", "verify"}
PLAIN = {"--quiet", "--verbose", "--color", "--no-progress", "--policy", "--trust-root"}


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
    assert spellings >= PLAIN
    assert ("--report" in spellings) == (name in JUDGING)


def test_what_decides_nothing_has_no_report(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    assert run(["--report", str(report), "policy", "check"]) == 2
    assert "no report" in capfd.readouterr().err
    assert not report.exists()


def test_what_stands_behind_the_word_wins(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.toml"
    good.write_text("version = 1\n")
    assert run(["--policy", str(tmp_path / "none.toml"), "policy", "check", "--policy", str(good)]) == 0
    assert str(good) in capfd.readouterr().out

"""Clients of which nothing that installs is guarded: it is refused with a line to use, and the rest passes through."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.clients.words import passes_through
from tests.e2e.clients import ClientStage
from tests.sim.world import World

pytestmark = pytest.mark.e2e


@pytest.mark.campaign(4)
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("yarn", "guard npm install"),
        ("yarn install --immutable", "guard npm install"),
        ("yarn add gadget", "guard npm install NAME"),
        ("pipx install widget", "guard uv tool install NAME"),
        ("pipx run widget", "guard uvx NAME"),
        ("poetry add widget", "guard poetry sync"),
        ("pdm update", "guard pdm sync"),
    ],
)
def test_what_installs_is_refused_and_the_rest_is_the_tools_own(
    tmp_path: Path, world: World, line: str, instead: str
) -> None:
    stage = ClientStage(tmp_path / "stage", world=world, trust_root=world.trusted_root_path)
    tool, *words = line.split()
    program = stage.programs / tool
    for folder in (stage.project, stage.home, stage.programs):
        folder.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{tool} 2.99.0" && exit\ntouch {stage.canary}\n')
    program.chmod(0o755)
    result = stage.run_guard(tool, *words)
    assert (result.status, result.rules()) == (10, {"command-not-guarded"}), result.stderr
    assert instead in result.stderr
    assert not stage.canary.exists()
    assert stage.run_guard(tool, "--version").stdout == f"{tool} 2.99.0\n"
    harmless = {"yarn": "why", "pipx": "list", "poetry": "show", "pdm": "list"}[tool]
    assert stage.run_guard(tool, harmless).status == 0
    assert stage.canary.exists()


def test_words_pass_by_their_full_names_alone() -> None:
    assert passes_through("uv", ["pip", "list", "--format=json"])
    assert passes_through("uv", ["tree", "--frozen"])
    assert passes_through("pnpm", [])
    assert not passes_through("uv", ["pip"])
    assert not passes_through("uv", ["pip", "lis"])
    assert not passes_through("uv", ["--quiet", "pip", "list"])
    assert not passes_through("uv", ["tree"])
    assert not passes_through("uvx", ["pip", "list"])
    assert not passes_through("yarn", [])
    assert not passes_through("pnpm", ["install"])
    assert not passes_through("pnpm", ["store", "add", "gadget"])

"""The clients of commands that drive no pip and no npm: the user's own indexes, registries and credentials."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType

import pytest

from guard.app import App, Options
from guard.errors import NotFound
from guard.managers.npm.configured import make_npm_client
from guard.managers.pip.configured import make_index_client
from guard.policy.policy import Policy
from guard.policy.schema import Anchors
from tests.sim.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as started:
        yield started


def app(folder: Path, **environ: str) -> App:
    """Somebody on whose PATH there is neither pip nor npm."""
    variables = {"PATH": str(folder), "HOME": str(folder), "XDG_CONFIG_DIRS": str(folder / "none"), **environ}
    return App(options=Options(), environ=MappingProxyType(variables), cwd=folder, started=datetime.now(timezone.utc))


@pytest.mark.parametrize("place", ["variable", "user's file", "environment's file", "anchor"])
def test_the_indexes_are_those_of_pip_without_a_pip(world: World, tmp_path: Path, place: str) -> None:
    world.publish("widget", "1.0.0")
    environ, anchors = {}, Anchors()
    if place == "variable":
        environ["PIP_INDEX_URL"] = world.pypi.simple_url
    elif place == "anchor":
        anchors = Anchors(index_url=world.pypi.simple_url)
    else:
        folder = tmp_path / (".config/pip" if place == "user's file" else "env")
        folder.mkdir(parents=True)
        (folder / "pip.conf").write_text(f"[global]\nindex-url = {world.pypi.simple_url}\n")
        environ["VIRTUAL_ENV"] = str(tmp_path / "env")
    client = make_index_client(app(tmp_path, **environ), Policy(anchors=anchors))
    assert [file.version for file in client.fetch_project("widget").files] == ["1.0.0"]
    with pytest.raises(NotFound):
        client.fetch_project("gadget")


@pytest.mark.parametrize("place", ["variable", "user's file", "project's file", "anchor"])
def test_the_registries_are_those_of_npm_without_an_npm(world: World, tmp_path: Path, place: str) -> None:
    world.publish_npm("widget", "1.0.0")
    environ, anchors = {}, Anchors()
    project = tmp_path / "project"
    project.mkdir()
    (project / "package.json").write_text("{}")
    if place == "variable":
        environ["npm_config_registry"] = world.npm.url
    elif place == "anchor":
        anchors = Anchors(npm_registry=world.npm.url)
    else:
        (tmp_path if place == "user's file" else project).joinpath(".npmrc").write_text(f"registry={world.npm.url}\n")
    client = make_npm_client(app(tmp_path, **environ), Policy(anchors=anchors), folder=project)
    assert client.fetch_version("widget", "1.0.0").version == "1.0.0"

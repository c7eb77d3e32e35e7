"""Code of source distributions and of what builds them: nothing of it runs before it is decided (invariant I1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Environment
from tests.e2e.refusals import guard_refused, install_refused
from tests.sim.packages import make_legacy_sdist, make_sdist, make_wheel, unpack_sdist
from tests.sim.pypi import PyPISimulator
from tests.sim.sigstore import Defect
from tests.sim.stub_setuptools import make_setuptools
from tests.sim.world import World, maintainer_of


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that exists once a package's code ran."""
    return tmp_path / "canary"


def publish_sdist(
    world: World,
    name: str,
    *,
    canary: Path,
    build_requires: tuple[str, ...] = (),
    defect: Defect | None = Defect.SIGNATURE_CORRUPT,
) -> None:
    filename, content = make_sdist(name, "1.0.0", build_requires=build_requires, canary=canary)
    world.upload(filename, content, identity=maintainer_of(name), defect=defect)


def publish_setuptools(world: World, *, defect: Defect | None = None) -> None:
    world.upload(*make_setuptools(), identity=maintainer_of("setuptools"), defect=defect)


def test_the_canary_of_an_allowed_sdist_sings(target: Environment, world: World, canary: Path) -> None:
    publish_sdist(world, "widget", canary=canary, defect=None)
    assert target.install("widget").status == 0
    assert "build widget" in canary.read_text()


@pytest.mark.parametrize("command", ["install", "download", "wheel"])
def test_a_blocked_sdist_does_not_run(target: Environment, world: World, canary: Path, command: str) -> None:
    publish_sdist(world, "widget", canary=canary)
    index = ("--index-url", world.pypi.simple_url)
    guard_refused(target, "pip", command, *index, "widget", rules={"provenance-invalid"})
    assert not canary.exists()


def test_a_blocked_sdist_that_a_wheel_requires_does_not_run(target: Environment, world: World, canary: Path) -> None:
    world.publish("gear", "1.0.0", requires=["widget"])
    publish_sdist(world, "widget", canary=canary)
    install_refused(target, "gear", rules={"provenance-invalid"})
    assert not canary.exists()


def test_an_sdist_with_other_bytes_does_not_run(target: Environment, world: World, canary: Path) -> None:
    filename, content = make_sdist("widget", "1.0.0", canary=canary)
    world.pypi.add(filename, content, hashes={"sha256": "0" * 64})
    install_refused(target, "widget", rules={"hash-mismatch"})
    assert not canary.exists()


def test_a_blocked_setup_py_does_not_run(target: Environment, world: World, canary: Path) -> None:
    publish_setuptools(world)
    filename, content = make_legacy_sdist("widget", "1.0.0", canary=canary)
    world.upload(filename, content, identity=maintainer_of("widget"), defect=Defect.SIGNATURE_CORRUPT)
    install_refused(target, "widget", rules={"provenance-invalid"})
    assert not canary.exists()


def test_an_allowed_setup_py_runs(target: Environment, world: World, canary: Path) -> None:
    publish_setuptools(world)
    filename, content = make_legacy_sdist("widget", "1.0.0", canary=canary)
    world.upload(filename, content, identity=maintainer_of("widget"))
    result = target.install("widget")
    assert result.status == 0, result.stderr
    assert target.installed() == {"widget": "1.0.0"}
    built_with = {artifact["name"]: artifact["installed"] for artifact in result.report["artifacts"]}
    assert built_with == {"widget": True, "setuptools": False}


def test_a_blocked_setuptools_runs_no_setup_py(target: Environment, world: World, canary: Path) -> None:
    publish_setuptools(world, defect=Defect.SIGNATURE_CORRUPT)
    filename, content = make_legacy_sdist("widget", "1.0.0", canary=canary)
    world.upload(filename, content, identity=maintainer_of("widget"))
    install_refused(target, "widget", rules={"provenance-invalid"})
    assert not canary.exists()


def test_a_blocked_build_requirement_does_not_run(target: Environment, world: World, canary: Path) -> None:
    publish_sdist(world, "widget", canary=canary, build_requires=("builder",), defect=None)
    world.publish("builder", "1.0.0", canary=canary, defect=Defect.SIGNATURE_CORRUPT)
    result = install_refused(target, "widget", rules={"provenance-invalid"})
    assert "builder==1.0.0" in result.stderr
    assert not canary.exists()


def test_a_blocked_sdist_as_build_requirement_does_not_run(target: Environment, world: World, canary: Path) -> None:
    publish_sdist(world, "widget", canary=canary, build_requires=("builder",), defect=None)
    publish_sdist(world, "builder", canary=canary)
    install_refused(target, "widget", rules={"provenance-invalid"})
    assert not canary.exists()


def test_a_blocked_build_requirement_of_the_users_project(target: Environment, world: World, canary: Path) -> None:
    _, content = make_sdist("mine", "1.0.0", build_requires=("builder",), canary=canary)
    unpack_sdist(content, target.project)
    world.publish("builder", "1.0.0", canary=canary, defect=Defect.SIGNATURE_CORRUPT)
    install_refused(target, "-e", ".", rules={"provenance-invalid"})
    assert not canary.exists()


def test_a_build_requirement_from_an_address(target: Environment, world: World, canary: Path) -> None:
    with PyPISimulator() as evil:
        evil.add(*make_wheel("builder", "1.0.0", canary=canary))
        requirement = f"builder @ {evil.files_url}/builder-1.0.0-py3-none-any.whl"
        publish_sdist(world, "widget", canary=canary, build_requires=(requirement,), defect=None)
        install_refused(target, "widget", rules={"source-not-allowed"})
        assert evil.requests == []
    assert not canary.exists()

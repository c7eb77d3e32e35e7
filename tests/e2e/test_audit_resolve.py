"""``guard audit --resolve``: what requirements files that pin nothing come to today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.audit_stage import AuditStage
from tests.e2e.conftest import Environment
from tests.sim.sigstore import Defect
from tests.sim.world import World

pytestmark = pytest.mark.e2e


@pytest.fixture
def audited(target: Environment) -> Environment:
    """An environment whose pip is configured for the simulated index."""
    folder = target.home / ".config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(f"[global]\nindex-url = {target.index_url}\n")
    return target


def write(environment: Environment, text: str, name: str = "requirements.txt") -> Path:
    path = environment.project / name
    path.write_text(text)
    return path


def test_everything_that_pip_would_take_is_decided_and_nothing_installed(audited: Environment, world: World) -> None:
    world.publish("helper", "1.0.0")
    world.publish("helper", "1.1.0")
    world.publish("widget", "1.0.0", requires=["helper"])
    world.publish_npm("other", "1.0.0")
    write(audited, "# ours\nwidget\n")
    result = audited.guard("audit", "--resolve", "--format", "json")
    assert result.status == 0, result.stderr
    assert json.loads(result.stdout) == result.report
    found = {each["name"]: each for each in result.report["artifacts"]}
    assert {name: each["version"] for name, each in found.items()} == {"widget": "1.0.0", "helper": "1.1.0"}
    assert {each["bound_by"] for each in found.values()} == {"pinned-now"}
    assert (found["widget"]["location"]["path"], found["widget"]["location"]["line"]) == ("requirements.txt", 2)
    assert found["helper"]["location"] is None
    assert {each["provenance"] for each in found.values()} == {"verified"}
    assert result.rules() == {"hash-missing"}
    assert result.report["not_decided"] == []
    assert audited.installed() == {}


@pytest.mark.campaign(3)
def test_what_is_installed_already_is_decided_all_the_same(audited: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    assert audited.install("widget").status == 0
    write(audited, "widget==1.0.0\n")
    result = audited.guard("audit", "--resolve")
    assert [each["name"] for each in result.report["artifacts"]] == ["widget"]


def test_what_only_another_package_requires_blocks(audited: Environment, world: World) -> None:
    world.publish("helper", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    world.publish("widget", "1.0.0", requires=["helper"])
    write(audited, "widget\n")
    assert audited.guard("audit").status == 0
    result = audited.guard("audit", "--resolve")
    assert (result.status, result.rules("block")) == (10, {"provenance-invalid"})


@pytest.mark.campaign(3)
def test_a_file_with_hashes_is_a_lock_and_not_resolved(audited: Environment, world: World) -> None:
    old = world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0")
    write(audited, f"widget==1.0.0 --hash=sha256:{old.sha256}\n")
    write(audited, "widget\n", "dev-requirements.txt")
    result = audited.guard("audit", "--resolve")
    assert result.status == 0, result.stderr
    found = {each["version"]: each["bound_by"] for each in result.report["artifacts"]}
    assert found == {"1.0.0": "pip-hash", "1.1.0": "pinned-now"}


def test_what_pip_cannot_resolve_is_not_clean(audited: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    write(audited, "widget>=2\n")
    result = audited.guard("audit", "--resolve", "--format", "json")
    assert (result.status, result.rules("block")) == (10, {"lock-entry-unreadable"})
    assert "No matching distribution found for widget" in result.stderr
    assert json.loads(result.stdout) == result.report  # what pip says does not stand in it
    assert result.report["findings"][0]["location"]["path"] == "requirements.txt"


@pytest.mark.parametrize("other", ["--offline", "--staged", "--installed", "--changed-since=HEAD"])
def test_what_does_not_go_with_it(stage: AuditStage, other: str) -> None:
    stage.write("requirements.txt", "widget\n")
    stage.commit()
    assert stage.audit("--resolve", other).status == 2


def test_without_pip_nothing_is_resolved(stage: AuditStage) -> None:
    stage.write("requirements.txt", "widget\n")
    result = stage.audit("--resolve")
    assert result.status not in (0, 10, 11)
    assert "pip" in result.stderr

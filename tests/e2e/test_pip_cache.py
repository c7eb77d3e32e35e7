"""What guard keeps from one run to the next: bytes, never a decision."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Environment
from tests.sim.pypi import Fault
from tests.sim.world import World


def test_a_file_that_is_kept_is_decided_again(target: Environment, world: World, tmp_path: Path) -> None:
    published = world.publish("widget", "1.0.0")
    assert target.install("--target", "one", "widget").status == 0
    world.pypi.add(published.filename, published.content)
    strict = tmp_path / "strict.toml"
    strict.write_text('version = 1\n[policy]\nprovenance = "required"\n')
    refused = target.install("--target", "two", "widget", options=("--policy", str(strict)))
    assert (refused.status, refused.rules("block")) == (10, {"provenance-missing"})
    assert not (target.project / "two").exists()


def test_evidence_is_asked_for_again(target: Environment, world: World) -> None:
    published = world.publish("widget", "1.0.0")
    assert target.install("--target", "one", "widget").status == 0
    world.pypi.fault("provenance", Fault.FORBIDDEN, name=published.filename)
    refused = target.install("--target", "two", "widget")
    assert (refused.status, refused.rules("undecided")) == (11, {"provenance-unavailable"})
    assert not (target.project / "two").exists()


def test_a_kept_file_is_not_fetched_again_and_one_that_was_changed_is(target: Environment, world: World) -> None:
    published = world.publish("widget", "1.0.0")
    assert target.install("--target", "one", "widget").status == 0
    world.pypi.clear_requests()
    assert target.install("--target", "two", "widget").status == 0
    assert not any(request.path.endswith(published.filename) for request in world.pypi.requests)
    [kept] = (path for path in (target.home / ".cache").rglob(published.sha256) if path.is_file())
    kept.write_bytes(bytes(len(published.content)))
    assert target.install("--target", "three", "widget").status == 0
    assert any(request.path.endswith(published.filename) for request in world.pypi.requests)
    assert (target.project / "three" / "widget" / "__init__.py").is_file()

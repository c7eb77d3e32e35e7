"""What npm says is installed, ``node_modules/.package-lock.json``, is read as its lockfile is."""

from __future__ import annotations

import pytest

from guard_lockfiles.lockfile import LockedArtifact, Source
from guard_lockfiles.package_lock_entries import parse_package_lock_entries
from tests.e2e.npm_environment import NpmEnvironment
from tests.npm_locktools.projects import fill, write_project
from tests.sim.world import World

pytestmark = pytest.mark.e2e

ELSEWHERE = {"@native/darwin", "@native/musl"}  # what this platform does not install


def read(environment: NpmEnvironment, path: str) -> dict[str, LockedArtifact]:
    lock = parse_package_lock_entries((environment.project / path).read_bytes())
    assert (lock.unreadable, lock.version) == ((), "3")
    return {artifact.place: artifact for artifact in lock.artifacts}


def test_what_is_installed_is_what_is_locked_for_this_platform(npm_target: NpmEnvironment, world: World) -> None:
    fill(world.npm)
    write_project(npm_target.project, {"dependencies": {"outer": "file:../outer", "folder": "file:./folder"}})
    assert npm_target.npm("install", "--ignore-scripts", "--no-audit", "--no-fund").status == 0
    installed = read(npm_target, "node_modules/.package-lock.json")
    locked = read(npm_target, "package-lock.json")
    assert locked.keys() - installed.keys() == {f"node_modules/{name}" for name in ELSEWHERE}
    assert installed.keys() <= locked.keys()
    for place, artifact in installed.items():
        entry = locked[place]
        assert (artifact.name, artifact.version, artifact.source) == (entry.name, entry.version, entry.source)
        assert (artifact.digests, artifact.resolved) == (entry.digests, entry.resolved)
        assert (artifact.installed_as, artifact.bundled_in) == (entry.installed_as, entry.bundled_in)
        assert (artifact.is_dev, artifact.is_optional) == (entry.is_dev, entry.is_optional)
    sources = {artifact.source for artifact in installed.values()}
    assert sources == {Source.REGISTRY, Source.BUNDLED, Source.FILE, Source.FOLDER}


def test_a_hidden_lock_says_where_each_entry_stands(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("left", "1.0.0")
    npm_target.manifest(dependencies={"left": "1.0.0"})
    assert npm_target.npm("install", "--no-audit", "--no-fund").status == 0
    (artifact,) = read(npm_target, "node_modules/.package-lock.json").values()
    lines = (npm_target.project / "node_modules" / ".package-lock.json").read_text().splitlines()
    assert lines[artifact.line - 1].strip() == '"node_modules/left": {'
    assert artifact.digests[0].startswith("sha512:")

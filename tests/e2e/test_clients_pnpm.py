"""``guard pnpm`` with the real pnpm of three generations: the lock is decided, and pnpm is held to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients import ClientStage, make_node_stage, modules
from tests.e2e.npm_environment import NpmTools
from tests.sim.npm_packages import make_tarball
from tests.sim.world import World

pytestmark = pytest.mark.e2e

OLDEST, MIDDLE, NEWEST = "8.15.9", "9.15.9", "10.34.9"
POLICY = 'version = 1\n[[package]]\nname = "npm:evil"\nprovenance = "required"\n'
_FROZEN = ("install", "--frozen-lockfile")

MakeStage = Callable[..., ClientStage]


@pytest.fixture
def make_stage(tmp_path: Path, world: World, npm_tools: NpmTools) -> MakeStage:
    """Return a function that makes a project with one pnpm."""

    def make(version: str = NEWEST) -> ClientStage:
        script = npm_tools.package("pnpm", version) / "bin" / "pnpm.cjs"
        stage = make_node_stage(tmp_path / "stage", world, npm_tools, "pnpm", script)
        write_manifest(stage, gadget="^1.0.0")
        return stage

    return make


def write_manifest(stage: ClientStage, **dependencies: str) -> None:
    stage.write("package.json", json.dumps({"name": "project", "version": "1.0.0", "dependencies": dependencies}))


def publish(world: World) -> None:
    world.publish_npm("inner", "1.0.0")
    world.publish_npm("gadget", "1.0.0", dependencies={"inner": "^1.0.0"})


def publish_evil(world: World, canary: Path) -> None:
    tarball = make_tarball("evil", "1.0.0", scripts={"postinstall": f"touch {canary}"})
    world.npm.add(tarball)


@pytest.mark.campaign(1000)
@pytest.mark.parametrize("version", [OLDEST, MIDDLE, NEWEST])
def test_an_install_leaves_what_pnpm_alone_leaves(make_stage: MakeStage, world: World, version: str) -> None:
    publish(world)
    stage = make_stage(version)
    result = stage.run_guard("pnpm", "install")
    assert result.status == 0, result.stderr
    assert {artifact["name"] for artifact in result.report["artifacts"]} == {"gadget", "inner"}
    assert {artifact["bound_by"] for artifact in result.report["artifacts"]} == {"client-lock"}
    guarded = modules(stage.project), (stage.project / "pnpm-lock.yaml").read_bytes()
    assert stage.addresses_left() == []
    shutil.rmtree(stage.project / "node_modules")
    (stage.project / "pnpm-lock.yaml").unlink()
    assert stage.run("pnpm", "install").status == 0
    assert guarded == (modules(stage.project), (stage.project / "pnpm-lock.yaml").read_bytes())


def test_a_blocked_package_changes_nothing(make_stage: MakeStage, world: World) -> None:
    publish(world)
    stage = make_stage()
    publish_evil(world, stage.canary)
    stage.write("guard.toml", POLICY)
    before = stage.tree()
    result = stage.run_guard("pnpm", "add", "evil")
    assert (result.status, "provenance-missing" in result.rules("block")) == (10, True), result.stderr
    assert stage.tree() == before
    assert not stage.canary.exists()


@pytest.mark.parametrize(
    "version",
    [
        NEWEST,
        pytest.param(MIDDLE, marks=pytest.mark.campaign(1000)),
        pytest.param(OLDEST, marks=pytest.mark.campaign(1000)),
    ],
)
def test_pnpm_itself_refuses_bytes_that_the_lock_does_not_name(
    make_stage: MakeStage, world: World, version: str
) -> None:
    publish(world)
    stage = make_stage(version)
    assert stage.run("pnpm", "install", "--lockfile-only").status == 0
    shutil.rmtree(stage.home / ".local", ignore_errors=True)
    shutil.rmtree(stage.home / ".cache", ignore_errors=True)
    honest = world.npm._package("inner")
    assert honest is not None
    listed = honest.versions["1.0.0"]
    world.npm.remove("inner", "1.0.0")
    world.npm.add(
        make_tarball("inner", "1.0.0", files={"more.js": "1\n"}), integrity=listed.integrity, shasum=listed.shasum
    )
    result = stage.run_guard("pnpm", *_FROZEN)
    assert result.report["verdict"] == "allow", result.stderr
    assert result.status not in (0, 10, 11)
    assert not (stage.project / "node_modules" / "gadget").exists()


@pytest.mark.campaign(1000)
@pytest.mark.parametrize("version", [OLDEST, MIDDLE, NEWEST])
def test_adding_updating_and_removing(make_stage: MakeStage, world: World, version: str) -> None:
    publish(world)
    world.publish_npm("@acme/extra", "1.0.0")
    stage = make_stage(version)
    assert stage.run_guard("pnpm", "add", "-D", "@acme/extra").status == 0
    assert json.loads((stage.project / "package.json").read_text())["devDependencies"] == {"@acme/extra": "^1.0.0"}
    assert (stage.project / "node_modules" / "@acme" / "extra").exists()
    world.publish_npm("inner", "1.1.0")
    assert stage.run_guard("pnpm", "update").status == 0
    assert "inner@1.1.0" in (stage.project / "pnpm-lock.yaml").read_text()
    assert stage.run_guard("pnpm", "remove", "@acme/extra").status == 0
    assert not (stage.project / "node_modules" / "@acme" / "extra").exists()
    assert stage.addresses_left() == []


@pytest.mark.campaign(1000)
def test_a_store_that_was_changed_is_not_installed_from(make_stage: MakeStage, world: World) -> None:
    publish(world)
    stage = make_stage()
    assert stage.run_guard("pnpm", "install").status == 0
    before = modules(stage.project)
    store = stage.home / ".local" / "share" / "pnpm" / "store"
    changed = [path for path in store.rglob("*") if path.is_file() and b"module.exports" in path.read_bytes()]
    assert changed
    for path in changed:
        content = path.read_bytes() + b"changed()\n"
        path.unlink()  # the installed copies are links to the same file
        path.write_bytes(content)
    shutil.rmtree(stage.project / "node_modules")
    assert stage.run_guard("pnpm", *_FROZEN).status == 0
    assert modules(stage.project) == before


@pytest.mark.campaign(12)
@pytest.mark.parametrize(
    "line",
    [
        "pnpm dlx gadget",
        "pnpm create thing",
        "pnpm env use 20",
        "pnpm -C . install",
        "pnpm install --lockfile-dir ..",
        "pnpm install --global gadget",
        "pnpm add github:acme/gadget",
        "pnpm add ./folder",
        "pnpm add https://registry.example/gadget.tgz",
        "pnpm self-update",
        "pnpm patch gadget",
        "pnpm build",
    ],
)
def test_what_cannot_be_guarded_is_refused_with_a_line_to_use(make_stage: MakeStage, world: World, line: str) -> None:
    result = make_stage().run_guard(*line.split())
    assert (result.status, result.rules()) == (10, {"command-not-guarded"}), result.stderr
    assert "next: " in result.stderr
    assert world.npm.requests == []


@pytest.mark.campaign(12)
@pytest.mark.parametrize("setting", ["configDependencies: {x: 1.0.0}", "useNodeVersion: 20.0.0", "lockfileDir: .."])
def test_settings_that_lead_past_the_lock_are_refused(make_stage: MakeStage, world: World, setting: str) -> None:
    stage = make_stage()
    stage.write("pnpm-workspace.yaml", f"packages: ['.']\n{setting}\n")
    result = stage.run_guard("pnpm", "install")
    assert (result.status, result.rules()) == (10, {"command-not-guarded"}), result.stderr
    assert world.npm.requests == []


@pytest.mark.campaign(1000)
def test_scripts_of_the_project_pass_through(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.write("package.json", json.dumps({"name": "project", "version": "1.0.0", "scripts": {"say": "echo said"}}))
    result = stage.run_guard("pnpm", "run", "say")
    assert (result.status, result.report) == (0, {})
    assert "said" in result.stdout


@pytest.mark.campaign(1000)
def test_no_other_pnpm_is_fetched_whatever_the_project_names(make_stage: MakeStage, world: World) -> None:
    publish(world)
    world.publish_npm("pnpm", "10.0.0")
    stage = make_stage()
    manifest = {"name": "project", "version": "1.0.0", "packageManager": "pnpm@10.0.0", "scripts": {"say": "echo said"}}
    stage.write("package.json", json.dumps({**manifest, "dependencies": {"gadget": "^1.0.0"}}))
    assert stage.run_guard("pnpm", "install").status == 0
    assert "said" in stage.run_guard("pnpm", "run", "say").stdout
    assert not [request.path for request in world.npm.requests if request.path.startswith("/pnpm/-/")]

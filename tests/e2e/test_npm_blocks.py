"""What is allowed and what is refused for its bytes, its evidence and its place in the tree, with the real npm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.npm_environment import NEWEST_NPM, OLDEST_NPM, NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked, write_published
from tests.e2e.refusals import blocked_by, canary_of, npm_refused
from tests.sim import npm_documents
from tests.sim.documents import JsonObject
from tests.sim.faults import Fault
from tests.sim.npm_documents import RegistryKey
from tests.sim.npm_packages import make_tarball
from tests.sim.packuments import integrity_of
from tests.sim.sigstore import Defect
from tests.sim.world import PublishedNpm, World, maintainer_of

# Every way in which a bundle can fail, but for those with a rule or a state of their own.
NOT_MERELY_INVALID = {Defect.V1_V2_ISSUER_CONFLICT, Defect.NO_INCLUSION_PROOF}
HOOKS = ("preinstall", "install", "postinstall")
ROOT_HOOKS = (*HOOKS, "prepublish", "preprepare", "prepare", "postprepare")
ELSEWHERE = {"os": ["aix"]}


@pytest.fixture(params=[NEWEST_NPM, OLDEST_NPM])
def either(
    request: pytest.FixtureRequest, make_npm_environment: Callable[..., NpmEnvironment], world: World
) -> NpmEnvironment:
    """An environment with the newest npm, and one with the oldest."""
    environment = make_npm_environment(npm_version=request.param, registry=world.npm.url)
    environment.trust_root = world.trusted_root_path
    return environment


def policy(target: NpmEnvironment, text: str) -> tuple[str, str]:
    """Write a policy and return the options that name it."""
    path = target.root / "ci-guard.toml"
    path.write_text(f"version = 1\n{text}")
    return "--policy", str(path)


def singing(target: NpmEnvironment, name: str, version: str = "1.0.0", **package: object) -> bytes:
    """Return a package of which every install script sings."""
    return make_tarball(name, version, canary=canary_of(target), hooks=HOOKS, **package)  # type: ignore[arg-type]


def root_scripts(target: NpmEnvironment) -> dict[str, str]:
    return {hook: f"echo {hook} project >> {canary_of(target)}" for hook in ROOT_HOOKS}


def states(report: JsonObject) -> dict[str, str]:
    return {artifact["name"]: artifact["provenance"] for artifact in report["artifacts"]}


def publish_choir(target: NpmEnvironment, world: World, *, leaf: Defect | None) -> dict[str, object]:
    """Publish a tree of every kind of dependency, all of which sing, and return the members of a package.json.

    Args:
        target: where the canary is.
        world: where it is published.
        leaf: what is wrong with the deepest package.
    """
    world.upload_npm(singing(target, "leaf"), attested=True, defect=leaf)
    world.upload_npm(singing(target, "deep", dependencies={"leaf": "^1.0.0"}))
    world.upload_npm(singing(target, "@acme/scoped", dependencies={"deep": "^1.0.0"}), attested=True)
    world.upload_npm(singing(target, "real"))
    world.upload_npm(singing(target, "wanted"))
    world.upload_npm(singing(target, "unwanted", manifest_overrides=ELSEWHERE))
    world.upload_npm(singing(target, "peer"))
    world.upload_npm(singing(target, "holder", bundled={"inner": singing(target, "inner")}, peer={"peer": "1"}))
    return {
        "dependencies": {"@acme/scoped": "^1.0.0", "other-name": "npm:real@^1.0.0", "holder": "1.0.0"},
        "optionalDependencies": {"wanted": "1.0.0", "unwanted": "1.0.0"},
        "scripts": root_scripts(target),
    }


# Trees.


def test_a_tree_of_every_kind_of_dependency_is_installed_with_its_scripts(either: NpmEnvironment, world: World) -> None:
    either.manifest(**publish_choir(either, world, leaf=None))
    result = either.guard("install")
    assert (result.status, result.report["verdict"]) == (0, "allow"), result.stderr
    tops = ("@acme/scoped", "deep", "leaf", "other-name", "holder", "wanted", "peer")
    assert either.installed() == dict.fromkeys([*tops, "holder/node_modules/inner"], "1.0.0")
    found = states(result.report)
    assert found["leaf"] == found["@acme/scoped"] == "verified"
    assert found["deep"] == found["real"] == "absent"
    assert "unwanted" not in found
    assert result.rules("block", "undecided", "warn") == set()
    singers = ("leaf", "deep", "@acme/scoped", "real", "wanted", "peer", "holder", "inner")
    expected = {f"{hook} {name}" for hook in HOOKS for name in singers} | {f"{hook} project" for hook in ROOT_HOOKS}
    assert set(canary_of(either).read_text().splitlines()) == expected


@pytest.mark.parametrize("command", ["install", "ci"])
def test_nothing_sings_anywhere_in_the_tree_of_what_is_refused(
    npm_target: NpmEnvironment, world: World, command: str
) -> None:
    npm_target.manifest(**publish_choir(npm_target, world, leaf=Defect.SIGNATURE_CORRUPT))
    if command == "ci":
        assert npm_target.npm("install", "--package-lock-only").status == 0
    result = npm_refused(npm_target, command, rules={"provenance-invalid"})
    blocked = {name for name, rules in blocked_by(result).items() if rules}
    assert blocked == {"leaf"}

"""What npm is offered: the newest release that passes, and a refusal that names the rule where none does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked
from tests.e2e.refusals import npm_refused, policy_file
from tests.sim.npm import NpmSimulator
from tests.sim.npm_packages import make_tarball
from tests.sim.world import World

# All but the first questions are a campaign.
pytestmark = [pytest.mark.e2e, pytest.mark.campaign(5)]

YOUNG = timedelta(hours=1)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def ago(age: timedelta) -> datetime:
    return datetime.now(timezone.utc) - age


def policy(target: NpmEnvironment, world: World, *lines: str) -> tuple[str, ...]:
    """Return the options of a policy by which the simulated registry tells ages."""
    text = "\n".join(["[policy]", f'min-age-registries = ["{world.npm.url}"]', *lines])
    return policy_file(target, text)


def publish_ages(world: World, *, young: str = "1.1.0") -> None:
    world.publish_npm("anvil", "1.0.0")
    world.publish_npm("anvil", young, published_at=ago(YOUNG))
    world.npm.touch("anvil", ago(YOUNG))


def held_back(report: dict[str, object]) -> set[tuple[str, str]]:
    entries = report["held_back"]
    assert isinstance(entries, list)
    return {(entry["purl"], entry["rule"]) for entry in entries}


def test_the_newest_release_that_is_old_enough(either_npm: NpmEnvironment, world: World) -> None:
    publish_ages(world)
    either_npm.manifest(dependencies={})
    result = either_npm.guard("install", "anvil", options=policy(either_npm, world))
    assert result.status == 0, result.stderr
    assert either_npm.installed() == {"anvil": "1.0.0"}
    assert held_back(result.report) == {("pkg:npm/anvil@1.1.0", "release-too-new")}
    assert "held back: pkg:npm/anvil@1.1.0 (release-too-new)" in result.stderr


@pytest.mark.campaign(1)
def test_a_requirement_that_nothing_on_offer_meets(npm_target: NpmEnvironment, world: World) -> None:
    publish_ages(world, young="2.0.0")
    world.publish_npm("user", "1.0.0", dependencies={"anvil": "^2.0.0"})
    npm_target.manifest(dependencies={"user": "1.0.0"})
    result = npm_refused(npm_target, "install", rules={"release-too-new"}, options=policy(npm_target, world))
    assert "ETARGET" not in result.stderr
    assert held_back(result.report) == {("pkg:npm/anvil@2.0.0", "release-too-new")}


def test_a_failure_that_nothing_held_back_explains_stays_npms_own(npm_target: NpmEnvironment, world: World) -> None:
    publish_ages(world)
    npm_target.manifest(dependencies={"anvil": "^3.0.0"})
    result = npm_target.guard("install", options=policy(npm_target, world))
    assert (result.status, result.report["verdict"]) == (1, "allow"), result.stderr
    assert "ETARGET" in result.stderr


@pytest.mark.parametrize("how", ["exact", "typed", "locked", "installed"])
def test_what_the_user_names_is_offered_and_noted(npm_target: NpmEnvironment, world: World, how: str) -> None:
    publish_ages(world)
    world.publish_npm("other", "1.0.0")
    npm_target.manifest(dependencies={"anvil": "1.1.0" if how == "exact" else "^1.0.0"})
    arguments = {"exact": [], "typed": ["anvil@1.1.0"], "locked": ["other"], "installed": ["other"]}[how]
    if how in ("locked", "installed"):
        only = ["--package-lock-only"] if how == "locked" else []
        assert npm_target.npm("install", "--registry", world.npm.url, *only).status == 0
    if how == "installed":
        (npm_target.project / "package-lock.json").unlink()
    result = npm_target.guard("install", *arguments, options=policy(npm_target, world))
    assert result.status == 0, result.stderr
    assert npm_target.installed()["anvil"] == "1.1.0"
    assert result.rules("block", "warn") == set()
    assert result.report["held_back"] == []


def test_releases_without_provenance_are_not_offered_where_it_is_required(
    npm_target: NpmEnvironment, world: World
) -> None:
    world.publish_npm("anvil", "1.0.0", attested=True)
    world.publish_npm("anvil", "1.1.0")
    npm_target.manifest(dependencies={"anvil": "^1.0.0"})
    result = npm_target.guard("install", options=policy(npm_target, world, 'provenance = "required"'))
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"anvil": "1.0.0"}
    assert held_back(result.report) == {("pkg:npm/anvil@1.1.0", "provenance-missing")}


@pytest.mark.parametrize(
    "spec", [f"git+https://git.example/acme/tool.git#{COMMIT}", "https://files.example/tool.tgz", "acme/tool"]
)
def test_releases_that_depend_on_a_refused_source_are_not_offered(
    npm_target: NpmEnvironment, world: World, spec: str
) -> None:
    world.publish_npm("anvil", "1.0.0")
    world.upload_npm(make_tarball("anvil", "1.1.0", dependencies={"tool": spec}))
    npm_target.manifest(dependencies={"anvil": "^1.0.0"})
    result = npm_target.guard("install", options=policy(npm_target, world))
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"anvil": "1.0.0"}
    assert held_back(result.report) == {("pkg:npm/anvil@1.1.0", "source-not-allowed")}


def test_npx_names_the_rule_too(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("anvil", "1.0.0", published_at=ago(YOUNG))
    world.npm.touch("anvil", ago(YOUNG))
    npm_target.manifest()
    npm_refused(
        npm_target, "--yes", "anvil", program="npx", rules={"release-too-new"}, options=policy(npm_target, world)
    )


def test_a_deprecated_release_is_noted(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("anvil", "1.0.0", deprecated="use hammer")
    npm_target.manifest(dependencies={"anvil": "^1.0.0"})
    result = npm_target.guard("install")
    assert (result.status, result.rules("note")) == (0, {"yanked"}), result.stderr


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("slsa-level = 3", "slsa-level"),
        ('runner = ["self-hosted"]', "runner-not-accepted"),
        ('triggers-denied = ["push"]', "trigger-denied"),
    ],
)
def test_how_a_release_was_built(npm_target: NpmEnvironment, world: World, setting: str, rule: str) -> None:
    world.publish_npm("anvil", "1.0.0", attested=True)
    npm_target.manifest(dependencies={"anvil": "1.0.0"})
    npm_refused(npm_target, "install", rules={rule}, options=policy(npm_target, world, setting))


def test_a_lock_that_takes_a_scope_from_the_public_registry(npm_target: NpmEnvironment, world: World) -> None:
    """Dependency confusion: a squatter has the name of a private package on the registry for everybody."""
    squatted = world.publish_npm("@acme/tool", "1.0.0", scripts={"postinstall": "exit 1"})
    with NpmSimulator(prefix="/private") as private:
        private.keys = world.npm.keys
        world.publish_npm("@acme/tool", "1.0.0", registry=private)
        npm_target.configure(f"@acme:registry={private.url}", level="project")
        entries = {"@acme/tool": entry_of(squatted, world.npm)}
        write_locked(npm_target, entries, dependencies={"@acme/tool": "^1.0.0"})
        npm_refused(npm_target, "ci", rules={"hash-mismatch"})
        assert not [request for request in world.npm.requests if "acme" in request.path]
        (npm_target.project / "package-lock.json").unlink()
        result = npm_target.guard("install")
    assert result.status == 0, result.stderr
    assert not [request for request in world.npm.requests if "acme" in request.path]
    assert npm_target.installed() == {"@acme/tool": "1.0.0"}

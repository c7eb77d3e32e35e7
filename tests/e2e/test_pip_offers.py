"""What pip is offered: the newest release that passes, and a refusal that names the rule where none does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.e2e.conftest import Environment
from tests.e2e.refusals import guard_refused, install_refused, lock_publisher
from tests.sim.packages import make_sdist
from tests.sim.world import World, maintainer_of

# All but the first questions are a campaign.
pytestmark = [pytest.mark.e2e, pytest.mark.campaign(5)]

YOUNG = timedelta(hours=1)


def ago(age: timedelta) -> datetime:
    return datetime.now(timezone.utc) - age


def policy_of(folder: Path, *lines: str) -> tuple[str, str]:
    path = folder / "ci-guard.toml"
    path.write_text("\n".join(["version = 1", "[policy]", *lines]) + "\n")
    return "--policy", str(path)


def believing(target: Environment) -> str:
    """Return the line that makes the simulated index tell ages."""
    return f'min-age-registries = ["{target.index_url}"]'


def held_back(report: dict[str, object]) -> set[tuple[str, str]]:
    entries = report["held_back"]
    assert isinstance(entries, list)
    return {(entry["purl"], entry["rule"]) for entry in entries}


def test_the_newest_release_that_is_old_enough(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0", upload_time=ago(YOUNG))
    result = target.install("widget", options=policy_of(tmp_path, believing(target)))
    assert result.status == 0, result.stderr
    assert target.installed() == {"widget": "1.0.0"}
    assert held_back(result.report) == {("pkg:pypi/widget@1.1.0", "release-too-new")}
    assert "held back: pkg:pypi/widget@1.1.0 (release-too-new)" in result.stderr
    [entry] = result.report["held_back"]
    assert entry["until"] > datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.campaign(1)
def test_a_requirement_that_nothing_on_offer_meets(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0")
    world.publish("widget", "2.0.0", upload_time=ago(YOUNG))
    world.publish("user", "1.0.0", requires=["widget>=2"])
    result = install_refused(target, "user", rules={"release-too-new"}, options=policy_of(tmp_path, believing(target)))
    assert "No matching distribution" not in result.stderr + result.stdout
    assert held_back(result.report) == {("pkg:pypi/widget@2.0.0", "release-too-new")}


def test_a_failure_that_nothing_held_back_explains_stays_pips_own(
    target: Environment, world: World, tmp_path: Path
) -> None:
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0", upload_time=ago(YOUNG))
    result = target.install("widget>=3", options=policy_of(tmp_path, believing(target)))
    assert result.status == 1
    assert result.report["verdict"] == "allow"
    assert "No matching distribution" in result.stderr


@pytest.mark.parametrize("how", ["exact", "constraint", "installed"])
def test_what_the_user_names_is_offered_and_noted(target: Environment, world: World, tmp_path: Path, how: str) -> None:
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0", upload_time=ago(YOUNG))
    (target.project / "pins.txt").write_text("widget==1.1.0\n")
    arguments = {
        "exact": ["widget==1.1.0"],
        "constraint": ["widget", "-c", "pins.txt"],
        "installed": ["--force-reinstall", "widget"],
    }[how]
    if how == "installed":
        assert target.install("widget==1.1.0").status == 0
    result = target.install(*arguments, options=policy_of(tmp_path, believing(target)))
    assert result.status == 0, result.stderr
    assert target.installed() == {"widget": "1.1.0"}
    assert result.rules("note") == {"release-too-new"}
    assert result.report["held_back"] == []


def test_an_index_without_times_passes_a_default_and_not_what_was_written(
    target: Environment, world: World, tmp_path: Path
) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.html_only = True
    written = policy_of(tmp_path, believing(target), 'min-age = "2d"')
    install_refused(target, "widget", rules={"release-too-new"}, options=written)
    result = target.install("widget", options=policy_of(tmp_path, believing(target)))
    assert (result.status, result.rules("note")) == (0, {"release-too-new"}), result.stderr
    assert "does not say when it took a file" in result.stderr


def test_releases_without_provenance_are_not_offered_where_it_is_required(
    target: Environment, world: World, tmp_path: Path
) -> None:
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0", attested=False)
    result = target.install("widget", options=policy_of(tmp_path, 'provenance = "required"'))
    assert result.status == 0, result.stderr
    assert target.installed() == {"widget": "1.0.0"}
    assert held_back(result.report) == {("pkg:pypi/widget@1.1.0", "provenance-missing")}
    refused = policy_of(tmp_path, 'provenance = "required"')
    # Its release before had provenance, which says more than that this one has none.
    install_refused(target, "widget>1.0", rules={"provenance-stripped"}, options=refused)


def test_releases_without_provenance_are_not_offered_where_guard_lock_names_who_builds_them(
    target: Environment, world: World
) -> None:
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0", attested=False, provenance_flag=False)
    own = maintainer_of("widget").source_repository_identifier or ""
    lock_publisher(target.project, "pypi:widget", repository_id=own, digest=f"sha256:{'a' * 64}")
    result = target.install("widget")
    assert (result.status, target.installed()) == (0, {"widget": "1.0.0"}), result.stderr
    assert held_back(result.report) == {("pkg:pypi/widget@1.1.0", "provenance-stripped")}


def test_sdists_are_not_offered_where_they_are_blocked(target: Environment, world: World, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    world.publish("widget", "1.0.0")
    filename, content = make_sdist("widget", "1.1.0", canary=canary)
    world.upload(filename, content, identity=maintainer_of("widget"))
    blocked = policy_of(tmp_path, 'sdist = "block"')
    result = target.install("widget", options=blocked)
    assert result.status == 0, result.stderr
    assert target.installed() == {"widget": "1.0.0"}
    install_refused(target, "widget==1.1.0", rules={"sdist-not-allowed"}, options=blocked)
    assert not canary.exists()


def test_a_yanked_release_that_only_a_package_asks_for(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0", yanked="broken")
    world.publish("user", "1.0.0", requires=["widget==1.0.0"])
    result = install_refused(target, "user", rules={"yanked"})
    assert "was yanked: broken" in result.stderr
    named = target.install("user", "widget==1.0.0")
    assert (named.status, named.rules("warn")) == (0, {"yanked"}), named.stderr


def test_download_names_the_rule_too(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0", upload_time=ago(YOUNG))
    assert target.index_url
    guard_refused(
        target,
        *("pip", "download", "--index-url", target.index_url, "widget"),
        rules={"release-too-new"},
        options=policy_of(tmp_path, believing(target)),
    )


@pytest.mark.parametrize(
    ("setting", "rule", "level"),
    [
        ("slsa-level = 1", "slsa-level", "block"),
        ('runner = ["self-hosted"]', "runner-not-accepted", "block"),
        ('triggers-denied = ["push"]', "trigger-denied", "block"),
    ],
)
def test_how_a_release_was_built(
    target: Environment, world: World, tmp_path: Path, setting: str, rule: str, level: str
) -> None:
    world.publish("widget", "1.0.0")
    install_refused(target, "widget", rules={rule}, options=policy_of(tmp_path, setting))

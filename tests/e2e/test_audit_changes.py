"""``guard audit --changed-since``: only what a change brings is decided, by the rules as of its base."""

from __future__ import annotations

import json

import pytest

from tests.e2e.audit_stage import AuditStage, hashed, package_lock
from tests.sim.identity import Identity
from tests.sim.npm import NpmSimulator
from tests.sim.sigstore import Defect

EXCEPTION = (
    'version = 1\n[[exception]]\npackage = "pypi:a"\nrule = "provenance-invalid"\nreason = "no"\nexpires = 2099-01-01\n'
)
STRICT = 'version = 1\n[policy]\nprovenance = "required"\n'


def decided(report: dict[str, object]) -> list[str]:
    artifacts = report["artifacts"]
    assert isinstance(artifacts, list)
    return [f"{each['name']} {each['version']}" for each in artifacts]


def test_only_what_is_new_or_different_is_decided_and_the_rest_is_listed(stage: AuditStage) -> None:
    world = stage.world
    kept = world.publish_npm("kept", "1.0.0", attested=True, defect=Defect.SIGNATURE_CORRUPT)
    old, new = world.publish_npm("widget", "1.0.0", attested=True), world.publish_npm("widget", "1.1.0", attested=True)
    added = world.publish_npm("added", "1.0.0")
    stage.write("package-lock.json", package_lock(kept, old, url=world.npm.url))
    base = stage.commit()
    stage.write("package-lock.json", "\n" + package_lock(added, kept, new, url=world.npm.url))
    result = stage.audit("--changed-since", "HEAD")
    assert result.status == 0, result.stderr
    assert decided(result.report) == ["added 1.0.0", "widget 1.1.0"]
    assert [(left["purl"], left["reason"]) for left in result.report["not_decided"]] == [
        ("pkg:npm/kept@1.0.0", "it is as it was at the base")
    ]
    assert result.report["run"]["since"] == base
    assert "guard: new: added@1.0.0: published by nobody who says so" in result.stderr
    assert "guard: changed: 1 with the publisher that they had" in result.stderr
    assert not [request for request in world.npm.requests if "kept" in request.path]


def test_another_publisher_is_said_with_the_one_before(stage: AuditStage) -> None:
    world = stage.world
    old = world.publish("widget", "1.0.0")
    thief = Identity.github(repository="thief/widget", ref="refs/tags/v1.1.0", repository_id="666", owner_id="667")
    new = world.publish("widget", "1.1.0", identity=thief)
    lost = world.publish("widget", "1.2.0", attested=False, provenance_flag=False)
    stage.write("requirements.txt", hashed(old))
    stage.commit()
    for version, said in ((new, "https://github.com/thief/widget"), (lost, "nobody who says so")):
        stage.write("requirements.txt", hashed(version))
        result = stage.audit("--changed-since", "HEAD")
        line = next(line for line in result.stderr.splitlines() if "publisher changed" in line)
        assert "before 1.0.0: https://github.com/acme/widget" in line
        assert said in line.partition(" -> ")[2]
        (artifact,) = result.report["artifacts"]
        assert artifact["previous"]["version"] == "1.0.0"
        assert artifact["previous"]["identity"]["repository"] == "https://github.com/acme/widget"


def test_a_change_of_the_lock_and_of_the_policy_together_is_judged_by_the_policy_before(stage: AuditStage) -> None:
    world = stage.world
    old, new = world.publish("widget", "1.0.0"), world.publish("widget", "1.1.0", attested=False)
    stage.write("guard.toml", STRICT)
    stage.write("requirements.txt", hashed(old))
    stage.commit()
    stage.write("guard.toml", STRICT.replace("required", "optional"))
    stage.write("requirements.txt", hashed(new))
    assert stage.audit().status == 0
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, result.rules("block")) == (10, {"provenance-stripped", "policy-loosened"})
    loosened = next(finding for finding in result.report["findings"] if finding["level"] == "block")
    assert (loosened["rule"], loosened["location"]["line"]) == ("policy-loosened", 3)
    result = stage.audit("--changed-since", "HEAD", "--accept-identity-changes")
    assert (result.status, result.rules("block")) == (10, {"provenance-stripped"})
    stage.write("requirements.txt", hashed(old))
    assert stage.audit("--changed-since", "HEAD").status == 10
    assert stage.audit("--changed-since", "HEAD", "--accept-identity-changes").status == 0


@pytest.mark.parametrize(
    ("before", "after", "is_looser"),
    [
        (STRICT, None, True),
        (STRICT, "version = 1\n", True),
        ("version = 1\n", STRICT, False),
        (None, STRICT, False),
        (STRICT, f"# a remark\n{STRICT}", False),
        (None, 'version = 1\n[policy]\nhashes = "warn"\n', True),
        (STRICT, STRICT + '[[package]]\nname = "pypi:widget"\nprovenance = "optional"\n', True),
        ("version = 1\n", STRICT + '[[package]]\nname = "pypi:widget"\nprovenance = "no-downgrade"\n', False),
        (None, 'version = 1\n[sigstore]\ntrust-root = "root.json"\n', True),
        (
            None,
            EXCEPTION,
            True,
        ),
    ],
)
def test_what_a_change_of_the_policy_loosens(
    stage: AuditStage, before: str | None, after: str | None, *, is_looser: bool
) -> None:
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0")))
    if before is not None:
        stage.write("guard.toml", before)
    stage.commit()
    (stage.project / "guard.toml").unlink(missing_ok=True)
    if after is not None:
        stage.write("guard.toml", after)
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, "policy-loosened" in result.rules("block")) == ((10, True) if is_looser else (0, False))


def test_the_order_of_patterns_is_compared_by_what_it_comes_to(stage: AuditStage) -> None:
    first = '[[package]]\nname = "pypi:wid*"\nprovenance = "required"\n'
    second = '[[package]]\nname = "pypi:*get"\nprovenance = "no-downgrade"\n'
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0")))
    stage.write("guard.toml", f"version = 1\n{second}{first}")
    stage.commit()
    stage.write("guard.toml", f"version = 1\n{first}{second}")  # the same entries, and the last one wins
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, result.rules("block")) == (10, {"policy-loosened"})
    (finding,) = [each for each in result.report["findings"] if each["rule"] == "policy-loosened"]
    assert finding["message"] == "provenance of pypi:widget 1.0.0 is looser than as of the base"
    assert finding["location"]["line"] == 7
    stage.write("guard.toml", f"version = 1\n{first.replace('wid*', 'gadget')}{second}")
    stage.commit()
    stage.write("guard.toml", f"version = 1\n{second}{first.replace('wid*', 'gadget')}")
    assert stage.audit("--changed-since", "HEAD").status == 0  # nothing that is locked is of both


def test_other_registries_make_everything_new(stage: AuditStage) -> None:
    world = stage.world
    widget = world.publish_npm("widget", "1.0.0")
    stage.write("package-lock.json", package_lock(widget, url=world.npm.url))
    stage.write("requirements.txt", hashed(world.publish("widget", "1.0.0")))
    stage.commit()
    with NpmSimulator() as evil:
        evil.keys = world.npm.keys
        world.publish_npm("widget", "1.0.0", registry=evil)
        stage.write(".npmrc", f"registry={evil.url}\n")
        stage.write(
            "requirements.txt", f"-i {world.pypi.simple_url}\n" + (stage.project / "requirements.txt").read_text()
        )
        result = stage.audit("--changed-since", "HEAD")
    assert result.status == 10
    places = {each["location"]["path"] for each in result.report["findings"] if each["rule"] == "policy-loosened"}
    assert places == {"package-lock.json", "requirements.txt"}
    assert len(result.report["artifacts"]) == 2


def test_hashes_that_are_gone_block(stage: AuditStage) -> None:
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0")))
    stage.commit()
    stage.write("requirements.txt", "widget==1.0.0\n")
    assert stage.audit().status == 0
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, result.rules("block")) == (10, {"hash-missing"})


def test_a_new_lock_and_one_that_could_not_be_read_before_are_decided(stage: AuditStage) -> None:
    widget = stage.world.publish_npm("widget", "1.0.0")
    stage.write("old/package-lock.json", "{")
    stage.commit()
    for folder in ("old", "new"):
        stage.write(f"{folder}/package-lock.json", package_lock(widget, url=stage.world.npm.url))
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, decided(result.report)) == (0, ["widget 1.0.0", "widget 1.0.0"])


@pytest.mark.parametrize("revision", ["nothing", "--output=x", "HEAD:requirements.txt", ""])
def test_what_is_no_revision_ends_with_2(stage: AuditStage, revision: str) -> None:
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0")))
    result = stage.audit(f"--changed-since={revision}")
    assert (result.status, result.report) == (2, {})
    stage.commit()
    assert stage.audit(f"--changed-since={revision}").status == 2
    assert not (stage.project / "x").exists()


def test_several_formats_are_written_at_once(stage: AuditStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)))
    summary = stage.root / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    arguments = ("--format", "sarif", "-o", "a.sarif", "--format", "junit", "-o", "a.xml", "--format", "github")
    result = stage.audit(*arguments)
    assert result.status == 10
    assert result.stdout.startswith("::error ")
    sarif = json.loads((stage.project / "a.sarif").read_text())
    place = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("requirements.txt", 1)
    assert "<testsuite" in (stage.project / "a.xml").read_text()
    assert summary.read_text().startswith("before\n### guard")
    assert stage.audit("--format", "json", "--format", "junit").status == 2
    assert stage.audit("-o", "a.json").status == 2

"""``guard explain`` against simulated registries: what users read, what programs read, and that printed lines hold."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from guard import limits
from guard.policy.schema import parse_policy
from tests.e2e.audit_stage import AuditStage, hashed
from tests.e2e.surroundings import REPORT_VALIDATOR, Result
from tests.sim.faults import Fault
from tests.sim.identity import Identity
from tests.sim.npm_packages import make_tarball
from tests.sim.packages import make_sdist
from tests.sim.sigstore import Defect
from tests.sim.world import Published, maintainer_of

TEXTS = Path(__file__).parent / "explained"
FOREIGN = Identity.github(repository="mallory/widget", ref="refs/tags/v1.1.0", repository_id="666", owner_id="66")


def explain(stage: AuditStage, spec: str, *arguments: str, policy: str = "") -> Result:
    """Explain with a policy that believes the simulated registries' times."""
    registries = json.dumps([stage.world.pypi.simple_url, stage.world.npm.url])
    stage.write("guard.toml", f"version = 1\n[policy]\nmin-age-registries = {registries}\n{policy}")
    result = stage.audit(spec, *arguments, command=("explain",))
    assert len(result.report["artifacts"]) == 1 if result.report else result.status == 2
    return result


def explained(stage: AuditStage, spec: str, *, policy: str = "") -> dict[str, Any]:
    """Return the JSON of an explanation, valid."""
    report: dict[str, Any] = json.loads(explain(stage, spec, "--format", "json", policy=policy).stdout)
    REPORT_VALIDATOR.validate(report)
    explanation: dict[str, Any] = report.pop("explanation")
    assert report["artifacts"] == stage.audit(spec, command=("explain",)).report["artifacts"]
    return explanation


def rules_of(explanation: dict[str, Any], outcome: str) -> list[str]:
    return [each["rule"] for each in explanation["rules"] if each["outcome"] == outcome]


def rules_that_block(result: Result) -> list[str]:
    findings = result.report["artifacts"][0]["findings"]
    return [each["rule"] for each in findings if each["level"] == "block"]


def recent(**ago: int) -> datetime:
    return datetime.now(timezone.utc) - timedelta(**ago)


def as_read(stage: AuditStage, text: str) -> str:
    """Return what a user reads with what differs from run to run written in one way."""
    world = stage.world
    for url, name in ((world.pypi.simple_url, "https://pypi.example/simple/"), (world.npm.url, "https://npm.example/")):
        text = text.replace(url, name).replace(url.rstrip("/"), name.rstrip("/"))
    text = text.replace(f"{stage.project}/", "")
    text = re.sub(r"log index \d+", "log index 7", text)
    text = re.sub(r"sha(256|512):[0-9a-f]+", r"sha\1:abc…", text)
    return re.sub(r"expires = \S+", "expires = 2026-12-31", text)


def expect(stage: AuditStage, name: str, result: Result) -> None:
    assert as_read(stage, result.stdout) == (TEXTS / f"{name}.txt").read_text(encoding="utf-8"), result.stdout


def test_a_release_that_is_attested(stage: AuditStage) -> None:
    world = stage.world
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0")
    world.upload(*make_sdist("widget", "1.1.0"), identity=maintainer_of("widget", "1.1.0"), attested=False)
    result = explain(stage, "pypi:Widget==1.1")
    assert result.status == 0
    assert result.stderr == "guard: allowed — 1 file: 1 verified\n"
    expect(stage, "attested", result)
    assert not [request for request in world.pypi.requests if request.path.endswith((".whl", ".tar.gz"))]


def test_an_npm_release_that_is_attested(stage: AuditStage) -> None:
    stage.world.publish_npm("@acme/gadget", "1.0.0", attested=True)
    stage.world.publish_npm("@acme/gadget", "1.1.0", scripts={"postinstall": "true"})
    result = explain(stage, "npm:@acme/gadget@1.0.0")
    assert (result.status, result.report["verdict"]) == (0, "allow")
    expect(stage, "attested_npm", result)
    lost = explain(stage, "npm:@acme/gadget@1.1.0")
    assert lost.status == 0
    expect(stage, "lost_npm", lost)


def test_a_young_release_by_another_publisher_is_blocked_where_a_resolver_chooses_it(stage: AuditStage) -> None:
    stage.world.publish("widget", "1.0.0")
    stage.world.publish("widget", "1.1.0", identity=FOREIGN, upload_time=recent(days=2))
    chosen = explain(stage, "pypi:widget")
    assert chosen.status == 10
    shown = re.sub(r"20\d\d-[\d-]+ [\d:]+ UTC", "2026-06-01 12:00:00 UTC", chosen.stdout)
    shown = re.sub(r"out since [\d-]+", "out since 2026-06-01", shown)
    expect(stage, "another_publisher", Result(10, shown, "", {}))
    assert explain(stage, "pypi:widget==1.1.0").status == 0  # whoever names it is warned
    explanation = explained(stage, "pypi:widget")
    entry = explanation["guard_lock"]["entry"]
    assert entry["verdict"] == "allow"
    assert explanation["guard_toml"]["pin"]["verdict"] == "allow"
    stage.write("guard.lock", f"version = 1\n{entry['lines']}")
    accepted = explain(stage, "pypi:widget")
    assert (accepted.status, accepted.report["artifacts"][0]["verdict"]) == (0, "allow")
    assert "guard.lock has an entry of this package\n" in accepted.stdout
    assert "published as guard.lock records" in accepted.stdout


@pytest.mark.parametrize("ecosystem", ["pypi", "npm"])
def test_what_a_resolver_is_not_offered_is_said(stage: AuditStage, ecosystem: str) -> None:
    world = stage.world
    for version, age in (("1.0.0", timedelta(days=90)), ("1.1.0", timedelta(hours=2)), ("2.0.0", timedelta(hours=1))):
        moment = datetime.now(timezone.utc) - age
        world.publish("widget", version, upload_time=moment)
        world.publish_npm("widget", version, attested=True, published_at=moment)
    result = explain(stage, f"{ecosystem}:widget")
    artifact = result.report["artifacts"][0]
    assert (result.status, artifact["version"]) == (0, "1.0.0")
    assert [each["purl"].rpartition("@")[2] for each in result.report["held_back"]] == ["1.1.0", "2.0.0"]
    assert result.stdout.count("held back") == 2
    assert "newest release that a resolver is offered" in result.stdout
    assert explain(stage, f"{ecosystem}:widget==2.0.0".replace("==", "==" if ecosystem == "pypi" else "@")).status == 0
    nothing = explain(stage, f"{ecosystem}:widget", policy='min-age = "200d"\n')
    assert (nothing.status, nothing.report["artifacts"][0]["findings"][0]["rule"]) == (10, "release-too-new")
    assert nothing.stdout.count("held back") == 3
    assert explained(stage, f"{ecosystem}:widget", policy='min-age = "200d"\n')["rules"] == []


def test_pre_releases_and_releases_taken_back_are_not_chosen(stage: AuditStage) -> None:
    world = stage.world
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0", yanked="broken")
    world.publish("widget", "2.0.0rc1")
    world.publish("widget", "3.0.0", requires_python=">=4")
    for version, tag in (("1.0.0", "latest"), ("2.0.0-rc.1", "next"), ("1.0.1", None)):
        world.publish_npm("widget", version, attested=True, tag=tag)
    for spec in ("pypi:widget", "npm:widget"):
        assert explain(stage, spec).report["artifacts"][0]["version"] == "1.0.0", spec


def test_where_latest_is_held_back_npm_takes_the_highest_that_is_left(stage: AuditStage) -> None:
    world = stage.world
    world.publish_npm("widget", "0.9.0", attested=True)
    world.publish_npm("widget", "1.0.0", attested=True, deprecated="use 0.9")
    world.publish_npm("widget", "2.0.0", attested=True, published_at=recent(hours=1))
    assert explain(stage, "npm:widget").report["artifacts"][0]["version"] == "0.9.0"


def test_a_requirement_on_the_interpreter_that_cannot_be_read_is_none(stage: AuditStage) -> None:
    stage.world.publish("widget", "1.0.0", requires_python="whatever")
    assert explain(stage, "pypi:widget").report["artifacts"][0]["version"] == "1.0.0"


def test_where_nothing_can_be_installed_here(stage: AuditStage) -> None:
    stage.world.publish("widget", "1.0.0", requires_python=">=4")
    result = explain(stage, "pypi:widget")
    assert (result.status, "no release that is listed can be installed here" in result.stdout) == (10, True)


def test_a_build_level_that_is_asked_for(stage: AuditStage) -> None:
    stage.world.publish_npm("widget", "1.0.0", attested=True)
    asked = explained(stage, "npm:widget@1.0.0", policy="slsa-level = 2\n")
    assert {"slsa-level", "provenance-missing"} <= set(rules_of(asked, "passes"))
    refused = explained(stage, "npm:widget@1.0.0", policy="slsa-level = 3\n")
    assert "slsa-level" in rules_of(refused, "blocks")
    assert refused["guard_toml"]["pin"] is None


def test_files_at_hand(stage: AuditStage) -> None:
    world = stage.world
    wheel = world.publish("widget", "1.0.0")
    sdist = world.upload(*make_sdist("widget", "1.0.0"), identity=maintainer_of("widget"))
    tarball = world.publish_npm("gadget", "1.0.0", attested=True)
    for name, content in ((wheel.filename, wheel.content), (sdist.filename, sdist.content), ("g.tgz", tarball.content)):
        stage.write(name, content)
        result = explain(stage, name)
        assert (result.status, result.report["artifacts"][0]["provenance"]) == (0, "verified"), result.stdout
        assert "hash-mismatch                   its hash is one that the registry lists" in result.stdout
    stage.write(wheel.filename, wheel.content + b"\0")
    stage.write("g.tgz", make_tarball("gadget", "1.0.0", scripts={"test": "true"}))
    for name in (wheel.filename, "g.tgz"):
        assert "blocks    hash-mismatch" in explain(stage, name).stdout
    for other in (make_sdist("unknown", "1.0.0"), make_sdist("widget", "7.0.0")):
        stage.write(*other)
        result = explain(stage, other[0])
        assert (result.status, rules_that_block(result)) == (10, ["hash-mismatch"])


@pytest.mark.parametrize(
    "spec", ["pypi:wid*", "pypi:", "npm:gadget@latest", "npm:.x", "no-such-file.whl", "notes.txt", "cargo:widget"]
)
def test_a_spec_that_names_nothing_is_a_usage_error(stage: AuditStage, spec: str) -> None:
    stage.write("notes.txt", "no package")
    result = explain(stage, spec)
    assert (result.status, result.stdout) == (2, "")


@pytest.mark.parametrize("spec", ["pypi:nothing", "pypi:nothing==1.0", "npm:nothing", "npm:nothing@1.0.0"])
def test_what_no_registry_has_is_blocked_and_what_cannot_be_asked_is_undecided(stage: AuditStage, spec: str) -> None:
    result = explain(stage, spec)
    assert result.status == 10
    assert "nothing to judge" not in result.stdout
    assert "look at the name and the version" in result.stdout
    stage.world.pypi.fault("page", Fault.FORBIDDEN)
    for kind in ("packument", "version"):
        stage.world.npm.fault(kind, Fault.FORBIDDEN)
    away = explain(stage, spec)
    assert away.status == 11
    assert "registry-unavailable" in away.stdout
    assert "[[" not in result.stdout + away.stdout


def test_a_release_that_its_project_does_not_have(stage: AuditStage) -> None:
    stage.world.publish("widget", "1.0.0")
    stage.world.publish_npm("widget", "1.0.0")
    for spec in ("pypi:widget==7", "npm:widget@7.0.0"):
        result = explain(stage, spec)
        assert result.status == 10
        assert "lists no such release" in result.stdout


def test_the_lines_that_are_printed_do_what_is_said_of_them(stage: AuditStage) -> None:
    world = stage.world
    world.publish("good", "1.0.0")
    world.publish("forged", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    world.publish("plain", "1.0.0", attested=False, provenance_flag=False)
    world.publish_npm("good", "1.0.0", attested=True)
    world.publish_npm("plain", "1.0.0")
    asked = 'provenance = "required"\n'
    before = {"pypi:good==1.0.0": 0, "pypi:forged==1.0.0": 10, "pypi:plain==1.0.0": 10, "npm:good@1.0.0": 0}
    for spec, status in {**before, "npm:plain@1.0.0": 10}.items():
        assert explain(stage, spec, policy=asked).status == status
        proposals = explained(stage, spec, policy=asked)["guard_toml"]
        assert (proposals["pin"] is None, proposals["exceptions"] is None) == (status != 0, status == 0)
        for proposal in filter(None, proposals.values()):
            parse_policy(f"version = 1\n{proposal['lines']}".encode(), path="guard.toml")
            after = explain(stage, spec, policy=asked + proposal["lines"])
            assert (after.status, after.report["artifacts"][0]["verdict"]) == (0, proposal["verdict"])
            shown = [line.removeprefix("  ") for line in explain(stage, spec, policy=asked).stdout.splitlines()]
            assert set(proposal["lines"].splitlines()) <= set(shown)


def test_what_an_audit_blocks_names_the_command_that_prints_the_lines(stage: AuditStage) -> None:
    plain = stage.world.publish("plain", "1.0.0", attested=False, provenance_flag=False)
    stage.write("requirements.txt", hashed(plain))
    stage.write("guard.toml", 'version = 1\n[policy]\nprovenance = "required"\n')
    audited = stage.audit()
    (step,) = [line for line in audited.stderr.splitlines() if line.startswith("guard:   next: ")]
    command = shlex.split(step.partition(": guard ")[2])
    assert command == ["explain", "pypi:plain==1.0.0"]
    shown = stage.audit(*command[1:], command=("explain",)).stdout
    assert 'rule = "provenance-missing"' in shown


def test_a_pin_that_is_printed_holds_off_another_publisher(stage: AuditStage) -> None:
    world = stage.world
    for publish in (world.publish, world.publish_npm):
        publish("widget", "1.0.0", attested=True)
        publish("widget", "1.1.0", attested=True, identity=FOREIGN)
    for good, foreign in (("pypi:widget==1.0.0", "pypi:widget==1.1.0"), ("npm:widget@1.0.0", "npm:widget@1.1.0")):
        pin = explained(stage, good)["guard_toml"]["pin"]["lines"]
        pinned = explained(stage, good, policy=pin)
        assert pinned["guard_toml"]["pin"] is None
        assert "signed by whom you pinned" in str(pinned["rules"])
        blocked = explained(stage, foreign, policy=pin)
        assert rules_of(blocked, "blocks") == ["identity-mismatch"]
        assert {each["fact"] for each in blocked["earlier"]["differences"] if each["is_hard"]} == {
            "repository-id",
            "repository",
        }


def test_names_and_reasons_cannot_steer_a_terminal(stage: AuditStage) -> None:
    reason = "\x1b[2J\x9b31m\u202egnp\u2066 http://me:secret@host.example/"
    stage.world.publish("widget", "1.0.0", yanked=reason)
    stage.world.publish_npm("widget", "1.0.0", deprecated=reason)
    for spec in ("pypi:widget==1.0.0", "npm:widget@1.0.0"):
        result = explain(stage, spec)
        assert "\\x1b" in result.stdout
        assert not set(result.stdout + result.stderr) & set("\x1b\x9b\u202e\u2066")
        assert "secret" not in result.stdout + result.stderr
        assert explain(stage, spec, "--format", "json").stdout.isascii()


def test_the_other_files_of_a_release_are_looked_at_up_to_a_limit(
    stage: AuditStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = stage.world
    published: list[Published] = [world.publish("widget", "1.0.0")]
    for number in range(3):
        filename = f"widget-1.0.0-{number}-py2-none-any.whl"
        published.append(world.upload(filename, published[0].content, identity=maintainer_of("widget")))
    assert "other files of the release: 3 like this one\n" in explain(stage, "pypi:widget").stdout
    monkeypatch.setattr(limits, "EXPLAINED_FILES_MAX_COUNT", 2)
    assert "other files of the release: 2 like this one, 1 more not looked at\n" in explain(stage, "pypi:widget").stdout


def test_quiet_and_verbose(stage: AuditStage) -> None:
    stage.world.publish("widget", "1.0.0")
    quiet = explain(stage, "pypi:widget", "-q")
    assert (quiet.status, quiet.stdout, quiet.stderr) == (0, "", "")
    blocked = explain(stage, "pypi:nothing", "-q")
    assert (blocked.stdout, "hash-mismatch" in blocked.stderr) == ("", True)
    verbose = explain(stage, "pypi:widget", "-v").stdout
    assert 'first-seen = "1.0.0"' in verbose


def test_a_release_for_other_platforms_is_explained_all_the_same(stage: AuditStage) -> None:
    content = stage.world.publish("widget", "1.0.0").content
    filename = "widget-2.0.0-cp27-cp27m-win32.whl"
    stage.world.upload(filename, content, identity=maintainer_of("widget", "2.0.0"))
    assert explain(stage, "pypi:widget").report["artifacts"][0]["version"] == "1.0.0"
    result = explain(stage, "pypi:widget==2.0.0")
    assert result.report["artifacts"][0]["file"] == filename
    assert "no file of this release fits this platform" in result.stdout

"""``guard audit`` against simulated registries: what is decided, where it is said to stand, and what is caught."""

from __future__ import annotations

import json

import pytest

from tests.e2e.audit_stage import AuditStage, hashed, package_lock, pylock
from tests.sim.faults import Fault
from tests.sim.npm import NpmSimulator
from tests.sim.sigstore import Defect

GONE = "0" * 64


def places(report: dict[str, object]) -> list[tuple[str, str, int | None]]:
    artifacts = report["artifacts"]
    assert isinstance(artifacts, list)
    return [(each["name"], each["location"]["path"], each["location"]["line"]) for each in artifacts]


def test_locks_of_every_format_are_found_and_decided(stage: AuditStage) -> None:
    world = stage.world
    widget, gadget = world.publish("widget", "1.0.0"), world.publish("gadget", "2.0.0", attested=False)
    attested, plain = world.publish_npm("anvil", "1.0.0", attested=True), world.publish_npm("@acme/rocket", "1.1.0")
    stage.write("requirements.txt", "# locked\n" + hashed(widget, gadget))
    stage.write("server/pylock.toml", pylock(widget, url=f"{world.pypi.files_url}/packages"))
    stage.write("web/package-lock.json", package_lock(attested, plain, url=world.npm.url))
    for skipped in ("node_modules/a/package-lock.json", ".venv/requirements.txt"):
        stage.write(skipped, "no lock at all")
    result = stage.audit()
    assert (result.status, result.report["verdict"]) == (0, "allow"), result.stderr
    assert places(result.report) == [
        ("widget", "requirements.txt", 2),
        ("gadget", "requirements.txt", 3),
        ("widget", "server/pylock.toml", 6),
        ("anvil", "web/package-lock.json", 11),
        ("@acme/rocket", "web/package-lock.json", 16),
    ]
    found = {each["name"]: (each["provenance"], each["digests"]) for each in result.report["artifacts"]}
    assert found["widget"] == ("verified", {"sha256": widget.sha256})
    assert {name: state for name, (state, _) in found.items()} == {
        "widget": "verified",
        "gadget": "absent",
        "anvil": "verified",
        "@acme/rocket": "absent",
    }
    assert result.report["run"]["command"] == ["audit"]
    assert "guard: allowed" in result.stderr
    assert result.stdout == ""
    assert not [request for request in world.pypi.requests if request.path.endswith(".whl")]
    assert not [request for request in world.npm.requests if request.path.endswith(".tgz")]


def test_the_report_can_be_printed_or_written(stage: AuditStage) -> None:
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0")))
    printed = json.loads(stage.audit("--format", "json", "-q").stdout)
    assert printed["summary"]["artifacts"] == 1
    result = stage.audit("--format", "json", "--output", "audit.json", "requirements.txt")
    assert result.stdout == ""
    assert json.loads((stage.project / "audit.json").read_text())["verdict"] == "allow"


@pytest.mark.parametrize("file", ["requirements.txt", "pylock.toml", "package-lock.json"])
def test_an_address_and_a_hash_that_were_swapped_together_are_caught(stage: AuditStage, file: str) -> None:
    """Without node_modules, site-packages or a file downloaded (design, amendment 27)."""
    world = stage.world
    honest, evil = world.publish("widget", "1.0.0"), world.publish("evil", "1.0.0", attested=False)
    npm_honest, npm_evil = world.publish_npm("widget", "1.0.0"), world.publish_npm("evil", "1.0.0")
    evil_url = f"{world.npm.url}evil/-/evil-1.0.0.tgz"
    texts = {
        "requirements.txt": (hashed(honest), hashed(honest).replace(honest.sha256, evil.sha256)),
        "pylock.toml": (
            pylock(honest, url=world.pypi.files_url),
            pylock(honest, url="https://files.example.test").replace(honest.sha256, evil.sha256),
        ),
        "package-lock.json": (
            package_lock(npm_honest, url=world.npm.url),
            package_lock(
                npm_honest,
                url=world.npm.url,
                widget={"version": "1.0.0", "resolved": evil_url, "integrity": npm_evil.integrity},
            ),
        ),
    }
    good, swapped = texts[file]
    stage.write(file, good)
    assert stage.audit().status == 0
    stage.write(file, swapped)
    result = stage.audit()
    assert result.status == 10
    rules = {finding["rule"] for each in result.report["artifacts"] for finding in each["findings"]}
    assert "hash-mismatch" in rules
    assert ("registry-host" in rules) is (file != "requirements.txt")


def test_forged_evidence_blocks_at_its_line(stage: AuditStage) -> None:
    forged = stage.world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    stage.write("requirements.txt", "\n\n" + hashed(forged))
    result = stage.audit()
    (artifact,) = result.report["artifacts"]
    assert (result.status, artifact["findings"][0]["rule"]) == (10, "provenance-invalid")
    assert artifact["findings"][0]["location"] == {"path": "requirements.txt", "line": 3, "column": 1}
    assert "at: requirements.txt:3" in result.stderr


def test_a_registry_that_does_not_answer_leaves_it_undecided(stage: AuditStage) -> None:
    widget = stage.world.publish("widget", "1.0.0")
    stage.write("requirements.txt", hashed(widget))
    stage.world.pypi.fault("page", Fault.FORBIDDEN)
    result = stage.audit()
    assert (result.status, result.report["verdict"]) == (11, "undecided")
    assert result.rules("undecided") == {"registry-unavailable"}


def test_an_unhashed_file_is_said_once_and_not_decided(stage: AuditStage) -> None:
    stage.write("requirements.txt", "widget==1.0.0\ngadget\n")
    result = stage.audit()
    assert (result.status, result.report["verdict"]) == (0, "allow")
    (finding,) = result.report["findings"]
    assert (finding["rule"], finding["level"], finding["location"]["path"]) == (
        "hash-missing",
        "warn",
        "requirements.txt",
    )
    assert result.report["artifacts"] == []
    assert [left["purl"] for left in result.report["not_decided"]] == ["pkg:pypi/widget@1.0.0", "pkg:pypi/gadget"]
    assert result.report["summary"]["not_decided"] == 2
    assert "not decided: 2 entries" in result.stderr
    assert stage.world.pypi.requests == []


def test_one_hash_makes_every_other_line_a_hole(stage: AuditStage) -> None:
    world = stage.world
    widget = world.publish("widget", "1.0.0")
    world.publish("gadget", "1.0.0")
    stage.write("requirements.txt", hashed(widget) + "-r more.txt\n")
    stage.write("more.txt", "gadget==1.0.0\n")
    result = stage.audit()
    assert result.status == 10
    blocked = [each for each in result.report["artifacts"] if each["verdict"] == "block"]
    assert [(each["name"], each["location"]["path"]) for each in blocked] == [("gadget", "more.txt")]
    assert blocked[0]["findings"][0]["rule"] == "hash-missing"


def test_sources_have_their_rules(stage: AuditStage) -> None:
    widget = stage.world.publish("widget", "1.0.0")
    commit = "0123456789abcdef0123456789abcdef01234567"
    stage.write("lib/setup.py", "")
    stage.write(
        "requirements.txt",
        hashed(widget)
        + f"one @ git+https://git.example.test/one@{commit}\n"
        + f"two @ https://u:secret@files.example.test/two-1.0.zip --hash=sha256:{GONE}\n"
        + "-e ./lib\n./../outside\n",
    )
    result = stage.audit()
    verdicts = {each["source"]: each["verdict"] for each in result.report["artifacts"]}
    assert verdicts == {
        "registry": "allow",
        "vcs-pinned": "block",
        "url-hashed": "block",
        "local": "allow",
        "path": "block",
    }
    assert result.rules("block") == {"source-not-allowed"}
    assert "secret" not in result.stderr + json.dumps(result.report)


def test_entries_for_other_platforms_are_listed_and_decided_on_request(stage: AuditStage) -> None:
    world = stage.world
    widget, other = world.publish_npm("widget", "1.0.0"), world.publish_npm("other", "1.0.0")
    elsewhere: dict[str, object] = {"optional": True, "os": ["aix"]}
    stage.write("package-lock.json", package_lock(widget, other, url=world.npm.url, other=elsewhere))
    result = stage.audit()
    assert [each["name"] for each in result.report["artifacts"]] == ["widget"]
    (left,) = result.report["not_decided"]
    assert (left["purl"], left["location"]["line"]) == ("pkg:npm/other@1.0.0", 16)
    assert [each["name"] for each in stage.audit("--all-platforms").report["artifacts"]] == ["widget", "other"]


def test_a_release_in_several_places_is_asked_for_once_and_said_at_each(stage: AuditStage) -> None:
    widget = stage.world.publish_npm("widget", "1.0.0", attested=True)
    for folder in ("one", "two"):
        stage.write(f"{folder}/package-lock.json", package_lock(widget, url=stage.world.npm.url))
    result = stage.audit()
    assert places(result.report) == [("widget", f"{folder}/package-lock.json", 10) for folder in ("one", "two")]
    asked = [request.path for request in stage.world.npm.requests]
    assert len(asked) == len(set(asked))


def test_a_folder_with_an_npmrc_has_its_own_registry(stage: AuditStage) -> None:
    with NpmSimulator() as own:
        widget = stage.world.publish_npm("widget", "1.0.0", registry=own)
        own.keys = stage.world.npm.keys
        stage.write("package-lock.json", package_lock(widget, url=own.url))
        assert stage.audit().status == 10
        stage.write(".npmrc", f"registry={own.url}\n")
        result = stage.audit()
        assert result.status == 0, result.stderr


def test_an_alias_that_nobody_asks_for_is_another_package(stage: AuditStage) -> None:
    evil = stage.world.publish_npm("evil", "1.0.0")
    stage.world.publish_npm("widget", "1.0.0")
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"widget": "npm:evil@1.0.0"}},
            "node_modules/widget": {"name": "evil", "version": "1.0.0", "integrity": evil.integrity},
        },
    }
    stage.write("package-lock.json", json.dumps(lock))
    stage.write("package.json", json.dumps({"dependencies": {"widget": "^1.0.0"}}))
    result = stage.audit()
    assert (result.status, result.rules("block")) == (10, {"hash-mismatch"})
    stage.write("package.json", json.dumps({"dependencies": {"widget": "npm:evil@1.0.0"}}))
    result = stage.audit()
    assert (result.status, result.report["artifacts"][0]["source"]) == (0, "alias")


def test_what_it_costs_registries_is_said_when_asked_for(stage: AuditStage) -> None:
    widget = stage.world.publish_npm("widget", "1.0.0")
    stage.write("package-lock.json", package_lock(widget, url=stage.world.npm.url))
    result = stage.audit(options=("--verbose",))
    asked = f"guard: {len(stage.world.npm.requests)} requests, at most 16 at a time of one host and within 1800 seconds"
    assert asked in result.stderr
    assert stage.world.npm.requests
    assert "guard: 0 requests," in stage.audit(options=("--verbose",)).stderr
    assert "requests" not in stage.audit().stderr

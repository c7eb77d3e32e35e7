"""``guard lock`` and what guard.lock does to the commands that read it, through the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.audit_stage import AuditStage, hashed, package_lock, pylock
from tests.e2e.surroundings import Result
from tests.sim.faults import Fault
from tests.sim.identity import Identity
from tests.sim.sigstore import Defect
from tests.sim.world import Published

OURS = Identity.github(repository="acme/widget", repository_id="1001", owner_id="501")
BUILDER = "acme/builder/.github/workflows/build.yml@refs/tags/v1"
# What publishes before, and what publishes after one hard fact of it changed.
HARD_CHANGES = {
    "issuer": (OURS, Identity.gitlab(project="acme/widget", project_id="1001", namespace_id="501")),
    "repository-id": (OURS, replace(OURS, source_repository_identifier="9")),
    "repository": (
        replace(OURS, source_repository_identifier=None, source_repository_owner_identifier=None),
        Identity.github(repository="evil/widget"),
    ),
    "signer": (OURS, Identity.github(repository="acme/widget", reusable=BUILDER)),
    "san": (Identity.email("a@acme.example"), Identity.email("b@acme.example")),
}


def lock(stage: AuditStage, *arguments: str) -> Result:
    return stage.audit(*arguments, command=("lock",))


def locked(stage: AuditStage) -> str:
    return (stage.project / "guard.lock").read_text()


@pytest.fixture
def good(stage: AuditStage) -> list[Published]:
    """A project with three locked packages, a policy and a guard.lock."""
    release = [
        stage.world.publish("gadget", "1.0.0"),
        stage.world.publish("plain", "1.0.0", attested=False),
        stage.world.publish("widget", "1.0.0", identity=OURS),
    ]
    stage.write("requirements.txt", hashed(*release))
    assert stage.audit("init", command=("policy",)).status == 0
    result = lock(stage)
    assert result.status == 0, result.stderr
    assert stage.audit().status == 0
    return release


def test_who_publishes_is_recorded_and_nothing_is_stale_afterwards(stage: AuditStage, good: list[Published]) -> None:
    text = locked(stage)
    assert [line for line in text.splitlines() if line.startswith("name")] == [
        'name = "pypi:gadget"',
        'name = "pypi:widget"',
    ]
    assert f'digest = "sha256:{good[2].sha256}"' in text
    assert 'repository-id = "1001"' in text
    assert 'ref = "refs/tags/*"' in text
    result = lock(stage, "--check")
    assert (result.status, result.stdout) == (0, "")
    assert lock(stage).status == 0
    assert locked(stage) == text


@pytest.mark.parametrize("fact", HARD_CHANGES)
def test_a_good_project_is_blocked_by_one_hard_fact_of_one_package(stage: AuditStage, fact: str) -> None:
    before, after = HARD_CHANGES[fact]
    gadget = stage.world.publish("gadget", "1.0.0")
    stage.write("requirements.txt", hashed(gadget, stage.world.publish("widget", "1.0.0", identity=before)))
    assert stage.audit("init", command=("policy",)).status == 0
    assert lock(stage).status == 0
    assert stage.audit().status == 0
    stage.write("requirements.txt", hashed(gadget, stage.world.publish("widget", "1.1.0", identity=after)))
    result = stage.audit()
    assert (result.status, result.rules("block")) == (10, {"identity-changed"})
    assert f"{fact} was" in result.stderr
    assert lock(stage, "--check").status == 10
    result = lock(stage)
    assert (result.status, result.stdout.count("\n")) == (0, 1)
    assert result.stdout.startswith("CHANGED pypi:widget: ")
    assert f"{fact} was" in result.stdout
    assert stage.audit().status == 0


def test_another_registry_that_attests_is_a_hard_fact_of_an_npm_package(stage: AuditStage) -> None:
    world = stage.world
    stage.write("package-lock.json", package_lock(world.publish_npm("a", "1.0.0", attested=True), url=world.npm.url))
    assert lock(stage).status == 0
    assert stage.audit().status == 0
    text = locked(stage)
    assert 'registry-key = "SHA256:' in text
    stage.write("guard.lock", text.replace(world.npm.base_url, "https://other.example.test"))
    result = stage.audit()
    assert (result.status, result.rules("block")) == (10, {"identity-changed"})
    assert "registry was https://other.example.test" in result.stderr


def test_a_soft_fact_warns_and_is_recorded_anew(stage: AuditStage, good: list[Published]) -> None:
    renamed = Identity.github(repository="acme/widget", workflow=".github/workflows/publish.yml", environment="pypi")
    stage.write("requirements.txt", hashed(*good[:2], stage.world.publish("widget", "1.1.0", identity=renamed)))
    result = stage.audit()
    assert (result.status, result.rules("warn")) == (0, {"identity-drift"})
    before = locked(stage)
    result = lock(stage)
    assert result.stdout.startswith("changed pypi:widget: ")
    assert "workflow was .github/workflows/release.yml, is .github/workflows/publish.yml" in result.stdout
    assert [line for line in locked(stage).splitlines() if line not in before.splitlines()] == [
        'workflow = ".github/workflows/publish.yml"',
        'environment = "pypi"',
    ]
    assert stage.audit().rules("warn") == set()


def test_lost_provenance_is_refused_and_its_entry_stays(stage: AuditStage, good: list[Published]) -> None:
    stage.write("requirements.txt", hashed(*good[:2], stage.world.publish("widget", "1.1.0", attested=False)))
    assert stage.audit().rules("block") == {"provenance-stripped"}
    before = locked(stage)
    result = lock(stage)
    assert (result.status, locked(stage)) == (10, before)
    assert "not recorded: widget==1.1.0 has no provenance, and guard.lock names who builds it" in result.stderr


def test_forged_evidence_and_an_outage_are_not_recorded(stage: AuditStage) -> None:
    world = stage.world
    forged = world.publish("forged", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    stage.write("requirements.txt", hashed(forged, world.publish("fine", "1.0.0")))
    result = lock(stage)
    assert (result.status, "forged" in locked(stage), "fine" in locked(stage)) == (10, False, True)
    away = world.publish("away", "1.0.0")
    world.pypi.fault("provenance", Fault.SERVER_ERROR, name=away.filename)
    stage.write("requirements.txt", hashed(away))
    assert lock(stage).status == 11


def test_what_no_lockfile_names_any_more_leaves_and_what_was_not_looked_at_stays(
    stage: AuditStage, good: list[Published]
) -> None:
    stage.write("requirements-dev.txt", hashed(good[0]))
    stage.write("requirements.txt", hashed(good[1]))
    before = locked(stage)
    assert lock(stage, "requirements.txt").stdout == ""
    assert locked(stage) == before
    result = lock(stage)
    assert result.stdout == "removed pypi:widget: https://github.com/acme/widget is removed\n"
    assert "widget" not in locked(stage)
    assert "gadget" in locked(stage)


def test_each_folder_has_its_own_lock_unless_one_above_governs_it(stage: AuditStage, good: list[Published]) -> None:
    stage.write("service/requirements.txt", hashed(stage.world.publish("tool", "1.0.0")))
    assert lock(stage).status == 0
    assert not (stage.project / "service" / "guard.lock").exists()
    assert "pypi:tool" in locked(stage)
    (stage.project / "service" / "guard.lock").write_text("version = 1\n")
    stage.write("guard.lock", locked(stage).replace('"1001"', '"9"'))
    stage.write("service/requirements.txt", hashed(good[2]))
    result = stage.audit()
    assert [each["location"]["path"] for each in result.report["artifacts"] if each["verdict"] == "block"] == [
        "requirements.txt"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 2\n", "'version' must be 1"),
        ("version = 1\n<<<<<<< ours\n", "a merge was not finished"),
        ('version = 1\n[[package]]\nname = "pypi:a"\n', "has no [[package.identity]]"),
    ],
)
def test_a_lock_that_cannot_be_stops_every_command(stage: AuditStage, text: str, message: str) -> None:
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0")))
    stage.write("guard.lock", text)
    for result in (stage.audit(), lock(stage)):
        assert (result.status, message in result.stderr) == (2, True), result.stderr
        assert "guard.lock:" in result.stderr


def test_a_change_of_lock_guard_lock_and_policy_together_is_blocked(stage: AuditStage, good: list[Published]) -> None:
    stage.commit()
    thief = Identity.github(repository="evil/widget", repository_id="9", owner_id="9")
    stage.write("requirements.txt", hashed(*good[:2], stage.world.publish("widget", "1.1.0", identity=thief)))
    assert lock(stage).status == 0
    stage.write("guard.toml", 'version = 1\n[policy]\nprovenance = "optional"\n')
    assert stage.audit().status == 0
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, result.rules("block")) == (
        10,
        {"identity-changed", "identity-lock-changed", "policy-loosened"},
    )
    accepted = stage.audit("--changed-since", "HEAD", "--accept-identity-changes")
    assert (accepted.status, accepted.rules("block")) == (10, {"identity-changed"})


def test_what_a_reviewer_sees_of_a_change_of_guard_lock(stage: AuditStage, good: list[Published]) -> None:
    stage.commit()
    stage.write("requirements.txt", hashed(*good, stage.world.publish("added", "1.0.0")))
    assert lock(stage).status == 0
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, result.rules("note") & {"identity-lock-changed"}) == (0, {"identity-lock-changed"})
    (stage.project / "guard.lock").unlink()
    result = stage.audit("--changed-since", "HEAD")
    assert (result.status, result.rules("block")) == (10, {"identity-lock-changed"})


@pytest.mark.parametrize(
    ("publisher", "rules"),
    [
        ('{ kind = "GitHub", repository = "acme/widget", workflow = "release.yml", environment = "x" }', set()),
        ('{ kind = "GitHub", repository = "acme/gadget", workflow = "release.yml" }', {"identity-mismatch"}),
        ('{ kind = "GitHub", repository = "acme/widget", workflow = "other.yml" }', {"identity-mismatch"}),
        ('{ kind = "GitLab", repository = "acme/widget", workflow_filepath = "c.yml" }', {"identity-mismatch"}),
        ('{ kind = "Google", email = "a@acme.example" }', {"identity-mismatch"}),
        ('{ kind = "CircleCI", project_id = "1", pipeline_definition_id = "2" }', {"identity-mismatch"}),
        ('{ kind = "Somebody" }', set()),
    ],
)
def test_publishers_that_a_pylock_names_are_pins(stage: AuditStage, publisher: str, rules: set[str]) -> None:
    widget = stage.world.publish("widget", "1.0.0", identity=OURS)
    text = pylock(widget, url=f"{stage.world.pypi.files_url}/packages")
    stage.write("pylock.toml", f"{text}attestation-identities = [{publisher}]\n")
    result = stage.audit()
    assert (result.status, result.rules("block")) == (10 if rules else 0, rules)


def test_a_pylock_of_a_newer_minor_version_is_read_and_said_to_be_newer(stage: AuditStage) -> None:
    text = pylock(stage.world.publish("widget", "1.0.0"), url=f"{stage.world.pypi.files_url}/packages")
    stage.write("pylock.toml", text.replace('lock-version = "1.0"', 'lock-version = "1.1"'))
    result = stage.audit()
    assert (result.status, result.rules("note")) == (0, {"lock-entry-unreadable"})
    assert all(line.startswith("guard: ") for line in result.stderr.splitlines())
    assert "lock-version 1.1 is newer than 1.0" in result.stderr


def test_publishers_are_written_into_a_pylock(stage: AuditStage) -> None:
    widget, plain = (
        stage.world.publish("widget", "1.0.0", identity=OURS),
        stage.world.publish("b", "1.0", attested=False),
    )
    text = pylock(widget, plain, url=f"{stage.world.pypi.files_url}/packages")
    path = stage.write("pylock.toml", text)
    assert (lock(stage).status, path.read_text()) == (0, text)
    assert (lock(stage, "--pylock", "--check").status, path.read_text()) == (10, text)
    assert lock(stage, "--pylock").stdout == "changed pylock.toml: the publishers that it names\n"
    line = 'attestation-identities = [{ kind = "GitHub", repository = "acme/widget", workflow = "release.yml" }]\n'
    assert path.read_text() == text.replace('name = "widget"\n', f'name = "widget"\n{line}')
    assert lock(stage, "--pylock", "--check").status == 0
    assert stage.audit().status == 0


def test_what_a_pylock_pins_must_have_provenance(stage: AuditStage) -> None:
    widget = stage.world.publish("widget", "1.0.0", attested=False)
    publisher = '{ kind = "Google", email = "a@acme.example" }'
    text = pylock(widget, url=f"{stage.world.pypi.files_url}/packages")
    stage.write("pylock.toml", f"{text}attestation-identities = [{publisher}]\n")
    assert stage.audit().rules("block") == {"provenance-missing"}


def test_a_young_release_without_provenance_blocks_once_a_change_brings_it(stage: AuditStage) -> None:
    world = stage.world
    old = world.publish("widget", "1.0.0")
    young = datetime.now(timezone.utc) - timedelta(days=3)
    stage.write("requirements.txt", hashed(old))
    stage.commit()
    stage.write("requirements.txt", hashed(world.publish("widget", "1.1.0", attested=False, upload_time=young)))
    assert stage.audit("--changed-since", "HEAD").rules("block") == {"provenance-stripped"}
    assert stage.audit().status == 0  # of what a lock names already, nothing but its own listing is looked at

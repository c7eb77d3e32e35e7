"""What an audit asks for again, and what it does without asking: ``--offline``, ``--evidence``, ``guard evidence``."""

from __future__ import annotations

from tests.e2e.audit_stage import AuditStage, hashed, package_lock
from tests.sim.faults import Fault
from tests.sim.sigstore import Defect


def publish(stage: AuditStage) -> None:
    """Write locks of both ecosystems whose packages have every kind of evidence."""
    world = stage.world
    stage.write(
        "requirements.txt", hashed(world.publish("widget", "1.0.0"), world.publish("plain", "1.0.0", attested=False))
    )
    anvil, plain = world.publish_npm("anvil", "1.0.0", attested=True), world.publish_npm("@acme/plain", "1.0.0")
    stage.write("package-lock.json", package_lock(anvil, plain, url=world.npm.url))


def states(stage: AuditStage, *arguments: str) -> tuple[int, dict[str, str]]:
    result = stage.audit(*arguments)
    return result.status, {each["name"]: each["provenance"] for each in result.report["artifacts"]}


EXPECTED = {"widget": "verified", "plain": "absent", "anvil": "verified", "@acme/plain": "absent"}


def test_what_was_asked_a_while_ago_is_not_asked_again(stage: AuditStage) -> None:
    publish(stage)
    world = stage.world
    assert states(stage) == (0, EXPECTED)
    for requests in (world.pypi.requests, world.npm.requests):
        assert requests
    world.pypi.clear_requests()
    world.npm.clear_requests()
    assert states(stage) == (0, EXPECTED)
    assert [request.path for request in (*world.pypi.requests, *world.npm.requests)] == []
    assert states(stage, "--offline") == (0, EXPECTED)


def test_offline_without_anything_is_undecided_and_asks_nobody(stage: AuditStage) -> None:
    publish(stage)
    status, _ = states(stage, "--offline")
    assert status == 11
    assert (stage.world.pypi.requests, stage.world.npm.requests) == ([], [])


def test_saved_evidence_decides_where_nobody_can_be_asked(stage: AuditStage) -> None:
    publish(stage)
    saved = stage.audit("-o", "evidence", command=("evidence", "fetch"))
    assert (saved.status, saved.stdout) == (0, "")
    assert "4 listings and 2 documents of evidence are in evidence" in saved.stderr
    stage.world.pypi.clear_requests()
    stage.world.npm.clear_requests()
    assert states(stage, "--offline", "--evidence", "evidence") == (0, EXPECTED)
    assert (stage.world.pypi.requests, stage.world.npm.requests) == ([], [])


def test_saved_evidence_is_verified_like_any_other(stage: AuditStage) -> None:
    forged = stage.world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    stage.write("requirements.txt", hashed(forged))
    assert stage.audit("-o", "evidence", command=("evidence", "fetch")).status == 0
    result = stage.audit("--offline", "--evidence", "evidence")
    assert (result.status, result.rules("block")) == (10, {"provenance-invalid"})


def test_what_could_not_be_saved_is_named(stage: AuditStage) -> None:
    publish(stage)
    stage.world.npm.fault("attestations", Fault.FORBIDDEN)
    stage.write("broken/pylock.toml", "a = [")
    result = stage.audit("-o", "evidence", "requirements.txt", "package-lock.json", command=("evidence", "fetch"))
    assert result.status == 11
    assert "not saved" in result.stderr
    assert "anvil" in result.stderr
    assert stage.audit("-o", "evidence", command=("evidence", "fetch")).status == 2


def test_a_folder_of_evidence_that_is_none_ends_with_2(stage: AuditStage) -> None:
    publish(stage)
    assert stage.audit("--evidence", "nowhere").status == 2

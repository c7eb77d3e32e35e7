"""Attestations and signatures of npm releases under the registry's keys, from the endpoint to the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from guard.constants import NPM_REGISTRY_URL
from guard.engine.npm import NpmRequest
from guard.engine.npm_keys import NpmKeys, load_shipped_keys
from guard.errors import EvidenceCode
from guard.model import Evidence, EvidenceKind, EvidenceState, Judged, UnavailableCause
from tests.sim import npm_documents
from tests.sim.npm import Fault
from tests.sim.npm_documents import RegistryKey, keys_document
from tests.sim.npm_packages import make_tarball
from tests.sim.sigstore import Defect, EntryKind
from tests.sim.world import World
from tests.unit.npm_engine import npm_engine

SIGNATURE, SLSA, PUBLISH = EvidenceKind.NPM_SIGNATURE, EvidenceKind.SLSA_PROVENANCE, EvidenceKind.NPM_PUBLISH
VERIFIED, INVALID, UNAVAILABLE = EvidenceState.VERIFIED, EvidenceState.INVALID, EvidenceState.UNAVAILABLE
PUBLISHED_AT = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
CONTENT = make_tarball("a", "1.0.0")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(started: World) -> World:
    started.npm.clear_faults()
    started.npm.keys = keys_document([started.registry_key])
    started.upload_npm(CONTENT, attested=True, published_at=PUBLISHED_AT)
    return started


def judge(world: World, folder: Path, *policy: str, keys: tuple[RegistryKey, ...] = ()) -> Judged:
    if keys:
        world.npm.keys = keys_document(keys)
    with npm_engine(world, folder / "engine", *policy) as (engine, _):
        return engine.judge(NpmRequest(name="a", version="1.0.0"))


def evidence_of(judged: Judged) -> dict[EvidenceKind, Evidence]:
    return {evidence.kind: evidence for evidence in judged.facts.evidence}


def states_of(judged: Judged) -> dict[EvidenceKind, EvidenceState]:
    return {kind: evidence.state for kind, evidence in evidence_of(judged).items()}


@pytest.mark.parametrize("entry_kind", EntryKind)
def test_both_attestations_and_the_signature_verify(world: World, tmp_path: Path, entry_kind: EntryKind) -> None:
    world.upload_npm(CONTENT, attested=True, entry_kind=entry_kind)
    judged = judge(world, tmp_path)
    assert states_of(judged) == {PUBLISH: VERIFIED, SLSA: VERIFIED, SIGNATURE: VERIFIED}
    assert evidence_of(judged)[PUBLISH].key_id == world.registry_key.keyid
    assert judged.decision.findings == ()


@pytest.mark.parametrize("kept", [npm_documents.SLSA_PREDICATE, npm_documents.PUBLISH_PREDICATE])
def test_neither_attestation_needs_the_other(world: World, tmp_path: Path, kept: str) -> None:
    """As npm's client judges them; what the listing promises is another matter."""
    document = world.upload_npm(CONTENT, attested=True).attestations
    assert document is not None
    entries = [entry for entry in document["attestations"] if entry["predicateType"] == kept]
    world.upload_npm(CONTENT, attestations={"attestations": entries}, attestations_flag=True)
    judged = judge(world, tmp_path)
    found = states_of(judged)
    if kept == npm_documents.SLSA_PREDICATE:
        assert found == {SLSA: VERIFIED, SIGNATURE: VERIFIED}
        assert judged.decision.verdict.installs
    else:
        assert found == {PUBLISH: VERIFIED, SLSA: EvidenceState.STRIPPED, SIGNATURE: VERIFIED}
        assert {found.rule.value for found in judged.decision.findings} == {"provenance-stripped"}


def test_a_statement_of_the_public_registry_counts_on_its_mirrors_alone(world: World, tmp_path: Path) -> None:
    for registry, state in ((NPM_REGISTRY_URL, VERIFIED), ("https://other.example.test/", INVALID)):
        statement = npm_documents.publish_statement("a", "1.0.0", CONTENT, registry)
        bundle = world.sigstore.key_bundle(statement, world.registry_key.pair)
        document = npm_documents.attestations_document([(npm_documents.PUBLISH_PREDICATE, bundle)])
        world.upload_npm(CONTENT, attestations=document)
        assert states_of(judge(world, tmp_path))[PUBLISH] is state


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "state", "cause", "code"),
    [
        (Fault.NOT_FOUND, UNAVAILABLE, UnavailableCause.NOT_SERVED, None),
        (Fault.FORBIDDEN, UNAVAILABLE, UnavailableCause.ACCESS_DENIED, None),
        (Fault.RESET, UNAVAILABLE, UnavailableCause.OUTAGE, None),
        (Fault.NOT_JSON, INVALID, None, EvidenceCode.SIGNATURE),
    ],
)
def test_a_publish_attestation_without_its_key_is_not_verified(
    world: World,
    tmp_path: Path,
    fault: Fault,
    state: EvidenceState,
    cause: UnavailableCause | None,
    code: EvidenceCode | None,
) -> None:
    world.npm.fault("keys", fault)
    judged = judge(world, tmp_path)
    found = evidence_of(judged)
    assert (found[PUBLISH].state, found[PUBLISH].cause, found[PUBLISH].code) == (state, cause, code)
    assert found[SLSA].state is VERIFIED
    # A registry that signs and serves no keys is one that guard cannot check, not an outage.
    assert judged.decision.verdict.installs is (fault is Fault.NOT_FOUND)


@pytest.mark.parametrize("required", [False, True])
def test_verified_provenance_is_enough_where_nobody_serves_keys(world: World, tmp_path: Path, required: bool) -> None:
    world.npm.fault("keys", Fault.NOT_FOUND)
    policy = ["[policy]", 'provenance = "required"'] if required else []
    judged = judge(world, tmp_path, *policy)
    notes = [finding.message for finding in judged.decision.findings if finding.rule.value == "provenance-unavailable"]
    assert len(notes) == 1
    assert notes[0].startswith("the publish attestation of a-1.0.0.tgz cannot be verified: ")
    assert "serves no keys" in notes[0]
    assert judged.decision.verdict.installs


@pytest.mark.parametrize("fault", [None, Fault.NOT_FOUND, Fault.FORBIDDEN, Fault.NOT_JSON])
def test_guards_copy_of_the_public_keys_stands_in_for_a_list_that_is_not_there(
    world: World, tmp_path: Path, fault: Fault | None
) -> None:
    if fault:
        world.npm.fault("keys", fault)
    with npm_engine(world, tmp_path / "engine") as (_, client):
        found = NpmKeys(client, None).load(world.npm.url)
        given = NpmKeys(client, load_shipped_keys()).load(world.npm.url)
    expected = {None: (world.registry_key.keyid,), Fault.NOT_FOUND: tuple(key.keyid for key in load_shipped_keys())}
    assert tuple(key.keyid for key in found.known) == expected.get(fault, ())
    assert (found.reason == "") is (fault is None)
    assert (given.known, given.cause, given.reason) == (load_shipped_keys(), None, "")


# --- time ------------------------------------------------------------------------------------------------------------


def test_the_key_of_a_publish_attestation_is_judged_at_its_own_time(world: World, tmp_path: Path) -> None:
    for expires, state in ((PUBLISHED_AT + HOUR, VERIFIED), (PUBLISHED_AT - HOUR, INVALID)):
        key = RegistryKey(expires=expires, key=world.registry_key.key)
        assert states_of(judge(world, tmp_path, keys=(key,)))[PUBLISH] is state


def test_the_key_of_a_signature_is_judged_by_what_an_attestation_proves(world: World, tmp_path: Path) -> None:
    """Whoever has a registry's old key can write any time into a listing, and into no log."""
    key = RegistryKey(expires=PUBLISHED_AT - HOUR, key=world.registry_key.key)
    genuine = world.upload_npm(CONTENT, attested=True, published_at=PUBLISHED_AT).attestations
    backdated = PUBLISHED_AT - 2 * HOUR
    assert genuine is not None
    world.upload_npm(CONTENT, published_at=backdated)
    assert states_of(judge(world, tmp_path, keys=(key,)))[SIGNATURE] is VERIFIED
    world.upload_npm(CONTENT, attestations=genuine, published_at=backdated)
    assert states_of(judge(world, tmp_path, keys=(key,)))[SIGNATURE] is INVALID


def test_a_forged_attestation_proves_no_time(world: World, tmp_path: Path) -> None:
    key = RegistryKey(expires=PUBLISHED_AT - HOUR, key=world.registry_key.key)
    statement = npm_documents.publish_statement("a", "1.0.0", CONTENT, world.npm.base_url)
    bundle = world.sigstore.key_bundle(statement, key.pair, at=PUBLISHED_AT - 2 * HOUR, defect=Defect.SIGNATURE_CORRUPT)
    document = npm_documents.attestations_document([(npm_documents.PUBLISH_PREDICATE, bundle)])
    world.upload_npm(CONTENT, attestations=document)
    found = evidence_of(judge(world, tmp_path, keys=(key,)))
    assert found[PUBLISH].state is INVALID
    assert "when the release was published is not known" in found[SIGNATURE].reason

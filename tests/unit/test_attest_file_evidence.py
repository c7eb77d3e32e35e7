"""What ``guard verify`` does not show of evidence that users bring."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from guard.attest.evidence_file import parse_evidence_file
from guard.attest.file_evidence import Trusted, verify_document
from guard.attest.npm import RegistryKeys
from guard.attest.npm_signature import parse_registry_keys
from guard.attest.subject import NpmRelease, PythonFile, Subject
from guard.errors import EvidenceCode, MalformedInput
from guard.model import Digest, Evidence, EvidenceState
from guard.sigstore.envelope import bundle_with_entry, parse_certified_envelope
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.sim.flaws import FLAWS
from tests.sim.forms import ENVELOPE
from tests.sim.identity import Identity
from tests.sim.judging import NOW, mint
from tests.sim.npm_documents import RegistryKey, keys_document, provenance_statement, publish_statement
from tests.sim.pep740 import publish_statement as pypi_publish_statement
from tests.sim.pep740 import slsa_statement
from tests.sim.sigstore import MintingSigstore
from tests.unit.verify_command import SIGNER, statement_about

CONTENT = b"content"
SUBJECT = Subject(name="it", digests=(Digest("sha256", hashlib.sha256(CONTENT).hexdigest()),), content=CONTENT)
SIGSTORE = MintingSigstore(NOW)


def verify(document: Any, subject: Subject = SUBJECT, *, root: bytes | None = None, **given: Any) -> Evidence:
    trust_root = parse_trust_root(root or SIGSTORE.trusted_root_json(), source="simulated")
    verifier = Verifier(trust_root, now=NOW)
    trusted = Trusted(verifier=verifier, registry_keys=RegistryKeys(), registries=("https://registry.test",))
    trusted = replace(trusted, **given)
    [parsed] = parse_evidence_file(json.dumps(document).encode())
    [evidence] = verify_document(parsed, subject, trusted)
    return evidence


def minted(name: str) -> Evidence:
    recipe = FLAWS[name].recipe if name in FLAWS else replace(ENVELOPE, payload_type=name)
    return verify(mint().bundle(recipe), root=json.dumps(mint().trust_root()).encode())


def test_what_is_no_statement_is_malformed() -> None:
    evidence = minted("text/plain")
    assert (evidence.state, evidence.code) == (EvidenceState.INVALID, EvidenceCode.MALFORMED)
    assert evidence.reason == "what was signed is of type 'text/plain', not a statement"


def test_a_form_that_nobody_knows_is_invalid_since_nothing_else_is_to_be_had() -> None:
    evidence = minted("entry-of-unknown-version")
    assert (evidence.state, evidence.code) == (EvidenceState.INVALID, EvidenceCode.UNSUPPORTED)
    listed = verify(
        {"attestations": [{"bundle": mint().bundle(FLAWS["entry-of-unknown-version"].recipe)}]},
        replace(SUBJECT, package=NpmRelease("widget", "1.0.0"), digests=(Digest("sha512", "00" * 64),)),
        root=json.dumps(mint().trust_root()).encode(),
    )
    assert (listed.state, listed.cause, listed.code) == (EvidenceState.INVALID, None, EvidenceCode.UNSUPPORTED)


def test_a_publish_attestation_of_npm_is_about_a_release() -> None:
    statement = publish_statement("widget", "1.0.0", CONTENT, "https://registry.test")
    evidence = verify(SIGSTORE.bundle(statement, SIGNER))
    assert (evidence.state, evidence.code) == (EvidenceState.INVALID, EvidenceCode.STATEMENT_SUBJECT)
    assert "say which with --name" in evidence.reason


def test_the_key_of_a_registry_signs_for_releases_of_packages_alone() -> None:
    key = RegistryKey()
    keys = RegistryKeys(known=parse_registry_keys(json.dumps(keys_document([key])).encode()))
    bundle = SIGSTORE.key_bundle(statement_about(("it", CONTENT)), key.pair)
    release = replace(SUBJECT, package=NpmRelease("widget", "1.0.0"))
    assert verify(bundle, release, registry_keys=keys).key_id == key.keyid
    refused = verify(bundle, registry_keys=keys)
    assert (refused.state, refused.code) == (EvidenceState.INVALID, EvidenceCode.SIGNATURE)
    assert "not known" in refused.reason


def test_what_names_a_release_of_npm_keeps_the_rules_of_its_registry() -> None:
    """One subject: npm's own client reads the first alone."""
    digest = Digest("sha512", hashlib.sha512(CONTENT).hexdigest())
    release = replace(SUBJECT, digests=(digest,), package=NpmRelease("widget", "1.0.0"))
    statement = provenance_statement("widget", "1.0.0", CONTENT, SIGNER)
    assert verify(SIGSTORE.bundle(statement, SIGNER), release).state is EvidenceState.VERIFIED
    statement["subject"] *= 2
    refused = verify(SIGSTORE.bundle(statement, SIGNER), release)
    assert (refused.state, refused.code) == (EvidenceState.INVALID, EvidenceCode.STATEMENT_SUBJECT)
    assert "2 subjects, not one" in refused.reason


def test_a_publish_attestation_of_npm_names_the_release() -> None:
    key = RegistryKey()
    keys = RegistryKeys(known=parse_registry_keys(json.dumps(keys_document([key])).encode()))
    digest = Digest("sha512", hashlib.sha512(CONTENT).hexdigest())
    release = replace(SUBJECT, digests=(digest,), package=NpmRelease("widget", "1.0.0"))
    statement = publish_statement("widget", "1.0.0", CONTENT, "https://registry.test")
    assert verify(SIGSTORE.key_bundle(statement, key.pair), release, registry_keys=keys).state is EvidenceState.VERIFIED
    own = verify(SIGSTORE.key_bundle(statement, key.pair), release, key=key.pair.der)
    assert (own.state, own.code) == (EvidenceState.INVALID, EvidenceCode.SIGNATURE)
    assert own.reason == "what a registry publishes is not signed with a key of the user's"
    statement["subject"][0]["name"] = "widget"
    refused = verify(SIGSTORE.key_bundle(statement, key.pair), release, registry_keys=keys)
    assert (refused.state, refused.code) == (EvidenceState.INVALID, EvidenceCode.STATEMENT_SUBJECT)
    assert refused.reason == "the statement is about 'widget', the package is 'pkg:npm/widget@1.0.0'"


def test_a_publish_attestation_of_pypi_in_a_bundle_has_no_predicate_either() -> None:
    name = "widget-1.0-py3-none-any.whl"
    wheel = replace(SUBJECT, package=PythonFile(name, "widget", "1.0"))
    statement = pypi_publish_statement(name, CONTENT)
    assert verify(SIGSTORE.bundle(statement, SIGNER), wheel).state is EvidenceState.VERIFIED
    refused = verify(SIGSTORE.bundle(statement | {"predicate": {"a": 1}}, SIGNER), wheel)
    assert (refused.state, refused.code) == (EvidenceState.INVALID, EvidenceCode.STATEMENT_PREDICATE)


def test_a_distribution_of_which_no_sha256_is_known_is_bound_by_no_attestation_of_pypi() -> None:
    name = "widget-1.0-py3-none-any.whl"
    digest = Digest("sha512", hashlib.sha512(CONTENT).hexdigest())
    wheel = replace(SUBJECT, digests=(digest,), package=PythonFile(name, "widget", "1.0"))
    for document in (SIGSTORE.attest, SIGSTORE.bundle):
        refused = verify(document(pypi_publish_statement(name, CONTENT), SIGNER), wheel)
        assert (refused.state, refused.code) == (EvidenceState.INVALID, EvidenceCode.STATEMENT_SUBJECT)
        assert refused.reason.endswith("say which it is with --name")


def test_what_provenance_says_of_its_build_is_compared_where_that_is_asked_for() -> None:
    bundle = SIGSTORE.bundle(slsa_statement("it", CONTENT, Identity.github("evil/widget")), SIGNER)
    assert verify(bundle).code is EvidenceCode.STATEMENT_PREDICATE
    assert verify(bundle, compares_predicates=False).state is EvidenceState.VERIFIED


CERTIFIED = {
    "payload": "AAAA",
    "payloadType": "text/plain",
    "signatures": [{"sig": "AAAA", "cert": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}],
}


def test_an_envelope_without_its_log_entry_proves_nothing() -> None:
    evidence = verify(CERTIFIED)
    assert (evidence.state, evidence.code) == (EvidenceState.INVALID, EvidenceCode.LOG_ENTRY)


def test_a_log_that_answers_nothing_has_no_entry() -> None:
    envelope = parse_certified_envelope(CERTIFIED, b"{}")
    for answer in (b"[]", b"[{}]", b"[{},{}]"):
        assert bundle_with_entry(envelope, answer) is None
    with pytest.raises(MalformedInput):
        bundle_with_entry(envelope, b'[{},{"uuid":{}}]')


def answer(*, body: str = "e30=", root: object = "00", log: object = "00", hashes: object = ()) -> bytes:
    proof = {"rootHash": root, "hashes": list(hashes) if isinstance(hashes, tuple) else hashes}
    return json.dumps([{"uuid": {"body": body, "logID": log, "verification": {"inclusionProof": proof}}}]).encode()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (answer(body="?"), "no base64"),
        (answer(body="e30"), "no base64"),
        (answer(body="\u20ac"), "no base64"),
        (answer(root="0"), "no hexadecimal digits"),
        (answer(log="xx"), "no hexadecimal digits"),
        (answer(log=None), "no hexadecimal digits"),
        (answer(hashes=("00", "x")), "no hexadecimal digits"),
    ],
)
def test_bytes_that_a_log_answers_can_be_decoded(given: bytes, says: str) -> None:
    assert bundle_with_entry(parse_certified_envelope(CERTIFIED, b"{}"), answer()) is not None
    with pytest.raises(MalformedInput, match=says):
        bundle_with_entry(parse_certified_envelope(CERTIFIED, b"{}"), given)


@pytest.mark.parametrize("hashes", [None, 5, "ab", {}, {"ab": 1}])
def test_the_path_that_a_log_answers_is_a_list(hashes: object) -> None:
    with pytest.raises(MalformedInput, match="'hashes' is no list"):
        bundle_with_entry(parse_certified_envelope(CERTIFIED, b"{}"), answer(hashes=hashes))

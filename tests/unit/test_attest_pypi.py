from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.attest.pypi import verify_attestation, verify_provenance
from guard.errors import EvidenceCode
from guard.limits import ATTESTATIONS_MAX_COUNT, DISTRIBUTION_NAME_MAX_CHARACTERS, PROVENANCE_MAX_BYTES
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.sim.identity import Identity
from tests.sim.pep740 import (
    PUBLISH_PREDICATE,
    SLSA_PREDICATE,
    provenance,
    publish_statement,
    publisher_of,
    slsa_statement,
)
from tests.sim.sigstore import Defect, MintingSigstore

SIGSTORE = MintingSigstore()
VERIFIER = Verifier(parse_trust_root(SIGSTORE.trusted_root_json(), source="simulated"), now=datetime.now(timezone.utc))
IDENTITY = Identity.github()
PUBLISHER = publisher_of(IDENTITY)
FILE = "widget-1.0-py3-none-any.whl"
CONTENT = b"the wheel"
SHA256 = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
PUBLISH = SIGSTORE.attest(publish_statement(FILE, CONTENT), IDENTITY)
SLSA = SIGSTORE.attest(slsa_statement(FILE, CONTENT, IDENTITY), IDENTITY)
GOOD = provenance([(PUBLISHER, [PUBLISH, SLSA])])

VERIFIED, INVALID = EvidenceState.VERIFIED, EvidenceState.INVALID


def verify(document: object, filename: str = FILE, sha256: Digest = SHA256) -> tuple[Evidence, ...]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return verify_provenance(data, filename=filename, sha256=sha256, verifier=VERIFIER)


def only(evidence: tuple[Evidence, ...]) -> Evidence:
    assert len(evidence) == 1
    return evidence[0]


def signed(statement: dict[str, Any] | bytes, identity: Identity = IDENTITY, filename: str = FILE) -> Evidence:
    """Verify a provenance object whose only attestation signs ``statement``."""
    return only(verify(provenance([(publisher_of(identity), [SIGSTORE.attest(statement, identity)])]), filename))


def altered(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(GOOD))
    change(document)
    return document


def test_every_attestation_gives_evidence_of_its_signed_kind() -> None:
    data = json.dumps(GOOD).encode()
    publish, slsa = verify(data)
    assert [(one.kind, one.state, one.predicate_type) for one in (publish, slsa)] == [
        (EvidenceKind.PEP740_PUBLISH, VERIFIED, PUBLISH_PREDICATE),
        (EvidenceKind.SLSA_PROVENANCE, VERIFIED, SLSA_PREDICATE),
    ]
    assert publish.claims is not None
    assert publish.claims.source_repository_identifier == IDENTITY.source_repository_identifier
    assert publish.digest == Digest("sha256", hashlib.sha256(data).hexdigest())
    assert (publish.reason, publish.code, publish.cause, publish.key_id) == ("", None, None, None)
    assert (publish.signed_at, publish.log_index) == (publish.claims.signed_at, publish.claims.log_index)
    assert publish.log_index == int(PUBLISH["verification_material"]["transparency_entries"][0]["logIndex"])


@pytest.mark.parametrize(
    "identity",
    [
        Identity.github(environment="PyPI"),
        Identity.github(reusable="other/ci/.github/workflows/publish.yml@refs/tags/v2"),
        Identity.gitlab(),
        Identity.email("robot@acme.iam.gserviceaccount.com"),
    ],
    ids=["github-environment", "github-reusable-workflow", "gitlab", "google"],
)
def test_publishers_verify(identity: Identity) -> None:
    assert signed(publish_statement(FILE, CONTENT), identity).state is VERIFIED


def test_all_bundles_are_verified_not_the_first() -> None:
    other = Identity.github(repository="acme/other")
    forged = SIGSTORE.attest(publish_statement(FILE, CONTENT), other, defect=Defect.SIGNATURE_CORRUPT)
    evidence = verify(provenance([(PUBLISHER, [PUBLISH, SLSA]), (publisher_of(other), [forged])]))
    assert [one.state for one in evidence] == [VERIFIED, VERIFIED, INVALID]
    assert evidence[2].code is EvidenceCode.SIGNATURE
    assert evidence[2].claims is None


@pytest.mark.parametrize("position", [0, 1])
def test_all_attestations_of_a_bundle_are_verified(position: int) -> None:
    attestations = [PUBLISH, SLSA]
    statement = base64.b64decode(attestations[position]["envelope"]["statement"])
    attestations[position] = SIGSTORE.attest(statement, IDENTITY, defect=Defect.MERKLE_CORRUPT)
    evidence = verify(provenance([(PUBLISHER, attestations)]))
    assert [one.state for one in evidence].index(INVALID) == position
    assert evidence[1 - position].state is VERIFIED


SAME_NAMES = {
    "equal": (FILE, FILE),
    "wheel-project-name": ("Widget.Extra-1.0-py3-none-any.whl", "widget_extra-1.0-py3-none-any.whl"),
    "wheel-version": ("widget-1.0.0-py3-none-any.whl", "widget-1.0-py3-none-any.whl"),
    "wheel-order-of-tags": ("widget-1.0-py3.py2-none-any.whl", "widget-1.0-py2.py3-none-any.whl"),
    "sdist-project-name": ("Widget-Extra-1.0.tar.gz", "widget_extra-1.0.tar.gz"),
    "not-a-distribution-but-equal": ("widget-1.0.egg", "widget-1.0.egg"),
}
OTHER_NAMES = {
    "other-project": ("gadget-1.0-py3-none-any.whl", FILE),
    "other-version": ("widget-1.1-py3-none-any.whl", FILE),
    "other-tag": ("widget-1.0-cp311-cp311-linux_x86_64.whl", FILE),
    "build-tag": ("widget-1.0-1-py3-none-any.whl", FILE),
    "sdist-for-wheel": ("widget-1.0.tar.gz", FILE),
    "wheel-for-sdist": (FILE, "widget-1.0.tar.gz"),
    "zip-for-tar": ("widget-1.0.zip", "widget-1.0.tar.gz"),
    "tar-for-zip": ("widget-1.0.tar.gz", "widget-1.0.zip"),
    "with-folder": (f"a/{FILE}", FILE),
    "empty": ("", FILE),
    "neither-is-a-distribution": ("a.egg", "b.egg"),
    "same-version-but-longer-than-any-file-name": (f"widget-1{'.0' * 150}-py3-none-any.whl", FILE),
}


@pytest.mark.parametrize(("stated", "filename"), SAME_NAMES.values(), ids=SAME_NAMES)
def test_subject_name_may_be_spelled_otherwise(stated: str, filename: str) -> None:
    assert signed(publish_statement(stated, CONTENT), filename=filename).state is VERIFIED


@pytest.mark.parametrize(("stated", "filename"), OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_subject_name_must_be_the_files(stated: str, filename: str) -> None:
    evidence = signed(publish_statement(stated, CONTENT), filename=filename)
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.STATEMENT_SUBJECT)
    assert evidence.predicate_type == PUBLISH_PREDICATE


DIGEST = SHA256.hex


@pytest.mark.parametrize(
    "digests",
    [
        pytest.param({"sha256": "0" * 64}, id="other"),
        pytest.param({"sha256": DIGEST.upper()}, id="upper-case"),
        pytest.param({"sha256": DIGEST[:-2]}, id="cut"),
        pytest.param({"sha512": hashlib.sha512(CONTENT).hexdigest()}, id="no-sha256"),
        pytest.param({}, id="none"),
    ],
)
def test_subject_digest_must_be_the_files(digests: dict[str, str]) -> None:
    statement = publish_statement(FILE, CONTENT)
    statement["subject"][0]["digest"] = digests
    assert signed(statement).code is EvidenceCode.STATEMENT_SUBJECT


def test_a_digest_of_another_algorithm_binds_nothing() -> None:
    weak = Digest("md5", "0" * 32)
    statement = publish_statement(FILE, CONTENT)
    statement["subject"][0]["digest"] = {"md5": weak.hex, "sha256": weak.hex}
    document = provenance([(PUBLISHER, [SIGSTORE.attest(statement, IDENTITY)])])
    assert only(verify(document, sha256=weak)).code is EvidenceCode.STATEMENT_SUBJECT


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"subject": []}, EvidenceCode.STATEMENT_SUBJECT, id="no-subject"),
        pytest.param(
            {"subject": publish_statement(FILE, CONTENT)["subject"] * 2},
            EvidenceCode.STATEMENT_SUBJECT,
            id="two-subjects",
        ),
        pytest.param({"predicateType": "https://example.test/x"}, EvidenceCode.STATEMENT_PREDICATE, id="unknown-type"),
        # PyPI takes version 1 alone.
        pytest.param(
            {"predicateType": "https://slsa.dev/provenance/v0.2"}, EvidenceCode.STATEMENT_PREDICATE, id="v0.2"
        ),
        pytest.param(
            {"predicateType": SLSA_PREDICATE, "predicate": None}, EvidenceCode.MALFORMED, id="slsa-without-predicate"
        ),
        pytest.param({"predicateType": ""}, EvidenceCode.STATEMENT_PREDICATE, id="empty-type"),
        pytest.param({"predicate": {"a": 1}}, EvidenceCode.STATEMENT_PREDICATE, id="publish-with-predicate"),
        pytest.param({"predicate": [1]}, EvidenceCode.MALFORMED, id="predicate-no-object"),
        pytest.param({"_type": "x"}, EvidenceCode.MALFORMED, id="no-statement"),
    ],
)
def test_signed_statement_is_judged(change: dict[str, Any], code: EvidenceCode) -> None:
    assert signed(publish_statement(FILE, CONTENT) | change).code is code


def test_empty_predicate_of_a_publish_attestation_is_accepted() -> None:
    assert signed(publish_statement(FILE, CONTENT) | {"predicate": {}}).state is VERIFIED


@pytest.mark.parametrize("identity", [Identity.github(repository="acme/other"), Identity.github(trigger="release")])
def test_provenance_must_agree_with_its_certificate(identity: Identity) -> None:
    statement = slsa_statement(FILE, CONTENT, identity)
    assert signed(statement, identity).state is VERIFIED
    evidence = signed(statement)
    assert (evidence.kind, evidence.state) == (EvidenceKind.SLSA_PROVENANCE, INVALID)
    assert evidence.code is EvidenceCode.STATEMENT_PREDICATE


def test_signed_bytes_that_are_no_json_are_malformed() -> None:
    assert signed(b"\xff").code is EvidenceCode.MALFORMED


def test_one_attestation_for_each_predicate_type() -> None:
    again = SIGSTORE.attest(publish_statement(FILE, CONTENT), IDENTITY)
    first, second = verify(provenance([(PUBLISHER, [PUBLISH, again])]))
    assert (first.state, second.state) == (VERIFIED, INVALID)
    assert second.code is EvidenceCode.STATEMENT_PREDICATE
    assert [one.state for one in verify(provenance([(PUBLISHER, [PUBLISH]), (PUBLISHER, [again])]))] == [VERIFIED] * 2


def test_what_stands_beside_a_second_attestation_of_a_type_is_judged_for_itself() -> None:
    again = SIGSTORE.attest(publish_statement(FILE, CONTENT), IDENTITY)
    of_another = SIGSTORE.attest(publish_statement("gadget-1.0.tar.gz", CONTENT), IDENTITY)
    evidence = verify(provenance([(PUBLISHER, [PUBLISH, again, of_another, SLSA])]))
    predicate, subject = EvidenceCode.STATEMENT_PREDICATE, EvidenceCode.STATEMENT_SUBJECT
    assert [each.code for each in evidence] == [None, predicate, subject, None]


def test_a_name_as_long_as_any_file_name_is_compared() -> None:
    stated = f"widget-1{'.0' * 200}"[: DISTRIBUTION_NAME_MAX_CHARACTERS - 17] + "-py3-none-any.whl"
    assert len(stated) == DISTRIBUTION_NAME_MAX_CHARACTERS
    assert signed(publish_statement(stated, CONTENT), filename="widget-1-py3-none-any.whl").state is VERIFIED


@pytest.mark.parametrize(
    "publisher",
    [
        pytest.param(PUBLISHER | {"repository": "acme/other"}, id="repository"),
        pytest.param(publisher_of(Identity.gitlab()), id="other-kind"),
        pytest.param({"kind": "Unheard"}, id="unknown-kind"),
    ],
)
def test_publisher_must_agree_with_the_certificate(publisher: dict[str, Any]) -> None:
    evidence = only(verify(provenance([(publisher, [PUBLISH])])))
    assert evidence.code is EvidenceCode.STATEMENT_PUBLISHER
    assert evidence.claims is None


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(provenance([]), id="no-bundles"),
        pytest.param(provenance([(PUBLISHER, [])]), id="no-attestations"),
        pytest.param(provenance([(PUBLISHER, [PUBLISH]), (PUBLISHER, [])]), id="second-bundle-empty"),
    ],
)
def test_empty_lists_are_never_evidence(document: dict[str, Any]) -> None:
    evidence = only(verify(document))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.EMPTY)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="no-bytes"),
        pytest.param(b"<html>", id="html"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty-object"),
        pytest.param(json.dumps(GOOD).encode()[:-1], id="cut"),
        pytest.param(json.dumps(GOOD).encode()[:-1] + b',"version":1}', id="duplicate-name"),
        pytest.param(json.dumps(GOOD).encode() + b" " * PROVENANCE_MAX_BYTES, id="too-large"),
        pytest.param(altered(lambda d: d.pop("version")), id="no-version"),
        pytest.param(altered(lambda d: d.update(version=2)), id="version-2"),
        pytest.param(altered(lambda d: d.update(version=True)), id="version-true"),
        pytest.param(altered(lambda d: d.update(version=1.0)), id="version-float"),
        pytest.param(altered(lambda d: d.update(version="1")), id="version-text"),
        pytest.param(altered(lambda d: d.pop("attestation_bundles")), id="no-bundles-member"),
        pytest.param(altered(lambda d: d.update(attestation_bundles={})), id="bundles-no-list"),
        pytest.param(altered(lambda d: d["attestation_bundles"].append(1)), id="bundle-no-object"),
        pytest.param(altered(lambda d: d["attestation_bundles"][0].pop("publisher")), id="no-publisher"),
        pytest.param(altered(lambda d: d["attestation_bundles"][0].update(publisher={})), id="publisher-without-kind"),
        pytest.param(altered(lambda d: d["attestation_bundles"][0].pop("attestations")), id="no-attestations-member"),
        pytest.param(
            altered(lambda d: d["attestation_bundles"][0]["attestations"].append(None)), id="attestation-null"
        ),
        pytest.param(provenance([(PUBLISHER, [{}] * (ATTESTATIONS_MAX_COUNT + 1))]), id="too-many-attestations"),
        pytest.param(provenance([(PUBLISHER, [{}])] * (ATTESTATIONS_MAX_COUNT + 1)), id="too-many-bundles"),
    ],
)
def test_malformed_document_is_one_invalid_evidence(document: object) -> None:
    evidence = only(verify(document))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.MALFORMED)
    assert evidence.reason


def test_as_many_attestations_as_the_limit_allows_are_judged() -> None:
    assert len(verify(provenance([(PUBLISHER, [{}] * ATTESTATIONS_MAX_COUNT)]))) == ATTESTATIONS_MAX_COUNT


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda a: a.update(version=2), id="version"),
        pytest.param(lambda a: a.pop("envelope"), id="no-envelope"),
        pytest.param(lambda a: a["envelope"].pop("statement"), id="no-statement"),
        pytest.param(lambda a: a["envelope"].update(signature=1), id="signature-no-string"),
        pytest.param(lambda a: a.pop("verification_material"), id="no-material"),
        pytest.param(lambda a: a["verification_material"].pop("certificate"), id="no-certificate"),
        pytest.param(lambda a: a["verification_material"].update(certificate="A"), id="certificate-no-base64"),
        pytest.param(lambda a: a["verification_material"].pop("transparency_entries"), id="no-entries"),
    ],
)
def test_malformed_attestation_leaves_the_others_judged(change: Callable[[dict[str, Any]], object]) -> None:
    evidence = verify(altered(lambda d: change(d["attestation_bundles"][0]["attestations"][0])))
    assert [(one.state, one.code) for one in evidence] == [(INVALID, EvidenceCode.MALFORMED), (VERIFIED, None)]


def test_single_attestation() -> None:
    data = json.dumps(PUBLISH).encode()
    evidence = verify_attestation(data, filename=FILE, sha256=SHA256, verifier=VERIFIER)
    assert (evidence.kind, evidence.state) == (EvidenceKind.PEP740_PUBLISH, VERIFIED)
    other = verify_attestation(data, filename="gadget-1.0.tar.gz", sha256=SHA256, verifier=VERIFIER)
    assert (other.state, other.code) == (INVALID, EvidenceCode.STATEMENT_SUBJECT)


@pytest.mark.parametrize("data", [b"", b"{}", json.dumps(GOOD).encode()], ids=["empty", "object", "provenance"])
def test_single_attestation_malformed(data: bytes) -> None:
    evidence = verify_attestation(data, filename=FILE, sha256=SHA256, verifier=VERIFIER)
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.MALFORMED)


@given(st.binary(max_size=300))
def test_any_bytes_are_invalid_evidence(data: bytes) -> None:
    assert only(verify(data)).state is INVALID


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the path of every value inside a document."""
    steps = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [path] * bool(path) + [place for step, inner in steps for place in places(inner, (*path, step))]


PLACES = places(GOOD)


@given(path=st.sampled_from(PLACES), value=JSON_VALUES)
def test_no_member_put_in_another_changes_who_signed_what(path: tuple[Any, ...], value: object) -> None:
    document: Any = json.loads(json.dumps(GOOD))
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    allowed = {(one.predicate_type, one.claims) for one in verify(GOOD)}
    evidence = verify(document)
    assert evidence
    assert all(one.state is INVALID or (one.predicate_type, one.claims) in allowed for one in evidence)

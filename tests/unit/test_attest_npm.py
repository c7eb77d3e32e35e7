"""npm's attestations documents: what is bound to what, and which states come out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.attest.npm import verify_attestations
from guard.errors import EvidenceCode
from guard.limits import ATTESTATIONS_MAX_COUNT, PROVENANCE_MAX_BYTES
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.sim.identity import Identity
from tests.sim.sigstore import BUNDLE_V0_2, Defect, EntryKind, MintingSigstore

SIGSTORE = MintingSigstore()
VERIFIER = Verifier(parse_trust_root(SIGSTORE.trusted_root_json(), source="simulated"))
IDENTITY = Identity.github()
NAME, VERSION, PURL = "@acme/widget", "1.0.0", "pkg:npm/%40acme/widget@1.0.0"
TARBALL = b"the tarball"
SHA512 = Digest("sha512", hashlib.sha512(TARBALL).hexdigest())
SLSA_V1, SLSA_V02 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"
PUBLISH = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
PUBLISHED = {"name": NAME, "version": VERSION, "registry": "https://registry.example.test"}

VERIFIED, INVALID, UNAVAILABLE = EvidenceState.VERIFIED, EvidenceState.INVALID, EvidenceState.UNAVAILABLE
SLSA_KIND, PUBLISH_KIND = EvidenceKind.SLSA_PROVENANCE, EvidenceKind.NPM_PUBLISH


def statement(predicate_type: str = SLSA_V1, purl: str = PURL, **changes: object) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": purl, "digest": {"sha512": SHA512.hex}}],
        "predicateType": predicate_type,
        "predicate": PUBLISHED if predicate_type == PUBLISH else {"buildDefinition": {}},
        **changes,
    }


def labelled(bundle: object, label: object = SLSA_V1) -> dict[str, Any]:
    return {"predicateType": label, "bundle": bundle}


def minted(predicate_type: str = SLSA_V1) -> dict[str, Any]:
    return labelled(SIGSTORE.bundle(statement(predicate_type), IDENTITY), predicate_type)


SLSA, OLD_SLSA, PUBLICATION = minted(), minted(SLSA_V02), minted(PUBLISH)
# The form in which npm's registry really signs: a key that the bundle names, and no certificate.
KEY_SIGNED = json.loads(json.dumps(PUBLICATION))
KEY_SIGNED["bundle"]["verificationMaterial"] = {
    "publicKey": {"hint": "SHA256:jl3"},
    "tlogEntries": PUBLICATION["bundle"]["verificationMaterial"]["tlogEntries"],
}


def verify(*attestations: object, name: str = NAME, version: str = VERSION) -> tuple[Evidence, ...]:
    return verify_document({"attestations": list(attestations)}, name=name, version=version)


def verify_document(document: object, *, name: str = NAME, version: str = VERSION) -> tuple[Evidence, ...]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return verify_attestations(data, name=name, version=version, sha512=SHA512, verifier=VERIFIER)


def only(evidence: tuple[Evidence, ...]) -> Evidence:
    assert len(evidence) == 1
    return evidence[0]


def signed(payload: dict[str, Any] | bytes, label: str | None = SLSA_V1, **release: str) -> Evidence:
    return only(verify(labelled(SIGSTORE.bundle(payload, IDENTITY), label), **release))


def test_every_attestation_gives_evidence_of_its_signed_kind() -> None:
    data = json.dumps({"attestations": [PUBLICATION, SLSA, OLD_SLSA]}).encode()
    found = verify_document(data)
    assert [(each.kind, each.state, each.predicate_type) for each in found] == [
        (PUBLISH_KIND, VERIFIED, PUBLISH),
        (SLSA_KIND, VERIFIED, SLSA_V1),
        (SLSA_KIND, VERIFIED, SLSA_V02),
    ]
    assert found[1].claims is not None
    assert found[1].claims.source_repository_identifier == IDENTITY.source_repository_identifier
    assert found[1].digest == Digest("sha256", hashlib.sha256(data).hexdigest())
    assert (found[1].reason, found[1].code, found[1].cause) == ("", None, None)


def test_the_label_may_be_missing_and_more_may_stand_beside() -> None:
    bundle = SLSA["bundle"]
    assert only(verify({"bundle": bundle})).state is VERIFIED
    assert only(verify({**SLSA, "predicateType": None})).state is VERIFIED
    assert only(verify({**SLSA, "signedAccessSignatureUrl": "https://x.example.test"})).state is VERIFIED


def test_a_bundle_of_the_older_version_verifies() -> None:
    bundle = SIGSTORE.bundle(statement(SLSA_V02), IDENTITY, media_type=BUNDLE_V0_2)
    assert only(verify(labelled(bundle, SLSA_V02))).state is VERIFIED


@pytest.mark.parametrize(
    ("name", "purl"),
    [
        ("widget", "pkg:npm/widget@1.0.0"),
        ("@acme/widget", "pkg:npm/%40acme/widget@1.0.0"),
        ("Old.Name~x", "pkg:npm/Old.Name~x@1.0.0"),
    ],
)
def test_the_subject_is_written_as_npm_writes_it(name: str, purl: str) -> None:
    assert signed(statement(purl=purl), name=name).state is VERIFIED


def test_a_version_is_not_encoded() -> None:
    evidence = signed(statement(purl="pkg:npm/widget@1.0.0-rc.1+b"), name="widget", version="1.0.0-rc.1+b")
    assert evidence.state is VERIFIED


OTHER_SUBJECTS = {
    "other-name": "pkg:npm/%40acme/gadget@1.0.0",
    "longer-name": "pkg:npm/%40acme/widget-evil@1.0.0",
    "other-version": "pkg:npm/%40acme/widget@1.0.1",
    "longer-version": "pkg:npm/%40acme/widget@1.0.0-rc.1",
    "shorter": "pkg:npm/%40acme/widget@1.0",
    "no-version": "pkg:npm/%40acme/widget",
    "no-scope": "pkg:npm/widget@1.0.0",
    "scope-not-encoded": "pkg:npm/@acme/widget@1.0.0",
    "slash-encoded": "pkg:npm/%40acme%2fwidget@1.0.0",
    "letter-case": "pkg:npm/%40Acme/widget@1.0.0",
    "other-type": "pkg:pypi/%40acme/widget@1.0.0",
    "qualifier": "pkg:npm/%40acme/widget@1.0.0?repository_url=https://x.example.test",
    "blank": "pkg:npm/%40acme/widget@1.0.0 ",
    "not-a-purl": "@acme/widget@1.0.0",
    "empty": "",
}


@pytest.mark.parametrize("purl", OTHER_SUBJECTS.values(), ids=OTHER_SUBJECTS)
@pytest.mark.parametrize("predicate_type", [SLSA_V1, PUBLISH], ids=["slsa", "publish"])
def test_subject_name_must_be_the_packages(purl: str, predicate_type: str) -> None:
    evidence = signed(statement(predicate_type, purl), predicate_type)
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.STATEMENT_SUBJECT)
    assert (evidence.predicate_type, evidence.claims) == (predicate_type, None)


@pytest.mark.parametrize(
    "digests",
    [
        pytest.param({"sha512": "0" * 128}, id="other"),
        pytest.param({"sha512": SHA512.hex.upper()}, id="upper-case"),
        pytest.param({"sha512": SHA512.hex[:-2]}, id="cut"),
        pytest.param({"sha256": hashlib.sha256(TARBALL).hexdigest()}, id="no-sha512"),
        pytest.param({}, id="none"),
    ],
)
def test_subject_digest_must_be_the_tarballs(digests: dict[str, str]) -> None:
    evidence = signed(statement(subject=[{"name": PURL, "digest": digests}]))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.STATEMENT_SUBJECT)


def test_a_digest_of_another_algorithm_binds_nothing() -> None:
    weak = Digest("sha1", "0" * 40)
    bundle = SIGSTORE.bundle(
        statement(subject=[{"name": PURL, "digest": {"sha1": weak.hex, "sha512": weak.hex}}]), IDENTITY
    )
    data = json.dumps({"attestations": [labelled(bundle)]}).encode()
    evidence = only(verify_attestations(data, name=NAME, version=VERSION, sha512=weak, verifier=VERIFIER))
    assert evidence.code is EvidenceCode.STATEMENT_SUBJECT


SUBJECTS = statement()["subject"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"subject": []}, EvidenceCode.STATEMENT_SUBJECT, id="no-subject"),
        pytest.param({"subject": SUBJECTS * 2}, EvidenceCode.STATEMENT_SUBJECT, id="two-subjects"),
        pytest.param({"predicateType": f"{SLSA_V1}x"}, EvidenceCode.STATEMENT_PREDICATE, id="unknown-type"),
        pytest.param({"predicateType": SLSA_V02}, EvidenceCode.STATEMENT_PREDICATE, id="other-than-labelled"),
        pytest.param({"predicateType": PUBLISH}, EvidenceCode.STATEMENT_PREDICATE, id="publish-labelled-slsa"),
        pytest.param({"predicate": [1]}, EvidenceCode.MALFORMED, id="predicate-no-object"),
        pytest.param({"_type": "x"}, EvidenceCode.MALFORMED, id="no-statement"),
    ],
)
def test_signed_statement_is_judged(change: dict[str, Any], code: EvidenceCode) -> None:
    evidence = signed(statement() | change)
    assert (evidence.state, evidence.code) == (INVALID, code)


def test_signed_bytes_that_are_no_json_are_malformed() -> None:
    assert signed(b"\xff").code is EvidenceCode.MALFORMED


def test_an_unknown_type_is_refused_with_or_without_a_label() -> None:
    for label in ("https://example.test/x", None):
        evidence = signed(statement("https://example.test/x"), label)
        assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.STATEMENT_PREDICATE)
        assert evidence.predicate_type is None


def test_what_is_signed_must_be_a_statement_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key signs the type, too; a signer that signs another type is as genuine as any."""
    verified = VERIFIER.verify_dsse(SLSA["bundle"])
    monkeypatch.setattr(Verifier, "verify_dsse", lambda self, bundle: replace(verified, payload_type="text/plain"))
    evidence = only(verify(SLSA))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.MALFORMED)


@pytest.mark.parametrize(
    ("predicate", "code"),
    [
        pytest.param(PUBLISHED | {"name": "@acme/gadget"}, EvidenceCode.STATEMENT_PREDICATE, id="name"),
        pytest.param(PUBLISHED | {"version": "1.0.1"}, EvidenceCode.STATEMENT_PREDICATE, id="version"),
        pytest.param(PUBLISHED | {"registry": "file:///x"}, EvidenceCode.STATEMENT_PREDICATE, id="registry"),
        pytest.param({"name": NAME, "version": VERSION}, EvidenceCode.MALFORMED, id="no-registry"),
        pytest.param({"name": NAME, "registry": "https://x"}, EvidenceCode.MALFORMED, id="no-version"),
        pytest.param(PUBLISHED | {"name": 1}, EvidenceCode.MALFORMED, id="name-no-string"),
        pytest.param(None, EvidenceCode.MALFORMED, id="none"),
    ],
)
def test_publish_predicate_must_be_about_the_package(predicate: object, code: EvidenceCode) -> None:
    evidence = signed(statement(PUBLISH, predicate=predicate), PUBLISH)
    assert (evidence.kind, evidence.state, evidence.code) == (PUBLISH_KIND, INVALID, code)


@pytest.mark.parametrize("defect", [Defect.SIGNATURE_CORRUPT, Defect.FOREIGN_CA, Defect.MERKLE_CORRUPT])
@pytest.mark.parametrize("position", [0, 1])
def test_all_attestations_are_verified_not_the_first(defect: Defect, position: int) -> None:
    types = [PUBLISH, SLSA_V1]
    attestations = [PUBLICATION, SLSA]
    forged = SIGSTORE.bundle(statement(types[position]), IDENTITY, defect=defect)
    attestations[position] = labelled(forged, types[position])
    found = verify(*attestations)
    assert [each.state for each in found].index(INVALID) == position
    assert found[1 - position].state is VERIFIED
    assert found[position].kind is [PUBLISH_KIND, SLSA_KIND][position]


UNSUPPORTED = {
    "key-signed": (KEY_SIGNED, PUBLISH_KIND),
    "rekor-intoto": (labelled(SIGSTORE.bundle(statement(), IDENTITY, entry_kind=EntryKind.INTOTO)), SLSA_KIND),
    "no-proof": (labelled(SIGSTORE.bundle(statement(), IDENTITY, defect=Defect.NO_INCLUSION_PROOF)), SLSA_KIND),
    "no-label": (labelled(KEY_SIGNED["bundle"], None), SLSA_KIND),
}


@pytest.mark.parametrize(("attestation", "kind"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_a_form_that_is_not_supported_is_neither_verified_nor_absent(
    attestation: dict[str, Any], kind: EvidenceKind
) -> None:
    evidence = only(verify(attestation))
    assert (evidence.kind, evidence.state, evidence.cause) == (kind, UNAVAILABLE, UnavailableCause.UNSUPPORTED)
    assert (evidence.code, evidence.claims, evidence.predicate_type) == (None, None, None)
    assert "not supported" in evidence.reason


def test_an_unsupported_form_takes_nothing_from_the_others() -> None:
    assert [each.state for each in verify(KEY_SIGNED, SLSA)] == [UNAVAILABLE, VERIFIED]


def test_an_unsupported_form_of_an_unknown_type_is_refused() -> None:
    evidence = only(verify(labelled(KEY_SIGNED["bundle"], "https://example.test/x")))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.STATEMENT_PREDICATE)


@pytest.mark.parametrize(
    "attestations",
    [
        pytest.param((SLSA, minted()), id="slsa"),
        pytest.param((PUBLICATION, minted(PUBLISH)), id="publish"),
        pytest.param((SLSA, {"bundle": minted()["bundle"]}), id="second-without-label"),
        pytest.param((KEY_SIGNED, PUBLICATION), id="verified-after-unsupported"),
        pytest.param((PUBLICATION, KEY_SIGNED), id="unsupported-after-verified"),
        pytest.param((KEY_SIGNED, KEY_SIGNED), id="both-unsupported"),
        pytest.param(
            (labelled(SIGSTORE.bundle(statement(), IDENTITY, defect=Defect.SIGNATURE_CORRUPT)), SLSA),
            id="good-after-forged",
        ),
    ],
)
def test_one_attestation_for_each_predicate_type(attestations: tuple[dict[str, Any], ...]) -> None:
    second = verify(*attestations)[1]
    assert (second.state, second.code) == (INVALID, EvidenceCode.STATEMENT_PREDICATE)


def test_no_attestations_are_never_evidence() -> None:
    evidence = only(verify())
    assert (evidence.kind, evidence.state, evidence.code) == (SLSA_KIND, INVALID, EvidenceCode.EMPTY)


DOCUMENT = json.dumps({"attestations": [PUBLICATION, SLSA]}).encode()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="no-bytes"),
        pytest.param(b"<html>", id="html"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty-object"),
        pytest.param({"error": "Not found"}, id="error"),
        pytest.param(DOCUMENT[:-1], id="cut"),
        pytest.param(DOCUMENT[:-1] + b',"attestations":[]}', id="duplicate-name"),
        pytest.param(DOCUMENT + b" " * PROVENANCE_MAX_BYTES, id="too-large"),
        pytest.param({"attestations": {}}, id="no-list"),
        pytest.param({"attestations": [SLSA, None]}, id="attestation-null"),
        pytest.param({"attestations": [{"predicateType": SLSA_V1}]}, id="no-bundle"),
        pytest.param({"attestations": [labelled([])]}, id="bundle-no-object"),
        pytest.param({"attestations": [labelled(SLSA["bundle"], 1)]}, id="label-no-string"),
        pytest.param({"attestations": [labelled(SLSA["bundle"], [])]}, id="label-list"),
        pytest.param({"attestations": [labelled({})] * (ATTESTATIONS_MAX_COUNT + 1)}, id="too-many"),
    ],
)
def test_malformed_document_is_one_invalid_evidence(document: object) -> None:
    evidence = only(verify_document(document))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.MALFORMED)
    assert evidence.reason


def test_as_many_attestations_as_the_limit_allows_are_judged() -> None:
    assert len(verify(*[labelled({})] * ATTESTATIONS_MAX_COUNT)) == ATTESTATIONS_MAX_COUNT


SLSA_ENTRIES: list[object] = SLSA["bundle"]["verificationMaterial"]["tlogEntries"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda bundle: bundle.clear(), id="empty"),
        pytest.param(lambda bundle: bundle.pop("verificationMaterial"), id="no-material"),
        pytest.param(lambda bundle: bundle.pop("dsseEnvelope"), id="no-envelope"),
        pytest.param(lambda bundle: bundle["dsseEnvelope"].update(payload=1), id="payload-no-string"),
        pytest.param(lambda bundle: bundle["dsseEnvelope"].update(signatures=[]), id="no-signatures"),
        pytest.param(lambda bundle: bundle["verificationMaterial"].update(tlogEntries=[]), id="no-log-entry"),
        pytest.param(
            lambda bundle: bundle["verificationMaterial"].update(tlogEntries=SLSA_ENTRIES * 2), id="two-log-entries"
        ),
    ],
)
def test_a_malformed_bundle_leaves_the_others_judged(change: Callable[[dict[str, Any]], object]) -> None:
    spoiled = json.loads(json.dumps(PUBLICATION))
    change(spoiled["bundle"])
    assert [each.state for each in verify(spoiled, SLSA)] == [INVALID, VERIFIED]


@given(st.binary(max_size=300))
def test_any_bytes_are_invalid_evidence(data: bytes) -> None:
    assert only(verify_document(data)).state is INVALID


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([SLSA_V1, SLSA_V02, PUBLISH]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the path of every value inside a document."""
    steps = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [path] * bool(path) + [place for step, inner in steps for place in places(inner, (*path, step))]


PLACES = places(json.loads(DOCUMENT))
SIGNED = {(each.predicate_type, each.claims) for each in verify_document(DOCUMENT)}


@given(path=st.sampled_from(PLACES), value=JSON_VALUES)
def test_no_member_put_in_another_changes_who_signed_what(path: tuple[Any, ...], value: object) -> None:
    document: Any = json.loads(DOCUMENT)
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    evidence = verify_document(document)
    assert evidence
    assert all(each.state is not VERIFIED or (each.predicate_type, each.claims) in SIGNED for each in evidence)

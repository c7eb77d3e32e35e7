"""npm's attestations documents: what is bound to what, and which states come out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.attest.npm import RegistryKeys, verify_attestations
from guard.attest.npm_signature import KeyUsage, RegistryKey
from guard.errors import EvidenceCode, EvidenceInvalid
from guard.limits import ATTESTATIONS_MAX_COUNT, PROVENANCE_MAX_BYTES
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.sim.authority import new_key, public_der
from tests.sim.identity import Identity
from tests.sim.npm_documents import provenance_statement
from tests.sim.sigstore import BUNDLE_V0_2, Defect, EntryKind, KeyPair, MintingSigstore

NOW = datetime.now(timezone.utc).replace(microsecond=0)
SECOND = timedelta(seconds=1)
SIGSTORE = MintingSigstore(NOW)
VERIFIER = Verifier(parse_trust_root(SIGSTORE.trusted_root_json(), source="simulated"), now=NOW)
IDENTITY = Identity.github()
SIGNER = KeyPair(new_key(), "SHA256:the registry's")
KEY = RegistryKey(keyid=SIGNER.hint, spki=public_der(SIGNER.key), expires=None)
KEYS = RegistryKeys(known=(KEY,))
NAME, VERSION, PURL = "@acme/widget", "1.0.0", "pkg:npm/%40acme/widget@1.0.0"
TARBALL = b"the tarball"
SHA512 = Digest("sha512", hashlib.sha512(TARBALL).hexdigest())
SLSA_V1, SLSA_V02 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"
PUBLISH = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
REGISTRY = "https://registry.example.test"
REGISTRIES = ("https://mirror.example.test/npm/", f"{REGISTRY}/")
PUBLISHED = {"name": NAME, "version": VERSION, "registry": REGISTRY}
PREDICATES: dict[str, dict[str, Any]] = {
    PUBLISH: PUBLISHED,
    SLSA_V1: provenance_statement(NAME, VERSION, TARBALL, IDENTITY)["predicate"],
    SLSA_V02: {"buildType": "https://example.test/build/v1"},
}

VERIFIED, INVALID, UNAVAILABLE = EvidenceState.VERIFIED, EvidenceState.INVALID, EvidenceState.UNAVAILABLE
SLSA_KIND, PUBLISH_KIND = EvidenceKind.SLSA_PROVENANCE, EvidenceKind.NPM_PUBLISH


def statement(predicate_type: str = SLSA_V1, purl: str = PURL, **changes: object) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": purl, "digest": {"sha512": SHA512.hex}}],
        "predicateType": predicate_type,
        "predicate": PREDICATES.get(predicate_type, {}),
        **changes,
    }


def labelled(bundle: object, label: object = SLSA_V1) -> dict[str, Any]:
    return {"predicateType": label, "bundle": bundle}


def minted(predicate_type: str = SLSA_V1, *, defect: Defect | None = None, **changes: object) -> dict[str, Any]:
    """Return an attestation by whoever makes such ones: the registry's key, or a build's certificate."""
    content = statement(predicate_type, **changes)  # type: ignore[arg-type]
    bundle = (
        SIGSTORE.key_bundle(content, SIGNER, defect=defect)
        if predicate_type == PUBLISH
        else SIGSTORE.bundle(content, IDENTITY, defect=defect)
    )
    return labelled(bundle, predicate_type)


SLSA, OLD_SLSA, PUBLICATION = minted(), minted(SLSA_V02), minted(PUBLISH)
PUBLISHED_AT = datetime.fromtimestamp(
    int(PUBLICATION["bundle"]["verificationMaterial"]["tlogEntries"][0]["integratedTime"]), tz=timezone.utc
)


def verify(
    *attestations: object, name: str = NAME, version: str = VERSION, keys: RegistryKeys = KEYS
) -> tuple[Evidence, ...]:
    return verify_document({"attestations": list(attestations)}, name=name, version=version, keys=keys)


def verify_document(
    document: object, *, name: str = NAME, version: str = VERSION, sha512: Digest = SHA512, keys: RegistryKeys = KEYS
) -> tuple[Evidence, ...]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return verify_attestations(
        data, name=name, version=version, sha512=sha512, registries=REGISTRIES, keys=keys, verifier=VERIFIER
    )


def only(evidence: tuple[Evidence, ...]) -> Evidence:
    assert len(evidence) == 1
    return evidence[0]


def signed(payload: dict[str, Any] | bytes, label: str | None = SLSA_V1, **release: str) -> Evidence:
    """Verify what a build signed."""
    return only(verify(labelled(SIGSTORE.bundle(payload, IDENTITY), label), **release))  # type: ignore[arg-type]


def published(payload: dict[str, Any]) -> Evidence:
    """Verify what a registry signed."""
    return only(verify(labelled(SIGSTORE.key_bundle(payload, SIGNER), PUBLISH)))


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
    assert [each.claims is None for each in found] == [True, False, False]
    assert [each.key_id for each in found] == [SIGNER.hint, None, None]
    assert found[0].signed_at == PUBLISHED_AT
    assert found[1].signed_at == found[1].claims.signed_at
    entries = [each["bundle"]["verificationMaterial"]["tlogEntries"][0] for each in (PUBLICATION, SLSA, OLD_SLSA)]
    assert [each.log_index for each in found] == [int(entry["logIndex"]) for entry in entries]


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
    evidence = only(verify(minted(predicate_type, purl=purl)))
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
@pytest.mark.parametrize("predicate_type", [SLSA_V1, PUBLISH], ids=["slsa", "publish"])
def test_subject_digest_must_be_the_tarballs(digests: dict[str, str], predicate_type: str) -> None:
    evidence = only(verify(minted(predicate_type, subject=[{"name": PURL, "digest": digests}])))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.STATEMENT_SUBJECT)


def test_a_digest_of_another_algorithm_binds_nothing() -> None:
    weak = Digest("sha1", "0" * 40)
    bundle = SIGSTORE.bundle(
        statement(subject=[{"name": PURL, "digest": {"sha1": weak.hex, "sha512": weak.hex}}]), IDENTITY
    )
    data = json.dumps({"attestations": [labelled(bundle)]}).encode()
    evidence = only(verify_document(data, sha512=weak))
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
    monkeypatch.setattr(Verifier, "verify_dsse", lambda *_, **__: replace(verified, payload_type="text/plain"))
    evidence = only(verify(SLSA))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.MALFORMED)


@pytest.mark.parametrize(
    ("predicate", "code"),
    [
        pytest.param(PUBLISHED | {"name": "@acme/gadget"}, EvidenceCode.STATEMENT_PREDICATE, id="name"),
        pytest.param(PUBLISHED | {"version": "1.0.1"}, EvidenceCode.STATEMENT_PREDICATE, id="version"),
        pytest.param(
            PUBLISHED | {"registry": "https://other.example.test"}, EvidenceCode.STATEMENT_PREDICATE, id="registry"
        ),
        pytest.param(PUBLISHED | {"registry": f"{REGISTRY}.x"}, EvidenceCode.STATEMENT_PREDICATE, id="longer-registry"),
        pytest.param({"name": NAME, "version": VERSION}, EvidenceCode.MALFORMED, id="no-registry"),
        pytest.param({"name": NAME, "registry": "https://x"}, EvidenceCode.MALFORMED, id="no-version"),
        pytest.param(PUBLISHED | {"name": 1}, EvidenceCode.MALFORMED, id="name-no-string"),
        pytest.param(None, EvidenceCode.MALFORMED, id="none"),
    ],
)
def test_publish_predicate_must_be_about_the_package(predicate: object, code: EvidenceCode) -> None:
    evidence = published(statement(PUBLISH, predicate=predicate))
    assert (evidence.kind, evidence.state, evidence.code) == (PUBLISH_KIND, INVALID, code)


@pytest.mark.parametrize("defect", [Defect.SIGNATURE_CORRUPT, Defect.SET_CORRUPT, Defect.MERKLE_CORRUPT])
@pytest.mark.parametrize("position", [0, 1])
def test_all_attestations_are_verified_not_the_first(defect: Defect, position: int) -> None:
    types = [PUBLISH, SLSA_V1]
    attestations = [PUBLICATION, SLSA]
    attestations[position] = minted(types[position], defect=defect)
    found = verify(*attestations)
    assert [each.state for each in found].index(INVALID) == position
    assert found[1 - position].state is VERIFIED
    assert found[position].kind is [PUBLISH_KIND, SLSA_KIND][position]


@pytest.mark.parametrize("registry", REGISTRIES)
def test_the_registry_may_be_the_one_asked_or_what_it_mirrors(registry: str) -> None:
    for url in (registry, registry.rstrip("/")):
        assert published(statement(PUBLISH, predicate=PUBLISHED | {"registry": url})).state is VERIFIED


# --- who may say what ------------------------------------------------------------------------------------------------


def test_a_publish_attestation_is_the_registrys_to_sign() -> None:
    evidence = signed(statement(PUBLISH), PUBLISH)
    assert (evidence.kind, evidence.state) == (PUBLISH_KIND, INVALID)
    assert evidence.code is EvidenceCode.STATEMENT_PREDICATE
    assert IDENTITY.san in evidence.reason


@pytest.mark.parametrize("predicate_type", [SLSA_V1, SLSA_V02])
def test_provenance_is_not_the_registrys_to_sign(predicate_type: str) -> None:
    bundle = SIGSTORE.key_bundle(statement(predicate_type), SIGNER)
    evidence = only(verify(labelled(bundle, predicate_type)))
    assert (evidence.kind, evidence.state) == (SLSA_KIND, INVALID)
    assert evidence.code is EvidenceCode.STATEMENT_PREDICATE


def test_provenance_must_agree_with_its_certificate() -> None:
    other = provenance_statement(NAME, VERSION, TARBALL, Identity.github(repository="acme/other"))["predicate"]
    evidence = signed(statement(predicate=other))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.STATEMENT_PREDICATE)
    assert "acme/other" in evidence.reason
    assert evidence.claims is None


# --- the registry's keys ---------------------------------------------------------------------------------------------


def window(**changes: Any) -> RegistryKeys:
    return RegistryKeys(known=(replace(KEY, **changes),))


@pytest.mark.parametrize(
    ("keys", "state"),
    [
        pytest.param(window(starts=PUBLISHED_AT), VERIFIED, id="begins-then"),
        pytest.param(window(starts=PUBLISHED_AT + SECOND), INVALID, id="begins-later"),
        pytest.param(window(expires=PUBLISHED_AT + SECOND), VERIFIED, id="ends-later"),
        pytest.param(window(expires=PUBLISHED_AT), INVALID, id="ends-then"),
        pytest.param(window(usage=KeyUsage.ATTESTATIONS), VERIFIED, id="for-attestations"),
        pytest.param(window(usage=KeyUsage.SIGNATURES), INVALID, id="for-signatures"),
        pytest.param(window(keyid="SHA256:other"), INVALID, id="of-another-name"),
        pytest.param(window(spki=public_der(new_key())), INVALID, id="another-of-this-name"),
        pytest.param(RegistryKeys(), INVALID, id="none"),
    ],
)
def test_the_key_must_have_signed_such_things_at_that_time(keys: RegistryKeys, state: EvidenceState) -> None:
    evidence, slsa = verify(PUBLICATION, SLSA, keys=keys)
    assert (evidence.kind, evidence.state) == (PUBLISH_KIND, state)
    assert evidence.code is (None if state is VERIFIED else EvidenceCode.SIGNATURE)
    assert slsa.state is VERIFIED


def test_a_publish_attestation_says_which_registry_published() -> None:
    published, built = verify(PUBLICATION, SLSA)
    assert (published.registry, built.registry) == (REGISTRY, None)


@pytest.mark.parametrize(("label", "kind"), [(PUBLISH, PUBLISH_KIND), (SLSA_V1, SLSA_KIND), (None, PUBLISH_KIND)])
def test_what_an_unknown_key_signed_is_of_the_kind_that_the_registry_calls_it(
    label: str | None, kind: EvidenceKind
) -> None:
    keys = RegistryKeys(cause=UnavailableCause.OUTAGE, reason="nobody knows")
    evidence = only(verify(labelled(PUBLICATION["bundle"], label), keys=keys))
    assert (evidence.kind, evidence.state) == (kind, UNAVAILABLE)
    assert evidence.reason.endswith(": nobody knows")


def test_an_unknown_key_is_named_alone_where_nothing_else_is_wrong() -> None:
    evidence = only(verify(PUBLICATION, keys=RegistryKeys()))
    assert (evidence.state, evidence.reason[-12:]) == (INVALID, "is not known")


@pytest.mark.parametrize("cause", [UnavailableCause.NOT_SERVED, UnavailableCause.OUTAGE])
def test_an_unknown_key_is_no_answer_where_not_all_keys_could_be_had(cause: UnavailableCause) -> None:
    evidence = only(verify(PUBLICATION, keys=RegistryKeys(cause=cause, reason="nobody knows")))
    assert (evidence.kind, evidence.state, evidence.cause) == (PUBLISH_KIND, UNAVAILABLE, cause)
    assert (evidence.code, evidence.predicate_type, evidence.key_id) == (None, None, None)
    assert evidence.reason.endswith("which is not known: nobody knows")
    # What is known is judged all the same.
    assert only(verify(PUBLICATION, keys=replace(KEYS, cause=cause, reason="x"))).state is VERIFIED
    forged = minted(PUBLISH, defect=Defect.SIGNATURE_CORRUPT)
    assert only(verify(forged, keys=replace(KEYS, cause=cause, reason="x"))).state is INVALID


def test_a_list_of_keys_that_cannot_be_used_says_why() -> None:
    evidence = only(verify(PUBLICATION, keys=RegistryKeys(reason="the list is malformed")))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.SIGNATURE)
    assert evidence.reason.endswith("the list is malformed")


@pytest.mark.parametrize("keyid", ["", "SHA256:other"])
@pytest.mark.parametrize("attestation", [PUBLICATION, SLSA], ids=["key", "certificate"])
def test_the_envelope_must_name_the_key_that_signed(attestation: dict[str, Any], keyid: str) -> None:
    named = json.loads(json.dumps(attestation))
    named["bundle"]["dsseEnvelope"]["signatures"][0]["keyid"] = keyid
    evidence = only(verify(named))
    assert (evidence.state is VERIFIED) is (attestation is SLSA and not keyid)
    if evidence.state is not VERIFIED:
        assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.SIGNATURE)
        assert "the envelope names the key" in evidence.reason


# --- forms -----------------------------------------------------------------------------------------------------------


def test_the_forms_of_real_documents_verify() -> None:
    old = SIGSTORE.bundle(statement(), IDENTITY, entry_kind=EntryKind.INTOTO, media_type=BUNDLE_V0_2)
    registrys = SIGSTORE.key_bundle(statement(PUBLISH), SIGNER, entry_kind=EntryKind.INTOTO)
    assert [each.state for each in verify(labelled(old), labelled(registrys, PUBLISH))] == [VERIFIED, VERIFIED]


@pytest.mark.parametrize(("attestation", "kind"), [(SLSA, SLSA_KIND), (PUBLICATION, PUBLISH_KIND)])
def test_a_form_that_is_not_supported_is_neither_verified_nor_absent(
    attestation: dict[str, Any], kind: EvidenceKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EvidenceInvalid(EvidenceCode.UNSUPPORTED, "this form of bundle is not supported: new")

    monkeypatch.setattr(Verifier, "verify_dsse", refuse)
    evidence = only(verify(attestation))
    assert (evidence.kind, evidence.state, evidence.cause) == (kind, UNAVAILABLE, UnavailableCause.UNSUPPORTED)
    assert (evidence.code, evidence.claims, evidence.predicate_type) == (None, None, None)
    assert "not supported" in evidence.reason
    unknown = only(verify(labelled(attestation["bundle"], "https://example.test/x")))
    assert (unknown.state, unknown.code) == (INVALID, EvidenceCode.STATEMENT_PREDICATE)


@pytest.mark.parametrize(
    "attestations",
    [
        pytest.param((SLSA, minted()), id="slsa"),
        pytest.param((PUBLICATION, minted(PUBLISH)), id="publish"),
        pytest.param((SLSA, {"bundle": minted()["bundle"]}), id="second-without-label"),
        pytest.param(
            (minted(defect=Defect.SIGNATURE_CORRUPT), SLSA),
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


def test_somebody_vouches_for_the_time_of_an_attestation() -> None:
    """A key that signs without end would verify without one, and whether it had ended could never be said."""
    evidence = only(verify(minted(PUBLISH, defect=Defect.NO_INCLUSION_PROMISE)))
    assert (evidence.state, evidence.code) == (INVALID, EvidenceCode.LOG_ENTRY)
    assert evidence.reason == "nobody vouches for the time at which it was signed"

"""The minting Sigstore against the real verifier: the whole is accepted, the spoilt refused at the right step."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from sigstore.errors import Error
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy

from tests.sim.documents import JsonObject
from tests.sim.identity import GITHUB_ISSUER
from tests.sim.pep740 import publish_statement
from tests.sim.sigstore import BUNDLE_V0_2, BUNDLE_V0_3, Defect, EntryKind, Identity, MintingSigstore

_STATEMENT = publish_statement("widget-1.0.0-py3-none-any.whl", b"content of the wheel")
_IDENTITY = Identity.github()
_POLICY = policy.AllOf([policy.OIDCIssuer(GITHUB_ISSUER), policy.OIDCIssuerV2(GITHUB_ISSUER)])
# Which step of the real verifier refuses, in its own words. Reading refuses where a defect breaks the shape.
_REFUSALS = {
    Defect.FOREIGN_CA: "failed to build timestamp certificate chain",
    Defect.WRONG_KEY_USAGE: "does not contain `code signing`",
    Defect.NO_SCT: "does not contain a signed certificate timestamp",
    Defect.FORGED_SCT: "SCT verify failed",
    Defect.SCT_OF_OTHER_CERTIFICATE: "SCT verify failed",
    Defect.V1_V2_ISSUER_CONFLICT: "OIDCIssuer",
    Defect.PAYLOAD_SWAPPED: "DSSE: invalid signature",
    Defect.SIGNATURE_CORRUPT: "DSSE: invalid signature",
    Defect.NO_LOG_ENTRY: "expected exactly one log entry",
    Defect.TWO_LOG_ENTRIES: "expected exactly one log entry",
    Defect.NO_INCLUSION_PROMISE: "must contain an inclusion promise or signed timestamp",
    Defect.SET_CORRUPT: "SET: invalid inclusion promise",
    Defect.INTEGRATED_TIME_OUTSIDE_CERTIFICATE: "failed to build timestamp certificate chain",
    Defect.NO_INCLUSION_PROOF: "inclusionProof Field required",
    Defect.MERKLE_CORRUPT: "inclusion proof contains invalid root hash: expected",
    Defect.CHECKPOINT_CORRUPT: "checkpoint: invalid signature",
    Defect.CHECKPOINT_OF_OTHER_TREE: "Inclusion proof contains invalid root hash signature",
    Defect.ENTRY_OF_OTHER_BUNDLE: "log entry payload hash does not match",
    Defect.ENTRY_PAYLOAD_DIFFERS: "log entry payload hash does not match",
    Defect.ENTRY_SIGNATURE_DIFFERS: "log entry signatures do not match",
    Defect.ENTRY_CERTIFICATE_DIFFERS: "log entry signatures do not match",
}


@pytest.fixture(scope="module")
def sigstore() -> MintingSigstore:
    return MintingSigstore()


@pytest.fixture(scope="module")
def verifier(sigstore: MintingSigstore, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return _verifier(sigstore, tmp_path_factory.mktemp("root"))


def _verifier(sigstore: MintingSigstore, folder: Path) -> Verifier:
    path = folder / "trusted_root.json"
    path.write_bytes(sigstore.trusted_root_json())
    return Verifier(trusted_root=TrustedRoot.from_file(str(path)))


def _verify(verifier: Verifier, bundle: JsonObject) -> JsonObject:
    kind, payload = verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), _POLICY)
    assert kind == "application/vnd.in-toto+json"
    statement: JsonObject = json.loads(payload)
    return statement


def _bundle_of(attestation: JsonObject) -> JsonObject:
    """Rewrite a PEP 740 attestation as a bundle, as PEP 740's "Attestation objects" say the two correspond."""
    material, envelope = attestation["verification_material"], attestation["envelope"]
    return {
        "mediaType": BUNDLE_V0_3,
        "verificationMaterial": {
            "certificate": {"rawBytes": material["certificate"]},
            "tlogEntries": material["transparency_entries"],
        },
        "dsseEnvelope": {
            "payload": envelope["statement"],
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": envelope["signature"], "keyid": ""}],
        },
    }


@pytest.mark.parametrize("media_type", [BUNDLE_V0_3, BUNDLE_V0_2])
def test_a_bundle_is_accepted(sigstore: MintingSigstore, verifier: Verifier, media_type: str) -> None:
    assert _verify(verifier, sigstore.bundle(_STATEMENT, _IDENTITY, media_type=media_type)) == _STATEMENT


@pytest.mark.parametrize("number", range(9))
def test_every_place_in_a_growing_tree_is_proved(number: int, tmp_path: Path) -> None:
    sigstore = MintingSigstore()
    for _ in range(number):
        sigstore.attest(_STATEMENT, _IDENTITY)
    _verify(_verifier(sigstore, tmp_path), sigstore.bundle(_STATEMENT, _IDENTITY))


def test_an_attestation_is_accepted_and_has_the_version_and_keys_of_pep740(
    sigstore: MintingSigstore, verifier: Verifier
) -> None:
    attestation = sigstore.attest(_STATEMENT, _IDENTITY)
    assert _verify(verifier, _bundle_of(attestation)) == _STATEMENT
    assert attestation["version"] == 1
    assert set(attestation) == {"version", "verification_material", "envelope"}


def test_bytes_are_signed_as_they_are(sigstore: MintingSigstore) -> None:
    attestation = sigstore.attest(b"not even JSON", _IDENTITY)
    assert base64.b64decode(attestation["envelope"]["statement"]) == b"not even JSON"


@pytest.mark.parametrize("age_days", [1, 900])
def test_signatures_of_the_past_are_accepted(sigstore: MintingSigstore, verifier: Verifier, age_days: int) -> None:
    at = datetime.now(timezone.utc) - timedelta(days=age_days)
    attestation = sigstore.attest(_STATEMENT, _IDENTITY, at=at)
    _verify(verifier, _bundle_of(attestation))
    [entry] = attestation["verification_material"]["transparency_entries"]
    assert abs(int(entry["integratedTime"]) - at.timestamp()) < 3


@pytest.mark.parametrize("defect", Defect, ids=lambda defect: defect.name.lower())
def test_a_defect_is_refused_by_its_own_step(sigstore: MintingSigstore, verifier: Verifier, defect: Defect) -> None:
    attestation = sigstore.attest(_STATEMENT, _IDENTITY, defect=defect)
    with pytest.raises(Error) as refusal:
        _verify(verifier, _bundle_of(attestation))
    assert _REFUSALS[defect] in " ".join(str(refusal.value).split())


def _issued_by(sigstore: MintingSigstore) -> Callable[..., list[x509.Certificate]]:
    return lambda *_: [sigstore._foreign_authority.intermediate]


def _nothing(*_: object) -> None:
    return None


_SCT_STEP = "sigstore.verify.verifier.verify_sct"
_SIGNATURE_STEP = "sigstore.verify.verifier.dsse._verify"
_CHECKPOINT_STEP = "sigstore.models.verify_checkpoint"
_BODY_STEP = "sigstore.verify.verifier._validate_dsse_v001_entry_body"


@pytest.mark.parametrize(
    ("defect", "step"),
    [
        (Defect.FOREIGN_CA, "sigstore.verify.verifier.Verifier._verify_chain_at_time"),
        (Defect.NO_SCT, _SCT_STEP),
        (Defect.FORGED_SCT, _SCT_STEP),
        (Defect.SCT_OF_OTHER_CERTIFICATE, _SCT_STEP),
        (Defect.PAYLOAD_SWAPPED, _SIGNATURE_STEP),
        (Defect.SIGNATURE_CORRUPT, _SIGNATURE_STEP),
        (Defect.SET_CORRUPT, "sigstore.models.TransparencyLogEntry._verify_set"),
        (Defect.MERKLE_CORRUPT, "sigstore.models.verify_merkle_inclusion"),
        (Defect.CHECKPOINT_CORRUPT, _CHECKPOINT_STEP),
        (Defect.CHECKPOINT_OF_OTHER_TREE, _CHECKPOINT_STEP),
        (Defect.ENTRY_OF_OTHER_BUNDLE, _BODY_STEP),
        (Defect.ENTRY_PAYLOAD_DIFFERS, _BODY_STEP),
        (Defect.ENTRY_SIGNATURE_DIFFERS, _BODY_STEP),
        (Defect.ENTRY_CERTIFICATE_DIFFERS, _BODY_STEP),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Defect) else "",
)
def test_with_its_step_left_out_a_defect_is_accepted(
    sigstore: MintingSigstore, verifier: Verifier, monkeypatch: pytest.MonkeyPatch, defect: Defect, step: str
) -> None:
    bundle = sigstore.bundle(_STATEMENT, _IDENTITY, defect=defect)
    monkeypatch.setattr(step, _issued_by(sigstore) if defect is Defect.FOREIGN_CA else _nothing)
    _verify(verifier, bundle)


def test_the_issuer_conflict_hides_from_a_policy_on_the_new_extension_alone(
    sigstore: MintingSigstore, verifier: Verifier
) -> None:
    bundle = sigstore.bundle(_STATEMENT, _IDENTITY, defect=Defect.V1_V2_ISSUER_CONFLICT)
    verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), policy.OIDCIssuerV2(GITHUB_ISSUER))


def test_another_instance_is_not_trusted(sigstore: MintingSigstore, verifier: Verifier) -> None:
    with pytest.raises(Error):
        _verify(verifier, MintingSigstore().bundle(_STATEMENT, _IDENTITY))


def test_an_intoto_entry_has_the_shape_of_recorded_ones(sigstore: MintingSigstore, verifier: Verifier) -> None:
    bundle = sigstore.bundle(_STATEMENT, _IDENTITY, entry_kind=EntryKind.INTOTO)
    [entry] = bundle["verificationMaterial"]["tlogEntries"]
    body = json.loads(base64.b64decode(entry["canonicalizedBody"]))
    [signature] = body["spec"]["content"]["envelope"]["signatures"]
    assert (body["kind"], body["apiVersion"]) == ("intoto", "0.0.2")
    assert base64.b64decode(signature["sig"]).decode() == bundle["dsseEnvelope"]["signatures"][0]["sig"]
    with pytest.raises(Error, match="Integrated time only supported for dsse"):
        _verify(verifier, bundle)


def _claims(attestation: JsonObject) -> dict[str, bytes]:
    der = base64.b64decode(attestation["verification_material"]["certificate"])
    certificate = x509.load_der_x509_certificate(der)
    return {
        extension.oid.dotted_string.removeprefix("1.3.6.1.4.1.57264."): extension.value.value
        for extension in certificate.extensions
        if isinstance(extension.value, x509.UnrecognizedExtension)
    }


def test_a_github_certificate_carries_the_claims_of_fulcio(sigstore: MintingSigstore) -> None:
    identity = Identity.github(environment="release", reusable="acme/ci/.github/workflows/build.yml@refs/tags/v2")
    claims = _claims(sigstore.attest(_STATEMENT, identity))
    assert claims["1.1"] == GITHUB_ISSUER.encode()
    assert claims["1.8"] == b"\x0c" + bytes([len(GITHUB_ISSUER)]) + GITHUB_ISSUER.encode()
    assert claims["1.9"].endswith(b"https://github.com/acme/ci/.github/workflows/build.yml@refs/tags/v2")
    assert claims["1.18"].endswith(b"https://github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1.0.0")
    assert claims["1.23"].endswith(b"release")
    assert set(claims) == {f"1.{number}" for number in (*range(1, 7), *range(8, 25))}


def test_a_long_claim_is_encoded_with_a_long_length(sigstore: MintingSigstore, verifier: Verifier) -> None:
    ref = "refs/heads/" + "x" * 300
    claims = _claims(sigstore.attest(_STATEMENT, Identity.github(ref=ref)))
    assert claims["1.14"] == b"\x0c\x82" + len(ref).to_bytes(2, "big") + ref.encode()


@pytest.mark.parametrize(
    ("identity", "numbers"),
    [
        (Identity.gitlab(), {1, *range(8, 23)}),
        (Identity.email("robot@acme.example"), {1, 8}),
    ],
    ids=["gitlab", "email"],
)
def test_other_issuers_are_accepted_with_the_claims_they_have(
    sigstore: MintingSigstore, verifier: Verifier, identity: Identity, numbers: set[int]
) -> None:
    attestation = sigstore.attest(_STATEMENT, identity)
    bundle = Bundle.from_json(json.dumps(_bundle_of(attestation)))
    verifier.verify_dsse(bundle, policy.Identity(identity=identity.san, issuer=identity.issuer))
    assert set(_claims(attestation)) == {f"1.{number}" for number in numbers}

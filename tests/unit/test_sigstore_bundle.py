from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import MalformedInput
from guard.limits import BUNDLE_ITEMS_MAX_COUNT, BUNDLE_MAX_BYTES
from guard.sigstore.bundle import Bundle, BundleVersion, DsseEnvelope, InclusionProof, MessageSignature, parse_bundle


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def material(**members: Any) -> dict[str, Any]:
    entry = {
        "logIndex": "7",
        "logId": {"keyId": text(b"log")},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": "1700000000",
        "inclusionPromise": {"signedEntryTimestamp": text(b"promise")},
        "inclusionProof": {
            "logIndex": "3",
            "rootHash": text(b"root"),
            "treeSize": "5",
            "hashes": [text(b"one"), text(b"two")],
            "checkpoint": {"envelope": "note"},
        },
        "canonicalizedBody": text(b"body"),
    }
    return {"certificate": {"rawBytes": text(b"leaf")}, "tlogEntries": [entry]} | members


ENVELOPE = {"payload": text(b"payload"), "payloadType": "type", "signatures": [{"sig": text(b"sig"), "keyid": "name"}]}
MESSAGE = {"messageDigest": {"algorithm": "SHA2_256", "digest": text(b"digest")}, "signature": text(b"sig")}
V0_3 = "application/vnd.dev.sigstore.bundle.v0.3+json"


def document(**members: Any) -> dict[str, Any]:
    return {"mediaType": V0_3, "verificationMaterial": material(), "dsseEnvelope": ENVELOPE} | members


def parse(value: Any) -> Bundle:
    return parse_bundle(json.dumps(value).encode())


def with_entry(**members: Any) -> dict[str, Any]:
    [entry] = material()["tlogEntries"]
    return document(verificationMaterial=material(tlogEntries=[entry | members]))


def with_proof(**members: Any) -> dict[str, Any]:
    [entry] = material()["tlogEntries"]
    return with_entry(inclusionProof=entry["inclusionProof"] | members)


def test_everything_is_read() -> None:
    bundle = parse(document())
    assert bundle.version is BundleVersion.V0_3
    assert (bundle.certificates, bundle.key_hint, bundle.timestamps) == ((b"leaf",), None, ())
    entry = bundle.entry
    assert (entry.log_index, entry.log_id, entry.integrated_time) == (7, b"log", 1_700_000_000)
    assert (entry.kind, entry.version, entry.body) == ("dsse", "0.0.1", b"body")
    assert entry.signed_entry_timestamp == b"promise"
    assert entry.proof == InclusionProof(
        log_index=3, tree_size=5, root_hash=b"root", hashes=(b"one", b"two"), checkpoint="note"
    )
    assert bundle.content == DsseEnvelope(b"payload", "type", b"sig", "name")
    assert bundle.signature == b"sig"
    assert parse_bundle(document()) == bundle


def test_a_message_signature_is_read() -> None:
    bundle = parse(document(dsseEnvelope=None, messageSignature=MESSAGE))
    assert bundle.content == MessageSignature("SHA2_256", b"digest", b"sig")
    assert bundle.signature == b"sig"
    without = {"signature": text(b"sig"), "messageDigest": None}
    assert parse(document(dsseEnvelope=None, messageSignature=without)).content == MessageSignature(None, b"", b"sig")


@pytest.mark.parametrize(
    ("media_type", "version", "promises"),
    [
        ("application/vnd.dev.sigstore.bundle+json;version=0.1", BundleVersion.V0_1, True),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", BundleVersion.V0_2, False),
        ("application/vnd.dev.sigstore.bundle+json;version=0.3", BundleVersion.V0_3, False),
        (V0_3, BundleVersion.V0_3, False),
    ],
)
def test_versions(media_type: str, version: BundleVersion, promises: bool) -> None:
    signed = material(certificate=None, publicKey={"hint": "key"})
    bundle = parse(document(mediaType=media_type, verificationMaterial=signed))
    assert (bundle.version, bundle.version.promises_inclusion) == (version, promises)
    assert (bundle.certificates, bundle.key_hint) == ((), "key")


CHAIN = {"certificates": [{"rawBytes": text(b"leaf")}, {"rawBytes": text(b"issuer")}]}


@pytest.mark.parametrize("version", [BundleVersion.V0_1, BundleVersion.V0_2])
def test_versions_before_0_3_hold_a_chain(version: BundleVersion) -> None:
    chained = material(certificate=None, x509CertificateChain=CHAIN)
    bundle = parse(document(mediaType=version.value, verificationMaterial=chained))
    assert bundle.certificates == (b"leaf", b"issuer")
    with pytest.raises(MalformedInput, match="hold a chain"):
        parse(document(mediaType=version.value))
    with pytest.raises(MalformedInput, match="holds one certificate"):
        parse(document(verificationMaterial=chained))


def test_timestamps_are_read() -> None:
    stamps = {"rfc3161Timestamps": [{"signedTimestamp": text(b"one")}, {"signedTimestamp": text(b"two")}]}
    assert parse(document(verificationMaterial=material(timestampVerificationData=stamps))).timestamps == (
        b"one",
        b"two",
    )
    nothing: list[Any] = [None, {}, {"rfc3161Timestamps": None}, {"rfc3161Timestamps": []}]
    for none in nothing:
        assert parse(document(verificationMaterial=material(timestampVerificationData=none))).timestamps == ()


@pytest.mark.parametrize(
    "given_to",
    [
        pytest.param(with_entry(integratedTime=-1), id="negative"),
        pytest.param(with_entry(integratedTime="-1"), id="negative-text"),
        pytest.param(with_entry(integratedTime=""), id="empty"),
        pytest.param(with_entry(integratedTime="\u0661"), id="digit-of-another-script"),
        pytest.param(with_entry(integratedTime="+1"), id="sign"),
        pytest.param(with_entry(integratedTime="1_0"), id="underscore"),
        pytest.param(with_entry(integratedTime=1.0), id="float"),
        pytest.param(with_entry(integratedTime=True), id="boolean"),
        pytest.param(with_entry(integratedTime=2**63), id="too-large"),
        pytest.param(with_entry(integratedTime=str(2**63)), id="too-large-text"),
        pytest.param(with_entry(integratedTime="9" * 5000), id="far-too-large-text"),
        pytest.param(with_proof(treeSize=[]), id="list"),
    ],
)
def test_what_is_no_count(given_to: dict[str, Any]) -> None:
    with pytest.raises(MalformedInput, match="is no count"):
        parse(given_to)


@pytest.mark.parametrize("value", [0, 2**63 - 1])
@pytest.mark.parametrize("form", [int, str])
def test_counts_are_numbers_or_texts(value: int, form: type) -> None:
    entry = parse(with_entry(logIndex=form(value))).entry
    assert entry.log_index == value


def test_what_is_left_out_is_zero() -> None:
    [entry] = material()["tlogEntries"]
    for name in ("logIndex", "integratedTime", "inclusionPromise"):
        del entry[name]
    entry["inclusionProof"] = {"treeSize": "1", "rootHash": text(b"root"), "checkpoint": None}
    parsed = parse(document(verificationMaterial=material(tlogEntries=[entry]))).entry
    assert (parsed.log_index, parsed.integrated_time, parsed.signed_entry_timestamp) == (0, 0, None)
    assert parsed.proof == InclusionProof(log_index=0, tree_size=1, root_hash=b"root", hashes=(), checkpoint="")
    envelope = ENVELOPE | {"signatures": [{"sig": text(b"sig")}]}
    assert parse(document(dsseEnvelope=envelope)).content == DsseEnvelope(b"payload", "type", b"sig", "")
    keyed = material(certificate=None, publicKey={})
    assert parse(document(verificationMaterial=keyed)).key_hint == ""
    assert parse(with_proof(checkpoint={})).entry.proof == parse(with_proof(checkpoint=None)).entry.proof


def test_null_is_left_out() -> None:
    entry = parse(with_entry(inclusionPromise=None, inclusionProof=None, integratedTime=None)).entry
    assert (entry.signed_entry_timestamp, entry.proof, entry.integrated_time) == (None, None, 0)
    assert parse(with_proof(hashes=None)).entry.proof == parse(with_proof(hashes=[])).entry.proof
    envelope = ENVELOPE | {"signatures": [{"sig": text(b"sig"), "keyid": None}]}
    assert parse(document(dsseEnvelope=envelope)).content == DsseEnvelope(b"payload", "type", b"sig", "")


@pytest.mark.parametrize(
    ("given_to", "says"),
    [
        pytest.param([], "no", id="list"),
        pytest.param(document(mediaType=None), "mediaType", id="no-media-type"),
        pytest.param(document(mediaType="application/json\x1b[2J"), "no known version", id="unknown-media-type"),
        pytest.param(document(mediaType=f"{V0_3};version=0.3"), "no known version", id="unknown-parameter"),
        pytest.param(document(verificationMaterial=None), "verificationMaterial", id="no-material"),
        pytest.param(document(verificationMaterial=material(certificate=None)), "0 signers", id="no-signer"),
        pytest.param(
            document(verificationMaterial=material(publicKey={"hint": "key"})), "2 signers", id="certificate-and-key"
        ),
        pytest.param(
            document(verificationMaterial=material(x509CertificateChain=CHAIN)), "2 signers", id="certificate-and-chain"
        ),
        pytest.param(
            document(verificationMaterial=material(certificate=None, publicKey={"hint": 1})), "hint", id="hint-no-text"
        ),
        pytest.param(
            document(verificationMaterial=material(certificate=[])), "certificate", id="certificate-no-object"
        ),
        pytest.param(
            document(
                mediaType=BundleVersion.V0_2.value,
                verificationMaterial=material(certificate=None, x509CertificateChain={"certificates": []}),
            ),
            "chain is empty",
            id="empty-chain",
        ),
        pytest.param(
            document(verificationMaterial=material(certificate={"rawBytes": ""})), "is empty", id="empty-certificate"
        ),
        pytest.param(document(verificationMaterial=material(tlogEntries=[])), "0 transparency", id="no-entry"),
        pytest.param(
            document(verificationMaterial=material(tlogEntries=material()["tlogEntries"] * 2)),
            "2 transparency",
            id="two-entries",
        ),
        pytest.param(document(verificationMaterial=material(tlogEntries=None)), "tlogEntries", id="entries-null"),
        pytest.param(with_entry(kindVersion=None), "kindVersion", id="no-kind"),
        pytest.param(with_entry(kindVersion={"kind": "dsse"}), "version", id="kind-without-version"),
        pytest.param(with_entry(kindVersion={"version": "0.0.1"}), "kind", id="version-without-kind"),
        pytest.param(with_entry(logId=None), "logId", id="no-log"),
        pytest.param(with_entry(logId={"keyId": ""}), "is empty", id="empty-log"),
        pytest.param(with_entry(canonicalizedBody=""), "is empty", id="empty-body"),
        pytest.param(with_entry(canonicalizedBody="a"), "no base64", id="body-no-base64"),
        pytest.param(with_entry(canonicalizedBody="YQ==\n"), "no base64", id="body-with-newline"),
        pytest.param(with_entry(canonicalizedBody="\u20ac"), "no base64", id="body-not-ascii"),
        pytest.param(with_entry(inclusionPromise={}), "signedEntryTimestamp", id="empty-promise"),
        pytest.param(with_entry(inclusionPromise="x"), "inclusionPromise", id="promise-no-object"),
        pytest.param(with_entry(inclusionProof="x"), "inclusionProof", id="proof-no-object"),
        pytest.param(with_proof(rootHash=None), "rootHash", id="no-root"),
        pytest.param(with_proof(hashes={}), "no list of strings", id="hashes-no-list"),
        pytest.param(with_proof(hashes=[1]), "no list of strings", id="hashes-of-numbers"),
        pytest.param(with_proof(hashes=["!"]), "'hashes' is no base64", id="hash-no-base64"),
        pytest.param(with_proof(checkpoint="x"), "checkpoint", id="checkpoint-no-object"),
        pytest.param(with_proof(checkpoint={"envelope": 1}), "envelope", id="checkpoint-no-text"),
        pytest.param(
            document(verificationMaterial=material(timestampVerificationData=[])), "Data", id="timestamps-no-object"
        ),
        pytest.param(
            document(verificationMaterial=material(timestampVerificationData={"rfc3161Timestamps": {}})),
            "rfc3161Timestamps",
            id="timestamps-no-list",
        ),
        pytest.param(document(dsseEnvelope=None), "0 signed contents", id="no-content"),
        pytest.param(document(messageSignature=MESSAGE), "2 signed contents", id="two-contents"),
        pytest.param(document(dsseEnvelope=[]), "dsseEnvelope", id="envelope-no-object"),
        pytest.param(document(dsseEnvelope=ENVELOPE | {"signatures": []}), "0 signatures, not one", id="no-signature"),
        pytest.param(
            document(dsseEnvelope=ENVELOPE | {"signatures": ENVELOPE["signatures"] * 2}),  # type: ignore[operator]
            "2 signatures, not one",
            id="two-signatures",
        ),
        pytest.param(document(dsseEnvelope=ENVELOPE | {"payload": ""}), "is empty", id="empty-payload"),
        pytest.param(document(dsseEnvelope=ENVELOPE | {"payloadType": None}), "payloadType", id="no-payload-type"),
        pytest.param(
            document(dsseEnvelope=ENVELOPE | {"signatures": [{"sig": text(b"x"), "keyid": 1}]}), "keyid", id="keyid"
        ),
        pytest.param(
            document(dsseEnvelope=None, messageSignature=MESSAGE | {"signature": ""}), "is empty", id="empty-signature"
        ),
        pytest.param(
            document(dsseEnvelope=None, messageSignature=MESSAGE | {"messageDigest": {"digest": text(b"x")}}),
            "algorithm",
            id="digest-without-algorithm",
        ),
        pytest.param(
            document(dsseEnvelope=None, messageSignature=MESSAGE | {"messageDigest": {"algorithm": "SHA2_256"}}),
            "digest",
            id="algorithm-without-digest",
        ),
    ],
)
def test_malformed(given_to: Any, says: str) -> None:
    with pytest.raises(MalformedInput, match=says) as caught:
        parse(given_to)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("most", "over"),
    [
        pytest.param(
            *(
                with_proof(hashes=[text(b"x")] * count)
                for count in (BUNDLE_ITEMS_MAX_COUNT, BUNDLE_ITEMS_MAX_COUNT + 1)
            ),
            id="hashes",
        ),
        pytest.param(
            *(
                document(
                    verificationMaterial=material(
                        timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": text(b"x")}] * count}
                    )
                )
                for count in (BUNDLE_ITEMS_MAX_COUNT, BUNDLE_ITEMS_MAX_COUNT + 1)
            ),
            id="timestamps",
        ),
        pytest.param(
            *(
                document(
                    mediaType=BundleVersion.V0_2.value,
                    verificationMaterial=material(
                        certificate=None, x509CertificateChain={"certificates": [{"rawBytes": text(b"x")}] * count}
                    ),
                )
                for count in (BUNDLE_ITEMS_MAX_COUNT, BUNDLE_ITEMS_MAX_COUNT + 1)
            ),
            id="certificates",
        ),
    ],
)
def test_what_there_can_be_many_of_is_capped(
    most: dict[str, Any], over: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    parse(most)
    what = request.node.callspec.id
    with pytest.raises(MalformedInput, match=f"{BUNDLE_ITEMS_MAX_COUNT + 1} {what}, over {BUNDLE_ITEMS_MAX_COUNT}"):
        parse(over)


def test_size_is_capped() -> None:
    data = json.dumps(document()).encode()
    parse_bundle(data + b" " * (BUNDLE_MAX_BYTES - len(data)))
    with pytest.raises(MalformedInput, match="larger than"):
        parse_bundle(data + b" " * (BUNDLE_MAX_BYTES - len(data) + 1))


def test_a_name_given_twice_is_malformed() -> None:
    with pytest.raises(MalformedInput, match="twice"):
        parse_bundle(json.dumps(document()).encode()[:-1] + b',"mediaType":"x"}')


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_bundle(data)

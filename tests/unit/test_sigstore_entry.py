"""Who is named by a log entry, and what an envelope's signature covers, apart from bundles."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.sigstore.bundle import DsseEnvelope, parse_bundle
from guard.sigstore.chain import load_certificates
from guard.sigstore.entry import Signer, encode_dsse, verify_entry
from guard.sigstore.keys import Artifact, checked_key
from tests.sim.authority import KeyType, Leaf, new_key
from tests.sim.documents import base64_text
from tests.sim.entries import Recorded
from tests.sim.forms import DSSE_V2, ENVELOPE, FORMS, INTOTO_V1, KEY, KEYED, MESSAGE, MESSAGE_V2
from tests.sim.judging import NOW, mint, needs_of
from tests.sim.mint import SIGNED_AGO, Recipe
from tests.sim.sigstore import KeyPair


def leaf(recipe: Recipe = ENVELOPE) -> Leaf:
    return mint()._issue(recipe, NOW - SIGNED_AGO)


LEAF, OTHER = leaf(), leaf()
CERTIFIED = Signer(LEAF.certificate, checked_key(LEAF.key.public_key()))
BARE = Signer(None, checked_key(LEAF.key.public_key()))
KEY_OF_LEAF = KeyPair(LEAF.key, "the certificate's")
# The same key under another certificate: whoever holds it got both, but only one was recorded.
RENEWED = mint().authority.sign(mint().authority.prepare(mint().identity, LEAF.key, NOW - SIGNED_AGO))


@pytest.mark.parametrize("recorded", [LEAF.der, LEAF.pem, b"\n " + LEAF.pem, LEAF.pem + b"\n"])
def test_a_certificate_is_named_by_itself(recorded: bytes) -> None:
    assert CERTIFIED.is_named_by(recorded)
    assert not BARE.is_named_by(recorded)


@pytest.mark.parametrize("recorded", [KEY_OF_LEAF.der, KEY_OF_LEAF.pem, b"\n " + KEY_OF_LEAF.pem])
def test_a_bare_key_is_named_by_itself(recorded: bytes) -> None:
    assert BARE.is_named_by(recorded)
    assert not CERTIFIED.is_named_by(recorded)


@pytest.mark.parametrize(
    "recorded",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"junk", id="junk"),
        pytest.param(OTHER.der, id="other-certificate"),
        pytest.param(OTHER.pem, id="other-certificate-pem"),
        pytest.param(OTHER.pem + LEAF.pem, id="other-certificate-first"),
        pytest.param(RENEWED.public_bytes(Encoding.DER), id="same-key"),
        pytest.param(RENEWED.public_bytes(Encoding.PEM), id="same-key-pem"),
        pytest.param(KEY.pem, id="other-key"),
        pytest.param(KEY.der, id="other-key-der"),
        pytest.param(LEAF.der + b"\0", id="more"),
        pytest.param(b"x" + LEAF.pem, id="text-before"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", id="empty-certificate"),
        pytest.param(b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", id="empty-key"),
        pytest.param(b"-----BEGIN CERTIFICATE", id="cut"),
        pytest.param(b"-----BEGIN", id="cut-early"),
        pytest.param(
            new_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), id="another-key"
        ),
    ],
)
def test_nobody_is_named_by_something_else(recorded: bytes) -> None:
    assert not CERTIFIED.is_named_by(recorded)
    assert not BARE.is_named_by(recorded)


def test_a_key_that_nothing_signs_with_names_nobody() -> None:
    pem = x25519.X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert not BARE.is_named_by(pem)


@pytest.mark.parametrize("kind", [KeyType.ED25519, KeyType.P384])
def test_bare_keys_of_every_type(kind: KeyType) -> None:
    pair = KeyPair(new_key(kind), "key")
    signer = Signer(None, checked_key(pair.key.public_key()))
    assert signer.is_named_by(pair.pem)
    assert not signer.is_named_by(KEY.pem)


def envelope(payload_type: str, payload: bytes) -> DsseEnvelope:
    return DsseEnvelope(payload=payload, payload_type=payload_type, signature=b"", key_id="")


def test_the_encoding_is_that_of_the_protocol() -> None:
    """The example of the DSSE protocol, and lengths in bytes."""
    encoded = encode_dsse(envelope("http://example.com/HelloWorld", b"hello world"))
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert encode_dsse(envelope("\u20ac", b"")) == b"DSSEv1 3 \xe2\x82\xac 0 "


@given(st.text(max_size=20), st.binary(max_size=20), st.text(max_size=20), st.binary(max_size=20))
def test_no_two_envelopes_are_encoded_alike(one: str, payload: bytes, other: str, another: bytes) -> None:
    same = (one, payload) == (other, another)
    assert (encode_dsse(envelope(one, payload)) == encode_dsse(envelope(other, another))) is same


def verify(recipe: Recipe) -> None:
    bundle = mint().bundle(recipe)
    needs = needs_of(bundle)
    parsed = parse_bundle(json.dumps(bundle).encode())
    if needs.key is not None:
        verify_entry(parsed, Signer(None, needs.key), needs.artifact)
        return
    [certificate] = load_certificates(parsed.certificates)
    verify_entry(parsed, Signer(certificate, checked_key(certificate.public_key())), needs.artifact)


@pytest.mark.parametrize("recipe", [ENVELOPE, DSSE_V2, KEYED, replace(DSSE_V2, key=KEY), replace(MESSAGE, key=KEY)])
def test_a_certificate_is_no_key_and_a_key_no_certificate(recipe: Recipe) -> None:
    """The log recorded the same key, but in the form of the other."""

    def turned(recorded: Recorded) -> Recorded:
        if recipe.key is None:
            return replace(recorded, keyid="a key")
        return replace(recorded, keyid="", verifier_pem=OTHER.pem, verifier_der=OTHER.der)

    verify(recipe)
    if recipe is ENVELOPE:
        return
    with pytest.raises(EvidenceInvalid) as caught:
        verify(replace(recipe, logged=turned))
    assert caught.value.code in (EvidenceCode.LOG_ENTRY, EvidenceCode.MALFORMED)


def body_of(text: str) -> Recipe:
    return replace(ENVELOPE, body=lambda _: text.encode())


@pytest.mark.parametrize(
    "body",
    [
        '{"kind":1,"apiVersion":"0.0.1","spec":{}}',
        '{"kind":"dsse","spec":{}}',
        '{"kind":"dsse","apiVersion":"0.0.1","spec":[]}',
        '{"kind":"dsse","apiVersion":"0.0.1","spec":{}}',
        '{"kind":"dsse","kind":"dsse","apiVersion":"0.0.1","spec":{}}',
        '{"kind":"dsse","apiVersion":"0.0.1","spec":{"payloadHash":{},"signatures":[1]}}',
        "[]",
        "0",
    ],
)
def test_a_body_that_cannot_be_read(body: str) -> None:
    with pytest.raises(EvidenceInvalid):
        verify(body_of(body))


def test_a_signature_that_is_encoded_otherwise_in_an_intoto_entry() -> None:
    def raw_signature(body: bytes) -> bytes:
        document = json.loads(body)
        [signature] = document["spec"]["content"]["envelope"]["signatures"]
        signature["sig"] = base64_text(b"\xff\xfe")
        return json.dumps(document).encode()

    with pytest.raises(EvidenceInvalid) as caught:
        verify(replace(KEYED, body=raw_signature))
    assert caught.value.code is EvidenceCode.MALFORMED


@pytest.mark.parametrize("key", [None, KEY])
def test_an_entry_of_the_kind_intoto_may_name_its_signer_in_der(key: KeyPair | None) -> None:
    verify(replace(INTOTO_V1, key=key, logged=lambda recorded: replace(recorded, verifier_pem=recorded.verifier_der)))


@pytest.mark.parametrize(
    "recipe", [MESSAGE, MESSAGE_V2, FORMS["rekor2-message-p521"], FORMS["message-p384-by-its-own-digest"]]
)
def test_what_is_recorded_of_an_artifact_that_is_not_at_hand_cannot_be_compared(recipe: Recipe) -> None:
    bundle = mint().bundle(recipe)
    parsed = parse_bundle(json.dumps(bundle).encode())
    [certificate] = load_certificates(parsed.certificates)
    signer = Signer(certificate, checked_key(certificate.public_key()))
    artifact = needs_of(bundle).artifact
    assert artifact is not None
    verify_entry(parsed, signer, artifact)
    unknown = [None] if recipe in (MESSAGE, MESSAGE_V2) else [None, Artifact(artifact.sha256)]
    for one in unknown:
        with pytest.raises(EvidenceInvalid, match="digest") as caught:
            verify_entry(parsed, signer, one)
        assert caught.value.code is EvidenceCode.LOG_ENTRY

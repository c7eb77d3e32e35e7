"""What a log recorded, compared with the bundle that it comes with: an entry about something else proves nothing.

Formats: sigstore/rekor ``pkg/types`` (hashedrekord 0.0.1, dsse 0.0.1, intoto 0.0.1 and 0.0.2) and sigstore/rekor-tiles
(hashedrekord 0.0.2 and dsse 0.0.2 of Rekor v2).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.sigstore.bundle import Bundle, DsseEnvelope, MessageSignature
from guard.sigstore.keys import Artifact, PublicKey, hash_of
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, parse_json_object, text_member

_WHAT = "the log entry's body"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a bundle: a certificate, or a bare key."""

    certificate: x509.Certificate | None
    key: PublicKey

    def is_named_by(self, recorded: bytes) -> bool:
        """Whether recorded bytes, DER or PEM, are this very certificate or key."""
        if recorded.lstrip().startswith(b"-----BEGIN CERTIFICATE"):
            return self.certificate is not None and _load_pem_certificate(recorded) == self.certificate
        if recorded.lstrip().startswith(b"-----BEGIN"):
            return self.certificate is None and _spki(_load_pem_key(recorded)) == _spki(self.key)
        own = _spki(self.key) if self.certificate is None else self.certificate.public_bytes(serialization.Encoding.DER)
        return recorded == own


def verify_entry(bundle: Bundle, signer: Signer, artifact: Artifact | None) -> None:
    """Verify that the log recorded this very bundle: what was signed, the signature and the signer.

    Args:
        bundle: the bundle.
        signer: whose signature it is.
        artifact: what a bundle with a message signature is about.

    Raises:
        EvidenceInvalid: ``LOG_ENTRY`` when it recorded something else, ``UNSUPPORTED`` for a kind of entry that is not
            known, ``MALFORMED`` when its body cannot be read.
    """
    try:
        body = parse_json_object(bundle.entry.body, what=_WHAT)
        kind, version = text_member(body, "kind", context=_WHAT), text_member(body, "apiVersion", context=_WHAT)
        if (kind, version) != (bundle.entry.kind, bundle.entry.version):
            raise _differs("its kind")
        spec = object_member(body, "spec", context=_WHAT)
        _verify_spec(kind, version, spec, bundle, signer, artifact)
    except MalformedInput as error:
        raise EvidenceInvalid(EvidenceCode.MALFORMED, error.message) from error


def _verify_spec(
    kind: str, version: str, spec: JsonObject, bundle: Bundle, signer: Signer, artifact: Artifact | None
) -> None:
    match kind, version, bundle.content:
        case "hashedrekord", "0.0.1", _:
            signed = artifact if isinstance(bundle.content, MessageSignature) else _artifact_of(bundle.content)
            _verify_hashedrekord_v1(spec, bundle, signer, signed)
        case "dsse", "0.0.1", DsseEnvelope() as envelope:
            _verify_payload_hash(object_member(spec, "payloadHash"), envelope)
            recorded = _only(objects_member(spec, "signatures"))
            _verify_signed(text_member(recorded, "signature"), text_member(recorded, "verifier"), bundle, signer)
        case "intoto", "0.0.1", DsseEnvelope() as envelope:
            _verify_intoto_v1(spec, envelope, signer)
        case "intoto", "0.0.2", DsseEnvelope() as envelope:
            _verify_intoto(object_member(spec, "content"), envelope, bundle, signer)
        case "hashedrekord", "0.0.2", _:
            recorded = object_member(spec, "hashedRekordV002")
            signed = artifact if isinstance(bundle.content, MessageSignature) else _artifact_of(bundle.content)
            _verify_digest(object_member(recorded, "data"), signed, hash_of(signer.key))
            _verify_signed_v2(object_member(recorded, "signature"), bundle, signer)
        case "dsse", "0.0.2", DsseEnvelope() as envelope:
            recorded = object_member(spec, "dsseV002")
            _verify_digest(object_member(recorded, "payloadHash"), Artifact(_sha256(envelope.payload)), hashes.SHA256())
            _verify_signed_v2(_only(objects_member(recorded, "signatures")), bundle, signer)
        case _:
            what = f"an entry of the kind {kind[:40]!a}/{version[:20]!a} for this content"
            raise EvidenceInvalid(EvidenceCode.UNSUPPORTED, f"this form of bundle is not supported: {what}")


def encode_dsse(envelope: DsseEnvelope) -> bytes:
    """Return what an envelope's signature covers (DSSE protocol, "Signature Definition": PAE)."""
    payload_type = envelope.payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type, len(envelope.payload), envelope.payload)


def _artifact_of(envelope: DsseEnvelope) -> Artifact:
    signed = encode_dsse(envelope)
    return Artifact(_sha256(signed), signed)


def _verify_hashedrekord_v1(spec: JsonObject, bundle: Bundle, signer: Signer, signed: Artifact | None) -> None:
    """Compare an entry of what is signed, which for an envelope is its encoding, by SHA-256 or the key's own digest."""
    recorded = object_member(object_member(spec, "data"), "hash")
    own = hash_of(signer.key)
    algorithm = own if recorded.get("algorithm") == own.name else hashes.SHA256()
    digest = None if signed is None else signed.digest(algorithm)
    if digest is None or (recorded.get("algorithm"), recorded.get("value")) != (algorithm.name, digest.hex()):
        raise _differs("the digest of what is signed")
    signature = object_member(spec, "signature")
    key = text_member(object_member(signature, "publicKey"), "content")
    _verify_signed(text_member(signature, "content"), key, bundle, signer)


def _verify_intoto(content: JsonObject, envelope: DsseEnvelope, bundle: Bundle, signer: Signer) -> None:
    """Compare an intoto entry; its hash of the envelope's JSON is left aside, since that has no canonical form."""
    recorded = object_member(content, "envelope")
    if text_member(recorded, "payloadType") != envelope.payload_type:
        raise _differs("the payload's type")
    _verify_payload_hash(object_member(content, "payloadHash"), envelope)
    signature = _only(objects_member(recorded, "signatures"))
    # The signature is encoded twice in this kind of entry.
    encoded = _decode(text_member(signature, "sig")).decode("ascii", "replace")
    _verify_signed(encoded, text_member(signature, "publicKey"), bundle, signer)


def _verify_intoto_v1(spec: JsonObject, envelope: DsseEnvelope, signer: Signer) -> None:
    """Compare an entry that holds the signature only in the hash of the envelope's JSON.

    It was uploaded by programs in Go: cosign without the certificate, the SLSA generators with it
    (slsa-github-generator, ``signing/envelope``), each in the one form in which Go writes it.
    """
    content = object_member(spec, "content")
    _verify_payload_hash(object_member(content, "payloadHash"), envelope)
    key = _decode(text_member(spec, "publicKey"))
    if not signer.is_named_by(key):
        raise _differs("the signer")
    signature = {"keyid": envelope.key_id, "sig": base64.b64encode(envelope.signature).decode()}
    uploaded = [
        json.dumps(
            {
                "payloadType": envelope.payload_type,
                "payload": base64.b64encode(envelope.payload).decode(),
                "signatures": [signature | certificate],
            },
            separators=(",", ":"),
        )
        for certificate in ({"cert": key.decode("ascii", "replace")}, {})
    ]
    hashes = [{"algorithm": "sha256", "value": _sha256(each.encode()).hex()} for each in uploaded]
    if object_member(content, "hash") not in hashes:
        raise _differs("the envelope")


def _verify_payload_hash(recorded: JsonObject, envelope: DsseEnvelope) -> None:
    if recorded.get("algorithm") != "sha256" or recorded.get("value") != _sha256(envelope.payload).hex():
        raise _differs("the payload's digest")


def _verify_digest(recorded: JsonObject, signed: Artifact | None, algorithm: hashes.HashAlgorithm) -> None:
    """Compare a digest that Rekor v2 recorded, which is of the algorithm that belongs to the signer's key."""
    if recorded.get("algorithm") != f"SHA2_{algorithm.digest_size * 8}":
        raise _differs("the algorithm of the digest")
    if signed is None or _decode(text_member(recorded, "digest")) != signed.digest(algorithm):
        raise _differs("the digest")


def _verify_signed(signature: str, key: str, bundle: Bundle, signer: Signer) -> None:
    if _decode(signature) != bundle.signature:
        raise _differs("the signature")
    if not signer.is_named_by(_decode(key)):
        raise _differs("the signer")


def _verify_signed_v2(recorded: JsonObject, bundle: Bundle, signer: Signer) -> None:
    if _decode(text_member(recorded, "content")) != bundle.signature:
        raise _differs("the signature")
    verifier = object_member(recorded, "verifier")
    form = "publicKey" if signer.certificate is None else "x509Certificate"
    if not signer.is_named_by(_decode(text_member(object_member(verifier, form), "rawBytes"))):
        raise _differs("the signer")


def _only(items: list[dict[str, object]]) -> JsonObject:
    if len(items) != 1:
        raise _differs("the number of signatures")
    [item] = items
    return item


def _load_pem_certificate(pem: bytes) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None


def _load_pem_key(pem: bytes) -> object:
    try:
        return serialization.load_pem_public_key(pem)
    except ValueError:
        return None


def _spki(key: object) -> bytes | None:
    if isinstance(key, PublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedInput("no base64", context=_WHAT) from error


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _differs(what: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.LOG_ENTRY, f"the log entry is of another bundle: {what} differs")

"""What transparency logs record of a signature: the bodies of their entries.

Formats: sigstore/rekor ``pkg/types`` (dsse 0.0.1, intoto 0.0.1 and 0.0.2, hashedrekord 0.0.1) and sigstore/rekor-tiles
(hashedrekord 0.0.2, dsse 0.0.2).
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass

from typing_extensions import assert_never

from tests.sim.authority import KeyType
from tests.sim.documents import JsonObject, base64_text, canonical_json, compact_json

_HASHES = {KeyType.P384: ("SHA2_384", "sha384"), KeyType.P521: ("SHA2_512", "sha512")}


class Kind(enum.Enum):
    """``kind`` and ``apiVersion`` of an entry."""

    DSSE = ("dsse", "0.0.1")
    INTOTO = ("intoto", "0.0.2")
    INTOTO_V1 = ("intoto", "0.0.1")
    HASHEDREKORD = ("hashedrekord", "0.0.1")
    HASHEDREKORD_V2 = ("hashedrekord", "0.0.2")
    DSSE_V2 = ("dsse", "0.0.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a log is told.

    Args:
        content: the payload, or the artifact itself.
        payload_type: of the payload; ``None`` for an artifact.
        signature: over payload or artifact.
        verifier_pem: certificate or key that verifies it.
        verifier_der: the same in DER.
        key_type: what that key is.
        keyid: name of a bare key; the empty string for a certificate.
        brings_certificate: whether the envelope that was uploaded had the certificate in it.
    """

    content: bytes
    payload_type: str | None
    signature: bytes
    verifier_pem: bytes
    verifier_der: bytes
    key_type: KeyType
    keyid: str
    brings_certificate: bool = False

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return self.content if self.payload_type is None else pre_authentication(self.payload_type, self.content)


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return what the signature of an envelope is over (DSSE protocol, "Signature Definition")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def envelope(recorded: Recorded) -> JsonObject:
    """Return the DSSE envelope."""
    return {
        "payload": base64_text(recorded.content),
        "payloadType": recorded.payload_type,
        "signatures": [{"sig": base64_text(recorded.signature), "keyid": recorded.keyid}],
    }


def entry_body(kind: Kind, recorded: Recorded) -> bytes:
    """Return the body of an entry, as the log signs it."""
    spec: JsonObject
    signature, verifier = base64_text(recorded.signature), base64_text(recorded.verifier_pem)
    match kind:
        case Kind.DSSE:
            spec = {
                "envelopeHash": _sha256(compact_json(envelope(recorded))),
                "payloadHash": _sha256(recorded.content),
                "signatures": [{"signature": signature, "verifier": verifier}],
            }
        case Kind.INTOTO:
            # The signature is encoded twice in this kind of entry, as in every recorded one.
            keyid = {"keyid": recorded.keyid} if recorded.keyid else {}
            signatures = [keyid | {"publicKey": verifier, "sig": base64_text(signature.encode())}]
            content = {
                "envelope": {"payloadType": recorded.payload_type, "signatures": signatures},
                "hash": _sha256(compact_json(envelope(recorded))),
                "payloadHash": _sha256(recorded.content),
            }
            spec = {"content": content}
        case Kind.INTOTO_V1:
            hashes = {"hash": _sha256(_uploaded(recorded)), "payloadHash": _sha256(recorded.content)}
            spec = {"content": hashes, "publicKey": verifier}
        case Kind.HASHEDREKORD:
            spec = {
                "data": {"hash": _sha256(recorded.signed)},
                "signature": {"content": signature, "publicKey": {"content": verifier}},
            }
        case Kind.HASHEDREKORD_V2:
            data = _digest_v2(recorded.signed, *_HASHES.get(recorded.key_type, ("SHA2_256", "sha256")))
            spec = {"hashedRekordV002": {"data": data, "signature": _signature_v2(recorded)}}
        case Kind.DSSE_V2:
            payload_hash = _digest_v2(recorded.content, "SHA2_256", "sha256")
            spec = {"dsseV002": {"payloadHash": payload_hash, "signatures": [_signature_v2(recorded)]}}
        case _:
            assert_never(kind)
    name, version = kind.value
    return canonical_json({"apiVersion": version, "kind": name, "spec": spec})


def _uploaded(recorded: Recorded) -> bytes:
    """Return an envelope as programs in Go write it (slsa-github-generator, ``signing/envelope``)."""
    signature = {"keyid": recorded.keyid, "sig": base64_text(recorded.signature)}
    if recorded.brings_certificate:
        signature["cert"] = recorded.verifier_pem.decode()
    members = envelope(recorded) | {"signatures": [signature]}
    return compact_json({name: members[name] for name in ("payloadType", "payload", "signatures")})


def _signature_v2(recorded: Recorded) -> JsonObject:
    form = "publicKey" if recorded.keyid else "x509Certificate"
    verifier = {form: {"rawBytes": base64_text(recorded.verifier_der)}, "keyDetails": recorded.key_type.value}
    return {"content": base64_text(recorded.signature), "verifier": verifier}


def _sha256(content: bytes) -> JsonObject:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def _digest_v2(content: bytes, algorithm: str, name: str) -> JsonObject:
    return {"algorithm": algorithm, "digest": base64_text(hashlib.new(name, content).digest())}

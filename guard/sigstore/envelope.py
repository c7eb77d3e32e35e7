"""Signed envelopes that carry their certificate and not their log entry, and the bundle that they make with one.

The SLSA generators wrote such ``.intoto.jsonl`` files before version 2.1 (slsa-github-generator,
``signing/envelope``): a DSSE envelope whose signature has a member ``cert``. The log has the rest; slsa-verifier asks
it for the entry of that very envelope, and so does guard (Rekor, ``POST /api/v1/log/entries/retrieve``). What the log
answers is believed no more than a bundle: put together, the two are verified as one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.sigstore.bundle import BundleVersion
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, parse_json_object, text_member

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")
_ANSWER = "the answer of the transparency log"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedEnvelope:
    """An envelope with the certificate of its signer.

    Args:
        members: the envelope, as JSON.
        certificate: in PEM, as it was written.
        text: the whole document, as it was uploaded to the log.
    """

    members: JsonObject
    certificate: str
    text: str


def parse_certified_envelope(members: JsonObject, data: bytes) -> CertifiedEnvelope:
    """Read an envelope.

    Args:
        members: the parsed document.
        data: its bytes.

    Raises:
        MalformedInput: it is no envelope with one signature.
        EvidenceInvalid: ``SIGNATURE``, it brings no certificate.
    """
    signatures = objects_member(members, "signatures")
    if len(signatures) != 1:
        raise MalformedInput(f"the envelope has {len(signatures)} signatures, not one")
    [signature] = signatures
    certificate = signature.get("cert")
    if not isinstance(certificate, str) or not _CERTIFICATE.fullmatch(certificate):
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, "the envelope brings no certificate, so that nobody signed it")
    return CertifiedEnvelope(members=members, certificate=certificate, text=data.decode().strip())


def log_query(envelope: CertifiedEnvelope) -> bytes:
    """Return the question for the log entry of an envelope, in either of the kinds that the generators uploaded."""
    certificate = base64.b64encode(envelope.certificate.encode()).decode()
    dsse = {"proposedContent": {"envelope": envelope.text, "verifiers": [certificate]}}
    intoto = {"content": {"envelope": envelope.text}, "publicKey": certificate}
    entries = [
        {"apiVersion": "0.0.1", "kind": "dsse", "spec": dsse},
        {"apiVersion": "0.0.1", "kind": "intoto", "spec": intoto},
    ]
    return json.dumps({"entries": entries}).encode()


def bundle_with_entry(envelope: CertifiedEnvelope, answer: bytes) -> JsonObject | None:
    """Put an envelope and what a log answered together.

    Args:
        envelope: as it was brought.
        answer: to :func:`log_query`.

    Returns:
        A bundle of version 0.3, nothing of which is verified; ``None`` where the log has no such entry.

    Raises:
        MalformedInput: the answer cannot be read.
    """
    # The answer is a list.
    entries = objects_member(parse_json_object(b'{"entries":' + answer + b"}", what=_ANSWER), "entries")
    found = next(_entries(entries), None)
    if found is None:
        return None
    [signature] = objects_member(envelope.members, "signatures")
    return {
        "mediaType": BundleVersion.V0_3.value,
        "verificationMaterial": {
            "certificate": {"rawBytes": _der_text(envelope.certificate)},
            "tlogEntries": [_bundled(found)],
        },
        "dsseEnvelope": {
            "payload": envelope.members.get("payload"),
            "payloadType": envelope.members.get("payloadType"),
            "signatures": [{"sig": signature.get("sig"), "keyid": signature.get("keyid")}],
        },
    }


def _entries(items: list[dict[str, object]]) -> Iterator[JsonObject]:
    for item in items:
        for name in item:
            yield object_member(item, name, context=_ANSWER)


def _bundled(entry: JsonObject) -> JsonObject:
    """Write an entry of Rekor's API as bundles have it (sigstore/protobuf-specs, ``sigstore_rekor.proto``).

    Integers are texts there; what is none is for the bundle's parser to refuse.
    """
    verification = object_member(entry, "verification", context=_ANSWER)
    proof = object_member(verification, "inclusionProof", context=_ANSWER)
    hashes = proof.get("hashes")
    if not isinstance(hashes, list):
        raise MalformedInput("'hashes' is no list", context=_ANSWER)
    body = text_member(entry, "body", context=_ANSWER)
    recorded = parse_json_object(_decode(body), what=_ANSWER)
    return {
        "logIndex": str(entry.get("logIndex")),
        "logId": {"keyId": _from_hex(entry.get("logID"))},
        "kindVersion": {"kind": recorded.get("kind"), "version": recorded.get("apiVersion")},
        "integratedTime": str(entry.get("integratedTime")),
        "inclusionPromise": {"signedEntryTimestamp": verification.get("signedEntryTimestamp")},
        "inclusionProof": {
            "logIndex": str(proof.get("logIndex")),
            "treeSize": str(proof.get("treeSize")),
            "rootHash": _from_hex(proof.get("rootHash")),
            "hashes": [_from_hex(each) for each in hashes],
            "checkpoint": {"envelope": proof.get("checkpoint")},
        },
        "canonicalizedBody": body,
    }


def _der_text(pem: str) -> str:
    match = _CERTIFICATE.fullmatch(pem)
    assert match is not None, "it was looked at when the envelope was parsed"
    return "".join(match[1].split())


def _from_hex(value: object) -> str:
    try:
        return base64.b64encode(bytes.fromhex(str(value))).decode()
    except ValueError as error:
        raise MalformedInput("no hexadecimal digits", context=_ANSWER) from error


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedInput("no base64", context=_ANSWER) from error

"""Readers of bundles and of what stands in them, with bundles of the mint to begin from."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import strategies as st
from sigstore.models import Bundle as LibraryBundle
from sigstore.verify.policy import UnsafeNoOp

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims
from guard.sigstore import own
from guard.sigstore.bundle import Bundle, DsseEnvelope, InclusionProof, MessageSignature, parse_bundle
from guard.sigstore.certificate import claims_from_certificate
from guard.sigstore.chain import verify_sct, verify_usage
from guard.sigstore.entry import Signer, verify_entry
from guard.sigstore.keys import Artifact, checked_key
from guard.sigstore.log import find_log, verify_inclusion
from guard.sigstore.timestamp import verify_timestamps
from tests.fuzz.mutations import bytes_like, documents_like
from tests.fuzz.target import Target, bytes_of, is_said, parses, refuses
from tests.sim.forms import FORMS, KEY, entry_of, proof_of
from tests.sim.identity import Identity
from tests.sim.judging import NOW, authorities_of, library_of, mint
from tests.sim.mint import ARTIFACT

# --- bundles ---------------------------------------------------------------------------------------------------------

_ROOT = mint().trust_root()
_AUTHORITIES = authorities_of(_ROOT)
_LIBRARY = library_of(_ROOT)
_FORMS: list[Any] = [mint().bundle(recipe) for recipe in FORMS.values()]
_BUNDLES = [json.dumps(bundle).encode() for bundle in _FORMS]
_ENVELOPE = mint().bundle(FORMS["envelope-0.3"])
_PARSED = parse_bundle(_ENVELOPE)


def _judge(bundle: Bundle) -> own.Proven:
    key: Any = None if bundle.key_hint is None else KEY.key.public_key()
    artifact = Artifact(hashlib.sha256(ARTIFACT).digest(), ARTIFACT) if _is_message(bundle) else None
    return own.verify_bundle(bundle, _AUTHORITIES, now=NOW, key=key, artifact=artifact)


def _is_message(bundle: Bundle) -> bool:
    return isinstance(bundle.content, MessageSignature)


def _who(proven: own.Proven) -> Claims | None:
    return proven.claims and replace(proven.claims, signed_at=None, log_index=None)


# By the only signatures that there are: what was made, and what it proves.
_MADE = {bundle.signature: (bundle, _judge(bundle)) for bundle in map(parse_bundle, _FORMS)}


def _verify_bundle(data: bytes) -> None:
    """Whatever verifies says what one of the bundles said that were made, and nothing earlier."""
    bundle = parse_bundle(data)
    proven = _judge(bundle)
    made, expected = _MADE[bundle.signature]
    assert _who(proven) == _who(expected)
    assert proven.signed_at is None or (expected.signed_at is not None and proven.signed_at >= expected.signed_at)
    if isinstance(bundle.content, DsseEnvelope):
        assert isinstance(made.content, DsseEnvelope)
        assert (bundle.content.payload, bundle.content.payload_type) == (
            made.content.payload,
            made.content.payload_type,
        )


def _compare_with_the_library(data: bytes) -> None:
    """Neither verifier accepts a document whose authenticated content was altered."""
    assert _signed_by_guard(data) in (None, _PAYLOAD)
    assert _signed_by_library(data) in (None, _PAYLOAD)


_PAYLOAD = base64.b64decode(_ENVELOPE["dsseEnvelope"]["payload"])


def _signed_by_guard(data: bytes) -> bytes | None:
    try:
        bundle = parse_bundle(data)
        _judge(bundle)
    except (MalformedInput, EvidenceInvalid):
        return None
    assert isinstance(bundle.content, DsseEnvelope)
    return bundle.content.payload


def _signed_by_library(data: bytes) -> bytes | None:
    try:
        return _LIBRARY.verify_dsse(LibraryBundle.from_json(data), UnsafeNoOp())[1]
    except Exception:  # noqa: BLE001 - it raises more than it documents, and all of it refuses
        return None


# --- the parts of a bundle that have formats of their own ------------------------------------------------------------

_LOG = find_log(_PARSED.entry, _AUTHORITIES)
_LEAF = x509.load_der_x509_certificate(_PARSED.certificates[0])
_SIGNER = Signer(_LEAF, checked_key(_LEAF.public_key()))


def _verify_checkpoint(data: bytes) -> None:
    proof = _PARSED.entry.proof
    assert isinstance(proof, InclusionProof)
    altered = replace(proof, checkpoint=data.decode("utf-8", "replace"))
    verify_inclusion(replace(_PARSED.entry, proof=altered), _LOG, required=True)


def _verify_entry(data: bytes) -> None:
    verify_entry(replace(_PARSED, entry=replace(_PARSED.entry, body=data)), _SIGNER, None)


def _verify_timestamp(data: bytes) -> None:
    with own._boundary(EvidenceCode.LOG_ENTRY, "the timestamp"):
        verify_timestamps(replace(_PARSED, timestamps=(data,)), _AUTHORITIES)


def _verify_certificate(data: bytes) -> None:
    with own._boundary(EvidenceCode.CERTIFICATE, "the certificate"):
        certificate = x509.load_der_x509_certificate(data)
    for step in (
        lambda: verify_usage(certificate),
        lambda: verify_sct(certificate, _AUTHORITIES.issuers[0], _AUTHORITIES),
        lambda: claims_from_certificate(certificate, signed_at=None, log_index=None),
    ):
        try:
            with own._boundary(EvidenceCode.CERTIFICATE, "the certificate"):
                step()
        except EvidenceInvalid as error:
            is_said(error)


@st.composite
def _certificates(draw: st.DrawFn) -> bytes:
    """Return a certificate of which bytes differ, or one extension, so that the lengths around it are right."""
    der = _PARSED.certificates[0]
    if draw(st.booleans()):
        return draw(bytes_like([der]))
    builder = mint().authority.prepare(Identity.github(), KEY.key, NOW - timedelta(hours=1))
    extensions = list(builder._extensions)
    place = draw(st.integers(0, len(extensions) - 1))
    chosen = extensions[place]
    value = draw(bytes_like([chosen.value.public_bytes()]))
    oid = draw(st.sampled_from([chosen.oid, x509.PrecertificateSignedCertificateTimestamps.oid, *_FULCIO]))
    extensions[place] = x509.Extension(oid, draw(st.booleans()), x509.UnrecognizedExtension(oid, value))
    builder._extensions = extensions
    return mint().authority.sign(builder).public_bytes(Encoding.DER)


_FULCIO = [x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{arc}") for arc in (1, 5, 8, 12, 25)]
_STAMPS = [
    base64.b64decode(stamp["signedTimestamp"])
    for bundle in _FORMS
    for stamp in bundle["verificationMaterial"].get("timestampVerificationData", {}).get("rfc3161Timestamps", [])
]
_CHECKPOINTS = [proof_of(bundle)["checkpoint"]["envelope"].encode() for bundle in (_ENVELOPE, _FORMS[1])]
_BODIES = [base64.b64decode(entry_of(bundle)["canonicalizedBody"]) for bundle in _FORMS]


BUNDLE_TARGETS: dict[str, Target] = {
    "bundle": Target(documents_like(_BUNDLES), parses(parse_bundle, MalformedInput)),
    "bundle-verified": Target(documents_like(_BUNDLES), parses(_verify_bundle, MalformedInput, EvidenceInvalid)),
    "against-sigstore-python": Target(
        documents_like(bytes_of(_ENVELOPE, _FORMS[1], _FORMS[3])), _compare_with_the_library
    ),
    "checkpoint": Target(bytes_like(_CHECKPOINTS), refuses(_verify_checkpoint)),
    "entry": Target(documents_like(_BODIES), refuses(_verify_entry)),
    "timestamp": Target(bytes_like(_STAMPS), refuses(_verify_timestamp)),
    "certificate": Target(_certificates(), refuses(_verify_certificate)),
}

"""guard's own verification of bundles, on ``cryptography`` alone.

It judges every form that real documents have: what sigstore-python verifies, and what it refuses (log entries of the
kind intoto 0.0.2, bundles of version 0.1 that promise inclusion without proving it, bundles signed with a bare key).
The steps and their order are those of docs/verification.md; each is one function, and only that function can refuse
for its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import PublicKeyAlgorithmOID

from guard.errors import EvidenceCode, EvidenceInvalid, GuardError
from guard.model import Claims
from guard.sigstore.authorities import Authorities
from guard.sigstore.bundle import Bundle, MessageSignature
from guard.sigstore.certificate import claims_from_certificate
from guard.sigstore.chain import load_certificates, verify_chain, verify_sct, verify_usage
from guard.sigstore.entry import Signer, encode_dsse, verify_entry
from guard.sigstore.keys import (
    Artifact,
    PublicKey,
    SignatureInvalid,
    checked_key,
    verify_artifact_signature,
    verify_signature,
)
from guard.sigstore.log import find_log, verify_inclusion, verify_promise, verify_time
from guard.sigstore.timestamp import verify_timestamps

__all__ = ["Artifact", "Proven", "verify_bundle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a bundle proves once it is verified.

    Args:
        claims: of the certificate; ``None`` for a bundle that is signed with a bare key.
        signed_at: the earliest verified time of signing; ``None`` where nobody vouches for one, which only a bare key
            may do without.
        log_index: of the log entry, as far as a signature covers it.
    """

    claims: Claims | None
    signed_at: datetime | None
    log_index: int


def verify_bundle(
    bundle: Bundle,
    authorities: Authorities,
    *,
    now: datetime,
    key: PublicKey | None = None,
    artifact: Artifact | None = None,
) -> Proven:
    """Verify a bundle.

    Args:
        bundle: as parsed.
        authorities: whom to believe.
        now: the present; nothing that was signed lies after it.
        key: the key of a bundle that is signed with a bare one; the caller has found it by its hint.
        artifact: what a bundle with a message signature is about.

    Raises:
        EvidenceInvalid: a step refuses.
    """
    promises = bundle.version.promises_inclusion
    with _boundary(EvidenceCode.CERTIFICATE, "the signing certificate"):
        signer = _find_signer(load_certificates(bundle.certificates), key)
    with _boundary(EvidenceCode.LOG_ENTRY, "the log entry"):
        log = find_log(bundle.entry, authorities)
        promised_at = verify_promise(bundle.entry, log, required=promises)
        moments = [*([] if promised_at is None else [promised_at]), *verify_timestamps(bundle, authorities)]
        verify_time(moments, log, now, required=signer.certificate is not None)
        verify_inclusion(bundle.entry, log, required=not promises)
    with _boundary(EvidenceCode.CERTIFICATE, "the signing certificate"):
        if signer.certificate is not None:
            issuer = verify_chain(signer.certificate, moments, authorities)
            verify_usage(signer.certificate)
            verify_sct(signer.certificate, issuer, authorities)
    with _boundary(EvidenceCode.SIGNATURE, "what is signed"):
        _verify_content(bundle, signer.key, artifact)
        verify_entry(bundle, signer, artifact)
    # The signed entry timestamp covers the index in the whole log, and else the proof that of the tree.
    proof = bundle.entry.proof
    log_index = bundle.entry.log_index if promised_at is not None or proof is None else proof.log_index
    signed_at = min(moments, default=None)
    if signer.certificate is None:
        return Proven(claims=None, signed_at=signed_at, log_index=log_index)
    claims = claims_from_certificate(signer.certificate, signed_at=signed_at, log_index=log_index)
    return Proven(claims=claims, signed_at=signed_at, log_index=log_index)


@contextmanager
def _boundary(code: EvidenceCode, what: str) -> Iterator[None]:
    """Turn whatever a library raises over hostile bytes into the one error.

    Libraries raise more than they document, and Rust code below them panics with exceptions that are no ``Exception``.
    """
    try:
        yield
    except (GuardError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise EvidenceInvalid(code, f"{what} cannot be judged: {type(error).__name__}") from error


def _find_signer(certificates: tuple[x509.Certificate, ...], key: PublicKey | None) -> Signer:
    if not certificates:
        if key is None:
            raise EvidenceInvalid(EvidenceCode.SIGNATURE, "it is signed with a bare key that is not known")
        return Signer(None, key)
    if key is not None:
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, "it is signed with a certificate, and a bare key was asked for")
    if certificates[0].public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        raise EvidenceInvalid(
            EvidenceCode.CERTIFICATE, "its certificate's key is for RSASSA-PSS, which nothing signs with"
        )
    return Signer(certificates[0], checked_key(certificates[0].public_key()))


def _verify_content(bundle: Bundle, key: PublicKey, artifact: Artifact | None) -> None:
    """Verify the signature over the payload, or over the artifact."""
    try:
        if isinstance(bundle.content, MessageSignature):
            _verify_message(bundle.content, key, artifact)
        else:
            verify_signature(key, bundle.signature, encode_dsse(bundle.content))
    except SignatureInvalid as error:
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, f"the bundle's signature does not hold: {error}") from error


def _verify_message(message: MessageSignature, key: PublicKey, artifact: Artifact | None) -> None:
    if artifact is None:
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "it signs a message and holds no statement")
    if artifact.content is not None and hashlib.sha256(artifact.content).digest() != artifact.sha256:
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "the artifact does not have its digest")
    if message.algorithm is not None and (message.algorithm, message.digest) != ("SHA2_256", artifact.sha256):
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "it is about an artifact with another digest")
    verify_artifact_signature(key, message.signature, artifact)

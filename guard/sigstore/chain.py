"""The signing certificate: issued by a trusted authority, valid when it signed, made for signing code, and logged.

Sources: Sigstore's client specification, "Verification", and Fulcio's certificate specification; RFC 5280, section 6,
for what makes a chain; RFC 6962, section 3.2, for signed certificate timestamps.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from datetime import datetime, timezone

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.certificate_transparency import SignedCertificateTimestamp
from cryptography.x509.oid import ExtendedKeyUsageOID

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.sigstore.authorities import Authorities, Issuer
from guard.sigstore.keys import SignatureInvalid, verify_signature

# What is understood here or by claims_from_certificate; an unknown critical extension forbids the use (RFC 5280, 4.2).
_KNOWN_CRITICAL = frozenset(
    {
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
        x509.BasicConstraints.oid,
    }
)


def load_certificates(ders: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Decode a bundle's certificates, the signer's first.

    Raises:
        EvidenceInvalid: ``CERTIFICATE``, one cannot be decoded, or does not follow on the one before it.
    """
    try:
        certificates = tuple(x509.load_der_x509_certificate(der) for der in ders)
    except ValueError as error:
        raise _invalid("it cannot be decoded") from error
    for certificate, issuer in itertools.pairwise(certificates):
        if certificate.issuer != issuer.subject:
            raise _invalid("the chain that comes with it is not in order")
    return certificates


def verify_chain(leaf: x509.Certificate, moments: Sequence[datetime], authorities: Authorities) -> Issuer:
    """Verify that a trusted authority issued a certificate, which was valid whenever it is known to have signed.

    The chain above the leaf is the trust root's own, verified when that was decoded; nothing that came with the bundle
    is used.

    Args:
        leaf: the signing certificate.
        moments: every verified time of signing; at least one.
        authorities: whom to believe.

    Returns:
        Who issued it.

    Raises:
        EvidenceInvalid: ``CERTIFICATE``.
    """
    if not moments:
        raise _invalid("no time is known at which to judge it")
    if not all(leaf.not_valid_before_utc <= moment <= leaf.not_valid_after_utc for moment in moments):
        raise _invalid("it was not valid when it signed")
    for issuer in authorities.issuers:
        if all(map(issuer.validity.contains, moments)) and _is_issued_by(leaf, issuer):
            return issuer
    raise _invalid("no trusted authority that was valid when it signed issued it")


def verify_usage(leaf: x509.Certificate) -> None:
    """Verify that a certificate is one for signing code, and not an authority's own.

    Raises:
        EvidenceInvalid: ``CERTIFICATE``.
    """
    extensions = leaf.extensions
    unknown = [each.oid.dotted_string for each in extensions if each.critical and each.oid not in _KNOWN_CRITICAL]
    if unknown:
        raise _invalid(f"it has the unknown critical extension {unknown[0]}")
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.digital_signature or usage.key_cert_sign:
        raise _invalid("its key usage is not that of a signature")
    if ExtendedKeyUsageOID.CODE_SIGNING not in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value:
        raise _invalid("it is not one for signing code")
    if _is_authority(leaf):
        raise _invalid("it is an authority's own")


def verify_sct(leaf: x509.Certificate, issuer: Issuer, authorities: Authorities) -> None:
    """Verify that a known log of certificates recorded a certificate before it was issued.

    Args:
        leaf: the signing certificate.
        issuer: who issued it.
        authorities: whose logs are believed.

    Raises:
        EvidenceInvalid: ``CERTIFICATE``, there is not exactly one timestamp, or it does not hold.
    """
    try:
        stamps = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    except x509.ExtensionNotFound as error:
        raise _invalid("no log recorded it: it has no signed certificate timestamp") from error
    found = list(stamps)
    if len(found) != 1:
        raise _invalid(f"it has {len(found)} signed certificate timestamps, not one")
    [stamp] = found
    log = authorities.ct_logs.get(stamp.log_id)
    if log is None:
        raise _invalid("its signed certificate timestamp is of an unknown log")
    if not log.validity.contains(stamp.timestamp.replace(tzinfo=timezone.utc)):
        raise _invalid("its signed certificate timestamp is of a log that was not believed then")
    if not isinstance(stamp.signature_hash_algorithm, hashes.SHA256):
        raise _invalid("its signed certificate timestamp is of an unknown form")
    try:
        verify_signature(log.key, stamp.signature, _signed_by_log(stamp, leaf, issuer))
    except SignatureInvalid as error:
        raise _invalid(f"its signed certificate timestamp does not hold: {error}") from error


def _signed_by_log(stamp: SignedCertificateTimestamp, leaf: x509.Certificate, issuer: Issuer) -> bytes:
    """Return what the log signed (RFC 6962, section 3.2, ``digitally-signed``)."""
    milliseconds = round(stamp.timestamp.replace(tzinfo=timezone.utc).timestamp() * 1000)
    certificate = leaf.tbs_precertificate_bytes
    return b"".join(
        (
            struct.pack("!BBQH", 0, 0, milliseconds, 1),  # version 1, certificate timestamp, time, precertificate
            issuer.key_sha256,
            len(certificate).to_bytes(3, "big"),
            certificate,
            len(stamp.extension_bytes).to_bytes(2, "big"),
            stamp.extension_bytes,
        )
    )


def _is_issued_by(leaf: x509.Certificate, issuer: Issuer) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _invalid(reason: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.CERTIFICATE, f"the signing certificate is not acceptable: {reason}")

"""A certificate authority as Fulcio is one, and the certificate transparency log that it submits to.

The chain has the shape of the public one: a P-384 root, a P-384 intermediate with path length 0, and P-256 leaves that
live ten minutes and carry one embedded SCT (RFC 6962, section 3.3).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.sim.identity import Identity

LEAF_LIFETIME = timedelta(minutes=10)

_AUTHORITY_LIFETIME = timedelta(days=3650)
_FULCIO_ARC = "1.3.6.1.4.1.57264.1"
_SCT_LIST_OID = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_DER_OCTET_STRING = 0x04
_DER_UTF8_STRING = 0x0C
_TLS_SHA256_ECDSA = (4, 3)  # RFC 5246, section 7.4.1.4.1


def public_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the SubjectPublicKeyInfo of ``key`` in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


@dataclass(frozen=True, slots=True)
class Leaf:
    """A signing certificate with its private key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM, as log entries carry it."""
        return self.certificate.public_bytes(Encoding.PEM)


class TransparencyLog:
    """A certificate transparency log: nothing but a key that signs timestamps."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.log_id = hashlib.sha256(public_der(self.key)).digest()

    def sct(
        self,
        precertificate: x509.Certificate,
        issuer: ec.EllipticCurvePrivateKey,
        at: datetime,
        signing_key: ec.EllipticCurvePrivateKey | None = None,
    ) -> bytes:
        """Return a SignedCertificateTimestamp over a certificate that has none yet (RFC 6962, section 3.2).

        Args:
            signing_key: in place of the log's own key, for a timestamp that this log never gave.
        """
        tbs = precertificate.tbs_certificate_bytes
        milliseconds = int(at.timestamp() * 1000)
        signed = b"".join(
            (
                struct.pack("!BBQH", 0, 0, milliseconds, 1),  # v1, certificate_timestamp, time, precert_entry
                hashlib.sha256(public_der(issuer)).digest(),
                len(tbs).to_bytes(3, "big"),
                tbs,
                struct.pack("!H", 0),  # no extensions
            )
        )
        signature = (signing_key or self.key).sign(signed, ec.ECDSA(hashes.SHA256()))
        head = struct.pack("!B32sQH", 0, self.log_id, milliseconds, 0)
        return head + struct.pack("!BBH", *_TLS_SHA256_ECDSA, len(signature)) + signature


class CertificateAuthority:
    """A root and an intermediate that issues leaves.

    Args:
        now: the middle of the authority's life.
    """

    def __init__(self, now: datetime) -> None:
        self._not_before = now - _AUTHORITY_LIFETIME
        self._not_after = now + _AUTHORITY_LIFETIME
        self._root_key = ec.generate_private_key(ec.SECP384R1())
        self.intermediate_key = ec.generate_private_key(ec.SECP384R1())
        self.root = self._issue_authority("sim-sigstore", self._root_key, path_length=None)
        self.intermediate = self._issue_authority("sim-sigstore-intermediate", self.intermediate_key, path_length=0)

    def _issue_authority(
        self, common_name: str, key: ec.EllipticCurvePrivateKey, *, path_length: int | None
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(_name("sim-sigstore"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._not_before)
            .not_valid_after(self._not_after)
            .add_extension(_key_usage(certificates=True), critical=True)
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root_key.public_key()), critical=False
            )
        )
        if path_length is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        return builder.sign(self._root_key, hashes.SHA384())

    def prepare(
        self,
        identity: Identity,
        key: ec.EllipticCurvePrivateKey,
        at: datetime,
        legacy_issuer: str,
        usage: x509.ObjectIdentifier,
    ) -> x509.CertificateBuilder:
        """Return a leaf that is complete but for its SCT."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.intermediate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at)
            .not_valid_after(at + LEAF_LIFETIME)
            .add_extension(_key_usage(certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.intermediate_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([_general_name(identity.san)]), critical=True)
        )
        raw = {number: value.encode() for number, value in (identity.legacy_claims() | {1: legacy_issuer}).items()}
        encoded = {number: _der(_DER_UTF8_STRING, value.encode()) for number, value in identity.claims().items()}
        for number, value in (raw | encoded).items():
            oid = x509.ObjectIdentifier(f"{_FULCIO_ARC}.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        return builder

    def sign(self, builder: x509.CertificateBuilder, sct: bytes | None = None) -> x509.Certificate:
        """Sign a leaf, with ``sct`` as its last extension where there is one."""
        if sct is not None:
            entry = struct.pack("!H", len(sct)) + sct
            value = _der(_DER_OCTET_STRING, struct.pack("!H", len(entry)) + entry)
            builder = builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST_OID, value), critical=False)
        return builder.sign(self.intermediate_key, hashes.SHA384())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(san: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(san) if "://" in san else x509.RFC822Name(san)


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )

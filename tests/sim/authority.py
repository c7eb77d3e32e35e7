"""A certificate authority as Fulcio is one, and the certificate transparency log that it submits to.

The chain has the shape of the public one: a P-384 root, a P-384 intermediate with path length 0, and P-256 leaves that
live ten minutes and carry one embedded SCT (RFC 6962, section 3.3). Profiles say what is to differ from it.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.sim import der
from tests.sim.identity import Identity

LEAF_LIFETIME = timedelta(minutes=10)
AUTHORITY_LIFETIME = timedelta(days=3650)

_FULCIO_ARC = "1.3.6.1.4.1.57264.1"
_SCT_LIST_OID = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_UNKNOWN_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.99")
_TLS_SHA256_ECDSA = (4, 3)  # RFC 5246, section 7.4.1.4.1

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class KeyType(enum.Enum):
    """What a key is; the value is how Sigstore's registry of algorithms names it."""

    P256 = "PKIX_ECDSA_P256_SHA_256"
    P384 = "PKIX_ECDSA_P384_SHA_384"
    P521 = "PKIX_ECDSA_P521_SHA_512"
    ED25519 = "PKIX_ED25519"


_CURVES: dict[KeyType, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    KeyType.P256: (ec.SECP256R1(), hashes.SHA256()),
    KeyType.P384: (ec.SECP384R1(), hashes.SHA384()),
    KeyType.P521: (ec.SECP521R1(), hashes.SHA512()),
}


def new_key(kind: KeyType = KeyType.P256) -> PrivateKey:
    """Return a new key."""
    if kind is KeyType.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind][0])


def type_of(key: PrivateKey) -> KeyType:
    """Return what a key is."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return KeyType.ED25519
    return next(kind for kind, (curve, _) in _CURVES.items() if curve.name == key.curve.name)


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Sign with the hash that belongs to the key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, ec.ECDSA(_CURVES[type_of(key)][1]))


def public_der(key: PrivateKey) -> bytes:
    """Return the SubjectPublicKeyInfo of ``key`` in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A signing certificate with its private key."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM, as log entries carry it."""
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafProfile:
    """What a leaf is, as far as one differs from another.

    Args:
        usage: its key usage; ``None`` leaves the extension out.
        extended: its extended key usages; none leaves the extension out.
        authority: whether its basic constraints say that it is an authority's own.
        unknown_critical: whether it has a critical extension that nobody knows.
        legacy_issuer: what extension .1 says, in place of the issuer.
    """

    usage: x509.KeyUsage | None
    extended: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,)
    authority: bool = False
    unknown_critical: bool = False
    legacy_issuer: str | None = None


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    """Return a key usage; who may sign certificates may sign lists of revoked ones."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


SIGNER = LeafProfile(usage=key_usage(digital_signature=True))


class TransparencyLog:
    """A certificate transparency log: nothing but a key that signs timestamps."""

    def __init__(self) -> None:
        self.key = new_key()
        self.log_id = hashlib.sha256(public_der(self.key)).digest()

    def sct(
        self,
        precertificate: x509.Certificate,
        issuer: PrivateKey,
        at: datetime,
        signing_key: PrivateKey | None = None,
        *,
        algorithm: tuple[int, int] = _TLS_SHA256_ECDSA,
        extensions: bytes = b"",
    ) -> bytes:
        """Return a SignedCertificateTimestamp over a certificate that has none yet (RFC 6962, section 3.2).

        Args:
            precertificate: the certificate.
            issuer: the key of who issues it.
            at: when.
            signing_key: in place of the log's own key, for a timestamp that this log never gave.
            algorithm: what it says of hash and signature, as TLS numbers them.
            extensions: of the timestamp.
        """
        tbs = precertificate.tbs_certificate_bytes
        milliseconds = int(at.timestamp() * 1000)
        signed = b"".join(
            (
                struct.pack("!BBQH", 0, 0, milliseconds, 1),  # v1, certificate_timestamp, time, precert_entry
                hashlib.sha256(public_der(issuer)).digest(),
                len(tbs).to_bytes(3, "big"),
                tbs,
                struct.pack("!H", len(extensions)),
                extensions,
            )
        )
        signature = sign(signing_key or self.key, signed)
        head = struct.pack("!B32sQH", 0, self.log_id, milliseconds, len(extensions)) + extensions
        return head + struct.pack("!BBH", *algorithm, len(signature)) + signature


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityProfile:
    """What an authority is, as far as one differs from another.

    Args:
        lifetime: how long its certificates live before and after the middle of their life.
        constrained: whether the intermediate has basic constraints at all.
        ca: whether they say that it is an authority.
        key_cert_sign: whether its key usage lets it sign certificates.
        root_path_length: how many intermediates may stand below the root.
    """

    lifetime: timedelta = AUTHORITY_LIFETIME
    constrained: bool = True
    ca: bool = True
    key_cert_sign: bool = True
    root_path_length: int | None = None


class CertificateAuthority:
    """A root and an intermediate that issues leaves.

    Args:
        now: the middle of the authority's life.
        profile: what it is.
    """

    def __init__(self, now: datetime, profile: AuthorityProfile = AuthorityProfile()) -> None:
        self._span = (now - profile.lifetime, now + profile.lifetime)
        self._root_key = new_key(KeyType.P384)
        self.intermediate_key = new_key(KeyType.P384)
        root = self._prepare_authority("sim-sigstore", self._root_key).add_extension(
            x509.BasicConstraints(ca=True, path_length=profile.root_path_length), critical=True
        )
        root = root.add_extension(key_usage(key_cert_sign=True), critical=True)
        intermediate = self._prepare_authority("sim-sigstore-intermediate", self.intermediate_key).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
        )
        usage = key_usage(key_cert_sign=profile.key_cert_sign, digital_signature=not profile.key_cert_sign)
        intermediate = intermediate.add_extension(usage, critical=True)
        if profile.constrained:
            constraints = x509.BasicConstraints(ca=profile.ca, path_length=0 if profile.ca else None)
            intermediate = intermediate.add_extension(constraints, critical=True)
        self.root = self._sign_authority(root)
        self.intermediate = self._sign_authority(intermediate)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Its certificates, the one that issues leaves first."""
        return (self.intermediate, self.root)

    def _prepare_authority(self, common_name: str, key: PrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(authority_name(common_name))
            .issuer_name(authority_name("sim-sigstore"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._span[0])
            .not_valid_after(self._span[1])
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root_key.public_key()), critical=False
            )
        )

    def _sign_authority(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._root_key, hashes.SHA384())

    def prepare(
        self, identity: Identity, key: PrivateKey, at: datetime, profile: LeafProfile = SIGNER
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
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.intermediate_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([_general_name(identity.san)]), critical=True)
        )
        builder = _add_profile(builder, profile)
        raw = identity.legacy_claims() | {1: profile.legacy_issuer or identity.issuer}
        values = {number: text.encode() for number, text in raw.items()}
        values |= {number: der.encode(der.UTF8_STRING, text.encode()) for number, text in identity.claims().items()}
        for number, value in values.items():
            oid = x509.ObjectIdentifier(f"{_FULCIO_ARC}.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        return builder

    def sign(self, builder: x509.CertificateBuilder, *scts: bytes) -> x509.Certificate:
        """Sign a leaf, with a list of SCTs as its last extension where there are any."""
        if scts:
            entries = b"".join(struct.pack("!H", len(sct)) + sct for sct in scts)
            value = der.octets(struct.pack("!H", len(entries)) + entries)
            builder = builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST_OID, value), critical=False)
        return builder.sign(self.intermediate_key, hashes.SHA384())


def _add_profile(builder: x509.CertificateBuilder, profile: LeafProfile) -> x509.CertificateBuilder:
    if profile.usage is not None:
        builder = builder.add_extension(profile.usage, critical=True)
    if profile.extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.extended), critical=False)
    if profile.authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    if profile.unknown_critical:
        builder = builder.add_extension(x509.UnrecognizedExtension(_UNKNOWN_OID, b"\x05\x00"), critical=True)
    return builder


def authority_name(common_name: str) -> x509.Name:
    """Return the name of one of the simulated authorities."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(san: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(san) if "://" in san else x509.RFC822Name(san)

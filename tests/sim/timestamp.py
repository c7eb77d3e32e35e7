"""A timestamp authority as Sigstore's is one: RFC 3161 responses, granted or not, by a leaf under a root of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.sim import der
from tests.sim.authority import AUTHORITY_LIFETIME, PrivateKey, authority_name, key_usage, new_key, sign

_SHA256 = "2.16.840.1.101.3.4.2.1"
_ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
_POLICY = "1.3.6.1.4.1.57264.2"
_GRANTED = 0


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """A leaf that signs timestamps, and what issued it.

    Args:
        key: the leaf's.
        chain: the leaf first, the root last.
        issuer_key: the key of what issued the leaf.
    """

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    issuer_key: PrivateKey

    @classmethod
    def create(
        cls,
        now: datetime,
        lifetime: timedelta = AUTHORITY_LIFETIME,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING,
        *,
        intermediate: bool = False,
    ) -> TimestampAuthority:
        """Return an authority with new keys.

        Args:
            now: the middle of its life.
            lifetime: how long it lives before and after.
            usage: extended usage of its leaf.
            intermediate: whether another certificate stands between leaf and root.
        """
        span = (now - lifetime, now + lifetime)
        root_key, issuer_key = new_key(), new_key()
        above: tuple[x509.Certificate, ...] = (
            _sign(_authority("sim-tsa-root", "sim-tsa-root", root_key, span), root_key),
        )
        if intermediate:
            above = (_sign(_authority("sim-tsa-issuer", "sim-tsa-root", issuer_key, span), root_key), *above)
        return cls._issue(above, issuer_key if intermediate else root_key, span, usage)

    @classmethod
    def _issue(
        cls,
        above: tuple[x509.Certificate, ...],
        issuer_key: PrivateKey,
        span: tuple[datetime, datetime],
        usage: x509.ObjectIdentifier,
    ) -> TimestampAuthority:
        key = new_key()
        leaf = _builder("sim-tsa", above[0].subject, key, span)
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        leaf = leaf.add_extension(key_usage(digital_signature=True), critical=True)
        return cls(key, (_sign(leaf, issuer_key), *above), issuer_key)

    def sibling(self, now: datetime) -> TimestampAuthority:
        """Return another authority that the same root issued."""
        span = (now - AUTHORITY_LIFETIME, now + AUTHORITY_LIFETIME)
        return self._issue(self.chain[1:], self.issuer_key, span, ExtendedKeyUsageOID.TIME_STAMPING)

    def stamp(self, data: bytes, at: datetime, *, embed: bool = True, status: int = _GRANTED) -> bytes:
        """Return a ``TimeStampResp`` over data (RFC 3161, section 2.4.2).

        Args:
            data: of what the digest is stamped.
            at: the time it is given.
            embed: whether the leaf comes with it.
            status: as ``PKIStatus`` numbers it.
        """
        leaf = self.chain[0]
        algorithm = der.sequence(der.object_identifier(_SHA256))
        info = der.sequence(
            der.integer(1),
            der.object_identifier(_POLICY),
            der.sequence(algorithm, der.octets(hashlib.sha256(data).digest())),
            der.integer(x509.random_serial_number()),
            der.generalized_time(at.strftime("%Y%m%d%H%M%SZ")),
        )
        signed_data = der.sequence(
            der.integer(3),
            der.set_of(algorithm),
            der.sequence(der.object_identifier(_TST_INFO), der.explicit(0, der.octets(info))),
            der.explicit(0, leaf.public_bytes(Encoding.DER)) if embed else b"",
            der.set_of(self._signer_info(info, algorithm)),
        )
        token = der.sequence(der.object_identifier(_SIGNED_DATA), der.explicit(0, signed_data))
        return der.sequence(der.sequence(der.integer(status)), token)

    def _signer_info(self, info: bytes, algorithm: bytes) -> bytes:
        leaf = self.chain[0]
        certificate_hash = hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()
        attributes = sorted(
            (
                _attribute(_CONTENT_TYPE, der.object_identifier(_TST_INFO)),
                _attribute(_MESSAGE_DIGEST, der.octets(hashlib.sha256(info).digest())),
                _attribute(
                    _SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(der.sequence(der.octets(certificate_hash))))
                ),
            )
        )
        # Signed as a SET OF, carried with a context tag (RFC 5652, section 5.4).
        signature = sign(self.key, der.set_of(*attributes))
        return der.sequence(
            der.integer(1),
            der.sequence(leaf.issuer.public_bytes(), der.integer(leaf.serial_number)),
            algorithm,
            der.explicit(0, b"".join(attributes)),
            der.sequence(der.object_identifier(_ECDSA_WITH_SHA256)),
            der.octets(signature),
        )


def _attribute(kind: str, value: bytes) -> bytes:
    return der.sequence(der.object_identifier(kind), der.set_of(value))


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())


def _authority(subject: str, issuer: str, key: PrivateKey, span: tuple[datetime, datetime]) -> x509.CertificateBuilder:
    builder = _builder(subject, authority_name(issuer), key, span)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.add_extension(key_usage(key_cert_sign=True), critical=True)


def _builder(
    subject: str, issuer: x509.Name, key: PrivateKey, span: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(authority_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(span[0])
        .not_valid_after(span[1])
    )

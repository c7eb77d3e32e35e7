"""Public keys and the signatures that Sigstore makes with them.

Which hash goes with which key: https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

_RSA_MIN_BITS = 2048
_HASH_OF_CURVE: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class SignatureInvalid(Exception):
    """A signature does not hold, or its key is of a kind that nothing in Sigstore signs with."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a message signature is over.

    Args:
        sha256: digest of the artifact.
        content: its bytes; ``None`` where only the digest is known, which signs for most keys.
    """

    sha256: bytes
    content: bytes | None = None

    def digest(self, algorithm: hashes.HashAlgorithm) -> bytes | None:
        """Return a digest of it; ``None`` where it is another than the one that is known."""
        if isinstance(algorithm, hashes.SHA256):
            return self.sha256
        return None if self.content is None else hashlib.new(algorithm.name, self.content).digest()


def load_public_key(der: bytes) -> PublicKey:
    """Decode a SubjectPublicKeyInfo, or the bare RSA key that old logs have.

    Raises:
        ValueError: it is no key of a supported kind.
    """
    key = checked_key(serialization.load_der_public_key(der))
    # Of a key for RSASSA-PSS alone (RFC 4055, section 1.2) no more is known once it is loaded.
    if isinstance(key, rsa.RSAPublicKey) and der not in _encodings(key, serialization.Encoding.DER):
        raise ValueError("an RSA key for other signatures")
    return key


def _encodings(key: rsa.RSAPublicKey, encoding: serialization.Encoding) -> list[bytes]:
    forms = (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1)
    return [key.public_bytes(encoding, form) for form in forms]


def load_pem_public_key(pem: bytes) -> bytes:
    """Return a public key in PEM as a DER SubjectPublicKeyInfo.

    Raises:
        ValueError: it is no key of a supported kind.
    """
    try:
        key = checked_key(serialization.load_pem_public_key(pem))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Rust code below the library panics with exceptions that are no Exception
        raise ValueError("no public key in PEM") from error
    # What stands around a key and how its lines are broken is no part of it.
    text = b"".join(pem.split())
    if isinstance(key, rsa.RSAPublicKey) and not any(
        b"".join(form.split()) in text for form in _encodings(key, serialization.Encoding.PEM)
    ):
        raise ValueError("an RSA key for other signatures")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def checked_key(key: object) -> PublicKey:
    """Return a key when it is of a supported kind and strength.

    Raises:
        ValueError: it is not.
    """
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _HASH_OF_CURVE:
        return key
    if isinstance(key, ed25519.Ed25519PublicKey) or (
        isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_MIN_BITS
    ):
        return key
    raise ValueError("a key of an unsupported kind")


def hash_of(key: PublicKey) -> hashes.HashAlgorithm:
    """Return the hash that is signed with a key."""
    return _HASH_OF_CURVE[key.curve.name] if isinstance(key, ec.EllipticCurvePublicKey) else hashes.SHA256()


def verify_signature(key: PublicKey, signature: bytes, data: bytes) -> None:
    """Verify a signature over data.

    Raises:
        SignatureInvalid: it does not hold.
    """
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(hash_of(key)))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise SignatureInvalid("the signature does not match") from error


def verify_artifact_signature(key: PublicKey, signature: bytes, artifact: Artifact) -> None:
    """Verify a signature over an artifact, of which only the SHA-256 may be known.

    Raises:
        SignatureInvalid: it does not hold, or the key signs data in a way that needs the data itself.
    """
    if artifact.content is not None:
        verify_signature(key, signature, artifact.content)
    else:
        _verify_digest_signature(key, signature, artifact.sha256)


def _verify_digest_signature(key: PublicKey, signature: bytes, sha256: bytes) -> None:
    prehashed = utils.Prehashed(hashes.SHA256())
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
            key.verify(signature, sha256, ec.ECDSA(prehashed))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, sha256, padding.PKCS1v15(), prehashed)
        else:
            raise SignatureInvalid("a key of this kind does not sign SHA-256 digests")
    except InvalidSignature as error:
        raise SignatureInvalid("the signature does not match") from error


def spki_sha256(key: PublicKey) -> bytes:
    """Return the SHA-256 of a key's SubjectPublicKeyInfo, by which logs and issuers are named."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guard.sigstore.keys import (
    Artifact,
    PublicKey,
    SignatureInvalid,
    checked_key,
    hash_of,
    load_pem_public_key,
    load_public_key,
    spki_sha256,
    verify_artifact_signature,
    verify_signature,
)

DATA = b"what is signed"
DIGEST = hashlib.sha256(DATA).digest()
P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))
ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
SIGNED: dict[str, tuple[PublicKey, bytes]] = {
    "p256": (P256.public_key(), P256.sign(DATA, ec.ECDSA(hashes.SHA256()))),
    "p384": (P384.public_key(), P384.sign(DATA, ec.ECDSA(hashes.SHA384()))),
    "p521": (P521.public_key(), P521.sign(DATA, ec.ECDSA(hashes.SHA512()))),
    "ed25519": (ED25519.public_key(), ED25519.sign(DATA)),
    "rsa": (RSA.public_key(), RSA.sign(DATA, padding.PKCS1v15(), hashes.SHA256())),
}


def spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("name", SIGNED)
def test_a_signature_holds_over_its_data_and_under_its_key(name: str) -> None:
    key, signature = SIGNED[name]
    verify_signature(key, signature, DATA)
    for other in (DATA + b".", b""):
        with pytest.raises(SignatureInvalid):
            verify_signature(key, signature, other)
    for wrong in (b"", b"0" * len(signature), signature[:-1], signature + b"\0"):
        with pytest.raises(SignatureInvalid):
            verify_signature(key, wrong, DATA)
    for another, _ in (value for other, value in SIGNED.items() if other != name):
        with pytest.raises(SignatureInvalid):
            verify_signature(another, signature, DATA)


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        pytest.param(P384, P384.sign(DATA, ec.ECDSA(hashes.SHA256())), id="p384"),
        pytest.param(P256, P256.sign(DATA, ec.ECDSA(hashes.SHA384())), id="p256"),
    ],
)
def test_a_curve_has_one_hash(key: ec.EllipticCurvePrivateKey, signature: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify_signature(key.public_key(), signature, DATA)


def test_rsa_is_pkcs1_with_sha256() -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    for signature in (RSA.sign(DATA, pss, hashes.SHA256()), RSA.sign(DATA, padding.PKCS1v15(), hashes.SHA512())):
        with pytest.raises(SignatureInvalid):
            verify_signature(RSA.public_key(), signature, DATA)


@pytest.mark.parametrize("name", SIGNED)
def test_an_artifact_signature_needs_the_artifact_unless_sha256_is_what_is_signed(name: str) -> None:
    key, signature = SIGNED[name]
    verify_artifact_signature(key, signature, Artifact(DIGEST, DATA))
    with pytest.raises(SignatureInvalid):
        verify_artifact_signature(key, signature, Artifact(DIGEST, DATA + b"."))
    if name in ("p256", "rsa"):
        verify_artifact_signature(key, signature, Artifact(DIGEST))
        with pytest.raises(SignatureInvalid, match="does not match"):
            verify_artifact_signature(key, signature, Artifact(hashlib.sha256(b"other").digest()))
    else:
        with pytest.raises(SignatureInvalid, match="of this kind"):
            verify_artifact_signature(key, signature, Artifact(DIGEST))


def test_the_digest_of_another_curve_does_not_do() -> None:
    """P-384 over a SHA-256 is a signature that nobody should make."""
    signature = P384.sign(DIGEST, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    with pytest.raises(SignatureInvalid, match="of this kind"):
        verify_artifact_signature(P384.public_key(), signature, Artifact(DIGEST))


def test_digests_of_an_artifact() -> None:
    assert Artifact(DIGEST, DATA).digest(hashes.SHA384()) == hashlib.sha384(DATA).digest()
    assert Artifact(DIGEST, DATA).digest(hashes.SHA512()) == hashlib.sha512(DATA).digest()
    assert Artifact(DIGEST).digest(hashes.SHA256()) == DIGEST
    assert Artifact(DIGEST).digest(hashes.SHA384()) is None


@pytest.mark.parametrize(("name", "digest"), [("p256", 32), ("p384", 48), ("p521", 64), ("ed25519", 32), ("rsa", 32)])
def test_the_hash_that_belongs_to_a_key(name: str, digest: int) -> None:
    assert hash_of(SIGNED[name][0]).digest_size == digest


@pytest.mark.parametrize("name", SIGNED)
def test_keys_are_loaded_and_named(name: str) -> None:
    key, _ = SIGNED[name]
    assert spki(load_public_key(spki(key))) == spki(key)
    assert spki_sha256(key) == hashlib.sha256(spki(key)).digest()


def test_an_rsa_key_for_pss_alone_is_no_key_of_ours() -> None:
    """Loaded, it is told from none other, and would verify what it must not (RFC 4055, section 1.2)."""
    of_any_use, of_pss = bytes.fromhex("06092a864886f70d0101010500"), bytes.fromhex("06092a864886f70d01010a3000")
    der = spki(RSA.public_key())
    assert spki(load_public_key(der)) == der
    other = der.replace(of_any_use, of_pss)
    with pytest.raises(ValueError, match="other signatures"):
        load_public_key(other)
    with pytest.raises(ValueError, match="other signatures"):
        load_pem_public_key(b"-----BEGIN PUBLIC KEY-----\n%b-----END PUBLIC KEY-----\n" % base64.encodebytes(other))


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_an_rsa_key_in_pem_is_loaded_whatever_stands_around_it(form: PublicFormat) -> None:
    pem = RSA.public_key().public_bytes(Encoding.PEM, form)
    for written in (pem, b"the key:\n" + pem, pem.replace(b"\n", b"\r\n")):
        assert load_pem_public_key(written) == spki(RSA.public_key())


def test_a_bare_rsa_key_is_loaded() -> None:
    bare = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert spki(load_public_key(bare)) == spki(RSA.public_key())


def test_a_key_in_pem_is_the_same_key() -> None:
    pem = P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert load_pem_public_key(pem) == spki(P256.public_key())
    for junk in (b"", b"-----BEGIN PUBLIC KEY-----", pem[:-40]):
        with pytest.raises(ValueError, match="no public key in PEM"):
            load_pem_public_key(junk)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit()])
def test_an_interrupt_stays_an_interrupt(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(serialization, "load_pem_public_key", fail)
    with pytest.raises(type(raised)):
        load_pem_public_key(b"")


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(ec.generate_private_key(ec.SECP256K1()), id="other-curve"),
        pytest.param(ec.generate_private_key(ec.SECP224R1()), id="short-curve"),
        pytest.param(rsa.generate_private_key(65537, 1024), id="short-rsa"),
        pytest.param(rsa.generate_private_key(65537, 2047), id="rsa-one-bit-short"),
        pytest.param(dsa.generate_private_key(1024), id="dsa"),
        pytest.param(x25519.X25519PrivateKey.generate(), id="no-signatures"),
    ],
)
def test_keys_that_nothing_signs_with(key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(ValueError, match="unsupported kind"):
        checked_key(key.public_key())
    with pytest.raises(ValueError, match="unsupported kind"):
        load_public_key(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize("der", [b"", b"0", spki(P256.public_key())[:-1]])
def test_no_key(der: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        load_public_key(der)

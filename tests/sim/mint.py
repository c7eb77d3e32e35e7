"""Bundles of every form, each one thing of which may be made otherwise.

A :class:`Recipe` is a bundle as its signer, certificate authority, logs and timestamp authorities make it; its fields
are what a test changes, so that all else stays consistent. What only the finished document can show is changed by
``after``, which has the mint's keys at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from tests.sim.authority import (
    SIGNER,
    CertificateAuthority,
    KeyType,
    Leaf,
    LeafProfile,
    PrivateKey,
    TransparencyLog,
    new_key,
    public_der,
    sign,
    type_of,
)
from tests.sim.documents import JsonObject, base64_text
from tests.sim.entries import Kind, Recorded, entry_body, envelope
from tests.sim.identity import Identity
from tests.sim.log import Rekor, RekorV2
from tests.sim.sigstore import BUNDLE_V0_3, KeyPair
from tests.sim.timestamp import TimestampAuthority

BUNDLE_V0_1 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1","any":"payload"}'
ARTIFACT = b"what a message signature is over"
SIGNED_AGO = timedelta(hours=1)

_TRUST = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sct:
    """One signed certificate timestamp.

    Args:
        after: from the certificate's start.
        forged: signed with a key that is not the log's.
        unknown_log: by a log that the trust root does not know.
        other_certificate: over another certificate of the same authority.
        other_issuer: as if another authority had issued the certificate.
        algorithm: what it says of hash and signature, as TLS numbers them.
        extensions: of the timestamp.
    """

    after: timedelta = timedelta()
    forged: bool = False
    unknown_log: bool = False
    other_certificate: bool = False
    other_issuer: bool = False
    algorithm: tuple[int, int] = (4, 3)
    extensions: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One RFC 3161 timestamp.

    Args:
        after: from the certificate's start.
        over: what is stamped, in place of the signature.
        unknown_authority: by an authority that the trust root does not know.
        embed: whether its certificate comes with it.
        status: as ``PKIStatus`` numbers it.
    """

    after: timedelta = timedelta(seconds=1)
    over: bytes | None = None
    unknown_authority: bool = False
    embed: bool = True
    status: int = 0


def _as_signed(recorded: Recorded) -> Recorded:
    return recorded


def _as_recorded(body: bytes) -> bytes:
    return body


def _as_made(mint: Mint, bundle: JsonObject) -> None:
    """Change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one bundle is made.

    Args:
        kind: of the log entry, and with it which log it is in.
        message: whether an artifact is signed, and not a payload.
        media_type: version of the bundle.
        key: a bare key that signs; without it, a certificate does.
        key_type: of the certificate's key.
        leaf: what the certificate is.
        foreign_authority: whether an authority of the same name issues it.
        scts: in the certificate.
        chain: how many certificates come with the bundle.
        signs: what is really signed, in place of payload or artifact.
        payload_type: what the envelope says it is.
        logged: changes what the log is told.
        body: changes what the log records.
        integrated_after: when the log took it, from the certificate's start.
        promise: whether the log promised it.
        proof: whether inclusion is proved.
        stamps: timestamps over the signature.
        ago: how long ago the certificate began to be valid.
        after: changes the bundle when it is complete.
    """

    kind: Kind = Kind.DSSE
    message: bool = False
    media_type: str = BUNDLE_V0_3
    key: KeyPair | None = None
    key_type: KeyType = KeyType.P256
    leaf: LeafProfile = SIGNER
    foreign_authority: bool = False
    scts: tuple[Sct, ...] = (Sct(),)
    chain: int = 1
    signs: bytes | None = None
    payload_type: str = PAYLOAD_TYPE
    logged: Callable[[Recorded], Recorded] = _as_signed
    body: Callable[[bytes], bytes] = _as_recorded
    integrated_after: timedelta = timedelta(seconds=1)
    promise: bool = True
    proof: bool = True
    stamps: tuple[Stamp, ...] = ()
    ago: timedelta = SIGNED_AGO
    after: Callable[[Mint, JsonObject], None] = _as_made


_Signer: TypeAlias = Leaf | KeyPair


class Mint:
    """An instance of Sigstore with two transparency logs and a timestamp authority, which makes bundles by recipe.

    Args:
        now: the present.
        identity: who signs.
        authority: who issues certificates; one like Fulcio without it.
    """

    def __init__(self, now: datetime, identity: Identity, authority: CertificateAuthority | None = None) -> None:
        self.now = now
        self.identity = identity
        self.authority = authority or CertificateAuthority(now)
        self.foreign_authority = CertificateAuthority(now)
        self.ct_log = TransparencyLog()
        self.foreign_ct_log = TransparencyLog()
        self.rekor = Rekor()
        self.rekor_v2 = RekorV2()
        self.timestamp_authority = TimestampAuthority.create(now)
        self.foreign_timestamp_authority = TimestampAuthority.create(now)

    def trust_root(self) -> JsonObject:
        """Return the ``trusted_root.json`` of this instance (protobuf-specs, ``sigstore_trustroot.proto``)."""
        tsa = self.timestamp_authority
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self.log(log.key, log.log_id, log.origin) for log in (self.rekor, self.rekor_v2)],
            "certificateAuthorities": [self.chain(*(one.public_bytes(Encoding.DER) for one in self.authority.chain))],
            "ctlogs": [self.log(self.ct_log.key, self.ct_log.log_id, "ctfe.sigstore.test")],
            "timestampAuthorities": [self.chain(*(one.public_bytes(Encoding.DER) for one in tsa.chain))],
        }

    def log(self, key: PrivateKey, log_id: bytes, origin: str) -> JsonObject:
        """Return a log as the trust root names it."""
        return {
            "baseUrl": f"https://{origin}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": base64_text(public_der(key)),
                "keyDetails": type_of(key).value,
                "validFor": self._valid_for(),
            },
            "logId": {"keyId": base64_text(log_id)},
        }

    def chain(self, *certificates: bytes) -> JsonObject:
        """Return an authority as the trust root names it."""
        return {
            "subject": {"organization": "sigstore.test", "commonName": "sim"},
            "uri": "https://authority.sigstore.test",
            "certChain": {"certificates": [{"rawBytes": base64_text(one)} for one in certificates]},
            "validFor": self._valid_for(),
        }

    def _valid_for(self) -> JsonObject:
        return {"start": (self.now - _TRUST).strftime("%Y-%m-%dT%H:%M:%SZ")}

    def bundle(self, recipe: Recipe) -> JsonObject:
        """Make a bundle."""
        at = self.now - recipe.ago
        signer = recipe.key or self._issue(recipe, at)
        recorded = _sign(recipe, signer)
        bundle = {
            "mediaType": recipe.media_type,
            "verificationMaterial": self._signer_material(recipe, signer)
            | {"tlogEntries": [self._log(recipe, recorded, at)]}
            | self._timestamps(recipe, recorded.signature, at),
            **_content(recorded),
        }
        recipe.after(self, bundle)
        return bundle

    def _issue(self, recipe: Recipe, at: datetime) -> Leaf:
        authority = self.foreign_authority if recipe.foreign_authority else self.authority
        key = new_key(recipe.key_type)
        builder = authority.prepare(self.identity, key, at, recipe.leaf)
        scts = [self._sct(one, authority, authority.sign(builder), at) for one in recipe.scts]
        return Leaf(key, authority.sign(builder, *scts))

    def _sct(self, sct: Sct, authority: CertificateAuthority, certificate: Certificate, at: datetime) -> bytes:
        other = authority.sign(authority.prepare(self.identity, new_key(), at))
        issuer = self.foreign_authority if sct.other_issuer else authority
        return (self.foreign_ct_log if sct.unknown_log else self.ct_log).sct(
            other if sct.other_certificate else certificate,
            issuer.intermediate_key,
            at + sct.after,
            new_key() if sct.forged else None,
            algorithm=sct.algorithm,
            extensions=sct.extensions,
        )

    def _signer_material(self, recipe: Recipe, signer: _Signer) -> JsonObject:
        if isinstance(signer, KeyPair):
            return {"publicKey": {"hint": signer.hint}}
        certificates = [signer.certificate, *self.authority.chain][: recipe.chain]
        raw = [{"rawBytes": base64_text(one.public_bytes(Encoding.DER))} for one in certificates]
        return (
            {"certificate": raw[0]}
            if recipe.media_type == BUNDLE_V0_3
            else {"x509CertificateChain": {"certificates": raw}}
        )

    def _log(self, recipe: Recipe, recorded: Recorded, at: datetime) -> JsonObject:
        log = self.rekor_v2 if recipe.kind in (Kind.HASHEDREKORD_V2, Kind.DSSE_V2) else self.rekor
        kind, version = recipe.kind.value
        body = recipe.body(entry_body(recipe.kind, recipe.logged(recorded)))
        entry = log.append(kind, version, body, at + recipe.integrated_after)
        left_out = {"inclusionPromise": recipe.promise, "inclusionProof": recipe.proof}
        return {name: value for name, value in entry.items() if left_out.get(name, True)}

    def _timestamps(self, recipe: Recipe, signature: bytes, at: datetime) -> JsonObject:
        if not recipe.stamps:
            return {}
        stamps = [self.stamp(one, signature, at) for one in recipe.stamps]
        return {"timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": one} for one in stamps]}}

    def stamp(self, stamp: Stamp, signature: bytes, at: datetime) -> str:
        """Return a timestamp in base64."""
        authority = self.foreign_timestamp_authority if stamp.unknown_authority else self.timestamp_authority
        over = signature if stamp.over is None else stamp.over
        return base64_text(authority.stamp(over, at + stamp.after, embed=stamp.embed, status=stamp.status))


def _sign(recipe: Recipe, signer: _Signer) -> Recorded:
    unsigned = Recorded(
        content=ARTIFACT if recipe.message else PAYLOAD,
        payload_type=None if recipe.message else recipe.payload_type,
        signature=b"",
        verifier_pem=signer.pem,
        verifier_der=signer.der,
        key_type=type_of(signer.key),
        keyid=signer.hint if isinstance(signer, KeyPair) else "",
    )
    signed = unsigned if recipe.signs is None else replace(unsigned, content=recipe.signs)
    return replace(unsigned, signature=sign(signer.key, signed.signed))


def _content(recorded: Recorded) -> JsonObject:
    if recorded.payload_type is not None:
        return {"dsseEnvelope": envelope(recorded)}
    digest = {"algorithm": "SHA2_256", "digest": base64_text(hashlib.sha256(recorded.content).digest())}
    return {"messageSignature": {"messageDigest": digest, "signature": base64_text(recorded.signature)}}

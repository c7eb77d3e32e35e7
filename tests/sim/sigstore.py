"""A Sigstore that mints: everything that a signer of the public one leaves behind, under keys of its own.

``MintingSigstore().trusted_root_json()`` is all that a verifier needs to accept what it signs. A :class:`Defect` spoils
one thing and keeps all else consistent, so that exactly one step of verification can refuse the result.
"""

from __future__ import annotations

import base64
import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TypeAlias

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.sim.authority import (
    LEAF_LIFETIME,
    SIGNER,
    CertificateAuthority,
    Leaf,
    PrivateKey,
    TransparencyLog,
    new_key,
    public_der,
    sign,
    type_of,
)
from tests.sim.documents import JsonObject, base64_text, compact_json
from tests.sim.entries import Kind, Recorded, entry_body, envelope, pre_authentication
from tests.sim.identity import Identity
from tests.sim.log import Rekor

__all__ = ["BUNDLE_V0_2", "BUNDLE_V0_3", "Defect", "EntryKind", "Identity", "KeyPair", "MintingSigstore"]

BUNDLE_V0_2 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
BUNDLE_V0_3 = "application/vnd.dev.sigstore.bundle.v0.3+json"

_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_OTHER_PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"other","predicate":null}'
_OTHER_ISSUER = "https://issuer.example.test"
_TRUST_START = timedelta(days=3650)
_AGE_OF_SIGNATURES = timedelta(hours=1)  # nothing that is signed without a date lies in the future


class EntryKind(enum.Enum):
    """How the log records an envelope: ``kind`` and ``apiVersion`` of the entry."""

    DSSE = ("dsse", "0.0.1")
    INTOTO = ("intoto", "0.0.2")


class Defect(enum.Enum):
    """One thing that is wrong with a bundle; the value names the step that must refuse it."""

    FOREIGN_CA = "chain: the certificate is another authority's of the same name"
    WRONG_KEY_USAGE = "certificate profile: the certificate is not one for signing code"
    NO_SCT = "sct: the certificate carries none"
    FORGED_SCT = "sct: signed with a key that is not the log's"
    SCT_OF_OTHER_CERTIFICATE = "sct: the log's own signature, over another certificate"
    V1_V2_ISSUER_CONFLICT = "claims: extension .1 names another issuer than .8"
    PAYLOAD_SWAPPED = "signature: the key's own, over another payload"
    SIGNATURE_CORRUPT = "signature: one bit differs"
    NO_LOG_ENTRY = "log entry: there is none"
    TWO_LOG_ENTRIES = "log entry: there are two"
    NO_INCLUSION_PROMISE = "time: no signed entry timestamp, hence no verified time"
    SET_CORRUPT = "signed entry timestamp: one bit differs"
    INTEGRATED_TIME_OUTSIDE_CERTIFICATE = "time: the entry was made after the certificate had ended"
    NO_INCLUSION_PROOF = "inclusion: no proof"
    MERKLE_CORRUPT = "inclusion: one bit of the audit path differs"
    CHECKPOINT_CORRUPT = "checkpoint: one bit of the signature differs"
    CHECKPOINT_OF_OTHER_TREE = "checkpoint: the log's own signature, over another root"
    ENTRY_OF_OTHER_BUNDLE = "entry body: a true entry of another bundle"
    ENTRY_PAYLOAD_DIFFERS = "entry body: the hash is another payload's"
    ENTRY_SIGNATURE_DIFFERS = "entry body: the signature is another one"
    ENTRY_CERTIFICATE_DIFFERS = "entry body: the certificate is another one"


_CERTIFICATE_DEFECTS = frozenset(
    {
        Defect.FOREIGN_CA,
        Defect.WRONG_KEY_USAGE,
        Defect.NO_SCT,
        Defect.FORGED_SCT,
        Defect.SCT_OF_OTHER_CERTIFICATE,
        Defect.V1_V2_ISSUER_CONFLICT,
        Defect.INTEGRATED_TIME_OUTSIDE_CERTIFICATE,
    }
)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key that signs without a certificate, known by a name that proves nothing.

    Args:
        key: the private key.
        hint: what bundles and envelopes call it.
    """

    key: PrivateKey
    hint: str

    @property
    def pem(self) -> bytes:
        """The public key in PEM, as log entries carry it."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def der(self) -> bytes:
        """The same in DER."""
        return public_der(self.key)


_Signer: TypeAlias = Leaf | KeyPair


@dataclass(frozen=True, slots=True)
class _Signed:
    payload: bytes
    signature: bytes
    signer: _Signer
    entries: list[JsonObject]

    @property
    def recorded(self) -> Recorded:
        return Recorded(
            content=self.payload,
            payload_type=_PAYLOAD_TYPE,
            signature=self.signature,
            verifier_pem=self.signer.pem,
            verifier_der=self.signer.der,
            key_type=type_of(self.signer.key),
            keyid=self.signer.hint if isinstance(self.signer, KeyPair) else "",
        )


class MintingSigstore:
    """An instance of Sigstore with ephemeral keys.

    Args:
        now: what it takes for the present; without it, the present. Signatures are an hour old unless a date is given,
            and its authorities are valid for ten years before and after.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._now = (now or datetime.now(timezone.utc)).replace(microsecond=0)
        self._authority = CertificateAuthority(self._now)
        self._foreign_authority = CertificateAuthority(self._now)
        self._transparency_log = TransparencyLog()
        self._rekor = Rekor()

    def trusted_root_json(self) -> bytes:
        """Return the ``trusted_root.json`` of this instance (protobuf-specs, ``sigstore_trustroot.proto``)."""
        valid_for = {"start": (self._now - _TRUST_START).strftime("%Y-%m-%dT%H:%M:%SZ")}
        chain = (self._authority.intermediate, self._authority.root)
        authority = {
            "subject": {"organization": "sigstore.test", "commonName": "sim-sigstore"},
            "uri": "https://fulcio.sigstore.test",
            "certChain": {"certificates": [{"rawBytes": base64_text(one.public_bytes(Encoding.DER))} for one in chain]},
            "validFor": valid_for,
        }
        rekor = _log_instance("https://rekor.sigstore.test", self._rekor.key, self._rekor.log_id, valid_for)
        ct = self._transparency_log
        return compact_json(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [rekor],
                "certificateAuthorities": [authority],
                "ctlogs": [_log_instance("https://ctfe.sigstore.test", ct.key, ct.log_id, valid_for)],
                "timestampAuthorities": [],
            }
        )

    def attest(
        self,
        statement: JsonObject | bytes,
        identity: Identity,
        *,
        at: datetime | None = None,
        defect: Defect | None = None,
        entry_kind: EntryKind = EntryKind.DSSE,
    ) -> JsonObject:
        """Sign a statement and return a PEP 740 attestation object.

        Args:
            statement: the in-toto statement; bytes are signed as they are.
            identity: who signs.
            at: when.
            defect: what is to be wrong.
            entry_kind: how the log records it.
        """
        at = at or self._now - _AGE_OF_SIGNATURES
        leaf = self._issue(identity, at, defect)
        signed = self._sign(statement, leaf, partial(self._issue, identity, at), at, defect, entry_kind)
        return {
            "version": 1,
            "verification_material": {
                "certificate": base64_text(leaf.der),
                "transparency_entries": signed.entries,
            },
            "envelope": {"statement": base64_text(signed.payload), "signature": base64_text(signed.signature)},
        }

    def bundle(
        self,
        statement: JsonObject | bytes,
        identity: Identity,
        *,
        media_type: str = BUNDLE_V0_3,
        at: datetime | None = None,
        defect: Defect | None = None,
        entry_kind: EntryKind = EntryKind.DSSE,
    ) -> JsonObject:
        """Sign a statement and return a Sigstore bundle (protobuf-specs, ``sigstore_bundle.proto``).

        Args:
            statement: the in-toto statement; bytes are signed as they are.
            identity: who signs.
            media_type: version 0.3 holds one certificate, the versions before it a chain.
            at: when.
            defect: what is to be wrong.
            entry_kind: how the log records it.
        """
        at = at or self._now - _AGE_OF_SIGNATURES
        leaf = self._issue(identity, at, defect)
        signed = self._sign(statement, leaf, partial(self._issue, identity, at), at, defect, entry_kind)
        certificate = {"rawBytes": base64_text(leaf.der)}
        material: JsonObject = (
            {"certificate": certificate}
            if media_type == BUNDLE_V0_3
            else {"x509CertificateChain": {"certificates": [certificate]}}
        )
        return _bundle(media_type, material, signed)

    def key_bundle(
        self,
        statement: JsonObject | bytes,
        signer: KeyPair,
        *,
        media_type: str = BUNDLE_V0_2,
        at: datetime | None = None,
        defect: Defect | None = None,
        entry_kind: EntryKind = EntryKind.DSSE,
    ) -> JsonObject:
        """Sign a statement with a key that has no certificate, as a registry does, and return a bundle.

        Args:
            statement: the in-toto statement; bytes are signed as they are.
            signer: the key, which the trusted root does not know.
            media_type: 0.2, as npm's registry writes it, or 0.3; the two differ in nothing else here.
            at: when.
            defect: what is to be wrong; not one of a certificate.
            entry_kind: how the log records it.
        """
        if defect in _CERTIFICATE_DEFECTS:
            raise ValueError(f"{defect} needs a certificate")
        at = at or self._now - _AGE_OF_SIGNATURES
        signed = self._sign(statement, signer, partial(_another_key, signer), at, defect, entry_kind)
        return _bundle(media_type, {"publicKey": {"hint": signer.hint}}, signed)

    def _sign(
        self,
        statement: JsonObject | bytes,
        signer: _Signer,
        another: Callable[[], _Signer],
        at: datetime,
        defect: Defect | None,
        entry_kind: EntryKind,
    ) -> _Signed:
        """Sign and log; ``another`` gives a signer that only its key tells from this one."""
        payload = statement if isinstance(statement, bytes) else compact_json(statement)
        signature = _sign_payload(signer, _OTHER_PAYLOAD if defect is Defect.PAYLOAD_SWAPPED else payload)
        if defect is Defect.SIGNATURE_CORRUPT:
            signature = _flip_last_bit(signature)
        signed = _Signed(payload, signature, signer, [])
        return replace(signed, entries=self._log(signed, another, at, defect, entry_kind))

    def _issue(self, identity: Identity, at: datetime, defect: Defect | None = None) -> Leaf:
        authority = self._foreign_authority if defect is Defect.FOREIGN_CA else self._authority
        key = new_key()
        usage = (
            ExtendedKeyUsageOID.CLIENT_AUTH if defect is Defect.WRONG_KEY_USAGE else ExtendedKeyUsageOID.CODE_SIGNING
        )
        conflict = _OTHER_ISSUER if defect is Defect.V1_V2_ISSUER_CONFLICT else None
        builder = authority.prepare(identity, key, at, replace(SIGNER, extended=(usage,), legacy_issuer=conflict))
        if defect is Defect.NO_SCT:
            return Leaf(key, authority.sign(builder))
        submitted = builder
        if defect is Defect.SCT_OF_OTHER_CERTIFICATE:
            submitted = authority.prepare(identity, new_key(), at)
        forged = new_key() if defect is Defect.FORGED_SCT else None
        sct = self._transparency_log.sct(authority.sign(submitted), authority.intermediate_key, at, forged)
        return Leaf(key, authority.sign(builder, sct))

    def _log(
        self,
        signed: _Signed,
        another: Callable[[], _Signer],
        at: datetime,
        defect: Defect | None,
        entry_kind: EntryKind,
    ) -> list[JsonObject]:
        if defect is Defect.NO_LOG_ENTRY:
            return []
        if defect is Defect.ENTRY_OF_OTHER_BUNDLE:
            return self._sign(_OTHER_PAYLOAD, another(), another, at, None, entry_kind).entries
        outside = defect is Defect.INTEGRATED_TIME_OUTSIDE_CERTIFICATE
        integrated_at = at + (LEAF_LIFETIME if outside else timedelta()) + timedelta(seconds=1)
        body = entry_body(Kind(entry_kind.value), _recorded(signed, another, defect).recorded)
        kind, version = entry_kind.value
        entry = self._rekor.append(kind, version, body, integrated_at)
        self._spoil_entry(entry, defect)
        if defect is Defect.TWO_LOG_ENTRIES:
            return [entry, self._rekor.append(kind, version, body, integrated_at)]
        return [entry]

    def _spoil_entry(self, entry: JsonObject, defect: Defect | None) -> None:
        proof = entry["inclusionProof"]
        if defect is Defect.NO_INCLUSION_PROMISE:
            del entry["inclusionPromise"]
        elif defect is Defect.SET_CORRUPT:
            promise = entry["inclusionPromise"]
            promise["signedEntryTimestamp"] = _flip_last_bit_of_text(promise["signedEntryTimestamp"])
        elif defect is Defect.NO_INCLUSION_PROOF:
            del entry["inclusionProof"]
        elif defect is Defect.MERKLE_CORRUPT:
            proof["hashes"][0] = _flip_last_bit_of_text(proof["hashes"][0])
        elif defect is Defect.CHECKPOINT_CORRUPT:
            head, _, signature = proof["checkpoint"]["envelope"].rstrip("\n").rpartition(" ")
            proof["checkpoint"]["envelope"] = f"{head} {_flip_last_bit_of_text(signature)}\n"
        elif defect is Defect.CHECKPOINT_OF_OTHER_TREE:
            proof["checkpoint"]["envelope"] = self._rekor.checkpoint(hashlib.sha256(b"another tree").digest())


def _log_instance(url: str, key: PrivateKey, log_id: bytes, valid_for: JsonObject) -> JsonObject:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": base64_text(public_der(key)),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": valid_for,
        },
        "logId": {"keyId": base64_text(log_id)},
    }


def _another_key(signer: KeyPair) -> KeyPair:
    return replace(signer, key=new_key())


def _recorded(signed: _Signed, another: Callable[[], _Signer], defect: Defect | None) -> _Signed:
    """Return what the log is told that was signed."""
    if defect is Defect.ENTRY_PAYLOAD_DIFFERS:
        return replace(signed, payload=_OTHER_PAYLOAD)
    if defect is Defect.ENTRY_SIGNATURE_DIFFERS:
        return replace(signed, signature=_sign_payload(signed.signer, _OTHER_PAYLOAD))
    if defect is Defect.ENTRY_CERTIFICATE_DIFFERS:
        return replace(signed, signer=another())
    return signed


def _sign_payload(signer: _Signer, payload: bytes) -> bytes:
    return sign(signer.key, pre_authentication(_PAYLOAD_TYPE, payload))


def _bundle(media_type: str, material: JsonObject, signed: _Signed) -> JsonObject:
    return {
        "mediaType": media_type,
        "verificationMaterial": material | {"tlogEntries": signed.entries},
        "dsseEnvelope": envelope(signed.recorded),
    }


def _flip_last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _flip_last_bit_of_text(text: str) -> str:
    raw = base64.b64decode(text)
    return base64_text(_flip_last_bit(raw))

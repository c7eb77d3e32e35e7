"""npm's registry signatures: that a registry said which bytes a release has.

Format and rules: https://docs.npmjs.com/about-registry-signatures and npm's own client (pacote, ``lib/registry.js``;
npm, ``lib/utils/verify-signatures.js``). A signature is ECDSA on P-256 with SHA-256 over ``NAME@VERSION:INTEGRITY``. It
says nothing about who built the package, and covers the tarball only through the integrity, which the caller compares.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from guard.attest.documents import invalid_evidence, parse_evidence_document
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput, malformed_input_boundary
from guard.limits import ATTESTATIONS_MAX_COUNT
from guard.model import Evidence, EvidenceKind, EvidenceState
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, text_member
from guard.sigstore.verify import IMPORT_LOCK

_KEY_TYPE = "ecdsa-sha2-nistp256"
_TUF_KEY_TYPE = "PKIX_ECDSA_P256_SHA_256"
# SubjectPublicKeyInfo of an uncompressed point on P-256 (RFC 5480, section 2): all but the point is always the same.
_P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_P256_BYTES = len(_P256_PREFIX) + 64


class KeyUsage(enum.Enum):
    """What a registry signs with a key, as Sigstore's TUF target says it."""

    SIGNATURES = "npm:signatures"
    ATTESTATIONS = "npm:attestations"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryKey:
    """A key with which a registry signs.

    Args:
        keyid: how signatures name it. npm's are fingerprints of the key as ssh writes it, other registries choose their
            own, and npm's client compares them as text: a name, never a proof.
        spki: the public key, a DER SubjectPublicKeyInfo on P-256.
        expires: from when on nothing is signed with it; ``None`` where no end is set.
        starts: from when on something is; ``None`` where no beginning is set.
        usage: for what it is; ``None`` for everything, as the endpoint does not tell.
    """

    keyid: str
    spki: bytes
    expires: datetime | None
    starts: datetime | None = None
    usage: KeyUsage | None = None

    def is_for(self, usage: KeyUsage) -> bool:
        """Whether the key signs this."""
        return self.usage in (None, usage)


def parse_registry_keys(document: bytes) -> tuple[RegistryKey, ...]:
    """Parse the keys of a registry: the answer of ``/-/npm/v1/keys``, or the ``keys.json`` of Sigstore's TUF targets.

    Args:
        document: its bytes.

    Returns:
        The keys, at least one of them for signatures; those of another type or for an unknown use are left out.

    Raises:
        MalformedInput: it is neither, lists two keys for one use by one name, or no key that guard can verify with.
    """
    with malformed_input_boundary("the registry's list of keys"):
        entries = objects_member(parse_evidence_document(document, what="keys"), "keys")
        parsed = [_parse_tuf_key(entry) if "publicKey" in entry else _parse_key(entry) for entry in entries]
        keys = tuple(key for key in parsed if key is not None)
        for usage in KeyUsage:
            names = [key.keyid for key in keys if key.is_for(usage)]
            if len(set(names)) != len(names):
                raise MalformedInput("the registry lists two keys by one name")
        if not any(key.is_for(KeyUsage.SIGNATURES) for key in keys):
            raise MalformedInput(f"the registry lists no key of the type {_KEY_TYPE}: nothing could ever be verified")
    return keys


def verify_registry_signatures(
    signatures: Sequence[tuple[str, str]],
    *,
    name: str,
    version: str,
    integrity: str,
    keys: Sequence[RegistryKey],
    published_at: datetime | None,
) -> Evidence:
    """Verify the signatures that a registry lists for a release.

    Every one by a known key must hold. One by an unknown key counts for nothing, so that a registry may begin to sign
    with a further key; but one of the keys must be known.

    Args:
        signatures: key name and base64 signature of each, as listed.
        name: name of the package.
        version: its version.
        integrity: as listed, unchanged, since this text is what was signed.
        keys: of the registry.
        published_at: when the release was published: as its attestation proves it, else as the registry says.

    Returns:
        The evidence: VERIFIED, INVALID, or ABSENT where there is no signature. Its ``reason`` says where the end of a
        key could not be compared: npm, too, accepts a key that has expired when the time of publication is missing.
    """
    kind = EvidenceKind.NPM_SIGNATURE
    if not signatures:
        return Evidence(kind=kind, state=EvidenceState.ABSENT)
    message = f"{name}@{version}:{integrity}".encode("utf-8", "surrogatepass")
    try:
        notes = [
            _verify_signature(key, signature, message, published_at)
            for key, signature in _signatures_by_known_keys(signatures, keys)
        ]
    except (MalformedInput, EvidenceInvalid) as error:
        return invalid_evidence(error, kind)
    return Evidence(kind=kind, state=EvidenceState.VERIFIED, reason="; ".join(filter(None, notes)))


def _parse_key(entry: JsonObject) -> RegistryKey | None:
    if text_member(entry, "keytype") != _KEY_TYPE or text_member(entry, "scheme") != _KEY_TYPE:
        return None
    return RegistryKey(
        keyid=_parse_keyid(entry, "keyid"),
        spki=_parse_spki(text_member(entry, "key")),
        expires=_parse_time(entry.get("expires")),
    )


def _parse_tuf_key(entry: JsonObject) -> RegistryKey | None:
    """Parse a key of Sigstore's TUF target (sigstore/root-signing, ``keys.json``)."""
    key = object_member(entry, "publicKey")
    usage = {each.value: each for each in KeyUsage}.get(text_member(entry, "keyUsage"))
    if usage is None or text_member(key, "keyDetails") != _TUF_KEY_TYPE:
        return None
    validity = object_member(key, "validFor")
    return RegistryKey(
        keyid=_parse_keyid(entry, "keyId"),
        spki=_parse_spki(text_member(key, "rawBytes")),
        expires=_parse_time(validity.get("end")),
        starts=_parse_time(validity.get("start")),
        usage=usage,
    )


def _parse_keyid(entry: JsonObject, member: str) -> str:
    keyid = text_member(entry, member)
    if not keyid:
        raise MalformedInput("a key has an empty name")
    return keyid


def _parse_spki(text: str) -> bytes:
    spki = base64.b64decode(text, validate=True)
    if len(spki) != _P256_BYTES or not spki.startswith(_P256_PREFIX):
        raise MalformedInput(f"a key of the type {_KEY_TYPE} is none")
    return spki


def _parse_time(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedInput("the beginning or end of a key is no time")
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))  # Python 3.10 does not read the Z
    if moment.tzinfo is None:
        raise MalformedInput("the beginning or end of a key names no time zone")
    return moment


def _signatures_by_known_keys(
    signatures: Sequence[tuple[str, str]], keys: Sequence[RegistryKey]
) -> list[tuple[RegistryKey, str]]:
    if len(signatures) > ATTESTATIONS_MAX_COUNT:
        raise MalformedInput(f"the registry lists {len(signatures)} signatures, over {ATTESTATIONS_MAX_COUNT}")
    known = {key.keyid: key for key in keys if key.is_for(KeyUsage.SIGNATURES)}
    found = [(known[keyid], signature) for keyid, signature in signatures if keyid in known]
    if not found:
        named = ", ".join(ascii(keyid[:80]) for keyid, _ in signatures)
        raise EvidenceInvalid(
            EvidenceCode.SIGNATURE, f"it is signed with {named}, which is none of the registry's keys"
        )
    return found


def _verify_signature(key: RegistryKey, signature: str, message: bytes, published_at: datetime | None) -> str:
    """Verify one signature and return what there is to say about it, or nothing."""
    if key.expires is not None and published_at is not None and published_at >= key.expires:
        raise EvidenceInvalid(
            EvidenceCode.SIGNATURE,
            f"it is signed with {key.keyid[:80]!a}, which ended on {key.expires.date()}, before it was published",
        )
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError as error:
        raise MalformedInput("a signature is not base64") from error
    _verify_ecdsa(key, raw, message)
    if key.expires is None or published_at is not None:
        return ""
    return f"its key ends on {key.expires.date()}, and when the release was published is not known"


def _verify_ecdsa(key: RegistryKey, signature: bytes, message: bytes) -> None:
    with IMPORT_LOCK:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    try:
        public_key = load_der_public_key(key.spki)
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Rust code below the library panics with exceptions that are no Exception
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, f"the signature with {key.keyid[:80]!a} does not hold") from error

"""The one interface to the verification of bundles: bytes, a frozen trust root and a moment, and no other input.

guard's own steps (:mod:`guard.sigstore.own`) judge every bundle, and sigstore-python (:mod:`guard.sigstore.library`)
once more those that it supports. Nothing is judged about identity: who signed is for the caller to accept or not. This
module imports neither of them before there is a bundle, so that a command that verifies nothing, or remembers what it
verified, does not pay for it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims
from guard.once import Once
from guard.sigstore.bundle import Bundle, DsseEnvelope, parse_bundle
from guard.sigstore.strict_json import JsonObject
from guard.sigstore.trust_root import TrustRoot

if TYPE_CHECKING:
    from sigstore.verify import Verifier as LibraryVerifier

    from guard.sigstore.authorities import Authorities
    from guard.sigstore.keys import Artifact, PublicKey
    from guard.sigstore.own import Proven

# Held while the cryptographic libraries are imported: threads that import one package at the same time can see its
# modules half initialised where they import each other.
IMPORT_LOCK = threading.Lock()


class UnknownKey(EvidenceInvalid):
    """A bundle is signed with a bare key that the caller does not know.

    Args:
        key_id: what the bundle calls the key.
    """

    def __init__(self, key_id: str) -> None:
        super().__init__(EvidenceCode.SIGNATURE, f"it is signed with the key {key_id[:80]!a}, which is not known")
        self.key_id = key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKeyWithWindow:
    """A key that signs without a certificate, and when it does.

    Args:
        spki: the key, a DER SubjectPublicKeyInfo.
        start: from when on it signs; ``None`` where no beginning is set.
        end: from when on it does not any more; ``None`` where no end is set.
    """

    spki: bytes
    start: datetime | None = None
    end: datetime | None = None

    def signs_at(self, moment: datetime | None) -> bool:
        """Whether the key signs at a moment; its end is outside (pacote, ``lib/registry.js``).

        At a moment that is not known only a key signs that always does.
        """
        if moment is None:
            return self.start is None and self.end is None
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSignature:
    """Who signed, and when. Whether that signer is an acceptable one is for the caller to judge.

    Args:
        claims: of the certificate; ``None`` for what is signed with a bare key.
        key_id: by what name that key was known; ``None`` for what is signed with a certificate.
        signed_at: the earliest verified time of signing; ``None`` where nobody vouches for one, which only a bare key
            may do without.
        log_index: of the log entry, as far as a signature covers it.
    """

    claims: Claims | None
    key_id: str | None
    signed_at: datetime | None
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement(VerifiedSignature):
    """That somebody signed ``payload`` as ``payload_type``.

    Args:
        payload_type: what is signed.
        payload: its bytes.
        unsigned_key_id: what the envelope calls the key, which no signature covers; empty where it says nothing.
    """

    payload_type: str
    payload: bytes
    unsigned_key_id: str


class Verifier:
    """Verifies bundles against one trust root. May be used from several threads at once.

    Args:
        trust_root: what is believed; decoded when the first bundle is verified.
        now: the present; what was signed after it is refused.
    """

    def __init__(self, trust_root: TrustRoot, *, now: datetime) -> None:
        self.trust_root = trust_root
        self.now = now
        self._authorities: Once[None, Authorities] = Once()
        self._library: Once[None, LibraryVerifier] = Once()

    def require_usable(self) -> None:
        """Decode the trust root now, for a caller that wants to know before there is a bundle.

        Raises:
            ConfigInvalid: it cannot be decoded.
        """
        self._authorities.get(None, self._decode_authorities)

    def verify_dsse(
        self, bundle: bytes | JsonObject, *, keys: Mapping[str, PublicKeyWithWindow] | None = None
    ) -> VerifiedStatement:
        """Verify a Sigstore bundle that holds a DSSE envelope.

        Args:
            bundle: a bundle of version 0.1 to 0.3 as JSON bytes, or the parsed object.
            keys: those that may sign without a certificate, by the name that bundles give them.

        Raises:
            UnknownKey: it is signed with a bare key that is none of ``keys``.
            EvidenceInvalid: it does not hold, or its form is known to no verifier (``UNSUPPORTED``).
            ConfigInvalid: the trust root cannot be decoded.
        """
        authorities = self._authorities.get(None, self._decode_authorities)
        parsed = _parse(bundle)
        envelope = parsed.content
        if not isinstance(envelope, DsseEnvelope):
            raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "it signs a message and holds no statement")
        window = None if parsed.key_hint is None else _find_key(parsed.key_hint, keys or {})
        proven = self._verify(bundle, parsed, authorities, None if window is None else _load_key(window), None)
        if window is not None and not window.signs_at(proven.signed_at):
            when = "at a time that nobody vouches for" if proven.signed_at is None else f"on {proven.signed_at.date()}"
            reason = f"it was signed {when}, when its key {str(parsed.key_hint)[:80]!a} did not sign"
            raise EvidenceInvalid(EvidenceCode.SIGNATURE, reason)
        return VerifiedStatement(
            claims=proven.claims,
            key_id=parsed.key_hint,
            signed_at=proven.signed_at,
            log_index=proven.log_index,
            payload_type=envelope.payload_type,
            payload=envelope.payload,
            unsigned_key_id=envelope.key_id,
        )

    def verify_artifact(
        self, bundle: bytes | JsonObject, artifact: Artifact, *, key: PublicKey | None = None
    ) -> VerifiedSignature:
        """Verify a Sigstore bundle that signs an artifact itself.

        Args:
            bundle: as above.
            artifact: what must be signed.
            key: with which a bundle without a certificate must be signed.

        Raises:
            EvidenceInvalid: it does not hold, or its form is known to no verifier (``UNSUPPORTED``).
            ConfigInvalid: the trust root cannot be decoded.
        """
        authorities = self._authorities.get(None, self._decode_authorities)
        parsed = _parse(bundle)
        if isinstance(parsed.content, DsseEnvelope):
            raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "it holds a statement and signs no artifact itself")
        proven = self._verify(bundle, parsed, authorities, key, artifact)
        return VerifiedSignature(
            claims=proven.claims, key_id=parsed.key_hint, signed_at=proven.signed_at, log_index=proven.log_index
        )

    def _verify(
        self,
        document: bytes | JsonObject,
        bundle: Bundle,
        authorities: Authorities,
        key: PublicKey | None,
        artifact: Artifact | None,
    ) -> Proven:
        from guard.sigstore.library import is_supported, verify_again
        from guard.sigstore.own import verify_bundle

        proven = verify_bundle(bundle, authorities, now=self.now, key=key, artifact=artifact)
        if is_supported(bundle):
            verify_again(self._library.get(None, self._create_library), document, artifact)
        return proven

    def _decode_authorities(self) -> Authorities:
        with IMPORT_LOCK:
            from guard.sigstore import library, own  # noqa: F401  what is imported once is not imported by threads
            from guard.sigstore.authorities import decode_authorities
        return decode_authorities(self.trust_root)

    def _create_library(self) -> LibraryVerifier:
        with IMPORT_LOCK:
            from guard.sigstore.library import create_verifier

            return create_verifier(self.trust_root)


def _parse(bundle: bytes | JsonObject) -> Bundle:
    try:
        return parse_bundle(bundle)
    except MalformedInput as error:
        raise EvidenceInvalid(EvidenceCode.MALFORMED, error.message) from error


def _find_key(key_id: str, keys: Mapping[str, PublicKeyWithWindow]) -> PublicKeyWithWindow:
    key = keys.get(key_id)
    if key is None:
        raise UnknownKey(key_id)
    return key


def _load_key(key: PublicKeyWithWindow) -> PublicKey:
    with IMPORT_LOCK:
        from guard.sigstore.keys import load_public_key
    try:
        return load_public_key(key.spki)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, "its key is of no kind that Sigstore signs with") from error

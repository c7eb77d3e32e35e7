"""Verification of DSSE bundles against an explicit trust root.

The steps are those of the Sigstore client specification (https://github.com/sigstore/architecture-docs/blob/main/
client-spec.md, section 4): certificate chain at signing time, signed certificate timestamp, transparency log entry with
inclusion proof and checkpoint, signature, and the entry's agreement with all of them. sigstore-python carries them out;
this module decides which bundles it is given, judges nothing about identity, and is the one place where its exceptions,
and those of the libraries below it, become :class:`guard.errors.EvidenceInvalid`.

A bundle in a form that the library does not support is ``UNSUPPORTED``: neither verified nor absent.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from guard.errors import ConfigInvalid, EvidenceCode, EvidenceInvalid, GuardError, MalformedInput
from guard.limits import PROVENANCE_MAX_BYTES
from guard.model import Claims
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, parse_json_object
from guard.sigstore.trust_root import TrustRoot

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier as LibraryVerifier

_SUPPORTED_ENTRIES = frozenset({("dsse", "0.0.1"), ("hashedrekord", "0.0.2")})

# The library tells its steps apart by message only. Whatever no row fits is a bad signature: every row refuses alike,
# so an unknown message costs precision in a report and nothing else. The first row that fits counts.
_CODES_BY_MESSAGE = (
    ("failed to load bundle", EvidenceCode.MALFORMED),
    ("failed to verify sct", EvidenceCode.CERTIFICATE),
    ("certificate chain", EvidenceCode.CERTIFICATE),
    ("invalid signing cert", EvidenceCode.CERTIFICATE),
    ("key usage", EvidenceCode.CERTIFICATE),
    ("extended usage", EvidenceCode.CERTIFICATE),
    ("log entry", EvidenceCode.LOG_ENTRY),
    ("verified time", EvidenceCode.LOG_ENTRY),
    ("timestamp", EvidenceCode.LOG_ENTRY),
)

# Held while the cryptographic libraries are imported: threads that import one package at the same time can see its
# modules half initialised where they import each other.
IMPORT_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement:
    """What a verified bundle proves: that the signer of ``claims`` signed ``payload`` as ``payload_type``.

    Whether that signer is an acceptable one is for the caller to judge.
    """

    payload_type: str
    payload: bytes
    claims: Claims


class Verifier:
    """Verifies bundles against one trust root. May be used from several threads at once.

    Args:
        trust_root: what is believed; decoded when the first bundle is verified.
    """

    def __init__(self, trust_root: TrustRoot) -> None:
        self.trust_root = trust_root
        self._library: LibraryVerifier | None = None

    def verify_dsse(self, bundle: bytes | JsonObject) -> VerifiedStatement:
        """Verify a Sigstore bundle that holds a DSSE envelope.

        Args:
            bundle: a bundle of version 0.1 to 0.3 as JSON bytes, or the parsed object.

        Returns:
            The signed payload and the certificate's claims.

        Raises:
            EvidenceInvalid: the bundle does not hold, or its form is not supported.
            ConfigInvalid: the trust root cannot be decoded.
        """
        library = self._library_verifier()
        with _evidence_boundary(EvidenceCode.MALFORMED):
            document = _parse_bundle(bundle)
            _verify_form(document)
            parsed = _library_bundle(document)
        with _evidence_boundary(EvidenceCode.SIGNATURE):
            payload_type, payload = library.verify_dsse(parsed, _IdentityIsJudgedByPolicy())
        with _evidence_boundary(EvidenceCode.CERTIFICATE):
            claims = _claims_of_verified(parsed)
        return VerifiedStatement(payload_type=payload_type, payload=payload, claims=claims)

    def _library_verifier(self) -> LibraryVerifier:
        if self._library is None:
            with IMPORT_LOCK:
                if self._library is None:
                    self._library = _create_library_verifier(self.trust_root)
        return self._library


class _IdentityIsJudgedByPolicy:
    """Accepts every certificate: guard's own policy judges the claims after the cryptography held."""

    def verify(self, cert: Certificate) -> None:
        """Accept; the library's other checks of the certificate are not affected."""


def _create_library_verifier(trust_root: TrustRoot) -> LibraryVerifier:
    try:
        from sigstore.verify import Verifier as LibraryVerifier

        # Refusals reach the user as evidence; the library's own lines would stand between a wrapped tool's output.
        logging.getLogger("sigstore").setLevel(logging.CRITICAL + 1)
        root = _decode_trust_root(trust_root)
        root.get_timestamp_authorities()  # else a broken authority would surface as somebody's bad evidence
        return LibraryVerifier(trusted_root=root)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise ConfigInvalid(f"trust root {trust_root.source} cannot be used: {_one_line(error)}") from error


def _decode_trust_root(trust_root: TrustRoot) -> TrustedRoot:
    """Decode through a client trust configuration: the library reads a bare trust root from a file only."""
    from sigstore.models import ClientTrustConfig

    configuration = {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": json.loads(trust_root.data),
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }
    return ClientTrustConfig.from_json(json.dumps(configuration)).trusted_root


def _parse_bundle(bundle: bytes | JsonObject) -> JsonObject:
    if isinstance(bundle, Mapping):
        return bundle
    if len(bundle) > PROVENANCE_MAX_BYTES:
        raise MalformedInput(f"the bundle is larger than {PROVENANCE_MAX_BYTES} bytes")
    return parse_json_object(bundle, what="the bundle")


def _verify_form(bundle: JsonObject) -> None:
    """Refuse what the library cannot judge, and any number of log entries but one.

    The library's own test for one entry stands behind this; a second entry that nobody looks at is how a document would
    say different things to different readers.
    """
    material = object_member(bundle, "verificationMaterial")
    if material.get("publicKey") is not None:
        raise _unsupported("it is signed with a bare key, not with a certificate")
    if bundle.get("dsseEnvelope") is None and bundle.get("messageSignature") is not None:
        raise _unsupported("it signs a message and holds no statement")
    entries = objects_member(material, "tlogEntries")
    if len(entries) != 1:
        raise EvidenceInvalid(EvidenceCode.LOG_ENTRY, f"there are {len(entries)} transparency log entries, not one")
    version = object_member(entries[0], "kindVersion")
    kind = (version.get("kind"), version.get("version"))
    if kind not in _SUPPORTED_ENTRIES:
        raise _unsupported(f"its transparency log entry is of the kind {str(kind[0])[:40]!a}/{str(kind[1])[:20]!a}")
    proof = entries[0].get("inclusionProof")
    if proof is None or (isinstance(proof, Mapping) and proof.get("checkpoint") is None):
        raise _unsupported("its transparency log entry has no inclusion proof with a checkpoint")


def _library_bundle(document: JsonObject) -> Bundle:
    from sigstore.models import Bundle

    return Bundle.from_json(json.dumps(document))


def _claims_of_verified(bundle: Bundle) -> Claims:
    from guard.sigstore.certificate import claims_from_certificate

    signed_at, log_index = _read_log_facts(bundle)
    return claims_from_certificate(bundle.signing_certificate, signed_at=signed_at, log_index=log_index)


def _read_log_facts(bundle: Bundle) -> tuple[datetime | None, int | None]:
    """Return time of signing and log index, each only as far as a signature covers it.

    Read from the library's own rendering of what it verified. The signed entry timestamp of Rekor v1 covers integrated
    time and index. Without it (Rekor v2) the index is that of the inclusion proof, and the time that of a timestamp
    authority: of one timestamp only, since the library skips timestamps it cannot verify without saying which.
    """
    entry = json.loads(bundle.to_json())["verificationMaterial"]["tlogEntries"][0]
    integrated_seconds = int(entry.get("integratedTime", "0"))
    if entry.get("inclusionPromise") and integrated_seconds:
        return datetime.fromtimestamp(integrated_seconds, tz=timezone.utc), int(entry["logIndex"])
    data = bundle.verification_material.timestamp_verification_data
    stamps = data.rfc3161_timestamps if data else []
    signed_at = stamps[0].tst_info.gen_time if len(stamps) == 1 else None
    return signed_at, int(entry["inclusionProof"]["logIndex"])


@contextmanager
def _evidence_boundary(default: EvidenceCode) -> Iterator[None]:
    """Turn everything that is raised while evidence is judged into :class:`EvidenceInvalid`.

    The libraries raise more than they document, and Rust code below them panics with exceptions that are no
    ``Exception``.
    """
    try:
        yield
    except MalformedInput as error:
        raise EvidenceInvalid(EvidenceCode.MALFORMED, error.message) from error
    except (GuardError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise EvidenceInvalid(_code_of(error, default), f"verification failed: {_one_line(error)}") from error


def _code_of(error: BaseException, default: EvidenceCode) -> EvidenceCode:
    from sigstore.errors import Error

    if not isinstance(error, Error):
        return default
    message = str(error).lower()
    return next((code for part, code in _CODES_BY_MESSAGE if part in message), default)


def _one_line(error: BaseException) -> str:
    """Return the error's text as one short line that no document can use to write to a terminal."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in text)


def _unsupported(reason: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.UNSUPPORTED, f"this form of bundle is not supported: {reason}")

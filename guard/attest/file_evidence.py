"""Evidence that a user brings about a file, verified and bound to it, whatever its form.

What package registries publish keeps the rules of its registry (:mod:`guard.attest.pypi`, :mod:`guard.attest.npm`):
one subject, bound by digest and name. What a Sigstore bundle holds beside that is bound by
:mod:`guard.attest.file_statement`, or signs the file itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from guard.attest.documents import digest_of_document, invalid_evidence
from guard.attest.evidence_file import EvidenceDocument, Form
from guard.attest.file_statement import NPM_PURL, find_statement
from guard.attest.npm import PUBLISH_PREDICATE_TYPE as NPM_PUBLISH_PREDICATE_TYPE
from guard.attest.npm import SLSA_V02_PREDICATE_TYPE, RegistryKeys, key_windows, verify_attestations
from guard.attest.pypi import PUBLISH_PREDICATE_TYPE as PYPI_PUBLISH_PREDICATE_TYPE
from guard.attest.pypi import verify_attestation, verify_predicate, verify_provenance, verify_subject
from guard.attest.slsa import verify_provenance_predicate
from guard.attest.statement import (
    SLSA_V1_PREDICATE_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    Statement,
    parse_statement,
    parse_statement_about_several,
)
from guard.attest.subject import NpmRelease, PythonFile, Subject
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims, Digest, Evidence, EvidenceKind, EvidenceState
from guard.sigstore.bundle import DsseEnvelope, parse_bundle
from guard.sigstore.strict_json import JsonObject, object_member, objects_member
from guard.sigstore.verify import PublicKeyWithWindow, VerifiedSignature, VerifiedStatement, Verifier

if TYPE_CHECKING:
    from guard.sigstore.keys import Artifact

_SLSA_PREDICATE_TYPES = frozenset({SLSA_V1_PREDICATE_TYPE, SLSA_V02_PREDICATE_TYPE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Whom evidence is checked against.

    Args:
        verifier: knows the trust root.
        registry_keys: of npm registries.
        registries: URLs of the npm registries that publish attestations may be of.
        key: the only one that may sign, a DER SubjectPublicKeyInfo; ``None`` where signers have certificates.
        compares_predicates: whether what the provenance in a bundle says of its build must agree with the certificate.
            Sigstore's own clients do not look at predicates.
    """

    verifier: Verifier
    registry_keys: RegistryKeys
    registries: tuple[str, ...]
    key: bytes | None = None
    compares_predicates: bool = True


def key_id_of(spki: bytes) -> str:
    """Return the name by which reports know a key of the user's: what bundles call it, nobody signs.

    Args:
        spki: the key, a DER SubjectPublicKeyInfo.
    """
    return f"SHA256:{base64.b64encode(hashlib.sha256(spki).digest()).decode().rstrip('=')}"


def verify_document(document: EvidenceDocument, subject: Subject, trusted: Trusted) -> tuple[Evidence, ...]:
    """Verify one document of evidence about a file.

    Args:
        document: as it was brought.
        subject: the file that it must be about.
        trusted: whom to believe.

    Returns:
        One piece of evidence for each signature in it, VERIFIED or INVALID; never nothing.

    Raises:
        ConfigInvalid: the verifier's trust root cannot be used. No document makes this function raise.
    """
    try:
        evidence = _verify(document, subject, trusted)
    except (MalformedInput, EvidenceInvalid) as error:
        evidence = (invalid_evidence(error, EvidenceKind.OTHER_STATEMENT, digest=digest_of_document(document.data)),)
    return tuple(_decided(each) for each in evidence)


def _verify(document: EvidenceDocument, subject: Subject, trusted: Trusted) -> tuple[Evidence, ...]:
    match document.form:
        case Form.PROVENANCE | Form.ATTESTATION:
            _refuse_key(trusted)
            package, sha256 = _python_file(subject)
            if document.form is Form.PROVENANCE:
                return verify_provenance(
                    document.data, filename=package.filename, sha256=sha256, verifier=trusted.verifier
                )
            return (
                verify_attestation(document.data, filename=package.filename, sha256=sha256, verifier=trusted.verifier),
            )
        case Form.ATTESTATIONS if isinstance(subject.package, NpmRelease):
            _refuse_key(trusted)
            return _verify_release(document.data, subject.package, subject, trusted)
        case Form.ATTESTATIONS:
            return _verify_listed(document, subject, trusted)
        case Form.BUNDLE:
            return _verify_bundle(document.members, subject, trusted, digest_of_document(document.data))
        case Form.ENVELOPE:
            raise EvidenceInvalid(
                EvidenceCode.LOG_ENTRY, "the envelope comes without the log entry that says when it was signed"
            )
        case _:
            assert_never(document.form)


def _verify_listed(document: EvidenceDocument, subject: Subject, trusted: Trusted) -> tuple[Evidence, ...]:
    """Verify the bundles of an attestations document about a file that is no npm package, as GitHub's API answers."""
    entries = objects_member(document.members, "attestations")
    if not entries:
        raise EvidenceInvalid(EvidenceCode.EMPTY, "the attestations document holds an empty list of attestations")
    digest = digest_of_document(document.data)
    return tuple(
        evidence
        for entry in entries
        for evidence in _verify_bundle(object_member(entry, "bundle"), subject, trusted, digest)
    )


def _verify_bundle(
    bundle: JsonObject, subject: Subject, trusted: Trusted, document_digest: Digest
) -> tuple[Evidence, ...]:
    kind, predicate_type = EvidenceKind.OTHER_STATEMENT, None
    try:
        parsed = parse_bundle(bundle)
        if not isinstance(parsed.content, DsseEnvelope):
            kind = EvidenceKind.FILE_SIGNATURE
            signed = _verify_signature(bundle, subject, trusted)
            return (_verified(kind, None, signed, trusted, document_digest),)
        statement = trusted.verifier.verify_dsse(bundle, keys=_keys(parsed.key_hint, subject, trusted))
        _require_signer(statement, trusted)
        statements = _parse_statements(statement)
        predicate_type = statements[0].predicate_type
        kind = _kind_of(predicate_type)
        if isinstance(subject.package, NpmRelease) and trusted.key is None and _is_of_npm(statements):
            data = json.dumps({"attestations": [{"bundle": bundle}]}).encode()
            released = _verify_release(data, subject.package, subject, trusted)
            return tuple(replace(each, digest=document_digest) for each in released)
        _bind(statement, statements, subject, trusted)
    except (MalformedInput, EvidenceInvalid) as error:
        return (invalid_evidence(error, kind, digest=document_digest, predicate_type=predicate_type),)
    return (_verified(kind, predicate_type, statement, trusted, document_digest),)


def _verify_signature(bundle: JsonObject, subject: Subject, trusted: Trusted) -> VerifiedSignature:
    from guard.sigstore.keys import load_public_key

    key = None if trusted.key is None else load_public_key(trusted.key)
    return trusted.verifier.verify_artifact(bundle, _artifact(subject), key=key)


def _artifact(subject: Subject) -> Artifact:
    from guard.sigstore.keys import Artifact

    sha256 = subject.digest("sha256")
    if sha256 is None:
        reason = f"it signs a file by its sha256, and of {subject.name} only {subject.digests[0].algorithm} is known"
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, reason)
    return Artifact(bytes.fromhex(sha256.hex), subject.content)


def _keys(hint: str | None, subject: Subject, trusted: Trusted) -> Mapping[str, PublicKeyWithWindow]:
    if trusted.key is not None:
        return {} if hint is None else {hint: PublicKeyWithWindow(spki=trusted.key)}
    return key_windows(trusted.registry_keys.known) if isinstance(subject.package, NpmRelease) else {}


def _require_signer(signed: VerifiedSignature, trusted: Trusted) -> None:
    if trusted.key is not None and signed.claims is not None:
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, "it is signed with a certificate, and a bare key was asked for")


def _parse_statements(signed: VerifiedStatement) -> tuple[Statement, ...]:
    if signed.payload_type != STATEMENT_PAYLOAD_TYPE:
        raise MalformedInput(f"what was signed is of type {signed.payload_type[:120]!a}, not a statement")
    return parse_statement_about_several(signed.payload)


def _kind_of(predicate_type: str) -> EvidenceKind:
    if predicate_type in _SLSA_PREDICATE_TYPES:
        return EvidenceKind.SLSA_PROVENANCE
    kinds = {
        PYPI_PUBLISH_PREDICATE_TYPE: EvidenceKind.PEP740_PUBLISH,
        NPM_PUBLISH_PREDICATE_TYPE: EvidenceKind.NPM_PUBLISH,
    }
    return kinds.get(predicate_type, EvidenceKind.OTHER_STATEMENT)


def _is_of_npm(statements: tuple[Statement, ...]) -> bool:
    return statements[0].predicate_type == NPM_PUBLISH_PREDICATE_TYPE or any(
        each.subject_name.startswith(NPM_PURL) for each in statements
    )


def _bind(signed: VerifiedStatement, statements: tuple[Statement, ...], subject: Subject, trusted: Trusted) -> None:
    """Bind a statement to the file, and compare what it says of the build with the certificate."""
    predicate_type = statements[0].predicate_type
    if predicate_type == NPM_PUBLISH_PREDICATE_TYPE:
        _refuse_key(trusted)
        reason = f"npm's publish attestation is about a release, and {subject.name} is none; say which with --name"
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, reason)
    if predicate_type == PYPI_PUBLISH_PREDICATE_TYPE:
        package, sha256 = _python_file(subject)
        published = parse_statement(signed.payload)
        verify_predicate(published)
        verify_subject(published, filename=package.filename, sha256=sha256)
        return
    statement = find_statement(statements, subject)
    if predicate_type in _SLSA_PREDICATE_TYPES and signed.claims is not None and trusted.compares_predicates:
        verify_provenance_predicate(statement, signed.claims)


def _verify_release(data: bytes, release: NpmRelease, subject: Subject, trusted: Trusted) -> tuple[Evidence, ...]:
    sha512 = subject.digest("sha512")
    if sha512 is None:
        reason = f"npm's attestations are about sha512, and of {subject.name} only another digest is known"
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, reason)
    return verify_attestations(
        data,
        name=release.name,
        version=release.version,
        sha512=sha512,
        registries=trusted.registries,
        keys=trusted.registry_keys,
        verifier=trusted.verifier,
    )


def _python_file(subject: Subject) -> tuple[PythonFile, Digest]:
    sha256 = subject.digest("sha256")
    if not isinstance(subject.package, PythonFile) or sha256 is None:
        reason = (
            f"a PEP 740 attestation is about the name and the sha256 of a wheel or source distribution, and "
            f"{subject.name} is none; say which it is with --name"
        )
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, reason)
    return subject.package, sha256


def _refuse_key(trusted: Trusted) -> None:
    if trusted.key is not None:
        raise EvidenceInvalid(
            EvidenceCode.SIGNATURE, "what a registry publishes is not signed with a key of the user's"
        )


def _verified(
    kind: EvidenceKind, predicate_type: str | None, signed: VerifiedSignature, trusted: Trusted, digest: Digest
) -> Evidence:
    claims: Claims | None = signed.claims
    return Evidence(
        kind=kind,
        state=EvidenceState.VERIFIED,
        digest=digest,
        predicate_type=predicate_type,
        claims=claims,
        key_id=signed.key_id if trusted.key is None else key_id_of(trusted.key),
        signed_at=signed.signed_at,
        log_index=signed.log_index,
    )


def _decided(evidence: Evidence) -> Evidence:
    """Return what is at hand and cannot be verified as invalid: nothing of it is to be had elsewhere."""
    if evidence.state is not EvidenceState.UNAVAILABLE:
        return evidence
    return replace(evidence, state=EvidenceState.INVALID, cause=None, code=EvidenceCode.UNSUPPORTED)

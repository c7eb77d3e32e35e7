"""PEP 740: PyPI's provenance objects, verified and bound to one file.

Formats and rules: https://peps.python.org/pep-0740/ and https://packaging.python.org/en/latest/specifications/
index-hosted-attestations/. Kind, subject and predicate are taken from the signed statement, the identity from the
certificate; the rest of a provenance object is unsigned and can only contradict them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from guard.attest.documents import digest_of_document, invalid_evidence, parse_evidence_document
from guard.attest.publisher import Publisher, parse_publisher, verify_publisher
from guard.attest.slsa import verify_provenance_predicate
from guard.attest.statement import SLSA_V1_PREDICATE_TYPE, STATEMENT_PAYLOAD_TYPE, Statement, parse_statement
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.limits import ATTESTATIONS_MAX_COUNT, DISTRIBUTION_NAME_MAX_CHARACTERS
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, text_member
from guard.sigstore.verify import VerifiedStatement, Verifier

PUBLISH_PREDICATE_TYPE = "https://docs.pypi.org/attestations/publish/v1"

_KINDS = {
    PUBLISH_PREDICATE_TYPE: EvidenceKind.PEP740_PUBLISH,
    SLSA_V1_PREDICATE_TYPE: EvidenceKind.SLSA_PROVENANCE,
}
_BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass(frozen=True, slots=True)
class _AttestationBundle:
    publisher: Publisher
    attestations: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    """The file at hand, the document that speaks of it and who verifies."""

    filename: str
    sha256: Digest
    document_digest: Digest
    verifier: Verifier


def verify_provenance(document: bytes, *, filename: str, sha256: Digest, verifier: Verifier) -> tuple[Evidence, ...]:
    """Verify every attestation of a provenance object, version 1.

    Args:
        document: the object's bytes, as the index delivered them.
        filename: name of the distribution that they must speak of.
        sha256: digest of the distribution.
        verifier: checks signatures against the trust root.

    Returns:
        One piece of evidence for each attestation, VERIFIED or INVALID; a single INVALID one when the document cannot
        be read (``MALFORMED``) or holds an empty list where attestations belong (``EMPTY``). Never nothing.

    Raises:
        ConfigInvalid: the verifier's trust root cannot be used. No document makes this function raise.
    """
    subject = _Subject(filename, sha256, digest_of_document(document), verifier)
    try:
        bundles = _parse_provenance(document)
    except (MalformedInput, EvidenceInvalid) as error:
        return (_invalid(subject, error, None),)
    return tuple(evidence for bundle in bundles for evidence in _verify_bundle(bundle, subject))


def verify_attestation(document: bytes, *, filename: str, sha256: Digest, verifier: Verifier) -> Evidence:
    """Verify a single attestation object, version 1, that stands outside a provenance object.

    Args:
        document: the object's bytes.
        filename: name of the distribution that it must speak of.
        sha256: digest of the distribution.
        verifier: checks signatures against the trust root.

    Returns:
        The evidence, VERIFIED or INVALID.

    Raises:
        ConfigInvalid: the verifier's trust root cannot be used. No document makes this function raise.
    """
    subject = _Subject(filename, sha256, digest_of_document(document), verifier)
    try:
        attestation = parse_evidence_document(document, what="attestation")
    except MalformedInput as error:
        return _invalid(subject, error, None)
    return _verify_one(attestation, None, subject)


def verify_subject(statement: Statement, *, filename: str, sha256: Digest) -> None:
    """Bind a statement to a distribution: digest *and* name.

    The name may be spelled in any way that the specifications of wheel and sdist file names (PEP 427, PEP 625, with
    PEP 503 and PEP 440 for the parts) call the same, as PEP 740 asks ("ultranormalized").

    Args:
        statement: a verified statement.
        filename: name of the distribution.
        sha256: its digest.

    Raises:
        EvidenceInvalid: ``STATEMENT_SUBJECT``, the statement is about something else.
    """
    if sha256.algorithm != "sha256" or statement.subject_digests.get("sha256") != sha256.hex:
        stated = str(statement.subject_digests.get("sha256"))[:80]
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_SUBJECT, f"the statement is about sha256 {stated!a}, the file has {sha256}"
        )
    if not is_same_distribution(statement.subject_name, filename):
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_SUBJECT,
            f"the statement is about {statement.subject_name[:200]!a}, the file is {filename[:200]!a}",
        )


def _parse_provenance(document: bytes) -> tuple[_AttestationBundle, ...]:
    provenance = parse_evidence_document(document, what="provenance")
    _verify_version(provenance, "provenance")
    bundles = tuple(
        _AttestationBundle(
            parse_publisher(object_member(bundle, "publisher", context=f"attestation_bundles[{index}]")),
            tuple(objects_member(bundle, "attestations", context=f"attestation_bundles[{index}]")),
        )
        for index, bundle in enumerate(objects_member(provenance, "attestation_bundles"))
    )
    if not bundles or not all(bundle.attestations for bundle in bundles):
        raise EvidenceInvalid(EvidenceCode.EMPTY, "the provenance document holds an empty list of attestations")
    count = sum(len(bundle.attestations) for bundle in bundles)
    if count > ATTESTATIONS_MAX_COUNT:
        raise MalformedInput(f"the provenance document holds {count} attestations, over {ATTESTATIONS_MAX_COUNT}")
    return bundles


def _verify_bundle(bundle: _AttestationBundle, subject: _Subject) -> Iterator[Evidence]:
    seen: set[str | None] = set()
    for attestation in bundle.attestations:
        evidence = _verify_one(attestation, bundle.publisher, subject)
        if evidence.state is EvidenceState.VERIFIED and evidence.predicate_type in seen:
            reason = f"a second attestation of type {evidence.predicate_type} in one bundle"
            yield _invalid(subject, EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, reason), evidence.predicate_type)
            continue
        seen.add(evidence.predicate_type)
        yield evidence


def _verify_one(attestation: JsonObject, publisher: Publisher | None, subject: _Subject) -> Evidence:
    predicate_type = None
    try:
        _verify_version(attestation, "attestation")
        verified = _verify_signature(attestation, subject.verifier)
        statement = parse_statement(verified.payload)
        kind = verify_predicate(statement)
        predicate_type = statement.predicate_type
        verify_subject(statement, filename=subject.filename, sha256=subject.sha256)
        assert verified.claims is not None, "attestation objects hold a certificate"
        if kind is EvidenceKind.SLSA_PROVENANCE:
            verify_provenance_predicate(statement, verified.claims)
        if publisher is not None:
            verify_publisher(publisher, verified.claims)
    except (MalformedInput, EvidenceInvalid) as error:
        return _invalid(subject, error, predicate_type)
    return Evidence(
        kind=kind,
        state=EvidenceState.VERIFIED,
        digest=subject.document_digest,
        predicate_type=predicate_type,
        claims=verified.claims,
        signed_at=verified.signed_at,
        log_index=verified.log_index,
    )


def _verify_signature(attestation: JsonObject, verifier: Verifier) -> VerifiedStatement:
    """Verify an attestation object as the Sigstore bundle that it stands for (PEP 740, "Attestation objects")."""
    envelope = object_member(attestation, "envelope", context="attestation")
    material = object_member(attestation, "verification_material", context="attestation")
    return verifier.verify_dsse(
        {
            "mediaType": _BUNDLE_MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": {"rawBytes": text_member(material, "certificate", context="attestation")},
                "tlogEntries": objects_member(material, "transparency_entries", context="attestation"),
            },
            "dsseEnvelope": {
                "payload": text_member(envelope, "statement", context="attestation"),
                "payloadType": STATEMENT_PAYLOAD_TYPE,
                "signatures": [{"sig": text_member(envelope, "signature", context="attestation")}],
            },
        }
    )


def verify_predicate(statement: Statement) -> EvidenceKind:
    """Return what kind of evidence PyPI takes a statement for.

    Args:
        statement: a verified statement.

    Raises:
        EvidenceInvalid: ``STATEMENT_PREDICATE``, it takes no such statement.
    """
    kind = _KINDS.get(statement.predicate_type)
    if kind is None:
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_PREDICATE, f"unknown predicate type {statement.predicate_type[:200]!a}"
        )
    if kind is EvidenceKind.PEP740_PUBLISH and statement.predicate:
        raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, "a publish attestation has a predicate; it must not")
    return kind


def _verify_version(document: JsonObject, what: str) -> None:
    version = document.get("version")
    if type(version) is not int or version != 1:  # True and 1.0 also equal 1
        raise MalformedInput(f"the {what} has the version {str(version)[:40]!a}, not 1")


def is_same_distribution(stated: str, filename: str) -> bool:
    """Whether two file names are spellings of one distribution's.

    Args:
        stated: in a statement.
        filename: of the distribution at hand.
    """
    if stated == filename:
        return True
    if len(stated) > DISTRIBUTION_NAME_MAX_CHARACTERS:
        return False
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(stated) == parse_wheel_filename(filename)
        same_archive = stated.endswith(".tar.gz") == filename.endswith(".tar.gz")
        return same_archive and parse_sdist_filename(stated) == parse_sdist_filename(filename)
    except ValueError:
        return False


def _invalid(subject: _Subject, error: MalformedInput | EvidenceInvalid, predicate_type: str | None) -> Evidence:
    kind = _KINDS.get(predicate_type or "", EvidenceKind.PEP740_PUBLISH)
    return invalid_evidence(error, kind, digest=subject.document_digest, predicate_type=predicate_type)

"""npm's attestations documents, verified and bound to one release.

The endpoint ``/-/npm/v1/attestations/NAME@VERSION`` answers with Sigstore bundles and a label for each; the rules are
those of npm's own client (pacote, ``lib/registry.js``) and of the two predicates that npm publishes:
https://slsa.dev/provenance and https://github.com/npm/attestation/tree/main/specs/publish/v0.1. Kind, subject and
predicate are taken from the signed statement, the identity from the certificate; the labels outside are unsigned and
can only contradict them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guard.attest.documents import digest_of_document, invalid_evidence, parse_evidence_document
from guard.attest.statement import SLSA_V1_PREDICATE_TYPE, STATEMENT_PAYLOAD_TYPE, Statement, parse_statement
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.limits import ATTESTATIONS_MAX_COUNT
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, text_member
from guard.sigstore.verify import VerifiedStatement, Verifier

PUBLISH_PREDICATE_TYPE = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
SLSA_V02_PREDICATE_TYPE = "https://slsa.dev/provenance/v0.2"

_KINDS = {
    PUBLISH_PREDICATE_TYPE: EvidenceKind.NPM_PUBLISH,
    SLSA_V02_PREDICATE_TYPE: EvidenceKind.SLSA_PROVENANCE,
    SLSA_V1_PREDICATE_TYPE: EvidenceKind.SLSA_PROVENANCE,
}


@dataclass(frozen=True, slots=True)
class _Attestation:
    """One entry of the document: a bundle and what the registry, unsigned, calls it."""

    label: str | None
    bundle: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class _Release:
    """The release at hand, the document that speaks of it and who verifies."""

    name: str
    version: str
    sha512: Digest
    document_digest: Digest
    verifier: Verifier


def verify_attestations(
    document: bytes, *, name: str, version: str, sha512: Digest, verifier: Verifier
) -> tuple[Evidence, ...]:
    """Verify every attestation of a release.

    Args:
        document: the endpoint's answer, as the registry delivered it.
        name: name of the package that it must speak of.
        version: version of the package.
        sha512: digest of the tarball.
        verifier: checks signatures against the trust root.

    Returns:
        One piece of evidence for each attestation: VERIFIED, INVALID, or UNAVAILABLE (``UNSUPPORTED``) where its form
        is one that the verifier cannot judge. A single INVALID one when the document cannot be read (``MALFORMED``) or
        holds no attestation (``EMPTY``). Never nothing.

    Raises:
        ConfigInvalid: the verifier's trust root cannot be used. No document makes this function raise.
    """
    release = _Release(
        name=name,
        version=version,
        sha512=sha512,
        document_digest=digest_of_document(document),
        verifier=verifier,
    )
    try:
        attestations = _parse_attestations(document)
    except (MalformedInput, EvidenceInvalid) as error:
        return (_refused(error, None, None, release),)
    return tuple(_verify_each(attestations, release))


def verify_subject(statement: Statement, *, name: str, version: str, sha512: Digest) -> None:
    """Bind a statement to a release: digest *and* package URL.

    npm writes the URL in one way only (npm-package-arg, ``toPurl``): the ``@`` of a scope is encoded and nothing else.
    It is compared whole, as pacote does.

    Args:
        statement: a verified statement.
        name: name of the package.
        version: its version.
        sha512: digest of its tarball.

    Raises:
        EvidenceInvalid: ``STATEMENT_SUBJECT``, the statement is about something else.
    """
    if sha512.algorithm != "sha512" or statement.subject_digests.get("sha512") != sha512.hex:
        stated = str(statement.subject_digests.get("sha512"))[:140]
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_SUBJECT, f"the statement is about sha512 {stated!a}, the tarball has {sha512}"
        )
    purl = f"pkg:npm/{'%40' if name.startswith('@') else ''}{name.removeprefix('@')}@{version}"
    if statement.subject_name != purl:
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_SUBJECT,
            f"the statement is about {statement.subject_name[:200]!a}, the package is {purl[:200]!a}",
        )


def _parse_attestations(document: bytes) -> tuple[_Attestation, ...]:
    entries = objects_member(parse_evidence_document(document, what="attestations"), "attestations")
    if not entries:
        raise EvidenceInvalid(EvidenceCode.EMPTY, "the attestations document holds an empty list of attestations")
    if len(entries) > ATTESTATIONS_MAX_COUNT:
        raise MalformedInput(
            f"the attestations document holds {len(entries)} attestations, over {ATTESTATIONS_MAX_COUNT}"
        )
    return tuple(_parse_attestation(entry, f"attestations[{index}]") for index, entry in enumerate(entries))


def _parse_attestation(entry: JsonObject, context: str) -> _Attestation:
    labelled = entry.get("predicateType") is not None
    label = text_member(entry, "predicateType", context=context) if labelled else None
    return _Attestation(label, object_member(entry, "bundle", context=context))


def _verify_each(attestations: Iterable[_Attestation], release: _Release) -> Iterator[Evidence]:
    """A second attestation of one type is how a document would say different things to different readers."""
    seen: set[str] = set()
    for attestation in attestations:
        evidence = _verify_one(attestation, release)
        stated = evidence.predicate_type or attestation.label
        if stated in seen and evidence.state is not EvidenceState.INVALID:
            reason = f"a second attestation of type {stated} in one document"
            error = EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, reason)
            evidence = _refused(error, attestation.label, evidence.predicate_type, release)
        if stated is not None:
            seen.add(stated)
        yield evidence


def _verify_one(attestation: _Attestation, release: _Release) -> Evidence:
    predicate_type = None
    try:
        if attestation.label is not None:
            _kind_of(attestation.label)
        verified = release.verifier.verify_dsse(attestation.bundle)
        statement = _parse_signed(verified)
        kind = _kind_of(statement.predicate_type)
        predicate_type = statement.predicate_type
        if attestation.label not in (None, predicate_type):
            reason = f"the registry calls it {attestation.label}, what was signed is {predicate_type}"
            raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, reason)
        verify_subject(statement, name=release.name, version=release.version, sha512=release.sha512)
        if kind is EvidenceKind.NPM_PUBLISH:
            _verify_publish_predicate(statement.predicate or {}, release)
    except (MalformedInput, EvidenceInvalid) as error:
        return _refused(error, attestation.label, predicate_type, release)
    return Evidence(
        kind=kind,
        state=EvidenceState.VERIFIED,
        digest=release.document_digest,
        predicate_type=predicate_type,
        claims=verified.claims,
    )


def _parse_signed(verified: VerifiedStatement) -> Statement:
    if verified.payload_type != STATEMENT_PAYLOAD_TYPE:
        raise MalformedInput(f"what was signed is of type {verified.payload_type[:120]!a}, not a statement")
    return parse_statement(verified.payload)


def _kind_of(predicate_type: str) -> EvidenceKind:
    kind = _KINDS.get(predicate_type)
    if kind is None:
        raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, f"unknown predicate type {predicate_type[:200]!a}")
    return kind


def _verify_publish_predicate(predicate: JsonObject, release: _Release) -> None:
    """Compare what a registry says it published (npm's publish attestation, v0.1).

    The registry that it names is the one where the release was published first: a mirror passes the statement on
    unchanged, so that there is nothing to compare its address with.
    """
    stated = (
        text_member(predicate, "name", context="predicate"),
        text_member(predicate, "version", context="predicate"),
    )
    if stated != (release.name, release.version):
        spec = "@".join(stated)
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_PREDICATE,
            f"the publish attestation is about {spec[:200]!a}, the package is {release.name}@{release.version}",
        )
    registry = text_member(predicate, "registry", context="predicate")
    if not registry.startswith(("https://", "http://")):
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_PREDICATE, f"the publish attestation names no registry but {registry[:200]!a}"
        )


def _refused(
    error: MalformedInput | EvidenceInvalid, label: str | None, predicate_type: str | None, release: _Release
) -> Evidence:
    kind = _KINDS.get(predicate_type or label or "", EvidenceKind.SLSA_PROVENANCE)
    if isinstance(error, EvidenceInvalid) and error.code is EvidenceCode.UNSUPPORTED:
        return Evidence(
            kind=kind,
            state=EvidenceState.UNAVAILABLE,
            reason=error.message,
            cause=UnavailableCause.UNSUPPORTED,
            digest=release.document_digest,
        )
    return invalid_evidence(error, kind, digest=release.document_digest, predicate_type=predicate_type)

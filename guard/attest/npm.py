"""npm's attestations documents, verified and bound to one release.

The endpoint ``/-/npm/v1/attestations/NAME@VERSION`` answers with Sigstore bundles and a label for each; the rules are
those of npm's own client (pacote, ``lib/registry.js``) and of the two predicates that npm publishes:
https://slsa.dev/provenance and https://github.com/npm/attestation/tree/main/specs/publish/v0.1. Kind, subject and
predicate are taken from the signed statement, the identity from the certificate; the labels outside are unsigned and
can only contradict them.

A release may have provenance and no publish attestation, or the reverse: npm's client verifies what is there and asks
for neither. Which of them is missing, or was, is for the policy to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from guard.attest.documents import digest_of_document, invalid_evidence, parse_evidence_document
from guard.attest.npm_signature import KeyUsage, RegistryKey
from guard.attest.slsa import verify_provenance_predicate
from guard.attest.statement import SLSA_V1_PREDICATE_TYPE, STATEMENT_PAYLOAD_TYPE, Statement, parse_statement
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.limits import ATTESTATIONS_MAX_COUNT
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, text_member
from guard.sigstore.verify import PublicKeyWithWindow, UnknownKey, VerifiedStatement, Verifier

PUBLISH_PREDICATE_TYPE = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
SLSA_V02_PREDICATE_TYPE = "https://slsa.dev/provenance/v0.2"

_KINDS = {
    PUBLISH_PREDICATE_TYPE: EvidenceKind.NPM_PUBLISH,
    SLSA_V02_PREDICATE_TYPE: EvidenceKind.SLSA_PROVENANCE,
    SLSA_V1_PREDICATE_TYPE: EvidenceKind.SLSA_PROVENANCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryKeys:
    """The keys of a registry, as far as they could be had.

    Args:
        known: those that are known.
        cause: why others may be missing; ``None`` where a key that is not known is none of the registry's.
        reason: the same in words, or why the registry's list cannot be used.
    """

    known: tuple[RegistryKey, ...] = ()
    cause: UnavailableCause | None = None
    reason: str = ""


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
    registries: tuple[str, ...]
    keys: RegistryKeys
    windows: Mapping[str, PublicKeyWithWindow]
    document_digest: Digest
    verifier: Verifier


def verify_attestations(
    document: bytes,
    *,
    name: str,
    version: str,
    sha512: Digest,
    registries: tuple[str, ...],
    keys: RegistryKeys,
    verifier: Verifier,
) -> tuple[Evidence, ...]:
    """Verify every attestation of a release.

    Args:
        document: the endpoint's answer, as the registry delivered it.
        name: name of the package that it must speak of.
        version: version of the package.
        sha512: digest of the tarball.
        registries: URLs of the registry that lists the release and of those that it may be a mirror of.
        keys: with which a registry signs publish attestations.
        verifier: checks signatures against the trust root.

    Returns:
        One piece of evidence for each attestation: VERIFIED, INVALID, or UNAVAILABLE where its form is one that no
        verifier knows (``UNSUPPORTED``), or its key is not known and not all keys could be had. A single INVALID one
        when the document cannot be read (``MALFORMED``) or holds no attestation (``EMPTY``). Never nothing.

    Raises:
        ConfigInvalid: the verifier's trust root cannot be used. No document makes this function raise.
    """
    release = _Release(
        name=name,
        version=version,
        sha512=sha512,
        registries=registries,
        keys=keys,
        windows=key_windows(keys.known),
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


def key_windows(keys: Iterable[RegistryKey]) -> Mapping[str, PublicKeyWithWindow]:
    """Return those keys of a registry that sign attestations, by the name that bundles give them."""
    return {
        key.keyid: PublicKeyWithWindow(spki=key.spki, start=key.starts, end=key.expires)
        for key in keys
        if key.is_for(KeyUsage.ATTESTATIONS)
    }


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
        verified = release.verifier.verify_dsse(attestation.bundle, keys=release.windows)
        if verified.signed_at is None:
            raise EvidenceInvalid(EvidenceCode.LOG_ENTRY, "nobody vouches for the time at which it was signed")
        statement = _parse_signed(verified)
        kind = _kind_of(statement.predicate_type)
        predicate_type = statement.predicate_type
        if attestation.label not in (None, predicate_type):
            reason = f"the registry calls it {attestation.label}, what was signed is {predicate_type}"
            raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, reason)
        verify_subject(statement, name=release.name, version=release.version, sha512=release.sha512)
        registry = _verify_predicate(statement, kind, verified, release)
    except UnknownKey as error:
        return _unknown_key(error, attestation.label, release)
    except (MalformedInput, EvidenceInvalid) as error:
        return _refused(error, attestation.label, predicate_type, release)
    return Evidence(
        kind=kind,
        state=EvidenceState.VERIFIED,
        digest=release.document_digest,
        predicate_type=predicate_type,
        claims=verified.claims,
        key_id=verified.key_id,
        signed_at=verified.signed_at,
        log_index=verified.log_index,
        registry=registry,
    )


def _parse_signed(verified: VerifiedStatement) -> Statement:
    if verified.payload_type != STATEMENT_PAYLOAD_TYPE:
        raise MalformedInput(f"what was signed is of type {verified.payload_type[:120]!a}, not a statement")
    # npm's client takes the key by the envelope's name for it, and knows no other names than the registry's.
    if verified.unsigned_key_id != (verified.key_id or ""):
        known_as = ascii(verified.key_id[:80]) if verified.key_id else "with a certificate"
        reason = f"the envelope names the key {verified.unsigned_key_id[:80]!a}, and it is signed {known_as}"
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, reason)
    return parse_statement(verified.payload)


def _kind_of(predicate_type: str) -> EvidenceKind:
    kind = _KINDS.get(predicate_type)
    if kind is None:
        raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, f"unknown predicate type {predicate_type[:200]!a}")
    return kind


def _verify_predicate(
    statement: Statement, kind: EvidenceKind, verified: VerifiedStatement, release: _Release
) -> str | None:
    """Verify that whoever may say such a thing says it, and says nothing else than the release at hand and its signer.

    A registry says what it published, with its key; a build says how it was made, with a certificate.

    Returns:
        The registry that says it published; ``None`` where a build speaks.
    """
    if kind is EvidenceKind.NPM_PUBLISH:
        if verified.claims is not None:
            reason = f"a publish attestation is the registry's to sign, and {verified.claims.san[:200]!a} signed it"
            raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, reason)
        return _verify_publish_predicate(statement.predicate or {}, release)
    if verified.claims is None:
        reason = "provenance is signed with a bare key, which does not say who built the package"
        raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, reason)
    verify_provenance_predicate(statement, verified.claims)
    return None


def _verify_publish_predicate(predicate: JsonObject, release: _Release) -> str:
    """Compare what a registry says it published (npm's publish attestation, v0.1).

    The registry that it names is the one where the release was published first; a mirror passes it on unchanged.
    """
    name, version, registry = (
        text_member(predicate, member, context="predicate") for member in ("name", "version", "registry")
    )
    if (name, version) != (release.name, release.version):
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_PREDICATE,
            f"the publish attestation is about {f'{name}@{version}'[:200]!a}, "
            f"the package is {release.name}@{release.version}",
        )
    if registry.rstrip("/") not in [url.rstrip("/") for url in release.registries]:
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_PREDICATE,
            f"the publish attestation is of the registry {registry[:200]!a}, not of {' or '.join(release.registries)}",
        )
    return registry


def _unknown_key(error: UnknownKey, label: str | None, release: _Release) -> Evidence:
    """Judge what is signed with a key that is not known: nobody's, unless the list of keys has gaps."""
    reason = f"{error.message}: {release.keys.reason}" if release.keys.reason else error.message
    if release.keys.cause is None:
        return _refused(EvidenceInvalid(error.code, reason), label, None, release)
    return Evidence(
        kind=_KINDS.get(label or "", EvidenceKind.NPM_PUBLISH),
        state=EvidenceState.UNAVAILABLE,
        reason=reason,
        cause=release.keys.cause,
        digest=release.document_digest,
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

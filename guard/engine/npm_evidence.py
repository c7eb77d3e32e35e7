"""The evidence about one npm release: its attestations and its registry's signature, gathered, verified, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from guard.attest.availability import Outcome as EndpointOutcome
from guard.attest.availability import evaluate_availability
from guard.attest.documents import digest_of_document
from guard.attest.npm import RegistryKeys, verify_attestations
from guard.attest.npm_signature import verify_registry_signatures
from guard.constants import NPM_REGISTRY_URL
from guard.engine.npm_keys import NpmKeys, digest_of_keys
from guard.engine.npm_source import NpmSource
from guard.engine.recollection import RecalledDocument
from guard.engine.verifications import Verifications
from guard.errors import EvidenceCode, MalformedInput, Unavailable
from guard.model import Digest, Ecosystem, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.registry.packument import PublishedVersion
from guard.store.facts import FactKey


class NpmEvidence:
    """Gathers evidence. Never raises for what a server sends.

    Args:
        source: where documents come from.
        keys: of registries.
        verifications: verifies what is not known to hold.
    """

    def __init__(self, source: NpmSource, keys: NpmKeys, verifications: Verifications) -> None:
        self._source = source
        self._keys = keys
        self._verifications = verifications

    def gather(
        self, published: PublishedVersion, sha512: Digest, *, with_signature: bool, identity_expected: bool
    ) -> tuple[Evidence, ...]:
        """Return every piece of evidence about a release, in the state that it is in.

        Args:
            published: the release as its registry lists it.
            sha512: digest that attestations must state.
            with_signature: whether the registry's signature is asked for.
            identity_expected: whether guard.lock names who publishes the package.
        """
        attested = self._gather_provenance(published, sha512, identity_expected=identity_expected)
        if not with_signature:
            return attested
        published_at = _proven_time(attested) or published.published_at
        return (*attested, self._gather_signature(published, sha512, published_at))

    def _gather_provenance(
        self, published: PublishedVersion, sha512: Digest, *, identity_expected: bool
    ) -> tuple[Evidence, ...]:
        kind = EvidenceKind.SLSA_PROVENANCE
        try:
            flag, outcome, document = self._source.fetch_attestations(published)
            if isinstance(document, RecalledDocument):
                keys = self._keys.load(published.registry)
                known = self._verifications.find(self._document_key(published, sha512, document.digest, keys))
                if known is not None:
                    return (*known, *_withheld_provenance(published, known))
                flag, outcome, document = document.fetch()
        except Unavailable as error:
            return (_unavailable(kind, UnavailableCause.OUTAGE, error.message),)
        except MalformedInput as error:
            return (_invalid(kind, error.message),)
        if outcome is EndpointOutcome.FOUND and document is not None:
            evidence = self._verify_document(published, sha512, document)
            return (*evidence, *_withheld_provenance(published, evidence))
        found = evaluate_availability(flag, outcome, provenance_url_set=False, identity_expected=identity_expected)
        return (Evidence(kind=kind, state=found.state, cause=found.cause, reason=found.reason),)

    def _verify_document(self, published: PublishedVersion, sha512: Digest, document: bytes) -> tuple[Evidence, ...]:
        digest = digest_of_document(document)

        def verify_with(keys: RegistryKeys) -> tuple[Evidence, ...]:
            return self._verifications.get(
                self._document_key(published, sha512, digest, keys),
                lambda verifier: verify_attestations(
                    document,
                    name=published.name,
                    version=published.version,
                    sha512=sha512,
                    # What a mirror passes on, the public registry published.
                    registries=(published.registry, NPM_REGISTRY_URL),
                    keys=keys,
                    verifier=verifier,
                ),
            )

        evidence = verify_with(self._keys.load(published.registry))
        fresh = self._keys.load_fresh(published.registry) if _is_doubtful(evidence) else None
        return evidence if fresh is None else verify_with(fresh)

    def _document_key(
        self, published: PublishedVersion, sha512: Digest, document: Digest, keys: RegistryKeys
    ) -> FactKey:
        judged = ("attestations", str(document), published.registry, digest_of_keys(keys.known))
        return self._verifications.key(Ecosystem.NPM, _purl(published), sha512, *judged)

    def _gather_signature(self, published: PublishedVersion, sha512: Digest, published_at: datetime | None) -> Evidence:
        if not published.signatures:
            return Evidence(kind=EvidenceKind.NPM_SIGNATURE, state=EvidenceState.ABSENT)
        evidence = self._verify_signature(published, sha512, published_at, self._keys.load(published.registry))
        fresh = self._keys.load_fresh(published.registry) if _is_doubtful((evidence,)) else None
        return evidence if fresh is None else self._verify_signature(published, sha512, published_at, fresh)

    def _verify_signature(
        self, published: PublishedVersion, sha512: Digest, published_at: datetime | None, keys: RegistryKeys
    ) -> Evidence:
        known = {key.keyid for key in keys.known}
        if keys.reason and not any(signature.keyid in known for signature in published.signatures):
            return _unusable_keys(keys)
        signatures = [(signature.keyid, signature.sig) for signature in published.signatures]
        integrity = published.integrity or ""
        judged = (
            "signatures",
            *(part for signature in signatures for part in signature),
            integrity,
            digest_of_keys(keys.known),
            published_at.isoformat() if published_at else "",
        )
        (evidence,) = self._verifications.get(
            self._verifications.key(Ecosystem.NPM, _purl(published), sha512, *judged),
            lambda _: (
                verify_registry_signatures(
                    signatures,
                    name=published.name,
                    version=published.version,
                    integrity=integrity,
                    keys=keys.known,
                    published_at=published_at,
                ),
            ),
        )
        return evidence


def _purl(published: PublishedVersion) -> str:
    return f"pkg:npm/{published.name}@{published.version}"


def _is_doubtful(evidence: tuple[Evidence, ...]) -> bool:
    """Whether other keys could make a difference."""
    return any(each.state is not EvidenceState.VERIFIED for each in evidence)


def _proven_time(attested: tuple[Evidence, ...]) -> datetime | None:
    """Return when a release was published as far as an attestation proves it; a registry may say any time."""
    times = {each.kind: each.signed_at for each in attested if each.state is EvidenceState.VERIFIED}
    return times.get(EvidenceKind.NPM_PUBLISH) or times.get(EvidenceKind.SLSA_PROVENANCE)


def _withheld_provenance(published: PublishedVersion, attested: tuple[Evidence, ...]) -> Iterator[Evidence]:
    """Yield what it means that a document holds no provenance where the listing promises some."""
    if published.promises_provenance and all(each.kind is EvidenceKind.NPM_PUBLISH for each in attested):
        reason = "the registry's metadata lists provenance, and its document of attestations holds none"
        yield Evidence(kind=EvidenceKind.SLSA_PROVENANCE, state=EvidenceState.STRIPPED, reason=reason)


def _unusable_keys(keys: RegistryKeys) -> Evidence:
    kind = EvidenceKind.NPM_SIGNATURE
    return _invalid(kind, keys.reason) if keys.cause is None else _unavailable(kind, keys.cause, keys.reason)


def _unavailable(kind: EvidenceKind, cause: UnavailableCause, reason: str) -> Evidence:
    return Evidence(kind=kind, state=EvidenceState.UNAVAILABLE, cause=cause, reason=reason)


def _invalid(kind: EvidenceKind, reason: str) -> Evidence:
    return Evidence(kind=kind, state=EvidenceState.INVALID, code=EvidenceCode.MALFORMED, reason=reason)

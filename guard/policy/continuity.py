"""The publishers of an artifact, compared with those that guard.lock records and with those of the release before.

Every verified publish attestation of a file must be by somebody recorded, and at least one piece of evidence must: one
good attestation beside a foreign one is no pass, and a second builder's word beside the publisher's is no theft.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from guard.model import Evidence, EvidenceKind, EvidenceState, Facts
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import verified_provenance
from guard.policy.publisher import Difference, Publisher, PublisherFact, differences, publisher_of
from guard.policy.settings import SoftFact


@dataclass(frozen=True, slots=True)
class Comparison:
    """A publisher beside the recorded one that is nearest to it.

    Args:
        found: of the artifact.
        recorded: what it is compared with.
        differences: all of them.
        is_accepted: whether this evidence may differ, because other evidence of the artifact does not.
    """

    found: Publisher
    recorded: Publisher
    differences: tuple[Difference, ...]
    is_accepted: bool = False

    @property
    def hard(self) -> tuple[Difference, ...]:
        """The differences that tell of another publisher."""
        return () if self.is_accepted else tuple(each for each in self.differences if each.is_hard)

    @property
    def soft(self) -> tuple[Difference, ...]:
        """The differences of ordinary life, where there is no other."""
        return self.differences if not any(each.is_hard for each in self.differences) else ()


def publishers_of(evidence: Iterable[Evidence]) -> tuple[Publisher, ...]:
    """Return everybody whom verified evidence about an artifact names, the registry's own word added to each.

    Returns:
        One publisher for each verified provenance, without repetition; the registry alone where it attested the
        publication and no build did; none where nothing was verified.
    """
    return tuple(dict.fromkeys(publisher for _, publisher in _publishers_by_kind(tuple(evidence))))


def compare_with_lock(facts: Facts, policy: PackagePolicy) -> tuple[Comparison, ...]:
    """Compare the artifact's publishers with those of guard.lock; nothing where it has no entry."""
    recorded = tuple(locked.publisher for locked in policy.locked)
    return _compare(facts.evidence, recorded, policy.identity_strict)


def compare_with_earlier(facts: Facts, policy: PackagePolicy) -> tuple[Comparison, ...]:
    """Compare the artifact's publishers with those of the release before; nothing where that was not verified."""
    recorded = publishers_of(facts.earlier.evidence) if facts.earlier else ()
    if not verified_provenance(facts):
        return ()
    return _compare(facts.evidence, recorded, policy.identity_strict)


def nearest(found: Publisher, recorded: Iterable[Publisher], strict: frozenset[SoftFact]) -> Comparison | None:
    """Return the comparison with the recorded publisher that differs least, hard facts counting first."""
    comparisons = (Comparison(found, each, differences(each, found, strict=strict)) for each in recorded)
    return min(comparisons, key=_distance, default=None)


def _distance(comparison: Comparison) -> tuple[int, int]:
    return len(comparison.hard), len(comparison.differences)


def _compare(
    evidence: tuple[Evidence, ...], recorded: tuple[Publisher, ...], strict: frozenset[SoftFact]
) -> tuple[Comparison, ...]:
    if not recorded:
        return ()
    made = {
        (kind, found): comparison
        for kind, found in _publishers_by_kind(evidence)
        if (comparison := nearest(found, recorded, strict)) is not None
    }
    one_matches = any(not comparison.hard for comparison in made.values())
    return tuple(
        replace(comparison, is_accepted=one_matches and kind is not EvidenceKind.PEP740_PUBLISH)
        for (kind, _), comparison in made.items()
    )


def _publishers_by_kind(evidence: tuple[Evidence, ...]) -> Iterator[tuple[EvidenceKind, Publisher]]:
    registry = _registry_facts(evidence)
    verified = [each for each in evidence if each.state is EvidenceState.VERIFIED and each.claims is not None]
    for each in verified:
        if each.claims is not None:
            yield each.kind, replace(publisher_of(each.claims), **registry)
    if registry and not verified:
        yield EvidenceKind.NPM_PUBLISH, Publisher(**registry)


def _registry_facts(evidence: Iterable[Evidence]) -> dict[str, str]:
    for each in evidence:
        if each.kind is EvidenceKind.NPM_PUBLISH and each.state is EvidenceState.VERIFIED and each.registry:
            key = {PublisherFact.REGISTRY_KEY.attribute: each.key_id} if each.key_id else {}
            return {PublisherFact.REGISTRY.attribute: each.registry.rstrip("/"), **key}
    return {}

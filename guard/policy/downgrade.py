"""Provenance that an artifact should have and does not, and how much that weighs.

Three things make it expected, beside a registry's own announcement: guard.lock names a publisher (a); a lower release
of the same line had it (b); another file of the same release has it (c). Honest projects drop provenance, add wheels by
hand and make back-ports without it, so that only (a), and (b) of a young release that a resolver chose, block.

Source: facts/amendments, number 12; the design, section 5 "Downgrade".
"""

from __future__ import annotations

from dataclasses import dataclass

from guard.model import EvidenceState, Facts, Level
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import attested_evidence, verified_provenance
from guard.policy.settings import ProvenanceMode

_NOTHING_THERE = frozenset({EvidenceState.ABSENT, EvidenceState.VERIFIED})


@dataclass(frozen=True, slots=True)
class Loss:
    """Why provenance was expected, and the level of its loss."""

    reason: str
    level: Level


def is_without_provenance(facts: Facts) -> bool:
    """Tell whether provenance was looked for and there is plainly none.

    A registry's word that it published an artifact, which npm's publish attestations are, is no provenance.
    """
    attested = attested_evidence(facts)
    states = {evidence.state for evidence in attested}
    return bool(attested) and states <= _NOTHING_THERE and not verified_provenance(facts)


def find_loss(facts: Facts, policy: PackagePolicy) -> Loss | None:
    """Return how an artifact without provenance lost it; ``None`` where nobody expects any, or it has some.

    Args:
        facts: of the artifact.
        policy: what is asked of it.
    """
    if not is_without_provenance(facts):
        return None
    if any(locked.publisher.issuer for locked in policy.locked):
        return Loss("guard.lock names who builds it", Level.BLOCK)
    earlier = facts.earlier
    if earlier is not None and earlier.is_same_line:
        return Loss(f"{earlier.version}, of the same line, has it", _weighed(level_of_change(facts, policy), policy))
    if facts.attested_beside:
        return Loss(f"{facts.attested_beside}, of the same release, has it", _weighed(Level.WARN, policy))
    if earlier is not None and level_of_change(facts, policy) is Level.BLOCK:
        return Loss(f"{earlier.version}, of another line, has it", _weighed(Level.WARN, policy))
    return None


def is_young(facts: Facts, policy: PackagePolicy) -> bool | None:
    """Tell whether a release is younger than ``downgrade-window``; ``None`` where nobody says how old it is.

    A signature is made before a file is uploaded, and its time is proved; a registry's is only said. The later of the
    two counts.
    """
    times = [evidence.signed_at for evidence in verified_provenance(facts) if evidence.signed_at is not None]
    if facts.published_at is not None:
        times.append(facts.published_at)
    return policy.now - max(times) < policy.downgrade_window if times else None


def level_of_change(facts: Facts, policy: PackagePolicy) -> Level:
    """Return how much it weighs that a release is not like the one before in its line: BLOCK or WARN.

    A young release that a resolver chose blocks. Where nobody says how old it is, a window that the user wrote counts
    it as young.
    """
    young = is_young(facts, policy)
    counts_as_young = "downgrade-window" in policy.written if young is None else young
    return Level.BLOCK if counts_as_young and not facts.is_locked else Level.WARN


def _weighed(level: Level, policy: PackagePolicy) -> Level:
    if policy.needs_provenance:
        return Level.BLOCK
    return Level.WARN if policy.provenance is ProvenanceMode.OPTIONAL else level

"""Who publishes what locks name, for guard.lock: from what was gathered, and only what is verified and not refused."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from guard.model import Digest, Ecosystem, Evidence, EvidenceState, Facts, Judged, Level, RuleId, UnavailableCause
from guard.policy.continuity import publishers_of
from guard.policy.identity_lock import IdentityLock, LockedIdentity
from guard.policy.identity_lock_changes import PackageKey
from guard.policy.patterns import normalised_name
from guard.policy.provenance import REGISTRY_SOURCES, attested_evidence

# What is wrong with the evidence or the bytes themselves; age, yanks and the like say nothing about who published.
_REFUSING = frozenset(
    {
        RuleId.HASH_MISMATCH,
        RuleId.PROVENANCE_INVALID,
        RuleId.PROVENANCE_STRIPPED,
        RuleId.STATEMENT_MISMATCH,
        RuleId.IDENTITY_MISMATCH,
        RuleId.METADATA_MISMATCH,
        RuleId.REGISTRY_SIGNATURE_INVALID,
    }
)
_UNKNOWN = frozenset({UnavailableCause.OUTAGE, UnavailableCause.ACCESS_DENIED, None})
_ALGORITHM = {Ecosystem.PYPI: "sha256", Ecosystem.NPM: "sha512"}


class Obstacle(enum.Enum):
    """Why nothing is recorded of an artifact."""

    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True, kw_only=True)
class Record:
    """Who was seen to publish the packages of some locks.

    Args:
        seen: the publishers of each package that has any.
        obstacles: what is not recorded, in words, and which kind of reason that has.
    """

    seen: dict[PackageKey, tuple[LockedIdentity, ...]] = field(default_factory=dict)
    obstacles: list[tuple[str, Obstacle]] = field(default_factory=list)


def record_publishers(judged: Iterable[Judged], lock: IdentityLock | None) -> Record:
    """Gather who publishes what was judged.

    Args:
        judged: without guard.lock, so that a changed publisher is seen and not refused.
        lock: guard.lock as it is: a package that it names and that nobody attests any more is refused.
    """
    record = Record()
    for each in judged:
        artifact = each.artifact
        if artifact.source not in REGISTRY_SOURCES:
            continue
        key = (artifact.ecosystem, normalised_name(artifact.ecosystem, artifact.name))
        obstacle = _obstacle_of(each)
        recorded = lock.find(*key) if lock else None
        identities = () if obstacle else tuple(_identities_of(each.merged or (each.facts,)))
        if obstacle is None and not identities and recorded and any(i.publisher.issuer for i in recorded.identities):
            obstacle = (f"{artifact.spec} has no provenance, and guard.lock names who builds it", Obstacle.REFUSED)
        if obstacle is not None:
            record.obstacles.append(obstacle)
        known = {one.publisher for one in record.seen.get(key, ())}
        more = tuple(one for one in identities if one.publisher not in known)
        if more:
            record.seen[key] = (*record.seen.get(key, ()), *more)
    return record


def _obstacle_of(judged: Judged) -> tuple[str, Obstacle] | None:
    for finding in judged.decision.findings:
        if finding.rule in _REFUSING and finding.level is Level.BLOCK:
            return f"{finding.rule.value}: {finding.message}", Obstacle.REFUSED
    for facts in judged.merged or (judged.facts,):
        problem = facts.registry_problem or facts.bytes_problem or _unknown_evidence(facts)
        if problem:
            return f"{facts.artifact.spec}: {problem}", Obstacle.UNKNOWN
    return None


def _unknown_evidence(facts: Facts) -> str:
    attested = attested_evidence(facts)
    if not attested:
        return "nobody looked for its evidence"
    return next((each.reason or "its evidence could not be had" for each in attested if _is_unknown(each)), "")


def _is_unknown(evidence: Evidence) -> bool:
    return evidence.state is EvidenceState.UNAVAILABLE and evidence.cause in _UNKNOWN


def _identities_of(files: Iterable[Facts]) -> Iterator[LockedIdentity]:
    seen = set()
    for facts in files:
        digest = _digest_of(facts)
        for publisher in publishers_of(facts.evidence) if digest else ():
            if publisher not in seen and digest is not None:
                seen.add(publisher)
                yield LockedIdentity(publisher=publisher, first_seen=facts.artifact.version, digest=digest)


def _digest_of(facts: Facts) -> Digest | None:
    wanted = _ALGORITHM[facts.artifact.ecosystem]
    known = (*facts.artifact.pinned, *facts.listed, *facts.artifact.digests)
    agreed = [digest for digest in facts.artifact.pinned if digest in facts.listed]
    return next((digest for digest in (*agreed, *facts.listed, *known) if digest.algorithm == wanted), None)

"""Whether there is provenance could not be found out.

An outage and a refusal of access are no answer, so that nothing is decided. An index that serves no provenance by
design is said in a note, unless the user asked for provenance in words: then a missing fact is not passed over.

Source: the design, invariant I4 and section 5 "Where a fact that a rule needs is missing"; amendment 29.
"""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import assert_never

from guard.model import Evidence, EvidenceState, Facts, Finding, Level, RuleId, UnavailableCause
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import REGISTRY_SOURCES
from guard.policy.schema import ProvenanceMode

ID = RuleId.PROVENANCE_UNAVAILABLE


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for evidence that could not be had, and for a registry artifact nobody asked about."""
    unavailable = [evidence for evidence in facts.evidence if evidence.state is EvidenceState.UNAVAILABLE]
    for evidence in unavailable:
        yield _judge(evidence, facts, policy)
    asked = (
        facts.evidence or facts.registry_problem or facts.bytes_problem or facts.artifact.source not in REGISTRY_SOURCES
    )
    if not asked:
        message = f"no provenance was looked for: {facts.artifact.file or facts.artifact.spec}"
        yield Finding(rule=ID, level=Level.UNDECIDED, message=message, location=facts.artifact.location)


def _judge(evidence: Evidence, facts: Facts, policy: PackagePolicy) -> Finding:
    subject = facts.artifact.file or facts.artifact.spec
    match evidence.cause:
        case UnavailableCause.OUTAGE | None:
            level, what, mend = _level(policy), f"provenance of {subject} could not be fetched", "try again later"
        case UnavailableCause.ACCESS_DENIED:
            level, what, mend = _level(policy), f"access to the provenance of {subject} was denied", "check credentials"
        case UnavailableCause.NOT_SERVED:
            level = _level_not_served(policy)
            index = facts.artifact.origin or "the index"
            what, mend = f"{index} serves no provenance", "set provenance-url under [pypi] in guard.toml"
        case _:
            assert_never(evidence.cause)
    reason = f": {evidence.reason}" if evidence.reason and evidence.cause is not UnavailableCause.NOT_SERVED else ""
    return Finding(rule=ID, level=level, message=what + reason, next=mend, location=facts.artifact.location)


def _level(policy: PackagePolicy) -> Level:
    optional = policy.provenance is ProvenanceMode.OPTIONAL and not policy.identities
    return Level.WARN if optional else Level.UNDECIDED


def _level_not_served(policy: PackagePolicy) -> Level:
    asked_for = "provenance" in policy.written and policy.provenance is not ProvenanceMode.OPTIONAL
    return Level.UNDECIDED if asked_for or policy.needs_provenance else Level.NOTE

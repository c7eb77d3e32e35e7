"""Whether there is provenance could not be found out.

An outage and a refusal of access are no answer, so that nothing is decided. An index that serves no provenance by
design is said in a note, unless the user asked for provenance in words: then a missing fact is not passed over. Nor is
an attestation in a form that guard cannot verify yet, where provenance is needed and nothing else gives it: it is never
taken for verified, never for absent.

Source: the design, invariant I4, section 5 "Where a fact that a rule needs is missing" and section 8; amendment 29.
"""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import assert_never

from guard.model import (
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Finding,
    Level,
    RuleId,
    UnavailableCause,
)
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import REGISTRY_SOURCES, attested_evidence, is_outweighed
from guard.policy.settings import ProvenanceMode

ID = RuleId.PROVENANCE_UNAVAILABLE

_WHERE_SERVED = {
    Ecosystem.PYPI: "set provenance-url under [pypi] in guard.toml",
    Ecosystem.NPM: "set registry under [npm] in guard.toml to one that serves it",
}


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for evidence that could not be had, and for a registry artifact nobody asked about."""
    attested = attested_evidence(facts)
    for evidence in attested:
        if evidence.state is EvidenceState.UNAVAILABLE:
            yield _judge(evidence, facts, policy)
    asked = attested or facts.registry_problem or facts.bytes_problem
    if not asked and facts.artifact.source in REGISTRY_SOURCES:
        message = f"no provenance was looked for: {facts.artifact.file or facts.artifact.spec}"
        yield Finding(rule=ID, level=Level.UNDECIDED, message=message, location=facts.artifact.location)


def _judge(evidence: Evidence, facts: Facts, policy: PackagePolicy) -> Finding:
    subject = facts.artifact.file or facts.artifact.spec
    reason = f": {evidence.reason}" if evidence.reason else ""
    match evidence.cause:
        case UnavailableCause.OUTAGE | None:
            level = _level(policy)
            what, mend = f"provenance of {subject} could not be fetched{reason}", "try again later"
        case UnavailableCause.ACCESS_DENIED:
            level = _level(policy)
            what, mend = f"access to the provenance of {subject} was denied{reason}", "check credentials"
        case UnavailableCause.NOT_SERVED if evidence.kind is EvidenceKind.NPM_PUBLISH:
            level = Level.NOTE if is_outweighed(evidence, facts) else _level_not_served(policy)
            what = f"the publish attestation of {subject} cannot be verified{reason}"
            mend = "name a file of the registry's keys in guard.toml: [npm] keys"
        case UnavailableCause.NOT_SERVED:
            level = _level_not_served(policy)
            what = f"{facts.artifact.origin or 'the index'} serves no provenance"
            mend = _WHERE_SERVED[facts.artifact.ecosystem]
        case UnavailableCause.UNSUPPORTED:
            # The same words for every package, so that a report says them once.
            needed = policy.needs_provenance and not is_outweighed(evidence, facts)
            level = Level.UNDECIDED if needed else Level.NOTE
            what = f"an attestation ({evidence.kind.value}) cannot be verified yet{reason}"
            mend = "choose another release, or write a [[exception]] with a reason and an end" if needed else ""
        case _:
            assert_never(evidence.cause)
    return Finding(rule=ID, level=level, message=what, next=mend, location=facts.artifact.location)


def _level(policy: PackagePolicy) -> Level:
    optional = policy.provenance is ProvenanceMode.OPTIONAL and not (policy.needs_provenance or policy.locked)
    return Level.WARN if optional else Level.UNDECIDED


def _level_not_served(policy: PackagePolicy) -> Level:
    asked_for = "provenance" in policy.written and policy.provenance is not ProvenanceMode.OPTIONAL
    return Level.UNDECIDED if asked_for or policy.needs_provenance or policy.locked else Level.NOTE

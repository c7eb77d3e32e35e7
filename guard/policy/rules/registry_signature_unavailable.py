"""Whether the registry's signature holds could not be found out.

Without the registry's keys a signature says nothing. An outage is no answer, so that nothing is decided. A registry
that serves no keys by design, as mirrors do, is said in a note, unless the user requires signatures.

Source: the design, invariant I4 and section 7; npm, ``lib/utils/verify-signatures.js``.
"""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import assert_never

from guard.model import Evidence, EvidenceState, Facts, Finding, Level, RuleId, UnavailableCause
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import signature_evidence
from guard.policy.settings import RegistrySignatureMode

ID = RuleId.REGISTRY_SIGNATURE_UNAVAILABLE


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for signatures that could not be checked, unless the policy asks for none."""
    if policy.registry_signature is RegistrySignatureMode.OFF:
        return
    for evidence in signature_evidence(facts):
        if evidence.state is EvidenceState.UNAVAILABLE:
            yield _judge(evidence, facts, policy)


def _judge(evidence: Evidence, facts: Facts, policy: PackagePolicy) -> Finding:
    required = policy.registry_signature is RegistrySignatureMode.REQUIRED
    level = Level.UNDECIDED
    subject = facts.artifact.spec
    registry = facts.artifact.origin or "the registry"
    reason = f": {evidence.reason}" if evidence.reason else ""
    match evidence.cause:
        case UnavailableCause.OUTAGE | None:
            what, mend = f"the registry signature of {subject} could not be checked{reason}", "try again later"
        case UnavailableCause.ACCESS_DENIED:
            what = f"access to what the registry signature of {subject} needs was denied{reason}"
            mend = "check credentials"
        case UnavailableCause.NOT_SERVED | UnavailableCause.UNSUPPORTED:
            # The same words for every package, so that a report says them once.
            what, mend = f"signatures of {registry} cannot be checked{reason}", "set keys under [npm] in guard.toml"
            level = Level.UNDECIDED if required else Level.NOTE
        case _:
            assert_never(evidence.cause)
    return Finding(rule=ID, level=level, message=what, next=mend, location=facts.artifact.location)

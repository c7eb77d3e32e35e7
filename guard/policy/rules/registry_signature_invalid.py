"""There is a signature of the registry and it does not hold.

It is not the registry's, or it is about other bytes than the registry lists now, or its key had ended before. No
setting turns this off; only an exception that names this very rule lifts it.

Source: npm, "About registry signatures"; pacote, ``EINTEGRITYSIGNATURE``, ``EMISSINGSIGNATUREKEY``,
``EEXPIREDSIGNATUREKEY``.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import EvidenceState, Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import signature_evidence

ID = RuleId.REGISTRY_SIGNATURE_INVALID


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  no setting applies
    """Yield a block for signatures that do not hold."""
    for evidence in signature_evidence(facts):
        if evidence.state is EvidenceState.INVALID:
            reason = evidence.reason or "no reason was given"
            yield Finding(
                rule=ID,
                level=Level.BLOCK,
                message=f"{facts.artifact.spec} has a registry signature that does not hold: {reason}",
                next="do not install it; report it to the registry",
                location=facts.artifact.location,
            )

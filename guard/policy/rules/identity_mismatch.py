"""The artifact was signed by somebody else than the publisher that the user pinned, or by two that disagree.

Pins stand in a policy, and in a pylock.toml (``attestation-identities``), which must hold besides.
Every verified publish attestation must match a pin, and at least one verified piece of evidence must: one good
attestation beside a foreign one is no pass. What is compared comes from the certificate alone.

Source: the design, invariant I5 and section 12 "Identity rules"; Fulcio, "OID information"; PEP 751.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guard.model import Claims, Evidence, EvidenceKind, Facts, Finding, Level, RuleId
from guard.policy.identity import IdentityPin
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import invalid_findings, verified_provenance

ID = RuleId.IDENTITY_MISMATCH


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for evidence whose claims disagree or do not match the pinned publishers."""
    yield from invalid_findings(facts, ID, "has a certificate that contradicts itself")
    yield from _foreign_findings(facts, policy.identities, "change [[package.identity]]")
    yield from _foreign_findings(facts, policy.lock_pins, "write the lock again")


def _foreign_findings(facts: Facts, pins: tuple[IdentityPin, ...], mend: str) -> Iterator[Finding]:
    if not pins:
        return
    verified = verified_provenance(facts)
    foreign = {evidence: _differences(evidence, pins) for evidence in verified}
    none_matches = all(foreign.values())
    for evidence, differences in foreign.items():
        if differences and (none_matches or evidence.kind is EvidenceKind.PEP740_PUBLISH):
            yield Finding(
                rule=ID,
                level=Level.BLOCK,
                message=f"{facts.artifact.file or facts.artifact.spec}: {'; '.join(differences)}",
                next=f"ask the project whether it changed its publisher, then {mend}",
                location=facts.artifact.location,
            )


def _differences(evidence: Evidence, pins: tuple[IdentityPin, ...]) -> tuple[str, ...]:
    """Return how the evidence differs from the pin that is nearest to it."""
    if evidence.claims is None:
        return ("the evidence names no signer",)
    claims: Claims = evidence.claims
    return min((pin.differences(claims) for pin in pins), key=len)

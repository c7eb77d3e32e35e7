"""Provenance is required and there is none.

It is required by ``provenance = "required"``, and by a pinned publisher, a build level, runners and triggers that the
user wrote, which nothing but provenance can show.
Otherwise absent provenance is counted in the summary, not reported: most releases have none yet. What is inside another
package's tarball has the provenance of that package.

Source: PEP 740; the design, section 5 ``provenance``.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import EvidenceState, Facts, Finding, Level, RuleId, SourceKind
from guard.policy.downgrade import find_loss
from guard.policy.next_steps import to_except
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import attested_evidence, verified_provenance

ID = RuleId.PROVENANCE_MISSING

_NEED_NONE = frozenset({SourceKind.LOCAL, SourceKind.BUNDLED})


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for an artifact that must have provenance and for which no evidence in any state was found."""
    artifact = facts.artifact
    if not policy.needs_provenance or artifact.source in _NEED_NONE or verified_provenance(facts):
        return
    others = {evidence.state for evidence in attested_evidence(facts)} - {EvidenceState.ABSENT, EvidenceState.VERIFIED}
    if others or facts.registry_problem or facts.bytes_problem or find_loss(facts, policy):
        return  # stripped, unavailable and invalid evidence have rules of their own, and so has what has no bytes
    yield Finding(
        rule=ID,
        level=Level.BLOCK,
        message=f"{artifact.file or artifact.spec} has no provenance, and {policy.why_provenance}",
        next=f"choose a release that has provenance, or {to_except(artifact)}",
        location=artifact.location,
    )

"""Provenance that must exist is gone: the registry announces it and does not serve it, or it was there before.

This is how a stolen upload token looks: a release without the provenance that the project's own workflow makes. So
does a project that dropped provenance, so that what is old, or named by a lock already, warns.

Source: the design, section 5 "Downgrade" and section 12 "Invalid or unavailable"; facts/amendments, number 12.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import EvidenceState, Facts, Finding, Level, RuleId
from guard.policy.downgrade import find_loss
from guard.policy.policy import PackagePolicy
from guard.policy.settings import ProvenanceMode

ID = RuleId.PROVENANCE_STRIPPED


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for stripped evidence, and for provenance that earlier releases or other files had."""
    is_optional = policy.provenance is ProvenanceMode.OPTIONAL and not (policy.needs_provenance or policy.locked)
    for evidence in facts.evidence:
        if evidence.state is EvidenceState.STRIPPED:
            yield _finding(facts, evidence.reason or "it must have some", Level.WARN if is_optional else Level.BLOCK)
    loss = find_loss(facts, policy)
    if loss is not None:
        yield _finding(facts, loss.reason, loss.level)


def _finding(facts: Facts, reason: str, level: Level) -> Finding:
    return Finding(
        rule=ID,
        level=level,
        message=f"{facts.artifact.file or facts.artifact.spec} lost its provenance: {reason}",
        next="ask the project whether it published this release; until then choose an earlier one",
        location=facts.artifact.location,
    )

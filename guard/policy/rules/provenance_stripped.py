"""Provenance that must exist is gone: the registry announces it and does not serve it, or earlier releases had it.

This is how a stolen upload token looks: a release without the provenance that the project's own workflow makes.

Source: the design, section 5 "Downgrade" and section 12 "Invalid or unavailable".
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import EvidenceState, Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.settings import ProvenanceMode

ID = RuleId.PROVENANCE_STRIPPED


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for stripped evidence, a warning where provenance is optional and no publisher is pinned."""
    optional = policy.provenance is ProvenanceMode.OPTIONAL and not policy.needs_provenance
    for evidence in facts.evidence:
        if evidence.state is EvidenceState.STRIPPED:
            subject = facts.artifact.file or facts.artifact.spec
            yield Finding(
                rule=ID,
                level=Level.WARN if optional else Level.BLOCK,
                message=f"{subject} lost its provenance: {evidence.reason or 'it must have some'}",
                next="ask the project whether it published this release; until then choose an earlier one",
                location=facts.artifact.location,
            )

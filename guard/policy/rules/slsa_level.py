"""The certificate shows a lower SLSA build level than the policy asks for.

The level is read from the certificates of verified SLSA provenance, never from what a predicate says of itself. Where
there is no provenance at all, that is missing, and has its own rule.

Source: SLSA v1.0, "Producing artifacts", build levels; docs/slsa.md, the table of certificates.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import build_level, verified_provenance

ID = RuleId.SLSA_LEVEL


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for an artifact with provenance of too low a level."""
    level = build_level(facts)
    if not policy.slsa_level or level >= policy.slsa_level or not verified_provenance(facts):
        return
    yield Finding(
        rule=ID,
        level=Level.BLOCK,
        message=f"{facts.artifact.file or facts.artifact.spec} shows SLSA build level {level}, "
        f"and slsa-level = {policy.slsa_level}",
        next="choose a release that was built by a stronger builder, or lower slsa-level for this package",
        location=facts.artifact.location,
    )

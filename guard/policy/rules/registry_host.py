"""The lock names another address for the package than its registry lists.

A lock whose address was changed takes bytes from a place that nobody chose; a path of another package on the right host
does the same. An address on a host that the user configured as a registry is a mirror, and noted only.

Source: npm, "package-lock.json", ``resolved``; the design, section 12 "Aliases"; facts/amendments, "Small corrections".
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Ecosystem, Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy

ID = RuleId.REGISTRY_HOST

_NEXT_STEPS = {
    Ecosystem.PYPI: "an index of yours belongs into pip's configuration or guard.toml, [pypi] extra-indexes",
    Ecosystem.NPM: "npm install writes the entry again once it is removed",
}


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  no setting applies
    """Yield a block for an address that is not the registry's, a note for one on another configured registry."""
    if facts.resolved_problem:
        yield Finding(
            rule=ID,
            level=Level.NOTE if facts.resolved_is_configured else Level.BLOCK,
            message=f"{facts.artifact.spec}: {facts.resolved_problem}",
            next=f"look at who changed the lock; {_NEXT_STEPS[facts.artifact.ecosystem]}",
            location=facts.artifact.location,
        )

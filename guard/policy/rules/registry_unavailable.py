"""The registry could not be asked about the artifact, so that nothing is decided.

Source: the design, invariant I4: an outage is never an answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy

ID = RuleId.REGISTRY_UNAVAILABLE


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  no setting applies
    """Yield an undecided finding when the registry could not be asked."""
    if facts.registry_problem:
        yield Finding(
            rule=ID,
            level=Level.UNDECIDED,
            message=f"{facts.artifact.file or facts.artifact.spec}: {facts.registry_problem}",
            next="try again later",
            location=facts.artifact.location,
        )

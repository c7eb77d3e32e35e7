"""The bytes' own metadata is not what the resolver was told.

A resolver chose this file for the name, version and dependencies that the index stated; a file that states others
was not what was chosen.

Source: PEP 658, "the metadata file MUST be the same"; amendment 27; pypa/pip#13983.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy

ID = RuleId.METADATA_MISMATCH


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  no setting applies
    """Yield a block when the metadata differs."""
    if facts.metadata_problem:
        yield Finding(
            rule=ID,
            level=Level.BLOCK,
            message=f"{facts.artifact.file or facts.artifact.spec}: {facts.metadata_problem}",
            next="report it to the index; until then choose another release",
            location=facts.artifact.location,
        )

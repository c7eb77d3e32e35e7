"""The release was taken back by its maintainers.

A resolver should not choose what its own maintainers took back; a lock that names it already keeps working with a
warning, as it does with pip. npm's ``deprecated`` is a request only, which npm itself prints, and is noted.

Source: PEP 592, "Installers"; npm, "Deprecating and undeprecating packages"; facts/amendments, number 26.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy

ID = RuleId.YANKED


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for a release that was taken back, a note for one that is deprecated."""
    level = policy.yanked.level
    if level is None:
        return
    artifact = facts.artifact
    if facts.yanked is not None:
        yield Finding(
            rule=ID,
            level=max(level, Level.WARN) if facts.is_locked else level,
            message=f"{artifact.file or artifact.spec} was yanked{_because(facts.yanked)}",
            next="choose another release; a lock keeps it until it is written again",
            location=artifact.location,
        )
    if facts.deprecated is not None:
        message = f"{artifact.spec} is deprecated{_because(facts.deprecated)}"
        yield Finding(rule=ID, level=Level.NOTE, message=message, location=artifact.location)


def _because(reason: str) -> str:
    return f": {' '.join(reason.split())[:200]}" if reason.strip() else ""

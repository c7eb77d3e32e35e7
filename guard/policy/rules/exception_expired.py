"""An exception that names the artifact is over: it has no effect any more, and says so until somebody looks at it.

Source: the design, section 5: every exception has a reason and an end; an expired one is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy

ID = RuleId.EXCEPTION_EXPIRED


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  the policy holds those that match
    """Yield a warning for each exception that is over."""
    for entry in policy.expired:
        yield Finding(
            rule=ID,
            level=Level.WARN,
            message=f"the exception of {entry.package} from {entry.rule.value} ended on {entry.expires}",
            next=f"remove it from {entry.location}, or give it a new reason and end",
            location=entry.location,
        )

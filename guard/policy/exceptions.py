"""What an exception does to a finding: nothing else can lift one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from guard.model import Finding, Level
from guard.policy.policy import PackagePolicy


def apply_exceptions(findings: Iterable[Finding], policy: PackagePolicy) -> Iterator[Finding]:
    """Yield the findings, those that an exception covers as notes which say so."""
    for finding in findings:
        yield _except(finding, policy)


def _except(finding: Finding, policy: PackagePolicy) -> Finding:
    for entry in policy.exceptions:
        if entry.rule is finding.rule and finding.level is not Level.NOTE:
            message = f"{finding.message} (excepted until {entry.expires}: {entry.reason})"
            return replace(finding, level=Level.NOTE, message=message)
    return finding

"""The build was started by an event that strangers can cause.

A workflow that runs on ``pull_request_target`` and its like works with the project's rights on what an outsider wrote;
that is how outsiders came to publish. The events that guard denies by default only warn; those that the user wrote
block, and so do all from SLSA build level 2 on. A certificate that does not name the event passes a default.

Source: Fulcio, "OID information", 1.3.6.1.4.1.57264.1.20; GitHub, "Security hardening for GitHub Actions";
facts/amendments, number 26.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import claim_findings

ID = RuleId.TRIGGER_DENIED


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for each verified certificate that names a denied event, or none."""
    return claim_findings(
        facts,
        policy,
        rule=ID,
        key="triggers-denied",
        claim=lambda claims: claims.build_trigger,
        is_accepted=lambda trigger: trigger not in policy.triggers_denied,
        problem="was built on an event that is denied",
    )

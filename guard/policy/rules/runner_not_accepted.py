"""The artifact was built on a machine of a kind that the policy does not accept.

Machines that the build platform does not run itself are somebody's own, and what is built there can be changed there.
The accepted kinds that guard has by default only warn; those that the user wrote block, and so do all where a build
level is asked for that such machines cannot give. A certificate that does not say the kind passes a default.

Source: Fulcio, "OID information", 1.3.6.1.4.1.57264.1.11; facts/amendments, number 26.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import claim_findings

ID = RuleId.RUNNER_NOT_ACCEPTED


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for each verified certificate that names another runner, or none."""
    return claim_findings(
        facts,
        policy,
        rule=ID,
        key="runner",
        claim=lambda claims: claims.runner_environment,
        is_accepted=lambda runner: runner in policy.runner,
        problem="was built on a runner that is not accepted",
    )

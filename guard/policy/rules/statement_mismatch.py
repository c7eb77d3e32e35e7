"""What was signed is about something else: another file, another digest, or a publisher that did not sign.

A genuine statement about one file must not vouch for another, and what a predicate or an index says about the
publisher counts only where the certificate says the same. Only an exception that names this very rule lifts it.

Source: PEP 740, "Attestation verification" (subject); in-toto Statement v1; the design, invariants I5 and I6.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import invalid_findings

ID = RuleId.STATEMENT_MISMATCH


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  no setting applies
    """Yield a block for every signed statement that is not about this artifact and signer."""
    return invalid_findings(facts, ID, "has provenance that is about something else")

"""There is evidence and it does not hold: it does not parse, or its signature, certificate or log entry is wrong.

Evidence that is forged or damaged is worse than none. No setting turns this off; only an exception that names this
very rule lifts it.

Source: PEP 740, "Attestation verification"; Sigstore client specification, "Verification".
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import invalid_findings

ID = RuleId.PROVENANCE_INVALID


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  no setting applies
    """Yield a block for every piece of evidence that does not hold in itself."""
    return invalid_findings(facts, ID, "has provenance that does not hold")

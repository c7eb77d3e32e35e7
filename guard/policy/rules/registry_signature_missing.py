"""A signature of the registry is required and there is none.

It is required by ``registry-signature = "required"``, of what comes from an npm registry. A signature that nobody
looked for counts as missing: what was required must have been seen.

Source: npm, "About registry signatures"; the design, section 5 ``registry-signature``.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Ecosystem, EvidenceState, Facts, Finding, Level, RuleId
from guard.policy.next_steps import to_except
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import REGISTRY_SOURCES, signature_evidence
from guard.policy.settings import RegistrySignatureMode

ID = RuleId.REGISTRY_SIGNATURE_MISSING

# Evidence that is there, or could not be had, is for other rules.
_NOT_MISSING = frozenset({EvidenceState.VERIFIED, EvidenceState.INVALID, EvidenceState.UNAVAILABLE})


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for a package of an npm registry that must be signed and is not."""
    artifact = facts.artifact
    is_asked = artifact.ecosystem is Ecosystem.NPM and artifact.source in REGISTRY_SOURCES
    if policy.registry_signature is not RegistrySignatureMode.REQUIRED or not is_asked:
        return
    found = any(evidence.state in _NOT_MISSING for evidence in signature_evidence(facts))
    if found or facts.registry_problem or facts.bytes_problem:
        return
    yield Finding(
        rule=ID,
        level=Level.BLOCK,
        message=f'{artifact.spec} has no signature of its registry, and registry-signature = "required"',
        next=f"choose a registry that signs, or {to_except(artifact)}",
        location=artifact.location,
    )

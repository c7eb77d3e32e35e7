"""What every rule says about one artifact: also those that are content, and those that had nothing to judge.

A rule that yields nothing may have looked and be content, or may have had nothing to look at. The two are told apart
here, by what the facts hold: that "passes" is never said of what nobody looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from guard.model import Claims, Ecosystem, Evidence, EvidenceState, Facts, Finding, Level, RuleId
from guard.policy.age import is_excluded, tells_time
from guard.policy.continuity import compare_with_earlier, compare_with_lock
from guard.policy.exceptions import apply_exceptions
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import (
    REGISTRY_SOURCES,
    attested_evidence,
    build_level,
    signature_evidence,
    verified_provenance,
)
from guard.policy.rules import RULES
from guard.policy.settings import IdentityMode, RegistrySignatureMode, SdistMode


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOutcome:
    """What one rule says.

    Args:
        rule: which.
        findings: what it has to say, exceptions applied; none where it is content.
        looked_at: what it looked at and is content with; empty where it had nothing to judge, or has findings.
    """

    rule: RuleId
    findings: tuple[Finding, ...] = ()
    looked_at: str = ""

    @property
    def level(self) -> Level | None:
        """Of the worst finding; ``None`` without any."""
        return min((finding.level for finding in self.findings), default=None)

    @property
    def judged(self) -> bool:
        """Whether there was anything to judge."""
        return bool(self.findings or self.looked_at)


def explain_rules(facts: Facts, policy: PackagePolicy) -> tuple[RuleOutcome, ...]:
    """Return what every rule says about an artifact, in the order of the rules.

    Args:
        facts: of the artifact, as they were judged.
        policy: what is asked of it.
    """
    outcomes = []
    for rule in RULES:
        findings = tuple(apply_exceptions(rule.check(facts, policy), policy))
        looked_at = "" if findings else LOOKED_AT[rule.ID](facts, policy)
        outcomes.append(RuleOutcome(rule=rule.ID, findings=findings, looked_at=looked_at))
    return tuple(outcomes)


def _hash_missing(facts: Facts, _: PackagePolicy) -> str:
    return "it is pinned" if facts.hashes_enforced and facts.artifact.pinned else ""


def _hash_weak(facts: Facts, _: PackagePolicy) -> str:
    strong = sorted({digest.algorithm for digest in facts.artifact.pinned if digest.is_strong})
    return f"it is pinned by {', '.join(strong)}" if strong else ""


def _hash_mismatch(facts: Facts, _: PackagePolicy) -> str:
    if facts.artifact.pinned and facts.listed:
        return "its hash is one that the registry lists"
    return "the bytes have the hash that the registry lists" if facts.observed and facts.listed else ""


def _source(facts: Facts, _: PackagePolicy) -> str:
    return f"taken from {facts.artifact.origin or facts.artifact.source.value}"


def _provenance_missing(facts: Facts, policy: PackagePolicy) -> str:
    return f"it is there, and {policy.why_provenance}" if policy.needs_provenance and verified_provenance(facts) else ""


def _provenance_stripped(facts: Facts, _: PackagePolicy) -> str:
    if verified_provenance(facts):
        return "what was announced is there"
    is_absent = EvidenceState.ABSENT in _states(attested_evidence(facts))
    return "there is none, and nothing comparable has any" if is_absent else ""


def _provenance_unavailable(facts: Facts, _: PackagePolicy) -> str:
    return "the registry answered" if attested_evidence(facts) else ""


def _provenance_invalid(facts: Facts, _: PackagePolicy) -> str:
    return "signature, certificate and log entry hold" if verified_provenance(facts) else ""


def _statement(facts: Facts, _: PackagePolicy) -> str:
    return "it is about this name and digest" if verified_provenance(facts) else ""


def _identity_mismatch(facts: Facts, policy: PackagePolicy) -> str:
    if not verified_provenance(facts):
        return ""
    is_pinned = policy.identities or policy.lock_pins
    return "signed by whom you pinned" if is_pinned else "the certificate does not contradict itself; nobody is pinned"


def _identity_compared(facts: Facts, policy: PackagePolicy) -> str:
    with_lock = compare_with_lock(facts, policy)
    compared = with_lock or compare_with_earlier(facts, policy)
    if not compared or any(comparison.hard for comparison in compared):
        return ""  # of somebody else there is nothing more to compare
    if with_lock:
        return "published as guard.lock records"
    return f"published as {facts.earlier.version} was" if facts.earlier else ""


def _identity_missing(_: Facts, policy: PackagePolicy) -> str:
    return "the publisher is recorded or pinned" if policy.identity is IdentityMode.REQUIRED else ""


def _metadata(facts: Facts, _: PackagePolicy) -> str:
    return "what it says of itself is what the registry says" if facts.observed else ""


def _registry(facts: Facts, _: PackagePolicy) -> str:
    return "the registry answered" if facts.artifact.source in REGISTRY_SOURCES else ""


def _nothing(_: Facts, __: PackagePolicy) -> str:
    return ""


def _signature_missing(facts: Facts, policy: PackagePolicy) -> str:
    is_asked = policy.registry_signature is RegistrySignatureMode.REQUIRED
    return "it is signed" if is_asked and signature_evidence(facts) else ""


def _signature(facts: Facts, _: PackagePolicy) -> str:
    is_signed = EvidenceState.VERIFIED in _states(signature_evidence(facts))
    return "it is about this release, and by a key of the registry" if is_signed else ""


def _signature_unavailable(facts: Facts, policy: PackagePolicy) -> str:
    return "the registry's keys were at hand" if _signature(facts, policy) else ""


def _slsa(facts: Facts, policy: PackagePolicy) -> str:
    if not policy.slsa_level or not verified_provenance(facts):
        return ""
    return f"level {build_level(facts)}, and slsa-level = {policy.slsa_level}"


def _runner(facts: Facts, _: PackagePolicy) -> str:
    return _claimed(facts, lambda claims: claims.runner_environment)


def _trigger(facts: Facts, _: PackagePolicy) -> str:
    return _claimed(facts, lambda claims: claims.build_trigger)


def _age(facts: Facts, policy: PackagePolicy) -> str:
    is_asked = policy.min_age and tells_time(facts.artifact, policy) and not is_excluded(facts.artifact, policy)
    return f"out since {facts.published_at:%Y-%m-%d}" if is_asked and facts.published_at is not None else ""


def _yanked(facts: Facts, policy: PackagePolicy) -> str:
    if facts.artifact.source not in REGISTRY_SOURCES or policy.yanked.level is None or not facts.listed:
        return ""
    return "its maintainers did not take it back"


def _sdist(facts: Facts, policy: PackagePolicy) -> str:
    artifact = facts.artifact
    if artifact.ecosystem is not Ecosystem.PYPI or artifact.file is None:
        return ""
    if artifact.file.lower().endswith(".whl"):
        return "it is a wheel"
    return 'sdist = "allow"' if policy.sdist is SdistMode.ALLOW else ""


def _install_script(facts: Facts, policy: PackagePolicy) -> str:
    if facts.artifact.ecosystem is not Ecosystem.NPM or not facts.listed:
        return ""
    if facts.has_install_script:
        return f'it runs one, and install-scripts = "{policy.install_scripts.value}"'
    return "the registry lists none"


def _exceptions(_: Facts, policy: PackagePolicy) -> str:
    return f"in force until {min(each.expires for each in policy.exceptions)}" if policy.exceptions else ""


def _claimed(facts: Facts, claim: Callable[[Claims], str | None]) -> str:
    values = (claim(each.claims) for each in verified_provenance(facts) if each.claims is not None)
    return ", ".join(dict.fromkeys(value for value in values if value))


def _states(evidence: Iterable[Evidence]) -> set[EvidenceState]:
    return {each.state for each in evidence}


# For each rule, what it is content with when it yields nothing; the empty string where it had nothing to judge.
LOOKED_AT: Mapping[RuleId, Callable[[Facts, PackagePolicy], str]] = {
    RuleId.HASH_MISSING: _hash_missing,
    RuleId.HASH_WEAK: _hash_weak,
    RuleId.HASH_MISMATCH: _hash_mismatch,
    RuleId.SOURCE_NOT_ALLOWED: _source,
    RuleId.PROVENANCE_MISSING: _provenance_missing,
    RuleId.PROVENANCE_STRIPPED: _provenance_stripped,
    RuleId.PROVENANCE_UNAVAILABLE: _provenance_unavailable,
    RuleId.PROVENANCE_INVALID: _provenance_invalid,
    RuleId.STATEMENT_MISMATCH: _statement,
    RuleId.IDENTITY_MISMATCH: _identity_mismatch,
    RuleId.IDENTITY_CHANGED: _identity_compared,
    RuleId.IDENTITY_DRIFT: _identity_compared,
    RuleId.IDENTITY_MISSING: _identity_missing,
    RuleId.METADATA_MISMATCH: _metadata,
    RuleId.REGISTRY_UNAVAILABLE: _registry,
    RuleId.REGISTRY_HOST: _nothing,  # a lock's address is either wrong or not looked at
    RuleId.REGISTRY_SIGNATURE_MISSING: _signature_missing,
    RuleId.REGISTRY_SIGNATURE_INVALID: _signature,
    RuleId.REGISTRY_SIGNATURE_UNAVAILABLE: _signature_unavailable,
    RuleId.SLSA_LEVEL: _slsa,
    RuleId.RUNNER_NOT_ACCEPTED: _runner,
    RuleId.TRIGGER_DENIED: _trigger,
    RuleId.RELEASE_TOO_NEW: _age,
    RuleId.YANKED: _yanked,
    RuleId.SDIST_NOT_ALLOWED: _sdist,
    RuleId.INSTALL_SCRIPT: _install_script,
    RuleId.EXCEPTION_EXPIRED: _exceptions,
}

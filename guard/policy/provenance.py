"""One state for all the evidence of an artifact, and the rule that each kind of invalid evidence falls under."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from typing_extensions import assert_never

from guard.errors import EvidenceCode
from guard.model import (
    Claims,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Finding,
    Level,
    RuleId,
    SourceKind,
    UnavailableCause,
)
from guard.policy.policy import PackagePolicy
from guard.sigstore.slsa_level import slsa_level

# The kinds that say who made an artifact. A registry's publish attestation and its signature say only who served it.
PROVENANCE_KINDS = frozenset(
    {
        EvidenceKind.PEP740_PUBLISH,
        EvidenceKind.SLSA_PROVENANCE,
        EvidenceKind.FILE_SIGNATURE,
        EvidenceKind.OTHER_STATEMENT,
    }
)
# Artifacts of these sources come from a registry, so that evidence about them must have been looked for.
REGISTRY_SOURCES = frozenset({SourceKind.REGISTRY, SourceKind.ALIAS})
# From this SLSA build level on, the build platform itself runs the machines ("Producing artifacts", Build L2).
_LEVEL_OF_HOSTED_BUILDS = 2
_WORST_FIRST = (
    EvidenceState.INVALID,
    EvidenceState.STRIPPED,
    EvidenceState.UNAVAILABLE,
    EvidenceState.VERIFIED,
    EvidenceState.ABSENT,
)


def verified_provenance(facts: Facts) -> tuple[Evidence, ...]:
    """Return the verified evidence that says who made the artifact."""
    return tuple(
        evidence
        for evidence in facts.evidence
        if evidence.state is EvidenceState.VERIFIED and evidence.kind in PROVENANCE_KINDS
    )


def attested_evidence(facts: Facts) -> tuple[Evidence, ...]:
    """Return the evidence that an attestation gives, in every state: all but registry signatures."""
    return tuple(evidence for evidence in facts.evidence if evidence.kind is not EvidenceKind.NPM_SIGNATURE)


def signature_evidence(facts: Facts) -> tuple[Evidence, ...]:
    """Return the evidence that registry signatures give, in every state; they have rules of their own."""
    return tuple(evidence for evidence in facts.evidence if evidence.kind is EvidenceKind.NPM_SIGNATURE)


def is_outweighed(evidence: Evidence, facts: Facts) -> bool:
    """Tell whether evidence that guard cannot verify stands beside verified provenance of the same artifact.

    npm serves a publish attestation, signed with the registry's key, beside the provenance of every release that has
    some: what cannot be read of the one, or is signed with a key that nobody serves, takes nothing from the other.
    """
    unverifiable = (UnavailableCause.UNSUPPORTED, UnavailableCause.NOT_SERVED)
    return evidence.cause in unverifiable and bool(verified_provenance(facts))


def provenance_state(facts: Facts) -> EvidenceState:
    """Return the one state that reports count an artifact under.

    Evidence of a registry artifact that nobody looked for is unavailable, never absent: "not asked" is not "no". Where
    a lower release of the same line or another file of the release has provenance, its absence is a loss.
    """
    attested = attested_evidence(facts)
    states = {evidence.state for evidence in attested if not is_outweighed(evidence, facts)}
    if not verified_provenance(facts):
        states.discard(EvidenceState.VERIFIED)
    if facts.artifact.source in REGISTRY_SOURCES and not attested:
        return EvidenceState.UNAVAILABLE
    found = next((state for state in _WORST_FIRST if state in states), EvidenceState.ABSENT)
    had_some = facts.attested_beside or (facts.earlier is not None and facts.earlier.is_same_line)
    return EvidenceState.STRIPPED if found is EvidenceState.ABSENT and had_some else found


def rule_of_invalid(code: EvidenceCode | None) -> RuleId:
    """Return the rule under which an attestation that does not hold is reported.

    Args:
        code: why it does not hold; evidence without a reason falls under the rule that nothing turns off.
    """
    match code:
        case EvidenceCode.STATEMENT_SUBJECT | EvidenceCode.STATEMENT_PREDICATE | EvidenceCode.STATEMENT_PUBLISHER:
            return RuleId.STATEMENT_MISMATCH
        case EvidenceCode.CLAIMS_CONFLICT:
            return RuleId.IDENTITY_MISMATCH
        case (
            EvidenceCode.MALFORMED
            | EvidenceCode.EMPTY
            | EvidenceCode.UNSUPPORTED
            | EvidenceCode.CERTIFICATE
            | EvidenceCode.SIGNATURE
            | EvidenceCode.LOG_ENTRY
            | None
        ):
            return RuleId.PROVENANCE_INVALID
    assert_never(code)


def invalid_findings(facts: Facts, rule: RuleId, problem: str) -> Iterator[Finding]:
    """Yield a block for every invalid attestation that falls under ``rule``.

    Args:
        facts: of the artifact.
        rule: the rule that asks.
        problem: what its evidence is like, after the artifact's name.
    """
    for evidence in attested_evidence(facts):
        if evidence.state is EvidenceState.INVALID and rule_of_invalid(evidence.code) is rule:
            reason = evidence.reason or "no reason was given"
            yield Finding(
                rule=rule,
                level=Level.BLOCK,
                message=f"{facts.artifact.file or facts.artifact.spec} {problem}: {reason}",
                next="do not install it; report it to the project and the index",
                location=facts.artifact.location,
            )


def build_level(facts: Facts) -> int:
    """Return the best SLSA build level that the certificates of verified SLSA provenance show; 0 without any.

    That somebody published a file does not say that they built it, so that publish attestations do not count.
    """
    built = (each.claims for each in verified_provenance(facts) if each.kind is EvidenceKind.SLSA_PROVENANCE)
    return max((slsa_level(claims) for claims in built if claims is not None), default=0)


def claim_findings(
    facts: Facts,
    policy: PackagePolicy,
    *,
    rule: RuleId,
    key: str,
    claim: Callable[[Claims], str | None],
    is_accepted: Callable[[str], bool],
    problem: str,
) -> Iterator[Finding]:
    """Yield a finding for each different value of a claim that the policy does not accept.

    Args:
        facts: of the artifact.
        policy: what is asked of it.
        rule: the rule that asks.
        key: the setting that says what is accepted.
        claim: reads the claim of a certificate.
        is_accepted: judges what it says.
        problem: what an artifact with another value is like, after its name.
    """
    is_asked = key in policy.written
    level = Level.BLOCK if is_asked or policy.slsa_level >= _LEVEL_OF_HOSTED_BUILDS else Level.WARN
    artifact = facts.artifact
    values = [claim(evidence.claims) if evidence.claims else None for evidence in verified_provenance(facts)]
    for value in dict.fromkeys(values):
        if value is None:
            message = f"the certificate does not say what {key} asks for"
            found = Level.BLOCK if is_asked else Level.NOTE
        elif not is_accepted(value):
            message, found = f"{artifact.file or artifact.spec} {problem}: {value}", level
        else:
            continue
        mend = "ask the project why; where it is meant, change "
        name = f"{artifact.ecosystem.value}:{artifact.name}"
        next_step = f'{mend}{key} for [[package]] name = "{name}" in guard.toml'
        yield Finding(rule=rule, level=found, message=message, next=next_step, location=artifact.location)

"""The judgement of ``guard verify``: facts about one file and what must be shown of it, to a decision.

It asks the rules that are about evidence, and not the user's policy for installations: whoever verifies a file says
in the same breath who must have signed it. No exception lifts anything here.
"""

from __future__ import annotations

from collections.abc import Iterator

from guard.model import Claims, Decision, Evidence, EvidenceKind, EvidenceState, Facts, Finding, Level, RuleId
from guard.policy.evaluate import verdict_of
from guard.policy.expectation import Expectation
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import verified_provenance
from guard.policy.rule import Rule
from guard.policy.rules import (
    hash_mismatch,
    identity_mismatch,
    provenance_invalid,
    provenance_stripped,
    provenance_unavailable,
    registry_signature_invalid,
    registry_signature_unavailable,
    registry_unavailable,
    statement_mismatch,
)
from guard.policy.settings import ProvenanceMode
from guard.sigstore.slsa_level import slsa_level

_RULES: tuple[Rule, ...] = (
    hash_mismatch,
    provenance_stripped,
    provenance_unavailable,
    provenance_invalid,
    statement_mismatch,
    identity_mismatch,
    registry_unavailable,
    registry_signature_invalid,
    registry_signature_unavailable,
)
_ASKED = PackagePolicy(provenance=ProvenanceMode.REQUIRED, written=frozenset({"provenance"}))


def evaluate_verification(facts: Facts, expectation: Expectation) -> Decision:
    """Decide one file. Without verified evidence that is as expected it is never allowed.

    Args:
        facts: what was gathered about the file.
        expectation: what must be shown of it.
    """
    findings = [finding for rule in _RULES for finding in rule.check(facts, _ASKED)]
    verified = verified_provenance(facts)
    if verified:
        findings += _judge_signers(facts, verified, expectation)
    elif verdict_of(findings).installs:
        findings.append(_nothing_verified(facts))
    return Decision(verdict=verdict_of(findings), findings=tuple(findings))


def expected_evidence(facts: Facts, expectation: Expectation) -> tuple[Evidence, ...]:
    """Return the verified evidence whose signer is the expected one."""
    return tuple(each for each in verified_provenance(facts) if not expectation.signer.differences(each))


def _judge_signers(facts: Facts, verified: tuple[Evidence, ...], expectation: Expectation) -> Iterator[Finding]:
    """Every publish attestation must be of the expected signer, and one piece of evidence at all.

    PyPI publishes one for each file, so that a foreign one tells of another publisher; of builds and signatures there
    may be many, by whoever cared.
    """
    matching = expected_evidence(facts, expectation)
    for evidence in verified:
        differences = expectation.signer.differences(evidence)
        if differences and (not matching or evidence.kind is EvidenceKind.PEP740_PUBLISH):
            yield _block(
                RuleId.IDENTITY_MISMATCH,
                f"{_name(facts)}: {'; '.join(differences)}",
                "do not use it, unless you know this signer: then say so in the command",
            )
    if matching:
        yield from _judge_level(facts, matching, expectation)


def _judge_level(facts: Facts, matching: tuple[Evidence, ...], expectation: Expectation) -> Iterator[Finding]:
    built: list[Claims] = [
        each.claims for each in matching if each.kind is EvidenceKind.SLSA_PROVENANCE and each.claims is not None
    ]
    level = max((slsa_level(claims) for claims in built), default=0)
    if level < expectation.slsa_level:
        shown = f"its provenance shows level {level}" if built else "no provenance of a build was verified"
        yield _block(
            RuleId.SLSA_LEVEL,
            f"{_name(facts)}: SLSA build level {expectation.slsa_level} is asked for, and {shown}",
            "ask the project for a build of that level",
        )


def _nothing_verified(facts: Facts) -> Finding:
    absent = [each.reason for each in facts.evidence if each.state is EvidenceState.ABSENT and each.reason]
    reason = f": {absent[0]}" if absent else ""
    return _block(
        RuleId.PROVENANCE_MISSING,
        f"nothing says who built or signed {_name(facts)}{reason}",
        "bring its evidence: --bundle FILE",
    )


def _name(facts: Facts) -> str:
    return facts.artifact.file or facts.artifact.spec


def _block(rule: RuleId, message: str, next_step: str) -> Finding:
    return Finding(rule=rule, level=Level.BLOCK, message=message, next=next_step)

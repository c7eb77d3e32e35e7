"""The judgement: facts and policy to a decision. Nothing else decides, and nothing here can fail to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from guard.model import Decision, Facts, Finding, Level, Verdict
from guard.policy.exceptions import apply_exceptions
from guard.policy.policy import Policy
from guard.policy.rules import RULES


def evaluate_artifact(facts: Facts, policy: Policy, *, now: datetime) -> Decision:
    """Decide one artifact: every rule is asked, exceptions are applied, the worst finding decides.

    Args:
        facts: all that was gathered about the artifact.
        policy: the policy in force.
        now: the moment to which ages are counted and on whose day exceptions are judged; aware.
    """
    artifact = facts.artifact
    asked = policy.for_package(artifact.ecosystem, artifact.name, artifact.version, now=now)
    findings = tuple(apply_exceptions((finding for rule in RULES for finding in rule.check(facts, asked)), asked))
    return Decision(verdict=verdict_of(findings), findings=findings)


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict that the worst finding makes; of none, ALLOW."""
    return min((_VERDICT_OF_LEVEL[finding.level] for finding in findings), default=Verdict.ALLOW)


def evaluate_run(decisions: Collection[Decision], findings: Iterable[Finding], *, planned: int) -> Verdict:
    """Decide a run: block when anything blocks, else undecided when anything is, else allow.

    Args:
        decisions: of all artifacts.
        findings: those that belong to no artifact.
        planned: how many artifacts were to be decided. Zero says that the plan is empty, which is allowed.

    Returns:
        BLOCK, UNDECIDED or ALLOW. BLOCK also when decisions are missing or too many, and when a decision states a
        better verdict than its findings make: an inconsistency must not install anything.
    """
    if len(decisions) != planned:
        return Verdict.BLOCK
    verdicts = [verdict_of(findings)]
    for decision in decisions:
        verdicts.append(decision.verdict)
        if verdict_of(decision.findings) < decision.verdict:
            verdicts.append(Verdict.BLOCK)
    worst = Verdict.worst(verdicts)
    return Verdict.ALLOW if worst.installs else worst


_VERDICT_OF_LEVEL = {
    Level.BLOCK: Verdict.BLOCK,
    Level.UNDECIDED: Verdict.UNDECIDED,
    Level.WARN: Verdict.WARN,
    Level.NOTE: Verdict.ALLOW,
}

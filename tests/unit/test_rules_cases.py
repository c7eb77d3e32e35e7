"""For each rule one artifact that it stops, and the same artifact with that one thing mended, which is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pytest

from guard.constants import NPM_REGISTRY_URL, PYPI_SIMPLE_URL
from guard.errors import EvidenceCode
from guard.model import (
    Artifact,
    Claims,
    Digest,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    RuleId,
    SourceKind,
    UnavailableCause,
    Verdict,
)
from guard.policy.evaluate import evaluate_artifact
from guard.policy.policy import explicit_policy
from guard.policy.rules import RULES
from guard.policy.schema import parse_policy

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
A, B, WEAK = Digest("sha256", "a" * 64), Digest("sha256", "b" * 64), Digest("md5", "a" * 32)
REPOSITORY = "https://github.com/acme/six"
CLAIMS = Claims(
    san=f"{REPOSITORY}/release.yml@refs/tags/v1",
    issuer="https://token.actions.githubusercontent.com",
    build_signer_uri=f"{REPOSITORY}/release.yml@refs/tags/v1",
    runner_environment="github-hosted",
    build_trigger="push",
    source_repository_uri=REPOSITORY,
)
SLSA = Evidence(kind=EvidenceKind.SLSA_PROVENANCE, state=EvidenceState.VERIFIED, claims=CLAIMS)
SIGNATURE = Evidence(kind=EvidenceKind.NPM_SIGNATURE, state=EvidenceState.VERIFIED)
GOOD = Facts(
    artifact=Artifact(
        ecosystem=Ecosystem.PYPI, name="six", version="1.0", file="six-1.0-py3-none-any.whl", origin=PYPI_SIMPLE_URL
    ),
    listed=(A,),
    observed=(A,),
    evidence=(SLSA,),
    published_at=NOW - timedelta(days=9),
)
NPM = replace(
    GOOD,
    artifact=replace(GOOD.artifact, ecosystem=Ecosystem.NPM, version="1.0.0", file=None, origin=NPM_REGISTRY_URL),
    evidence=(SLSA, SIGNATURE),
)
PIN = '[[package]]\nname = "pypi:six"\n[[package.identity]]\nrepository = "https://github.com/acme/{}"\n'
EXCEPTION = '[[exception]]\npackage = "pypi:six"\nrule = "yanked"\nreason = "r"\nexpires = {}\n'


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a rule stops, and what it lets pass."""

    stopped: Facts
    allowed: Facts = GOOD
    policy: str = ""
    verdict: Verdict = Verdict.BLOCK


def with_evidence(facts: Facts, **changes: object) -> Facts:
    """Return facts whose first evidence is in another state."""
    first, *others = facts.evidence
    return replace(facts, evidence=(replace(first, claims=None, **changes), *others))  # type: ignore[arg-type]


def with_artifact(facts: Facts, **changes: object) -> Facts:
    return replace(facts, artifact=replace(facts.artifact, **changes))  # type: ignore[arg-type]


def with_signature(state: EvidenceState) -> Facts:
    return replace(NPM, evidence=(SLSA, replace(SIGNATURE, state=state)))


INVALID, OUTAGE = EvidenceState.INVALID, UnavailableCause.OUTAGE
CASES: Mapping[RuleId, Case] = {
    RuleId.HASH_MISSING: Case(
        stopped=replace(GOOD, hashes_enforced=True),
        allowed=with_artifact(replace(GOOD, hashes_enforced=True), pinned=(A,)),
    ),
    RuleId.HASH_WEAK: Case(
        stopped=replace(with_artifact(GOOD, pinned=(WEAK,)), listed=(WEAK,), observed=(A, WEAK)),
        allowed=with_artifact(GOOD, pinned=(A,)),
    ),
    RuleId.HASH_MISMATCH: Case(stopped=replace(GOOD, observed=(B,))),
    RuleId.SOURCE_NOT_ALLOWED: Case(stopped=with_artifact(GOOD, source=SourceKind.PATH)),
    RuleId.PROVENANCE_MISSING: Case(
        stopped=with_evidence(GOOD, state=EvidenceState.ABSENT), policy='[policy]\nprovenance = "required"\n'
    ),
    RuleId.PROVENANCE_STRIPPED: Case(stopped=with_evidence(GOOD, state=EvidenceState.STRIPPED)),
    RuleId.PROVENANCE_UNAVAILABLE: Case(
        stopped=with_evidence(GOOD, state=EvidenceState.UNAVAILABLE, cause=OUTAGE), verdict=Verdict.UNDECIDED
    ),
    RuleId.PROVENANCE_INVALID: Case(stopped=with_evidence(GOOD, state=INVALID, code=EvidenceCode.SIGNATURE)),
    RuleId.STATEMENT_MISMATCH: Case(stopped=with_evidence(GOOD, state=INVALID, code=EvidenceCode.STATEMENT_SUBJECT)),
    RuleId.IDENTITY_MISMATCH: Case(
        stopped=replace(
            GOOD, evidence=(replace(SLSA, claims=replace(CLAIMS, source_repository_uri=f"{REPOSITORY}-evil")),)
        ),
        policy=PIN.format("six"),
    ),
    RuleId.METADATA_MISMATCH: Case(stopped=replace(GOOD, metadata_problem="says otherwise")),
    RuleId.REGISTRY_UNAVAILABLE: Case(stopped=replace(GOOD, registry_problem="503"), verdict=Verdict.UNDECIDED),
    RuleId.REGISTRY_HOST: Case(stopped=replace(NPM, resolved_problem="elsewhere"), allowed=NPM),
    RuleId.REGISTRY_SIGNATURE_MISSING: Case(
        stopped=with_signature(EvidenceState.ABSENT), allowed=NPM, policy='[policy]\nregistry-signature = "required"\n'
    ),
    RuleId.REGISTRY_SIGNATURE_INVALID: Case(stopped=with_signature(INVALID), allowed=NPM),
    RuleId.REGISTRY_SIGNATURE_UNAVAILABLE: Case(
        stopped=with_signature(EvidenceState.UNAVAILABLE), allowed=NPM, verdict=Verdict.UNDECIDED
    ),
    RuleId.SLSA_LEVEL: Case(
        stopped=replace(
            GOOD,
            evidence=(replace(SLSA, claims=replace(CLAIMS, build_signer_uri=None)),),
        ),
        policy="[policy]\nslsa-level = 1\n",
    ),
    RuleId.RUNNER_NOT_ACCEPTED: Case(
        stopped=replace(GOOD, evidence=(replace(SLSA, claims=replace(CLAIMS, runner_environment="self-hosted")),)),
        policy='[policy]\nrunner = ["github-hosted"]\n',
    ),
    RuleId.TRIGGER_DENIED: Case(
        stopped=replace(GOOD, evidence=(replace(SLSA, claims=replace(CLAIMS, build_trigger="workflow_run")),)),
        policy='[policy]\ntriggers-denied = ["workflow_run"]\n',
    ),
    RuleId.RELEASE_TOO_NEW: Case(stopped=replace(GOOD, published_at=NOW - timedelta(hours=9))),
    RuleId.YANKED: Case(stopped=replace(GOOD, yanked="broken")),
    RuleId.SDIST_NOT_ALLOWED: Case(
        stopped=with_artifact(GOOD, file="six-1.0.tar.gz"), policy='[policy]\nsdist = "block"\n'
    ),
    RuleId.INSTALL_SCRIPT: Case(
        stopped=replace(NPM, has_install_script=True), allowed=NPM, policy='[policy]\ninstall-scripts = "block"\n'
    ),
    RuleId.EXCEPTION_EXPIRED: Case(stopped=GOOD, policy=EXCEPTION.format("2026-05-31"), verdict=Verdict.WARN),
}  # fmt: skip
# Who publishes is compared with what is remembered, which has histories of its own.
OF_IDENTITY = frozenset({"identity-missing", "identity-changed", "identity-drift", "identity-lock-changed"})


def judged(facts: Facts, policy: str) -> tuple[Verdict, set[RuleId]]:
    file = parse_policy(f"version = 1\n{policy}".encode(), path="guard.toml")
    decision = evaluate_artifact(facts, explicit_policy(file), now=NOW)
    stopping = {finding.rule for finding in decision.findings if finding.level.name in ("BLOCK", "UNDECIDED", "WARN")}
    return decision.verdict, stopping


def test_every_rule_about_artifacts_has_a_case() -> None:
    assert {rule.ID.value for rule in RULES} - OF_IDENTITY == {rule.value for rule in CASES}


@pytest.mark.parametrize("rule", CASES, ids=lambda rule: rule.value)
def test_what_a_rule_stops_and_what_it_lets_pass(rule: RuleId) -> None:
    case = CASES[rule]
    assert judged(case.stopped, case.policy) == (case.verdict, {rule})
    if rule is RuleId.EXCEPTION_EXPIRED:
        assert judged(case.allowed, EXCEPTION.format("2026-06-01")) == (Verdict.ALLOW, set())
    else:
        assert judged(case.allowed, case.policy) == (Verdict.ALLOW, set())

"""What ``guard verify`` decides of one file, from its evidence and what must be shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
    Level,
    RuleId,
    SourceKind,
    UnavailableCause,
    Verdict,
)
from guard.policy.expectation import ExactSigner, Expectation, UnsafeAnySigner
from guard.policy.verification import evaluate_verification, expected_evidence
from tests.sim.identity import GITHUB_ISSUER

ARTIFACT = Artifact(ecosystem=Ecosystem.GENERIC, name="tool", version="", file="tool", source=SourceKind.LOCAL)
OURS = Claims(
    san="ours",
    issuer=GITHUB_ISSUER,
    build_signer_uri="https://github.com/acme/ci/.github/workflows/build.yml@refs/tags/v1",
    runner_environment="github-hosted",
)
ASKED = Expectation(signer=ExactSigner(san="ours", issuer=GITHUB_ISSUER))
BUILT = Evidence(kind=EvidenceKind.SLSA_PROVENANCE, state=EvidenceState.VERIFIED, claims=OURS)
FOREIGN = replace(BUILT, claims=replace(OURS, san="theirs"))
PUBLISHED, PUBLISHED_BY_THEM = (replace(each, kind=EvidenceKind.PEP740_PUBLISH) for each in (BUILT, FOREIGN))
SIGNED = replace(BUILT, kind=EvidenceKind.FILE_SIGNATURE)
BY_REGISTRY = replace(BUILT, kind=EvidenceKind.NPM_PUBLISH, claims=None)
FORGED = replace(BUILT, state=EvidenceState.INVALID, claims=None, code=EvidenceCode.SIGNATURE)
ABSENT = Evidence(kind=EvidenceKind.SLSA_PROVENANCE, state=EvidenceState.ABSENT)


def found(*evidence: Evidence, asked: Expectation = ASKED, artifact: Artifact = ARTIFACT) -> list[RuleId]:
    decision = evaluate_verification(Facts(artifact=artifact, evidence=evidence), asked)
    assert decision.verdict is (Verdict.BLOCK if decision.findings else Verdict.ALLOW)
    assert all(each.level is Level.BLOCK for each in decision.findings)
    return [each.rule for each in decision.findings]


@pytest.mark.parametrize(
    ("evidence", "rules"),
    [
        ([BUILT], []),
        ([PUBLISHED], []),
        ([SIGNED], []),
        ([BUILT, ABSENT], []),
        ([FOREIGN], [RuleId.IDENTITY_MISMATCH]),
        ([FOREIGN, FOREIGN], [RuleId.IDENTITY_MISMATCH] * 2),
        ([BUILT, FOREIGN], []),
        ([FOREIGN, SIGNED], []),
        ([BUILT, PUBLISHED_BY_THEM], [RuleId.IDENTITY_MISMATCH]),
        ([PUBLISHED, FOREIGN], []),
        ([PUBLISHED, PUBLISHED_BY_THEM], [RuleId.IDENTITY_MISMATCH]),
        ([BUILT, FORGED], [RuleId.PROVENANCE_INVALID]),
        ([FOREIGN, FORGED], [RuleId.PROVENANCE_INVALID, RuleId.IDENTITY_MISMATCH]),
        ([FORGED], [RuleId.PROVENANCE_INVALID]),
        ([BUILT, replace(FORGED, code=EvidenceCode.STATEMENT_SUBJECT)], [RuleId.STATEMENT_MISMATCH]),
        ([BUILT, replace(FORGED, code=EvidenceCode.CLAIMS_CONFLICT)], [RuleId.IDENTITY_MISMATCH]),
        ([BUILT, replace(FORGED, kind=EvidenceKind.NPM_SIGNATURE)], [RuleId.REGISTRY_SIGNATURE_INVALID]),
        ([BY_REGISTRY], [RuleId.PROVENANCE_MISSING]),
        ([ABSENT], [RuleId.PROVENANCE_MISSING]),
        ([], [RuleId.PROVENANCE_MISSING]),
    ],
)
def test_evidence_that_holds_and_is_of_the_expected_signer_is_asked_for(
    evidence: list[Evidence], rules: list[RuleId]
) -> None:
    assert found(*evidence) == rules


def test_an_outage_is_no_answer() -> None:
    outage = replace(ABSENT, state=EvidenceState.UNAVAILABLE, cause=UnavailableCause.OUTAGE, reason="no answer")
    decision = evaluate_verification(Facts(artifact=ARTIFACT, evidence=(outage,)), ASKED)
    assert decision.verdict is Verdict.UNDECIDED
    assert [each.rule for each in decision.findings] == [RuleId.PROVENANCE_UNAVAILABLE]


def test_a_digest_that_differs_is_another_file() -> None:
    pinned, observed = Digest("sha256", "0" * 64), Digest("sha256", "1" * 64)
    facts = Facts(artifact=replace(ARTIFACT, pinned=(pinned,)), observed=(observed,), evidence=(BUILT,))
    assert [each.rule for each in evaluate_verification(facts, ASKED).findings] == [RuleId.HASH_MISMATCH]


def test_the_expected_signers_evidence_is_told_from_others() -> None:
    facts = Facts(artifact=ARTIFACT, evidence=(FOREIGN, BUILT, FORGED, SIGNED))
    assert expected_evidence(facts, ASKED) == (BUILT, SIGNED)


@pytest.mark.parametrize(
    ("evidence", "level"),
    [
        ([BUILT], 2),
        ([SIGNED], 0),
        ([SIGNED, BUILT], 2),
        ([replace(BUILT, claims=replace(OURS, runner_environment="self-hosted"))], 1),
        ([replace(BUILT, claims=replace(OURS, runner_environment="self-hosted")), BUILT], 2),
        ([SIGNED, FOREIGN], 0),
        ([PUBLISHED], 0),
    ],
)
def test_the_best_level_of_the_expected_signers_provenance_counts(evidence: list[Evidence], level: int) -> None:
    for asked in range(4):
        rules = found(*evidence, asked=replace(ASKED, slsa_level=asked))
        assert rules == ([] if asked <= level else [RuleId.SLSA_LEVEL])


def test_provenance_that_no_certificate_signs_shows_no_level() -> None:
    keyed = replace(BUILT, claims=None)
    assert found(keyed, asked=Expectation(signer=UnsafeAnySigner())) == []
    assert found(keyed, asked=Expectation(signer=UnsafeAnySigner(), slsa_level=1)) == [RuleId.SLSA_LEVEL]


def said(*evidence: Evidence, asked: Expectation = ASKED, artifact: Artifact = ARTIFACT) -> tuple[str, str]:
    [finding] = evaluate_verification(Facts(artifact=artifact, evidence=evidence), asked).findings
    return finding.message, finding.next


def test_what_is_wrong_is_said_with_the_next_step() -> None:
    level = replace(ASKED, slsa_level=3)
    assert said(FOREIGN)[0].startswith("tool: ")
    assert said(FOREIGN)[1] == "do not use it, unless you know this signer: then say so in the command"
    asked = "tool: SLSA build level 3 is asked for, and "
    assert said(BUILT, asked=level)[0] == f"{asked}its provenance shows level 2"
    assert said(SIGNED, asked=level)[0] == f"{asked}no provenance of a build was verified"
    nothing = "nothing says who built or signed tool"
    assert said() == said(ABSENT) == (nothing, "bring its evidence: --bundle FILE")
    absent = (ABSENT, replace(ABSENT, reason="none is served"), replace(ABSENT, reason="nor here"))
    assert said(*absent)[0] == f"{nothing}: none is served"
    assert said(replace(BY_REGISTRY, reason="not this"))[0] == nothing
    nameless = replace(ARTIFACT, file=None)
    assert said(artifact=nameless)[0] == f"nothing says who built or signed {nameless.spec}"

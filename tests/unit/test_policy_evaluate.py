"""The judgement as a whole: exceptions, the run's verdict, and that less evidence never installs more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import EvidenceCode
from guard.model import (
    Artifact,
    Claims,
    Decision,
    Digest,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Finding,
    Level,
    RuleId,
    SourceKind,
    UnavailableCause,
    Verdict,
)
from guard.policy.evaluate import evaluate_artifact, evaluate_run, verdict_of
from guard.policy.policy import Policy, explicit_policy
from guard.policy.rules import RULES
from guard.policy.schema import RULES_WITHOUT_EXCEPTION, parse_policy

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
ARTIFACT = Artifact(ecosystem=Ecosystem.PYPI, name="six", version="1.17.0", file="six.whl")
OURS = Claims(
    san="s",
    issuer="https://issuer.example",
    source_repository_uri="https://git.example/acme/six",
    build_config_uri="https://git.example/acme/six/release.yml@refs/tags/v1",
    runner_environment="github-hosted",
)
THEIRS = replace(OURS, source_repository_uri="https://git.example/evil/six")
PUBLISH = EvidenceKind.PEP740_PUBLISH
VERIFIED = Evidence(kind=PUBLISH, state=EvidenceState.VERIFIED, claims=OURS)
ABSENT = Evidence(kind=PUBLISH, state=EvidenceState.ABSENT)
INVALID = Evidence(kind=PUBLISH, state=EvidenceState.INVALID, code=EvidenceCode.SIGNATURE)
EXCEPTION = '[[exception]]\npackage = "pypi:six{}"\nrule = "{}"\nreason = "looked at"\nexpires = {}\n'
PIN = """
[[package]]
name = "pypi:six"
[[package.identity]]
issuer = "https://issuer.example"
repository = "https://git.example/acme/six"
"""


def policy(text: str = "") -> Policy:
    return explicit_policy(parse_policy(f"version = 1\n{text}".encode(), path="guard.toml"))


def judge(facts: Facts, text: str = "") -> Decision:
    return evaluate_artifact(facts, policy(text), now=NOW)


def facts(*evidence: Evidence) -> Facts:
    return Facts(artifact=ARTIFACT, evidence=evidence)


def test_the_default_policy_allows_what_has_no_provenance_in_silence() -> None:
    assert evaluate_artifact(facts(ABSENT), Policy(), now=NOW) == Decision(verdict=Verdict.ALLOW)


@pytest.mark.parametrize(
    ("level", "verdict"),
    [
        (Level.BLOCK, Verdict.BLOCK),
        (Level.UNDECIDED, Verdict.UNDECIDED),
        (Level.WARN, Verdict.WARN),
        (Level.NOTE, Verdict.ALLOW),
    ],
)
def test_the_worst_finding_decides(level: Level, verdict: Verdict) -> None:
    note = Finding(rule=RuleId.HASH_WEAK, level=Level.NOTE, message="n")
    assert verdict_of([note, replace(note, level=level), note]) is verdict


def test_block_beats_undecided() -> None:
    given = replace(facts(INVALID), registry_problem="down")
    assert judge(given).verdict is Verdict.BLOCK


def test_an_exception_turns_its_finding_into_a_note_with_the_reason() -> None:
    decision = judge(facts(INVALID), EXCEPTION.format("", "provenance-invalid", "2026-06-01"))
    assert decision.verdict is Verdict.ALLOW
    (finding,) = decision.findings
    assert (finding.level, finding.rule) == (Level.NOTE, RuleId.PROVENANCE_INVALID)
    assert "(excepted until 2026-06-01: looked at)" in finding.message


@pytest.mark.parametrize(
    ("version", "rule", "expires", "verdict", "rules"),
    [
        ("", "provenance-invalid", "2026-05-31", Verdict.BLOCK, {"provenance-invalid", "exception-expired"}),
        ("==1.16", "provenance-invalid", "2027-01-01", Verdict.BLOCK, {"provenance-invalid"}),
        ("", "provenance", "2027-01-01", Verdict.BLOCK, {"provenance-invalid"}),
        ("", "statement-mismatch", "2027-01-01", Verdict.BLOCK, {"provenance-invalid"}),
        ("==1.17", "provenance-invalid", "2027-01-01", Verdict.ALLOW, {"provenance-invalid"}),
    ],
    ids=["expired", "other-version", "policy-key", "other-rule", "in-force"],
)
def test_only_an_exact_exception_in_force_lifts(
    version: str, rule: str, expires: str, verdict: Verdict, rules: set[str]
) -> None:
    decision = judge(facts(INVALID), EXCEPTION.format(version, rule, expires))
    assert decision.verdict is verdict
    assert {finding.rule.value for finding in decision.findings} == rules


def test_an_expired_exception_is_said_even_where_it_is_not_needed_any_more() -> None:
    decision = judge(facts(VERIFIED), EXCEPTION.format("", "provenance", "2026-05-31"))
    assert decision.verdict is Verdict.WARN


def test_a_policy_key_covers_its_missing_rule() -> None:
    text = '[policy]\nprovenance = "required"\n' + EXCEPTION.format("", "provenance", "2027-01-01")
    assert judge(facts(ABSENT), text).verdict is Verdict.ALLOW
    stripped = Evidence(kind=PUBLISH, state=EvidenceState.STRIPPED)
    assert judge(facts(stripped), text).verdict is Verdict.BLOCK


def test_every_rule_that_an_exception_can_name_is_a_rule_about_artifacts() -> None:
    assert set(RuleId) - RULES_WITHOUT_EXCEPTION == {rule.ID for rule in RULES} - {RuleId.EXCEPTION_EXPIRED}


ALLOW, WARN, UNDECIDED, BLOCK = (
    Decision(verdict=verdict) for verdict in (Verdict.ALLOW, Verdict.WARN, Verdict.UNDECIDED, Verdict.BLOCK)
)
NOTE_FINDING = Finding(rule=RuleId.POLICY_LOOSENED, level=Level.NOTE, message="n")


@pytest.mark.parametrize(
    ("decisions", "findings", "planned", "expected"),
    [
        pytest.param([], [], 0, Verdict.ALLOW, id="empty-plan"),
        pytest.param([], [], 1, Verdict.BLOCK, id="nothing-decided"),
        pytest.param([ALLOW], [], 2, Verdict.BLOCK, id="one-not-decided"),
        pytest.param([ALLOW, ALLOW], [], 1, Verdict.BLOCK, id="one-not-planned"),
        pytest.param([ALLOW, ALLOW], [], 2, Verdict.ALLOW, id="allow"),
        pytest.param([ALLOW, WARN], [], 2, Verdict.ALLOW, id="warn"),
        pytest.param([ALLOW, UNDECIDED], [], 2, Verdict.UNDECIDED, id="undecided"),
        pytest.param([UNDECIDED, BLOCK, ALLOW], [], 3, Verdict.BLOCK, id="block-beats-undecided"),
        pytest.param([ALLOW, Decision()], [], 2, Verdict.BLOCK, id="decision-of-nothing"),
        pytest.param([ALLOW], [NOTE_FINDING], 1, Verdict.ALLOW, id="run-note"),
        pytest.param([ALLOW], [replace(NOTE_FINDING, level=Level.WARN)], 1, Verdict.ALLOW, id="run-warning"),
        pytest.param([ALLOW], [replace(NOTE_FINDING, level=Level.UNDECIDED)], 1, Verdict.UNDECIDED, id="run-undecided"),
        pytest.param([], [replace(NOTE_FINDING, level=Level.BLOCK)], 0, Verdict.BLOCK, id="run-block"),
        pytest.param(
            [replace(ALLOW, findings=(replace(NOTE_FINDING, level=Level.UNDECIDED),))], [], 1, Verdict.BLOCK, id="lie"
        ),
    ],
)
def test_the_run(decisions: list[Decision], findings: list[Finding], planned: int, expected: Verdict) -> None:
    assert evaluate_run(decisions, findings, planned=planned) is expected


DIGESTS = [Digest("sha256", letter * 64) for letter in "ab"] + [Digest("md5", "a" * 32), Digest("sha512", "a" * 128)]
some_digests = st.lists(st.sampled_from(DIGESTS), max_size=2).map(tuple)
SETTINGS = ("", "slsa-level = 1\n", "slsa-level = 3\n", 'runner = ["github-hosted"]\n', 'triggers-denied = ["push"]\n')
policies = st.sampled_from(
    [
        policy(f"[policy]\n{mode}{settings}{pin}")
        for mode in ("", *(f'provenance = "{mode}"\n' for mode in ("required", "no-downgrade", "optional")))
        for settings in SETTINGS
        for pin in ("", PIN)
    ]
)


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    state = draw(st.sampled_from(EvidenceState))
    return Evidence(
        kind=draw(st.sampled_from([PUBLISH, EvidenceKind.SLSA_PROVENANCE])),
        state=state,
        code=draw(st.sampled_from(EvidenceCode)) if state is EvidenceState.INVALID else None,
        cause=draw(st.sampled_from(UnavailableCause)) if state is EvidenceState.UNAVAILABLE else None,
        claims=draw(st.sampled_from([OURS, THEIRS])) if state is EvidenceState.VERIFIED else None,
    )


all_facts = st.builds(
    Facts,
    artifact=st.builds(
        Artifact,
        ecosystem=st.just(Ecosystem.PYPI),
        name=st.just("six"),
        version=st.just("1.17.0"),
        file=st.just("six.whl"),
        source=st.sampled_from([SourceKind.REGISTRY, SourceKind.ALIAS]),
        pinned=some_digests,
    ),
    listed=some_digests,
    observed=some_digests,
    evidence=st.lists(evidences(), max_size=3).map(tuple),
    hashes_enforced=st.booleans(),
    registry_problem=st.sampled_from(["", "down"]),
)


@given(all_facts, policies)
def test_without_any_evidence_a_registry_artifact_is_never_installed(given_facts: Facts, asked: Policy) -> None:
    assert not evaluate_artifact(replace(given_facts, evidence=()), asked, now=NOW).verdict.installs


@given(all_facts, policies, st.data())
def test_losing_good_evidence_never_installs_what_was_stopped(
    given_facts: Facts, asked: Policy, data: st.DataObject
) -> None:
    good = [each for each in given_facts.evidence if each.claims is OURS]
    lost = data.draw(st.sets(st.sampled_from(good))) if good else set()
    states = [EvidenceState.ABSENT, EvidenceState.STRIPPED, EvidenceState.UNAVAILABLE, EvidenceState.INVALID]
    left = tuple(
        replace(each, state=data.draw(st.sampled_from(states)), claims=None) if each in lost else each
        for each in given_facts.evidence
    )
    before = evaluate_artifact(given_facts, asked, now=NOW).verdict
    after = evaluate_artifact(replace(given_facts, evidence=left), asked, now=NOW).verdict
    assert before.installs or not after.installs


@given(all_facts, policies)
def test_required_provenance_and_pins_install_nothing_unverified(given_facts: Facts, asked: Policy) -> None:
    rules = asked.for_package(Ecosystem.PYPI, "six", "1.17.0", now=NOW)
    decision = evaluate_artifact(given_facts, asked, now=NOW)
    if decision.verdict.installs and rules.needs_provenance:
        claims = [each.claims for each in given_facts.evidence if each.state is EvidenceState.VERIFIED]
        assert claims
        assert not rules.identities or OURS in claims


@given(st.lists(st.sampled_from(Level)), st.sampled_from(Level))
def test_another_finding_never_improves(present: list[Level], added: Level) -> None:
    findings = [replace(NOTE_FINDING, level=level) for level in present]
    more = [*findings, replace(NOTE_FINDING, level=added)]
    assert verdict_of(more) <= verdict_of(findings)
    assert evaluate_run([ALLOW], more, planned=1) <= evaluate_run([ALLOW], findings, planned=1)

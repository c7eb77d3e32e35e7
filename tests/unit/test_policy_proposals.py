"""Lines that guard proposes for guard.toml and guard.lock: whatever a certificate states, they parse and hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import tomli
from hypothesis import given
from hypothesis import strategies as st

from guard.model import (
    Artifact,
    Claims,
    Digest,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Finding,
    Level,
    RuleId,
)
from guard.policy.evaluate import evaluate_artifact
from guard.policy.identity_lock import parse_identity_lock
from guard.policy.next_steps import to_except
from guard.policy.policy import Policy
from guard.policy.proposals import propose_exceptions, propose_lock_entry, propose_pin, quoted, with_lines
from guard.policy.rule_by_rule import LOOKED_AT, explain_rules
from guard.policy.rules import RULES
from guard.policy.schema import parse_policy
from guard.report.text import printable
from guard.sigstore.issuers import GITHUB_ISSUER

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
DIGEST = Digest("sha256", "a" * 64)
ARTIFACT = Artifact(ecosystem=Ecosystem.PYPI, name="widget", version="1.0.0", file="w.whl", digests=(DIGEST,))
NPM = Artifact(ecosystem=Ecosystem.NPM, name="@acme/widget", version="1.0.0", digests=(Digest("sha512", "b" * 128),))
ACME = Claims(san="https://github.com/acme/widget/w.yml@v1", issuer=GITHUB_ISSUER)
ACME = replace(ACME, source_repository_uri="https://github.com/acme/widget", source_repository_identifier="7")

_words = st.one_of(st.text(min_size=1, max_size=30), st.sampled_from(['"\n[[exception]]', "\x1b[2J", "\u202e", "\x9b"]))
_claims = st.builds(
    Claims,
    san=_words,
    issuer=st.one_of(st.just(GITHUB_ISSUER), _words),
    source_repository_uri=st.one_of(st.none(), _words.map(lambda word: f"https://github.com/acme/{word}"), _words),
    source_repository_identifier=st.one_of(st.none(), _words),
    build_config_uri=st.one_of(st.none(), _words),
    build_signer_uri=st.one_of(st.none(), _words, _words.map(lambda word: f"https://git.example/{word}@main")),
)


def facts_of(artifact: Artifact, *claims: Claims, kind: EvidenceKind = EvidenceKind.SLSA_PROVENANCE) -> Facts:
    evidence = tuple(Evidence(kind=kind, state=EvidenceState.VERIFIED, claims=each) for each in claims)
    absent = Evidence(kind=kind, state=EvidenceState.ABSENT)
    return Facts(artifact=artifact, listed=artifact.digests, evidence=evidence or (absent,))


@given(st.text())
def test_every_text_is_written_as_one_printable_string(text: str) -> None:
    if any("\ud800" <= each <= "\udfff" for each in text):
        return
    written = quoted(text)
    assert written == printable(written)
    assert tomli.loads(f"value = {written}") == {"value": text}


@given(_claims, st.sampled_from([ARTIFACT, NPM]))
def test_a_pin_names_the_publisher_and_nobody_else(claims: Claims, artifact: Artifact) -> None:
    facts = facts_of(artifact, claims)
    pin = propose_pin(facts, Policy(), now=NOW)
    if pin is None:
        return
    assert pin.lines == "".join(f"{printable(line)}\n" for line in pin.lines.split("\n")[:-1])
    (entry,) = parse_policy(f"version = 1\n{pin.lines}".encode(), path="guard.toml").packages
    (identity,) = entry.identities
    assert (str(entry.name), identity.differences(claims)) == (f"{artifact.ecosystem.value}:{artifact.name}", ())
    assert identity.differences(replace(claims, source_repository_uri="https://git.example/x", san="x", issuer="x"))
    pinned = with_lines(Policy(), pin.lines)
    assert evaluate_artifact(facts, pinned, now=NOW).verdict is pin.verdict
    assert propose_pin(facts, pinned, now=NOW) is None


def test_a_github_publisher_is_pinned_by_what_stays_the_same() -> None:
    pin = propose_pin(facts_of(ARTIFACT, ACME), Policy(), now=NOW)
    assert pin is not None
    assert pin.lines == (
        '[[package]]\nname = "pypi:widget"\n\n[[package.identity]]\n'
        f'issuer = "{GITHUB_ISSUER}"\nrepository = "https://github.com/acme/widget"\nrepository-id = "7"\n'
    )
    reusable = replace(ACME, build_signer_uri="https://github.com/slsa/gen/x.yml@v2", build_config_uri="x")
    signed = propose_pin(facts_of(ARTIFACT, reusable), Policy(), now=NOW)
    assert signed is not None
    assert signed.lines == pin.lines + 'signer = "https://github.com/slsa/gen/x.yml"\n'


def test_two_publishers_are_pinned_both() -> None:
    other = replace(ACME, source_repository_uri="https://github.com/acme/other", source_repository_identifier="8")
    facts = facts_of(ARTIFACT, ACME, other, kind=EvidenceKind.PEP740_PUBLISH)
    pin = propose_pin(facts, Policy(), now=NOW)
    assert pin is not None
    assert pin.lines.count("[[package.identity]]") == 2
    assert pin.verdict.installs


def test_who_is_blocked_is_not_proposed_as_a_pin() -> None:
    facts = replace(facts_of(ARTIFACT, ACME), registry_problem="away")
    assert propose_pin(facts, Policy(), now=NOW) is None
    assert propose_pin(facts_of(ARTIFACT), Policy(), now=NOW) is None


@given(st.sets(st.sampled_from(RuleId), max_size=5), st.sampled_from([ARTIFACT, NPM]))
def test_exceptions_name_every_rule_that_can_be_excepted(rules: set[RuleId], artifact: Artifact) -> None:
    findings = [Finding(rule=rule, level=Level.BLOCK, message="") for rule in sorted(rules)]
    proposal = propose_exceptions(facts_of(artifact), findings, Policy(), now=NOW)
    excepted = () if proposal is None else proposal.rules
    never = {
        RuleId.COMMAND_NOT_GUARDED,
        RuleId.EXCEPTION_EXPIRED,
        RuleId.POLICY_LOOSENED,
        RuleId.LOCK_ENTRY_UNREADABLE,
        RuleId.IDENTITY_LOCK_CHANGED,
        RuleId.INSTALLED_DIFFERS,
        RuleId.REGISTRY_UNAVAILABLE,
    }
    assert set(excepted) == rules - never
    if proposal is not None:
        entries = parse_policy(f"version = 1\n{proposal.lines}".encode(), path="guard.toml").exceptions
        assert {entry.rule for entry in entries} == set(excepted)
        assert all(entry.package.matches(artifact.ecosystem, artifact.name, "1.0.0") for entry in entries)


def test_what_blocks_is_excepted_before_what_warns() -> None:
    warning = Finding(rule=RuleId.YANKED, level=Level.WARN, message="")
    block = Finding(rule=RuleId.HASH_WEAK, level=Level.BLOCK, message="")
    for findings, rules in (([warning], (RuleId.YANKED,)), ([warning, block], (RuleId.HASH_WEAK,))):
        proposal = propose_exceptions(facts_of(ARTIFACT), findings, Policy(), now=NOW)
        assert proposal is not None
        assert proposal.rules == rules
    note = replace(warning, level=Level.NOTE)
    assert propose_exceptions(facts_of(ARTIFACT), [note], Policy(), now=NOW) is None
    assert propose_exceptions(replace(facts_of(ARTIFACT), listed=()), [block], Policy(), now=NOW) is None


@given(_claims, st.sampled_from([ARTIFACT, NPM]))
def test_an_entry_of_guard_lock_parses_and_knows_the_publisher_again(claims: Claims, artifact: Artifact) -> None:
    facts = facts_of(artifact, claims)
    entry = propose_lock_entry(facts, Policy(), now=NOW)
    if entry is None:
        return
    lock = parse_identity_lock(f"version = 1\n{entry.lines}".encode(), path="guard.lock")
    locked = replace(Policy(), identity_lock=lock)
    assert evaluate_artifact(facts, locked, now=NOW).verdict is entry.verdict
    assert propose_lock_entry(facts, locked, now=NOW) is None


def test_every_rule_says_what_it_looked_at() -> None:
    assert set(LOOKED_AT) == {rule.ID for rule in RULES}


def test_what_nobody_looked_at_is_not_said_to_pass() -> None:
    facts = Facts(artifact=replace(ARTIFACT, digests=()))
    asked = Policy().for_package(Ecosystem.PYPI, "widget", "1.0.0", now=NOW)
    said = {each.rule: each for each in explain_rules(facts, asked)}
    judged = {rule for rule, outcome in said.items() if outcome.judged}
    assert judged == {
        RuleId.SOURCE_NOT_ALLOWED,
        RuleId.PROVENANCE_UNAVAILABLE,
        RuleId.REGISTRY_UNAVAILABLE,
        RuleId.SDIST_NOT_ALLOWED,
    }
    assert said[RuleId.PROVENANCE_UNAVAILABLE].level is Level.UNDECIDED
    verified = {each.rule for each in explain_rules(facts_of(ARTIFACT, ACME), asked) if each.looked_at}
    assert {RuleId.PROVENANCE_INVALID, RuleId.STATEMENT_MISMATCH, RuleId.IDENTITY_MISMATCH} <= verified


def test_a_command_to_copy_is_quoted() -> None:
    hostile = replace(NPM, name="$(id)", version="1.0.0;reboot")
    assert to_except(hostile).endswith(": guard explain 'npm:$(id)@1.0.0;reboot'")

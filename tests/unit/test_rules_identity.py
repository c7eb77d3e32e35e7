"""The rules about publishers and lost provenance, each at its edges; the histories show them at work."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from guard.model import (
    Artifact,
    Claims,
    Digest,
    EarlierRelease,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Level,
    RuleId,
    SourceKind,
    UnavailableCause,
)
from guard.policy.downgrade import find_loss, is_young
from guard.policy.identity import IdentityPin
from guard.policy.identity_lock import LockedIdentity
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import provenance_state
from guard.policy.publisher import publisher_of
from guard.policy.rules import RULES
from guard.policy.settings import IdentityMode, ProvenanceMode, SoftFact

NOW = datetime(2026, 7, 1, tzinfo=timezone.utc)
DEFAULT = PackagePolicy(now=NOW)
ISSUER = "https://token.actions.githubusercontent.com"
ARTIFACT = Artifact(ecosystem=Ecosystem.PYPI, name="widget", version="1.1.0", file="widget-1.1.0.tar.gz")
PUBLISH, SLSA = EvidenceKind.PEP740_PUBLISH, EvidenceKind.SLSA_PROVENANCE
ABSENT = Evidence(kind=PUBLISH, state=EvidenceState.ABSENT)
WORD = Evidence(kind=EvidenceKind.NPM_PUBLISH, state=EvidenceState.VERIFIED, registry="https://r.example", key_id="k")


def claims(repository_id: str = "1", **more: str) -> Claims:
    repository = "https://github.com/acme/widget"
    return Claims(
        san="s",
        issuer=ISSUER,
        source_repository_uri=repository,
        source_repository_identifier=repository_id,
        build_config_uri=f"{repository}/.github/workflows/release.yml@refs/tags/v1",
        build_signer_uri=f"{repository}/.github/workflows/release.yml@refs/tags/v1",
        source_repository_ref="refs/tags/v1",
        **more,  # type: ignore[arg-type]
    )


def verified(of: Claims, kind: EvidenceKind = PUBLISH, days_ago: int = 1) -> Evidence:
    at = NOW - timedelta(days=days_ago)
    return Evidence(kind=kind, state=EvidenceState.VERIFIED, claims=of, signed_at=at)


OURS, THEIRS = claims(), claims("2")
LOCKED = replace(
    DEFAULT,
    locked=(LockedIdentity(publisher=publisher_of(OURS), first_seen="1.0.0", digest=Digest("sha256", "a" * 64)),),
)
PINNED = replace(DEFAULT, identities=(IdentityPin(issuer=ISSUER, repository="https://github.com/acme/widget"),))
BEFORE = EarlierRelease(version="1.0.0", is_same_line=True)
VERIFIED_BEFORE = replace(BEFORE, evidence=(verified(OURS, days_ago=99),))


def facts(
    *evidence: Evidence, earlier: EarlierRelease | None = None, days_ago: int | None = 1, **more: object
) -> Facts:
    at = None if days_ago is None else NOW - timedelta(days=days_ago)
    return Facts(artifact=ARTIFACT, evidence=evidence, published_at=at, earlier=earlier, **more)  # type: ignore[arg-type]


def levels(rule: RuleId, given: Facts, policy: PackagePolicy = DEFAULT) -> list[Level]:
    (module,) = (each for each in RULES if rule is each.ID)
    return [finding.level for finding in module.check(given, policy)]


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        (facts(verified(OURS)), LOCKED, []),
        (facts(verified(THEIRS)), LOCKED, [Level.BLOCK]),
        (facts(verified(THEIRS), days_ago=99, is_locked=True), LOCKED, [Level.BLOCK]),
        (facts(verified(THEIRS)), DEFAULT, []),
        # One good attestation beside a foreign one is no pass; a second builder's word beside the publisher's is none.
        (facts(verified(OURS), verified(THEIRS)), LOCKED, [Level.BLOCK]),
        (facts(verified(OURS), verified(THEIRS, SLSA)), LOCKED, []),
        (facts(verified(THEIRS, SLSA)), LOCKED, [Level.BLOCK]),
        (facts(verified(OURS, SLSA), verified(THEIRS)), LOCKED, [Level.BLOCK]),
        (facts(verified(THEIRS), earlier=VERIFIED_BEFORE), DEFAULT, [Level.BLOCK]),
        (facts(verified(OURS), earlier=VERIFIED_BEFORE), DEFAULT, []),
        (facts(verified(THEIRS), earlier=VERIFIED_BEFORE, is_locked=True), DEFAULT, [Level.WARN]),
        (facts(verified(THEIRS), earlier=VERIFIED_BEFORE), PINNED, [Level.NOTE]),
        (facts(verified(THEIRS), earlier=replace(VERIFIED_BEFORE, is_same_line=False)), DEFAULT, [Level.WARN]),
        (facts(verified(OURS), earlier=replace(BEFORE, problem="an outage")), DEFAULT, [Level.NOTE]),
        (facts(verified(OURS), earlier=replace(BEFORE, problem="an outage")), LOCKED, []),
        (facts(ABSENT, earlier=BEFORE), DEFAULT, []),
    ],
)
def test_another_publisher(given: Facts, policy: PackagePolicy, expected: list[Level]) -> None:
    assert levels(RuleId.IDENTITY_CHANGED, given, policy) == expected


def test_a_publisher_may_be_any_of_those_that_are_recorded() -> None:
    second = replace(LOCKED.locked[0], publisher=publisher_of(THEIRS))
    both = replace(LOCKED, locked=(*LOCKED.locked, second))
    for each in (OURS, THEIRS):
        assert levels(RuleId.IDENTITY_CHANGED, facts(verified(each)), both) == []
    assert levels(RuleId.IDENTITY_CHANGED, facts(verified(claims("3"))), both) == [Level.BLOCK]


def test_a_soft_fact_warns_and_is_hard_where_the_policy_says_so() -> None:
    drifted = facts(verified(replace(OURS, build_trigger="release", runner_environment="self-hosted")))
    recorded = replace(LOCKED.locked[0], publisher=replace(LOCKED.locked[0].publisher, trigger="push"))
    policy = replace(LOCKED, locked=(recorded,))
    assert levels(RuleId.IDENTITY_DRIFT, drifted, policy) == [Level.WARN]
    strict = replace(policy, identity_strict=frozenset({SoftFact.TRIGGER}))
    assert levels(RuleId.IDENTITY_CHANGED, drifted, strict) == [Level.BLOCK]
    assert levels(RuleId.IDENTITY_DRIFT, drifted, strict) == []


def test_drift_from_the_release_before_is_a_note_and_none_beside_a_lock() -> None:
    given = facts(verified(replace(OURS, deployment_environment="pypi")), earlier=VERIFIED_BEFORE)
    assert levels(RuleId.IDENTITY_DRIFT, given) == [Level.NOTE]
    assert levels(RuleId.IDENTITY_DRIFT, given, LOCKED) == [Level.WARN]


def test_an_identity_is_asked_for_only_where_the_policy_does() -> None:
    asked = replace(DEFAULT, identity=IdentityMode.REQUIRED)
    pin = IdentityPin(issuer=ISSUER, repository_id="1")
    assert levels(RuleId.IDENTITY_MISSING, facts(verified(OURS))) == []
    assert levels(RuleId.IDENTITY_MISSING, facts(verified(OURS)), asked) == [Level.BLOCK]
    for known in ({"locked": LOCKED.locked}, {"identities": (pin,)}, {"lock_pins": (pin,)}):
        assert levels(RuleId.IDENTITY_MISSING, facts(verified(OURS)), replace(asked, **known)) == []
    local = replace(facts(), artifact=replace(ARTIFACT, source=SourceKind.LOCAL))
    assert levels(RuleId.IDENTITY_MISSING, local, asked) == []


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        (facts(ABSENT), DEFAULT, []),
        (facts(ABSENT), LOCKED, [Level.BLOCK]),
        (facts(ABSENT, days_ago=99, is_locked=True), LOCKED, [Level.BLOCK]),
        (facts(WORD), LOCKED, [Level.BLOCK]),
        (facts(ABSENT), replace(LOCKED, provenance=ProvenanceMode.OPTIONAL), [Level.BLOCK]),
        (facts(ABSENT, earlier=BEFORE), DEFAULT, [Level.BLOCK]),
        (facts(WORD, earlier=BEFORE), DEFAULT, [Level.BLOCK]),
        (facts(ABSENT, earlier=BEFORE, days_ago=29), DEFAULT, [Level.BLOCK]),
        (facts(ABSENT, earlier=BEFORE, days_ago=30), DEFAULT, [Level.WARN]),
        (facts(ABSENT, earlier=BEFORE, is_locked=True), DEFAULT, [Level.WARN]),
        (facts(ABSENT, earlier=BEFORE), replace(DEFAULT, provenance=ProvenanceMode.OPTIONAL), [Level.WARN]),
        (facts(ABSENT, earlier=BEFORE), replace(DEFAULT, downgrade_window=timedelta(hours=1)), [Level.WARN]),
        # Nobody says how old it is: a default passes with a warning, a window that the user wrote blocks.
        (facts(ABSENT, earlier=BEFORE, days_ago=None), DEFAULT, [Level.WARN]),
        (
            facts(ABSENT, earlier=BEFORE, days_ago=None),
            replace(DEFAULT, written=frozenset({"downgrade-window"})),
            [Level.BLOCK],
        ),
        (facts(ABSENT, earlier=replace(BEFORE, is_same_line=False)), DEFAULT, [Level.WARN]),
        (facts(ABSENT, earlier=replace(BEFORE, is_same_line=False), days_ago=99), DEFAULT, []),
        (facts(ABSENT, attested_beside="widget.whl"), DEFAULT, [Level.WARN]),
        (
            facts(ABSENT, attested_beside="widget.whl"),
            replace(DEFAULT, provenance=ProvenanceMode.REQUIRED),
            [Level.BLOCK],
        ),
        (facts(verified(OURS), earlier=BEFORE), LOCKED, []),
        (facts(earlier=BEFORE), LOCKED, []),
        (facts(Evidence(kind=PUBLISH, state=EvidenceState.UNAVAILABLE), earlier=BEFORE), DEFAULT, []),
    ],
)
def test_lost_provenance(given: Facts, policy: PackagePolicy, expected: list[Level]) -> None:
    assert levels(RuleId.PROVENANCE_STRIPPED, given, policy) == expected


def test_what_is_lost_is_not_missing_besides() -> None:
    required = replace(DEFAULT, provenance=ProvenanceMode.REQUIRED)
    given = facts(ABSENT, earlier=BEFORE)
    assert levels(RuleId.PROVENANCE_MISSING, given, required) == []
    assert levels(RuleId.PROVENANCE_STRIPPED, given, required) == [Level.BLOCK]
    assert provenance_state(given) is EvidenceState.STRIPPED
    assert provenance_state(replace(given, earlier=replace(BEFORE, is_same_line=False))) is EvidenceState.ABSENT
    assert provenance_state(facts(verified(OURS), earlier=BEFORE)) is EvidenceState.VERIFIED


def test_where_guard_lock_names_a_publisher_no_evidence_is_no_answer() -> None:
    not_served = Evidence(kind=PUBLISH, state=EvidenceState.UNAVAILABLE, cause=UnavailableCause.NOT_SERVED)
    outage = replace(not_served, cause=UnavailableCause.OUTAGE)
    optional = replace(LOCKED, provenance=ProvenanceMode.OPTIONAL)
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(not_served)) == [Level.NOTE]
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(not_served), LOCKED) == [Level.UNDECIDED]
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(outage), optional) == [Level.UNDECIDED]


def test_the_later_of_the_two_times_says_how_young_a_release_is() -> None:
    """A registry may say any time; when something was signed is proved."""
    assert is_young(facts(verified(OURS, days_ago=1), days_ago=99), DEFAULT) is True
    assert is_young(facts(verified(OURS, days_ago=99), days_ago=1), DEFAULT) is True
    assert is_young(facts(verified(OURS, days_ago=99), days_ago=None), DEFAULT) is False
    assert is_young(facts(ABSENT, days_ago=None), DEFAULT) is None


def test_taking_evidence_away_turns_no_block_into_an_allow() -> None:
    for policy in (DEFAULT, LOCKED):
        for is_locked in (False, True):
            stolen = facts(verified(THEIRS), earlier=VERIFIED_BEFORE, is_locked=is_locked)
            bare = facts(ABSENT, earlier=BEFORE, is_locked=is_locked)
            (changed,) = levels(RuleId.IDENTITY_CHANGED, stolen, policy)
            loss = find_loss(bare, policy)
            assert loss is not None
            assert loss.level <= changed

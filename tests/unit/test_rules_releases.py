"""Rules about how and when a release was made: SLSA level, runner, trigger, age, yanked, source distributions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from guard.constants import PYPI_SIMPLE_URL
from guard.model import Ecosystem, Evidence, Facts, Level, RuleId, SourceKind
from guard.policy.patterns import PackagePattern
from guard.policy.policy import PackagePolicy
from guard.policy.rules import RULES
from guard.policy.settings import LockedAgeMode, ProvenanceMode, RuleMode, SdistMode
from guard.sigstore.issuers import GITHUB_ISSUER
from tests.unit.test_rules_each import (
    ABSENT,
    ARTIFACT,
    BLOCK,
    DEFAULT,
    NO_SLSA,
    NOT_SERVED,
    NOTE,
    OURS,
    OUTAGE,
    PUBLISH,
    REPOSITORY,
    SLSA,
    STRIPPED,
    UNDECIDED,
    WARN,
    facts,
    levels,
    npm_facts,
    verified,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGED = replace(DEFAULT, now=NOW)
PUBLIC = replace(ARTIFACT, origin=PYPI_SIMPLE_URL)


def signed(**claims: str | None) -> Evidence:
    return verified(replace(OURS, **claims), SLSA)  # type: ignore[arg-type]


def asks(*keys: str, **settings: object) -> PackagePolicy:
    """Return a policy with settings of which the user wrote some."""
    return replace(AGED, written=frozenset(keys), **settings)  # type: ignore[arg-type]


LEVEL_1 = signed(build_signer_uri=f"{REPOSITORY}/w.yml@refs/heads/main")
LEVEL_2 = signed(issuer=GITHUB_ISSUER, build_signer_uri=f"{REPOSITORY}/w.yml@refs/heads/main")


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        pytest.param(facts(LEVEL_1), 0, [], id="default"),
        pytest.param(facts(LEVEL_1), 1, [], id="reached"),
        pytest.param(facts(LEVEL_1), 2, BLOCK, id="below"),
        pytest.param(facts(LEVEL_2), 2, [], id="hosted"),
        pytest.param(facts(LEVEL_2), 3, BLOCK, id="not-isolated"),
        pytest.param(facts(LEVEL_1, LEVEL_2), 2, [], id="best-of-several"),
        pytest.param(facts(replace(LEVEL_2, kind=PUBLISH)), 1, BLOCK, id="who-published-did-not-say-who-built"),
        pytest.param(facts(ABSENT), 1, [], id="missing-has-its-rule"),
        pytest.param(facts(OUTAGE), 1, [], id="unavailable-has-its-rule"),
    ],
)
def test_slsa_level(given: Facts, asked: int, expected: list[Level]) -> None:
    assert levels(RuleId.SLSA_LEVEL, given, replace(AGED, slsa_level=asked)) == expected


@pytest.mark.parametrize(
    ("rule", "key", "bad", "none"),
    [
        (RuleId.RUNNER_NOT_ACCEPTED, "runner", {"runner_environment": "self-hosted"}, {"runner_environment": None}),
        (RuleId.TRIGGER_DENIED, "triggers-denied", {"build_trigger": "workflow_run"}, {"build_trigger": None}),
    ],
    ids=["runner", "trigger"],
)
def test_claims_about_the_build(
    rule: RuleId, key: str, bad: dict[str, str | None], none: dict[str, str | None]
) -> None:
    good, wrong, unsaid = facts(signed()), facts(signed(**bad)), facts(signed(**none))
    written, hosted = asks(key), replace(AGED, slsa_level=2)
    assert [levels(rule, good, policy) for policy in (AGED, written, hosted)] == [[], [], []]
    assert [levels(rule, wrong, policy) for policy in (AGED, written, hosted)] == [WARN, BLOCK, BLOCK]
    assert [levels(rule, unsaid, policy) for policy in (AGED, written, hosted)] == [NOTE, BLOCK, NOTE]
    assert levels(rule, facts(verified(None)), written) == BLOCK
    assert levels(rule, facts(signed(**bad), replace(signed(**bad), kind=PUBLISH)), AGED) == WARN  # said once
    assert levels(rule, facts(ABSENT), written) == []  # missing provenance has its rule


def test_lists_of_the_users_own_replace_the_default_ones() -> None:
    own = signed(runner_environment="self-hosted", build_trigger="schedule")
    asked = asks(
        "runner", "triggers-denied", runner=frozenset({"self-hosted"}), triggers_denied=frozenset({"schedule"})
    )
    assert levels(RuleId.RUNNER_NOT_ACCEPTED, facts(own), asked) == []
    assert levels(RuleId.TRIGGER_DENIED, facts(own), asked) == BLOCK
    assert levels(RuleId.RUNNER_NOT_ACCEPTED, facts(signed()), asked) == BLOCK


@pytest.mark.parametrize(
    "policy",
    [replace(AGED, slsa_level=1), asks("runner"), asks("triggers-denied")],
    ids=["slsa-level", "runner", "triggers-denied"],
)
def test_what_only_provenance_can_show_makes_it_required(policy: PackagePolicy) -> None:
    optional = replace(policy, provenance=ProvenanceMode.OPTIONAL)
    for asked in (policy, optional):
        assert levels(RuleId.PROVENANCE_MISSING, facts(ABSENT), asked) == BLOCK
        assert levels(RuleId.PROVENANCE_STRIPPED, facts(STRIPPED), asked) == BLOCK
        assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(OUTAGE), asked) == UNDECIDED
        assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(NOT_SERVED), asked) == UNDECIDED
        assert levels(RuleId.PROVENANCE_MISSING, facts(ABSENT, source=SourceKind.LOCAL), asked) == []


def aged(age: timedelta | None, **changes: object) -> Facts:
    published_at = None if age is None else NOW - age
    return replace(Facts(artifact=PUBLIC, published_at=published_at), **changes)  # type: ignore[arg-type]


OTHER = replace(PUBLIC, origin="https://index.example/simple")


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        pytest.param(aged(DAY), AGED, [], id="just-old-enough"),
        pytest.param(aged(DAY - HOUR), AGED, BLOCK, id="young"),
        pytest.param(aged(-HOUR), AGED, BLOCK, id="of-the-future"),
        pytest.param(aged(1000 * DAY), DEFAULT, BLOCK, id="no-clock"),
        pytest.param(aged(HOUR), replace(AGED, min_age=timedelta()), [], id="turned-off"),
        pytest.param(aged(6 * DAY), replace(AGED, min_age=7 * DAY), BLOCK, id="longer"),
        pytest.param(aged(HOUR, is_locked=True), AGED, NOTE, id="locked"),
        pytest.param(
            aged(HOUR, is_locked=True), replace(AGED, min_age_locked=LockedAgeMode.WARN), WARN, id="locked-warn"
        ),
        pytest.param(
            aged(HOUR, is_locked=True), replace(AGED, min_age_locked=LockedAgeMode.BLOCK), BLOCK, id="locked-block"
        ),
        pytest.param(aged(None), AGED, NOTE, id="no-time"),
        pytest.param(aged(None), asks("min-age"), BLOCK, id="no-time-written"),
        pytest.param(aged(None, is_locked=True), asks("min-age"), [], id="no-time-written-locked"),
        pytest.param(
            aged(None, is_locked=True),
            asks("min-age", min_age_locked=LockedAgeMode.WARN),
            WARN,
            id="no-time-written-locked-warn",
        ),
        pytest.param(aged(None, registry_problem="503"), asks("min-age"), [], id="an-outage-has-its-rule"),
        pytest.param(aged(None, bytes_problem="cut"), asks("min-age"), [], id="a-forgery-has-its-rule"),
        pytest.param(aged(HOUR, artifact=OTHER), AGED, [], id="private-index"),
        pytest.param(aged(HOUR, artifact=OTHER), asks("min-age"), NOTE, id="private-index-written"),
        pytest.param(
            aged(HOUR, artifact=OTHER),
            replace(AGED, min_age_registries=frozenset({"index.example/simple"})),
            BLOCK,
            id="private-index-named",
        ),
        pytest.param(aged(HOUR, artifact=replace(PUBLIC, origin=None)), AGED, [], id="from-nowhere"),
        pytest.param(
            aged(HOUR),
            replace(AGED, min_age_exclude=frozenset({PackagePattern(Ecosystem.PYPI, "s*")})),
            [],
            id="excluded",
        ),
        pytest.param(
            aged(HOUR),
            replace(AGED, min_age_exclude=frozenset({PackagePattern(Ecosystem.NPM, "six")})),
            BLOCK,
            id="another-excluded",
        ),
        pytest.param(aged(HOUR, artifact=replace(PUBLIC, source=SourceKind.LOCAL)), AGED, [], id="own-project"),
        pytest.param(aged(HOUR, artifact=replace(PUBLIC, source=SourceKind.ALIAS)), AGED, BLOCK, id="alias"),
    ],
)
def test_release_too_new(given: Facts, policy: PackagePolicy, expected: list[Level]) -> None:
    assert levels(RuleId.RELEASE_TOO_NEW, given, policy) == expected


def test_a_release_that_is_too_new_says_until_when() -> None:
    (module,) = (each for each in RULES if each.ID is RuleId.RELEASE_TOO_NEW)
    (finding,) = module.check(aged(HOUR), AGED)
    assert finding.message.endswith('is younger than min-age = "24h"; it is old enough on 2026-06-02 11:00 UTC')


@pytest.mark.parametrize(
    ("mode", "free", "locked"), [(RuleMode.BLOCK, BLOCK, WARN), (RuleMode.WARN, WARN, WARN), (RuleMode.OFF, [], [])]
)
def test_yanked(mode: RuleMode, free: list[Level], locked: list[Level]) -> None:
    policy = replace(DEFAULT, yanked=mode)
    for reason in ("", "broken"):
        given = replace(facts(ABSENT), yanked=reason)
        assert levels(RuleId.YANKED, given, policy) == free
        assert levels(RuleId.YANKED, replace(given, is_locked=True), policy) == locked
    assert levels(RuleId.YANKED, facts(ABSENT), policy) == []
    deprecated = replace(npm_facts(NO_SLSA), deprecated="use seven")
    assert levels(RuleId.YANKED, deprecated, policy) == ([] if mode is RuleMode.OFF else NOTE)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(facts(), BLOCK, id="sdist"),
        pytest.param(replace(facts(), is_locked=True), BLOCK, id="locked-sdist"),
        pytest.param(facts(file="six-1.17.0.ZIP"), BLOCK, id="zip"),
        pytest.param(facts(file="six-1.17.0-py3-none-any.whl"), [], id="wheel"),
        pytest.param(facts(source=SourceKind.URL_HASHED), BLOCK, id="from-a-url"),
        pytest.param(facts(source=SourceKind.LOCAL), [], id="own-project"),
        pytest.param(facts(file=None), [], id="no-file"),
        pytest.param(npm_facts(file="six-1.17.0.tgz"), [], id="npm"),
    ],
)
def test_sdist_not_allowed(given: Facts, expected: list[Level]) -> None:
    assert levels(RuleId.SDIST_NOT_ALLOWED, given, replace(DEFAULT, sdist=SdistMode.BLOCK)) == expected
    assert levels(RuleId.SDIST_NOT_ALLOWED, given) == []

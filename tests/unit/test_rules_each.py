"""Each rule alone: what it finds, how bad it is, and where it keeps silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

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
    Location,
    RuleId,
    SourceKind,
    UnavailableCause,
)
from guard.policy.identity import IdentityPin
from guard.policy.patterns import PackageRelease
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import provenance_state, rule_of_invalid
from guard.policy.rules import RULES
from guard.policy.schema import RULES_WITHOUT_EXCEPTION, ExceptionEntry
from guard.policy.settings import InstallScriptsMode, ProvenanceMode, RegistrySignatureMode, RuleMode

A, B, C = (Digest("sha256", letter * 64) for letter in "abc")
A512, MD5, OTHER_MD5 = Digest("sha512", "a" * 128), Digest("md5", "a" * 32), Digest("md5", "b" * 32)
B512, SHA1 = Digest("sha512", "b" * 128), Digest("sha1", "a" * 40)
ISSUER = "https://issuer.example"
REPOSITORY = "https://git.example/acme/six"
PLACE = Location("requirements.txt", 3)
ARTIFACT = Artifact(
    ecosystem=Ecosystem.PYPI,
    name="six",
    version="1.17.0",
    file="six-1.17.0.tar.gz",
    origin="https://index.example/simple/",
    location=PLACE,
)
NPM_ARTIFACT = Artifact(
    ecosystem=Ecosystem.NPM,
    name="@acme/six",
    version="1.17.0",
    origin="https://registry.example/",
    location=Location("package-lock.json", 7),
)
PUBLISH, SLSA = EvidenceKind.PEP740_PUBLISH, EvidenceKind.SLSA_PROVENANCE
NPM_PUBLISH, SIGNATURE = EvidenceKind.NPM_PUBLISH, EvidenceKind.NPM_SIGNATURE
OURS = Claims(
    san="s", issuer=ISSUER, source_repository_uri=REPOSITORY, runner_environment="github-hosted", build_trigger="push"
)
THEIRS = Claims(san="s", issuer=ISSUER, source_repository_uri="https://git.example/evil/six")
PINNED = PackagePolicy(identities=(IdentityPin(issuer=ISSUER, repository=REPOSITORY),))
DEFAULT = PackagePolicy()
REQUIRED = PackagePolicy(provenance=ProvenanceMode.REQUIRED)
OPTIONAL = PackagePolicy(provenance=ProvenanceMode.OPTIONAL)
WRITTEN = PackagePolicy(written=frozenset({"provenance"}))
WRITTEN_OPTIONAL = replace(OPTIONAL, written=frozenset({"provenance"}))
SIGNED, UNSIGNED = (
    PackagePolicy(registry_signature=mode) for mode in (RegistrySignatureMode.REQUIRED, RegistrySignatureMode.OFF)
)


def verified(claims: Claims | None = OURS, kind: EvidenceKind = PUBLISH) -> Evidence:
    return Evidence(kind=kind, state=EvidenceState.VERIFIED, claims=claims)


def invalid(code: EvidenceCode | None) -> Evidence:
    return Evidence(kind=PUBLISH, state=EvidenceState.INVALID, code=code, reason="because")


def unavailable(cause: UnavailableCause | None, kind: EvidenceKind = PUBLISH, reason: str = "") -> Evidence:
    return Evidence(kind=kind, state=EvidenceState.UNAVAILABLE, cause=cause, reason=reason)


def signature(state: EvidenceState, code: EvidenceCode | None = None) -> Evidence:
    return Evidence(kind=SIGNATURE, state=state, code=code, reason="because")


ABSENT = Evidence(kind=PUBLISH, state=EvidenceState.ABSENT)
STRIPPED = Evidence(kind=PUBLISH, state=EvidenceState.STRIPPED, reason="the index announces it")
OUTAGE, DENIED, NOT_SERVED, UNSUPPORTED = (unavailable(cause) for cause in UnavailableCause)
# npm's own publish attestations: signed with a bare key, for which there is no verifier yet.
KEY_SIGNED = unavailable(UnavailableCause.UNSUPPORTED, NPM_PUBLISH, "it is signed with a bare key")
NO_SLSA = Evidence(kind=SLSA, state=EvidenceState.ABSENT)


def facts(*evidence: Evidence, **artifact: object) -> Facts:
    return Facts(artifact=replace(ARTIFACT, **artifact), evidence=evidence)  # type: ignore[arg-type]


def hashes(
    pinned: tuple[Digest, ...] = (),
    listed: tuple[Digest, ...] = (),
    observed: tuple[Digest, ...] = (),
    source: SourceKind = SourceKind.REGISTRY,
    digests: tuple[Digest, ...] = (),
) -> Facts:
    artifact = replace(ARTIFACT, pinned=pinned, source=source, digests=digests)
    return Facts(artifact=artifact, listed=listed, observed=observed, evidence=(ABSENT,))


def npm_facts(*evidence: Evidence, **artifact: object) -> Facts:
    return Facts(artifact=replace(NPM_ARTIFACT, **artifact), evidence=evidence)  # type: ignore[arg-type]


def levels(rule: RuleId, given: Facts, policy: PackagePolicy = DEFAULT) -> list[Level]:
    (module,) = (each for each in RULES if rule is each.ID)
    findings = list(module.check(given, policy))
    assert all(finding.rule is rule and finding.message for finding in findings)
    return [finding.level for finding in findings]


BLOCK, UNDECIDED, WARN, NOTE = [Level.BLOCK], [Level.UNDECIDED], [Level.WARN], [Level.NOTE]
MODES = {mode: PackagePolicy(hashes=mode) for mode in RuleMode}


def test_every_rule_about_artifacts_is_registered_once() -> None:
    ids = [rule.ID for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert set(RuleId) - set(ids) == RULES_WITHOUT_EXCEPTION - {RuleId.EXCEPTION_EXPIRED}


def test_an_ordinary_artifact_is_silent() -> None:
    given = replace(hashes((A, B), (A,), (A, A512)), evidence=(verified(), verified(kind=SLSA)))
    assert [finding for rule in RULES for finding in rule.check(given, PINNED)] == []


@pytest.mark.parametrize(("mode", "expected"), [(RuleMode.BLOCK, BLOCK), (RuleMode.WARN, WARN), (RuleMode.OFF, [])])
def test_hash_rules_follow_the_setting(mode: RuleMode, expected: list[Level]) -> None:
    assert levels(RuleId.HASH_MISSING, replace(facts(ABSENT), hashes_enforced=True), MODES[mode]) == expected
    assert levels(RuleId.HASH_WEAK, hashes((MD5,)), MODES[mode]) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(facts(), [], id="nothing-enforced"),
        pytest.param(replace(facts(), hashes_enforced=True), BLOCK, id="hole"),
        pytest.param(replace(facts(pinned=(A,)), hashes_enforced=True), [], id="pinned"),
        pytest.param(replace(facts(source=SourceKind.LOCAL), hashes_enforced=True), [], id="own-project"),
        pytest.param(replace(facts(source=SourceKind.VCS_PINNED), hashes_enforced=True), [], id="commit"),
        pytest.param(replace(facts(source=SourceKind.PATH), hashes_enforced=True), BLOCK, id="file-by-path"),
        pytest.param(replace(facts(source=SourceKind.PATH, file=None), hashes_enforced=True), [], id="folder"),
        pytest.param(replace(facts(file=None), hashes_enforced=True), BLOCK, id="registry-without-file-name"),
        pytest.param(replace(facts(source=SourceKind.ALIAS), hashes_enforced=True), BLOCK, id="alias"),
        pytest.param(replace(npm_facts(), hashes_enforced=True), BLOCK, id="npm"),
        pytest.param(replace(npm_facts(source=SourceKind.BUNDLED), hashes_enforced=True), [], id="npm-bundled"),
    ],
)
def test_hash_missing(given: Facts, expected: list[Level]) -> None:
    assert levels(RuleId.HASH_MISSING, given) == expected


def test_hash_missing_names_the_line_to_write() -> None:
    (module,) = (each for each in RULES if each.ID is RuleId.HASH_MISSING)
    (finding,) = module.check(replace(facts(), hashes_enforced=True, listed=(A,)), DEFAULT)
    assert (finding.next, finding.location) == (f"add --hash={A} to its line", PLACE)
    (finding,) = module.check(replace(npm_facts(), hashes_enforced=True, listed=(A,)), DEFAULT)
    assert "npm install" in finding.next


@pytest.mark.parametrize(
    ("pinned", "expected"), [((), []), ((MD5,), BLOCK), ((MD5, Digest("sha1", "0" * 40)), BLOCK), ((MD5, A), [])]
)
def test_hash_weak(pinned: tuple[Digest, ...], expected: list[Level]) -> None:
    assert levels(RuleId.HASH_WEAK, hashes(pinned)) == expected


@pytest.mark.parametrize(
    ("pinned", "listed", "observed", "expected"),
    [
        pytest.param((SHA1,), (A512, SHA1), (A512, SHA1), WARN, id="registry-binds-the-same-bytes"),
        pytest.param((SHA1, MD5), (A512,), (A512, SHA1), WARN, id="one-of-the-pins-agrees"),
        pytest.param((SHA1,), (SHA1,), (A512, SHA1), BLOCK, id="registry-lists-no-strong-hash"),
        pytest.param((SHA1,), (), (A512, SHA1), BLOCK, id="registry-lists-none"),
        pytest.param((SHA1,), (A512, SHA1), (), WARN, id="bytes-not-seen-and-listed-together"),
        pytest.param((SHA1,), (A512,), (), BLOCK, id="bytes-not-seen-and-pinned-hash-not-listed"),
        pytest.param((SHA1,), (A512, SHA1), (A512,), BLOCK, id="pinned-hash-not-seen"),
        pytest.param((SHA1,), (B512, SHA1), (A512, SHA1), BLOCK, id="other-bytes"),
        pytest.param((SHA1,), (A, A512), (A512, SHA1), BLOCK, id="one-strong-hash-not-seen"),
        pytest.param((SHA1, A512), (A512,), (A512, SHA1), [], id="pinned-by-a-strong-one"),
    ],
)
def test_hash_weak_of_an_npm_lock(
    pinned: tuple[Digest, ...], listed: tuple[Digest, ...], observed: tuple[Digest, ...], expected: list[Level]
) -> None:
    given = replace(npm_facts(pinned=pinned), listed=listed, observed=observed)
    assert levels(RuleId.HASH_WEAK, given) == expected
    assert levels(RuleId.HASH_WEAK, given, MODES[RuleMode.OFF]) == []
    in_pypi = replace(given, artifact=replace(given.artifact, ecosystem=Ecosystem.PYPI))
    assert levels(RuleId.HASH_WEAK, in_pypi) == (BLOCK if expected else [])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(hashes(), [], id="nothing-to-compare"),
        pytest.param(hashes((A, B), (A,), (A,)), [], id="all-agree"),
        pytest.param(hashes((B,), (), (A,)), BLOCK, id="pin-and-bytes"),
        pytest.param(hashes((), (B,), (A,)), BLOCK, id="list-and-bytes"),
        pytest.param(hashes((A,), (B,), ()), BLOCK, id="pin-and-list"),
        pytest.param(hashes((A512,), (), (A,)), BLOCK, id="pin-and-bytes-incomparable"),
        pytest.param(hashes((), (A512,), (A,)), BLOCK, id="list-and-bytes-incomparable"),
        pytest.param(hashes((A512,), (A,), ()), BLOCK, id="pin-and-list-incomparable"),
        pytest.param(hashes((A512,), (A,), (A, A512)), [], id="pin-and-list-through-the-bytes"),
        pytest.param(hashes((B, MD5), (), (A, MD5)), BLOCK, id="weak-agreement-beside-strong-difference"),
        pytest.param(hashes((A, MD5), (), (MD5,)), BLOCK, id="strong-pin-compared-by-weak"),
        pytest.param(hashes((MD5,), (), (A, MD5)), [], id="weak-only-agrees"),
        pytest.param(hashes((MD5,), (), (A, OTHER_MD5)), BLOCK, id="weak-only-differs"),
        pytest.param(hashes((), (A, MD5), (A, OTHER_MD5)), BLOCK, id="one-of-the-listed-differs"),
        pytest.param(hashes((), (A, B), (A,)), BLOCK, id="listed-twice"),
        pytest.param(hashes((), (), (A,), digests=(B,)), BLOCK, id="identifying-digest-differs"),
        pytest.param(hashes((A,), (B,), (), SourceKind.ALIAS), BLOCK, id="alias"),
        pytest.param(hashes((A,), (B,), (), SourceKind.URL_HASHED), [], id="url-is-not-the-registrys"),
        pytest.param(hashes((A,), (), (B,), SourceKind.URL_HASHED), BLOCK, id="url-bytes"),
    ],
)
@pytest.mark.parametrize("policy", MODES.values(), ids=[mode.value for mode in MODES])
def test_hash_mismatch(given: Facts, expected: list[Level], policy: PackagePolicy) -> None:
    assert levels(RuleId.HASH_MISMATCH, given, policy) == expected


def test_pins_that_no_listed_file_has_are_warned_of() -> None:
    given = replace(hashes((A, B), (A,)), unlisted_pins=(B,))
    assert levels(RuleId.HASH_MISMATCH, given) == WARN


@pytest.mark.parametrize(
    ("source", "allowed", "expected"),
    [
        (SourceKind.REGISTRY, DEFAULT.sources, []),
        (SourceKind.ALIAS, DEFAULT.sources, []),
        (SourceKind.LOCAL, DEFAULT.sources, []),
        (SourceKind.BUNDLED, DEFAULT.sources, []),
        (SourceKind.BUNDLED, {SourceKind.PATH}, []),
        (SourceKind.PATH, DEFAULT.sources, BLOCK),
        (SourceKind.VCS_PINNED, DEFAULT.sources, BLOCK),
        (SourceKind.URL_HASHED, DEFAULT.sources, BLOCK),
        (SourceKind.REGISTRY, {SourceKind.PATH}, BLOCK),
        (SourceKind.PATH, {SourceKind.PATH}, []),
        (SourceKind.VCS_PINNED, {SourceKind.VCS_PINNED}, []),
        (SourceKind.URL_HASHED, {SourceKind.URL_HASHED}, []),
        (SourceKind.VCS, set(SourceKind), BLOCK),
        (SourceKind.URL, set(SourceKind), BLOCK),
    ],
)
def test_source_not_allowed(source: SourceKind, allowed: frozenset[SourceKind], expected: list[Level]) -> None:
    assert (
        levels(RuleId.SOURCE_NOT_ALLOWED, facts(source=source), PackagePolicy(sources=frozenset(allowed))) == expected
    )


@pytest.mark.parametrize("source", [SourceKind.VCS, SourceKind.URL])
def test_a_source_that_is_never_allowed_says_how_each_tool_pins_it(source: SourceKind) -> None:
    (module,) = (each for each in RULES if each.ID is RuleId.SOURCE_NOT_ALLOWED)
    (for_pip,), (for_npm,) = (
        module.check(given, DEFAULT) for given in (facts(source=source), npm_facts(source=source))
    )
    assert "NAME @" in for_pip.next
    assert "NAME @" not in for_npm.next


def test_a_name_that_other_indexes_offer_is_a_warning() -> None:
    assert levels(RuleId.SOURCE_NOT_ALLOWED, replace(facts(), other_indexes=("https://other.example",))) == WARN


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        pytest.param(facts(ABSENT), DEFAULT, [], id="default"),
        pytest.param(facts(ABSENT), OPTIONAL, [], id="optional"),
        pytest.param(facts(ABSENT), REQUIRED, BLOCK, id="required"),
        pytest.param(facts(ABSENT), PINNED, BLOCK, id="pinned-publisher"),
        pytest.param(facts(ABSENT), replace(PINNED, provenance=ProvenanceMode.OPTIONAL), BLOCK, id="pinned-optional"),
        pytest.param(facts(), REQUIRED, BLOCK, id="nothing-looked-for"),
        pytest.param(replace(facts(), registry_problem="503"), REQUIRED, [], id="an-outage-has-its-rule"),
        pytest.param(replace(facts(), bytes_problem="too long"), REQUIRED, [], id="a-forgery-has-its-rule"),
        pytest.param(facts(verified()), REQUIRED, [], id="verified"),
        pytest.param(facts(verified(kind=SLSA), ABSENT), REQUIRED, [], id="slsa-verified"),
        pytest.param(facts(verified(None, SIGNATURE)), REQUIRED, BLOCK, id="registry-signature"),
        pytest.param(npm_facts(NO_SLSA, unavailable(None, SIGNATURE)), REQUIRED, BLOCK, id="signature-unavailable"),
        pytest.param(npm_facts(NO_SLSA, signature(EvidenceState.INVALID)), REQUIRED, BLOCK, id="signature-invalid"),
        pytest.param(npm_facts(verified(kind=NPM_PUBLISH)), REQUIRED, BLOCK, id="publish-attestation-only"),
        pytest.param(npm_facts(KEY_SIGNED), REQUIRED, [], id="unsupported-has-its-rule"),
        pytest.param(npm_facts(source=SourceKind.BUNDLED), REQUIRED, [], id="bundled"),
        pytest.param(facts(STRIPPED), REQUIRED, [], id="stripped-has-its-rule"),
        pytest.param(facts(OUTAGE), REQUIRED, [], id="unavailable-has-its-rule"),
        pytest.param(facts(ABSENT, source=SourceKind.LOCAL), REQUIRED, [], id="own-project"),
        pytest.param(facts(source=SourceKind.VCS_PINNED), REQUIRED, BLOCK, id="repository"),
        pytest.param(facts(source=SourceKind.PATH), REQUIRED, BLOCK, id="path"),
    ],
)
def test_provenance_missing(given: Facts, policy: PackagePolicy, expected: list[Level]) -> None:
    assert levels(RuleId.PROVENANCE_MISSING, given, policy) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (DEFAULT, BLOCK),
        (REQUIRED, BLOCK),
        (OPTIONAL, WARN),
        (replace(PINNED, provenance=ProvenanceMode.OPTIONAL), BLOCK),
    ],
)
def test_provenance_stripped(policy: PackagePolicy, expected: list[Level]) -> None:
    assert levels(RuleId.PROVENANCE_STRIPPED, facts(STRIPPED), policy) == expected
    assert levels(RuleId.PROVENANCE_STRIPPED, facts(ABSENT), policy) == []


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        pytest.param(OUTAGE, DEFAULT, UNDECIDED, id="outage"),
        pytest.param(DENIED, DEFAULT, UNDECIDED, id="denied"),
        pytest.param(unavailable(None), DEFAULT, UNDECIDED, id="no-cause"),
        pytest.param(OUTAGE, OPTIONAL, WARN, id="outage-optional"),
        pytest.param(DENIED, OPTIONAL, WARN, id="denied-optional"),
        pytest.param(
            OUTAGE, replace(PINNED, provenance=ProvenanceMode.OPTIONAL), UNDECIDED, id="outage-pinned-optional"
        ),
        pytest.param(NOT_SERVED, DEFAULT, NOTE, id="not-served"),
        pytest.param(NOT_SERVED, WRITTEN, UNDECIDED, id="not-served-written"),
        pytest.param(NOT_SERVED, WRITTEN_OPTIONAL, NOTE, id="not-served-optional"),
        pytest.param(NOT_SERVED, REQUIRED, UNDECIDED, id="not-served-required"),
        pytest.param(NOT_SERVED, PINNED, UNDECIDED, id="not-served-pinned"),
        pytest.param(ABSENT, REQUIRED, [], id="absent"),
        pytest.param(UNSUPPORTED, DEFAULT, NOTE, id="unsupported"),
        pytest.param(UNSUPPORTED, WRITTEN, NOTE, id="unsupported-written"),
        pytest.param(UNSUPPORTED, OPTIONAL, NOTE, id="unsupported-optional"),
        pytest.param(UNSUPPORTED, REQUIRED, UNDECIDED, id="unsupported-required"),
        pytest.param(UNSUPPORTED, PINNED, UNDECIDED, id="unsupported-pinned"),
        pytest.param(unavailable(None, SIGNATURE), REQUIRED, UNDECIDED, id="only-a-signature-was-looked-for"),
    ],
)
def test_provenance_unavailable(given: Evidence, policy: PackagePolicy, expected: list[Level]) -> None:
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(given), policy) == expected


def test_not_served_names_the_setting_and_is_the_same_for_every_file() -> None:
    (module,) = (each for each in RULES if each.ID is RuleId.PROVENANCE_UNAVAILABLE)
    one, other = (next(iter(module.check(facts(NOT_SERVED, file=name), DEFAULT))) for name in ("a.whl", "b.whl"))
    assert "provenance-url" in one.next
    assert one.message == other.message == "https://index.example/simple/ serves no provenance"


@pytest.mark.parametrize("policy", [REQUIRED, PINNED])
def test_what_is_not_supported_is_a_note_only_beside_verified_provenance(policy: PackagePolicy) -> None:
    unsupported_slsa = unavailable(UnavailableCause.UNSUPPORTED, SLSA)
    for others, expected in (
        ((verified(kind=SLSA),), NOTE),
        ((verified(kind=NPM_PUBLISH),), UNDECIDED),
        ((verified(None, SIGNATURE),), UNDECIDED),
        ((NO_SLSA,), UNDECIDED),
        ((unsupported_slsa,), UNDECIDED * 2),
    ):
        assert levels(RuleId.PROVENANCE_UNAVAILABLE, npm_facts(KEY_SIGNED, *others), policy) == expected
    beside_outage = npm_facts(verified(kind=SLSA), unavailable(UnavailableCause.OUTAGE, NPM_PUBLISH))
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, beside_outage, policy) == UNDECIDED


def test_what_npm_cannot_give_is_said_in_the_same_words_for_every_package() -> None:
    (module,) = (each for each in RULES if each.ID is RuleId.PROVENANCE_UNAVAILABLE)
    not_served = unavailable(UnavailableCause.NOT_SERVED, SLSA)
    for evidence, message, mend in (
        (not_served, "https://registry.example/ serves no provenance", "registry under [npm]"),
        (KEY_SIGNED, "an attestation (npm-publish) cannot be verified yet: it is signed with a bare key", ""),
    ):
        one, other = (next(iter(module.check(npm_facts(evidence, name=name), DEFAULT))) for name in ("a", "b"))
        assert one.message == other.message == message
        assert mend in one.next


@pytest.mark.parametrize("policy", [DEFAULT, OPTIONAL, REQUIRED])
def test_evidence_that_nobody_looked_for_is_undecided(policy: PackagePolicy) -> None:
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(), policy) == UNDECIDED
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, facts(source=SourceKind.LOCAL), policy) == []
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, replace(facts(), registry_problem="down"), policy) == []
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, replace(facts(), bytes_problem="too long"), policy) == []


RULE_OF_CODE = {
    EvidenceCode.STATEMENT_SUBJECT: RuleId.STATEMENT_MISMATCH,
    EvidenceCode.STATEMENT_PREDICATE: RuleId.STATEMENT_MISMATCH,
    EvidenceCode.STATEMENT_PUBLISHER: RuleId.STATEMENT_MISMATCH,
    EvidenceCode.CLAIMS_CONFLICT: RuleId.IDENTITY_MISMATCH,
}


@pytest.mark.parametrize("code", [*EvidenceCode, None])
@pytest.mark.parametrize("policy", [DEFAULT, OPTIONAL, MODES[RuleMode.OFF]], ids=["default", "optional", "off"])
def test_invalid_evidence_blocks_under_exactly_one_rule(code: EvidenceCode | None, policy: PackagePolicy) -> None:
    expected = RuleId.PROVENANCE_INVALID if code is None else RULE_OF_CODE.get(code, RuleId.PROVENANCE_INVALID)
    assert rule_of_invalid(code) is expected
    for rule in RULES:
        found = levels(rule.ID, facts(invalid(code), verified()), policy)
        assert found == (BLOCK if rule.ID is expected else []), rule.ID


@pytest.mark.parametrize("code", [*EvidenceCode, None])
@pytest.mark.parametrize("policy", [DEFAULT, OPTIONAL, SIGNED, UNSIGNED], ids=["default", "optional", "signed", "off"])
def test_an_invalid_signature_blocks_under_exactly_one_rule(code: EvidenceCode | None, policy: PackagePolicy) -> None:
    given = npm_facts(signature(EvidenceState.INVALID, code), verified(kind=SLSA))
    for rule in RULES:
        expected = BLOCK if rule.ID is RuleId.REGISTRY_SIGNATURE_INVALID else []
        assert levels(rule.ID, given, policy) == expected, rule.ID


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(npm_facts(signature(EvidenceState.ABSENT)), BLOCK, id="absent"),
        pytest.param(npm_facts(signature(EvidenceState.STRIPPED)), BLOCK, id="stripped"),
        pytest.param(npm_facts(), BLOCK, id="nobody-looked"),
        pytest.param(npm_facts(verified(kind=SLSA)), BLOCK, id="provenance-is-no-signature"),
        pytest.param(npm_facts(source=SourceKind.ALIAS), BLOCK, id="alias"),
        pytest.param(npm_facts(verified(None, SIGNATURE)), [], id="verified"),
        pytest.param(npm_facts(signature(EvidenceState.INVALID)), [], id="invalid-has-its-rule"),
        pytest.param(npm_facts(unavailable(None, SIGNATURE)), [], id="unavailable-has-its-rule"),
        pytest.param(replace(npm_facts(), registry_problem="503"), [], id="an-outage-has-its-rule"),
        pytest.param(replace(npm_facts(), bytes_problem="too long"), [], id="a-forgery-has-its-rule"),
        pytest.param(npm_facts(source=SourceKind.BUNDLED), [], id="bundled"),
        pytest.param(npm_facts(source=SourceKind.LOCAL), [], id="own-project"),
        pytest.param(npm_facts(source=SourceKind.URL_HASHED), [], id="no-registry"),
        pytest.param(facts(ABSENT), [], id="pypi"),
    ],
)
def test_registry_signature_missing(given: Facts, expected: list[Level]) -> None:
    assert levels(RuleId.REGISTRY_SIGNATURE_MISSING, given, SIGNED) == expected
    assert levels(RuleId.REGISTRY_SIGNATURE_MISSING, given, DEFAULT) == []
    assert levels(RuleId.REGISTRY_SIGNATURE_MISSING, given, UNSIGNED) == []


@pytest.mark.parametrize(
    ("cause", "expected", "required"),
    [
        (UnavailableCause.OUTAGE, UNDECIDED, UNDECIDED),
        (UnavailableCause.ACCESS_DENIED, UNDECIDED, UNDECIDED),
        (None, UNDECIDED, UNDECIDED),
        (UnavailableCause.NOT_SERVED, NOTE, UNDECIDED),
        (UnavailableCause.UNSUPPORTED, NOTE, UNDECIDED),
    ],
)
def test_registry_signature_unavailable(
    cause: UnavailableCause | None, expected: list[Level], required: list[Level]
) -> None:
    given = npm_facts(unavailable(cause, SIGNATURE), verified(kind=SLSA))
    assert levels(RuleId.REGISTRY_SIGNATURE_UNAVAILABLE, given) == expected
    assert levels(RuleId.REGISTRY_SIGNATURE_UNAVAILABLE, given, SIGNED) == required
    assert levels(RuleId.REGISTRY_SIGNATURE_UNAVAILABLE, given, UNSIGNED) == []
    for rule in (RuleId.PROVENANCE_UNAVAILABLE, RuleId.REGISTRY_SIGNATURE_INVALID, RuleId.REGISTRY_SIGNATURE_MISSING):
        assert levels(rule, given, SIGNED) == []


def test_provenance_that_is_unavailable_is_no_matter_of_signatures() -> None:
    given = npm_facts(unavailable(UnavailableCause.OUTAGE, SLSA), verified(None, SIGNATURE))
    assert levels(RuleId.REGISTRY_SIGNATURE_UNAVAILABLE, given, SIGNED) == []
    assert levels(RuleId.PROVENANCE_UNAVAILABLE, given) == UNDECIDED


@pytest.mark.parametrize(("is_configured", "expected"), [(False, BLOCK), (True, NOTE)])
def test_registry_host(is_configured: bool, expected: list[Level]) -> None:
    given = replace(npm_facts(), resolved_problem="is on another host", resolved_is_configured=is_configured)
    assert levels(RuleId.REGISTRY_HOST, given) == expected
    assert levels(RuleId.REGISTRY_HOST, replace(given, resolved_problem="")) == []


@pytest.mark.parametrize("mode", InstallScriptsMode)
@pytest.mark.parametrize("has_script", [True, False])
def test_install_script(mode: InstallScriptsMode, has_script: bool) -> None:
    given = replace(npm_facts(), has_install_script=has_script)
    expected = BLOCK if has_script and mode is InstallScriptsMode.BLOCK else []
    assert levels(RuleId.INSTALL_SCRIPT, given, PackagePolicy(install_scripts=mode)) == expected


@pytest.mark.parametrize("mode", list(InstallScriptsMode))
def test_scripts_that_cannot_be_skipped(mode: InstallScriptsMode) -> None:
    given = replace(npm_facts(), bundles_install_script=True)
    expected = [Level.BLOCK] if mode is InstallScriptsMode.SKIP else []
    assert levels(RuleId.INSTALL_SCRIPT, given, PackagePolicy(install_scripts=mode)) == expected


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param((verified(),), [], id="match"),
        pytest.param((verified(THEIRS),), BLOCK, id="foreign"),
        pytest.param((verified(), verified(THEIRS)), BLOCK, id="match-beside-foreign"),
        pytest.param((verified(), verified(THEIRS, SLSA)), [], id="foreign-slsa-beside-matching-publish"),
        pytest.param((verified(THEIRS), verified(OURS, SLSA)), BLOCK, id="foreign-publish-beside-matching-slsa"),
        pytest.param((verified(THEIRS, SLSA),), BLOCK, id="foreign-slsa"),
        pytest.param((verified(OURS, SLSA),), [], id="matching-slsa"),
        pytest.param((verified(None),), BLOCK, id="no-claims"),
        pytest.param((ABSENT,), [], id="absent-is-missing"),
        pytest.param((verified(OURS, SLSA), KEY_SIGNED), [], id="npm-publish-has-no-certificate"),
        pytest.param((verified(OURS, SLSA), verified(THEIRS, NPM_PUBLISH)), [], id="npm-publish-is-the-registrys"),
        pytest.param((verified(THEIRS, SLSA), verified(OURS, NPM_PUBLISH)), BLOCK, id="npm-publish-matches-nothing"),
        pytest.param((verified(OURS, SLSA), verified(None, SIGNATURE)), [], id="signature-has-no-certificate"),
    ],
)
def test_identity_mismatch(evidence: tuple[Evidence, ...], expected: list[Level]) -> None:
    assert levels(RuleId.IDENTITY_MISMATCH, facts(*evidence), PINNED) == expected
    assert levels(RuleId.IDENTITY_MISMATCH, facts(*evidence), DEFAULT) == []


def test_one_of_several_pins_must_match() -> None:
    pins = (IdentityPin(issuer="https://other.example"), *PINNED.identities)
    assert levels(RuleId.IDENTITY_MISMATCH, facts(verified()), PackagePolicy(identities=pins)) == []
    assert levels(RuleId.IDENTITY_MISMATCH, facts(verified(THEIRS)), PackagePolicy(identities=pins)) == BLOCK


def test_identity_mismatch_says_what_differs() -> None:
    (module,) = (each for each in RULES if each.ID is RuleId.IDENTITY_MISMATCH)
    (finding,) = module.check(facts(verified(THEIRS)), PINNED)
    assert f"repository is https://git.example/evil/six, expected {REPOSITORY}" in finding.message


def test_bytes_that_cannot_be_the_file_are_a_mismatch() -> None:
    assert levels(RuleId.HASH_MISMATCH, replace(facts(), bytes_problem="is not 10 bytes long")) == BLOCK


def test_metadata_and_registry_problems() -> None:
    assert levels(RuleId.METADATA_MISMATCH, facts()) == []
    assert levels(RuleId.METADATA_MISMATCH, replace(facts(), metadata_problem="states version 2")) == BLOCK
    assert levels(RuleId.REGISTRY_UNAVAILABLE, facts()) == []
    assert levels(RuleId.REGISTRY_UNAVAILABLE, replace(facts(), registry_problem="503")) == UNDECIDED


def test_exception_expired() -> None:
    entry = ExceptionEntry(
        package=PackageRelease(Ecosystem.PYPI, "six"),
        rule=RuleId.HASH_MISSING,
        reason="r",
        expires=date(2026, 1, 1),
        location=Location("guard.toml", 9),
    )
    assert levels(RuleId.EXCEPTION_EXPIRED, facts(), PackagePolicy(expired=(entry,))) == WARN
    assert levels(RuleId.EXCEPTION_EXPIRED, facts(), PackagePolicy(exceptions=(entry,))) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts(verified(), invalid(None)), EvidenceState.INVALID),
        (facts(STRIPPED, OUTAGE), EvidenceState.STRIPPED),
        (facts(verified(), OUTAGE), EvidenceState.UNAVAILABLE),
        (facts(verified(), ABSENT), EvidenceState.VERIFIED),
        (facts(ABSENT), EvidenceState.ABSENT),
        (facts(verified(None, SIGNATURE)), EvidenceState.UNAVAILABLE),
        (facts(ABSENT, verified(None, SIGNATURE)), EvidenceState.ABSENT),
        (facts(ABSENT, signature(EvidenceState.INVALID)), EvidenceState.ABSENT),
        (facts(verified(), unavailable(None, SIGNATURE)), EvidenceState.VERIFIED),
        (facts(verified(kind=SLSA), KEY_SIGNED), EvidenceState.VERIFIED),
        (facts(NO_SLSA, KEY_SIGNED), EvidenceState.UNAVAILABLE),
        (facts(UNSUPPORTED), EvidenceState.UNAVAILABLE),
        (facts(verified(kind=NPM_PUBLISH)), EvidenceState.ABSENT),
        (facts(verified(kind=NPM_PUBLISH), KEY_SIGNED), EvidenceState.UNAVAILABLE),
        (facts(), EvidenceState.UNAVAILABLE),
        (facts(source=SourceKind.LOCAL), EvidenceState.ABSENT),
    ],
)
def test_one_state_for_all_evidence(given: Facts, expected: EvidenceState) -> None:
    assert provenance_state(given) is expected

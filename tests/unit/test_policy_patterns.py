"""Patterns and pinned identities: anchored, exact, and nothing across a slash."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model import Claims, Ecosystem
from guard.policy.glob import matches_glob
from guard.policy.identity import IdentityPin
from guard.policy.patterns import PackagePattern, PackageRelease

GITHUB = "https://token.actions.githubusercontent.com"
REPOSITORY = "https://github.com/acme/widgets"
WORKFLOW = f"{REPOSITORY}/.github/workflows/release.yml"
REUSABLE = "https://github.com/acme/ci/.github/workflows/publish.yml"
CLAIMS = Claims(
    san=f"{WORKFLOW}@refs/tags/v1.0",
    issuer=GITHUB,
    build_signer_uri=f"{WORKFLOW}@refs/tags/v1.0",
    build_config_uri=f"{WORKFLOW}@refs/tags/v1.0",
    source_repository_uri=REPOSITORY,
    source_repository_ref="refs/tags/v1.0",
    source_repository_identifier="123",
    source_repository_owner_identifier="45",
    deployment_environment="release",
)
PIN = IdentityPin(issuer=GITHUB)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a", "ba", False),
        ("a*", "a", True),
        ("a*", "abc", True),
        ("*a", "cba", True),
        ("a*a", "a", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*ab*", "xaby", True),
        ("*ab*ab*", "xab", False),
        ("refs/tags/*", "refs/tags/v1", True),
        ("refs/tags/*", "refs/tags/v1/x", False),
        ("*", "a/b", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("A", "a", False),
        ("", "", True),
    ],
)
def test_glob(pattern: str, text: str, expected: bool) -> None:
    assert matches_glob(pattern, text) is expected


@given(
    st.lists(st.text(alphabet="ab-.", max_size=5), min_size=1, max_size=4),
    st.lists(st.text("ab-", max_size=4), max_size=3),
)
def test_a_star_stands_for_any_run(pieces: list[str], fills: list[str]) -> None:
    fills = (fills + [""] * len(pieces))[: len(pieces) - 1]
    text = "".join(piece + fill for piece, fill in zip(pieces, [*fills, ""], strict=True))
    assert matches_glob("*".join(pieces), text)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("pypi:Foo_Bar", "foo.bar", True),
        ("pypi:zope.*", "zope-interface", True),
        ("pypi:acme*", "acme-evil", True),
        ("pypi:acme-*", "acmeevil", False),
        ("npm:@acme/*", "@acme/x", True),
        ("npm:@acme/*", "@acme-evil/x", False),
        ("npm:*", "@acme/x", False),
        ("npm:Foo", "foo", False),
    ],
)
def test_package_patterns(pattern: str, name: str, expected: bool) -> None:
    parsed = PackagePattern.parse(pattern)
    assert parsed.matches(parsed.ecosystem, name) is expected


def test_a_pattern_is_of_one_ecosystem() -> None:
    assert not PackagePattern.parse("npm:six").matches(Ecosystem.PYPI, "six")


@pytest.mark.parametrize(
    ("release", "version", "expected"),
    [
        ("pypi:a==1.0", "1.0.0", True),
        ("pypi:a==1.0", "1.0.1", False),
        ("pypi:a==1.0", "1.0+local", False),
        ("pypi:a==old-style", "old-style", True),
        ("pypi:a", "9", True),
        ("npm:a@1.0.0-1", "1.0.0", False),
        ("npm:a@1.0.0", "1.0.0", True),
    ],
)
def test_releases_compare_by_their_ecosystems_rule(release: str, version: str, expected: bool) -> None:
    parsed = PackageRelease.parse(release)
    assert parsed.matches(parsed.ecosystem, "a", version) is expected
    assert not parsed.matches(parsed.ecosystem, "b", version)


@pytest.mark.parametrize(
    "field",
    [
        {"repository": REPOSITORY},
        {"repository": "https://github.com/ACME/Widgets"},
        {"repository_id": "123"},
        {"owner_id": "45"},
        {"workflow": ".github/workflows/release.yml"},
        {"ref": "refs/tags/v*"},
        {"environment": "release"},
        {"signer": "same"},
        {"signer": WORKFLOW},
        {"san": f"{WORKFLOW}@refs/tags/v1.0"},
    ],
    ids=str,
)
def test_a_field_that_holds(field: dict[str, str]) -> None:
    assert replace(PIN, **field).differences(CLAIMS) == ()


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ({"issuer": f"{GITHUB}.evil.example"}, "issuer"),
        ({"issuer": f"{GITHUB}/"}, "issuer"),
        ({"repository": f"{REPOSITORY}-evil"}, "repository"),
        ({"repository": "https://github.com/acme/widget"}, "repository"),
        ({"repository_id": "1234"}, "repository-id"),
        ({"owner_id": "4"}, "owner-id"),
        ({"workflow": "release.yml"}, "workflow"),
        ({"ref": "refs/tags/v"}, "ref"),
        ({"ref": "refs/heads/*"}, "ref"),
        ({"environment": "Release"}, "environment"),
        ({"signer": REUSABLE}, "signer"),
        ({"signer": WORKFLOW[:-1]}, "signer"),
        ({"san": WORKFLOW}, "san"),
    ],
    ids=str,
)
def test_a_field_that_does_not_hold_is_named(field: dict[str, str], name: str) -> None:
    (difference,) = replace(PIN, **field).differences(CLAIMS)
    assert difference.startswith(f"{name} is ")


@pytest.mark.parametrize(
    "field",
    ["repository", "repository_id", "owner_id", "workflow", "ref", "environment", "signer"],
)
def test_a_claim_that_is_missing_matches_nothing(field: str) -> None:
    pin = replace(PIN, **{field: "*" if field == "ref" else "same"})
    assert "not stated" in "".join(pin.differences(Claims(san="s", issuer=GITHUB)))


def test_only_github_ignores_letter_case() -> None:
    claims = replace(CLAIMS, source_repository_uri="https://gitlab.com/acme/widgets")
    assert replace(PIN, repository="https://gitlab.com/Acme/widgets").differences(claims)
    assert not replace(PIN, repository="https://gitlab.com/acme/widgets").differences(claims)


def test_a_reusable_workflow_is_not_the_same_signer() -> None:
    claims = replace(CLAIMS, build_signer_uri=f"{REUSABLE}@refs/tags/v1")
    assert replace(PIN, signer="same").differences(claims)
    assert not replace(PIN, signer=REUSABLE).differences(claims)


def test_a_tag_with_an_at_sign_does_not_change_the_signer() -> None:
    ref = "refs/tags/widgets@1.0"
    claims = replace(
        CLAIMS,
        build_signer_uri=f"{WORKFLOW}@{ref}",
        build_config_uri=f"{WORKFLOW}@{ref}",
        source_repository_ref=ref,
    )
    assert not replace(PIN, signer=WORKFLOW).differences(claims)
    assert replace(PIN, signer=WORKFLOW.removesuffix("yml")).differences(claims)

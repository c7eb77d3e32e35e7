"""Who must have signed a file, compared with who did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guard.model import Claims, Evidence, EvidenceKind, EvidenceState
from guard.policy.expectation import ExactSigner, KnownKey, SourceBuild, UnsafeAnySigner, issuer_of_repository
from tests.sim.identity import GITHUB_ISSUER, GITLAB_ISSUER

REPOSITORY = "https://github.com/acme/widget"
WORKFLOW = "https://github.com/acme/ci/.github/workflows/Build.yml"
CLAIMS = Claims(
    san=f"{WORKFLOW}@refs/tags/v1",
    issuer=GITHUB_ISSUER,
    source_repository_uri=REPOSITORY,
    source_repository_ref="refs/tags/v2",
    build_signer_uri=f"{WORKFLOW}@refs/tags/v1",
)
SIGNED = Evidence(kind=EvidenceKind.SLSA_PROVENANCE, state=EvidenceState.VERIFIED, claims=CLAIMS)
KEYED = Evidence(kind=EvidenceKind.FILE_SIGNATURE, state=EvidenceState.VERIFIED, key_id="SHA256:mine")
BUILD = SourceBuild(repository=REPOSITORY, issuer=GITHUB_ISSUER)
NO_CERTIFICATE = ("it is signed with a bare key, which names nobody",)


def test_a_subject_and_an_issuer_are_compared() -> None:
    signer = ExactSigner(san=CLAIMS.san, issuer=GITHUB_ISSUER)
    assert signer.differences(SIGNED) == ()
    assert len(replace(signer, san=f"{CLAIMS.san}x").differences(SIGNED)) == 1
    assert len(replace(signer, issuer=f"{GITHUB_ISSUER}x").differences(SIGNED)) == 1
    assert signer.differences(KEYED) == NO_CERTIFICATE


def test_a_repository_a_reference_and_a_builder_are_compared() -> None:
    assert BUILD.differences(SIGNED) == ()
    assert BUILD.differences(KEYED) == NO_CERTIFICATE
    assert len(replace(BUILD, repository=f"{REPOSITORY}x").differences(SIGNED)) == 1
    assert replace(BUILD, ref="refs/tags/v2", builder=WORKFLOW).differences(SIGNED) == ()
    assert replace(BUILD, ref="refs/tags/v1", builder="https://x").differences(SIGNED) == (
        "ref is refs/tags/v2, expected refs/tags/v1",
        f"builder is {WORKFLOW}@refs/tags/v1, expected https://x",
    )
    unsaid = replace(SIGNED, claims=replace(CLAIMS, source_repository_ref=None, build_signer_uri=None))
    assert BUILD.differences(unsaid) == ()
    assert replace(BUILD, ref="refs/tags/v1", builder="https://x").differences(unsaid) == (
        "ref is not stated, expected refs/tags/v1",
        "builder is not stated, expected https://x",
    )


def test_a_statement_of_another_type_says_nothing_of_a_build() -> None:
    scanned = replace(SIGNED, kind=EvidenceKind.OTHER_STATEMENT, predicate_type="https://acme.example/scan")
    said = ("a statement of type https://acme.example/scan does not say where a file was built",)
    assert BUILD.differences(scanned) == said
    assert ExactSigner(san=CLAIMS.san, issuer=GITHUB_ISSUER).differences(scanned) == ()


def test_a_key_is_compared_by_its_name() -> None:
    key = KnownKey("SHA256:mine")
    assert key.differences(KEYED) == ()
    for other in (replace(KEYED, key_id="SHA256:other"), replace(SIGNED, key_id="SHA256:mine"), SIGNED):
        assert key.differences(other) == ("it is not signed with the key SHA256:mine",)


def test_every_signer_will_do_where_nobody_is_asked_for() -> None:
    assert [UnsafeAnySigner().differences(each) for each in (SIGNED, KEYED)] == [(), ()]


@pytest.mark.parametrize(
    ("repository", "issuer"),
    [
        (REPOSITORY, GITHUB_ISSUER),
        ("https://GitHub.com/acme/widget", GITHUB_ISSUER),
        ("https://gitlab.com/acme/widget", GITLAB_ISSUER),
        ("https://git.acme.example/widget", None),
        ("https://github.com.acme.example/widget", None),
        ("github.com/acme", None),
    ],
)
def test_the_host_of_a_repository_says_who_vouches_for_it(repository: str, issuer: str | None) -> None:
    assert issuer_of_repository(repository) == issuer


def is_builder(wanted: str, signer: str) -> bool:
    signed = replace(SIGNED, claims=replace(CLAIMS, build_signer_uri=signer))
    return not replace(BUILD, builder=wanted).differences(signed)


@pytest.mark.parametrize(
    ("wanted", "signer"),
    [
        (WORKFLOW, WORKFLOW),
        (WORKFLOW, f"{WORKFLOW}@refs/heads/main"),
        (WORKFLOW, f"{WORKFLOW}@{'a1' * 20}"),
        (WORKFLOW, f"{WORKFLOW}@{'a1' * 32}"),
        (f"{WORKFLOW}@refs/heads/main", f"{WORKFLOW}@refs/heads/main"),
        (f"{WORKFLOW}@v1", f"{WORKFLOW}@refs/tags/v1"),
        (WORKFLOW.replace("acme/ci", "Acme/CI").replace("github", "GitHub", 1), f"{WORKFLOW}@refs/heads/main"),
        ("https://github.com/acme", "https://github.com/Acme@refs/heads/main"),
        ("https://ci.example/b", "https://ci.example/b@refs/heads/main"),
    ],
)
def test_a_builder_is_named_with_or_without_its_reference(wanted: str, signer: str) -> None:
    assert is_builder(wanted, signer)


@pytest.mark.parametrize(
    ("wanted", "signer"),
    [
        (WORKFLOW, f"{WORKFLOW}x"),
        (WORKFLOW, f"{WORKFLOW}@"),
        (WORKFLOW, f"{WORKFLOW}@evil/x@refs/heads/main"),
        (WORKFLOW, f"{WORKFLOW}@xrefs/heads/main"),
        (WORKFLOW, f"{WORKFLOW}@{'a1' * 19}"),
        (WORKFLOW, f"{WORKFLOW}@{'a1' * 20}/x"),
        (WORKFLOW, WORKFLOW.replace("Build", "build")),
        (f"{WORKFLOW}@v1", f"{WORKFLOW}@refs/heads/v1"),
        (f"{WORKFLOW}@v1", f"{WORKFLOW}@refs/tags/v1.1"),
        (f"{WORKFLOW}@refs/tags/v1", f"{WORKFLOW}@refs/tags/v2"),
        ("https://ci.example/Acme/b", "https://ci.example/acme/b"),
        ("acme/ci", f"{WORKFLOW}@refs/heads/main"),
        ("https://github.com/acme/ci", "https://github.com/acme"),
        ("https://github.com/", "https://github.com"),
    ],
)
def test_another_builder_is_another(wanted: str, signer: str) -> None:
    assert not is_builder(wanted, signer)

"""Which facts of a certificate are recorded, and which differences tell of another publisher."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from guard.model import Claims, Evidence, EvidenceKind, EvidenceState
from guard.policy.continuity import publishers_of
from guard.policy.publisher import (
    HARD_FACTS,
    ISSUER_ROWS,
    Publisher,
    PublisherFact,
    differences,
    kind_of_ref,
    publisher_of,
    row_of,
)
from guard.policy.settings import SoftFact
from tests.corpus import IS_THERE, bundles_of, load_rows
from tests.sim.identity import Identity

GITHUB = "https://token.actions.githubusercontent.com"
PAGE = Path(__file__).parents[2] / "docs" / "identity-lock.md"


def claims_of(identity: Identity) -> Claims:
    names = ("build_signer_uri", "runner_environment", "source_repository_uri", "source_repository_digest",
             "source_repository_ref", "source_repository_identifier", "source_repository_owner_uri",
             "source_repository_owner_identifier", "build_config_uri", "build_trigger",
             "deployment_environment")  # fmt: skip
    stated = {name: getattr(identity, name) for name in names}
    return Claims(san=identity.san, issuer=identity.issuer, **stated)


OURS = publisher_of(claims_of(Identity.github(environment="release")))


def changed(recorded: Publisher, found: Publisher, *strict: SoftFact) -> list[tuple[str, bool]]:
    return [(each.fact.value, each.is_hard) for each in differences(recorded, found, strict=frozenset(strict))]


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (
            Identity.github(environment="release"),
            Publisher(
                issuer=GITHUB,
                repository="https://github.com/acme/widget",
                repository_id="1001",
                owner_id="501",
                workflow=".github/workflows/release.yml",
                ref="refs/tags/*",
                trigger="push",
                environment="release",
                runner="github-hosted",
            ),
        ),
        (
            Identity.gitlab(),
            Publisher(
                issuer="https://gitlab.com",
                repository="https://gitlab.com/acme/widget",
                repository_id="2001",
                owner_id="601",
                workflow=".gitlab-ci.yml",
                ref="refs/tags/*",
                trigger="push",
                runner="gitlab-hosted",
            ),
        ),
        (
            Identity.circleci(pipeline="one of many"),
            Publisher(
                issuer="https://oidc.circleci.com",
                repository="github.com/acme/widget",
                signer="https://circleci.com/api/v2/projects/5a301f56-eaa7-4cce-9441-37810f7c8452/"
                "pipeline-definitions/17c50866-1802-5aeb-874e-7f4dfce1b6b5",
                ref="refs/tags/*",
            ),
        ),
        (
            Identity.email("release@acme.example"),
            Publisher(issuer="https://accounts.google.com", san="release@acme.example"),
        ),
        (
            replace(Identity.gitlab(), issuer="https://git.acme.example"),
            Publisher(issuer="https://git.acme.example", san="https://gitlab.com/acme/widget//.gitlab-ci.yml"),
        ),
    ],
    ids=["GitHub", "GitLab", "CircleCI", "Google", "an issuer without a row"],
)
def test_the_facts_of_each_issuer(identity: Identity, expected: Publisher) -> None:
    assert publisher_of(claims_of(identity)) == expected


def test_another_release_by_the_same_publisher_is_recorded_the_same() -> None:
    for first, second in (
        (Identity.github(ref="refs/tags/v1"), Identity.github(ref="refs/tags/v2")),
        (Identity.gitlab(ref="refs/tags/v1"), Identity.gitlab(ref="refs/tags/v2")),
        (Identity.circleci(pipeline="1"), Identity.circleci(pipeline="2")),
    ):
        assert publisher_of(claims_of(first)) == publisher_of(claims_of(second))


@pytest.mark.parametrize(
    ("ref", "kind"),
    [
        ("refs/tags/v1.0.0", "refs/tags/*"),
        ("refs/tags/widget/v1", "refs/tags/*"),
        ("refs/heads/main", "refs/heads/main"),
        ("refs/heads/release/1.2", "refs/heads/release/*"),
        ("refs/heads/1.x", "refs/heads/*"),
        ("refs/pull/12/merge", "refs/pull/*/merge"),
    ],
)
def test_of_a_reference_only_its_kind_is_recorded(ref: str, kind: str) -> None:
    assert kind_of_ref(ref) == kind


def test_a_reusable_workflow_is_recorded_without_its_version() -> None:
    elsewhere = "acme/builder/.github/workflows/build.yml"
    inside = "acme/widget/.github/workflows/_build.yml"
    for reusable, signer, is_foreign in (
        (f"{elsewhere}@refs/tags/v1", f"https://github.com/{elsewhere}", True),
        (f"{inside}@refs/heads/main", ".github/workflows/_build.yml", False),
    ):
        publisher = publisher_of(claims_of(Identity.github(reusable=reusable)))
        assert (publisher.signer, publisher.has_foreign_signer) == (signer, is_foreign)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"issuer": "https://gitlab.com"}, [("issuer", True)]),
        ({"repository_id": "9"}, [("repository-id", True)]),
        ({"repository": "https://github.com/acme/gadget"}, [("repository", False)]),
        ({"repository": "https://github.com/ACME/Widget"}, []),
        ({"owner_id": "9"}, [("owner-id", False)]),
        ({"workflow": "other.yml"}, [("workflow", False)]),
        ({"signer": "https://github.com/evil/kit/.github/workflows/x.yml"}, [("signer", True)]),
        ({"signer": ".github/workflows/_release.yml"}, [("signer", False)]),
        ({"environment": None}, [("environment", False)]),
        ({"environment": "Release"}, []),
        ({"ref": "refs/heads/main"}, [("ref", False)]),
        ({"trigger": "release"}, [("trigger", False)]),
        ({"runner": "self-hosted"}, [("runner", False)]),
        ({"repository_id": None}, [("repository", True), ("repository-id", True)]),
    ],
)
def test_the_weight_of_each_difference(change: dict[str, str | None], expected: list[tuple[str, bool]]) -> None:
    found = replace(OURS, **change)
    if change == {"repository_id": None}:
        found = replace(found, repository="https://github.com/evil/widget")
    assert changed(OURS, found) == expected


def test_a_soft_fact_that_the_policy_names_is_hard() -> None:
    found = replace(OURS, workflow="other.yml", trigger="release")
    assert changed(OURS, found, SoftFact.WORKFLOW) == [("workflow", True), ("trigger", False)]


def test_without_identifiers_the_address_of_the_repository_is_hard() -> None:
    old = replace(OURS, repository_id=None, owner_id=None)
    assert changed(old, replace(OURS, repository="https://github.com/evil/widget")) == [("repository", True)]
    assert changed(old, OURS) == []
    on_another_host = replace(old, repository="https://codeberg.example/acme/widget")
    assert changed(on_another_host, replace(on_another_host, repository="https://codeberg.example/Acme/Widget"))


def test_a_pattern_of_references_that_somebody_wrote_holds() -> None:
    by_hand = replace(OURS, ref="refs/heads/*")
    assert changed(by_hand, replace(OURS, ref="refs/heads/main")) == []
    assert changed(by_hand, OURS) == [("ref", False)]


def test_the_registrys_word_is_compared_with_its_like_only() -> None:
    registry = Publisher(registry="https://registry.example", registry_key="SHA256:a")
    built = replace(OURS, registry="https://registry.example/", registry_key="SHA256:b")
    assert changed(registry, built) == [("registry-key", False)]
    assert changed(built, registry) == [("registry-key", False)]
    assert changed(registry, replace(built, registry="https://other.example")) == [
        ("registry", True),
        ("registry-key", False),
    ]
    assert changed(built, replace(built, registry=None, registry_key=None)) == []
    assert changed(registry, OURS) == []


def test_the_registrys_word_stands_beside_that_of_the_build() -> None:
    built = Evidence(
        kind=EvidenceKind.SLSA_PROVENANCE, state=EvidenceState.VERIFIED, claims=claims_of(Identity.github())
    )
    word = Evidence(
        kind=EvidenceKind.NPM_PUBLISH,
        state=EvidenceState.VERIFIED,
        key_id="SHA256:a",
        registry="https://registry.example/",
    )
    (both,) = publishers_of([built, word])
    assert (both.repository_id, both.registry, both.registry_key) == ("1001", "https://registry.example", "SHA256:a")
    assert publishers_of([word]) == (Publisher(registry="https://registry.example", registry_key="SHA256:a"),)
    assert publishers_of([replace(built, state=EvidenceState.INVALID), replace(word, registry=None)]) == ()


@pytest.mark.skipif(not IS_THERE, reason="GUARD_CORPUS names no folder")
def test_no_recorded_history_is_another_publisher() -> None:
    """Amendment 10: 4 of the 6 recorded projects with a history changed something; none of them was stolen."""
    seen: dict[str, list[Publisher]] = {}
    for row in load_rows():
        if row["path"].startswith(("npm/altered", "conformance")) or "sampleproject" in row["path"]:
            continue
        project = re.sub(r"@[\d.]+.*$", "", row["path"]) if row["ecosystem"] == "npm" else row["path"].split("/")[1]
        seen.setdefault(project, []).extend(_publishers(row))
    compared = [(project, found) for project, found in seen.items() if len(found) > 1]
    assert len(compared) >= 4
    for project, found in compared:
        for other in found[1:]:
            hard = [each for each in differences(found[0], other, strict=frozenset()) if each.is_hard]
            assert not hard, project


def _publishers(row: dict[str, object]) -> Iterable[Publisher]:
    import base64

    from cryptography import x509

    from guard.sigstore.certificate import claims_from_certificate

    for recorded in bundles_of(row):
        material = recorded.bundle["verificationMaterial"]
        chain = material.get("x509CertificateChain", {}).get("certificates", [{}])
        raw = material.get("certificate", chain[0]).get("rawBytes")
        if raw:
            certificate = x509.load_der_x509_certificate(base64.b64decode(raw))
            yield publisher_of(claims_from_certificate(certificate, signed_at=None, log_index=None))


def test_the_table_of_issuers_on_the_page_is_that_of_the_code() -> None:
    (table,) = re.findall(r"^\| fact \|(.*?)\n\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    names, facts = rows[0], list(rows[2:])
    assert names[1:] == [row.name for row in ISSUER_ROWS]
    stated = {cells[0].strip("`"): cells for cells in facts}
    expected = [fact for fact in PublisherFact if fact not in (PublisherFact.REGISTRY, PublisherFact.REGISTRY_KEY)]
    assert list(stated) == [fact.value for fact in expected]
    for fact in expected:
        weight, cells = stated[fact.value][1], stated[fact.value][2:]
        assert ("hard" in weight) is (fact in HARD_FACTS), fact
        assert [cell != "—" for cell in cells] == [fact in row.facts for row in ISSUER_ROWS], fact


def test_an_issuer_is_known_by_its_whole_address() -> None:
    assert row_of(f"{GITHUB}/some-enterprise").name == "GitHub"
    for issuer in (f"{GITHUB}.evil.example", "https://evil.example/https://gitlab.com", "https://gitlab.com/"):
        assert row_of(issuer).name == "any other"

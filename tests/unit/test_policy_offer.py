"""What a resolver is offered, and that the whole judgement never allows what an offer refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.constants import NPM_REGISTRY_URL, PYPI_SIMPLE_URL
from guard.engine.npm_offer import source_of_spec
from guard.gateway.packuments import without_versions
from guard.model import Artifact, Digest, Ecosystem, Evidence, EvidenceKind, EvidenceState, Facts, RuleId, SourceKind
from guard.policy.evaluate import evaluate_artifact
from guard.policy.offer import NamedReleases, evaluate_offer, may_be_refused
from guard.policy.policy import Policy, explicit_policy
from guard.policy.schema import parse_policy

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
OLD, YOUNG = NOW - timedelta(days=9), NOW - timedelta(hours=9)
A, B = Digest("sha256", "a" * 64), Digest("sha256", "b" * 64)
WHEEL = Artifact(
    ecosystem=Ecosystem.PYPI,
    name="six",
    version="1.17.0",
    file="six-1.17.0-py3-none-any.whl",
    origin=PYPI_SIMPLE_URL,
    digests=(A,),
)
SDIST = replace(WHEEL, file="six-1.17.0.tar.gz")
TARBALL = replace(WHEEL, ecosystem=Ecosystem.NPM, origin=NPM_REGISTRY_URL, file="six-1.17.0.tgz")
SAYS_NONE = (Evidence(kind=EvidenceKind.PEP740_PUBLISH, state=EvidenceState.ABSENT),)
EXCEPTION = '[[exception]]\npackage = "pypi:six"\nrule = "{}"\nreason = "looked at"\nexpires = 2026-12-31\n'


def policy(text: str = "") -> Policy:
    return explicit_policy(parse_policy(f"version = 1\n{text}".encode(), path="guard.toml"))


def rule_against(facts: Facts, text: str = "") -> RuleId | None:
    artifact = facts.artifact
    asked = policy(text).for_package(artifact.ecosystem, artifact.name, artifact.version, now=NOW)
    held = evaluate_offer(facts, asked)
    return None if held is None else held.rule


@pytest.mark.parametrize(
    ("given_facts", "text", "expected"),
    [
        pytest.param(Facts(artifact=WHEEL, published_at=OLD), "", None, id="old"),
        pytest.param(Facts(artifact=WHEEL, published_at=YOUNG), "", RuleId.RELEASE_TOO_NEW, id="young"),
        pytest.param(Facts(artifact=TARBALL, published_at=YOUNG), "", RuleId.RELEASE_TOO_NEW, id="young-npm"),
        pytest.param(Facts(artifact=WHEEL, published_at=YOUNG, is_locked=True), "", None, id="named"),
        pytest.param(Facts(artifact=WHEEL), "", None, id="no-time"),
        pytest.param(Facts(artifact=WHEEL), '[policy]\nmin-age="2d"\n', RuleId.RELEASE_TOO_NEW, id="no-time-written"),
        pytest.param(Facts(artifact=WHEEL, published_at=OLD, yanked=""), "", RuleId.YANKED, id="yanked"),
        pytest.param(
            Facts(artifact=WHEEL, published_at=OLD, yanked=""), '[policy]\nyanked="warn"\n', None, id="yanked-warns"
        ),
        pytest.param(Facts(artifact=TARBALL, published_at=OLD, deprecated=""), "", None, id="deprecated"),
        pytest.param(Facts(artifact=SDIST, published_at=OLD), "", None, id="sdist"),
        pytest.param(
            Facts(artifact=SDIST, published_at=OLD),
            '[policy]\nsdist="block"\n',
            RuleId.SDIST_NOT_ALLOWED,
            id="sdist-blocked",
        ),
        pytest.param(
            Facts(artifact=WHEEL, published_at=OLD, evidence=SAYS_NONE),
            '[policy]\nprovenance="required"\n',
            RuleId.PROVENANCE_MISSING,
            id="says-none",
        ),
        pytest.param(
            Facts(artifact=WHEEL, published_at=OLD), '[policy]\nprovenance="required"\n', None, id="says-nothing"
        ),
        pytest.param(
            Facts(artifact=WHEEL, published_at=YOUNG), EXCEPTION.format("release-too-new"), None, id="excepted"
        ),
        pytest.param(
            Facts(artifact=WHEEL, published_at=YOUNG), EXCEPTION.format("yanked"), RuleId.RELEASE_TOO_NEW, id="other"
        ),
        pytest.param(
            Facts(artifact=WHEEL, published_at=OLD, other_indexes=("https://other.example",)), "", None, id="warned-of"
        ),
    ],
)
def test_what_is_offered(given_facts: Facts, text: str, expected: RuleId | None) -> None:
    assert rule_against(given_facts, text) is expected


@given(
    artifact=st.sampled_from([WHEEL, SDIST, TARBALL]),
    published_at=st.sampled_from([None, OLD, YOUNG]),
    yanked=st.sampled_from([None, ""]),
    evidence=st.sampled_from([(), SAYS_NONE]),
    text=st.sampled_from(["", '[policy]\nmin-age="2d"\nsdist="block"\nprovenance="required"\n']),
)
def test_what_is_held_back_would_have_been_blocked(
    artifact: Artifact,
    published_at: datetime | None,
    yanked: str | None,
    evidence: tuple[Evidence, ...],
    text: str,
) -> None:
    facts = Facts(artifact=artifact, published_at=published_at, yanked=yanked, evidence=evidence)
    rule = rule_against(facts, text)
    decision = evaluate_artifact(replace(facts, evidence=SAYS_NONE), policy(text), now=NOW)
    assert rule is None or rule in {finding.rule for finding in decision.findings}
    assert rule is None or not decision.verdict.installs
    if artifact.ecosystem is Ecosystem.PYPI and rule is not None:
        asked = policy(text).for_package(Ecosystem.PYPI, "six", "", now=NOW)
        assert may_be_refused(asked, filename=artifact.file or "", published_at=published_at, yanked=yanked)


@pytest.mark.parametrize(
    ("named", "artifact", "expected"),
    [
        (NamedReleases(), WHEEL, False),
        (NamedReleases(versions=frozenset({("six", "1.17.0")})), WHEEL, True),
        (NamedReleases(versions=frozenset({("six", "1.16.0")})), WHEEL, False),
        (NamedReleases(versions=frozenset({("six", "1.17.0")})), replace(WHEEL, version="1.17.0+cpu"), True),
        (NamedReleases(versions=frozenset({("six", "1.17.0")})), replace(TARBALL, version="1.17.0+cpu"), False),
        (NamedReleases(digests=frozenset({A})), WHEEL, True),
        (NamedReleases(digests=frozenset({B})), WHEEL, False),
        (NamedReleases(digests=frozenset({B})), replace(WHEEL, pinned=(B,)), True),
    ],
)
def test_named_releases(named: NamedReleases, artifact: Artifact, expected: bool) -> None:
    assert named.holds(artifact) is expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("^1.0.0", SourceKind.REGISTRY),
        ("~1.0.0", SourceKind.REGISTRY),
        (">=1 <2 || 3.x - 4", SourceKind.REGISTRY),
        ("latest", SourceKind.REGISTRY),
        ("", SourceKind.REGISTRY),
        ("*", SourceKind.REGISTRY),
        ("npm:other@^1", SourceKind.ALIAS),
        ("npm:@acme/other", SourceKind.ALIAS),
        ("acme/tool", SourceKind.VCS),
        ("acme/tool#v1", SourceKind.VCS),
        ("github:acme/tool", SourceKind.VCS),
        ("git+https://git.example/a/b.git", SourceKind.VCS),
        ("https://github.com/acme/tool.git", SourceKind.VCS),
        (f"git+ssh://git@git.example/a/b.git#{'a' * 40}", SourceKind.VCS_PINNED),
        ("git@git.example:a/b.git", SourceKind.VCS),
        ("https://files.example/tool.tgz", SourceKind.URL),
        ("https://github.com/acme/tool/archive/v1.tar.gz", SourceKind.URL),
        ("file:../tool", SourceKind.PATH),
        ("../tool", SourceKind.PATH),
        ("~/tool", SourceKind.PATH),
        ("/srv/tool", SourceKind.PATH),
    ],
)
def test_where_a_dependency_comes_from(spec: str, expected: SourceKind) -> None:
    assert source_of_spec(spec) is expected


@pytest.mark.parametrize(
    ("versions", "held", "tags", "expected"),
    [
        pytest.param(["1.0.0", "1.1.0"], {"1.1.0"}, {"latest": "1.1.0"}, {"latest": "1.0.0"}, id="lower"),
        pytest.param(["1.0.0", "2.0.0"], {"2.0.0"}, {"latest": "2.0.0"}, {}, id="another-line"),
        pytest.param(["0.1.0", "0.1.1", "0.2.0"], {"0.2.0"}, {"latest": "0.2.0"}, {}, id="0.x"),
        pytest.param(["0.1.9", "0.1.10", "0.1.11"], {"0.1.11"}, {"latest": "0.1.11"}, {"latest": "0.1.10"}, id="order"),
        pytest.param(["1.0.0", "1.1.0-rc.1", "1.1.0"], {"1.1.0"}, {"latest": "1.1.0"}, {"latest": "1.0.0"}, id="pre"),
        pytest.param(
            ["1.0.0", "1.2.0", "1.1.0"], {"1.1.0"}, {"old": "1.1.0", "latest": "1.2.0"},
            {"old": "1.0.0", "latest": "1.2.0"}, id="not-above",
        ),
        pytest.param(["1.0.0", "1.1.0-rc.1"], {"1.1.0-rc.1"}, {"next": "1.1.0-rc.1"}, {"next": "1.0.0"}, id="held-pre"),
        pytest.param(["1.0.0", "odd"], {"odd"}, {"latest": "odd"}, {}, id="no-version"),
    ],
)  # fmt: skip
def test_tags_lead_to_what_is_left(
    versions: list[str], held: set[str], tags: dict[str, str], expected: dict[str, str]
) -> None:
    document = {
        "name": "six",
        "dist-tags": tags,
        "versions": {version: {"version": version} for version in versions},
        "time": {"modified": "x", **dict.fromkeys(versions, "y")},
        "readme": "\ud83d lone",
    }
    left = json.loads(without_versions(json.dumps(document).encode(), held))
    assert left["dist-tags"] == expected
    assert list(left["versions"]) == [version for version in versions if version not in held]
    assert set(left["time"]) == {"modified", *left["versions"]}
    assert left["readme"] == document["readme"]

from __future__ import annotations

from dataclasses import replace

import pytest

from guard.attest.publisher import GitHubPublisher, parse_publisher, verify_publisher
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims

COMMIT = "621e4974ca25ce531773def586ba3ed8e736b3fc"
GITHUB_CONFIG = "https://github.com/Acme/Widget/.github/workflows/release.yml"
GITHUB_CLAIMS = Claims(
    san=f"{GITHUB_CONFIG}@refs/tags/v1",
    issuer="https://token.actions.githubusercontent.com",
    source_repository_uri="https://github.com/Acme/Widget",
    source_repository_ref="refs/tags/v1",
    source_repository_digest=COMMIT,
    build_config_uri=f"{GITHUB_CONFIG}@refs/tags/v1",
    deployment_environment="PyPI",
)
GITHUB = {
    "kind": "GitHub",
    "repository": "Acme/Widget",
    "workflow": "release.yml",
    "environment": "pypi",
    "claims": None,
}
GITLAB_CONFIG = "https://gitlab.com/acme/sub/widget//ci/release.yml"
GITLAB_CLAIMS = Claims(
    san=f"{GITLAB_CONFIG}@refs/heads/main",
    issuer="https://gitlab.com",
    source_repository_uri="https://gitlab.com/acme/sub/widget",
    source_repository_ref="refs/heads/main",
    source_repository_digest=COMMIT,
    build_config_uri=f"{GITLAB_CONFIG}@refs/heads/main",
    deployment_environment="release",
)
GITLAB = {
    "kind": "GitLab",
    "repository": "acme/sub/widget",
    "workflow_filepath": "ci/release.yml",
    "environment": "release",
}
GOOGLE_CLAIMS = Claims(san="robot@acme.iam.gserviceaccount.com", issuer="https://accounts.google.com")
GOOGLE = {"kind": "Google", "email": "robot@acme.iam.gserviceaccount.com"}
CIRCLE_CLAIMS = Claims(
    san="https://circleci.com/api/v2/projects/p-1/pipeline-definitions/d-1",
    issuer="https://oidc.circleci.com",
    build_signer_uri="https://circleci.com/api/v2/projects/p-1/pipeline-definitions/d-1",
    source_repository_uri="github.com/acme/widget",
    source_repository_ref="refs/heads/main",
)
CIRCLE = {
    "kind": "CircleCI",
    "project_id": "p-1",
    "pipeline_definition_id": "d-1",
    "vcs_origin": "github.com/acme/widget",
    "vcs_ref": "refs/heads/main",
}


@pytest.mark.parametrize(
    ("publisher", "claims"),
    [
        pytest.param(GITHUB, GITHUB_CLAIMS, id="github"),
        pytest.param(GITHUB | {"repository": "acme/widget"}, GITHUB_CLAIMS, id="github-repository-without-case"),
        pytest.param(GITHUB | {"environment": ""}, GITHUB_CLAIMS, id="github-environment-empty"),
        pytest.param(GITHUB | {"environment": None}, GITHUB_CLAIMS, id="github-environment-null"),
        pytest.param(GITHUB, replace(GITHUB_CLAIMS, deployment_environment=None), id="github-certificate-without-23"),
        pytest.param(
            GITHUB, replace(GITHUB_CLAIMS, build_config_uri=f"{GITHUB_CONFIG}@{COMMIT}"), id="github-config-at-commit"
        ),
        pytest.param(
            GITHUB,
            replace(
                GITHUB_CLAIMS,
                source_repository_ref="refs/tags/@acme/widget@1.0.0",
                build_config_uri=f"{GITHUB_CONFIG}@refs/tags/@acme/widget@1.0.0",
            ),
            id="github-tag-with-at-signs",
        ),
        pytest.param(GITLAB, GITLAB_CLAIMS, id="gitlab"),
        pytest.param(GITLAB | {"environment": None}, GITLAB_CLAIMS, id="gitlab-environment-null"),
        pytest.param(GITLAB, replace(GITLAB_CLAIMS, deployment_environment=None), id="gitlab-certificate-without-23"),
        pytest.param(GOOGLE, GOOGLE_CLAIMS, id="google"),
        pytest.param(CIRCLE, CIRCLE_CLAIMS, id="circleci"),
        pytest.param(CIRCLE | {"vcs_origin": None, "vcs_ref": None}, CIRCLE_CLAIMS, id="circleci-without-repository"),
    ],
)
def test_accepts(publisher: dict[str, object], claims: Claims) -> None:
    verify_publisher(parse_publisher(publisher), claims)


@pytest.mark.parametrize(
    ("publisher", "claims", "part"),
    [
        pytest.param(
            GITHUB,
            replace(GITHUB_CLAIMS, issuer="https://token.actions.githubusercontent.com/acme"),
            "issuer",
            id="github-enterprise-issuer",
        ),
        pytest.param(
            GITHUB,
            replace(GITHUB_CLAIMS, issuer="https://token.actions.githubusercontent.com.evil.test"),
            "issuer",
            id="github-issuer-with-suffix",
        ),
        pytest.param(GITHUB | {"repository": "evil/widget"}, GITHUB_CLAIMS, "repository", id="github-repository"),
        pytest.param(
            GITHUB, replace(GITHUB_CLAIMS, source_repository_uri=None), "repository", id="github-no-repository-claim"
        ),
        pytest.param(GITHUB | {"workflow": "evil.yml"}, GITHUB_CLAIMS, "workflow", id="github-workflow"),
        pytest.param(GITHUB | {"workflow": "Release.yml"}, GITHUB_CLAIMS, "workflow", id="github-workflow-case"),
        pytest.param(GITHUB | {"workflow": ""}, GITHUB_CLAIMS, "workflow", id="github-workflow-empty"),
        pytest.param(
            GITHUB, replace(GITHUB_CLAIMS, build_config_uri=None), "workflow", id="github-no-build-config-claim"
        ),
        pytest.param(
            GITHUB,
            replace(GITHUB_CLAIMS, build_config_uri=GITHUB_CLAIMS.san.replace("Widget", "Gadget")),
            "workflow",
            id="github-workflow-of-another-repository",
        ),
        pytest.param(
            GITHUB,
            replace(GITHUB_CLAIMS, build_config_uri=f"{GITHUB_CONFIG}@evil.yml@refs/tags/v1"),
            "workflow",
            id="github-workflow-file-with-at-sign",
        ),
        pytest.param(
            GITHUB,
            replace(GITHUB_CLAIMS, build_config_uri=f"{GITHUB_CONFIG}@refs/heads/other"),
            "workflow",
            id="github-workflow-of-another-ref",
        ),
        pytest.param(
            GITHUB,
            replace(GITHUB_CLAIMS, source_repository_ref=None, source_repository_digest=None),
            "workflow",
            id="github-neither-ref-nor-commit",
        ),
        pytest.param(
            GITHUB,
            replace(GITHUB_CLAIMS, source_repository_ref=None, build_config_uri=f"{GITHUB_CONFIG}@None"),
            "workflow",
            id="github-no-ref-is-no-word",
        ),
        pytest.param(GITHUB | {"environment": "test"}, GITHUB_CLAIMS, "environment", id="github-environment"),
        pytest.param(GITHUB, GITLAB_CLAIMS, "issuer", id="github-publisher-gitlab-certificate"),
        pytest.param(GITLAB, GITHUB_CLAIMS, "issuer", id="gitlab-publisher-github-certificate"),
        pytest.param(
            GITLAB, replace(GITLAB_CLAIMS, issuer="https://gitlab.example.test"), "issuer", id="gitlab-other-instance"
        ),
        pytest.param(GITLAB | {"repository": "Acme/sub/widget"}, GITLAB_CLAIMS, "repository", id="gitlab-exact-case"),
        pytest.param(GITLAB | {"workflow_filepath": ".gitlab-ci.yml"}, GITLAB_CLAIMS, "workflow", id="gitlab-workflow"),
        pytest.param(GITLAB | {"environment": "Release"}, GITLAB_CLAIMS, "environment", id="gitlab-environment"),
        pytest.param(GOOGLE | {"email": "other@acme.test"}, GOOGLE_CLAIMS, "email", id="google-email"),
        pytest.param(
            GOOGLE, replace(GOOGLE_CLAIMS, issuer="https://github.com/login/oauth"), "issuer", id="google-issuer"
        ),
        pytest.param(
            CIRCLE, replace(CIRCLE_CLAIMS, issuer="https://oidc.circleci.com/org/1"), "issuer", id="circleci-issuer"
        ),
        pytest.param(CIRCLE | {"project_id": "p-2"}, CIRCLE_CLAIMS, "pipeline", id="circleci-project"),
        pytest.param(CIRCLE | {"pipeline_definition_id": "d-2"}, CIRCLE_CLAIMS, "pipeline", id="circleci-definition"),
        pytest.param(CIRCLE | {"vcs_origin": "github.com/evil"}, CIRCLE_CLAIMS, "repository", id="circleci-origin"),
        pytest.param(CIRCLE | {"vcs_ref": "refs/heads/evil"}, CIRCLE_CLAIMS, "ref", id="circleci-ref"),
        pytest.param({"kind": "Jenkins"}, GITHUB_CLAIMS, "unknown publisher kind 'Jenkins'", id="unknown-kind"),
        pytest.param(GITHUB | {"kind": "github"}, GITHUB_CLAIMS, "unknown publisher kind", id="kind-in-other-case"),
    ],
)
def test_refuses(publisher: dict[str, object], claims: Claims, part: str) -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        verify_publisher(parse_publisher(publisher), claims)
    assert caught.value.code is EvidenceCode.STATEMENT_PUBLISHER
    assert caught.value.message.startswith(part if "unknown" in part else f"publisher {part} ")


def test_both_sides_are_said() -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        verify_publisher(parse_publisher(GITHUB), replace(GITHUB_CLAIMS, source_repository_uri=None))
    assert caught.value.message == (
        "publisher repository 'https://github.com/acme/widget' differs from the certificate's: nothing"
    )
    with pytest.raises(EvidenceInvalid) as caught:
        verify_publisher(parse_publisher(GOOGLE | {"email": "\x1b" + "e" * 300}), replace(GOOGLE_CLAIMS, san="s" * 300))
    assert caught.value.message == (f"publisher email '\\x1b{'e' * 199}' differs from the certificate's: '{'s' * 200}'")


def test_an_environment_that_says_nothing_is_none() -> None:
    unsaid: dict[str, object] = {"kind": "GitHub", "repository": "a/b", "workflow": "c"}
    for publisher in (unsaid, unsaid | {"environment": None}, unsaid | {"environment": ""}):
        assert parse_publisher(publisher) == GitHubPublisher("a/b", "c", None)


@pytest.mark.parametrize(
    "publisher",
    [
        pytest.param({}, id="no-kind"),
        pytest.param({"kind": 1}, id="kind-no-string"),
        pytest.param({"kind": "GitHub", "workflow": "release.yml"}, id="github-without-repository"),
        pytest.param({"kind": "GitHub", "repository": "a/b"}, id="github-without-workflow"),
        pytest.param(GITHUB | {"environment": 1}, id="github-environment-no-string"),
        pytest.param({"kind": "GitLab", "repository": "a/b"}, id="gitlab-without-workflow"),
        pytest.param({"kind": "GitLab", "workflow_filepath": "a"}, id="gitlab-without-repository"),
        pytest.param({"kind": "Google"}, id="google-without-email"),
        pytest.param({"kind": "CircleCI", "project_id": "p-1"}, id="circleci-without-definition"),
        pytest.param({"kind": "CircleCI", "pipeline_definition_id": "d-1"}, id="circleci-without-project"),
    ],
)
def test_malformed(publisher: dict[str, object]) -> None:
    with pytest.raises(MalformedInput, match="publisher: "):
        parse_publisher(publisher)

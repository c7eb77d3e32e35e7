"""The publisher object beside PyPI's attestations, compared with the certificate.

The index writes it and nobody signs it, so it proves nothing; but where it differs from the certificate, the index and
the attestation disagree about who published, and that is refused. What is compared per kind follows PyPI's Trusted
Publishers (https://docs.pypi.org/trusted-publishers/) and Fulcio's mapping of token claims to extensions
(https://github.com/sigstore/fulcio/blob/main/config/identity/config.yaml).
"""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import assert_never

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims
from guard.sigstore.issuers import GITHUB_ISSUER, GITLAB_ISSUER
from guard.sigstore.strict_json import JsonObject, text_member

_WHAT = "publisher"


@dataclass(frozen=True, slots=True)
class GitHubPublisher:
    """A GitHub Actions workflow: ``owner/name`` and the workflow's file name."""

    repository: str
    workflow: str
    environment: str | None


@dataclass(frozen=True, slots=True)
class GitLabPublisher:
    """A GitLab CI/CD pipeline on gitlab.com: project path and path of its configuration."""

    repository: str
    workflow_filepath: str
    environment: str | None


@dataclass(frozen=True, slots=True)
class GooglePublisher:
    """A Google Cloud service account."""

    email: str


@dataclass(frozen=True, slots=True)
class CircleCIPublisher:
    """A CircleCI pipeline definition; origin and ref only for pipelines that a repository triggers."""

    project_id: str
    pipeline_definition_id: str
    vcs_origin: str | None
    vcs_ref: str | None


@dataclass(frozen=True, slots=True)
class UnknownPublisher:
    """A kind that cannot be compared with a certificate."""

    kind: str


Publisher = GitHubPublisher | GitLabPublisher | GooglePublisher | CircleCIPublisher | UnknownPublisher


def parse_publisher(document: JsonObject) -> Publisher:
    """Parse the ``publisher`` of an attestation bundle.

    Args:
        document: the object.

    Returns:
        The publisher; of a kind not known here, its kind.

    Raises:
        MalformedInput: a member that its kind needs is missing or no string.
    """
    kind = text_member(document, "kind", context=_WHAT)
    match kind:
        case "GitHub":
            return GitHubPublisher(
                text_member(document, "repository", context=_WHAT),
                text_member(document, "workflow", context=_WHAT),
                _optional_text(document, "environment"),
            )
        case "GitLab":
            return GitLabPublisher(
                text_member(document, "repository", context=_WHAT),
                text_member(document, "workflow_filepath", context=_WHAT),
                _optional_text(document, "environment"),
            )
        case "Google":
            return GooglePublisher(text_member(document, "email", context=_WHAT))
        case "CircleCI":
            return CircleCIPublisher(
                text_member(document, "project_id", context=_WHAT),
                text_member(document, "pipeline_definition_id", context=_WHAT),
                _optional_text(document, "vcs_origin"),
                _optional_text(document, "vcs_ref"),
            )
        case _:
            return UnknownPublisher(kind)


def verify_publisher(publisher: Publisher, claims: Claims) -> None:
    """Compare a publisher with the certificate of an attestation that is listed under it.

    Args:
        publisher: what the index says.
        claims: what the certificate says.

    Raises:
        EvidenceInvalid: ``STATEMENT_PUBLISHER``, they differ, or the kind is unknown.
    """
    match publisher:
        case GitHubPublisher():
            _verify_github(publisher, claims)
        case GitLabPublisher():
            _verify_gitlab(publisher, claims)
        case GooglePublisher():
            _verify_equal("issuer", "https://accounts.google.com", claims.issuer)
            _verify_equal("email", publisher.email, claims.san)
        case CircleCIPublisher():
            _verify_circleci(publisher, claims)
        case UnknownPublisher():
            raise _publisher_invalid(f"unknown publisher kind {publisher.kind[:40]!a}")
        case _:
            assert_never(publisher)


def _verify_github(publisher: GitHubPublisher, claims: Claims) -> None:
    """GitHub compares owners, names and environments without case; PyPI stores environments in lower case."""
    _verify_equal("issuer", GITHUB_ISSUER, claims.issuer)
    repository = f"https://github.com/{publisher.repository}"
    _verify_equal("repository", repository.lower(), _lower(claims.source_repository_uri))
    _verify_build_config(claims, f"{repository}/", f".github/workflows/{publisher.workflow}")
    if publisher.environment and claims.deployment_environment:
        _verify_equal("environment", publisher.environment.lower(), claims.deployment_environment.lower())


def _verify_gitlab(publisher: GitLabPublisher, claims: Claims) -> None:
    _verify_equal("issuer", GITLAB_ISSUER, claims.issuer)
    repository = f"https://gitlab.com/{publisher.repository}"
    _verify_equal("repository", repository, claims.source_repository_uri)
    _verify_build_config(claims, "", f"{repository}//{publisher.workflow_filepath}")
    if publisher.environment and claims.deployment_environment:
        _verify_equal("environment", publisher.environment, claims.deployment_environment)


def _verify_circleci(publisher: CircleCIPublisher, claims: Claims) -> None:
    definition = f"{publisher.project_id}/pipeline-definitions/{publisher.pipeline_definition_id}"
    _verify_equal("issuer", "https://oidc.circleci.com", claims.issuer)
    _verify_equal("pipeline", f"https://circleci.com/api/v2/projects/{definition}", claims.build_signer_uri)
    if publisher.vcs_origin:
        _verify_equal("repository", publisher.vcs_origin, claims.source_repository_uri)
    if publisher.vcs_ref:
        _verify_equal("ref", publisher.vcs_ref, claims.source_repository_ref)


def _verify_build_config(claims: Claims, caseless_prefix: str, path: str) -> None:
    """Compare .18, which is ``PATH@REF`` or ``PATH@COMMIT`` with the ref or commit that .14 and .13 hold.

    The whole is compared and never split: file names and tags may both contain ``@``.
    """
    uri = claims.build_config_uri or ""
    start = len(caseless_prefix)
    refs = [ref for ref in (claims.source_repository_ref, claims.source_repository_digest) if ref]
    same_repository = uri[:start].lower() == caseless_prefix.lower()
    if not same_repository or uri[start:] not in [f"{path}@{ref}" for ref in refs]:
        raise _publisher_invalid(
            f"publisher workflow {caseless_prefix + path!a} differs from the certificate's {uri[:200]!a}"
        )


def _verify_equal(what: str, stated: str, certified: str | None) -> None:
    if stated != certified:
        value = "nothing" if certified is None else ascii(certified[:200])
        raise _publisher_invalid(f"publisher {what} {stated[:200]!a} differs from the certificate's: {value}")


def _optional_text(document: JsonObject, name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise MalformedInput(f"{name!r} is no string", context=_WHAT)
    return value or None


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _publisher_invalid(reason: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.STATEMENT_PUBLISHER, reason)

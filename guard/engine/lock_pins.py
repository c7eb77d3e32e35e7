"""Publishers that lockfiles name by themselves, as pins: PEP 751, ``packages.attestation-identities``.

A tool that wrote them saw attestations by these publishers: one of them must have signed what is locked. They are
read and written as an index writes its publishers ("Index hosted attestations"). A kind of publisher that is not known
here pins nothing; nor does an environment, which indexes write in lower case whatever the certificate says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from guard.attest.publisher import (
    CircleCIPublisher,
    GitHubPublisher,
    GitLabPublisher,
    GooglePublisher,
    parse_publisher,
)
from guard.errors import MalformedInput
from guard.model import Ecosystem
from guard.policy.identity import IdentityPin
from guard.policy.patterns import normalised_name
from guard.policy.publisher import Publisher, row_of
from guard.sigstore.issuers import GITHUB_ISSUER, GITLAB_ISSUER

PackageKey = tuple[Ecosystem, str]
Members = Sequence[tuple[str, str]]  # of a publisher, names and values

_CIRCLECI_DEFINITION = re.compile(r"https://circleci\.com/api/v2/projects/([^/]+)/pipeline-definitions/([^/]+)")


def pins_of(named: Iterable[tuple[Ecosystem, str, Iterable[Members]]]) -> Mapping[PackageKey, tuple[IdentityPin, ...]]:
    """Return the publishers that locks name, by package; where several name some, each of them will do.

    Args:
        named: of every entry its ecosystem, the package in any spelling, and the publishers that the lock names for it.
    """
    pins: dict[PackageKey, tuple[IdentityPin, ...]] = {}
    for ecosystem, name, publishers in named:
        key = (ecosystem, normalised_name(ecosystem, name))
        found = [pin for members in publishers if (pin := pin_of(dict(members))) is not None]
        if found:
            pins[key] = tuple(dict.fromkeys((*pins.get(key, ()), *found)))
    return pins


def pin_of(members: Mapping[str, str]) -> IdentityPin | None:
    """Return the pin that a publisher's members are; ``None`` where they say nothing that could be compared."""
    try:
        publisher = parse_publisher(dict(members))
    except MalformedInput:
        return None
    match publisher:
        case GitHubPublisher():
            repository = f"https://github.com/{publisher.repository}"
            workflow = f".github/workflows/{publisher.workflow}"
            return IdentityPin(issuer=GITHUB_ISSUER, repository=repository, workflow=workflow)
        case GitLabPublisher():
            repository = f"https://gitlab.com/{publisher.repository}"
            return IdentityPin(issuer=GITLAB_ISSUER, repository=repository, workflow=publisher.workflow_filepath)
        case GooglePublisher():
            return IdentityPin(issuer="https://accounts.google.com", san=publisher.email)
        case CircleCIPublisher():
            definition = f"{publisher.project_id}/pipeline-definitions/{publisher.pipeline_definition_id}"
            san = f"https://circleci.com/api/v2/projects/{definition}"
            return IdentityPin(issuer="https://oidc.circleci.com", san=san)
        case _:
            return None


def members_of(publisher: Publisher) -> Mapping[str, str] | None:
    """Return a verified publisher as a lock names it; ``None`` for one of a kind that indexes do not know."""
    row = row_of(publisher.issuer or "").name
    path = urlsplit(publisher.repository or "").path.strip("/")
    environment = {"environment": publisher.environment} if publisher.environment else {}
    if row == "GitHub" and path and publisher.workflow:
        workflow = publisher.workflow.rpartition("/")[2]
        return {"kind": "GitHub", "repository": path, "workflow": workflow, **environment}
    if row == "GitLab" and path and publisher.workflow:
        return {"kind": "GitLab", "repository": path, "workflow_filepath": publisher.workflow, **environment}
    if row == "Google" and publisher.san:
        return {"kind": "Google", "email": publisher.san}
    signer = _CIRCLECI_DEFINITION.fullmatch(publisher.signer or "")
    if row == "CircleCI" and signer:
        return {"kind": "CircleCI", "project_id": signer[1], "pipeline_definition_id": signer[2]}
    return None

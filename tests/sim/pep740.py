"""PyPI's attestation documents: statements, publishers and provenance objects (PEP 740)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tests.sim.documents import JsonObject
from tests.sim.identity import CIRCLECI_ISSUER, GITHUB_ISSUER, GITLAB_ISSUER, Identity

PUBLISH_PREDICATE = "https://docs.pypi.org/attestations/publish/v1"
SLSA_PREDICATE = "https://slsa.dev/provenance/v1"


def publish_statement(filename: str, content: bytes) -> JsonObject:
    """Return the statement that a trusted publisher signs (docs.pypi.org, attestations, publish/v1)."""
    return _statement(filename, content, PUBLISH_PREDICATE, None)


def slsa_statement(filename: str, content: bytes, identity: Identity) -> JsonObject:
    """Return the statement that GitHub's attest-build-provenance signs, its predicate agreeing with ``identity``."""
    repository = identity.source_repository_uri or ""
    config = (identity.build_config_uri or "").rpartition("@")[0]
    predicate: JsonObject = {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {
                "workflow": {
                    "ref": identity.source_repository_ref,
                    "repository": repository,
                    "path": config.removeprefix(f"{repository}/"),
                }
            },
            "internalParameters": {
                "github": {
                    "event_name": identity.build_trigger,
                    "repository_id": identity.source_repository_identifier,
                    "repository_owner_id": identity.source_repository_owner_identifier,
                    "runner_environment": identity.runner_environment,
                }
            },
            "resolvedDependencies": [
                {
                    "uri": f"git+{repository}@{identity.source_repository_ref}",
                    "digest": {"gitCommit": identity.source_repository_digest},
                }
            ],
        },
        "runDetails": {
            "builder": {"id": identity.build_signer_uri},
            "metadata": {"invocationId": identity.run_invocation_uri},
        },
    }
    return _statement(filename, content, SLSA_PREDICATE, predicate)


def publisher_of(identity: Identity) -> JsonObject:
    """Return the publisher object that PyPI writes beside the attestations of this identity.

    PyPI names a GitHub workflow by its file name alone. Where a reusable workflow signed, this names its caller,
    which is what pypi-attestations compares with the certificate (build config URI).
    """
    if identity.issuer == CIRCLECI_ISSUER:
        project, definition = (identity.build_signer_uri or "").split("/")[-3::2]
        return {
            "kind": "CircleCI",
            "claims": None,
            "project_id": project,
            "pipeline_definition_id": definition,
            "vcs_origin": identity.source_repository_uri,
            "vcs_ref": identity.source_repository_ref,
        }
    if identity.issuer not in (GITHUB_ISSUER, GITLAB_ISSUER):
        return {"kind": "Google", "claims": None, "email": identity.san}
    config = (identity.build_config_uri or "").rpartition("@")[0]
    publisher = {
        "claims": None,
        "environment": identity.deployment_environment,
        "repository": (identity.source_repository_uri or "").split("/", 3)[-1],
    }
    if identity.issuer == GITHUB_ISSUER:
        return publisher | {"kind": "GitHub", "workflow": config.rpartition("/")[2]}
    return publisher | {"kind": "GitLab", "workflow_filepath": config.rpartition("//")[2]}


def provenance(bundles: Iterable[tuple[JsonObject, list[JsonObject]]]) -> JsonObject:
    """Return a provenance object of one bundle for each publisher with its attestations."""
    return {
        "version": 1,
        "attestation_bundles": [
            {"publisher": publisher, "attestations": attestations} for publisher, attestations in bundles
        ],
    }


def _statement(filename: str, content: bytes, predicate_type: str, predicate: JsonObject | None) -> JsonObject:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": filename, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }

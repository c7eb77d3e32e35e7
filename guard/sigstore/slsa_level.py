"""The SLSA build level that a certificate shows: the table of docs/slsa.md.

Issuer, runner and signing workflow decide, all three certified. A predicate says nothing about the level: below level 3
the job that is described writes it itself.
"""

from __future__ import annotations

import re

from guard.model import Claims
from guard.sigstore.issuers import GITHUB_ISSUER, GITLAB_ISSUER

# Platforms whose own machines are known to run builds as level 2 asks for, and what they call such a machine.
_HOSTED_RUNNER = {GITHUB_ISSUER: "github-hosted", GITLAB_ISSUER: "gitlab-hosted"}
# Reusable workflows that sign in a job apart from the build, so that a build cannot forge what is said of it
# (slsa-verifier, ``verifiers/internal/gha/builder.go``). Delegators sign for every builder that is made with them.
_ISOLATED_WORKFLOWS = frozenset(
    f"https://github.com/slsa-framework/slsa-github-generator/.github/workflows/{name}_slsa3.yml"
    for name in (
        "builder_container-based",
        "builder_docker-based",
        "builder_go",
        "delegator_generic",
        "delegator_lowperms-generic",
        "generator_container",
        "generator_generic",
    )
)
# A branch may hold anything; releases of these workflows have tags of this form alone.
_RELEASE_TAG = re.compile(r"refs/tags/v[0-9]+\.[0-9]+\.[0-9]+")


def slsa_level(claims: Claims) -> int:
    """Return the SLSA build level that a verified certificate shows, from 0 to 3.

    Args:
        claims: of the certificate.
    """
    if claims.build_signer_uri is None and claims.build_config_uri is None and claims.run_invocation_uri is None:
        return 0
    runner = _HOSTED_RUNNER.get(claims.issuer)
    if runner is None or claims.runner_environment != runner:
        return 1
    return 3 if claims.issuer == GITHUB_ISSUER and _is_isolated(claims.build_signer_uri or "") else 2


def _is_isolated(signer: str) -> bool:
    workflow, _, ref = signer.rpartition("@")
    return workflow in _ISOLATED_WORKFLOWS and _RELEASE_TAG.fullmatch(ref) is not None

"""Who a simulated certificate says it was issued to.

Claims follow Fulcio's table of extensions (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md) and the way
Fulcio fills them for each issuer.
"""

from __future__ import annotations

from dataclasses import dataclass

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
GITLAB_ISSUER = "https://gitlab.com"
GOOGLE_ISSUER = "https://accounts.google.com"
CIRCLECI_ISSUER = "https://oidc.circleci.com"

_COMMIT = "621e4974ca25ce531773def586ba3ed8e736b3fc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Subject alternative name, issuer and the claims of one certificate; ``None`` leaves an extension out.

    The fields from ``build_signer_uri`` on are extensions .9 to .24; ``workflow_trigger`` to ``workflow_ref`` are the
    deprecated .2 to .6, which only GitHub's certificates carry.
    """

    san: str
    issuer: str
    workflow_trigger: str | None = None
    workflow_sha: str | None = None
    workflow_name: str | None = None
    workflow_repository: str | None = None
    workflow_ref: str | None = None
    build_signer_uri: str | None = None
    build_signer_digest: str | None = None
    runner_environment: str | None = None
    source_repository_uri: str | None = None
    source_repository_digest: str | None = None
    source_repository_ref: str | None = None
    source_repository_identifier: str | None = None
    source_repository_owner_uri: str | None = None
    source_repository_owner_identifier: str | None = None
    build_config_uri: str | None = None
    build_config_digest: str | None = None
    build_trigger: str | None = None
    run_invocation_uri: str | None = None
    source_repository_visibility: str | None = None
    deployment_environment: str | None = None
    token_subject: str | None = None

    @classmethod
    def github(
        cls,
        repository: str = "acme/widget",
        workflow: str = ".github/workflows/release.yml",
        ref: str = "refs/tags/v1.0.0",
        repository_id: str = "1001",
        owner_id: str = "501",
        trigger: str = "push",
        runner: str = "github-hosted",
        environment: str | None = None,
        reusable: str | None = None,
    ) -> Identity:
        """Return what Fulcio issues to a GitHub Actions job.

        Args:
            reusable: ``owner/repo/path@ref`` of the reusable workflow that the job ran in; it becomes the signer (.9
                and the subject alternative name) while the build's configuration (.18) stays the caller's workflow.
        """
        host = "https://github.com"
        config = f"{host}/{repository}/{workflow}@{ref}"
        signer = f"{host}/{reusable}" if reusable else config
        return cls(
            san=signer,
            issuer=GITHUB_ISSUER,
            workflow_trigger=trigger,
            workflow_sha=_COMMIT,
            workflow_name="Release",
            workflow_repository=repository,
            workflow_ref=ref,
            build_signer_uri=signer,
            build_signer_digest=_COMMIT,
            runner_environment=runner,
            source_repository_uri=f"{host}/{repository}",
            source_repository_digest=_COMMIT,
            source_repository_ref=ref,
            source_repository_identifier=repository_id,
            source_repository_owner_uri=f"{host}/{repository.partition('/')[0]}",
            source_repository_owner_identifier=owner_id,
            build_config_uri=config,
            build_config_digest=_COMMIT,
            build_trigger=trigger,
            run_invocation_uri=f"{host}/{repository}/actions/runs/11713038981/attempts/1",
            source_repository_visibility="public",
            deployment_environment=environment,
            token_subject=f"repo:{repository}:" + (f"environment:{environment}" if environment else f"ref:{ref}"),
        )

    @classmethod
    def gitlab(
        cls,
        project: str = "acme/widget",
        config: str = ".gitlab-ci.yml",
        ref: str = "refs/tags/v1.0.0",
        project_id: str = "2001",
        namespace_id: str = "601",
    ) -> Identity:
        """Return what Fulcio issues to a job of gitlab.com."""
        signer = f"https://gitlab.com/{project}//{config}@{ref}"
        return cls(
            san=signer,
            issuer=GITLAB_ISSUER,
            build_signer_uri=signer,
            build_signer_digest=_COMMIT,
            runner_environment="gitlab-hosted",
            source_repository_uri=f"https://gitlab.com/{project}",
            source_repository_digest=_COMMIT,
            source_repository_ref=ref,
            source_repository_identifier=project_id,
            source_repository_owner_uri=f"https://gitlab.com/{project.rpartition('/')[0]}",
            source_repository_owner_identifier=namespace_id,
            build_config_uri=signer,
            build_config_digest=_COMMIT,
            build_trigger="push",
            run_invocation_uri=f"https://gitlab.com/{project}/-/jobs/5001",
            source_repository_visibility="public",
        )

    @classmethod
    def circleci(
        cls,
        project: str = "5a301f56-eaa7-4cce-9441-37810f7c8452",
        definition: str = "17c50866-1802-5aeb-874e-7f4dfce1b6b5",
        origin: str = "github.com/acme/widget",
        ref: str = "refs/tags/v1.0.0",
        pipeline: str = "cd267951-f409-44fc-a0f0-81512f5840b0",
    ) -> Identity:
        """Return what Fulcio issues to a job of CircleCI: every run has another ``pipeline``."""
        api = "https://circleci.com/api/v2"
        signer = f"{api}/projects/{project}/pipeline-definitions/{definition}"
        return cls(
            san=signer,
            issuer=CIRCLECI_ISSUER,
            build_signer_uri=signer,
            runner_environment='""',  # as the template of Fulcio's configuration writes it
            source_repository_uri=origin,
            source_repository_ref=ref,
            build_config_uri=f"{api}/pipeline/{pipeline}/config",
            run_invocation_uri="https://app.circleci.com//workflow/1/job/1",
        )

    @classmethod
    def email(cls, address: str, issuer: str = GOOGLE_ISSUER) -> Identity:
        """Return what Fulcio issues to a person or a service account: an address and nothing about a build."""
        return cls(san=address, issuer=issuer)

    def legacy_claims(self) -> dict[int, str]:
        """Claims of the deprecated extensions .1 to .6, whose values are raw bytes."""
        values = (
            self.issuer,
            self.workflow_trigger,
            self.workflow_sha,
            self.workflow_name,
            self.workflow_repository,
            self.workflow_ref,
        )
        return {number: value for number, value in enumerate(values, start=1) if value is not None}

    def claims(self) -> dict[int, str]:
        """Claims of the extensions .8 to .24, whose values are DER UTF8Strings."""
        values = (
            self.issuer,
            self.build_signer_uri,
            self.build_signer_digest,
            self.runner_environment,
            self.source_repository_uri,
            self.source_repository_digest,
            self.source_repository_ref,
            self.source_repository_identifier,
            self.source_repository_owner_uri,
            self.source_repository_owner_identifier,
            self.build_config_uri,
            self.build_config_digest,
            self.build_trigger,
            self.run_invocation_uri,
            self.source_repository_visibility,
            self.deployment_environment,
            self.token_subject,
        )
        return {number: value for number, value in enumerate(values, start=8) if value is not None}

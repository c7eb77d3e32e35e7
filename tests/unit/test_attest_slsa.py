"""SLSA provenance against the certificate that signed it, and the level that a certificate shows."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.attest.slsa import _folded, verify_provenance_predicate
from guard.attest.statement import SLSA_V1_PREDICATE_TYPE, Statement
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims
from guard.sigstore.slsa_level import slsa_level
from tests.sim.identity import GITHUB_ISSUER, GITLAB_ISSUER, Identity
from tests.sim.npm_documents import provenance_statement
from tests.sim.pep740 import slsa_statement

V02 = "https://slsa.dev/provenance/v0.2"
REPOSITORY = "https://github.com/acme/widget"
GITLAB_REPOSITORY = "https://gitlab.com/acme/widget"
TAG = "refs/tags/@acme/widget@1.0.0"
RUN, ATTEMPT = "11713038981", "1"
GENERATOR = "slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v2.1.0"
OTHER_COMMIT = "0" * 40


def claims_of(identity: Identity) -> Claims:
    """Return what guard reads from a certificate of this identity."""
    names = [name for name in Claims.__dataclass_fields__ if name not in ("signed_at", "log_index")]
    return Claims(**{name: getattr(identity, name) for name in names})


IDENTITY = Identity.github(ref=TAG)
CLAIMS = claims_of(IDENTITY)
COMMIT = CLAIMS.source_repository_digest
GENERATED = claims_of(Identity.github(ref=TAG, reusable=GENERATOR))
GITLAB = claims_of(Identity.gitlab())
LEGACY = Claims(
    san=IDENTITY.san,
    issuer=GITHUB_ISSUER,
    build_signer_uri=IDENTITY.san,
    source_repository_uri=REPOSITORY,
    source_repository_digest=COMMIT,
    source_repository_ref=TAG,
    build_trigger="push",
)


def npm_v02(build_type: str, *, builder: str, entry_point: str) -> dict[str, Any]:
    """Return the predicate that versions 9 and 10 of npm write on GitHub."""
    source = {"uri": f"git+{REPOSITORY}@{TAG}", "digest": {"sha1": COMMIT}}
    environment = {
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": TAG,
        "GITHUB_REPOSITORY": "acme/widget",
        "GITHUB_REPOSITORY_ID": "1001",
        "GITHUB_REPOSITORY_OWNER_ID": "501",
        "GITHUB_RUN_ATTEMPT": ATTEMPT,
        "GITHUB_RUN_ID": RUN,
        "GITHUB_SHA": COMMIT,
        "GITHUB_WORKFLOW_REF": f"acme/widget/.github/workflows/release.yml@{TAG}",
        "GITHUB_WORKFLOW_SHA": COMMIT,
    }
    return {
        "buildType": build_type,
        "builder": {"id": builder},
        "invocation": {
            "configSource": source | {"entryPoint": entry_point},
            "parameters": {},
            "environment": environment,
        },
        "metadata": {"buildInvocationId": f"{RUN}-{ATTEMPT}", "reproducible": False},
        "materials": [source],
    }


def generator_v02() -> dict[str, Any]:
    """Return the predicate that slsa-github-generator writes for any file."""
    source = {"uri": f"git+{REPOSITORY}@{TAG}", "digest": {"sha1": COMMIT}}
    environment = {
        "github_event_name": "push",
        "github_ref": TAG,
        "github_repository_id": "1001",
        "github_repository_owner_id": "501",
        "github_run_attempt": ATTEMPT,
        "github_run_id": RUN,
        "github_sha1": COMMIT,
        "github_event_payload": {"any": ["thing"]},
    }
    return {
        "buildType": "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
        "builder": {"id": f"https://github.com/{GENERATOR}"},
        "invocation": {
            "configSource": source | {"entryPoint": ".github/workflows/release.yml"},
            "environment": environment,
        },
        "metadata": {"buildInvocationID": f"{RUN}-{ATTEMPT}"},
        "materials": [source],
    }


def gitlab_v02() -> dict[str, Any]:
    """Return the predicate that npm writes on GitLab."""
    source = {
        "uri": f"git+{GITLAB_REPOSITORY}@{GITLAB.source_repository_digest}",
        "digest": {"sha1": GITLAB.source_repository_digest},
    }
    return {
        "buildType": "https://github.com/npm/cli/gitlab/v0alpha1",
        "builder": {"id": f"{GITLAB_REPOSITORY}/-/runners/12"},
        "invocation": {"configSource": source | {"entryPoint": "publish"}, "parameters": {}},
        "metadata": {"buildInvocationId": f"{GITLAB_REPOSITORY}/-/jobs/5001"},
        "materials": [source],
    }


OLD_NPM = npm_v02(
    "https://github.com/npm/cli/gha@v1",
    builder="https://github.com/npm/cli@9.5.0",
    entry_point=f"acme/widget/.github/workflows/release.yml@{TAG}",
)
NPM = npm_v02(
    "https://github.com/npm/cli/gha/v2",
    builder="https://github.com/actions/runner",
    entry_point=".github/workflows/release.yml",
)
WORKFLOW = {"ref": TAG, "repository": REPOSITORY, "path": ".github/workflows/release.yml"}
NPM_V1 = provenance_statement("widget", "1.0.0", b"", IDENTITY)["predicate"]
ATTEST_V1 = slsa_statement("widget-1.0.tar.gz", b"", IDENTITY)["predicate"]
for predicate in (NPM_V1, ATTEST_V1):
    predicate["buildDefinition"]["externalParameters"]["workflow"] = WORKFLOW
GOOD: dict[str, tuple[dict[str, Any], Claims]] = {
    "npm-v1": (NPM_V1, CLAIMS),
    "attest-v1": (ATTEST_V1, CLAIMS),
    "npm-v0.2": (NPM, CLAIMS),
    "npm-v0.2-old": (OLD_NPM, CLAIMS),
    "npm-v0.2-of-a-certificate-of-before-2023": (OLD_NPM, LEGACY),
    "generator-v0.2": (generator_v02(), GENERATED),
    "gitlab-v0.2": (gitlab_v02(), GITLAB),
}


def verify(predicate: object, claims: Claims = CLAIMS, predicate_type: str | None = None) -> None:
    is_v1 = isinstance(predicate, dict) and "buildDefinition" in predicate
    verify_provenance_predicate(
        Statement(
            subject_name="widget",
            subject_digests={},
            predicate_type=predicate_type or (SLSA_V1_PREDICATE_TYPE if is_v1 else V02),
            predicate=predicate,  # type: ignore[arg-type]
        ),
        claims,
    )


def changed(predicate: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy in which the member at a path of names and numbers is another one; ``...`` takes it away."""
    document: dict[str, Any] = json.loads(json.dumps(predicate))
    *steps, last = path.split(".")
    parent: Any = document
    for step in steps:
        parent = parent[int(step) if step.isdigit() else step]
    if value is ...:
        del parent[last]
    else:
        parent[last] = value
    return document


@pytest.mark.parametrize("name", GOOD)
def test_a_predicate_that_agrees_with_its_certificate(name: str) -> None:
    verify(*GOOD[name])


V1_FACTS = {
    "buildDefinition.externalParameters.workflow.repository": ("https://github.com/acme/gadget", "repository"),
    "buildDefinition.externalParameters.workflow.path": (".github/workflows/other.yml", "workflow"),
    "buildDefinition.externalParameters.workflow.ref": ("refs/heads/main", "workflow"),
    "buildDefinition.internalParameters.github.event_name": ("workflow_dispatch", "trigger"),
    "buildDefinition.internalParameters.github.repository_id": ("1002", "repository id"),
    "buildDefinition.internalParameters.github.repository_owner_id": ("502", "owner id"),
    "buildDefinition.resolvedDependencies.0.uri": (f"git+{REPOSITORY}@refs/heads/main", "source"),
    "buildDefinition.resolvedDependencies.0.digest.gitCommit": (OTHER_COMMIT, "commit"),
    "runDetails.metadata.invocationId": (f"{REPOSITORY}/actions/runs/{RUN}/attempts/2", "run"),
}
V02_FACTS = {
    "invocation.configSource.uri": (f"git+{REPOSITORY}@refs/heads/main", "source"),
    "invocation.configSource.digest.sha1": (OTHER_COMMIT, "commit"),
    "materials.0.uri": (f"git+{REPOSITORY}-evil@{TAG}", "repository"),
    "materials.0.digest.sha1": (OTHER_COMMIT, "commit"),
}
NPM_FACTS = {
    "invocation.environment.GITHUB_EVENT_NAME": ("release", "trigger"),
    "invocation.environment.GITHUB_REF": ("refs/heads/main", "ref"),
    "invocation.environment.GITHUB_REPOSITORY": ("acme/gadget", "repository"),
    "invocation.environment.GITHUB_REPOSITORY_ID": ("1002", "repository id"),
    "invocation.environment.GITHUB_REPOSITORY_OWNER_ID": ("502", "owner id"),
    "invocation.environment.GITHUB_RUN_ATTEMPT": ("2", "run"),
    "invocation.environment.GITHUB_RUN_ID": ("1", "run"),
    "invocation.environment.GITHUB_SHA": (OTHER_COMMIT, "commit"),
    "invocation.environment.GITHUB_WORKFLOW_REF": (f"acme/widget/other.yml@{TAG}", "workflow"),
    "invocation.environment.GITHUB_WORKFLOW_SHA": (OTHER_COMMIT, "commit of the workflow"),
    "metadata.buildInvocationId": (f"{RUN}-2", "run"),
}
GENERATOR_FACTS = {
    "invocation.environment.github_event_name": ("release", "trigger"),
    "invocation.environment.github_ref": ("refs/heads/main", "ref"),
    "invocation.environment.github_repository_id": ("1002", "repository id"),
    "invocation.environment.github_repository_owner_id": ("502", "owner id"),
    "invocation.environment.github_run_id": ("1", "run"),
    "invocation.environment.github_sha1": (OTHER_COMMIT, "commit"),
    "metadata.buildInvocationID": (f"1-{ATTEMPT}", "run"),
    "builder.id": (f"https://github.com/{GENERATOR}.1", "builder"),
    "invocation.configSource.entryPoint": (".github/workflows/other.yml", "workflow"),
}
GITLAB_FACTS = {
    "invocation.configSource.uri": (f"git+{GITLAB_REPOSITORY}-evil@x", "repository"),
    "invocation.configSource.digest.sha1": (OTHER_COMMIT, "commit"),
    "materials.0.uri": ("git+https://gitlab.com/Acme/widget", "repository"),
    "materials.0.digest.sha1": (OTHER_COMMIT, "commit"),
    "metadata.buildInvocationId": (f"{GITLAB_REPOSITORY}/-/jobs/5002", "run"),
}
DIFFERENCES = [
    *[("npm-v1", path, *fact) for path, fact in V1_FACTS.items()],
    ("npm-v1", "runDetails.builder.id", "https://github.com/actions/runner/self-hosted", "runner"),
    ("npm-v1", "runDetails.builder.id", f"https://github.com/{GENERATOR}", "builder"),
    ("npm-v1", "runDetails.builder.id", "https://github.com/actions/runner-evil/github-hosted", "builder"),
    *[("attest-v1", path, *fact) for path, fact in V1_FACTS.items()],
    ("attest-v1", "buildDefinition.internalParameters.github.runner_environment", "self-hosted", "runner"),
    ("attest-v1", "runDetails.builder.id", f"{CLAIMS.build_signer_uri}x", "builder"),
    *[("npm-v0.2", path, *fact) for path, fact in (V02_FACTS | NPM_FACTS).items()],
    ("npm-v0.2", "invocation.configSource.entryPoint", ".github/workflows/other.yml", "workflow"),
    ("npm-v0.2", "builder.id", "https://github.com/actions/runner/self-hosted", "runner"),
    *[("npm-v0.2-old", path, *fact) for path, fact in (V02_FACTS | NPM_FACTS).items()],
    ("npm-v0.2-old", "invocation.configSource.entryPoint", f"acme/widget/other.yml@{TAG}", "workflow"),
    ("npm-v0.2-of-a-certificate-of-before-2023", "invocation.environment.GITHUB_REPOSITORY", "a/b", "repository"),
    ("npm-v0.2-of-a-certificate-of-before-2023", "invocation.environment.GITHUB_EVENT_NAME", "release", "trigger"),
    ("npm-v0.2-of-a-certificate-of-before-2023", "materials.0.digest.sha1", OTHER_COMMIT, "commit"),
    *[("generator-v0.2", path, *fact) for path, fact in (V02_FACTS | GENERATOR_FACTS).items()],
    *[("gitlab-v0.2", path, *fact) for path, fact in GITLAB_FACTS.items()],
]


@pytest.mark.parametrize(("name", "path", "value", "fact"), DIFFERENCES)
def test_every_field_must_agree(name: str, path: str, value: str, fact: str) -> None:
    predicate, claims = GOOD[name]
    with pytest.raises(EvidenceInvalid, match=f"the provenance says the {fact} is ") as caught:
        verify(changed(predicate, path, value), claims)
    assert caught.value.code is EvidenceCode.STATEMENT_PREDICATE


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("npm-v1", "buildDefinition.internalParameters", ..., id="no-internal-parameters"),
        pytest.param("npm-v1", "buildDefinition.internalParameters.github.event_name", "", id="empty"),
        pytest.param("npm-v1", "buildDefinition.resolvedDependencies", None, id="sources-null"),
        pytest.param("npm-v1", "runDetails.builder.id", "https://github.com/actions/runner", id="any-runner"),
        pytest.param("npm-v1", "runDetails.builder.id", ..., id="no-builder"),
        pytest.param("npm-v1", "runDetails.metadata", ..., id="no-run"),
        pytest.param("npm-v0.2", "invocation.environment.GITHUB_RUN_ID", ..., id="no-run-id"),
        pytest.param("npm-v0.2", "invocation.environment.GITHUB_RUN_ATTEMPT", ..., id="no-run-attempt"),
        # What is left of a tag that was split at every @.
        pytest.param("npm-v1", "buildDefinition.externalParameters.workflow.ref", "refs/tags/", id="cut-tag"),
        pytest.param("npm-v1", "buildDefinition.externalParameters.workflow.ref", TAG[:-6], id="tag-cut-later"),
        pytest.param("npm-v0.2", "invocation.configSource.uri", f"git+{REPOSITORY}", id="no-reference"),
        pytest.param("npm-v0.2", "invocation.configSource.uri", "https://files.example.test/x", id="not-git"),
        pytest.param("npm-v0.2", "materials", [], id="no-materials"),
        pytest.param("generator-v0.2", "invocation.configSource.entryPoint", "Release", id="display-name"),
        pytest.param("generator-v0.2", "metadata.buildInvocationID", "x", id="no-attempt"),
    ],
)
def test_what_is_not_stated_cannot_differ(name: str, path: str, value: object) -> None:
    predicate, claims = GOOD[name]
    verify(changed(predicate, path, value), claims)


@pytest.mark.parametrize("claim", ["source_repository_ref", "source_repository_digest", "build_config_uri"])
def test_what_a_certificate_does_not_say_is_not_compared(claim: str) -> None:
    verify(NPM_V1, replace(CLAIMS, **{claim: None}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["npm-v1", "attest-v1", "npm-v0.2", "gitlab-v0.2"])
def test_a_certificate_that_names_no_repository_can_sign_no_build_of_one(name: str) -> None:
    signer = claims_of(Identity.email("a@example.test"))
    with pytest.raises(EvidenceInvalid, match=r"the certificate says nothing$") as caught:
        verify(GOOD[name][0], signer)
    assert caught.value.code is EvidenceCode.STATEMENT_PREDICATE


def test_letter_case_of_owner_and_name_is_no_difference_on_github() -> None:
    other_case = changed(NPM_V1, "buildDefinition.externalParameters.workflow.repository", REPOSITORY.replace("a", "A"))
    verify(
        changed(other_case, "buildDefinition.resolvedDependencies.0.uri", f"git+https://github.com/ACME/Widget@{TAG}")
    )
    for path, value in {
        "buildDefinition.externalParameters.workflow.path": ".github/workflows/Release.yml",
        "buildDefinition.resolvedDependencies.0.uri": f"git+{REPOSITORY}@{TAG.upper()}",
        "buildDefinition.externalParameters.workflow.repository": "https://GITHUB.com/acme/widget",
    }.items():
        with pytest.raises(EvidenceInvalid):
            verify(changed(NPM_V1, path, value))


OTHER_BUILD_TYPE = "https://example.test/build/v1"
FOREIGN_SOURCE = {"uri": "git+https://github.com/other/dependency@refs/heads/main", "digest": {"sha1": OTHER_COMMIT}}


def of_other_type(predicate: dict[str, Any]) -> dict[str, Any]:
    path = "buildDefinition.buildType" if "buildDefinition" in predicate else "buildType"
    return changed(predicate, path, OTHER_BUILD_TYPE)


@pytest.mark.parametrize("name", GOOD)
def test_of_other_build_types_only_the_commit_of_the_certificates_own_source_is_compared(name: str) -> None:
    predicate, claims = GOOD[name]
    other = of_other_type(predicate)
    verify(other, claims)
    is_v1 = "buildDefinition" in predicate
    sources = "buildDefinition.resolvedDependencies" if is_v1 else "materials"
    builder = "runDetails.builder.id" if is_v1 else "builder.id"
    verify(changed(changed(other, builder, "https://example.test/builder"), sources, [FOREIGN_SOURCE]), claims)
    own = [FOREIGN_SOURCE, {"uri": f"git+{claims.source_repository_uri}", "digest": {"gitCommit": OTHER_COMMIT}}]
    with pytest.raises(EvidenceInvalid, match="says the commit is"):
        verify(changed(other, sources, own), claims)


@pytest.mark.parametrize(
    ("predicate", "predicate_type"),
    [
        pytest.param(None, SLSA_V1_PREDICATE_TYPE, id="none"),
        pytest.param({}, SLSA_V1_PREDICATE_TYPE, id="v1-empty"),
        pytest.param({}, V02, id="v0.2-empty"),
        pytest.param(NPM, SLSA_V1_PREDICATE_TYPE, id="v0.2-called-v1"),
        pytest.param(NPM_V1, V02, id="v1-called-v0.2"),
        pytest.param(changed(NPM_V1, "buildDefinition.buildType", 1), None, id="v1-type-no-string"),
        pytest.param(changed(NPM_V1, "buildDefinition.externalParameters", ...), None, id="v1-no-parameters"),
        pytest.param(changed(NPM_V1, "buildDefinition.externalParameters.workflow", []), None, id="v1-workflow-list"),
        pytest.param(changed(NPM_V1, "buildDefinition.externalParameters.workflow.ref", ...), None, id="v1-no-ref"),
        pytest.param(changed(NPM_V1, "buildDefinition.internalParameters.github", "x"), None, id="v1-github-text"),
        pytest.param(changed(NPM_V1, "buildDefinition.resolvedDependencies", {}), None, id="v1-sources-no-list"),
        pytest.param(changed(NPM_V1, "buildDefinition.resolvedDependencies.0.uri", 1), None, id="v1-uri-no-string"),
        pytest.param(changed(NPM_V1, "runDetails", ...), None, id="v1-no-run-details"),
        pytest.param(changed(NPM_V1, "runDetails.builder.id", {}), None, id="v1-builder-no-string"),
        pytest.param(changed(NPM, "buildType", ...), None, id="v0.2-no-type"),
        pytest.param(changed(NPM, "invocation", []), None, id="v0.2-invocation-list"),
        pytest.param(changed(NPM, "materials.0.digest", "x"), None, id="v0.2-digest-text"),
        pytest.param(changed(NPM, "invocation.environment.GITHUB_SHA", 1), None, id="v0.2-variable-no-string"),
    ],
)
def test_malformed_predicates_are_refused(predicate: object, predicate_type: str | None) -> None:
    with pytest.raises(MalformedInput, match="the provenance"):
        verify(predicate, predicate_type=predicate_type)


def places(value: Any, path: str = "") -> list[str]:
    """List the path of every value inside a predicate."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = [place for name, item in items for place in places(item, f"{path}.{name}".lstrip("."))]
    return [path, *inner] if path else inner


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([COMMIT, TAG, REPOSITORY]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


@given(name=st.sampled_from(sorted(GOOD)), value=JSON_VALUES, data=st.data())
def test_any_value_anywhere_is_judged_or_malformed(name: str, value: object, data: st.DataObject) -> None:
    predicate, claims = GOOD[name]
    places_here = [place for place in places(predicate) if not place.rpartition(".")[2].isdigit()]
    mutant = changed(predicate, data.draw(st.sampled_from(places_here)), value)
    with suppress(EvidenceInvalid, MalformedInput):
        verify(mutant, claims)


# --- the level -------------------------------------------------------------------------------------------------------


def generator(
    name: str, ref: str = "refs/tags/v1.10.0", repository: str = "slsa-framework/slsa-github-generator"
) -> str:
    return f"{repository}/.github/workflows/{name}_slsa3.yml@{ref}"


def level(**changes: Any) -> int:
    return slsa_level(replace(CLAIMS, **changes))


ISOLATED = [
    "builder_container-based",
    "builder_docker-based",
    "builder_go",
    "delegator_generic",
    "delegator_lowperms-generic",
    "generator_container",
    "generator_generic",
]


@pytest.mark.parametrize("name", ISOLATED)
def test_a_build_apart_from_its_signature_is_level_3(name: str) -> None:
    assert slsa_level(claims_of(Identity.github(reusable=generator(name)))) == 3


@pytest.mark.parametrize(
    "reusable",
    [
        pytest.param(generator("generator_generic", "refs/heads/main"), id="branch"),
        pytest.param(generator("generator_generic", "refs/tags/v1.10.0-rc.0"), id="pre-release"),
        pytest.param(generator("generator_generic", "refs/tags/v1"), id="moving-tag"),
        pytest.param(generator("generator_generic", "refs/tags/v1.10.0\n"), id="line-break"),
        pytest.param(generator("generator_generic", "a" * 40), id="commit"),
        pytest.param(generator("generator_generic", repository="evil/slsa-github-generator"), id="fork"),
        pytest.param(generator("builder_evil"), id="other-workflow"),
        pytest.param("other/ci/.github/workflows/build.yml@refs/tags/v1.0.0", id="other-repository"),
        pytest.param(None, id="own-workflow"),
    ],
)
def test_any_other_build_on_githubs_machines_is_level_2(reusable: str | None) -> None:
    assert slsa_level(claims_of(Identity.github(reusable=reusable))) == 2


def test_gitlabs_machines_are_level_2() -> None:
    assert slsa_level(GITLAB) == 2
    # What isolates the signature on GitHub says nothing of a job on GitLab.
    assert slsa_level(replace(GITLAB, build_signer_uri=GENERATED.build_signer_uri)) == 2


def test_a_build_whose_workflow_is_not_said_is_level_2() -> None:
    assert level(build_signer_uri=None) == 2


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"runner_environment": "self-hosted"}, id="self-hosted"),
        pytest.param({"runner_environment": None}, id="runner-not-stated"),
        pytest.param({"runner_environment": "gitlab-hosted"}, id="another-platforms-runner"),
        pytest.param({"issuer": GITLAB_ISSUER}, id="another-platform"),
        pytest.param({"issuer": f"{GITHUB_ISSUER}/acme"}, id="enterprise-issuer"),
        pytest.param({"issuer": f"{GITHUB_ISSUER}.evil.test"}, id="longer-issuer"),
    ],
)
def test_a_build_somewhere_is_level_1(changes: dict[str, Any]) -> None:
    assert level(**changes) == 1
    assert slsa_level(replace(GENERATED, **changes)) == 1


def test_a_build_that_one_claim_alone_tells_of_is_level_1() -> None:
    nothing = Claims(san="x", issuer="https://ci.example.test")
    for claim in ("build_signer_uri", "build_config_uri", "run_invocation_uri"):
        assert slsa_level(replace(nothing, **{claim: "https://ci.example.test/1"})) == 1  # type: ignore[arg-type]
    assert slsa_level(LEGACY) == 1


def test_a_person_is_level_0() -> None:
    assert slsa_level(claims_of(Identity.email("a@example.test"))) == 0


def test_a_certificate_without_a_repository_has_no_source_of_its_own() -> None:
    source = {"uri": f"git+None@{TAG}", "digest": {"gitCommit": OTHER_COMMIT}}
    predicate = {"buildDefinition": {"buildType": "https://ci.example.test/v1", "resolvedDependencies": [source]}}
    verify_provenance_predicate(
        Statement(
            subject_name="widget", subject_digests={}, predicate_type=SLSA_V1_PREDICATE_TYPE, predicate=predicate
        ),
        replace(CLAIMS, source_repository_uri=None),
    )


@pytest.mark.parametrize(
    "build_type",
    [
        "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
        "https://actions.github.io/buildtypes/workflow/v1",
        "https://github.com/npm/cli/gha/v2",
    ],
)
def test_every_known_build_type_of_version_1_is_compared(build_type: str) -> None:
    predicate = changed(NPM_V1, "buildDefinition.buildType", build_type)
    verify(predicate)
    with pytest.raises(EvidenceInvalid, match="the repository is"):
        verify(changed(predicate, "buildDefinition.externalParameters.workflow.repository", f"{REPOSITORY}s"))


@pytest.mark.parametrize(
    "build_type",
    [
        "https://github.com/npm/cli/gha@v0",
        "https://github.com/npm/cli/gha@v1",
        "https://github.com/npm/cli/gha/v2",
        "https://github.com/slsa-framework/slsa-github-generator/container@v1",
        "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
        "https://github.com/slsa-framework/slsa-github-generator/go@v1",
    ],
)
def test_every_known_build_type_of_version_0_2_is_compared(build_type: str) -> None:
    predicate, claims = GOOD["npm-v0.2"]
    predicate = changed(predicate, "buildType", build_type)
    verify(predicate, claims)
    with pytest.raises(EvidenceInvalid, match="the repository is"):
        verify(changed(predicate, "invocation.configSource.uri", f"git+{REPOSITORY}s@{TAG}"), claims)


@pytest.mark.parametrize("version", ["0alpha1", "1alpha1", "0", "1"])
def test_every_known_build_type_of_gitlab_is_compared(version: str) -> None:
    predicate, claims = GOOD["gitlab-v0.2"]
    predicate = changed(predicate, "buildType", f"https://github.com/npm/cli/gitlab/v{version}")
    verify(predicate, claims)
    with pytest.raises(EvidenceInvalid, match="the repository is"):
        verify(changed(predicate, "invocation.configSource.uri", f"git+{GITLAB_REPOSITORY}s"), claims)


def test_both_sides_are_said() -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        verify(changed(NPM_V1, "buildDefinition.internalParameters.github.event_name", "\x1b"))
    assert caught.value.message == "the provenance says the trigger is '\\x1b', the certificate says 'push'"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("npm-v1", "buildDefinition.resolvedDependencies"),
        ("npm-v0.2", "materials"),
        ("gitlab-v0.2", "materials"),
    ],
)
def test_what_else_went_into_a_build_is_not_its_source(name: str, path: str) -> None:
    predicate, claims = GOOD[name]
    *steps, last = path.split(".")
    sources = predicate[steps[0]][last] if steps else predicate[last]
    other = {"uri": "git+https://github.com/other/library@refs/tags/v1", "digest": {"sha1": OTHER_COMMIT}}
    verify(changed(predicate, path, [*sources[:1], other]), claims)


def test_letter_case_matters_behind_owner_and_name() -> None:
    assert _folded("https://github.com/ACME/Box@REF/X") == "https://github.com/acme/box@REF/X"
    assert _folded("https://github.com/ACME/Box/PATH") == "https://github.com/acme/box/PATH"

"""SLSA provenance, compared with the certificate of whoever signed it.

A predicate is written by the job that it describes (below SLSA build level 3), so it proves nothing that the
certificate does not say; but where the two differ, somebody is being told something untrue. A build type says what the
fields of a predicate mean: for GitHub's and GitLab's, each field that a certificate also states must be the same. Of
other build types only what SLSA itself defines is compared, the commit of a source that the certificate names.

Sources: https://slsa.dev/spec/v1.0/provenance, https://slsa.dev/spec/v0.2/provenance; the build types' own pages at
https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1 and https://actions.github.io/buildtypes/
workflow/v1; npm, ``libnpmpublish/lib/provenance.js``; slsa-github-generator, ``github/`` and ``slsa/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from guard.attest.statement import SLSA_V1_PREDICATE_TYPE, Statement
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, text_member

# In the form of version 1. npm's own is written by other publishing tools, too.
_GITHUB_V1 = frozenset(
    {
        "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
        "https://actions.github.io/buildtypes/workflow/v1",
        "https://github.com/npm/cli/gha/v2",
    }
)
# In the form of version 0.2.
_GITHUB_V02 = frozenset(
    {
        "https://github.com/npm/cli/gha@v0",
        "https://github.com/npm/cli/gha@v1",
        "https://github.com/npm/cli/gha/v2",
        "https://github.com/slsa-framework/slsa-github-generator/container@v1",
        "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
        "https://github.com/slsa-framework/slsa-github-generator/go@v1",
    }
)
_GITLAB_V02 = frozenset(f"https://github.com/npm/cli/gitlab/v{version}" for version in ("0alpha1", "1alpha1", "0", "1"))
_RUNNER = "https://github.com/actions/runner"
_NPM_BUILDER = "https://github.com/npm/cli@"  # a version of npm, which no certificate states
_WORKFLOWS = ".github/workflows/"
_GITHUB = "https://github.com/"
_WHAT = "the provenance"


class _Fact(NamedTuple):
    """One field of a predicate and what the certificate says of the same; ``None`` or empty where one does not say."""

    name: str
    stated: str | None
    certified: str | None


def verify_provenance_predicate(statement: Statement, claims: Claims) -> None:
    """Compare the predicate of a verified statement with the certificate that signed it.

    Args:
        statement: of SLSA provenance, version 0.2 or 1.
        claims: of the certificate.

    Raises:
        EvidenceInvalid: ``STATEMENT_PREDICATE``, they differ, or the certificate names no source repository for a build
            that can only have had one.
        MalformedInput: a member that version or build type ask for is missing or of another type.
    """
    predicate = statement.predicate or {}
    facts = (
        _facts_v1(predicate, claims)
        if statement.predicate_type == SLSA_V1_PREDICATE_TYPE
        else _facts_v02(predicate, claims)
    )
    for fact in facts:
        # What a certificate does not say is not claimed, either; but every build of these types has a repository.
        if fact.stated and (fact.certified or fact.name == "repository") and not _is_same(fact.stated, fact.certified):
            certified = ascii(fact.certified[:200]) if fact.certified else "nothing"
            reason = f"the provenance says the {fact.name} is {fact.stated[:200]!a}, the certificate says {certified}"
            raise EvidenceInvalid(EvidenceCode.STATEMENT_PREDICATE, reason)


def _facts_v1(predicate: JsonObject, claims: Claims) -> Iterator[_Fact]:
    definition = object_member(predicate, "buildDefinition", context=_WHAT)
    sources = _objects(definition, "resolvedDependencies")
    if text_member(definition, "buildType", context=_WHAT) not in _GITHUB_V1:
        yield from _commits(sources, claims)
        return
    workflow = object_member(object_member(definition, "externalParameters", context=_WHAT), "workflow", context=_WHAT)
    repository, path, ref = (text_member(workflow, name, context=_WHAT) for name in ("repository", "path", "ref"))
    github = _object(_object(definition, "internalParameters"), "github")
    details = object_member(predicate, "runDetails", context=_WHAT)
    yield _Fact("repository", repository, claims.source_repository_uri)
    yield _Fact("workflow", _uncut(f"{repository}/{path}@{ref}", claims.build_config_uri), claims.build_config_uri)
    yield _Fact("trigger", _text(github, "event_name"), claims.build_trigger)
    yield _Fact("repository id", _text(github, "repository_id"), claims.source_repository_identifier)
    yield _Fact("owner id", _text(github, "repository_owner_id"), claims.source_repository_owner_identifier)
    yield _Fact("runner", _text(github, "runner_environment"), claims.runner_environment)
    yield from _source(sources[:1], claims)
    yield _builder(_object(details, "builder"), claims)
    yield _Fact("run", _text(_object(details, "metadata"), "invocationId"), claims.run_invocation_uri)


def _facts_v02(predicate: JsonObject, claims: Claims) -> Iterator[_Fact]:
    build_type = text_member(predicate, "buildType", context=_WHAT)
    invocation = _object(predicate, "invocation")
    config = _object(invocation, "configSource")
    materials = _objects(predicate, "materials")
    if build_type in _GITHUB_V02:
        yield from _source([config, *materials[:1]], claims)
        yield from _entry_point(_text(config, "entryPoint"), claims)
        yield from _environment(_object(invocation, "environment"), claims)
        yield _builder(_object(predicate, "builder"), claims)
        metadata = _object(predicate, "metadata")
        for name in ("buildInvocationId", "buildInvocationID"):  # npm's, and as the specification writes it
            yield _run(*(_text(metadata, name) or "").partition("-")[::2], claims)
    elif build_type in _GITLAB_V02:
        for source in (config, *materials[:1]):
            yield _Fact("repository", _git_uri(source).partition("@")[0], claims.source_repository_uri)
            yield _Fact("commit", _commit(source), claims.source_repository_digest)
        yield _Fact("run", _text(_object(predicate, "metadata"), "buildInvocationId"), claims.run_invocation_uri)
    else:
        yield from _commits([config, *materials], claims)


def _uncut(stated: str, certified: str | None) -> str | None:
    """Return a workflow's URI, or nothing where its tag is cut at an ``@``, as npm 9 and 10 and actions/attest do."""
    return None if certified and _folded(certified).startswith(f"{_folded(stated)}@") else stated


def _source(sources: Iterable[JsonObject], claims: Claims) -> Iterator[_Fact]:
    """Compare what was checked out, ``git+REPOSITORY@REF`` or without the reference, and its commit."""
    for source in sources:
        uri = _git_uri(source)
        is_at_ref = "@" in uri
        yield _Fact("repository", uri.partition("@")[0], claims.source_repository_uri)
        yield _Fact("source", uri if is_at_ref else None, _source_uri(claims))
        yield _Fact("commit", _commit(source), claims.source_repository_digest)


def _commits(sources: Iterable[JsonObject], claims: Claims) -> Iterator[_Fact]:
    """Compare the commit of those sources that are the certificate's own; others are what else went into a build."""
    own = [_folded(uri) for uri in (claims.source_repository_uri, _source_uri(claims)) if uri]
    for source in sources:
        if _folded(_git_uri(source)) in own:
            yield _Fact("commit", _commit(source), claims.source_repository_digest)


def _entry_point(entry: str | None, claims: Claims) -> Iterator[_Fact]:
    """Compare the workflow: its path, or ``OWNER/NAME/PATH@REF``; early generators give a display name."""
    if entry and entry.startswith(_WORKFLOWS):
        yield _Fact("workflow", entry, claims.workflow)
    elif entry and "@" in entry:
        yield _Fact("workflow", _GITHUB + entry, claims.build_config_uri)


def _environment(environment: JsonObject, claims: Claims) -> Iterator[_Fact]:
    """Compare GitHub's variables: npm writes ``GITHUB_REF``, slsa-github-generator ``github_ref``."""

    def variable(name: str) -> str | None:
        return _text(environment, f"GITHUB_{name}") or _text(environment, f"github_{name.lower()}")

    repository, workflow = variable("REPOSITORY"), variable("WORKFLOW_REF")
    yield _Fact("repository", repository and _GITHUB + repository, claims.source_repository_uri)
    yield _Fact("workflow", workflow and _GITHUB + workflow, claims.build_config_uri)
    yield _Fact("commit of the workflow", variable("WORKFLOW_SHA"), claims.build_config_digest)
    yield _Fact("ref", variable("REF"), claims.source_repository_ref)
    yield _Fact("commit", variable("SHA") or variable("SHA1"), claims.source_repository_digest)
    yield _Fact("trigger", variable("EVENT_NAME"), claims.build_trigger)
    yield _Fact("repository id", variable("REPOSITORY_ID"), claims.source_repository_identifier)
    yield _Fact("owner id", variable("REPOSITORY_OWNER_ID"), claims.source_repository_owner_identifier)
    yield _run(variable("RUN_ID"), variable("RUN_ATTEMPT"), claims)


def _builder(builder: JsonObject, claims: Claims) -> _Fact:
    """Compare the builder: a kind of runner where npm writes it, else the workflow that signs."""
    builder_id = _text(builder, "id") or ""
    if builder_id.startswith(_NPM_BUILDER):
        return _Fact("builder", None, None)
    if builder_id == _RUNNER or builder_id.startswith(f"{_RUNNER}/"):
        return _Fact("runner", builder_id[len(_RUNNER) + 1 :], claims.runner_environment)
    return _Fact("builder", builder_id, claims.build_signer_uri)


def _run(number: str | None, attempt: str | None, claims: Claims) -> _Fact:
    stated = f"{claims.source_repository_uri}/actions/runs/{number}/attempts/{attempt}" if number and attempt else None
    return _Fact("run", stated, claims.run_invocation_uri)


def _source_uri(claims: Claims) -> str | None:
    if claims.source_repository_uri is None or claims.source_repository_ref is None:
        return None
    return f"{claims.source_repository_uri}@{claims.source_repository_ref}"


def _git_uri(source: JsonObject) -> str:
    """Return the URI of a source in git without its mark, or the empty string (SPDX, "Package download location")."""
    uri = _text(source, "uri") or ""
    return uri.removeprefix("git+") if uri.startswith("git+") else ""


def _commit(source: JsonObject) -> str | None:
    digest = _object(source, "digest")
    return _text(digest, "gitCommit") or _text(digest, "sha1")


def _is_same(stated: str, certified: str | None) -> bool:
    return certified is not None and _folded(stated) == _folded(certified)


def _folded(text: str) -> str:
    """Return a URL with the names of owner and repository in lower case where that is no difference: on github.com."""
    if not text.startswith(_GITHUB):
        return text
    owner, slash, rest = text[len(_GITHUB) :].partition("/")
    end = min((rest.index(mark) for mark in "/@" if mark in rest), default=len(rest))
    return f"{_GITHUB}{owner.lower()}{slash}{rest[:end].lower()}{rest[end:]}"


def _text(parent: JsonObject, name: str) -> str | None:
    """Return a string; an empty one says as little as a missing one, as in certificates."""
    value = parent.get(name)
    if value is not None and not isinstance(value, str):
        raise MalformedInput(f"{name!r} is no string", context=_WHAT)
    return value


def _object(parent: JsonObject, name: str) -> JsonObject:
    return {} if parent.get(name) is None else object_member(parent, name, context=_WHAT)


def _objects(parent: JsonObject, name: str) -> list[dict[str, object]]:
    return [] if parent.get(name) is None else objects_member(parent, name, context=_WHAT)

"""Who published an artifact, as facts that can be recorded, compared and weighed.

A certificate says many things, of which some change with every release (the commit, the run), some in ordinary life
(the workflow's name, the branch) and some only when somebody else publishes (the repository). What is recorded is made
here, by :func:`publisher_of`, so that a new release by the same publisher records the same.

Source: Fulcio, "OID information" and ``config/identity/config.yaml`` (which claim of which issuer fills which
extension); facts/amendments, number 10 (hard and soft facts).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from guard.model import Claims
from guard.policy.glob import matches_glob
from guard.policy.settings import SoftFact
from guard.sigstore.issuers import GITHUB_ISSUER, GITLAB_ISSUER


class PublisherFact(str, enum.Enum):
    """A fact about a publisher; the value is its key in guard.lock and its name in ``identity-strict``."""

    ISSUER = "issuer"
    SAN = "san"
    REPOSITORY = "repository"
    REPOSITORY_ID = "repository-id"
    OWNER_ID = "owner-id"
    WORKFLOW = "workflow"
    SIGNER = "signer"
    ENVIRONMENT = "environment"
    REF = "ref"
    TRIGGER = "trigger"
    RUNNER = "runner"
    REGISTRY = "registry"
    REGISTRY_KEY = "registry-key"

    @property
    def attribute(self) -> str:
        """Its field of :class:`Publisher`."""
        return self.value.replace("-", "_")


# What changes only when somebody else publishes. A signer is hard where it is not of the source repository itself, and
# a repository's address where there is no identifier of it.
HARD_FACTS = frozenset(
    {
        PublisherFact.ISSUER,
        PublisherFact.SAN,
        PublisherFact.REPOSITORY,
        PublisherFact.REPOSITORY_ID,
        PublisherFact.SIGNER,
        PublisherFact.REGISTRY,
    },
)
SOFT_FACTS = frozenset(PublisherFact) - HARD_FACTS

_WORKFLOW_FACTS = frozenset(PublisherFact) - {PublisherFact.SAN, PublisherFact.REGISTRY, PublisherFact.REGISTRY_KEY}
_CIRCLECI_FACTS = frozenset(
    {PublisherFact.ISSUER, PublisherFact.SIGNER, PublisherFact.REPOSITORY, PublisherFact.REF, PublisherFact.RUNNER}
)
_ADDRESS_FACTS = frozenset({PublisherFact.ISSUER, PublisherFact.SAN})
_REGISTRY_FACTS = (PublisherFact.REGISTRY, PublisherFact.REGISTRY_KEY)


@dataclass(frozen=True, slots=True)
class IssuerRow:
    """Which facts the certificates of an issuer state.

    Args:
        name: of the service.
        issuers: exact, or all below an address that ends with a slash.
        facts: those that are recorded.
    """

    name: str
    issuers: tuple[str, ...]
    facts: frozenset[PublisherFact]

    def covers(self, issuer: str) -> bool:
        """Tell whether an issuer is of this row."""
        return any(issuer.startswith(known) if known.endswith("/") else issuer == known for known in self.issuers)


# docs/identity-lock.md has the same table, with the extensions. An issuer without a row gets the last one.
ISSUER_ROWS = (
    IssuerRow("GitHub", (GITHUB_ISSUER, f"{GITHUB_ISSUER}/"), _WORKFLOW_FACTS),
    IssuerRow(
        "GitLab",
        (GITLAB_ISSUER, "https://dev.gitlab.org", "https://gitlab.archlinux.org", "https://ops.gitlab.net"),
        _WORKFLOW_FACTS,
    ),
    IssuerRow("Google", ("https://accounts.google.com",), _ADDRESS_FACTS),
    IssuerRow("CircleCI", ("https://oidc.circleci.com", "https://oidc.circleci.com/org/"), _CIRCLECI_FACTS),
    IssuerRow("e-mail", ("https://github.com/login/oauth", "https://oauth2.sigstore.dev/auth"), _ADDRESS_FACTS),
    IssuerRow("any other", (), _ADDRESS_FACTS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Facts about a publisher, as they are recorded; ``None`` where the evidence does not state one.

    Args:
        issuer: OIDC issuer; ``None`` only where nobody but the registry attested the artifact.
        san: subject alternative name, for issuers whose certificates say no more.
        repository: address of the source repository.
        repository_id: identifier of the repository, which survives a rename and not a deletion.
        signer: what signs where that is not the build's own configuration: a path inside the source repository, or an
            address elsewhere, both without ``@REF``.
        registry: address of the registry that attested the publication.
        registry_key: name of the key that it signed with.
        owner_id: identifier of the repository's owner.
        workflow: path of the build's configuration inside the source repository.
        ref: kind of the git reference; see :func:`kind_of_ref`.
        trigger: event that started the build.
        environment: deployment environment.
        runner: kind of machine.
    """

    issuer: str | None = None
    san: str | None = None
    repository: str | None = None
    repository_id: str | None = None
    signer: str | None = None
    registry: str | None = None
    registry_key: str | None = None
    owner_id: str | None = None
    workflow: str | None = None
    ref: str | None = None
    trigger: str | None = None
    environment: str | None = None
    runner: str | None = None

    @property
    def facts(self) -> Mapping[PublisherFact, str]:
        """What is stated, in the order of :class:`PublisherFact`."""
        values = ((fact, getattr(self, fact.attribute)) for fact in PublisherFact)
        return {fact: value for fact, value in values if value is not None}

    @property
    def has_foreign_signer(self) -> bool:
        """Whether something outside the source repository signs."""
        return self.signer is not None and "://" in self.signer

    def __str__(self) -> str:
        """The one fact that people know a publisher by."""
        return self.repository or self.san or self.signer or self.registry or self.issuer or "nobody"


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is not as recorded.

    Args:
        fact: which.
        recorded: what was recorded, ``None`` for nothing.
        found: what the evidence states, ``None`` for nothing.
        is_hard: whether somebody else publishes, by itself.
    """

    fact: PublisherFact
    recorded: str | None
    found: str | None
    is_hard: bool

    def __str__(self) -> str:
        return f"{self.fact.value} was {self.recorded or 'not stated'}, is {self.found or 'not stated'}"


def row_of(issuer: str) -> IssuerRow:
    """Return the row of an issuer; the last one is for those that have none."""
    return next((row for row in ISSUER_ROWS if row.covers(issuer)), ISSUER_ROWS[-1])


def publisher_of(claims: Claims) -> Publisher:
    """Return the facts that are recorded of a verified certificate."""
    row = row_of(claims.issuer)
    repository = _stated(claims.source_repository_uri)
    signer = _inside(_signer_of(claims), repository)
    workflow = _inside(claims.workflow, repository)
    if workflow is None and signer is not None and "://" not in signer:
        # Certificates of before 2023 name the one workflow that signed, and nothing else about the build.
        workflow, signer = signer, None
    publisher = Publisher(
        issuer=claims.issuer,
        san=_without_ref(claims.san, claims),
        repository=repository,
        repository_id=_stated(claims.source_repository_identifier),
        signer=signer,
        owner_id=_stated(claims.source_repository_owner_identifier),
        workflow=workflow,
        ref=kind_of_ref(claims.source_repository_ref) if claims.source_repository_ref else None,
        trigger=_stated(claims.build_trigger),
        environment=_stated(claims.deployment_environment),
        runner=_stated(claims.runner_environment),
    )
    return replace(publisher, **{fact.attribute: None for fact in PublisherFact if fact not in row.facts})


def kind_of_ref(ref: str) -> str:
    """Return what stays the same in a git reference from one release to the next.

    All tags are of one kind, ``refs/tags/*``. A branch is recorded by its name, such as ``refs/heads/main``, with ``*``
    for each part between slashes that has a digit in it: ``refs/heads/release/*``. So are other references.
    """
    if ref.startswith("refs/tags/"):
        return "refs/tags/*"
    return "/".join("*" if re.search(r"\d", part) else part for part in ref.split("/"))


def differences(recorded: Publisher, found: Publisher, *, strict: frozenset[SoftFact]) -> tuple[Difference, ...]:
    """Compare what was recorded with what evidence states.

    What was not stated when it was recorded is no difference once it is stated, but for an environment and a signer:
    certificates came to say more over the years.

    Where one of the two is the registry's word alone, that is all that can be compared; that a build's word is missing
    is no other publisher, and for the rules about provenance.

    Args:
        recorded: earlier.
        found: now.
        strict: facts that count as hard although they are soft.
    """
    is_word_of_build = recorded.issuer is not None and found.issuer is not None
    return tuple(_differences(recorded, found, tuple(PublisherFact) if is_word_of_build else _REGISTRY_FACTS, strict))


def _differences(
    recorded: Publisher, found: Publisher, compared: Iterable[PublisherFact], strict: frozenset[SoftFact]
) -> Iterator[Difference]:
    hardened = {each.value for each in strict}
    for fact in compared:
        before, now = getattr(recorded, fact.attribute), getattr(found, fact.attribute)
        if not _is_same(fact, before, now):
            yield Difference(fact, before, now, _is_hard(fact, recorded, found) or fact.value in hardened)


def _is_same(fact: PublisherFact, before: str | None, now: str | None) -> bool:
    if before == now:
        return True
    if before is None:
        return fact not in (PublisherFact.ENVIRONMENT, PublisherFact.SIGNER, PublisherFact.SAN)
    if now is None:
        return fact in _REGISTRY_FACTS
    match fact:
        case PublisherFact.REPOSITORY:
            return _is_same_repository(before, now)
        case PublisherFact.REF:
            return matches_glob(before, now)
        case PublisherFact.REGISTRY:
            return before.rstrip("/") == now.rstrip("/")
        case PublisherFact.ENVIRONMENT:
            return before.lower() == now.lower()  # GitHub's names of environments ignore letter case
        case _:
            return False


def _is_hard(fact: PublisherFact, recorded: Publisher, found: Publisher) -> bool:
    match fact:
        case PublisherFact.REPOSITORY:
            return recorded.repository_id is None or recorded.repository_id != found.repository_id
        case PublisherFact.SIGNER:
            return recorded.has_foreign_signer or found.has_foreign_signer
        case _:
            return fact in HARD_FACTS


def _is_same_repository(left: str, right: str) -> bool:
    """Only github.com is known to ignore letter case (pypi/warehouse issue 15498)."""
    if left.lower().startswith("https://github.com/"):
        return left.lower() == right.lower()
    return left == right


def _stated(value: str | None) -> str | None:
    """Fulcio's template for CircleCI writes two quotes for nothing."""
    return None if value in (None, "", '""') else value


def _signer_of(claims: Claims) -> str | None:
    return None if claims.signer == "same" else _stated(claims.signer)


def _inside(uri: str | None, repository: str | None) -> str | None:
    """Return an address inside the source repository as the path in it."""
    folder = f"{repository or ''}/"
    if uri and repository and uri.lower().startswith(folder.lower()):
        return uri[len(folder) :].lstrip("/")
    return uri


def _without_ref(san: str, claims: Claims) -> str:
    ref = claims.source_repository_ref
    return san.removesuffix(f"@{ref}") if ref else san

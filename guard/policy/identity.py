"""A publisher that the user pinned, and how the claims of a verified certificate differ from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guard.model import Claims
from guard.policy.glob import matches_glob
from guard.sigstore.issuers import GITHUB_ISSUER, GITLAB_ISSUER

# The host of a source repository whose builds get their certificates from one issuer only.
ISSUER_OF_HOST = {
    "github.com": GITHUB_ISSUER,
    "gitlab.com": GITLAB_ISSUER,
}
# Issuers that sign for anybody who has an account: such an issuer alone names nobody.
SHARED_ISSUERS = frozenset(
    {
        *ISSUER_OF_HOST.values(),
        "https://accounts.google.com",
        "https://github.com/login/oauth",
        "https://login.microsoftonline.com",
        "https://oauth2.sigstore.dev/auth",
        "https://oidc.circleci.com",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPin:
    """What the certificate must say. Every field that is not ``None`` must hold; ``issuer`` always must.

    Args:
        issuer: OIDC issuer, compared exactly.
        repository: URL of the source repository; on github.com, letter case does not count.
        repository_id: numeric or other identifier of the repository, which survives a rename.
        owner_id: identifier of the repository's owner.
        workflow: path of the build's configuration inside the repository.
        ref: pattern of the git reference.
        environment: deployment environment.
        signer: ``same``, or the URI of the reusable workflow that signs, without ``@ref``.
        san: subject alternative name, compared exactly.
    """

    issuer: str
    repository: str | None = None
    repository_id: str | None = None
    owner_id: str | None = None
    workflow: str | None = None
    ref: str | None = None
    environment: str | None = None
    signer: str | None = None
    san: str | None = None

    @property
    def names_somebody(self) -> bool:
        """Whether the pin can tell one publisher from all others of a shared issuer."""
        named = (self.repository, self.repository_id, self.owner_id, self.san)
        return self.issuer not in SHARED_ISSUERS or any(value is not None for value in named)

    def differences(self, claims: Claims) -> tuple[str, ...]:
        """Return, in words, every fact of the pin that ``claims`` do not meet; an empty tuple is a match."""
        return tuple(_differences(self, claims))


def _differences(pin: IdentityPin, claims: Claims) -> Iterator[str]:
    exact = (
        ("issuer", pin.issuer, claims.issuer),
        ("repository-id", pin.repository_id, claims.source_repository_identifier),
        ("owner-id", pin.owner_id, claims.source_repository_owner_identifier),
        ("workflow", pin.workflow, claims.workflow),
        ("environment", pin.environment, claims.deployment_environment),
        ("san", pin.san, claims.san),
    )
    for name, wanted, found in exact:
        if wanted is not None and wanted != found:
            yield _difference(name, wanted, found)
    if pin.repository is not None and not claims.is_of_repository(pin.repository):
        yield _difference("repository", pin.repository, claims.source_repository_uri)
    if pin.ref is not None and not _matches_ref(pin.ref, claims.source_repository_ref):
        yield _difference("ref", pin.ref, claims.source_repository_ref)
    if pin.signer is not None and not _is_signer(pin.signer, claims):
        yield _difference("signer", pin.signer, claims.signer)


def _difference(name: str, wanted: str, found: str | None) -> str:
    return f"{name} is {found or 'not stated'}, expected {wanted}"


def _matches_ref(pattern: str, ref: str | None) -> bool:
    return ref is not None and matches_glob(pattern, ref)


def _is_signer(wanted: str, claims: Claims) -> bool:
    if wanted == "same":
        return claims.signer == "same"
    signer = claims.build_signer_uri
    if signer is None:
        return False
    # A tag may hold an @ itself: then only the certificate's own reference says where the URI's ends.
    refs = (claims.source_repository_ref, claims.source_repository_digest)
    return signer.rpartition("@")[0] == wanted or signer in [f"{wanted}@{ref}" for ref in refs if ref]

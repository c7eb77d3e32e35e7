"""Who must have signed a file, as the user says it on the command line, and how verified evidence differs from it.

Everything is read from the certificate, nothing from what it signs, and compared exactly; only on github.com letter
case of owner and repository does not count. The forms follow cosign and sigstore (``--certificate-identity`` and
``--certificate-oidc-issuer``) and slsa-verifier (``--source-uri``, ``--source-tag``, ``--builder-id``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from guard.model import Claims, Evidence, EvidenceKind
from guard.policy.identity import ISSUER_OF_HOST, IdentityPin

_GITHUB = "https://github.com/"
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class ExactSigner:
    """A subject alternative name and the issuer that vouches for it."""

    san: str
    issuer: str

    def differences(self, evidence: Evidence) -> tuple[str, ...]:
        """Return, in words, how the signer of verified evidence is another; an empty tuple is a match."""
        if evidence.claims is None:
            return (_NO_CERTIFICATE,)
        return IdentityPin(issuer=self.issuer, san=self.san).differences(evidence.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBuild:
    """A build of a repository.

    Args:
        repository: its URL.
        issuer: that vouches for builds there; see :func:`issuer_of_repository`.
        ref: full name of the git reference that was built, such as ``refs/tags/v1``; ``None`` for any.
        builder: URI of the workflow that signed, with or without ``@REF``; ``None`` for any.
    """

    repository: str
    issuer: str
    ref: str | None = None
    builder: str | None = None

    def differences(self, evidence: Evidence) -> tuple[str, ...]:
        """Return, in words, how the build of verified evidence is another; an empty tuple is a match."""
        if evidence.claims is None:
            return (_NO_CERTIFICATE,)
        if evidence.kind is EvidenceKind.OTHER_STATEMENT:
            return (f"a statement of type {evidence.predicate_type} does not say where a file was built",)
        return tuple(self._differences(evidence.claims))

    def _differences(self, claims: Claims) -> Iterator[str]:
        yield from IdentityPin(issuer=self.issuer, repository=self.repository).differences(claims)
        if self.ref is not None and claims.source_repository_ref != self.ref:
            yield f"ref is {claims.source_repository_ref or 'not stated'}, expected {self.ref}"
        if self.builder is not None and not _is_builder(self.builder, claims.build_signer_uri):
            yield f"builder is {claims.build_signer_uri or 'not stated'}, expected {self.builder}"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key of the user's, which stands for an identity; by the name that reports give it."""

    key_id: str

    def differences(self, evidence: Evidence) -> tuple[str, ...]:
        """Return, in words, how verified evidence is signed otherwise; an empty tuple is a match."""
        if evidence.claims is None and evidence.key_id == self.key_id:
            return ()
        return (f"it is not signed with the key {self.key_id}",)


@dataclass(frozen=True, slots=True)
class UnsafeAnySigner:
    """Whoever it was: that somebody signed is all that is asked."""

    def differences(self, evidence: Evidence) -> tuple[str, ...]:  # noqa: ARG002  every signer will do
        """Return nothing: every signer is accepted."""
        return ()


ExpectedSigner = ExactSigner | SourceBuild | KnownKey | UnsafeAnySigner

_NO_CERTIFICATE = "it is signed with a bare key, which names nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must be shown of a file.

    Args:
        signer: who must have signed.
        slsa_level: the SLSA build level that the signer's certificate must show, 0 to 3.
    """

    signer: ExpectedSigner
    slsa_level: int = 0


def issuer_of_repository(repository: str) -> str | None:
    """Return the issuer that vouches for builds on a repository's host; ``None`` where several could.

    Args:
        repository: its URL.
    """
    return ISSUER_OF_HOST.get(urlsplit(repository).netloc.lower())


def _is_builder(wanted: str, signer: str | None) -> bool:
    """Compare with the workflow that signed, ``URI@REF``; slsa-verifier's short form of a tag is read, too."""
    if signer is None:
        return False
    wanted, signer = _folded(wanted), _folded(signer)
    if signer == wanted:
        return True
    if signer.startswith(f"{wanted}@"):
        rest = signer[len(wanted) + 1 :]
        return rest.startswith("refs/") or _COMMIT.fullmatch(rest) is not None
    workflow, _, tag = wanted.rpartition("@")
    return signer == f"{workflow}@refs/tags/{tag}"


def _folded(uri: str) -> str:
    """Return a URI with owner and repository in small letters where that is no difference: on github.com."""
    if not uri.lower().startswith(_GITHUB):
        return uri
    parts = uri[len(_GITHUB) :].split("/")
    return _GITHUB + "/".join([*(part.lower() for part in parts[:2]), *parts[2:]])

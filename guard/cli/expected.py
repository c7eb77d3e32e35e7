"""Who must have signed: the options of ``guard verify`` and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from guard.errors import UsageError
from guard.policy.expectation import (
    ExactSigner,
    Expectation,
    ExpectedSigner,
    KnownKey,
    SourceBuild,
    UnsafeAnySigner,
    issuer_of_repository,
)

_HINT = "--identity SAN --issuer URL | --source-repository URL | --key FILE | --unsafe-any-identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerOptions:
    """The options that say who must have signed, as typed; ``None`` or false where not given.

    Args:
        identity: subject alternative name of the certificate.
        issuer: of the identity token.
        source_repository: URL of the repository that was built.
        source_ref: full name of the git reference that was built.
        source_tag: its name, where it is a tag.
        builder: URI of the workflow that signed.
        unsafe_any_identity: whether every signer will do.
        slsa_level: the build level that is asked for.
    """

    identity: str | None = None
    issuer: str | None = None
    source_repository: str | None = None
    source_ref: str | None = None
    source_tag: str | None = None
    builder: str | None = None
    unsafe_any_identity: bool = False
    slsa_level: int = 0


def parse_expectation(options: SignerOptions, *, key_id: str | None) -> Expectation:
    """Return what must be shown of every file.

    Args:
        options: as typed.
        key_id: of the key that stands for an identity, where one is given.

    Raises:
        UsageError: they name no signer, several, or one that cannot be told from others.
    """
    ways = [
        options.identity is not None,
        options.source_repository is not None,
        key_id is not None,
        options.unsafe_any_identity,
    ]
    if sum(ways) != 1:
        wrong = "say who must have signed" if not any(ways) else "say who must have signed in one way, not several"
        raise UsageError(wrong, hint=_HINT)
    if options.source_repository is None and (options.source_ref or options.source_tag or options.builder):
        raise UsageError("--source-ref, --source-tag and --builder need --source-repository")
    if options.issuer is not None and options.identity is None and options.source_repository is None:
        raise UsageError("--issuer needs --identity or --source-repository")
    return Expectation(signer=_signer(options, key_id), slsa_level=options.slsa_level)


def _signer(options: SignerOptions, key_id: str | None) -> ExpectedSigner:
    if options.identity is not None:
        if not options.identity or not options.issuer:
            raise UsageError("--identity needs --issuer: who signed is for the issuer to say", hint=_HINT)
        return ExactSigner(options.identity, options.issuer)
    if options.source_repository is not None:
        return _build(options, options.source_repository)
    return UnsafeAnySigner() if key_id is None else KnownKey(key_id)


def _build(options: SignerOptions, repository: str) -> SourceBuild:
    repository = _repository(repository)
    issuer = options.issuer or issuer_of_repository(repository)
    if issuer is None:
        host = urlsplit(repository).netloc
        raise UsageError(f"several issuers could vouch for builds on {host}: name one with --issuer")
    return SourceBuild(repository=repository, issuer=issuer, ref=_ref(options), builder=_builder(options.builder))


def _repository(text: str) -> str:
    """Return the URL of a repository as certificates have it; slsa-verifier's forms without a scheme are read, too."""
    text = text.removeprefix("git+")
    url = text if "://" in text else f"https://{text}"
    host, path = urlsplit(url).netloc, urlsplit(url).path.strip("/")
    if "." not in host or "@" in host or not path:
        raise UsageError(
            f"--source-repository: {text[:200]!a} is not the URL of a repository",
            hint="such as https://github.com/OWNER/NAME",
        )
    return url.rstrip("/").removesuffix(".git")


def _ref(options: SignerOptions) -> str | None:
    if options.source_ref is not None and options.source_tag is not None:
        raise UsageError("--source-ref and --source-tag exclude each other")
    if options.source_tag is not None:
        if not options.source_tag or options.source_tag.startswith("refs/"):
            raise UsageError("--source-tag takes the name of a tag, such as v1.0.0")
        return f"refs/tags/{options.source_tag}"
    if options.source_ref is not None and not options.source_ref.startswith("refs/"):
        raise UsageError("--source-ref takes a full reference, such as refs/heads/main")
    return options.source_ref


def _builder(text: str | None) -> str | None:
    if text is not None and not text.startswith("https://"):
        raise UsageError(
            "--builder takes the URI of the workflow that signs, such as https://github.com/OWNER/NAME/PATH"
        )
    return text

"""What an npm registry's listing says against offering a release to a resolver."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from guard.attest.availability import Flag
from guard.engine.engine import Engine
from guard.errors import MalformedInput
from guard.model import Artifact, Ecosystem, Evidence, EvidenceKind, EvidenceState, Facts, HeldBack, RuleId, SourceKind
from guard.policy.age import is_excluded, tells_time, too_new_until
from guard.policy.policy import PackagePolicy
from guard.registry.credentials import redact_url
from guard.registry.npm import NpmClient
from guard.registry.packument import Packument, PublishedVersion

# What a registry says that marks every version which has attestations.
_SAYS_NONE = (Evidence(kind=EvidenceKind.SLSA_PROVENANCE, state=EvidenceState.ABSENT),)
# npm-package-arg ``lib/npa.js`` and hosted-git-info: what is no range, no tag and no alias.
_COMMIT = re.compile(r".*#[0-9a-f]{40}(?:[0-9a-f]{24})?")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_GIT_HOST = re.compile(
    r"https?://(?:[^/@]*@)?(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org|gist\.github\.com|git\.sr\.ht)"
    r"/(?:[^/?#]+/)?[^/?#]+?(?:\.git)?/?(?:#.*)?",
    re.IGNORECASE,
)
_PATH = re.compile(r"file:|link:|\.|~/|/|[A-Za-z]:[\\/]", re.IGNORECASE)


def source_of_spec(spec: str) -> SourceKind:
    """Return where npm would take a dependency from.

    Args:
        spec: as a package.json has it.
    """
    text = spec.strip()
    if text.lower().startswith("npm:"):
        return SourceKind.ALIAS
    if _PATH.match(text):
        return SourceKind.PATH
    if ":" not in text and "/" not in text:
        return SourceKind.REGISTRY
    if _WEB.match(text) and not _GIT_HOST.fullmatch(text):
        return SourceKind.URL
    return SourceKind.VCS_PINNED if _COMMIT.fullmatch(text) else SourceKind.VCS


class NpmOffers:
    """Finds the versions of a package that the policy refuses for what its registry lists.

    Args:
        engine: judges.
        client: asks registries.
    """

    def __init__(self, engine: Engine, client: NpmClient) -> None:
        self._engine = engine
        self._client = client

    def hold_back(self, packument: Packument) -> Mapping[str, HeldBack]:
        """Return the versions that are not offered to a resolver, each with the reason.

        Args:
            packument: in the form at hand. The full form is fetched only where some version may be too new.

        Raises:
            Unavailable: the full form was needed and could not be fetched.
        """
        held = {}
        for version in self._candidates(packument):
            reason = self._hold_back(packument, *version)
            if reason is not None:
                held[version[0]] = reason
        return held

    def published_at(self, artifact: Artifact, policy: PackagePolicy) -> datetime | None:
        """Return when a version was published, at the latest; ``None`` where nothing tells or the policy does not ask.

        Args:
            artifact: with its registry as origin.
            policy: what is asked of it.

        Raises:
            Unavailable: the registry could not be asked.
            MalformedInput: it answered what cannot be used.
        """
        if not _asks_age(artifact, policy):
            return None
        packument = self._client.fetch_packument(artifact.name)
        if _is_quiet(packument, policy):
            return packument.modified
        return self._client.fetch_full_packument(artifact.name).published_at(artifact.version)

    def _candidates(self, packument: Packument) -> Iterator[tuple[str, datetime | None]]:
        """Yield the versions that some rule may have something against, with their times where those count."""
        package = _artifact(packument.name, "", packument.registry)
        policy = self._engine.policy_for(package)
        times = self._times(packument, package, policy)
        addressed = packument.versions_with_addresses()
        for version in packument.versions:
            published_at = times(version) if times else None
            # A version without a time is one for the rule to judge.
            is_young = times is not None and (published_at is None or too_new_until(published_at, policy) is not None)
            if is_young or policy.needs_provenance or policy.locked or version in addressed:
                yield version, published_at

    def _times(
        self, packument: Packument, package: Artifact, policy: PackagePolicy
    ) -> Callable[[str], datetime | None] | None:
        if not _asks_age(package, policy) or _is_quiet(packument, policy):
            return None
        return self._client.fetch_full_packument(packument.name).published_at

    def _hold_back(self, packument: Packument, version: str, published_at: datetime | None) -> HeldBack | None:
        try:
            published = packument.version(version)
        except MalformedInput:
            return None  # said where npm asks for it
        if published is None:
            return None
        artifact = _artifact(packument.name, version, packument.registry)
        says_none = self._client.flag_of(published) is Flag.ABSENT
        time = published_at or published.published_at or self.published_at(artifact, self._engine.policy_for(artifact))
        facts = Facts(artifact=artifact, published_at=time, evidence=_SAYS_NONE if says_none else ())
        found = self._engine.evaluate_offer(facts)
        return found or (None if self._engine.named.holds(artifact) else self._needs_elsewhere(published, artifact))

    def _needs_elsewhere(self, published: PublishedVersion, artifact: Artifact) -> HeldBack | None:
        """Return why a version is not offered for what it depends on: a source that the policy refuses."""
        for name, spec in published.dependencies.items():
            source = source_of_spec(spec)
            if source is SourceKind.REGISTRY or name in published.bundled:
                continue
            wanted = Artifact(ecosystem=Ecosystem.NPM, name=name, version="", source=source)
            refused = self._engine.evaluate_offer(Facts(artifact=wanted))
            if refused is not None and refused.rule is RuleId.SOURCE_NOT_ALLOWED:
                reason = f"{artifact.spec} needs {name} from {_shown(spec)}: {refused.reason}"
                return replace(refused, purl=artifact.purl, reason=reason)
        return None


def _artifact(name: str, version: str, registry: str) -> Artifact:
    return Artifact(ecosystem=Ecosystem.NPM, name=name, version=version, origin=redact_url(registry).rstrip("/"))


def _asks_age(artifact: Artifact, policy: PackagePolicy) -> bool:
    return bool(policy.min_age) and tells_time(artifact, policy) and not is_excluded(artifact, policy)


def _is_quiet(packument: Packument, policy: PackagePolicy) -> bool:
    """Whether nothing has changed for so long that no version can be too new (facts/amendments, number 23)."""
    try:
        modified = packument.modified
    except MalformedInput:
        return False
    return modified is not None and too_new_until(modified, policy) is None


def _shown(spec: str) -> str:
    return redact_url(spec) if "://" in spec else spec

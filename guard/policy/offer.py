"""What a resolver is offered: releases that the policy does not refuse for what a registry's listing says already.

A resolver that is not offered the others takes the newest release that passes. What the user names is always offered:
it is decided and reported instead (facts/amendments, number 22).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from guard.model import Artifact, Digest, Ecosystem, Facts, Finding, HeldBack, Level, RuleId, SourceKind
from guard.policy.age import too_new_until
from guard.policy.exceptions import apply_exceptions
from guard.policy.policy import PackagePolicy
from guard.policy.rules import (
    provenance_missing,
    provenance_stripped,
    release_too_new,
    sdist_not_allowed,
    source_not_allowed,
)
from guard.policy.rules import yanked as yanked_rule
from guard.policy.settings import SdistMode

_RULES = (source_not_allowed, sdist_not_allowed, yanked_rule, release_too_new)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReleases:
    """The releases that the user's locks, hashes and exact requirements name, and those that are installed.

    Args:
        versions: name and version of each, as artifacts have them.
        digests: those that are accepted.
    """

    versions: frozenset[tuple[str, str]] = frozenset()
    digests: frozenset[Digest] = frozenset()

    def holds(self, artifact: Artifact) -> bool:
        """Tell whether an artifact is of one of these; an exact version names its local ones, too (PEP 440)."""
        version = artifact.version
        public = version.partition("+")[0] if artifact.ecosystem is Ecosystem.PYPI else version
        is_named = not self.versions.isdisjoint({(artifact.name, version), (artifact.name, public)})
        return is_named or not self.digests.isdisjoint((*artifact.digests, *artifact.pinned))

    def __or__(self, other: NamedReleases) -> NamedReleases:
        return NamedReleases(versions=self.versions | other.versions, digests=self.digests | other.digests)


def evaluate_offer(facts: Facts, policy: PackagePolicy) -> HeldBack | None:
    """Return why a release is not offered to a resolver; ``None`` where it is.

    Args:
        facts: what the registry's listing says; evidence only where it says that there is none.
        policy: what is asked of the release.
    """
    if facts.is_locked:
        return None
    # Evidence that nobody has looked for yet is no missing evidence.
    rules = (*_RULES, provenance_missing, provenance_stripped) if facts.evidence else _RULES
    for rule in rules:
        for finding in apply_exceptions(rule.check(replace(facts, other_indexes=()), policy), policy):
            if finding.level is Level.BLOCK:
                return _held_back(facts, finding, policy)
    return None


def may_be_refused(policy: PackagePolicy, *, filename: str, published_at: datetime | None, yanked: str | None) -> bool:
    """Tell whether a file of a Python index is worth a closer look; pages have thousands that are not.

    Args:
        policy: what is asked of the project, whatever the release: exceptions of one only allow more.
        filename: of the file.
        published_at: when the index took it.
        yanked: as :class:`guard.model.Facts` has it.
    """
    if yanked is not None or policy.needs_provenance or policy.locked or SourceKind.REGISTRY not in policy.sources:
        return True
    if policy.sdist is SdistMode.BLOCK and not filename.lower().endswith(".whl"):
        return True
    return "min-age" in policy.written if published_at is None else published_at + policy.min_age > policy.now


def _held_back(facts: Facts, finding: Finding, policy: PackagePolicy) -> HeldBack:
    is_young = finding.rule is RuleId.RELEASE_TOO_NEW
    return HeldBack(
        purl=facts.artifact.purl,
        rule=finding.rule,
        reason=finding.message,
        until=too_new_until(facts.published_at, policy) if is_young else None,
    )

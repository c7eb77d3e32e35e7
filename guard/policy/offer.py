"""What a resolver is offered: releases that the policy does not refuse for what a registry's listing says already.

A resolver that is not offered the others takes the newest release that passes. What the user names is always offered:
it is decided and reported instead (facts/amendments, number 22).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from guard.model import Artifact, Digest, Ecosystem, Facts, Finding, HeldBack, Level, RuleId
from guard.policy.age import too_new_until
from guard.policy.exceptions import apply_exceptions
from guard.policy.policy import PackagePolicy
from guard.policy.rules import provenance_missing, release_too_new, sdist_not_allowed, source_not_allowed, yanked

_RULES = (source_not_allowed, sdist_not_allowed, yanked, release_too_new)


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
    rules = (*_RULES, provenance_missing) if facts.evidence else _RULES
    for rule in rules:
        for finding in apply_exceptions(rule.check(replace(facts, other_indexes=()), policy), policy):
            if finding.level is Level.BLOCK:
                return _held_back(facts, finding, policy)
    return None


def _held_back(facts: Facts, finding: Finding, policy: PackagePolicy) -> HeldBack:
    is_young = finding.rule is RuleId.RELEASE_TOO_NEW
    return HeldBack(
        purl=facts.artifact.purl,
        rule=finding.rule,
        reason=finding.message,
        until=too_new_until(facts.published_at, policy) if is_young else None,
    )

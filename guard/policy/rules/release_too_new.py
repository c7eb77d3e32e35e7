"""The release has not been out for as long as the policy asks.

Stolen accounts are noticed within hours or days, and most users need not be the first. The rule is about what a
resolver chooses: what the user's lock or pin names already is noted, unless the policy says more. Times count of public
registries, and of those that the policy names: others tell when they copied a file, not when it was published.

Source: the design, section 5 ``min-age``; facts/amendments, number 11.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.age import is_excluded, is_public, tells_time, too_new_until
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import REGISTRY_SOURCES
from guard.policy.settings import render_duration

ID = RuleId.RELEASE_TOO_NEW


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for a release that is too new, or whose age cannot be told."""
    artifact = facts.artifact
    asked = policy.min_age and artifact.source in REGISTRY_SOURCES and not is_excluded(artifact, policy)
    if not asked or facts.registry_problem or facts.bytes_problem:
        return
    if not tells_time(artifact, policy):
        yield from _not_covered(facts, policy)
    elif facts.published_at is None:
        yield from _unknown(facts, policy)
    else:
        yield from _young(facts, policy)


def _young(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    until = too_new_until(facts.published_at, policy)
    if until is None:
        return
    yield Finding(
        rule=ID,
        level=policy.min_age_locked.level if facts.is_locked else Level.BLOCK,
        message=f"{facts.artifact.file or facts.artifact.spec} is younger than min-age = "
        f'"{render_duration(policy.min_age)}"; it is old enough on {until:%Y-%m-%d %H:%M} UTC',
        next="wait, or name the release exactly if it must be this one",
        location=facts.artifact.location,
    )


def _unknown(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """The same words for every package, so that a report says them once."""
    is_asked = "min-age" in policy.written
    level = policy.min_age_locked.level if facts.is_locked else Level.BLOCK
    if facts.is_locked and level is Level.NOTE:
        return  # nobody asked for its time
    yield Finding(
        rule=ID,
        level=level if is_asked else Level.NOTE,
        message=f"{facts.artifact.origin or 'the registry'} does not say when it took a file, so no age is known",
        next='set min-age = "0m" for what comes from there' if is_asked else "",
        location=facts.artifact.location,
    )


def _not_covered(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    if "min-age" not in policy.written or is_public(facts.artifact):
        return
    origin = facts.artifact.origin or "this registry"
    yield Finding(
        rule=ID,
        level=Level.NOTE,
        message=f"min-age does not apply to {origin}, which is not public",
        next=f'if its times can be believed, in guard.toml: min-age-registries = ["{origin}"]',
    )

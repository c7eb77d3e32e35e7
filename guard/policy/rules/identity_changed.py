"""Somebody else publishes the package than guard.lock records, or than published the release before.

A hard fact differs: the issuer, the repository's identifier (its address where there is none), a foreign workflow that
signs, the registry, or a fact that ``identity-strict`` names. What differs from guard.lock blocks. Where guard.lock has
no entry, a young release is compared with the release before in its line, whose evidence is verified for that: what
differs blocks while a resolver chose it, and warns once a lock names it. A change that guard.lock or a pin accepts is
noted.

Source: the design, sections 6 and 12 "Identity rules"; facts/amendments, numbers 10 and 12.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.continuity import Comparison, compare_with_earlier, compare_with_lock
from guard.policy.downgrade import level_of_change
from guard.policy.policy import PackagePolicy
from guard.policy.publisher import Difference, PublisherFact

ID = RuleId.IDENTITY_CHANGED

_ASK = "ask the project whether it moved; if it did, run guard lock and commit guard.lock"


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for each publisher of the artifact that differs in a hard fact."""
    with_lock = compare_with_lock(facts, policy)
    for comparison in with_lock:
        if comparison.hard:
            place = policy.locked[0].location
            yield _finding(facts, comparison, Level.BLOCK, f"guard.lock records ({place})" if place else "recorded")
    earlier = facts.earlier
    if earlier is None or any(comparison.hard for comparison in with_lock):
        return
    level = _level(facts, policy)
    for comparison in compare_with_earlier(facts, policy):
        if comparison.hard:
            yield _finding(facts, comparison, level, f"{earlier.version} was")
    if earlier.problem and not with_lock:
        message = f"the publisher of {facts.artifact.spec} could not be compared with that of {earlier.version}"
        yield Finding(
            rule=ID, level=Level.NOTE, message=f"{message}: {earlier.problem}", location=facts.artifact.location
        )


def _level(facts: Facts, policy: PackagePolicy) -> Level:
    """Weigh a change since the release before: guard.lock, or a pin of the policy, says who publishes from now on."""
    if policy.locked or policy.identities:
        return Level.NOTE
    is_same_line = facts.earlier is not None and facts.earlier.is_same_line
    return level_of_change(facts, policy) if is_same_line else Level.WARN


def _finding(facts: Facts, comparison: Comparison, level: Level, as_what: str) -> Finding:
    problem = "; ".join(_words(comparison))
    return Finding(
        rule=ID,
        level=level,
        message=f"{facts.artifact.spec} is published by {comparison.found}, not as {as_what}: {problem}",
        next="" if level is Level.NOTE else _ASK,
        location=facts.artifact.location,
    )


def _words(comparison: Comparison) -> Iterator[str]:
    for each in comparison.hard:
        if each.fact is PublisherFact.REPOSITORY_ID and _is_created_anew(each, comparison):
            yield f"the repository was created anew under its name ({each})"
        else:
            yield str(each)


def _is_created_anew(difference: Difference, comparison: Comparison) -> bool:
    """An identifier is never given twice: under one address, another one is another repository."""
    if difference.recorded is None or difference.found is None:
        return False
    return (comparison.recorded.repository or "").lower() == (comparison.found.repository or "").lower()

"""The publisher is the same, and publishes in another way: another workflow, branch, trigger, environment or runner.

Projects change these in ordinary life, so that a difference from guard.lock warns, in one line for each package; a
transfer of the repository to another owner is said as such. A renamed repository and a new key of the registry are
notes, and so is what differs from the release before only.

Source: facts/amendments, number 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.continuity import Comparison, compare_with_earlier, compare_with_lock
from guard.policy.policy import PackagePolicy
from guard.policy.publisher import Difference, PublisherFact

ID = RuleId.IDENTITY_DRIFT

# What names the same thing differently.
_NAMES = frozenset({PublisherFact.REPOSITORY, PublisherFact.REGISTRY_KEY})
_ACCEPT = "look at what changed; guard lock records it"


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield one finding for each publisher that drifted."""
    for comparison in compare_with_lock(facts, policy):
        if comparison.soft:
            is_name_only = all(each.fact in _NAMES for each in comparison.soft)
            yield _finding(facts, comparison, Level.NOTE if is_name_only else Level.WARN, "guard.lock records")
    if policy.locked or facts.earlier is None:
        return
    for comparison in compare_with_earlier(facts, policy):
        if comparison.soft:
            yield _finding(facts, comparison, Level.NOTE, f"{facts.earlier.version} was")


def _finding(facts: Facts, comparison: Comparison, level: Level, as_what: str) -> Finding:
    problem = "; ".join(_words(comparison))
    return Finding(
        rule=ID,
        level=level,
        message=f"{facts.artifact.spec} is published otherwise than {as_what}: {problem}",
        next="" if level is Level.NOTE else _ACCEPT,
        location=facts.artifact.location,
    )


def _words(comparison: Comparison) -> Iterator[str]:
    changed: dict[PublisherFact, Difference] = {each.fact: each for each in comparison.soft}
    owner = changed.pop(PublisherFact.OWNER_ID, None)
    repository = changed.pop(PublisherFact.REPOSITORY, None)
    if owner is not None:
        addresses = f", {repository}" if repository else ""
        yield f"the repository was transferred to another owner ({owner}{addresses})"
    elif repository is not None:
        yield f"the repository was renamed ({repository})"
    yield from map(str, changed.values())

"""Digests that must agree do not, or cannot be compared.

Three comparisons: what the user pinned with the bytes, what the registry lists with the bytes, and what the user
pinned with what the registry lists. The last one catches a lock whose address and hash were swapped together.
Digests that share no algorithm prove nothing and count as different. No setting turns this off.
A lock may accept several hashes, of which one must agree. The others are warned of where no listed file has them: pip
would install whatever the index lists with such a hash later.

Source: PEP 503 and PEP 691, hashes of files; the design's invariants I2 and I6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guard.model import Digest, Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import REGISTRY_SOURCES

ID = RuleId.HASH_MISMATCH

_CHANGED = "do not install it; compare the lock's hash with the registry's page of this release"
_MISSPELT = "look at the name and the version: somebody may register a name that is free"


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:  # noqa: ARG001  no setting applies
    """Yield a block for every comparison that fails, and a warning for hashes of nothing that is listed."""
    is_unknown = bool(facts.bytes_problem) and not facts.listed and not facts.artifact.pinned
    for problem in _problems(facts):
        yield Finding(
            rule=ID,
            level=Level.BLOCK,
            message=f"{facts.artifact.file or facts.artifact.spec}: {problem}",
            next=_MISSPELT if is_unknown else _CHANGED,
            location=facts.artifact.location,
        )
    if facts.unlisted_pins:
        yield Finding(
            rule=ID,
            level=Level.WARN,
            message=f"{facts.artifact.spec} is also pinned by {_shown(facts.unlisted_pins)}, which no listed file has",
            next="look at who added it; write the lock again, which leaves out hashes of files that were removed",
            location=facts.artifact.location,
        )


def _shown(digests: tuple[Digest, ...]) -> str:
    return str(digests[0]) + (f" and {len(digests) - 1} more" if digests[1:] else "")


def _problems(facts: Facts) -> Iterator[str]:
    if facts.bytes_problem:
        yield facts.bytes_problem
    pinned, observed = facts.artifact.pinned, facts.observed
    identifying = (*facts.listed, *facts.artifact.digests)
    if pinned and observed:
        yield from _none_agrees(pinned, observed, "the hashes that pin it", "the bytes")
    if identifying and observed:
        yield from _one_differs(identifying, observed)
    if pinned and facts.listed and facts.artifact.source in REGISTRY_SOURCES:
        through_bytes = observed and not _common(pinned, facts.listed)
        if not through_bytes:
            yield from _none_agrees(pinned, facts.listed, "the hashes that pin it", "what the registry lists")


def _none_agrees(accepted: tuple[Digest, ...], found: tuple[Digest, ...], left: str, right: str) -> Iterator[str]:
    """A pin may list the hashes of all files of a release: one that agrees is enough, but a strong one if any is."""
    algorithms = _common(accepted, found)
    if not algorithms:
        yield f"{left} and {right} have no algorithm in common"
        return
    compared = [digest for digest in found if digest.algorithm in algorithms]
    if not any(digest in accepted for digest in compared):
        yield f"none of {left} agrees with {right} ({', '.join(map(str, compared))})"


def _one_differs(listed: tuple[Digest, ...], observed: tuple[Digest, ...]) -> Iterator[str]:
    """What is listed for one file must all hold."""
    values = {digest.algorithm: digest for digest in observed}
    if not values.keys() & {digest.algorithm for digest in listed}:
        yield "the registry's hashes and the bytes have no algorithm in common"
    for digest in dict.fromkeys(listed):
        found = values.get(digest.algorithm)
        if found not in (None, digest):
            yield f"the registry lists {digest} and the bytes have {found}"


def _common(left: tuple[Digest, ...], right: tuple[Digest, ...]) -> frozenset[str]:
    """Return the algorithms to compare by; weak ones only where ``left`` has no strong one."""
    strong = {digest.algorithm for digest in left if digest.is_strong}
    usable = strong or {digest.algorithm for digest in left}
    return frozenset(usable & {digest.algorithm for digest in right})

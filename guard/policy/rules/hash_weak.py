"""All hashes that pin the artifact are broken ones: md5 or sha1.

Other bytes with the same md5 or sha1 can be made, so that such a pin does not bind bytes against an attacker. Old npm
locks hold sha1 only; where npm's registry lists a strong hash for the very bytes that have the pinned one, that binds
them, and the old pin is a warning.

Source: RFC 6151 (MD5), RFC 6194 (SHA-1); pip accepts only sha256, sha384 and sha512 in hash-checking mode;
facts/amendments, "Small corrections".
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Ecosystem, Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy

ID = RuleId.HASH_WEAK

_NEXT_STEPS = {
    Ecosystem.PYPI: "write the lock again with sha256 or stronger",
    Ecosystem.NPM: "remove its entry from the lock and run npm install, which writes it again with sha512",
}


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for an artifact that is pinned by weak digests only."""
    artifact = facts.artifact
    level = policy.hashes.level
    if level is None or not artifact.pinned or any(digest.is_strong for digest in artifact.pinned):
        return
    if _is_bound_by_registry(facts):
        level = Level.WARN
    algorithms = ", ".join(sorted({digest.algorithm for digest in artifact.pinned}))
    yield Finding(
        rule=ID,
        level=level,
        message=f"{artifact.spec} is pinned by {algorithms} only, which does not bind it",
        next=_NEXT_STEPS[artifact.ecosystem],
        location=artifact.location,
    )


def _is_bound_by_registry(facts: Facts) -> bool:
    """Tell whether the bytes that have a pinned hash have every strong hash that npm's registry lists.

    An audit sees no bytes; there the registry's word for it, in one listing, is what an installation will hold them to.
    """
    strong = {digest for digest in facts.listed if digest.is_strong}
    seen = set(facts.observed or facts.listed)
    is_npm = facts.artifact.ecosystem is Ecosystem.NPM
    return is_npm and bool(strong) and strong <= seen and not seen.isdisjoint(facts.artifact.pinned)

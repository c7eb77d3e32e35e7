"""All hashes that pin the artifact are broken ones: md5 or sha1.

Other bytes with the same md5 or sha1 can be made, so that such a pin does not bind bytes against an attacker.

Source: RFC 6151 (MD5), RFC 6194 (SHA-1); pip accepts only sha256, sha384 and sha512 in hash-checking mode.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.schema import level_of_hashes

ID = RuleId.HASH_WEAK


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for an artifact that is pinned by weak digests only."""
    artifact = facts.artifact
    level = level_of_hashes(policy.hashes)
    if level is None or not artifact.pinned or any(digest.is_strong for digest in artifact.pinned):
        return
    algorithms = ", ".join(sorted({digest.algorithm for digest in artifact.pinned}))
    yield Finding(
        rule=ID,
        level=level,
        message=f"{artifact.spec} is pinned by {algorithms} only, which does not bind it",
        next="write the lock again with sha256 or stronger",
        location=artifact.location,
    )

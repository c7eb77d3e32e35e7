"""An input that pins some of its artifacts by hash leaves this one open.

Whoever pins one artifact expects all of them to be pinned; the open one is where other bytes can come in.
A commit pins a repository, a directory has no bytes to hash, and what is inside another package's tarball is pinned
with it, so that none of them is asked for one.

Source: pip, "Secure installs", hash-checking mode: all requirements need hashes as soon as one has them; npm,
"package-lock.json", ``integrity``.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Artifact, Ecosystem, Facts, Finding, RuleId, SourceKind
from guard.policy.policy import PackagePolicy

ID = RuleId.HASH_MISSING


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a finding for an unpinned artifact of an input that pins hashes."""
    artifact = facts.artifact
    level = policy.hashes.level
    if level is None or artifact.pinned or not facts.hashes_enforced or not _has_bytes(artifact):
        return
    yield Finding(
        rule=ID,
        level=level,
        message=f"{artifact.spec} has no hash, so that nothing says which bytes are meant",
        next=_next_step(facts),
        location=artifact.location,
    )


def _has_bytes(artifact: Artifact) -> bool:
    if artifact.source is SourceKind.PATH:
        return artifact.file is not None
    return artifact.source not in (SourceKind.LOCAL, SourceKind.VCS, SourceKind.VCS_PINNED, SourceKind.BUNDLED)


def _next_step(facts: Facts) -> str:
    if facts.artifact.ecosystem is Ecosystem.NPM:
        return "remove its entry from the lock and run npm install, which writes it again with its integrity"
    for digest in facts.listed:
        if digest.algorithm == "sha256":
            return f"add --hash={digest} to its line"
    return "write the lock again with hashes, for example with pip-compile --generate-hashes"

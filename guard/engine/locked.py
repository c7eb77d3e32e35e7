"""What a lock names, to be judged without its bytes, and what of it evidence must be about.

An audit downloads no file. It looks at three things instead: what the lock pins, what the registry lists for the same
name and version, and the evidence about the digest that the lock pins. A digest in a lock that its registry does not
list is a mismatch, so that an address and a hash that were changed together are caught (amendment 27). What an
installation reads from the bytes, such as metadata, comes from the listing or the lock here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from guard.engine.outcome import Pins
from guard.model import Artifact, Digest, Facts
from guard.policy.provenance import REGISTRY_SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedRequest:
    """One entry of a lock.

    Args:
        artifact: name (normalised), version, source, location, and ``pinned`` with the digests that the lock accepts.
            ``file`` is the name of the one file that is locked, or ``None`` where the lock names a package.
        resolved: the address that the lock gives, as written; ``None`` where it gives none.
        registry: base address of the registry that the lock names for it; ``None`` where it names none.
        enforced: whether the lock pins hashes, so that an entry without one is a hole.
        has_install_script: whether the lock says that the package runs code of its own when it is installed.
        is_new: whether the change that is judged brings it, so that the lock names it no longer than a resolver does.
    """

    artifact: Artifact
    resolved: str | None = None
    registry: str | None = None
    enforced: bool = True
    has_install_script: bool = False
    is_new: bool = False

    @property
    def is_of_registry(self) -> bool:
        """Whether there is a registry to hold it against."""
        return self.artifact.source in REGISTRY_SOURCES

    @property
    def pins(self) -> Pins:
        """What the lock accepts, in the form in which a requirement says it."""
        return Pins(digests=self.artifact.pinned, location=self.artifact.location, enforced=self.enforced)

    @property
    def facts(self) -> Facts:
        """What the lock alone says."""
        return Facts(
            artifact=self.artifact,
            hashes_enforced=self.enforced,
            has_install_script=self.has_install_script,
            is_locked=not self.is_new,
        )


def bound_digest(facts: Facts, algorithm: str) -> Digest | None:
    """Return the digest that evidence about a locked artifact must state.

    It is the lock's own, whatever the registry lists; only where the lock has none of the algorithm it is the listed
    one. Of a lock that accepts several files those that are listed for this one count.

    Args:
        facts: pinned and listed digests.
        algorithm: that statements of the ecosystem use.

    Returns:
        The digest, or ``None`` where nobody gives one, or several are accepted and none is listed: then no evidence
        can be about this artifact.
    """
    pinned, listed = facts.artifact.pinned, facts.listed
    agreed = tuple(digest for digest in pinned if digest in listed)
    own = [digest for digest in agreed or pinned if digest.algorithm == algorithm]
    if len(own) > 1 and not agreed:
        return None
    return next((digest for digest in (*own, *listed) if digest.algorithm == algorithm), None)


def require_comparable(facts: Facts) -> Facts:
    """Leave a locked artifact undecided where its registry lists no digest at all.

    An installation compares the bytes in that case; without them there is nothing that the lock could be held against.

    Args:
        facts: with the digests that are listed.
    """
    if facts.listed:
        return facts
    subject = facts.artifact.file or facts.artifact.spec
    problem = f"{facts.artifact.origin} lists no hash of {subject}, so that only its bytes could tell whether it is it"
    return replace(facts, registry_problem=facts.registry_problem or problem)

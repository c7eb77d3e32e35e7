"""What the user's input accepts, and what a run came to."""

from __future__ import annotations

from dataclasses import dataclass

from guard.model import Digest, Finding, HeldBack, Judged, Location, Verdict
from guard.policy.evaluate import evaluate_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What the user's input accepts for one requirement.

    Args:
        digests: accepted digests; empty when it pins none.
        location: where the requirement stands.
        enforced: whether the input pins hashes, so that an unpinned file is a hole.
    """

    digests: tuple[Digest, ...] = ()
    location: Location | None = None
    enforced: bool = False


NO_PINS = Pins()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDecided:
    """An entry of a lock that was not decided, which says nothing for or against it.

    Args:
        purl: of what it names.
        file: its one file, or ``None``.
        location: where it stands.
        reason: why it was left out.
    """

    purl: str
    file: str | None
    location: Location | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to.

    Args:
        judged: every artifact that was decided.
        findings: what belongs to no artifact.
        held_back: releases that the resolver was not offered.
        planned: how many artifacts had to be decided.
        not_decided: entries of locks that were left out.
        since: commit that a change was compared with; ``None`` where everything was decided.
        tool_status: the wrapped tool's exit status; ``None`` when it was not let run, or was refused something.
    """

    judged: tuple[Judged, ...] = ()
    findings: tuple[Finding, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    planned: int = 0
    not_decided: tuple[NotDecided, ...] = ()
    since: str | None = None
    tool_status: int | None = None

    @property
    def verdict(self) -> Verdict:
        """BLOCK, UNDECIDED or ALLOW."""
        return evaluate_run([item.decision for item in self.judged], self.findings, planned=self.planned)

    @property
    def allowed(self) -> bool:
        """Whether nothing blocks and nothing is undecided."""
        return self.verdict.installs

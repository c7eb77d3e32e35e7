"""What every report format is made from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from guard.engine.outcome import NotDecided
from guard.errors import ExitCode
from guard.model import Digest, EvidenceState, Finding, HeldBack, Judged, Verdict
from guard.policy.identity_lock import IdentityLock
from guard.policy.policy import PolicySource
from guard.policy.provenance import provenance_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The package manager that was driven."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRootUsed:
    """The trust root that signatures were checked with; ``age_days`` where its date is known."""

    source: str
    digest: Digest
    age_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many artifacts came to each verdict and each state of evidence; every verdict and state is a key."""

    artifacts: int
    by_verdict: Mapping[Verdict, int]
    by_state: Mapping[EvidenceState, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run of guard, complete.

    Args:
        guard_version: of guard itself.
        command: argv after ``guard``; formats remove credentials from it.
        cwd: working directory.
        tool: the package manager, or ``None`` for guard's own commands.
        started: aware.
        finished: aware.
        exit_code: the status guard ends with; the tool's own where guard allowed the run.
        verdict: of the run: BLOCK, UNDECIDED or ALLOW.
        policy: every policy file that was read.
        identity_lock: the guard.lock that governs the working directory; ``None`` when there is none.
        trust_root: ``None`` when none was needed.
        artifacts: all that were decided.
        findings: those that belong to no artifact.
        held_back: releases that the resolver was not offered.
        not_decided: entries of locks that were left out.
        since: commit that a change was compared with; ``None`` where everything was decided.
    """

    guard_version: str
    command: tuple[str, ...]
    cwd: str
    tool: Tool | None = None
    started: datetime
    finished: datetime
    exit_code: int = ExitCode.INTERNAL
    verdict: Verdict = Verdict.BLOCK
    policy: tuple[PolicySource, ...] = ()
    identity_lock: IdentityLock | None = None
    trust_root: TrustRootUsed | None = None
    artifacts: tuple[Judged, ...] = ()
    findings: tuple[Finding, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    not_decided: tuple[NotDecided, ...] = ()
    since: str | None = None

    def summary(self) -> Summary:
        """Count the artifacts."""
        verdicts = Counter(judged.decision.verdict for judged in self.artifacts)
        states = Counter(provenance_state(judged.facts) for judged in self.artifacts)
        return Summary(
            artifacts=len(self.artifacts),
            by_verdict={verdict: verdicts[verdict] for verdict in Verdict},
            by_state={state: states[state] for state in EvidenceState},
        )


def without_credentials(text: str) -> str:
    """Remove the user name and password of every URL in ``text``."""
    return re.sub(r"(?<=://)[^/?#\s]*@", "", text)

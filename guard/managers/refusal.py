"""What a run comes to whose input could not be judged at all."""

from __future__ import annotations

from guard.engine.outcome import Outcome
from guard.errors import MalformedInput, Refused, Unavailable
from guard.model import Finding, Level, RuleId


def outcome_of(error: Refused | MalformedInput | Unavailable) -> Outcome:
    """Return the outcome that an error ends a run with: its one finding belongs to no artifact."""
    match error:
        case Refused():
            rule, level = RuleId(error.rule), Level.BLOCK
        case Unavailable():
            rule, level = RuleId.REGISTRY_UNAVAILABLE, Level.UNDECIDED
        case MalformedInput():
            rule, level = RuleId.LOCK_ENTRY_UNREADABLE, Level.BLOCK
    return Outcome(findings=(Finding(rule=rule, level=level, message=error.message, next=error.hint),))

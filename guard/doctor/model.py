"""What doctor says: one row for each way an install could start, or thing that decides how it is judged."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from guard.errors import ExitCode


class State(str, enum.Enum):
    """How a row stands."""

    OPEN = "open"  # an install can get by, or is judged by the wrong things, and the fix ends that
    NOTE = "note"  # worth knowing; nothing of guard's can end it
    GUARDED = "guarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that was looked at.

    Args:
        check: stable identifier of what was looked for: ``plain-word``.
        subject: what it is about: ``pip3``, a path, the name of a setting; without credentials.
        state: how it stands.
        message: why, in words.
        fix: the command or line that ends it, or what to type instead; empty where nothing is to be done.
    """

    check: str
    subject: str
    state: State
    message: str
    fix: str = ""


def exit_code_of(rows: Sequence[Row]) -> ExitCode:
    """Return the status that rows come to: 10 where anything is open."""
    return ExitCode.BLOCKED if any(row.state is State.OPEN for row in rows) else ExitCode.ALLOWED

"""The table of checks: each looks at the snapshot and says rows; none touches the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from guard.doctor import judging, ways
from guard.doctor.limits import evaluate_limits
from guard.doctor.model import Row, State
from guard.doctor.snapshot import Snapshot

Check: TypeAlias = "Callable[[Snapshot], Iterable[Row]]"

CHECKS: tuple[Check, ...] = (
    ways.evaluate_plain_words,
    ways.evaluate_modules,
    ways.evaluate_startup_files,
    ways.evaluate_environments,
    ways.evaluate_path,
    ways.evaluate_guards,
    judging.evaluate_settings,
    judging.evaluate_registries,
    judging.evaluate_trust_root,
    judging.evaluate_identity_lock,
    judging.evaluate_policy,
    judging.evaluate_problems,
    lambda _: evaluate_limits(),
)

_ORDER = (State.OPEN, State.NOTE, State.GUARDED)


def evaluate_snapshot(snapshot: Snapshot) -> list[Row]:
    """Return every row, what is open first.

    Args:
        snapshot: what was looked at.
    """
    rows = [row for check in CHECKS for row in check(snapshot)]
    return sorted(rows, key=lambda row: _ORDER.index(row.state))

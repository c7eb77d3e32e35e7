"""What a run's outcome becomes: the exit status that scripts see."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from guard.app import App, Options
from guard.engine.outcome import Outcome
from guard.errors import ExitCode
from guard.model import Finding, Level, RuleId

BLOCK = Finding(rule=RuleId.HASH_MISMATCH, level=Level.BLOCK, message="differs")
UNDECIDED = Finding(rule=RuleId.REGISTRY_UNAVAILABLE, level=Level.UNDECIDED, message="down")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(tool_status=0), 0),
        (Outcome(tool_status=3), 3),
        (Outcome(tool_status=None), ExitCode.INTERNAL),
        (Outcome(tool_status=0, findings=(BLOCK,)), ExitCode.BLOCKED),
        (Outcome(tool_status=0, findings=(UNDECIDED,)), ExitCode.UNDECIDED),
        (Outcome(tool_status=0, findings=(UNDECIDED, BLOCK)), ExitCode.BLOCKED),
        (Outcome(tool_status=0, planned=1), ExitCode.BLOCKED),
    ],
    ids=["allowed", "the tool failed", "allowed and not run", "blocked", "undecided", "both", "a file was not decided"],
)
def test_exit_status(outcome: Outcome, expected: int, tmp_path: Path) -> None:
    app = App(options=Options(quiet=True), environ={}, cwd=tmp_path, started=datetime.now(timezone.utc))
    assert app.conclude(outcome, command=("pip", "install", "x")) == expected

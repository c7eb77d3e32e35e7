"""``guard doctor``: every way an install could start here, as a table or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from guard import __version__
from guard.app import App
from guard.cli.shims import shims_setting
from guard.doctor.checks import evaluate_snapshot
from guard.doctor.gathering import gather_snapshot
from guard.doctor.model import Row, State, exit_code_of
from guard.report.text import printable

_STYLES = {State.OPEN: "bold red", State.NOTE: "yellow", State.GUARDED: "green"}
_SCHEMA = "guard-doctor/1"


def run_doctor(app: App, *, words: frozenset[str], as_json: bool) -> int:
    """Look, judge and print.

    Args:
        app: the outside.
        words: tools that guard has a command for.
        as_json: whether to print JSON instead of text.

    Returns:
        10 where anything is open, else 0.
    """
    rows = evaluate_snapshot(gather_snapshot(app, shims=shims_setting(app), words=words))
    if as_json:
        click.echo(render_json(rows, cwd=str(app.cwd)))
    else:
        _render_text(rows, app)
    return exit_code_of(rows)


def render_json(rows: Sequence[Row], *, cwd: str) -> str:
    """Return the document of ``guard-doctor-1.schema.json``.

    Args:
        rows: in the order in which they are to stand.
        cwd: the working directory.
    """
    document = {
        "schema": _SCHEMA,
        "guard": {"version": __version__},
        "cwd": _encodable(cwd),
        "exit_code": int(exit_code_of(rows)),
        "summary": _counts(rows),
        "rows": [
            {
                "check": row.check,
                "subject": _encodable(row.subject),
                "state": row.state.value,
                "message": _encodable(row.message),
                "fix": _encodable(row.fix),
            }
            for row in rows
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _render_text(rows: Sequence[Row], app: App) -> None:
    forced = {"always": True, "never": False}.get(app.options.color)
    console = Console(force_terminal=forced, no_color=forced is False, soft_wrap=True, highlight=False)
    for row in rows:
        if row.state is State.GUARDED and app.options.quiet:
            continue
        line = Text(f"{row.state.value:<8}", style=_STYLES[row.state])
        line.append(printable(f" {row.subject}: {row.message}"), style="default")
        console.print(line)
        if row.fix:
            console.print(Text(printable(f"{'':<9}{_verb(row)}: {row.fix}"), style="dim"))
    counts = ", ".join(f"{count} {state}" for state, count in _counts(rows).items())
    console.print(Text(f"guard: {counts}", style="bold"))


def _verb(row: Row) -> str:
    return "instead" if row.check == "limit" else "next"


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    counts = Counter(row.state for row in rows)
    return {state.value: counts[state] for state in State}


def _encodable(text: str) -> str:
    """Return text that is UTF-8, whatever bytes a path had."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

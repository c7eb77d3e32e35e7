"""What is shown on a terminal while something takes long."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from guard.app import App

if TYPE_CHECKING:
    from rich.console import Console


class Progress:
    """Told what is being done; this one says nothing."""

    def step(self, text: str) -> None:
        """Say what is being done now."""

    def stop(self) -> None:
        """Leave the terminal to somebody else."""


class _Spinner(Progress):
    """Shows what is being done on a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.status import Status

        self._status = Status("starting", console=console)
        self._status.start()

    def step(self, text: str) -> None:
        self._status.update(f"guard: {text}")

    def stop(self) -> None:
        self._status.stop()


def show_progress(app: App, stack: ExitStack) -> Progress:
    """Return what is to be told; on a terminal it shows, until ``stack`` ends at the latest."""
    if not app.shows_progress:
        return Progress()
    spinner = _Spinner(app.console)
    stack.callback(spinner.stop)
    return spinner

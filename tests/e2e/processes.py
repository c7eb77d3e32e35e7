"""Processes that a command started, and waiting until something about them is so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.surroundings import Surroundings

PATIENCE_SECONDS = 60


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fail when it does not come."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


def processes_of(surroundings: Surroundings) -> list[str]:
    """Return the command lines of the processes that have the surroundings in their environment, guard's own too."""
    mark = f"HOME={surroundings.home}".encode()
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines


def run_folders(surroundings: Surroundings) -> list[Path]:
    """Return the private folders of commands that run, or that were killed."""
    return list((surroundings.home / ".cache" / "provenance-guard" / "runs").glob("run-*"))

"""A shell at a terminal, as somebody types into it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pytest
from typing_extensions import Self

_TIMEOUT_SECONDS = 60
_READY_SECONDS = 5
# Makes the terminal on its stdin the controlling one, so that the shell is as interactive as it can be.
_AT_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def _forget_the_manual(home: Path) -> None:
    """Let fish take its completions for made: else it makes them of every manual page when a home is new to it."""
    for folder in (".local/share/fish", ".cache/fish"):  # fish 3, and fish 4
        (home / folder / "generated_completions").mkdir(parents=True, exist_ok=True)


class InteractiveShell:
    """An interactive shell that has read its startup files; use it as a context manager.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``; without it the test is skipped.
        environ: its whole environment.
        cwd: where it starts.
    """

    def __init__(self, shell: str, *, environ: Mapping[str, str], cwd: Path) -> None:
        executable = shutil.which(shell)
        if executable is None:
            pytest.skip(f"{shell} is not installed")  # CI makes sure that it is
        if shell == "fish":
            _forget_the_manual(Path(environ["HOME"]))
        self._lines = 0
        self._seen = b""
        self._terminal, ours = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AT_TERMINAL, executable, "-i"],
            stdin=ours,
            stdout=ours,
            stderr=ours,
            cwd=cwd,
            env={**environ, "TERM": "dumb"},
        )
        os.close(ours)

    def __enter__(self) -> Self:
        # A shell throws away what was typed before it had set its terminal up: say it again until it answers.
        for number in range(_TIMEOUT_SECONDS // _READY_SECONDS):
            os.write(self._terminal, f"printf 'ready-%s.' {number}\n".encode())
            if self._sees(b"ready-%d." % number, within_seconds=_READY_SECONDS):
                return self
        raise AssertionError("the shell does not come up")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def type(self, line: str) -> None:
        """Type a line and wait until it has been carried out."""
        self._lines += 1
        # What the terminal echoes is not what is printed.
        os.write(self._terminal, f"{line}; printf 'done-%s.' {self._lines}\n".encode())
        self._read_until(f"done-{self._lines}.".encode())

    def _read_until(self, end: bytes) -> None:
        assert self._sees(end, within_seconds=_TIMEOUT_SECONDS), (
            f"nothing more than: {self._seen.decode(errors='replace')}"
        )

    def _sees(self, end: bytes, *, within_seconds: float) -> bool:
        """Whether something is printed before nothing has been for a while."""
        self._seen = b""
        while end not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], within_seconds)
            if not ready:
                return False
            self._seen += os.read(self._terminal, 65536)
        return True

"""The shim itself: a few lines of ``sh`` that start the launcher, or say how to mend what is gone."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from guard_shims.launcher import MARK, MEND, PYTHON_SHIM, TOOLS

MODE = 0o755

# No variable is set and nothing but exec is run: the tool sees the environment as it was. Where the interpreter is
# there and does not start, the shell's own message and 126 or 127 end it; nothing goes on to the tool.
_SHIM = """\
#!/bin/sh
# {mark} for {tool}: made by `guard shims install`, taken away by `guard shims remove`.
[ -x {python} ] && [ -r {launcher} ] && exec {python} -I -S -X utf8 {launcher} {shim} "${{LC_CTYPE-}}" "$@"
printf '%s\\n' {message} >&2
exit 127
"""


def render_shims(folder: Path, *, python: str, launcher: str, more: Iterable[str] = ()) -> dict[Path, bytes]:
    """Return every shim by its path.

    Args:
        folder: the shim folder.
        more: tools beside those that have a shim always.
        python: absolute path of guard's own interpreter.
        launcher: absolute path of :mod:`guard_shims.launcher`.
    """
    return {
        folder / tool: _render(folder / tool, python=python, launcher=launcher) for tool in (*TOOLS, *more, PYTHON_SHIM)
    }


def _render(shim: Path, *, python: str, launcher: str) -> bytes:
    message = f"guard: {shim.name}: guard is gone from where it was, so nothing was run. {MEND} {shim.parent}"
    return os.fsencode(
        _SHIM.format(
            mark=MARK.decode("ascii"),
            tool=shim.name,
            python=shlex.quote(python),
            launcher=shlex.quote(launcher),
            shim=shlex.quote(str(shim)),
            message=shlex.quote(message),
        )
    )

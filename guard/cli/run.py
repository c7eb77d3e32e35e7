"""One command line: to whom it goes, and what happens to errors."""

from __future__ import annotations

import gc
import os
import sys

from guard.errors import ExitCode, GuardError
from guard.managers.process import Interrupted, interruptible

# What is imported stays; looking through it for garbage again and again is a twentieth of what it takes to start.
_COLLECT_AFTER_OBJECTS = 50_000


def run(argv: list[str]) -> int:
    """Carry out one command line.

    Args:
        argv: what follows ``guard``.

    Returns:
        The exit status.
    """
    gc.set_threshold(_COLLECT_AFTER_OBJECTS)
    try:
        with interruptible():
            return _carry_out(argv)
    except Interrupted as interruption:
        return 128 + interruption.number
    except GuardError as error:
        _print_error(error.message, error.hint)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  # the last boundary: an error of guard's own stops the install
        _print_error(f"internal error, nothing more was installed: {type(error).__name__}: {error}", "")
        if "-v" in argv or "--verbose" in argv:
            import traceback

            traceback.print_exc()
        return ExitCode.INTERNAL


def _carry_out(argv: list[str]) -> int:
    """Carry out what is typed; a tool's word in front, as shims have it, leaves no option of guard's to be parsed.

    Importing click and declaring every command would delay the tool for as long as starting Python four times.
    """
    word, arguments = (argv[0], tuple(argv[1:])) if argv else ("", ())
    if word == "pip":
        return _run_pip(arguments)
    if word == "npm":
        return _run_npm(arguments)
    from guard.cli.commands import run_command

    return run_command(argv)


def _run_pip(arguments: tuple[str, ...]) -> int:
    from guard.managers.pip.target import start_probe

    # It answers while the rest is imported.
    probe = start_probe(arguments, os.environ)
    from guard.app import App, Options
    from guard.managers.pip.driver import run_pip

    return run_pip(App.from_process(Options(), command=("pip", *arguments)), arguments, probe=probe)


def _run_npm(arguments: tuple[str, ...]) -> int:
    from guard.app import App, Options
    from guard.managers.npm.driver import run_npm

    return run_npm(App.from_process(Options(), command=("npm", *arguments)), arguments)


def _print_error(message: str, hint: str) -> None:
    from guard.report.text import printable

    sys.stderr.write(f"guard: {printable(message)}\n")
    if hint:
        sys.stderr.write(f"  {printable(hint)}\n")

"""The entry point: passes harmless commands straight to the tool, and everything else to the command line proper.

Only ``os`` and ``sys`` are imported here, so that ``guard pip --version`` costs little more than ``pip --version``.
"""

from __future__ import annotations

import os
import sys

# guard's own options that take a value and may stand before the command word; a test compares them with the parser.
OPTIONS_WITH_VALUE = frozenset({"--policy", "--report", "--trust-root", "--color", "--pip"})


def main() -> int:
    """Run guard with the process's arguments.

    Returns:
        The exit status (:class:`guard.errors.ExitCode`, or the wrapped tool's own).
    """
    argv = sys.argv[1:]
    word, rest = split_at_command(argv)
    if word == "pip":
        from guard.managers.pip.options import Kind, classify

        if classify(rest) is Kind.PASS_THROUGH:
            return _pass_through_to_pip(rest, name=_value_of("--pip", argv[: len(argv) - len(rest) - 1]))
    if word == "npm":
        from guard.managers.npm.options import Kind as NpmKind
        from guard.managers.npm.options import classify as classify_npm

        if classify_npm(rest) is NpmKind.PASS_THROUGH:
            return _pass_through_to_npm(rest)
    from guard.clients.words import PROGRAMS, passes_through

    if word in PROGRAMS and passes_through(word, rest):
        return _pass_through_to_client(word, rest)
    _restart_isolated(argv)
    from guard.cli.run import run

    status = run(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # Work in the background may still wait for a server that never answers; nobody needs its result any more.
    os._exit(status)


def split_at_command(argv: list[str]) -> tuple[str | None, list[str]]:
    """Return the command word and what follows it; ``None`` when guard's own options are all there is."""
    position = 0
    while position < len(argv):
        word = argv[position]
        if not word.startswith("-"):
            return word, argv[position + 1 :]
        position += 2 if word in OPTIONS_WITH_VALUE else 1
    return None, []


def _value_of(option: str, options: list[str]) -> str | None:
    """Return the last value of one of guard's own options, ``None`` where it is not given."""
    spelled = "\0".join(options).replace(f"{option}\0", f"{option}=").split("\0")
    return next((each.partition("=")[2] for each in reversed(spelled) if each.startswith(f"{option}=")), None)


def _pass_through_to_pip(arguments: list[str], *, name: str | None) -> int:
    from guard.errors import ToolNotFound
    from guard.managers.pip.target import find_pip

    try:
        command = find_pip(os.environ.get("PATH", os.defpath), virtual_env=os.environ.get("VIRTUAL_ENV"), name=name)
    except ToolNotFound as error:
        sys.stderr.write(f"guard: {error.message}\n  {error.hint}\n")
        return int(error.exit_code)
    sys.stdout.flush()
    os.execv(command.interpreter, [*command.argv, *arguments])  # noqa: S606 - the user's own pip
    raise AssertionError("exec does not return")


def _pass_through_to_npm(arguments: list[str]) -> int:
    from guard.errors import ToolNotFound
    from guard.managers.npm.target import find_script

    try:
        script = str(find_script(os.environ.get("PATH", os.defpath)))
    except ToolNotFound as error:
        sys.stderr.write(f"guard: {error.message}\n  {error.hint}\n")
        return int(error.exit_code)
    sys.stdout.flush()
    os.execv(script, [script, *arguments])  # noqa: S606 - the user's own npm
    raise AssertionError("exec does not return")


def _pass_through_to_client(word: str, arguments: list[str]) -> int:
    from guard.clients.words import LEADING_WORDS, PROGRAMS
    from guard.errors import ToolNotFound
    from guard.managers.npm.target import find_script

    name = PROGRAMS[word]
    try:
        program = str(find_script(os.environ.get("PATH", os.defpath), name))
    except ToolNotFound as error:
        sys.stderr.write(f"guard: {error.message}\n  install {name}, or put its folder on PATH\n")
        return int(error.exit_code)
    sys.stdout.flush()
    os.execv(program, [program, *LEADING_WORDS.get(word, ()), *arguments])  # noqa: S606 - the user's own tool
    raise AssertionError("exec does not return")


def _restart_isolated(argv: list[str]) -> None:
    """Start again with ``-I``: no PYTHONPATH, no user site, no current folder decides what guard imports."""
    if not sys.flags.isolated:
        os.execv(sys.executable, [sys.executable, "-I", "-m", "guard", *argv])  # noqa: S606

"""``guard shims``: putting guard behind the plain words pip, pip3, npm and npx, taking it away, and looking."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import click
import platformdirs

from guard.app import App
from guard.errors import ExitCode, UsageError
from guard.report.text import printable
from guard_shims import launcher
from guard_shims.errors import ShimsError
from guard_shims.install import Setting, ToolStatus, install_shims, load_status, remove_shims
from guard_shims.shells import Shell, render_path_line

_APP_NAME = "provenance-guard"


def is_known_tool(name: str, words: Container[str]) -> bool:
    """Whether a tool may have a shim.

    Args:
        name: of the tool.
        words: of guard's command line: a shim leads to one of them.
    """
    return launcher.word_of(name) in words


def install(app: App, names: Sequence[str], *, tools: Sequence[str] = (), tells_shells: bool) -> int:
    """Install the shims and tell the shells.

    Args:
        app: the outside.
        names: shells to tell; none for those that are in use.
        tools: that are to have a shim beside those that have one always.
        tells_shells: whether to tell any shell; else the line for PATH is printed.
    """
    setting = replace(shims_setting(app), requested=tuple(tools))
    with _errors_for_the_user():
        shells = [Shell(name) for name in names] or setting.used_shells if tells_shells else ()
        changed = install_shims(setting, shells)
    _say(f"the shims for {', '.join((*launcher.TOOLS, *setting.more))} are in {setting.folder}")
    if not shells:
        _say("put that folder in front of PATH:")
        click.echo(render_path_line(setting.folder))
    for path in changed:
        _say(f"{path} puts them in front of PATH in every new shell")
    if shells and not changed:
        _say("the shells know it already")
    return ExitCode.ALLOWED


def remove(app: App) -> int:
    """Remove the shims and bring back every file that installing changed."""
    setting = shims_setting(app)
    with _errors_for_the_user():
        removals = remove_shims(setting)
    for path, removal in removals.items():
        _say(f"{path}: {removal.value}")
    _say(f"no shims are left in {setting.folder}")
    return ExitCode.ALLOWED


def print_status(app: App) -> int:
    """Print how each tool stands.

    Returns:
        0 when every tool is guarded in the shell that asks, else 2.
    """
    setting = shims_setting(app)
    with _errors_for_the_user():
        status = load_status(setting)
    for tool in status.tools:
        click.echo(printable(_render_tool(tool)))
    for path in status.startup_files:
        click.echo(printable(f"PATH is set in {path}"))
    if all(tool.is_guarded for tool in status.tools):
        return ExitCode.ALLOWED
    is_installed = all(tool.is_installed for tool in status.tools)
    _say("next: open a new shell, or see docs/shims.md" if is_installed else "next: guard shims install")
    return ExitCode.USAGE


def _render_tool(tool: ToolStatus) -> str:
    behind = f"then {tool.real}" if tool.real else "and there is no other"
    if tool.is_guarded:
        return f"{tool.name}: guarded: {tool.shim} is first on PATH, {behind}"
    if not tool.is_installed:
        return f"{tool.name}: not guarded: there is no shim of this guard at {tool.shim}"
    return f"{tool.name}: not guarded: {tool.first or 'nothing'} is first on PATH, not {tool.shim}"


def shims_setting(app: App) -> Setting:
    """Return what the shims need to know of this machine."""
    return Setting(
        folder=platformdirs.user_data_path(_APP_NAME) / "shims",
        record=platformdirs.user_state_path(_APP_NAME) / "shims.json",
        python=sys.executable,
        launcher=launcher.__file__,
        environ=app.environ,
        home=app.home,
    )


@contextmanager
def _errors_for_the_user() -> Iterator[None]:
    try:
        yield
    except ShimsError as error:
        raise UsageError(error.message, hint=error.hint) from error


def _say(message: str) -> None:
    # To stderr: `eval "$(guard shims install --no-shell)"` reads stdout.
    click.echo(f"guard: {printable(message)}", err=True)

"""guard's own options, which a command of its own also takes after its word."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from guard.app import App

_Command = TypeVar("_Command", bound=Callable[..., Any])


def common_options(command: _Command) -> _Command:
    """Let a command take guard's own options, too; what stands after the command's word wins.

    Args:
        command: a function that click makes a command of.
    """
    for option in _OPTIONS:
        command = option(command)
    return command


def plain_options(command: _Command) -> _Command:
    """The same for a command that decides nothing, whose report states its status.

    Args:
        command: a function of the :class:`~guard.app.App` that click makes a command of.
    """

    @functools.wraps(command)
    def reported(app: App, *arguments: Any, **options: Any) -> int:
        status = command(app, *arguments, **options)
        app.report_status(status)
        return int(status)

    return common_options(cast("_Command", reported))


def _override(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE:
        app = context.obj
        context.obj = replace(app, options=replace(app.options, **{str(parameter.name): value}))


def _override_progress(context: click.Context, _: click.Parameter, value: Any) -> None:
    if value:
        context.obj = replace(context.obj, options=replace(context.obj.options, progress=False))


def _option(*names: str, **settings: Any) -> Callable[[_Command], _Command]:
    return click.option(*names, **{"callback": _override, "expose_value": False, **settings})


_FILE = click.Path(path_type=Path)
_OPTIONS = (
    _option("-q", "--quiet", is_flag=True, help="Say nothing when all is well."),
    _option("-v", "--verbose", count=True, help="Say more."),
    _option("--report", type=_FILE, metavar="FILE", help="Write the JSON report."),
    _option("--color", type=click.Choice(["auto", "always", "never"]), help="Colours in what guard says on stderr."),
    _option("--no-progress", is_flag=True, callback=_override_progress, help="Show no progress on a terminal."),
    _option("--policy", type=_FILE, metavar="FILE", help="Policy that names registries and trust root."),
    _option("--trust-root", type=_FILE, metavar="FILE", help="Sigstore trusted root to use."),
)

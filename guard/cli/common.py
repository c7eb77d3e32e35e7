"""guard's own options, which a command of its own also takes after its word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def common_options(command: _Command) -> _Command:
    """Let a command take guard's own options, too; what stands after the command's word wins.

    Args:
        command: a function that click makes a command of.
    """
    for option in _OPTIONS:
        command = option(command)
    return command


def _override(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE:
        app = context.obj
        context.obj = replace(app, options=replace(app.options, **{str(parameter.name): value}))


def _option(*names: str, **settings: Any) -> Callable[[_Command], _Command]:
    return click.option(*names, callback=_override, expose_value=False, **settings)


_FILE = click.Path(path_type=Path)
_OPTIONS = (
    _option("-q", "--quiet", is_flag=True, help="Say nothing when all is well."),
    _option("-v", "--verbose", count=True, help="Say more."),
    _option("--report", type=_FILE, metavar="FILE", help="Write the JSON report."),
    _option("--policy", type=_FILE, metavar="FILE", help="Policy that names registries and trust root."),
    _option("--trust-root", type=_FILE, metavar="FILE", help="Sigstore trusted root to use."),
)

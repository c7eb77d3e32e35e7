"""The pip that would run here and what its configuration says, for guard's own commands as for ``guard pip``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from guard.app import App
from guard.errors import ToolNotFound, UsageError
from guard.managers.pip.command import PipCommand
from guard.managers.pip.config import PipConfiguration, configuration_options, load_configuration
from guard.managers.pip.index_settings import IndexSettings
from guard.managers.pip.target import PipCommandLine, Probe, Target, command_of_python, find_pip, probe_target
from guard.managers.pip.upstream import make_upstream
from guard.policy.policy import Policy
from guard.registry.pypi import IndexClient

# Whose options count where no pip is there to ask: those of the newest that guard knows.
_NEWEST_RELEASE = (26, 3)


def make_index_client(app: App, policy: Policy, *, files: IndexSettings | None = None) -> IndexClient:
    """Return a client for the indexes of ``pip install`` here, with its credentials, proxy and certificates.

    A command of guard's own needs no pip: without one, or with one that is too old to be guarded, the configuration
    files of the machine, of the user and of the activated environment are read all the same.

    Args:
        app: the outside.
        policy: the policy in force, whose anchors may name the indexes.
        files: what requirement files say about indexes.

    Raises:
        ConfigInvalid: a configuration file or an address cannot be used.
    """
    typed = PipCommand("install")
    try:
        _, configured = find_target(app, typed)
    except (ToolNotFound, UsageError):
        prefix = Path(app.environ.get("VIRTUAL_ENV") or sys.base_prefix)
        configured = _configured(typed, _load(app, typed, prefix), _NEWEST_RELEASE)
    return _make_client(app, policy, configured, files or IndexSettings())


def make_configured_client(app: App, policy: Policy, configuration: PipConfiguration) -> IndexClient:
    """Return a client for the indexes that a configuration names, without asking any pip.

    Args:
        app: the outside.
        policy: the policy in force, whose anchors may name the indexes.
        configuration: of ``pip install``.

    Raises:
        ConfigInvalid: an address cannot be used.
    """
    configured = _configured(PipCommand("install"), configuration, _NEWEST_RELEASE)
    return _make_client(app, policy, configured, IndexSettings())


def find_target(app: App, typed: PipCommand, *, probe: Probe | None = None) -> tuple[Target, PipCommand]:
    """Return the pip of pip's own ``--python`` or the first on PATH, and the options that configure it.

    Args:
        app: the outside.
        typed: the command line.
        probe: see :func:`~guard.managers.pip.target.start_probe`.

    Raises:
        ToolNotFound: there is none.
        UsageError: it is too old to be guarded.
        ConfigInvalid: a configuration file cannot be used.
    """
    python = typed.last("--python")
    line = find_users_pip(app) if python is None else command_of_python(python)
    target = probe_target(line, app.environ, probe=probe)
    configuration = _load(app, typed, Path(target.prefix))
    if python is None and configuration.python is not None:
        target = probe_target(command_of_python(configuration.python), app.environ)
        configuration = _load(app, typed, Path(target.prefix))
    return target, _configured(typed, configuration, target.release)


def find_users_pip(app: App) -> PipCommandLine:
    """Return the pip that is driven where its own ``--python`` names none.

    Raises:
        ToolNotFound: there is none.
    """
    return find_pip(path_of(app), virtual_env=app.environ.get("VIRTUAL_ENV"), name=app.options.pip)


def path_of(app: App) -> str:
    """Return where programs are looked for."""
    return app.environ.get("PATH", os.defpath)


def _make_client(app: App, policy: Policy, configured: PipCommand, files: IndexSettings) -> IndexClient:
    return make_upstream(
        typed=PipCommand("install"),
        configured=configured,
        files=files,
        anchors=policy.anchors,
        environ=app.environ,
        home=app.home,
        deadline=app.deadline,
    ).client


def _configured(typed: PipCommand, configuration: PipConfiguration, release: tuple[int, ...]) -> PipCommand:
    options = configuration_options(configuration, typed.command, pip_version=release)
    return replace(typed, options=options, arguments=())


def _load(app: App, typed: PipCommand, prefix: Path) -> PipConfiguration:
    return load_configuration(
        environ=app.environ, prefix=prefix, command=typed.command, isolated=typed.isolated, platform=sys.platform
    )

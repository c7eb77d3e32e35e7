"""The registries that npm would use here, for guard's own commands as for ``guard npm``."""

from __future__ import annotations

import os
from pathlib import Path

from guard.app import App
from guard.attest.npm_signature import RegistryKey, parse_registry_keys
from guard.errors import ConfigInvalid, MalformedInput, ToolNotFound, UsageError
from guard.managers.npm.command import parse_command
from guard.managers.npm.config import NpmConfiguration, load_configuration
from guard.managers.npm.target import NpmTarget, find_npm
from guard.managers.npm.vocabulary import MAJORS
from guard.policy.policy import Policy
from guard.registry.http import Deadline, HttpClient
from guard.registry.npm import NpmClient, NpmRegistries
from guard.registry.npm_credentials import NpmCredentials

# What stands in where no npm is there: one in the place where Node's own packages put it.
_USUAL_NODE = Path("/usr/local/bin/node")
_USUAL_ROOT = Path("/usr/local/lib/node_modules/npm")


def make_npm_client(app: App, policy: Policy, *, folder: Path | None = None) -> NpmClient:
    """Return a client for the registries of ``npm install`` here, with its credentials, proxy and certificates.

    Args:
        app: the outside.
        policy: the policy in force, whose anchors may name the default registry.
        folder: where npm would be started; the working directory without it.

    Raises:
        ConfigInvalid: a configuration file or an address cannot be used.
    """
    return make_client(load_npm_configuration(app, folder=folder), policy, app.deadline)


def load_npm_configuration(app: App, *, folder: Path | None = None) -> NpmConfiguration:
    """Return what npm's settings come to for ``npm install`` here.

    A command of guard's own needs no npm: without one, or with one that is too old to be guarded, every .npmrc of the
    machine, of the user and of the project is read all the same.

    Args:
        app: the outside.
        folder: where npm would be started; the working directory without it.

    Raises:
        ConfigInvalid: a configuration file or an address cannot be used.
    """
    try:
        target = find_npm(path_of(app))
    except (ToolNotFound, UsageError):
        target = NpmTarget(_USUAL_NODE.with_name("npm"), _USUAL_ROOT, _USUAL_NODE, f"{MAJORS[-1]}.0.0")
    command = parse_command(("install",), major=target.major)
    return load_configuration(environ=app.environ, cwd=folder or app.cwd, command=command, npm=target, home=app.home)


def make_client(configuration: NpmConfiguration, policy: Policy, deadline: Deadline) -> NpmClient:
    """Return a client for the registries that npm's configuration and the policy name.

    Args:
        configuration: of npm.
        policy: the policy in force, whose anchors may name the default registry.
        deadline: of the run.
    """
    registries = registries_in_force(configuration, policy)
    http = HttpClient(
        settings=configuration.http,
        credentials=NpmCredentials(configuration.auth),
        deadline=deadline,
    )
    replaced = configuration.value("replace-registry-host")
    return NpmClient(http, registries, replace_registry_host=str(replaced or "npmjs"))


def registries_in_force(configuration: NpmConfiguration, policy: Policy) -> NpmRegistries:
    """Return the registries that npm's configuration and the policy name.

    Args:
        configuration: of npm.
        policy: the policy in force, whose anchors may name the default registry.
    """
    registries = configuration.registries
    if policy.anchors.npm_registry is not None and configuration.level("registry") not in ("cli", "env"):
        return NpmRegistries(default=_as_folder(policy.anchors.npm_registry), scopes=registries.scopes)
    return registries


def load_keys(app: App, policy: Policy) -> tuple[RegistryKey, ...] | None:
    """Return the registry keys that the policy names a file of; ``None`` where it names none.

    Raises:
        ConfigInvalid: the file cannot be used.
    """
    data = app.load_npm_keys(policy)
    if data is None:
        return None
    try:
        return parse_registry_keys(data)
    except MalformedInput as error:
        raise ConfigInvalid(f"[npm] keys: {error.message}") from error


def path_of(app: App) -> str:
    """Return where programs are looked for."""
    return app.environ.get("PATH", os.defpath)


def _as_folder(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"

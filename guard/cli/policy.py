"""``guard policy``: beginning one, which is in force, and trusting the anchors of one that a project brings."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import click

from guard.app import App, anchor_path, load_anchor, load_trust_root
from guard.errors import ConfigInvalid, ExitCode, UsageError
from guard.model import Digest, Location
from guard.policy.explain import AnchorState, SettingInForce, explain_anchors, explain_identities, explain_settings
from guard.policy.patterns import PackageRelease
from guard.policy.policy import PackagePolicy, Policy
from guard.policy.schema import ExceptionEntry, parse_pyproject
from guard.report.model import without_credentials
from guard.report.text import printable
from guard.store.policies import POLICY_NAME, load_policy

_PYPROJECT = "pyproject.toml"
_TRUST_ROOT = "sigstore.trust-root"


def init_policy(app: App) -> int:
    """Write a policy to begin with.

    Raises:
        UsageError: there is a policy here already.
        ConfigInvalid: it cannot be written, or pyproject.toml cannot be read.
    """
    path = app.cwd / POLICY_NAME
    starter = (resources.files("guard") / "data" / "starter-policy.toml").read_bytes()
    pyproject = app.cwd / _PYPROJECT
    if pyproject.is_file() and parse_pyproject(pyproject.read_bytes(), path=str(pyproject)) is not None:
        raise UsageError(f"{printable(str(pyproject))} has a policy under [tool.guard] already")
    try:
        with path.open("xb") as stream:
            stream.write(starter)
    except FileExistsError as error:
        raise UsageError(f"{printable(str(path))} is there already and is kept", hint="guard policy check") from error
    except OSError as error:
        raise ConfigInvalid(f"{printable(str(path))} cannot be written: {error.strerror}") from error
    click.echo(f"{printable(str(path))} is written; everything in it is a default until you change it")
    return ExitCode.ALLOWED


def show_policy(app: App, spec: str | None, *, as_json: bool) -> int:
    """Print what is asked of one package, or of those that no ``[[package]]`` names, and where each value stands.

    Raises:
        UsageError: ``spec`` names no package.
        ConfigInvalid: a policy file cannot be used.
    """
    policy = app.load_policy()
    asked = _asked_of(policy, spec, app)
    if as_json:
        click.echo(json.dumps(_as_json(policy, asked, spec, app), indent=2))
    else:
        _print_policy(asked, spec)
        _print_anchors(policy, app)
    return ExitCode.ALLOWED


def _asked_of(policy: Policy, spec: str | None, app: App) -> PackagePolicy:
    if spec is None:
        return policy.for_others(now=app.started)
    try:
        release = PackageRelease.parse(spec)
    except ValueError as error:
        raise UsageError(f"SPEC {error}", hint="guard policy show pypi:NAME==VERSION") from error
    return policy.for_package(release.ecosystem, release.name, release.version or "", now=app.started)


def _print_policy(asked: PackagePolicy, spec: str | None) -> None:
    click.echo(f"what is asked of {printable(spec) if spec else 'packages that no [[package]] names'}:")
    for setting in explain_settings(asked):
        line = f"  {setting.key} = {json.dumps(setting.value, ensure_ascii=False)}"
        click.echo(f"{printable(line):<58} {_origin(setting)}")
    for pin in explain_identities(asked):
        click.echo(f"  published by {printable(', '.join(f'{key} {value}' for key, value in pin.items()))}")
    for entry, state in (*((each, "until") for each in asked.exceptions), *((each, "ended") for each in asked.expired)):
        line = f"  excepted from {entry.rule.value} {state} {entry.expires}: {entry.reason} ({entry.location})"
        click.echo(printable(line))


def _origin(setting: SettingInForce) -> str:
    return "default" if setting.location is None else printable(str(setting.location))


def _print_anchors(policy: Policy, app: App) -> None:
    click.echo("whom to believe:")
    anchors = _anchors(policy, app)
    for anchor in anchors:
        line = f"  {anchor['key']} = {json.dumps(anchor['value'], ensure_ascii=False)}"
        click.echo(printable(f"{line:<58} {anchor['origin']}, {str(anchor['state']).replace('-', ' ')}"))
    if not anchors:
        click.echo("  as pip and npm are configured, and the public Sigstore")


def _anchors(policy: Policy, app: App) -> list[dict[str, Any]]:
    """Return every anchor that is written: in files, weakest first, and on the command line, which beats them."""
    option = app.options.trust_root
    found: list[dict[str, Any]] = []
    for anchor in explain_anchors(policy):
        is_beaten = option is not None and anchor.key == _TRUST_ROOT and anchor.state is AnchorState.IN_FORCE
        urls = [anchor.value] if isinstance(anchor.value, str) else anchor.value
        shown = [without_credentials(url) for url in urls]
        found.append(
            {
                "key": anchor.key,
                "value": shown[0] if isinstance(anchor.value, str) else shown,
                "state": (AnchorState.REPLACED if is_beaten else anchor.state).value,
                "origin": str(anchor.location),
                "location": _place(anchor.location),
            }
        )
    if option is not None:
        row = {"state": AnchorState.IN_FORCE.value, "origin": "--trust-root", "location": None}
        found.append({"key": _TRUST_ROOT, "value": str(option), **row})
    return found


def _as_json(policy: Policy, asked: PackagePolicy, spec: str | None, app: App) -> dict[str, object]:
    return {
        "package": spec,
        "policy": [
            {"path": source.path, "digest": str(source.digest), "class": source.policy_class.value}
            for source in policy.sources_read
        ],
        "settings": {
            each.key: {"value": each.value, "location": _place(each.location)} for each in explain_settings(asked)
        },
        "anchors": _anchors(policy, app),
        "identities": [*explain_identities(asked)],
        "exceptions": [_exception(entry, is_over=False) for entry in asked.exceptions]
        + [_exception(entry, is_over=True) for entry in asked.expired],
    }


def _exception(entry: ExceptionEntry, *, is_over: bool) -> dict[str, object]:
    return {
        "rule": entry.rule.value,
        "reason": entry.reason,
        "expires": entry.expires.isoformat(),
        "is_over": is_over,
        "location": _place(entry.location),
    }


def _place(location: Location | None) -> dict[str, object] | None:
    if location is None:
        return None
    return {"path": location.path, "line": location.line, "column": location.column}


def check_policy(app: App) -> int:
    """Read the policy in force and print which files make it, and what of them waits for trust."""
    policy = app.load_policy()
    for source in policy.sources_read:
        click.echo(f"{source.policy_class.value}: {printable(source.path)} ({source.digest})")
    if not policy.sources_read:
        click.echo("no guard.toml: the defaults are in force")
    for note in app.notes:
        click.echo(f"note: {printable(note.message)}")
    return ExitCode.ALLOWED


def trust_policy(app: App, path: Path) -> int:
    """Record the digests of a policy file and of the files that it names: its anchors take effect while all stay."""
    file = load_policy(app.cwd / path)
    if file.anchors.trust_root is not None:
        root = load_trust_root(anchor_path(file.anchors.trust_root))
        app.trusted_policies.store(root.digest)
        click.echo(f"{printable(root.source)} is trusted as it is now ({root.digest})")
    if file.anchors.npm_keys is not None:
        keys = anchor_path(file.anchors.npm_keys)
        data = load_anchor(keys, what="registry keys")
        digest = Digest("sha256", hashlib.sha256(data).hexdigest())
        app.trusted_policies.store(digest)
        click.echo(f"{printable(str(keys))} is trusted as it is now ({digest})")
    app.trusted_policies.store(file.digest)
    click.echo(f"{printable(file.path)} is trusted as it is now ({file.digest})")
    return ExitCode.ALLOWED

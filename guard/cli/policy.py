"""``guard policy``: which policy is in force, and trusting the anchors of one that a project brings."""

from __future__ import annotations

from pathlib import Path

import click

from guard.app import App
from guard.errors import ExitCode
from guard.report.text import printable
from guard.store.policies import load_policy


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
    """Record the digest of a policy file, so that its anchors take effect for this user while it stays the same."""
    file = load_policy(app.cwd / path)
    app.trusted_policies.store(file.digest)
    click.echo(f"{printable(file.path)} is trusted as it is now ({file.digest})")
    return ExitCode.ALLOWED

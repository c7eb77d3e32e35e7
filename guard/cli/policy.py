"""``guard policy``: which policy is in force, and trusting the anchors of one that a project brings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from guard.app import App, anchor_path, load_anchor, load_trust_root
from guard.errors import ExitCode
from guard.model import Digest
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

"""``guard trust-root``: which Sigstore trust root is in force, and refreshing the public or a private one over TUF."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import click

from guard.app import App, load_anchor
from guard.constants import SIGSTORE_TUF_URL
from guard.errors import ConfigInvalid, ExitCode, MalformedInput, Unavailable, UsageError
from guard.registry.credentials import redact_url
from guard.registry.http_settings import HttpSettings, settings_from_environment
from guard.report.text import printable
from guard.sigstore.trust_root import TrustRoot, parse_trust_root
from guard.store.trust_roots import StoredRoot, TrustRoots, load_shipped_tuf_root

# The HTTP layer keeps its own deadline and says which request was too slow; this is for what it cannot interrupt.
_GRACE_SECONDS = 1.0


def show(app: App) -> int:
    """Print digest, source and age of the trust root in force, and why the last refresh failed."""
    root = app.load_trust_root(app.load_policy())
    click.echo(printable(f"{root.digest}  {root.source}"))
    age_days = app.age_days(root)
    if root.as_of is not None:
        click.echo(f"current as of {root.as_of.date().isoformat()}, {age_days} day{'' if age_days == 1 else 's'} ago")
    attempt = app.trust_roots.load_attempt()
    if attempt is not None and attempt.problem:
        click.echo(printable(f"the last refresh, on {attempt.at.date().isoformat()}, failed: {attempt.problem}"))
    return ExitCode.ALLOWED


def update(app: App, *, url: str | None, bootstrap: Path | None, output: Path | None, seconds: float) -> int:
    """Refresh a trust root over TUF; on failure the one before stays in force.

    Args:
        app: the outside.
        url: of the TUF repository, or ``None`` for the public one.
        bootstrap: file with root metadata of a private repository; ``None`` for the public one's.
        output: file to write the trust root to.
        seconds: the time that it may take.

    Raises:
        UsageError: an address that is none, or a private repository without one or without a file for the result.
        Unavailable: the repository did not answer completely in time.
        MalformedInput: what it answered does not verify.
        ConfigInvalid: a file cannot be read or written.
    """
    if bootstrap is not None and (url is None or output is None):
        raise UsageError(
            "--tuf-root needs --tuf-url and --output: a private trust root does not replace the public one",
            hint="then name the file: --trust-root FILE, or [sigstore] trust-root in guard.toml",
        )
    if url is not None and not url.startswith(("https://", "http://")):
        raise UsageError("--tuf-url must be an http or https address")
    roots, metadata = app.trust_roots, load_shipped_tuf_root()
    if bootstrap is not None:
        metadata = load_anchor(bootstrap, what="root metadata")
        roots = app.private_trust_roots(hashlib.sha256(metadata).hexdigest())
    address = url or SIGSTORE_TUF_URL
    settings = settings_from_environment(app.environ)
    refresh = partial(_refresh, app, roots, url=address, metadata=metadata, settings=settings, seconds=seconds)
    try:
        # Not imported before: a command line that is refused does not pay for it.
        from guard.registry.tuf import finish_within

        stored = finish_within(seconds + _GRACE_SECONDS, refresh, what=f"the refresh from {redact_url(address)}")
    except (Unavailable, MalformedInput) as error:
        roots.store_failure(error.message, now=app.started)
        error.hint = error.hint or "the trust root that was in force before stays in force: guard trust-root show"
        raise
    if output is not None:
        _write(output, stored.root)
    click.echo(printable(f"{stored.root.digest}  {stored.root.source}"))
    return ExitCode.ALLOWED


def _refresh(
    app: App, roots: TrustRoots, *, url: str, metadata: bytes, settings: HttpSettings, seconds: float
) -> StoredRoot:
    from guard.registry.tuf import TufRepository, fetch_trusted_root
    from guard.sigstore.authorities import decode_authorities

    source = f"TUF repository {redact_url(url)}"
    with roots.exclusive():
        fetched = fetch_trusted_root(
            TufRepository(url=url, root=metadata), folder=roots.metadata, settings=settings, seconds=seconds
        )
        try:
            # What this guard cannot use must not take the place of what it can.
            decode_authorities(parse_trust_root(fetched.data, source=source))
        except ConfigInvalid as error:
            raise MalformedInput(error.message, hint="a newer guard may know this form") from error
        return roots.store(fetched.data, versions=fetched.versions, source=source, now=app.started)


def _write(path: Path, root: TrustRoot) -> None:
    try:
        path.write_bytes(root.data)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be written: {error.strerror}") from error

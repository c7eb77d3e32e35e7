"""Commands with ``-g``: what they would install is resolved in a project of its own, since npm keeps no lock of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from guard.engine.outcome import Outcome
from guard.gateway.server import Gateway
from guard.managers.npm.cache import fill_cache
from guard.managers.npm.deciding import run_deciding
from guard.managers.npm.entries import judge_tree
from guard.managers.npm.installing import Resolved, resolve
from guard.managers.npm.project import MANIFEST, PACKAGE_LOCK, Project
from guard.managers.npm.session import Session, conclude


def run_global(session: Session) -> Outcome:
    """Resolve, decide and carry out a command that changes the global folder."""
    dependencies = dict.fromkeys(_updated(session), "*") if session.command.command == "update" else {}
    if session.command.command not in ("install", "update"):
        return run_deciding(session)
    root = session.places.folder / "global"
    manifest = json.dumps({"dependencies": dependencies}).encode()
    project = Project(root=root, manifests={MANIFEST: manifest}, lock_name=PACKAGE_LOCK, lock=None)
    resolved = resolve(session, project)
    if not isinstance(resolved, Resolved):
        return resolved
    outcome = judge_tree(session, resolved.tree(project))
    if not outcome.allowed:
        return outcome
    fill_cache(session.places.cache, session.stored_files(outcome.judged))
    site = session.make_site(outcome.judged)
    with Gateway(site, takes_posts=True) as gateway:
        status = session.run_shown(session.command, gateway, site)
    site.raise_crash()
    return conclude(outcome, session, gateway, site, status=status)


def _updated(session: Session) -> Iterator[str]:
    """Yield the packages that ``npm update -g`` brings up to date: those named, else all that are there."""
    if session.command.arguments:
        yield from session.command.arguments
        return
    folder = session.configuration.global_prefix / "lib" / "node_modules"
    for path in sorted((*folder.glob("[!.@]*"), *folder.glob("@*/*"))):
        if path.is_dir() and not path.is_symlink():
            yield str(path.relative_to(folder))

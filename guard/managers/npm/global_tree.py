"""Commands with ``-g``, and ``npm link``, which installs globally what is missing there.

What they would install globally is resolved in a project of its own, since npm keeps no lock of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from guard.engine.outcome import Outcome
from guard.errors import Refused
from guard.gateway.server import Gateway
from guard.managers.npm.cache import fill_cache
from guard.managers.npm.deciding import run_deciding
from guard.managers.npm.entries import judge_tree
from guard.managers.npm.installing import Resolved, resolve
from guard.managers.npm.project import MANIFEST, PACKAGE_LOCK, Backup, Project, load_project
from guard.managers.npm.session import Session, conclude


def run_global(session: Session) -> Outcome:
    """Resolve, decide and carry out a command that changes the global folder.

    Raises:
        Refused: ``npm rebuild -g``: it runs the scripts of what is there, and nothing says what that is.
    """
    if session.command.command == "rebuild":
        raise Refused(
            "command-not-guarded",
            "npm rebuild -g runs scripts of packages of which npm keeps no record",
            hint="install them again: guard npm install -g NAME",
        )
    if session.command.command not in ("install", "update"):
        return run_deciding(session)
    dependencies = dict.fromkeys(_updated(session), "*") if session.command.command == "update" else {}
    return _carry_out(session, [(session, _project_of(session, dependencies))])


def run_link(session: Session) -> Outcome:
    """Link global packages into the project: npm installs those that are missing globally, then what the project lacks.

    All of it is decided before npm changes either tree.
    """
    command = session.command.with_word("install")
    missing = [spec for spec in command.arguments if not _is_there(session, spec)]
    project = load_project(session.configuration.local_prefix)
    steps = [(replace(session, command=command.with_arguments(())), project)]
    if missing:
        steps.append((replace(session, command=command.with_arguments(missing)), _project_of(session, {})))
    return _carry_out(session, steps)


def _carry_out(session: Session, steps: Sequence[tuple[Session, Project]]) -> Outcome:
    """Decide what each step comes to, then run the user's command."""
    outcome = Outcome()
    for step, project in steps:
        step.add_named(project)
        resolved = resolve(step, project)
        if not isinstance(resolved, Resolved):
            return resolved
        session.progress.step("deciding")
        found = judge_tree(step, resolved.tree(project))
        judged = tuple(dict.fromkeys((*outcome.judged, *found.judged)))
        repeated = len(outcome.judged) + len(found.judged) - len(judged)
        outcome = Outcome(
            judged=judged,
            findings=(*outcome.findings, *found.findings),
            held_back=(*outcome.held_back, *resolved.held_back),
            planned=outcome.planned + found.planned - repeated,
        )
    if not outcome.allowed:
        return outcome
    session.progress.step("installing")
    fill_cache(session.places.cache, session.stored_files(outcome.judged))
    backup = Backup(load_project(session.configuration.local_prefix))
    site = session.make_site(outcome.judged)
    with Gateway(site, takes_posts=True) as gateway:
        status = session.run_shown(session.command, gateway, site)
    site.raise_crash()
    concluded = conclude(outcome, session, gateway, site, status=status)
    if not concluded.allowed:
        backup.restore()
    return concluded


def _project_of(session: Session, dependencies: Mapping[str, str]) -> Project:
    """Return a project whose tree is what would be installed globally."""
    manifest = json.dumps({"dependencies": dependencies}).encode()
    root = session.places.folder / "global packages"
    return Project(root=root, manifests={MANIFEST: manifest}, lock_name=PACKAGE_LOCK, lock=None)


def _is_there(session: Session, spec: str) -> bool:
    """Whether npm finds a package of that name among the global ones (``missingArgsFromTree`` of its ``link``)."""
    name = spec[: spec.find("@", 1)] if "@" in spec[1:] else spec
    return spec not in session.named_paths and (_global_modules(session) / name).exists()


def _global_modules(session: Session) -> Path:
    return session.configuration.global_prefix / "lib" / "node_modules"


def _updated(session: Session) -> Iterator[str]:
    """Yield the packages that ``npm update -g`` brings up to date: those named, else all that are there."""
    if session.command.arguments:
        yield from session.command.arguments
        return
    folder = _global_modules(session)
    for path in sorted((*folder.glob("[!.@]*"), *folder.glob("@*/*"))):
        if path.is_dir() and not path.is_symlink():
            yield str(path.relative_to(folder))

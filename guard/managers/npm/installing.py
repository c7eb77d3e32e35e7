"""Commands that change a tree by a lock: resolve in a scratch copy, decide every entry, install once."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from guard.engine.outcome import Outcome
from guard.errors import Refused
from guard.gateway.server import Gateway
from guard.managers.npm.cache import fill_cache
from guard.managers.npm.command import NpmCommand, parse_command
from guard.managers.npm.entries import LockedTree, judge_tree
from guard.managers.npm.keeping import Keeping, kept_tree
from guard.managers.npm.options import Kind
from guard.managers.npm.plan import requires_resolution
from guard.managers.npm.project import (
    Backup,
    Project,
    load_installed_lock,
    load_project,
    local_path,
    make_scratch,
    write_file,
)
from guard.managers.npm.session import Session, conclude
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.package_lock import PackageLock, parse_package_lock

# Where the lock that was resolved is put in place, npm comes to the same tree again without asking for packuments.
# `audit fix` looks at the lock to say what it mended, so that it must find the old one.
_PLACES_LOCK = frozenset({"install", "install-test", "update", "dedupe", "prune", "uninstall"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What is going to be installed.

    Args:
        lock: every entry.
        place: bytes to put in place of the project's lock; ``None`` to leave it as it is.
    """

    lock: PackageLock | None
    place: bytes | None = None

    def tree(self, project: Project) -> LockedTree:
        """Return what is going to be installed, with the digests that the project's own lock pins."""
        own = parse_lock(project, project.lock)
        return LockedTree(project=project, lock=self.lock, own=own)


def run_installation(session: Session, kind: Kind) -> Outcome:
    """Resolve, decide and install.

    Args:
        session: the run.
        kind: CI takes the lock as it is; everything else resolves unless the lock already says it all.
    """
    project = load_project(session.configuration.local_prefix)
    resolved = _find_tree(session, project, kind)
    if isinstance(resolved, Outcome):
        return resolved
    session.progress.step("deciding")
    outcome = judge_tree(session, resolved.tree(project))
    if not outcome.allowed:
        return outcome
    return _install(session, project, resolved, outcome, kind)


def _find_tree(session: Session, project: Project, kind: Kind) -> Resolved | Outcome:
    if kind is Kind.REBUILD:
        return Resolved(lock=parse_lock(project, load_installed_lock(project) or project.lock))
    if kind is Kind.CI or _is_settled(session, project):
        return Resolved(lock=parse_lock(project, project.lock))
    return resolve(session, project)


def _is_settled(session: Session, project: Project) -> bool:
    """Whether ``npm install`` without arguments would install the project's lock as it is."""
    if session.command.command not in ("install", "install-test") or session.command.arguments:
        return False
    lock = parse_lock(project, project.lock)
    if lock is None or lock.lockfile_version < 2 or not session.configuration.package_lock:
        return False
    return not requires_resolution(lock, project.manifest, project.members())


def resolve(session: Session, project: Project) -> Resolved | Outcome:
    """Let npm make the lock of what the user's command comes to, in a copy of the project.

    Args:
        session: the run.
        project: what npm resolves from.

    Returns:
        What is going to be installed; an outcome where something was refused, or npm itself failed.
    """
    session.progress.step("resolving")
    scratch = make_scratch(project, session.scratch_folder, cwd=session.cwd)
    command, is_inside = _resolving(session, project)
    site = session.make_site()
    with Gateway(site, takes_posts=True) as gateway:
        status, stdout, stderr = session.run_quietly(session.argv(command), gateway, scratch.cwd)
        findings = session.findings(gateway, site)
        shown = [session.show(each, gateway, site) for each in (stdout, stderr)]
    site.raise_crash()
    refused = Outcome(judged=site.refused, findings=findings, planned=len(site.refused))
    if not refused.allowed:
        return refused
    found = scratch.load_lock()
    # `npm audit fix` ends with 1 where something is left to be mended by hand.
    if found is None or (status != 0 and session.command.command != "audit"):
        session.progress.stop()
        for descriptor, text in enumerate(shown, start=1):
            _write_all(descriptor, text)
        return replace(refused, tool_status=status)
    name, data = found
    faithful = scratch.is_faithful and is_inside and name == project.lock_name
    keeps = faithful and session.configuration.package_lock and session.command.command in _PLACES_LOCK
    may_place = keeps and not session.configuration.dry_run
    return Resolved(lock=parse_lock(project, data), place=data if may_place else None)


def _resolving(session: Session, project: Project) -> tuple[NpmCommand, bool]:
    """Return the command that only makes a lock, and whether all folders that it names lie inside the project."""
    is_inside = True
    arguments = []
    for argument in session.command.arguments:
        path = _named_path(argument, session.cwd)
        if path is not None and not path.is_relative_to(project.root):
            is_inside = False
            arguments.append(f"{argument.partition('@')[0]}@file:{path}" if "@file:" in argument else str(path))
        else:
            arguments.append(argument)
    command = session.command.with_arguments(tuple(arguments))
    command = command.without({"dry-run", "json", "prefix", "global", "location", "audit", "fund", "package-lock"})
    if session.command.command == "update" and session.configuration.is_global:
        return parse_command(["install", *_only_lock(session)], major=command.major), True
    return command.followed_by(_only_lock(session)), is_inside


def _only_lock(session: Session) -> list[str]:
    options = ["--package-lock", "--package-lock-only", "--ignore-scripts", "--no-fund", "--no-progress"]
    return options if session.command.command == "audit" else [*options, "--no-audit"]


def _named_path(argument: str, cwd: Path) -> Path | None:
    """Return the folder or archive that an argument of ``npm install`` names, if it does."""
    name, at, spec = argument.partition("@file:")
    if at and name:
        return local_path(f"file:{spec}", cwd)
    if argument in (".", ".."):
        return Path(os.path.normpath(cwd / argument))
    return local_path(argument, cwd)


def parse_lock(project: Project, data: bytes | None) -> PackageLock | None:
    """Parse a lock of the project's.

    Raises:
        Refused: it is no lock that guard can read.
    """
    if data is None:
        return None
    try:
        return parse_package_lock(data)
    except MalformedLockfile as error:
        place = f"{project.lock_path}:{error.line}" if error.line else str(project.lock_path)
        raise Refused(
            "lock-entry-unreadable", f"{place}: {error.message}", hint="look at the lock; npm can make it anew"
        ) from error


def _install(session: Session, project: Project, resolved: Resolved, outcome: Outcome, kind: Kind) -> Outcome:
    session.progress.step("installing")
    fill_cache(session.places.cache, session.stored_files(outcome.judged))
    backup = Backup(project)
    site = session.make_site(outcome.judged)
    with kept_tree(project.root / "node_modules", _keeping(kind, outcome)) as tree:
        with Gateway(site, takes_posts=True) as gateway:
            if resolved.place is not None:
                write_file(project.lock_path, resolved.place)
            status = session.run_shown(session.command, gateway, site)
        site.raise_crash()
        concluded = conclude(outcome, session, gateway, site, status=status)
        if not concluded.allowed:
            backup.restore()
            tree.restore()
        elif status != 0 and resolved.place is not None:
            backup.restore_lock(resolved.place)
    return concluded


def _keeping(kind: Kind, outcome: Outcome) -> Keeping:
    """Say how the installed tree is kept until it is known that nothing was refused.

    All that npm itself will ask for is decided, so that only a package's own script can come to ask for more.
    """
    if kind is Kind.CI:
        return Keeping.MOVED
    runs_code = any(judged.facts.has_install_script for judged in outcome.judged)
    return Keeping.LINKED if runs_code else Keeping.NOT


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

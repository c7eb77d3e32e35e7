"""Commands that change a tree by a lock: resolve in a scratch copy, decide every entry, install once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from guard.engine.outcome import Outcome
from guard.errors import Refused
from guard.gateway.npm import NpmSite
from guard.gateway.server import Gateway
from guard.managers.imports import import_ahead
from guard.managers.npm.cache import fill_cache
from guard.managers.npm.command import NpmCommand, parse_command
from guard.managers.npm.entries import LOCAL_SOURCES, LockedTree, judge_tree
from guard.managers.npm.keeping import Keeping, kept_tree
from guard.managers.npm.options import Kind
from guard.managers.npm.plan import requires_resolution
from guard.managers.npm.project import (
    Backup,
    Project,
    load_installed_lock,
    load_project,
    make_scratch,
)
from guard.managers.npm.session import Session, conclude
from guard.model import Finding, HeldBack, Judged, Level, RuleId
from guard.store.files import StoredFile
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.package_lock import PackageLock, parse_package_lock

# Where the lock that was resolved is put in place, npm comes to the same tree again without asking for packuments.
# `audit fix` looks at the lock to say what it mended, so that it must find the old one.
_PLACES_LOCK = frozenset({"install", "install-test", "update", "dedupe", "prune", "uninstall"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What is going to be installed.

    Args:
        lock: every entry; ``None`` where npm made no lock, so that it is decided what npm asks for.
        base: the folder that the lock's paths are relative to.
        place: bytes to put in place of the project's lock; ``None`` to leave it as it is.
        held_back: what npm was not offered.
    """

    lock: PackageLock | None
    base: Path
    place: bytes | None = None
    held_back: tuple[HeldBack, ...] = ()

    def tree(self, project: Project) -> LockedTree:
        """Return what is going to be installed, with the digests that the project's own lock pins."""
        own = parse_lock(project, project.lock)
        return LockedTree(project=project, lock=self.lock, own=own, base=self.base)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A resolving run in which npm failed and nothing was refused.

    Args:
        site: what it was served from.
        gateway: where.
        outcome: what the whole command comes to.
        streams: what npm wrote to its two streams.
    """

    site: NpmSite
    gateway: Gateway
    outcome: Outcome
    streams: tuple[bytes, bytes]

    def show(self, session: Session) -> Outcome:
        """Write what npm said to the user's own streams."""
        session.progress.stop()
        for descriptor, text in enumerate(session.show_failure(self.streams, self.gateway, self.site), start=1):
            _write_all(descriptor, text)
        return self.outcome


def run_installation(session: Session, kind: Kind) -> Outcome:
    """Resolve, decide and install.

    Args:
        session: the run.
        kind: CI takes the lock as it is; everything else resolves unless the lock already says it all.
    """
    project = load_project(session.configuration.local_prefix, named=session.named_paths.values())
    session.add_named(project)
    resolved = _find_tree(session, project, kind)
    if isinstance(resolved, Outcome):
        return resolved
    session.engine.start(import_ahead)
    session.progress.step("deciding")
    outcome = replace(judge_tree(session, resolved.tree(project)), held_back=resolved.held_back)
    if not outcome.allowed:
        return outcome
    return _install(session, project, resolved, outcome, kind)


def _find_tree(session: Session, project: Project, kind: Kind) -> Resolved | Outcome:
    if kind is Kind.REBUILD:
        return Resolved(lock=parse_lock(project, load_installed_lock(project) or project.lock), base=project.root)
    if kind is Kind.CI or _is_settled(session, project):
        return Resolved(lock=parse_lock(project, project.lock), base=project.root)
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
    found = _resolve_once(session, project, holds_back=True)
    if isinstance(found, _Failure) and found.outcome.held_back:
        # What the same command comes to with everything on offer says whether that is why, and which rule it is.
        shutil.rmtree(session.scratch_folder)
        again = _resolve_once(session, project, holds_back=False)
        if not isinstance(again, _Failure):
            return replace(again, held_back=found.outcome.held_back)
    return found.show(session) if isinstance(found, _Failure) else found


def _resolve_once(session: Session, project: Project, *, holds_back: bool) -> Resolved | _Failure | Outcome:
    named = session.named_paths.values()
    scratch = make_scratch(project, session.scratch_folder, cwd=session.cwd, named=named)
    command = _resolving(session, project, scratch.root)
    site = session.make_site(specs=project.specs(), holds_back=holds_back)
    with Gateway(site, takes_posts=True) as gateway:
        status, stdout, stderr = session.run_quietly(session.argv(command), gateway, scratch.cwd)
        findings = session.findings(gateway, site)
    site.raise_crash()
    refused = Outcome(judged=site.refused, findings=findings, held_back=site.held_back, planned=len(site.refused))
    if not refused.allowed:
        return refused
    # `npm audit fix` ends with 1 where something is left to be mended by hand.
    if status != 0 and session.command.command != "audit":
        outcome = replace(refused, tool_status=status)
        return _Failure(site=site, gateway=gateway, outcome=outcome, streams=(stdout, stderr))
    found = scratch.load_lock()
    if found is None:
        return Resolved(lock=None, base=scratch.root, held_back=site.held_back)
    name, data = found
    lock = parse_lock(project, data)
    addresses = tuple(_refuse_addresses(lock, gateway))
    if addresses:
        return replace(refused, findings=addresses)
    is_faithful = scratch.is_faithful and all(path.is_relative_to(project.root) for path in named)
    may_place = is_faithful and name == project.lock_name and _writes_lock(session)
    return Resolved(lock=lock, base=scratch.root, place=data if may_place else None, held_back=site.held_back)


def _writes_lock(session: Session) -> bool:
    """Whether npm is going to write the lock that it resolves."""
    settings = session.configuration
    writes = settings.package_lock and settings.value("save") is not False and not settings.dry_run
    return writes and session.command.command in _PLACES_LOCK


def _refuse_addresses(lock: PackageLock | None, gateway: Gateway) -> Iterator[Finding]:
    """Yield a finding for each dependency that is an address on the web and has the path of a registry's release.

    npm puts the gateway in place of every host, also in the lock that it makes here, so that the gateway took the
    request for one of that release.
    """
    for entry in lock.packages if lock else ():
        if (entry.resolved or "").startswith(f"{gateway.url}/"):
            yield Finding(
                rule=RuleId.SOURCE_NOT_ALLOWED,
                level=Level.BLOCK,
                message=f"{entry.installed_name} is asked for by an address, not as a release of a registry",
                next="depend on a release of a registry instead",
            )


def _resolving(session: Session, project: Project, scratch: Path) -> NpmCommand:
    """Return the command that only makes a lock, in a copy of the project."""
    if session.command.command == "update" and session.configuration.is_global:
        return parse_command(["install", *_only_lock(session)], major=session.command.major)
    paths = session.named_paths
    arguments = (_moved(each, paths.get(each), project.root, scratch) for each in session.command.arguments)
    command = session.command.with_arguments(tuple(arguments))
    if command.command == "install-test":
        command = command.with_word("install")
    command = command.without({"dry-run", "prefix", "global", "location", "audit", "fund", "package-lock"})
    return command.followed_by(_only_lock(session))


def _moved(argument: str, path: Path | None, root: Path, scratch: Path) -> str:
    """Return an argument as it must be in the copy: what it names in the project, it names there."""
    if path is None:
        return argument
    there = scratch / path.relative_to(root) if path.is_relative_to(root) else path
    name, at, _ = argument.partition("@file:")
    return f"{name}@file:{there}" if at and name else str(there)


def _only_lock(session: Session) -> list[str]:
    options = ["--save", "--package-lock", "--package-lock-only", "--ignore-scripts", "--no-fund", "--no-progress"]
    return options if session.command.command == "audit" else [*options, "--no-audit"]


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
    fill_cache(session.places.cache, (*session.stored_files(outcome.judged), *_archives(project, outcome.judged)))
    backup = Backup(project)
    site = session.make_site(outcome.judged, specs=project.specs())
    with kept_tree(project.root / "node_modules", _keeping(session, project, resolved, outcome, kind)) as tree:
        with Gateway(site, takes_posts=True) as gateway:
            if resolved.place is not None:
                backup.place_lock(resolved.place)
            try:
                status = session.run_shown(session.command, gateway, site)
                site.raise_crash()
            except BaseException:  # a signal, or a mistake of guard's own
                backup.restore()
                tree.restore()
                raise
        concluded = conclude(outcome, session, gateway, site, status=status)
        if not concluded.allowed:
            backup.restore()
            tree.restore()
        elif status != 0:
            backup.restore_lock()
    return concluded


def _archives(project: Project, judged: Iterable[Judged]) -> Iterator[StoredFile]:
    """Yield the archives on this machine that are installed.

    Where npm is to put the gateway in place of every host, it does so in a ``file:`` address, too (``registryResolved``
    of arborist's ``reify.js``), so that it finds an archive by its digest alone.
    """
    for item in judged:
        if item.artifact.source in LOCAL_SOURCES and item.facts.observed:
            path = project.root / (item.artifact.origin or "")
            yield StoredFile(path=path, size_bytes=path.stat().st_size, digests=item.facts.observed)


def _keeping(session: Session, project: Project, resolved: Resolved, outcome: Outcome, kind: Kind) -> Keeping:
    """Say how the installed tree is kept until it is known that nothing was refused.

    All that npm itself will ask for is decided, so that only a script can come to ask for more: one of a package, of
    the project, or of a folder, into which nobody has looked. Where npm was told to leave something out it may find
    more to install than the lock's flags say.
    """
    if session.configuration.dry_run:
        return Keeping.NOT
    if kind is Kind.CI:
        return Keeping.MOVED
    may_ask_for_more = resolved.lock is None or bool(session.configuration.omit) or project.has_install_script
    return Keeping.LINKED if may_ask_for_more or any(map(_may_run_code, outcome.judged)) else Keeping.NOT


def _may_run_code(judged: Judged) -> bool:
    return judged.facts.has_install_script or judged.artifact.source in LOCAL_SOURCES


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

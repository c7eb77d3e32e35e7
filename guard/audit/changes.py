"""A change in a repository: what of its locks is new or different against a base, and what of its rules is looser.

A change must not choose how it is judged (facts/amendments, number 1). It is judged by the policy as of its base; where
it loosens the policy, replaces a file of trust, or names other indexes or registries, this is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from guard import limits
from guard.app import App, anchor_path
from guard.audit.deciding import Selection, decide_entries, left_out
from guard.audit.engines import Engines
from guard.audit.entries import AuditEntry, LoadBeside, entries_of
from guard.audit.git import Repository, find_repository
from guard.audit.platforms import Platforms
from guard.audit.reading import LoadedLock, LockReader, load_from_disk, load_if_there
from guard.engine.outcome import Outcome
from guard.errors import ConfigInvalid, UsageError
from guard.model import Ecosystem, Finding, Judged, Level, Location, Previous, RuleId
from guard.policy.identity_lock import IdentityLock
from guard.policy.identity_lock_changes import compare_identity_locks, identity_lock_findings
from guard.policy.loosening import find_loosened
from guard.policy.policy import Policy
from guard.policy.provenance import verified_provenance

_ACCEPT = "look at who changed it; --accept-identity-changes accepts the change"
_OF_REVIEWERS = frozenset({RuleId.POLICY_LOOSENED, RuleId.IDENTITY_LOCK_CHANGED})
_UNCHANGED = "it is as it was at the base"

EntryKey = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a change is compared with, and where the change is.

    Args:
        repository: of the working directory.
        commit: the base; ``None`` for a first commit, which has none.
        is_staged: whether the change is what the index holds, instead of the work tree.
    """

    repository: Repository
    commit: str | None
    is_staged: bool = False
    # What git said, for it is a process for each question; of the work tree and of a commit alike, one run sees one.
    _loaded: dict[tuple[str, Path], bytes | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def load_rules(self) -> LoadBeside:
        """What gets the files that say how a change is judged: as of the base, and for a first commit as it says."""
        return self.load_now if self.commit is None else self.load

    def load(self, path: Path) -> bytes | None:
        """Return a file as of the base; one outside of the repository is as it is, and ``None`` is one that is not.

        Raises:
            ConfigInvalid: it cannot be read.
        """
        if not self.repository.holds(path):
            return load_if_there(path)
        if self.commit is None:
            return None
        key = (self.commit, path)
        if key not in self._loaded:
            self._loaded[key] = self.repository.load_at(self.commit, path, max_bytes=limits.LOCKFILE_MAX_BYTES)
        return self._loaded[key]

    def load_now(self, path: Path) -> bytes | None:
        """Return a file as the change has it, else as :meth:`load`.

        Raises:
            ConfigInvalid: it cannot be read.
        """
        if not self.is_staged or not self.repository.holds(path):
            return load_if_there(path)
        key = ("index", path)
        if key not in self._loaded:
            self._loaded[key] = self.repository.load_staged(path, max_bytes=limits.LOCKFILE_MAX_BYTES)
        return self._loaded[key]

    def load_changed_lock(self, path: Path) -> bytes:
        """Return a lockfile, or what it includes, as the change has it.

        Raises:
            ConfigInvalid: there is none, or it cannot be read.
        """
        if not self.is_staged:
            return load_from_disk(path)
        data = self.load_now(path)
        if data is None:
            raise ConfigInvalid(f"{path} is not staged as a file", hint=f"git add {path}")
        return data

    def load_lock(self, path: Path) -> bytes:
        """Return a lockfile, or what it includes, as of the base.

        Raises:
            ConfigInvalid: there was none, or it cannot be read.
        """
        data = self.load(path)
        if data is None:
            raise ConfigInvalid(f"{path} was not there at the base")
        return data

    def has_changed(self, path: Path) -> bool:
        """Return whether a file of the repository is not what it was."""
        return self.repository.holds(path) and self.load(path) != self.load_now(path)


def find_base(app: App, revision: str) -> Base:
    """Return what ``--changed-since REVISION`` compares with.

    Raises:
        UsageError: there is no repository here, no git, or no such revision.
    """
    repository = _repository(app, "--changed-since")
    return Base(repository=repository, commit=repository.find_commit(revision))


def find_staged_base(app: App) -> Base:
    """Return what ``--staged`` compares the index with: HEAD, or what ``pre-commit run --from-ref`` names.

    Raises:
        UsageError: there is no repository here, no git, or no such revision.
    """
    repository = _repository(app, "--staged").with_index(app.environ.get("GIT_INDEX_FILE"))
    named = app.environ.get("PRE_COMMIT_FROM_REF")
    commit = repository.find_commit(named) if named else repository.find_head()
    return Base(repository=repository, commit=commit, is_staged=True)


def _repository(app: App, option: str) -> Repository:
    repository = find_repository(app.cwd, app.environ)
    if repository is None:
        raise UsageError(f"{option} needs git and a repository, and {app.cwd} is in none")
    return repository


def find_changes(
    app: App, base: Base, selection: Selection, locks: Sequence[LoadedLock], policy: Policy
) -> tuple[Selection, tuple[AuditEntry, ...]]:
    """Keep of what would be decided only what the change brings.

    Args:
        app: the outside.
        base: what the change is compared with.
        selection: what would be decided.
        locks: the locks as they are.
        policy: as of the base.

    Returns:
        What is decided, with findings on the change of rules, and every entry that the locks had at the base.
    """
    reader = LockReader(base.load_lock, cwd=app.cwd, project=app.project, environ=app.environ)
    before = {lock.found.path: reader.read(lock.found) for lock in locks}
    old_locks = {path: lock for path, lock in before.items() if isinstance(lock, LoadedLock)}
    old_entries = tuple(entry for lock in old_locks.values() for entry in entries_of(lock, load=base.load))
    elsewhere = {
        lock.found.path: finding
        for lock in locks
        if (finding := _names_other_registries(lock, old_locks.get(lock.found.path), base)) is not None
    }
    known = {(entry.lock.found.path, _key(entry)) for entry in old_entries}
    kept: list[tuple[AuditEntry, Platforms]] = []
    unchanged: list[AuditEntry] = []
    for entry, platforms in selection.entries:
        path = entry.lock.found.path
        is_new = path in elsewhere or (path, _key(entry)) not in known
        if is_new:
            kept.append((replace(entry, request=replace(entry.request, is_new=True)), platforms))
        else:
            unchanged.append(entry)
    findings = (
        *selection.findings,
        *_loosened_policy(app, base, locks),
        *_changed_anchors(app, base, policy),
        *_changed_identities(app, base, locks),
        *elsewhere.values(),
        *_unpinned(locks, old_locks),
    )
    selection = replace(
        selection,
        entries=tuple(kept),
        left_out=(*selection.left_out, *(left_out(entry, _UNCHANGED) for entry in unchanged)),
        findings=findings,
    )
    return selection, old_entries


def with_previous(outcome: Outcome, selection: Selection, old: Iterable[AuditEntry], engines: Engines) -> Outcome:
    """Say of each entry that was decided what stood in its place at the base, and who published that.

    Args:
        outcome: of the selection.
        selection: of :func:`find_changes`.
        old: every entry that the locks had at the base.
        engines: gather the evidence about those.
    """
    by_package: dict[object, list[AuditEntry]] = {}
    for each in old:
        by_package.setdefault(_package(each), []).append(each)
    previous = [_previous_of(entry, by_package.get(_package(entry), [])) for entry, _ in selection.entries]
    asked = tuple(
        (each, platforms) for each, (_, platforms) in zip(previous, selection.entries, strict=True) if each is not None
    )
    answers = iter(decide_entries(Selection(entries=asked), engines).judged)
    judged = tuple(
        now if before is None else replace(now, previous=_as_previous(next(answers)))
        for now, before in zip(outcome.judged, previous, strict=True)
    )
    return replace(outcome, judged=judged)


def _previous_of(entry: AuditEntry, same: list[AuditEntry]) -> AuditEntry | None:
    """Return the entry that another one takes the place of: at the same place if there is one."""
    at_place = [each for each in same if each.locked.place == entry.locked.place]
    return next(iter((*at_place, *same)), None)


def _as_previous(judged: Judged) -> Previous:
    signed = [each.claims for each in verified_provenance(judged.facts) if each.claims is not None]
    return Previous(version=judged.artifact.version, claims=signed[0] if signed else None)


def accept(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with those on a change of rules as notes, which is what ``--accept-identity-changes`` does."""
    return tuple(replace(each, level=Level.NOTE) if each.rule in _OF_REVIEWERS else each for each in findings)


def _package(entry: AuditEntry) -> tuple[Path, Ecosystem, str]:
    return entry.lock.found.path, entry.artifact.ecosystem, entry.artifact.name


def _key(entry: AuditEntry) -> EntryKey:
    """Return what an entry is about, whatever its place in the file."""
    artifact, request = entry.artifact, entry.request
    what = (artifact.ecosystem, artifact.name, artifact.version, artifact.file, artifact.source, artifact.origin)
    return (*what, frozenset(artifact.pinned), request.resolved, request.registry, entry.locked.installed_as)


def _loosened_policy(app: App, base: Base, locks: Sequence[LoadedLock]) -> tuple[Finding, ...]:
    artifacts = (entry.artifact for lock in locks for entry in entries_of(lock, load=base.load_now))
    locked = ((each.ecosystem, each.name, each.version) for each in artifacts)
    return find_loosened(app.find_policy(base.load), app.find_policy(base.load_now), locked=locked, now=app.started)


def _changed_identities(app: App, base: Base, locks: Sequence[LoadedLock]) -> Iterator[Finding]:
    """Say how each guard.lock that governs a lock, at the base or now, was changed."""
    governed: dict[tuple[str, str], list[LoadedLock]] = {}
    pairs: dict[tuple[str, str], tuple[IdentityLock | None, IdentityLock | None]] = {}
    for lock in locks:
        folder = lock.found.folder
        before, now = app.find_identity_lock(folder, base.load), app.find_identity_lock(folder, base.load_now)
        key = (before.path if before else "", now.path if now else "")
        pairs[key] = (before, now)
        governed.setdefault(key, []).append(lock)
    for key, (before, now) in pairs.items():
        changes = tuple(compare_identity_locks(before, now))
        if changes:
            entries = (entry for lock in governed[key] for entry in entries_of(lock, load=base.load_now))
            locked = {(entry.artifact.ecosystem, entry.artifact.name) for entry in entries}
            yield from identity_lock_findings(changes, locked=locked)


def _changed_anchors(app: App, base: Base, policy: Policy) -> Iterator[Finding]:
    for anchor in (policy.anchors.trust_root, policy.anchors.npm_keys):
        path = None if anchor is None else app.cwd / anchor_path(anchor)
        if path is not None and base.has_changed(path):
            yield _loosened(f"{path.name} says whom to believe, and is not what it was at the base", str(path))


def _names_other_registries(lock: LoadedLock, old: LoadedLock | None, base: Base) -> Finding | None:
    """Say that a lock is used with other indexes or registries than it was; a new lock with any of its own is, too."""
    if lock.index != (old.index if old else type(lock.index)()):
        return _loosened("it names other indexes than at the base", lock.shown)
    npmrc = lock.found.folder / ".npmrc"
    is_of_npm = any(each.ecosystem.value == "npm" for part in lock.parts for each in part.lock.artifacts)
    if is_of_npm and base.has_changed(npmrc):
        return _loosened(
            "npm's settings beside it, which name registries, are not what they were at the base", lock.shown
        )
    return None


def _unpinned(locks: Sequence[LoadedLock], old: dict[Path, LoadedLock]) -> Iterator[Finding]:
    for lock in locks:
        before = old.get(lock.found.path)
        if before is not None and before.is_pinned and not lock.is_pinned:
            yield Finding(
                rule=RuleId.HASH_MISSING,
                level=Level.BLOCK,
                message="every hash that it had at the base is gone",
                next="write the lock again with hashes",
                location=Location(lock.shown),
            )


def _loosened(message: str, path: str) -> Finding:
    return Finding(
        rule=RuleId.POLICY_LOOSENED, level=Level.BLOCK, message=message, next=_ACCEPT, location=Location(path)
    )

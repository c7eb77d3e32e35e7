"""Reading lockfiles with all that they include; what cannot be read is a finding at its place, never left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from guard import limits
from guard.audit.discovery import FoundFile
from guard.errors import ConfigInvalid
from guard.managers.pip.index_settings import IndexSettings
from guard.managers.pip.places import is_inside, is_web, source_of
from guard.model import Finding, Level, Location, RuleId
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.formats import Format, Unsupported
from guard_lockfiles.lockfile import Lockfile, Source, UnreadableEntry

Load = Callable[[Path], bytes]
"""Gets the bytes of a file; raises :class:`guard.errors.ConfigInvalid` where it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPart:
    """One file of a lock.

    Args:
        path: of the file.
        shown: its path as reports print it.
        lock: what it says; of constraints only what pip would take from somewhere else than an index.
    """

    path: Path
    shown: str
    lock: Lockfile


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedLock:
    """A lock with everything that it includes.

    Args:
        found: the file itself.
        shown: its path as reports print it.
        root: of the project that it is of: paths inside are the user's own.
        parts: the file itself and those that it includes, in the order in which they are read.
        index: what its requirement files say about indexes.
        findings: what in it cannot be read.
        is_pinned: whether anything in it is pinned by digest.
    """

    found: FoundFile
    shown: str
    root: Path
    parts: tuple[LockPart, ...]
    index: IndexSettings = field(default_factory=IndexSettings)
    findings: tuple[Finding, ...] = ()
    is_pinned: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableLock:
    """A lock that is none.

    Args:
        shown: its path as reports print it.
        finding: what is wrong, and where.
    """

    shown: str
    finding: Finding


class LockReader:
    """Reads locks.

    Args:
        load: gets the bytes of a file.
        cwd: the working directory, from which reports print paths.
        project: of the working directory.
        environ: for ``${NAME}`` in the addresses of indexes.
    """

    def __init__(self, load: Load, *, cwd: Path, project: Path, environ: Mapping[str, str]) -> None:
        self._load = load
        self._cwd = cwd
        self._project = project
        self._environ = environ

    def read(self, found: FoundFile) -> LoadedLock | UnreadableLock:
        """Read one lock and what it includes."""
        if isinstance(found.format, Unsupported):
            message = "this is a lockfile of a format that guard does not read, so nothing of it was decided"
            shown = self.shown(found.path)
            return UnreadableLock(shown=shown, finding=_unreadable(message, Location(shown), found.format.instead))
        root = self._root_of(found.path)
        walk = _Walk(self, found.format, root)
        try:
            walk.read_file(found.path)
        except _UnreadableFile as error:
            return UnreadableLock(shown=self.shown(found.path), finding=error.finding)
        return LoadedLock(
            found=found,
            shown=self.shown(found.path),
            root=root,
            parts=tuple(walk.parts),
            index=walk.index,
            findings=tuple(walk.findings),
            is_pinned=any(part.lock.is_pinned for part in walk.parts),
        )

    def shown(self, path: Path) -> str:
        """Return a path as reports print it: from the working directory where it is below that."""
        return str(path.relative_to(self._cwd)) if path.is_relative_to(self._cwd) else str(path)

    def parse(self, path: Path, form: Format, *, place: Location | None) -> tuple[bytes, Lockfile]:
        """Return a file's bytes and what they say.

        Args:
            path: of the file.
            form: its format.
            place: the line that includes it, if any does.

        Raises:
            _UnreadableFile: it cannot be read, or is not of its format.
        """
        try:
            data = self._load(path)
            return data, form.parse(data)
        except ConfigInvalid as error:
            raise _UnreadableFile(_unreadable(error.message, place or Location(self.shown(path)))) from error
        except MalformedLockfile as error:
            message = f"this is no {form.id} file that can be read: {error.message}"
            raise _UnreadableFile(_unreadable(message, Location(self.shown(path), error.line))) from error

    def _root_of(self, path: Path) -> Path:
        """Return the project that a lock is of: the one here, or the repository or the folder that it is in."""
        if path.is_relative_to(self._project):
            return self._project
        return next((folder for folder in path.parents if (folder / ".git").exists()), path.parent)

    def index_after(self, index: IndexSettings, data: bytes, path: Path) -> IndexSettings:
        """Return what holds about indexes behind a requirements file that parses."""
        from guard_lockfiles.requirements import LineKind, parse_requirements

        for line in parse_requirements(data, expand=self._environ.get).lines:
            if line.kind is LineKind.OPTION:
                index = index.followed_by(line, source=str(path))
        return index


class _UnreadableFile(Exception):
    """A file that is no lock."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class _Walk:
    """Reads one lock: the file, and depth first what it includes."""

    def __init__(self, reader: LockReader, form: Format, root: Path) -> None:
        self._reader = reader
        self._format = form
        self._root = root  # no include leads out of it, for what that names would be said in the report
        self._count = 0
        self._read: set[tuple[Path, bool]] = set()
        self.parts: list[LockPart] = []
        self.findings: list[Finding] = []
        self.index = IndexSettings()

    def read_file(
        self, path: Path, *, is_constraint: bool = False, depth: int = 0, place: Location | None = None
    ) -> None:
        if (path, is_constraint) in self._read:
            return
        self._read.add((path, is_constraint))
        self._count += 1
        shown = self._reader.shown(path)
        if self._count > limits.LOCK_INCLUDES_MAX_COUNT or depth > limits.REQUIREMENT_INCLUDES_MAX_DEPTH:
            raise _UnreadableFile(_unreadable("too many files include one another", Location(shown)))
        data, lock = self._reader.parse(path, self._format, place=place)
        if is_constraint:  # a name in it is no entry, a place to take it from is one
            placed = tuple(each for each in lock.artifacts if each.source is not Source.REGISTRY)
            lock = replace(lock, artifacts=placed)
        self.parts.append(LockPart(path=path, shown=shown, lock=lock))
        self.findings.extend(_unreadable_entries(lock, shown))
        self.findings.extend(_note(remark, Location(shown)) for remark in lock.remarks)
        if self._format.id == "requirements":
            self.index = self._reader.index_after(self.index, data, path)
        for include in lock.includes:
            line = Location(shown, include.line)
            included = self._included(include.path, path, line)
            if included is not None:
                self.read_file(included, is_constraint=include.is_constraint, depth=depth + 1, place=line)

    def _included(self, value: str, including: Path, place: Location) -> Path | None:
        """Return the file that an include names, or say why it is not read."""
        if is_web(value):
            self.findings.append(
                _unreadable("guard does not read an included file over the network", place, "include a copy of it")
            )
            return None
        try:
            path = Path(source_of(value, including=str(including)))
        except ConfigInvalid as error:
            self.findings.append(_unreadable(error.message, place))
            return None
        if not is_inside(str(path), self._root):
            message = "the included file is outside of the project, where guard reads only what you name"
            self.findings.append(_unreadable(message, place, f"guard audit {path}"))
            return None
        return path


def _unreadable_entries(lock: Lockfile, shown: str) -> Iterator[Finding]:
    return (_unreadable_entry(entry, shown) for entry in lock.unreadable)


def _unreadable_entry(entry: UnreadableEntry, shown: str) -> Finding:
    message = f"the entry {entry.place!r} cannot be read, so what it asks for cannot be checked: {entry.reason}"
    return _unreadable(message, Location(shown, entry.line, entry.column))


def _note(remark: str, location: Location) -> Finding:
    return Finding(rule=RuleId.LOCK_ENTRY_UNREADABLE, level=Level.NOTE, message=remark, location=location)


def _unreadable(message: str, location: Location, next_step: str = "") -> Finding:
    return Finding(
        rule=RuleId.LOCK_ENTRY_UNREADABLE, level=Level.BLOCK, message=message, next=next_step, location=location
    )


def load_if_there(path: Path) -> bytes | None:
    """Read a file of this machine as :func:`load_from_disk` does; ``None`` where there is none."""
    return load_from_disk(path) if path.is_file() else None


def load_from_disk(path: Path) -> bytes:
    """Read a lockfile of this machine.

    Raises:
        ConfigInvalid: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limits.LOCKFILE_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigInvalid(f"{path} cannot be read: {reason}") from error
    if len(data) > limits.LOCKFILE_MAX_BYTES:
        raise ConfigInvalid(f"{path} is larger than {limits.LOCKFILE_MAX_BYTES // limits.MIB} MB")
    return data

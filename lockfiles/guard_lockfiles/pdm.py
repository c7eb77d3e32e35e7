"""pdm.lock, ``lock_version`` 4.0 to 4.5, with every strategy.

One entry for each file of a package, and one for each package that has none. pdm lists a package once more for each set
of extras that it is asked for with; what is the same file is one entry. Source: ``src/pdm/project/lockfile/pdmlock.py``
and ``src/pdm/models/repositories/lock.py`` of pdm 2.0 to 2.26: the first number of the version is what old readers
cannot read, the second what new ones write, so that a newer one of either is refused, as pdm does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.fields import (
    Unreadable,
    any_of,
    as_digest,
    as_file_name,
    as_name,
    as_object,
    as_version,
    check_count,
    file_name_of,
    is_archive,
    is_project_folder,
    read_items,
    read_marker,
    read_name,
    read_text,
    read_texts,
    unreadable_entry,
)
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.toml_document import TomlDocument, parse_toml

_VERSION = re.compile(r"4\.(\d{1,4})(?:\.\d{1,4})?|4")
_MINOR_MAX = 5
_DEFAULT = "default"
_PROJECT_URL = "file:///${PROJECT_ROOT}/"  # what pdm writes for the lock's folder
_REPOSITORIES = ("git", "hg", "svn", "bzr")

_Path = tuple[str | int, ...]
_Key = tuple[str, str, Source, str | None, str | None, tuple[str, ...]]


def parse_pdm_lock(data: bytes) -> Lockfile:
    """Parse a lock of pdm.

    Args:
        data: its bytes: UTF-8 without a byte order mark, which pdm does not read.

    Raises:
        MalformedLockfile: it is no such file, or of a version that pdm 2 does not read.
    """
    document = parse_toml(data)
    return _Parser(document).parse(_read_version(document))


def _read_version(document: TomlDocument) -> str:
    version = document.table("metadata").get("lock_version")
    if version is None:
        raise MalformedLockfile("no pdm.lock: `metadata.lock_version` is missing")
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None or int(match[1] or 0) > _MINOR_MAX:
        message = f"`lock_version` is not a known one, 4.0 to 4.{_MINOR_MAX}"
        raise document.malformed(message, "metadata", "lock_version")
    return match[0]


@dataclass(slots=True)
class _Parser:
    document: TomlDocument
    artifacts: dict[_Key, LockedArtifact] = field(default_factory=dict)
    unreadable: list[UnreadableEntry] = field(default_factory=list)
    files: dict[tuple[str, str], _Path] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)
    read_count: int = 0  # of files, again for every package that shares them

    def parse(self, version: str) -> Lockfile:
        self._read_files_by_key()
        for index, value in self.document.tables("package"):
            place = self.document.place("package", index)
            try:
                for artifact in self._read_package(as_object(value, "a package"), index):
                    self._add(artifact)
            except Unreadable as error:
                self.unreadable.append(unreadable_entry(value, error, place, f"package[{index}]"))
            check_count(len(self.artifacts) + len(self.unreadable), place[0])
        self._refuse_orphans()
        return Lockfile(
            format="pdm",
            version=version,
            artifacts=tuple(self.artifacts.values()),
            unreadable=tuple(self.unreadable),
        )

    def _read_files_by_key(self) -> None:
        """Index ``metadata.files``, where 4.0 and 4.1 have the files, by ``NAME VERSION``, with extras or a URL."""
        for written in self.document.table("metadata", "files"):
            name, _, version = re.sub(r"\[[^\]]*\]", "", written, count=1).partition(" ")
            try:
                self.files[as_name(name), version] = ("metadata", "files", written)
            except Unreadable as error:
                raise self.document.malformed(f"`metadata.files`: {error}", "metadata", "files", written) from error

    def _read_package(self, package: Mapping[str, object], index: int) -> Iterator[LockedArtifact]:
        line, column = self.document.place("package", index)
        name = read_name(package)
        version = as_version(read_text(package, "version"))
        marker = read_marker(package, "marker")
        groups = read_texts(package, "groups")
        common = replace(
            _read_source(package),
            name=name,
            version=version,
            line=line,
            column=column,
            place=name,
            markers=(marker,) if marker is not None and any_of([marker]) else (),
            groups=() if _DEFAULT in groups else tuple(sorted(set(groups))),
        )
        if common.source is Source.FOLDER and is_project_folder(common.resolved or ""):
            return
        if common.source is Source.REGISTRY and not version:
            raise Unreadable("`version` is missing")
        path, files = self._find_files(package, index, common)
        self.read_count += len(files)
        check_count(self.read_count, line)
        if common.source in (Source.GIT, Source.FOLDER) or not files:
            is_file = common.source in (Source.URL, Source.FILE)
            yield replace(common, file=file_name_of(common.resolved or "")) if is_file else common
            return
        yield from self._read_files(common, path, files)

    def _find_files(
        self, package: Mapping[str, object], index: int, common: LockedArtifact
    ) -> tuple[_Path, list[object]]:
        if "files" in package:
            return ("package", index, "files"), list(read_items(package, "files"))
        key = (common.name, common.resolved or common.version)
        if key not in self.files:
            key = (common.name, common.version)
        if key not in self.files:
            return (), []
        self.used.add(key)
        path = self.files[key]
        return path, list(read_items(self.document.table("metadata", "files"), str(path[-1])))

    def _read_files(self, common: LockedArtifact, path: _Path, files: list[object]) -> Iterator[LockedArtifact]:
        for number, value in enumerate(files):
            place = self.document.place(*path, number)
            try:
                yield replace(_read_file(value, common), line=place[0], column=place[1])
            except Unreadable as error:
                self.unreadable.append(unreadable_entry({"name": common.name}, error, place, common.place))

    def _add(self, artifact: LockedArtifact) -> None:
        """Take an entry, or join it with the one for the same file that other extras brought."""
        key = _key(artifact)
        known = self.artifacts.get(key)
        if known is None:
            self.artifacts[key] = artifact
            return
        is_in_groups = bool(known.groups and artifact.groups)
        self.artifacts[key] = replace(
            known,
            groups=tuple(sorted({*known.groups, *artifact.groups})) if is_in_groups else (),
            markers=known.markers if known.markers == artifact.markers else (),
        )

    def _refuse_orphans(self) -> None:
        for key, path in self.files.items():
            if key not in self.used and self.document.table("metadata", "files")[str(path[-1])] != []:
                error = Unreadable("files of a package that is not locked")
                self.unreadable.append(unreadable_entry({"name": key[0]}, error, self.document.place(*path), key[0]))


def _key(artifact: LockedArtifact) -> _Key:
    return (
        artifact.name,
        artifact.version,
        artifact.source,
        artifact.file,
        artifact.resolved,
        artifact.digests,
    )


def _read_source(package: Mapping[str, object]) -> LockedArtifact:
    """Return an entry that holds where a package comes from, and nothing else yet."""
    found = LockedArtifact(ecosystem=Ecosystem.PYPI, name="", version="", source=Source.REGISTRY, line=1)
    kinds = [kind for kind in (*_REPOSITORIES, "url", "path") if kind in package]
    if not kinds:
        return found
    target = read_text(package, kinds[0])
    if len(kinds) > 1 or not target:
        raise Unreadable("it says more or less than one source")
    if kinds[0] in _REPOSITORIES:
        return replace(found, source=Source.GIT, resolved=target, commit=read_text(package, "revision"))
    if kinds[0] == "url" and not target.lower().startswith("file:"):
        return replace(found, source=Source.URL, resolved=target)
    if target.startswith(_PROJECT_URL):
        target = f"./{target.removeprefix(_PROJECT_URL)}"
    return replace(found, source=Source.FILE if is_archive(target) else Source.FOLDER, resolved=target)


def _read_file(value: object, common: LockedArtifact) -> LockedArtifact:
    table = as_object(value, "a file")
    digests = (as_digest(read_text(table, "hash") or ""),)
    url = read_text(table, "url")
    file = read_text(table, "file")
    if file is not None:
        return replace(common, file=as_file_name(file), digests=digests)
    if url is None:
        raise Unreadable("a file has neither an address nor a name")
    return replace(common, file=file_name_of(url), digests=digests, resolved=common.resolved or url)

"""poetry.lock: ``lock-version`` 1.0, 1.1, 2.0, 2.1 and what may follow below 3.

One entry for each file of a package, and one for each package that has none. Files and digests have stood in three
places: in the package (2.0 and newer), in ``metadata.files`` by name (1.0, 1.1), and without file names in
``metadata.hashes`` (before that). Source: ``src/poetry/packages/locker.py`` of poetry 1.0 to 2.2, which reads every
version from 1 up to, and without, 3 (``_READ_VERSION_RANGE``).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.fields import (
    Unreadable,
    any_of,
    as_digest,
    as_file_name,
    as_marker,
    as_name,
    as_object,
    as_version,
    check_count,
    file_name_of,
    read_flag,
    read_items,
    read_marker,
    read_name,
    read_object,
    read_text,
    read_texts,
    unreadable_entry,
)
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.toml_document import TomlDocument, parse_toml

_VERSION = re.compile(r"([12])(?:\.\d{1,9}){0,2}")
_MAIN = "main"
_SOURCES = {
    "legacy": Source.REGISTRY,
    "pypi": Source.REGISTRY,
    "git": Source.GIT,
    "url": Source.URL,
    "file": Source.FILE,
    "directory": Source.FOLDER,
}

_Path = tuple[str | int, ...]


def parse_poetry_lock(data: bytes) -> Lockfile:
    """Parse a lock of poetry.

    Args:
        data: its bytes: UTF-8 without a byte order mark, which poetry does not read.

    Raises:
        MalformedLockfile: it is no such file, or of a version that poetry does not read.
    """
    document = parse_toml(data)
    if "metadata" not in document.values:
        raise MalformedLockfile("no poetry.lock: `metadata` is missing")
    if not {"lock-version", "content-hash", "python-versions", "hashes"} & document.table("metadata").keys():
        raise document.malformed("no poetry.lock: `metadata` is that of another tool", "metadata")
    if "package" not in document.values:  # poetry reads no lock without it, be it empty
        raise MalformedLockfile("no poetry.lock: `package` is missing")
    return _Parser(document).parse(_read_version(document))


def _read_version(document: TomlDocument) -> str:
    version = document.table("metadata").get("lock-version", "1.0")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise document.malformed("`lock-version` is not a known one, 1 to 2", "metadata", "lock-version")
    return version


@dataclass(slots=True)
class _Parser:
    document: TomlDocument
    artifacts: list[LockedArtifact] = field(default_factory=list)
    unreadable: list[UnreadableEntry] = field(default_factory=list)
    files: Mapping[str, _Path] = field(default_factory=dict)
    hashes: Mapping[str, _Path] = field(default_factory=dict)
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)
    read_count: int = 0  # of files, again for every package that shares them

    def parse(self, version: str) -> Lockfile:
        self.files = self._keys_by_name("files")
        self.hashes = self._keys_by_name("hashes")
        self.extras = self._read_extras()
        packages = list(self.document.tables("package"))
        self.names = Counter(_name_of(value) for _, value in packages)
        for index, value in packages:
            try:
                self.artifacts += self._read_package(as_object(value, "a package"), index)
            except Unreadable as error:
                place = self.document.place("package", index)
                self.unreadable.append(unreadable_entry(value, error, place, f"package[{index}]"))
            check_count(len(self.artifacts) + len(self.unreadable), self.document.place("package", index)[0])
        self._refuse_orphans()
        return Lockfile(
            format="poetry",
            version=version,
            artifacts=tuple(self.artifacts),
            unreadable=tuple(self.unreadable),
        )

    def _keys_by_name(self, key: str) -> dict[str, _Path]:
        """Return the paths of a table of metadata that is keyed by package, by normalised names."""
        paths: dict[str, _Path] = {}
        for written in self.document.table("metadata", key):
            try:
                name = as_name(written)
            except Unreadable as error:
                raise self.document.malformed(f"in `metadata.{key}`: {error}", "metadata", key, written) from error
            if name in paths:
                raise self.document.malformed(f"a name stands twice in `metadata.{key}`", "metadata", key, written)
            paths[name] = ("metadata", key, written)
        return paths

    def _read_extras(self) -> dict[str, tuple[str, ...]]:
        """Return the project's extras that ask for each package."""
        asking: dict[str, list[str]] = defaultdict(list)
        table = self.document.table("extras")
        try:
            for extra in table:
                if not extra.isprintable():
                    raise Unreadable("a name holds control characters")
                for name in read_texts(table, extra):
                    asking[as_name(re.split(r"[ \[(;<>=!~]", name, maxsplit=1)[0])].append(extra)
        except Unreadable as error:
            raise self.document.malformed(f"in `extras`: {error}", "extras") from error
        return {name: tuple(sorted(set(extras))) for name, extras in asking.items()}

    def _read_package(self, package: Mapping[str, object], index: int) -> Iterator[LockedArtifact]:
        line, column = self.document.place("package", index)
        name = read_name(package)
        groups, is_dev = self._read_groups(package, name)
        common = replace(
            _read_source(package),
            name=name,
            version=as_version(read_text(package, "version")),
            line=line,
            column=column,
            place=name,
            markers=_read_markers(package),
            groups=groups,
            is_dev=is_dev,
        )
        if not common.version:
            raise Unreadable("`version` is missing")
        path, files = self._find_files(package, index, name)
        self.read_count += len(files)
        check_count(self.read_count, line)
        if common.source in (Source.GIT, Source.FOLDER) or not files:
            return iter([self._read_hashes(common)])
        return self._read_files(common, path, files)

    def _read_groups(self, package: Mapping[str, object], name: str) -> tuple[tuple[str, ...], bool]:
        """Return ``groups`` and ``is_dev``; a lock of poetry 1 tells only whether the main dependencies ask for it."""
        extras = self.extras.get(name, ()) if read_flag(package, "optional") else ()
        if "groups" not in package:
            is_dev = read_text(package, "category") == "dev"
            return ("dev",) if is_dev else extras, is_dev
        groups = read_texts(package, "groups")
        if _MAIN in groups:
            return tuple(sorted({*extras, *groups} - {_MAIN})) if extras else (), False
        return tuple(sorted({*extras, *groups})), bool(groups) and not extras

    def _find_files(self, package: Mapping[str, object], index: int, name: str) -> tuple[_Path, list[object]]:
        if "files" in package:
            return ("package", index, "files"), list(read_items(package, "files"))
        if name not in self.files:
            return (), []
        written = self.files[name]
        return written, list(read_items(self.document.table("metadata", "files"), str(written[-1])))

    def _read_files(self, common: LockedArtifact, path: _Path, files: list[object]) -> Iterator[LockedArtifact]:
        is_shared = path[0] == "metadata" and self.names[common.name] > 1
        for number, value in enumerate(files):
            line, column = self.document.place(*path, number)
            try:
                table = as_object(value, "a file")
                file = as_file_name(read_text(table, "file") or read_text(table, "name") or "")
                digest = as_digest(read_text(table, "hash") or "")
            except Unreadable as error:
                self.unreadable.append(unreadable_entry({"name": common.name}, error, (line, column), common.place))
                continue
            if not is_shared or _is_of_version(file, common.version):
                url = read_text(table, "url")
                found = replace(common, file=file, digests=(digest,), line=line, column=column)
                yield found if common.resolved or not url else replace(found, resolved=url)

    def _read_hashes(self, common: LockedArtifact) -> LockedArtifact:
        """Return the entry of a package whose files have no names: digests, each of one of them, if any."""
        if common.source is Source.URL or common.source is Source.FILE:
            common = replace(common, file=file_name_of(common.resolved or ""))
        if common.name not in self.hashes:
            return common
        hashes = read_texts(self.document.table("metadata", "hashes"), str(self.hashes[common.name][-1]))
        return replace(common, digests=tuple(as_digest(each if ":" in each else f"sha256:{each}") for each in hashes))

    def _refuse_orphans(self) -> None:
        for name, path in (*self.files.items(), *self.hashes.items()):
            if name not in self.names and self.document.table(*map(str, path[:-1]))[str(path[-1])] != []:
                error = Unreadable("files of a package that is not locked")
                self.unreadable.append(unreadable_entry({"name": name}, error, self.document.place(*path), name))


def _name_of(value: object) -> str:
    try:
        return read_name(as_object(value, "a package"))
    except Unreadable:
        return ""


def _read_source(package: Mapping[str, object]) -> LockedArtifact:
    """Return an entry that holds where a package comes from, and nothing else yet."""
    source = read_object(package, "source")
    kind = read_text(source, "type")
    if not source:
        return LockedArtifact(ecosystem=Ecosystem.PYPI, name="", version="", source=Source.REGISTRY, line=1)
    if kind not in _SOURCES:
        raise Unreadable("`source` is of no known type")
    url = read_text(source, "url")
    if not url and kind != "pypi":
        raise Unreadable("`source` leads nowhere")
    is_registry = _SOURCES[kind] is Source.REGISTRY
    return LockedArtifact(
        ecosystem=Ecosystem.PYPI,
        name="",
        version="",
        source=_SOURCES[kind],
        line=1,
        resolved=None if is_registry else url,
        registry=url if is_registry else None,
        commit=(read_text(source, "resolved_reference") or read_text(source, "reference")) if kind == "git" else None,
    )


def _read_markers(package: Mapping[str, object]) -> tuple[str, ...]:
    """Return the conditions of a package: one for all groups or, since lock-version 2.1, one for each of some."""
    value = package.get("markers")
    if not isinstance(value, dict):
        markers = [read_marker(package, key) for key in ("markers", "marker")]
        return tuple(marker for marker in markers if marker is not None and any_of([marker]))
    by_group = [read_marker(value, group) for group in value]
    if set(read_texts(package, "groups")) - value.keys() or None in by_group or not by_group:
        return ()
    condition = any_of([as_marker(marker) for marker in by_group if marker])
    return () if condition is None else (condition,)


def _is_of_version(file: str, version: str) -> bool:
    """Return whether a file may be of a version: its name does not say another one."""
    try:
        if file.endswith(".whl"):
            return parse_wheel_filename(file)[1] == Version(version)
        return parse_sdist_filename(file)[1] == Version(version)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return True

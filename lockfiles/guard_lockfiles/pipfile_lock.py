"""Pipfile.lock, ``pipfile-spec`` 6, the only one that pipenv has written since 2017.

One entry for each package of each category; its digests are those of all its files, one of which is installed. Source:
``pipenv/utils/locking.py`` and ``requirementslib.py`` of pipenv 2018 to 2026, and ``lockfiles.py`` of plette.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.fields import (
    Unreadable,
    any_of,
    as_digest,
    as_name,
    as_object,
    as_version,
    check_count,
    file_name_of,
    host_of,
    is_archive,
    is_project_folder,
    read_items,
    read_marker,
    read_text,
    read_texts,
    unreadable_entry,
)
from guard_lockfiles.json_positions import JsonReader
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry

# Far beyond real files, whose largest are some 10 MB.
_DOCUMENT_MAX_BYTES = 50 * 1024 * 1024
_SPEC = 6
_META = "_meta"
_DEFAULT = "default"
_DEVELOP = "develop"
_REPOSITORIES = ("git", "hg", "svn", "bzr")
_CONFLICT_MARKERS = ("<<<<<<< ", ">>>>>>> ")


def parse_pipfile_lock(data: bytes) -> Lockfile:
    """Parse a lock of pipenv.

    Args:
        data: its bytes: UTF-8 without a byte order mark, which pipenv does not read.

    Raises:
        MalformedLockfile: it is no such file, is of a specification other than 6, or gives a name twice.
    """
    reader = JsonReader(_decode(data))
    try:
        return _Parser(reader).parse()
    except RecursionError as error:
        raise MalformedLockfile("nested too deeply") from error


def _decode(data: bytes) -> str:
    if len(data) > _DOCUMENT_MAX_BYTES:
        raise MalformedLockfile(f"larger than {_DOCUMENT_MAX_BYTES // 1024 // 1024} MB")
    if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedLockfile("it starts with a byte order mark, which pipenv does not read", line=1)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedLockfile("not UTF-8", line=data.count(b"\n", 0, error.start) + 1) from error
    for number, line in enumerate(text.split("\n") if _CONFLICT_MARKERS[0] in text else (), start=1):
        if line.startswith(_CONFLICT_MARKERS):
            raise MalformedLockfile("a merge with conflicts was not finished", line=number)
    return text


@dataclass(frozen=True, slots=True)
class _Written:
    """A package as it stands in a category."""

    category: str
    name: str
    value: object
    line: int
    column: int


@dataclass(slots=True)
class _Parser:
    reader: JsonReader
    meta: object = None
    meta_line: int = 1
    category: str = ""
    written: list[_Written] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    artifacts: list[LockedArtifact] = field(default_factory=list)
    unreadable: list[UnreadableEntry] = field(default_factory=list)

    def parse(self) -> Lockfile:
        self.reader.read_document(self._read_member)
        self._read_meta()
        for written in self.written:
            try:
                artifact = self._read_package(written)
                if artifact is not None:
                    self.artifacts.append(artifact)
            except Unreadable as error:
                place = (written.line, written.column)
                self.unreadable.append(unreadable_entry({"name": written.name}, error, place, written.category))
        return Lockfile(
            format="pipfile",
            version=str(_SPEC),
            artifacts=tuple(self.artifacts),
            unreadable=tuple(self.unreadable),
            indexes=tuple(self.sources.values()),
        )

    def _read_member(self, name: str, offset: int, value_at: int) -> int:
        if name == _META:
            self.meta_line = self.reader.line(offset)
            self.meta, end = self.reader.read_value(value_at)
            return end
        if not self.reader.is_object(value_at):
            raise MalformedLockfile("a category is not an object", line=self.reader.line(offset))
        self.category = name
        return self.reader.read_object(value_at, self._read_written)

    def _read_written(self, name: str, offset: int, value_at: int) -> int:
        value, end = self.reader.read_value(value_at)
        line = self.reader.line(offset)
        self.written.append(_Written(self.category, name, value, line, self.reader.column(offset)))
        check_count(len(self.written), line)
        return end

    def _read_meta(self) -> None:
        if self.meta is None:
            raise MalformedLockfile("no Pipfile.lock: `_meta` is missing")
        try:
            meta = as_object(self.meta, "`_meta`")
            spec = meta.get("pipfile-spec")
            if type(spec) is not int or spec != _SPEC:
                raise Unreadable(f"`pipfile-spec` is not {_SPEC}, the only one that is known")
            for item in read_items(meta, "sources"):
                source = as_object(item, "a source")
                name, url = read_text(source, "name"), read_text(source, "url")
                if name is None and url:  # written until 2018; pipenv, ``populate_source``, calls it by its host
                    name = host_of(url)
                if not name or not url or name in self.sources:
                    raise Unreadable("a source has no name or address, or the name of another one")
                self.sources[name] = url
        except Unreadable as error:
            raise MalformedLockfile(str(error), line=self.meta_line) from error

    def _read_package(self, written: _Written) -> LockedArtifact | None:
        package = as_object(written.value, "a package")
        name = as_name(written.name)
        found = replace(
            self._read_source(package),
            name=name,
            line=written.line,
            column=written.column,
            place=name,
            version=_read_version(package),
            digests=tuple(as_digest(digest) for digest in read_texts(package, "hashes")),
            markers=_read_markers(package),
            groups=_read_groups(written.category),
            is_dev=written.category == _DEVELOP,
        )
        if found.source is Source.FOLDER and is_project_folder(found.resolved or ""):
            return None
        if found.source is Source.REGISTRY and not found.version:
            raise Unreadable("neither a version nor a source")
        if found.source in (Source.URL, Source.FILE):
            return replace(found, file=file_name_of(found.resolved or ""))
        return found

    def _read_source(self, package: Mapping[str, object]) -> LockedArtifact:
        """Return an entry that holds where a package comes from, and nothing else yet."""
        found = LockedArtifact(ecosystem=Ecosystem.PYPI, name="", version="", source=Source.REGISTRY, line=1)
        kinds = [kind for kind in (*_REPOSITORIES, "file", "path", "url") if kind in package]
        if not kinds:
            return replace(found, registry=self._read_registry(package))
        target = read_text(package, kinds[0])
        if len(kinds) > 1 or not target:
            raise Unreadable("it says more or less than one source")
        if kinds[0] in _REPOSITORIES:
            return replace(found, source=Source.GIT, resolved=target, commit=read_text(package, "ref"))
        if "://" in target and not target.lower().startswith("file:"):
            return replace(found, source=Source.URL, resolved=target)
        return replace(found, source=Source.FILE if is_archive(target) else Source.FOLDER, resolved=target)

    def _read_registry(self, package: Mapping[str, object]) -> str | None:
        """Return the address of the index that a package names; what only others ask for names none."""
        index = read_text(package, "index")
        if index is not None and index not in self.sources:
            raise Unreadable("`index` names no source of the lock")
        return None if index is None else self.sources[index]


def _read_version(package: Mapping[str, object]) -> str:
    text = read_text(package, "version")
    if text is None:
        return ""
    if not text.startswith("=="):
        raise Unreadable("`version` does not pin one")
    return as_version(text.lstrip("=").strip())


def _read_markers(package: Mapping[str, object]) -> tuple[str, ...]:
    marker = read_marker(package, "markers")
    return (marker,) if marker is not None and any_of([marker]) else ()


def _read_groups(category: str) -> tuple[str, ...]:
    if category == _DEFAULT:
        return ()
    if not category.isprintable():
        raise Unreadable("its category holds control characters")
    return (category,)

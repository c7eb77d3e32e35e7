"""uv.lock, version 1 with every revision, and the locks of scripts (``NAME.py.lock``), which have the same form.

One entry for each file that a package lists, and one for each package that lists none: a repository, a folder. The
project itself and the members of its workspace are no entries. uv reads every revision of the version that it knows
(https://docs.astral.sh/uv/concepts/resolution/#lockfile-versioning); its fields are those of ``uv-resolver/src/lock``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

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
    read_items,
    read_name,
    read_object,
    read_text,
    read_texts,
    unreadable_entry,
)
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.toml_document import TomlDocument, parse_toml
from guard_lockfiles.uv_graph import Demand, Graph, Node, read_node, read_requirements

_VERSION = 1
_SOURCES = {
    "registry": Source.REGISTRY,
    "git": Source.GIT,
    "url": Source.URL,
    "path": Source.FILE,
    "directory": Source.FOLDER,
    "editable": Source.FOLDER,
    "virtual": Source.FOLDER,
}


def parse_uv_lock(data: bytes) -> Lockfile:
    """Parse a lock of uv.

    Args:
        data: its bytes: UTF-8, with or without a byte order mark.

    Raises:
        MalformedLockfile: it is no such file, or of a version other than 1.
    """
    document = parse_toml(data, skips_mark=True)
    version = _read_version(document)
    return _Parser(document).parse(version)


def _read_version(document: TomlDocument) -> str:
    version = document.values.get("version")
    if version is None:
        raise MalformedLockfile("no uv.lock: `version` is missing")
    if type(version) is not int or version != _VERSION:
        raise document.malformed(f"`version` is not {_VERSION}, the only one that is known", "version")
    revision = document.values.get("revision", 0)
    if type(revision) is not int or revision < 0:
        raise document.malformed("`revision` is not a whole number", "revision")
    return f"{version}.{revision}"


@dataclass(slots=True)
class _Parser:
    document: TomlDocument
    members: frozenset[str] = frozenset()
    packages: dict[int, tuple[LockedArtifact, ...]] = field(default_factory=dict)
    unreadable: list[UnreadableEntry] = field(default_factory=list)
    nodes: dict[int, Node] = field(default_factory=dict)
    key: str = "package"

    def parse(self, version: str) -> Lockfile:
        if "distribution" in self.document.values:  # what uv called it first, and still reads
            if "package" in self.document.values:
                raise self.document.malformed("both `package` and `distribution`", "distribution")
            self.key = "distribution"
        elif "package" not in self.document.values and "requires-python" not in self.document.values:
            raise MalformedLockfile("no uv.lock: neither `package` nor `requires-python`")
        try:
            manifest = self.document.table("manifest")
            self.members = frozenset(as_name(name) for name in read_texts(manifest, "members"))
            requirements = read_requirements(manifest)
            environments = tuple(as_marker(marker) for marker in read_texts(self.document.values, "supported-markers"))
        except Unreadable as error:
            raise self.document.malformed(f"`manifest` or markers: {error}", "manifest") from error
        count = 0
        for index, value in self.document.tables(self.key):
            self._add(index, value)
            count += len(self.packages.get(index, ()))
            check_count(count + len(self.unreadable), self.document.place(self.key, index)[0])
        return Lockfile(
            format="uv",
            version=version,
            artifacts=tuple(self._demanded(Graph(self.nodes, requirements))),
            unreadable=tuple(self.unreadable),
            environments=environments,
        )

    def _add(self, index: int, value: object) -> None:
        try:
            package = as_object(value, "a package")
            common = self._read_common(package, index)
            node = read_node(package, name=common.name, is_project=self._is_project(common))
            if not node.is_project:
                self.packages[index] = tuple(self._read_files(package, common, index))
            self.nodes[index] = node
        except Unreadable as error:
            place = self.document.place(self.key, index)
            self.unreadable.append(unreadable_entry(value, error, place, f"{self.key}[{index}]"))

    def _read_common(self, package: Mapping[str, object], index: int) -> LockedArtifact:
        """Return what all files of a package share."""
        kind, target = _read_source(package)
        name = read_name(package)
        forks = _alternatives(package, "resolution-markers", "environment-markers")
        line, column = self.document.place(self.key, index)
        address, _, commit = target.partition("#") if kind == "git" else (target, "", "")
        return LockedArtifact(
            ecosystem=Ecosystem.PYPI,
            name=name,
            version=as_version(read_text(package, "version")),
            source=_SOURCES[kind],
            line=line,
            column=column,
            place=name,
            resolved=None if kind == "registry" else address,
            registry=target if kind == "registry" else None,
            commit=commit or None,
            markers=() if forks is None else (forks,),
        )

    def _is_project(self, common: LockedArtifact) -> bool:
        """Return whether a package is the project itself or a member of its workspace, which lie below the lock."""
        if common.source is not Source.FOLDER or common.resolved is None:
            return False
        folder = posixpath.normpath(common.resolved.replace("\\", "/"))
        if folder == ".":
            return True
        is_below = not folder.startswith(("/", "..")) and ":" not in folder
        return is_below and common.name in self.members

    def _read_files(
        self, package: Mapping[str, object], common: LockedArtifact, index: int
    ) -> Iterator[LockedArtifact]:
        files: list[tuple[object, tuple[str | int, ...]]] = []
        if "sdist" in package:
            files.append((package["sdist"], ("sdist",)))
        files += [(wheel, ("wheels", number)) for number, wheel in enumerate(read_items(package, "wheels"))]
        if common.source in (Source.GIT, Source.FOLDER) or not files:
            yield common
            return
        for value, path in files:
            place = self.document.place(self.key, index, *path)
            try:
                yield replace(_read_file(value, common), line=place[0], column=place[1])
            except Unreadable as error:
                self.unreadable.append(unreadable_entry(package, error, place, common.place))

    def _demanded(self, graph: Graph) -> Iterator[LockedArtifact]:
        for index, artifacts in self.packages.items():
            demand: Demand = graph.demand(index)
            conditions = (*(artifacts[0].markers if artifacts else ()), demand.marker)
            markers = tuple(dict.fromkeys(condition for condition in conditions if condition))
            for artifact in artifacts:
                yield replace(artifact, markers=markers, groups=demand.groups, is_dev=demand.is_dev)


def _read_source(package: Mapping[str, object]) -> tuple[str, str]:
    """Return the kind of a package's source and where it leads."""
    source = read_object(package, "source")
    kinds = [kind for kind in _SOURCES if kind in source]
    if len(kinds) != 1:
        raise Unreadable("`source` is of no known kind")
    target = read_text(source, kinds[0])
    if not target:
        raise Unreadable("`source` leads nowhere")
    return kinds[0], target


def _alternatives(value: Mapping[str, object], key: str, older_key: str) -> str | None:
    markers = read_texts(value, key) or read_texts(value, older_key)
    return any_of([as_marker(marker) for marker in markers]) if markers else None


def _read_file(value: object, common: LockedArtifact) -> LockedArtifact:
    table = as_object(value, "a file")
    named = [(key, text) for key in ("url", "path", "filename") if (text := read_text(table, key)) is not None]
    if len(named) > 1:
        raise Unreadable("a file has more than one address")
    digest = read_text(table, "hash")
    digests = () if digest is None else (as_digest(digest),)
    if common.source is not Source.REGISTRY:  # the source says where it is, its file at most what it is called
        address = named[0][1] if named else common.resolved
        return replace(common, file=file_name_of(address or ""), digests=digests)
    if not named:
        raise Unreadable("a file has neither an address nor a name")
    kind, address = named[0]
    if kind == "filename":
        return replace(common, file=as_file_name(address), digests=digests)
    found = replace(common, file=file_name_of(address), digests=digests, resolved=address)
    if kind == "path":  # in a local index
        return replace(found, source=Source.FILE, resolved=posixpath.join(common.registry or "", address))
    return found

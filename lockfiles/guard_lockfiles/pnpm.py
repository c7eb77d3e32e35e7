"""pnpm-lock.yaml, versions 5, 6 and 9: what pnpm 3 to 12 write.

Sources: ``lockfile/types`` and ``lockfile/fs`` (``read.ts``, ``yamlDocuments.ts``, ``lockfileFormatConverters.ts``) of
pnpm's repository, and what its releases write. An entry is one key of ``packages``, or one platform's archive of a
runtime; so in versions 5 and 6 a package stands there once for each set of peers. A link out of the project is an
entry too; the workspace's own projects, and other folders inside it, are none.

pnpm reads every minor version of a major one that it knows. Here only versions that pnpm has written are known: what a
later one adds may be an entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.npm_fields import (
    Unreadable,
    check_count,
    check_name,
    check_text,
    decode_document,
    printable,
    read_flag,
)
from guard_lockfiles.package_lock_sources import stays_inside
from guard_lockfiles.pnpm_entries import Circumstances, parse_package
from guard_lockfiles.pnpm_graph import Graph, Request
from guard_lockfiles.pnpm_keys import GENERATIONS, Generation
from guard_lockfiles.yaml_positions import YamlDocument, YamlMapping, YamlNumber, YamlPlace, parse_yaml

_MARK = re.compile(r"---\r?\n")
# A folder whose entry was pruned: pnpm makes it anew of the key (``convertToLockfileObject``).
_FOLDER_KEY = re.compile(r"[^:]+@file:(?!.*\.(?:tgz|tar\.gz|tar)$).+", re.IGNORECASE)


def parse_pnpm_lock(data: bytes) -> Lockfile:
    """Parse a pnpm-lock.yaml, both documents of it where it has two.

    Args:
        data: its bytes.

    Raises:
        MalformedLockfile: it is no such file, is of a version that is not known, holds merge conflicts, or says
            something that two readers could understand differently.
    """
    text = decode_document(data, tool="pnpm")
    documents = parse_yaml(text)
    _check_marks(text, documents)
    parsed = [_parse_document(document) for document in documents]
    return Lockfile(
        format="pnpm",
        version=parsed[-1].version,
        artifacts=tuple(artifact for each in parsed for artifact in each.artifacts),
        unreadable=tuple(entry for each in parsed for entry in each.unreadable),
        aliased=frozenset(name for each in parsed for name in each.aliased),
        folders=parsed[-1].folders,
    )


def _check_marks(text: str, documents: tuple[YamlDocument, ...]) -> None:
    """Refuse documents that pnpm would not tell apart: it splits at lines of three dashes (``yamlDocuments.ts``)."""
    if not documents:
        raise MalformedLockfile("it is empty")
    if len(documents) > 2:
        raise MalformedLockfile("more than two documents", line=documents[2].line)
    lines = text.split("\n")
    for document in documents:
        if document.is_ended or (document.is_marked and lines[document.line - 1].rstrip("\r") != "---"):
            raise MalformedLockfile("a mark that pnpm does not write", line=document.line)
    if any(document.is_marked for document in documents) and not _MARK.match(text):
        raise MalformedLockfile("a mark, and none on the first line", line=documents[-1].line)


def _parse_document(document: YamlDocument) -> Lockfile:
    root = document.root
    if not isinstance(root, YamlMapping):
        raise MalformedLockfile("not a mapping", line=document.line)
    stated = root.get("lockfileVersion")
    version = stated.text if isinstance(stated, YamlNumber) else stated
    line = root.places.get("lockfileVersion", YamlPlace(document.line, 1)).line
    if not isinstance(version, str):
        raise MalformedLockfile("no `lockfileVersion`", line=line)
    if version not in GENERATIONS:
        known = ", ".join(GENERATIONS)
        raise MalformedLockfile(f"its lockfileVersion is not one of the known ones: {known}", line=line)
    parser = _Parser(root, GENERATIONS[version])
    graph = parser.parse()
    return Lockfile(
        format="pnpm",
        version=version,
        artifacts=tuple(parser.artifacts),
        unreadable=tuple(parser.unreadable),
        aliased=frozenset(graph.aliased),
        folders=tuple("" if each == "." else each for each in sorted(graph.folders) if stays_inside(each)),
    )


def _read_section(root: YamlMapping, name: str) -> YamlMapping:
    value = root.get(name)
    if value is None:
        return YamlMapping()
    if not isinstance(value, YamlMapping):
        raise MalformedLockfile(f"`{name}` is not a mapping", line=root.places[name].line)
    check_count(len(value), root.places[name].line)
    return value


@dataclass(slots=True)
class _Parser:
    """Reads one document."""

    root: YamlMapping
    generation: Generation
    artifacts: list[LockedArtifact] = field(default_factory=list)
    unreadable: list[UnreadableEntry] = field(default_factory=list)

    def parse(self) -> Graph:
        packages = _read_section(self.root, "packages")
        snapshots = _read_section(self.root, "snapshots") if self.generation.has_snapshots else packages
        graph = Graph(self.generation, snapshots)
        graph.follow(self.root)
        optional = self._optional(snapshots)
        for key, place in packages.places.items():
            circumstances = Circumstances(
                place=place,
                folders=graph.folders,
                installed_as=graph.aliases.get(key),
                is_dev=key in graph.dev_only,
                is_optional=key in optional,
            )
            self._add_package(key, packages[key], circumstances)
        for key, place in snapshots.places.items():
            package = self.generation.package_of(key)
            if package not in packages and not _FOLDER_KEY.fullmatch(package):
                self._refuse(key, "a snapshot of what `packages` does not have", place)
        for (name, target), request in graph.links.items():
            self._add_link(name, target, request)
        self.unreadable += graph.unreadable
        return graph

    def _optional(self, snapshots: YamlMapping) -> set[str]:
        """Return the keys in ``packages`` of which every snapshot is optional."""
        optional: set[str] = set()
        required: set[str] = set()
        for key, value in snapshots.items():
            try:
                is_optional = isinstance(value, dict) and read_flag(value, "optional")
            except Unreadable as error:
                self._refuse(key, str(error), snapshots.places[key])
                is_optional = False
            (optional if is_optional else required).add(self.generation.package_of(key))
        return optional - required

    def _add_package(self, key: str, value: object, circumstances: Circumstances) -> None:
        try:
            self.artifacts += parse_package(key, self.generation.split(key), value, circumstances)
        except Unreadable as error:
            self._refuse(key, str(error), circumstances.place)

    def _add_link(self, name: str, target: str, request: Request) -> None:
        try:
            link = LockedArtifact(
                ecosystem=Ecosystem.NPM,
                name=check_name(name),
                version="",
                source=Source.FOLDER,
                line=request.place.line,
                column=request.place.column,
                place=check_text(f"{request.asker} > {name}", "its key"),
                resolved=check_text(target, "its target"),
                is_dev=request.is_dev,
            )
        except Unreadable as error:
            self._refuse(f"{request.asker} > {name}", str(error), request.place)
        else:
            self.artifacts.append(link)

    def _refuse(self, place: str, reason: str, at: YamlPlace) -> None:
        self.unreadable.append(UnreadableEntry(place=printable(place), reason=reason, line=at.line, column=at.column))

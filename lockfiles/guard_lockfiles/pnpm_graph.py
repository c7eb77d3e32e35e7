"""Who asks for what in pnpm-lock.yaml: aliases, links, what only development asks for, and what has no entry."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import UnreadableEntry
from guard_lockfiles.npm_fields import printable
from guard_lockfiles.package_lock_sources import stays_inside
from guard_lockfiles.pnpm_keys import Generation
from guard_lockfiles.yaml_positions import YamlMapping, YamlPlace

# The last two stand in the first of two documents: what the configuration needs, and pnpm itself.
_IMPORTER_SECTIONS = (
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "configDependencies",
    "packageManagerDependencies",
)
_PACKAGE_SECTIONS = ("dependencies", "optionalDependencies")


@dataclass(frozen=True, slots=True)
class Request:
    """What an importer or a package asks for.

    Args:
        name: that it is installed under.
        reference: what that is resolved to.
        asker: the importer's folder, or the package's key.
        folder: that a link starts from, seen from the lockfile's.
        place: where it stands.
        is_dev: whether it is of an importer's ``devDependencies``.
    """

    name: str
    reference: str
    asker: str
    folder: str
    place: YamlPlace
    is_dev: bool = False


@dataclass(slots=True)
class Graph:
    """The requests of a document, followed.

    Args:
        generation: of the format.
        snapshots: what may be asked for, by its key.
        folders: of the workspace's projects.
        aliases: other names that packages are installed under, by their keys in ``packages``.
        aliased: names of packages that a package, not a project, asks for under another name.
        links: what leads out of the project, with its target.
        dev_only: keys in ``packages`` of what only development asks for.
        unreadable: requests that say nothing certain.
    """

    generation: Generation
    snapshots: YamlMapping
    folders: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(default_factory=dict)
    aliased: set[str] = field(default_factory=set)
    links: dict[tuple[str, str], Request] = field(default_factory=dict)
    dev_only: set[str] = field(default_factory=set)
    unreadable: dict[UnreadableEntry, None] = field(default_factory=dict)

    def follow(self, root: YamlMapping) -> None:
        """Follow every request of a document.

        Args:
            root: the document; a single project's requests stand at its top.

        Raises:
            MalformedLockfile: its projects are not a mapping.
        """
        importers = _importers(root)
        self.folders = frozenset(posixpath.normpath(folder) for folder in importers)
        requests = [request for folder in importers for request in self._requests_of(importers, folder)]
        asked = self._reach(request for request in requests if not request.is_dev)
        asked_in_development = self._reach(request for request in requests if request.is_dev)
        unasked = [key for key in self.snapshots if key not in asked and key not in asked_in_development]
        self._reach(request for key in unasked for request in self._requests_of(self.snapshots, key))
        package_of = self.generation.package_of
        self.dev_only = {package_of(key) for key in asked_in_development} - {package_of(key) for key in asked}

    def _reach(self, requests: Iterable[Request]) -> set[str]:
        met: set[str] = set()
        pending = list(requests)
        while pending:
            key = self._resolve(pending.pop())
            if key is not None and key not in met:
                met.add(key)
                pending += self._requests_of(self.snapshots, key)
        return met

    def _resolve(self, request: Request) -> str | None:
        """Return the key of what is asked for; ``None`` for a link, or where there is none."""
        if request.reference.startswith("link:"):
            target = posixpath.normpath(posixpath.join(request.folder, request.reference.removeprefix("link:")))
            if target not in self.folders and not stays_inside(target):
                self.links.setdefault((request.name, target), request)
            return None
        key = self.generation.refer(request.reference, request.name)
        if key not in self.snapshots:
            self._refuse(f"{request.asker} > {request.name}", "it is asked for and has no entry", request.place)
            return None
        package = self.generation.package_of(key)
        name = self.generation.split(package).name
        if name is not None and name != request.name:
            self.aliases.setdefault(package, request.name)
            if request.asker in self.snapshots:
                self.aliased.add(name)
        return key

    def _requests_of(self, askers: YamlMapping, asker: str) -> Iterator[Request]:
        value = askers[asker]
        if value is None:
            return
        if not isinstance(value, Mapping):
            self._refuse(asker, "not a mapping", askers.places[asker])
            return
        is_package = askers is self.snapshots
        for section in _PACKAGE_SECTIONS if is_package else _IMPORTER_SECTIONS:
            requested = value.get(section)
            if requested is None:
                continue
            if not isinstance(requested, YamlMapping):
                self._refuse(asker, f"`{section}` is not a mapping", askers.places[asker])
                continue
            for name, asked in requested.items():
                reference = asked.get("version") if isinstance(asked, dict) else asked
                place, folder = requested.places[name], "." if is_package else asker
                if isinstance(reference, str):
                    yield Request(name, reference, asker, folder, place, section == "devDependencies")
                else:
                    self._refuse(f"{asker} > {name}", "its version is not a string", place)

    def _refuse(self, place: str, reason: str, at: YamlPlace) -> None:
        entry = UnreadableEntry(place=printable(place), reason=reason, line=at.line, column=at.column)
        self.unreadable[entry] = None


def _importers(root: YamlMapping) -> YamlMapping:
    if "importers" not in root:
        single = YamlMapping()
        single["."], single.places["."] = root, YamlPlace(1, 1)
        return single
    importers = root["importers"]
    if not isinstance(importers, YamlMapping):
        raise MalformedLockfile("`importers` is not a mapping", line=root.places["importers"].line)
    return importers

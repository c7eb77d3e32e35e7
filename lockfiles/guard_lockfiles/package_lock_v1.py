"""Version 1 of npm's lockfiles, nested ``dependencies``, brought into the form of the later ``packages``.

Sources: ``#loadAll`` and ``#metaFromLock`` of ``lib/shrinkwrap.js``, ``lib/spec-from-lock.js`` and ``#assignBundles``
of ``lib/arborist/load-virtual.js`` in @npmcli/arborist; npm-package-arg for what a ``version`` may be. Nothing is
checked here: what has the wrong type is passed on as it is, for the reader of ``packages`` to find.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.json_positions import JsonReader

# Real trees are some ten deep; these bound what a hostile one costs, since a path grows with each level.
_NESTING_MAX_DEPTH = 64
_PATH_MAX_CHARACTERS = 2048

_SAME_MEMBERS = {"version", "resolved", "integrity", "dev", "optional", "devOptional", "peer", "extraneous"}
# npm-package-arg, ``isPosixFile`` with a drive's letter, and ``isFileType``.
_FILE_SPEC = re.compile(r"file:|\.|~/|/|[A-Za-z]:", re.IGNORECASE)
_TARBALL_SPEC = re.compile(r".*[.](?:tgz|tar\.gz|tar)", re.IGNORECASE)


@dataclass(slots=True)
class LegacyEntry:
    """An entry as it stands in the file: its members without ``dependencies``, and the entries nested there."""

    name: str
    offset: int
    value: object = None
    nested: list[LegacyEntry] = field(default_factory=list)

    def member(self, name: str) -> object:
        """Return a member; ``None`` where the entry has none or is no object."""
        return self.value.get(name) if isinstance(self.value, dict) else None


@dataclass(slots=True)
class _NestedReader:
    """Reads one object of entries."""

    reader: JsonReader
    depth: int
    entries: list[LegacyEntry] = field(default_factory=list)

    def read_entry(self, name: str, offset: int, value_at: int) -> int:
        entry = LegacyEntry(name, offset)
        self.entries.append(entry)
        if not self.reader.is_object(value_at):
            entry.value, end = self.reader.read_value(value_at)
            return end
        members: dict[str, object] = {}
        entry.value = members

        def read_member(name: str, _at: int, value_at: int) -> int:
            if name == "dependencies" and self.reader.is_object(value_at):
                entry.nested, end = read_legacy_entries(self.reader, value_at, depth=self.depth + 1)
            else:
                members[name], end = self.reader.read_value(value_at)
            return end

        return self.reader.read_object(value_at, read_member)


def read_legacy_entries(reader: JsonReader, offset: int, *, depth: int = 1) -> tuple[list[LegacyEntry], int]:
    """Return the entries of the ``dependencies`` at the offset, with what they nest, and where the object ends.

    Raises:
        MalformedLockfile: it is no JSON, gives a name twice in one object, or is nested deeper than any real file.
    """
    if depth > _NESTING_MAX_DEPTH:
        raise MalformedLockfile(f"nested deeper than {_NESTING_MAX_DEPTH}", line=reader.line(offset))
    nested = _NestedReader(reader, depth)
    end = reader.read_object(offset, nested.read_entry)
    return nested.entries, end


def modern_entries(entries: Sequence[LegacyEntry], parent: str = "") -> Iterator[tuple[str, int, object]]:
    """Yield path, offset and value of every entry in the form of ``packages``; of a link, those of its folder too."""
    for entry in entries:
        path = f"{parent}/node_modules/{entry.name}" if parent else f"node_modules/{entry.name}"
        if len(path) > _PATH_MAX_CHARACTERS:
            raise MalformedLockfile(f"a path of more than {_PATH_MAX_CHARACTERS} characters")
        value = _modern_form(entry) if isinstance(entry.value, dict) else entry.value
        yield path, entry.offset, value
        if isinstance(value, dict) and value.get("link") is True:  # what a link nests stands in its folder
            path = str(value["resolved"])
            flags = {name: entry.member(name) for name in ("dev", "optional", "requires")}
            yield path, entry.offset, _modern_form(LegacyEntry(entry.name, entry.offset, flags))
        yield from modern_entries(entry.nested, path)


def _modern_form(entry: LegacyEntry) -> dict[str, object]:
    value = entry.value if isinstance(entry.value, dict) else {}
    form = {name: value[name] for name in _SAME_MEMBERS & value.keys()}
    form["inBundle"] = value.get("bundled", False)
    form["bundleDependencies"] = _bundles(entry)
    requires = value.get("requires")
    form["dependencies"] = value.get("dependencies") if isinstance(requires, bool | None) else requires
    if form.get("dev") is True and form.get("optional") is True:  # for npm 6 that meant: either asks for it
        form |= {"dev": False, "optional": False, "devOptional": True}
    source = value.get("version")
    if not _is_source(source):
        source = _source_of_npm4(value)
    return form | _source_members(source) if _is_source(source) else form


def _source_members(source: str) -> dict[str, object]:
    """Return what a ``version`` that is a URL, a file, a folder or an alias says."""
    if source.lower().startswith("npm:"):
        name, _, version = source[len("npm:") :].rpartition("@")
        return {"name": name, "version": version} if name else {"version": source}
    if _FILE_SPEC.match(source) and not _TARBALL_SPEC.fullmatch(source):
        folder = posixpath.normpath(re.sub("(?i)^file:", "", source))
        return {"link": True, "resolved": "" if folder == "." else folder, "version": None}
    return {"resolved": source, "version": None}


def _is_source(text: object) -> TypeGuard[str]:
    """Return whether a ``version`` says a place or another name: no version holds either sign."""
    return isinstance(text, str) and ("/" in text or ":" in text)


def _source_of_npm4(value: Mapping[str, object]) -> object:
    """Return ``from``, the source where an entry has no integrity and no address; else what registries may serve."""
    return None if value.get("integrity") or value.get("resolved") else value.get("from")


def _bundles(entry: LegacyEntry) -> list[str]:
    """Return what an entry bundles: what it requires itself and holds as bundled; no entry says so of itself."""
    requires = entry.member("requires")
    if entry.member("bundled") or not isinstance(requires, dict):
        return []
    return [nested.name for nested in entry.nested if nested.member("bundled") and nested.name in requires]

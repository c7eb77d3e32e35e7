"""npm's lockfiles: package-lock.json, npm-shrinkwrap.json and node_modules/.package-lock.json, versions 1 to 3.

Every key of the file becomes a :class:`LockedPackage` or an :class:`UnreadableEntry`; none is dropped. Sources:
``lib/shrinkwrap.js``, ``lib/arborist/load-virtual.js`` and ``lib/node.js`` of @npmcli/arborist (npm 9 to 11), and
https://docs.npmjs.com/cli/configuring-npm/package-lock-json. Where a file has ``packages``, npm 7 and newer read that
and pass over ``dependencies``, which version 2 carries beside it for npm 6; so does this parser.
"""

from __future__ import annotations

import codecs
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.json_positions import JsonReader
from guard_lockfiles.npm_fields import NAME, SRI, Unreadable, printable
from guard_lockfiles.package_lock_v1 import modern_entries, read_legacy_entries

# Far beyond real files, whose largest are some 10 MB.
_DOCUMENT_MAX_BYTES = 50 * 1024 * 1024
_ENTRIES_MAX_COUNT = 200_000
_PATH_MAX_CHARACTERS = 2048
_TEXT_MAX_CHARACTERS = 8192
_VERSIONS = (1, 2, 3)

_FOLDER_IN_PACKAGE = re.compile(rf"(?:{NAME.pattern})/.+")
_IN_NODE_MODULES = re.compile(r"(?:.*/)?node_modules/(?P<place>.+)")
_VERSION = re.compile(r"[^\s/\\:@#?%]{1,256}")
_CONFLICT_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")


class DependencyKind(enum.Enum):
    """How an entry depends on a name."""

    PEER = enum.auto()
    PEER_OPTIONAL = enum.auto()
    REQUIRED = enum.auto()
    OPTIONAL = enum.auto()
    DEV = enum.auto()


# In npm's order: of several members that give one name, the last one holds (``Node._loadDeps``).
_DEPENDENCIES = (
    ("peerDependencies", DependencyKind.PEER),
    ("dependencies", DependencyKind.REQUIRED),
    ("optionalDependencies", DependencyKind.OPTIONAL),
    ("devDependencies", DependencyKind.DEV),
)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a package.json, or the entry that records one, asks for."""

    requested: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, DependencyKind] = field(default_factory=dict)
    bundles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One entry: a place in the tree, and what stands there.

    Args:
        path: its key in ``packages``: ``node_modules/a/node_modules/@s/b``, a folder (a workspace, the target of a
            link), or the empty string for the project itself; for version 1 the same form is built.
        name: of the package in its registry; for a folder, the name that its package.json says, else its own.
        alias: the name that it is installed under, where that is another one.
        version: as written, or the empty string.
        resolved: where it is taken from; for a link, the folder that it leads to.
        integrity: Subresource Integrity, one value or several, as written.
        link: whether it is a link to a folder.
        in_bundle: whether it is said to come inside another package's tarball.
        bundles: names in its own ``bundleDependencies``.
        dev: only development asks for it; likewise ``optional``, ``peer``, and ``dev_optional`` for both of the first.
        extraneous: nothing asks for it.
        os: platforms that it is for, as npm-install-checks reads them; likewise ``cpu`` and ``libc``.
        has_install_script: whether it is said to run code when it is installed.
        requested: every dependency that it names, with its specification.
        kinds: how it depends on each of them.
        line: where its key stands, from 1.
        column: likewise.
    """

    path: str
    name: str
    version: str
    line: int
    column: int
    alias: str | None = None
    resolved: str | None = None
    integrity: str | None = None
    link: bool = False
    in_bundle: bool = False
    bundles: tuple[str, ...] = ()
    dev: bool = False
    optional: bool = False
    dev_optional: bool = False
    peer: bool = False
    extraneous: bool = False
    os: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    libc: tuple[str, ...] = ()
    has_install_script: bool = False
    requested: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, DependencyKind] = field(default_factory=dict)

    @property
    def installed_name(self) -> str:
        """The name that others depend on it by."""
        return self.alias or self.name

    @property
    def is_folder(self) -> bool:
        """Whether its place is a folder that is there already: the project, a workspace, the target of a link."""
        return _installed_name(self.path) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableEntry:
    """An entry that says nothing certain.

    Args:
        path: its key, without characters that steer a terminal.
        reason: what is wrong, without values of the file.
        line: where its key stands, from 1.
    """

    path: str
    reason: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLock:
    """A whole lockfile; ``packages`` holds the project itself too, where the file has an entry for it."""

    lockfile_version: int
    packages: tuple[LockedPackage, ...]
    unreadable: tuple[UnreadableEntry, ...]


def parse_package_lock(data: bytes) -> PackageLock:
    """Parse a lockfile of npm.

    Args:
        data: its bytes: UTF-8, with or without a byte order mark.

    Raises:
        MalformedLockfile: it is no such file, is of a version that is not known, holds merge conflicts, or gives a name
            twice in one object; two readers could understand it differently.
    """
    reader = JsonReader(_decode(data))
    try:
        return _Parser(reader).parse()
    except RecursionError as error:
        raise MalformedLockfile("nested too deeply") from error


def parse_declared(manifest: Mapping[str, object], *, dev: bool) -> Declared:
    """Parse the dependencies of a package.json, or of a lockfile's entry, which uses the same names.

    Args:
        manifest: the object.
        dev: whether its ``devDependencies`` count, as they do for the project and its workspaces.

    Raises:
        MalformedLockfile: one of them has the wrong type.
    """
    try:
        return _declared(manifest, dev=dev)
    except Unreadable as error:
        raise MalformedLockfile(str(error)) from error


def _decode(data: bytes) -> str:
    if len(data) > _DOCUMENT_MAX_BYTES:
        raise MalformedLockfile(f"larger than {_DOCUMENT_MAX_BYTES // 1024 // 1024} MB")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedLockfile("UTF-16, which npm does not read")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedLockfile("not UTF-8", line=data.count(b"\n", 0, error.start) + 1) from error
    # parse-conflict-json takes a file with all three anywhere in it, in strings too, for a merge that was not finished,
    # and reads one side of it.
    if all(marker in text for marker in _CONFLICT_MARKERS):
        line = text.count("\n", 0, text.index(_CONFLICT_MARKERS[0])) + 1
        raise MalformedLockfile("a merge with conflicts was not finished", line=line)
    return text


@dataclass(slots=True)
class _Parser:
    """Reads one document, outside in."""

    reader: JsonReader
    members: dict[str, object] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    root_offset: int = 0
    legacy_offset: int | None = None
    has_packages: bool = False
    packages: dict[str, LockedPackage] = field(default_factory=dict)
    unreadable: list[UnreadableEntry] = field(default_factory=list)

    def parse(self) -> PackageLock:
        self.reader.read_document(self._read_member)
        version = self._lockfile_version()
        if not self.has_packages:
            self._parse_legacy()
        return PackageLock(
            lockfile_version=version, packages=tuple(self.packages.values()), unreadable=tuple(self.unreadable)
        )

    def _read_member(self, name: str, offset: int, value_at: int) -> int:
        self.lines[name] = self.reader.line(offset)
        if name == "packages" and self.reader.is_object(value_at):
            self.has_packages = True
            return self.reader.read_object(value_at, self._read_package)
        if name == "dependencies" and self.reader.is_object(value_at):
            self.legacy_offset = value_at
        self.members[name], end = self.reader.read_value(value_at)
        if name in ("packages", "dependencies") and not isinstance(self.members[name], dict | None):
            raise MalformedLockfile(f"`{name}` is not an object", line=self.lines[name])
        return end

    def _lockfile_version(self) -> int:
        version = self.members.get("lockfileVersion")
        line = self.lines.get("lockfileVersion")
        if version is None:  # npm 4 and older wrote none
            return 3 if self.has_packages else 1
        if not isinstance(version, int) or isinstance(version, bool):
            raise MalformedLockfile("`lockfileVersion` is not a whole number", line=line)
        if version not in _VERSIONS:
            raise MalformedLockfile(f"lockfileVersion {version} is not one of the known ones, 1 to 3", line=line)
        return version

    def _read_package(self, path: str, offset: int, value_at: int) -> int:
        value, end = self.reader.read_value(value_at)
        self._add(path, offset, value)
        return end

    def _add(self, path: str, offset: int, value: object) -> None:
        if len(self.packages) + len(self.unreadable) >= _ENTRIES_MAX_COUNT:
            raise MalformedLockfile(f"more than {_ENTRIES_MAX_COUNT} entries", line=self.reader.line(offset))
        try:
            if not isinstance(value, dict):
                raise Unreadable("not an object")
            entry = _parse_entry(path, value, self.reader.line(offset), self.reader.column(offset))
            if not _is_same(self.packages.setdefault(path, entry), entry):
                raise Unreadable("another entry has the same place")
        except Unreadable as error:
            unreadable = UnreadableEntry(path=printable(path), reason=str(error), line=self.reader.line(offset))
            self.unreadable.append(unreadable)

    def _parse_legacy(self) -> None:
        """Read version 1, whose nested entries are brought into the form of ``packages``."""
        self._add("", 0, {name: self.members[name] for name in ("name", "version") if name in self.members})
        if self.legacy_offset is None:
            return
        entries, _ = read_legacy_entries(self.reader, self.legacy_offset)
        for path, offset, value in modern_entries(entries):
            self._add(path, offset, value)


def _is_same(one: LockedPackage, other: LockedPackage) -> bool:
    """Return whether two entries say the same; in version 1 a folder stands, with what it nests, under every link."""
    return one is other or one.is_folder or replace(one, line=other.line, column=other.column) == other


def _parse_entry(path: str, value: Mapping[str, object], line: int, column: int) -> LockedPackage:
    _check_path(path)
    installed = _installed_name(path)
    link = _flag(value, "link")
    name = installed if installed and link else _text(value, "name") or installed or _folder_name(path)
    version = _text(value, "version") or ""
    resolved = _text(value, "resolved")
    in_bundle = _flag(value, "inBundle")
    if link and resolved is None:
        raise Unreadable("a link that leads nowhere")
    if installed and not link:
        _check_package(name, version)
        if not (version or resolved or in_bundle):
            raise Unreadable("neither `version` nor `resolved`")
    declared = _declared(value, dev=installed is None)
    return LockedPackage(
        path=path,
        name=name,
        alias=installed if installed and installed != name else None,
        version=version,
        resolved=resolved,
        integrity=_integrity(value),
        link=link,
        in_bundle=in_bundle,
        bundles=declared.bundles,
        dev=_flag(value, "dev"),
        optional=_flag(value, "optional"),
        dev_optional=_flag(value, "devOptional"),
        peer=_flag(value, "peer"),
        extraneous=_flag(value, "extraneous"),
        os=_texts(value, "os"),
        cpu=_texts(value, "cpu"),
        libc=_texts(value, "libc"),
        has_install_script=_flag(value, "hasInstallScript"),
        requested=declared.requested,
        kinds=declared.kinds,
        line=line,
        column=column,
    )


def _check_path(path: str) -> None:
    """Refuse keys that npm would not write: another spelling of a path is another reader's other place."""
    if len(path) > _PATH_MAX_CHARACTERS:
        raise Unreadable("its path is longer than any file system takes")
    if not path.isprintable() or "\\" in path:
        raise Unreadable("its path holds control characters or backslashes")
    segments = path.split("/")
    while segments and segments[0] == "..":
        del segments[0]
    if path and not {"", ".", ".."}.isdisjoint(segments):
        raise Unreadable("its path is not in its shortest form")
    if segments and segments[-1] == "node_modules":
        raise Unreadable("its path ends in no package name")


def _installed_name(path: str) -> str | None:
    """Return the name that a place in a node_modules stands for; ``None`` for a folder, of a package's too."""
    match = _IN_NODE_MODULES.fullmatch(path)
    if match is None:
        return None
    if NAME.fullmatch(match["place"]):
        return match["place"]
    if _FOLDER_IN_PACKAGE.fullmatch(match["place"]):
        return None
    raise Unreadable("its path ends in no package name")


def _folder_name(path: str) -> str:
    """Return a folder's own name, with its scope (@npmcli/name-from-folder)."""
    scope, _, name = f"/{path}".rpartition("/")
    scope = scope.rpartition("/")[2]
    return f"{scope}/{name}" if scope.startswith("@") else name


def _check_package(name: str, version: str) -> None:
    if not NAME.fullmatch(name):
        raise Unreadable("`name` is no package name")
    if version and not _VERSION.fullmatch(version):
        raise Unreadable("`version` is no version")


def _integrity(value: Mapping[str, object]) -> str | None:
    text = _text(value, "integrity")
    if text is not None and not all(SRI.fullmatch(digest) for digest in text.split(" ")):
        raise Unreadable("`integrity` is no Subresource Integrity value")
    return text


def _declared(manifest: Mapping[str, object], *, dev: bool) -> Declared:
    requested: dict[str, str] = {}
    kinds: dict[str, DependencyKind] = {}
    for member, kind in _DEPENDENCIES if dev else _DEPENDENCIES[:-1]:
        specs = _object(manifest, member)
        if not specs:
            continue
        if not all(isinstance(spec, str) for spec in specs.values()):
            raise Unreadable(f"a value in `{member}` is not a string")
        requested.update(cast("Mapping[str, str]", specs))
        kinds.update(dict.fromkeys(specs, kind))
        if kind is DependencyKind.PEER:
            kinds.update(dict.fromkeys(_optional_peers(manifest) & specs.keys(), DependencyKind.PEER_OPTIONAL))
    return Declared(requested, kinds, _bundles(manifest))


def _optional_peers(manifest: Mapping[str, object]) -> frozenset[str]:
    about = _object(manifest, "peerDependenciesMeta")
    return frozenset(name for name, value in about.items() if isinstance(value, dict) and value.get("optional"))


def _bundles(manifest: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names in ``bundleDependencies``, in each of its forms (@npmcli/package-json, ``normalize.js``)."""
    value = manifest.get("bundleDependencies", manifest.get("bundledDependencies"))
    if value is True:
        return tuple(_object(manifest, "dependencies"))
    if isinstance(value, dict):
        return tuple(value)
    return () if value is False else _texts({"bundleDependencies": value}, "bundleDependencies")


def _object(value: Mapping[str, object], name: str) -> Mapping[str, object]:
    member = value.get(name)
    if member is None:
        return {}
    if not isinstance(member, dict):
        raise Unreadable(f"`{name}` is not an object")
    return member


def _text(value: Mapping[str, object], name: str) -> str | None:
    member = value.get(name)
    if member is None:
        return None
    if not isinstance(member, str):
        raise Unreadable(f"`{name}` is not a string")
    if len(member) > _TEXT_MAX_CHARACTERS or not member.isprintable():
        raise Unreadable(f"`{name}` holds control characters, or too many")
    return member


def _texts(value: Mapping[str, object], name: str) -> tuple[str, ...]:
    member = value.get(name)
    if member is None:
        return ()
    texts = [member] if isinstance(member, str) else member
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Unreadable(f"`{name}` is not a list of strings")
    return tuple(texts)


def _flag(value: Mapping[str, object], name: str) -> bool:
    member = value.get(name)
    if not isinstance(member, bool | None):
        raise Unreadable(f"`{name}` is neither true nor false")
    return bool(member)

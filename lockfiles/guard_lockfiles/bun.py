"""bun.lock, versions 0 to 2: JSON with commas before closing brackets, which bun 1.1.39 and newer write.

Sources: the type ``BunLockFile`` of bun's reference (bun.com/reference/bun/BunLockFile), ``src/install/lockfile/
bun.lock.zig`` of bun's repository, and what its releases write. An entry is a place in the tree: a key of ``packages``
whose last name is what the package is installed as. Projects of the workspace and the project itself are none.

bun refuses versions that it does not know. The binary bun.lockb is another format, which guard does not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.json_positions import JsonReader
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.npm_fields import (
    NAME,
    SEMVER,
    Unreadable,
    check_count,
    check_name,
    check_text,
    commit_of,
    decode_document,
    digests_of,
    printable,
    read_flag,
    read_texts,
)
from guard_lockfiles.package_lock_entries import aliased_name
from guard_lockfiles.package_lock_sources import stays_inside

_VERSIONS = (0, 1, 2)
_REQUESTS = ("dependencies", "optionalDependencies", "peerDependencies")
_STRING_OR_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"?|(?<=["}\]0-9a-z]),(?=\s*[}\]])', re.DOTALL)
_IDENT = re.compile(rf"(?P<name>{NAME.pattern})@(?P<rest>.+)")
_OWN = ("workspace:", "root:")
_FOLDERS = ("link:", "file:", "symlink:")
_GIT = re.compile(r"(?:git[+:@]|github:|gitlab:|bitbucket:|ssh:)")
_ARCHIVE = re.compile(r".*\.(?:tgz|tar\.gz|tar)", re.IGNORECASE)


def parse_bun_lock(data: bytes) -> Lockfile:
    """Parse a bun.lock.

    Args:
        data: its bytes.

    Raises:
        MalformedLockfile: it is no such file, is of a version that is not known, holds merge conflicts, or gives a name
            twice in one object.
    """
    text = decode_document(data, tool="bun")
    # A comma that closes nothing becomes a space, so that every place stays where it is.
    strict = _STRING_OR_COMMA.sub(lambda match: " " if match[0] == "," else match[0], text)
    try:
        return _Parser(JsonReader(strict)).parse()
    except RecursionError as error:
        raise MalformedLockfile("nested too deeply") from error


@dataclass(slots=True)
class _Parser:
    """Reads one document."""

    reader: JsonReader
    version: object = None
    version_line: int = 1
    folders: tuple[str, ...] = ()
    aliased: set[str] = field(default_factory=set)
    artifacts: list[LockedArtifact] = field(default_factory=list)
    unreadable: list[UnreadableEntry] = field(default_factory=list)

    def parse(self) -> Lockfile:
        self.reader.read_document(self._read_member)
        if type(self.version) is not int or self.version not in _VERSIONS:
            known = f"{_VERSIONS[0]} to {_VERSIONS[-1]}"
            raise MalformedLockfile(f"lockfileVersion is not one of the known ones, {known}", line=self.version_line)
        return Lockfile(
            format="bun",
            version=str(self.version),
            artifacts=tuple(self.artifacts),
            unreadable=tuple(self.unreadable),
            aliased=frozenset(self.aliased),
            folders=self.folders,
        )

    def _read_member(self, name: str, offset: int, value_at: int) -> int:
        if name == "packages":
            return self.reader.read_object(value_at, self._read_package)
        value, end = self.reader.read_value(value_at)
        if name == "workspaces" and isinstance(value, dict):
            self.folders = tuple(folder for folder in value if stays_inside(folder))
        if name == "lockfileVersion":
            self.version, self.version_line = value, self.reader.line(offset)
        return end

    def _read_package(self, key: str, offset: int, value_at: int) -> int:
        value, end = self.reader.read_value(value_at)
        line, column = self.reader.line(offset), self.reader.column(offset)
        check_count(len(self.artifacts) + len(self.unreadable) + 1, line)
        self.aliased.update(_aliased(value))
        try:
            artifact = _parse_package(key, value, line, column)
        except Unreadable as error:
            entry = UnreadableEntry(place=printable(key), reason=str(error), line=line, column=column)
            self.unreadable.append(entry)
        else:
            if artifact is not None:
                self.artifacts.append(artifact)
        return end


def _aliased(value: object) -> Iterator[str]:
    """Yield registry names that a package asks for under another one."""
    for about in value if isinstance(value, list) else ():
        for group in _REQUESTS if isinstance(about, dict) else ():
            requested = about.get(group)
            for wanted in requested.values() if isinstance(requested, dict) else ():
                name = aliased_name(str(wanted))
                if name:
                    yield name


def _parse_package(key: str, value: object, line: int, column: int) -> LockedArtifact | None:
    check_text(key, "its key")
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise Unreadable("not a list that starts with a name")
    ident = _IDENT.fullmatch(check_text(value[0], "its name"))
    if ident is None:
        raise Unreadable("it starts with no package name")
    installed = _installed_name(key)
    rest = ident["rest"]
    if rest.startswith(_OWN) or (_is_folder(rest) and stays_inside(rest.partition(":")[2])):
        return None
    about = next((member for member in value if isinstance(member, dict)), {})
    base = LockedArtifact(
        ecosystem=Ecosystem.NPM,
        name=check_name(ident["name"]),
        version="",
        source=Source.REGISTRY,
        line=line,
        column=column,
        place=key,
        installed_as=installed if installed != ident["name"] else None,
        os=read_texts(about, "os"),
        cpu=read_texts(about, "cpu"),
        libc=read_texts(about, "libc"),
        has_install_script=read_flag(about, "hasInstallScript"),
    )
    if SEMVER.fullmatch(rest):
        return _from_registry(base, rest, value, about)
    return _from_elsewhere(base, rest, value)


def _installed_name(key: str) -> str:
    """Return the last name of a key; a scope and its name are one."""
    parents, _, name = key.rpartition("/")
    scope = parents.rpartition("/")[2]
    return check_name(f"{scope}/{name}" if scope.startswith("@") else name)


def _from_registry(
    base: LockedArtifact, version: str, value: Sequence[object], about: Mapping[str, object]
) -> LockedArtifact:
    """Read ``[name@version, address, about, integrity]``; an empty address is that of the configured registry."""
    if len(value) not in (3, 4) or not isinstance(value[1], str):
        raise Unreadable("not a list of name, address, members and integrity")
    base = replace(
        base,
        version=version,
        resolved=check_text(value[1], "its address") or None,
        digests=_digests(value[3:]),
    )
    if not read_flag(about, "bundled"):
        return base
    bundler = base.place.removesuffix(base.installed_as or base.name).removesuffix("/")
    return replace(base, source=Source.BUNDLED, bundled_in=bundler or None)


def _from_elsewhere(base: LockedArtifact, rest: str, value: Sequence[object]) -> LockedArtifact:
    """Read ``[name@address, about, integrity]``; for a repository the third member is bun's own name of it."""
    if _is_folder(rest):
        return replace(base, source=Source.FOLDER, resolved=rest.partition(":")[2])
    if _GIT.match(rest):
        return replace(base, source=Source.GIT, resolved=rest, commit=commit_of(rest.rpartition("#")[2]))
    digests = _digests(value[2:])
    if rest.startswith(("https://", "http://")):
        return replace(base, source=Source.URL, resolved=rest, digests=digests)
    if _ARCHIVE.fullmatch(rest):
        return replace(base, source=Source.FILE, resolved=rest, digests=digests)
    raise Unreadable("neither a version nor a known source")


def _is_folder(rest: str) -> bool:
    return rest.startswith(_FOLDERS) and not _ARCHIVE.fullmatch(rest)


def _digests(members: Sequence[object]) -> tuple[str, ...]:
    if not members or members[0] == "":
        return ()
    if not isinstance(members[0], str):
        raise Unreadable("its integrity is not a string")
    return digests_of(members[0])

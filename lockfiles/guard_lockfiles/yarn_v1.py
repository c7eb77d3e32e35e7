"""yarn.lock of yarn 1: blocks of indented lines, which no maintained Python library reads.

Sources: ``src/lockfile/parse.js``, ``stringify.js`` and ``index.js`` of yarnpkg/yarn. yarn's parser reads more than
yarn writes, stops without a word at an indentation that it does not expect, and makes something of an unfinished merge;
so only what yarn writes is read here, line by line, and everything else is malformed. An entry is a block, which stands
for every pattern in its head. A pattern that stands twice, as merges leave it, is yarn's by the last block; both are
entries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.npm_fields import (
    Unreadable,
    check_count,
    check_name,
    check_text,
    check_version,
    commit_of,
    commit_of_archive,
    digests_of,
    is_git_archive,
    printable,
    read_object,
    read_text,
)
from guard_lockfiles.package_lock_entries import aliased_name
from guard_lockfiles.package_lock_sources import stays_inside

_STATED_VERSION = re.compile(r"#\s*yarn lockfile v(\d+)\s*")
_VERSION = "1"
_REQUESTS = ("dependencies", "optionalDependencies")
# A word without quotes, as ``shouldWrapKey`` of stringify.js leaves it.
_WORD = r"(?!true|false)[A-Za-z][^\s:,\"\\\[\]]*"
_QUOTED = r'"(?:[^"\\\x00-\x1f]|\\.)*"'
_KEY = rf"(?:{_QUOTED}|{_WORD})"
_HEAD = re.compile(rf"{_KEY}(?:, {_KEY})*:")
_GROUP = re.compile(rf"  ({_KEY}):")
_MEMBER = re.compile(rf"(?P<indent>  |    )(?P<key>{_KEY}) (?P<value>{_QUOTED}|{_WORD}|true|false|[0-9]+)")
_KEYS = re.compile(_KEY)

_ALIAS = re.compile(r"npm:(?P<name>@?[^@]+)(?:@.*)?")
_SHA1 = re.compile(r"[0-9a-f]{40}")
# Which patterns are no registry's (``src/resolvers/exotics``); a pattern that is a word or a range is one.
_PATH = re.compile(r"(?:file:|\.{1,2}(?:/|$)|/|~/|[A-Za-z]:[\\/])")
_GIT = re.compile(
    r"(?:git(?:\+[a-z]+)?:|ssh:|git@|(?:github|gitlab|bitbucket|gist):|[^/:@\s]+/[^/:@\s]+$|https?://[^#]+\.git(?:#|$))"
)
_URL = re.compile(r"https?://")

# A block has one address: where a `resolutions` brings a registry's range to a repository, it is the repository's.
_LEAST_BOUND_FIRST = (Source.GIT, Source.URL, Source.FILE, Source.FOLDER, Source.REGISTRY)


@dataclass(slots=True)
class _Block:
    """A block as it stands in the file: its patterns, and its members by name."""

    patterns: list[str]
    line: int
    members: dict[str, object] = field(default_factory=dict)


def parse_yarn_v1(text: str) -> Lockfile:
    """Parse a yarn.lock of yarn 1.

    Args:
        text: of the file, without a byte order mark.

    Raises:
        MalformedLockfile: a line is not as yarn writes it, a name stands twice in an entry, or the stated version is
            another one.
    """
    artifacts: list[LockedArtifact] = []
    unreadable: list[UnreadableEntry] = []
    blocks = _Reader().read(text)
    for block in blocks:
        try:
            artifact = _parse_block(block)
            if artifact.source is not Source.FOLDER or not stays_inside(artifact.resolved or ""):
                artifacts.append(artifact)
        except Unreadable as error:
            place = printable(", ".join(block.patterns))
            unreadable.append(UnreadableEntry(place=place, reason=str(error), line=block.line))
    return Lockfile(
        format="yarn",
        version=_VERSION,
        artifacts=tuple(artifacts),
        unreadable=tuple(unreadable),
        aliased=frozenset(name for block in blocks for name in _aliased(block)),
    )


def _aliased(block: _Block) -> Iterator[str]:
    for group in _REQUESTS:
        requested = block.members.get(group)
        for wanted in requested.values() if isinstance(requested, dict) else ():
            name = aliased_name(str(wanted))
            if name:
                yield name


@dataclass(slots=True)
class _Reader:
    """Reads lines into blocks. ``group`` is the innermost object that is open, ``None`` between blocks."""

    blocks: list[_Block] = field(default_factory=list)
    members: dict[str, object] | None = None
    group: dict[str, object] | None = None
    has_version: bool = False

    def read(self, text: str) -> list[_Block]:
        for number, line in enumerate(text.split("\n"), start=1):
            self._read_line(line.removesuffix("\r"), number)
        if not self.has_version:
            raise MalformedLockfile("it does not state its version")
        return self.blocks

    def _read_line(self, line: str, number: int) -> None:
        if not line or line.startswith("#"):
            self.members = self.group = None
            self._check_version(line, number)
        elif _HEAD.fullmatch(line):
            self._open_block(line, number)
        elif (group := _GROUP.fullmatch(line)) and self.members is not None:
            self.group = {}
            _set(self.members, _word(group[1], number), self.group, number)
        elif member := _MEMBER.fullmatch(line):
            target = self.members if len(member["indent"]) == 2 else self.group
            if target is None:
                raise MalformedLockfile("an indented line that belongs to nothing", line=number)
            if target is self.members:
                self.group = None
            _set(target, _word(member["key"], number), _value(member["value"], number), number)
        else:
            raise MalformedLockfile("not a line that yarn writes", line=number)

    def _check_version(self, line: str, number: int) -> None:
        stated = _STATED_VERSION.fullmatch(line)
        if stated is None:
            return
        if stated[1] != _VERSION:
            raise MalformedLockfile("the version of its format is not 1", line=number)
        self.has_version = True

    def _open_block(self, line: str, number: int) -> None:
        patterns = [_word(key, number) for key in _KEYS.findall(line.removesuffix(":"))]
        self.blocks.append(_Block(patterns, number))
        check_count(len(self.blocks), number)
        self.members, self.group = self.blocks[-1].members, None


def _set(target: dict[str, object], key: str, value: object, line: int) -> None:
    if key in target:
        raise MalformedLockfile("a name stands twice in one entry", line=line)
    target[key] = value


def _word(text: str, line: int) -> str:
    if not text.startswith('"'):
        return text
    try:
        word = json.loads(text)
    except ValueError as error:
        raise MalformedLockfile("quotes that hold no text", line=line) from error
    assert isinstance(word, str)
    if not word:
        raise MalformedLockfile("an empty name", line=line)
    return word


def _value(text: str, line: int) -> object:
    if text in ("true", "false"):
        return text == "true"
    if text == '""':
        return ""
    return int(text) if text.isdigit() and len(text) < 16 else _word(text, line)


def _parse_block(block: _Block) -> LockedArtifact:
    patterns = [_split_pattern(pattern) for pattern in block.patterns]
    names = {_registry_name(name, wanted) for name, wanted in patterns}
    if len(names) != 1:
        raise Unreadable("its patterns are of more than one package")
    (name,) = names
    aliases = [installed for installed, _ in patterns if installed != name]
    _check_members(block)
    base = LockedArtifact(
        ecosystem=Ecosystem.NPM,
        name=check_name(name),
        version=check_version(read_text(block.members, "version") or ""),
        source=Source.REGISTRY,
        line=block.line,
        place=check_text(", ".join(block.patterns), "its head"),
        installed_as=check_name(aliases[0]) if aliases else None,
        resolved=read_text(block.members, "resolved"),
        digests=digests_of(read_text(block.members, "integrity")),
    )
    sources = {_source_of(wanted, base.resolved) for _, wanted in patterns}
    source = next(each for each in _LEAST_BOUND_FIRST if each in sources)
    return _with_source(base, source, is_link=patterns[0][1].startswith("link:"))


def _check_members(block: _Block) -> None:
    if block.members.get("registry", "npm") not in ("npm", "yarn"):
        raise Unreadable("`registry` is not npm's")
    if "prebuiltVariants" in block.members:
        raise Unreadable("variants that were built before")
    for group in _REQUESTS:
        read_object(block.members, group)


def _split_pattern(pattern: str) -> tuple[str, str]:
    """Return name and range of a pattern (``normalizePattern``)."""
    name, _, wanted = pattern[1:].partition("@")
    return pattern[0] + name, wanted


def _registry_name(name: str, wanted: str) -> str:
    alias = _ALIAS.fullmatch(wanted)
    return alias["name"] if alias else name


def _source_of(wanted: str, resolved: str | None) -> Source:
    if wanted.startswith("link:"):
        return Source.FOLDER
    if _PATH.match(wanted):
        return Source.FILE if resolved else Source.FOLDER
    if _GIT.match(wanted) or (resolved and (is_git_archive(resolved.partition("#")[0]) or resolved.startswith("git"))):
        return Source.GIT
    return Source.URL if _URL.match(wanted) else Source.REGISTRY


def _with_source(base: LockedArtifact, source: Source, *, is_link: bool) -> LockedArtifact:
    address, _, fragment = (base.resolved or "").partition("#")
    if source is Source.FOLDER:  # the version of a link is 0.0.0, whatever it leads to, and its target in the pattern
        target = base.resolved or base.place.partition("@")[2].partition(":")[2] or None
        return replace(base, source=source, version="" if is_link else base.version, resolved=target)
    if source is Source.GIT:
        return replace(base, source=source, commit=commit_of(fragment) or commit_of_archive(address))
    if not base.digests and _SHA1.fullmatch(fragment):
        return replace(base, source=source, digests=(f"sha1:{fragment}",))
    return replace(base, source=source)

"""Requirement files as lockfiles: one entry for each requirement, whose digests may stand for several files.

What a line is, :mod:`guard_lockfiles.requirements` says. A constraints file names no entries: it limits what others
name. Source: https://pip.pypa.io/en/stable/topics/secure-installs/ (hash-checking mode).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from guard_lockfiles.lockfile import (
    Ecosystem,
    Include,
    LockedArtifact,
    Lockfile,
    Source,
    UnreadableEntry,
    parse_digests,
)
from guard_lockfiles.requirements import LineKind, RequirementLine, parse_requirements

_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz")  # as pip unpacks them
_SHOWN_MAX_CHARACTERS = 100
_EXACT = re.compile(r"\s*={2,3}\s*([^\s,*]+)\s*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What pip reads of a URL's fragment (``pip/_internal/models/link.py``).
_FRAGMENT_ALGORITHMS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512"})
_INDEX_OPTIONS = ("--index-url", "--extra-index-url")


def parse_requirements_lock(data: bytes) -> Lockfile:
    """Parse a requirements file into its entries.

    Args:
        data: its bytes, in any encoding that pip detects.

    Raises:
        MalformedLockfile: the bytes are not text, or more lines than any real file has.
    """
    lines = parse_requirements(data).lines
    artifacts: list[LockedArtifact] = []
    unreadable: list[UnreadableEntry] = []
    for line in lines:
        try:
            if line.kind in (LineKind.REQUIREMENT, LineKind.EDITABLE):
                artifacts.append(_artifact(line))
            elif line.kind is LineKind.UNREADABLE:
                unreadable.append(UnreadableEntry(place=_shown(line.text), reason=line.reason, line=line.line))
        except ValueError as error:
            unreadable.append(UnreadableEntry(place=_shown(line.text), reason=str(error), line=line.line))
    return Lockfile(
        format="requirements",
        artifacts=tuple(artifacts),
        unreadable=tuple(unreadable),
        includes=tuple(_includes(lines)),
        indexes=tuple(url for line in lines for name in _INDEX_OPTIONS for url in line.values(name)),
        is_pinned=any(line.hashes or _asks_for_hashes(line) for line in lines),
    )


def exact_version(specifier: str) -> str | None:
    """Return the one version that a specifier allows (``==1.0``), as written; ``None`` when it allows several."""
    match = _EXACT.fullmatch(specifier)
    return match[1] if match else None


def fragment_digests(url: str) -> Iterator[str]:
    """Yield the digests that a URL's fragment states, as written: in pip's reading, among ``&``-separated parts."""
    for part in url.partition("#")[2].split("&"):
        if part.partition("=")[0] in _FRAGMENT_ALGORITHMS:
            yield part


def pinned_commit(url: str) -> str | None:
    """Return the commit that a repository's URL pins (``…@COMMIT``); ``None`` for a branch, a tag or nothing."""
    reference = urlsplit(url).path.rpartition("@")[2]
    system = url.partition("+")[0].lower()
    return reference if system in ("git", "hg") and _COMMIT.fullmatch(reference) else None


def _artifact(line: RequirementLine) -> LockedArtifact:
    source = _source(line)
    digests = (*line.hashes, *(fragment_digests(line.url) if line.url else ()))
    return LockedArtifact(
        ecosystem=Ecosystem.PYPI,
        name=line.name or "",
        version=exact_version(line.specifier) or "",
        source=source,
        line=line.line,
        place=line.name or _shown(line.text),
        digests=parse_digests(digests),
        resolved=line.url if line.url is not None else line.path,
        commit=pinned_commit(line.url) if line.url and source is Source.GIT else None,
        markers=(line.marker,) if line.marker else (),
    )


def _source(line: RequirementLine) -> Source:
    address = (line.url or "").lower()
    if line.path is not None or address.startswith("file:"):
        place = (line.path or address).partition("#")[0].lower()
        return Source.FILE if place.endswith(_ARCHIVES) else Source.FOLDER
    if line.url is None:
        return Source.REGISTRY
    return Source.GIT if "+" in address.partition("://")[0] else Source.URL


def _includes(lines: tuple[RequirementLine, ...]) -> Iterator[Include]:
    for line in lines:
        if line.kind in (LineKind.INCLUDE, LineKind.CONSTRAINT):
            is_constraint = line.kind is LineKind.CONSTRAINT
            for path in line.values("--constraint" if is_constraint else "--requirement"):
                yield Include(path=path, line=line.line, is_constraint=is_constraint)


def _asks_for_hashes(line: RequirementLine) -> bool:
    return any(option.name == "--require-hashes" for option in line.options)


def _shown(text: str) -> str:
    """Return the first word of a line, printable."""
    text = text.split(maxsplit=1)[0] if text.strip() else ""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:_SHOWN_MAX_CHARACTERS])

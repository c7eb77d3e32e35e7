"""The order of a package's releases, and the line that a release belongs to.

A release is compared with lower ones of its own line: a back-port to an old line is not measured by the newest one.
A line is a major version, or major and minor where major is 0, which promises nothing (Semantic Versioning, item 4).
Versions that begin with a year are all of one line, since a year says nothing about compatibility. Final releases are
compared with final ones, pre-releases with pre-releases.

Source: PEP 440, "Public version identifiers"; Semantic Versioning 2.0.0, items 4 and 11; https://calver.org.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from packaging.version import InvalidVersion, Version

from guard.model import Ecosystem

# Semantic Versioning 2.0.0, its suggested regular expression; build metadata has no part in the order.
_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
_YEARS = range(1990, 2100)
_LONGEST = 200  # characters; nobody's version has more, and numbers of thousands of digits cost time


@dataclass(frozen=True, slots=True)
class ReleaseVersion:
    """A version among those of its ecosystem.

    Args:
        order: what it is compared by with others of the same ecosystem.
        line: releases of one line are compared with each other.
        is_prerelease: whether it precedes a final release.
    """

    order: Any
    line: tuple[int, ...]
    is_prerelease: bool


@dataclass(frozen=True, slots=True)
class Earlier:
    """A lower release to compare with; ``is_same_line`` tells whether it is of the same line."""

    version: str
    is_same_line: bool


def parse_release_version(ecosystem: Ecosystem, text: str) -> ReleaseVersion | None:
    """Parse a version by the rules of its ecosystem; ``None`` where it has no place in the order."""
    if len(text) > _LONGEST:
        return None
    return _parse_pep440(text) if ecosystem is Ecosystem.PYPI else _parse_semver(text)


def find_earlier(
    ecosystem: Ecosystem, version: str, others: Iterable[str], *, counts: Callable[[str], bool]
) -> Earlier | None:
    """Return the highest release that is lower than ``version`` and counts: of its line, else of any line.

    Args:
        ecosystem: whose order holds.
        version: of the release to compare.
        others: versions of other releases; those that have no place in the order are passed over.
        counts: whether a release may be compared with; asked from the highest on, as long as none does.
    """
    own = parse_release_version(ecosystem, version)
    if own is None:
        return None
    parsed = ((other, parse_release_version(ecosystem, other)) for other in others)
    lower = [
        (each.line == own.line, each.order, other)
        for other, each in parsed
        if each is not None and each.is_prerelease is own.is_prerelease and each.order < own.order
    ]
    lower.sort(key=itemgetter(0, 1), reverse=True)
    return next((Earlier(other, is_same_line) for is_same_line, _, other in lower if counts(other)), None)


def _parse_pep440(text: str) -> ReleaseVersion | None:
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return ReleaseVersion(version, (version.epoch, *_line(version.release)), version.is_prerelease)


def _parse_semver(text: str) -> ReleaseVersion | None:
    found = _SEMVER.fullmatch(text)
    if found is None:
        return None
    numbers = (int(found[1]), int(found[2]), int(found[3]))
    is_prerelease = found[4] is not None
    identifiers = tuple(map(_identifier, found[4].split("."))) if is_prerelease else ()
    return ReleaseVersion((numbers, not is_prerelease, identifiers), _line(numbers), is_prerelease)


def _identifier(part: str) -> tuple[int, int, str]:
    """Numbers are compared as such and are lower than words (Semantic Versioning, item 11)."""
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def _line(release: tuple[int, ...]) -> tuple[int, ...]:
    major = release[0]
    if major in _YEARS:
        return (_YEARS.start,)
    return (0, *release[1:2]) if major == 0 else (major,)

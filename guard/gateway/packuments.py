"""A packument without the versions that a resolver is not offered."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable

_RELEASE = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)


def without_versions(document: bytes, held_back: Collection[str]) -> bytes:
    """Return a packument without some of its versions.

    A tag that names one of them is moved to the newest release below it that is left, of the same line and no
    pre-release; where there is none, npm finds the newest by itself, and the tag goes (facts/amendments, number 22).

    Args:
        document: a packument, as its registry sent it.
        held_back: versions to leave out.
    """
    members = json.loads(document)
    left = [version for version in members["versions"] if version not in held_back]
    members["versions"] = {version: members["versions"][version] for version in left}
    for name in ("time", "dist-tags"):
        if not isinstance(members.get(name), dict):
            members.pop(name, None)
    if "time" in members:
        members["time"] = {version: time for version, time in members["time"].items() if version not in held_back}
    tags = members.get("dist-tags", {})
    moved = {tag: _newest_below(version, left) if version in held_back else version for tag, version in tags.items()}
    members["dist-tags"] = {tag: version for tag, version in moved.items() if version is not None}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _newest_below(version: str, left: Iterable[str]) -> str | None:
    held = _RELEASE.fullmatch(version)
    if held is None:
        return None
    top = _numbers(held)
    best: tuple[tuple[int, int, int], str] | None = None
    for candidate in left:
        match = _RELEASE.fullmatch(candidate)
        if match is None or match[4] or _line(match) != _line(held) or _numbers(match) >= top:
            continue
        if best is None or _numbers(match) > best[0]:
            best = _numbers(match), candidate
    return None if best is None else best[1]


def _numbers(match: re.Match[str]) -> tuple[int, int, int]:
    return int(match[1]), int(match[2]), int(match[3])


def _line(match: re.Match[str]) -> tuple[int, ...]:
    """Return what releases of one line have in common: the major version, and the minor one while that is 0."""
    major, minor, _ = _numbers(match)
    return (major,) if major else (major, minor)

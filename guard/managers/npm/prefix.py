"""Which folder npm works in: the nearest one with a package, or the workspace root that this package belongs to.

Source: ``loadLocalPrefix`` of ``@npmcli/config/lib/index.js`` and ``@npmcli/map-workspaces/lib/index.js``.
"""

from __future__ import annotations

import fnmatch
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guard import limits
from guard.errors import ConfigInvalid

_BRACES = re.compile(r"\{([^{}]*)\}")
_EXTENDED_GLOB = re.compile(r"[!?*+@]\(")
_ALTERNATIVES_MAX_COUNT = 1000


@dataclass(frozen=True, slots=True)
class LocalPrefix:
    """The folder that npm works in.

    Args:
        path: absolute.
        workspace: the workspace of it that the working directory is in; npm then works on that one by default.
    """

    path: Path
    workspace: Path | None = None


def find_local_prefix(cwd: Path, *, looks_for_root: bool) -> LocalPrefix:
    """Return the folder that npm works in when no ``--prefix`` names one.

    Args:
        cwd: the working directory.
        looks_for_root: whether a workspace root above counts: not with ``--no-workspaces`` or ``--global``.

    Raises:
        ConfigInvalid: a package.json above names workspaces by patterns that guard does not read.
    """
    nearest: Path | None = None
    has_manifest = False
    for folder in (cwd, *cwd.parents):
        is_package = (folder / "package.json").is_file()
        if nearest is None:
            if is_package or (folder / "node_modules").is_dir():
                nearest, has_manifest = folder, is_package
                if not looks_for_root:
                    break
        elif is_package and has_manifest and _is_workspace(nearest, folder):
            return LocalPrefix(folder, workspace=nearest)
    return LocalPrefix(nearest or cwd)


def _is_workspace(folder: Path, root: Path) -> bool:
    manifest = root / "package.json"
    declared = _declared_workspaces(manifest)
    path = folder.relative_to(root).as_posix()
    if "node_modules" in path.split("/"):
        return False
    patterns, negated = _split_patterns(declared)
    if any(_EXTENDED_GLOB.search(pattern) for pattern in (*patterns, *negated)):
        raise ConfigInvalid(
            f"{manifest}: guard does not read these patterns of workspaces",
            hint=f"run the command in {root}, with --workspace {path}",
        )
    return any(matches(path, pattern) for pattern in patterns) and not any(matches(path, each) for each in negated)


def _declared_workspaces(manifest: Path) -> list[str]:
    """Return the patterns of a package.json; npm passes over one that it cannot read."""
    try:
        with manifest.open("rb") as stream:
            content = json.loads(stream.read(limits.METADATA_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    declared = content.get("workspaces") if isinstance(content, dict) else None
    if isinstance(declared, dict):
        declared = declared.get("packages")
    return [pattern for pattern in declared if isinstance(pattern, str)] if isinstance(declared, list) else []


def _split_patterns(declared: list[str]) -> tuple[list[str], list[str]]:
    """Return patterns and those that exclude; a later pattern takes back an exclusion (``appendNegatedPatterns``)."""
    patterns: list[str] = []
    negated: list[str] = []
    for text in declared:
        plain = text.lstrip("!")
        pattern = re.sub(r"^\.?/+", "", plain).replace("\\", "/").rstrip("/")
        if (len(text) - len(plain)) % 2:
            negated.append(pattern)
        else:
            negated = [each for each in negated if not matches(pattern, each)]
            patterns.append(pattern)
    return [pattern for pattern in patterns if not any(matches(pattern, each) for each in negated)], negated


def matches(path: str, pattern: str) -> bool:
    """Whether a relative path matches a glob of npm's ``glob`` package: ``*``, ``?``, ``[…]``, ``**`` and ``{a,b}``.

    Args:
        path: with ``/`` between its parts.
        pattern: without extended globs such as ``+(a|b)``.
    """
    parts = path.split("/")
    alternatives = itertools.islice(_expand_braces(pattern), _ALTERNATIVES_MAX_COUNT)
    return any(_match_parts(parts, alternative.split("/")) for alternative in alternatives)


def _expand_braces(pattern: str) -> Iterator[str]:
    braces = _BRACES.search(pattern)
    if braces is None or "," not in braces[1]:
        yield pattern
        return
    for choice in braces[1].split(","):
        yield from _expand_braces(pattern[: braces.start()] + choice + pattern[braces.end() :])


def _match_parts(parts: list[str], patterns: list[str]) -> bool:
    """Whether the parts of a path match; one that begins with a dot does so only where the pattern says the dot."""
    reachable = {0}  # how many patterns may be used up
    for part in parts:
        reachable = {
            after
            for before in _skip_stars(reachable, patterns)
            if before < len(patterns)
            for after in [before if patterns[before] == "**" else before + 1]
            if (not part.startswith(".") if patterns[before] == "**" else _match_part(part, patterns[before]))
        }
    return len(patterns) in _skip_stars(reachable, patterns)


def _skip_stars(reachable: set[int], patterns: list[str]) -> set[int]:
    """Add what is reached when a ``**`` stands for no folder."""
    reached = set(reachable)
    for at in range(len(patterns)):
        if at in reached and patterns[at] == "**":
            reached.add(at + 1)
    return reached


def _match_part(part: str, pattern: str) -> bool:
    if part.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatch.fnmatchcase(part, pattern.replace("[^", "[!"))

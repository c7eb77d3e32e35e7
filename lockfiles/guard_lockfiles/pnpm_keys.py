"""The keys of pnpm-lock.yaml: what each generation writes there, and what a reference means.

Sources: ``parse``, ``refToRelative`` and ``removeSuffix`` of ``deps/path`` in pnpm's repository (for versions 5 and 6
``packages/dependency-path`` of pnpm 7 and 8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from guard_lockfiles.npm_fields import NAME, SEMVER

# Prefixes with a meaning of their own, which no named registry can have (``RESERVED_VERSION_PREFIXES``).
_RESERVED = re.compile(r"bitbucket|catalog|custom|file|git(?:hub|lab)?|https?|jsr|link|npm|runtime|ssh|workspace")
_NAMED_REGISTRY = re.compile(r"(?P<registry>[A-Za-z][\w.-]*):(?P<version>.+)")
_SLASHED = re.compile(rf"(?P<registry>[^/]*)/(?P<name>{NAME.pattern})/(?P<version>[^/]+)")
_AT = re.compile(rf"(?P<registry>[^/]*)/(?P<name>{NAME.pattern})@(?P<version>[^/@]+)")


@dataclass(frozen=True, slots=True)
class PackageKey:
    """What a key says.

    Args:
        name: of the package; ``None`` where the key says none.
        version: where the key says one, which a registry's package has and nothing else.
        reference: what stands in place of a version.
        registry: that the key names, as written: a host, or since pnpm 11 a name from its settings.
    """

    name: str | None
    version: str | None
    reference: str | None = None
    registry: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """How one generation of the format writes keys.

    Args:
        has_snapshots: whether what depends on peers stands apart, in ``snapshots``.
        split: a key of ``packages`` to its parts.
        refer: reference and name of who is asked for to the key that is meant.
    """

    has_snapshots: bool
    split: Callable[[str], PackageKey]
    refer: Callable[[str, str], str]

    def package_of(self, key: str) -> str:
        """Return the key in ``packages`` of a key in ``snapshots``."""
        return without_suffix(key) if self.has_snapshots else key


def without_suffix(key: str) -> str:
    """Return a key without the groups in parentheses at its end: peers, and the hash of a patch."""
    end = len(key)
    while key.endswith(")", 0, end):
        depth = 0
        for position in range(end - 1, -1, -1):
            depth += (key[position] == ")") - (key[position] == "(")
            if depth == 0:
                break
        if depth:
            break
        end = position
    return key[:end]


def _split_slashed(key: str) -> PackageKey:
    """Split ``/name/1.0.0_peers``, version 5."""
    body = without_suffix(key)
    match = _SLASHED.fullmatch(body)
    if match is not None:
        version = match["version"].partition("_")[0]
        if SEMVER.fullmatch(version):
            return PackageKey(match["name"], version, None, match["registry"] or None)
    return PackageKey(None, None, body)


def _split_rooted(key: str) -> PackageKey:
    """Split ``/name@1.0.0(peer@1.0.0)``, version 6."""
    body = without_suffix(key)
    match = _AT.fullmatch(body)
    if match is not None and SEMVER.fullmatch(match["version"]):
        return PackageKey(match["name"], match["version"], None, match["registry"] or None)
    return PackageKey(None, None, body)


def _split_plain(key: str) -> PackageKey:
    """Split ``name@1.0.0``, version 9."""
    position = key.find("@", 1)
    if position < 0:
        return PackageKey(None, None, key)
    name, rest = key[:position], key[position + 1 :]
    if SEMVER.fullmatch(rest):
        return PackageKey(name, rest)
    match = _NAMED_REGISTRY.fullmatch(rest)
    if match is not None and not _RESERVED.fullmatch(match["registry"]) and SEMVER.fullmatch(match["version"]):
        return PackageKey(name, match["version"], None, match["registry"])
    return PackageKey(name, None, rest)


def _refer_slashed(reference: str, name: str) -> str:
    if reference.startswith("file:") or "/" in without_suffix(reference):
        return reference
    return f"/{name}/{reference}"


def _refer_rooted(reference: str, name: str) -> str:
    if reference.startswith("file:") or "/" in without_suffix(reference):
        return reference
    return f"/{name}@{reference}"


def _refer_plain(reference: str, name: str) -> str:
    if reference.startswith("@"):
        return reference
    positions = {sign: reference.find(sign) for sign in "@:("}
    at = positions["@"]
    if at > 0 and all(position < 0 or at < position for sign, position in positions.items() if sign != "@"):
        return reference
    return f"{name}@{reference}"


_SLASHED_KEYS = Generation(has_snapshots=False, split=_split_slashed, refer=_refer_slashed)
_ROOTED_KEYS = Generation(has_snapshots=False, split=_split_rooted, refer=_refer_rooted)
_PLAIN_KEYS = Generation(has_snapshots=True, split=_split_plain, refer=_refer_plain)

GENERATIONS: Mapping[str, Generation] = {
    "5.0": _SLASHED_KEYS,
    "5": _SLASHED_KEYS,  # how YAML writes the number
    "5.1": _SLASHED_KEYS,
    "5.2": _SLASHED_KEYS,
    "5.3": _SLASHED_KEYS,
    "5.4": _SLASHED_KEYS,
    "5.4-inlineSpecifiers": _SLASHED_KEYS,
    "6.0": _ROOTED_KEYS,
    "6.1": _ROOTED_KEYS,
    "9.0": _PLAIN_KEYS,
}

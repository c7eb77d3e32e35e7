"""What ``[[package]]`` and ``[[exception]]`` name: a package pattern, or one package or release."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from guard.model import Ecosystem
from guard.policy.glob import matches_glob

_NAME = {
    # PEP 508, "Names", with the star of patterns.
    Ecosystem.PYPI: re.compile(r"[A-Za-z0-9*](?:[A-Za-z0-9._*-]*[A-Za-z0-9*])?"),
    # Names that the npm registry has, old ones with capital letters included.
    # None begins with a dot, nor, without a scope, with an underscore (validate-npm-package-name, ``lib/index.js``).
    Ecosystem.NPM: re.compile(r"(?:@[A-Za-z0-9._~*!'()-]+/(?!\.)|(?![._]))[A-Za-z0-9._~*!'()-]+"),
}
_VERSION = {
    # Old releases have versions that PEP 440 does not know.
    Ecosystem.PYPI: re.compile(r"[A-Za-z0-9.+!_-]+"),
    # One version, not a range of them (Semantic Versioning 2.0.0, items 2, 9 and 10).
    Ecosystem.NPM: re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"),
}
_VERSION_SEPARATOR = {Ecosystem.PYPI: "==", Ecosystem.NPM: "@"}


@dataclass(frozen=True, slots=True)
class PackagePattern:
    """Packages of one ecosystem: a name in which ``*`` stands for any run of characters without a slash."""

    ecosystem: Ecosystem
    name: str

    @classmethod
    def parse(cls, text: str) -> PackagePattern:
        """Parse ``pypi:NAME`` or ``npm:NAME``.

        Raises:
            ValueError: it is neither.
        """
        prefix, _, name = text.partition(":")
        return cls(*_checked_name(prefix, name, text))

    def matches(self, ecosystem: Ecosystem, name: str) -> bool:
        """Tell whether the package is one of these."""
        return ecosystem is self.ecosystem and matches_glob(self.name, normalised_name(ecosystem, name))

    def overlaps(self, other: PackagePattern) -> bool:
        """Tell whether one of the two patterns covers the other."""
        return self.matches(other.ecosystem, other.name) or other.matches(self.ecosystem, self.name)

    def __str__(self) -> str:
        return f"{self.ecosystem.value}:{self.name}"


@dataclass(frozen=True, slots=True)
class PackageRelease:
    """One package, or one release of it when ``version`` is set."""

    ecosystem: Ecosystem
    name: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> PackageRelease:
        """Parse ``pypi:NAME``, ``pypi:NAME==VERSION``, ``npm:NAME`` or ``npm:NAME@VERSION``.

        Raises:
            ValueError: it is none of them, or it is a pattern: what is excepted is named one by one.
        """
        prefix, _, rest = text.partition(":")
        separator = "==" if prefix == Ecosystem.PYPI.value else "@"
        at = rest.find(separator, 1)  # from 1: the @ of an npm scope is no separator
        name, version = (rest, None) if at < 0 else (rest[:at], rest[at + len(separator) :])
        ecosystem, name = _checked_name(prefix, name, text)
        if "*" in text:
            raise ValueError(f"must name one package without a star, not {text[:80]!r}")
        if version is not None and not _VERSION[ecosystem].fullmatch(version):
            raise ValueError(f"has no version after {separator!r}: {text[:80]!r}")
        return cls(ecosystem, name, version)

    def matches(self, ecosystem: Ecosystem, name: str, version: str) -> bool:
        """Tell whether the release is this one; PyPI versions are compared by PEP 440, npm's as they are written."""
        if ecosystem is not self.ecosystem or normalised_name(ecosystem, name) != self.name:
            return False
        return self.version is None or _same_version(ecosystem, self.version, version)

    def __str__(self) -> str:
        version = "" if self.version is None else f"{_VERSION_SEPARATOR[self.ecosystem]}{self.version}"
        return f"{self.ecosystem.value}:{self.name}{version}"


def normalised_name(ecosystem: Ecosystem, name: str) -> str:
    """Return the name by which a package is compared (PEP 503, "Normalized Names"; npm names are exact)."""
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem is Ecosystem.PYPI else name


def _checked_name(prefix: str, name: str, text: str) -> tuple[Ecosystem, str]:
    known = {ecosystem.value: ecosystem for ecosystem in _NAME}
    if prefix not in known or not _NAME[known[prefix]].fullmatch(name):
        raise ValueError(f'must be "pypi:NAME" or "npm:NAME", not {text[:80]!r}')
    return known[prefix], normalised_name(known[prefix], name)


def _same_version(ecosystem: Ecosystem, left: str, right: str) -> bool:
    if ecosystem is Ecosystem.NPM:
        return left == right
    try:
        return Version(left) == Version(right)
    except InvalidVersion:
        return left == right

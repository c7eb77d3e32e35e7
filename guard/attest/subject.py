"""The file that evidence must be about: its digests, and what package it is, if any."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from guard.errors import MalformedInput
from guard.limits import DISTRIBUTION_NAME_MAX_CHARACTERS
from guard.model import Digest

_NPM_PURL = "pkg:npm/"


@dataclass(frozen=True, slots=True)
class NpmRelease:
    """One release of an npm package."""

    name: str
    version: str

    @property
    def purl(self) -> str:
        """The package URL that npm writes into statements (npm-package-arg, ``toPurl``)."""
        scope = "%40" if self.name.startswith("@") else ""
        return f"{_NPM_PURL}{scope}{self.name.removeprefix('@')}@{self.version}"


@dataclass(frozen=True, slots=True)
class PythonFile:
    """One file of a Python project.

    Args:
        filename: of the wheel or source distribution.
        project: normalised (PEP 503).
        version: normalised (PEP 440).
    """

    filename: str
    project: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file that is verified.

    Args:
        name: by which the user knows it.
        digests: of its bytes, each of them strong; at least one.
        filename: without folders, where there is one.
        package: what it is in a registry; ``None`` for any other file.
        content: its bytes; ``None`` where the digests alone are known.
    """

    name: str
    digests: tuple[Digest, ...]
    filename: str | None = None
    package: PythonFile | NpmRelease | None = None
    content: bytes | None = None

    def digest(self, algorithm: str) -> Digest | None:
        """Return the digest of one algorithm, where it is known."""
        return next((each for each in self.digests if each.algorithm == algorithm), None)


def parse_python_file(filename: str) -> PythonFile | None:
    """Return what a file name says of a Python distribution (PEP 427, PEP 625); ``None`` for other names.

    Args:
        filename: without folders.
    """
    if len(filename) > DISTRIBUTION_NAME_MAX_CHARACTERS:
        return None
    try:
        if filename.endswith(".whl"):
            project, version, _, _ = parse_wheel_filename(filename)
        else:
            project, version = parse_sdist_filename(filename)
    except ValueError:
        return None
    return PythonFile(filename, project, str(version))


def parse_npm_purl(text: str) -> NpmRelease | None:
    """Return the release that a package URL of npm names; ``None`` for any other text.

    Args:
        text: such as ``pkg:npm/%40scope/name@1.0.0``; an ``@`` that is not encoded is read, too.

    Raises:
        MalformedInput: it is a package URL of npm and names no release.
    """
    if not text.startswith(_NPM_PURL):
        return None
    name, _, version = text.removeprefix(_NPM_PURL).rpartition("@")
    if not name or not version or any(mark in version for mark in "/?#"):
        raise MalformedInput(f"{text[:200]!a} names no release of an npm package (pkg:npm/NAME@VERSION)")
    return NpmRelease(unquote(name), unquote(version))

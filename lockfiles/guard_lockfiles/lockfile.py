"""What a lockfile of any format says: one entry for each artifact that it locks, and one for what cannot be read.

The unit is what the format names: a file (uv.lock, poetry.lock, pylock.toml), a package (yarn, pnpm, hashed
requirements, whose digests may stand for several files) or a place in the tree (package-lock.json). Nothing is dropped:
what a parser does not understand is an :class:`UnreadableEntry` with its reason, and what it does not know at all is
:class:`guard_lockfiles.errors.MalformedLockfile`. Values of the file are passed on as written, bounded and printable;
whether an address or a digest is acceptable is not judged here.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

_HEX_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 128}


class Ecosystem(str, enum.Enum):
    """Whose packages a lockfile locks, by purl type."""

    PYPI = "pypi"
    NPM = "npm"


class Source(str, enum.Enum):
    """Where an entry says that its artifact comes from."""

    REGISTRY = "registry"
    GIT = "git"  # any version control system
    URL = "url"  # a file at an address that the user gave
    FILE = "file"  # a local archive
    FOLDER = "folder"  # a local directory, a link, an editable
    BUNDLED = "bundled"  # inside another entry's artifact
    OTHER = "other"  # what no registry delivers as a package: a runtime, a patched or virtual package


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedArtifact:
    """One locked artifact.

    Args:
        ecosystem: of the package.
        name: the registry's name, normalised by the ecosystem's rule (PEP 503 for PyPI).
        version: as written, or the empty string where the source gives none.
        source: where it comes from.
        line: where its entry stands, from 1.
        column: likewise.
        place: its key in the lockfile, such as ``node_modules/a/node_modules/b``; the name where a format has none.
        installed_as: the name it is installed under where that is another one (an npm alias).
        file: name of the one file that is locked; ``None`` where the entry stands for a package.
        digests: ``ALGORITHM:HEX`` in lower case, of the file that the registry delivers; one of them must be that of
            the bytes. Empty where the lockfile gives none, or one of something else.
        resolved: the address or path as written, credentials included; ``None`` where none is given.
        registry: base address of the registry that the lockfile names for it, as written; ``None`` where it names none.
        commit: that the lockfile pins for ``GIT``; ``None`` where it pins none.
        markers: conditions on the environment (PEP 508), all of which must hold.
        groups: dependency groups or extras of the project that ask for it; empty where everything does.
        os: platforms that it is for, in node's words and with its ``!``; likewise ``cpu`` and ``libc``.
        is_dev: whether only development asks for it.
        is_optional: whether an installation goes on without it.
        has_install_script: whether it is said to run code when it is installed.
        bundled_in: place of the entry that bundles it, for ``BUNDLED``; ``None`` where no entry does.
        publishers: who attested the package by the lockfile's own word (PEP 751, ``attestation-identities``): names and
            texts of each publisher's members.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    source: Source
    line: int
    column: int = 1
    place: str = ""
    installed_as: str | None = None
    file: str | None = None
    digests: tuple[str, ...] = ()
    resolved: str | None = None
    registry: str | None = None
    commit: str | None = None
    markers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    os: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    libc: tuple[str, ...] = ()
    is_dev: bool = False
    is_optional: bool = False
    has_install_script: bool = False
    bundled_in: str | None = None
    publishers: tuple[tuple[tuple[str, str], ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableEntry:
    """An entry that says nothing certain.

    Args:
        place: its key or name, printable.
        reason: what is wrong, without values of the file.
        line: where it stands, from 1.
        column: likewise.
    """

    place: str
    reason: str
    line: int
    column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    """Another file that a lockfile reads, relative to its own folder.

    Args:
        path: as written.
        line: where, from 1.
        is_constraint: whether it only constrains, so that what it names is no entry.
    """

    path: str
    line: int
    is_constraint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockfile:
    """A whole lockfile.

    Args:
        format: identifier of the format, such as ``package-lock`` or ``uv``.
        version: of the format, as the file states it; the empty string where it states none.
        artifacts: every locked artifact of every platform and group, in the file's order.
        unreadable: every entry that could not be read.
        includes: other files that belong to it.
        indexes: addresses of indexes that the file itself sets, as written.
        environments: markers (PEP 508) of the environments that it is for, one of which must hold; empty for any.
        aliased: registry names that entries ask for under another name; what only the project asks for is not among
            them, for the project's own files say that.
        folders: folders of the project and its workspaces, from the lockfile's own; empty where it does not say.
        is_pinned: whether anything in it is pinned by digest; a requirements file that pins nothing is no lockfile.
        pins_other_files: whether it pins files that no registry delivers, as yarn's own archives are; then an entry
            without a digest is nothing that was left open.
        remarks: what its user has to be told of it, though all of it is read.
    """

    format: str
    version: str = ""
    artifacts: tuple[LockedArtifact, ...] = ()
    unreadable: tuple[UnreadableEntry, ...] = ()
    includes: tuple[Include, ...] = ()
    indexes: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    aliased: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    is_pinned: bool = True
    pins_other_files: bool = False
    remarks: tuple[str, ...] = ()


def parse_digests(texts: Iterable[str]) -> tuple[str, ...]:
    """Return digests in the form of :attr:`LockedArtifact.digests`; those of algorithms that are not known say nothing.

    Args:
        texts: ``ALGORITHM:VALUE`` or ``ALGORITHM=VALUE``.

    Raises:
        ValueError: one is not of its algorithm's length, is no digest at all, or no algorithm is known.
    """
    digests = []
    unknown = False
    for text in texts:
        algorithm, _, value = text.lower().partition(":" if ":" in text else "=")
        if algorithm not in _HEX_DIGITS:
            unknown = True
        elif len(value) == _HEX_DIGITS[algorithm] and not value.strip("0123456789abcdef"):
            digests.append(f"{algorithm}:{value}")
        else:
            raise ValueError(f"a digest that is no {algorithm}")
    if unknown and not digests:
        raise ValueError("no digest of an algorithm that is known")
    return tuple(digests)

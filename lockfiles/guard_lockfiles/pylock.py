"""pylock.toml (PEP 751, https://packaging.python.org/en/latest/specifications/pylock-toml/): one entry for each file.

:mod:`packaging.pylock` reads it; what that refuses is malformed as a whole, for no installer would take a part of it. A
package without files is one entry: a repository, an archive or a folder.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, PylockValidationError
from packaging.version import Version

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry, parse_digests
from guard_lockfiles.toml_document import TomlDocument, parse_toml
from guard_lockfiles.toml_positions import KeyPath

# Far beyond real files.
_PACKAGES_MAX_COUNT = 200_000
_MESSAGE_MAX_CHARACTERS = 300

Publisher = tuple[tuple[str, str], ...]  # names and values, sorted

_NEWEST_KNOWN = Version("1.0")

# What it logs of a newer minor version is a remark here. Where nobody asked for logs, they would go to standard error.
logging.getLogger("packaging.pylock").addHandler(logging.NullHandler())

_CONTEXT_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def parse_pylock(data: bytes) -> Lockfile:
    """Parse a pylock.toml into its entries.

    Args:
        data: its bytes, UTF-8.

    Raises:
        MalformedLockfile: it is no such file, or one of a version that is not known.
    """
    document, lock = parse_pylock_document(data)
    found: list[LockedArtifact | UnreadableEntry] = []
    for number, package in enumerate(lock.packages):
        found += _entries(package, ("packages", number), document)
    return Lockfile(
        format="pylock",
        version=str(document.values["lock-version"]),
        artifacts=tuple(each for each in found if isinstance(each, LockedArtifact)),
        unreadable=tuple(each for each in found if isinstance(each, UnreadableEntry)),
        environments=tuple(map(str, lock.environments or ())),
        remarks=remarks_on(lock),
    )


def parse_pylock_document(data: bytes) -> tuple[TomlDocument, Pylock]:
    """Parse a pylock.toml as installers do.

    Args:
        data: its bytes, UTF-8.

    Returns:
        The TOML document, and the same as typed values.

    Raises:
        MalformedLockfile: it is no such file, or one of a version that is not known.
    """
    document = parse_toml(data)
    packages = document.values.get("packages")
    if isinstance(packages, list) and len(packages) > _PACKAGES_MAX_COUNT:
        raise MalformedLockfile(f"more than {_PACKAGES_MAX_COUNT} packages")
    try:
        return document, Pylock.from_dict(document.values)
    except PylockValidationError as error:
        context = f"{error.context}: " if error.context else ""
        path = (int(index) if index else name for name, index in _CONTEXT_PART.findall(error.context or ""))
        raise document.malformed(_printable(f"{context}{error.message}"), *path) from error
    except (ValueError, TypeError, RecursionError) as error:  # what it passes on from what it calls is undocumented
        raise MalformedLockfile("not what installers read") from error


def remarks_on(lock: Pylock) -> tuple[str, ...]:
    """Return what a user has to be told of a file that is read: of an unknown minor version (``lock-version``)."""
    if lock.lock_version <= _NEWEST_KNOWN:
        return ()
    return (f"lock-version {lock.lock_version} is newer than {_NEWEST_KNOWN}: what it adds is not looked at",)


def publishers_of(package: Package) -> tuple[Publisher, ...]:
    """Return who attested a package by the lock's own word (``packages.attestation-identities``)."""
    return tuple(map(_publisher, package.attestation_identities or ()))


def _entries(package: Package, at: KeyPath, document: TomlDocument) -> Iterator[LockedArtifact | UnreadableEntry]:
    files: list[tuple[PackageWheel | PackageSdist | None, KeyPath]] = [
        (wheel, (*at, "wheels", number)) for number, wheel in enumerate(package.wheels or ())
    ]
    if package.sdist:
        files.append((package.sdist, (*at, "sdist")))
    for file, place in files or [(None, at)]:  # one without files comes from somewhere else
        line, column = document.place(*place)
        entry = _of_package(package, line, column)
        try:
            yield _direct(entry, package) if file is None else _file(entry, file)
        except ValueError as error:
            yield UnreadableEntry(place=package.name, reason=str(error), line=line, column=column)


def _of_package(package: Package, line: int, column: int) -> LockedArtifact:
    return LockedArtifact(
        ecosystem=Ecosystem.PYPI,
        name=package.name,
        version=str(package.version or ""),
        source=Source.OTHER,
        line=line,
        column=column,
        place=package.name,
        registry=package.index,
        markers=(str(package.marker),) if package.marker else (),
        publishers=publishers_of(package),
    )


def _publisher(identity: Mapping[str, object]) -> Publisher:
    return tuple(sorted((name, value) for name, value in identity.items() if isinstance(value, str) and value))


def _file(entry: LockedArtifact, file: PackageWheel | PackageSdist) -> LockedArtifact:
    return replace(
        entry,
        source=Source.REGISTRY if file.url else Source.FILE,
        file=file.filename,
        digests=_digests(file.hashes),
        resolved=file.url or file.path,
    )


def _direct(entry: LockedArtifact, package: Package) -> LockedArtifact:
    if package.vcs is not None:
        address = package.vcs.url or package.vcs.path
        return replace(entry, source=Source.GIT, resolved=address, commit=package.vcs.commit_id)
    if package.archive is not None:
        archive = package.archive
        source = Source.URL if archive.url else Source.FILE
        return replace(entry, source=source, resolved=archive.url or archive.path, digests=_digests(archive.hashes))
    assert package.directory is not None  # which `packaging` has seen to
    return replace(entry, source=Source.FOLDER, resolved=package.directory.path)


def _digests(hashes: Mapping[str, str]) -> tuple[str, ...]:
    return parse_digests(f"{algorithm}:{value}" for algorithm, value in hashes.items())


def _printable(text: str) -> str:
    shown = text[:_MESSAGE_MAX_CHARACTERS]
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)

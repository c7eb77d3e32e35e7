"""pylock.toml (PEP 751): the user's own as input of an installation, and the one that ``pip lock`` writes.

A lock names the URL of every file. pip gets a private copy whose URLs lead to the gateway; the gateway finds the file
by project, name and digest on the user's own index, so that a lock cannot bring an address of its own.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import tomli_w
from packaging.pylock import Package, Pylock
from packaging.utils import canonicalize_name

from guard import limits
from guard.errors import ConfigInvalid, MalformedInput, Refused
from guard.managers.pip.entries import RequirementEntry
from guard.model import Digest, Location, RuleId, SourceKind
from guard.registry.credentials import redact_url
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.pylock import Publisher, parse_pylock_document, publishers_of, remarks_on

# pip 26.3 reads pylock.toml given to `-r`; older ones take it for a requirements file.
FIRST_PIP_WITH_PYLOCK = (26, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One file of a lock.

    Args:
        name: of the project, normalised.
        filename: of the wheel or source distribution.
    """

    name: str
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPylock:
    """A lock that the user gave to ``-r``.

    Args:
        value: as given, extras included.
        path: the file.
        entries: what it locks, one entry per package.
        document: the parsed TOML.
        publishers: of packages that it says were attested: the name, and each publisher's members.
        remarks: what its user has to be told of it, though all of it is read.
    """

    value: str
    path: Path
    entries: tuple[RequirementEntry, ...]
    document: Mapping[str, Any]
    publishers: tuple[tuple[str, tuple[Publisher, ...]], ...] = ()
    remarks: tuple[str, ...] = ()

    def write_copy(self, folder: Path, gateway_url: str) -> str:
        """Write a copy whose files are at the gateway and whose paths are absolute.

        Args:
            folder: private, new for each copy: the copy keeps the lock's own file name.
            gateway_url: address of the gateway.

        Returns:
            The value for ``-r``: the copy with the extras that were asked for.
        """
        document = copy.deepcopy(dict(self.document))
        for package in document.get("packages", []):
            name = canonicalize_name(package["name"])
            for file in _files_of(package):
                if "path" in file:
                    file["path"] = str(self.path.parent.absolute() / file["path"])
                else:
                    file["url"] = f"{gateway_url}/files/{quote(name)}/{quote(_filename(file))}"
            directory = package.get("directory")
            if directory is not None:
                directory["path"] = str(self.path.parent.absolute() / directory["path"])
        written = folder / self.path.name
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            tomli_w.dump(document, stream)
        return f"{written}{self.value[len(_without_extras(self.value)) :]}"


def load_pylock(value: str, *, pip_release: tuple[int, int]) -> LoadedPylock:
    """Read a lock that the user gave to ``-r``.

    Args:
        value: a path, with extras in brackets behind it.
        pip_release: major and minor version of the pip that will read it.

    Raises:
        ConfigInvalid: it cannot be read.
        MalformedInput: it is not a lock.
        Refused: it is at a URL, or this pip does not read locks.
    """
    name = _without_extras(value)
    if "://" in name or name.lower().startswith("file:"):
        raise Refused(
            RuleId.COMMAND_NOT_GUARDED.value,
            f"guard does not read a lock at a URL: {redact_url(name)}",
            hint="download the file, look at it, and name the copy",
        )
    if pip_release < FIRST_PIP_WITH_PYLOCK:
        version = ".".join(map(str, FIRST_PIP_WITH_PYLOCK))
        raise Refused(
            RuleId.COMMAND_NOT_GUARDED.value, f"{name}: only pip {version} and newer install from a pylock.toml"
        )
    path = Path(name)
    document, lock = _parse(_load_bytes(path), what=name)
    entries = tuple(_entry(package, path) for package in lock.packages)
    publishers = tuple((package.name, publishers_of(package)) for package in lock.packages)
    return LoadedPylock(
        value=value, path=path, entries=entries, document=document, publishers=publishers, remarks=remarks_on(lock)
    )


def locked_files(data: bytes, *, what: str) -> tuple[LockedFile, ...]:
    """Return the files of a lock that ``pip lock`` wrote: one for each package that comes from an index.

    Raises:
        MalformedInput: it is not a lock.
    """
    _, lock = _parse(data, what=what)
    return tuple(
        LockedFile(name=canonicalize_name(package.name), filename=file.filename)
        for package in lock.packages
        for file in (*(package.wheels or ()), *((package.sdist,) if package.sdist else ()))
    )


def _parse(data: bytes, *, what: str) -> tuple[Mapping[str, Any], Pylock]:
    try:
        document, lock = parse_pylock_document(data)
        return document.values, lock
    except MalformedLockfile as error:
        raise MalformedInput(f"{Location(what, error.line)}: {error.message}") from error


def _entry(package: Package, path: Path) -> RequirementEntry:
    source, origin = SourceKind.REGISTRY, None
    if package.vcs is not None:
        source, origin = SourceKind.VCS_PINNED, redact_url(package.vcs.url or package.vcs.path or "")
    elif package.archive is not None:
        source, origin = SourceKind.URL_HASHED, redact_url(package.archive.url or package.archive.path or "")
    elif package.directory is not None:
        source, origin = SourceKind.LOCAL, str(path.parent / package.directory.path)
    files = (*(package.wheels or ()), *((package.sdist,) if package.sdist else ()))
    digests = (Digest(name.lower(), value.lower()) for file in files for name, value in file.hashes.items())
    return RequirementEntry(
        name=canonicalize_name(package.name),
        specifier=f"=={package.version}" if package.version is not None else "",
        marker=str(package.marker or ""),
        source=source,
        origin=origin,
        digests=tuple(digests),
        location=Location(str(path)),
    )


def _files_of(package: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from package.get("wheels", [])
    if "sdist" in package:
        yield package["sdist"]


def _filename(file: Mapping[str, Any]) -> str:
    """Return a file's name: its own key, else the last part of its URL (PEP 751, ``packages.wheels.name``)."""
    return str(file.get("name") or str(file["url"]).partition("#")[0].partition("?")[0].rpartition("/")[2])


def _without_extras(value: str) -> str:
    return value[: value.rindex("[")] if value.endswith("]") and "[" in value else value


def _load_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limits.REQUIREMENTS_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"cannot read {path}: {error.strerror}") from error
    if len(data) > limits.REQUIREMENTS_MAX_BYTES:
        raise ConfigInvalid(f"{path} is larger than {limits.REQUIREMENTS_MAX_BYTES} bytes")
    return data

"""What an npm tarball says of itself, read without unpacking or running anything, and remembered by its digest."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from guard import limits
from guard.errors import MalformedInput, malformed_input_boundary
from guard.model import Digest
from guard.store.tar import Member, Stream, read_members

# npm runs these when a dependency is installed (npm's documentation, "scripts", "Life Cycle Operation Order").
INSTALL_SCRIPTS = frozenset({"preinstall", "install", "postinstall"})
# Of an installed package npm builds this with node-gyp when it has no install script of its own.
_IMPLICIT_BUILD = "binding.gyp"
_MANIFEST = "package.json"
_TELLING = frozenset({_MANIFEST, _IMPLICIT_BUILD})
_GZIP = b"\x1f\x8b"
_FORMAT = 3  # of the remembered facts; raised when reading changes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManifest:
    """What a tarball's own package.json states.

    Args:
        name: of the package.
        version: of the package.
        has_install_script: whether npm would run code of this package, or of one bundled in it, when it is installed.
        bundles_install_script: whether it would run code of one that is bundled in it.
    """

    name: str
    version: str
    has_install_script: bool
    bundles_install_script: bool = False


def load_package_manifest(path: Path, *, filename: str) -> PackageManifest:
    """Read the package.json of a tarball, and those of the packages bundled in it.

    npm strips the first folder of every member, whatever it is called, and a file system may not tell capitals from
    small letters, so two members may claim the same place and the last one wins. Here that is an error.

    Args:
        path: the tarball's bytes on disk.
        filename: its name, for messages.

    Raises:
        MalformedInput: it cannot be read as a tarball, or does not have exactly one package.json with name and version.
    """
    what = f"package {filename}"
    with malformed_input_boundary(what), _opened(path) as stream:
        stated: dict[str, object] | None = None
        with_code: set[str] = set()  # folders of packages that run code
        for folder, member in _telling_members(stream, what):
            if PurePosixPath(member.place).name.casefold() == _IMPLICIT_BUILD:
                with_code.add(folder)
                continue
            manifest = _read_manifest(member, what)
            if _has_install_script(manifest):
                with_code.add(folder)
            stated = stated if folder else manifest
        if stated is None:
            raise MalformedInput(f"{what} holds no package.json")
        return PackageManifest(
            name=_text(stated, "name", what),
            version=_text(stated, "version", what),
            has_install_script=bool(with_code),
            bundles_install_script=any(with_code),
        )


class TarballFacts:
    """Remembers what tarballs say of themselves under the sha512 of their bytes.

    Args:
        root: folder of the facts; made with mode 0700 when first written to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self, sha512: Digest) -> PackageManifest | None:
        """Return what was remembered, or ``None`` when it was not, or cannot be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            known = json.loads(self._path(sha512).read_bytes())
            if known["format"] == _FORMAT:
                return PackageManifest(**known["manifest"])
        return None

    def store(self, sha512: Digest, manifest: PackageManifest) -> None:
        """Remember; a disk that cannot be written to costs the memory and nothing else."""
        path = self._path(sha512)
        with contextlib.suppress(OSError):
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump({"format": _FORMAT, "manifest": asdict(manifest)}, stream)
            Path(name).replace(path)

    def _path(self, sha512: Digest) -> Path:
        return self._root / sha512.hex[:2] / sha512.hex


class _Bounded:
    """A stream that may not yield more than a package can hold."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._left = limits.TARBALL_UNPACKED_MAX_BYTES

    def read(self, count: int, /) -> bytes:
        data = self._stream.read(count)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {limits.TARBALL_UNPACKED_MAX_BYTES} bytes")
        return data


@contextmanager
def _opened(path: Path) -> Iterator[_Bounded]:
    """Open a tarball, compressed with gzip or not at all: what every npm unpacks."""
    with path.open("rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP  # as npm tells
        file.seek(0)
        with gzip.GzipFile(fileobj=file) if is_compressed else nullcontext(file) as stream:
            yield _Bounded(stream)


def _telling_members(stream: Stream, what: str) -> Iterator[tuple[str, Member]]:
    """Yield the files that npm installs packages by, each with the folder of the package."""
    seen: set[str] = set()
    for count, member in enumerate(read_members(stream)):
        if count >= limits.TARBALL_MEMBERS_MAX_COUNT:
            raise MalformedInput(f"{what} has more than {limits.TARBALL_MEMBERS_MAX_COUNT} members")
        place = member.place.casefold()
        folder, _, name = place.rpartition("/")
        if name not in _TELLING or not member.is_file or not _is_package_folder(folder):
            continue
        if place in seen:
            raise MalformedInput(f"{what} holds more than one {place}")
        seen.add(place)
        yield folder, member


def _is_package_folder(folder: str) -> bool:
    """Whether npm installs by the package.json in this folder: the package's own or that of a bundled one."""
    parts = folder.split("/") if folder else []
    while parts:
        taken = 3 if len(parts) > 1 and parts[1].startswith("@") else 2
        if parts[0] != "node_modules" or len(parts) < taken:
            return False
        parts = parts[taken:]
    return True


def _read_manifest(member: Member, what: str) -> dict[str, object]:
    if member.content.size_bytes > limits.METADATA_MAX_BYTES:
        raise MalformedInput(f"{what}: {member.place} is larger than {limits.METADATA_MAX_BYTES} bytes")
    # Node reads what is not UTF-8, too; npm takes a byte order mark off (json-parse-even-better-errors).
    document = json.loads(member.content.read().decode("utf-8", "replace").removeprefix("\ufeff"))
    if not isinstance(document, dict):
        raise MalformedInput(f"{what}: {member.place} is no object")
    return document


def _has_install_script(manifest: dict[str, object]) -> bool:
    scripts = manifest.get("scripts")
    return isinstance(scripts, dict) and any(scripts.get(name) for name in INSTALL_SCRIPTS)


def _text(manifest: dict[str, object], member: str, what: str) -> str:
    value = manifest.get(member)
    if not isinstance(value, str) or not value:
        raise MalformedInput(f"{what}: package.json has no {member}")
    return value

"""What an npm tarball says of itself, read without unpacking or running anything, and remembered by its digest."""

from __future__ import annotations

import contextlib
import json
import os
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from guard import limits
from guard.errors import MalformedInput, malformed_input_boundary
from guard.model import Digest

# npm runs these when a dependency is installed (npm's documentation, "scripts", "Life Cycle Operation Order").
INSTALL_SCRIPTS = frozenset({"preinstall", "install", "postinstall"})
# Of an installed package npm builds this with node-gyp when it has no install script of its own.
_IMPLICIT_BUILD = "binding.gyp"
_MANIFEST = "package.json"
_FORMAT = 1  # of the remembered facts; raised when reading changes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManifest:
    """What a tarball's own package.json states.

    Args:
        name: of the package.
        version: of the package.
        has_install_script: whether npm would run code of this package, or of one bundled in it, when it is installed.
    """

    name: str
    version: str
    has_install_script: bool


def load_package_manifest(path: Path, *, filename: str) -> PackageManifest:
    """Read the package.json of a tarball, and those of the packages bundled in it.

    npm strips the first folder of every member, whatever it is called (pacote, ``lib/fetcher.js``), so two members may
    claim the same place and the last one wins. Here that is an error.

    Args:
        path: the tarball's bytes on disk.
        filename: its name, for messages.

    Raises:
        MalformedInput: it cannot be read as a tarball, or does not have exactly one package.json with name and version.
    """
    what = f"package {filename}"
    with malformed_input_boundary(what), tarfile.open(path, "r:*") as archive:
        manifests: dict[str, list[bytes]] = {}
        names: set[str] = set()
        for count, member in enumerate(archive):
            if count > limits.TARBALL_MEMBERS_MAX_COUNT:
                raise MalformedInput(f"{what} has more than {limits.TARBALL_MEMBERS_MAX_COUNT} members")
            place = _place_of(member.name)
            names.add(place)
            if member.isfile() and PurePosixPath(place).name == _MANIFEST and _is_package_folder(place):
                manifests.setdefault(place, []).append(_read(archive, member, what))
        own = manifests.get(_MANIFEST, [])
        if len(own) != 1:
            raise MalformedInput(f"{what} holds {len(own)} package.json files, not one")
        stated = _parse_manifest(own[0], what)
        bundled = (_parse_manifest(data, what) for each in manifests.values() for data in each)
        runs_code = any(_has_install_script(each) for each in bundled) or any(map(_is_implicit_build, names))
        return PackageManifest(
            name=_text(stated, "name", what), version=_text(stated, "version", what), has_install_script=runs_code
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
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump({"format": _FORMAT, "manifest": asdict(manifest)}, stream)
            Path(name).replace(path)

    def _path(self, sha512: Digest) -> Path:
        return self._root / sha512.hex[:2] / sha512.hex


def _place_of(name: str) -> str:
    """Return where npm puts a member, below the package's folder."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts[1:])


def _is_package_folder(place: str) -> bool:
    """Whether a package.json at this place is one that npm installs by: the package's own or a bundled one's."""
    parts = place.split("/")[:-1]
    while parts:
        if parts[0] != "node_modules":
            return False
        taken = 3 if len(parts) > 1 and parts[1].startswith("@") else 2
        if len(parts) < taken:
            return False
        parts = parts[taken:]
    return True


def _is_implicit_build(place: str) -> bool:
    folder, _, name = place.rpartition("/")
    return name == _IMPLICIT_BUILD and _is_package_folder(f"{folder}/{_MANIFEST}" if folder else _MANIFEST)


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, what: str) -> bytes:
    stream = archive.extractfile(member)
    data = b"" if stream is None else stream.read(limits.METADATA_MAX_BYTES + 1)
    if len(data) > limits.METADATA_MAX_BYTES:
        raise MalformedInput(f"{what}: package.json is larger than {limits.METADATA_MAX_BYTES} bytes")
    return data


def _parse_manifest(data: bytes, what: str) -> dict[str, object]:
    # npm takes a byte order mark off (json-parse-even-better-errors).
    document = json.loads(data.decode("utf-8-sig"))
    if not isinstance(document, dict):
        raise MalformedInput(f"{what}: package.json is no object")
    return document


def _has_install_script(manifest: dict[str, object]) -> bool:
    scripts = manifest.get("scripts")
    return isinstance(scripts, dict) and any(scripts.get(name) for name in INSTALL_SCRIPTS)


def _text(manifest: dict[str, object], member: str, what: str) -> str:
    value = manifest.get(member)
    if not isinstance(value, str) or not value:
        raise MalformedInput(f"{what}: package.json has no {member}")
    return value

"""Reading the core metadata out of wheels and source distributions without unpacking or running anything."""

from __future__ import annotations

import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name

from guard import limits
from guard.errors import MalformedInput, malformed_input_boundary

# A source distribution's PKG-INFO stands among its first members in practice; reading on costs decompression.
_SDIST_MEMBERS_MAX_COUNT = 50_000


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The fields of core metadata that guard compares and follows.

    Args:
        name: normalised name (PEP 503).
        version: as written.
        requires_dist: dependency specifiers as written (PEP 508).
    """

    name: str
    version: str
    requires_dist: tuple[str, ...]


def parse_core_metadata(data: bytes, *, what: str) -> CoreMetadata:
    """Parse METADATA or PKG-INFO (Core metadata specifications).

    Args:
        data: the file's bytes.
        what: the document in the user's words.

    Raises:
        MalformedInput: it is not metadata, or has no name or version.
    """
    with malformed_input_boundary(what):
        headers = BytesHeaderParser().parsebytes(data)
        name, version = headers.get("Name"), headers.get("Version")
        if not name or not version:
            raise MalformedInput(f"{what} states no name and version")
        requires = tuple(str(value) for value in headers.get_all("Requires-Dist", []))
        return CoreMetadata(canonicalize_name(str(name).strip()), str(version).strip(), requires)


def load_wheel_metadata(path: Path, *, filename: str) -> bytes:
    """Return METADATA of a wheel (binary distribution format, section "The .dist-info directory").

    Args:
        path: the wheel's bytes on disk.
        filename: its name, for messages.

    Raises:
        MalformedInput: it is no wheel, or has not exactly one METADATA of a sane size.
    """
    with malformed_input_boundary(f"wheel {filename}"), zipfile.ZipFile(path) as archive:
        members = [item for item in archive.infolist() if _is_member(item.filename, ".dist-info", "METADATA")]
        if len(members) != 1:
            raise MalformedInput(f"wheel {filename} holds {len(members)} METADATA files, not one")
        with archive.open(members[0]) as stream:
            return _capped(stream.read(limits.METADATA_MAX_BYTES + 1), filename)


def load_sdist_metadata(path: Path, *, filename: str) -> bytes | None:
    """Return PKG-INFO of a source distribution, or ``None`` when it has none at its top (old ones do not).

    Args:
        path: the archive's bytes on disk.
        filename: its name, for messages.

    Raises:
        MalformedInput: it cannot be read as an archive.
    """
    with malformed_input_boundary(f"source distribution {filename}"):
        if zipfile.is_zipfile(path):
            return _load_zipped_sdist_metadata(path, filename)
        with tarfile.open(path, "r:*") as archive:
            for count, member in enumerate(archive):
                if count > _SDIST_MEMBERS_MAX_COUNT:
                    raise MalformedInput(f"source distribution {filename} has too many members")
                if member.isfile() and _is_member(member.name.removeprefix("./"), "", "PKG-INFO"):
                    stream = archive.extractfile(member)
                    return None if stream is None else _capped(stream.read(limits.METADATA_MAX_BYTES + 1), filename)
    return None


def _load_zipped_sdist_metadata(path: Path, filename: str) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        for item in archive.infolist():
            if _is_member(item.filename, "", "PKG-INFO"):
                with archive.open(item) as stream:
                    return _capped(stream.read(limits.METADATA_MAX_BYTES + 1), filename)
    return None


def _is_member(name: str, folder_suffix: str, base: str) -> bool:
    folder, _, rest = name.partition("/")
    return rest == base and folder.endswith(folder_suffix)


def _capped(data: bytes, filename: str) -> bytes:
    if len(data) > limits.METADATA_MAX_BYTES:
        raise MalformedInput(f"{filename}: metadata is larger than {limits.METADATA_MAX_BYTES} bytes")
    return data

"""The documents that an npm registry answers with: packuments in two forms, and single versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import quote

from tests.sim.documents import JsonObject, base64_text

ABBREVIATED = "application/vnd.npm.install-v1+json"
JSON = "application/json"

_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")
_SLSA = "https://slsa.dev/provenance/v1"
_MAINTAINERS = [{"name": "acme", "email": "acme@example.test"}]
_FIELDS_TO_INSTALL = (
    "name",
    "version",
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bin",
    "directories",
    "engines",
    "os",
    "cpu",
    "libc",
    "deprecated",
    "dist",
    "hasInstallScript",
    "_hasShrinkwrap",
    "funding",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedVersion:
    """A version that the registry hosts and what it says about it.

    Args:
        manifest: package.json, which name and version are read from.
        files: path in the package to size.
        content: the bytes that the listing describes.
        served: the bytes that a download gets.
        integrity: ``dist.integrity`` as listed; empty when it is not.
        shasum: ``dist.shasum``, likewise.
        signatures: ``dist.signatures``; ``None`` when the key is not there.
        attestations: the document at the endpoint, or ``None``.
        attestations_flag: whether ``dist.attestations`` is listed.
        provenance_flag: whether it says that there is provenance.
        tarball: ``dist.tarball`` in place of where the tarball is.
        elsewhere: whether the tarball is on the host of files.
        deprecated: why nobody should use it.
        listed: what the version's object says in place of package.json.
        published_at: when it was published.
    """

    manifest: JsonObject
    files: Mapping[str, int]
    content: bytes
    served: bytes
    integrity: str
    shasum: str
    signatures: list[JsonObject] | None
    attestations: bytes | None
    attestations_flag: bool
    provenance_flag: bool
    tarball: str | None
    elsewhere: bool
    deprecated: str | None
    listed: JsonObject
    published_at: datetime

    @property
    def name(self) -> str:
        """Name of the package, with its scope."""
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        """The version."""
        return str(self.manifest["version"])

    @property
    def spec(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def filename(self) -> str:
        """Name of the tarball's file, which says nothing of the scope."""
        return f"{self.name.rpartition('/')[2]}-{self.version}.tgz"

    @property
    def path(self) -> str:
        """Path of the tarball, on either host."""
        return f"/{self.name}/-/{self.filename}"

    @property
    def attestations_path(self) -> str:
        """Path of the attestations; only the slash of a scope is encoded."""
        return f"/-/npm/v1/attestations/{quote(self.spec, safe='@+')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedPackage:
    """A package: its versions in the order of their publication, and what its tags mean.

    Args:
        name: with its scope.
        versions: by version.
        tags: ``dist-tags``.
        times: when each version was published, those included that are gone.
        touched_at: when anything else was changed last.
    """

    name: str
    versions: Mapping[str, HostedVersion] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)
    touched_at: datetime | None = None

    @property
    def modified(self) -> str:
        """When anything about it was changed last."""
        touched = [self.touched_at] if self.touched_at else []
        return _timestamp(max([*self.times.values(), *touched]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where a document's links lead, and what the registry is able to say.

    Args:
        base_url: of the registry, without a slash at the end.
        files_url: of the host of files, likewise.
        evidence_bearing: whether it says anything about signatures and attestations.
    """

    base_url: str
    files_url: str
    evidence_bearing: bool


def integrity_of(content: bytes) -> str:
    """Return what ``dist.integrity`` says of some bytes: the SHA-512 in the form of Subresource Integrity."""
    return f"sha512-{base64_text(hashlib.sha512(content).digest())}"


def full_packument(package: HostedPackage, links: Links) -> bytes:
    """Render everything about a package (npm/registry, docs/responses/package-metadata.md, "Full metadata format")."""
    times = {version: _timestamp(time) for version, time in package.times.items()}
    document: JsonObject = {
        "_id": package.name,
        "_rev": f"{len(times)}-{hashlib.md5(package.name.encode(), usedforsecurity=False).hexdigest()}",
        "name": package.name,
        "dist-tags": dict(package.tags),
        "versions": {version: version_object(hosted, links) for version, hosted in package.versions.items()},
        "time": {"created": min(times.values()), "modified": package.modified, **times},
        "maintainers": _MAINTAINERS,
        "readme": f"# {package.name}",
        "readmeFilename": "README.md",
    }
    return json.dumps(document).encode()


def abbreviated_packument(package: HostedPackage, links: Links) -> bytes:
    """Render what an installation needs (same document, "Abbreviated metadata format")."""
    versions = {version: _abbreviated(version_object(hosted, links)) for version, hosted in package.versions.items()}
    document: JsonObject = {
        "name": package.name,
        "dist-tags": dict(package.tags),
        "versions": versions,
        "modified": package.modified,
    }
    return json.dumps(document).encode()


def version_object(version: HostedVersion, links: Links) -> JsonObject:
    """Return one version as full packuments and the endpoint of single versions have it."""
    entry: JsonObject = {"directories": {}, **version.manifest}
    entry |= {
        "_id": version.spec,
        "_nodeVersion": "20.20.2",
        "_npmVersion": "11.19.1",
        "_npmUser": _MAINTAINERS[0],
        "_hasShrinkwrap": "npm-shrinkwrap.json" in version.files,
        "maintainers": _MAINTAINERS,
        "dist": _dist(version, links),
    }
    if version.deprecated is not None:
        entry["deprecated"] = version.deprecated
    return entry | version.listed


def _dist(version: HostedVersion, links: Links) -> JsonObject:
    host = links.files_url if version.elsewhere else links.base_url
    dist: JsonObject = {
        "integrity": version.integrity,
        "shasum": version.shasum,
        "tarball": version.tarball or host + version.path,
        "fileCount": len(version.files),
        "unpackedSize": sum(version.files.values()),
    }
    if links.evidence_bearing:
        if version.attestations_flag:
            url = links.base_url + version.attestations_path
            provenance = {"provenance": {"predicateType": _SLSA}} if version.provenance_flag else {}
            dist["attestations"] = {"url": url, **provenance}
        if version.signatures is not None:
            dist["signatures"] = version.signatures
    return {key: value for key, value in dist.items() if value != ""}


def _abbreviated(entry: JsonObject) -> JsonObject:
    if any(hook in entry.get("scripts", ()) for hook in _INSTALL_SCRIPTS):
        entry = {"hasInstallScript": True} | entry
    return {field: entry[field] for field in _FIELDS_TO_INSTALL if field in entry}


def _timestamp(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

"""A whole world for a test or a demonstration: a Sigstore, registries that trust it, and its trust root in a file.

::

    with World(folder) as world:
        world.publish("widget", "1.0.0")
        run("guard", "--trust-root", world.trusted_root_path, "pip", "install", "-i", world.pypi.simple_url, "widget")
        world.publish_npm("gadget", "1.0.0")
        run("guard", "--trust-root", world.trusted_root_path, "npm", "install", "--registry", world.npm.url, "gadget")
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from packaging.utils import canonicalize_name
from typing_extensions import NotRequired, Self, TypedDict, Unpack

from tests.sim import npm_documents
from tests.sim.documents import JsonObject
from tests.sim.identity import Identity
from tests.sim.npm import DEFAULT_PUBLICATION_TIME, NpmSimulator
from tests.sim.npm_documents import RegistryKey
from tests.sim.npm_packages import make_tarball, read_manifest
from tests.sim.packages import make_wheel
from tests.sim.packuments import integrity_of
from tests.sim.pep740 import provenance, publish_statement, publisher_of
from tests.sim.pypi import DEFAULT_UPLOAD_TIME, PyPISimulator
from tests.sim.sigstore import Defect, EntryKind, MintingSigstore

_SIGNED_BEFORE_UPLOAD = timedelta(minutes=1)


class Listing(TypedDict):
    """How the index lists a file; see :meth:`tests.sim.pypi.PyPISimulator.add`."""

    project: NotRequired[str]
    provenance_flag: NotRequired[bool]
    yanked: NotRequired[bool | str]
    requires_python: NotRequired[str]
    upload_time: NotRequired[datetime]
    core_metadata: NotRequired[bool]
    metadata_served: NotRequired[bytes]
    hashes: NotRequired[dict[str, str]]
    served: NotRequired[bytes]


class NpmListing(TypedDict):
    """How the registry lists a version; see :meth:`tests.sim.npm.NpmSimulator.add`."""

    served: NotRequired[bytes]
    integrity: NotRequired[str]
    shasum: NotRequired[str]
    signatures: NotRequired[list[JsonObject] | None]
    attestations: NotRequired[JsonObject | bytes]
    attestations_flag: NotRequired[bool]
    provenance_flag: NotRequired[bool]
    tarball: NotRequired[str]
    elsewhere: NotRequired[bool]
    deprecated: NotRequired[str]
    tag: NotRequired[str | None]
    listed: NotRequired[JsonObject]
    published_at: NotRequired[datetime]


class NpmPublication(NpmListing):
    """How a version is published; see :meth:`World.upload_npm`."""

    identity: NotRequired[Identity]
    attested: NotRequired[bool]
    signed: NotRequired[bool]
    defect: NotRequired[Defect | None]
    entry_kind: NotRequired[EntryKind]
    registry: NotRequired[NpmSimulator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A file that the registry hosts now.

    Args:
        filename: its name.
        content: its bytes.
        identity: who attested it; ``None`` when nobody did.
        provenance: the provenance object; ``None`` when there is none.
    """

    filename: str
    content: bytes
    identity: Identity | None
    provenance: JsonObject | None

    @property
    def sha256(self) -> str:
        """Digest of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedNpm:
    """A version that the npm registry hosts now.

    Args:
        name: of the package, with its scope.
        version: of the package.
        content: its tarball.
        identity: who attested it; ``None`` when nobody did.
        attestations: the document at the endpoint; ``None`` when there is none.
    """

    name: str
    version: str
    content: bytes
    identity: Identity | None
    attestations: JsonObject | None

    @property
    def integrity(self) -> str:
        """Digest of the content as ``dist.integrity`` and a lock have it."""
        return integrity_of(self.content)


class World:
    """A minting Sigstore and two simulated registries that belong together; use it as a context manager.

    Attributes:
        registry_key: what the npm registry signs with.

    Args:
        folder: where ``trusted_root.json`` is written.
        now: what the Sigstore takes for the present.
    """

    def __init__(self, folder: Path, *, now: datetime | None = None) -> None:
        self.sigstore = MintingSigstore(now)
        self.pypi = PyPISimulator()
        self.npm = NpmSimulator()
        self.registry_key = RegistryKey()
        self.npm.keys = npm_documents.keys_document([self.registry_key])
        self.trusted_root_path = folder / "trusted_root.json"
        self.trusted_root_path.write_bytes(self.sigstore.trusted_root_json())

    def __enter__(self) -> Self:
        self.pypi.start()
        self.npm.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.npm.stop()
        self.pypi.stop()

    def publish(
        self,
        name: str,
        version: str,
        *,
        requires: Iterable[str] = (),
        canary: Path | None = None,
        identity: Identity | None = None,
        attested: bool = True,
        defect: Defect | None = None,
        **listing: Unpack[Listing],
    ) -> Published:
        """Make a wheel and publish it; see :meth:`upload`."""
        filename, content = make_wheel(name, version, requires=requires, canary=canary)
        identity = identity or maintainer_of(name, version)
        return self.upload(filename, content, identity=identity, attested=attested, defect=defect, **listing)

    def upload(
        self,
        filename: str,
        content: bytes,
        *,
        identity: Identity,
        attested: bool = True,
        defect: Defect | None = None,
        **listing: Unpack[Listing],
    ) -> Published:
        """Publish a file, signed a minute before its upload.

        Args:
            filename: of a wheel or an sdist.
            content: its bytes.
            identity: who publishes; PyPI's publisher object is derived from it.
            attested: whether with an attestation.
            defect: what is wrong with the attestation.
            listing: how the index lists it.
        """
        document: JsonObject | None = None
        if attested:
            statement = publish_statement(filename, content)
            signed_at = listing.get("upload_time", DEFAULT_UPLOAD_TIME) - _SIGNED_BEFORE_UPLOAD
            attestation = self.sigstore.attest(statement, identity, at=signed_at, defect=defect)
            document = provenance([(publisher_of(identity), [attestation])])
        self.pypi.add(filename, content, provenance=document, **listing)
        return Published(
            filename=filename, content=content, identity=identity if attested else None, provenance=document
        )

    def publish_npm(
        self,
        name: str,
        version: str,
        *,
        dependencies: Mapping[str, str] | None = None,
        scripts: Mapping[str, str] | None = None,
        canary: Path | None = None,
        **publication: Unpack[NpmPublication],
    ) -> PublishedNpm:
        """Make an npm package and publish it; see :meth:`upload_npm`."""
        content = make_tarball(name, version, dependencies=dependencies, scripts=scripts, canary=canary)
        return self.upload_npm(content, **publication)

    def upload_npm(
        self,
        content: bytes,
        *,
        identity: Identity | None = None,
        attested: bool = False,
        signed: bool = True,
        defect: Defect | None = None,
        entry_kind: EntryKind = EntryKind.DSSE,
        registry: NpmSimulator | None = None,
        **listing: Unpack[NpmListing],
    ) -> PublishedNpm:
        """Publish an npm package, attested by its build a minute before and by the registry as it takes it.

        Args:
            content: of a tarball.
            identity: who publishes; without it, the package's maintainer.
            attested: whether with provenance, and hence with a publish attestation.
            signed: whether with a registry signature.
            defect: what is wrong with the provenance.
            entry_kind: how the log records both attestations.
            registry: another than the world's own; it signs with the same key.
            listing: how the registry lists it; evidence that it names replaces what would have been made.
        """
        manifest, registry = read_manifest(content), registry or self.npm
        name, version = str(manifest["name"]), str(manifest["version"])
        signer = identity or maintainer_of(name, version)
        document: JsonObject | None = None
        if attested:
            at = listing.get("published_at", DEFAULT_PUBLICATION_TIME)
            publish = npm_documents.publish_statement(name, version, content, registry.base_url)
            published = self.sigstore.key_bundle(publish, self.registry_key.pair, at=at, entry_kind=entry_kind)
            slsa = npm_documents.provenance_statement(name, version, content, signer)
            at -= _SIGNED_BEFORE_UPLOAD
            built = self.sigstore.bundle(slsa, signer, at=at, defect=defect, entry_kind=entry_kind)
            bundles = [(npm_documents.PUBLISH_PREDICATE, published), (npm_documents.SLSA_PREDICATE, built)]
            document = npm_documents.attestations_document(bundles)
            listing.setdefault("attestations", document)
        signature = self.registry_key.sign(name, version, integrity_of(content))
        listing.setdefault("signatures", [signature] if signed else None)
        registry.add(content, **listing)
        return PublishedNpm(
            name=name,
            version=version,
            content=content,
            identity=signer if attested else None,
            attestations=document,
        )


def maintainer_of(name: str, version: str = "1.0.0") -> Identity:
    """Return the identity that publishes a project unless another is given: a GitHub workflow on the release's tag.

    Every project has a repository of its own with an id of its own, the same in every release. All have one owner but
    npm's scoped packages, which are of the owner that the scope names.
    """
    scope, _, project = canonicalize_name(name).removeprefix("@").rpartition("/")
    owner = scope or "acme"
    repository = f"{owner}/{project}"
    return Identity.github(
        repository=repository,
        ref=f"refs/tags/v{version}",
        repository_id=str(1_000_000 + zlib.crc32(repository.removeprefix("acme/").encode()) % 1_000_000),
        owner_id="501" if owner == "acme" else str(1_000 + zlib.crc32(owner.encode()) % 1_000_000),
    )

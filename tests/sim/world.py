"""A whole world for a test or a demonstration: a Sigstore, a PyPI that trusts it, and its trust root in a file.

::

    with World(folder) as world:
        world.publish("widget", "1.0.0")
        run("guard", "--trust-root", world.trusted_root_path, "pip", "install", "-i", world.pypi.simple_url, "widget")
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from packaging.utils import canonicalize_name
from typing_extensions import NotRequired, Self, TypedDict, Unpack

from tests.sim.documents import JsonObject
from tests.sim.identity import Identity
from tests.sim.packages import make_wheel
from tests.sim.pep740 import provenance, publish_statement, publisher_of
from tests.sim.pypi import DEFAULT_UPLOAD_TIME, PyPISimulator
from tests.sim.sigstore import Defect, MintingSigstore

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


class World:
    """A minting Sigstore and a PyPI simulator that belong together; use it as a context manager.

    Args:
        folder: where ``trusted_root.json`` is written.
        now: what the Sigstore takes for the present.
    """

    def __init__(self, folder: Path, *, now: datetime | None = None) -> None:
        self.sigstore = MintingSigstore(now)
        self.pypi = PyPISimulator()
        self.trusted_root_path = folder / "trusted_root.json"
        self.trusted_root_path.write_bytes(self.sigstore.trusted_root_json())

    def __enter__(self) -> Self:
        self.pypi.start()
        return self

    def __exit__(self, *_: object) -> None:
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


def maintainer_of(name: str, version: str = "1.0.0") -> Identity:
    """Return the identity that publishes a project unless another is given: a GitHub workflow on the release's tag.

    Every project has a repository of its own with an id of its own, all under one owner, the same in every release.
    """
    project = canonicalize_name(name)
    return Identity.github(
        repository=f"acme/{project}",
        ref=f"refs/tags/v{version}",
        repository_id=str(1_000_000 + zlib.crc32(project.encode()) % 1_000_000),
    )

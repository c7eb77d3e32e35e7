"""A TUF repository on loopback: keys, signed metadata and one target, changed one thing at a time.

Signed with python-tuf's own metadata classes. Layout as Sigstore's: consistent snapshots, targets named by digest.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # documented, not marked as exported
from tuf.api.metadata import (  # type: ignore[attr-defined]  # the documented names, which are not marked as exported
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

TARGET = "trusted_root.json"
ROLES = ("root", "timestamp", "snapshot", "targets")


class TufSimulator:
    """Serves what was published last.

    Args:
        document: the trusted root that is published first.
    """

    def __init__(self, document: bytes) -> None:
        self.expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=7)
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.status: dict[str, int] = {}
        self.url = ""
        self._signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        self._root = Metadata(Root(expires=self.expires + timedelta(days=365), consistent_snapshot=True))
        self._timestamp = Metadata(Timestamp(expires=self.expires))
        self._snapshot = Metadata(Snapshot(expires=self.expires))
        self._targets = Metadata(Targets(expires=self.expires))
        for role, signer in self._signers.items():
            self._root.signed.add_key(signer.public_key, role)
        self.root = self.publish_root()
        self.publish(document)

    def publish_root(self, *, new_key_for: str | None = None) -> bytes:
        """Publish the next root metadata, with another key for a role where one is named, and return it."""
        signers = [self._signers["root"]]
        if new_key_for is not None:
            self._root.signed.revoke_key(self._signers[new_key_for].public_key.keyid, new_key_for)
            self._signers[new_key_for] = CryptoSigner.generate_ed25519()
            self._root.signed.add_key(self._signers[new_key_for].public_key, new_key_for)
            signers.append(self._signers["root"])
        self._root.signed.version += bool(self._root.signatures)  # the first is 1
        self._root.signatures.clear()
        for signer in signers:
            self._root.sign(signer, append=True)
        data = self._root.to_bytes()
        self.files[f"/{self._root.signed.version}.root.json"] = data
        return data

    def publish(self, document: bytes | None) -> None:
        """Publish the next version of everything below the root; without a target where there is no document."""
        self._targets.signed.targets.clear()
        if document is not None:
            target = TargetFile.from_data(TARGET, document, ["sha256"])
            self._targets.signed.targets[TARGET] = target
            self.files[f"/targets/{target.hashes['sha256']}.{TARGET}"] = document
        self._publish_role("targets", self._targets)
        self._snapshot.signed.meta["targets.json"] = MetaFile(version=self._targets.signed.version)
        self._publish_role("snapshot", self._snapshot)
        self._timestamp.signed.snapshot_meta = MetaFile(version=self._snapshot.signed.version)
        self._publish_role("timestamp", self._timestamp)

    def count_requests(self) -> int:
        """Return how many requests came since this was last asked."""
        count = len(self.requests)
        self.requests.clear()
        return count

    def _publish_role(self, role: str, metadata: Metadata[Timestamp] | Metadata[Snapshot] | Metadata[Targets]) -> None:
        metadata.signed.version += bool(metadata.signatures)  # the first is 1
        metadata.signed.expires = self.expires
        metadata.signatures.clear()
        metadata.sign(self._signers[role])
        name = "timestamp.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        self.files[f"/{name}"] = metadata.to_bytes()


@contextmanager
def serve_tuf(simulator: TufSimulator) -> Iterator[TufSimulator]:
    """Serve it on loopback, also to clients that take the server for their proxy."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            simulator.requests.append(self.path)
            body = simulator.files.get(path)
            status = simulator.status.get(path) or simulator.status.get("*") or (404 if body is None else 200)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    simulator.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield simulator
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

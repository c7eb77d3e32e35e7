"""A transparency log as Rekor v1 is one: a Merkle tree, signed entry timestamps and signed checkpoints."""

from __future__ import annotations

import hashlib
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sim.authority import public_der
from tests.sim.documents import JsonObject, base64_text, canonical_json

_ORIGIN = "rekor.sigstore.test"
_TREE_ID = "2605736670972794746"
# The public log counts its entries over all its shards but proves inclusion in one shard: the two indexes of an entry
# differ there, so they differ here.
_SHARDED_ENTRIES = 25579
# A tree of one leaf has an empty proof, which proves nothing about a verifier.
_EARLIER_ENTRIES = 5


def leaf_hash(body: bytes) -> bytes:
    """Hash a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + body).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """Hash a tree given the hashes of its leaves (RFC 6962, section 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def inclusion_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return the audit path of a leaf, from the leaf up (RFC 6962, section 2.1.1)."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_path(index, leaves[:split]), tree_hash(leaves[split:])]
    return [*inclusion_path(index - split, leaves[split:]), tree_hash(leaves[:split])]


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


class Rekor:
    """An append-only log with one key."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.log_id = hashlib.sha256(public_der(self.key)).digest()
        self._leaves = [leaf_hash(b"entry %d" % number) for number in range(_EARLIER_ENTRIES)]

    def append(self, kind: str, version: str, body: bytes, at: datetime) -> JsonObject:
        """Append an entry and return it as bundles carry it (``dev.sigstore.rekor.v1.TransparencyLogEntry``)."""
        index = len(self._leaves)
        self._leaves.append(leaf_hash(body))
        root = tree_hash(self._leaves)
        integrated_time = int(at.timestamp())
        timestamp = self._sign(
            canonical_json(
                {
                    "body": base64_text(body),
                    "integratedTime": integrated_time,
                    "logID": self.log_id.hex(),
                    "logIndex": _SHARDED_ENTRIES + index,
                }
            )
        )
        return {
            "logIndex": str(_SHARDED_ENTRIES + index),
            "logId": {"keyId": base64_text(self.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "integratedTime": str(integrated_time),
            "inclusionPromise": {"signedEntryTimestamp": base64_text(timestamp)},
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": base64_text(root),
                "treeSize": str(len(self._leaves)),
                "hashes": [base64_text(node) for node in inclusion_path(index, self._leaves)],
                "checkpoint": {"envelope": self.checkpoint(root)},
            },
            "canonicalizedBody": base64_text(body),
        }

    def checkpoint(self, root: bytes) -> str:
        """Sign a note that the log, as large as it is now, has this root (C2SP signed-note and tlog-checkpoint)."""
        note = f"{_ORIGIN} - {_TREE_ID}\n{len(self._leaves)}\n{base64_text(root)}\n"
        signature = base64_text(self.log_id[:4] + self._sign(note.encode()))
        return f"{note}\n\u2014 {_ORIGIN} {signature}\n"

    def _sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

"""Transparency logs as Rekor v1 and v2 are: a Merkle tree, signed checkpoints, and in v1 signed entry timestamps."""

from __future__ import annotations

import hashlib
from datetime import datetime

from tests.sim.authority import KeyType, PrivateKey, new_key, public_der, sign
from tests.sim.documents import JsonObject, base64_text, canonical_json

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
    """An append-only log with one key.

    Args:
        key: its key; a new one on P-256 without it.
        origin: what its checkpoints call it.
    """

    def __init__(self, key: PrivateKey | None = None, origin: str = "rekor.sigstore.test") -> None:
        self.key = key or new_key()
        self.log_id = hashlib.sha256(public_der(self.key)).digest()
        self.origin = origin
        self._leaves = [leaf_hash(b"entry %d" % number) for number in range(_EARLIER_ENTRIES)]

    def append(self, kind: str, version: str, body: bytes, at: datetime) -> JsonObject:
        """Append an entry and return it as bundles carry it (``dev.sigstore.rekor.v1.TransparencyLogEntry``)."""
        index, proof = self._append(body)
        entry: JsonObject = {
            "logIndex": str(_SHARDED_ENTRIES + index),
            "logId": {"keyId": base64_text(self.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "integratedTime": str(int(at.timestamp())),
            "inclusionProof": proof,
            "canonicalizedBody": base64_text(body),
        }
        return entry | {"inclusionPromise": {"signedEntryTimestamp": self.promise(entry)}}

    def promise(self, entry: JsonObject) -> str:
        """Sign body, time and index of an entry, and return the signed entry timestamp in base64."""
        promised = {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logID": self.log_id.hex(),
            "logIndex": int(entry["logIndex"]),
        }
        return base64_text(sign(self.key, canonical_json(promised)))

    def checkpoint(self, root: bytes, size: int | None = None) -> str:
        """Sign a note that the log, as large as it is now, has this root (C2SP signed-note and tlog-checkpoint)."""
        return self.sign_note(self.note(root, len(self._leaves) if size is None else size))

    def note(self, root: bytes, size: int) -> str:
        """Return the text of a checkpoint."""
        return f"{self.origin} - {_TREE_ID}\n{size}\n{base64_text(root)}\n"

    def sign_note(self, note: str) -> str:
        """Sign a note."""
        return f"{note}\n{self.signature_line(note)}"

    def signature_line(self, note: str, key: PrivateKey | None = None) -> str:
        """Return the line that signs a note, with ``key`` in place of the log's own where one is given."""
        signature = base64_text(self.log_id[:4] + sign(key or self.key, note.encode()))
        return f"\u2014 {self.origin} {signature}\n"

    def _append(self, body: bytes) -> tuple[int, JsonObject]:
        index = len(self._leaves)
        self._leaves.append(leaf_hash(body))
        root = tree_hash(self._leaves)
        proof = {
            "logIndex": str(index),
            "rootHash": base64_text(root),
            "treeSize": str(len(self._leaves)),
            "hashes": [base64_text(node) for node in inclusion_path(index, self._leaves)],
            "checkpoint": {"envelope": self.checkpoint(root)},
        }
        return index, proof


class RekorV2(Rekor):
    """A log as Rekor v2 is one: an Ed25519 key named as checkpoints name it, no promises and no times."""

    def __init__(self, origin: str = "log2025.sigstore.test") -> None:
        super().__init__(new_key(KeyType.ED25519), origin)
        # C2SP signed-note, "Signatures": name, a byte that stands for Ed25519, and the bare key.
        self.log_id = hashlib.sha256(f"{origin}\n\x01".encode() + public_der(self.key)[-32:]).digest()

    def append(self, kind: str, version: str, body: bytes, at: datetime) -> JsonObject:
        """Append an entry; the log has no shards, so that its two indexes are one."""
        index, proof = self._append(body)
        return {
            "logIndex": str(index),
            "logId": {"keyId": base64_text(self.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "inclusionProof": proof,
            "canonicalizedBody": base64_text(body),
        }

    def note(self, root: bytes, size: int) -> str:
        """Return the text of a checkpoint, whose origin is the log's name alone."""
        return f"{self.origin}\n{size}\n{base64_text(root)}\n"

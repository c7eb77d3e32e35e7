"""The transparency log entry: promised, included under a signed checkpoint, and made when the log's key was believed.

Sources: RFC 9162, sections 2.1.1 and 2.1.3.2 (Merkle trees and inclusion proofs); C2SP's signed-note and
tlog-checkpoint (notes and checkpoints); Rekor's ``signedEntryTimestamp`` (canonical JSON of body, time, log and index).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime, timezone

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.sigstore.authorities import Authorities, LogKey
from guard.sigstore.bundle import InclusionProof, LogEntry
from guard.sigstore.keys import SignatureInvalid, verify_signature

_SIGNATURE_LINE = re.compile("\u2014 ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")
_HINT_BYTES = 4
_HASH_BYTES = 32


def find_log(entry: LogEntry, authorities: Authorities) -> LogKey:
    """Return the key of the log that an entry says it is in.

    Raises:
        EvidenceInvalid: ``LOG_ENTRY``, the log is not known.
    """
    log = authorities.logs.get(entry.log_id)
    if log is None:
        raise _invalid("it is in an unknown log")
    return log


def verify_promise(entry: LogEntry, log: LogKey, *, required: bool) -> datetime | None:
    """Verify the signed entry timestamp, where there is one.

    Args:
        entry: the entry.
        log: the log that it is in.
        required: whether there must be one.

    Returns:
        The time of integration, which only this signature covers; ``None`` where the log promised nothing.

    Raises:
        EvidenceInvalid: ``LOG_ENTRY``, it is missing, does not hold, or covers no time.
    """
    if entry.signed_entry_timestamp is None:
        if required:
            raise _invalid("it has no signed entry timestamp")
        return None
    if not entry.integrated_time:
        raise _invalid("it has a signed entry timestamp and no time")
    # Canonical JSON (RFC 8785): base64, hexadecimal digits and integers need no escapes.
    signed = (
        f'{{"body":"{base64.b64encode(entry.body).decode()}","integratedTime":{entry.integrated_time},'
        f'"logID":"{entry.log_id.hex()}","logIndex":{entry.log_index}}}'
    )
    try:
        verify_signature(log.key, entry.signed_entry_timestamp, signed.encode())
    except SignatureInvalid as error:
        raise _invalid(f"its signed entry timestamp does not hold: {error}") from error
    try:
        return datetime.fromtimestamp(entry.integrated_time, tz=timezone.utc)
    except (OverflowError, OSError, ValueError) as error:
        raise _invalid("its time is no time") from error


def verify_inclusion(entry: LogEntry, log: LogKey, *, required: bool) -> None:
    """Verify that an entry is in the log: its audit path leads to a root that the log's key signed.

    Args:
        entry: the entry.
        log: the log that it is in.
        required: whether there must be a proof with a checkpoint. Where not, what is there must hold all the same.

    Raises:
        EvidenceInvalid: ``LOG_ENTRY``.
    """
    proof = entry.proof
    if required and (proof is None or not proof.checkpoint):
        raise _invalid("it has no proof of inclusion with a checkpoint")
    if proof is None:
        return
    if _root_from_path(proof, entry.body) != proof.root_hash:
        raise _invalid("its proof of inclusion does not lead to the stated root")
    if proof.checkpoint and _verify_checkpoint(proof.checkpoint, log) != (proof.tree_size, proof.root_hash):
        raise _invalid("its checkpoint is of another tree")


def verify_time(moments: list[datetime], log: LogKey, now: datetime, *, required: bool) -> None:
    """Verify that an entry was made while the log's key was believed, and not in the future.

    Args:
        moments: every verified time of signing.
        log: the log that it is in.
        now: the present.
        required: whether there must be one, as for a certificate, which lives for minutes.

    Raises:
        EvidenceInvalid: ``LOG_ENTRY``, no time is verified where one must be, or one is out of bounds.
    """
    if required and not moments:
        raise _invalid("no verified time says when it was made")
    if any(moment > now for moment in moments):
        raise _invalid("it was made in the future")
    if not all(log.validity.contains(moment) for moment in moments):
        raise _invalid("it was made when its log's key was not believed")


def _root_from_path(proof: InclusionProof, body: bytes) -> bytes:
    """Compute the root of the tree from a leaf and its audit path (RFC 9162, section 2.1.3.2)."""
    if proof.log_index >= proof.tree_size or any(len(each) != _HASH_BYTES for each in proof.hashes):
        raise _invalid("its proof of inclusion is not one")
    node, last = proof.log_index, proof.tree_size - 1
    root = hashlib.sha256(b"\0" + body).digest()
    for sibling in proof.hashes:
        if last == 0:
            raise _invalid("its proof of inclusion is too long")
        if node & 1 or node == last:
            root = _hash_children(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = _hash_children(root, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _invalid("its proof of inclusion is too short")
    return root


def _hash_children(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _verify_checkpoint(checkpoint: str, log: LogKey) -> tuple[int, bytes]:
    """Verify a checkpoint and return the size and root of the tree that it vouches for.

    Signatures of others (witnesses, other keys of the log) are passed over; one by this very key must hold, and none
    by it may fail.
    """
    note, separator, block = checkpoint.partition("\n\n")
    lines = block.split("\n")
    if not separator or "\n\n" in block or lines[-1] != "":
        raise _invalid("its checkpoint is no signed note")
    signatures = [_parse_signature_line(line) for line in lines[:-1]]
    own = [signature for hint, signature in signatures if hint == log.log_id[:_HINT_BYTES]]
    if not own:
        raise _invalid("its checkpoint is not signed by the log")
    try:
        for signature in own:
            verify_signature(log.key, signature, f"{note}\n".encode())
    except SignatureInvalid as error:
        raise _invalid(f"its checkpoint's signature does not hold: {error}") from error
    return _parse_checkpoint(note)


def _parse_signature_line(line: str) -> tuple[bytes, bytes]:
    found = _SIGNATURE_LINE.fullmatch(line)
    if found is None:
        raise _invalid("its checkpoint has a line that is no signature")
    value = _decode(found[2], "signature")
    if len(value) <= _HINT_BYTES:
        raise _invalid("its checkpoint has an empty signature")
    return value[:_HINT_BYTES], value[_HINT_BYTES:]


def _parse_checkpoint(note: str) -> tuple[int, bytes]:
    lines = note.split("\n")
    if len(lines) < 3 or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise _invalid("its checkpoint names no origin, size and root")
    root = _decode(lines[2], "root")
    if len(root) != _HASH_BYTES:
        raise _invalid("its checkpoint's root is no hash")
    return int(lines[1]), root


def _decode(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid(f"its checkpoint's {what} is no base64") from error


def _invalid(reason: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.LOG_ENTRY, f"the log entry does not hold: {reason}")

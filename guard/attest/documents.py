"""What evidence documents of every ecosystem have in common: a cap, strict JSON, a digest, and how they are refused."""

from __future__ import annotations

import hashlib

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.limits import PROVENANCE_MAX_BYTES
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState
from guard.sigstore.strict_json import parse_json_object


def parse_evidence_document(document: bytes, *, what: str) -> dict[str, object]:
    """Parse a document that a registry delivered as evidence.

    Args:
        document: its bytes.
        what: the document in the user's words, such as ``provenance``.

    Raises:
        MalformedInput: it is larger than guard reads, or JSON that two readers could understand differently.
    """
    if len(document) > PROVENANCE_MAX_BYTES:
        raise MalformedInput(f"the {what} document is larger than {PROVENANCE_MAX_BYTES} bytes")
    return parse_json_object(document, what=f"the {what} document")


def digest_of_document(document: bytes) -> Digest:
    """Return the digest by which reports name an evidence document."""
    return Digest("sha256", hashlib.sha256(document).hexdigest())


def invalid_evidence(
    error: MalformedInput | EvidenceInvalid,
    kind: EvidenceKind,
    *,
    digest: Digest | None = None,
    predicate_type: str | None = None,
) -> Evidence:
    """Return evidence in the state INVALID for the reason that ``error`` gives.

    Args:
        error: why it does not hold.
        kind: what it was to prove.
        digest: of the document that holds it.
        predicate_type: of the signed statement, where it could be read.
    """
    return Evidence(
        kind=kind,
        state=EvidenceState.INVALID,
        reason=error.message,
        code=error.code if isinstance(error, EvidenceInvalid) else EvidenceCode.MALFORMED,
        digest=digest,
        predicate_type=predicate_type,
    )

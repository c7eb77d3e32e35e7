from __future__ import annotations

import hashlib

import pytest

from guard.attest.documents import digest_of_document, invalid_evidence, parse_evidence_document
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.limits import PROVENANCE_MAX_BYTES
from guard.model import Digest, EvidenceKind, EvidenceState

DIGEST = digest_of_document(b"document")


def test_a_document_is_named_by_its_digest() -> None:
    assert Digest("sha256", hashlib.sha256(b"document").hexdigest()) == DIGEST


def test_a_document_has_a_ceiling() -> None:
    padding = b" " * (PROVENANCE_MAX_BYTES - 2)
    assert parse_evidence_document(b"{}" + padding, what="provenance") == {}
    with pytest.raises(MalformedInput, match=f"the provenance document is larger than {PROVENANCE_MAX_BYTES} bytes"):
        parse_evidence_document(b"{}" + padding + b" ", what="provenance")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MalformedInput("why"), EvidenceCode.MALFORMED),
        (EvidenceInvalid(EvidenceCode.SIGNATURE, "why"), EvidenceCode.SIGNATURE),
    ],
)
def test_what_is_refused_says_why(error: MalformedInput | EvidenceInvalid, code: EvidenceCode) -> None:
    evidence = invalid_evidence(error, EvidenceKind.NPM_PUBLISH, digest=DIGEST, predicate_type="type")
    assert (evidence.state, evidence.code, evidence.reason) == (EvidenceState.INVALID, code, "why")
    assert (evidence.kind, evidence.digest, evidence.predicate_type) == (EvidenceKind.NPM_PUBLISH, DIGEST, "type")

"""Files of evidence that users bring: which form each is, and the single documents in it.

Forms: a Sigstore bundle (``mediaType``), a PEP 740 provenance or attestation object, the answer of npm's attestations
endpoint or of GitHub's, and a DSSE envelope that carries its certificate, as the SLSA generators wrote before bundles
(slsa-github-generator, ``signing/envelope``). In a file of lines, as ``.intoto.jsonl`` files and what ``gh attestation
download`` writes, each line is one of them (in-toto, "Attestation Bundle").
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from guard.errors import MalformedInput
from guard.limits import EVIDENCE_FILE_MAX_BYTES, EVIDENCE_FILE_MAX_COUNT, PROVENANCE_MAX_BYTES
from guard.sigstore.strict_json import JsonObject, parse_json_object

_WHAT = "the evidence"


class Form(enum.Enum):
    """What a document is, by the members that only this form has."""

    BUNDLE = "verificationMaterial"
    PROVENANCE = "attestation_bundles"
    ATTESTATION = "verification_material"
    ATTESTATIONS = "attestations"
    ENVELOPE = "signatures"


@dataclass(frozen=True, slots=True)
class EvidenceDocument:
    """One document.

    Args:
        form: which it is.
        data: its bytes.
        members: the same, parsed.
        line: where it stands in a file of several; ``None`` for one that is the whole file.
    """

    form: Form
    data: bytes
    members: JsonObject
    line: int | None = None


def parse_evidence_file(data: bytes) -> tuple[EvidenceDocument, ...]:
    """Take a file of evidence apart.

    Args:
        data: its bytes.

    Returns:
        Its documents, at least one.

    Raises:
        MalformedInput: it is larger than guard reads, holds no document, or one of no known form.
    """
    if len(data) > EVIDENCE_FILE_MAX_BYTES:
        raise MalformedInput(f"it is larger than {EVIDENCE_FILE_MAX_BYTES} bytes")
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
    if not lines:
        raise MalformedInput("it is empty")
    if len(lines) == 1 or not _is_whole(lines[0][1]):
        return (_parse_document(data, None),)
    if len(lines) > EVIDENCE_FILE_MAX_COUNT:
        raise MalformedInput(f"it has {len(lines)} lines, over {EVIDENCE_FILE_MAX_COUNT}")
    return tuple(_parse_lines(lines))


def _is_whole(line: bytes) -> bool:
    """Whether the first line is a document by itself, so that further ones follow."""
    try:
        parse_json_object(line[:PROVENANCE_MAX_BYTES], what=_WHAT)
    except MalformedInput:
        return False
    return True


def _parse_lines(lines: list[tuple[int, bytes]]) -> Iterator[EvidenceDocument]:
    for number, line in lines:
        try:
            yield _parse_document(line, number)
        except MalformedInput as error:
            raise MalformedInput(error.message, context=f"line {number}") from error


def _parse_document(data: bytes, line: int | None) -> EvidenceDocument:
    if len(data) > PROVENANCE_MAX_BYTES:
        raise MalformedInput(f"it is larger than {PROVENANCE_MAX_BYTES} bytes")
    members = parse_json_object(data, what=_WHAT)
    forms = [form for form in Form if form.value in members]
    if len(forms) != 1:
        raise MalformedInput(
            "it is neither a Sigstore bundle nor a PEP 740 object, an attestations document or a signed envelope"
        )
    [form] = forms
    return EvidenceDocument(form, data, members, line)

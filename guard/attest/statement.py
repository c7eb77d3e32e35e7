"""in-toto statements: what a signed payload says about which file.

The layer is the in-toto Attestation Framework's Statement, v1 and its predecessor v0.1, which are alike in the members
read here (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md). Only verified payloads are parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, parse_json_object, text_member

STATEMENT_PAYLOAD_TYPE = "application/vnd.in-toto+json"
SLSA_V1_PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
_STATEMENT_TYPES = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
_WHAT = "the signed statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An in-toto statement about one subject.

    Args:
        subject_name: the file or package it is about.
        subject_digests: digests of the subject by in-toto's algorithm names, such as ``sha256``.
        predicate_type: what kind of thing is stated.
        predicate: what is stated; ``None`` where the statement has none.
    """

    subject_name: str
    subject_digests: Mapping[str, str]
    predicate_type: str
    predicate: JsonObject | None


def parse_statement(payload: bytes) -> Statement:
    """Parse the payload of a verified envelope that is about one thing, as those of package registries are.

    Args:
        payload: the signed bytes.

    Returns:
        The statement.

    Raises:
        MalformedInput: it is no statement, or JSON that two readers could understand differently.
        EvidenceInvalid: ``STATEMENT_SUBJECT``, it has not exactly one subject: a check of one of several, or of none,
            proves nothing about the file at hand.
    """
    document, subjects = _parse(payload)
    if len(subjects) != 1:
        raise EvidenceInvalid(
            EvidenceCode.STATEMENT_SUBJECT, f"the signed statement has {len(subjects)} subjects, not one"
        )
    [subject] = subjects
    return _statement_about(subject, text_member(subject, "name", context=_WHAT), document)


def parse_statement_about_several(payload: bytes) -> tuple[Statement, ...]:
    """Parse the payload of a verified envelope that may be about several files: a build states all that it made.

    Of those the caller needs the one that it has (:func:`guard.attest.file_statement.find_statement`). The rule of
    package registries, one subject each, does not hold for what GitHub's and the SLSA generators write. A name is
    optional here (in-toto, ResourceDescriptor).

    Args:
        payload: the signed bytes.

    Returns:
        One statement for each subject, alike in all else.

    Raises:
        MalformedInput: it is no statement, or JSON that two readers could understand differently.
        EvidenceInvalid: ``STATEMENT_SUBJECT``, it is about nothing.
    """
    document, subjects = _parse(payload)
    if not subjects:
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "the signed statement has no subject")
    names = ["" if subject.get("name") is None else text_member(subject, "name", context=_WHAT) for subject in subjects]
    return tuple(_statement_about(subject, name, document) for subject, name in zip(subjects, names, strict=True))


def _parse(payload: bytes) -> tuple[JsonObject, list[dict[str, object]]]:
    document = parse_json_object(payload, what=_WHAT)
    statement_type = text_member(document, "_type", context=_WHAT)
    if statement_type not in _STATEMENT_TYPES:
        raise MalformedInput(f"unknown type {statement_type[:80]!a}", context=_WHAT)
    return document, objects_member(document, "subject", context=_WHAT)


def _statement_about(subject: JsonObject, name: str, document: JsonObject) -> Statement:
    predicate = document.get("predicate")
    if predicate is not None and not isinstance(predicate, dict):
        raise MalformedInput("'predicate' is no object", context=_WHAT)
    return Statement(
        subject_name=name,
        subject_digests=_parse_digests(object_member(subject, "digest", context=_WHAT)),
        predicate_type=text_member(document, "predicateType", context=_WHAT),
        predicate=predicate,
    )


def _parse_digests(digests: JsonObject) -> dict[str, str]:
    return {algorithm: text_member(digests, algorithm, context=f"{_WHAT}: digest") for algorithm in digests}

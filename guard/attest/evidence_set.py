"""Several files of evidence about several files: which of it counts for which, and that nothing else slips in.

Every document must hold for every file that it is brought for. Two things are no failure: a document about another
file of the same command, and, in a file of lines, a line about another file beside one about this one, since such
files collect what was said of several ("attestations ... may be for different subjects", in-toto, "Attestation
Bundle").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from guard.attest.documents import invalid_evidence
from guard.attest.evidence_file import EvidenceDocument
from guard.attest.file_evidence import Trusted, verify_document
from guard.attest.subject import Subject
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput, Unavailable
from guard.model import Evidence, EvidenceKind, EvidenceState, UnavailableCause


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """A file of evidence.

    Args:
        label: what the user calls it.
        documents: in it.
        problem: why it cannot be read; ``None`` where it can.
        outage: why what it lacks could not be fetched; ``None`` where it lacks nothing.
    """

    label: str
    documents: tuple[EvidenceDocument, ...] = ()
    problem: MalformedInput | EvidenceInvalid | None = None
    outage: Unavailable | None = None


# What one document shows, for each of the files in question.
_Shown = tuple[tuple[Evidence, ...], ...]


def verify_evidence_files(
    files: Sequence[EvidenceFile], subjects: Sequence[Subject], trusted: Trusted
) -> tuple[tuple[Evidence, ...], ...]:
    """Verify all that was brought about several files.

    Args:
        files: of evidence.
        subjects: the files.
        trusted: whom to believe.

    Returns:
        The evidence about each of the files, in their order. What is about another one is left out as said above, so
        that a file may end without any.

    Raises:
        ConfigInvalid: the trust root cannot be used. No document makes this function raise.
    """
    gathered: list[list[Evidence]] = [[] for _ in subjects]
    for file in files:
        shown = [
            tuple(verify_document(document, subject, trusted) for subject in subjects) for document in file.documents
        ]
        for position, evidence in enumerate(gathered):
            evidence.extend(_about_one(file, shown, position))
    return tuple(tuple(evidence) for evidence in gathered)


def _about_one(file: EvidenceFile, shown: Sequence[_Shown], position: int) -> Iterator[Evidence]:
    if file.problem is not None:
        yield _labelled(invalid_evidence(file.problem, EvidenceKind.OTHER_STATEMENT), file.label)
    if file.outage is not None:
        yield Evidence(
            kind=EvidenceKind.OTHER_STATEMENT,
            state=EvidenceState.UNAVAILABLE,
            cause=UnavailableCause.OUTAGE,
            reason=f"{file.label}: {file.outage.message}",
        )
    is_about_it = any(_holds(each[position]) for each in shown)
    for document, each in zip(file.documents, shown, strict=True):
        if _is_about_another(each, position) or (is_about_it and _names_another(each[position])):
            continue
        label = file.label if document.line is None else f"{file.label}:{document.line}"
        yield from (_labelled(evidence, label) for evidence in each[position])


def _holds(evidence: Sequence[Evidence]) -> bool:
    return all(each.state is EvidenceState.VERIFIED for each in evidence)


def _is_about_another(shown: _Shown, position: int) -> bool:
    """Whether a document holds for another of the files, and not for this one."""
    return not _holds(shown[position]) and any(_holds(each) for each in shown)


def _names_another(evidence: Sequence[Evidence]) -> bool:
    """Whether nothing is wrong with a document but that it is about another file: its signature was checked before."""
    return all(each.code is EvidenceCode.STATEMENT_SUBJECT for each in evidence)


def _labelled(evidence: Evidence, label: str) -> Evidence:
    return replace(evidence, reason=f"{label}: {evidence.reason}") if evidence.reason else evidence

"""Which of the evidence that a user brings about several files counts for which of them."""

from __future__ import annotations

import pytest

from guard.attest.evidence_file import EvidenceDocument, Form
from guard.attest.evidence_set import EvidenceFile, verify_evidence_files
from guard.attest.file_evidence import Trusted
from guard.attest.npm import RegistryKeys
from guard.attest.subject import Subject
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput, Unavailable
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.sim.judging import NOW
from tests.sim.sigstore import MintingSigstore

TRUSTED = Trusted(
    verifier=Verifier(parse_trust_root(MintingSigstore(NOW).trusted_root_json(), source="simulated"), now=NOW),
    registry_keys=RegistryKeys(),
    registries=(),
)
ONE, OTHER = (Subject(name=name, digests=(Digest("sha256", "00" * 32),)) for name in ("one", "other"))
KIND = EvidenceKind.OTHER_STATEMENT
HOLDS = Evidence(kind=KIND, state=EvidenceState.VERIFIED)
NAMES_ANOTHER = Evidence(
    kind=KIND, state=EvidenceState.INVALID, reason="of another", code=EvidenceCode.STATEMENT_SUBJECT
)
FORGED = Evidence(kind=KIND, state=EvidenceState.INVALID, reason="forged", code=EvidenceCode.SIGNATURE)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[bytes, str], tuple[Evidence, ...]]:
    """What a document shows of a file, by the document's bytes and the file's name."""
    table: dict[tuple[bytes, str], tuple[Evidence, ...]] = {}

    def verify_document(document: EvidenceDocument, subject: Subject, trusted: Trusted) -> tuple[Evidence, ...]:
        assert trusted is TRUSTED
        return table[document.data, subject.name]

    monkeypatch.setattr("guard.attest.evidence_set.verify_document", verify_document)
    return table


def brought(*documents: bytes) -> EvidenceFile:
    """Return a file of single documents, or of lines."""
    lines = [None] if len(documents) == 1 else range(1, len(documents) + 1)
    return EvidenceFile(
        label="file",
        documents=tuple(
            EvidenceDocument(Form.BUNDLE, each, {}, line) for each, line in zip(documents, lines, strict=True)
        ),
    )


def said(*files: EvidenceFile, subjects: tuple[Subject, ...] = (ONE, OTHER)) -> list[list[str]]:
    """Return what is said of each file; nothing is said of what holds."""
    return [[each.reason for each in evidence] for evidence in verify_evidence_files(files, subjects, TRUSTED)]


Table = dict[tuple[bytes, str], tuple[Evidence, ...]]


def test_a_file_that_cannot_be_read_is_evidence_against_every_file() -> None:
    for problem, code in (
        (MalformedInput("unreadable"), EvidenceCode.MALFORMED),
        (EvidenceInvalid(EvidenceCode.SIGNATURE, "unreadable"), EvidenceCode.SIGNATURE),
    ):
        invalid = Evidence(kind=KIND, state=EvidenceState.INVALID, reason="file: unreadable", code=code)
        assert verify_evidence_files([EvidenceFile(label="file", problem=problem)], [ONE, OTHER], TRUSTED) == (
            (invalid,),
            (invalid,),
        )


def test_what_a_file_lacks_and_could_not_be_fetched_is_an_outage_for_every_file() -> None:
    unavailable = Evidence(
        kind=KIND, state=EvidenceState.UNAVAILABLE, reason="file: no answer", cause=UnavailableCause.OUTAGE
    )
    file = EvidenceFile(label="file", outage=Unavailable("no answer"))
    assert verify_evidence_files([file], [ONE, OTHER], TRUSTED) == ((unavailable,), (unavailable,))


def test_a_document_counts_for_every_file_that_it_holds_for(shown: Table) -> None:
    shown[b"both", "one"] = shown[b"both", "other"] = (HOLDS,)
    assert verify_evidence_files([brought(b"both")], [ONE, OTHER], TRUSTED) == ((HOLDS,), (HOLDS,))


@pytest.mark.parametrize("against", [NAMES_ANOTHER, FORGED])
def test_a_document_that_holds_for_another_of_the_files_is_no_failure(shown: Table, against: Evidence) -> None:
    shown[b"one", "one"], shown[b"one", "other"] = (HOLDS,), (against,)
    assert said(brought(b"one")) == [[""], []]
    assert said(brought(b"one"), subjects=(OTHER,)) == [[f"file: {against.reason}"]]


def test_a_document_that_holds_in_part_holds_for_no_file(shown: Table) -> None:
    shown[b"part", "one"], shown[b"part", "other"] = (HOLDS, FORGED), (FORGED,)
    assert said(brought(b"part")) == [["", "file: forged"], ["file: forged"]]


def test_a_document_that_holds_for_none_is_evidence_against_each(shown: Table) -> None:
    shown[b"none", "one"], shown[b"none", "other"] = (NAMES_ANOTHER,), (FORGED,)
    assert said(brought(b"none")) == [["file: of another"], ["file: forged"]]


def test_a_line_about_another_file_is_passed_over_beside_one_about_this_alone(shown: Table) -> None:
    shown[b"mine", "one"] = (HOLDS,)
    shown[b"another", "one"] = (NAMES_ANOTHER,)
    shown[b"forged", "one"] = (FORGED,)
    shown[b"another and forged", "one"] = (NAMES_ANOTHER, FORGED)
    for lines, reasons in (
        ((b"another", b"mine"), [""]),
        ((b"mine", b"forged"), ["", "file:2: forged"]),
        ((b"mine", b"another and forged"), ["", "file:2: of another", "file:2: forged"]),
        ((b"another", b"forged"), ["file:1: of another", "file:2: forged"]),
    ):
        assert said(brought(*lines), subjects=(ONE,)) == [reasons]
    assert said(brought(b"mine"), brought(b"another"), subjects=(ONE,)) == [["", "file: of another"]]

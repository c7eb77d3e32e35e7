"""Files of evidence are taken apart: how many documents there are, of which form, and where each stands."""

from __future__ import annotations

import pytest

from guard.attest import evidence_file
from guard.attest.evidence_file import Form, parse_evidence_file
from guard.errors import MalformedInput

BUNDLE = b'{"verificationMaterial":{}}'
NONE_OF_THEM = "it is neither a Sigstore bundle"


def lines_of(data: bytes) -> list[tuple[Form, bytes, int | None]]:
    return [(each.form, each.data, each.line) for each in parse_evidence_file(data)]


@pytest.mark.parametrize(
    ("member", "form"),
    [
        ("verificationMaterial", Form.BUNDLE),
        ("attestation_bundles", Form.PROVENANCE),
        ("verification_material", Form.ATTESTATION),
        ("attestations", Form.ATTESTATIONS),
        ("signatures", Form.ENVELOPE),
    ],
)
def test_a_document_is_known_by_the_member_that_only_its_form_has(member: str, form: Form) -> None:
    data = b'{"%b":{"a":1}}' % member.encode()
    [document] = parse_evidence_file(data)
    assert (document.form, document.data, document.members) == (form, data, {member: {"a": 1}})


@pytest.mark.parametrize("data", [b"{}", b'{"bundle":{}}', b'{"signatures":[],"attestations":[]}'])
def test_a_document_of_no_form_or_of_two_is_none(data: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_evidence_file(data)
    assert caught.value.message.startswith(NONE_OF_THEM)


@pytest.mark.parametrize("data", [BUNDLE, BUNDLE + b"\n", b"\n" + BUNDLE, b'{\n"verificationMaterial":\n{}}'])
def test_a_single_document_is_the_whole_file(data: bytes) -> None:
    assert lines_of(data) == [(Form.BUNDLE, data, None)]


def test_documents_are_counted_by_the_line_on_which_they_stand() -> None:
    envelope = b'{"signatures":[]}'
    data = b"\n" + BUNDLE + b"\n \r\n" + envelope + b"\n"
    assert lines_of(data) == [(Form.BUNDLE, BUNDLE, 2), (Form.ENVELOPE, envelope, 4)]


@pytest.mark.parametrize("line", [b"{}", b"junk", b"[]"])
def test_a_line_that_is_no_document_is_named(line: bytes) -> None:
    with pytest.raises(MalformedInput, match="line 3: "):
        parse_evidence_file(BUNDLE + b"\n\n" + line)


def test_what_begins_with_a_line_that_is_no_document_is_one_document() -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_evidence_file(b"junk\n" + BUNDLE)
    assert "line" not in caught.value.message.split(":")[0]


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\n"])
def test_an_empty_file_holds_no_evidence(data: bytes) -> None:
    with pytest.raises(MalformedInput, match="it is empty"):
        parse_evidence_file(data)


def refusal(data: bytes) -> str:
    """Return why a file is refused; nothing where it is not."""
    try:
        parse_evidence_file(data)
    except MalformedInput as error:
        return error.message
    return ""


def test_a_file_is_read_up_to_its_limits_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    two = BUNDLE + b"\n" + BUNDLE
    monkeypatch.setattr(evidence_file, "EVIDENCE_FILE_MAX_BYTES", len(two))
    monkeypatch.setattr(evidence_file, "PROVENANCE_MAX_BYTES", len(BUNDLE))
    monkeypatch.setattr(evidence_file, "EVIDENCE_FILE_MAX_COUNT", 2)
    assert refusal(two) == ""
    assert refusal(two + b"\n") == f"it is larger than {len(two)} bytes"
    monkeypatch.setattr(evidence_file, "EVIDENCE_FILE_MAX_BYTES", 4 * len(two))
    assert refusal(BUNDLE) == ""
    assert refusal(BUNDLE + b" ") == f"it is larger than {len(BUNDLE)} bytes"
    assert refusal(two + b" ") == f"line 2: it is larger than {len(BUNDLE)} bytes"
    assert refusal(BUNDLE + b" \n" + BUNDLE) == f"line 1: it is larger than {len(BUNDLE)} bytes"
    assert refusal(BUNDLE + b"  \n" + BUNDLE) == f"line 1: it is larger than {len(BUNDLE)} bytes"
    assert refusal(two + b"\n" + BUNDLE) == "it has 3 lines, over 2"

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.attest.statement import parse_statement
from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput

SUBJECT = {"name": "widget-1.0.tar.gz", "digest": {"sha256": "ab", "blake2b": "cd"}}
STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [SUBJECT],
    "predicateType": "https://example.test/predicate",
    "predicate": {"key": "value"},
}


def payload(**members: object) -> bytes:
    return json.dumps({name: value for name, value in (STATEMENT | members).items() if value is not ...}).encode()


@pytest.mark.parametrize("version", ["v1", "v0.1"])
def test_reads_both_versions(version: str) -> None:
    statement = parse_statement(payload(_type=f"https://in-toto.io/Statement/{version}"))
    assert statement.subject_name == "widget-1.0.tar.gz"
    assert statement.subject_digests == {"sha256": "ab", "blake2b": "cd"}
    assert statement.predicate_type == "https://example.test/predicate"
    assert statement.predicate == {"key": "value"}


@pytest.mark.parametrize("predicate", [None, ...], ids=["null", "missing"])
def test_predicate_may_be_null_or_missing(predicate: object) -> None:
    assert parse_statement(payload(predicate=predicate)).predicate is None


@pytest.mark.parametrize("subjects", [[], [SUBJECT, SUBJECT]], ids=["none", "two"])
def test_refuses_other_than_one_subject(subjects: list[object]) -> None:
    with pytest.raises(EvidenceInvalid, match=f"has {len(subjects)} subjects") as caught:
        parse_statement(payload(subject=subjects))
    assert caught.value.code is EvidenceCode.STATEMENT_SUBJECT


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(payload()[:-1] + b',"predicateType":"x"}', id="duplicate-name"),
        pytest.param(payload(predicate=json.loads('{"a":' * 70 + "1" + "}" * 70)), id="too-deep"),
        pytest.param(payload(_type=...), id="no-type"),
        pytest.param(payload(_type="https://in-toto.io/Statement/v2"), id="unknown-type"),
        pytest.param(payload(subject=...), id="no-subject"),
        pytest.param(payload(subject=SUBJECT), id="subject-no-list"),
        pytest.param(payload(subject=[{"digest": {}}]), id="subject-without-name"),
        pytest.param(payload(subject=[{"name": 1, "digest": {}}]), id="name-no-string"),
        pytest.param(payload(subject=[{"name": "a"}]), id="subject-without-digest"),
        pytest.param(payload(subject=[{"name": "a", "digest": {"sha256": 1}}]), id="digest-no-string"),
        pytest.param(payload(predicateType=...), id="no-predicate-type"),
        pytest.param(payload(predicate=[]), id="predicate-no-object"),
    ],
)
def test_refuses_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput, match="the signed statement"):
        parse_statement(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_a_statement(data: bytes) -> None:
    with pytest.raises((MalformedInput, EvidenceInvalid)):
        parse_statement(data)

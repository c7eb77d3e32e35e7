"""Recorded, production-signed documents: each must come out as its index says."""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.attest.pypi import verify_attestation, verify_provenance, verify_subject
from guard.attest.statement import STATEMENT_PAYLOAD_TYPE, parse_statement
from guard.errors import EvidenceCode, EvidenceInvalid
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier

CORPUS = Path(os.environ.get("GUARD_CORPUS", ""))
pytestmark = pytest.mark.skipif(not os.environ.get("GUARD_CORPUS"), reason="GUARD_CORPUS names no folder")

ROOTS = ("production", "staging")
PREDICATES = {
    "pypi publish v1": EvidenceKind.PEP740_PUBLISH,
    "https://slsa.dev/provenance/v1": EvidenceKind.SLSA_PROVENANCE,
}
CLAIMS = {
    "issuer": "issuer",
    "build_signer_uri": "build_signer_uri",
    "runner": "runner_environment",
    "source_repo": "source_repository_uri",
    "source_digest": "source_repository_digest",
    "source_ref": "source_repository_ref",
    "source_repo_id": "source_repository_identifier",
    "owner_uri": "source_repository_owner_uri",
    "build_config_uri": "build_config_uri",
    "trigger": "build_trigger",
    "run": "run_invocation_uri",
    "visibility": "source_repository_visibility",
}


def load_rows() -> list[dict[str, Any]]:
    if not os.environ.get("GUARD_CORPUS"):
        return []
    rows = json.loads((CORPUS / "index.json").read_bytes())
    return [row for row in rows if row["path"].startswith("pypi/")]


ROWS = load_rows()


@cache
def verifier(root: str) -> Verifier:
    data = (CORPUS / "trust" / f"{root}.trusted_root.json").read_bytes()
    return Verifier(parse_trust_root(data, source=root), now=datetime.now(timezone.utc))


def verify(row: dict[str, Any], data: bytes, root: str) -> tuple[Evidence, ...]:
    name, sha256 = row["subject"]["name"], Digest("sha256", row["subject"]["digest"]["sha256"])
    if row["form"] == ["PEP740 provenance"]:
        return verify_provenance(data, filename=name, sha256=sha256, verifier=verifier(root))
    if row["form"] == ["PEP740 attestation"]:
        return (verify_attestation(data, filename=name, sha256=sha256, verifier=verifier(root)),)
    assert row["form"] == ["Sigstore bundle"]
    return (verify_bundle(data, name, sha256, verifier(root)),)


def verify_bundle(data: bytes, name: str, sha256: Digest, judge: Verifier) -> Evidence:
    kind = EvidenceKind.PEP740_PUBLISH
    try:
        verified = judge.verify_dsse(data)
        assert verified.payload_type == STATEMENT_PAYLOAD_TYPE
        statement = parse_statement(verified.payload)
        verify_subject(statement, filename=name, sha256=sha256)
    except EvidenceInvalid as error:
        return Evidence(kind=kind, state=EvidenceState.INVALID, code=error.code, reason=error.message)
    return Evidence(kind=kind, state=EvidenceState.VERIFIED, claims=verified.claims)


def test_the_corpus_has_pypi_documents() -> None:
    assert len(ROWS) >= 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: Path(row["path"]).name)
def test_comes_out_as_the_index_says(row: dict[str, Any]) -> None:
    evidence = verify(row, (CORPUS / row["path"]).read_bytes(), row["root"])
    accepted = all(one.state is EvidenceState.VERIFIED for one in evidence)
    assert accepted is (row["expect"] == "accept"), [one.reason for one in evidence]
    for one, recorded in zip(evidence, row["statements"], strict=True):
        assert (one.state is EvidenceState.VERIFIED) is recorded["verifies"]
        assert one.kind is PREDICATES[recorded["predicateType"]]
        if one.claims is not None:
            assert [one.claims.san] == recorded["identity"]["san"]
            assert {name: getattr(one.claims, field) for name, field in CLAIMS.items()} == {
                name: recorded["identity"].get(name) for name in CLAIMS
            }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: Path(row["path"]).name)
def test_the_other_root_refuses(row: dict[str, Any]) -> None:
    (root,) = {*ROOTS} - {row["root"]}
    for one in verify(row, (CORPUS / row["path"]).read_bytes(), root):
        assert (one.state, one.code) == (EvidenceState.INVALID, EvidenceCode.LOG_ENTRY)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: Path(row["path"]).name)
def test_binds_to_name_and_digest(row: dict[str, Any]) -> None:
    data = (CORPUS / row["path"]).read_bytes()
    subject = row["subject"]
    for other in (
        {"name": f"other_{subject['name']}", "digest": subject["digest"]},
        {"name": subject["name"], "digest": {"sha256": "0" * 64}},
    ):
        for one in verify(row | {"subject": other}, data, row["root"]):
            assert (one.state, one.code) == (EvidenceState.INVALID, EvidenceCode.STATEMENT_SUBJECT)


AUTHENTICATED_NAMES = frozenset(
    {
        "statement",
        "payload",
        "signature",
        "sig",
        "certificate",
        "rawBytes",
        "canonicalizedBody",
        "signedEntryTimestamp",
        "rootHash",
        "integratedTime",
    }
)


def authenticated_members(value: Any) -> list[tuple[dict[str, Any], str]]:
    """List every text that a signature covers, as its object and name."""
    if isinstance(value, list):
        return [found for item in value for found in authenticated_members(item)]
    if not isinstance(value, dict):
        return []
    here = [(value, name) for name, text in value.items() if name in AUTHENTICATED_NAMES and isinstance(text, str)]
    return here + [found for inner in value.values() for found in authenticated_members(inner)]


@given(data=st.data())
def test_no_bit_of_authenticated_content_may_change(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(ROWS))
    document = json.loads((CORPUS / row["path"]).read_bytes())
    parent, name = data.draw(st.sampled_from(authenticated_members(document)))
    if name == "integratedTime":
        parent[name] = str(int(parent[name]) + data.draw(st.integers(1, 300)))
    else:
        raw = bytearray(base64.b64decode(parent[name]))
        bit = data.draw(st.integers(0, len(raw) * 8 - 1))
        raw[bit // 8] ^= 1 << bit % 8
        parent[name] = base64.b64encode(raw).decode()
    evidence = verify(row, json.dumps(document).encode(), row["root"])
    assert EvidenceState.INVALID in [one.state for one in evidence]

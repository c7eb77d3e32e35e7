"""Recorded, production-signed npm documents: each comes out as its index says, or as a form not verified yet."""

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

from guard.attest.npm import verify_attestations
from guard.attest.npm_signature import RegistryKey, parse_registry_keys, verify_registry_signatures
from guard.errors import EvidenceCode
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier

CORPUS = Path(os.environ.get("GUARD_CORPUS", ""))
pytestmark = pytest.mark.skipif("GUARD_CORPUS" not in os.environ, reason="GUARD_CORPUS names no folder")

VERIFIED, INVALID, UNAVAILABLE = EvidenceState.VERIFIED, EvidenceState.INVALID, EvidenceState.UNAVAILABLE
# What is signed with a certificate and logged in the form that is supported; all else waits for its verifier.
SUPPORTED_ENTRIES = ["dsse/0.0.1"]


def load_rows() -> list[dict[str, Any]]:
    if "GUARD_CORPUS" not in os.environ:
        return []
    rows = json.loads((CORPUS / "index.json").read_bytes())
    return [row for row in rows if row["path"].startswith("npm/")]


ROWS = load_rows()


def load_document(row: dict[str, Any]) -> dict[str, Any]:
    """Return the endpoint's answer; a bundle that was recorded alone stands in one without a label."""
    document: dict[str, Any] = json.loads((CORPUS / row["path"]).read_bytes())
    return document if "attestations" in document else {"attestations": [{"bundle": document}]}


@cache
def verifier(root: str) -> Verifier:
    return Verifier(parse_trust_root((CORPUS / "trust" / f"{root}.trusted_root.json").read_bytes(), source=root))


def verify(row: dict[str, Any], document: dict[str, Any], root: str | None = None) -> tuple[Evidence, ...]:
    name, _, version = row["subject"]["name"].removeprefix("pkg:npm/").replace("%40", "@").rpartition("@")
    return verify_attestations(
        json.dumps(document).encode(),
        name=name,
        version=version,
        sha512=Digest("sha512", row["subject"]["digest"]["sha512"]),
        verifier=verifier(root or row["root"]),
    )


def is_supported(attestation: dict[str, Any], recorded: dict[str, Any]) -> bool:
    return recorded["entry"] == SUPPORTED_ENTRIES and "publicKey" not in attestation["bundle"]["verificationMaterial"]


def test_the_corpus_has_npm_documents_of_both_kinds() -> None:
    assert len(ROWS) >= 10
    supported = [
        is_supported(*pair)
        for row in ROWS
        for pair in zip(load_document(row)["attestations"], row["statements"], strict=True)
    ]
    assert {True, False} == set(supported)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: Path(row["path"]).name)
def test_comes_out_as_the_index_says_or_is_not_supported_yet(row: dict[str, Any]) -> None:
    document = load_document(row)
    evidence = verify(row, document)
    for one, attestation, recorded in zip(evidence, document["attestations"], row["statements"], strict=True):
        publish = "publish" in (attestation.get("predicateType") or "")
        assert one.kind is (EvidenceKind.NPM_PUBLISH if publish else EvidenceKind.SLSA_PROVENANCE)
        if not is_supported(attestation, recorded):
            assert (one.state, one.cause) == (UNAVAILABLE, UnavailableCause.UNSUPPORTED)
            continue
        assert (one.state is VERIFIED) is recorded["verifies"], one.reason
        if one.claims is not None:
            assert one.predicate_type == recorded["predicateType"]
            assert [one.claims.san] == recorded["identity"]["san"]
            assert one.claims.source_repository_uri == recorded["identity"]["source_repo"]
            assert one.claims.source_repository_identifier == recorded["identity"]["source_repo_id"]
    if row["expect"] == "reject":
        assert not all(one.state is VERIFIED for one in evidence)


SUPPORTED_ROWS = [row for row in ROWS if any(map(is_supported, load_document(row)["attestations"], row["statements"]))]


@pytest.mark.parametrize("row", SUPPORTED_ROWS, ids=lambda row: Path(row["path"]).name)
def test_the_other_root_refuses(row: dict[str, Any]) -> None:
    evidence = verify(row, load_document(row), "staging")
    assert EvidenceCode.CERTIFICATE in [one.code for one in evidence]
    assert VERIFIED not in [one.state for one in evidence]


@pytest.mark.parametrize("row", SUPPORTED_ROWS, ids=lambda row: Path(row["path"]).name)
@pytest.mark.parametrize("change", ["name", "version", "digest"])
def test_binds_to_name_version_and_digest(row: dict[str, Any], change: str) -> None:
    subject = row["subject"]
    other = {
        "name": subject | {"name": subject["name"].replace("@", "-other@")},
        "version": subject | {"name": f"{subject['name']}-rc.1"},
        "digest": subject | {"digest": {"sha512": "0" * 128}},
    }[change]
    evidence = verify(row | {"subject": other}, load_document(row))
    assert EvidenceCode.STATEMENT_SUBJECT in [one.code for one in evidence]
    assert VERIFIED not in [one.state for one in evidence]


AUTHENTICATED = ("payload", "sig", "rawBytes", "canonicalizedBody", "signedEntryTimestamp", "rootHash")


def authenticated_members(value: Any) -> list[tuple[dict[str, Any], str]]:
    """List every text that a signature covers, as its object and name."""
    if isinstance(value, list):
        return [found for item in value for found in authenticated_members(item)]
    if not isinstance(value, dict):
        return []
    here = [(value, name) for name, text in value.items() if name in AUTHENTICATED and isinstance(text, str)]
    return here + [found for inner in value.values() for found in authenticated_members(inner)]


@given(data=st.data())
def test_no_bit_of_authenticated_content_may_change(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(SUPPORTED_ROWS))
    document = load_document(row)
    supported = [
        index
        for index, pair in enumerate(zip(document["attestations"], row["statements"], strict=True))
        if is_supported(*pair)
    ]
    index = data.draw(st.sampled_from(supported))
    parent, name = data.draw(st.sampled_from(authenticated_members(document["attestations"][index])))
    raw = bytearray(base64.b64decode(parent[name]))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    parent[name] = base64.b64encode(raw).decode()
    assert verify(row, document)[index].state is INVALID


# What the public registry lists for kms-demo 1.0.0, the package in whose name npm's own tests speak.
KMS_DEMO = "sha512-QqZ7VJ/8xPkS9s2IWB7Shj3qTJdcRyeXKbPQnsZjsPEwvutGv0EGeVchPcauoiDFJlGbZMFq5GDCurAGNSghJQ=="
KMS_DEMO_SIGNATURE = (
    "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA",
    "MEUCIDrLNspFeU5NZ6d55ycVBZIMXnPJi/XnI1Y2dlJvK8P1AiEAnXjn1IOMUd+U7YfPH+FNjwfLq+jCwfH8uaxocq+mpPk=",
)


def registry_keys() -> tuple[RegistryKey, ...]:
    return parse_registry_keys((CORPUS / "trust" / "npm-keys.json").read_bytes())


def verify_kms_demo(**changes: Any) -> Evidence:
    listed = {"name": "kms-demo", "version": "1.0.0", "integrity": KMS_DEMO, "published_at": None, **changes}
    return verify_registry_signatures([KMS_DEMO_SIGNATURE], keys=registry_keys(), **listed)


def test_a_real_registry_signature_verifies() -> None:
    first, second = registry_keys()
    assert (first.expires, second.expires) == (datetime(2025, 1, 29, tzinfo=timezone.utc), None)
    evidence = verify_kms_demo(published_at=datetime(2021, 11, 5, tzinfo=timezone.utc))
    assert (evidence.state, evidence.reason) == (VERIFIED, "")
    assert "2025-01-29" in verify_kms_demo().reason


@pytest.mark.parametrize(
    "change",
    [{"name": "kms-dem0"}, {"version": "1.0.1"}, {"published_at": datetime(2025, 1, 29, tzinfo=timezone.utc)}],
    ids=["name", "version", "published-after-the-end-of-the-key"],
)
def test_a_real_registry_signature_is_of_one_release(change: dict[str, Any]) -> None:
    assert verify_kms_demo(**change).state is INVALID

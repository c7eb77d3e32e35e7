"""Recorded, production-signed npm documents: each comes out as its index says."""

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

from guard.attest.npm import RegistryKeys, verify_attestations
from guard.attest.npm_signature import KeyUsage, RegistryKey, parse_registry_keys, verify_registry_signatures
from guard.constants import NPM_REGISTRY_URL
from guard.engine.npm_keys import load_shipped_keys
from guard.errors import EvidenceCode
from guard.model import Digest, Evidence, EvidenceKind, EvidenceState
from guard.sigstore.slsa_level import slsa_level
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier

CORPUS = Path(os.environ.get("GUARD_CORPUS", ""))
pytestmark = pytest.mark.skipif(not os.environ.get("GUARD_CORPUS"), reason="GUARD_CORPUS names no folder")

VERIFIED, INVALID = EvidenceState.VERIFIED, EvidenceState.INVALID
PUBLISH = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
# Where the index and the certificate say the same: claims of today's certificates, and of those of before 2023.
CLAIMS = {
    "san": "san",
    "issuer": "issuer",
    "source_repo": "source_repository_uri",
    "source_digest": "source_repository_digest",
    "source_ref": "source_repository_ref",
    "source_repo_id": "source_repository_identifier",
    "build_signer_uri": "build_signer_uri",
    "build_config_uri": "build_config_uri",
    "runner": "runner_environment",
    "trigger": "build_trigger",
    "run": "run_invocation_uri",
    "issuer_v1": "issuer",
    "gh_trigger": "build_trigger",
    "gh_sha": "source_repository_digest",
    "gh_repo": "source_repository_uri",
    "gh_ref": "source_repository_ref",
}


def load_rows() -> list[dict[str, Any]]:
    if not os.environ.get("GUARD_CORPUS"):
        return []
    rows = json.loads((CORPUS / "index.json").read_bytes())
    return [row for row in rows if row["path"].startswith("npm/")]


ROWS = load_rows()
ACCEPTED = [row for row in ROWS if row["expect"] == "accept"]


def load_document(row: dict[str, Any]) -> dict[str, Any]:
    """Return the endpoint's answer; a bundle that was recorded alone stands in one without a label."""
    document: dict[str, Any] = json.loads((CORPUS / row["path"]).read_bytes())
    return document if "attestations" in document else {"attestations": [{"bundle": document}]}


@cache
def verifier(root: str) -> Verifier:
    data = (CORPUS / "trust" / f"{root}.trusted_root.json").read_bytes()
    return Verifier(parse_trust_root(data, source=root), now=datetime.now(timezone.utc))


@cache
def registry_keys() -> tuple[RegistryKey, ...]:
    return parse_registry_keys((CORPUS / "trust" / "npm-keys.json").read_bytes())


def verify(row: dict[str, Any], document: dict[str, Any], root: str | None = None) -> tuple[Evidence, ...]:
    name, _, version = row["subject"]["name"].removeprefix("pkg:npm/").replace("%40", "@").rpartition("@")
    return verify_attestations(
        json.dumps(document).encode(),
        name=name,
        version=version,
        sha512=Digest("sha512", row["subject"]["digest"]["sha512"]),
        registries=(NPM_REGISTRY_URL,),
        keys=RegistryKeys(known=registry_keys()),
        verifier=verifier(root or row["root"]),
    )


def test_the_corpus_has_npm_documents_of_both_outcomes() -> None:
    assert len(ROWS) >= 10
    assert {row["expect"] for row in ROWS} == {"accept", "reject"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: Path(row["path"]).name)
def test_comes_out_as_the_index_says(row: dict[str, Any]) -> None:
    evidence = verify(row, load_document(row))
    accepted = all(one.state is VERIFIED for one in evidence)
    assert accepted is (row["expect"] == "accept"), [one.reason for one in evidence]
    for one, recorded in zip(evidence, row["statements"], strict=True):
        assert one.state in (VERIFIED, INVALID)
        if one.state is VERIFIED:
            assert recorded["verifies"]
            assert one.predicate_type == recorded["predicateType"]
        # A statement that verifies for itself may yet be one of a document that labels it otherwise; the note says so.
        assert one.state is VERIFIED or not recorded["verifies"] or "labels" in row["note"], one.reason


@pytest.mark.parametrize("row", ACCEPTED, ids=lambda row: Path(row["path"]).name)
def test_the_signer_is_whom_the_index_names(row: dict[str, Any]) -> None:
    for one, recorded in zip(verify(row, load_document(row)), row["statements"], strict=True):
        if recorded["predicateType"] == PUBLISH:
            assert (one.kind, one.claims) == (EvidenceKind.NPM_PUBLISH, None)
            assert one.key_id in [key.keyid for key in registry_keys()]
            continue
        assert one.kind is EvidenceKind.SLSA_PROVENANCE
        assert one.claims is not None
        assert one.claims.signed_at == one.signed_at
        for name, value in recorded["identity"].items():
            if name in CLAIMS:
                found = getattr(one.claims, CLAIMS[name])
                stated = value[0] if name == "san" else f"https://github.com/{value}" if name == "gh_repo" else value
                assert found == stated, name


LEVELS = {"sigstore@0.4.0": 1, "sigstore@1.0.0": 1, "tuf-js@1.0.0": 1}  # before 2023 certificates named no runner


@pytest.mark.parametrize("row", ACCEPTED, ids=lambda row: Path(row["path"]).name)
def test_the_build_level_is_that_of_the_certificate(row: dict[str, Any]) -> None:
    levels = [slsa_level(one.claims) for one in verify(row, load_document(row)) if one.claims is not None]
    assert levels == [LEVELS.get(row["subject"]["name"].removeprefix("pkg:npm/"), 2)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: Path(row["path"]).name)
def test_the_other_root_refuses(row: dict[str, Any]) -> None:
    evidence = verify(row, load_document(row), "staging")
    assert {one.state for one in evidence} == {INVALID}


@pytest.mark.parametrize("row", ACCEPTED, ids=lambda row: Path(row["path"]).name)
@pytest.mark.parametrize("change", ["name", "version", "digest"])
def test_binds_to_name_version_and_digest(row: dict[str, Any], change: str) -> None:
    subject = row["subject"]
    other = {
        "name": subject | {"name": subject["name"].replace("@", "-other@")},
        "version": subject | {"name": f"{subject['name']}-rc.1"},
        "digest": subject | {"digest": {"sha512": "0" * 128}},
    }[change]
    evidence = verify(row | {"subject": other}, load_document(row))
    assert {(one.state, one.code) for one in evidence} == {(INVALID, EvidenceCode.STATEMENT_SUBJECT)}


def test_shipped_keys_are_the_recorded_ones() -> None:
    assert load_shipped_keys() == registry_keys()


AUTHENTICATED = ("payload", "sig", "rawBytes", "canonicalizedBody", "signedEntryTimestamp", "rootHash")


def authenticated_members(value: Any) -> list[tuple[dict[str, Any], str]]:
    """List every text that a signature covers, as its object and name.

    Of a chain that is the first certificate alone: authorities come from the trust root, whatever a bundle brings.
    """
    if isinstance(value, dict) and "certificates" in value:
        return authenticated_members(value["certificates"][0])
    if isinstance(value, list):
        return [found for item in value for found in authenticated_members(item)]
    if not isinstance(value, dict):
        return []
    here = [(value, name) for name, text in value.items() if name in AUTHENTICATED and isinstance(text, str)]
    return here + [found for inner in value.values() for found in authenticated_members(inner)]


@given(data=st.data())
def test_no_bit_of_authenticated_content_may_change(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(ACCEPTED))
    document = load_document(row)
    index = data.draw(st.integers(0, len(document["attestations"]) - 1))
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


def verify_kms_demo(**changes: Any) -> Evidence:
    listed = {"name": "kms-demo", "version": "1.0.0", "integrity": KMS_DEMO, "published_at": None, **changes}
    return verify_registry_signatures([KMS_DEMO_SIGNATURE], keys=registry_keys(), **listed)


def test_a_real_registry_signature_verifies() -> None:
    first, second = (key for key in registry_keys() if key.is_for(KeyUsage.SIGNATURES))
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

"""Recorded, production-signed bundles under guard's own verifier: each comes out as its index says."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.sigstore.bundle import Bundle, DsseEnvelope, parse_bundle
from guard.sigstore.own import Proven, verify_bundle
from tests.corpus import IS_THERE, RecordedBundle, authorities, bundles_of, load_rows, registry_keys

pytestmark = pytest.mark.skipif(not IS_THERE, reason="GUARD_CORPUS names no folder")

NOW = datetime.now(timezone.utc)
ROWS = load_rows()
BUNDLES = [bundle for row in ROWS for bundle in bundles_of(row)]


def verify(recorded: RecordedBundle, root: str | None = None) -> tuple[Bundle, Proven]:
    bundle = parse_bundle(json.dumps(recorded.bundle).encode())
    key = None if bundle.key_hint is None else registry_keys()[bundle.key_hint]
    return bundle, verify_bundle(bundle, authorities(root or recorded.root), now=NOW, key=key)


def names_its_key(bundle: Bundle) -> bool:
    """Whether envelope and bundle give the key one name, or none for a certificate's, which npm's client asks for.

    No signature covers these names: the verifier hands them on, and guard.attest compares them.
    """
    assert isinstance(bundle.content, DsseEnvelope)
    return bundle.content.key_id == (bundle.key_hint or "")


def is_accepted(recorded: RecordedBundle) -> bool:
    try:
        return names_its_key(verify(recorded)[0])
    except (EvidenceInvalid, MalformedInput):
        return False


def test_there_are_documents_of_both_ecosystems_and_outcomes() -> None:
    assert {"pypi", "npm"} == {row["ecosystem"] for row in ROWS}
    assert {"accept", "reject"} == {row["expect"] for row in ROWS}


@pytest.mark.parametrize("recorded", BUNDLES, ids=lambda recorded: recorded.name)
def test_a_bundle_comes_out_as_the_index_says(recorded: RecordedBundle) -> None:
    # Of this document the index says in a note alone that a name of a key differs.
    verifies = recorded.says["verifies"] and recorded.name != "sigstore@0.4.0.mismatched-keyid.attestations.json#0"
    assert is_accepted(recorded) is verifies


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["path"].rpartition("/")[2])
def test_a_document_comes_out_as_the_index_says(row: dict[str, Any]) -> None:
    assert all(map(is_accepted, bundles_of(row))) is (row["expect"] == "accept")


ACCEPTED = [recorded for recorded in BUNDLES if is_accepted(recorded)]


@pytest.mark.parametrize("recorded", ACCEPTED, ids=lambda recorded: recorded.name)
def test_the_claims_are_those_of_the_index(recorded: RecordedBundle) -> None:
    claims = verify(recorded)[1].claims
    says = recorded.says.get("identity")
    assert (claims is None) is ("publicKey" in recorded.bundle["verificationMaterial"])
    if claims is not None and says is not None:
        assert [claims.san] == says["san"]
        assert claims.issuer == says.get("issuer", says.get("issuer_v1"))
        old_form = f"https://github.com/{says['gh_repo']}" if says.get("gh_repo") else None
        assert claims.source_repository_uri == says.get("source_repo", old_form)
        assert claims.source_repository_identifier == says.get("source_repo_id")


@pytest.mark.parametrize("recorded", BUNDLES, ids=lambda recorded: recorded.name)
def test_the_other_root_refuses(recorded: RecordedBundle) -> None:
    (other,) = {"production", "staging"} - {recorded.root}
    with pytest.raises((EvidenceInvalid, MalformedInput)) as caught:
        verify(recorded, other)
    assert not isinstance(caught.value, EvidenceInvalid) or caught.value.code is EvidenceCode.LOG_ENTRY


@pytest.mark.parametrize("recorded", ACCEPTED[:1] + ACCEPTED[-1:], ids=lambda recorded: recorded.name)
def test_a_recorded_bundle_is_of_the_past(recorded: RecordedBundle) -> None:
    bundle, proven = verify(recorded)
    key = None if bundle.key_hint is None else registry_keys()[bundle.key_hint]
    given: dict[str, Any] = {"now": proven.signed_at, "key": key}
    assert verify_bundle(bundle, authorities(recorded.root), **given) == proven


AUTHENTICATED = frozenset(
    {"payload", "sig", "rawBytes", "canonicalizedBody", "signedEntryTimestamp", "rootHash", "keyId"}
)


def members(value: Any) -> list[tuple[Any, str]]:
    """List every text in base64 that a signature covers; of a chain, the signer's certificate alone."""
    if isinstance(value, list):
        return [found for item in value[:1] for found in members(item)]
    if not isinstance(value, dict):
        return []
    here = [(value, name) for name, text in value.items() if name in AUTHENTICATED and isinstance(text, str)]
    return here + [found for inner in value.values() for found in members(inner)]


@given(data=st.data())
def test_no_bit_of_what_is_signed_may_change(data: st.DataObject) -> None:

    recorded = data.draw(st.sampled_from(ACCEPTED))
    recorded = replace(recorded, bundle=json.loads(json.dumps(recorded.bundle)))
    parent, name = data.draw(st.sampled_from(members(recorded.bundle)))
    raw = bytearray(base64.b64decode(parent[name]))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    parent[name] = base64.b64encode(raw).decode()
    with pytest.raises((EvidenceInvalid, MalformedInput)):
        verify(recorded)

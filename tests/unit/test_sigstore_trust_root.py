from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import datetime, timezone
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid
from guard.limits import TRUST_ROOT_MAX_BYTES
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier

PRODUCTION = (files("guard") / "data" / "trusted_root.json").read_bytes()

BROKEN_AUTHORITY = {
    "subject": {"organization": "example.test", "commonName": "tsa"},
    "certChain": {"certificates": [{"rawBytes": "AAAA"}]},
    "validFor": {"start": "2020-01-01T00:00:00Z"},
}


def changed(**members: object) -> bytes:
    root = json.loads(PRODUCTION) | members
    return json.dumps({name: value for name, value in root.items() if value is not ...}).encode()


def test_keeps_source_and_digest() -> None:
    root = parse_trust_root(PRODUCTION, source="built in")
    assert root.source == "built in"
    assert root.digest.algorithm == "sha256"
    assert root.digest.hex == hashlib.sha256(PRODUCTION).hexdigest()


def test_repr_does_not_spill_the_document() -> None:
    assert len(repr(parse_trust_root(PRODUCTION, source="built in"))) < 300


@pytest.mark.parametrize(
    ("data", "part"),
    [
        pytest.param(b"", "is malformed", id="empty"),
        pytest.param(b"[]", "not a JSON object", id="list"),
        pytest.param(b"{}", "'mediaType' is missing", id="no-media-type"),
        pytest.param(changed(mediaType="text/plain"), "media type 'text/plain'", id="other-media-type"),
        pytest.param(
            changed(mediaType="application/vnd.dev.sigstore.trustedroot.v0.2+json"), "media type", id="newer-media-type"
        ),
        pytest.param(changed(tlogs=...), "'tlogs' is missing", id="no-tlogs"),
        pytest.param(changed(tlogs=[]), "lists no tlogs", id="empty-tlogs"),
        pytest.param(changed(tlogs=["x"]), "no list of objects", id="tlogs-of-strings"),
        pytest.param(b'{"mediaType":"a","mediaType":"b"}', "occurs twice", id="duplicate-name"),
        pytest.param(PRODUCTION + b" " * TRUST_ROOT_MAX_BYTES, "larger than", id="too-large"),
    ],
)
def test_refuses_when_loaded(data: bytes, part: str) -> None:
    with pytest.raises(ConfigInvalid, match="my root") as caught:
        parse_trust_root(data, source="my root")
    assert part in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(changed(certificateAuthorities=[{}]), id="authority-without-members"),
        pytest.param(changed(ctlogs=["x"]), id="ctlogs-of-strings"),
        pytest.param(changed(timestampAuthorities=[BROKEN_AUTHORITY]), id="undecodable-timestamp-authority"),
        pytest.param(PRODUCTION.replace(b'"rawBytes": "MII', b'"rawBytes": "XXX', 1), id="undecodable-certificate"),
    ],
)
def test_refuses_when_first_used(data: bytes) -> None:
    assert data != PRODUCTION
    verifier = Verifier(parse_trust_root(data, source="my root"), now=datetime.now(timezone.utc))
    with pytest.raises(ConfigInvalid, match="trust root my root cannot be used"):
        verifier.verify_dsse(b"{}")
    with pytest.raises(ConfigInvalid, match="trust root my root cannot be used"):
        verifier.require_usable()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_root_or_invalid_configuration(data: bytes) -> None:
    with pytest.raises(ConfigInvalid):
        parse_trust_root(data, source="my root")


def test_importing_verification_loads_no_cryptography() -> None:
    program = (
        "import sys, guard.attest.pypi, guard.attest.availability, guard.sigstore.verify, guard.sigstore.trust_root\n"
        "print(sorted({'sigstore', 'cryptography', 'pydantic', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_root_at_the_ceiling_is_read() -> None:
    assert parse_trust_root(PRODUCTION + b" " * (TRUST_ROOT_MAX_BYTES - len(PRODUCTION)), source="my root").data

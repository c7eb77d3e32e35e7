"""Registry signatures: which keys are read, what a signature must cover, and when its key must have been alive."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from guard.attest.npm_signature import KeyUsage, RegistryKey, parse_registry_keys, verify_registry_signatures
from guard.errors import EvidenceCode, MalformedInput
from guard.limits import ATTESTATIONS_MAX_COUNT, PROVENANCE_MAX_BYTES
from guard.model import Evidence, EvidenceKind, EvidenceState
from tests.sim.authority import public_der

NAME, VERSION = "@acme/widget", "1.0.0"
INTEGRITY = "sha512-" + base64.b64encode(b"\x01" * 64).decode()
OURS, NEXT, FOREIGN = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
END = datetime(2025, 1, 29, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)
KEY = RegistryKey(keyid="SHA256:ours", spki=public_der(OURS), expires=None)
NEXT_KEY = RegistryKey(keyid="SHA256:next", spki=public_der(NEXT), expires=None)
ENDED_KEY = RegistryKey(keyid="SHA256:ours", spki=public_der(OURS), expires=END)
TYPE = "ecdsa-sha2-nistp256"
LISTED: dict[str, Any] = {
    "expires": None,
    "keyid": "SHA256:ours",
    "keytype": TYPE,
    "scheme": TYPE,
    "key": base64.b64encode(KEY.spki).decode(),
}
IN_TUF: dict[str, Any] = {
    "keyId": "SHA256:ours",
    "keyUsage": "npm:signatures",
    "publicKey": {
        "rawBytes": LISTED["key"],
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "validFor": {"start": "1999-01-01T00:00:00.000Z", "end": "2025-01-29T00:00:00.000Z"},
    },
}


def sign(key: ec.EllipticCurvePrivateKey = OURS, name: str = NAME, version: str = VERSION, sri: str = INTEGRITY) -> str:
    return base64.b64encode(key.sign(f"{name}@{version}:{sri}".encode(), ec.ECDSA(hashes.SHA256()))).decode()


def verify(
    *signatures: tuple[str, str],
    keys: tuple[RegistryKey, ...] = (KEY,),
    published_at: datetime | None = None,
    name: str = NAME,
    version: str = VERSION,
    integrity: str = INTEGRITY,
) -> Evidence:
    return verify_registry_signatures(
        signatures, name=name, version=version, integrity=integrity, keys=keys, published_at=published_at
    )


def document(*keys: object) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


GOOD = ("SHA256:ours", sign())


def test_a_signature_by_a_key_of_the_registry_verifies() -> None:
    evidence = verify(GOOD)
    assert evidence == Evidence(kind=EvidenceKind.NPM_SIGNATURE, state=EvidenceState.VERIFIED)


def test_without_signatures_it_is_absent() -> None:
    assert verify() == Evidence(kind=EvidenceKind.NPM_SIGNATURE, state=EvidenceState.ABSENT)
    assert verify(keys=()).state is EvidenceState.ABSENT


@pytest.mark.parametrize(
    "other",
    [
        {"name": "@acme/gadget"},
        {"version": "1.0.1"},
        {"integrity": "sha512-" + base64.b64encode(b"\x02" * 64).decode()},
        {"integrity": f"{INTEGRITY} "},
        {"integrity": ""},
        {"name": "\ud800"},
    ],
    ids=["name", "version", "integrity", "integrity-with-blank", "no-integrity", "name-no-text"],
)
def test_a_signature_covers_name_version_and_integrity(other: dict[str, str]) -> None:
    evidence = verify(GOOD, **other)  # type: ignore[arg-type]
    assert (evidence.state, evidence.code) == (EvidenceState.INVALID, EvidenceCode.SIGNATURE)


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        pytest.param(sign(FOREIGN), EvidenceCode.SIGNATURE, id="foreign-key"),
        pytest.param(base64.b64encode(b"x" * 70).decode(), EvidenceCode.SIGNATURE, id="no-der"),
        pytest.param("", EvidenceCode.SIGNATURE, id="empty"),
        pytest.param("A", EvidenceCode.MALFORMED, id="no-base64"),
        pytest.param(f"{GOOD[1]}\n", EvidenceCode.MALFORMED, id="line-end"),
        pytest.param("é", EvidenceCode.MALFORMED, id="not-ascii"),
    ],
)
def test_a_bad_signature_is_invalid(signature: str, code: EvidenceCode) -> None:
    evidence = verify(("SHA256:ours", signature))
    assert (evidence.state, evidence.code) == (EvidenceState.INVALID, code)
    assert evidence.reason


@pytest.mark.parametrize("position", [0, 1])
def test_every_signature_by_a_known_key_must_hold(position: int) -> None:
    signatures = [GOOD, ("SHA256:next", sign(NEXT))]
    assert verify(*signatures, keys=(KEY, NEXT_KEY)).state is EvidenceState.VERIFIED
    signatures[position] = (signatures[position][0], sign(FOREIGN))
    assert verify(*signatures, keys=(KEY, NEXT_KEY)).state is EvidenceState.INVALID


def test_a_signature_by_an_unknown_key_counts_for_nothing() -> None:
    unknown = ("SHA256:later", sign(FOREIGN))
    assert verify(GOOD, unknown).state is EvidenceState.VERIFIED
    for keys in ((KEY,), ()):
        evidence = verify(unknown, keys=keys)
        assert (evidence.state, evidence.code) == (EvidenceState.INVALID, EvidenceCode.SIGNATURE)
        assert "'SHA256:later', which is none of the registry's keys" in evidence.reason


@pytest.mark.parametrize(
    ("published_at", "state"),
    [
        (END - SECOND, EvidenceState.VERIFIED),
        (END, EvidenceState.INVALID),
        (END + SECOND, EvidenceState.INVALID),
        ((END - SECOND).astimezone(timezone(timedelta(hours=9))), EvidenceState.VERIFIED),
    ],
    ids=["before", "at", "after", "before-in-another-zone"],
)
def test_a_key_signs_nothing_after_its_end(published_at: datetime, state: EvidenceState) -> None:
    assert verify(GOOD, keys=(ENDED_KEY,), published_at=published_at).state is state
    assert verify(GOOD, keys=(KEY,), published_at=published_at).reason == ""


def test_one_key_that_had_ended_spoils_the_others() -> None:
    evidence = verify(
        ("SHA256:next", sign(NEXT)), GOOD, keys=(NEXT_KEY, ENDED_KEY), published_at=END + timedelta(days=1)
    )
    assert evidence.state is EvidenceState.INVALID
    assert "ended on 2025-01-29" in evidence.reason


def test_that_the_end_of_a_key_was_not_compared_is_said() -> None:
    evidence = verify(GOOD, keys=(ENDED_KEY,))
    assert evidence.state is EvidenceState.VERIFIED
    assert "2025-01-29" in evidence.reason
    assert "not known" in evidence.reason


def test_more_signatures_than_the_limit_are_malformed() -> None:
    assert verify(*[GOOD] * ATTESTATIONS_MAX_COUNT).state is EvidenceState.VERIFIED
    assert verify(*[GOOD] * (ATTESTATIONS_MAX_COUNT + 1)).code is EvidenceCode.MALFORMED


def test_a_key_that_is_no_point_of_the_curve_verifies_nothing() -> None:
    key = RegistryKey(keyid="SHA256:ours", spki=KEY.spki[:-64] + b"\xff" * 64, expires=None)
    assert verify(GOOD, keys=(key,)).code is EvidenceCode.SIGNATURE


def test_keys_of_the_endpoint() -> None:
    ended = LISTED | {"keyid": "SHA256:old", "expires": "2025-01-29T00:00:00.000Z"}
    keys = parse_registry_keys(document(ended, LISTED))
    assert keys == (RegistryKey(keyid="SHA256:old", spki=KEY.spki, expires=END), KEY)


def test_keys_of_the_tuf_target() -> None:
    for_attestations = IN_TUF | {"keyUsage": "npm:attestations"}
    without_end = json.loads(json.dumps(IN_TUF | {"keyId": "SHA256:next"}))
    del without_end["publicKey"]["validFor"]["end"]
    for_something_else = IN_TUF | {"keyUsage": "npm:other"}
    keys = parse_registry_keys(document(IN_TUF, for_attestations, without_end, for_something_else))
    since: dict[str, Any] = {"starts": datetime(1999, 1, 1, tzinfo=timezone.utc), "usage": KeyUsage.SIGNATURES}
    assert keys == (
        replace(ENDED_KEY, **since),
        replace(ENDED_KEY, **since | {"usage": KeyUsage.ATTESTATIONS}),
        replace(KEY, keyid="SHA256:next", **since),
    )
    assert [key.is_for(KeyUsage.SIGNATURES) for key in (KEY, *keys)] == [True, True, False, True]


def test_a_key_for_attestations_signs_nothing_else() -> None:
    assert verify(GOOD, keys=(replace(KEY, usage=KeyUsage.SIGNATURES),)).state is EvidenceState.VERIFIED
    assert verify(GOOD, keys=(replace(KEY, usage=KeyUsage.ATTESTATIONS),)).state is EvidenceState.INVALID


def test_keys_of_another_type_are_left_out() -> None:
    raw = ed25519.Ed25519PrivateKey.generate().public_key()
    der = raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    other = LISTED | {"keyid": "SHA256:ed", "keytype": "ssh-ed25519", "key": base64.b64encode(der).decode()}
    assert parse_registry_keys(document(other, LISTED, LISTED | {"keyid": "x", "scheme": "other"})) == (KEY,)


def test_keys_of_another_type_in_the_tuf_target_are_left_out() -> None:
    other = IN_TUF | {
        "keyId": "x",
        "publicKey": IN_TUF["publicKey"] | {"keyDetails": "PKIX_ED25519", "rawBytes": "AA=="},
    }
    assert [key.keyid for key in parse_registry_keys(document(other, IN_TUF))] == ["SHA256:ours"]


P384 = base64.b64encode(public_der(ec.generate_private_key(ec.SECP384R1()))).decode()

OF_SAME_LENGTH = base64.b64encode(KEY.spki[:8] + b"\x00" + KEY.spki[9:]).decode()


def without(entry: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != member}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="no-bytes"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="no-keys-member"),
        pytest.param(b'{"error": "Not found"}', id="error"),
        pytest.param(document(LISTED)[:-1], id="cut"),
        pytest.param(document(LISTED)[:-1] + b',"keys":[]}', id="duplicate-name"),
        pytest.param(document(LISTED) + b" " * PROVENANCE_MAX_BYTES, id="too-large"),
        pytest.param(document(), id="no-keys"),
        pytest.param(document(1), id="key-no-object"),
        pytest.param(document(LISTED, LISTED), id="one-name-twice"),
        pytest.param(document(LISTED, IN_TUF), id="one-name-in-two-forms"),
        pytest.param(document(LISTED | {"keytype": "ssh-ed25519"}), id="other-type-only"),
        pytest.param(document(IN_TUF | {"keyUsage": "npm:attestations"}), id="other-usage-only"),
        pytest.param(
            document(IN_TUF, *[IN_TUF | {"keyUsage": "npm:attestations"}] * 2), id="one-name-twice-for-attestations"
        ),
        *[pytest.param(document(without(LISTED, name)), id=f"no-{name}") for name in LISTED if name != "expires"],
        pytest.param(document(LISTED | {"keyid": ""}), id="empty-name"),
        pytest.param(document(LISTED | {"keyid": 1}), id="name-no-string"),
        pytest.param(document(LISTED | {"key": "A"}), id="key-no-base64"),
        pytest.param(document(LISTED | {"key": LISTED["key"] + "\n"}), id="key-with-junk-in-base64"),
        pytest.param(document(LISTED | {"key": ""}), id="key-empty"),
        pytest.param(document(LISTED | {"key": P384}), id="key-of-another-curve"),
        pytest.param(document(LISTED | {"key": LISTED["key"][:-4]}), id="key-cut"),
        pytest.param(document(LISTED | {"key": OF_SAME_LENGTH}), id="key-of-the-same-length"),
        pytest.param(document(LISTED | {"expires": "soon"}), id="end-no-time"),
        pytest.param(document(LISTED | {"expires": 5}), id="end-no-string"),
        pytest.param(document(LISTED | {"expires": "2025-01-29T00:00:00"}), id="end-without-zone"),
        pytest.param(document(IN_TUF | {"publicKey": None}), id="tuf-key-null"),
        pytest.param(document(IN_TUF | {"publicKey": without(IN_TUF["publicKey"], "validFor")}), id="tuf-no-validity"),
    ],
)
def test_malformed_keys_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_registry_keys(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_keys(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_registry_keys(data)


JSON_VALUES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)
)


@given(entry=st.sampled_from([LISTED, IN_TUF, IN_TUF["publicKey"]]), data=st.data())
def test_any_member_parses_or_is_refused(entry: dict[str, Any], data: st.DataObject) -> None:
    member = data.draw(st.sampled_from(sorted(entry)))
    changed = entry | {member: data.draw(JSON_VALUES)}
    with suppress(MalformedInput):
        for key in parse_registry_keys(document(IN_TUF | {"publicKey": changed} if "rawBytes" in entry else changed)):
            assert key.spki == KEY.spki


@given(
    st.lists(st.tuples(st.sampled_from(["SHA256:ours", "other"]), st.text(max_size=20)), max_size=3),
    st.text(max_size=5),
)
def test_any_texts_are_judged(signatures: list[tuple[str, str]], integrity: str) -> None:
    evidence = verify(*signatures, integrity=integrity)
    assert evidence.state is (EvidenceState.INVALID if signatures else EvidenceState.ABSENT)


def test_reading_keys_loads_no_cryptography() -> None:
    program = (
        "import sys; from guard.attest.npm_signature import parse_registry_keys, verify_registry_signatures\n"
        f"parse_registry_keys({document(LISTED)!r})\n"
        "verify_registry_signatures([], name='a', version='1', integrity='', keys=(), published_at=None)\n"
        "assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit()])
def test_an_interrupt_stays_an_interrupt(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(serialization, "load_der_public_key", fail)
    with pytest.raises(type(raised)):
        verify(GOOD)


def test_what_is_no_time_is_said() -> None:
    with pytest.raises(MalformedInput, match="the beginning or end of a key is no time"):
        parse_registry_keys(document(LISTED | {"expires": 5}))

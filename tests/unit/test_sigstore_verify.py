from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.limits import PROVENANCE_MAX_BYTES
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.sim.identity import Identity
from tests.sim.sigstore import BUNDLE_V0_2, Defect, EntryKind, MintingSigstore

NOW = datetime.now(timezone.utc).replace(microsecond=0)
SIGSTORE = MintingSigstore()
VERIFIER = Verifier(parse_trust_root(SIGSTORE.trusted_root_json(), source="simulated"))
IDENTITY = Identity.github(environment="release")
PAYLOAD = b'{"any": "payload"}'
GOOD = SIGSTORE.bundle(PAYLOAD, IDENTITY)

CODES = {
    Defect.FOREIGN_CA: EvidenceCode.CERTIFICATE,
    Defect.WRONG_KEY_USAGE: EvidenceCode.CERTIFICATE,
    Defect.NO_SCT: EvidenceCode.CERTIFICATE,
    Defect.FORGED_SCT: EvidenceCode.CERTIFICATE,
    Defect.SCT_OF_OTHER_CERTIFICATE: EvidenceCode.CERTIFICATE,
    Defect.V1_V2_ISSUER_CONFLICT: EvidenceCode.CLAIMS_CONFLICT,
    Defect.PAYLOAD_SWAPPED: EvidenceCode.SIGNATURE,
    Defect.SIGNATURE_CORRUPT: EvidenceCode.SIGNATURE,
    Defect.NO_LOG_ENTRY: EvidenceCode.LOG_ENTRY,
    Defect.TWO_LOG_ENTRIES: EvidenceCode.LOG_ENTRY,
    Defect.NO_INCLUSION_PROMISE: EvidenceCode.LOG_ENTRY,
    Defect.SET_CORRUPT: EvidenceCode.LOG_ENTRY,
    Defect.INTEGRATED_TIME_OUTSIDE_CERTIFICATE: EvidenceCode.CERTIFICATE,
    Defect.NO_INCLUSION_PROOF: EvidenceCode.UNSUPPORTED,
    Defect.MERKLE_CORRUPT: EvidenceCode.LOG_ENTRY,
    Defect.CHECKPOINT_CORRUPT: EvidenceCode.LOG_ENTRY,
    Defect.CHECKPOINT_OF_OTHER_TREE: EvidenceCode.LOG_ENTRY,
    Defect.ENTRY_OF_OTHER_BUNDLE: EvidenceCode.LOG_ENTRY,
    Defect.ENTRY_PAYLOAD_DIFFERS: EvidenceCode.LOG_ENTRY,
    Defect.ENTRY_SIGNATURE_DIFFERS: EvidenceCode.LOG_ENTRY,
    Defect.ENTRY_CERTIFICATE_DIFFERS: EvidenceCode.LOG_ENTRY,
}


def refusal(bundle: bytes | dict[str, Any]) -> EvidenceInvalid:
    with pytest.raises(EvidenceInvalid) as caught:
        VERIFIER.verify_dsse(bundle)
    return caught.value


def altered(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads(json.dumps(GOOD))
    change(bundle)
    return bundle


def entry_of(bundle: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = bundle["verificationMaterial"]["tlogEntries"][0]
    return entry


@pytest.mark.parametrize("form", ["bytes", "object"])
def test_verifies(form: str) -> None:
    at = NOW - timedelta(days=400)
    bundle = SIGSTORE.bundle(PAYLOAD, IDENTITY, at=at)
    verified = VERIFIER.verify_dsse(bundle if form == "object" else json.dumps(bundle).encode())
    assert verified.payload == PAYLOAD
    assert verified.payload_type == "application/vnd.in-toto+json"
    claims = verified.claims
    assert (claims.san, claims.issuer) == (IDENTITY.san, IDENTITY.issuer)
    assert claims.source_repository_identifier == IDENTITY.source_repository_identifier
    assert claims.deployment_environment == "release"
    assert claims.signed_at is not None
    assert timedelta() <= claims.signed_at - at < timedelta(minutes=10)
    assert claims.log_index == int(entry_of(bundle)["logIndex"])


@pytest.mark.parametrize("identity", [Identity.gitlab(), Identity.email("a@example.test")], ids=["gitlab", "email"])
def test_any_identity_verifies_and_is_left_to_the_policy(identity: Identity) -> None:
    assert VERIFIER.verify_dsse(SIGSTORE.bundle(PAYLOAD, identity)).claims.san == identity.san


def test_verifies_a_bundle_with_a_certificate_chain() -> None:
    assert VERIFIER.verify_dsse(SIGSTORE.bundle(PAYLOAD, IDENTITY, media_type=BUNDLE_V0_2)).payload == PAYLOAD


@pytest.mark.parametrize("defect", Defect, ids=lambda defect: defect.name.lower())
def test_each_step_refuses(defect: Defect) -> None:
    assert refusal(SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=defect)).code is CODES[defect]


@pytest.mark.parametrize(("defect", "count"), [(Defect.NO_LOG_ENTRY, 0), (Defect.TWO_LOG_ENTRIES, 2)])
def test_other_than_one_log_entry_is_refused_before_anything_is_verified(defect: Defect, count: int) -> None:
    assert (
        f"there are {count} transparency log entries"
        in refusal(SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=defect)).message
    )


class Panic(BaseException):
    """As Rust code raises it through its Python binding: no ``Exception``."""


@pytest.mark.parametrize(
    "raised",
    [Panic("\x1b[2J" * 200), RecursionError(), ValueError("a\nb"), MemoryError()],
    ids=lambda one: type(one).__name__,
)
def test_whatever_the_library_raises_is_invalid_evidence(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refusal_when_library_raises(raised, monkeypatch, EvidenceInvalid)
    assert isinstance(error, EvidenceInvalid)
    assert error.code is EvidenceCode.SIGNATURE
    assert error.message.isprintable()
    assert len(error.message) < 300


def test_an_interrupt_stays_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal_when_library_raises(KeyboardInterrupt(), monkeypatch, KeyboardInterrupt)


def refusal_when_library_raises(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch, expected: type[BaseException]
) -> BaseException:
    import sigstore.verify

    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(sigstore.verify.Verifier, "verify_dsse", fail)
    with pytest.raises(expected) as caught:
        VERIFIER.verify_dsse(GOOD)
    return caught.value


def test_another_trust_root_refuses() -> None:
    bundle = MintingSigstore().bundle(PAYLOAD, IDENTITY)
    assert refusal(bundle).code is EvidenceCode.CERTIFICATE


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(SIGSTORE.bundle(PAYLOAD, IDENTITY, entry_kind=EntryKind.INTOTO), id="intoto-entry"),
        pytest.param(
            altered(lambda b: entry_of(b).update(kindVersion={"kind": "hashedrekord", "version": "0.0.1"})),
            id="entry-of-a-message",
        ),
        pytest.param(altered(lambda b: entry_of(b).update(inclusionProof=None)), id="inclusion-proof-null"),
        pytest.param(altered(lambda b: entry_of(b)["inclusionProof"].pop("checkpoint")), id="no-checkpoint"),
        pytest.param(
            altered(lambda b: b["verificationMaterial"].update(publicKey={"hint": "SHA256:x"})), id="bare-key"
        ),
        pytest.param(
            altered(lambda b: b.update(dsseEnvelope=None, messageSignature={"signature": "AA=="})), id="message"
        ),
    ],
)
def test_forms_that_cannot_be_judged_are_unsupported(bundle: dict[str, Any]) -> None:
    assert refusal(bundle).code is EvidenceCode.UNSUPPORTED


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="empty-object"),
        pytest.param(json.dumps(GOOD).encode() + b" " * PROVENANCE_MAX_BYTES, id="too-large"),
        pytest.param(json.dumps(GOOD).encode()[:-1] + b',"mediaType":"x"}', id="duplicate-name"),
        pytest.param(altered(lambda b: b.pop("mediaType")), id="no-media-type"),
        pytest.param(altered(lambda b: b.update(mediaType="\x1b[2J")), id="unknown-media-type"),
        pytest.param(altered(lambda b: b.update(surplus=1)), id="unknown-member"),
        pytest.param(altered(lambda b: b.update(verificationMaterial=[])), id="material-no-object"),
        pytest.param(altered(lambda b: b["verificationMaterial"].update(tlogEntries={})), id="entries-no-list"),
        pytest.param(altered(lambda b: entry_of(b).pop("kindVersion")), id="entry-without-kind"),
        pytest.param(altered(lambda b: entry_of(b).update(logIndex=-1)), id="index-no-string"),
        pytest.param(altered(lambda b: b.pop("dsseEnvelope")), id="no-content"),
        pytest.param(altered(lambda b: b["dsseEnvelope"].update(payload="A")), id="payload-no-base64"),
        pytest.param(
            altered(lambda b: b["verificationMaterial"].update(certificate={"rawBytes": "AAAA"})), id="no-certificate"
        ),
    ],
)
def test_malformed(bundle: bytes | dict[str, Any]) -> None:
    error = refusal(bundle)
    assert error.code is EvidenceCode.MALFORMED
    assert error.message.isprintable()
    assert len(error.message) < 300


@pytest.mark.parametrize("count", [0, 2])
def test_refuses_other_than_one_signature(count: int) -> None:
    refusal(altered(lambda b: b["dsseEnvelope"].update(signatures=b["dsseEnvelope"]["signatures"] * count)))


def test_unsigned_spelling_of_members_does_not_hide_a_second_entry() -> None:
    refusal(altered(lambda b: b["verificationMaterial"].update(tlog_entries=[entry_of(b), entry_of(b)])))


AUTHENTICATED: dict[str, tuple[str | int, ...]] = {
    "payload": ("dsseEnvelope", "payload"),
    "signature": ("dsseEnvelope", "signatures", 0, "sig"),
    "certificate": ("verificationMaterial", "certificate", "rawBytes"),
    "entry-body": ("verificationMaterial", "tlogEntries", 0, "canonicalizedBody"),
    "signed-entry-timestamp": (
        "verificationMaterial",
        "tlogEntries",
        0,
        "inclusionPromise",
        "signedEntryTimestamp",
    ),
    "root-hash": ("verificationMaterial", "tlogEntries", 0, "inclusionProof", "rootHash"),
}


@pytest.mark.parametrize("path", AUTHENTICATED.values(), ids=AUTHENTICATED)
@given(data=st.data())
def test_no_bit_of_authenticated_content_may_change(path: tuple[str | int, ...], data: st.DataObject) -> None:
    bundle: Any = json.loads(json.dumps(GOOD))
    parent = bundle
    for step in path[:-1]:
        parent = parent[step]
    raw = bytearray(base64.b64decode(parent[path[-1]]))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    parent[path[-1]] = base64.b64encode(raw).decode()
    refusal(bundle)


@pytest.mark.parametrize("name", ["logIndex", "integratedTime"])
def test_log_facts_are_covered_by_the_signed_entry_timestamp(name: str) -> None:
    later = altered(lambda b: entry_of(b).update({name: str(int(entry_of(b)[name]) + 1)}))
    assert refusal(later).code is EvidenceCode.LOG_ENTRY


def test_threads_share_a_verifier() -> None:
    verifier = Verifier(VERIFIER.trust_root)
    bundles = [SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=defect) for defect in (None, Defect.SIGNATURE_CORRUPT) * 8]

    def outcome(bundle: dict[str, Any]) -> str:
        try:
            return verifier.verify_dsse(bundle).claims.san
        except EvidenceInvalid as error:
            return error.code.value

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, bundles)) == [IDENTITY.san, "signature"] * 8


def test_the_library_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        VERIFIER.verify_dsse(GOOD)
        refusal(SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=Defect.SIGNATURE_CORRUPT))
    assert [record for record in caplog.records if record.name.startswith("sigstore")] == []

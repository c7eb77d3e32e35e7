from __future__ import annotations

import base64
import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid, EvidenceCode, EvidenceInvalid
from guard.limits import BUNDLE_MAX_BYTES
from guard.sigstore import own
from guard.sigstore.bundle import parse_bundle
from guard.sigstore.keys import Artifact
from guard.sigstore.library import create_verifier, is_supported
from guard.sigstore.own import Proven
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import PublicKeyWithWindow, UnknownKey, Verifier
from tests.sim.authority import new_key, public_der
from tests.sim.flaws import FLAWS, FORMS, KEY
from tests.sim.identity import Identity
from tests.sim.judging import mint, needs_of
from tests.sim.mint import ARTIFACT
from tests.sim.sigstore import BUNDLE_V0_2, Defect, EntryKind, KeyPair, MintingSigstore

NOW = datetime.now(timezone.utc).replace(microsecond=0)
SECOND = timedelta(seconds=1)
SIGSTORE = MintingSigstore(NOW)
ROOT = parse_trust_root(SIGSTORE.trusted_root_json(), source="simulated")
VERIFIER = Verifier(ROOT, now=NOW)
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
    Defect.NO_LOG_ENTRY: EvidenceCode.MALFORMED,
    Defect.TWO_LOG_ENTRIES: EvidenceCode.MALFORMED,
    Defect.NO_INCLUSION_PROMISE: EvidenceCode.LOG_ENTRY,
    Defect.SET_CORRUPT: EvidenceCode.LOG_ENTRY,
    Defect.INTEGRATED_TIME_OUTSIDE_CERTIFICATE: EvidenceCode.CERTIFICATE,
    Defect.NO_INCLUSION_PROOF: EvidenceCode.LOG_ENTRY,
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
    assert claims is not None
    assert (claims.san, claims.issuer) == (IDENTITY.san, IDENTITY.issuer)
    assert claims.source_repository_identifier == IDENTITY.source_repository_identifier
    assert claims.deployment_environment == "release"
    assert verified.signed_at is not None
    assert timedelta() <= verified.signed_at - at < timedelta(minutes=10)
    assert verified.log_index == int(entry_of(bundle)["logIndex"])
    assert (claims.signed_at, claims.log_index) == (verified.signed_at, verified.log_index)
    assert (verified.key_id, verified.unsigned_key_id) == (None, "")


@pytest.mark.parametrize("identity", [Identity.gitlab(), Identity.email("a@example.test")], ids=["gitlab", "email"])
def test_any_identity_verifies_and_is_left_to_the_policy(identity: Identity) -> None:
    claims = VERIFIER.verify_dsse(SIGSTORE.bundle(PAYLOAD, identity)).claims
    assert claims is not None
    assert claims.san == identity.san


def test_verifies_a_bundle_with_a_certificate_chain() -> None:
    assert VERIFIER.verify_dsse(SIGSTORE.bundle(PAYLOAD, IDENTITY, media_type=BUNDLE_V0_2)).payload == PAYLOAD


@pytest.mark.parametrize("entry_kind", EntryKind)
@pytest.mark.parametrize("defect", Defect, ids=lambda defect: defect.name.lower())
def test_each_step_refuses(defect: Defect, entry_kind: EntryKind) -> None:
    assert refusal(SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=defect, entry_kind=entry_kind)).code is CODES[defect]


@pytest.mark.parametrize(("defect", "count"), [(Defect.NO_LOG_ENTRY, 0), (Defect.TWO_LOG_ENTRIES, 2)])
def test_other_than_one_log_entry_is_refused_before_anything_is_verified(defect: Defect, count: int) -> None:
    assert (
        f"there are {count} transparency log entries"
        in refusal(SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=defect)).message
    )


# --- every form ------------------------------------------------------------------------------------------------------

MINT = mint()
MINT_VERIFIER = Verifier(parse_trust_root(json.dumps(MINT.trust_root()).encode(), source="minted"), now=NOW + SECOND)
KEYS = {KEY.hint: PublicKeyWithWindow(spki=public_der(KEY.key))}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_verifies(name: str) -> None:
    bundle = MINT.bundle(FORMS[name])
    needs = needs_of(bundle)
    key_id = KEY.hint if needs.key else None
    if needs.artifact is None:
        verified = MINT_VERIFIER.verify_dsse(bundle, keys=KEYS)
        assert verified.payload == base64.b64decode(bundle["dsseEnvelope"]["payload"])
        assert (verified.key_id, verified.claims is None) == (key_id, key_id is not None)
    else:
        signed = MINT_VERIFIER.verify_artifact(json.dumps(bundle).encode(), needs.artifact, key=needs.key)
        assert (signed.key_id, signed.claims is None) == (key_id, key_id is not None)


def test_a_form_that_no_verifier_knows_is_unsupported() -> None:
    unknown = altered(lambda b: entry_of(b).update(kindVersion={"kind": "dsse", "version": "9"}))
    assert refusal(unknown).code is EvidenceCode.LOG_ENTRY  # the body, which is signed, says otherwise
    name = next(name for name, flaw in FLAWS.items() if flaw.code is EvidenceCode.UNSUPPORTED)
    bundle = MINT.bundle(FLAWS[name].recipe)
    with pytest.raises(EvidenceInvalid) as caught:
        MINT_VERIFIER.verify_dsse(bundle, keys=KEYS)
    assert caught.value.code is EvidenceCode.UNSUPPORTED


def test_a_statement_is_no_artifact_and_an_artifact_no_statement() -> None:
    message, envelope = MINT.bundle(FORMS["message-0.3"]), MINT.bundle(FORMS["envelope-0.3"])
    artifact = Artifact(hashlib.sha256(ARTIFACT).digest())
    with pytest.raises(EvidenceInvalid, match="holds no statement") as no_statement:
        MINT_VERIFIER.verify_dsse(message)
    with pytest.raises(EvidenceInvalid, match="signs no artifact itself") as no_artifact:
        MINT_VERIFIER.verify_artifact(envelope, artifact)
    assert {no_statement.value.code, no_artifact.value.code} == {EvidenceCode.STATEMENT_SUBJECT}


def test_another_artifact_is_refused() -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        MINT_VERIFIER.verify_artifact(MINT.bundle(FORMS["message-0.3"]), Artifact(hashlib.sha256(b"other").digest()))
    assert caught.value.code is EvidenceCode.STATEMENT_SUBJECT


# --- time ------------------------------------------------------------------------------------------------------------


def test_what_is_signed_after_the_present_is_refused() -> None:
    signed_at = VERIFIER.verify_dsse(GOOD).signed_at
    assert signed_at is not None
    assert Verifier(ROOT, now=signed_at).verify_dsse(GOOD).payload == PAYLOAD
    with pytest.raises(EvidenceInvalid, match="in the future") as caught:
        Verifier(ROOT, now=signed_at - SECOND).verify_dsse(GOOD)
    assert caught.value.code is EvidenceCode.LOG_ENTRY


# --- bare keys -------------------------------------------------------------------------------------------------------

SIGNER = KeyPair(new_key(), "SHA256:ours")
KEY_SIGNED = SIGSTORE.key_bundle(PAYLOAD, SIGNER)
KEY_SIGNED_AT = datetime.fromtimestamp(int(entry_of(KEY_SIGNED)["integratedTime"]), tz=timezone.utc)


def key_refusal(bundle: dict[str, Any], key: PublicKeyWithWindow, name: str = SIGNER.hint) -> EvidenceInvalid:
    with pytest.raises(EvidenceInvalid) as caught:
        VERIFIER.verify_dsse(bundle, keys={name: key})
    assert caught.value.message.isprintable()
    return caught.value


def ours(start: datetime | None = None, end: datetime | None = None) -> PublicKeyWithWindow:
    return PublicKeyWithWindow(spki=public_der(SIGNER.key), start=start, end=end)


def test_a_bare_key_is_found_by_the_name_that_the_bundle_gives_it() -> None:
    verified = VERIFIER.verify_dsse(KEY_SIGNED, keys={"other": ours(), SIGNER.hint: ours()})
    assert (verified.claims, verified.key_id, verified.unsigned_key_id) == (None, SIGNER.hint, SIGNER.hint)
    assert verified.signed_at == KEY_SIGNED_AT
    for error in (refusal(KEY_SIGNED), key_refusal(KEY_SIGNED, ours(), "SHA256:other")):
        assert isinstance(error, UnknownKey)
        assert (error.code, error.key_id) == (EvidenceCode.SIGNATURE, SIGNER.hint)


def test_the_envelopes_own_name_for_the_key_is_handed_on() -> None:
    named = json.loads(json.dumps(KEY_SIGNED))
    named["dsseEnvelope"]["signatures"][0]["keyid"] = "anything"
    assert VERIFIER.verify_dsse(named, keys={SIGNER.hint: ours()}).unsigned_key_id == "anything"


def test_another_key_of_the_same_name_is_refused() -> None:
    other = PublicKeyWithWindow(spki=public_der(new_key()))
    assert key_refusal(KEY_SIGNED, other).code is EvidenceCode.SIGNATURE


@pytest.mark.parametrize("spki", [b"", b"junk", public_der(SIGNER.key)[:-1]], ids=["empty", "junk", "cut"])
def test_what_is_no_key_verifies_nothing(spki: bytes) -> None:
    assert "its key is" in key_refusal(KEY_SIGNED, PublicKeyWithWindow(spki=spki)).message


def test_a_key_signs_from_its_beginning_to_before_its_end() -> None:
    for good in (ours(KEY_SIGNED_AT), ours(None, KEY_SIGNED_AT + SECOND), ours(KEY_SIGNED_AT, KEY_SIGNED_AT + SECOND)):
        assert VERIFIER.verify_dsse(KEY_SIGNED, keys={SIGNER.hint: good}).payload == PAYLOAD
    for bad in (ours(KEY_SIGNED_AT + SECOND), ours(None, KEY_SIGNED_AT)):
        error = key_refusal(KEY_SIGNED, bad)
        assert error.code is EvidenceCode.SIGNATURE
        assert f"on {KEY_SIGNED_AT.date()}, when its key 'SHA256:ours' did not sign" in error.message


def test_at_a_time_that_nobody_vouches_for_only_a_key_signs_that_always_does() -> None:
    bundle = MINT.bundle(FORMS["key-intoto-without-time"])
    always, since, until = (
        PublicKeyWithWindow(spki=public_der(KEY.key), start=start, end=end)
        for start, end in ((None, None), (NOW - timedelta(days=1), None), (None, NOW + timedelta(days=1)))
    )
    assert MINT_VERIFIER.verify_dsse(bundle, keys={KEY.hint: always}).signed_at is None
    for window in (since, until):
        with pytest.raises(EvidenceInvalid, match="at a time that nobody vouches for") as caught:
            MINT_VERIFIER.verify_dsse(bundle, keys={KEY.hint: window})
        assert caught.value.code is EvidenceCode.SIGNATURE


# --- sigstore-python, as a second opinion ----------------------------------------------------------------------------


class Panic(BaseException):
    """As Rust code raises it through its Python binding: no ``Exception``."""


@pytest.mark.parametrize(
    "raised",
    [Panic("\x1b[2J" * 200), RecursionError(), ValueError("a\nb"), MemoryError()],
    ids=lambda one: type(one).__name__,
)
def test_whatever_the_library_raises_refuses(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal_when_library_raises(raised, monkeypatch, EvidenceInvalid)
    assert isinstance(error, EvidenceInvalid)
    assert error.code is EvidenceCode.SIGNATURE
    assert error.message.isprintable()
    assert len(error.message) < 300


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ValueError("a\nb"), "a b"),
        (ValueError("\x1b[2J"), "?[2J"),
        (ValueError("e" * 300), "e" * 200),
        (ValueError(), "ValueError"),
    ],
)
def test_what_the_library_says_is_said(raised: ValueError, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal_when_library_raises(raised, monkeypatch, EvidenceInvalid)
    assert str(error) == f"guard accepts the bundle, and sigstore-python refuses it: {said}"


def test_an_interrupt_stays_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal_when_library_raises(KeyboardInterrupt(), monkeypatch, KeyboardInterrupt)


def test_an_interrupt_stays_one_where_a_key_or_a_trust_root_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("guard.sigstore.keys.load_public_key", interrupt)
    with pytest.raises(KeyboardInterrupt):
        VERIFIER.verify_dsse(KEY_SIGNED, keys={SIGNER.hint: ours()})
    monkeypatch.setattr("guard.sigstore.library._decode_trust_root", interrupt)
    with pytest.raises(KeyboardInterrupt):
        create_verifier(ROOT)


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


@pytest.mark.parametrize(
    "defect",
    [Defect.FOREIGN_CA, Defect.FORGED_SCT, Defect.SIGNATURE_CORRUPT, Defect.SET_CORRUPT, Defect.MERKLE_CORRUPT],
    ids=lambda defect: defect.name.lower(),
)
def test_the_library_refuses_what_guards_own_steps_would_let_pass(
    defect: Defect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "verify_bundle", lambda *_, **__: Proven(claims=None, signed_at=NOW, log_index=0))
    error = refusal(SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=defect))
    assert error.message.startswith("guard accepts the bundle, and sigstore-python refuses it: ")
    artifact = Artifact(hashlib.sha256(b"other").digest())
    with pytest.raises(EvidenceInvalid, match="sigstore-python refuses it"):
        MINT_VERIFIER.verify_artifact(MINT.bundle(FORMS["message-0.3"]), artifact)


def test_the_library_judges_what_registries_serve_today_and_more() -> None:
    assert {name for name in FORMS if is_supported(parse_bundle(MINT.bundle(FORMS[name])))} == {
        "envelope-0.3",
        "envelope-0.2",
        "envelope-0.2-chain",
        "envelope-0.1-chain",
        "message-0.3",
        "message-0.1",
        "message-no-digest",
        "first-moment",
        "last-moment",
        "sct-with-extensions",
        "usages-beside-code-signing",
        "checkpoint-cosigned",
        "checkpoint-with-more-lines",
    }
    assert is_supported(parse_bundle(GOOD))


def test_a_trust_root_that_the_library_cannot_use_is_a_matter_of_configuration() -> None:
    surplus = json.loads(ROOT.data) | {"surplus": 1}
    verifier = Verifier(parse_trust_root(json.dumps(surplus).encode(), source="my root"), now=NOW)
    with pytest.raises(ConfigInvalid, match="trust root my root cannot be used"):
        verifier.verify_dsse(GOOD)


@pytest.mark.parametrize("entry_kind", EntryKind)
@pytest.mark.parametrize("defect", [None, Defect.SIGNATURE_CORRUPT], ids=["good", "forged"])
def test_the_library_is_imported_for_what_it_supports_and_guard_accepts(
    entry_kind: EntryKind, defect: Defect | None
) -> None:
    program = (
        "import sys, json; from datetime import datetime; from guard.errors import EvidenceInvalid\n"
        "from guard.sigstore.trust_root import parse_trust_root; from guard.sigstore.verify import Verifier\n"
        "root, bundle, now = json.load(sys.stdin)\n"
        "verifier = Verifier(parse_trust_root(root.encode(), source='x'), now=datetime.fromisoformat(now))\n"
        "try: verifier.verify_dsse(bundle)\n"
        "except EvidenceInvalid: print('refused')\n"
        "print('sigstore' in sys.modules)"
    )
    bundle = SIGSTORE.bundle(PAYLOAD, IDENTITY, entry_kind=entry_kind, defect=defect)
    given = json.dumps([ROOT.data.decode(), bundle, NOW.isoformat()])
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True, check=True)
    is_needed = entry_kind is EntryKind.DSSE and defect is None
    assert done.stdout.split() == [*["refused"] * (defect is not None), str(is_needed)]


# --- bad input -------------------------------------------------------------------------------------------------------


def test_another_trust_root_refuses() -> None:
    bundle = MintingSigstore().bundle(PAYLOAD, IDENTITY)
    assert refusal(bundle).code is EvidenceCode.LOG_ENTRY


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"{}", id="empty-object"),
        pytest.param(json.dumps(GOOD).encode() + b" " * BUNDLE_MAX_BYTES, id="too-large"),
        pytest.param(json.dumps(GOOD).encode()[:-1] + b',"mediaType":"x"}', id="duplicate-name"),
        pytest.param(altered(lambda b: b.pop("mediaType")), id="no-media-type"),
        pytest.param(altered(lambda b: b.update(mediaType="\x1b[2J")), id="unknown-media-type"),
        pytest.param(
            altered(lambda b: b["verificationMaterial"].update(publicKey={"hint": "SHA256:x"})), id="two-signers"
        ),
        pytest.param(altered(lambda b: b.update(messageSignature={"signature": "AA=="})), id="two-contents"),
        pytest.param(altered(lambda b: b.update(verificationMaterial=[])), id="material-no-object"),
        pytest.param(altered(lambda b: b["verificationMaterial"].update(tlogEntries={})), id="entries-no-list"),
        pytest.param(altered(lambda b: entry_of(b).pop("kindVersion")), id="entry-without-kind"),
        pytest.param(altered(lambda b: entry_of(b).update(logIndex=-1)), id="index-no-string"),
        pytest.param(altered(lambda b: b.pop("dsseEnvelope")), id="no-content"),
        pytest.param(altered(lambda b: b["dsseEnvelope"].update(payload="A")), id="payload-no-base64"),
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
    verifier = Verifier(ROOT, now=NOW)
    bundles = [SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=defect) for defect in (None, Defect.SIGNATURE_CORRUPT) * 8]

    def outcome(bundle: dict[str, Any]) -> str:
        try:
            claims = verifier.verify_dsse(bundle).claims
            return claims.san if claims else ""
        except EvidenceInvalid as error:
            return error.code.value

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, bundles)) == [IDENTITY.san, "signature"] * 8


def test_the_library_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        VERIFIER.verify_dsse(GOOD)
        refusal(SIGSTORE.bundle(PAYLOAD, IDENTITY, defect=Defect.SIGNATURE_CORRUPT))
    assert [record for record in caplog.records if record.name.startswith("sigstore")] == []
    assert not logging.getLogger("sigstore").isEnabledFor(logging.CRITICAL)

"""Every form verifies; every flaw is refused by its own step, and by no other."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import EvidenceCode, EvidenceInvalid, MalformedInput
from guard.model import Claims
from guard.sigstore import own
from guard.sigstore.authorities import Authority, Validity, find_issuer
from guard.sigstore.bundle import parse_bundle
from guard.sigstore.keys import Artifact
from tests.sim.authority import AuthorityProfile, CertificateAuthority
from tests.sim.documents import JsonObject
from tests.sim.flaws import FLAWS, Flaw
from tests.sim.forms import ENVELOPE, FORMS, KEY, SECOND, entry_of, proof_of, window
from tests.sim.judging import IDENTITY, NOW, authorities_of, judge, mint, needs_of, root_of
from tests.sim.mint import ARTIFACT, SIGNED_AGO, Mint, Stamp

ROOT = mint().trust_root()
AUTHORITIES = authorities_of(ROOT)
GOOD = {name: mint().bundle(recipe) for name, recipe in FORMS.items()}
AT = NOW - SIGNED_AGO


def refusal(bundle: JsonObject, **given: Any) -> EvidenceInvalid:
    with pytest.raises(EvidenceInvalid) as caught:
        judge(bundle, given.pop("authorities", AUTHORITIES), **given)
    assert caught.value.message.isprintable()
    return caught.value


@pytest.mark.parametrize("name", FORMS)
def test_every_form_verifies(name: str) -> None:
    recipe, bundle = FORMS[name], GOOD[name]
    proven = judge(bundle, AUTHORITIES)
    entry = entry_of(bundle)
    assert (proven.claims is None) is (recipe.key is not None)
    vouched = [recipe.integrated_after] * ("inclusionPromise" in entry)
    vouched += [stamp.after for stamp in recipe.stamps if not stamp.unknown_authority]
    assert proven.signed_at == (AT + min(vouched) if vouched else None)
    assert proven.log_index == int(entry["logIndex"] if "inclusionPromise" in entry else proof_of(bundle)["logIndex"])
    if proven.claims is not None:
        assert (proven.claims.san, proven.claims.issuer) == (IDENTITY.san, IDENTITY.issuer)
        assert (proven.claims.signed_at, proven.claims.log_index) == (proven.signed_at, proven.log_index)


@pytest.mark.parametrize("name", FLAWS)
def test_every_flaw_is_refused_for_its_reason(name: str) -> None:
    flaw = FLAWS[name]
    error = refusal(mint().bundle(flaw.recipe), authorities=authorities_of(root_of(flaw.root)))
    assert (error.code, flaw.says in error.message) == (flaw.code, True), error.message


def left_out(flaw: Flaw) -> Callable[..., Any]:
    """Return what stands in for a step that is left out."""
    authority = mint().foreign_authority if flaw.recipe.foreign_authority else mint().authority
    issuer = find_issuer(Authority(authority.chain, Validity(None, None)))
    stamps = [AT + stamp.after for stamp in flaw.recipe.stamps]
    promised = AT + flaw.recipe.integrated_after if flaw.recipe.promise else None
    stands_in: dict[str, Callable[..., Any]] = {
        "load_certificates": lambda ders: tuple(x509.load_der_x509_certificate(der) for der in ders),
        "find_log": lambda *_: next(iter(AUTHORITIES.logs.values())),
        "verify_promise": lambda *_, **__: promised,
        "verify_timestamps": lambda *_: tuple(stamps),
        "verify_chain": lambda *_: issuer,
        "claims_from_certificate": lambda *_, **__: Claims(san="a", issuer="b"),
    }
    return stands_in.get(flaw.step, lambda *_, **__: None)


@pytest.mark.parametrize("name", [name for name, flaw in FLAWS.items() if flaw.alone])
def test_with_its_step_left_out_a_flaw_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flaw = FLAWS[name]
    bundle = mint().bundle(flaw.recipe)
    monkeypatch.setattr(own, flaw.step, left_out(flaw))
    judge(bundle, authorities_of(root_of(flaw.root)))


def test_every_step_has_a_flaw() -> None:
    steps = {
        "load_certificates",
        "find_log",
        "verify_promise",
        "verify_timestamps",
        "verify_time",
        "verify_inclusion",
        "verify_chain",
        "verify_usage",
        "verify_sct",
        "_verify_content",
        "verify_entry",
        "claims_from_certificate",
    }
    assert {flaw.step for flaw in FLAWS.values()} == steps
    assert all(hasattr(own, step) for step in steps)


@pytest.mark.parametrize("name", FORMS)
def test_another_instance_is_not_trusted(name: str) -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        judge(GOOD[name], authorities_of(Mint(NOW, IDENTITY).trust_root()))
    assert caught.value.code is EvidenceCode.LOG_ENTRY


# --- who signs -------------------------------------------------------------------------------------------------------


def verify(bundle: JsonObject, **given: Any) -> own.Proven:
    return own.verify_bundle(parse_bundle(json.dumps(bundle).encode()), AUTHORITIES, now=NOW, **given)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("key-intoto", {}, "not known"),
        ("key-intoto", {"key": ec.generate_private_key(ec.SECP256R1()).public_key()}, "signature does not hold"),
        ("intoto-0.2", {"key": KEY.key.public_key()}, "a bare key was asked for"),
    ],
)
def test_a_bare_key_is_the_callers_and_no_certificate_stands_in_for_it(
    name: str, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(EvidenceInvalid, match=says) as caught:
        verify(GOOD[name], **given)
    assert caught.value.code is EvidenceCode.SIGNATURE


def test_a_certificate_for_a_key_that_makes_pss_signatures_alone_is_refused() -> None:
    """Its signatures of another kind would verify, since a loaded key does not tell what it is for."""
    key: Any = rsa.generate_private_key(65537, 2048)
    certificate = mint().authority.sign(mint().authority.prepare(IDENTITY, key, AT))
    of_any_use, of_pss = bytes.fromhex("06092a864886f70d0101010500"), bytes.fromhex("06092a864886f70d01010a3000")
    der = certificate.public_bytes(Encoding.DER)
    bundle = mint().bundle(ENVELOPE)
    for raw in (der, der.replace(of_any_use, of_pss)):
        bundle["verificationMaterial"]["certificate"]["rawBytes"] = base64.b64encode(raw).decode()
        error = refusal(bundle)
        assert error.code is EvidenceCode.CERTIFICATE
        assert ("RSASSA-PSS" in error.message) is (raw != der)


DIGEST = hashlib.sha256(ARTIFACT).digest()


@pytest.mark.parametrize("name", ["message-0.3", "rekor2-message", "message-no-digest"])
def test_the_digest_of_an_artifact_is_enough(name: str) -> None:
    assert verify(GOOD[name], artifact=Artifact(DIGEST)) == verify(GOOD[name], artifact=Artifact(DIGEST, ARTIFACT))


@pytest.mark.parametrize(
    ("name", "artifact", "code"),
    [
        ("message-0.3", None, EvidenceCode.STATEMENT_SUBJECT),
        ("message-0.3", Artifact(DIGEST, b"other"), EvidenceCode.STATEMENT_SUBJECT),
        ("message-0.3", Artifact(hashlib.sha256(b"other").digest(), b"other"), EvidenceCode.STATEMENT_SUBJECT),
        ("message-no-digest", Artifact(hashlib.sha256(b"other").digest(), b"other"), EvidenceCode.SIGNATURE),
        ("message-no-digest", Artifact(hashlib.sha256(b"other").digest()), EvidenceCode.SIGNATURE),
        ("message-p384", Artifact(DIGEST), EvidenceCode.SIGNATURE),
        ("rekor2-message-p521", Artifact(DIGEST), EvidenceCode.SIGNATURE),
    ],
)
def test_a_message_signature_is_about_the_artifact(name: str, artifact: Artifact | None, code: EvidenceCode) -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        verify(GOOD[name], artifact=artifact)
    assert caught.value.code is code


def test_an_artifact_says_nothing_about_an_envelope() -> None:
    assert verify(GOOD["envelope-0.3"], artifact=Artifact(b"")).claims is not None


# --- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["tlogs", "ctlogs", "certificateAuthorities"])
@pytest.mark.parametrize("moment", [timedelta(), SECOND])
def test_windows_include_both_ends(place: str, moment: timedelta) -> None:
    bundle = mint().bundle(replace(ENVELOPE, integrated_after=timedelta() if place == "ctlogs" else moment))
    moment = timedelta() if place == "ctlogs" else moment
    judge(bundle, authorities_of(root_of(window(place, moment, moment))))


def test_the_window_of_a_timestamp_authority_includes_both_ends() -> None:
    judge(GOOD["rekor2-envelope"], authorities_of(root_of(window("timestampAuthorities", SECOND, SECOND))))


def test_what_was_signed_now_is_not_in_the_future() -> None:
    at = AT + SECOND
    assert judge(GOOD["envelope-0.3"], AUTHORITIES, now=at).signed_at == at
    assert "in the future" in refusal(GOOD["envelope-0.3"], now=at - SECOND).message


def test_the_first_of_several_times_is_said() -> None:
    bundle = mint().bundle(replace(ENVELOPE, integrated_after=3 * SECOND, stamps=(Stamp(after=2 * SECOND),)))
    assert judge(bundle, AUTHORITIES).signed_at == AT + 2 * SECOND


def test_a_time_that_no_clock_has_is_refused() -> None:
    def change(sigstore: Mint, bundle: JsonObject) -> None:
        entry_of(bundle)["integratedTime"] = str(2**62)
        entry_of(bundle)["inclusionPromise"]["signedEntryTimestamp"] = sigstore.rekor.promise(entry_of(bundle))

    assert "its time is no time" in refusal(mint().bundle(replace(ENVELOPE, after=change))).message


# --- authorities -----------------------------------------------------------------------------------------------------


def verdict_on(authority: CertificateAuthority, *, chain: tuple[x509.Certificate, ...] | None = None) -> str:
    """Return what is said of a bundle under an authority, or nothing where it verifies."""
    sigstore = Mint(NOW, IDENTITY, authority)
    root = sigstore.trust_root()
    if chain is not None:
        certificates = [certificate.public_bytes(Encoding.DER) for certificate in chain]
        root["certificateAuthorities"] = [sigstore.chain(*certificates)]
    try:
        judge(sigstore.bundle(ENVELOPE), authorities_of(root))
    except EvidenceInvalid as error:
        return f"{error.code.value}: {error.message}"
    return ""


@pytest.mark.parametrize(
    ("profile", "accepted"),
    [
        pytest.param(AuthorityProfile(), True, id="as-fulcio"),
        pytest.param(AuthorityProfile(root_path_length=1), True, id="room-for-one-below"),
        pytest.param(AuthorityProfile(root_path_length=0), False, id="no-room-below-the-root"),
        pytest.param(AuthorityProfile(ca=False), False, id="no-authority"),
        pytest.param(AuthorityProfile(constrained=False), False, id="no-constraints"),
        pytest.param(AuthorityProfile(key_cert_sign=False), False, id="may-not-sign-certificates"),
        pytest.param(AuthorityProfile(lifetime=SIGNED_AGO), True, id="born-as-it-signs"),
        pytest.param(AuthorityProfile(lifetime=SIGNED_AGO - 2 * SECOND), False, id="born-after-it-signs"),
    ],
)
def test_an_authority_may_issue(profile: AuthorityProfile, accepted: bool) -> None:
    said = verdict_on(CertificateAuthority(NOW, profile))
    assert said == "" if accepted else "no trusted authority" in said and said.startswith("certificate")


def test_an_authority_ends_with_its_certificates() -> None:
    authority = CertificateAuthority(NOW - 3 * SIGNED_AGO, AuthorityProfile(lifetime=2 * SIGNED_AGO))
    assert "no trusted authority" in verdict_on(authority)


def test_the_whole_chain_up_to_the_root_is_verified() -> None:
    authority, other = CertificateAuthority(NOW), CertificateAuthority(NOW)
    assert verdict_on(authority, chain=(authority.intermediate,)) == ""
    assert "no trusted authority" in verdict_on(authority, chain=(authority.intermediate, other.root))
    assert "no trusted authority" in verdict_on(authority, chain=(authority.root,))
    assert "no trusted authority" in verdict_on(authority, chain=(other.intermediate, other.root))


def test_one_of_several_authorities_of_one_name_is_enough() -> None:
    root = mint().trust_root()
    other = Mint(NOW, IDENTITY).trust_root()
    for place in ("certificateAuthorities", "timestampAuthorities", "tlogs", "ctlogs"):
        root[place] = other[place] + root[place]
    authorities = authorities_of(root)
    for bundle in GOOD.values():
        judge(bundle, authorities)


def test_an_authority_that_ended_does_not_hide_its_renewal() -> None:
    ended = root_of(window("certificateAuthorities", timedelta(days=-2), timedelta(days=-1)))
    ended["certificateAuthorities"] += ROOT["certificateAuthorities"]
    judge(GOOD["envelope-0.3"], authorities_of(ended))


# --- nothing else crosses --------------------------------------------------------------------------------------------


class Panic(BaseException):
    """As Rust code raises it through its Python binding: no ``Exception``."""


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("load_certificates", EvidenceCode.CERTIFICATE),
        ("find_log", EvidenceCode.LOG_ENTRY),
        ("verify_timestamps", EvidenceCode.LOG_ENTRY),
        ("verify_inclusion", EvidenceCode.LOG_ENTRY),
        ("verify_sct", EvidenceCode.CERTIFICATE),
        ("verify_entry", EvidenceCode.SIGNATURE),
    ],
)
@pytest.mark.parametrize("raised", [Panic("\x1b[2J"), RecursionError(), ValueError("\n"), MemoryError()])
def test_whatever_a_library_raises_is_invalid_evidence(
    step: str, code: EvidenceCode, raised: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(own, step, fail)
    assert refusal(GOOD["envelope-0.3"]).code is code


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit()])
def test_an_interrupt_stays_an_interrupt(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(own, "verify_entry", fail)
    with pytest.raises(type(raised)):
        judge(GOOD["envelope-0.3"], AUTHORITIES)


# --- any bytes -------------------------------------------------------------------------------------------------------

AUTHENTICATED = frozenset({"payload", "sig", "signature", "canonicalizedBody", "signedEntryTimestamp", "rootHash"})


def byte_members(value: Any, names: frozenset[str] | None) -> list[tuple[Any, str | int]]:
    """List every text in base64, as what holds it and where."""
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    here = [(value, name) for name, text in items if isinstance(text, str) and (names is None or name in names)]
    return here + [found for _, inner in items for found in byte_members(inner, names)]


def signer_certificate(bundle: JsonObject) -> list[tuple[Any, str | int]]:
    material = bundle["verificationMaterial"]
    chain = material.get("x509CertificateChain", {"certificates": [material.get("certificate")]})
    return [(chain["certificates"][0], "rawBytes")] if chain["certificates"][0] else []


def flipped(data: st.DataObject, parent: Any, name: str | int) -> None:
    raw = bytearray(base64.b64decode(parent[name]))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    parent[name] = base64.b64encode(raw).decode()


@given(data=st.data())
def test_no_byte_of_what_is_signed_may_change(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(GOOD)))
    bundle = json.loads(json.dumps(GOOD[name]))
    hashes = entry_of(bundle).get("inclusionProof", {}).get("hashes", [])
    members = byte_members(bundle, AUTHENTICATED) + signer_certificate(bundle)
    members += [(hashes, place) for place in range(len(hashes))]
    members += [(entry_of(bundle)["logId"], "keyId")]
    flipped(data, *data.draw(st.sampled_from(members)))
    refusal(bundle)


@given(data=st.data())
def test_no_count_that_is_signed_may_change(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(GOOD)))
    bundle = json.loads(json.dumps(GOOD[name]))
    entry = entry_of(bundle)
    members = (
        [(entry["inclusionProof"], "logIndex"), (entry["inclusionProof"], "treeSize")]
        if "inclusionProof" in entry
        else []
    )
    if "inclusionPromise" in entry:
        members += [(entry, "logIndex"), (entry, "integratedTime")]
    parent, member = data.draw(st.sampled_from(members))
    parent[member] = str(data.draw(st.integers(0, 2**63 - 1).filter(lambda count: count != int(parent[member]))))
    # Without a checkpoint, which alone vouches for the tree, its size may be another one that has the same path.
    if name == "intoto-0.1-no-checkpoint" and member == "treeSize":
        return
    refusal(bundle)


@given(data=st.data())
def test_any_byte_may_change_and_nothing_but_the_one_error_is_raised(data: st.DataObject) -> None:
    bundle = json.loads(json.dumps(GOOD[data.draw(st.sampled_from(sorted(GOOD)))]))
    members = [(parent, name) for parent, name in byte_members(bundle, None) if is_base64(parent[name])]
    flipped(data, *data.draw(st.sampled_from(members)))
    judged(bundle)


@given(data=st.data())
def test_any_part_may_be_any_json_and_nothing_but_the_one_error_is_raised(data: st.DataObject) -> None:
    bundle = json.loads(json.dumps(GOOD[data.draw(st.sampled_from(sorted(GOOD)))]))
    parent: Any = bundle
    while True:
        name = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        if not isinstance(parent[name], dict | list) or not parent[name] or data.draw(st.booleans()):
            break
        parent = parent[name]
    parent[name] = data.draw(ANY_JSON)
    judged(bundle)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


def is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def judged(bundle: Any) -> None:
    try:
        needs = needs_of(bundle)
    except (KeyError, TypeError, AttributeError):
        needs = needs_of(GOOD["envelope-0.3"])
    try:
        parsed = parse_bundle(bundle)
        own.verify_bundle(parsed, AUTHORITIES, now=NOW, key=needs.key, artifact=needs.artifact)
    except (EvidenceInvalid, MalformedInput) as error:
        message = error.message
    else:
        message = ""
    assert all(character.isprintable() for character in message)


@given(body=st.binary(max_size=300) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_of_a_log_entry_is_judged(body: bytes) -> None:
    judged(mint().bundle(replace(ENVELOPE, body=lambda _: body or b"0")))


@given(note=st.text(max_size=80), signatures=st.text(max_size=80))
def test_any_checkpoint_is_refused(note: str, signatures: str) -> None:
    bundle = json.loads(json.dumps(GOOD["envelope-0.3"]))
    proof_of(bundle)["checkpoint"]["envelope"] = f"{note}\n\n{signatures}"
    refusal(bundle)


@given(der=st.binary(min_size=1, max_size=200))
def test_any_bytes_for_a_timestamp_are_judged(der: bytes) -> None:
    bundle = json.loads(json.dumps(GOOD["rekor2-envelope"]))
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    stamps[0]["signedTimestamp"] = base64.b64encode(der).decode()
    assert refusal(bundle).code is EvidenceCode.LOG_ENTRY


# --- the page --------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "verification.md").read_text(encoding="utf-8")


def test_the_page_lists_every_step_in_the_order_of_the_code_with_its_flaws() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)
    ]
    steps = {row[1].strip("`"): row[5].split(", ") for row in rows}
    assert [int(row[0]) for row in rows] == list(range(14))
    code = inspect.getsource(own.verify_bundle).partition("Raises:")[2]
    places = [code.index(f"{step}(") for step in steps if step not in ("parse_bundle", "_find_signer")]
    assert places == sorted(places)
    for name, flaw in FLAWS.items():
        assert name + ("" if flaw.alone else "\u2020") in steps[flaw.step]
    assert {name.rstrip("\u2020") for flaws in list(steps.values())[1:] for name in flaws} == {*FLAWS, "see below"}

from __future__ import annotations

import copy
import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid
from guard.sigstore.authorities import Authorities, Authority, Validity, decode_authorities, find_issuer
from guard.sigstore.trust_root import parse_trust_root
from tests.sim.authority import KeyType, key_usage, new_key, public_der
from tests.sim.judging import NOW, mint
from tests.sim.mint import Recipe

ROOT = mint().trust_root()
START = datetime(2022, 4, 13, 20, 6, 15, tzinfo=timezone.utc)
TICK = timedelta(microseconds=1)


def decode(root: dict[str, Any]) -> Authorities:
    return decode_authorities(parse_trust_root(json.dumps(root).encode(), source="the\x1b[2J root"))


def changed(place: str, **members: Any) -> dict[str, Any]:
    root = copy.deepcopy(ROOT)
    parent = root[place][0].get("publicKey", root[place][0])
    parent.update(members)
    return root


def test_everybody_is_read() -> None:
    authorities = decode(ROOT)
    sigstore = mint()
    assert list(authorities.logs) == [sigstore.rekor.log_id, sigstore.rekor_v2.log_id]
    assert list(authorities.ct_logs) == [sigstore.ct_log.log_id]
    [log] = authorities.ct_logs.values()
    assert (log.log_id, log.key) == (sigstore.ct_log.log_id, sigstore.ct_log.key.public_key())
    [issuer] = authorities.issuers
    assert issuer.certificate == sigstore.authority.intermediate
    assert issuer.key_sha256 == hashlib.sha256(public_der(sigstore.authority.intermediate_key)).digest()
    [tsa] = authorities.timestamp_authorities
    assert tsa.chain == sigstore.timestamp_authority.chain


@pytest.mark.parametrize(
    ("span", "validity"),
    [
        pytest.param(None, Validity(None, None), id="none"),
        pytest.param({"start": "2022-04-13T20:06:15Z"}, Validity(START, None), id="start"),
        pytest.param({"start": "2022-04-13T20:06:15.000Z", "end": None}, Validity(START, None), id="null"),
        pytest.param(
            {"start": "2022-04-13T22:06:15+02:00", "end": "2022-04-13T20:06:15.000001Z"},
            Validity(START, START + TICK),
            id="both",
        ),
    ],
)
@pytest.mark.parametrize("place", ["tlogs", "ctlogs", "timestampAuthorities"])
def test_validity(place: str, span: Any, validity: Validity) -> None:
    authorities = decode(changed(place, validFor=span))
    validities = {
        "tlogs": [log.validity for log in authorities.logs.values()],
        "ctlogs": [log.validity for log in authorities.ct_logs.values()],
        "timestampAuthorities": [each.validity for each in authorities.timestamp_authorities],
    }
    assert validities[place][0] == validity


def test_both_ends_belong_to_it() -> None:
    closed = Validity(START, START + TICK)
    assert [closed.contains(START + tick * TICK) for tick in (-1, 0, 1, 2)] == [False, True, True, False]
    assert [Validity(START, None).contains(START + tick * TICK) for tick in (-1, 0, 1)] == [False, True, True]
    assert [Validity(None, START).contains(START + tick * TICK) for tick in (-1, 0, 1)] == [True, True, False]
    assert Validity(None, None).contains(START)
    assert not Validity(START + TICK, START).contains(START)


SPANS = [
    Validity(start, end)
    for start in (None, START + TICK, START + 3 * TICK)
    for end in (None, START + 2 * TICK, START + 4 * TICK)
]


@pytest.mark.parametrize("one", SPANS)
@pytest.mark.parametrize("other", SPANS)
def test_what_two_validities_have_in_common(one: Validity, other: Validity) -> None:
    for moment in (START + tick * TICK for tick in range(6)):
        assert one.within(other).contains(moment) is (one.contains(moment) and other.contains(moment))


def validity_of(*spans: tuple[int | None, int | None]) -> Validity:
    """Return when an issuer is believed whose trust root, intermediate and root are so in days from now."""
    stated, *lives = [Validity(*(None if day is None else NOW + timedelta(days=day) for day in span)) for span in spans]
    key = new_key(KeyType.P384)
    chain = []
    for life in lives:
        assert life.start is not None
        assert life.end is not None
        builder = x509.CertificateBuilder(
            mint().authority.root.subject, mint().authority.root.subject, key.public_key()
        )
        builder = builder.serial_number(1).not_valid_before(life.start).not_valid_after(life.end)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(key_usage(key_cert_sign=True), critical=True)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        chain.append(builder.sign(key, hashes.SHA384()))
    issuer = find_issuer(Authority(tuple(chain), stated))
    assert issuer is not None
    return issuer.validity


@pytest.mark.parametrize(
    ("spans", "start", "end"),
    [
        pytest.param([(-1, 1), (-2, 2), (-3, 3)], -1, 1, id="as-the-trust-root-says"),
        pytest.param([(None, None), (-2, 2), (-3, 3)], -2, 2, id="as-the-first-certificate-says"),
        pytest.param([(-4, 4), (-3, 3), (-1, 1)], -1, 1, id="as-the-root-says"),
        pytest.param([(-1, None), (-2, 3), (-3, 2)], -1, 2, id="as-all-of-them-say"),
        pytest.param([(3, 4), (-2, 2), (-3, 3)], 3, 2, id="never"),
    ],
)
def test_an_issuer_is_believed_while_all_above_it_is(spans: list[tuple[int, int]], start: int, end: int) -> None:
    assert validity_of(*spans) == Validity(NOW + timedelta(days=start), NOW + timedelta(days=end))


def test_an_authority_whose_chain_does_not_hold_is_no_issuer() -> None:
    good = ROOT["certificateAuthorities"][0]
    leaf, intermediate, root = mint()._issue(Recipe(), NOW).certificate, *mint().authority.chain
    wrong = [
        mint().chain(*(each.public_bytes(Encoding.DER) for each in chain))
        for chain in ((root, intermediate), (leaf, intermediate, root))
    ]
    assert decode(ROOT | {"certificateAuthorities": wrong}).issuers == ()
    assert decode(ROOT | {"certificateAuthorities": [*wrong, good]}).issuers == decode(ROOT).issuers


@pytest.mark.parametrize("none", [None, [], ...])
@pytest.mark.parametrize("place", ["certificateAuthorities", "ctlogs", "timestampAuthorities"])
def test_authorities_may_be_missing(place: str, none: Any) -> None:
    root = {name: value for name, value in (ROOT | {place: none}).items() if value is not ...}
    names = {"certificateAuthorities": "issuers", "ctlogs": "ct_logs", "timestampAuthorities": "timestamp_authorities"}
    assert [name for name in ("issuers", "ct_logs", "timestamp_authorities") if not getattr(decode(root), name)] == [
        names[place]
    ]


@pytest.mark.parametrize(
    "root",
    [
        pytest.param(changed("tlogs", rawBytes="!"), id="key-no-base64"),
        pytest.param(
            changed("tlogs", rawBytes=ROOT["tlogs"][0]["publicKey"]["rawBytes"] + "\n"), id="key-with-junk-in-base64"
        ),
        pytest.param(changed("tlogs", rawBytes="AAAA"), id="no-key"),
        pytest.param(changed("tlogs", rawBytes=None), id="key-missing"),
        pytest.param(changed("tlogs", validFor=[]), id="validity-no-object"),
        pytest.param(changed("tlogs", validFor={}), id="validity-without-start"),
        pytest.param(changed("ctlogs", validFor={"end": "2022-04-13T20:06:15Z"}), id="validity-with-an-end-alone"),
        pytest.param(changed("certificateAuthorities", validFor={"start": None}), id="validity-from-null"),
        pytest.param(changed("tlogs", validFor={"start": "tomorrow"}), id="no-date"),
        pytest.param(changed("tlogs", validFor={"start": "2022-04-13T20:06:15"}), id="no-time-zone"),
        pytest.param(changed("tlogs", validFor={"end": 1}), id="date-no-text"),
        pytest.param(changed("certificateAuthorities", certChain={"certificates": []}), id="empty-chain"),
        pytest.param(changed("certificateAuthorities", certChain=None), id="no-chain"),
        pytest.param(
            changed("certificateAuthorities", certChain={"certificates": [{"rawBytes": "AAAA"}]}), id="no-certificate"
        ),
        pytest.param(changed("timestampAuthorities", certChain={"certificates": []}), id="empty-chain-of-timestamps"),
        pytest.param(ROOT | {"timestampAuthorities": {}}, id="timestamp-authorities-no-list"),
        pytest.param(ROOT | {"tlogs": ROOT["tlogs"] * 2}, id="log-twice"),
        pytest.param(ROOT | {"ctlogs": ROOT["ctlogs"] * 2}, id="ct-log-twice"),
        pytest.param(ROOT | {"tlogs": [ROOT["tlogs"][0] | {"logId": None}]}, id="log-without-name"),
        pytest.param(ROOT | {"tlogs": [ROOT["tlogs"][0] | {"publicKey": None}]}, id="log-without-key"),
    ],
)
def test_a_root_that_cannot_be_used(root: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        decode(root)
    assert "cannot be used" in caught.value.message
    assert "\x1b" not in caught.value.message.replace("the\x1b[2J root", "")
    assert len(caught.value.message) < 300


PLACES = [("tlogs", "publicKey"), ("tlogs", "logId"), ("ctlogs", "publicKey"), ("certificateAuthorities", "certChain")]
VALUES = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none(), max_size=2)


@given(place=st.sampled_from(PLACES), value=VALUES | st.dictionaries(st.sampled_from(["rawBytes", "keyId"]), VALUES))
def test_whatever_stands_in_a_root_is_used_or_refused(place: tuple[str, str], value: Any) -> None:
    root = copy.deepcopy(ROOT)
    root[place[0]][0][place[1]] = value
    with pytest.raises(ConfigInvalid):
        decode(root)


def test_why_a_root_cannot_be_used_is_one_short_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("\x1b[2J" + "e" * 300)

    root = parse_trust_root(json.dumps(ROOT).encode(), source="a root")
    monkeypatch.setattr("guard.sigstore.authorities.parse_json_object", fail)
    with pytest.raises(ConfigInvalid) as caught:
        decode_authorities(root)
    assert caught.value.message == f"trust root a root cannot be used: ?[2J{'e' * 196}"

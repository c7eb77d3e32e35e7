"""Timestamps by authorities of every shape, apart from bundles."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.sigstore.authorities import Authorities, Authority, Validity
from guard.sigstore.bundle import Bundle, parse_bundle
from guard.sigstore.timestamp import verify_timestamps
from tests.sim.authority import authority_name, new_key
from tests.sim.forms import ENVELOPE_V2
from tests.sim.judging import NOW, authorities_of, judge, mint
from tests.sim.mint import SIGNED_AGO, Stamp
from tests.sim.timestamp import TimestampAuthority, _builder, _sign

AUTHORITIES = authorities_of(mint().trust_root())
AT = NOW - SIGNED_AGO
BUNDLE = parse_bundle(json.dumps(mint().bundle(ENVELOPE_V2)).encode())
ALWAYS = Validity(None, None)


def stamped(*stamps: bytes) -> Bundle:
    return replace(BUNDLE, timestamps=stamps)


def believed(*authorities: Authority) -> Authorities:
    return replace(AUTHORITIES, timestamp_authorities=authorities)


def times(bundle: Bundle, *authorities: Authority) -> tuple[datetime, ...]:
    return verify_timestamps(bundle, believed(*authorities))


def refusal(bundle: Bundle, authorities: Authorities = AUTHORITIES) -> str:
    with pytest.raises(EvidenceInvalid) as caught:
        verify_timestamps(bundle, authorities)
    assert caught.value.code is EvidenceCode.LOG_ENTRY
    return caught.value.message


def stamp_of(authority: TimestampAuthority, at: datetime = AT, **given: Any) -> bytes:
    return authority.stamp(BUNDLE.signature, at, **given)


def test_no_timestamps_are_no_times() -> None:
    assert verify_timestamps(stamped(), AUTHORITIES) == ()
    assert verify_timestamps(stamped(), believed()) == ()


def test_every_timestamp_gives_its_time_once() -> None:
    first, second = TimestampAuthority.create(NOW), TimestampAuthority.create(NOW)
    bundle = stamped(stamp_of(second, AT + timedelta(seconds=2)), stamp_of(first))
    known = [Authority(first.chain, ALWAYS), Authority(second.chain, ALWAYS), Authority(first.chain, ALWAYS)]
    assert times(bundle, *known) == (AT + timedelta(seconds=2), AT)
    assert times(bundle, known[0]) == (AT,)
    assert "twice" in refusal(stamped(*bundle.timestamps, bundle.timestamps[0]), believed(*known))


def test_timestamps_need_an_authority() -> None:
    assert "no authority" in refusal(BUNDLE, believed())


@pytest.mark.parametrize("stamp", [b"0", b"\x30\x00", b"\x30\x03\x30\x01\x02"])
def test_a_timestamp_that_cannot_be_read(stamp: bytes) -> None:
    assert "cannot be read" in refusal(stamped(stamp))
    assert "cannot be read" in refusal(stamped(*BUNDLE.timestamps, stamp))


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [(0, 0, True), (-1, 1, True), (1, None, False), (None, -1, False), (0, None, True), (None, 0, True)],
)
def test_an_authority_is_believed_in_its_time(start: int | None, end: int | None, counts: bool) -> None:
    authority = TimestampAuthority.create(NOW)
    span = [None if each is None else AT + timedelta(seconds=each) for each in (start, end)]
    found = times(stamped(stamp_of(authority)), Authority(authority.chain, Validity(*span)))
    assert found == ((AT,) if counts else ())


def test_an_authority_that_ended_does_not_hide_its_renewal() -> None:
    authority = TimestampAuthority.create(NOW)
    ended = Authority(authority.chain, Validity(None, AT - timedelta(days=1)))
    assert times(stamped(stamp_of(authority)), ended, Authority(authority.chain, ALWAYS)) == (AT,)


def test_a_certificate_that_has_ended_since_does_not_matter() -> None:
    authority = TimestampAuthority.create(AT, lifetime=timedelta(minutes=1))
    known = Authority(authority.chain, ALWAYS)
    assert times(stamped(stamp_of(authority)), known) == (AT,)
    assert times(stamped(stamp_of(authority, AT + timedelta(minutes=2))), known) == ()


@pytest.mark.parametrize("usage", [ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
def test_a_certificate_is_one_for_time_stamping(usage: Any) -> None:
    authority = TimestampAuthority.create(NOW, usage=usage)
    assert times(stamped(stamp_of(authority)), Authority(authority.chain, ALWAYS)) == ()


def test_an_authority_has_a_leaf_and_a_root() -> None:
    authority, other = TimestampAuthority.create(NOW), TimestampAuthority.create(NOW)
    stamp = stamped(stamp_of(authority))
    assert times(stamp, Authority(authority.chain[:1], ALWAYS)) == ()
    assert times(stamp, Authority(authority.chain[1:], ALWAYS)) == ()
    assert times(stamp, Authority((authority.chain[0], other.chain[1]), ALWAYS)) == ()


def test_an_authority_that_is_its_own_root_is_none() -> None:
    """sigstore-python, too, asks for a certificate above the one that signs (``verifier.py``)."""
    key, span = new_key(), (NOW - timedelta(days=1), NOW + timedelta(days=1))
    builder = _builder("sim-tsa", authority_name("sim-tsa"), key, span)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    authority = TimestampAuthority(key, (_sign(builder, key),), key)
    assert times(stamped(stamp_of(authority)), Authority(authority.chain, ALWAYS)) == ()


def test_intermediates_are_used() -> None:
    authority = TimestampAuthority.create(NOW, intermediate=True)
    assert len(authority.chain) == 3
    stamp = stamped(stamp_of(authority))
    assert times(stamp, Authority(authority.chain, ALWAYS)) == (AT,)
    assert times(stamp, Authority((authority.chain[0], authority.chain[2]), ALWAYS)) == ()


def test_a_leaf_that_comes_with_the_timestamp_is_the_known_one() -> None:
    """Another leaf under the same root is another authority."""
    authority = TimestampAuthority.create(NOW)
    sibling = authority.sibling(NOW)
    known = Authority(authority.chain, ALWAYS)
    assert times(stamped(stamp_of(sibling)), known) == ()
    assert times(stamped(stamp_of(sibling, embed=False)), known) == ()


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5])
def test_only_what_is_granted_counts(status: int) -> None:
    authority = TimestampAuthority.create(NOW)
    assert times(stamped(stamp_of(authority, status=status)), Authority(authority.chain, ALWAYS)) == ()


def test_a_status_that_nobody_knows_is_refused() -> None:
    bundle = mint().bundle(replace(ENVELOPE_V2, stamps=(Stamp(status=9),)))
    with pytest.raises(EvidenceInvalid) as caught:
        judge(bundle, AUTHORITIES)
    assert caught.value.code is EvidenceCode.LOG_ENTRY


@pytest.mark.parametrize("remainder", range(7))
def test_no_bit_of_a_timestamp_may_change_the_time(remainder: int) -> None:
    """What is not authenticated may change; no other time comes out, and nothing but the one error is raised."""
    bundle = mint().bundle(ENVELOPE_V2)
    [stamp] = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    raw = base64.b64decode(stamp["signedTimestamp"])
    expected = judge(bundle, AUTHORITIES).signed_at
    for place in range(remainder, len(raw), 7):
        flipped = bytearray(raw)
        flipped[place] ^= 1 << place % 8
        stamp["signedTimestamp"] = base64.b64encode(flipped).decode()
        try:
            found = judge(bundle, AUTHORITIES).signed_at
        except EvidenceInvalid:
            continue
        assert found == expected

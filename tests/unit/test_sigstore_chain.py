"""What ``test_sigstore_own`` does not show of certificates: input that no bundle brings so far."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.sigstore.chain import load_certificates, verify_chain, verify_sct
from tests.sim.forms import ENVELOPE
from tests.sim.judging import NOW, authorities_of, mint
from tests.sim.mint import SIGNED_AGO, Recipe, Sct

AUTHORITIES = authorities_of(mint().trust_root())
[ISSUER] = AUTHORITIES.issuers
AT = NOW - SIGNED_AGO


def leaf_of(recipe: Recipe = ENVELOPE) -> x509.Certificate:
    return mint()._issue(recipe, AT).certificate


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def test_certificates_follow_on_each_other() -> None:
    leaf, (intermediate, root) = leaf_of(), mint().authority.chain
    for chain in ((leaf,), (leaf, intermediate), (leaf, intermediate, root), ()):
        assert load_certificates([der(each) for each in chain]) == chain
    for chain in ((leaf, root), (intermediate, leaf), (leaf, intermediate, leaf)):
        with pytest.raises(EvidenceInvalid, match="not in order") as caught:
            load_certificates([der(each) for each in chain])
        assert caught.value.code is EvidenceCode.CERTIFICATE


@pytest.mark.parametrize("junk", [b"", b"0", b"-----BEGIN CERTIFICATE-----"])
@pytest.mark.parametrize("place", [0, 1])
def test_every_certificate_is_decoded(junk: bytes, place: int) -> None:
    ders = [der(leaf_of()), der(mint().authority.intermediate)]
    ders[place] = junk
    with pytest.raises(EvidenceInvalid, match="cannot be decoded") as caught:
        load_certificates(ders)
    assert caught.value.code is EvidenceCode.CERTIFICATE


def test_no_time_is_no_time_at_which_it_was_valid() -> None:
    with pytest.raises(EvidenceInvalid, match="no time is known") as caught:
        verify_chain(leaf_of(), [], AUTHORITIES)
    assert caught.value.code is EvidenceCode.CERTIFICATE


def test_the_issuer_is_returned() -> None:
    assert verify_chain(leaf_of(), [AT], AUTHORITIES) is ISSUER


def test_no_authority_is_trusted_where_there_is_none() -> None:
    with pytest.raises(EvidenceInvalid, match="no trusted authority"):
        verify_chain(leaf_of(), [AT], replace(AUTHORITIES, issuers=()))


@pytest.mark.parametrize("milliseconds", [1, 2, 3, 333, 999])
def test_timestamps_count_milliseconds(milliseconds: int) -> None:
    """A float holds no thousandth exactly: what the log signed is an integer."""
    leaf = leaf_of(Recipe(scts=(Sct(after=timedelta(milliseconds=milliseconds)),)))
    verify_sct(leaf, ISSUER, AUTHORITIES)


def test_an_issuer_is_part_of_what_the_log_signed() -> None:
    with pytest.raises(EvidenceInvalid, match="does not hold"):
        verify_sct(leaf_of(), replace(ISSUER, key_sha256=bytes(32)), AUTHORITIES)

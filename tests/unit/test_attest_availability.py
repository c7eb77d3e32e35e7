from __future__ import annotations

import itertools

import pytest

from guard.attest.availability import Flag, Outcome, evaluate_availability, is_request_needed
from guard.model import EvidenceState, UnavailableCause

ABSENT = (EvidenceState.ABSENT, None)
STRIPPED = (EvidenceState.STRIPPED, None)
OUTAGE = (EvidenceState.UNAVAILABLE, UnavailableCause.OUTAGE)
DENIED = (EvidenceState.UNAVAILABLE, UnavailableCause.ACCESS_DENIED)
NOT_SERVED = (EvidenceState.UNAVAILABLE, UnavailableCause.NOT_SERVED)

# flag, outcome -> (no provenance-url, provenance-url set), each (not expected, expected)
TABLE = {
    (Flag.PRESENT, Outcome.NOT_FOUND): ((STRIPPED, STRIPPED), (STRIPPED, STRIPPED)),
    (Flag.PRESENT, Outcome.DENIED): ((DENIED, DENIED), (DENIED, DENIED)),
    (Flag.PRESENT, Outcome.FAILED): ((OUTAGE, OUTAGE), (OUTAGE, OUTAGE)),
    (Flag.PRESENT, Outcome.NOT_ASKED): ((OUTAGE, OUTAGE), (OUTAGE, OUTAGE)),
    (Flag.ABSENT, Outcome.NOT_FOUND): ((ABSENT, STRIPPED), (ABSENT, STRIPPED)),
    (Flag.ABSENT, Outcome.DENIED): ((DENIED, DENIED), (DENIED, DENIED)),
    (Flag.ABSENT, Outcome.FAILED): ((OUTAGE, OUTAGE), (OUTAGE, OUTAGE)),
    (Flag.ABSENT, Outcome.NOT_ASKED): ((ABSENT, STRIPPED), (ABSENT, STRIPPED)),
    (Flag.NEVER_CARRIED, Outcome.NOT_FOUND): ((NOT_SERVED, NOT_SERVED), (ABSENT, STRIPPED)),
    (Flag.NEVER_CARRIED, Outcome.DENIED): ((DENIED, DENIED), (DENIED, DENIED)),
    (Flag.NEVER_CARRIED, Outcome.FAILED): ((OUTAGE, OUTAGE), (OUTAGE, OUTAGE)),
    (Flag.NEVER_CARRIED, Outcome.NOT_ASKED): ((NOT_SERVED, NOT_SERVED), (OUTAGE, OUTAGE)),
}
ROWS = list(itertools.product(Flag, [one for one in Outcome if one is not Outcome.FOUND], (False, True), (False, True)))


@pytest.mark.parametrize(("flag", "outcome", "url", "expected"), ROWS)
def test_table(flag: Flag, outcome: Outcome, url: bool, expected: bool) -> None:
    state, cause, reason = evaluate_availability(flag, outcome, provenance_url_set=url, identity_expected=expected)
    assert (state, cause) == TABLE[flag, outcome][url][expected]
    assert bool(reason) is (state is not EvidenceState.ABSENT)


@pytest.mark.parametrize("flag", Flag)
def test_a_found_document_is_never_judged_here(flag: Flag) -> None:
    with pytest.raises(ValueError, match="its verification decides"):
        evaluate_availability(flag, Outcome.FOUND, provenance_url_set=True)


@pytest.mark.parametrize(
    ("flag", "url", "needed"),
    [
        (Flag.PRESENT, False, True),
        (Flag.PRESENT, True, True),
        (Flag.ABSENT, False, False),
        (Flag.ABSENT, True, False),
        (Flag.NEVER_CARRIED, False, False),
        (Flag.NEVER_CARRIED, True, True),
    ],
)
def test_request_is_made_only_where_it_can_tell_something(flag: Flag, url: bool, needed: bool) -> None:
    assert is_request_needed(flag, provenance_url_set=url) is needed


def test_nobody_is_expected_unless_it_is_said() -> None:
    assert evaluate_availability(Flag.ABSENT, Outcome.NOT_FOUND, provenance_url_set=False).state is EvidenceState.ABSENT

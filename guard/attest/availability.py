"""What it means that evidence was, or was not, to be had: five states that are never merged.

A registry is *evidence-bearing* when its metadata carries a flag for files that have evidence: PyPI's ``provenance``
key (PEP 740), npm's ``dist.attestations``. For one file the flag is then present or absent; other registries never
carry it. *Expected* says that the user's guard.lock names a publisher: what had provenance must not lose it.

=============  =========  ==============  ==========================  ==========================
flag           outcome    provenance-url  not expected                expected
=============  =========  ==============  ==========================  ==========================
any            found      any             the document decides        the document decides
any            denied     any             unavailable, access denied  unavailable, access denied
any            failed     any             unavailable, outage         unavailable, outage
present        not found  any             stripped                    stripped
present        not asked  any             unavailable, outage         unavailable, outage
absent         not found  any             absent                      stripped
absent         not asked  any             absent                      stripped
never carried  not found  yes             absent                      stripped
never carried  not found  no              unavailable, not served     unavailable, not served
never carried  not asked  yes             unavailable, outage         unavailable, outage
never carried  not asked  no              unavailable, not served     unavailable, not served
=============  =========  ==============  ==========================  ==========================

No request is needed for an absent flag, nor where no flag is ever carried and no provenance-url is set.
An outage and a refused access are never "not attested", whatever the flag says.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from typing_extensions import assert_never

from guard.model import EvidenceState, UnavailableCause


class Flag(enum.Enum):
    """What the registry's metadata says about evidence for one file."""

    PRESENT = enum.auto()
    ABSENT = enum.auto()
    NEVER_CARRIED = enum.auto()


class Outcome(enum.Enum):
    """What became of the request for the evidence document."""

    FOUND = enum.auto()
    NOT_FOUND = enum.auto()  # 404, 410
    DENIED = enum.auto()  # 401, 403
    FAILED = enum.auto()  # 5xx, timeouts, truncation
    NOT_ASKED = enum.auto()


class Availability(NamedTuple):
    """The state of evidence that no document decides.

    Args:
        state: ABSENT, STRIPPED or UNAVAILABLE.
        cause: why it is unavailable; set exactly for that state.
        reason: the state in words; empty for plainly absent evidence.
    """

    state: EvidenceState
    cause: UnavailableCause | None = None
    reason: str = ""


def is_request_needed(flag: Flag, *, provenance_url_set: bool) -> bool:
    """Decide whether to ask for the evidence document of a file.

    Args:
        flag: what the registry's metadata says.
        provenance_url_set: whether a ``provenance-url`` is configured beside the registry.

    Returns:
        Whether the answer to a request could change the state.
    """
    match flag:
        case Flag.PRESENT:
            return True
        case Flag.ABSENT:
            return False
        case Flag.NEVER_CARRIED:
            return provenance_url_set
        case _:
            assert_never(flag)


def evaluate_availability(
    flag: Flag, outcome: Outcome, *, provenance_url_set: bool, identity_expected: bool = False
) -> Availability:
    """Decide the state of evidence by the table above.

    Args:
        flag: what the registry's metadata says about this file.
        outcome: what became of the request.
        provenance_url_set: whether a ``provenance-url`` is configured beside the registry.
        identity_expected: whether guard.lock names a publisher for the package.

    Returns:
        The state, its cause and its reason.

    Raises:
        ValueError: a document was found, so that only its verification can decide.
    """
    match outcome:
        case Outcome.FOUND:
            raise ValueError("a document was found: its verification decides the state")
        case Outcome.DENIED:
            return _unavailable(UnavailableCause.ACCESS_DENIED, "the registry denied access to the evidence")
        case Outcome.FAILED:
            return _unavailable(UnavailableCause.OUTAGE, "the evidence could not be fetched completely")
        case Outcome.NOT_FOUND | Outcome.NOT_ASKED:
            return _evaluate_nothing_found(
                flag, outcome, provenance_url_set=provenance_url_set, identity_expected=identity_expected
            )
        case _:
            assert_never(outcome)


def _evaluate_nothing_found(
    flag: Flag, outcome: Outcome, *, provenance_url_set: bool, identity_expected: bool
) -> Availability:
    match flag:
        case Flag.PRESENT if outcome is Outcome.NOT_FOUND:
            return _stripped("the registry's metadata lists evidence that its evidence endpoint does not have")
        case Flag.PRESENT:
            return _unavailable(UnavailableCause.OUTAGE, "the registry lists evidence that was not asked for")
        case Flag.ABSENT:
            return _nothing_there(identity_expected=identity_expected)
        case Flag.NEVER_CARRIED if not provenance_url_set:
            return _unavailable(
                UnavailableCause.NOT_SERVED, "the registry serves no evidence and no provenance-url is configured"
            )
        case Flag.NEVER_CARRIED if outcome is Outcome.NOT_FOUND:
            return _nothing_there(identity_expected=identity_expected)
        case Flag.NEVER_CARRIED:
            return _unavailable(UnavailableCause.OUTAGE, "the configured provenance-url was not asked")
        case _:
            assert_never(flag)


def _nothing_there(*, identity_expected: bool) -> Availability:
    if identity_expected:
        return _stripped("guard.lock names a publisher, but the registry lists no evidence for this file")
    return Availability(EvidenceState.ABSENT)


def _stripped(reason: str) -> Availability:
    return Availability(EvidenceState.STRIPPED, reason=reason)


def _unavailable(cause: UnavailableCause, reason: str) -> Availability:
    return Availability(EvidenceState.UNAVAILABLE, cause, reason)

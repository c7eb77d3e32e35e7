"""A reader that is fuzzed, and what it may do with any bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from guard.errors import EvidenceInvalid, GuardError


@dataclass(frozen=True, slots=True)
class Target:
    """One reader.

    Args:
        inputs: what it is given.
        check: gives it that; fails where anything but its one error comes out.
    """

    inputs: st.SearchStrategy[bytes]
    check: Callable[[bytes], None]


def try_inputs(target: Target, *, count: int, start: int) -> None:
    """Give a target some inputs; what it fails on is made small before it is raised.

    Args:
        target: the target.
        count: how many.
        start: from which randomness they are drawn.
    """

    @seed(start)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def check(data: bytes) -> None:
        target.check(data)

    check()


def is_said(error: GuardError) -> None:
    """What reaches a terminal is one line that steers nothing."""
    assert error.message.isprintable(), ascii(error.message)


def parses(parse: Callable[[bytes], object], *allowed: type[GuardError]) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        try:
            parse(data)
        except allowed as error:
            is_said(error)

    return check


def refuses(verify: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Return a check that bytes verify or are invalid evidence, which has a stable code."""

    def check(data: bytes) -> None:
        try:
            verify(data)
        except EvidenceInvalid as error:
            is_said(error)

    return check


def bytes_of(*documents: Any) -> list[bytes]:
    return [json.dumps(document).encode() for document in documents]

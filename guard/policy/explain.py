"""The policy in force in words: every setting with its value, and where that stands."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

from typing_extensions import assert_never

from guard.model import Location
from guard.policy.identity import IdentityPin
from guard.policy.policy import PackagePolicy, Policy, WrittenAnchor
from guard.policy.schema import AnchorFile, RefreshMode
from guard.policy.settings import SETTINGS, render_duration

Value = str | int | list[str]


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting.

    Args:
        key: as policies write it.
        value: likewise; a set as a sorted list.
        location: where it is written; ``None`` for a default.
    """

    key: str
    value: Value
    location: Location | None


class AnchorState(str, enum.Enum):
    """What becomes of an anchor that a file writes."""

    IN_FORCE = "in-force"
    WAITING = "waiting-for-trust"
    REPLACED = "replaced"  # by that of a stronger file


@dataclass(frozen=True, slots=True)
class ExplainedAnchor:
    """One anchor that a policy file writes.

    Args:
        key: with the name of its table.
        value: as the policy writes it.
        location: where.
        state: what becomes of it.
    """

    key: str
    value: str | list[str]
    location: Location
    state: AnchorState


def explain_anchors(policy: Policy) -> tuple[ExplainedAnchor, ...]:
    """Return every anchor that a file writes, weakest file first, and whether it is believed."""
    strongest = {anchor.key: anchor for anchor in policy.written_anchors if anchor.is_trusted}
    return tuple(
        ExplainedAnchor(anchor.key, _anchor_value(anchor), anchor.location, _state_of(anchor, strongest))
        for anchor in policy.written_anchors
    )


def _state_of(anchor: WrittenAnchor, strongest: Mapping[str, WrittenAnchor]) -> AnchorState:
    if not anchor.is_trusted:
        return AnchorState.WAITING
    return AnchorState.IN_FORCE if strongest[anchor.key] is anchor else AnchorState.REPLACED


def _anchor_value(anchor: WrittenAnchor) -> str | list[str]:
    match anchor.value:
        case AnchorFile(name=name):
            return name
        case RefreshMode():
            return anchor.value.value
        case tuple():
            return list(anchor.value)
        case str():
            return anchor.value
        case _:
            assert_never(anchor.value)


def explain_settings(policy: PackagePolicy) -> tuple[SettingInForce, ...]:
    """Return every setting of a policy in the order of the documentation."""
    return tuple(
        SettingInForce(key, _written(getattr(policy, key.replace("-", "_"))), policy.places.get(key))
        for key in SETTINGS
    )


def explain_identities(policy: PackagePolicy) -> tuple[dict[str, str], ...]:
    """Return the pinned publishers, each as a policy would write it."""
    return tuple(dict(_fields_of(pin)) for pin in policy.identities)


def _fields_of(pin: IdentityPin) -> Iterator[tuple[str, str]]:
    for field in fields(pin):
        value = getattr(pin, field.name)
        if value is not None:
            yield field.name.replace("_", "-"), str(value)


def _written(value: object) -> Value:
    if isinstance(value, timedelta):
        return render_duration(value)
    if isinstance(value, frozenset):
        return sorted(str(_written(each)) for each in value)
    if isinstance(value, enum.Enum):
        return str(value.value)
    return value if isinstance(value, int) else str(value)

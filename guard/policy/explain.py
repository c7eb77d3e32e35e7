"""The policy in force in words: every setting with its value, and where that stands."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta

from guard.model import Location
from guard.policy.identity import IdentityPin
from guard.policy.policy import PackagePolicy
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

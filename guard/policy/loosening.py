"""What a change of guard.toml loosens, against the same file as of the change's base.

A change must not choose how it is judged: it is judged by the policy of its base, and where it makes that looser this
is a finding of its own. What only makes it stricter is none.

Source: facts/amendments, number 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import datetime

from guard.model import Digest, Ecosystem, Finding, Level, Location, RuleId
from guard.policy.policy import PackagePolicy, explicit_policy
from guard.policy.schema import Anchors, ExceptionEntry, PackageEntry, PolicyFile
from guard.policy.settings import RuleSettings, is_looser

Release = tuple[Ecosystem, str, str]
"""Ecosystem, name and version."""


def find_loosened(
    old: PolicyFile | None, new: PolicyFile | None, *, locked: Iterable[Release], now: datetime
) -> tuple[Finding, ...]:
    """Return a finding for everything that a changed policy file asks less of.

    Its entries are compared one by one, for they may hold for what is installed later. What they come to for the
    releases that are locked is compared besides: patterns overlap, and the order of two of them decides.

    Args:
        old: as of the base; ``None`` where there was none.
        new: as it is; ``None`` where there is none any more.
        locked: the releases that locks name.
        now: the moment, aware.
    """
    if old is not None and new is not None and old.digest == new.digest:
        return ()
    path = new.path if new is not None else old.path if old is not None else ""
    before, after = old or _empty(path), new or _empty(path)
    found = [
        *_settings(before, after),
        *_packages(before, after),
        *_exceptions(before, after),
        *_anchors(before, after),
    ]
    if not found:  # else the places that are at fault are said already
        found += _releases(before, after, locked, now)
    return tuple(
        Finding(
            rule=RuleId.POLICY_LOOSENED,
            level=Level.BLOCK,
            message=message,
            next="look at who changed it; --accept-identity-changes accepts the change",
            location=location or Location(path),
        )
        for message, location in found
    )


_NO_DIGEST = Digest("sha256", "0" * 64)


def _empty(path: str) -> PolicyFile:
    return PolicyFile(
        path=path,
        digest=_NO_DIGEST,
        settings=RuleSettings(),
        packages=(),
        exceptions=(),
        anchors=Anchors(),
        locations={},
    )


def _settings(old: PolicyFile, new: PolicyFile) -> Iterator[tuple[str, Location | None]]:
    for key in _looser(_asked(new.settings), than=_asked(old.settings)):
        yield f"{key} is looser than as of the base", new.locations.get(f"policy.{key}")
    if old.platforms != new.platforms and not (new.platforms and old.platforms and old.platforms <= new.platforms):
        yield "[audit] platforms is not what it was as of the base", None


def _packages(old: PolicyFile, new: PolicyFile) -> Iterator[tuple[str, Location | None]]:
    for entry in old.packages:
        kept = [each for each in new.packages if each.name == entry.name]
        after = _asked(new.settings, *(each.settings for each in kept))
        before = _asked(old.settings, entry.settings)
        for key in _looser(after, than=before, names=entry.settings.written()):
            yield f"{key} of {entry.name} is looser than as of the base", _place(kept)
        if entry.identities and not any(each.identities for each in kept):
            yield f"the publishers of {entry.name} are not pinned any more", _place(kept)
    for entry in new.packages:
        if any(_is_same(entry, each) for each in old.packages):
            continue
        was = [each for each in old.packages if each.name.overlaps(entry.name)]
        before = _asked(old.settings, *(each.settings for each in was))
        for key in _looser(_asked(new.settings, entry.settings), than=before, names=entry.settings.written()):
            yield f"{key} of {entry.name} is looser than as of the base", entry.location
        pinned = {pin for each in was for pin in each.identities}
        if pinned and not pinned.issuperset(entry.identities):
            yield f"other publishers of {entry.name} are accepted than as of the base", entry.location


def _releases(
    old: PolicyFile, new: PolicyFile, locked: Iterable[Release], now: datetime
) -> Iterator[tuple[str, Location | None]]:
    before, after = explicit_policy(old), explicit_policy(new)
    for ecosystem, name, version in sorted(set(locked)):
        was = before.for_package(ecosystem, name, version, now=now)
        asked = after.for_package(ecosystem, name, version, now=now)
        label = f"{ecosystem.value}:{name} {version}".rstrip()
        for key in _looser(asked, than=was):
            yield f"{key} of {label} is looser than as of the base", asked.places.get(key)
        if was.identities and (not asked.identities or not set(was.identities).issuperset(asked.identities)):
            yield f"other publishers of {label} are accepted than as of the base", None


def _is_same(one: PackageEntry, other: PackageEntry) -> bool:
    return replace(one, location=other.location) == other


def _exceptions(old: PolicyFile, new: PolicyFile) -> Iterator[tuple[str, Location | None]]:
    for entry in new.exceptions:
        if not any(_covers(each, entry) for each in old.exceptions):
            yield f"{entry.package} is excepted from {entry.rule.value} until {entry.expires}", entry.location


def _covers(old: ExceptionEntry, new: ExceptionEntry) -> bool:
    return (old.package, old.rule) == (new.package, new.rule) and new.expires <= old.expires


def _anchors(old: PolicyFile, new: PolicyFile) -> Iterator[tuple[str, Location | None]]:
    for each in fields(Anchors):
        if getattr(old.anchors, each.name) != getattr(new.anchors, each.name):
            key = each.name.replace("_", "-")
            place = next((place for name, place in new.locations.items() if name.endswith(f".{key}")), None)
            yield f"{key} is not what it was as of the base", place


def _asked(*settings: RuleSettings) -> PackagePolicy:
    policy = PackagePolicy()
    for each in settings:
        policy = replace(policy, **each.written())
    return policy


def _looser(policy: PackagePolicy, *, than: PackagePolicy, names: Iterable[str] | None = None) -> Iterator[str]:
    names = (each.name for each in fields(RuleSettings) if each.name != "places") if names is None else names
    for name in names:
        if is_looser(name, getattr(policy, name), getattr(than, name)):
            yield name.replace("_", "-")


def _place(entries: list[PackageEntry]) -> Location | None:
    return entries[-1].location if entries else None

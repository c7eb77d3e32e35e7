"""What ``guard lock`` would change in guard.lock, and what a change of guard.lock in a pull request comes to.

Source: the design, section 6; facts/amendments, number 1 (a change is judged with guard.lock as of its base).
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from guard.model import Ecosystem, Finding, Level, Location, RuleId
from guard.policy.continuity import nearest
from guard.policy.identity_lock import IdentityLock, LockedIdentity, LockedPackage
from guard.policy.publisher import Difference, Publisher, differences

ID = RuleId.IDENTITY_LOCK_CHANGED

PackageKey = tuple[Ecosystem, str]
_ACCEPT = "look at each change; --accept-identity-changes accepts all of them"


class ChangeKind(enum.Enum):
    """What becomes of an entry."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"  # somebody else publishes
    DRIFTED = "drifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChange:
    """One publisher that comes, goes or changes in guard.lock.

    Args:
        package: as guard.lock writes its name.
        old: who was recorded; ``None`` for one that is added.
        new: who is recorded; ``None`` for one that is removed.
        differences: of the two.
        location: of the entry, in the file that has it.
    """

    package: str
    old: Publisher | None
    new: Publisher | None
    differences: tuple[Difference, ...] = ()
    location: Location | None = None

    @property
    def kind(self) -> ChangeKind:
        """What becomes of the entry."""
        if self.old is None:
            return ChangeKind.ADDED
        if self.new is None:
            return ChangeKind.REMOVED
        return ChangeKind.CHANGED if any(each.is_hard for each in self.differences) else ChangeKind.DRIFTED

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.package}: {self.new} is recorded"
        if self.new is None:
            return f"{self.package}: {self.old} is removed"
        words = "; ".join(map(str, self.differences)) or "more facts are recorded"
        return f"{self.package}: {self.old} -> {self.new} ({words})"


def update_identity_lock(
    lock: IdentityLock | None, seen: Mapping[PackageKey, tuple[LockedIdentity, ...]], *, kept: Collection[PackageKey]
) -> tuple[IdentityLock, tuple[IdentityChange, ...]]:
    """Record who publishes the packages of a project now.

    A publisher that is recorded already stays as it is, with the release where it was first seen. One that changed
    takes the place of the recorded one that is nearest to it and that nobody else is; others that are recorded stay:
    several may publish a package.

    Args:
        lock: as it is; ``None`` where there is no file.
        seen: who publishes each package now; none for a package that nobody attests.
        kept: packages whose entries stay although nobody was seen.

    Returns:
        The lock as it should be, and what changes in it.
    """
    recorded = dict(lock.packages) if lock else {}
    packages: list[LockedPackage] = []
    changes: list[IdentityChange] = []
    for key in sorted({*recorded, *seen}, key=lambda key: (key[0].value, key[1])):
        entry, identities = recorded.get(key), seen.get(key, ())
        if identities:
            entry, found = _update(entry or LockedPackage(ecosystem=key[0], name=key[1], identities=()), identities)
            changes += found
        elif entry is not None and key not in kept:
            changes += (_removed(entry, each) for each in entry.identities)
            entry = None
        if entry is not None:
            packages.append(entry)
    return IdentityLock.of(packages), tuple(changes)


def compare_identity_locks(base: IdentityLock | None, head: IdentityLock | None) -> tuple[IdentityChange, ...]:
    """Return what a change did to guard.lock.

    Args:
        base: before the change; ``None`` where there was no file.
        head: after it; ``None`` where there is none.
    """
    before, after = base.packages if base else {}, head.packages if head else {}
    changes: list[IdentityChange] = []
    for key in sorted({*before, *after}, key=lambda key: (key[0].value, key[1])):
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None:
            changes += _compare(old, new)
        elif old is not None:
            changes += (_removed(old, each) for each in old.identities)
        elif new is not None:
            changes += (_added(new, each) for each in new.identities)
    return tuple(changes)


def identity_lock_findings(changes: Iterable[IdentityChange], *, locked: Collection[PackageKey]) -> tuple[Finding, ...]:
    """Return a finding for each change of guard.lock in a change that is reviewed.

    Another publisher, a further one, and a removed one of a package that is still locked block until the reviewer
    accepts them; first entries and soft facts are notes, and so is what leaves together with its package.

    Args:
        changes: from :func:`compare_identity_locks`.
        locked: the packages that lockfiles name after the change.
    """
    names = {f"{ecosystem.value}:{name}" for ecosystem, name in locked}
    return tuple(_finding(change, is_locked=change.package in names) for change in changes)


def _finding(change: IdentityChange, *, is_locked: bool) -> Finding:
    blocks = change.kind is ChangeKind.CHANGED or (change.kind is ChangeKind.REMOVED and is_locked)
    return Finding(
        rule=ID,
        level=Level.BLOCK if blocks else Level.NOTE,
        message=f"guard.lock changes: {change}",
        next=_ACCEPT if blocks else "",
        location=change.location,
    )


def _update(entry: LockedPackage, seen: tuple[LockedIdentity, ...]) -> tuple[LockedPackage, tuple[IdentityChange, ...]]:
    is_new = not entry.identities
    identities = list(entry.identities)
    changes = []
    # Those that match come first, so that none of them is taken for what another one changed from.
    matches = {each: _same(each.publisher, entry.identities) for each in seen}
    free = [each for each in entry.identities if each not in matches.values()]
    for each in seen:
        old = matches[each]
        if old is None and free and not is_new:
            closest = nearest(each.publisher, (other.publisher for other in free), frozenset())
            old = next(other for other in free if closest is not None and other.publisher == closest.recorded)
            free.remove(old)
        if old is None:
            identities.append(each)
            changes.append(_added(entry, each))
            continue
        found = differences(old.publisher, each.publisher, strict=frozenset())
        merged = _merged(old, each, found)
        if merged.publisher != old.publisher:
            identities[identities.index(old)] = merged
            changes.append(_changed(entry, old, merged))
    return replace(entry, identities=tuple(dict.fromkeys(identities))), tuple(changes)


def _same(publisher: Publisher, recorded: tuple[LockedIdentity, ...]) -> LockedIdentity | None:
    """Return the recorded publisher that differs in no hard fact, the nearest one."""
    closest = nearest(publisher, (each.publisher for each in recorded), frozenset())
    if closest is None or closest.hard:
        return None
    return next(each for each in recorded if each.publisher == closest.recorded)


def _merged(old: LockedIdentity, new: LockedIdentity, found: tuple[Difference, ...]) -> LockedIdentity:
    """Return what is recorded now; a publisher who only publishes otherwise was first seen where it was.

    Facts that certificates did not state before are filled in; what was written by hand and still fits, such as a
    pattern of references, stays.
    """
    if any(each.is_hard for each in found):
        return new
    changed = {each.fact.attribute: each.found for each in found}
    stated = new.publisher.facts.items()
    filled = {fact.attribute: value for fact, value in stated if fact not in old.publisher.facts}
    return replace(old, publisher=replace(old.publisher, **{**filled, **changed}))


def _compare(old: LockedPackage, new: LockedPackage) -> Iterator[IdentityChange]:
    gone = [each for each in old.identities if each not in new.identities]
    come = [each for each in new.identities if each not in old.identities]
    for each in come:
        closest = nearest(each.publisher, (other.publisher for other in gone), frozenset())
        if closest is None:
            yield _changed(new, old.identities[0], each)  # one more may publish what only others could before
            continue
        before = next(other for other in gone if other.publisher == closest.recorded)
        gone.remove(before)
        if before.publisher != each.publisher:
            yield _changed(new, before, each)
    for each in gone:
        yield _removed(old, each)


def _added(package: LockedPackage, identity: LockedIdentity) -> IdentityChange:
    return IdentityChange(package=str(package), old=None, new=identity.publisher, location=identity.location)


def _removed(package: LockedPackage, identity: LockedIdentity) -> IdentityChange:
    return IdentityChange(package=str(package), old=identity.publisher, new=None, location=identity.location)


def _changed(package: LockedPackage, old: LockedIdentity, new: LockedIdentity) -> IdentityChange:
    return IdentityChange(
        package=str(package),
        old=old.publisher,
        new=new.publisher,
        differences=differences(old.publisher, new.publisher, strict=frozenset()),
        location=new.location,
    )

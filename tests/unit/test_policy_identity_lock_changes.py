"""What ``guard lock`` writes when publishers change, and what a change of guard.lock comes to in a review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from guard.model import Digest, Ecosystem, Level
from guard.policy.identity_lock import IdentityLock, LockedIdentity, LockedPackage
from guard.policy.identity_lock_changes import (
    ChangeKind,
    PackageKey,
    compare_identity_locks,
    identity_lock_findings,
    update_identity_lock,
)
from guard.policy.publisher import Publisher

KEY: PackageKey = (Ecosystem.PYPI, "widget")
OURS = Publisher(
    issuer="https://token.actions.githubusercontent.com",
    repository="https://github.com/acme/widget",
    repository_id="1",
    workflow="release.yml",
    ref="refs/tags/*",
)
MOVED = replace(OURS, repository="https://github.com/acme/monorepo", repository_id="2")
OTHERS = replace(OURS, repository="https://github.com/else/where", repository_id="3", workflow="other.yml")
RENAMED = replace(OURS, workflow="publish.yml")


def identity(publisher: Publisher, version: str = "1.0.0") -> LockedIdentity:
    return LockedIdentity(publisher=publisher, first_seen=version, digest=Digest("sha256", "a" * 64))


def lock_of(*publishers: Publisher) -> IdentityLock:
    identities = tuple(map(identity, publishers))
    return IdentityLock.of([LockedPackage(ecosystem=KEY[0], name=KEY[1], identities=identities)] if publishers else [])


def seen(*publishers: Publisher) -> Mapping[PackageKey, tuple[LockedIdentity, ...]]:
    return {KEY: tuple(identity(each, "2.0.0") for each in publishers)}


def entries(lock: IdentityLock) -> list[tuple[Publisher, str]]:
    return [(each.publisher, each.first_seen) for package in lock.packages.values() for each in package.identities]


@pytest.mark.parametrize(
    ("recorded", "now", "expected", "kinds"),
    [
        ((), (OURS,), [(OURS, "2.0.0")], [ChangeKind.ADDED]),
        ((OURS,), (OURS,), [(OURS, "1.0.0")], []),
        ((OURS,), (RENAMED,), [(RENAMED, "1.0.0")], [ChangeKind.DRIFTED]),
        ((OURS,), (MOVED,), [(MOVED, "2.0.0")], [ChangeKind.CHANGED]),
        # What matches keeps its entry; a further one is added, and takes nobody's place.
        ((OURS,), (OURS, MOVED), [(OURS, "1.0.0"), (MOVED, "2.0.0")], [ChangeKind.ADDED]),
        ((OURS,), (MOVED, OURS), [(OURS, "1.0.0"), (MOVED, "2.0.0")], [ChangeKind.ADDED]),
        ((OURS, OTHERS), (OTHERS,), [(OURS, "1.0.0"), (OTHERS, "1.0.0")], []),
        # The nearest one is taken for the one that changed.
        ((OTHERS, OURS), (MOVED,), [(OTHERS, "1.0.0"), (MOVED, "2.0.0")], [ChangeKind.CHANGED]),
    ],
)
def test_what_is_recorded(
    recorded: tuple[Publisher, ...],
    now: tuple[Publisher, ...],
    expected: list[tuple[Publisher, str]],
    kinds: list[ChangeKind],
) -> None:
    lock, changes = update_identity_lock(lock_of(*recorded), seen(*now), kept=())
    assert sorted(entries(lock), key=str) == sorted(expected, key=str)
    assert [change.kind for change in changes] == kinds
    again, more = update_identity_lock(lock, seen(*now), kept=())
    assert (entries(again), more) == (entries(lock), ())


def test_what_somebody_wrote_by_hand_and_still_fits_stays() -> None:
    by_hand = replace(OURS, ref="refs/heads/*", repository_id=None)
    lock, changes = update_identity_lock(lock_of(by_hand), seen(replace(OURS, ref="refs/heads/main")), kept=())
    assert entries(lock) == [(replace(by_hand, repository_id="1"), "1.0.0")]
    assert [str(change) for change in changes] == [
        "pypi:widget: https://github.com/acme/widget -> https://github.com/acme/widget (more facts are recorded)"
    ]


def test_what_nobody_was_seen_of_leaves_unless_it_is_kept() -> None:
    lock, changes = update_identity_lock(lock_of(OURS), {}, kept=())
    assert (entries(lock), [change.kind for change in changes]) == ([], [ChangeKind.REMOVED])
    lock, changes = update_identity_lock(lock_of(OURS), {}, kept={KEY})
    assert (entries(lock), changes) == ([(OURS, "1.0.0")], ())
    assert update_identity_lock(None, {}, kept=()) == (IdentityLock.of([]), ())


@pytest.mark.parametrize(
    ("base", "head", "level"),
    [
        ((), (OURS,), Level.NOTE),
        ((OURS,), (RENAMED,), Level.NOTE),
        ((OURS,), (MOVED,), Level.BLOCK),
        ((OURS,), (OURS, MOVED), Level.BLOCK),
        ((OURS,), (), Level.BLOCK),
        ((OURS, MOVED), (OURS,), Level.BLOCK),
    ],
)
def test_a_change_that_is_reviewed(base: tuple[Publisher, ...], head: tuple[Publisher, ...], level: Level) -> None:
    changes = compare_identity_locks(lock_of(*base), lock_of(*head))
    (finding,) = identity_lock_findings(changes, locked={KEY})
    assert finding.level is level
    assert bool(finding.next) is (level is Level.BLOCK)


def test_what_leaves_with_its_package_is_a_note_and_no_change_is_none() -> None:
    (finding,) = identity_lock_findings(compare_identity_locks(lock_of(OURS), None), locked=())
    assert finding.level is Level.NOTE
    assert compare_identity_locks(lock_of(OURS), lock_of(OURS)) == ()
    assert compare_identity_locks(None, None) == ()
    later = IdentityLock.of([LockedPackage(ecosystem=KEY[0], name=KEY[1], identities=(identity(OURS, "1.5.0"),))])
    assert compare_identity_locks(lock_of(OURS), later) == ()

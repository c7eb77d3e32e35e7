"""The policy in force: files laid over each other, and what they come to for one package."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from guard.model import Digest, Ecosystem, Finding, Level, Location, RuleId, SourceKind
from guard.policy.identity import IdentityPin
from guard.policy.identity_lock import IdentityLock, LockedIdentity
from guard.policy.patterns import PackagePattern, normalised_name
from guard.policy.schema import (
    AnchorFile,
    Anchors,
    ExceptionEntry,
    PackageEntry,
    PolicyFile,
    RefreshMode,
)
from guard.policy.settings import (
    IdentityMode,
    InstallScriptsMode,
    LockedAgeMode,
    ProvenanceMode,
    RegistrySignatureMode,
    RuleMode,
    RuleSettings,
    SdistMode,
    SoftFact,
    is_looser,
)


class PolicyClass(str, enum.Enum):
    """How a policy file came to be in force, which decides whether its anchors are."""

    USER = "user"
    PROJECT = "project"  # anchors not in force
    PROJECT_TRUSTED = "project-trusted"
    COMMAND_LINE = "command-line"


@dataclass(frozen=True, slots=True)
class PolicySource:
    """A policy file that was read, as reports state it."""

    path: str
    digest: Digest
    policy_class: PolicyClass


# Keys of the anchors, by name of the field.
_ANCHORS = {
    "index_url": "pypi.index-url",
    "provenance_url": "pypi.provenance-url",
    "extra_indexes": "pypi.extra-indexes",
    "npm_registry": "npm.registry",
    "npm_keys": "npm.keys",
    "trust_root": "sigstore.trust-root",
    "refresh": "sigstore.refresh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenAnchor:
    """An anchor as a policy file writes it.

    Args:
        key: with the name of its table, ``pypi.index-url``.
        value: a URL, several of them, a file or a mode.
        location: where it is written.
        is_trusted: whether the file's anchors take effect.
    """

    key: str
    value: str | tuple[str, ...] | AnchorFile | RefreshMode
    location: Location
    is_trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePolicy:
    """What is asked of one release. The defaults are those of a user without any file.

    Args:
        hashes: what missing or weak pins of a pinned input are.
        provenance: which provenance is asked for.
        identity: which publisher is asked for.
        identity_strict: facts of an identity that must not change either.
        downgrade_window: how young a release is whose loss of provenance blocks although nothing is locked.
        registry_signature: which signatures of an npm registry are asked for.
        slsa_level: the least build level that the certificate must show, 0 to 3.
        runner: machines that may have built it, as certificates name them.
        triggers_denied: events that must not have started the build, as certificates name them.
        min_age: for how long a release must have been out before a resolver may choose it.
        min_age_locked: what a younger release is that the user's lock or pin names.
        min_age_registries: registries beside the public ones whose times count, each as
            :func:`guard.policy.settings.registry_key` has it.
        min_age_exclude: packages whose age does not matter.
        sources: where artifacts may come from.
        sdist: whether source distributions are installed.
        yanked: what a release is that its maintainers took back.
        install_scripts: what becomes of code that an npm package runs when it is installed.
        identities: publishers one of which must have signed; empty when none is pinned.
        locked: publishers that guard.lock records; empty where it has no entry.
        lock_pins: publishers that the lockfile itself names, which must have signed besides.
        exceptions: the exceptions in force that name this release.
        expired: the exceptions that name this release and are over.
        written: keys of the settings that the user wrote, as opposed to defaults.
        places: where each of them stands, as far as that is known.
        now: the moment to which ages are counted. Without one, every release is too new.
    """

    hashes: RuleMode = RuleMode.BLOCK
    provenance: ProvenanceMode = ProvenanceMode.NO_DOWNGRADE
    identity: IdentityMode = IdentityMode.LOCKED
    identity_strict: frozenset[SoftFact] = frozenset()
    downgrade_window: timedelta = timedelta(days=30)
    registry_signature: RegistrySignatureMode = RegistrySignatureMode.IF_SIGNED
    slsa_level: int = 0
    runner: frozenset[str] = frozenset({"github-hosted", "gitlab-hosted"})
    triggers_denied: frozenset[str] = frozenset({"pull_request_target", "workflow_run", "issue_comment"})
    min_age: timedelta = timedelta(hours=24)
    min_age_locked: LockedAgeMode = LockedAgeMode.NOTE
    min_age_registries: frozenset[str] = frozenset()
    min_age_exclude: frozenset[PackagePattern] = frozenset()
    sources: frozenset[SourceKind] = frozenset({SourceKind.REGISTRY, SourceKind.ALIAS})
    sdist: SdistMode = SdistMode.ALLOW
    yanked: RuleMode = RuleMode.BLOCK
    install_scripts: InstallScriptsMode = InstallScriptsMode.AS_NPM
    identities: tuple[IdentityPin, ...] = ()
    locked: tuple[LockedIdentity, ...] = ()
    lock_pins: tuple[IdentityPin, ...] = ()
    exceptions: tuple[ExceptionEntry, ...] = ()
    expired: tuple[ExceptionEntry, ...] = ()
    written: frozenset[str] = frozenset()
    places: Mapping[str, Location] = field(default_factory=dict, compare=False)
    now: datetime = field(default=datetime.min.replace(tzinfo=timezone.utc), compare=False)

    @property
    def needs_provenance(self) -> bool:
        """Whether nothing is installed without verified provenance."""
        return self.why_provenance is not None

    @property
    def why_provenance(self) -> str | None:
        """What asks for provenance; ``None`` where nothing does.

        A publisher, a build level, a runner or a trigger that the user wrote can be seen in provenance alone: where
        there is none, a fact that the user asks for is missing.
        """
        if self.identities or self.lock_pins:
            return "its publisher is pinned"
        if self.provenance is ProvenanceMode.REQUIRED:
            return 'provenance = "required"'
        if self.slsa_level:
            return f"slsa-level = {self.slsa_level}"
        return next((f"{key} is set" for key in ("runner", "triggers-denied") if key in self.written), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Policy files laid over each other. Of none, it is the default policy.

    Args:
        settings: of every ``[policy]``, weakest first.
        packages: of every ``[[package]]``, weakest first; all of them are stronger than ``settings``.
        exceptions: of every ``[[exception]]``.
        anchors: those in force.
        written_anchors: those of every file, weakest first, in force or not.
        platforms: of ``[audit]``, of the strongest file that writes them; ``None`` where none does.
        sources_read: every file that was read.
        identity_lock: the guard.lock in force.
        lock_pins: publishers that lockfiles name, by ecosystem and name of the package.
    """

    settings: tuple[RuleSettings, ...] = ()
    packages: tuple[PackageEntry, ...] = ()
    exceptions: tuple[ExceptionEntry, ...] = ()
    anchors: Anchors = field(default_factory=Anchors)
    written_anchors: tuple[WrittenAnchor, ...] = ()
    platforms: frozenset[str] | None = None
    sources_read: tuple[PolicySource, ...] = ()
    identity_lock: IdentityLock | None = None
    lock_pins: Mapping[tuple[Ecosystem, str], tuple[IdentityPin, ...]] = field(default_factory=dict)
    _answers: dict[tuple[object, ...], PackagePolicy] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def for_others(self, *, now: datetime) -> PackagePolicy:
        """Return what is asked of a package that neither a ``[[package]]`` nor an exception names.

        Args:
            now: as for :meth:`for_package`.
        """
        policy = PackagePolicy(now=now)
        for settings in self.settings:
            policy = _with_settings(policy, settings)
        return policy

    def for_package(self, ecosystem: Ecosystem, name: str, version: str, *, now: datetime) -> PackagePolicy:
        """Return what is asked of one release: the last ``[[package]]`` that matches wins, key by key.

        Args:
            ecosystem: of the package.
            name: in any spelling that the ecosystem allows.
            version: as the registry writes it.
            now: the moment to which ages are counted and on whose day exceptions are judged; aware.
        """
        entries = tuple(entry for entry in self.packages if entry.name.matches(ecosystem, name))
        named = tuple(entry for entry in self.exceptions if entry.package.matches(ecosystem, name, version))
        # A lock of a thousand entries has a handful of different answers, and they are asked twice for each.
        known = (*map(id, entries), *map(id, named), now)
        if known not in self._answers:
            self._answers[known] = self._lay_over(entries, named, now)
        package = self.identity_lock.find(ecosystem, name) if self.identity_lock else None
        pins = self.lock_pins.get((ecosystem, normalised_name(ecosystem, name)), ())
        if package is None and not pins:
            return self._answers[known]
        return replace(self._answers[known], locked=package.identities if package else (), lock_pins=pins)

    def _lay_over(
        self, entries: tuple[PackageEntry, ...], named: tuple[ExceptionEntry, ...], now: datetime
    ) -> PackagePolicy:
        today = now.astimezone(timezone.utc).date()
        policy = PackagePolicy(
            now=now,
            exceptions=tuple(entry for entry in named if today <= entry.expires),
            expired=tuple(entry for entry in named if today > entry.expires),
        )
        for settings in (*self.settings, *(entry.settings for entry in entries)):
            policy = _with_settings(policy, settings)
        for entry in entries:
            if entry.identities:
                policy = replace(policy, identities=entry.identities, written=policy.written | {"identity"})
        return policy


def _with_settings(policy: PackagePolicy, settings: RuleSettings) -> PackagePolicy:
    written = settings.written()
    keys = policy.written.union(map(_key, written))
    return replace(policy, **written, written=keys, places={**policy.places, **settings.places})


def _written_anchors(anchors: Anchors) -> dict[str, Any]:
    """Return what a file writes, by name of the field."""
    every = {each.name: getattr(anchors, each.name) for each in fields(anchors)}
    return {name: value for name, value in every.items() if value is not None}


def _key(name: str) -> str:
    return name.replace("_", "-")


def explicit_policy(file: PolicyFile) -> Policy:
    """Return the policy of ``--policy FILE``: that file alone, its anchors in force."""
    return _stack([(file, PolicyClass.COMMAND_LINE)])


def merge_policies(
    user: PolicyFile | None, project: PolicyFile | None, *, project_trusted: bool
) -> tuple[Policy, tuple[Finding, ...]]:
    """Lay the project's policy over the user's.

    A ``[[package]]`` of either file is stronger than a ``[policy]`` of either, so that a project's general rule does
    not undo what the user asked of one package.

    Args:
        user: the file in the user's configuration folder.
        project: the file that was found from the working directory upwards.
        project_trusted: whether ``guard policy trust`` recorded the project file's digest.

    Returns:
        The policy in force, and a note for each setting of the project that is looser than the user's or that waits
        for trust (facts/amendments, number 1: the folder being checked must not choose silently how it is checked).
    """
    project_class = PolicyClass.PROJECT_TRUSTED if project_trusted else PolicyClass.PROJECT
    read = ((user, PolicyClass.USER), (project, project_class))
    layers = [(file, policy_class) for file, policy_class in read if file is not None]
    if project is None:
        return _stack(layers), ()
    base = _stack(layers[:-1])
    waiting = () if project_trusted else tuple(_waiting_anchors(project))
    return _stack(layers), (*waiting, *_loosened(base, project))


def _stack(layers: list[tuple[PolicyFile, PolicyClass]]) -> Policy:
    policy = Policy()
    for file, policy_class in layers:
        in_force = policy_class is not PolicyClass.PROJECT
        policy = Policy(
            settings=(*policy.settings, file.settings),
            packages=(*policy.packages, *file.packages),
            exceptions=(*policy.exceptions, *file.exceptions),
            anchors=replace(policy.anchors, **_written_anchors(file.anchors)) if in_force else policy.anchors,
            written_anchors=(*policy.written_anchors, *_anchors_of(file, is_trusted=in_force)),
            platforms=policy.platforms if file.platforms is None else file.platforms,
            sources_read=(*policy.sources_read, PolicySource(file.path, file.digest, policy_class)),
        )
    return policy


def _anchors_of(file: PolicyFile, *, is_trusted: bool) -> tuple[WrittenAnchor, ...]:
    written = _written_anchors(file.anchors)
    return tuple(
        WrittenAnchor(key=key, value=written[name], location=file.locations[key], is_trusted=is_trusted)
        for name, key in _ANCHORS.items()
        if name in written
    )


def _waiting_anchors(project: PolicyFile) -> Iterable[Finding]:
    keys = [anchor.key for anchor in _anchors_of(project, is_trusted=False)]
    if keys:
        message = f"{project.path} sets {', '.join(keys)}; without `guard policy trust` this has no effect"
        yield _note(message, project.locations[keys[0]], "guard policy trust")


def _loosened(base: Policy, project: PolicyFile) -> Iterable[Finding]:
    asked = _asked(base.settings)
    for key in _looser_keys(asked, project.settings):
        place = project.locations[f"policy.{key}"]
        yield _note(f"{place} sets {key} looser than your own policy", place)
    for entry in project.packages:
        own = [each for each in base.packages if each.name.overlaps(entry.name)]
        for key in _looser_keys(_asked((*base.settings, *(each.settings for each in own))), entry.settings):
            yield _note(f"{entry.location} sets {key} for {entry.name} looser than your own policy", entry.location)
        pinned = {pin for each in own for pin in each.identities}
        if pinned and not pinned.issuperset(entry.identities):
            yield _note(f"{entry.location} accepts other publishers of {entry.name} than yours", entry.location)
    if project.exceptions:
        count = len(project.exceptions)
        message = f"{project.path} excepts {count} package{'s' if count > 1 else ''} from a rule"
        yield _note(message, project.exceptions[0].location)


def _asked(settings: Iterable[RuleSettings]) -> PackagePolicy:
    policy = PackagePolicy()
    for each in settings:
        policy = _with_settings(policy, each)
    return policy


def _looser_keys(asked: PackagePolicy, settings: RuleSettings) -> Iterable[str]:
    written = settings.written()
    return [_key(name) for name, value in written.items() if is_looser(name, value, getattr(asked, name))]


def _note(message: str, location: Location, next_step: str = "") -> Finding:
    return Finding(rule=RuleId.POLICY_LOOSENED, level=Level.NOTE, message=message, next=next_step, location=location)

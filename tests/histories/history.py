"""The words in which publishing histories are told: who published which file of which release, and what guard says.

A history is a sequence of releases as a registry would show them, the state of the user (guard.lock, a lockfile that
names the release, a policy), and the findings that the release at its end must have, written down before the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.sim.identity import Identity

BOTH = ("pypi", "npm")
PYPI = ("pypi",)
NPM = ("npm",)

FRESH_DAYS = 1
OLD_DAYS = 90  # out of the downgrade window, whose default is 30 days


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub:
    """A workflow on GitHub Actions that publishes; ``ref`` may name the release's ``{version}``."""

    repository: str = "acme/widget"
    repository_id: str | None = "1001"
    owner_id: str | None = "501"
    workflow: str = ".github/workflows/release.yml"
    ref: str = "refs/tags/v{version}"
    trigger: str = "push"
    runner: str = "github-hosted"
    environment: str | None = None
    reusable: str | None = None

    def identity(self, version: str) -> Identity:
        """Return what its certificate for a release says."""
        identity = Identity.github(
            repository=self.repository,
            workflow=self.workflow,
            ref=self.ref.format(version=version),
            repository_id=self.repository_id or "",
            owner_id=self.owner_id or "",
            trigger=self.trigger,
            runner=self.runner,
            environment=self.environment,
            reusable=self.reusable,
        )
        if self.repository_id is None:  # as before Fulcio had these extensions
            identity = replace(identity, source_repository_identifier=None, source_repository_owner_identifier=None)
        return identity


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLab:
    """A pipeline of gitlab.com that publishes."""

    project: str = "acme/widget"
    project_id: str = "2001"
    namespace_id: str = "601"

    def identity(self, version: str) -> Identity:
        """Return what its certificate for a release says."""
        return Identity.gitlab(
            project=self.project,
            ref=f"refs/tags/v{version}",
            project_id=self.project_id,
            namespace_id=self.namespace_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CircleCI:
    """A pipeline of CircleCI that publishes; each run has an identifier of its own."""

    project: str = "5a301f56-eaa7-4cce-9441-37810f7c8452"
    origin: str = "github.com/acme/widget"

    def identity(self, version: str) -> Identity:
        """Return what its certificate for a release says."""
        return Identity.circleci(
            project=self.project, origin=self.origin, ref=f"refs/tags/v{version}", pipeline=f"pipeline-of-{version}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, or a service account, with an address that Google vouches for."""

    address: str

    def identity(self, version: str) -> Identity:
        """Return what the certificate says."""
        return Identity.email(self.address)


Publisher = GitHub | GitLab | CircleCI | Person


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a release.

    Args:
        version: of the release.
        by: who attested it; ``None`` when nobody did.
        days_ago: when it was published.
        file: ``any`` for a pure wheel, ``sdist``, or the platform of a wheel; npm has one file for each release.
        publish_only: npm: the registry attested that it published the file, and no build attested it.
    """

    version: str
    by: Publisher | None = None
    days_ago: int = FRESH_DAYS
    file: str = "any"
    publish_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A publishing history and what guard says of its last upload.

    Args:
        name: in a few words.
        source: where it, or one like it, happened: a thread, a document or a recorded certificate.
        uploads: in the order of publication; the last one is what is installed.
        found: the rules that must have a finding above a note on identity or provenance, with their levels.
        noted: the rules that must have a note on it.
        says: words that the findings hold.
        lock: the release at which ``guard lock`` was run; ``None`` when there is no guard.lock, the empty string when
            there is one that does not name the package.
        is_locked: whether the user's lockfile names the release already.
        policy: lines of guard.toml.
        attack: whether it is one that guard must not let pass in silence.
        ecosystems: in which it is played.
    """

    name: str
    source: str
    uploads: tuple[Upload, ...]
    found: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    lock: str | None = None
    is_locked: bool = False
    policy: tuple[str, ...] = ()
    attack: bool = False
    ecosystems: tuple[str, ...] = BOTH


def attested(*versions: str, by: Publisher, days_ago: int = 2 * OLD_DAYS, file: str = "any") -> tuple[Upload, ...]:
    """Return a release for each version, all by one publisher and long ago."""
    return tuple(Upload(version, by, days_ago, file) for version in versions)

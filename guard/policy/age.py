"""Whose times count, and until when a release is too new."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from guard.constants import NPM_HOST, PYPI_HOST
from guard.model import Artifact
from guard.policy.policy import PackagePolicy
from guard.policy.settings import registry_key

_PUBLIC_HOSTS = frozenset({PYPI_HOST, NPM_HOST})


def is_public(artifact: Artifact) -> bool:
    """Tell whether an artifact comes from a registry where everybody publishes."""
    return _host(artifact.origin) in _PUBLIC_HOSTS


def tells_time(artifact: Artifact, policy: PackagePolicy) -> bool:
    """Tell whether the registry's times are those of publication, by default or by the user's word."""
    if artifact.origin is None:
        return False
    return is_public(artifact) or registry_key(artifact.origin) in policy.min_age_registries


def is_excluded(artifact: Artifact, policy: PackagePolicy) -> bool:
    """Tell whether the age of a package does not matter."""
    return any(pattern.matches(artifact.ecosystem, artifact.name) for pattern in policy.min_age_exclude)


def too_new_until(published_at: datetime | None, policy: PackagePolicy) -> datetime | None:
    """Return when a release comes to be old enough; ``None`` when it is, or its age is not known."""
    if published_at is None or published_at + policy.min_age <= policy.now:
        return None
    return published_at + policy.min_age


def _host(url: str | None) -> str:
    try:
        return urlsplit(url or "").hostname or ""
    except ValueError:
        return ""

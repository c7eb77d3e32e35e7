"""The address that a lock gives for a file, compared with the one that its registry lists.

Bytes are always taken from where the registry lists them, and always have a digest that it lists. An address that says
something else tells of another registry at the time of locking, or of a lock that was tampered with.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from guard.constants import (
    NPM_HOST,
    NPM_REGISTRY_URL,
    PYPI_FILES_HOST,
    PYPI_FORMER_HOST,
    PYPI_HOST,
    YARN_REGISTRY_URL,
)
from guard.engine.locked import LockedRequest
from guard.model import Facts
from guard.registry.credentials import redact_url
from guard.registry.packument import PublishedVersion

if TYPE_CHECKING:
    from guard.registry.simple import IndexFile

_PUBLIC_HOSTS = (PYPI_HOST, PYPI_FILES_HOST, PYPI_FORMER_HOST, NPM_HOST, urlsplit(YARN_REGISTRY_URL).netloc)
_USUAL_PORTS = frozenset({80, 443})
_ADDRESS_TAIL = re.compile(r"/((?:@[^/@]+/)?[^/@]+)/-/([^/]+)\Z")


def compare_address(resolved: str | None, published: PublishedVersion, configured: tuple[str, ...]) -> tuple[str, bool]:
    """Compare the address of an npm release.

    Args:
        resolved: from the lock, or ``None``.
        published: the release.
        configured: URLs of the user's registries.

    Returns:
        How it differs, or the empty string; and whether its host is a configured one.
    """
    if not resolved or resolved == published.tarball:
        return "", True
    elsewhere = f"the lock names {redact_url(resolved)}, and that is not where {published.name}@{published.version} is"
    try:
        found, host = urlsplit(resolved), _host_of(resolved)
    except ValueError:
        return elsewhere, False
    path = unquote(found.path)
    if path != unquote(urlsplit(published.tarball).path) and not _names_release(path, published):
        return elsewhere, False
    # The public registry's address stands for whatever registry is configured (npm's replace-registry-host).
    if host in map(_host_of, (published.tarball, NPM_REGISTRY_URL, YARN_REGISTRY_URL)):
        return "", True
    shown = redact_url(f"{found.scheme}://{found.netloc}")
    return f"the lock names the host {shown}", host in map(_host_of, configured)


def compare_file_address(resolved: str | None, file: IndexFile, configured: tuple[str, ...]) -> tuple[str, bool]:
    """Compare the address of a file of a Python package index.

    Host and file name are compared. The folders between them are an index's own affair, and change: the public one has
    had three layouts, of which it still serves all.

    Args:
        resolved: from the lock, or ``None``.
        file: as the index lists it.
        configured: URLs of the user's indexes.

    Returns:
        How it differs, or the empty string; and whether its host is a configured one.
    """
    if not resolved or resolved == file.url:
        return "", True
    from guard.registry.simple import link_filename  # npm's engine, which compares addresses as well, has no use for it

    elsewhere = f"the lock names {redact_url(resolved)}, and that is not where {file.filename} is"
    try:
        found, host = urlsplit(resolved), _host_of(resolved)
    except ValueError:
        return elsewhere, False
    if link_filename(resolved) != file.filename:
        return elsewhere, False
    # A lock that was made from the public index is used with a mirror of it, too.
    if host in (_host_of(file.url), (PYPI_FILES_HOST, None)):
        return "", True
    shown = redact_url(f"{found.scheme}://{found.netloc}")
    return f"the lock names the host {shown}", host in map(_host_of, configured)


def compare_registry(registry: str | None, configured: tuple[str, ...]) -> tuple[str, bool]:
    """Compare the registry that a lock names for an entry with those that are asked.

    Args:
        registry: base address, or the address of a file, of which the host counts; ``None`` for none.
        configured: URLs of the user's registries, any of which may stand for the public one.

    Returns:
        How it differs, or the empty string; and whether its host is a configured one.
    """
    if not registry:
        return "", True
    try:
        host = _host_of(registry)
    except ValueError:
        return "the lock names a registry whose address cannot be read", False
    if host[0] in _PUBLIC_HOSTS or host in map(_host_of, configured):
        return "", True
    return f"the lock names the registry {redact_url(registry)}, which is not configured here", False


def with_registry(facts: Facts, request: LockedRequest, configured: tuple[str, ...]) -> Facts:
    """Add whether a lock takes an entry from a registry that is not asked: where none lists it, that is the reason.

    Args:
        facts: of an entry that no configured registry lists.
        request: what the lock says of it.
        configured: URLs of the user's registries.
    """
    problem, is_configured = compare_registry(request.registry or request.resolved, configured)
    return replace(facts, resolved_problem=problem, resolved_is_configured=is_configured)


def _host_of(url: str) -> tuple[str | None, int | None]:
    """Return host and port, of which the usual ones are none.

    Raises:
        ValueError: they cannot be read.
    """
    parts = urlsplit(url)
    return parts.hostname, None if parts.port in _USUAL_PORTS else parts.port


def _names_release(path: str, published: PublishedVersion) -> bool:
    """Whether a path ends as that of a release on most registries: ``/@SCOPE/NAME/-/NAME-VERSION.tgz``."""
    base = published.name.rpartition("/")[2]
    found = _ADDRESS_TAIL.search(path)
    return found is not None and found.groups() == (published.name, f"{base}-{published.version}.tgz")

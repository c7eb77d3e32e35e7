"""Where listings and evidence of npm registries come from: the network alone, or what an audit knows before it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

from guard.attest.availability import Flag, Outcome, is_request_needed
from guard.attest.documents import digest_of_document
from guard.engine.recollection import RecalledDocument, Recollection
from guard.errors import MalformedInput
from guard.once import Once
from guard.registry.npm import NpmClient, NpmRegistries
from guard.registry.npm_listing import parse_kept_version, render_version_document
from guard.registry.packument import Packument, PublishedVersion
from guard.store.facts import Answer


class NpmSource(Protocol):
    """What an engine asks about releases; :class:`guard.registry.npm.NpmClient` says what each means."""

    registries: NpmRegistries

    def fetch_version(self, name: str, version: str) -> PublishedVersion:
        """Fetch what the registry lists of one version."""

    def fetch_packument(self, name: str) -> Packument:
        """Fetch what the registry lists of a package."""

    def fetch_attestations(self, published: PublishedVersion) -> tuple[Flag, Outcome, bytes | RecalledDocument | None]:
        """Fetch a version's attestations where there can be some."""


class RecallingNpm:
    """Asks for what is not known. Thread-safe.

    Args:
        client: asks.
        recollection: what is known.
    """

    def __init__(self, client: NpmClient, recollection: Recollection) -> None:
        self.registries = client.registries
        self._client = client
        self._known = recollection
        self._versions: Once[tuple[str, str], PublishedVersion] = Once()

    def fetch_version(self, name: str, version: str) -> PublishedVersion:
        """Return a listing: offline of the folder, else one that is not old, else the registry's."""
        return self._versions.get((name, version), lambda: self._load_version(name, version))

    def read_ahead(self, releases: Sequence[tuple[str, str]]) -> list[bool]:
        """Prepare for releases, name and version, that will be asked for; return which of them are remembered."""
        addresses = [_address(self.registries.registry_of(name), name, version) for name, version in releases]
        self._known.facts.read_ahead(Answer.DOCUMENT, addresses)
        self._known.facts.read_ahead(Answer.LISTING, addresses)
        return [self._known.load(Answer.LISTING, address) is not None for address in addresses]

    def fetch_packument(self, name: str) -> Packument:
        """Return what the registry lists of a package; nobody keeps that.

        Raises:
            Unavailable: offline, too.
        """
        self._known.require_online(f"what is listed of {name}")
        return self._client.fetch_packument(name)

    def fetch_attestations(self, published: PublishedVersion) -> tuple[Flag, Outcome, bytes | RecalledDocument | None]:
        """Return attestations: of the folder, else those that were seen before, else the registry's."""
        flag = self._client.flag_of(published)
        if self._known.folder is not None:
            document = self._known.folder.load_attestations(published.name, published.version)
            if document is not None:
                return flag, Outcome.FOUND, document
        if not is_request_needed(flag, provenance_url_set=False):
            return flag, Outcome.NOT_ASKED, None
        digest = self._known.load_document(_address(published.registry, published.name, published.version))
        if digest is not None:
            return flag, Outcome.FOUND, RecalledDocument(digest=digest, fetch=lambda: self._ask(published))
        return self._ask(published)

    def _load_version(self, name: str, version: str) -> PublishedVersion:
        registry = self.registries.registry_of(name)
        known = self._load_kept(name, version, registry)
        if known is not None:
            self._client.recall(known)
            return known
        self._known.require_online(f"what is listed of {name}@{version}")
        published = self._client.fetch_version(name, version)
        self._known.store(Answer.LISTING, _address(registry, name, version), render_version_document(published))
        return published

    def _load_kept(self, name: str, version: str, registry: str) -> PublishedVersion | None:
        if self._known.folder is not None and self._known.is_offline:
            kept = self._known.folder.load_npm_listing(name, version)
            if kept is not None:
                return parse_kept_version(kept, name=name, version=version, registry=registry)
        kept = self._known.load(Answer.LISTING, _address(registry, name, version))
        with contextlib.suppress(MalformedInput):  # what is remembered is never worse than nothing
            return None if kept is None else parse_kept_version(kept, name=name, version=version, registry=registry)
        return None

    def _ask(self, published: PublishedVersion) -> tuple[Flag, Outcome, bytes | None]:
        if self._known.is_offline:
            return self._client.flag_of(published), Outcome.FAILED, None
        flag, outcome, document = self._client.fetch_attestations(published)
        if document is not None:
            address = _address(published.registry, published.name, published.version)
            self._known.store_document(address, digest_of_document(document))
        return flag, outcome, document


@functools.lru_cache(maxsize=8192)  # asked for three times a release
def _address(registry: str, name: str, version: str) -> str:
    return f"{registry}{quote(name, safe='@')}/{quote(version, safe='')}"

"""Where listings and evidence of Python indexes come from: the network alone, or what an audit knows before it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Protocol

from packaging.utils import canonicalize_name

from guard.attest.availability import Flag, Outcome, is_request_needed
from guard.attest.documents import digest_of_document
from guard.constants import PYPI_SIMPLE_URL
from guard.engine.recollection import RecalledDocument, Recollection
from guard.errors import MalformedInput, malformed_input_boundary
from guard.once import Once
from guard.registry.local import is_file_url
from guard.registry.pypi import IndexClient, IndexSource, Project
from guard.registry.releases import parse_kept_release, render_release
from guard.registry.simple import IndexFile
from guard.store.facts import Answer

# What a listing in a folder is taken to be of where no index is configured and it names none.
_NO_INDEX = IndexSource(PYPI_SIMPLE_URL, is_public=True)


class PyPISource(Protocol):
    """What an engine asks about releases; :class:`guard.registry.pypi.IndexClient` says what each means."""

    @property
    def has_provenance_url(self) -> bool:
        """Whether an address for provenance is configured beside the indexes."""

    def fetch_release(self, name: str, version: str) -> Project:
        """Find who owns a name and what of one version is on offer under it."""

    def fetch_project(self, name: str) -> Project:
        """Find who owns a name and everything that is on offer under it."""

    def fetch_provenance(
        self, file: IndexFile, *, project: Project, version: str
    ) -> tuple[Flag, Outcome, bytes | RecalledDocument | None]:
        """Fetch a file's provenance object where there can be one."""


class RecallingPyPI:
    """Asks for what is not known. Thread-safe.

    Args:
        client: asks.
        recollection: what is known.
    """

    def __init__(self, client: IndexClient, recollection: Recollection) -> None:
        self._client = client
        self._known = recollection
        self._releases: Once[tuple[str, str], Project] = Once()

    @property
    def has_provenance_url(self) -> bool:
        """Whether an address for provenance is configured beside the indexes."""
        return self._client.has_provenance_url

    def fetch_release(self, name: str, version: str) -> Project:
        """Return a listing: offline of the folder, else one that is not old, else the index's."""
        return self._releases.get((name, version), lambda: self._load_release(name, version))

    def fetch_project(self, name: str) -> Project:
        """Return everything that is listed of a name, which nobody remembers.

        Raises:
            Unavailable: offline, too.
        """
        if not self._client.is_on_this_machine:
            self._known.require_online(f"what is listed of {name}")
        return self._client.fetch_project(name)

    def read_ahead(self, releases: Sequence[tuple[str, str]]) -> list[bool]:
        """Prepare for releases, name and version, that will be asked for; return which of them are remembered."""
        addresses = [self._listing_address(canonicalize_name(name), version) for name, version in releases]
        self._known.facts.read_ahead(Answer.LISTING, addresses)
        return [self._known.load(Answer.LISTING, address) is not None for address in addresses]

    def fetch_provenance(
        self, file: IndexFile, *, project: Project, version: str
    ) -> tuple[Flag, Outcome, bytes | RecalledDocument | None]:
        """Return a provenance object: of the folder, else one that was seen before, else the index's."""
        flag = self._client.flag_of(file, project)
        if self._known.folder is not None:
            document = self._known.folder.load_provenance(project.name, version, file.filename)
            if document is not None:
                return flag, Outcome.FOUND, document
        if not is_request_needed(flag, provenance_url_set=self.has_provenance_url):
            return flag, Outcome.NOT_ASKED, None
        address = self._client.provenance_address(file, project.name, version)
        digest = self._known.load_document(address)
        if digest is not None:
            fetch = lambda: self._ask(file, project, version, address)  # noqa: E731
            return flag, Outcome.FOUND, RecalledDocument(digest=digest, fetch=fetch)
        if flag is not Flag.PRESENT and self._known.load(Answer.ABSENT, address) is not None:
            return flag, Outcome.NOT_FOUND, None
        return self._ask(file, project, version, address)

    def _load_release(self, name: str, version: str) -> Project:
        with malformed_input_boundary(f"project name {name[:100]!r}"):
            normal = canonicalize_name(name, validate=True)
        known = self._load_kept(normal, version)
        if known is not None:
            self._client.recall(known)
            return known
        if not self._client.is_on_this_machine:
            self._known.require_online(f"what is listed of {normal} {version}")
        release = self._client.fetch_release(normal, version)
        if release.page is not None and not release.find_links:
            self._known.store(Answer.LISTING, self._listing_address(normal, version), render_release(release))
        return release

    def _load_kept(self, name: str, version: str) -> Project | None:
        index = next(iter(self._client.indexes), _NO_INDEX)
        if self._known.folder is not None and self._known.is_offline:
            kept = self._known.folder.load_release(name, version)
            if kept is not None:
                return parse_kept_release(kept, project=name, version=version, index=index)
        kept = self._known.load(Answer.LISTING, self._listing_address(name, version))
        with contextlib.suppress(MalformedInput):  # what is remembered is never worse than nothing
            return None if kept is None else parse_kept_release(kept, project=name, version=version, index=index)
        return None

    def _listing_address(self, name: str, version: str) -> str:
        """Return a text that names a listing by all that it depends on: who owns a name is for every index to say."""
        public = [index.url for index in self._client.indexes if index.is_public]
        return json.dumps([self._client.locations, public, name, version])

    def _ask(self, file: IndexFile, project: Project, version: str, address: str) -> tuple[Flag, Outcome, bytes | None]:
        if self._known.is_offline and not is_file_url(address):
            return self._client.flag_of(file, project), Outcome.FAILED, None
        flag, outcome, document = self._client.fetch_provenance(file, project=project, version=version)
        if document is not None:
            self._known.store_document(address, digest_of_document(document))
        elif outcome is Outcome.NOT_FOUND:
            self._known.store(Answer.ABSENT, address, b"")
        return flag, outcome, document

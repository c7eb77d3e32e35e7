"""The client of Python package indexes: which index owns a name, what it lists, and its evidence.

The first index that has a name owns it (no dependency confusion, CVE-2018-20225): pages of other indexes are never
merged in, and an index that cannot be asked stops the search instead of handing the name to the next one. A public
index yields a name to a private project of the same name, wherever it stands.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import quote

from packaging.utils import canonicalize_name, canonicalize_version

from guard import limits
from guard.attest.availability import Flag, Outcome, is_request_needed
from guard.constants import EVIDENCE_BEARING_INDEX_HOSTS
from guard.errors import ConfigInvalid, GuardError, MalformedInput, NotFound, Unavailable, malformed_input_boundary
from guard.registry.credentials import origin_of, redact_url
from guard.registry.find_links import FetchedPage, FindLinks
from guard.registry.http import HttpClient, Response
from guard.registry.local import copy_local_file, is_file_url, load_local_file, path_from_url
from guard.registry.simple import IndexFile, ProjectPage, parse_project_html, parse_project_json
from guard.registry.simple_html import parse_html_links

# PEP 691, "Version + Format Selection", with pip's preferences.
INDEX_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
PROVENANCE_ACCEPT = "application/vnd.pypi.integrity.v1+json"

_JSON_TYPE = "application/vnd.pypi.simple.v1+json"
_HTML_TYPES = frozenset({"application/vnd.pypi.simple.v1+html", "text/html"})
_DENIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class IndexSource:
    """A configured index.

    Args:
        url: of its simple API, without credentials.
        is_public: whether everybody can publish on it.
    """

    url: str
    is_public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as this run sees it.

    Args:
        name: normalised (PEP 503).
        owner: the index that owns the name; ``None`` when only find-links locations have it.
        page: the owner's page.
        find_links: files of find-links locations.
        other_indexes: URLs, credentials removed, of indexes that offer the name and share no file with the owner.
        evidence_bearing: whether the owner's pages say which files have provenance, or a provenance-url is set.
        notes: what was not looked at, and why.
    """

    name: str
    owner: IndexSource | None
    page: ProjectPage | None
    find_links: tuple[IndexFile, ...] = ()
    other_indexes: tuple[str, ...] = ()
    evidence_bearing: bool = False
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[IndexFile, ...]:
        """Every file on offer, in pip's order of preference among equals; a file name may stand twice."""
        return self.find_links + (self.page.files if self.page else ())


class IndexClient:
    """Asks the configured indexes, once per name and run. Thread-safe.

    Args:
        http: the HTTP layer.
        indexes: in order of precedence.
        find_links: URLs, ``file://`` URLs, and paths of folders and files.
        provenance_url: where PEP 740 provenance lives, when the indexes do not serve it; credentials removed.

    Raises:
        ConfigInvalid: an address is one that pip refuses as insecure, or does not parse.
    """

    def __init__(
        self,
        http: HttpClient,
        indexes: Sequence[IndexSource],
        *,
        find_links: Sequence[str] = (),
        provenance_url: str | None = None,
    ) -> None:
        addresses = [*(index.url for index in indexes), *find_links, *([provenance_url] if provenance_url else [])]
        for address in addresses:
            _require_secure(http, address)
        self._http = http
        self._indexes = tuple(indexes)
        self._find_links = FindLinks(find_links, fetch_page=self._fetch_links)
        self._provenance_url = provenance_url.rstrip("/") if provenance_url else None
        self._projects: dict[str, Project | GuardError] = {}
        self._name_locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._key_carriers: set[IndexSource] = set()
        self._failed_others: set[IndexSource] = set()

    @property
    def has_provenance_url(self) -> bool:
        """Whether an address for provenance is configured beside the indexes."""
        return self._provenance_url is not None

    @property
    def indexes(self) -> tuple[IndexSource, ...]:
        """Every configured index, in order of precedence."""
        return self._indexes

    @property
    def locations(self) -> tuple[str, ...]:
        """Every index and find-links location: what an answer depends on, besides what they say."""
        return (*self.urls, *self._find_links.locations)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether no network is needed to ask any of them."""
        web = ("http:", "https:")
        return not any(location.lower().startswith(web) for location in self.locations)

    @property
    def urls(self) -> tuple[str, ...]:
        """Every configured index, in order of precedence."""
        return tuple(index.url for index in self._indexes)

    def fetch_project(self, name: str) -> Project:
        """Find who owns a name and what is on offer under it.

        Args:
            name: as anybody writes it.

        Raises:
            NotFound: no index and no find-links location has it.
            Unavailable: an index could not be asked before an owner was found.
            MalformedInput: the owner's page, or the name, cannot be used.
        """
        with malformed_input_boundary(f"project name {name[:100]!r}"):
            normal = canonicalize_name(name, validate=True)
        with self._lock:
            name_lock = self._name_locks.setdefault(normal, threading.Lock())
        with name_lock:
            if normal not in self._projects:
                try:
                    self._projects[normal] = self._load_project(normal)
                except GuardError as error:
                    self._projects[normal] = error
        outcome = self._projects[normal]
        if isinstance(outcome, GuardError):
            raise outcome
        return outcome

    def fetch_release(self, name: str, version: str) -> Project:
        """Find who owns a name and what of one version is on offer under it; see :meth:`fetch_project`.

        Args:
            name: as anybody writes it.
            version: in any spelling (PEP 440).
        """
        return release_of(self.fetch_project(name), version)

    def fetch_metadata(self, file: IndexFile) -> bytes:
        """Fetch a file's core metadata without the file (PEP 658).

        Raises:
            NotFound: the index has none.
            Unavailable: it could not be fetched.
            MalformedInput: it is too large, or its digest is not the listed one.
        """
        body = self._fetch_bytes(f"{file.url}.metadata", "*/*", limits.METADATA_MAX_BYTES)
        listed = file.core_metadata
        if listed is not None and hashlib.new(listed.algorithm, body, usedforsecurity=False).hexdigest() != listed.hex:
            raise MalformedInput(f"metadata of {file.filename} does not have the digest that its index lists: {listed}")
        return body

    def fetch_provenance(
        self, file: IndexFile, *, project: Project, version: str
    ) -> tuple[Flag, Outcome, bytes | None]:
        """Fetch a file's provenance object (PEP 740) where there can be one.

        Args:
            file: one of ``project.files``.
            project: from :meth:`fetch_project`.
            version: of the file.

        Returns:
            What the index's metadata says, what became of the request, and the document where one was found. An
            answer 200 is a document whatever its type: that it does not parse is for its verification to say.

        Raises:
            MalformedInput: the document is too large or does not decode: it is invalid, neither absent nor missing.
        """
        flag = self.flag_of(file, project)
        if not is_request_needed(flag, provenance_url_set=self._provenance_url is not None):
            return flag, Outcome.NOT_ASKED, None
        url = self.provenance_address(file, project.name, version)
        try:
            return flag, Outcome.FOUND, self._fetch_bytes(url, PROVENANCE_ACCEPT, limits.PROVENANCE_MAX_BYTES)
        except NotFound:
            return flag, Outcome.NOT_FOUND, None
        except Unavailable as error:
            return flag, Outcome.DENIED if error.status in _DENIALS else Outcome.FAILED, None

    def recall(self, project: Project) -> None:
        """Take a page of this run's indexes that was not asked for: it shows what its index carries, too."""
        if project.owner is not None and project.page is not None and project.page.carries_provenance_key:
            self._key_carriers.add(project.owner)

    def flag_of(self, file: IndexFile, project: Project) -> Flag:
        """Return what an index's metadata says about a file's provenance; see :meth:`fetch_provenance`."""
        if file.provenance_url is not None:
            return Flag.PRESENT
        if file in project.find_links or not self._is_evidence_bearing(project.owner):
            return Flag.NEVER_CARRIED
        # A provenance-url is set because the index is not believed to know: only PyPI's own silence spares a request.
        if self._provenance_url is not None and not _is_evidence_bearing_host(project.owner):
            return Flag.NEVER_CARRIED
        return Flag.ABSENT

    def provenance_address(self, file: IndexFile, name: str, version: str) -> str:
        """Return where a file's provenance object is; only for a file that is flagged, or with a provenance-url."""
        if self._provenance_url is None:
            assert file.provenance_url is not None, "without an address only a flag leads here"
            return file.provenance_url
        project, version, filename = (quote(part, safe="") for part in (name, version, file.filename))
        return f"{self._provenance_url}/integrity/{project}/{version}/{filename}/provenance"

    def fetch_file(self, file: IndexFile, sink: BinaryIO) -> None:
        """Stream a file into ``sink``, which must be seekable. The caller compares its digest before any use.

        Raises:
            NotFound: it does not exist.
            Unavailable: it could not be fetched completely.
            MalformedInput: it is too large, or not of the size that the index lists.
        """
        if is_file_url(file.url):
            copy_local_file(path_from_url(file.url), sink, max_bytes=limits.ARTIFACT_MAX_BYTES)
        else:
            self._http.fetch_to(file.url, sink, max_bytes=limits.ARTIFACT_MAX_BYTES, expected_bytes=file.size_bytes)

    def _load_project(self, name: str) -> Project:
        owner, page, rest = self._find_owner(name)
        find_links = self._find_links.files_for(name)
        if page is None and not find_links:
            asked = ", ".join(redact_url(index.url) for index in self._indexes) or "no index is configured"
            raise NotFound(f"no index has a project {name} ({asked})")
        others, notes = self._compare_others(name, page, rest) if page else ((), ())
        return Project(
            name=name,
            owner=owner,
            page=page,
            find_links=find_links,
            other_indexes=others,
            evidence_bearing=self._provenance_url is not None or self._is_evidence_bearing(owner),
            notes=(*self._find_links.notes, *notes),
        )

    def _find_owner(self, name: str) -> tuple[IndexSource | None, ProjectPage | None, Sequence[IndexSource]]:
        """Return the index that owns a name, its page, and the other indexes that may have it, too.

        The first index that has the name owns it, but for one case: a public index, where anybody may register a
        name, yields it to a private one that has a project of its own under it, and not a mere copy of the public one.
        """
        public: tuple[IndexSource, ProjectPage] | None = None
        seen: list[IndexSource] = []
        for position, index in enumerate(self._indexes):
            try:
                page = self._fetch_page(index, name)
            except NotFound:
                continue
            if not index.is_public and not (public and _is_copy(page, of=public[1])):
                return index, page, (*seen, *self._indexes[position + 1 :])
            public = public or (index, page)
            seen.append(index)
        if public is None:
            return None, None, ()
        return *public, [index for index in seen if index != public[0]]

    def _compare_others(
        self, name: str, page: ProjectPage, rest: Sequence[IndexSource]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ask the indexes after the owner, only to report; what fails there decides nothing."""

        def look(index: IndexSource) -> tuple[str | None, str | None]:
            shown = redact_url(index.url)
            if index in self._failed_others:
                return None, f"{shown} was not asked for {name}: it failed before"
            try:
                return (shown if _is_another_project(self._fetch_page(index, name), page) else None), None
            except NotFound:
                return None, None
            except GuardError as error:
                self._failed_others.add(index)
                return None, f"another index could not be compared: {error.message}"

        if not rest:
            return (), ()
        with ThreadPoolExecutor(max_workers=len(rest)) as pool:
            seen = list(pool.map(look, rest))
        return tuple(url for url, _ in seen if url), tuple(note for _, note in seen if note)

    def _fetch_page(self, index: IndexSource, name: str) -> ProjectPage:
        url = f"{index.url.rstrip('/')}/{quote(name, safe='')}/"
        if is_file_url(url):
            url += "index.html"
            body = load_local_file(path_from_url(url), max_bytes=limits.INDEX_PAGE_MAX_BYTES)
            page = parse_project_html(body, url=url, project=name)
        else:
            answer = self._http.fetch(url, accept=INDEX_ACCEPT, max_bytes=limits.INDEX_PAGE_MAX_BYTES)
            page = _parse_page(answer, name)
        if page.carries_provenance_key:
            self._key_carriers.add(index)
        return page

    def _fetch_links(self, url: str) -> FetchedPage:
        answer = self._http.fetch(url, accept="text/html", max_bytes=limits.INDEX_PAGE_MAX_BYTES)
        if answer.content_type not in _HTML_TYPES:
            raise _unknown_type(answer)
        return FetchedPage(answer.url, parse_html_links(answer.body, url=answer.url, charset=answer.charset))

    def _fetch_bytes(self, url: str, accept: str, max_bytes: int) -> bytes:
        if is_file_url(url):
            return load_local_file(path_from_url(url), max_bytes=max_bytes)
        return self._http.fetch(url, accept=accept, max_bytes=max_bytes).body

    def _is_evidence_bearing(self, index: IndexSource | None) -> bool:
        return _is_evidence_bearing_host(index) or index in self._key_carriers


def release_of(project: Project, version: str) -> Project:
    """Return a project as if it had one version only.

    Args:
        project: with all versions.
        version: in any spelling (PEP 440).
    """
    wanted = canonicalize_version(version)

    def only(files: tuple[IndexFile, ...]) -> tuple[IndexFile, ...]:
        return tuple(file for file in files if file.version is not None and _version_key(file.version) == wanted)

    page = None if project.page is None else replace(project.page, files=only(project.page.files), skipped=())
    return replace(project, page=page, find_links=only(project.find_links))


@functools.lru_cache(maxsize=4096)
def _version_key(version: str) -> str:
    return canonicalize_version(version)


def _is_evidence_bearing_host(index: IndexSource | None) -> bool:
    return index is not None and origin_of(index.url).host in EVIDENCE_BEARING_INDEX_HOSTS


def _is_copy(page: ProjectPage, *, of: ProjectPage) -> bool:
    """Whether everything on a page stands, with the same digest, on another one."""
    listed = {(file.filename, digest) for file in of.files for digest in file.digests}
    return all(any((file.filename, digest) in listed for digest in file.digests) for file in page.files)


def _is_another_project(other: ProjectPage, owner: ProjectPage) -> bool:
    """Whether two pages of one name have no file in common: a mirror of the owner has some, a squatter none."""
    listed = {(file.filename, digest) for file in owner.files for digest in file.digests}
    return bool(other.files) and not any(
        (file.filename, digest) in listed for file in other.files for digest in file.digests
    )


def _parse_page(answer: Response, name: str) -> ProjectPage:
    if answer.content_type == _JSON_TYPE:
        return parse_project_json(answer.body, url=answer.url, project=name)
    if answer.content_type in _HTML_TYPES:
        return parse_project_html(answer.body, url=answer.url, project=name, charset=answer.charset)
    raise _unknown_type(answer)


def _unknown_type(answer: Response) -> MalformedInput:
    return MalformedInput(f"{redact_url(answer.url)} is no index page: its type is {answer.content_type[:80]!r}")


def _require_secure(http: HttpClient, address: str) -> None:
    """Refuse what pip ignores: an index over plain http, unless its host is trusted."""
    if not address.lower().startswith(("http:", "https:")):
        return
    try:
        is_secure = http.settings.is_secure(address)
        host = origin_of(address).host
    except ValueError:
        host = ""
    if not host:
        raise ConfigInvalid(f"{redact_url(address)} is not a valid address")
    if not is_secure:
        message = f"{redact_url(address)} is neither https nor on this machine"
        raise ConfigInvalid(message, hint=f"--trusted-host {host}")

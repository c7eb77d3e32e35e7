"""Files that ``--find-links`` locations offer beside the indexes: pages, folders and single files.

Each location is read once a run; its files are then picked by project name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from guard import limits
from guard.errors import NotFound
from guard.registry.credentials import redact_url
from guard.registry.local import is_file_url, list_local_folder, load_local_file, path_from_url
from guard.registry.simple import IndexFile, is_archive, link_filename, page_from_links
from guard.registry.simple_html import HtmlLinks, parse_html_links

_PAGE_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page from the network: where it came from in the end, and its anchors."""

    url: str
    links: HtmlLinks


class FindLinks:
    """All locations of one run. Thread-safe.

    Args:
        locations: http, https and file URLs, and paths of folders and files.
        fetch_page: fetches an HTML page from the network.
    """

    def __init__(self, locations: Sequence[str], *, fetch_page: Callable[[str], FetchedPage]) -> None:
        self.locations = tuple(locations)
        self._fetch_page = fetch_page
        self._pages: tuple[FetchedPage, ...] | None = None
        self._notes: tuple[str, ...] = ()
        self._lock = threading.Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """Locations that do not exist; pip ignores them with a warning."""
        return self._notes

    def files_for(self, project: str) -> tuple[IndexFile, ...]:
        """Return the files of a project, in the order of the locations.

        Args:
            project: normalised name.

        Raises:
            Unavailable: a location could not be read.
            MalformedInput: a page names a file that cannot be used.
        """
        with self._lock:
            if self._pages is None:
                self._pages = tuple(self._load())
        return tuple(file for page in self._pages for file in _files_on(page, project))

    def _load(self) -> Iterable[FetchedPage]:
        for location in self.locations:
            try:
                pages = self._load_location(location)
            except NotFound:
                self._notes += (f"find-links location {redact_url(location)} does not exist",)
            else:
                yield from pages

    def _load_location(self, location: str) -> Sequence[FetchedPage]:
        if location.lower().startswith(("http:", "https:")):
            return [_single(location) if is_archive(link_filename(location)) else self._fetch_page(location)]
        path = path_from_url(location) if is_file_url(location) else Path(location)
        return _load_folder(path) if path.is_dir() else [_load_file(path.absolute())]


def _load_folder(folder: Path) -> Sequence[FetchedPage]:
    paths = [path.absolute() for path in list_local_folder(folder)]
    return [_load_file(path) for path in paths if is_archive(path.name) or path.suffix.lower() in _PAGE_SUFFIXES]


def _load_file(path: Path) -> FetchedPage:
    if is_archive(path.name):
        if not path.is_file():
            raise NotFound(f"{path} does not exist")
        return _single(path.as_uri())
    body = load_local_file(path, max_bytes=limits.INDEX_PAGE_MAX_BYTES)
    return FetchedPage(path.as_uri(), parse_html_links(body, url=path.as_uri()))


def _single(url: str) -> FetchedPage:
    return FetchedPage(url, HtmlLinks(url, ({"href": url},)))


def _files_on(page: FetchedPage, project: str) -> tuple[IndexFile, ...]:
    """Return one project's files; a page here usually holds many projects, so names are compared before parsing."""
    anchors = tuple(
        anchor for anchor in page.links.anchors if canonicalize_name(link_filename(anchor["href"])).startswith(project)
    )
    return page_from_links(replace(page.links, anchors=anchors), url=page.url, project=project).files

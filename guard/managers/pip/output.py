"""What pip's output says once the gateway's addresses in it are replaced by the real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from guard.constants import PYPI_FILES_HOST, PYPI_SIMPLE_URL
from guard.managers.process import OutputFilter
from guard.registry.credentials import redact_url
from guard.registry.simple import IndexFile

_INDEX_LINE = "Looking in indexes: "
_METADATA_SUFFIX = ".metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The gateway's addresses and what stands behind them.

    Args:
        gateway_url: ``http://127.0.0.1:PORT`` of the gateway that pip talks to.
        index_urls: the user's own indexes, in pip's order; empty for ``--no-index``.
        find_links: the user's own, as given.
        find: the file of an index that a path on the gateway stands for.
        folder: folder of the private copies of the user's files.
        describe_files: puts the user's files in place of the copies.
    """

    gateway_url: str
    index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    find: Callable[[str], IndexFile | None]
    folder: str
    describe_files: Callable[[str], str]

    def make_filter(self) -> OutputFilter:
        """Return a filter for one stream of pip's output."""
        return OutputFilter(self._own, self._replace_shown, line_prefix=_INDEX_LINE)

    def show(self, data: bytes) -> bytes:
        """Return output of pip's that was captured, as the user should see it."""
        addresses = self.make_filter()
        return addresses.feed(data) + addresses.finish()

    def replace_in(self, data: bytes) -> bytes:
        """Return a document that pip wrote, with real URLs in it."""
        addresses = OutputFilter(self._own, self._replace_written)
        return addresses.feed(data) + addresses.finish()

    def upstream_url(self, url: str) -> str:
        """Return the real URL behind a URL of the gateway, fragment and all."""
        parts = urlsplit(url)
        path = unquote(parts.path)
        file, suffix = self._file_behind(path)
        if file is None:
            index = redact_url(self.index_urls[0] if self.index_urls else PYPI_SIMPLE_URL).rstrip("/")
            return index + path.removeprefix("/simple") if path.startswith("/simple") else index
        return redact_url(file.url) + suffix + (f"#{parts.fragment}" if parts.fragment else "")

    def looking_in(self) -> str:
        """Return the lines that pip prints about where it looks; none for the public index alone."""
        lines = []
        if self.index_urls and self.index_urls != (PYPI_SIMPLE_URL,):
            lines.append(_INDEX_LINE + ", ".join(redact_url(url) for url in self.index_urls))
        if self.find_links:
            lines.append("Looking in links: " + ", ".join(redact_url(url) for url in self.find_links))
        return "".join(f"{line}\n" for line in lines)

    @property
    def _own(self) -> tuple[str, ...]:
        return self.gateway_url, self.folder, self._host

    @property
    def _host(self) -> str:
        """The gateway without a scheme, as a verbose pip names what it connects to."""
        return urlsplit(self.gateway_url).netloc

    def _replace_written(self, text: str) -> str:
        if text.startswith(self.folder):
            return self.describe_files(text)
        if text.startswith(self._host):
            return urlsplit(self.upstream_url(self.gateway_url)).netloc + text.removeprefix(self._host)
        return self.upstream_url(text)

    def _replace_shown(self, text: str) -> str:
        if text.startswith(_INDEX_LINE):
            return self.looking_in()
        file, suffix = self._file_behind(unquote(urlsplit(text).path))
        if file is not None and urlsplit(file.url).hostname == PYPI_FILES_HOST:
            return file.filename + suffix  # pip prints no more than the name for files of the public index
        return self._replace_written(text)

    def _file_behind(self, path: str) -> tuple[IndexFile | None, str]:
        suffix = _METADATA_SUFFIX if path.endswith(_METADATA_SUFFIX) else ""
        return (self.find(path.removesuffix(_METADATA_SUFFIX)) if path.startswith("/files/") else None), suffix

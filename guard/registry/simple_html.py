"""Anchors of HTML index pages (PEP 503): what is written, not yet what it means."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

from guard import limits
from guard.errors import MalformedInput, malformed_input_boundary
from guard.registry.credentials import redact_url


@dataclass(frozen=True, slots=True)
class HtmlLinks:
    """The anchors of one page.

    Args:
        base_url: what relative links are relative to.
        anchors: attributes of every ``<a href>``; an attribute without a value has the empty string.
        repository_version: PEP 629, or the empty string where the page states none.
    """

    base_url: str
    anchors: tuple[dict[str, str], ...]
    repository_version: str = ""


def parse_html_links(body: bytes, *, url: str, charset: str = "utf-8") -> HtmlLinks:
    """Read the anchors of an index page or a find-links page.

    Args:
        body: the page.
        url: where it came from.
        charset: character set that its server stated.

    Raises:
        MalformedInput: it is too large, does not decode, or states a repository version that is not 1.x (PEP 629).
    """
    shown = redact_url(url)
    if len(body) > limits.INDEX_PAGE_MAX_BYTES:
        raise MalformedInput(f"index page {shown} is larger than {limits.INDEX_PAGE_MAX_BYTES} bytes")
    with malformed_input_boundary(f"index page {shown}"):
        reader = _AnchorReader()
        reader.feed(codecs.decode(body, charset, "strict"))
        reader.close()
        if (reader.repository_version or "1").partition(".")[0] != "1":
            raise MalformedInput(f"index page {shown} has repository version {reader.repository_version[:20]}, not 1")
        return HtmlLinks(urljoin(url, reader.base or ""), tuple(reader.anchors), reader.repository_version)


class _AnchorReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.anchors: list[dict[str, str]] = []
        self.base: str | None = None
        self.repository_version = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Of an attribute that stands twice the first counts (HTML standard, 13.2.5.33), as in a browser.
        attributes = {name: value or "" for name, value in reversed(attrs)}
        if tag == "a" and "href" in attributes:
            self.anchors.append(attributes)
        elif tag == "base" and self.base is None:
            self.base = attributes.get("href")
        elif tag == "meta" and attributes.get("name") == "pypi:repository-version":
            self.repository_version = attributes.get("content", "")

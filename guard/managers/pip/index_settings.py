"""What requirement files say about indexes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from guard.managers.pip.places import is_web

if TYPE_CHECKING:
    from guard_lockfiles.requirements import RequirementLine


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """What requirement files say about indexes, in pip's order; empty where they say nothing.

    Args:
        index_url: the last one named; it replaces whatever the command line and the configuration name.
        extra_index_urls: those named behind it.
        find_links: in order; relative to the file where such a path exists, else as written.
        trusted_hosts: in order.
        no_index: whether no index is to be used; once said, nothing takes it back.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False

    def followed_by(self, line: RequirementLine, *, source: str) -> IndexSettings:
        """Return what holds behind one more line of options (``handle_option_line``).

        Args:
            line: of kind OPTION.
            source: the file that it stands in.
        """
        index = self
        if any(option.name == "--no-index" for option in line.options):
            index = replace(index, no_index=True, index_url=None, extra_index_urls=())
        if not index.no_index:
            for url in line.values("--index-url")[-1:]:
                index = replace(index, index_url=url, extra_index_urls=())
            index = replace(index, extra_index_urls=(*index.extra_index_urls, *line.values("--extra-index-url")))
        links = (_find_links(source, link) for link in line.values("--find-links"))
        return replace(
            index,
            find_links=(*index.find_links, *links),
            trusted_hosts=(*index.trusted_hosts, *line.values("--trusted-host")),
        )


def _find_links(source: str, link: str) -> str:
    if is_web(source) or "://" in link:
        return link
    beside = str(Path(source).absolute().parent / link)
    return beside if os.path.exists(beside) else link  # noqa: PTH110 - `Path.exists` raises for names that are too long

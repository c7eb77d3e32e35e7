"""Where requirement files, and what they name, are: paths, ``file:`` URLs and addresses."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from guard.errors import ConfigInvalid
from guard.registry.credentials import redact_url

_WEB_SCHEMES = frozenset({"http", "https"})


def is_inside(path: str, folder: Path) -> bool:
    """Return whether a path leads into a folder, links followed."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError):  # no path at all
        return False


def is_web(source: str) -> bool:
    """Return whether a file is at an http(s) URL."""
    return source.partition(":")[0].lower() in _WEB_SCHEMES


def source_of(value: str, *, including: str = "") -> str:
    """Return the path or http(s) URL that a value of ``-r`` or ``-c`` names (``_parse_and_recurse``)."""
    if is_web(including):
        value = urljoin(including, value)
    if is_web(value):
        return value
    try:
        is_foreign = value.lower().startswith("file:") and urlsplit(value).netloc not in ("", "localhost")
    except ValueError:
        is_foreign = True
    if is_foreign:
        raise ConfigInvalid(f"cannot read {redact_url(value)}: not a file of this machine")
    path = path_of_url(value) if value.lower().startswith("file:") else value
    # pip opens what was typed as it stands, and makes an included path absolute, which takes `..` out.
    return os.path.normpath(Path(including).parent / path) if including else path


def path_of_url(url: str) -> str:
    """Return the path that a ``file:`` URL names."""
    from urllib.request import url2pathname  # which imports all of HTTP

    return url2pathname(urlsplit(url).path)

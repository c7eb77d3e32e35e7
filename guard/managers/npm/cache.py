"""npm's cache for one run: filled with exactly the tarballs that were decided, so that npm fetches none of them again.

npm looks a tarball up by the integrity that its lock or packument gives, and hashes what it reads
(cacache, ``lib/content/read.js``); where it finds none it asks the registry, which here is the gateway.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from guard.model import Digest
from guard.store.files import StoredFile

# cacache, lib/content/path.js: the version of the layout has been 2 since npm 5.
_CONTENT = ("_cacache", "content-v2")


def fill_cache(cache: Path, tarballs: Iterable[StoredFile]) -> None:
    """Put tarballs into npm's cache, by links where the file system allows.

    Args:
        cache: npm's cache folder.
        tarballs: files with their digests. Each is found by its sha512, which nearly every lock gives; for one that a
            lock names by another digest npm asks the gateway.
    """
    for tarball in tarballs:
        _place(tarball.path, cache.joinpath(*_CONTENT, *_parts(tarball.digest("sha512"))))


def _parts(digest: Digest) -> tuple[str, str, str, str]:
    return digest.algorithm, digest.hex[:2], digest.hex[2:4], digest.hex[4:]


def _place(source: Path, place: Path) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), place)  # on Linux a link to a link would be made otherwise
    except OSError:  # another file system, say
        shutil.copyfile(source, place)

"""npm's cache for one run: filled with exactly the tarballs that were decided, so that npm fetches none of them again.

npm looks a tarball up by the integrity that its lock or packument gives, and hashes what it reads
(cacache, ``lib/content/read.js``); where it finds none it asks the registry, which here is the gateway.
"""

from __future__ import annotations

import contextlib
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
        tarballs: files with their digests; each is found by every strong one, and by sha1 for old locks.
    """
    for tarball in tarballs:
        for digest in tarball.digests:
            if digest.algorithm in ("sha1", "sha256", "sha384", "sha512"):
                _place(tarball.path, cache.joinpath(*_CONTENT, *_parts(digest)))


def _parts(digest: Digest) -> tuple[str, str, str, str]:
    return digest.algorithm, digest.hex[:2], digest.hex[2:4], digest.hex[4:]


def _place(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        try:
            os.link(source, place)
        except OSError:
            if place.exists():
                raise FileExistsError from None
            shutil.copyfile(source, place)

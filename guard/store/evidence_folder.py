"""Evidence in a plain folder: what registries said, kept for machines that cannot ask them.

::

    pypi/PROJECT/VERSION/index.json                   the release's part of the project's page (PEP 691)
    pypi/PROJECT/VERSION/FILE.provenance.json         the file's provenance object (PEP 740)
    npm/NAME@VERSION.listing.json                     the version's document, as ``GET /NAME/VERSION`` answers
    npm/NAME@VERSION.attestations.json                its attestations, as the registry's endpoint answers
    npm/keys.json, npm/keys/HOST.json                 keys of the default registry and of others

The ``/`` after a scope is written ``__``. Documents are as the registry sent them, so that ``curl`` can make such a
folder as well as guard; of listings only what guard reads is kept. A folder is an anchor, like an index that the user
names: evidence in it is verified like any other, a listing is believed as far as the folder is.

Names come from locks. One that could lead out of its folder, or is none that a file system holds, is refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from packaging.utils import canonicalize_name, canonicalize_version

from guard import limits
from guard.errors import MalformedInput, Unavailable

_NOT_IN_NAMES = re.compile(r"[/\\:\x00-\x1f\x7f\ud800-\udfff]")
_NAME_MAX_BYTES = 255  # of most file systems
_FILE_MODE = 0o644  # nothing in it is a secret, and it is made to be passed on


class EvidenceFolder:
    """The evidence in one folder.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load_release(self, project: str, version: str) -> bytes | None:
        """Return a release's part of its project's page; ``None`` where the folder has none.

        Args:
            project: name, in any spelling.
            version: likewise; one that equals it (PEP 440) is the same.

        Raises:
            Unavailable: the folder cannot be read.
            MalformedInput: it is too large, or no file can have such a name. So for the methods below.
        """
        return _load(self._release(project, version) / "index.json", limits.INDEX_PAGE_MAX_BYTES)

    def load_provenance(self, project: str, version: str, file: str) -> bytes | None:
        """Return a file's provenance object; ``None`` where the folder has none."""
        path = self._release(project, version) / _component(f"{_component(file)}.provenance.json")
        return _load(path, limits.PROVENANCE_MAX_BYTES)

    def load_npm_listing(self, name: str, version: str) -> bytes | None:
        """Return an npm version's document; ``None`` where the folder has none."""
        return _load(self._npm(name, version, "listing"), limits.PACKAGE_VERSION_MAX_BYTES)

    def load_attestations(self, name: str, version: str) -> bytes | None:
        """Return an npm version's attestations; ``None`` where the folder has none."""
        return _load(self._npm(name, version, "attestations"), limits.PROVENANCE_MAX_BYTES)

    def load_npm_keys(self, host: str | None) -> bytes | None:
        """Return a registry's keys; ``None`` where the folder has none.

        Args:
            host: of the registry, with its port; ``None`` for the default one.
        """
        return _load(self._keys(host), limits.REGISTRY_KEYS_MAX_BYTES)

    def store_release(self, project: str, version: str, document: bytes) -> None:
        """Keep a release's part of its project's page.

        Raises:
            OSError: the folder cannot be written to.
            MalformedInput: no file can have such a name. So for the methods below.
        """
        _store(self._release(project, version) / "index.json", document)

    def store_provenance(self, project: str, version: str, file: str, document: bytes) -> None:
        """Keep a file's provenance object."""
        _store(self._release(project, version) / _component(f"{_component(file)}.provenance.json"), document)

    def store_npm_listing(self, name: str, version: str, document: bytes) -> None:
        """Keep an npm version's document."""
        _store(self._npm(name, version, "listing"), document)

    def store_attestations(self, name: str, version: str, document: bytes) -> None:
        """Keep an npm version's attestations."""
        _store(self._npm(name, version, "attestations"), document)

    def store_npm_keys(self, host: str | None, document: bytes) -> None:
        """Keep a registry's keys; see :meth:`load_npm_keys`."""
        _store(self._keys(host), document)

    def _release(self, project: str, version: str) -> Path:
        folder = self.path / "pypi" / _component(canonicalize_name(project))
        asked = folder / _component(version)
        if asked.is_dir():
            return asked
        wanted = canonicalize_version(version)
        try:
            return next((each for each in sorted(folder.iterdir()) if canonicalize_version(each.name) == wanted), asked)
        except OSError:
            return asked

    def _npm(self, name: str, version: str, kind: str) -> Path:
        scope, slash, base = name.partition("/")
        flat = f"{_component(scope)}__{_component(base)}" if slash else _component(name)
        return self.path / "npm" / _component(f"{flat}@{_component(version)}.{kind}.json")

    def _keys(self, host: str | None) -> Path:
        npm = self.path / "npm"
        return npm / "keys.json" if host is None else npm / "keys" / f"{_component(host.replace(':', '_'))}.json"


def _component(text: str) -> str:
    """Return a text that is the name of one file and no way to another one.

    Raises:
        MalformedInput: it is not.
    """
    if text in ("", ".", "..") or _NOT_IN_NAMES.search(text) or len(text.encode()) > _NAME_MAX_BYTES:
        raise MalformedInput(f"no file of evidence can be named {text[:140]!r}")
    return text


def _load(path: Path, max_bytes: int) -> bytes | None:
    try:
        # Not to wait for a pipe that somebody put there.
        with open(path, "rb", opener=_open_at_once) as stream:
            body = stream.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    if len(body) > max_bytes:
        raise MalformedInput(f"{path} is larger than {max_bytes} bytes")
    return body


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _store(path: Path, document: bytes) -> None:
    """Write a file so that it is there completely or as before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(document)
        Path(name).chmod(_FILE_MODE)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise

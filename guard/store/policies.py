"""Policy files on disk: finding them, reading them, and remembering which ones the user trusts."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from guard import limits
from guard.errors import ConfigInvalid, malformed_input_boundary
from guard.model import Digest
from guard.policy.identity_lock import IdentityLock, parse_identity_lock
from guard.policy.schema import PolicyFile, parse_policy, parse_pyproject

POLICY_NAME = "guard.toml"
IDENTITY_LOCK_NAME = "guard.lock"


Load = Callable[[Path], "bytes | None"]
"""Gets the bytes of a file; ``None`` where there is none."""


def load_file(path: Path) -> bytes | None:
    """Read a file as it is on this machine; ``None`` where there is none.

    Raises:
        ConfigInvalid: it cannot be read, or is too large.
    """
    return _load_bytes(path) if path.is_file() else None


def find_project_policy(start: Path, *, home: Path, load: Load = load_file) -> PolicyFile | None:
    """Return the nearest policy from ``start`` upwards: guard.toml, else pyproject.toml with ``[tool.guard]``.

    The search ends at the repository root, the home folder, a file system border, and before a folder that belongs
    to somebody else: what another user leaves in a shared folder does not govern what lies beneath it.

    Args:
        start: where to begin.
        home: the user's home folder.
        load: gets the bytes of a file.

    Raises:
        ConfigInvalid: the file that was found cannot be used.
    """
    for folder in _searched_folders(start, home):
        named = folder / POLICY_NAME
        data = load(named)
        if data is not None:
            return parse_policy(data, path=str(named))
        project = folder / "pyproject.toml"
        data = load(project)
        found = None if data is None else parse_pyproject(data, path=str(project))
        if found is not None:
            return found
    return None


def find_identity_lock(start: Path, *, home: Path, load: Load = load_file) -> IdentityLock | None:
    """Return the nearest guard.lock from ``start`` upwards; the search ends where that for a policy does.

    Args:
        start: where to begin.
        home: the user's home folder.
        load: gets the bytes of a file.

    Raises:
        ConfigInvalid: the file that was found cannot be used.
    """
    for folder in _searched_folders(start, home):
        path = folder / IDENTITY_LOCK_NAME
        data = load(path)
        if data is not None:
            return parse_identity_lock(data, path=str(path))
    return None


def load_policy(path: Path) -> PolicyFile:
    """Read one guard.toml.

    Raises:
        ConfigInvalid: it cannot be read or used.
    """
    return parse_policy(_load_bytes(path), path=str(path))


class TrustedPolicies:
    """The digests of the policy files whose anchors the user let take effect, in one JSON file.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> frozenset[Digest]:
        """Return the digests; none when the file does not exist.

        Raises:
            MalformedInput: the file is not what guard writes.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return frozenset()
        with malformed_input_boundary(str(self._path)):
            return frozenset(Digest("sha256", value) for value in json.loads(data)["trusted"])

    def store(self, digest: Digest) -> None:
        """Add a digest."""
        values = sorted(item.hex for item in self.load() | {digest})
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"trusted": values}, stream, indent=1)
        Path(name).replace(self._path)


def _searched_folders(start: Path, home: Path) -> Iterator[Path]:
    device: int | None = None
    for folder in (start, *start.parents):
        try:
            status = folder.stat()
        except FileNotFoundError:  # of a lock that is staged, or was there at a base
            continue
        except OSError:
            return
        if status.st_uid != os.getuid() or device not in (None, status.st_dev):
            return
        device = status.st_dev
        yield folder
        if folder == home or (folder / ".git").exists():
            return


def _load_bytes(path: Path) -> bytes:
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(path.open("rb"))
            data = stream.read(limits.IDENTITY_LOCK_MAX_BYTES + 1)
        except OSError as error:
            raise ConfigInvalid(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > limits.IDENTITY_LOCK_MAX_BYTES:  # a policy may have less, which its reader says
        raise ConfigInvalid(f"{path} is larger than {limits.IDENTITY_LOCK_MAX_BYTES} bytes")
    return data

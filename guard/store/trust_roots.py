"""Trust roots on disk: the one that guard ships, and the last one that was verified over TUF.

The verified one is a single file, written aside and renamed, that holds the document, its digest, and when and by which
TUF metadata it was verified. What has another digest, is not the user's own, or could be written by others is refused,
not used: a cache that somebody else can write to is no root of trust.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

from guard import limits
from guard.errors import ConfigInvalid, GuardError, MalformedInput, malformed_input_boundary
from guard.model import Digest
from guard.sigstore.strict_json import JsonObject, object_member, parse_json_object, text_member
from guard.sigstore.trust_root import TrustRoot, TufVersions, parse_trust_root

_FORMAT = 1
_RECORD_MAX_BYTES = 2 * limits.TRUST_ROOT_MAX_BYTES + limits.MIB  # the document is a string in it


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRoot:
    """A trust root that was verified over TUF.

    Args:
        root: the trust root; ``as_of`` is when it was verified.
        versions: of the TUF metadata that vouched for it.
    """

    root: TrustRoot
    versions: TufVersions


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The last refresh that guard started by itself.

    Args:
        at: when.
        problem: why it failed; empty when it did not, or is not finished.
    """

    at: datetime
    problem: str = ""


class TrustRoots:
    """What guard keeps about one TUF repository, in one folder that several processes may share.

    Args:
        folder: made with mode 0700 when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = folder / "trust-root.json"
        self._attempt = folder / "attempt.json"

    @property
    def metadata(self) -> Path:
        """Where TUF metadata is kept from run to run."""
        return self._folder / "tuf"

    def load(self) -> StoredRoot | None:
        """Return the trust root that was stored last, ``None`` when none was.

        Raises:
            MalformedInput: there is one that guard did not leave so.
        """
        data = _load_private(self._record)
        if data is None:
            return None
        try:
            with malformed_input_boundary("it"):
                return _parse_record(parse_json_object(data, what="it"))
        except GuardError as error:
            raise MalformedInput(f"the stored trust root {self._record} cannot be used: {error.message}") from error

    def store(self, data: bytes, *, versions: TufVersions, source: str, now: datetime) -> StoredRoot:
        """Store a trust root that was just verified; it replaces the one before.

        python-tuf refuses older metadata as long as that of the last run is there. This holds as well when it is lost:
        under the same root metadata no version is less than the stored one's (TUF specification, sections 5.4 to 5.6;
        a new root may start anew, section 5.3.11).

        Args:
            data: the document.
            versions: of the TUF metadata that vouched for it.
            source: where it came from, for reports.
            now: when it was verified.

        Raises:
            MalformedInput: it is no trust root, or is older than the stored one.
            ConfigInvalid: it cannot be written.
        """
        try:
            root = parse_trust_root(data, source=source, as_of=now)
        except ConfigInvalid as error:
            raise MalformedInput(error.message) from error
        before = self._load_good()
        if before is not None and _is_rollback(before.versions, versions):
            raise MalformedInput(f"{source} offers older metadata than before: refused")
        stored = StoredRoot(root=root, versions=versions)
        try:
            self._store(self._record, _render_record(stored, now))
            self._store(self._attempt, _render_attempt(Attempt(at=now)))
        except OSError as error:
            raise ConfigInvalid(f"the trust root cannot be stored in {self._folder}: {error.strerror}") from error
        return stored

    def load_attempt(self) -> Attempt | None:
        """Return the last attempt; ``None`` when there was none, or what is there cannot be read."""
        with contextlib.suppress(GuardError), malformed_input_boundary(str(self._attempt)):
            data = _load_private(self._attempt)
            if data is not None:
                attempt = parse_json_object(data, what=str(self._attempt))
                return Attempt(at=_moment(text_member(attempt, "at")), problem=text_member(attempt, "problem"))
        return None

    def claim_refresh(self, now: datetime) -> bool:
        """Return whether a refresh is due, and note that the caller carries it out.

        Of several processes one gets ``True`` a day; none does where that cannot be noted.
        """
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                last = self.load_attempt()
                life = timedelta(seconds=limits.TRUST_ROOT_REFRESH_SECONDS)
                if last is not None and last.at <= now < last.at + life:
                    return False
                self._store(self._attempt, _render_attempt(Attempt(at=now)))
                return True
        except OSError:
            return False

    def store_failure(self, problem: str, *, now: datetime) -> None:
        """Note why a refresh failed; a folder that cannot be written to costs the note and nothing else."""
        with contextlib.suppress(OSError):
            self._store(self._attempt, _render_attempt(Attempt(at=now, problem=problem)))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes out; wait for the one that is in.

        Raises:
            ConfigInvalid: the folder cannot be written to.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._locked(fcntl.LOCK_EX))
            except OSError as error:
                raise ConfigInvalid(f"{self._folder} cannot be used: {error.strerror}") from error
            yield

    @contextmanager
    def _locked(self, operation: int) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            yield
        finally:
            os.close(descriptor)

    def _load_good(self) -> StoredRoot | None:
        with contextlib.suppress(MalformedInput):
            return self.load()
        return None

    def _store(self, path: Path, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._folder)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())  # else a power cut leaves an empty file, which would be a warning
            Path(name).replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()


def load_shipped_root() -> TrustRoot:
    """Return the public trust root that guard ships; its record says when it was last compared with the current one."""
    folder = resources.files("guard") / "data"
    data = (folder / "trusted_root.json").read_bytes()
    record = parse_json_object((folder / "trusted_root.record.json").read_bytes(), what="trusted_root.record.json")
    return parse_trust_root(data, source="shipped with guard", as_of=_moment(text_member(record, "as_of")))


def load_shipped_tuf_root() -> bytes:
    """Return the root metadata by which the public TUF repository is believed."""
    return (resources.files("guard") / "data" / "tuf_root.json").read_bytes()


def _is_rollback(before: TufVersions, after: TufVersions) -> bool:
    if before.root != after.root:
        return after.root < before.root
    return any(new < old for old, new in zip(before, after, strict=True))


def _load_private(path: Path) -> bytes | None:
    """Return the bytes of a regular file that only this user can write to; ``None`` when there is none.

    Raises:
        MalformedInput: it is something else.
    """
    try:
        # Neither followed, if it is a link, nor waited for, if it is a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MalformedInput(f"{path} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise MalformedInput(f"{path} is not a file that only you can write to")
        with open(descriptor, "rb", closefd=False) as stream:  # of a descriptor
            data = stream.read(_RECORD_MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _RECORD_MAX_BYTES:
        raise MalformedInput(f"{path} is larger than {_RECORD_MAX_BYTES} bytes")
    return data


def _parse_record(record: JsonObject) -> StoredRoot:
    if record.get("format") != _FORMAT:
        raise ValueError("its format is not known")
    versions = object_member(record, "versions")
    root = parse_trust_root(
        text_member(record, "document").encode("utf-8"),
        source=text_member(record, "source"),
        as_of=_moment(text_member(record, "as_of")),
    )
    if root.digest != Digest.from_text(text_member(record, "digest")):
        raise ValueError("its trust root does not have the digest that was stored with it")
    return StoredRoot(root=root, versions=TufVersions(*(_version(versions, name) for name in TufVersions._fields)))


def _version(versions: JsonObject, name: str) -> int:
    value = versions.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name!r} is no version")
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} names no time zone")
    return moment


def _render_record(stored: StoredRoot, now: datetime) -> str:
    record = {
        "format": _FORMAT,
        "digest": str(stored.root.digest),
        "source": stored.root.source,
        "as_of": now.isoformat(timespec="seconds"),
        "versions": stored.versions._asdict(),
        "document": stored.root.data.decode("utf-8"),
    }
    return json.dumps(record, indent=1)


def _render_attempt(attempt: Attempt) -> str:
    return json.dumps({"at": attempt.at.isoformat(timespec="seconds"), "problem": attempt.problem})

"""Verified facts in SQLite: what evidence came to, and answers of registries with a time to live.

Facts are remembered, decisions are not (invariant I7): nothing of a policy enters a key or a value. A fact is found
again only by everything that it depends on. Whatever is wrong with the database costs the memory and nothing else: a
damaged or foreign one is set aside, one that is busy or cannot be written to is passed over, and a row whose checksum
does not hold does not exist. The checksum is against accidents: the cache is trusted as far as the user account is.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import functools
import hashlib
import json
import math
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from guard import limits
from guard.errors import EvidenceCode, MalformedInput, malformed_input_boundary
from guard.model import Claims, Digest, Ecosystem, Evidence, EvidenceKind, EvidenceState, UnavailableCause

# Raised when a value means something else than before; each schema has a file of its own, so that an older guard beside
# a newer one neither reads nor removes what it does not know.
SCHEMA = 1
_APPLICATION_ID = 0x67756172  # SQLite's mark for the owner of a file: "guar"
_SWEPT_PART = 10  # a tenth of the entries goes when the bound is reached
_SET_ASIDE = ".set-aside"
_MEASURED_EVERY = 8  # entries that are stored
_READ_AT_ONCE = 500  # SQLite takes 999 parameters everywhere (sqlite.org, "Implementation Limits")
# These belong to one database file and must not meet another (sqlite.org, "How To Corrupt An SQLite Database File").
_COMPANIONS = ("-journal", "-wal", "-shm")

_TABLE = """
CREATE TABLE entry (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    stored_at REAL NOT NULL,
    checksum BLOB NOT NULL,
    value BLOB NOT NULL
)"""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactKey:
    """Everything that the outcome of a verification depends on.

    Args:
        ecosystem: of the artifact.
        name: file name that is expected (PyPI), or purl (npm): evidence is bound to it as well as to the bytes.
        artifact: digest that the evidence must state.
        evidence: digest of all that was judged: the document, and registry keys where they judge it.
        trust_root: digest of the trust root.
        verifier: version of guard's verifier and of the library behind it.
    """

    ecosystem: Ecosystem
    name: str
    artifact: Digest
    evidence: Digest
    trust_root: Digest
    verifier: str


class Answer(enum.Enum):
    """An answer of a registry that may be taken for current a while; the value is its name in a key."""

    LISTING = "listing"
    ABSENT = "absent"
    KEYS = "keys"
    DOCUMENT = "document"  # the digest of an evidence document: what it came to is a fact that never lapses

    @property
    def life_seconds(self) -> float:
        """How long it may be used."""
        return _LIFE_SECONDS[self]

    def is_current(self, stored_at: float, now: datetime) -> bool:
        """Return whether one that was stored at a moment, in seconds since the epoch, may be used."""
        return 0 <= now.timestamp() - stored_at < self.life_seconds


_LIFE_SECONDS: Mapping[Answer, float] = {
    Answer.LISTING: limits.LISTING_LIFE_SECONDS,
    Answer.ABSENT: limits.ABSENCE_LIFE_SECONDS,
    Answer.KEYS: limits.KEYS_LIFE_SECONDS,
    Answer.DOCUMENT: math.inf,
}


class Facts:
    """The facts in one folder, which several processes and threads may share.

    Args:
        folder: made with mode 0700 when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"facts-{SCHEMA}.sqlite3"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of the file that is open
        self._is_usable = True
        self._was_set_aside = False
        self._stored_count = 0
        self._ahead: dict[tuple[Answer, str], tuple[float, bytes]] = {}

    @property
    def path(self) -> Path:
        """The database."""
        return self._path

    def load(self, key: FactKey) -> tuple[Evidence, ...] | None:
        """Return what a verification came to; ``None`` when that is not known."""
        digest = _digest_of(key)
        found = self._load([digest]).get(digest)
        return None if found is None else _parse_evidence(found[1])

    def store(self, key: FactKey, evidence: Sequence[Evidence]) -> None:
        """Remember what a verification came to.

        Only what is verified or invalid is a fact about these bytes. With one piece of evidence among them that is in
        another state, nothing is remembered: it may be there a moment later.
        """
        if evidence and all(_is_fact(each) for each in evidence):
            value = json.dumps([_plain_fields(each) for each in evidence], separators=(",", ":"))
            self._store(_digest_of(key), value.encode("utf-8"), stored_at=0.0)

    def load_answer(self, kind: Answer, url: str, *, now: datetime) -> bytes | None:
        """Return an answer of a registry while it may be taken for current, else ``None``.

        Args:
            kind: of answer; that something is absent has an empty body.
            url: that was asked.
            now: the moment, aware.
        """
        ahead = self._ahead.get((kind, url))
        if ahead is None:
            return self.load_answers(kind, [url], now=now).get(url)
        return ahead[1] if kind.is_current(ahead[0], now) else None

    def load_answers(self, kind: Answer, urls: Iterable[str], *, now: datetime) -> dict[str, bytes]:
        """Return the answers that may be taken for current; see :meth:`load_answer`."""
        digests = {_digest_of_answer(kind, url): url for url in urls}
        return {
            digests[digest]: body
            for digest, (stored_at, body) in self._load(list(digests)).items()
            if kind.is_current(stored_at, now)
        }

    def read_ahead(self, kind: Answer, urls: Iterable[str]) -> None:
        """Read answers that will be asked for, a few hundred at once, which takes a third of the time."""
        digests = {_digest_of_answer(kind, url): url for url in urls}
        self._ahead.update({(kind, digests[digest]): found for digest, found in self._load(list(digests)).items()})

    def store_answer(self, kind: Answer, url: str, body: bytes, *, now: datetime) -> None:
        """Remember a registry's answer; none of an address that holds a login, which is nobody else's (I9)."""
        if "@" not in urlsplit(url).netloc:
            self._ahead.pop((kind, url), None)
            self._store(_digest_of_answer(kind, url), body, stored_at=now.timestamp())

    def count(self) -> int:
        """Return how many entries there are."""

        def count(connection: sqlite3.Connection) -> int:
            return int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])

        return self._attempt(count) or 0

    def clear(self) -> None:
        """Forget everything, and remove what was set aside."""
        self._ahead.clear()

        def clear(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM entry")
            connection.execute("VACUUM")

        if self._path.exists():  # else clearing would make one
            self._attempt(clear)
        for path in self._folder.glob(f"*{_SET_ASIDE}*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Close the database; it is opened again when something is asked."""
        with self._lock:
            self._disconnect()

    def _load(self, keys: Sequence[bytes]) -> dict[bytes, tuple[float, bytes]]:
        def load(connection: sqlite3.Connection) -> dict[bytes, tuple[float, bytes]]:
            found: dict[bytes, tuple[float, bytes]] = {}
            for start in range(0, len(keys), _READ_AT_ONCE):
                some = keys[start : start + _READ_AT_ONCE]
                places = ", ".join("?" * len(some))
                query = f"SELECT key, stored_at, checksum, value FROM entry WHERE key IN ({places})"  # noqa: S608
                for key, stored_at, checksum, value in connection.execute(query, some):
                    is_typed = isinstance(stored_at, float) and isinstance(value, bytes)
                    if is_typed and checksum == _checksum(key, stored_at, value):
                        found[key] = stored_at, value
            return found

        return self._attempt(load) or {}

    def _store(self, key: bytes, value: bytes, *, stored_at: float) -> None:
        def store(connection: sqlite3.Connection) -> None:
            row = (key, stored_at, _checksum(key, stored_at, value), value)
            connection.execute("REPLACE INTO entry (key, stored_at, checksum, value) VALUES (?, ?, ?, ?)", row)
            self._stored_count += 1
            # Three questions, which take longer than what they are about.
            is_measured = self._stored_count % _MEASURED_EVERY == 1
            while is_measured and _used_bytes(connection) > limits.FACTS_MAX_BYTES:
                is_measured = _remove_oldest(connection)  # until nothing is left, whatever else makes the file large

        if len(value) <= limits.FACT_MAX_BYTES:
            self._attempt(store)

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do something with the database; ``None`` when that is not possible."""
        with self._lock:
            while self._is_usable:
                try:
                    return work(self._connect())
                except (OSError, sqlite3.OperationalError):
                    return None  # busy, full, or not to be opened or written to: passed over
                except sqlite3.Error:
                    # Damaged or foreign: again with an empty one, or with the one that another process made, once.
                    self._disconnect()
                    self._is_usable = not self._was_set_aside and self._set_aside()
                    self._was_set_aside = True
            return None

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            if self._is_foreign():
                self._move_aside()
            with contextlib.suppress(FileExistsError):  # SQLite gives its companions the same mode
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._identity = _identity_of(self._path)
            self._connection = _open(self._path)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _is_foreign(self) -> bool:
        """Whether something stands in the database's place that is not the user's own file.

        Not opened for that: closing it would end the locks of a connection in this process (sqlite.org,
        "How To Corrupt An SQLite Database File", section 2.2).
        """
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return False
        return not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or bool(status.st_mode & 0o022)

    def _set_aside(self) -> bool:
        """Move the database away unless another process did already; return whether its place is free."""
        try:
            with self._locked():
                if _identity_of(self._path) == self._identity:
                    self._move_aside()
                return True
        except OSError:
            return False

    def _move_aside(self) -> None:
        for suffix in ("", *_COMPANIONS):
            path = Path(f"{self._path}{suffix}")
            with contextlib.suppress(FileNotFoundError):
                path.replace(f"{self._path}{_SET_ASIDE}{suffix}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from opening the database, or moving it, meanwhile."""
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=limits.FACTS_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=8
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        if path.stat().st_size == 0:
            # At once, and before the log is used: the marks must stand in the file's own header.
            marks = f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {SCHEMA};"
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLE}; {marks} COMMIT;")
        if (_pragma(connection, "application_id"), _pragma(connection, "user_version")) != (_APPLICATION_ID, SCHEMA):
            raise sqlite3.DatabaseError("not a database of this guard")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last facts, not the database
    except BaseException:
        connection.close()
        raise
    return connection


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return pages * _pragma(connection, "page_size")


def _remove_oldest(connection: sqlite3.Connection) -> bool:
    """Remove a part of the entries; return whether there were any."""
    count = int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])
    oldest = "SELECT number FROM entry ORDER BY number LIMIT ?"
    connection.execute(f"DELETE FROM entry WHERE number IN ({oldest})", (count // _SWEPT_PART + 1,))  # noqa: S608
    return count > 0


def _digest_of(key: FactKey) -> bytes:
    parts = (
        "evidence",
        key.ecosystem.value,
        key.name,
        str(key.artifact),
        str(key.evidence),
        str(key.trust_root),
        key.verifier,
    )
    return _digest(parts)


def _digest_of_answer(kind: Answer, url: str) -> bytes:
    return _digest(("answer", kind.value, url))


def _digest(parts: tuple[str, ...]) -> bytes:
    # JSON keeps the parts apart; only its digest is stored, so that no address stands in the file.
    return hashlib.sha256(json.dumps([SCHEMA, *parts]).encode("ascii")).digest()


def _checksum(key: bytes, stored_at: float, value: bytes) -> bytes:
    return hashlib.sha256(key + stored_at.hex().encode("ascii") + b" " + value).digest()


def _is_fact(evidence: Evidence) -> bool:
    return evidence.state in (EvidenceState.VERIFIED, EvidenceState.INVALID)


def _plain_fields(value: Evidence | Claims) -> dict[str, object]:
    members = ((each.name, getattr(value, each.name)) for each in fields(value))
    return {name: _plain(member) for name, member in members if member is not None}


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Digest):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Claims):
        return _plain_fields(value)
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} has no form in which it is remembered")


# How members that are not plain text are read.
_READERS: Mapping[str, Callable[[Any], object]] = {
    "kind": EvidenceKind,
    "state": EvidenceState,
    "code": EvidenceCode,
    "cause": UnavailableCause,
    "digest": Digest.from_text,
    "claims": lambda value: Claims(**_read_fields(value)),
    "signed_at": datetime.fromisoformat,
    "log_index": int,
}


@functools.lru_cache(maxsize=1024)  # of a thousand signatures of one key, all come to the same
def _parse_evidence(value: bytes) -> tuple[Evidence, ...] | None:
    """Return what was remembered; ``None`` where that is no fact."""
    with contextlib.suppress(MalformedInput), malformed_input_boundary("a remembered fact"):
        evidence = tuple(Evidence(**_read_fields(each)) for each in json.loads(value))
        return evidence if evidence and all(map(_is_fact, evidence)) else None
    return None


def _read_fields(value: dict[str, Any]) -> dict[str, Any]:
    return {name: None if each is None else _READERS.get(name, _text)(each) for name, each in value.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedInput("no text")
    return value

"""Sigstore's trusted root over TUF: python-tuf's client behind guard's own HTTP layer, within a bounded time.

The workflow is that of the TUF specification, section 5 ("Detailed client workflow"): each root metadata is signed by
the one before it, starting from a bootstrap root that the caller believes; timestamp, snapshot and targets are signed,
not expired, and never older than those of the last run, which are kept in a folder. python-tuf carries it out; this
module decides how the network is reached and for how long, and is the one place where the library's exceptions become
guard's.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater
from typing_extensions import override

from guard import limits
from guard.errors import ConfigInvalid, GuardError, MalformedInput, Unavailable
from guard.registry.credentials import Credentials, redact_url
from guard.registry.http import Deadline, HttpClient
from guard.registry.http_settings import HttpSettings
from guard.sigstore.trust_root import TufVersions

# Name of the target (sigstore/architecture-docs, client-spec.md, section 2.1).
_TARGET = "trusted_root.json"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TufRepository:
    """A TUF repository and the root metadata that it is believed by.

    Args:
        url: where its metadata is; targets are below it in ``targets/``. It is not trusted.
        root: root metadata of any version of it, which the caller believes.
    """

    url: str
    root: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRoot:
    """A trusted root that the repository vouches for.

    Args:
        data: the document's bytes.
        versions: of the metadata that name its digest.
    """

    data: bytes = field(repr=False)
    versions: TufVersions


def fetch_trusted_root(
    repository: TufRepository,
    *,
    folder: Path,
    settings: HttpSettings,
    seconds: float = limits.TUF_DEADLINE_SECONDS,
) -> FetchedRoot:
    """Bring the metadata in ``folder`` up to date and return the trusted root that it names.

    Args:
        repository: which one.
        folder: where the metadata of the last run is kept, which protects against older ones; used by one process at
            a time.
        settings: how the network is reached.
        seconds: the time that all requests together may take.

    Raises:
        ConfigInvalid: the bootstrap root is none, or the folder cannot be written to.
        Unavailable: the repository did not answer completely in time.
        MalformedInput: what it answered does not verify.
    """
    client = HttpClient(settings, credentials=Credentials(), deadline=Deadline(seconds))
    shown = redact_url(repository.url)
    with contextlib.closing(client), _boundary(shown, folder):
        updater = _open_updater(repository, folder, _Fetcher(client))
        updater.refresh()
        target = updater.get_targetinfo(_TARGET)
        if target is None:
            raise MalformedInput(f"the TUF repository {shown} has no {_TARGET}")
        data = Path(updater.find_cached_target(target) or updater.download_target(target)).read_bytes()
        target.verify_length_and_hashes(data)  # the very bytes that are used, read again after the library looked
        return FetchedRoot(data=data, versions=_load_versions(folder))


def finish_within(seconds: float, work: Callable[[], _T], *, what: str) -> _T:
    """Do ``work`` in a thread and wait for it no longer than ``seconds``.

    Timeouts of sockets do not bound a name that is not resolved, a byte a second, or a lock that another process holds.

    Args:
        seconds: to wait.
        work: what is done; it goes on in its thread when nobody waits any more, and ends with the process.
        what: it is called in the message.

    Raises:
        Unavailable: it was not finished in time. What ``work`` raises passes.
    """
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, name="guard-bounded", daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except FutureTimeoutError:
        raise Unavailable(f"{what} took longer than {seconds:g} seconds") from None


class _Fetcher(FetcherInterface):
    """Fetches through guard's HTTP layer: its proxies, certificates, retries, ceilings and deadline."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    @override
    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            answer = self._client.fetch(url, accept="*/*", max_bytes=limits.TUF_FILE_MAX_BYTES)
        except Unavailable as error:
            # That there is no newer root is said by 404, or by 403 where a store does not tell (python-tuf asks both).
            if error.status is not None:
                raise DownloadHTTPError(error.message, error.status) from error
            raise DownloadError(error.message) from error
        except GuardError as error:
            raise DownloadError(error.message) from error
        return iter((answer.body,))


def _open_updater(repository: TufRepository, folder: Path, fetcher: FetcherInterface) -> Updater:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = repository.url.rstrip("/")
    try:
        return Updater(
            metadata_dir=str(folder),
            metadata_base_url=f"{url}/",
            target_dir=str(folder),
            target_base_url=f"{url}/targets/",
            fetcher=fetcher,
            bootstrap=repository.root,
        )
    except RepositoryError as error:
        raise ConfigInvalid(f"the root metadata of {redact_url(url)} cannot be used: {_one_line(error)}") from error


def _load_versions(folder: Path) -> TufVersions:
    """Read the versions off the metadata that the updater just verified and wrote."""

    def version(role: str) -> int:
        return int(Metadata.from_file(str(folder / f"{role}.json")).signed.version)

    return TufVersions(*map(version, TufVersions._fields))


@contextmanager
def _boundary(shown: str, folder: Path) -> Iterator[None]:
    """Turn all that the library raises into guard's errors; it lets those of other libraries through."""
    try:
        yield
    except GuardError:
        raise
    except DownloadError as error:
        raise Unavailable(f"the TUF repository {shown} cannot be read: {_one_line(error)}") from error
    except OSError as error:
        raise ConfigInvalid(f"{folder} cannot be used: {error.strerror or _one_line(error)}") from error
    except Exception as error:
        raise MalformedInput(f"the TUF repository {shown} does not verify: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    """Return the error's text as one short line that no document can use to write to a terminal."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in text)

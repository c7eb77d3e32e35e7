"""The HTTP layer: bounded, retried, deadline-keeping GET requests over requests.

Its three answers are kept apart (invariant I4): an answer, :class:`~guard.errors.NotFound`, and everything else,
which is :class:`~guard.errors.Unavailable`; a complete answer that breaks a limit is
:class:`~guard.errors.MalformedInput`. It reads no environment.
Redirects are followed here, one request each, so that every hop gets its own proxy, credentials and checks, and no
redirect's body is read.
"""

from __future__ import annotations

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

from guard import __version__, limits
from guard.errors import ConfigInvalid, MalformedInput, NotFound, Unavailable
from guard.registry.credentials import Credentials, Login, origin_of, redact_url, split_url_credentials
from guard.registry.http_settings import HttpSettings

# requests takes 75 ms to import. Its functions import it, so that this happens while pip starts, not before.
if TYPE_CHECKING:
    import requests
    from requests.auth import HTTPBasicAuth

USER_AGENT = f"provenance-guard/{__version__}"

_REDIRECTS_MAX_COUNT = 5
_CHUNK_BYTES = 64 * 1024
_BACKOFF_SECONDS = 0.25
_POOL_CONNECTIONS_MAX_COUNT = limits.GATEWAY_THREADS + limits.PREFETCH_WORKERS
_WEB_SCHEMES = frozenset({"http", "https"})
# RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4: the server asks for the same request again. Every 5xx does as well.
_TRANSIENT_STATUSES = frozenset({408, 425, 429})

_T = TypeVar("_T")


class Deadline:
    """The end of the whole run.

    Args:
        seconds: time from now.
        clock: a clock that does not jump, in seconds.
    """

    def __init__(
        self, seconds: float = limits.RUN_DEADLINE_SECONDS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def remaining_seconds(self, url: str) -> float:
        """Return the time that is left.

        Args:
            url: what is being fetched, for the message.

        Raises:
            Unavailable: none is left.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise Unavailable(f"{redact_url(url)}: the run's time limit of {self._seconds:g} seconds is over")
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete answer with status 200.

    Args:
        url: where it came from in the end, after redirects.
        headers: case-insensitive.
        body: decoded; empty when it was streamed.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """Media type in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """Character set of the body; UTF-8 where the server names none."""
        header = Message()
        header["Content-Type"] = self.headers.get("Content-Type", "")
        return header.get_content_charset("utf-8")


class _Interrupted(Exception):
    """An attempt failed in a way that another one may not."""

    def __init__(self, reason: str, *, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class HttpClient:
    """Fetches URLs for one run. Thread-safe: one session with a pool as large as all of guard's threads.

    Args:
        settings: how the network is reached.
        credentials: logins by origin.
        deadline: end of the run.
        sleep: waits between attempts, in seconds.
        jitter: a random number from 0 to 1.

    Raises:
        ConfigInvalid: a certificate file of the settings does not exist.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        credentials: Credentials,
        deadline: Deadline,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        for path in (settings.ca_bundle, settings.client_cert):
            if path is not None and not Path(path).exists():
                raise ConfigInvalid(f"certificate file {path} does not exist")
        self.settings = settings
        self._credentials = credentials
        self._deadline = deadline
        self._sleep = sleep
        self._jitter = jitter
        self._lock = threading.Lock()
        self._opened: requests.Session | None = None

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    @property
    def _session(self) -> requests.Session:
        with self._lock:
            if self._opened is None:
                self._opened = _open_session(warns_of_trusted_hosts=not self.settings.trusted_hosts)
            return self._opened

    def fetch(self, url: str, *, accept: str, max_bytes: int) -> Response:
        """Fetch a document into memory.

        Args:
            url: http or https.
            accept: value of the Accept header.
            max_bytes: ceiling of the body, after decoding.

        Raises:
            NotFound: the final answer is 404 or 410.
            Unavailable: any other answer than 200, or no complete one after all attempts.
            MalformedInput: the body is larger than ``max_bytes`` or does not decode, or the URL does not parse.
        """

        def receive(answer: requests.Response, final_url: str) -> Response:
            body = b"".join(self._chunks(answer, final_url, max_bytes=max_bytes, decode=True))
            return _response(answer, final_url, body)

        return self._attempt(url, {"Accept": accept, "Accept-Encoding": "gzip"}, receive)

    def fetch_to(self, url: str, sink: BinaryIO, *, max_bytes: int, expected_bytes: int | None = None) -> Response:
        """Stream a file into ``sink``, which is cut back to where it stood before each new attempt.

        Args:
            url: http or https.
            sink: seekable binary file.
            max_bytes: ceiling of the body.
            expected_bytes: its exact size where that is known.

        Returns:
            The final URL and headers; the body is in ``sink``, never decoded: its digest is of the transferred bytes.

        Raises:
            NotFound: the final answer is 404 or 410.
            Unavailable: any other answer than 200, or no complete one after all attempts.
            MalformedInput: the body is larger than ``max_bytes``, or of another size than expected.
        """
        start = sink.tell()
        ceiling = max_bytes if expected_bytes is None else min(max_bytes, expected_bytes)

        def receive(answer: requests.Response, final_url: str) -> Response:
            sink.seek(start)
            sink.truncate()
            if expected_bytes is not None and (_declared_bytes(answer) or expected_bytes) != expected_bytes:
                raise MalformedInput(f"{redact_url(final_url)} is not {expected_bytes} bytes long, as it should be")
            sink.writelines(self._chunks(answer, final_url, max_bytes=ceiling, decode=False))
            if expected_bytes is not None and sink.tell() - start < expected_bytes:
                raise _Interrupted("ended before its last byte")
            return _response(answer, final_url, b"")

        return self._attempt(url, {"Accept-Encoding": "identity"}, receive)

    def _attempt(self, url: str, headers: Mapping[str, str], receive: Callable[[requests.Response, str], _T]) -> _T:
        attempt = 0
        while True:
            try:
                answer, final_url = self._open(url, headers)
                with answer:
                    self._require_success(answer, final_url)
                    return receive(answer, final_url)
            except _Interrupted as problem:
                attempt += 1
                if attempt > limits.RETRIES_MAX_COUNT:
                    message = f"{redact_url(url)} {problem.reason} ({attempt} attempts)"
                    raise Unavailable(message, status=problem.status) from problem
                self._wait(url, attempt, problem)

    def _wait(self, url: str, attempt: int, problem: _Interrupted) -> None:
        """Back off exponentially with jitter, or as long as the server asked for (RFC 9110, section 10.2.3)."""
        from urllib3.exceptions import InvalidHeader
        from urllib3.util.retry import Retry

        delay = _BACKOFF_SECONDS * 2 ** (attempt - 1) * (1 + self._jitter())
        if problem.retry_after is not None:
            with contextlib.suppress(InvalidHeader, ValueError, OverflowError):
                delay = max(delay, Retry().parse_retry_after(problem.retry_after))
        delay = min(delay, limits.RETRY_AFTER_MAX_SECONDS)
        if delay >= self._deadline.remaining_seconds(url):
            message = f"{redact_url(url)} {problem.reason}, and the run's time limit leaves no further attempt"
            raise Unavailable(message, status=problem.status) from problem
        self._sleep(delay)

    def _open(self, url: str, headers: Mapping[str, str]) -> tuple[requests.Response, str]:
        """Follow redirects; return the answer with its body unread, and the URL that gave it."""
        current = url
        for _ in range(_REDIRECTS_MAX_COUNT + 1):
            answer, current = self._request(current, headers)
            location = self._session.get_redirect_target(answer)
            if location is None:
                return answer, current
            answer.close()
            current = _next_hop(current, location)
        raise Unavailable(f"{redact_url(url)} redirects more than {_REDIRECTS_MAX_COUNT} times")

    def _request(self, url: str, headers: Mapping[str, str]) -> tuple[requests.Response, str]:
        bare, own = _split_web_url(url)
        login = own if own is not None and own.password else self._credentials.for_url(bare) or own
        answer = self._send(bare, headers, login)
        if answer.status_code != HTTPStatus.UNAUTHORIZED or (own is not None and own.password):
            return answer, bare
        found = self._credentials.ask_keyring(bare, own.username if own else "")
        if found is None or found == login:
            return answer, bare
        answer.close()
        return self._send(bare, headers, found), bare

    def _send(self, url: str, headers: Mapping[str, str], login: Login | None) -> requests.Response:
        import requests
        from urllib3.exceptions import HTTPError

        left = self._deadline.remaining_seconds(url)
        asked = requests.Request("GET", url, headers=dict(headers), auth=_basic_auth(login))
        try:
            # Not Session.send: of a redirect it reads the whole body, without a ceiling.
            return self._session.get_adapter(url).send(
                self._session.prepare_request(asked),
                stream=True,
                timeout=(min(limits.CONNECT_TIMEOUT_SECONDS, left), min(limits.READ_TIMEOUT_SECONDS, left)),
                verify=False if self.settings.is_trusted_host(url) else self.settings.ca_bundle or True,
                cert=self.settings.client_cert,
                proxies=self.settings.proxies_for(url),
            )
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            reason, is_final = _reason(error)
            if is_final:
                raise Unavailable(f"{redact_url(url)} {reason}") from error
            raise _Interrupted(reason) from error

    def _require_success(self, answer: requests.Response, url: str) -> None:
        status = answer.status_code
        if status == HTTPStatus.OK:
            return
        shown = redact_url(url)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise NotFound(f"{shown} does not exist ({status})", status=status)
        if status in _TRANSIENT_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Interrupted(f"answered {status}", status=status, retry_after=answer.headers.get("Retry-After"))
        if status == HTTPStatus.UNAUTHORIZED:
            host = origin_of(url).host
            message = f"{shown} answered 401: {host} wants credentials. {self._credentials.describe_search(url)}"
            hint = f"add a line to your netrc file: machine {host} login USER password PASSWORD"
            raise Unavailable(message, status=status, hint=hint)
        raise Unavailable(f"{shown} answered {status}", status=status)

    def _chunks(self, answer: requests.Response, url: str, *, max_bytes: int, decode: bool) -> Iterator[bytes]:
        """Yield the body; the ceiling holds for what is yielded, so that a small zip bomb is cut as well."""
        from urllib3.exceptions import DecodeError, HTTPError

        too_large = f"{redact_url(url)} is larger than {max_bytes} bytes"
        if (_declared_bytes(answer) or 0) > max_bytes:
            raise MalformedInput(too_large)
        total = 0
        try:
            for chunk in answer.raw.stream(_CHUNK_BYTES, decode_content=decode):
                total += len(chunk)
                if total > max_bytes:
                    raise MalformedInput(too_large)
                self._deadline.remaining_seconds(url)
                yield chunk
        except DecodeError as error:
            raise MalformedInput(f"{redact_url(url)}: its body does not decode") from error
        except (HTTPError, HTTPException, OSError) as error:
            raise _Interrupted("ended before its last byte") from error


def _open_session(*, warns_of_trusted_hosts: bool) -> requests.Session:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

    if not warns_of_trusted_hosts:
        # The user asked for it by name; pip does not warn on each request either.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = USER_AGENT
    adapter = HTTPAdapter(pool_connections=_POOL_CONNECTIONS_MAX_COUNT, pool_maxsize=_POOL_CONNECTIONS_MAX_COUNT)
    for scheme in _WEB_SCHEMES:
        session.mount(f"{scheme}://", adapter)
    return session


def _basic_auth(login: Login | None) -> HTTPBasicAuth | None:
    """RFC 7617, section 2.1: UTF-8, where requests would fail on what Latin-1 lacks."""
    from requests.auth import HTTPBasicAuth

    return HTTPBasicAuth(login.username.encode(), login.password.encode()) if login else None


def _response(answer: requests.Response, url: str, body: bytes) -> Response:
    return Response(url=url, status=answer.status_code, headers=answer.headers, body=body)


def _declared_bytes(answer: requests.Response) -> int | None:
    declared = answer.headers.get("Content-Length", "")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) <= 18 else None


def _split_web_url(url: str) -> tuple[str, Login | None]:
    """Split the credentials off an http or https URL. The parser's own message is dropped: it quotes passwords."""
    with contextlib.suppress(ValueError):
        bare, login = split_url_credentials(url)
        origin = origin_of(bare)
        if origin.scheme in _WEB_SCHEMES and origin.host:
            return bare, login
    raise MalformedInput(f"not an http or https address: {redact_url(url)}")


def _next_hop(url: str, location: str) -> str:
    """Return the absolute target of a redirect.

    Raises:
        Unavailable: it leaves https for http, or the web altogether.
        MalformedInput: it is no address.
    """
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        raise MalformedInput(f"{redact_url(url)} redirects to what is no address") from None
    if scheme not in _WEB_SCHEMES or (urlsplit(url).scheme == "https" and scheme == "http"):
        raise Unavailable(f"{redact_url(url)} redirects to {redact_url(target)}, which is less secure: refused")
    return target


def _reason(error: Exception) -> tuple[str, bool]:
    """Say why no answer came, and whether another attempt is pointless.

    The libraries' own messages are not used: they hold the whole URL, and proxy addresses with passwords.
    """
    import requests

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted: {cause.verify_message}", True
    if isinstance(error, requests.Timeout):
        return "did not answer in time", False
    if isinstance(error, ValueError):
        return "cannot be requested: its address, or its proxy's, is not valid", True
    proxy = " through the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
    words = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    return f"cannot be reached{proxy}: {words or 'the connection was closed'}", False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""The HTTP layer: bounded, retried, deadline-keeping GET requests over requests, and a POST without a second attempt.

Its three answers are kept apart (invariant I4): an answer, :class:`~guard.errors.NotFound`, and everything else,
which is :class:`~guard.errors.Unavailable`; a complete answer that breaks a limit is
:class:`~guard.errors.MalformedInput`. It reads no environment.
Redirects are followed here, one request each, so that every hop gets its own proxy, credentials and checks, and no
redirect's body is read.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

from guard import __version__, limits
from guard.errors import ConfigInvalid, MalformedInput, NotFound, Unavailable
from guard.registry.credentials import (
    CredentialSource,
    Grant,
    Login,
    RequestCredentials,
    origin_of,
    redact_url,
    split_url_credentials,
)
from guard.registry.http_settings import HttpSettings

# requests takes 75 ms to import, and what the standard library has for HTTP another ten. Functions import them, so that
# this happens while the tool starts, not before, and never in a run that asks nobody.
if TYPE_CHECKING:
    import requests

USER_AGENT = f"provenance-guard/{__version__}"

_REDIRECTS_MAX_COUNT = 5
_CHUNK_BYTES = 64 * 1024
_BACKOFF_SECONDS = 0.25
_WEB_SCHEMES = frozenset({"http", "https"})
# RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4: the server asks for the same request again. Every 5xx does as well, but for
# 501 (RFC 9110 15.6.2): what a server does not implement now, it does not implement a second later.
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_FINAL_STATUSES = frozenset({501})

_T = TypeVar("_T")


class Deadline:
    """The end of the whole run, and how many requests it took so far.

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
        self._lock = threading.Lock()
        self.requests_count = 0

    def count_request(self) -> None:
        """Note that a request is made."""
        with self._lock:
            self.requests_count += 1

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
    """A complete answer; to a GET one with status 200.

    Args:
        url: where it came from in the end, after redirects.
        status: of the answer.
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
        from email.message import Message

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
        credentials: what goes along with each request.
        deadline: end of the run.
        sleep: waits between attempts, in seconds.
        jitter: a random number from 0 to 1.

    Raises:
        ConfigInvalid: a certificate of the settings cannot be used.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        credentials: CredentialSource,
        deadline: Deadline,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        for path in (settings.ca_bundle, settings.client_cert):
            if path is not None and not Path(path).exists():
                raise ConfigInvalid(f"certificate file {path} does not exist")
        _require_certificates(settings.ca)
        self.settings = settings
        self._credentials = credentials
        self._deadline = deadline
        self._sleep = sleep
        self._jitter = jitter
        self._lock = threading.Lock()
        self._opened: requests.Session | None = None
        self._slots: dict[str, threading.BoundedSemaphore] = {}

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    @property
    def _session(self) -> requests.Session:
        with self._lock:
            if self._opened is None:
                from guard.registry.http_session import open_session

                self._opened = open_session(self.settings, user_agent=USER_AGENT)
            return self._opened

    def fetch(self, url: str, *, accept: str, max_bytes: int, registry: str | None = None) -> Response:
        """Fetch a document into memory.

        Args:
            url: http or https.
            accept: value of the Accept header.
            max_bytes: ceiling of the body, after decoding.
            registry: the npm registry on whose behalf it is fetched.

        Raises:
            NotFound: the final answer is 404 or 410.
            Unavailable: any other answer than 200, or no complete one after all attempts.
            MalformedInput: the body is larger than ``max_bytes`` or does not decode, or the URL does not parse.
        """

        def receive(answer: requests.Response, final_url: str) -> Response:
            body = b"".join(self._chunks(answer, final_url, max_bytes=max_bytes, decode=True))
            return _response(answer, final_url, body)

        return self._attempt(url, {"Accept": accept, "Accept-Encoding": "gzip"}, receive, registry)

    def fetch_to(
        self,
        url: str,
        sink: BinaryIO,
        *,
        max_bytes: int,
        expected_bytes: int | None = None,
        registry: str | None = None,
    ) -> Response:
        """Stream a file into ``sink``, which is cut back to where it stood before each new attempt.

        Args:
            url: http or https.
            sink: seekable binary file.
            max_bytes: ceiling of the body.
            expected_bytes: its exact size where that is known.
            registry: the npm registry on whose behalf it is fetched.

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

        return self._attempt(url, {"Accept-Encoding": "identity"}, receive, registry)

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], max_bytes: int, registry: str | None = None
    ) -> Response:
        """Send a document, once: no other attempt is made and no redirect followed.

        Args:
            url: http or https.
            body: as it is sent.
            headers: that describe it.
            max_bytes: ceiling of the answer's body, after decoding.
            registry: the npm registry on whose behalf it is sent.

        Returns:
            The answer, whatever its status.

        Raises:
            Unavailable: no complete answer came.
            MalformedInput: its body is larger than ``max_bytes`` or does not decode, or the URL does not parse.
        """
        bare, own = _split_web_url(url)
        grant = _with_login(self._credentials.for_request(bare, registry).grant(bare), own)
        try:
            with self._send(bare, {**headers, "Accept-Encoding": "gzip"}, grant, method="POST", body=body) as answer:
                return _response(answer, bare, b"".join(self._chunks(answer, bare, max_bytes=max_bytes, decode=True)))
        except _Interrupted as problem:
            raise Unavailable(f"{redact_url(url)} {problem.reason}") from problem

    def _attempt(
        self,
        url: str,
        headers: Mapping[str, str],
        receive: Callable[[requests.Response, str], _T],
        registry: str | None,
    ) -> _T:
        credentials = self._credentials.for_request(_split_web_url(url)[0], registry)
        attempt = 0
        while True:
            try:
                with self._slot(url):
                    answer, final_url = self._open(url, headers, credentials)
                    with answer:
                        _require_success(answer, final_url, credentials)
                        return receive(answer, final_url)
            except _Interrupted as problem:
                attempt += 1
                if attempt > limits.RETRIES_MAX_COUNT:
                    message = f"{redact_url(url)} {problem.reason} ({attempt} attempts)"
                    raise Unavailable(message, status=problem.status) from problem
                self._wait(url, attempt, problem)

    @contextlib.contextmanager
    def _slot(self, url: str) -> Iterator[None]:
        """Keep within what a host is asked for at once; until the answer is complete, and not between attempts."""
        with self._lock:
            host = origin_of(url).host
            slot = self._slots.setdefault(host, threading.BoundedSemaphore(limits.REQUESTS_PER_HOST_MAX_COUNT))
        if not slot.acquire(timeout=self._deadline.remaining_seconds(url)):
            raise Unavailable(f"{redact_url(url)}: the run's time limit is over before {host} could be asked")
        try:
            yield
        finally:
            slot.release()

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

    def _open(
        self, url: str, headers: Mapping[str, str], credentials: RequestCredentials
    ) -> tuple[requests.Response, str]:
        """Follow redirects; return the answer with its body unread, and the URL that gave it."""
        current = url
        for _ in range(_REDIRECTS_MAX_COUNT + 1):
            answer, current = self._request(current, headers, credentials)
            location = self._session.get_redirect_target(answer)
            if location is None:
                return answer, current
            answer.close()
            current = _next_hop(current, location)
        raise Unavailable(f"{redact_url(url)} redirects more than {_REDIRECTS_MAX_COUNT} times")

    def _request(
        self, url: str, headers: Mapping[str, str], credentials: RequestCredentials
    ) -> tuple[requests.Response, str]:
        bare, own = _split_web_url(url)
        grant = _with_login(credentials.grant(bare), own)
        answer = self._send(bare, headers, grant)
        if answer.status_code != HTTPStatus.UNAUTHORIZED or (own is not None and own.password):
            return answer, bare
        found = credentials.ask_again(bare, own.username if own else "")
        if found is None or found == grant.authorization:
            return answer, bare
        answer.close()
        return self._send(bare, headers, grant._replace(authorization=found)), bare

    def _send(
        self, url: str, headers: Mapping[str, str], grant: Grant, *, method: str = "GET", body: bytes | None = None
    ) -> requests.Response:
        import requests

        from guard.registry.http_session import FAILURES, explain_failure

        left = self._deadline.remaining_seconds(url)
        self._deadline.count_request()
        login = {"Authorization": grant.authorization} if grant.authorization else {}
        # Nothing of the session's but its headers: it has no cookies, parameters or login of its own to be merged in.
        asked = requests.Request(method, url, headers={**self._session.headers, **headers, **login}, data=body)
        try:
            # Not Session.send: of a redirect it reads the whole body, without a ceiling.
            return self._session.get_adapter(url).send(
                asked.prepare(),
                stream=True,
                timeout=(min(limits.CONNECT_TIMEOUT_SECONDS, left), min(limits.READ_TIMEOUT_SECONDS, left)),
                verify=self.settings.checks_certificate(url) and (self.settings.ca_bundle or True),
                cert=grant.client_cert or self.settings.client_cert,
                proxies=self.settings.proxies_for(url),
            )
        except FAILURES as error:
            reason, is_final = explain_failure(error)
            if is_final:
                raise Unavailable(f"{redact_url(url)} {reason}") from error
            raise _Interrupted(reason) from error

    def _chunks(self, answer: requests.Response, url: str, *, max_bytes: int, decode: bool) -> Iterator[bytes]:
        """Yield the body; the ceiling holds for what is yielded, so that a small zip bomb is cut as well."""
        from http.client import HTTPException

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


def _require_certificates(texts: Sequence[str]) -> None:
    if not texts:
        return
    import ssl

    for text in texts:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigInvalid("a certificate of the ca setting is not one in PEM form") from error


def _require_success(answer: requests.Response, url: str, credentials: RequestCredentials) -> None:
    status = answer.status_code
    if status == HTTPStatus.OK:
        return
    shown = redact_url(url)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise NotFound(f"{shown} does not exist ({status})", status=status)
    if status in _TRANSIENT_STATUSES or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _FINAL_STATUSES):
        raise _Interrupted(f"answered {status}", status=status, retry_after=answer.headers.get("Retry-After"))
    denial = credentials.explain_denial(url, status)
    if denial is None:
        raise Unavailable(f"{shown} answered {status}", status=status)
    wish = "wants credentials" if status == HTTPStatus.UNAUTHORIZED else "denies access"
    message = f"{shown} answered {status}: {origin_of(url).host} {wish}. {denial.reason}"
    raise Unavailable(message, status=status, hint=denial.hint)


def _with_login(grant: Grant, own: Login | None) -> Grant:
    """Add the login of a URL: a complete one comes before all others, a user name alone after them."""
    if own is None or (grant.authorization is not None and not own.password):
        return grant
    return grant._replace(authorization=own.authorization)


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

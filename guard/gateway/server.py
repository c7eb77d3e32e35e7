"""The loopback server that stands between a package manager and every index for the length of one command.

It is two things at one address: the index that the tool is told to use, and the HTTP proxy that it is told to go
through. As an index it serves a :class:`Site`. As a proxy it refuses every CONNECT and every foreign host, so that
nothing depends on guard having found every setting that could lead the tool elsewhere.

Clients present a credential; nothing secret stands in a URL. Final refusals are 403 (blocked) and 424 (could not
decide): neither pip nor npm repeats a request that was answered so.
"""

from __future__ import annotations

import functools
import hmac
import secrets
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Server
from typing_extensions import Self

from guard import limits
from guard.model import Finding, Judged, Level, RuleId, Verdict

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_USER = "guard"
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """A complete answer held in memory."""

    content: bytes
    content_type: str
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True, slots=True)
class FileBody:
    """A verified file on disk."""

    path: Path
    size_bytes: int
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final answer without content: 404 nothing is there, 403 guard blocks, 424 guard cannot decide."""

    status: HTTPStatus
    reason: str


Answer = Body | FileBody | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of a client that presented the credential.

    Args:
        method: ``GET`` or ``POST``; a HEAD is answered as a GET whose body is not sent.
        path: percent-decoded, starting with ``/``.
        headers: by lower-case name.
        body: of a POST, as it was sent.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Site(Protocol):
    """What one gateway serves."""

    def answer(self, request: Request) -> Answer:
        """Answer one request. Called from several threads."""


class _ProxyConnection(HTTPConnection):
    RequestHandlerClass = functools.partial(HTTPRequest, proxy_mode=True)


class Gateway:
    """A running gateway; use it as a context manager.

    Args:
        site: what it serves.
        takes_posts: whether the site answers POST, too.
        threads: how many requests are answered at once.
    """

    def __init__(self, site: Site, *, takes_posts: bool = False, threads: int = limits.GATEWAY_THREADS) -> None:
        self._site = site
        self._methods = ("GET", "HEAD", "POST") if takes_posts else ("GET", "HEAD")
        self.password = secrets.token_urlsafe(32)
        login = b64encode(f"{_USER}:{self.password}".encode()).decode()
        self._authorizations = (f"Basic {login}", f"Bearer {self.password}")  # pip by netrc, npm by _authToken
        self._foreign: dict[str, Finding] = {}
        self._lock = threading.Lock()
        self._server = Server(
            ("127.0.0.1", 0),
            self._application,
            numthreads=threads,
            request_queue_size=128,
            timeout=60,
            shutdown_timeout=0,
        )
        self._server.ConnectionClass = _ProxyConnection
        self._server.expiration_interval = 0.01  # seconds; how long stopping waits for the accept loop
        self._thread = threading.Thread(target=self._server.serve, name="guard-gateway", daemon=True)

    def __enter__(self) -> Self:
        self._server.prepare()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join(timeout=5)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._server.bind_addr[1])

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT`` without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def netrc(self) -> str:
        """Contents of a netrc file that gives a client the credential."""
        return f"machine 127.0.0.1 login {_USER} password {self.password}\n"

    @property
    def foreign_hosts(self) -> tuple[Finding, ...]:
        """One finding for each host that a client tried to reach past the index."""
        with self._lock:
            return tuple(self._foreign.values())

    def _application(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        foreign = self._foreign_host(environ)
        if foreign is not None:
            return _respond(start_response, self._refuse_foreign(foreign))
        if not self._is_authorized(environ.get("HTTP_AUTHORIZATION", "")):
            challenge = [("WWW-Authenticate", 'Basic realm="guard"')]
            return _respond(
                start_response, Refusal(HTTPStatus.UNAUTHORIZED, "guard's gateway needs its credential"), challenge
            )
        method = environ["REQUEST_METHOD"]
        if method not in self._methods:
            return _respond(start_response, Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"only {', '.join(self._methods)}"))
        request = _read_request(environ)
        if request is None:
            return _respond(start_response, Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large"))
        return _respond(start_response, self._site.answer(request), head=method == "HEAD")

    def _is_authorized(self, presented: str) -> bool:
        given = presented.encode("utf-8", "surrogateescape")
        matches = [hmac.compare_digest(given, accepted.encode()) for accepted in self._authorizations]
        return any(matches)

    def _foreign_host(self, environ: WSGIEnvironment) -> str | None:
        """Return ``host[:port]`` when the request is one to a proxy for somebody else's host."""
        target = environ["REQUEST_URI"]
        if environ["REQUEST_METHOD"] == "CONNECT":
            return str(target)
        authority = urlsplit(target).netloc if "://" in target else None
        return None if authority in (None, "", f"127.0.0.1:{self.port}") else authority

    def _refuse_foreign(self, authority: str) -> Refusal:
        host = authority.rpartition("@")[2].removesuffix(":443").removesuffix(":80")
        message = f"the tool tried to reach {host} directly, past every index that guard checks"
        finding = Finding(
            rule=RuleId.SOURCE_NOT_ALLOWED,
            level=Level.BLOCK,
            message=message,
            next="install from an index, or name the host as one with --extra-index-url",
        )
        with self._lock:
            self._foreign.setdefault(host, finding)
        return Refusal(HTTPStatus.FORBIDDEN, f"guard: {message}")


def refusal_of(judged: Judged) -> Refusal:
    """Return the answer to a request for a file that was not allowed: 403 blocked, 424 undecided."""
    worst = min(judged.decision.findings, key=lambda finding: finding.level, default=None)
    reason = f"{worst.rule.value}: {worst.message}" if worst else "not decided"
    undecided = judged.decision.verdict is Verdict.UNDECIDED
    return Refusal(HTTPStatus.FAILED_DEPENDENCY if undecided else HTTPStatus.FORBIDDEN, f"guard: {reason}")


def _read_request(environ: WSGIEnvironment) -> Request | None:
    """Return the request with its body, or ``None`` when that is larger than anything that a client has to send."""
    body = b""
    if environ["REQUEST_METHOD"] == "POST":
        is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        length = limits.GATEWAY_REQUEST_MAX_BYTES + 1 if is_chunked else int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(min(length, limits.GATEWAY_REQUEST_MAX_BYTES + 1))
        if len(body) > limits.GATEWAY_REQUEST_MAX_BYTES:
            return None
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_ENCODING")
    }
    return Request(
        method="POST" if environ["REQUEST_METHOD"] == "POST" else "GET",
        path=_decoded_path(environ),
        headers=headers,
        body=body,
    )


def _decoded_path(environ: WSGIEnvironment) -> str:
    # WSGI hands paths over as latin-1 (PEP 3333, "Unicode Issues"); the server leaves slashes that were encoded so.
    path = str(environ["PATH_INFO"]).encode("latin-1", "replace").decode("utf-8", "replace")
    return path.replace("%2F", "/")


def _respond(
    start_response: StartResponse, answer: Answer, headers: list[tuple[str, str]] | None = None, *, head: bool = False
) -> Iterable[bytes]:
    extra = headers or []
    if isinstance(answer, Refusal):
        return _respond_refusal(start_response, answer, extra)
    size_bytes = len(answer.content) if isinstance(answer, Body) else answer.size_bytes
    status = answer.status if isinstance(answer, Body) else HTTPStatus.OK
    start_response(
        f"{status.value} {status.phrase}",
        [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(size_bytes)),
            ("Cache-Control", "no-store"),
            *extra,
        ],
    )
    if head:
        return []
    return [answer.content] if isinstance(answer, Body) else _chunks(answer.path)


def _respond_refusal(
    start_response: StartResponse, refusal: Refusal, headers: list[tuple[str, str]]
) -> Iterable[bytes]:
    # pip and npm print the reason phrase of a status line, so the reason stands there too.
    phrase = " ".join(refusal.reason.encode("ascii", "replace").decode().split())[:200] or refusal.status.phrase
    body = (refusal.reason + "\n").encode()
    start_response(
        f"{refusal.status.value} {phrase}",
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            *headers,
        ],
    )
    return [body]


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from iter(functools.partial(stream.read, _CHUNK_BYTES), b"")

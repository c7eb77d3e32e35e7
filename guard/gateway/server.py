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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Server
from typing_extensions import Self

from guard import limits
from guard.model import Finding, Level, RuleId

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_USER = "guard"
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """A complete answer held in memory."""

    content: bytes
    content_type: str


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


class Site(Protocol):
    """What one gateway serves."""

    def answer(self, path: str) -> Answer:
        """Answer a GET or HEAD of ``path`` (percent-decoded, starting with ``/``). Called from several threads."""


class _ProxyConnection(HTTPConnection):
    RequestHandlerClass = functools.partial(HTTPRequest, proxy_mode=True)


class Gateway:
    """A running gateway; use it as a context manager.

    Args:
        site: what it serves.
        threads: how many requests are answered at once.
    """

    def __init__(self, site: Site, *, threads: int = limits.GATEWAY_THREADS) -> None:
        self._site = site
        self.password = secrets.token_urlsafe(32)
        self._authorization = "Basic " + b64encode(f"{_USER}:{self.password}".encode()).decode()
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
        if not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", ""), self._authorization):
            challenge = [("WWW-Authenticate", 'Basic realm="guard"')]
            return _respond(
                start_response, Refusal(HTTPStatus.UNAUTHORIZED, "guard's gateway needs its credential"), challenge
            )
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _respond(start_response, Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD"))
        return _respond(
            start_response, self._site.answer(environ["PATH_INFO"]), head=environ["REQUEST_METHOD"] == "HEAD"
        )

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


def _respond(
    start_response: StartResponse, answer: Answer, headers: list[tuple[str, str]] | None = None, *, head: bool = False
) -> Iterable[bytes]:
    extra = headers or []
    if isinstance(answer, Refusal):
        return _respond_refusal(start_response, answer, extra)
    size_bytes = len(answer.content) if isinstance(answer, Body) else answer.size_bytes
    start_response(
        "200 OK",
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

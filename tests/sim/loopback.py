"""A WSGI server on a loopback port, and answers that misbehave at the level of HTTP."""

from __future__ import annotations

import errno
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in, with the status that it got.

    Args:
        host: ``index`` or ``files``.
        method: of HTTP.
        path: percent-decoded, without the query.
        headers: names in lower case.
        status: of the answer; 0 when the connection was ended instead.
    """

    host: str
    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to be sent.

    Args:
        status: of HTTP.
        body: all of it, when it is held in memory.
        headers: beside Content-Length.
        stream_bytes: length of a body of white space, in place of ``body``.
        sent_bytes: where the connection ends inside the body, ``None`` for nowhere.
    """

    status: HTTPStatus
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream_bytes: int | None = None
    sent_bytes: int | None = None

    @property
    def length(self) -> int:
        """What Content-Length says."""
        return len(self.body) if self.stream_bytes is None else self.stream_bytes

    def chunks(self) -> Iterator[bytes]:
        """Yield the body, and end the connection where it is to end."""
        if self.stream_bytes is None:
            yield self.body[: self.sent_bytes]
        else:
            for start in range(0, self.stream_bytes, _CHUNK_BYTES):
                yield b" " * min(_CHUNK_BYTES, self.stream_bytes - start)
        if self.sent_bytes is not None:
            raise dropped()


def dropped() -> ConnectionResetError:
    """Return what an application raises to end the connection; the server takes it for the client's doing."""
    return ConnectionResetError(errno.ECONNRESET, "ended by the simulator")


class _Connection(HTTPConnection):
    RequestHandlerClass = functools.partial(HTTPRequest, proxy_mode=True)


class Loopback:
    """One server on 127.0.0.1 and a port that the system chooses; the port is open from the start.

    It may be used as a proxy: a request for the address of another host is answered as one for that path here.

    Args:
        application: what it serves.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._server = Server(
            ("127.0.0.1", 0), application, numthreads=8, request_queue_size=128, timeout=60, shutdown_timeout=0
        )
        self._server.ConnectionClass = _Connection
        self._server.expiration_interval = 0.05  # seconds; how long stopping waits for the loop that accepts
        self._server.prepare()
        self._thread = threading.Thread(target=self._server.serve, name="sim-pypi", daemon=True)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.bind_addr[1]}"

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection and close the port."""
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=5)


def wsgi(host: str, respond: Callable[[Request], Answer], record: Callable[[Request], None]) -> WSGIApplication:
    """Make a WSGI application of a function from requests to answers.

    Args:
        host: what recorded requests are to say.
        respond: what to answer; it may raise :func:`dropped`.
        record: takes every request once its status is known.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = _request(host, environ)
        try:
            answer = respond(request)
        except ConnectionResetError:
            record(request)
            raise
        record(Request(host, request.method, request.path, request.headers, int(answer.status)))
        headers = [*answer.headers.items()]
        if answer.status is not HTTPStatus.NOT_MODIFIED:
            headers.append(("Content-Length", str(answer.length)))
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if request.method == "HEAD" else answer.chunks()

    return application


def _request(host: str, environ: WSGIEnvironment) -> Request:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return Request(host, environ["REQUEST_METHOD"], environ["PATH_INFO"], headers)

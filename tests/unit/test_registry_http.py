"""The HTTP layer against loopback servers that misbehave one way at a time."""

from __future__ import annotations

import base64
import gzip
import io
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from guard import limits
from guard.errors import ConfigInvalid, MalformedInput, NotFound, Unavailable
from guard.registry.credentials import Credentials, CredentialSource
from guard.registry.http import USER_AGENT, Deadline, HttpClient
from guard.registry.http_session import open_session
from guard.registry.http_settings import HttpSettings, settings_from_environment
from guard.registry.npm_credentials import NpmCredentials

Headers = Mapping[str, str]


@dataclass
class Seen:
    """One request that a server received."""

    path: str
    headers: Headers
    method: str = "GET"
    body: bytes = b""


@dataclass
class Reply:
    """One answer; ``raw_length`` states another Content-Length, ``hang_up`` closes the connection unanswered.

    ``unframed`` leaves the length out, ``hold`` keeps the connection open after the body until it is set.
    """

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=dict)
    raw_length: int | None = None
    hang_up: bool = False
    unframed: bool = False
    hold: threading.Event | None = None


Route = Callable[[Seen], Reply]


class Server:
    """Answers by path: a route, or a list of replies of which the last one repeats."""

    def __init__(self, http: ThreadingHTTPServer, scheme: str) -> None:
        self.http = http
        self.scheme = scheme
        self.host = f"127.0.0.1:{http.server_address[1]}"
        self.routes: dict[str, Route | list[Reply]] = {}
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def on(self, path: str, *replies: Reply, body: bytes = b"", content_type: str = "text/plain") -> str:
        self.routes[path] = list(replies) or [Reply(body=body, headers={"Content-Type": content_type})]
        return self.url + path

    def reply_to(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        route = self.routes.get(seen.path.partition("?")[0], [Reply(404)])
        if not isinstance(route, list):
            return route(seen)
        return route.pop(0) if len(route) > 1 else route[0]


@contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server on loopback for the length of a test."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            reply = running.reply_to(Seen(self.path, headers, self.command, body))
            self.close_connection = True
            if reply.hang_up:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if not reply.unframed:
                length = len(reply.body) if reply.raw_length is None else reply.raw_length
                self.send_header("Content-Length", str(length))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.hold is not None:
                reply.hold.wait(60)

        do_CONNECT = do_POST = do_GET  # noqa: N815 - http.server finds them by these names

        def log_message(self, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    http = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    running = Server(http, "https" if tls else "http")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class Clock:
    """A clock that only moves when something sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client_for_tests(
    clock: Clock | None = None,
    settings: HttpSettings | None = None,
    credentials: CredentialSource | None = None,
    deadline_seconds: float = 1000.0,
) -> HttpClient:
    clock = clock or Clock()
    return HttpClient(
        settings or HttpSettings(),
        credentials=credentials or Credentials(),
        deadline=Deadline(deadline_seconds, clock=clock),
        sleep=clock.sleep,
        jitter=lambda: 0.0,
    )


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> Iterator[HttpClient]:
    made = client_for_tests(clock)
    yield made
    made.close()


def test_fetch_returns_the_answer_and_sends_what_it_was_told(server: Server, client: HttpClient) -> None:
    url = server.on("/a", body=b"hello", content_type="Text/HTML; charset=ISO-8859-1")
    answer = client.fetch(url, accept="text/html", max_bytes=100)
    assert (answer.url, answer.status, answer.body) == (url, 200, b"hello")
    assert (answer.content_type, answer.charset) == ("text/html", "iso-8859-1")
    assert server.seen[0].headers["accept"] == "text/html"
    assert server.seen[0].headers["user-agent"] == USER_AGENT


def test_charset_is_utf8_where_none_is_stated(server: Server, client: HttpClient) -> None:
    assert client.fetch(server.on("/a", content_type="text/html"), accept="*/*", max_bytes=1).charset == "utf-8"


@pytest.mark.parametrize("status", [404, 410])
def test_not_found_is_final(status: int, server: Server, client: HttpClient) -> None:
    with pytest.raises(NotFound) as caught:
        client.fetch(server.on("/a", Reply(status)), accept="*/*", max_bytes=1)
    assert caught.value.status == status
    assert server.paths == ["/a"]


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 406, 418, 451, 501])
def test_other_statuses_are_final_and_not_absence(status: int, server: Server, client: HttpClient) -> None:
    with pytest.raises(Unavailable) as caught:
        client.fetch(server.on("/a", Reply(status)), accept="*/*", max_bytes=1)
    assert caught.value.status == status
    assert not isinstance(caught.value, NotFound)
    assert server.paths == ["/a"]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_transient_statuses_are_asked_again(status: int, server: Server, client: HttpClient, clock: Clock) -> None:
    url = server.on("/a", Reply(status), Reply(status), Reply(body=b"ok"))
    assert client.fetch(url, accept="*/*", max_bytes=10).body == b"ok"
    assert clock.slept == [0.25, 0.5]


INTERRUPTIONS = {
    "connection closed": Reply(hang_up=True),
    "body cut short": Reply(body=b"half", raw_length=8),
    "chunk cut short": Reply(body=b"ff\r\nhalf", headers={"Transfer-Encoding": "chunked"}, unframed=True),
}


@pytest.mark.parametrize("reply", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_interrupted_answers_are_asked_again(reply: Reply, server: Server, client: HttpClient) -> None:
    url = server.on("/a", reply, Reply(body=b"complete"))
    assert client.fetch(url, accept="*/*", max_bytes=100).body == b"complete"
    assert len(server.seen) == 2


@pytest.mark.parametrize("reply", [*INTERRUPTIONS.values(), Reply(503)], ids=[*INTERRUPTIONS, "503"])
def test_attempts_end(reply: Reply, server: Server, client: HttpClient, clock: Clock) -> None:
    with pytest.raises(Unavailable, match=f"{limits.RETRIES_MAX_COUNT + 1} attempts") as caught:
        client.fetch(server.on("/a", reply), accept="*/*", max_bytes=100)
    assert not isinstance(caught.value, NotFound)
    assert caught.value.status == (503 if reply.status == 503 else None)
    assert len(server.seen) == limits.RETRIES_MAX_COUNT + 1
    assert clock.slept == [0.25, 0.5, 1.0, 2.0]


def test_refused_connection_is_unavailable(client: HttpClient) -> None:
    with serve() as gone:
        url = gone.url
    with pytest.raises(Unavailable, match=r"cannot be reached: Connection refused"):
        client.fetch(url, accept="*/*", max_bytes=1)


def test_silent_server_is_unavailable(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READ_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(limits, "RETRIES_MAX_COUNT", 1)
    release = threading.Event()

    def silent(_: Seen) -> Reply:
        release.wait(60)
        return Reply()

    server.routes["/a"] = silent
    try:
        with pytest.raises(Unavailable, match="did not answer in time"):
            client_for_tests().fetch(server.url + "/a", accept="*/*", max_bytes=1)
    finally:
        release.set()
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("header", "slept"),
    [
        ("7", 7.0),
        ("0", 0.25),
        ("86400", limits.RETRY_AFTER_MAX_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", limits.RETRY_AFTER_MAX_SECONDS),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.25),
        ("soon", 0.25),
        ("-5", 0.25),
        ("9" * 400, limits.RETRY_AFTER_MAX_SECONDS),
    ],
    ids=["seconds", "zero", "too long", "far date", "past date", "words", "negative", "absurd"],
)
def test_retry_after(header: str, slept: float, server: Server, client: HttpClient, clock: Clock) -> None:
    url = server.on("/a", Reply(429, headers={"Retry-After": header}), Reply(body=b"ok"))
    client.fetch(url, accept="*/*", max_bytes=10)
    assert clock.slept == [slept]


def test_jitter_spreads_attempts(server: Server, clock: Clock) -> None:
    client = HttpClient(
        HttpSettings(),
        credentials=Credentials(),
        deadline=Deadline(100, clock=clock),
        sleep=clock.sleep,
        jitter=lambda: 0.5,
    )
    client.fetch(server.on("/a", Reply(503), Reply()), accept="*/*", max_bytes=10)
    assert clock.slept == [0.375]


def test_a_host_is_asked_for_no_more_than_so_much_at_once(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUESTS_PER_HOST_MAX_COUNT", 2)
    lock, both_in, release = threading.Lock(), threading.Event(), threading.Event()
    inside = most = 0

    def slow(_: Seen) -> Reply:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == 2:
                both_in.set()
        release.wait(20)
        with lock:
            inside -= 1
        return Reply(body=b"ok")

    server.routes["/a"] = slow
    deadline = Deadline(100, clock=clock)
    client = HttpClient(HttpSettings(), credentials=Credentials(), deadline=deadline)
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(client.fetch, server.url + "/a", accept="*/*", max_bytes=10) for _ in range(6)]
        assert both_in.wait(20)
        assert deadline.requests_count == 2  # the others have not begun
        release.set()
        assert {answer.result().body for answer in answers} == {b"ok"}
    assert (most, deadline.requests_count) == (2, 6)


def test_whoever_waits_for_its_turn_waits_no_longer_than_the_run(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUESTS_PER_HOST_MAX_COUNT", 1)
    client = HttpClient(HttpSettings(), credentials=Credentials(), deadline=Deadline(0.2))
    url = server.on("/a")
    with client._slot(url), pytest.raises(Unavailable, match="time limit is over before"):
        client.fetch(url, accept="*/*", max_bytes=10)
    assert server.seen == []


def test_no_request_is_made_after_the_deadline(server: Server, clock: Clock) -> None:
    client = client_for_tests(clock, deadline_seconds=5)
    clock.now += 5
    with pytest.raises(Unavailable, match="time limit of 5 seconds"):
        client.fetch(server.on("/a"), accept="*/*", max_bytes=1)
    assert server.seen == []


def test_no_wait_goes_past_the_deadline(server: Server, clock: Clock) -> None:
    client = client_for_tests(clock, deadline_seconds=6)
    url = server.on("/a", Reply(429, headers={"Retry-After": "7"}), Reply())
    with pytest.raises(Unavailable, match="leaves no further attempt") as caught:
        client.fetch(url, accept="*/*", max_bytes=1)
    assert caught.value.status == 429
    assert clock.slept == []


def test_a_body_that_drips_past_the_deadline_is_unavailable(server: Server, clock: Clock) -> None:
    client = client_for_tests(clock, deadline_seconds=5)

    def late(_: Seen) -> Reply:
        clock.now += 6
        return Reply(body=b"late")

    server.routes["/a"] = late
    with pytest.raises(Unavailable, match="time limit"):
        client.fetch(server.url + "/a", accept="*/*", max_bytes=10)


@pytest.mark.parametrize("unframed", [False, True], ids=["by Content-Length", "while reading"])
def test_bodies_over_the_ceiling_are_malformed(unframed: bool, server: Server, client: HttpClient) -> None:
    url = server.on("/a", Reply(body=b"x" * 11, unframed=unframed))
    with pytest.raises(MalformedInput, match="larger than 10 bytes"):
        client.fetch(url, accept="*/*", max_bytes=10)
    assert len(server.seen) == 1
    assert client.fetch(url, accept="*/*", max_bytes=11).body == b"x" * 11


def test_a_stated_length_over_the_ceiling_is_refused_before_the_body(server: Server, client: HttpClient) -> None:
    with pytest.raises(MalformedInput, match="larger than 10 bytes"):
        client.fetch(server.on("/a", Reply(body=b"x", raw_length=11)), accept="*/*", max_bytes=10)


def test_gzip_is_decoded(server: Server, client: HttpClient) -> None:
    url = server.on("/a", Reply(body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"}))
    assert client.fetch(url, accept="*/*", max_bytes=100).body == b"hello"


def test_the_ceiling_holds_for_the_decoded_body(server: Server, client: HttpClient) -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)
    url = server.on("/a", Reply(body=bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(MalformedInput, match="larger than"):
        client.fetch(url, accept="*/*", max_bytes=len(bomb) + 1)


def test_a_body_that_does_not_decode_is_malformed(server: Server, client: HttpClient) -> None:
    url = server.on("/a", Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(MalformedInput, match="does not decode"):
        client.fetch(url, accept="*/*", max_bytes=100)
    assert len(server.seen) == 1


# Streaming


def test_fetch_to_streams_from_where_the_sink_stands(server: Server, client: HttpClient) -> None:
    sink = io.BytesIO(b"kept")
    sink.seek(4)
    answer = client.fetch_to(server.on("/f", body=b"data"), sink, max_bytes=10, expected_bytes=4)
    assert sink.getvalue() == b"keptdata"
    assert (answer.url, answer.body) == (server.url + "/f", b"")


def test_fetch_to_starts_over_after_an_interruption(server: Server, client: HttpClient) -> None:
    sink = io.BytesIO()
    client.fetch_to(server.on("/f", Reply(body=b"longer", raw_length=9), Reply(body=b"all")), sink, max_bytes=10)
    assert sink.getvalue() == b"all"


def test_fetch_to_never_decodes(server: Server, client: HttpClient) -> None:
    packed = gzip.compress(b"data")
    sink = io.BytesIO()
    client.fetch_to(server.on("/f", Reply(body=packed, headers={"Content-Encoding": "gzip"})), sink, max_bytes=1000)
    assert sink.getvalue() == packed
    assert server.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("unframed", [False, True], ids=["by Content-Length", "while reading"])
def test_fetch_to_refuses_more_than_expected(unframed: bool, server: Server, client: HttpClient) -> None:
    with pytest.raises(MalformedInput):
        client.fetch_to(
            server.on("/f", Reply(body=b"12345", unframed=unframed)), io.BytesIO(), max_bytes=10, expected_bytes=4
        )
    assert len(server.seen) == 1


def test_fetch_to_refuses_a_stated_length_below_the_expected_one(server: Server, client: HttpClient) -> None:
    with pytest.raises(MalformedInput, match="not 4 bytes long"):
        client.fetch_to(server.on("/f", body=b"123"), io.BytesIO(), max_bytes=10, expected_bytes=4)


def test_fetch_to_takes_an_early_end_for_an_interruption(server: Server, client: HttpClient) -> None:
    sink = io.BytesIO()
    url = server.on("/f", Reply(body=b"123", unframed=True), Reply(body=b"1234"))
    client.fetch_to(url, sink, max_bytes=10, expected_bytes=4)
    assert sink.getvalue() == b"1234"


def test_fetch_to_holds_the_ceiling(server: Server, client: HttpClient) -> None:
    with pytest.raises(MalformedInput, match="larger than 3 bytes"):
        client.fetch_to(server.on("/f", Reply(body=b"1234", unframed=True)), io.BytesIO(), max_bytes=3)


# Redirects


def _redirect(target: str, status: int = 302) -> Reply:
    return Reply(status, headers={"Location": target})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int, server: Server, other: Server, client: HttpClient) -> None:
    target = other.on("/b", body=b"there")
    answer = client.fetch(server.on("/a", _redirect(target, status)), accept="x/y", max_bytes=10)
    assert (answer.url, answer.body) == (target, b"there")
    assert other.seen[0].headers["accept"] == "x/y"


def test_relative_redirects_are_followed(server: Server, client: HttpClient) -> None:
    server.on("/x/b", body=b"there")
    assert client.fetch(server.on("/x/a", _redirect("b")), accept="*/*", max_bytes=10).url.endswith("/x/b")


def test_redirects_end(server: Server, client: HttpClient) -> None:
    with pytest.raises(Unavailable, match="more than 5 times"):
        client.fetch(server.on("/a", _redirect("/a")), accept="*/*", max_bytes=10)
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "javascript:1"], ids=["file", "ftp", "javascript"]
)
def test_redirects_stay_on_the_web(target: str, server: Server, client: HttpClient) -> None:
    with pytest.raises(Unavailable, match="refused"):
        client.fetch(server.on("/a", _redirect(target)), accept="*/*", max_bytes=10)
    assert len(server.seen) == 1


def test_a_redirect_to_what_is_no_address_is_malformed(server: Server, client: HttpClient) -> None:
    with pytest.raises(MalformedInput, match="redirects to what is no address") as caught:
        client.fetch(server.on("/a", _redirect("http://me:hunter2@[")), accept="*/*", max_bytes=10)
    assert "hunter2" not in caught.value.message


def test_the_body_of_a_redirect_is_not_read(
    server: Server, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(limits, "RETRIES_MAX_COUNT", 0)
    release = threading.Event()
    endless = Reply(302, headers={"Location": "/b"}, body=b"x", raw_length=10**12, hold=release)
    server.on("/b", body=b"ok")
    try:
        assert client.fetch(server.on("/a", endless), accept="*/*", max_bytes=10).body == b"ok"
    finally:
        release.set()


# Credentials


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def test_credentials_go_to_their_host_only(server: Server, other: Server) -> None:
    credentials = Credentials()
    index = credentials.add_url(f"http://user:p%C3%A4ss@{server.host}/simple")
    assert index == f"{server.url}/simple"
    client = client_for_tests(credentials=credentials)
    other.on("/b")
    server.on("/simple", _redirect(other.url + "/b"))
    client.fetch(index, accept="*/*", max_bytes=10)
    assert server.seen[0].headers["authorization"] == _basic("user:päss")
    assert "authorization" not in other.seen[0].headers


def test_credentials_come_back_on_the_way_back(server: Server, other: Server) -> None:
    credentials = Credentials()
    credentials.add_url(f"http://user:secret@{server.host}/simple")
    server.on("/simple", _redirect(other.on("/b", _redirect(server.on("/c", body=b"ok")))))
    client_for_tests(credentials=credentials).fetch(server.url + "/simple", accept="*/*", max_bytes=10)
    assert server.seen[1].headers["authorization"] == _basic("user:secret")


def test_credentials_in_the_url_itself_are_sent_and_not_returned(server: Server, client: HttpClient) -> None:
    server.on("/a")
    answer = client.fetch(f"http://user:secret@{server.host}/a", accept="*/*", max_bytes=10)
    assert server.seen[0].headers["authorization"] == _basic("user:secret")
    assert "secret" not in answer.url


@pytest.mark.parametrize(("known", "sent"), [("user:secret", "user:secret"), (None, "user:")])
def test_a_user_name_alone_in_the_url_comes_last(known: str | None, sent: str, server: Server) -> None:
    credentials = Credentials()
    if known is not None:
        credentials.add_url(f"http://{known}@{server.host}/")
    server.on("/a")
    client_for_tests(credentials=credentials).fetch(f"http://user@{server.host}/a", accept="*/*", max_bytes=10)
    assert server.seen[0].headers["authorization"] == _basic(sent)


def test_cookies_are_not_kept(server: Server, client: HttpClient) -> None:
    url = server.on("/a", Reply(headers={"Set-Cookie": "session=1; Path=/"}))
    client.fetch(url, accept="*/*", max_bytes=10)
    client.fetch(url, accept="*/*", max_bytes=10)
    assert "cookie" not in server.seen[1].headers


def _needs(login: str) -> Route:
    return lambda seen: Reply(200 if seen.headers.get("authorization") == _basic(login) else 401)


def test_the_keyring_is_asked_once_after_a_401(server: Server) -> None:
    asked: list[tuple[str, ...]] = []

    def keyring(arguments: object) -> str | None:
        assert isinstance(arguments, (list, tuple))
        asked.append(tuple(arguments))
        return "user\nsecret\n"

    server.routes["/a"] = _needs("user:secret")
    client = client_for_tests(credentials=Credentials(keyring=keyring))
    client.fetch(server.url + "/a", accept="*/*", max_bytes=10)
    client.fetch(server.url + "/a", accept="*/*", max_bytes=10)
    assert asked == [("--mode", "creds", "get", server.host)]
    assert len(server.seen) == 3


def test_a_401_names_the_host_and_where_guard_looked(server: Server, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hunter2\n")
    server.on("/a", Reply(401))
    credentials = Credentials(netrc_path=netrc, keyring=lambda _: None)
    with pytest.raises(Unavailable) as caught:
        client_for_tests(credentials=credentials).fetch(server.url + "/a", accept="*/*", max_bytes=10)
    assert caught.value.status == 401
    for words in ("127.0.0.1 wants", f"netrc: {netrc} refused", "keyring: has no login", "index URL: no user name"):
        assert words in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "machine 127.0.0.1" in caught.value.hint


@pytest.mark.parametrize(
    "reply",
    [Reply(404), Reply(403), Reply(401), Reply(503), Reply(hang_up=True), Reply(body=b"x" * 99), _redirect("ftp://x")],
    ids=["404", "403", "401", "503", "closed", "large", "redirect"],
)
def test_messages_hold_no_secret(reply: Reply, server: Server, client: HttpClient) -> None:
    server.on("/a", reply)
    with pytest.raises((Unavailable, MalformedInput)) as caught:
        client.fetch(f"http://user:hunter2@{server.host}/a?token=hunter2#hunter2", accept="*/*", max_bytes=10)
    assert server.host in caught.value.message
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "http://[hunter2",
        "http://me:hunter2@a\u2100b/",
        "http://a:hunter2/x",
        "file:///etc/hostname",
        "http:///x",
        "hunter",
        "http://127.0.0.1:99999/",
    ],
    ids=["bracket", "NFKC", "port", "file", "no host", "no scheme", "large port"],
)
def test_addresses_that_are_none_are_malformed(url: str, client: HttpClient) -> None:
    with pytest.raises(MalformedInput) as caught:
        client.fetch(url, accept="*/*", max_bytes=10)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("url", ["http://.example.invalid/", "http://xn--.invalid/", "http://a b/"])
def test_hosts_that_cannot_be_asked_are_unavailable(url: str, client: HttpClient) -> None:
    with pytest.raises(Unavailable):
        client.fetch(url, accept="*/*", max_bytes=10)


# POST


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500, 503])
def test_a_post_returns_any_status_and_is_sent_once(status: int, server: Server, clock: Clock) -> None:
    url = server.on("/a", Reply(status, body=b"said"))
    answer = client_for_tests(clock).post(url, b"asked", headers={"Content-Type": "text/x"}, max_bytes=10)
    assert (answer.status, answer.body, answer.url) == (status, b"said", url)
    seen = server.seen[0]
    assert (seen.method, seen.body, seen.headers["content-type"]) == ("POST", b"asked", "text/x")
    assert (len(server.seen), clock.slept) == (1, [])


def test_a_post_is_decoded(server: Server, client: HttpClient) -> None:
    url = server.on("/a", Reply(body=gzip.compress(b"said"), headers={"Content-Encoding": "gzip"}))
    assert client.post(url, b"", headers={}, max_bytes=100).body == b"said"


def test_a_post_follows_no_redirect(server: Server, other: Server, client: HttpClient) -> None:
    answer = client.post(server.on("/a", _redirect(other.on("/b"))), b"asked", headers={}, max_bytes=10)
    assert answer.status == 302
    assert other.seen == []


def test_a_post_carries_the_credentials_of_its_host(server: Server) -> None:
    credentials = Credentials()
    credentials.add_url(f"http://user:secret@{server.host}/")
    client_for_tests(credentials=credentials).post(server.on("/a"), b"", headers={}, max_bytes=10)
    assert server.seen[0].headers["authorization"] == _basic("user:secret")


@pytest.mark.parametrize("reply", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_a_post_without_a_complete_answer_is_unavailable(reply: Reply, server: Server, client: HttpClient) -> None:
    with pytest.raises(Unavailable):
        client.post(server.on("/a", reply), b"", headers={}, max_bytes=100)
    assert len(server.seen) == 1


def test_a_large_answer_to_a_post_is_malformed(server: Server, client: HttpClient) -> None:
    with pytest.raises(MalformedInput, match="larger than 3 bytes"):
        client.post(server.on("/a", body=b"said"), b"", headers={}, max_bytes=3)


# Settings


@pytest.mark.parametrize(
    ("environ", "proxies"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "http://a", "HTTPS_PROXY": "http://b"}, {"http": "http://a", "https": "http://b"}),
        ({"https_proxy": "http://c", "HTTPS_PROXY": "http://b"}, {"https": "http://c"}),
        ({"https_proxy": "", "HTTPS_PROXY": "http://b"}, {}),
        ({"ALL_PROXY": "http://d"}, {"all": "http://d"}),
    ],
    ids=["none", "upper", "lower wins", "empty lower wins", "all"],
)
def test_proxies_from_environment(environ: dict[str, str], proxies: dict[str, str]) -> None:
    assert dict(settings_from_environment(environ).proxies) == proxies


@pytest.mark.parametrize(
    ("environ", "bundle"),
    [
        ({}, None),
        ({"SSL_CERT_FILE": "s"}, "s"),
        ({"SSL_CERT_FILE": "s", "CURL_CA_BUNDLE": "c"}, "c"),
        ({"SSL_CERT_FILE": "s", "CURL_CA_BUNDLE": "c", "REQUESTS_CA_BUNDLE": "r"}, "r"),
        ({"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": "s"}, "s"),
    ],
    ids=["none", "ssl", "curl", "requests", "empty"],
)
def test_ca_bundle_from_environment(environ: dict[str, str], bundle: str | None) -> None:
    assert settings_from_environment(environ).ca_bundle == bundle


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", "https://a.example/", False),
        ("*", "https://a.example/", True),
        ("a.example", "https://a.example/", True),
        ("A.Example", "https://a.EXAMPLE/", True),
        ("example", "https://a.example/", True),
        (".example", "https://a.example/", True),
        ("b.example, a.example", "https://a.example/", True),
        ("a.example", "https://ba.example/", False),
        ("a.example", "https://a.example.evil/", False),
        ("a.example:443", "https://a.example/", True),
        ("a.example:8443", "https://a.example/", False),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("::1", "http://[::1]:80/", True),
        ("[::1]:80", "http://[::1]/", True),
        ("fd00::/8", "http://[fd00::5]/", True),
    ],
)
def test_no_proxy(no_proxy: str, url: str, direct: bool) -> None:
    settings = HttpSettings(proxies={"all": "http://proxy"}, no_proxy=no_proxy)
    assert settings.proxies_for(url) == ({} if direct else {"all": "http://proxy"})


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://a.example/", True),
        ("http://a.example/", False),
        ("http://127.0.0.5:8080/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://x.localhost/", True),
        ("http://localhost.evil/", False),
        ("file:///x", True),
        ("http://trusted.example/", True),
        ("http://ported.example:81/", True),
        ("http://ported.example/", False),
    ],
)
def test_secure_origins(url: str, secure: bool) -> None:
    settings = HttpSettings(trusted_hosts=frozenset({"trusted.example", "ported.example:81"}))
    assert settings.is_secure(url) is secure


def test_settings_do_not_show_proxy_passwords() -> None:
    assert "hunter2" not in repr(HttpSettings(proxies={"http": "http://user:hunter2@proxy"}))


def test_a_proxy_is_used(other: Server) -> None:
    proxied = "http://elsewhere.invalid/a"
    other.routes[proxied] = [Reply(body=b"via proxy")]
    settings = HttpSettings(proxies={"http": f"http://me:secret@{other.host}"})
    client = client_for_tests(settings=settings)
    assert client.fetch(proxied, accept="*/*", max_bytes=100).body == b"via proxy"
    assert other.seen[0].headers["proxy-authorization"] == _basic("me:secret")


def test_a_proxy_is_not_used_for_the_hosts_that_are_named(server: Server, other: Server) -> None:
    settings = HttpSettings(proxies={"http": other.url}, no_proxy="127.0.0.1")
    client_for_tests(settings=settings).fetch(server.on("/a"), accept="*/*", max_bytes=100)
    assert other.seen == []


def test_a_proxy_that_refuses_is_unavailable_and_its_password_unsaid(other: Server) -> None:
    settings = HttpSettings(proxies={"https": f"http://me:hunter2@{other.host}"})
    with pytest.raises(Unavailable, match="through the proxy") as caught:
        client_for_tests(settings=settings).fetch("https://elsewhere.invalid/a", accept="*/*", max_bytes=100)
    assert "hunter2" not in caught.value.message


def test_the_environment_is_not_read(server: Server, other: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, other.url)
    monkeypatch.setenv("NO_PROXY", "")
    client_for_tests().fetch(server.on("/a"), accept="*/*", max_bytes=100)
    assert other.seen == []


@pytest.mark.parametrize("name", ["ca_bundle", "client_cert"])
def test_certificate_files_must_exist(name: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    settings = HttpSettings(ca_bundle=missing) if name == "ca_bundle" else HttpSettings(client_cert=missing)
    with pytest.raises(ConfigInvalid, match=r"missing\.pem"):
        client_for_tests(settings=settings)


# TLS


def _self_signed(path: Path) -> Path:
    """Write a self-signed certificate for 127.0.0.1 with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _self_signed(tmp_path_factory.mktemp("tls") / "certificate.pem")


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serve(tls) as running:
        yield running


def test_an_unknown_certificate_is_final(secure: Server, clock: Clock) -> None:
    with pytest.raises(Unavailable, match="certificate that is not trusted"):
        client_for_tests(clock).fetch(secure.on("/a"), accept="*/*", max_bytes=10)
    assert clock.slept == []


def test_a_ca_bundle_is_honoured(secure: Server, certificate: Path) -> None:
    client = client_for_tests(settings=HttpSettings(ca_bundle=str(certificate)))
    assert client.fetch(secure.on("/a", body=b"ok"), accept="*/*", max_bytes=10).body == b"ok"


def test_a_trusted_host_needs_no_certificate_and_no_warning(secure: Server) -> None:
    client = client_for_tests(settings=HttpSettings(trusted_hosts=frozenset({secure.host})))
    assert client.fetch(secure.on("/a", body=b"ok"), accept="*/*", max_bytes=10).body == b"ok"


def test_without_strict_ssl_no_host_needs_a_certificate(secure: Server) -> None:
    client = client_for_tests(settings=HttpSettings(strict_ssl=False))
    assert client.fetch(secure.on("/a", body=b"ok"), accept="*/*", max_bytes=10).body == b"ok"


def test_authorities_in_a_setting_are_honoured(secure: Server, certificate: Path) -> None:
    client = client_for_tests(settings=HttpSettings(ca=(certificate.read_text(),)))
    assert client.fetch(secure.on("/a", body=b"ok"), accept="*/*", max_bytes=10).body == b"ok"


def test_authorities_in_a_setting_replace_all_others(certificate: Path) -> None:
    adapter = open_session(HttpSettings(ca=(certificate.read_text(),)), user_agent="").get_adapter("https://a.example/")
    assert isinstance(adapter, HTTPAdapter)
    request = requests.Request("GET", "https://a.example/").prepare()
    pool = adapter.get_connection_with_tls_context(request, verify=True)
    assert isinstance(pool, HTTPSConnectionPool)
    adapter.cert_verify(pool, "https://a.example/", True, None)  # type: ignore[no-untyped-call]
    connection = pool._new_conn()
    assert isinstance(connection, HTTPSConnection)
    assert (connection.ca_certs, connection.ca_cert_dir, connection.ca_cert_data) == (None, None, None)
    assert connection.ssl_context is not None
    only = ssl.PEM_cert_to_DER_cert(certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0])
    assert connection.ssl_context.get_ca_certs(binary_form=True) == [only]


@pytest.mark.parametrize(
    ("url", "proxy", "cert", "shares"),
    [
        ("https://b.example/", "", None, True),
        ("https://b.example/", "http://proxy.example", None, True),
        ("https://b.example/", "https://proxy.example", None, False),
        ("https://b.example/", "", "mine.pem", False),
        ("http://b.example/", "", None, False),
    ],
)
def test_what_is_trusted_is_read_once_unless_more_would_be_put_into_it(
    url: str, proxy: str, cert: str | None, shares: bool
) -> None:
    adapter = open_session(HttpSettings(proxies={"https": proxy} if proxy else {}), user_agent="").get_adapter(url)
    assert isinstance(adapter, HTTPAdapter)

    def context_for(address: str) -> object:
        request = requests.Request("GET", address).prepare()
        return adapter.build_connection_pool_key_attributes(request, True, cert)[1].get("ssl_context")

    assert (context_for(url) is not None) is shares
    assert context_for(url) is context_for(url.replace("b.", "a."))


def test_another_authority_in_a_setting_does_not_help(secure: Server, certificate: Path, tmp_path: Path) -> None:
    client = client_for_tests(settings=HttpSettings(ca=(_self_signed(tmp_path / "other.pem").read_text(),)))
    with pytest.raises(Unavailable, match="not trusted"):
        client.fetch(secure.on("/a"), accept="*/*", max_bytes=10)


@pytest.mark.parametrize("text", ["", "hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----"])
def test_authorities_that_are_none_are_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="ca setting") as caught:
        client_for_tests(settings=HttpSettings(ca=(text,)))
    assert "hunter2" not in caught.value.message


def test_trust_is_for_the_named_host_only(secure: Server) -> None:
    client = client_for_tests(settings=HttpSettings(trusted_hosts=frozenset({"127.0.0.1:1", "other.example"})))
    with pytest.raises(Unavailable, match="not trusted"):
        client.fetch(secure.on("/a"), accept="*/*", max_bytes=10)


def test_a_redirect_from_https_to_http_is_refused(secure: Server, server: Server, certificate: Path) -> None:
    client = client_for_tests(settings=HttpSettings(ca_bundle=str(certificate)))
    url = secure.on("/a", _redirect(server.on("/b")))
    with pytest.raises(Unavailable, match="less secure"):
        client.fetch(url, accept="*/*", max_bytes=10)
    assert server.seen == []


def test_a_client_certificate_is_presented(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.load_verify_locations(certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    with serve(tls) as demanding:
        url = demanding.on("/a", body=b"ok")
        settings = HttpSettings(ca_bundle=str(certificate), client_cert=str(certificate))
        assert client_for_tests(settings=settings).fetch(url, accept="*/*", max_bytes=10).body == b"ok"
        with pytest.raises(Unavailable):
            client_for_tests(settings=HttpSettings(ca_bundle=str(certificate))).fetch(url, accept="*/*", max_bytes=10)


def test_a_client_certificate_of_npmrc_is_presented_below_its_nerf_dart_only(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.load_verify_locations(certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    files = {"certfile": str(certificate), "keyfile": str(certificate)}
    with serve(tls) as demanding:
        demanding.on("/npm/a", body=b"ok")
        demanding.on("/b", body=b"ok")
        credentials = NpmCredentials({f"//{demanding.host}/npm/": files})
        client = client_for_tests(settings=HttpSettings(ca_bundle=str(certificate)), credentials=credentials)
        assert client.fetch(demanding.url + "/npm/a", accept="*/*", max_bytes=10).body == b"ok"
        with pytest.raises(Unavailable):
            client.fetch(demanding.url + "/b", accept="*/*", max_bytes=10)


def test_many_threads_share_a_client(server: Server, client: HttpClient) -> None:
    url = server.on("/a", body=b"ok")
    bodies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: bodies.append(client.fetch(url, accept="*/*", max_bytes=10).body))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [b"ok"] * 12

"""The loopback server: who may ask, and what it refuses as an index and as a proxy."""

from __future__ import annotations

import http.client
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard import limits
from guard.gateway.server import Answer, Body, FileBody, Gateway, Refusal, Request
from guard.model import Level, RuleId


class Shelf:
    """A site with one document, one file and one refusal."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.asked: list[str] = []

    def answer(self, request: Request) -> Answer:
        self.asked.append(request.path)
        match request.path:
            case "/echo":
                return Body(request.body, request.headers.get("content-type", ""), http.HTTPStatus.ACCEPTED)
            case "/page":
                return Body(b"page", "text/plain")
            case "/file":
                return FileBody(self._file, self._file.stat().st_size)
            case _:
                return Refusal(http.HTTPStatus.FORBIDDEN, "blöcked\r\nX-Injected: yes")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    file = tmp_path / "file"
    file.write_bytes(bytes(1_000_000))
    return Shelf(file)


@pytest.fixture
def gateway(shelf: Shelf) -> Iterator[Gateway]:
    with Gateway(shelf) as running:
        yield running


def basic(gateway: Gateway) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"guard:{gateway.password}".encode()).decode()}


def ask(
    gateway: Gateway, target: str, *, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send one request, with the gateway's own credential unless other headers are given."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request(method, target, headers=basic(gateway) if headers is None else headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_documents_and_files_are_served(gateway: Gateway) -> None:
    assert ask(gateway, "/page")[1] == b"page"
    assert ask(gateway, "/file")[1] == bytes(1_000_000)
    answer, body = ask(gateway, "/file", method="HEAD")
    assert (answer.headers["Content-Length"], body) == ("1000000", b"")


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic Z3VhcmQ6Z3Vlc3M="}])
def test_without_the_credential_nothing_is_served(gateway: Gateway, shelf: Shelf, headers: dict[str, str]) -> None:
    answer, body = ask(gateway, "/page", headers=headers)
    assert (answer.status, b"page" in body) == (401, False)
    assert shelf.asked == []


def test_each_gateway_has_a_credential_of_its_own_and_none_in_its_address(gateway: Gateway, shelf: Shelf) -> None:
    with Gateway(shelf) as other:
        assert ask(other, "/page", headers=basic(gateway))[0].status == 401
    assert gateway.url == f"http://127.0.0.1:{gateway.port}"
    assert gateway.password in gateway.netrc


def test_only_reading_is_allowed(gateway: Gateway, shelf: Shelf) -> None:
    assert ask(gateway, "/page", method="POST")[0].status == 405
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("method", "target"),
    [("CONNECT", "packages.example.org:443"), ("GET", "http://packages.example.org/simple/six/")],
)
def test_as_a_proxy_it_refuses_every_other_host_and_says_so(
    gateway: Gateway, shelf: Shelf, method: str, target: str
) -> None:
    assert ask(gateway, target, method=method)[0].status == 403
    assert shelf.asked == []
    [finding] = gateway.foreign_hosts
    assert (finding.rule, finding.level) == (RuleId.SOURCE_NOT_ALLOWED, Level.BLOCK)
    assert "packages.example.org " in finding.message


def test_as_a_proxy_it_serves_itself(gateway: Gateway) -> None:
    assert ask(gateway, f"{gateway.url}/page")[1] == b"page"
    assert gateway.foreign_hosts == ()


def test_a_reason_cannot_add_a_header(gateway: Gateway) -> None:
    answer, _ = ask(gateway, "/anything")
    assert answer.status == 403
    assert answer.headers["X-Injected"] is None
    assert answer.reason.startswith("bl?cked")


def test_npm_presents_the_credential_as_a_bearer_token(gateway: Gateway, shelf: Shelf) -> None:
    answer, body = ask(gateway, "/page", headers={"Authorization": f"Bearer {gateway.password}"})
    assert (answer.status, body) == (200, b"page")
    assert ask(gateway, "/page", headers={"Authorization": "Bearer another"})[0].status == 401
    assert shelf.asked == ["/page"]


@pytest.fixture
def posting(shelf: Shelf) -> Iterator[Gateway]:
    with Gateway(shelf, takes_posts=True) as running:
        yield running


@pytest.mark.parametrize("chunked", [False, True])
def test_what_a_client_sends_arrives_with_its_type(posting: Gateway, chunked: bool) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", posting.port, timeout=30)
    body = iter([b"one ", b"two"]) if chunked else b"one two"
    headers = basic(posting) | {"Content-Type": "text/x-test"}
    connection.request("POST", "/echo", body=body, headers=headers, encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.headers["Content-Type"]) == (202, b"one two", "text/x-test")
    connection.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_larger_than_anything_that_npm_sends(
    posting: Gateway, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    monkeypatch.setattr(limits, "GATEWAY_REQUEST_MAX_BYTES", 6)
    connection = http.client.HTTPConnection("127.0.0.1", posting.port, timeout=30)
    body = iter([b"one ", b"two"]) if chunked else b"one two"
    connection.request("POST", "/echo", body=body, headers=basic(posting), encode_chunked=chunked)
    assert connection.getresponse().status == 413
    assert shelf.asked == []
    connection.close()

"""Which credential of .npmrc goes where, compared with npm's own choice, and that none is ever shown."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid, Unavailable
from guard.registry.npm_credentials import NpmCredentials
from tests.unit.test_registry_http import Reply, Seen, Server, client_for_tests, serve

REGISTRY = "https://npm.example.test/"
Entries = Mapping[str, Mapping[str, str]]


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with serve() as running:
        yield running


def token(value: str) -> dict[str, str]:
    return {"_authToken": value}


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def password(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def header(entries: Entries, url: str, registry: str | None = None) -> str | None:
    return NpmCredentials(entries).for_request(url, registry).grant(url).authorization


# What is sent


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"_authToken": "t"}, "Bearer t"),
        ({"_auth": "dTpw"}, "Basic dTpw"),
        ({"username": "u", "_password": password("p:ä")}, basic("u:p:ä")),
        ({"_authToken": "t", "_auth": "dTpw", "username": "u", "_password": "cA=="}, "Bearer t"),
        ({"_auth": "dTpw", "username": "u", "_password": "cA=="}, "Basic dTpw"),
        ({"_authToken": "", "_auth": "dTpw"}, "Basic dTpw"),
        ({"username": "u"}, None),
        ({"_password": "cA=="}, None),
        ({"username": "u", "_password": ""}, None),
        ({"email": "u@example.test"}, None),
        ({"certfile": "/no/such/file", "keyfile": "/no/such/file"}, None),
        ({}, None),
    ],
)
def test_kinds_of_credentials(settings: dict[str, str], sent: str | None) -> None:
    assert header({"//npm.example.test/": settings}, REGISTRY) == sent


@pytest.mark.parametrize(
    ("stored", "decoded"),
    [
        ("cGFzcw==", "pass"),
        ("cGFzcw", "pass"),
        ("cGF zcw\n==", "pass"),
        ("_-8=", "\ufffd\ufffd"),
        ("cGFzc", "pas"),
        ("cGFz=cw", "pas"),
        ("c", ""),
    ],
)
def test_passwords_are_decoded_as_node_does(stored: str, decoded: str) -> None:
    assert header({"//npm.example.test/": {"username": "u", "_password": stored}}, REGISTRY) == basic(f"u:{decoded}")


@given(st.text(max_size=12))
def test_any_password_decodes(stored: str) -> None:
    sent = header({"//npm.example.test/": {"username": "u", "_password": stored}}, REGISTRY)
    assert (sent is None) == (stored == "")


@pytest.mark.parametrize("value", ["two\nlines", "tab\t", "ü", "secret ", "t\x00"])
def test_what_no_header_can_hold_is_a_configuration_error(value: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"//npm\.example\.test/:_authToken") as caught:
        header({"//npm.example.test/": token(value)}, REGISTRY)
    assert value not in caught.value.message


def test_a_broken_credential_of_another_registry_does_not_matter() -> None:
    assert header({"//other.example.test/": token("ü")}, REGISTRY) is None


# Where it is sent

PATHS = {
    "//npm.example.test/": token("root"),
    "//npm.example.test/a/": token("a"),
    "//npm.example.test/a/b": token("b"),
    "//npm.example.test:8443/": token("port"),
    "//[::1]:8443/": token("six"),
}


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://npm.example.test", "root"),
        ("https://npm.example.test/x/-/x-1.0.0.tgz", "root"),
        ("https://NPM.Example.Test/x", "root"),
        ("https://npm.example.test:443/x", "root"),
        ("https://npm.example.test/a", "root"),
        ("https://npm.example.test/a/", "a"),
        ("https://npm.example.test/a/x?y=/a/b", "a"),
        ("https://npm.example.test/ab/x", "root"),
        ("https://npm.example.test/a/b", "b"),
        ("https://npm.example.test/a/b/", "b"),
        ("https://npm.example.test/a/b/c", "b"),
        ("https://npm.example.test/a/bc", "a"),
        ("https://npm.example.test:8443/a/", "port"),
        ("https://[::1]:8443/x", "six"),
        ("https://npm.example.test:1/", None),
        ("https://evil-npm.example.test/", None),
        ("https://npm.example.test.evil.test/", None),
        ("https://npm.example.test@evil.test/", None),
    ],
)
def test_the_longest_nerf_dart_wins(url: str, sent: str | None) -> None:
    assert header(PATHS, url) == (sent and f"Bearer {sent}")


@pytest.mark.parametrize("path", ["a/../x", "a/./x", "a/..", "a/%2e%2E/x", "a/.%2e/x"])
def test_a_credential_of_a_folder_is_not_sent_to_an_address_that_may_leave_it(path: str) -> None:
    assert header(PATHS, f"https://npm.example.test/{path}") == "Bearer root"
    assert header({"//npm.example.test/a/": token("a")}, f"https://npm.example.test/{path}") is None


def test_a_tarball_beside_its_registrys_path_gets_the_registrys_credential() -> None:
    entries = {"//npm.example.test/a/": token("a"), "//npm.example.test/b/": token("b")}
    tarball = "https://npm.example.test/files/x.tgz"
    assert header(entries, tarball, "https://npm.example.test/a/") == "Bearer a"
    assert header(entries, tarball, "https://npm.example.test/b/") == "Bearer b"
    assert header(entries, tarball, "https://npm.example.test/c/") is None
    assert header(entries, tarball) is None


def test_a_tarball_on_another_host_gets_that_hosts_credential_or_none() -> None:
    entries = {"//npm.example.test/": token("npm"), "//files.example.test/": token("files")}
    assert header(entries, "https://files.example.test/x.tgz", REGISTRY) == "Bearer files"
    assert header(entries, "https://elsewhere.example.test/x.tgz", REGISTRY) is None
    assert header(entries, "https://npm.example.test:8443/x.tgz", REGISTRY) is None


@pytest.mark.parametrize(
    ("url", "registry", "is_sent"),
    [
        ("http://npm.example.test/x.tgz", REGISTRY, False),
        ("http://npm.example.test/x.tgz", None, False),
        ("http://npm.example.test/x.tgz", "http://npm.example.test/", True),
        ("http://npm.example.test/x.tgz", "http://npm.example.test:81/", False),
        ("http://127.0.0.1:4873/x.tgz", REGISTRY, True),
        ("http://localhost/x.tgz", None, True),
    ],
    ids=["downgrade", "no registry", "registry over http", "another port", "loopback", "localhost"],
)
def test_a_credential_is_not_sent_in_the_clear_but_to_a_registry_that_is_written_so(
    url: str, registry: str | None, *, is_sent: bool
) -> None:
    hosts = ("npm.example.test", "127.0.0.1:4873", "localhost")
    assert (header({f"//{host}/": token("t") for host in hosts}, url, registry) is not None) is is_sent


def test_client_certificates_come_with_or_without_another_credential(tmp_path: Path) -> None:
    certfile, keyfile = tmp_path / "cert.pem", tmp_path / "key.pem"
    files = {"certfile": str(certfile), "keyfile": str(keyfile)}
    alone = NpmCredentials({"//npm.example.test/": files}).for_request(REGISTRY, None)
    both = NpmCredentials({"//npm.example.test/": {**token("t"), **files}}).for_request(REGISTRY, None)
    assert alone.grant(REGISTRY) == (None, None)
    certfile.touch()
    assert alone.grant(REGISTRY) == (None, None)
    keyfile.touch()
    assert alone.grant(REGISTRY) == (None, (str(certfile), str(keyfile)))
    assert both.grant(REGISTRY) == ("Bearer t", (str(certfile), str(keyfile)))


# Redirects


def _to(location: str) -> Reply:
    return Reply(302, headers={"Location": location})


def test_a_redirect_on_the_same_origin_keeps_the_credential(server: Server) -> None:
    server.on("/npm/a", _to("/elsewhere"))
    server.on("/elsewhere", body=b"ok")
    client = client_for_tests(credentials=NpmCredentials({f"//{server.host}/npm/": token("t")}))
    client.fetch(server.url + "/npm/a", accept="*/*", max_bytes=10)
    assert server.seen[1].headers["authorization"] == "Bearer t"


def test_a_redirect_to_another_origin_carries_no_credential_not_even_its_own(server: Server, other: Server) -> None:
    server.on("/a", _to(other.on("/b")))
    entries = {f"//{server.host}/": token("t"), f"//{other.host}/": token("o")}
    registry = server.url + "/"
    client_for_tests(credentials=NpmCredentials(entries)).fetch(
        server.url + "/a", accept="*/*", max_bytes=10, registry=registry
    )
    assert server.seen[0].headers["authorization"] == "Bearer t"
    assert "authorization" not in other.seen[0].headers


# Denials


def _denied(server: Server, entries: Entries, status: int = 401) -> Unavailable:
    server.on("/npm/six", Reply(status))
    with pytest.raises(Unavailable) as caught:
        client_for_tests(credentials=NpmCredentials(entries)).fetch(
            server.url + "/npm/six", accept="*/*", max_bytes=10, registry=f"{server.url}/npm/"
        )
    assert caught.value.status == status
    assert "hunter2" not in caught.value.message + caught.value.hint
    return caught.value


@pytest.mark.parametrize(("status", "words"), [(401, "wants credentials"), (403, "denies access")])
def test_a_denial_names_the_entry_that_was_refused(status: int, words: str, server: Server) -> None:
    error = _denied(server, {f"//{server.host}/npm/": token("hunter2")}, status)
    assert f"127.0.0.1 {words}. .npmrc: //{server.host}/npm/:_authToken was refused by the server" in error.message


def test_a_denial_without_an_entry_names_those_there_are(server: Server) -> None:
    error = _denied(server, {"//a.example.test/": token("hunter2"), "//b.example.test/": {"email": "x"}})
    assert ".npmrc: no entry names 127.0.0.1; it has entries for //a.example.test/" in error.message
    assert "b.example.test" not in error.message
    assert error.hint == f"npm config set //{server.host}/:_authToken TOKEN"


def test_a_denial_without_any_entry_says_so(server: Server) -> None:
    assert "it has none for any host" in _denied(server, {}).message


def test_a_denial_after_a_redirect_says_that_nothing_was_sent(server: Server, other: Server) -> None:
    server.on("/a", _to(other.on("/b", Reply(401))))
    client = client_for_tests(credentials=NpmCredentials({f"//{server.host}/": token("hunter2")}))
    with pytest.raises(Unavailable, match=f"not looked at for {other.host}, to which {server.host} redirects"):
        client.fetch(server.url + "/a", accept="*/*", max_bytes=10)


def test_a_denial_of_what_was_not_sent_in_the_clear_says_so() -> None:
    url = "http://npm.example.test/x"
    asked = NpmCredentials({"//npm.example.test/": token("hunter2")}).for_request(url, REGISTRY)
    denial = asked.explain_denial(url, 401)
    assert denial is not None
    assert "//npm.example.test/:_authToken was not sent: npm.example.test is asked without encryption" in denial.reason


def test_other_statuses_have_nothing_to_do_with_credentials() -> None:
    assert NpmCredentials({}).for_request(REGISTRY, None).explain_denial(REGISTRY, 500) is None


def test_there_is_no_second_attempt_without_a_keyring(server: Server) -> None:
    _denied(server, {})
    assert len(server.seen) == 1


def test_nothing_shows_a_secret() -> None:
    entries = {"//npm.example.test/": {**token("hunter2"), "_auth": "hunter2", "_password": "hunter2"}}
    asked = NpmCredentials(entries).for_request(REGISTRY, None)
    assert "hunter2" in (asked.grant(REGISTRY).authorization or "")
    assert "hunter2" not in f"{asked!r} {asked} {asked.grant(REGISTRY)!r} {asked.grant(REGISTRY)}"
    assert "hunter2" not in repr(NpmCredentials(entries))


def test_a_later_change_of_what_was_given_changes_nothing() -> None:
    settings = token("t")
    credentials = NpmCredentials({"//npm.example.test/": settings})
    settings["_authToken"] = "other"
    assert credentials.for_request(REGISTRY, None).grant(REGISTRY).authorization == "Bearer t"


# npm's own choice

_ASK_NPM = """
const getAuth = require(process.argv[1])
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const answers = cases.map(({ url, registry, settings }) => {
  const auth = getAuth(url, { registry, ...settings })
  return auth.token ? `Bearer ${auth.token}` : auth.auth ? `Basic ${auth.auth}` : null
})
process.stdout.write(JSON.stringify(answers))
"""

_ENTRIES: tuple[Entries, ...] = (
    {},
    PATHS,
    {"//npm.example.test/a/": token("a"), "//files.example.test/": {"_auth": "dTpw"}},
    {"//npm.example.test/a": token("a"), "//npm.example.test": token("bare")},
    {"//npm.example.test/a/b/": {"username": "u", "_password": password("p")}, "//npm.example.test/a/": {"email": "e"}},
    {"//npm.example.test/a/b/": {"username": "u"}, "//npm.example.test/": token("root")},
    {"//npm.example.test/a/": {"certfile": "x", "keyfile": "y"}, "//npm.example.test/": token("root")},
    {"//npm.example.test:443/": token("never"), "//npm.example.test:8443/a/": token("port")},
)
_URLS = (
    "https://npm.example.test/",
    "https://npm.example.test/a/b/c",
    "https://npm.example.test/a/x/-/x-1.0.0.tgz",
    "https://npm.example.test/ab",
    "https://npm.example.test:443/a/x",
    "https://npm.example.test:8443/a/x",
    "https://npm.example.test:8443/files/x",
    "https://files.example.test/x.tgz",
    "https://elsewhere.example.test/a/x.tgz",
    "https://NPM.example.test/a/@s%2fx",
)
_REGISTRIES = ("https://npm.example.test/", "https://npm.example.test/a/", "https://npm.example.test:8443/a/b/")


def test_npm_sends_the_same() -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    assert npm, "the tests need npm"
    assert node, "the tests need node"
    auth = Path(npm).resolve().parents[1] / "node_modules" / "npm-registry-fetch" / "lib" / "auth.js"
    cases = [(url, registry, entries) for entries in _ENTRIES for url in _URLS for registry in _REGISTRIES]
    asked = [
        {
            "url": url,
            "registry": registry,
            "settings": {
                f"{dart}:{name}": value for dart, settings in entries.items() for name, value in settings.items()
            },
        }
        for url, registry, entries in cases
    ]
    done = subprocess.run(
        [node, "-e", _ASK_NPM, str(auth)], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    ours = [header(entries, url, registry) for url, registry, entries in cases]
    assert ours == json.loads(done.stdout)
    assert len(set(ours)) > 6


def test_a_request_is_seen_with_its_credential(server: Server) -> None:
    def needs(seen: Seen) -> Reply:
        return Reply(200 if seen.headers.get("authorization") == "Bearer t" else 401)

    server.routes["/six"] = needs
    client = client_for_tests(credentials=NpmCredentials({f"//{server.host}/": token("t")}))
    assert client.fetch(server.url + "/six", accept="*/*", max_bytes=10).status == 200

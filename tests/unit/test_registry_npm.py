"""What registries are asked, how often, and what their answers are taken for, against loopback registries."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from guard import limits
from guard.attest.availability import Flag, Outcome
from guard.constants import NPM_REGISTRY_URL
from guard.errors import MalformedInput, NotFound, Unavailable
from guard.registry import npm
from guard.registry.npm import ABBREVIATED_ACCEPT, AUDIT_PATHS, FULL_ACCEPT, NpmClient, NpmRegistries
from guard.registry.npm_credentials import NpmCredentials
from guard.registry.packument import PublishedVersion
from tests.unit.test_registry_http import Clock, Reply, Seen, Server, client_for_tests, serve

TARBALL = b"tarball"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with serve() as running:
        yield running


def listing(
    name: str = "six", version: str = "1.0.0", *, tarball: str = "https://a.example/x", **dist: object
) -> object:
    return {"name": name, "version": version, "dist": {"tarball": tarball, "shasum": "a" * 40, **dist}}


def reply(document: object) -> Reply:
    return Reply(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})


def packument(*versions: str, name: str = "six", time: object = None, **dist: object) -> Reply:
    listed = {version: listing(name, version, **dist) for version in versions}  # type: ignore[arg-type]
    more = {} if time is None else {"time": time}
    return reply({"name": name, "dist-tags": {}, "versions": listed, **more})


def registries(server: Server, path: str = "/", **scopes: str) -> NpmRegistries:
    return NpmRegistries(default=server.url + path, scopes={f"@{scope}": url for scope, url in scopes.items()})


def npm_client(server: Server, path: str = "/", *, replace_registry_host: str = "npmjs", **scopes: str) -> NpmClient:
    return NpmClient(
        client_for_tests(), registries(server, path, **scopes), replace_registry_host=replace_registry_host
    )


def published(server: Server, path: str = "/", **changes: object) -> PublishedVersion:
    listed = PublishedVersion(
        name="six", version="1.0.0", registry=server.url + path, tarball=f"{server.url}/six.tgz", dependencies={}
    )
    return replace(listed, **changes)  # type: ignore[arg-type]


# Registries


def test_a_scope_may_have_a_registry_of_its_own() -> None:
    both = NpmRegistries(default="https://a.test/", scopes={"@acme": "https://b.test/", "@same": "https://a.test/"})
    assert both.registry_of("@acme/x") == "https://b.test/"
    assert both.registry_of("@same/x") == "https://a.test/"
    assert both.registry_of("@acmes/x") == "https://a.test/"
    assert both.registry_of("@acme") == "https://a.test/"
    assert both.registry_of("x") == "https://a.test/"
    assert both.urls == ("https://a.test/", "https://b.test/")


def test_a_scoped_package_is_asked_of_its_registry_alone(server: Server, other: Server) -> None:
    other.on("/npm/@acme%2Fsix", packument("1.0.0", name="@acme/six"))
    found = npm_client(server, acme=f"{other.url}/npm/").fetch_packument("@acme/six")
    assert (found.name, found.registry) == ("@acme/six", f"{other.url}/npm/")
    assert server.seen == []


def test_a_package_that_its_registry_lacks_is_not_looked_for_elsewhere(server: Server, other: Server) -> None:
    server.on("/@acme%2Fsix", packument("1.0.0", name="@acme/six"))
    with pytest.raises(NotFound):
        npm_client(server, acme=f"{other.url}/").fetch_packument("@acme/six")
    assert server.seen == []


# Packuments


def test_a_packument_is_asked_for_in_short_and_kept(server: Server) -> None:
    server.on("/six", packument("1.0.0"))
    client = npm_client(server)
    assert client.fetch_packument("six") is client.fetch_packument("six")
    assert server.paths == ["/six"]
    assert server.seen[0].headers["accept"] == ABBREVIATED_ACCEPT
    assert "registry" not in server.seen[0].headers


def test_the_full_packument_is_another_request(server: Server) -> None:
    routes: dict[str, Reply] = {
        ABBREVIATED_ACCEPT: packument("1.0.0"),
        FULL_ACCEPT: packument("1.0.0", time={"1.0.0": "2026-01-31T12:00:00.000Z"}),
    }
    server.routes["/six"] = lambda seen: routes[seen.headers["accept"]]
    client = npm_client(server)
    assert not client.fetch_packument("six").is_full
    assert client.fetch_full_packument("six").is_full
    assert client.fetch_full_packument("six") is client.fetch_full_packument("six")
    assert len(server.seen) == 2


def test_a_registry_that_sends_the_full_packument_anyway_is_asked_once(server: Server) -> None:
    server.on("/six", packument("1.0.0", time={"1.0.0": "2026-01-31T12:00:00.000Z"}))
    client = npm_client(server)
    assert client.fetch_packument("six") is client.fetch_full_packument("six")
    assert len(server.seen) == 1


def test_a_registry_that_knows_no_short_form_is_asked_for_the_full_one(server: Server) -> None:
    server.routes["/six"] = lambda seen: packument("1.0.0") if seen.headers["accept"] == FULL_ACCEPT else Reply(404)
    assert npm_client(server).fetch_packument("six").versions == ("1.0.0",)


def test_a_package_that_does_not_exist_is_not_found_once(server: Server) -> None:
    client = npm_client(server)
    for _ in range(2):
        with pytest.raises(NotFound):
            client.fetch_packument("six")
    assert server.paths == ["/six", "/six"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        ".",
        "a/b",
        "@/x",
        "@a/",
        "@a",
        "@a/.x",
        "@a/b/c",
        "_x",
        "a b",
        "a%2fb",
        "a?b",
        "a#b",
        "ä",
        "a\n",
        "../x",
    ],
)
def test_names_that_are_none_reach_no_registry(name: str, server: Server) -> None:
    client = npm_client(server)
    ways: list[Callable[[], object]] = [
        lambda: client.fetch_packument(name),
        lambda: client.fetch_full_packument(name),
        lambda: client.fetch_version(name, "1.0.0"),
    ]
    for ask in ways:
        with pytest.raises(MalformedInput, match="is not the name of an npm package"):
            ask()
    assert server.seen == []


@pytest.mark.parametrize("name", ["JSONStream", "-", "@a/_b", "~x", "a!b", "lodash.merge", "@a.b/c-d_e"])
def test_names_that_registries_have(name: str, server: Server) -> None:
    server.routes["/" + name.replace("/", "%2F")] = [packument("1.0.0", name=name)]
    assert npm_client(server).fetch_packument(name).name == name


PORTAL = Reply(body=b"<!DOCTYPE html><html>Please log in</html>", headers={"Content-Type": "text/html"})
LARGE = Reply(body=b" " * 300 + b"{}")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PACKUMENT", "PACKAGE_VERSION", "PROVENANCE", "REGISTRY_KEYS", "AUDIT_ANSWER", "ARTIFACT"):
        monkeypatch.setattr(limits, f"{name}_MAX_BYTES", 300)
    monkeypatch.setattr(limits, "RETRIES_MAX_COUNT", 0)


@pytest.mark.parametrize(
    "bad",
    [PORTAL, LARGE, reply([]), reply({}), packument("1.0.0", name="seven")],
    ids=["portal", "large", "list", "empty", "another package"],
)
@pytest.mark.usefixtures("small")
def test_what_is_no_listing_is_malformed(bad: Reply, server: Server) -> None:
    server.on("/six", bad)
    server.on("/six/1.0.0", bad)
    with pytest.raises(MalformedInput):
        npm_client(server).fetch_packument("six")
    with pytest.raises(MalformedInput):
        npm_client(server).fetch_version("six", "1.0.0")


@pytest.mark.parametrize(
    "bad",
    [Reply(401), Reply(403), Reply(429), Reply(500), Reply(body=b"{", raw_length=9), Reply(hang_up=True)],
    ids=["401", "403", "429", "500", "cut short", "closed"],
)
@pytest.mark.usefixtures("small")
def test_a_registry_that_does_not_answer_is_unavailable(bad: Reply, server: Server) -> None:
    server.on("/six", bad)
    server.on("/six/1.0.0", bad)
    asks: list[Callable[[NpmClient], object]] = [
        lambda client: client.fetch_packument("six"),
        lambda client: client.fetch_version("six", "1.0.0"),
    ]
    for ask in asks:
        with pytest.raises(Unavailable) as caught:
            ask(npm_client(server))
        assert not isinstance(caught.value, NotFound)
    assert server.paths == ["/six", "/six/1.0.0"]


def test_a_registry_that_asks_for_patience_gets_it(server: Server) -> None:
    clock = Clock()
    server.on("/six", Reply(429, headers={"Retry-After": "7"}), packument("1.0.0"))
    client = NpmClient(client_for_tests(clock), registries(server))
    assert client.fetch_packument("six").versions == ("1.0.0",)
    assert clock.slept == [7.0]


# Versions


def test_a_version_is_asked_for_alone_and_kept(server: Server) -> None:
    server.on("/@acme%2Fsix/1.0.0-rc.1%2Bb", reply(listing("@acme/six", "1.0.0-rc.1+b")))
    client = npm_client(server)
    found = client.fetch_version("@acme/six", "1.0.0-rc.1+b")
    assert (found.name, found.version, found.registry) == ("@acme/six", "1.0.0-rc.1+b", f"{server.url}/")
    assert client.fetch_version("@acme/six", "1.0.0-rc.1+b") is found
    assert server.paths == ["/@acme%2Fsix/1.0.0-rc.1%2Bb"]


def test_a_version_is_taken_from_a_packument_that_is_there(server: Server) -> None:
    server.on("/six", packument("1.0.0"))
    client = npm_client(server)
    client.fetch_packument("six")
    assert client.fetch_version("six", "1.0.0").version == "1.0.0"
    with pytest.raises(NotFound, match=r"has no version 2\.0\.0 of six"):
        client.fetch_version("six", "2.0.0")
    assert server.paths == ["/six"]


@pytest.mark.parametrize("status", [400, 404, 405, 406, 501])
def test_a_registry_that_serves_no_versions_is_asked_for_packuments_from_then_on(status: int, server: Server) -> None:
    for name in ("six", "ten"):
        server.on(f"/{name}", packument("1.0.0", name=name))
        server.on(f"/{name}/1.0.0", Reply(status))
    client = npm_client(server)
    assert client.fetch_version("six", "1.0.0").name == "six"
    assert client.fetch_version("ten", "1.0.0").name == "ten"
    assert server.paths == ["/six/1.0.0", "/six", "/ten"]


def test_a_version_that_does_not_exist_is_not_found_and_others_are_still_asked_for(server: Server) -> None:
    server.on("/six", packument("1.0.0"))
    server.on("/ten/1.0.0", reply(listing("ten")))
    client = npm_client(server)
    with pytest.raises(NotFound, match=r"has no version 9\.9\.9 of six"):
        client.fetch_version("six", "9.9.9")
    client.fetch_version("ten", "1.0.0")
    assert server.paths == ["/six/9.9.9", "/six", "/ten/1.0.0"]


def test_a_package_that_does_not_exist_has_no_versions(server: Server) -> None:
    with pytest.raises(NotFound):
        npm_client(server).fetch_version("six", "1.0.0")


@pytest.mark.parametrize("version", ["", "latest", "..", "1.0.0/../../x", "^1.0.0", "1 || 2", "v1.0.0", "1.0.0\n"])
def test_versions_that_are_none_reach_no_registry(version: str, server: Server) -> None:
    with pytest.raises(MalformedInput, match="is not a version of six"):
        npm_client(server).fetch_version("six", version)
    assert server.seen == []


def test_another_version_than_the_one_asked_for_is_malformed(server: Server) -> None:
    server.on("/six/1.0.0", reply(listing(version="1.0.1")))
    with pytest.raises(MalformedInput, match="another version"):
        npm_client(server).fetch_version("six", "1.0.0")


# Tarballs


def test_a_tarball_is_streamed(server: Server, other: Server) -> None:
    sink = io.BytesIO()
    npm_client(server).fetch_tarball(published(server, tarball=other.on("/x.tgz", body=TARBALL)), sink)
    assert sink.getvalue() == TARBALL


@pytest.mark.usefixtures("small")
def test_a_tarball_has_a_ceiling(server: Server) -> None:
    server.on("/six.tgz", LARGE)
    with pytest.raises(MalformedInput, match="larger than 300 bytes"):
        npm_client(server).fetch_tarball(published(server), io.BytesIO())


PUBLIC = NPM_REGISTRY_URL.rstrip("/")
MIRROR = "https://corp.example.test:8443/npm/"


@pytest.mark.parametrize(
    ("setting", "tarball", "registry", "asked"),
    [
        ("npmjs", f"{PUBLIC}/x/-/x-1.tgz", MIRROR, f"{MIRROR}x/-/x-1.tgz"),
        ("", f"{PUBLIC}/x/-/x-1.tgz", MIRROR, f"{MIRROR}x/-/x-1.tgz"),
        ("npmjs", f"{PUBLIC}/npm/x/-/x-1.tgz?a=b#c", MIRROR, f"{MIRROR}x/-/x-1.tgz?a=b"),
        ("npmjs", f"{PUBLIC}/npmx/-/x-1.tgz", MIRROR, f"{MIRROR}npmx/-/x-1.tgz"),
        ("npmjs", f"{PUBLIC}/x/-/x-1.tgz", f"{PUBLIC}/", f"{PUBLIC}/x/-/x-1.tgz"),
        ("npmjs", "https://a.test/x.tgz", MIRROR, "https://a.test/x.tgz"),
        ("npmjs", f"{PUBLIC}.evil.test/x", MIRROR, f"{PUBLIC}.evil.test/x"),
        ("never", f"{PUBLIC}/x/-/x-1.tgz", MIRROR, f"{PUBLIC}/x/-/x-1.tgz"),
        ("always", "https://a.test/x.tgz", MIRROR, f"{MIRROR}x.tgz"),
        ("always", "https://me:pw@a.test/x.tgz", MIRROR, f"{MIRROR}x.tgz"),
        ("a.test", "https://A.test:81/x.tgz", MIRROR, f"{MIRROR}x.tgz"),
        ("a.test:81", "https://a.test:81/x.tgz", MIRROR, f"{MIRROR}x.tgz"),
        ("a.test", f"{PUBLIC}/x.tgz", MIRROR, f"{PUBLIC}/x.tgz"),
        ("https://a.test/old/", "https://a.test/old/x.tgz", MIRROR, f"{MIRROR}x.tgz"),
        ("https://a.test/old/", "https://a.test/older/x.tgz", MIRROR, "https://a.test/older/x.tgz"),
    ],
)
def test_the_host_of_a_tarball_is_replaced_as_npm_does(
    setting: str, tarball: str, registry: str, asked: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = client_for_tests()
    seen: list[tuple[str, object]] = []
    monkeypatch.setattr(http, "fetch_to", lambda url, sink, **options: seen.append((url, options["registry"])))
    client = NpmClient(http, NpmRegistries(default=registry), replace_registry_host=setting)
    client.fetch_tarball(published(server, registry=registry, tarball=tarball), io.BytesIO())
    assert seen == [(asked, registry)]


def _client_with_token(server: Server, path: str = "/") -> NpmClient:
    credentials = NpmCredentials({f"//{server.host}{path}": {"_authToken": "secret"}})
    return NpmClient(client_for_tests(credentials=credentials), registries(server, path))


def test_every_request_to_a_registry_carries_its_credential(server: Server) -> None:
    client = _client_with_token(server, "/npm/")
    listed = published(server, "/npm/", has_attestations=True)
    for path in ("/six.tgz", "/npm/-/npm/v1/keys", "/npm/-/npm/v1/attestations/six@1.0.0"):
        server.on(path)
    server.on("/npm/six", packument("1.0.0"))
    server.on("/npm/ten/1.0.0", reply(listing("ten")))
    client.fetch_packument("six")
    client.fetch_version("ten", "1.0.0")
    client.fetch_tarball(listed, io.BytesIO())
    client.fetch_attestations(listed)
    client.fetch_keys(f"{server.url}/npm/")
    client.post_audit("/-/npm/v1/security/advisories/bulk", b"", {})
    assert len(server.seen) == 6
    assert [seen.headers.get("authorization") for seen in server.seen] == ["Bearer secret"] * 6


def test_a_tarball_on_another_host_is_fetched_without_the_registrys_credential(server: Server, other: Server) -> None:
    listed = published(server, tarball=other.on("/six.tgz", body=TARBALL))
    _client_with_token(server).fetch_tarball(listed, io.BytesIO())
    assert "authorization" not in other.seen[0].headers


def test_a_redirected_tarball_is_fetched_without_the_registrys_credential(server: Server, other: Server) -> None:
    server.on("/six.tgz", Reply(302, headers={"Location": other.on("/cdn.tgz", body=TARBALL)}))
    sink = io.BytesIO()
    _client_with_token(server).fetch_tarball(published(server), sink)
    assert sink.getvalue() == TARBALL
    assert server.seen[0].headers["authorization"] == "Bearer secret"
    assert "authorization" not in other.seen[0].headers


# Attestations


@pytest.mark.parametrize(
    ("answer", "outcome", "document"),
    [
        (Reply(body=b"{}"), Outcome.FOUND, b"{}"),
        (PORTAL, Outcome.FOUND, PORTAL.body),
        (Reply(404), Outcome.NOT_FOUND, None),
        (Reply(401), Outcome.DENIED, None),
        (Reply(403), Outcome.DENIED, None),
        (Reply(500), Outcome.FAILED, None),
        (Reply(429), Outcome.FAILED, None),
        (Reply(body=b"{", raw_length=9), Outcome.FAILED, None),
        (Reply(hang_up=True), Outcome.FAILED, None),
    ],
    ids=["found", "portal", "404", "401", "403", "500", "429", "cut short", "closed"],
)
@pytest.mark.usefixtures("small")
def test_listed_attestations_are_asked_for_once(
    answer: Reply, outcome: Outcome, document: bytes | None, server: Server
) -> None:
    server.on("/-/npm/v1/attestations/@acme%2Fsix@1.0.0-a%2Bb", answer)
    client = npm_client(server)
    listed = published(server, name="@acme/six", version="1.0.0-a+b", has_attestations=True)
    assert client.fetch_attestations(listed) == (Flag.PRESENT, outcome, document)
    assert client.fetch_attestations(listed) == (Flag.PRESENT, outcome, document)
    assert len(server.seen) == 1


@pytest.mark.usefixtures("small")
def test_attestations_that_are_too_large_are_malformed(server: Server) -> None:
    server.on("/-/npm/v1/attestations/six@1.0.0", LARGE)
    with pytest.raises(MalformedInput, match="larger than 300 bytes"):
        npm_client(server).fetch_attestations(published(server, has_attestations=True))


def test_the_listed_host_of_attestations_is_never_asked(server: Server, other: Server) -> None:
    listed = published(server, "/npm/", has_attestations=True, attestations_url=f"{other.url}/elsewhere?x=y")
    server.on("/elsewhere", body=b"{}")
    assert npm_client(server, "/npm/").fetch_attestations(listed) == (Flag.PRESENT, Outcome.FOUND, b"{}")
    assert server.paths == ["/npm/-/npm/v1/attestations/six@1.0.0", "/elsewhere"]
    assert other.seen == []


@pytest.mark.parametrize("path", ["//evil.example.test/x", "", "no-address", "https://["])
def test_a_listed_address_cannot_change_the_host(path: str, server: Server) -> None:
    url = path if path in ("", "no-address", "https://[") else f"https://a.example.test{path}"
    listed = published(server, has_attestations=True, attestations_url=url)
    assert npm_client(server).fetch_attestations(listed) == (Flag.PRESENT, Outcome.NOT_FOUND, None)
    assert server.paths[0] == "/-/npm/v1/attestations/six@1.0.0"
    assert server.paths[1:] in ([], ["//evil.example.test/x"], ["/evil.example.test/x"])


def test_a_registry_that_never_carries_evidence_is_not_asked(server: Server) -> None:
    assert npm_client(server).fetch_attestations(published(server)) == (Flag.NEVER_CARRIED, Outcome.NOT_ASKED, None)
    assert server.seen == []


@pytest.mark.parametrize(
    "dist",
    [{"signatures": []}, {"attestations": {"url": "https://a.example/x"}}],
    ids=["signatures", "attestations"],
)
@pytest.mark.parametrize("way", ["packument", "version"])
def test_one_version_with_evidence_shows_that_its_registry_carries_it(
    way: str, dist: Mapping[str, object], server: Server, other: Server
) -> None:
    server.on("/ten", packument("1.0.0", name="ten", **dist))
    server.on("/ten/1.0.0", reply(listing("ten", **dist)))  # type: ignore[arg-type]
    client = npm_client(server)
    if way == "packument":
        client.fetch_packument("ten")
    else:
        client.fetch_version("ten", "1.0.0")
    assert client.fetch_attestations(published(server)) == (Flag.ABSENT, Outcome.NOT_ASKED, None)
    assert client.fetch_attestations(published(other))[0] is Flag.NEVER_CARRIED


def test_the_public_registry_carries_evidence_by_definition(server: Server) -> None:
    listed = published(server, registry=NPM_REGISTRY_URL)
    assert npm_client(server).fetch_attestations(listed) == (Flag.ABSENT, Outcome.NOT_ASKED, None)


# Keys


def test_keys_are_fetched_once_for_each_registry(server: Server, other: Server) -> None:
    server.on("/-/npm/v1/keys", body=b"one")
    other.on("/npm/-/npm/v1/keys", body=b"two")
    client = npm_client(server, acme=f"{other.url}/npm/")
    for _ in range(2):
        assert [client.fetch_keys(url) for url in client.registries.urls] == [b"one", b"two"]
    assert (len(server.seen), len(other.seen)) == (1, 1)


@pytest.mark.parametrize("status", [400, 404])
def test_a_registry_without_keys(status: int, server: Server) -> None:
    server.on("/-/npm/v1/keys", Reply(status))
    with pytest.raises(NotFound):
        npm_client(server).fetch_keys(f"{server.url}/")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("status", [401, 403, 500])
def test_keys_that_cannot_be_had(status: int, server: Server) -> None:
    server.on("/-/npm/v1/keys", Reply(status))
    with pytest.raises(Unavailable) as caught:
        npm_client(server).fetch_keys(f"{server.url}/")
    assert not isinstance(caught.value, NotFound)


@pytest.mark.usefixtures("small")
def test_keys_that_are_too_large_are_malformed(server: Server) -> None:
    server.on("/-/npm/v1/keys", LARGE)
    with pytest.raises(MalformedInput, match="larger than 300 bytes"):
        npm_client(server).fetch_keys(f"{server.url}/")


# Audits


@pytest.mark.parametrize("path", sorted(AUDIT_PATHS))
@pytest.mark.parametrize("status", [200, 404, 503])
def test_an_audit_is_passed_on_and_its_answer_back(path: str, status: int, server: Server) -> None:
    server.on(f"/npm{path}", Reply(status, body=b"{}"))
    headers = {
        "Content-Type": "application/json",
        "content-encoding": "gzip",
        "Accept": "application/json",
        "Authorization": "Bearer of-the-gateway",
        "Cookie": "of-the-gateway",
        "npm-session": "of-the-gateway",
        "Content-Length": "999",
    }
    answer = npm_client(server, "/npm/").post_audit(path, b"asked", headers)
    assert (answer.status, answer.body) == (status, b"{}")
    seen = server.seen[0]
    assert (seen.method, seen.body) == ("POST", b"asked")
    assert {name: seen.headers[name] for name in ("content-type", "content-encoding", "accept")} == {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "accept": "application/json",
    }
    assert "of-the-gateway" not in seen.headers.values()
    assert len(server.seen) == 1


def test_an_audit_goes_to_the_addresses_of_audits_only(server: Server) -> None:
    with pytest.raises(ValueError, match="not an address of npm audit"):
        npm_client(server).post_audit("/-/npm/v1/tokens", b"", {})
    assert server.seen == []


@pytest.mark.usefixtures("small")
def test_the_answer_to_an_audit_is_capped(server: Server) -> None:
    path = min(AUDIT_PATHS)
    server.on(path, LARGE)
    with pytest.raises(MalformedInput, match="larger than 300 bytes"):
        npm_client(server).post_audit(path, b"", {})


# Threads


def test_threads_that_want_the_same_wait_for_one_request(server: Server) -> None:
    waiting, release = threading.Semaphore(0), threading.Event()

    def slow(_: Seen) -> Reply:
        release.wait(60)
        return packument("1.0.0")

    server.routes["/six"] = slow
    client = npm_client(server)

    def ask() -> object:
        waiting.release()
        return client.fetch_packument("six")

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        for _ in asked:
            waiting.acquire()
        release.set()
        found = {id(future.result()) for future in asked}
    assert (len(found), len(server.seen)) == (1, 1)


def test_a_failure_that_is_no_registrys_does_not_leave_others_waiting(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npm, "parse_packument", lambda *_, **__: 1 / 0)
    server.on("/six", packument("1.0.0"))
    client = npm_client(server)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            client.fetch_packument("six")

"""What npm is answered: which release a request is for, what is delivered undecided (nothing), and what is noted."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import pytest

from guard.engine.npm import NpmEngine, NpmRequest
from guard.gateway.npm import NpmSite
from guard.gateway.server import Answer, Body, FileBody, Gateway, Refusal, Request
from guard.model import Judged, Level, RuleId, SourceKind
from guard.registry.http import Response
from tests.sim.faults import NpmKind
from tests.sim.npm import Fault, NpmSimulator
from tests.sim.npm_packages import make_tarball
from tests.sim.world import World
from tests.unit.npm_engine import npm_engine

SHORT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"
BLOCKING = ('[[package]]\nname = "npm:evil"\nprovenance = "required"',)
NOT_FOUND = Body(b'{"error":"Not found"}', "application/json", HTTPStatus.NOT_FOUND)


class Served(NamedTuple):
    """A site, and what it told of."""

    site: NpmSite
    engine: NpmEngine
    told: list[str]

    def get(self, path: str, **headers: str) -> Answer:
        return self.site.answer(
            Request(method="GET", path=path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        )

    def tarball(self, path: str, package_id: str = "") -> Answer:
        return self.get(path, pacote_req_type="tarball", **({"pacote_pkg_id": package_id} if package_id else {}))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(started: World) -> World:
    """Registries that behave, with these packages; tests publish more, under names of their own."""
    started.npm.clear_faults()
    for name, version in (("good", "1.0.0"), ("good", "1.1.0"), ("evil", "1.0.0"), ("@acme/good", "1.0.0")):
        started.publish_npm(name, version)
    started.npm.clear_requests()
    return started


@pytest.fixture
def serve(world: World, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Return a function that makes a site over an engine; nothing may be decided in the order that was not noted."""
    with npm_engine(world, tmp_path / "engine", *BLOCKING) as (engine, client):

        def make(*planned: Judged, addresses: tuple[str, ...] = ()) -> Served:
            told: list[str] = []
            site = NpmSite(
                engine,
                client,
                planned=planned,
                addresses=addresses,
                on_refusal=lambda: told.append("refused"),
                on_delivery=lambda judged: told.append(judged.artifact.spec),
            )
            return Served(site, engine, told)

        yield make


def content(answer: Answer) -> bytes:
    assert isinstance(answer, FileBody)
    return answer.path.read_bytes()


# Packuments


@pytest.mark.parametrize("path", ["/good", "/@acme/good"])
def test_packuments_pass_in_the_form_that_npm_asks_for(serve: Callable[..., Served], world: World, path: str) -> None:
    served = serve()
    short, full = served.get(path, accept=SHORT), served.get(path, accept="application/json")
    assert isinstance(short, Body)
    assert isinstance(full, Body)
    assert (short.content_type, full.content_type) == ("application/vnd.npm.install-v1+json", "application/json")
    assert "time" not in json.loads(short.content)
    assert "time" in json.loads(full.content)
    [listed] = [json.loads(short.content)["versions"]["1.0.0"]["dist"]["tarball"]]
    assert listed.startswith(world.npm.url)
    assert served.told == []


def test_a_package_that_is_not_there_is_no_finding(serve: Callable[..., Served]) -> None:
    served = serve()
    assert served.get("/absent", accept=SHORT) == NOT_FOUND
    assert (served.site.findings, served.told) == ((), [])


def test_evidence_is_passed_on_to_a_guard_that_a_script_starts(serve: Callable[..., Served], world: World) -> None:
    served = serve()
    published = world.publish_npm("@acme/proven", "1.0.0", attested=True)
    for path in ("/-/npm/v1/attestations/@acme/proven@1.0.0", "/-/npm/v1/keys"):
        answer = served.get(path)
        assert isinstance(answer, Body)
        assert json.loads(answer.content) == (published.attestations if "proven" in path else world.npm.keys)
    assert (served.site.findings, served.told) == ((), [])


@pytest.mark.parametrize("kind", ["keys", "attestations"])
def test_evidence_that_cannot_be_had_is_no_finding(serve: Callable[..., Served], world: World, kind: NpmKind) -> None:
    world.publish_npm("proven", "1.0.0", attested=True)
    world.npm.fault(kind, Fault.FORBIDDEN)
    served = serve()
    answer = served.get("/-/npm/v1/keys" if kind == "keys" else "/-/npm/v1/attestations/proven@1.0.0")
    assert isinstance(answer, Refusal)
    assert (answer.status, served.site.findings, served.told) == (424, (), [])


@pytest.mark.parametrize("path", ["/-/ping", "/-/v1/search", "/-/npm/v1/attestations/x", "/-/npm/v1/keys/x"])
def test_what_installs_nothing_is_not_there(serve: Callable[..., Served], world: World, path: str) -> None:
    served = serve()
    assert served.get(path) == NOT_FOUND
    assert (served.site.findings, served.told, world.npm.requests) == ((), [], [])


@pytest.mark.parametrize(
    ("fault", "status", "level"),
    [(Fault.FORBIDDEN, 424, Level.UNDECIDED), (Fault.RESET, 424, Level.UNDECIDED), (Fault.NOT_JSON, 403, Level.BLOCK)],
)
def test_a_packument_that_cannot_be_had_is_a_finding(
    serve: Callable[..., Served], world: World, fault: Fault, status: int, level: Level
) -> None:
    world.npm.fault("packument", fault)
    served = serve()
    for _ in range(2):
        answer = served.get("/good", accept=SHORT)
        assert isinstance(answer, Refusal)
        assert answer.status == status
    [finding] = served.site.findings
    assert (finding.rule, finding.level) == (RuleId.REGISTRY_UNAVAILABLE, level)
    assert "refused" in served.told


@pytest.mark.parametrize("path", ["/..", "/good%20x", "/@acme/..", "/GOOD\x1b[31m"])
def test_no_registry_is_asked_for_what_is_no_name(serve: Callable[..., Served], world: World, path: str) -> None:
    answer = serve().get(path, accept=SHORT)
    assert isinstance(answer, Refusal)
    assert answer.status == 403
    assert world.npm.requests == []


# Tarballs


@pytest.mark.parametrize("package_id", ["", "registry:good@x", "remote:good@http://a.test/good", "nonsense"])
def test_a_tarball_is_decided_and_delivered(serve: Callable[..., Served], package_id: str) -> None:
    served = serve()
    assert b"\x1f\x8b" in content(served.tarball("/good/-/good-1.0.0.tgz", package_id))
    assert [judged.artifact.spec for judged in served.site.delivered] == ["good@1.0.0"]
    assert (served.told, served.site.refused, served.site.findings) == (["good@1.0.0"], (), ())


def test_a_scoped_tarball_is_its_own(serve: Callable[..., Served]) -> None:
    served = serve()
    content(served.tarball("/@acme/good/-/good-1.0.0.tgz"))
    assert served.told == ["@acme/good@1.0.0"]


def test_a_refusal_is_noted_before_npm_hears_of_it(serve: Callable[..., Served]) -> None:
    served = serve()
    answer = served.tarball("/evil/-/evil-1.0.0.tgz", "registry:evil@x")
    assert isinstance(answer, Refusal)
    assert (answer.status, "provenance-missing" in answer.reason) == (403, True)
    assert [judged.artifact.spec for judged in served.site.refused] == ["evil@1.0.0"]
    assert (served.told, served.site.delivered) == (["refused"], ())


def test_a_header_cannot_give_a_release_another_name(serve: Callable[..., Served]) -> None:
    for package_id in ("registry:good@http://a.test/", "remote:good@1.0.0", "registry:absent@x", "registry:../x@y"):
        served = serve()
        assert isinstance(served.tarball("/evil/-/evil-1.0.0.tgz", package_id), Refusal)
        assert served.told == ["refused"]


def test_a_path_cannot_give_a_release_another_name(serve: Callable[..., Served], world: World) -> None:
    """A package lists its tarball below the name of another one: it is decided as what the request is for."""
    world.publish_npm("evil", "2.0.0", tarball=f"{world.npm.base_url}/good/-/good-9.9.9.tgz")
    served = serve()
    assert isinstance(served.tarball("/good/-/good-9.9.9.tgz", "registry:evil@x"), Refusal)
    assert [judged.artifact.spec for judged in served.site.refused] == ["evil@2.0.0"]


@pytest.mark.parametrize("package_id", ["registry:odd@{url}", "remote:odd@{url}"])
def test_registries_write_paths_as_they_like(
    serve: Callable[..., Served], world: World, tmp_path: Path, package_id: str
) -> None:
    served = serve()
    address = "https://files.example.test/download/odd/1.0.0/a%20b"
    world.publish_npm("odd", "1.0.0", tarball=address)
    answer = served.tarball("/download/odd/1.0.0/a b", package_id.format(url=address))
    assert isinstance(answer, Refusal), "nothing is at that address"
    assert [judged.artifact.spec for judged in served.site.refused] == ["odd@1.0.0"]


def test_an_alias_is_the_package_behind_it(serve: Callable[..., Served]) -> None:
    served = serve()
    assert isinstance(served.tarball("/evil/-/evil-1.0.0.tgz", "remote:good@http://a.test/evil"), Refusal)
    content(served.tarball("/good/-/good-1.0.0.tgz", "remote:no-such-alias@http://a.test/"))
    assert served.told == ["refused", "good@1.0.0"]


@pytest.mark.parametrize(
    "path", ["/good-1.0.0.tgz", "/good/-/good-6.6.6.tgz", "/absent/-/absent-1.0.0.tgz", "/good/1.0.0", "/"]
)
def test_what_no_registry_lists_is_refused(serve: Callable[..., Served], path: str) -> None:
    served = serve()
    answer = served.tarball(path)
    assert isinstance(answer, Refusal)
    assert answer.status == 403
    [finding] = served.site.findings
    assert (finding.rule, finding.level) == (RuleId.SOURCE_NOT_ALLOWED, Level.BLOCK)
    assert served.told == ["refused"]


def test_an_address_is_said_as_the_user_wrote_it(serve: Callable[..., Served]) -> None:
    served = serve(addresses=("https://user:secret@files.test/a%20b.tgz?token=secret", "https://[broken/x"))
    served.tarball("/a b.tgz")
    [finding] = served.site.findings
    assert "https://files.test/a%20b.tgz" in finding.message
    assert "secret" not in finding.message


def test_an_address_that_looks_like_a_name_is_no_packument(serve: Callable[..., Served]) -> None:
    assert isinstance(serve().tarball("/good"), Refusal)


def test_a_broken_listing_does_not_hide_another_version(serve: Callable[..., Served], world: World) -> None:
    world.publish_npm("good", "0.9.0", tarball="not an address")
    content(serve().tarball("/good/-/good-1.1.0.tgz"))


def test_bytes_that_cannot_be_had_are_not_delivered(serve: Callable[..., Served], world: World) -> None:
    world.npm.fault("tarball", Fault.FORBIDDEN)
    served = serve()
    answer = served.tarball("/good/-/good-1.0.0.tgz")
    assert isinstance(answer, Refusal)
    assert answer.status == 424
    assert served.told == ["refused"]


# The plan


def test_what_is_planned_is_delivered_and_not_told_again(serve: Callable[..., Served]) -> None:
    judged = serve().engine.judge(NpmRequest(name="good", version="1.0.0"))
    served = serve(judged)
    content(served.tarball("/good/-/good-1.0.0.tgz"))
    content(served.tarball("/good/-/good-1.1.0.tgz"))
    assert [judged.artifact.spec for judged in served.site.delivered] == ["good@1.1.0"]


@pytest.mark.parametrize("source", [SourceKind.LOCAL, SourceKind.PATH, SourceKind.BUNDLED])
def test_a_planned_folder_does_not_stand_for_a_release_of_its_name(
    serve: Callable[..., Served], source: SourceKind
) -> None:
    judged = serve().engine.judge(NpmRequest(name="good", version="1.0.0"))
    artifact = replace(judged.artifact, name="evil", source=source)
    served = serve(replace(judged, facts=replace(judged.facts, artifact=artifact)))
    assert isinstance(served.tarball("/evil/-/evil-1.0.0.tgz"), Refusal)


def test_every_request_of_a_release_gets_the_same_decision(serve: Callable[..., Served], world: World) -> None:
    served = serve()
    content(served.tarball("/good/-/good-1.0.0.tgz"))
    world.upload_npm(make_tarball("good", "1.0.0", files={"changed.js": "1"}))
    content(served.tarball("/good/-/good-1.0.0.tgz"))
    assert len([seen for seen in world.npm.requests if seen.path.endswith("good-1.0.0.tgz")]) == 1


# npm audit


def audit(served: Served, path: str = "/-/npm/v1/security/advisories/bulk") -> Answer:
    headers = {"content-type": "application/json", "authorization": "Bearer guards-own"}
    return served.site.answer(Request(method="POST", path=path, headers=headers, body=b'{"good":["1.0.0"]}'))


def test_audits_pass_without_the_login_at_the_gateway(serve: Callable[..., Served], world: World) -> None:
    answer = audit(serve())
    assert isinstance(answer, Body)
    assert (answer.status, answer.content) == (200, b"{}")
    assert "authorization" not in world.npm.requests[0].headers


@pytest.mark.parametrize("path", ["/good", "/-/v1/login", "/-/npm/v1/security/advisories", "/"])
def test_no_other_post_passes_and_none_is_a_crash(serve: Callable[..., Served], world: World, path: str) -> None:
    served = serve()
    assert audit(served, path) == NOT_FOUND
    served.site.raise_crash()
    assert world.npm.requests == []


def test_an_audit_that_fails_decides_nothing(serve: Callable[..., Served], world: World) -> None:
    world.npm.fault("audit", Fault.RESET)
    served = serve()
    answer = audit(served)
    assert isinstance(answer, Refusal)
    assert answer.status == 424
    assert (served.site.findings, served.told) == ((), [])


def test_a_status_that_is_not_known_passes_as_a_bad_gateway(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    odd = Response(url="x", status=520, headers={}, body=b"?")
    monkeypatch.setattr(served.site._client, "post_audit", lambda *_: odd)
    answer = audit(served)
    assert isinstance(answer, Body)
    assert answer.status == 502
    served.site.raise_crash()


# Behind the gateway


def test_a_crash_is_kept_and_refuses(serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()

    def crash(_: str) -> None:
        raise AssertionError("a mistake of guard's own")

    monkeypatch.setattr(served.engine, "fetch_packument", crash)
    answer = served.get("/good", accept=SHORT)
    assert isinstance(answer, Refusal)
    assert (answer.status, "mistake" in answer.reason, served.told) == (424, False, ["refused"])
    with pytest.raises(AssertionError, match="a mistake"):
        served.site.raise_crash()


@pytest.mark.parametrize("path", ["/@acme/good", "/@acme%2Fgood", "/@acme%2fgood", "/@acme/good/-/good-1.0.0.tgz"])
def test_npm_encodes_names_as_it_likes(serve: Callable[..., Served], path: str) -> None:
    with Gateway(serve().site, takes_posts=True) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {gateway.password}"})
        answer = connection.getresponse()
        assert (answer.status, len(answer.read())) == (200, int(answer.headers["Content-Length"]))
        connection.close()


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/good", "good"), ("/@acme%2fgood", "@acme%2fgood"), ("/-/npm/v1/x", "-/npm/v1/x"), ("", ""), ("/", "")],
)
def test_addresses_are_shown_as_those_of_the_registry(
    serve: Callable[..., Served], world: World, path: str, shown: str
) -> None:
    assert serve().site.upstream_url(path).rstrip("/") == f"{world.npm.url}{shown}".rstrip("/")


def test_addresses_of_a_scope_are_those_of_its_registry(world: World, tmp_path: Path) -> None:
    with (
        NpmSimulator() as scoped,
        npm_engine(world, tmp_path / "other", scopes={"@acme": scoped.url}) as (engine, client),
    ):
        site = NpmSite(engine, client)
        assert site.upstream_url("/@acme%2fgood") == f"{scoped.url}@acme%2fgood"
        assert site.upstream_url("/good") == f"{world.npm.url}good"

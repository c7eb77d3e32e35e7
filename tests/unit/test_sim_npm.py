"""The npm simulator, behaviour by behaviour; ``tests/sim/FIDELITY.md`` says where each comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
import requests

from tests.sim.documents import JsonObject
from tests.sim.faults import NpmKind
from tests.sim.npm import Fault, NpmSimulator
from tests.sim.npm_packages import make_tarball, read_tarball
from tests.sim.packuments import ABBREVIATED, integrity_of

_CONTENT = make_tarball("widget", "1.0.0", dependencies={"gear": "^2.0.0"}, scripts={"test": "true"})
_SCOPED = make_tarball("@acme/widget", "1.0.0")
# What npm sends (pacote, lib/registry.js): `corgiDoc`, and `fullDoc`.
_SHORT = f"{ABBREVIATED}; q=1.0, application/json; q=0.8, */*"
_FULL = "application/json"
_SIGNATURE = {"keyid": "SHA256:key", "sig": "c2ln"}
_DOCUMENT: JsonObject = {"attestations": []}
_PUBLISHED = datetime(2025, 3, 1, 12, 30, 15, 678901, tzinfo=timezone.utc)


@pytest.fixture
def npm() -> Iterator[NpmSimulator]:
    with NpmSimulator() as simulator:
        yield simulator


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Accept"] = _SHORT
        yield session


def _get(
    npm: NpmSimulator, session: requests.Session, path: str, accept: str = _SHORT, **headers: str
) -> requests.Response:
    return session.get(npm.url + path, headers={"Accept": accept, **headers}, timeout=60)


def _entry(npm: NpmSimulator, session: requests.Session, accept: str = _SHORT, name: str = "widget") -> JsonObject:
    [entry] = _get(npm, session, name, accept).json()["versions"].values()
    return dict(entry)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (_SHORT, ABBREVIATED),
        (ABBREVIATED, ABBREVIATED),
        (_FULL, _FULL),
        ("*/*", _FULL),
        ("image/png", _FULL),
        (f"{ABBREVIATED};q=0.1, application/json", _FULL),
    ],
)
def test_the_form_of_a_packument_follows_accept(
    npm: NpmSimulator, session: requests.Session, accept: str, content_type: str
) -> None:
    npm.add(_CONTENT)
    response = _get(npm, session, "widget", accept)
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Vary"] == "Accept-Encoding, Accept"
    assert ("time" in response.json()) == (content_type == _FULL)


def test_a_short_packument_has_the_fields_that_an_installation_needs(
    npm: NpmSimulator, session: requests.Session
) -> None:
    more = {"engines": {"node": ">=18"}, "os": ["linux"], "funding": "https://example.test", "main": "index.js"}
    content = make_tarball("widget", "1.0.0", scripts={"postinstall": "true"}, manifest_overrides=more)
    npm.add(content, published_at=_PUBLISHED, deprecated="broken", signatures=[_SIGNATURE], attestations=_DOCUMENT)
    document = _get(npm, session, "widget").json()
    entry = document["versions"].pop("1.0.0")
    assert document == {
        "name": "widget",
        "modified": "2025-03-01T12:30:15.678Z",
        "dist-tags": {"latest": "1.0.0"},
        "versions": {},
    }
    assert entry.pop("dist") == {
        "integrity": integrity_of(content),
        "shasum": hashlib.sha1(content).hexdigest(),
        "tarball": f"{npm.base_url}/widget/-/widget-1.0.0.tgz",
        "fileCount": 2,
        "unpackedSize": sum(len(file) for file in read_tarball(content).values()),
        "signatures": [_SIGNATURE],
        "attestations": {
            "url": f"{npm.base_url}/-/npm/v1/attestations/widget@1.0.0",
            "provenance": {"predicateType": "https://slsa.dev/provenance/v1"},
        },
    }
    assert entry == {
        "name": "widget",
        "version": "1.0.0",
        "engines": {"node": ">=18"},
        "os": ["linux"],
        "funding": "https://example.test",
        "directories": {},
        "deprecated": "broken",
        "hasInstallScript": True,
        "_hasShrinkwrap": False,
    }


def test_install_scripts_and_shrinkwraps_are_said(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(make_tarball("widget", "1.0.0", scripts={"test": "true"}, files={"npm-shrinkwrap.json": "{}"}))
    entry = _entry(npm, session)
    assert "hasInstallScript" not in entry
    assert entry["_hasShrinkwrap"] is True


def test_a_full_packument_has_times_and_all_of_package_json(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT, published_at=_PUBLISHED)
    npm.add(make_tarball("widget", "0.9.0"), published_at=_PUBLISHED.replace(year=2026), tag="legacy")
    document = _get(npm, session, "widget", _FULL).json()
    assert document["_id"] == document["name"] == "widget"
    assert document["dist-tags"] == {"latest": "1.0.0", "legacy": "0.9.0"}
    assert document["time"] == {
        "created": "2025-03-01T12:30:15.678Z",
        "modified": "2026-03-01T12:30:15.678Z",
        "1.0.0": "2025-03-01T12:30:15.678Z",
        "0.9.0": "2026-03-01T12:30:15.678Z",
    }
    assert [*document["versions"]] == ["1.0.0", "0.9.0"]
    entry = document["versions"]["1.0.0"]
    assert entry["_id"] == "widget@1.0.0"
    assert entry["scripts"] == {"test": "true"}
    assert entry["dependencies"] == {"gear": "^2.0.0"}
    assert entry["_npmUser"]
    assert "modified" not in document


def test_a_packument_changes_without_a_publication(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT, published_at=_PUBLISHED)
    npm.touch("widget", _PUBLISHED.replace(year=2030))
    assert _get(npm, session, "widget").json()["modified"].startswith("2030-")
    time = _get(npm, session, "widget", _FULL).json()["time"]
    assert (time["modified"][:4], time["1.0.0"][:4]) == ("2030", "2025")


def test_a_removed_version_leaves_its_time(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    npm.add(make_tarball("widget", "2.0.0"))
    npm.remove("widget", "2.0.0")
    document = _get(npm, session, "widget", _FULL).json()
    assert [*document["versions"]] == ["1.0.0"]
    assert "2.0.0" in document["time"]
    assert document["dist-tags"] == {}


@pytest.mark.parametrize("name", ["@acme%2fwidget", "@acme%2Fwidget", "%40acme%2fwidget", "@acme/widget"])
def test_a_scope_is_encoded_or_not(npm: NpmSimulator, session: requests.Session, name: str) -> None:
    npm.add(_SCOPED, attestations=_DOCUMENT)
    entry = _entry(npm, session, name=name)
    assert entry["name"] == "@acme/widget"
    assert entry["dist"]["tarball"] == f"{npm.base_url}/@acme/widget/-/widget-1.0.0.tgz"
    assert entry["dist"]["attestations"]["url"] == f"{npm.base_url}/-/npm/v1/attestations/@acme%2Fwidget@1.0.0"
    for path in (f"{name}/1.0.0", f"{name}/latest", f"{name}/-/widget-1.0.0.tgz"):
        assert _get(npm, session, path).status_code == 200
    assert _get(npm, session, f"-/npm/v1/attestations/{name}@1.0.0").json() == _DOCUMENT


def test_one_version_by_its_number_or_a_tag(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT, tag="next")
    expected = _entry(npm, session, _FULL)
    for version in ("1.0.0", "next"):
        response = _get(npm, session, f"widget/{version}")
        assert response.headers["Content-Type"] == _FULL
        assert response.json() == expected


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("unknown", {"error": "Not found"}),
        ("@acme%2funknown", {"error": "Not found"}),
        ("unknown/1.0.0", {"error": "Not found"}),
        ("widget/9.9.9", {"error": "version not found: 9.9.9"}),
        ("widget/-/widget-9.9.9.tgz", {"error": "Not found"}),
        ("widget/-/xwidget-1.0.0.tgz", {"error": "Not found"}),
        ("unknown/-/unknown-1.0.0.tgz", {"error": "Not found"}),
        ("-/npm/v1/attestations/widget@1.0.0", {"error": "Not found"}),
        ("-/npm/v1/attestations/unknown@1.0.0", {"error": "Not found"}),
        ("-/npm/v1/keys", {"error": "Not found"}),
        ("a/b/c", {"error": "Not found"}),
        ("", {"error": "Not found"}),
    ],
)
def test_404_for_what_there_is_not(
    npm: NpmSimulator, session: requests.Session, path: str, body: dict[str, str]
) -> None:
    npm.add(_CONTENT)
    response = _get(npm, session, path)
    assert (response.status_code, response.json()) == (404, body)


def test_tarballs_are_on_the_same_host_unless_told_otherwise(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    npm.add(_SCOPED, elsewhere=True)
    npm.tarballs_elsewhere = True
    npm.add(make_tarball("gear", "1.0.0"))
    npm.add(make_tarball("cog", "1.0.0"), elsewhere=False)
    expected = {"widget": npm.base_url, "@acme/widget": npm.files_url, "gear": npm.files_url, "cog": npm.base_url}
    for name, host in expected.items():
        url = _entry(npm, session, name=name)["dist"]["tarball"]
        other = npm.base_url if host == npm.files_url else npm.files_url
        assert url.startswith(host)
        assert session.get(url, timeout=60).headers["Content-Type"] == "application/octet-stream"
        assert session.get(url.replace(host, other), timeout=60).status_code == 404
    assert session.get(f"{npm.files_url}/widget", timeout=60).status_code == 404
    assert npm.files_url != npm.base_url


def test_a_registry_can_be_below_a_path(session: requests.Session) -> None:
    with NpmSimulator(prefix="/api/npm") as npm:
        npm.add(_SCOPED, attestations=_DOCUMENT, elsewhere=True)
        assert npm.url.endswith("/api/npm/")
        dist = _entry(npm, session, name="@acme%2fwidget")["dist"]
        assert dist["attestations"]["url"].startswith(npm.url)
        assert session.get(dist["attestations"]["url"], timeout=60).json() == _DOCUMENT
        assert dist["tarball"] == f"{npm.files_url}/@acme/widget/-/widget-1.0.0.tgz"
        assert session.get(dist["tarball"], timeout=60).content == _SCOPED
        root = npm.url.removesuffix("/api/npm/")
        assert session.get(f"{root}/@acme%2fwidget", timeout=60).status_code == 404


def test_an_etag_saves_the_body_until_the_document_changes(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    for path in ("widget", "widget/1.0.0", "widget/-/widget-1.0.0.tgz"):
        etag = _get(npm, session, path).headers["ETag"]
        again = _get(npm, session, path, **{"If-None-Match": f'"other", {etag}'})
        assert (again.status_code, again.content) == (304, b"")
    etag = _get(npm, session, "widget").headers["ETag"]
    assert etag != _get(npm, session, "widget", _FULL).headers["ETag"]
    npm.add(make_tarball("widget", "1.0.1"))
    assert _get(npm, session, "widget", **{"If-None-Match": etag}).status_code == 200


def test_documents_are_compressed_where_accepted_and_tarballs_never(
    npm: NpmSimulator, session: requests.Session
) -> None:
    npm.add(_CONTENT)
    assert _get(npm, session, "widget").headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in _get(npm, session, "widget", **{"Accept-Encoding": "identity"}).headers
    tarball = _get(npm, session, "widget/-/widget-1.0.0.tgz")
    assert "Content-Encoding" not in tarball.headers
    assert tarball.headers["Cache-Control"] == "public, immutable, max-age=31557600"


def test_head_has_the_headers_and_no_body(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    response = session.head(f"{npm.url}widget/-/widget-1.0.0.tgz", timeout=60)
    assert (response.status_code, response.headers["Content-Length"]) == (200, str(len(_CONTENT)))


def test_other_methods_are_refused(npm: NpmSimulator, session: requests.Session) -> None:
    assert session.put(f"{npm.url}widget", data=b"{}", timeout=60).headers["Allow"] == "GET, HEAD"
    assert session.put(f"{npm.files_url}/widget", data=b"{}", timeout=60).status_code == 405
    bulk = session.get(f"{npm.url}-/npm/v1/security/advisories/bulk", timeout=60)
    assert (bulk.status_code, bulk.headers["Allow"]) == (405, "POST")


def test_audits_are_answered(npm: NpmSimulator, session: requests.Session) -> None:
    bulk, quick = (f"{npm.url}-/npm/v1/security/{name}" for name in ("advisories/bulk", "audits/quick"))
    assert session.post(bulk, json={"widget": ["1.0.0"]}, timeout=60).json() == {}
    npm.advisories["widget"] = [{"id": 1, "severity": "high", "vulnerable_versions": "<2"}]
    assert session.post(bulk, json={"widget": ["1.0.0"]}, timeout=60).json() == npm.advisories
    assert session.post(quick, json={}, timeout=60).json()["advisories"] == {}
    assert session.post(f"{npm.url}-/npm/v1/security/other", json={}, timeout=60).status_code == 404


def test_a_listing_can_contradict_the_bytes(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT, integrity="sha512-AA==", shasum="00", served=b"other", tarball="http://evil.example.test/x.tgz")
    dist = _entry(npm, session)["dist"]
    assert (dist["integrity"], dist["shasum"]) == ("sha512-AA==", "00")
    assert dist["tarball"] == "http://evil.example.test/x.tgz"
    assert _get(npm, session, "widget/-/widget-1.0.0.tgz").content == b"other"


def test_a_listing_can_leave_digests_and_evidence_out(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT, integrity="", shasum="")
    assert {*_entry(npm, session)["dist"]} == {"tarball", "fileCount", "unpackedSize"}
    npm.add(_CONTENT, signatures=[])
    assert _entry(npm, session)["dist"]["signatures"] == []


def test_a_listing_can_contradict_package_json(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT, listed={"version": "6.6.6", "dependencies": {}})
    entry = _entry(npm, session)
    assert (entry["version"], entry["dependencies"]) == ("6.6.6", {})


def test_the_flag_and_the_endpoint_can_contradict_each_other(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT, attestations_flag=True)
    url = _entry(npm, session)["dist"]["attestations"]["url"]
    assert session.get(url, timeout=60).status_code == 404
    npm.add(_CONTENT, attestations=b"not json", attestations_flag=False)
    assert "attestations" not in _entry(npm, session)["dist"]
    assert session.get(url, timeout=60).content == b"not json"


def test_keys_are_served_as_given(npm: NpmSimulator, session: requests.Session) -> None:
    npm.keys = {"keys": [{"keyid": "SHA256:key"}]}
    assert _get(npm, session, "-/npm/v1/keys").json() == npm.keys


def test_a_mirror_without_evidence_knows_none(npm: NpmSimulator, session: requests.Session) -> None:
    npm.evidence_bearing = False
    npm.keys = {"keys": []}
    npm.add(_CONTENT, signatures=[_SIGNATURE], attestations=_DOCUMENT)
    assert not {"signatures", "attestations"} & {*_entry(npm, session)["dist"]}
    for path in ("-/npm/v1/attestations/widget@1.0.0", "-/npm/v1/keys"):
        assert _get(npm, session, path).status_code == 404


def test_a_mirror_can_know_packuments_alone_and_in_one_form(npm: NpmSimulator, session: requests.Session) -> None:
    npm.serves_versions, npm.full_only = False, True
    npm.add(_CONTENT)
    assert _get(npm, session, "widget/1.0.0").status_code == 404
    assert "time" in _get(npm, session, "widget").json()


@pytest.mark.parametrize(
    ("credentials", "expected", "challenge"),
    [
        ("s3cret", "Bearer s3cret", 'Bearer realm="sim"'),
        (("ann", "pa:ss"), "Basic YW5uOnBhOnNz", 'Basic realm="sim"'),
    ],
)
def test_without_the_credentials_every_request_is_401(
    npm: NpmSimulator,
    session: requests.Session,
    credentials: str | tuple[str, str],
    expected: str,
    challenge: str,
) -> None:
    npm.add(_CONTENT, elsewhere=True)
    npm.credentials = credentials
    tarball = f"{npm.files_url}/widget/-/widget-1.0.0.tgz"
    for url in (f"{npm.url}widget", f"{npm.url}-/npm/v1/keys", tarball):
        for wrong in ({}, {"Authorization": f"{expected}x"}):
            response = session.get(url, headers=wrong, timeout=60)
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, challenge)
    for url in (f"{npm.url}widget", tarball):
        assert session.get(url, headers={"Authorization": expected}, timeout=60).status_code == 200
    npm.files_need_credentials = False
    assert session.get(tarball, timeout=60).status_code == 200


def test_requests_are_recorded_with_their_headers_and_statuses(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_SCOPED, elsewhere=True)
    _get(npm, session, "@acme%2fwidget", **{"npm-command": "install"})
    session.get(f"{npm.files_url}/@acme/widget/-/widget-1.0.0.tgz", timeout=60)
    session.post(f"{npm.url}-/npm/v1/security/advisories/bulk", json={}, timeout=60)
    first, second, third = npm.requests
    assert (first.host, first.method, first.path, first.status) == ("index", "GET", "/@acme%2Fwidget", 200)
    assert first.headers["npm-command"] == "install"
    assert (second.host, second.path) == ("files", "/@acme/widget/-/widget-1.0.0.tgz")
    assert third.method == "POST"
    npm.clear_requests()
    assert npm.requests == []


_KINDS: dict[NpmKind, tuple[str, str | None]] = {
    "packument": ("widget", "widget"),
    "version": ("widget/1.0.0", "widget@1.0.0"),
    "tarball": ("widget/-/widget-1.0.0.tgz", "widget@1.0.0"),
    "attestations": ("-/npm/v1/attestations/widget@1.0.0", "widget@1.0.0"),
    "keys": ("-/npm/v1/keys", None),
    "audit": ("-/npm/v1/security/advisories/bulk", None),
}


def _ask(npm: NpmSimulator, session: requests.Session, kind: NpmKind) -> requests.Response:
    method = "POST" if kind == "audit" else "GET"
    return session.request(method, npm.url + _KINDS[kind][0], timeout=60)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_fault_is_of_one_kind_and_one_name(npm: NpmSimulator, session: requests.Session, kind: NpmKind) -> None:
    npm.add(_CONTENT, attestations=_DOCUMENT)
    npm.keys = {"keys": []}
    npm.fault(kind, Fault.SERVER_ERROR, name=_KINDS[kind][1])
    assert {other: _ask(npm, session, other).status_code for other in _KINDS} == dict.fromkeys(_KINDS, 200) | {
        kind: 500
    }
    npm.clear_faults()
    npm.fault(kind, Fault.SERVER_ERROR, name="another")
    assert _ask(npm, session, kind).status_code == 200


def test_error_statuses_say_what_they_should(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    npm.fault("packument", Fault.UNAUTHORIZED)
    response = _get(npm, session, "widget")
    assert (response.status_code, response.json()) == (401, {"error": "Unauthorized"})
    assert "WWW-Authenticate" in response.headers
    npm.fault("packument", Fault.UNAVAILABLE)
    assert _get(npm, session, "widget").headers["Retry-After"] == "1"
    npm.clear_faults()
    npm.fault("packument", Fault.TOO_MANY)
    assert [_get(npm, session, "widget").status_code for _ in range(2)] == [429, 200]


def test_a_truncated_body_is_shorter_than_it_says(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    npm.fault("tarball", Fault.TRUNCATE)
    with session.get(f"{npm.url}widget/-/widget-1.0.0.tgz", stream=True, timeout=60) as response:
        assert response.headers["Content-Length"] == str(len(_CONTENT))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = response.content


def test_a_connection_can_end_before_the_answer(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    npm.fault("packument", Fault.RESET)
    with pytest.raises(requests.ConnectionError):
        _get(npm, session, "widget")
    assert npm.requests[-1].status == 0


def test_a_hanging_server_ends_with_the_simulator(session: requests.Session) -> None:
    with NpmSimulator() as npm, ThreadPoolExecutor(1) as pool:
        npm.add(_CONTENT)
        npm.fault("tarball", Fault.hang(60))
        with pytest.raises(requests.exceptions.ReadTimeout):
            session.get(f"{npm.url}widget/-/widget-1.0.0.tgz", timeout=0.1)
        pool.submit(npm.stop).result(timeout=30)


def test_strange_documents_are_complete(npm: NpmSimulator, session: requests.Session) -> None:
    npm.add(_CONTENT)
    npm.fault("packument", Fault.HTML_INSTEAD)
    assert _get(npm, session, "widget").headers["Content-Type"] == "text/html"
    npm.fault("packument", Fault.NOT_JSON)
    broken = _get(npm, session, "widget")
    assert (broken.headers["Content-Type"], broken.content) == (ABBREVIATED, b'{"name": [')
    npm.fault("packument", Fault.huge(200_000))
    assert _get(npm, session, "widget").content == b" " * 200_000
    npm.fault("packument", Fault.redirect("http://other.example.test/widget"))
    redirected = session.get(f"{npm.url}widget", allow_redirects=False, timeout=60)
    assert (redirected.status_code, redirected.headers["Location"]) == (302, "http://other.example.test/widget")

"""Who owns a name, what is on offer, and which evidence is asked for, against loopback indexes."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from guard import limits
from guard.attest.availability import Flag, Outcome
from guard.errors import ConfigInvalid, MalformedInput, NotFound, Unavailable
from guard.model import Digest
from guard.registry import pypi
from guard.registry.http_settings import HttpSettings
from guard.registry.local import is_file_url, list_local_folder, path_from_url
from guard.registry.pypi import INDEX_ACCEPT, PROVENANCE_ACCEPT, IndexClient, IndexSource, Project
from guard.registry.simple import IndexFile
from tests.unit.test_registry_http import Reply, Seen, Server, client_for_tests, serve

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
WHEEL = "six-1.17.0-py2.py3-none-any.whl"
DATA = b"wheel"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def first() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def second() -> Iterator[Server]:
    with serve() as running:
        yield running


def page(*filenames: str, sha256: object = SHA, **keys: object) -> Reply:
    files = [{"filename": name, "url": f"/files/{name}", "hashes": {"sha256": sha256}, **keys} for name in filenames]
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "six", "files": files}).encode()
    return Reply(body=body, headers={"Content-Type": JSON_TYPE})


def source(server: Server) -> IndexSource:
    return IndexSource(f"{server.url}/simple", is_public=False)


def index_client(*servers: Server, find_links: Sequence[str] = (), provenance_url: str | None = None) -> IndexClient:
    return IndexClient(
        client_for_tests(),
        [source(server) for server in servers],
        find_links=find_links,
        provenance_url=provenance_url,
    )


def names(project: Project) -> list[str]:
    return [file.filename for file in project.files]


# Pages


def test_a_project_is_asked_for_by_its_normalised_name(first: Server) -> None:
    first.on("/simple/foo-bar/", page("foo_bar-1.0.tar.gz"))
    project = index_client(first).fetch_project("Foo.._Bar")
    assert (project.name, project.owner) == ("foo-bar", source(first))
    assert names(project) == ["foo_bar-1.0.tar.gz"]
    assert first.seen[0].headers["accept"] == INDEX_ACCEPT


@pytest.mark.parametrize(
    ("content_type", "body", "has_json"),
    [
        (JSON_TYPE, page(WHEEL).body, True),
        ("application/vnd.pypi.simple.v1+html", f'<a href="/files/{WHEEL}">x</a>'.encode(), False),
        ("text/html; charset=utf-8", f'<a href="/files/{WHEEL}">x</a>'.encode(), False),
    ],
)
def test_the_content_type_decides(content_type: str, body: bytes, has_json: bool, first: Server) -> None:
    first.on("/simple/six/", body=body, content_type=content_type)
    project = index_client(first).fetch_project("six")
    assert project.page is not None
    assert project.page.has_json is has_json
    assert project.files[0].url == f"{first.url}/files/{WHEEL}"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "application/vnd.pypi.simple.v2+json"])
def test_other_content_types_are_malformed(content_type: str, first: Server) -> None:
    first.on("/simple/six/", body=page(WHEEL).body, content_type=content_type)
    with pytest.raises(MalformedInput, match=rf"{first.host}/simple/six/"):
        index_client(first).fetch_project("six")


def test_links_are_relative_to_where_the_page_came_from_in_the_end(first: Server, second: Server) -> None:
    target = second.on("/mirror/six/", page(WHEEL))
    first.on("/simple/six/", Reply(302, headers={"Location": target}))
    assert index_client(first).fetch_project("six").files[0].url == f"{second.url}/files/{WHEEL}"


@pytest.mark.parametrize("name", ["../x", "a/b", "", "six\n", "-x", "a b"])
def test_a_name_that_is_none_is_malformed_and_not_asked_for(name: str, first: Server) -> None:
    with pytest.raises(MalformedInput):
        index_client(first).fetch_project(name)
    assert first.seen == []


def test_a_page_is_fetched_once_by_many_threads(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL))
    client = index_client(first)
    found: list[Project] = []
    threads = [threading.Thread(target=lambda: found.append(client.fetch_project("Six"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.paths == ["/simple/six/"]
    assert len({id(project) for project in found}) == 1


def test_a_failure_stays_for_the_run(first: Server) -> None:
    first.on("/simple/six/", Reply(403), page(WHEEL))
    client = index_client(first)
    for _ in range(2):
        with pytest.raises(Unavailable):
            client.fetch_project("six")
    assert len(first.seen) == 1


# Ownership


def test_the_first_index_that_has_a_name_owns_it(first: Server, second: Server) -> None:
    first.on("/simple/six/", page("six-1.0.tar.gz"))
    second.on("/simple/six/", page("six-9.0.tar.gz"))
    project = index_client(first, second).fetch_project("six")
    assert project.owner == source(first)
    assert names(project) == ["six-1.0.tar.gz"]
    assert project.other_indexes == (f"{second.url}/simple",)


def test_a_name_that_the_first_lacks_goes_to_the_second(first: Server, second: Server) -> None:
    second.on("/simple/six/", page(WHEEL))
    project = index_client(first, second).fetch_project("six")
    assert (project.owner, project.other_indexes) == (source(second), ())


def test_an_empty_page_owns_the_name(first: Server, second: Server) -> None:
    first.on("/simple/six/", page())
    second.on("/simple/six/", page(WHEEL))
    project = index_client(first, second).fetch_project("six")
    assert (project.owner, names(project)) == (source(first), [])


FAILURES = {
    "401": Reply(401),
    "403": Reply(403),
    "500": Reply(500),
    "closed": Reply(hang_up=True),
    "cut short": Reply(body=page(WHEEL).body, headers={"Content-Type": JSON_TYPE}, raw_length=10_000),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_an_outage_does_not_hand_the_name_on(failure: Reply, first: Server, second: Server) -> None:
    first.on("/simple/six/", failure)
    second.on("/simple/six/", page(WHEEL))
    with pytest.raises(Unavailable) as caught:
        index_client(first, second).fetch_project("six")
    assert not isinstance(caught.value, NotFound)
    assert second.seen == []


def test_a_malformed_page_does_not_hand_the_name_on(first: Server, second: Server) -> None:
    first.on("/simple/six/", page(WHEEL, sha256="short"))
    second.on("/simple/six/", page(WHEEL))
    with pytest.raises(MalformedInput):
        index_client(first, second).fetch_project("six")
    assert second.seen == []


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_after_the_owner_is_noted_once_and_decides_nothing(
    failure: Reply, first: Server, second: Server
) -> None:
    for name in ("six", "seven"):
        first.on(f"/simple/{name}/", page(f"{name}-1.0.tar.gz"))
    second.on("/simple/six/", failure)
    client = index_client(first, second)
    project = client.fetch_project("six")
    assert (names(project), project.other_indexes) == (["six-1.0.tar.gz"], ())
    assert second.host in project.notes[0]
    assert "was not asked" in client.fetch_project("seven").notes[0]
    assert set(second.paths) == {"/simple/six/"}


@pytest.mark.parametrize(
    ("other", "reported"),
    [
        (page("six-1.0.tar.gz"), False),
        (page(), False),
        (page("six-1.0.tar.gz", sha256="b" * 64), True),
        (page("six-1.0.tar.gz", "six-2.0.tar.gz"), False),
        (page("six-2.0.tar.gz"), True),
        (Reply(404), False),
    ],
    ids=["same file", "nothing", "other digest", "a mirror with more files", "nothing in common", "404"],
)
def test_another_index_is_reported_when_it_has_no_file_in_common(
    other: Reply, reported: bool, first: Server, second: Server
) -> None:
    first.on("/simple/six/", page("six-1.0.tar.gz"))
    second.on("/simple/six/", other)
    project = index_client(first, second).fetch_project("six")
    assert bool(project.other_indexes) is reported
    assert project.notes == ()


@pytest.mark.parametrize(
    ("public_files", "private_files", "private_owns"),
    [
        (["six-99.0.tar.gz"], ["six-1.0.tar.gz"], True),
        (["six-1.0.tar.gz", "six-99.0.tar.gz"], ["six-1.0.tar.gz", "six-1.0.post1.tar.gz"], True),
        (["six-1.0.tar.gz", "six-2.0.tar.gz"], ["six-1.0.tar.gz"], False),
        (["six-1.0.tar.gz"], [], False),
    ],
    ids=["a squatted name", "a private build beside copies", "a partial mirror", "an empty page"],
)
def test_a_public_index_yields_a_name_to_a_private_project(
    public_files: list[str], private_files: list[str], private_owns: bool, first: Server, second: Server
) -> None:
    first.on("/simple/six/", page(*public_files))
    second.on("/simple/six/", page(*private_files))
    public = replace(source(first), is_public=True)
    client = IndexClient(client_for_tests(), [public, source(second)])
    assert client.fetch_project("six").owner == (source(second) if private_owns else public)


def test_a_private_index_that_fails_does_not_leave_the_name_to_the_public_one(first: Server, second: Server) -> None:
    first.on("/simple/six/", page(WHEEL))
    second.on("/simple/six/", Reply(403))
    client = IndexClient(client_for_tests(), [replace(source(first), is_public=True), source(second)])
    with pytest.raises(Unavailable):
        client.fetch_project("six")


def test_a_name_that_nobody_has_is_not_found(first: Server, second: Server) -> None:
    with pytest.raises(NotFound) as caught:
        index_client(first, second).fetch_project("six")
    assert first.host in caught.value.message
    assert second.host in caught.value.message


def test_without_indexes_nothing_is_found() -> None:
    with pytest.raises(NotFound, match="no index is configured"):
        index_client().fetch_project("six")


@pytest.mark.parametrize("address", ["http://index.example/simple", "HTTP://index.example/simple"])
def test_an_insecure_index_is_refused(address: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        IndexClient(client_for_tests(), [IndexSource(address, is_public=False)])
    assert caught.value.hint == "--trusted-host index.example"
    with pytest.raises(ConfigInvalid):
        IndexClient(client_for_tests(), [], find_links=[address])
    with pytest.raises(ConfigInvalid):
        IndexClient(client_for_tests(), [], provenance_url=address)


def test_an_insecure_index_on_a_trusted_host_is_accepted() -> None:
    http = client_for_tests(settings=HttpSettings(trusted_hosts=frozenset({"index.example"})))
    IndexClient(http, [IndexSource("http://index.example/simple", is_public=False)])


@pytest.mark.parametrize("address", ["https://[x/simple", "https://user:hunter2/simple", "https:///simple"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        IndexClient(client_for_tests(), [IndexSource(address, is_public=False)])
    assert "hunter2" not in caught.value.message


# Local indexes and find-links


def test_a_file_index_is_read_as_pip_reads_it(tmp_path: Path, first: Server) -> None:
    folder = tmp_path / "with space" / "six"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(f'<a href="{WHEEL}#sha256={SHA}">x</a>')
    (folder / WHEEL).write_bytes(DATA)
    local = IndexSource((tmp_path / "with space").as_uri(), is_public=False)
    client = IndexClient(client_for_tests(), [local, source(first)])
    project = client.fetch_project("six")
    assert project.owner == local
    sink = io.BytesIO()
    client.fetch_file(project.files[0], sink)
    assert sink.getvalue() == DATA
    first.on("/simple/seven/", page("seven-1.0.tar.gz"))
    assert client.fetch_project("seven").owner == source(first)


def test_a_file_index_that_cannot_be_read_does_not_hand_the_name_on(tmp_path: Path, first: Server) -> None:
    (tmp_path / "six" / "index.html").mkdir(parents=True)
    first.on("/simple/six/", page(WHEEL))
    client = IndexClient(client_for_tests(), [IndexSource(tmp_path.as_uri(), is_public=False), source(first)])
    with pytest.raises(Unavailable, match="cannot be read"):
        client.fetch_project("six")


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    for name in ("six-1.0.tar.gz", "seven-1.0.tar.gz", "README.txt"):
        (folder / name).write_bytes(DATA)
    (folder / "more.html").write_text('<a href="six-2.0.tar.gz">x</a><a href="https://[">x</a><a href="ftp://x">x</a>')
    (folder / "six-3.0.tar.gz").mkdir()
    return folder


FORMS: dict[str, Callable[[Path], str]] = {
    "folder": str,
    "folder URL": lambda path: path.as_uri(),
    "folder URL with slash": lambda path: path.as_uri() + "/",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_folder_of_files_and_pages(form: Callable[[Path], str], wheelhouse: Path) -> None:
    project = index_client(find_links=[form(wheelhouse)]).fetch_project("six")
    assert sorted(names(project)) == ["six-1.0.tar.gz", "six-2.0.tar.gz"]
    assert (project.owner, project.page) == (None, None)
    assert all(file.digests == () for file in project.files)


def test_a_single_file(wheelhouse: Path) -> None:
    client = index_client(find_links=[str(wheelhouse / "six-1.0.tar.gz")])
    (file,) = client.fetch_project("six").files
    sink = io.BytesIO()
    client.fetch_file(file, sink)
    assert (file.version, sink.getvalue()) == ("1.0", DATA)


def test_a_single_page(wheelhouse: Path) -> None:
    (file,) = index_client(find_links=[str(wheelhouse / "more.html")]).fetch_project("six").files
    assert file.url == (wheelhouse / "six-2.0.tar.gz").as_uri()


def test_a_page_from_the_network_is_fetched_once(first: Server) -> None:
    body = f'<a href="a/{WHEEL}#sha256={SHA}">x</a><a href="seven-1.0.tar.gz">x</a>'.encode()
    client = index_client(find_links=[first.on("/links", body=body, content_type="text/html")])
    assert client.fetch_project("six").files[0].url == f"{first.url}/a/{WHEEL}"
    assert names(client.fetch_project("seven")) == ["seven-1.0.tar.gz"]
    assert first.paths == ["/links"]


def test_an_archive_on_the_network_is_a_file_itself(first: Server) -> None:
    (file,) = index_client(find_links=[f"{first.url}/{WHEEL}#sha256={SHA}"]).fetch_project("six").files
    assert file.digests == (Digest("sha256", SHA),)
    assert first.seen == []


def test_find_links_are_merged_before_the_owner(wheelhouse: Path, first: Server) -> None:
    first.on("/simple/six/", page("six-1.0.tar.gz", WHEEL))
    project = index_client(first, find_links=[str(wheelhouse / "six-1.0.tar.gz")]).fetch_project("six")
    assert project.owner == source(first)
    assert names(project) == ["six-1.0.tar.gz", "six-1.0.tar.gz", WHEEL]


def test_a_location_that_does_not_exist_is_noted(tmp_path: Path, first: Server) -> None:
    first.on("/simple/six/", page(WHEEL))
    locations = [str(tmp_path / "missing"), str(tmp_path / "missing.whl"), first.url + "/missing"]
    project = index_client(first, find_links=locations).fetch_project("six")
    assert len(project.notes) == 3
    assert all("missing" in note for note in project.notes)


@pytest.mark.parametrize(
    ("reply", "error"),
    [(Reply(503), Unavailable), (Reply(headers={"Content-Type": "text/plain"}), MalformedInput)],
    ids=["503", "plain text"],
)
def test_a_location_that_fails_is_not_passed_over(reply: Reply, error: type[Exception], first: Server) -> None:
    first.on("/simple/six/", page(WHEEL))
    with pytest.raises(error):
        index_client(first, find_links=[first.on("/links", reply)]).fetch_project("six")


def test_a_folder_that_is_gone_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list_local_folder(tmp_path / "missing")


@pytest.mark.parametrize("url", ["file://elsewhere/x", "file:///x%00y"])
def test_file_urls_of_other_hosts_are_malformed(url: str) -> None:
    assert is_file_url(url)
    with pytest.raises(MalformedInput):
        path_from_url(url)


# Files and metadata


def only_file(client: IndexClient) -> IndexFile:
    (file,) = client.fetch_project("six").files
    return file


def test_a_file_is_streamed(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL, size=len(DATA)))
    first.on(f"/files/{WHEEL}", body=DATA)
    client = index_client(first)
    sink = io.BytesIO()
    client.fetch_file(only_file(client), sink)
    assert sink.getvalue() == DATA


def test_a_file_of_another_size_than_listed_is_malformed(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL, size=len(DATA) - 1))
    first.on(f"/files/{WHEEL}", body=DATA)
    client = index_client(first)
    with pytest.raises(MalformedInput):
        client.fetch_file(only_file(client), io.BytesIO())


@pytest.mark.parametrize("local", [False, True], ids=["network", "local"])
def test_files_have_a_ceiling(local: bool, first: Server, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARTIFACT_MAX_BYTES", len(DATA) - 1)
    first.on("/simple/six/", page(WHEEL))
    first.on(f"/files/{WHEEL}", body=DATA)
    client = index_client(find_links=[str(wheelhouse / "six-1.0.tar.gz")]) if local else index_client(first)
    with pytest.raises(MalformedInput, match="larger than"):
        client.fetch_file(only_file(client), io.BytesIO())


def test_a_local_file_that_is_gone_is_not_found(wheelhouse: Path) -> None:
    client = index_client(find_links=[str(wheelhouse / "six-1.0.tar.gz")])
    file = only_file(client)
    (wheelhouse / "six-1.0.tar.gz").unlink()
    with pytest.raises(NotFound):
        client.fetch_file(file, io.BytesIO())


METADATA = b"Metadata-Version: 2.1\n"


@pytest.mark.parametrize("listed", [True, {"sha256": hashlib.sha256(METADATA).hexdigest()}], ids=["true", "digest"])
def test_metadata_is_fetched_beside_the_file(listed: object, first: Server) -> None:
    first.on("/simple/six/", page(WHEEL, **{"core-metadata": listed}))
    first.on(f"/files/{WHEEL}.metadata", body=METADATA)
    client = index_client(first)
    assert client.fetch_metadata(only_file(client)) == METADATA


def test_metadata_beside_a_local_file_is_read_up_to_its_ceiling(
    wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wheelhouse / "six-1.0.tar.gz.metadata").write_bytes(METADATA)
    client = index_client(find_links=[str(wheelhouse / "six-1.0.tar.gz")])
    file = only_file(client)
    assert client.fetch_metadata(file) == METADATA
    monkeypatch.setattr(limits, "METADATA_MAX_BYTES", len(METADATA) - 1)
    with pytest.raises(MalformedInput, match="larger than"):
        client.fetch_metadata(file)


def test_metadata_with_another_digest_is_malformed(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL, **{"core-metadata": {"sha256": "0" * 64}}))
    first.on(f"/files/{WHEEL}.metadata", body=METADATA)
    client = index_client(first)
    with pytest.raises(MalformedInput, match="digest"):
        client.fetch_metadata(only_file(client))


def test_metadata_that_is_not_there_is_not_found(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL, **{"core-metadata": True}))
    client = index_client(first)
    with pytest.raises(NotFound):
        client.fetch_metadata(only_file(client))


# Provenance

ENDPOINT = f"/integrity/six/1.17.0/{WHEEL}/provenance"
DOCUMENT = Reply(body=b'{"version": 1}', headers={"Content-Type": PROVENANCE_ACCEPT})


def provenance(client: IndexClient, name: str = "six") -> tuple[Flag, Outcome, bytes | None]:
    project = client.fetch_project(name)
    return client.fetch_provenance(project.files[-1], project=project, version="1.17.0")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (DOCUMENT, Outcome.FOUND),
        (Reply(body=b"<html>", headers={"Content-Type": "text/html"}), Outcome.FOUND),
        (Reply(body=b""), Outcome.FOUND),
        (Reply(404), Outcome.NOT_FOUND),
        (Reply(410), Outcome.NOT_FOUND),
        (Reply(401), Outcome.DENIED),
        (Reply(403), Outcome.DENIED),
        (Reply(400), Outcome.FAILED),
        (Reply(406), Outcome.FAILED),
        (Reply(500), Outcome.FAILED),
        (Reply(429), Outcome.FAILED),
        (Reply(hang_up=True), Outcome.FAILED),
        (Reply(body=b"{", raw_length=9), Outcome.FAILED),
    ],
    ids=["found", "html", "empty", "404", "410", "401", "403", "400", "406", "500", "429", "closed", "cut short"],
)
def test_what_becomes_of_the_request(reply: Reply, outcome: Outcome, first: Server) -> None:
    first.on("/simple/six/", page(WHEEL, provenance=ENDPOINT))
    first.on(ENDPOINT, reply)
    body = reply.body if outcome is Outcome.FOUND else None
    assert provenance(index_client(first)) == (Flag.PRESENT, outcome, body)
    assert first.seen[-1].headers["accept"] == PROVENANCE_ACCEPT


def test_a_document_that_is_too_large_is_malformed_not_absent(first: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROVENANCE_MAX_BYTES", 5)
    first.on("/simple/six/", page(WHEEL, provenance=ENDPOINT))
    first.on(ENDPOINT, DOCUMENT)
    with pytest.raises(MalformedInput):
        provenance(index_client(first))


def test_an_index_whose_flag_says_none_is_not_asked(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL, provenance=None))
    client = index_client(first)
    assert provenance(client) == (Flag.ABSENT, Outcome.NOT_ASKED, None)
    assert client.fetch_project("six").evidence_bearing
    assert first.paths == ["/simple/six/"]


def test_an_index_that_carries_no_flag_has_nothing_to_ask_for(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL))
    client = index_client(first)
    assert provenance(client) == (Flag.NEVER_CARRIED, Outcome.NOT_ASKED, None)
    assert not client.fetch_project("six").evidence_bearing


def test_one_page_with_the_key_makes_the_index_evidence_bearing(first: Server) -> None:
    first.on("/simple/six/", page(WHEEL))
    first.on("/simple/seven/", page("seven-1.0.tar.gz", provenance=None))
    client = index_client(first)
    client.fetch_project("seven")
    assert provenance(client)[0] is Flag.ABSENT


def test_the_key_of_one_index_says_nothing_of_another(first: Server, second: Server) -> None:
    first.on("/simple/six/", page(WHEEL))
    second.on("/simple/seven/", page("seven-1.0.tar.gz", provenance=None))
    client = index_client(first, second)
    client.fetch_project("seven")
    assert provenance(client)[0] is Flag.NEVER_CARRIED


def test_the_public_index_is_evidence_bearing_without_the_key(first: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pypi, "EVIDENCE_BEARING_INDEX_HOSTS", frozenset({"127.0.0.1"}))
    first.on("/simple/six/", page(WHEEL))
    for provenance_url in (None, first.url):
        assert provenance(index_client(first, provenance_url=provenance_url)) == (Flag.ABSENT, Outcome.NOT_ASKED, None)


@pytest.mark.parametrize("keys", [{}, {"provenance": None}], ids=["no key", "null"])
def test_a_provenance_url_is_asked_where_the_mirror_says_nothing(
    keys: dict[str, object], first: Server, second: Server
) -> None:
    first.on("/simple/six/", page(WHEEL, **keys))
    second.on("/base" + ENDPOINT, DOCUMENT)
    client = index_client(first, provenance_url=second.url + "/base/")
    assert provenance(client) == (Flag.NEVER_CARRIED, Outcome.FOUND, DOCUMENT.body)
    assert client.fetch_project("six").evidence_bearing


def test_a_provenance_url_replaces_the_address_in_the_page(first: Server, second: Server) -> None:
    first.on("/simple/six/", page(WHEEL, provenance="/elsewhere"))
    second.on(ENDPOINT, DOCUMENT)
    assert provenance(index_client(first, provenance_url=second.url))[1] is Outcome.FOUND
    assert first.paths == ["/simple/six/"]


def test_the_parts_of_a_provenance_address_are_quoted(first: Server, second: Server) -> None:
    name = "six-1.0+a b?c.tar.gz"
    first.on("/simple/six/", page(name))
    client = index_client(first, provenance_url=second.url)
    project = client.fetch_project("six")
    client.fetch_provenance(project.files[0], project=project, version="1.0+a")
    assert second.paths == ["/integrity/six/1.0%2Ba/six-1.0%2Ba%20b%3Fc.tar.gz/provenance"]


def test_the_owner_does_not_speak_for_find_links(first: Server, wheelhouse: Path) -> None:
    first.on("/simple/six/", page(WHEEL, provenance=None))
    client = index_client(first, find_links=[str(wheelhouse / "six-1.0.tar.gz")])
    project = client.fetch_project("six")
    found = client.fetch_provenance(project.find_links[0], project=project, version="1.0")
    assert found == (Flag.NEVER_CARRIED, Outcome.NOT_ASKED, None)


def test_concurrent_names_do_not_wait_for_each_other(first: Server) -> None:
    both = threading.Barrier(2, timeout=60)

    def together(seen: Seen) -> Reply:
        both.wait()
        return page(f"{seen.path.split('/')[2]}-1.0.tar.gz")

    for name in ("six", "seven"):
        first.routes[f"/simple/{name}/"] = together
    client = index_client(first)
    other = threading.Thread(target=client.fetch_project, args=("seven",))
    other.start()
    assert names(client.fetch_project("six")) == ["six-1.0.tar.gz"]
    other.join()
    assert names(client.fetch_project("seven")) == ["seven-1.0.tar.gz"]

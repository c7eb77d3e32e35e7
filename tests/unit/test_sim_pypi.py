"""The PyPI simulator, behaviour by behaviour; ``tests/sim/FIDELITY.md`` says where each comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest
import requests

from tests.sim.faults import Kind
from tests.sim.packages import make_sdist, make_wheel, wheel_metadata
from tests.sim.pages import INTEGRITY_JSON, SIMPLE_HTML, SIMPLE_JSON, select_type
from tests.sim.pypi import Fault, PyPISimulator

_WHEEL, _CONTENT = make_wheel("widget", "1.0.0")
_PIP_ACCEPT = f"{SIMPLE_JSON}, {SIMPLE_HTML}; q=0.1, text/html; q=0.01"
_DOCUMENT = {"version": 1, "attestation_bundles": []}


@pytest.fixture
def pypi() -> Iterator[PyPISimulator]:
    with PyPISimulator() as simulator:
        yield simulator


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


class _Anchors(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def _json_page(pypi: PyPISimulator, session: requests.Session, name: str = "widget") -> dict[str, object]:
    response = session.get(f"{pypi.simple_url}/{name}/", headers={"Accept": SIMPLE_JSON}, timeout=60)
    assert response.status_code == 200
    page: dict[str, object] = response.json()
    return page


def _entry(pypi: PyPISimulator, session: requests.Session) -> dict[str, object]:
    [entry] = json.loads(json.dumps(_json_page(pypi, session)["files"]))
    assert isinstance(entry, dict)
    return entry


def _anchor(pypi: PyPISimulator, session: requests.Session) -> dict[str, str | None]:
    [anchor] = _Anchors(session.get(f"{pypi.simple_url}/widget/", timeout=60).text).found
    return anchor


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/html; charset=UTF-8"),
        ("*/*", "text/html; charset=UTF-8"),
        ("text/*;q=0.5, application/json", "text/html; charset=UTF-8"),
        ("image/png", "text/html; charset=UTF-8"),
        (SIMPLE_HTML, SIMPLE_HTML),
        (SIMPLE_JSON, SIMPLE_JSON),
        (_PIP_ACCEPT, SIMPLE_JSON),
        (f"{SIMPLE_JSON};q=0.1, text/html", "text/html; charset=UTF-8"),
    ],
)
def test_the_form_of_a_page_follows_accept(
    pypi: PyPISimulator, session: requests.Session, accept: str | None, content_type: str
) -> None:
    pypi.add(_WHEEL, _CONTENT)
    for path in ("", "widget/"):
        response = session.get(f"{pypi.simple_url}/{path}", headers={"Accept": accept}, timeout=60)
        assert response.headers["Content-Type"] == content_type
        assert "Accept" in response.headers["Vary"]


def test_a_type_that_the_client_excludes_is_not_selected() -> None:
    assert select_type(f"{SIMPLE_JSON};q=0, */*", [SIMPLE_JSON, "text/html"]) == "text/html"
    assert select_type("image/png", [SIMPLE_JSON]) is None


def test_a_json_page_has_the_keys_of_pypi(pypi: PyPISimulator, session: requests.Session) -> None:
    uploaded = datetime(2024, 11, 6, 22, 37, 8, 132436, tzinfo=timezone.utc)
    pypi.add(_WHEEL, _CONTENT, upload_time=uploaded, requires_python=">=3.8")
    page = _json_page(pypi, session)
    assert page["name"] == "widget"
    assert page["versions"] == ["1.0.0"]
    assert page["alternate-locations"] == []
    assert page["project-status"] == {"status": "active"}
    metadata = {"sha256": hashlib.sha256(wheel_metadata(_CONTENT)).hexdigest()}
    entry = _entry(pypi, session)
    assert str(entry.pop("url")).endswith(f"/{_WHEEL}")
    assert entry == {
        "filename": _WHEEL,
        "hashes": {"sha256": hashlib.sha256(_CONTENT).hexdigest()},
        "requires-python": ">=3.8",
        "size": len(_CONTENT),
        "upload-time": "2024-11-06T22:37:08.132436Z",
        "yanked": False,
        "core-metadata": metadata,
        "data-dist-info-metadata": metadata,
        "provenance": None,
    }


def test_an_html_page_has_the_attributes_of_pypi(pypi: PyPISimulator, session: requests.Session) -> None:
    file = pypi.add(_WHEEL, _CONTENT, requires_python=">=3.8,<4", yanked='broken "a" & b', provenance=_DOCUMENT)
    page = session.get(f"{pypi.simple_url}/widget/", timeout=60).text
    metadata = f"sha256={hashlib.sha256(wheel_metadata(_CONTENT)).hexdigest()}"
    assert _Anchors(page).found == [
        {
            "href": f"{pypi.files_url}{file.path}#sha256={hashlib.sha256(_CONTENT).hexdigest()}",
            "data-requires-python": ">=3.8,<4",
            "data-yanked": 'broken "a" & b',
            "data-dist-info-metadata": metadata,
            "data-core-metadata": metadata,
            "data-provenance": f"{pypi.base_url}/integrity/widget/1.0.0/{_WHEEL}/provenance",
        }
    ]
    assert 'data-requires-python="&gt;=3.8,&lt;4"' in page
    assert '<meta name="pypi:repository-version" content="1.4">' in page


@pytest.mark.parametrize(
    ("yanked", "in_html"), [(False, "absent"), (True, ""), ("broken", "broken")], ids=["no", "yes", "with-reason"]
)
def test_yanked_is_a_flag_or_a_reason(
    pypi: PyPISimulator, session: requests.Session, yanked: bool | str, in_html: str
) -> None:
    pypi.add(_WHEEL, _CONTENT, yanked=yanked)
    assert _entry(pypi, session)["yanked"] == yanked
    assert _anchor(pypi, session).get("data-yanked", "absent") == in_html


def test_versions_are_those_of_the_files_in_order(pypi: PyPISimulator, session: requests.Session) -> None:
    for version in ("1.10.0", "1.9.0", "1.9.0rc1"):
        pypi.add(*make_wheel("widget", version))
    pypi.add(*make_sdist("widget", "1.9.0"))
    assert _json_page(pypi, session)["versions"] == ["1.9.0rc1", "1.9.0", "1.10.0"]


def test_the_root_lists_every_project(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(*make_wheel("Acme.Tools", "1"))
    pypi.add(_WHEEL, _CONTENT)
    listing = session.get(f"{pypi.simple_url}/", headers={"Accept": SIMPLE_JSON}, timeout=60).json()
    assert [entry["name"] for entry in listing["projects"]] == ["acme-tools", "widget"]
    anchors = _Anchors(session.get(f"{pypi.simple_url}/", timeout=60).text).found
    assert [anchor["href"] for anchor in anchors] == ["/simple/acme-tools/", "/simple/widget/"]


@pytest.mark.parametrize("path", ["Acme.Tools/", "acme_tools/", "ACME-TOOLS/", "acme-tools"])
def test_other_spellings_are_redirected_to_the_normalised_page(
    pypi: PyPISimulator, session: requests.Session, path: str
) -> None:
    pypi.add(*make_wheel("Acme.Tools", "1"))
    response = session.get(f"{pypi.simple_url}/{path}", timeout=60)
    assert response.history[0].status_code == 301
    assert response.url == f"{pypi.simple_url}/acme-tools/"
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/simple/unknown/", "/pypi/widget/json", "/integrity/widget/2.0/x/provenance", "/"])
def test_the_index_answers_404_for_what_it_does_not_have(
    pypi: PyPISimulator, session: requests.Session, path: str
) -> None:
    pypi.add(_WHEEL, _CONTENT)
    assert session.get(pypi.base_url + path, timeout=60).status_code == 404


def test_files_and_their_metadata_are_on_a_host_of_their_own(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT)
    url = str(_entry(pypi, session)["url"])
    assert url.startswith(pypi.files_url)
    assert pypi.files_url != pypi.base_url
    assert session.get(url, timeout=60).content == _CONTENT
    assert session.get(f"{url}.metadata", timeout=60).content == wheel_metadata(_CONTENT)
    assert session.get(url.replace(pypi.files_url, pypi.base_url), timeout=60).status_code == 404
    assert session.get(f"{pypi.files_url}/packages/none", timeout=60).status_code == 404


def test_an_sdist_has_no_metadata_beside_it(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(*make_sdist("widget", "1.0.0"))
    entry = _entry(pypi, session)
    assert entry["core-metadata"] is False
    assert session.get(f"{entry['url']}.metadata", timeout=60).status_code == 404
    assert "data-core-metadata" not in _anchor(pypi, session)


def test_metadata_can_be_left_out_or_differ(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT, core_metadata=False)
    assert _entry(pypi, session)["core-metadata"] is False
    pypi.add(_WHEEL, _CONTENT, metadata_served=b"Name: other\n")
    entry = _entry(pypi, session)
    assert entry["core-metadata"] == {"sha256": hashlib.sha256(b"Name: other\n").hexdigest()}
    assert session.get(f"{entry['url']}.metadata", timeout=60).content == b"Name: other\n"


def test_hashes_and_bytes_can_differ_from_the_content(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT, hashes={"md5": "0" * 32}, served=b"other bytes")
    entry = _entry(pypi, session)
    assert entry["hashes"] == {"md5": "0" * 32}
    assert session.get(str(entry["url"]), timeout=60).content == b"other bytes"
    assert str(_anchor(pypi, session)["href"]).endswith("#md5=" + "0" * 32)


def test_a_file_can_be_listed_without_hashes(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT, hashes={})
    assert _entry(pypi, session)["hashes"] == {}
    assert "#" not in str(_anchor(pypi, session)["href"])


def test_a_file_can_be_listed_by_another_project(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT, project="Gadget")
    assert [entry["filename"] for entry in json.loads(json.dumps(_json_page(pypi, session, "gadget")["files"]))] == [
        _WHEEL
    ]


def test_the_registry_changes_while_it_runs(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT)
    pypi.add(_WHEEL, _CONTENT + b"\x00", core_metadata=False)
    assert _entry(pypi, session)["size"] == len(_CONTENT) + 1
    pypi.remove(_WHEEL)
    assert _json_page(pypi, session)["files"] == []


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        (INTEGRITY_JSON, 200, INTEGRITY_JSON),
        ("application/json", 200, "application/json"),
        ("*/*", 200, INTEGRITY_JSON),
        (None, 200, INTEGRITY_JSON),
        ("text/html", 406, "application/json"),
    ],
)
def test_provenance_is_negotiated(
    pypi: PyPISimulator, session: requests.Session, accept: str | None, status: int, content_type: str
) -> None:
    pypi.add(_WHEEL, _CONTENT, provenance=_DOCUMENT)
    response = session.get(str(_entry(pypi, session)["provenance"]), headers={"Accept": accept}, timeout=60)
    assert (response.status_code, response.headers["Content-Type"]) == (status, content_type)
    assert response.json() == (_DOCUMENT if status == 200 else {"message": "Request not acceptable"})


def test_a_file_without_provenance_has_a_null_key_and_a_404_that_says_so(
    pypi: PyPISimulator, session: requests.Session
) -> None:
    file = pypi.add(_WHEEL, _CONTENT)
    response = session.get(pypi.base_url + file.provenance_path, timeout=60)
    assert response.status_code == 404
    assert response.json() == {"message": f"No provenance available for {_WHEEL}"}
    assert "data-provenance" not in _anchor(pypi, session)


@pytest.mark.parametrize("flag", [True, False])
def test_the_flag_and_the_endpoint_can_contradict_each_other(
    pypi: PyPISimulator, session: requests.Session, flag: bool
) -> None:
    file = pypi.add(_WHEEL, _CONTENT, provenance=None if flag else b"{}", provenance_flag=flag)
    assert (_entry(pypi, session)["provenance"] is not None) is flag
    assert session.get(pypi.base_url + file.provenance_path, timeout=60).status_code == (404 if flag else 200)


def test_a_provenance_document_of_bytes_is_served_as_it_is(pypi: PyPISimulator, session: requests.Session) -> None:
    file = pypi.add(_WHEEL, _CONTENT, provenance=b"\xff not JSON")
    assert session.get(pypi.base_url + file.provenance_path, timeout=60).content == b"\xff not JSON"


def test_a_mirror_without_evidence_knows_no_provenance(pypi: PyPISimulator, session: requests.Session) -> None:
    file = pypi.add(_WHEEL, _CONTENT, provenance=_DOCUMENT)
    pypi.evidence_bearing = False
    assert "provenance" not in _entry(pypi, session)
    assert "data-provenance" not in _anchor(pypi, session)
    assert session.get(pypi.base_url + file.provenance_path, timeout=60).status_code == 404


def test_an_html_only_index_answers_in_html_whatever_is_asked_for(
    pypi: PyPISimulator, session: requests.Session
) -> None:
    pypi.add(_WHEEL, _CONTENT)
    pypi.html_only = True
    response = session.get(f"{pypi.simple_url}/widget/", headers={"Accept": SIMPLE_JSON}, timeout=60)
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert response.text.startswith("<!DOCTYPE html>")


def test_pages_are_compressed_where_accepted_and_files_never(pypi: PyPISimulator, session: requests.Session) -> None:
    file = pypi.add(_WHEEL, _CONTENT)
    page, archive = f"{pypi.simple_url}/widget/", pypi.files_url + file.path
    plain = session.get(page, headers={"Accept-Encoding": "identity"}, timeout=60)
    packed = session.get(page, headers={"Accept-Encoding": "gzip, deflate"}, timeout=60)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == plain.content
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Content-Encoding" not in session.get(archive, headers={"Accept-Encoding": "gzip"}, timeout=60).headers


def test_an_etag_saves_the_body_until_the_page_changes(pypi: PyPISimulator, session: requests.Session) -> None:
    file = pypi.add(_WHEEL, _CONTENT, provenance=_DOCUMENT)
    page = f"{pypi.simple_url}/widget/"
    for url in (page, pypi.files_url + file.path, pypi.base_url + file.provenance_path):
        first = session.get(url, timeout=60)
        again = session.get(url, headers={"If-None-Match": first.headers["ETag"]}, timeout=60)
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert "max-age" in again.headers["Cache-Control"]
    old = session.get(page, timeout=60).headers["ETag"]
    pypi.add(*make_wheel("widget", "1.1.0"))
    assert session.get(page, headers={"If-None-Match": old}, timeout=60).status_code == 200


def test_head_has_the_headers_and_no_body_and_the_connection_stays_usable(
    pypi: PyPISimulator, session: requests.Session
) -> None:
    file = pypi.add(_WHEEL, _CONTENT)
    response = session.head(pypi.files_url + file.path, timeout=60)
    assert (response.headers["Content-Length"], response.content) == (str(len(_CONTENT)), b"")
    assert session.get(pypi.files_url + file.path, timeout=60).content == _CONTENT


def test_other_methods_are_refused(pypi: PyPISimulator, session: requests.Session) -> None:
    assert session.post(f"{pypi.simple_url}/", timeout=60).status_code == 405


@pytest.mark.parametrize("auth", [None, ("user", "wrong"), ("other", "pass")], ids=["none", "password", "user"])
def test_without_the_credentials_every_request_is_401(
    pypi: PyPISimulator, session: requests.Session, auth: tuple[str, str] | None
) -> None:
    file = pypi.add(_WHEEL, _CONTENT)
    pypi.credentials = ("user", "pass")
    for url in (f"{pypi.simple_url}/widget/", pypi.files_url + file.path):
        response = session.get(url, auth=auth, timeout=60)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        assert session.get(url, auth=("user", "pass"), timeout=60).status_code == 200


def test_files_can_be_open_while_the_index_is_not(pypi: PyPISimulator, session: requests.Session) -> None:
    file = pypi.add(_WHEEL, _CONTENT)
    pypi.credentials, pypi.files_need_credentials = ("user", "pass"), False
    assert session.get(pypi.files_url + file.path, timeout=60).status_code == 200
    assert session.get(f"{pypi.simple_url}/widget/", timeout=60).status_code == 401


def test_requests_are_recorded(pypi: PyPISimulator, session: requests.Session) -> None:
    file = pypi.add(_WHEEL, _CONTENT)
    session.get(f"{pypi.simple_url}/widget/?query", headers={"X-Test": "1"}, timeout=60)
    session.head(pypi.files_url + file.path, timeout=60)
    first, second = pypi.requests
    assert (first.host, first.method, first.path, first.status) == ("index", "GET", "/simple/widget/", 200)
    assert first.headers["x-test"] == "1"
    assert (second.host, second.method, second.path, second.status) == ("files", "HEAD", file.path, 200)
    pypi.clear_requests()
    assert pypi.requests == []


def test_many_clients_at_once_are_all_answered_and_recorded(pypi: PyPISimulator) -> None:
    file = pypi.add(_WHEEL, _CONTENT)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: requests.get(pypi.files_url + file.path, timeout=60).content, range(40)))
    assert answers == [_CONTENT] * 40
    assert [request.status for request in pypi.requests] == [200] * 40


def _urls(pypi: PyPISimulator) -> dict[Kind, str]:
    file = pypi.add(_WHEEL, _CONTENT, provenance=_DOCUMENT)
    return {
        "page": f"{pypi.simple_url}/widget/",
        "file": pypi.files_url + file.path,
        "metadata": f"{pypi.files_url}{file.path}.metadata",
        "provenance": pypi.base_url + file.provenance_path,
    }


_KINDS: tuple[Kind, ...] = ("page", "file", "metadata", "provenance")


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize(
    ("behaviour", "status", "retry_after"),
    [
        (Fault.SERVER_ERROR, 500, None),
        (Fault.UNAVAILABLE, 503, "1"),
        (Fault.UNAUTHORIZED, 401, None),
        (Fault.FORBIDDEN, 403, None),
        (Fault.NOT_FOUND, 404, None),
        (Fault.TOO_MANY, 429, "1"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
def test_an_error_status_for_one_kind_alone(
    pypi: PyPISimulator,
    session: requests.Session,
    kind: Kind,
    behaviour: Fault,
    status: int,
    retry_after: str | None,
) -> None:
    pypi.fault(kind=kind, behaviour=behaviour)
    for asked, url in _urls(pypi).items():
        response = session.get(url, timeout=60)
        assert response.status_code == (status if asked == kind else 200)
        assert response.headers.get("Retry-After") == (retry_after if asked == kind else None)


def test_too_many_requests_passes_and_other_faults_stay_until_cleared(
    pypi: PyPISimulator, session: requests.Session
) -> None:
    url = _urls(pypi)["page"]
    pypi.fault(kind="page", behaviour=Fault.TOO_MANY)
    assert [session.get(url, timeout=60).status_code for _ in range(2)] == [429, 200]
    pypi.fault(kind="page", behaviour=Fault.UNAVAILABLE, times=2)
    assert [session.get(url, timeout=60).status_code for _ in range(3)] == [503, 503, 200]
    pypi.fault(kind="page", behaviour=Fault.SERVER_ERROR)
    assert [session.get(url, timeout=60).status_code for _ in range(2)] == [500, 500]
    pypi.clear_faults()
    assert session.get(url, timeout=60).status_code == 200


def test_a_fault_is_for_one_name_or_for_all(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT)
    pypi.add(*make_wheel("gear", "1"))
    pypi.fault(kind="page", name="gear", behaviour=Fault.SERVER_ERROR)
    assert session.get(f"{pypi.simple_url}/gear/", timeout=60).status_code == 500
    assert session.get(f"{pypi.simple_url}/widget/", timeout=60).status_code == 200


def test_the_newest_fault_wins(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT)
    pypi.fault(kind="page", behaviour=Fault.SERVER_ERROR)
    pypi.fault(kind="page", behaviour=Fault.FORBIDDEN)
    assert session.get(f"{pypi.simple_url}/widget/", timeout=60).status_code == 403


@pytest.mark.parametrize("kind", _KINDS)
def test_a_truncated_body_is_shorter_than_it_says(pypi: PyPISimulator, session: requests.Session, kind: Kind) -> None:
    url = _urls(pypi)[kind]
    pypi.fault(kind=kind, behaviour=Fault.TRUNCATE)
    with session.get(url, timeout=60, stream=True) as response:
        assert response.status_code == 200
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            response.content  # noqa: B018


def test_a_reset_connection_gives_no_answer(pypi: PyPISimulator, session: requests.Session) -> None:
    url = _urls(pypi)["page"]
    pypi.fault(kind="page", behaviour=Fault.RESET)
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(url, timeout=60)
    assert [request.status for request in pypi.requests] == [0]


def test_a_hanging_server_outlasts_a_client_and_ends_with_the_simulator(session: requests.Session) -> None:
    with PyPISimulator() as pypi:
        url = _urls(pypi)["page"]
        pypi.fault(kind="page", behaviour=Fault.hang(seconds=3600))
        with pytest.raises(requests.exceptions.ReadTimeout):
            session.get(url, timeout=0.2)
    # Leaving the block would have taken an hour.
    assert pypi.requests[0].path == "/simple/widget/"


@pytest.mark.parametrize("kind", _KINDS)
def test_a_captive_portal_answers_200_in_html(pypi: PyPISimulator, session: requests.Session, kind: Kind) -> None:
    url = _urls(pypi)[kind]
    pypi.fault(kind=kind, behaviour=Fault.HTML_INSTEAD)
    response = session.get(url, headers={"Accept": SIMPLE_JSON}, timeout=60)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html")
    assert "sign in" in response.text


@pytest.mark.parametrize(("kind", "content_type"), [("page", SIMPLE_JSON), ("provenance", INTEGRITY_JSON)])
def test_a_broken_document_is_complete_and_of_the_right_type(
    pypi: PyPISimulator, session: requests.Session, kind: Kind, content_type: str
) -> None:
    url = _urls(pypi)[kind]
    pypi.fault(kind=kind, behaviour=Fault.NOT_JSON)
    response = session.get(url, timeout=60)
    assert (response.status_code, response.headers["Content-Type"]) == (200, content_type)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()


def test_a_huge_body_has_the_length_it_says(pypi: PyPISimulator, session: requests.Session) -> None:
    url = _urls(pypi)["provenance"]
    pypi.fault(kind="provenance", behaviour=Fault.huge(size_bytes=3_000_001))
    response = session.get(url, timeout=60)
    assert response.headers["Content-Length"] == "3000001"
    assert len(response.content) == 3_000_001


def test_a_redirect_leads_where_it_is_told(pypi: PyPISimulator, session: requests.Session) -> None:
    url = _urls(pypi)["file"]
    pypi.fault(kind="file", behaviour=Fault.redirect("http://elsewhere.example/x.whl"))
    response = session.get(url, allow_redirects=False, timeout=60)
    assert (response.status_code, response.headers["Location"]) == (302, "http://elsewhere.example/x.whl")


def test_two_simulators_do_not_share_anything(pypi: PyPISimulator, session: requests.Session) -> None:
    pypi.add(_WHEEL, _CONTENT)
    with PyPISimulator() as other:
        assert other.base_url != pypi.base_url
        assert session.get(f"{other.simple_url}/widget/", timeout=60).status_code == 404
    assert len(pypi.requests) == 0

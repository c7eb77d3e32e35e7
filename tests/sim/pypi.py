"""A simulator of PyPI: the index and the host of files, on two loopback ports, changeable while they run.

``FIDELITY.md`` lists what it reproduces, from which source, and which test shows it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timezone
from http import HTTPStatus

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from typing_extensions import Self, assert_never

from tests.sim import pages
from tests.sim.documents import JsonObject, compact_json
from tests.sim.faults import Fault, FaultPlan, Kind, misbehave, refusal
from tests.sim.loopback import Answer, Loopback, Request, wsgi
from tests.sim.packages import wheel_metadata
from tests.sim.pages import HostedFile

__all__ = ["DEFAULT_UPLOAD_TIME", "Fault", "PyPISimulator", "Request"]

DEFAULT_UPLOAD_TIME = datetime(2024, 1, 15, 12, 0, tzinfo=timezone.utc)
_PAGE_CACHE = "max-age=600, public"
_FILE_CACHE = "max-age=365000000, immutable, public"
_CHALLENGE = 'Basic realm="sim"'


class PyPISimulator:
    """A registry; use it as a context manager, or call ``start`` and ``stop``.

    Attributes:
        credentials: user and password that every request must carry as Basic authorization, or ``None``.
        files_need_credentials: whether the host of files asks for them too.
        evidence_bearing: ``False`` makes it a mirror without provenance: no key in pages, 404 from the endpoint.
        html_only: ``True`` makes it an index that knows PEP 503 alone and answers in HTML whatever is asked for.
    """

    def __init__(self) -> None:
        self.credentials: tuple[str, str] | None = None
        self.files_need_credentials = True
        self.evidence_bearing = True
        self.html_only = False
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._projects: dict[str, dict[str, HostedFile]] = defaultdict(dict)
        self._faults = FaultPlan()
        self._requests: list[Request] = []
        self._index = Loopback(wsgi("index", self._answer_index, self._record))
        self._files = Loopback(wsgi("files", self._answer_files, self._record))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to answer."""
        self._index.start()
        self._files.start()

    def stop(self) -> None:
        """End every connection, hanging ones included."""
        self._stopping.set()
        self._index.stop()
        self._files.stop()

    @property
    def base_url(self) -> str:
        """Address of the index's host; ``/integrity`` is below it."""
        return self._index.url

    @property
    def simple_url(self) -> str:
        """Address to give to pip as ``--index-url``."""
        return f"{self.base_url}/simple"

    @property
    def files_url(self) -> str:
        """Address of the host of files: another origin than the index."""
        return self._files.url

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order of the answers; a copy."""
        with self._lock:
            return list(self._requests)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._requests.clear()

    def add(
        self,
        filename: str,
        content: bytes,
        *,
        project: str | None = None,
        provenance: JsonObject | bytes | None = None,
        provenance_flag: bool | None = None,
        yanked: bool | str = False,
        requires_python: str | None = None,
        upload_time: datetime | None = None,
        core_metadata: bool = True,
        metadata_served: bytes | None = None,
        hashes: dict[str, str] | None = None,
        served: bytes | None = None,
    ) -> HostedFile:
        """Host a file; one of the same name in the project is replaced.

        Args:
            filename: of a wheel or an sdist; project and version are read from it.
            content: what the page describes.
            project: the page that lists it, where that is not the file name's project.
            provenance: the document at the integrity endpoint.
            provenance_flag: whether the page names the endpoint, where that is not what ``provenance`` makes true.
            yanked: PEP 592.
            requires_python: as listed.
            upload_time: as listed; without it, a day of January 2024.
            core_metadata: whether a wheel's metadata is served beside it (PEP 658).
            metadata_served: metadata other than the wheel's own, listed with its own digest.
            hashes: listed in place of the content's sha256.
            served: what a download gets in place of ``content``.
        """
        name, version = _parse_filename(filename)
        metadata = metadata_served
        if metadata is None and core_metadata and filename.endswith(".whl"):
            metadata = wheel_metadata(content)
        document = compact_json(provenance) if isinstance(provenance, dict) else provenance
        hosted = HostedFile(
            filename=filename,
            project=canonicalize_name(project or name),
            version=version,
            content=content,
            served=content if served is None else served,
            hashes={"sha256": hashlib.sha256(content).hexdigest()} if hashes is None else hashes,
            metadata=metadata,
            provenance=document,
            provenance_flag=document is not None if provenance_flag is None else provenance_flag,
            yanked=yanked,
            requires_python=requires_python,
            upload_time=upload_time or DEFAULT_UPLOAD_TIME,
        )
        with self._lock:
            self._projects[hosted.project][filename] = hosted
        return hosted

    def remove(self, filename: str, *, project: str | None = None) -> None:
        """Stop hosting a file; its project stays."""
        name, _ = _parse_filename(filename)
        with self._lock:
            del self._projects[canonicalize_name(project or name)][filename]

    def fault(self, kind: Kind, behaviour: Fault, *, name: str | None = None, times: int | None = None) -> None:
        """Misbehave from now on.

        Args:
            kind: what is asked for.
            behaviour: what happens then.
            name: of the project for a page, of the file for all else; ``None`` for every one.
            times: for how many requests; without it, for one in the case of ``Fault.TOO_MANY`` and for all otherwise.
        """
        if times is None and behaviour is Fault.TOO_MANY:
            times = 1
        with self._lock:
            self._faults.add(kind, name, behaviour, times)

    def clear_faults(self) -> None:
        """Behave again."""
        with self._lock:
            self._faults.clear()

    def _record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def _answer_index(self, request: Request) -> Answer:
        refusal = self._refuse(request, self.credentials)
        if refusal is not None:
            return refusal
        match request.path.split("/")[1:]:
            case ["simple", ""]:
                return self._root(request)
            case ["simple", name]:
                return _redirect(HTTPStatus.MOVED_PERMANENTLY, f"/simple/{name}/")
            case ["simple", name, ""] if name != canonicalize_name(name):
                return _redirect(HTTPStatus.MOVED_PERMANENTLY, f"/simple/{canonicalize_name(name)}/")
            case ["simple", name, ""]:
                return self._misbehave("page", name, self._page(name, request))
            case ["integrity", project, version, filename, "provenance"]:
                honest = self._provenance(canonicalize_name(project), version, filename, request)
                return self._misbehave("provenance", filename, honest)
            case _:
                return _NOT_FOUND

    def _answer_files(self, request: Request) -> Answer:
        refusal = self._refuse(request, self.credentials if self.files_need_credentials else None)
        if refusal is not None:
            return refusal
        for file in self._hosted():
            if request.path == file.path:
                honest = _file_answer(file.served, request)
                return self._misbehave("file", file.filename, honest)
            if request.path == f"{file.path}.metadata" and file.metadata is not None:
                return self._misbehave("metadata", file.filename, _file_answer(file.metadata, request))
        return _NOT_FOUND

    def _refuse(self, request: Request, credentials: tuple[str, str] | None) -> Answer | None:
        if request.method not in ("GET", "HEAD"):
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        if credentials is None:
            return None
        expected = "Basic " + b64encode(":".join(credentials).encode()).decode()
        return None if request.headers.get("authorization") == expected else refusal(Fault.UNAUTHORIZED, _CHALLENGE)

    def _hosted(self) -> Iterable[HostedFile]:
        with self._lock:
            return [file for files in self._projects.values() for file in files.values()]

    def _links(self) -> pages.Links:
        return pages.Links(self.base_url, self.files_url, self.evidence_bearing)

    def _root(self, request: Request) -> Answer:
        with self._lock:
            projects = sorted(self._projects)
        content_type = self._select_page_type(request)
        render = pages.root_json if content_type == pages.SIMPLE_JSON else pages.root_html
        return _page_answer(render(projects), content_type, request)

    def _page(self, name: str, request: Request) -> Answer:
        with self._lock:
            known = name in self._projects
            files = sorted(self._projects.get(name, {}).values(), key=lambda file: file.filename)
        if not known:
            return _NOT_FOUND
        content_type = self._select_page_type(request)
        render = pages.project_json if content_type == pages.SIMPLE_JSON else pages.project_html
        return _page_answer(render(name, files, self._links()), content_type, request)

    def _select_page_type(self, request: Request) -> str:
        if self.html_only:
            return pages.HTML
        offers = (pages.HTML, pages.SIMPLE_HTML, pages.SIMPLE_JSON)
        return pages.select_type(request.headers.get("accept"), offers) or pages.HTML

    def _provenance(self, project: str, version: str, filename: str, request: Request) -> Answer:
        with self._lock:
            file = self._projects.get(project, {}).get(filename)
        if not self.evidence_bearing or file is None or file.version != version:
            return _NOT_FOUND
        content_type = pages.select_type(request.headers.get("accept"), (pages.INTEGRITY_JSON, pages.JSON))
        if content_type is None:
            return _message(HTTPStatus.NOT_ACCEPTABLE, "Request not acceptable")
        if file.provenance is None:
            return _message(HTTPStatus.NOT_FOUND, f"No provenance available for {filename}")
        return _page_answer(file.provenance, content_type, request)

    def _misbehave(self, kind: Kind, name: str, honest: Answer) -> Answer:
        with self._lock:
            fault = self._faults.take(kind, name)
        if fault is None:
            return honest
        return misbehave(fault, honest, media_type=_json_type(kind), challenge=_CHALLENGE, stopping=self._stopping)


_NOT_FOUND = Answer(HTTPStatus.NOT_FOUND, b"404 Not Found", {"Content-Type": "text/plain; charset=UTF-8"})


def _parse_filename(filename: str) -> tuple[str, str]:
    if filename.endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(filename)
    else:
        name, version = parse_sdist_filename(filename)
    return name, str(version)


def _page_answer(body: bytes, content_type: str, request: Request) -> Answer:
    """Answer with a document of the index: compressed where accepted, and 304 where the client has it."""
    headers = {"Content-Type": content_type, "Cache-Control": _PAGE_CACHE, "Vary": "Accept, Accept-Encoding"}
    if content_type == pages.HTML:
        headers["Content-Type"] = "text/html; charset=UTF-8"
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return _conditional(body, headers, request)


def _file_answer(body: bytes, request: Request) -> Answer:
    return _conditional(body, {"Content-Type": "application/octet-stream", "Cache-Control": _FILE_CACHE}, request)


def _conditional(body: bytes, headers: dict[str, str], request: Request) -> Answer:
    etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    headers |= {"ETag": etag}
    if etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
        return Answer(HTTPStatus.NOT_MODIFIED, headers=headers)
    return Answer(HTTPStatus.OK, body, headers)


def _redirect(status: HTTPStatus, location: str) -> Answer:
    return Answer(status, headers={"Location": location})


def _message(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, json.dumps({"message": text}).encode(), {"Content-Type": pages.JSON})


def _json_type(kind: Kind) -> str:
    match kind:
        case "page":
            return pages.SIMPLE_JSON
        case "provenance":
            return pages.INTEGRITY_JSON
        case "file" | "metadata":
            return "application/octet-stream"
        case _:
            assert_never(kind)

"""A simulator of an npm registry: packuments and evidence, and a host of files, changeable while they run.

``FIDELITY.md`` lists what it reproduces, from which source, and which test shows it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timezone
from http import HTTPStatus
from urllib.parse import unquote

from typing_extensions import Self

from tests.sim import packuments
from tests.sim.documents import JsonObject, compact_json
from tests.sim.faults import Fault, FaultPlan, NpmKind, misbehave, refusal
from tests.sim.loopback import Answer, Loopback, Request, wsgi
from tests.sim.npm_packages import read_manifest, read_tarball
from tests.sim.packuments import ABBREVIATED, JSON, HostedPackage, HostedVersion, integrity_of
from tests.sim.pages import select_type

__all__ = ["DEFAULT_PUBLICATION_TIME", "Fault", "NpmSimulator", "Request"]

DEFAULT_PUBLICATION_TIME = datetime(2024, 1, 15, 12, 0, tzinfo=timezone.utc)
_DOCUMENT_CACHE = "public, max-age=300"
_TARBALL_CACHE = "public, immutable, max-age=31557600"


class NpmSimulator:
    """A registry; use it as a context manager, or call ``start`` and ``stop``.

    Args:
        prefix: path that everything on both hosts is below, as registries of companies have one; ``/api/npm``, say.

    Attributes:
        credentials: what every request must carry: a bearer token, or user and password as Basic authorization.
        files_need_credentials: whether the host of files asks for them too.
        tarballs_elsewhere: whether what is added from now on has its tarball on the host of files.
        evidence_bearing: ``False`` makes it a mirror that leaves out signatures and attestations and has no endpoints
            for them.
        serves_versions: ``False`` makes it a mirror that knows packuments and no single versions.
        full_only: ``True`` makes it a mirror that answers with full packuments whatever is asked for.
        keys: the document of its public keys; ``None`` makes it a registry that does not sign.
        advisories: by name of the package, what an audit is told.
    """

    def __init__(self, *, prefix: str = "") -> None:
        self.credentials: str | tuple[str, str] | None = None
        self.files_need_credentials = True
        self.tarballs_elsewhere = False
        self.evidence_bearing = True
        self.serves_versions = True
        self.full_only = False
        self.keys: JsonObject | None = None
        self.advisories: dict[str, list[JsonObject]] = {}
        self._prefix = prefix
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._packages: dict[str, HostedPackage] = {}
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
    def url(self) -> str:
        """Address to give to npm as ``registry``; it ends with a slash."""
        return f"{self.base_url}/"

    @property
    def base_url(self) -> str:
        """The same without the slash; ``/-/npm/v1`` is below it."""
        return self._index.url + self._prefix

    @property
    def files_url(self) -> str:
        """Address of the host of files: another origin than the registry."""
        return self._files.url + self._prefix

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order of the answers; a copy. A ``%2F`` in a path stays encoded."""
        with self._lock:
            return list(self._requests)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._requests.clear()

    def add(
        self,
        content: bytes,
        *,
        served: bytes | None = None,
        integrity: str | None = None,
        shasum: str | None = None,
        signatures: list[JsonObject] | None = None,
        attestations: JsonObject | bytes | None = None,
        attestations_flag: bool | None = None,
        provenance_flag: bool = True,
        tarball: str | None = None,
        elsewhere: bool | None = None,
        deprecated: str | None = None,
        tag: str | None = "latest",
        listed: JsonObject | None = None,
        published_at: datetime | None = None,
    ) -> HostedVersion:
        """Host a version; the same version of the same package is replaced.

        Args:
            content: of a tarball; name and version are read from its package.json.
            served: what a download gets in place of ``content``.
            integrity: listed in place of the content's SHA-512; an empty string leaves it out.
            shasum: listed in place of the content's SHA-1, likewise.
            signatures: ``dist.signatures``; without it, the key is not there.
            attestations: the document at the endpoint.
            attestations_flag: whether ``dist.attestations`` is listed, where that is not what ``attestations`` makes
                true.
            provenance_flag: whether ``dist.attestations`` says that there is provenance among them.
            tarball: ``dist.tarball`` in place of where the tarball is.
            elsewhere: whether the tarball is on the host of files, where that is not what the registry does anyway.
            deprecated: why nobody should use it.
            tag: of ``dist-tags``, which from now on means this version.
            listed: what the version's object says in place of package.json, ``dist`` included.
            published_at: as listed; without it, a day of January 2024.
        """
        hosted = HostedVersion(
            manifest=read_manifest(content),
            files={path: len(file) for path, file in read_tarball(content).items()},
            content=content,
            served=content if served is None else served,
            integrity=integrity_of(content) if integrity is None else integrity,
            shasum=hashlib.sha1(content, usedforsecurity=False).hexdigest() if shasum is None else shasum,
            signatures=signatures,
            attestations=compact_json(attestations) if isinstance(attestations, dict) else attestations,
            attestations_flag=attestations is not None if attestations_flag is None else attestations_flag,
            provenance_flag=provenance_flag,
            tarball=tarball,
            elsewhere=self.tarballs_elsewhere if elsewhere is None else elsewhere,
            deprecated=deprecated,
            listed=listed or {},
            published_at=published_at or DEFAULT_PUBLICATION_TIME,
        )
        with self._lock:
            package = self._packages.get(hosted.name) or HostedPackage(name=hosted.name)
            self._packages[hosted.name] = replace(
                package,
                versions={**package.versions, hosted.version: hosted},
                tags={**package.tags, **({tag: hosted.version} if tag else {})},
                times={**package.times, hosted.version: hosted.published_at},
            )
        return hosted

    def remove(self, name: str, version: str) -> None:
        """Stop hosting a version, as after ``npm unpublish``; its time stays, and its tags go."""
        with self._lock:
            package = self._packages[name]
            versions = {other: hosted for other, hosted in package.versions.items() if other != version}
            tags = {tag: meant for tag, meant in package.tags.items() if meant != version}
            self._packages[name] = replace(package, versions=versions, tags=tags)

    def touch(self, name: str, at: datetime) -> None:
        """Say that something about a package was changed, and no version published."""
        with self._lock:
            self._packages[name] = replace(self._packages[name], touched_at=at)

    def fault(self, kind: NpmKind, behaviour: Fault, *, name: str | None = None, times: int | None = None) -> None:
        """Misbehave from now on.

        Args:
            kind: what is asked for.
            behaviour: what happens then.
            name: of the package for a packument, ``name@version`` for all else; ``None`` for every one, and for what
                is not about one package.
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
        place = self._place(request)
        if not self._is_authorized(request):
            return refusal(Fault.UNAUTHORIZED, self._challenge)
        if place[:4] == ["-", "npm", "v1", "security"]:
            return self._audit(place[4:], request)
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        match place:
            case ["-", "npm", "v1", "keys"]:
                return self._misbehave("keys", "", self._published_keys(request))
            case ["-", "npm", "v1", "attestations", *spec]:
                return self._misbehave("attestations", "/".join(spec), self._attestations("/".join(spec), request))
            case [name, "-", filename]:
                return self._tarball(name, filename, request, elsewhere=False)
            case [name]:
                return self._misbehave("packument", name, self._packument(name, request))
            case [name, version]:
                return self._misbehave("version", f"{name}@{version}", self._version(name, version, request))
            case _:
                return _NOT_FOUND

    def _answer_files(self, request: Request) -> Answer:
        if self.files_need_credentials and not self._is_authorized(request):
            return refusal(Fault.UNAUTHORIZED, self._challenge)
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        match self._place(request):
            case [name, "-", filename]:
                return self._tarball(name, filename, request, elsewhere=True)
            case _:
                return _NOT_FOUND

    def _place(self, request: Request) -> list[str]:
        """Split a path below the prefix; a scope and its package are one part, whether or not their slash is encoded.

        Nothing is at an empty list.
        """
        if not request.path.startswith(f"{self._prefix}/"):
            return []
        first, *rest = (unquote(part) for part in request.path[len(self._prefix) + 1 :].split("/"))
        if first.startswith("@") and "/" not in first and rest:
            return [f"{first}/{rest[0]}", *rest[1:]]
        return [first, *rest]

    @property
    def _challenge(self) -> str:
        return 'Bearer realm="sim"' if isinstance(self.credentials, str) else 'Basic realm="sim"'

    def _is_authorized(self, request: Request) -> bool:
        match self.credentials:
            case None:
                return True
            case (user, password):
                expected = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
            case token:
                expected = f"Bearer {token}"
        return request.headers.get("authorization") == expected

    @property
    def _links(self) -> packuments.Links:
        return packuments.Links(
            base_url=self.base_url, files_url=self.files_url, evidence_bearing=self.evidence_bearing
        )

    def _package(self, name: str) -> HostedPackage | None:
        with self._lock:
            return self._packages.get(name)

    def _packument(self, name: str, request: Request) -> Answer:
        package = self._package(name)
        if package is None:
            return _NOT_FOUND
        wanted = select_type(request.headers.get("accept"), (JSON, ABBREVIATED)) or JSON
        if wanted == ABBREVIATED and not self.full_only:
            return _document(packuments.abbreviated_packument(package, self._links), ABBREVIATED, request)
        return _document(packuments.full_packument(package, self._links), JSON, request)

    def _version(self, name: str, version: str, request: Request) -> Answer:
        package = self._package(name)
        if package is None or not self.serves_versions:
            return _NOT_FOUND
        hosted = package.versions.get(package.tags.get(version, version))
        if hosted is None:
            return _error(HTTPStatus.NOT_FOUND, f"version not found: {version}")
        return _document(json.dumps(packuments.version_object(hosted, self._links)).encode(), JSON, request)

    def _tarball(self, name: str, filename: str, request: Request, *, elsewhere: bool) -> Answer:
        package = self._package(name)
        for hosted in package.versions.values() if package else ():
            if hosted.filename == filename and hosted.elsewhere is elsewhere:
                headers = {"Content-Type": "application/octet-stream", "Cache-Control": _TARBALL_CACHE}
                return self._misbehave("tarball", hosted.spec, _conditional(hosted.served, headers, request))
        return _NOT_FOUND

    def _attestations(self, spec: str, request: Request) -> Answer:
        name, _, version = spec.rpartition("@")
        package = self._package(name)
        hosted = package.versions.get(version) if package else None
        if hosted is None or hosted.attestations is None or not self.evidence_bearing:
            return _NOT_FOUND
        return _document(hosted.attestations, JSON, request)

    def _published_keys(self, request: Request) -> Answer:
        if self.keys is None or not self.evidence_bearing:
            return _NOT_FOUND
        return _document(compact_json(self.keys), JSON, request)

    def _audit(self, endpoint: list[str], request: Request) -> Answer:
        if request.method != "POST":
            return _not_allowed("POST")
        match endpoint:
            case ["advisories", "bulk"]:
                return self._misbehave("audit", "", _document(compact_json(self.advisories), JSON, request))
            case ["audits", "quick"]:
                return self._misbehave("audit", "", _document(compact_json(_QUICK_AUDIT), JSON, request))
            case _:
                return _NOT_FOUND

    def _misbehave(self, kind: NpmKind, name: str, honest: Answer) -> Answer:
        with self._lock:
            fault = self._faults.take(kind, name)
        if fault is None:
            return honest
        media_type = honest.headers["Content-Type"]
        return misbehave(fault, honest, media_type=media_type, challenge=self._challenge, stopping=self._stopping)


def _error(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, compact_json({"error": text}), {"Content-Type": JSON})


def _not_allowed(methods: str) -> Answer:
    return Answer(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": methods})


_NOT_FOUND = _error(HTTPStatus.NOT_FOUND, "Not found")
_NO_VULNERABILITIES = {"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0}
_QUICK_AUDIT: JsonObject = {
    "actions": [],
    "advisories": {},
    "muted": [],
    "metadata": {"vulnerabilities": _NO_VULNERABILITIES, "dependencies": 0, "devDependencies": 0},
}


def _document(body: bytes, content_type: str, request: Request) -> Answer:
    """Answer with a document: compressed where accepted, and 304 where the client has it."""
    headers = {"Content-Type": content_type, "Cache-Control": _DOCUMENT_CACHE, "Vary": "Accept-Encoding, Accept"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return _conditional(body, headers, request)


def _conditional(body: bytes, headers: dict[str, str], request: Request) -> Answer:
    headers["ETag"] = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    if headers["ETag"] in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
        return Answer(HTTPStatus.NOT_MODIFIED, headers=headers)
    return Answer(HTTPStatus.OK, body, headers)

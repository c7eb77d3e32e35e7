"""npm's registry API as the gateway serves it to npm.

One site serves both runs. Packuments pass through as their registry sent them, ``dist.tarball`` included, so that no
address of the gateway can land in a lockfile; versions that the policy refuses for what is listed of them are left out.
A tarball is delivered only after its digest and decision: those of the plan were decided before the installing run
began, and whatever else is asked for (by an ``npm install`` in a package's own script, say) is decided by the same
engine before a byte of it is delivered.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit

from guard.attest.availability import Outcome
from guard.engine.npm import NpmEngine, NpmRequest
from guard.errors import GuardError, MalformedInput, NotFound, Unavailable
from guard.gateway.offers import unmet
from guard.gateway.packuments import without_versions
from guard.gateway.server import Answer, Body, FileBody, Refusal, Request, refusal_of
from guard.model import Finding, HeldBack, Judged, Level, RuleId
from guard.policy.provenance import REGISTRY_SOURCES
from guard.registry.credentials import redact_url
from guard.registry.npm import AUDIT_PATHS, NpmClient
from guard.registry.packument import Packument, PublishedVersion

_ABBREVIATED_TYPE = "application/vnd.npm.install-v1+json"
_NOT_FOUND = Body(b'{"error":"Not found"}', "application/json", HTTPStatus.NOT_FOUND)
_NAME = re.compile(r"/(?:(@[^/@]+)/)?([^/@][^/]*)")
# How pacote names what it fetches, with the address that the registry or the lock gives (pacote, lib/registry.js and
# lib/remote.js, where arborist puts the name of the folder before the address).
_PACKAGE_ID = re.compile(r"(?:registry|remote):((?:@[^/@]+/)?[^/@]+)@.+")
_KEYS_PATH = "/-/npm/v1/keys"
_ATTESTATIONS = re.compile(r"/-/npm/v1/attestations/((?:@[^/@]+/)?[^/@]+)@([^/@]+)")
_TARBALL_TAIL = re.compile(r"/((?:@[^/@]+/)?[^/@]+)/-/[^/]+")


class NpmSite:
    """Serves npm, and decides what it was not told to be decided already.

    Args:
        engine: where everything comes from.
        client: passes on the questions of ``npm audit``.
        planned: what was decided before; all of it is allowed. Only releases of a registry count: a folder or a bundled
            package of the same name is something else.
        addresses: what the user's own files and command line name, to say which address a request was for.
        on_refusal: called when a tarball is refused, before npm hears of it.
        on_delivery: called with each decision that is made here, before the tarball is delivered.
        holds_back: whether versions that the policy refuses for what the registry lists are left out.
    """

    def __init__(
        self,
        engine: NpmEngine,
        client: NpmClient,
        *,
        planned: Iterable[Judged] = (),
        addresses: Iterable[str] = (),
        on_refusal: Callable[[], None] = lambda: None,
        on_delivery: Callable[[Judged], None] = lambda _: None,
        holds_back: bool = True,
    ) -> None:
        self._engine = engine
        self._client = client
        releases = (judged.artifact for judged in planned if judged.artifact.source in REGISTRY_SOURCES)
        self._planned = frozenset((artifact.name, artifact.version) for artifact in releases)
        self._addresses = {path: redact_url(address) for address in addresses if (path := _path_of(address))}
        self._on_refusal = on_refusal
        self._on_delivery = on_delivery
        self._holds_back = holds_back
        self._lock = threading.Lock()
        self._delivered: dict[tuple[str, str], Judged] = {}
        self._refused: dict[tuple[str, str], Judged] = {}
        self._findings: dict[str, Finding] = {}
        self._unknown: dict[str, Finding] = {}
        self._held_back: dict[str, tuple[HeldBack, ...]] = {}
        self._crash: BaseException | None = None

    @property
    def delivered(self) -> tuple[Judged, ...]:
        """Every release that was decided and delivered here, in order; those of the plan are not among them."""
        with self._lock:
            return tuple(self._delivered.values())

    @property
    def refused(self) -> tuple[Judged, ...]:
        """Every release that was asked for and refused."""
        with self._lock:
            return tuple(self._refused.values())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What went wrong apart from single releases: packuments that could not be had, addresses nobody lists."""
        with self._lock:
            return (*self._findings.values(), *self._unknown.values())

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        """Every version that was not offered, in the order of the packuments."""
        with self._lock:
            return tuple(held for package in self._held_back.values() for held in package)

    def explain_failure(self, unmatched: Collection[str]) -> tuple[Finding, ...]:
        """Return a finding for each package that was not offered whole and of which npm found nothing to take.

        Args:
            unmatched: the packages of which npm says so.
        """
        with self._lock:
            held = {name: each for name, each in self._held_back.items() if name in unmatched}
        return tuple(unmet(name, each) for name, each in held.items())

    def raise_crash(self) -> None:
        """Raise what an answer died of, if one did: an error of guard's own must not pass for a refusal."""
        if self._crash is not None:
            raise self._crash

    def answer(self, request: Request) -> Answer:
        """Answer one request; see :class:`guard.gateway.server.Site`."""
        try:
            return self._answer(request)
        except NotFound:
            return _NOT_FOUND
        except Unavailable as error:
            return self._note(request.path, Level.UNDECIDED, error)
        except MalformedInput as error:
            return self._note(request.path, Level.BLOCK, error)
        except Exception as error:  # noqa: BLE001  # kept for raise_crash; the client is refused
            self._crash = error
            self._on_refusal()
            return Refusal(HTTPStatus.FAILED_DEPENDENCY, "guard: internal error")

    def upstream_url(self, path: str) -> str:
        """Return the address that npm would have asked without the gateway.

        Args:
            path: of a gateway address, as npm wrote it.
        """
        found = _NAME.match(unquote(path))
        name = "/".join(part for part in found.groups() if part) if found else ""
        registry = self._client.registries.registry_of(name)
        return registry.rstrip("/") + path

    def _answer(self, request: Request) -> Answer:
        if request.method == "POST":
            return self._audit(request) if request.path in AUDIT_PATHS else _NOT_FOUND
        if request.path.startswith("/-/"):
            return self._evidence(request.path)
        name = _package_name(request)
        if name is not None:
            return self._packument(name, request.headers.get("accept", ""))
        published = self._find_tarball(request)
        return self._refuse_unknown(request) if published is None else self._deliver(published)

    def _packument(self, name: str, accept: str) -> Answer:
        """Pass a packument on in the form that npm asked for: what npm writes into a lock depends on it."""
        if _ABBREVIATED_TYPE in accept:
            return Body(self._offered(self._engine.fetch_packument(name)), _ABBREVIATED_TYPE)
        return Body(self._offered(self._engine.fetch_full_packument(name)), "application/json")

    def _offered(self, packument: Packument) -> bytes:
        """Return what npm may choose from, byte for byte as it was sent where nothing is left out."""
        held = self._engine.hold_back(packument) if self._holds_back else {}
        if not held:
            return packument.document
        with self._lock:
            self._held_back[packument.name] = tuple(held.values())
        return without_versions(packument.document, held)

    def _audit(self, request: Request) -> Answer:
        """Pass on the question that ``npm install`` and ``npm audit fix`` ask; its answer decides nothing here."""
        try:
            answer = self._client.post_audit(request.path, request.body, request.headers)
        except GuardError as error:
            return Refusal(HTTPStatus.FAILED_DEPENDENCY, error.message)
        status = HTTPStatus(answer.status) if answer.status in [*HTTPStatus] else HTTPStatus.BAD_GATEWAY
        return Body(answer.body, answer.headers.get("Content-Type", "application/json"), status)

    def _evidence(self, path: str) -> Answer:
        """Pass on what a guard asks that a script has started behind a shim: it decides by the same evidence."""
        release = _ATTESTATIONS.fullmatch(path)
        try:
            if path == _KEYS_PATH:
                return Body(self._client.fetch_keys(self._client.registries.default), "application/json")
            published = self._engine.fetch_packument(release[1]).version(release[2]) if release else None
            if published is None:
                return _NOT_FOUND
            _, outcome, document = self._client.fetch_attestations(published)
        except NotFound:
            return _NOT_FOUND
        except GuardError as error:
            return Refusal(HTTPStatus.FAILED_DEPENDENCY, error.message)
        if document is not None:
            return Body(document, "application/json")
        is_failure = outcome in (Outcome.DENIED, Outcome.FAILED)
        return Refusal(HTTPStatus.FAILED_DEPENDENCY, "guard: no answer") if is_failure else _NOT_FOUND

    def _find_tarball(self, request: Request) -> PublishedVersion | None:
        """Return the release that a request for a tarball means.

        The path alone does not say it: registries write them as they like, and npm puts the gateway in place of every
        host. What counts is that the registry of the package lists a release at this path.
        """
        for name in _names_in(request):
            try:
                packument = self._engine.fetch_packument(name)
            except NotFound:
                continue
            for version in packument.versions:
                try:
                    published = packument.version(version)
                except MalformedInput:
                    continue
                if published is not None and unquote(urlsplit(published.tarball).path) == request.path:
                    return published
        return None

    def _deliver(self, published: PublishedVersion) -> Answer:
        key = (published.name, published.version)
        if key not in self._planned:
            judged = self._engine.judge(NpmRequest(name=published.name, version=published.version))
            if not judged.decision.verdict.installs:
                with self._lock:
                    self._refused[key] = judged
                self._on_refusal()
                return refusal_of(judged)
            with self._lock:
                self._delivered[key] = judged
            self._on_delivery(judged)
        stored = self._engine.load_tarball(published)
        return FileBody(stored.path, stored.size_bytes)

    def _refuse_unknown(self, request: Request) -> Refusal:
        """Refuse what is no tarball of a registry: a dependency that is an address on the web, most likely."""
        named = self._addresses.get(request.path)
        message = f"npm asked for {named or quote(request.path)}, which is no release of a registry"
        with self._lock:
            self._unknown[request.path] = Finding(
                rule=RuleId.SOURCE_NOT_ALLOWED,
                level=Level.BLOCK,
                message=message,
                next="depend on a release of a registry instead",
            )
        self._on_refusal()
        return Refusal(HTTPStatus.FORBIDDEN, f"guard: {message}")

    def _note(self, path: str, level: Level, error: GuardError) -> Refusal:
        finding = Finding(rule=RuleId.REGISTRY_UNAVAILABLE, level=level, message=error.message, next=error.hint)
        with self._lock:
            self._findings[path] = finding
        self._on_refusal()
        status = HTTPStatus.FORBIDDEN if level is Level.BLOCK else HTTPStatus.FAILED_DEPENDENCY
        return Refusal(status, f"guard: {error.message}")


def _path_of(address: str) -> str | None:
    """Return the path that npm would ask the gateway for, or ``None`` for what is no address."""
    try:
        return unquote(urlsplit(address).path)
    except ValueError:
        return None


def _package_name(request: Request) -> str | None:
    """Return the package whose packument is asked for: ``/NAME`` or ``/@SCOPE/NAME``.

    An address on the web may look the same; npm says which it means (pacote, lib/remote.js and lib/registry.js).
    """
    if request.headers.get("pacote-req-type") == "tarball":
        return None
    found = _NAME.fullmatch(request.path)
    return None if found is None else "/".join(part for part in found.groups() if part)


def _names_in(request: Request) -> tuple[str, ...]:
    """Return the packages that a tarball may be of: as npm says in a header, and as most registries' paths say."""
    names = []
    said = _PACKAGE_ID.fullmatch(request.headers.get("pacote-pkg-id", ""))
    if said is not None:
        names.append(said[1])
    found = _TARBALL_TAIL.search(request.path)
    if found is not None:
        names.append(found[1])
    return tuple(dict.fromkeys(names))

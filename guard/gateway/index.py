"""The simple repository API (PEP 503, 691, 658, 714) as the gateway serves it to pip.

Two sites speak it. The **open** one serves the resolver: every file of every project, but a file only after its digest
and decision. The **closed** one serves exactly what was decided, and nothing else.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import quote

from packaging.utils import canonicalize_name

from guard.engine.outcome import NO_PINS, Pins
from guard.engine.pypi import PyPIEngine, identity_problem
from guard.errors import GuardError, MalformedInput, NotFound, Unavailable
from guard.gateway.offers import unmet
from guard.gateway.references import parse_direct_references
from guard.gateway.server import Answer, Body, FileBody, Refusal, Request, refusal_of
from guard.model import Facts, Finding, HeldBack, Judged, Level, RuleId
from guard.registry.credentials import redact_url
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile
from guard.store.archives import CoreMetadata, load_wheel_metadata, parse_core_metadata
from guard.store.files import StoredFile

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
_METADATA_SUFFIX = ".metadata"
_METADATA_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file that was decided and may be delivered.

    Args:
        project: the page that lists it.
        file: the file as its index lists it.
        judged: the decision.
    """

    project: Project
    file: IndexFile
    judged: Judged


class OpenSite:
    """Serves a resolver: pages pass through, a file is fetched, hashed, verified and decided before it is delivered.

    Args:
        engine: where everything comes from.
        pins: what the user's input accepts, by normalised project name: version and digests.
        wheel_metadata: whether metadata is offered for every wheel, so that the resolver need not download it.
        wheel_tags: tags that the resolver accepts; wheels with none of them are not listed, since parsing their links
            is what a resolver spends most of its time on. ``None`` where they cannot be told: every wheel is listed.
        anticipate: told of each wheel whose metadata was delivered; may start work in the background.
        holds_back: whether files that the policy refuses for what the index lists are left out.
    """

    def __init__(
        self,
        engine: PyPIEngine,
        *,
        pins: Mapping[str, PinnedProject] | None = None,
        wheel_metadata: bool,
        wheel_tags: frozenset[str] | None = None,
        anticipate: Callable[[Project, IndexFile, bytes], None] | None = None,
        holds_back: bool = True,
    ) -> None:
        self._engine = engine
        self._pins = pins or {}
        self._wheel_metadata = wheel_metadata
        self._wheel_tags = wheel_tags
        self._anticipate = anticipate
        self._holds_back = holds_back
        self._lock = threading.Lock()
        self._delivered: dict[tuple[str, str], Delivered] = {}
        self._refused: dict[tuple[str, str], Judged] = {}
        self._findings: dict[str, Finding] = {}
        self._explanations: dict[str, Finding] = {}
        self._held_back: dict[str, tuple[HeldBack, ...]] = {}
        self._crash: BaseException | None = None

    @property
    def delivered(self) -> tuple[Delivered, ...]:
        """Every file that was delivered, in order."""
        with self._lock:
            return tuple(self._delivered.values())

    @property
    def refused(self) -> tuple[Judged, ...]:
        """Every file that was asked for and refused."""
        with self._lock:
            return tuple(self._refused.values())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What went wrong apart from single files: pages that could not be had."""
        with self._lock:
            return tuple(self._findings.values())

    @property
    def explanations(self) -> tuple[Finding, ...]:
        """What is wrong with the metadata of files that the resolver looked at: when it failed, this may be why."""
        with self._lock:
            return tuple(self._explanations.values())

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        """Every release that was not offered, in the order of the pages: a release of many files once for each rule."""
        with self._lock:
            held = [each for project in self._held_back.values() for each in project]
        return tuple({(each.purl, each.rule): each for each in held}.values())

    def explain_failure(self) -> tuple[Finding, ...]:
        """Return a finding for each project of which the resolver took nothing and was not offered everything.

        To be asked where the resolver failed, and nothing can be resolved again.
        """
        taken = {delivered.project.name for delivered in self.delivered}
        with self._lock:
            held = {name: each for name, each in self._held_back.items() if each and name not in taken}
        return tuple(unmet(name, each) for name, each in held.items())

    def raise_crash(self) -> None:
        """Raise what an answer died of, if one did: an error of guard's own must not pass for a refusal."""
        if self._crash is not None:
            raise self._crash

    def find_file(self, path: str) -> IndexFile | None:
        """Return the file alone; see :meth:`find`."""
        try:
            found = self.find(path)
        except GuardError:
            return None
        return None if found is None else found[1]

    def find(self, path: str) -> tuple[Project, IndexFile] | None:
        """Return the file that a gateway path such as ``/files/six/six-1.17.0.tar.gz`` stands for."""
        area, name, filename = _split(path)
        if area != "files" or filename is None:
            return None
        project = self._engine.fetch_project(name)
        file = self._offered(project).get(filename)
        return None if file is None else (project, file)

    def answer(self, request: Request) -> Answer:
        """Answer one request; see :class:`guard.gateway.server.Site`."""
        area, name, filename = _split(request.path)
        try:
            if area == "simple" and filename is None:
                return self._page(name)
            if area == "files" and filename is not None:
                return self._file(name, filename)
        except NotFound as error:
            return Refusal(HTTPStatus.NOT_FOUND, error.message)
        except Unavailable as error:
            return self._note(name, Level.UNDECIDED, error)
        except MalformedInput as error:
            return self._note(name, Level.BLOCK, error)
        except Exception as error:  # noqa: BLE001  # kept for raise_crash; the client is refused
            self._crash = error
            return Refusal(HTTPStatus.FAILED_DEPENDENCY, "guard: internal error")
        return Refusal(HTTPStatus.NOT_FOUND, "guard serves no such path")

    def _page(self, name: str) -> Answer:
        project = self._engine.fetch_project(name)
        files = self._passing(project)
        return Body(render_project_page(project.name, files, self._offers_metadata), SIMPLE_JSON)

    def _passing(self, project: Project) -> list[IndexFile]:
        """Return the files that a resolver may choose from, and note those that the policy would refuse."""
        files = list(filter(self._fits, self._offered(project).values()))
        if not self._holds_back:
            return files
        judged = [(file, self._engine.hold_back(project, file)) for file in files]
        with self._lock:
            self._held_back[project.name] = tuple(held for _, held in judged if held is not None)
        return [file for file, held in judged if held is None]

    def _fits(self, file: IndexFile) -> bool:
        tags = wheel_tags(file.filename)
        return self._wheel_tags is None or not tags or not tags.isdisjoint(self._wheel_tags)

    def _offered(self, project: Project) -> dict[str, IndexFile]:
        """Return what is offered of a project, by file name, in the page's order: it decides among equals.

        A name that stands twice is offered once, as the first place that pip would prefer has it.
        """
        pinned = self._pins.get(project.name)
        offered: dict[str, IndexFile] = {}
        for file in project.files:
            if pinned is None or pinned.accepts(file):
                offered.setdefault(file.filename, file)
        return offered

    def _offers_metadata(self, file: IndexFile) -> bool:
        return file.has_core_metadata or (self._wheel_metadata and file.filename.endswith(".whl"))

    def _file(self, name: str, filename: str) -> Answer:
        project = self._engine.fetch_project(name)
        offered = self._offered(project)
        if filename in offered:
            return self._deliver(project, offered[filename])
        wheel = offered.get(filename.removesuffix(_METADATA_SUFFIX))
        if wheel is None or not self._offers_metadata(wheel):
            return Refusal(HTTPStatus.NOT_FOUND, f"{name} lists no file {filename}")
        return self._deliver_metadata(project, wheel)

    def _deliver_metadata(self, project: Project, wheel: IndexFile) -> Answer:
        try:
            metadata = self._engine.load_metadata(wheel)
            stated = parse_core_metadata(metadata, what=f"metadata of {wheel.filename}")
        except MalformedInput:
            judged = self._engine.judge(project, wheel, self.pins_for(project, wheel))
            if judged.decision.verdict.installs:
                raise
            return self._refuse(wheel.filename, judged)
        refusal = self._refuse_references(wheel, stated)
        if refusal is not None:
            return refusal
        problem = identity_problem(stated, wheel, project.name)
        if problem:
            self._explain(RuleId.METADATA_MISMATCH, problem)
        if self._anticipate is not None:
            self._anticipate(project, wheel, metadata)
        return Body(metadata, _METADATA_TYPE)

    def _deliver(self, project: Project, file: IndexFile) -> Answer:
        judged = self._engine.judge(project, file, self.pins_for(project, file))
        if not judged.decision.verdict.installs:
            return self._refuse(file.filename, judged)
        stored = self._engine.load_file(file)
        if file.filename.endswith(".whl"):
            metadata = load_wheel_metadata(stored.path, filename=file.filename)
            refusal = self._refuse_references(file, parse_core_metadata(metadata, what=file.filename))
            if refusal is not None:
                return refusal
        with self._lock:
            self._delivered[project.name, file.filename] = Delivered(project, file, judged)
        return FileBody(stored.path, stored.size_bytes)

    def _refuse(self, what: str, judged: Judged) -> Refusal:
        with self._lock:
            self._refused[judged.artifact.name, what] = judged
        return refusal_of(judged)

    def _refuse_references(self, file: IndexFile, stated: CoreMetadata) -> Refusal | None:
        """Refuse a wheel that requires something which pip would take from elsewhere, and build, past the gateway.

        Whether the requirement's marker and extra apply is not asked: pip would have read it by then. Addresses on
        the web and git repositories do not get past: they are remembered as an explanation and may stand there.
        """
        for reference in parse_direct_references(stated.requires_dist):
            if reference.is_stopped:
                what = (
                    f"{file.filename} requires {reference.name} from {redact_url(reference.url)}, which is on no index"
                )
                self._explain(RuleId.SOURCE_NOT_ALLOWED, what)
                continue
            judged = self._engine.judge_facts(Facts(artifact=reference.artifact))
            if not judged.decision.verdict.installs:
                return self._refuse(reference.url, replace(judged, notes=(f"required by {file.filename}",)))
        return None

    def _explain(self, rule: RuleId, message: str) -> None:
        with self._lock:
            self._explanations[message] = Finding(rule=rule, level=Level.BLOCK, message=message)

    def pins_for(self, project: Project, file: IndexFile) -> Pins:
        """Return what the user's input accepts for this file.

        A build requirement may be another version of a pinned project; pip itself holds the project to its pin.
        """
        pinned = self._pins.get(project.name)
        return pinned.pins if pinned is not None and pinned.is_pinned_version(file) else NO_PINS

    def _note(self, name: str, level: Level, error: GuardError) -> Refusal:
        finding = Finding(rule=RuleId.REGISTRY_UNAVAILABLE, level=level, message=error.message, next=error.hint)
        with self._lock:
            self._findings[name] = finding
        status = HTTPStatus.FORBIDDEN if level is Level.BLOCK else HTTPStatus.FAILED_DEPENDENCY
        return Refusal(status, f"guard: {error.message}")


@dataclass(frozen=True, slots=True)
class PinnedProject:
    """What the user's input accepts of one project.

    Args:
        version: the one version that the input names, or ``None`` where it pins digests alone.
        pins: accepted digests and their place.
    """

    version: str | None
    pins: Pins

    def is_pinned_version(self, file: IndexFile) -> bool:
        """Whether the pin speaks about this file."""
        return self.version is None or file.version == self.version

    def accepts(self, file: IndexFile) -> bool:
        """Whether the file may be offered: another version, or one of the accepted digests.

        A file without a listed digest is offered and compared when its bytes are there.
        """
        if not self.is_pinned_version(file) or not self.pins.digests:
            return True
        comparable = {digest.algorithm for digest in file.digests} & {digest.algorithm for digest in self.pins.digests}
        return not comparable or bool(set(file.digests) & set(self.pins.digests))


class ClosedSite:
    """Serves exactly the files it is given, under the digests that were decided.

    Args:
        files: decided files with their bytes.
    """

    def __init__(self, files: Iterable[tuple[Delivered, StoredFile]]) -> None:
        self._files: dict[str, dict[str, tuple[IndexFile, StoredFile]]] = {}
        for delivered, stored in files:
            # The link carries the decided digests, so that pip compares them even where the index lists none.
            file = replace(delivered.file, digests=stored.digests)
            self._files.setdefault(delivered.project.name, {})[file.filename] = (file, stored)
        self._lock = threading.Lock()
        self._findings: dict[str, Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One finding for each file that was asked for and is not among the decided ones."""
        with self._lock:
            return tuple(self._findings.values())

    def answer(self, request: Request) -> Answer:
        """Answer one request; see :class:`guard.gateway.server.Site`."""
        area, name, filename = _split(request.path)
        listed = self._files.get(str(canonicalize_name(name)), {})
        if area == "simple" and filename is None and listed:
            files = [file for file, _ in listed.values()]
            return Body(render_project_page(name, files, _has_core_metadata), SIMPLE_JSON)
        if area != "files" or filename is None:
            return Refusal(HTTPStatus.NOT_FOUND, "not part of what was decided")
        if filename in listed:
            _, stored = listed[filename]
            return FileBody(stored.path, stored.size_bytes)
        wheel = listed.get(filename.removesuffix(_METADATA_SUFFIX))
        if wheel is not None and _has_core_metadata(wheel[0]):
            # pip says what it downloads, so it is offered what its own index offers; the bytes are the decided wheel's.
            return Body(load_wheel_metadata(wheel[1].path, filename=wheel[0].filename), _METADATA_TYPE)
        return self._refuse(filename)

    def _refuse(self, filename: str) -> Refusal:
        message = f"{filename} was asked for during the installation but is not part of what was decided"
        with self._lock:
            self._findings[filename] = Finding(rule=RuleId.SOURCE_NOT_ALLOWED, level=Level.BLOCK, message=message)
        return Refusal(HTTPStatus.FORBIDDEN, f"guard: {message}")


def render_project_page(name: str, files: Iterable[IndexFile], offers_metadata: Callable[[IndexFile], bool]) -> bytes:
    """Render an index page (PEP 691, version 1.1 of PEP 700) whose links lead to the gateway.

    Args:
        name: normalised project name.
        files: files to list.
        offers_metadata: whether ``.metadata`` is served beside a file (PEP 714).
    """
    listed = [_render_file(name, file, with_metadata=offers_metadata(file)) for file in files]
    return json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": listed}).encode()


def _render_file(name: str, file: IndexFile, *, with_metadata: bool) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": file.filename,
        "url": f"/files/{quote(name)}/{quote(file.filename)}",
        "hashes": {digest.algorithm: digest.hex for digest in file.digests},
    }
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.yanked is not None:
        entry["yanked"] = file.yanked or True
    if with_metadata:
        digest = file.core_metadata
        entry["core-metadata"] = {digest.algorithm: digest.hex} if digest else True
    if file.upload_time is not None:
        entry["upload-time"] = file.upload_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return entry


def _has_core_metadata(file: IndexFile) -> bool:
    return file.has_core_metadata


def wheel_tags(filename: str) -> frozenset[str]:
    """Return the tags in a wheel's name (PEP 425, compressed tag sets), or none for what is no wheel."""
    parts = filename.lower().removesuffix(".whl").split("-")
    if not filename.lower().endswith(".whl") or len(parts) not in (5, 6):
        return frozenset()
    return frozenset(map("-".join, itertools.product(*(part.split(".") for part in parts[-3:]))))


def _split(path: str) -> tuple[str, str, str | None]:
    """Split ``/simple/NAME/`` and ``/files/NAME/FILENAME``."""
    parts = path.strip("/").split("/")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    return (parts[0], parts[1], None) if len(parts) == 2 else ("", "", None)

"""Which file ``guard explain`` is about, decided as its installation would be, and what stands beside it.

No file of a package is fetched: what is decided is what a lock of the release would be decided to, by what registries
list and by the evidence that they serve. What the bytes alone can show is decided when they are installed.
"""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass, replace

from packaging.tags import sys_tags
from packaging.utils import canonicalize_name

from guard import limits
from guard.app import App
from guard.attest.subject import NpmRelease, PythonFile, Subject
from guard.audit.engines import Engines
from guard.engine.engine import Engine
from guard.engine.locked import LockedRequest
from guard.engine.npm import NpmEngine
from guard.engine.outcome import Pins
from guard.engine.pypi import PyPIEngine
from guard.engine.subjects import registry_request
from guard.errors import GuardError, MalformedInput, NotFound, ToolNotFound, Unavailable, UsageError
from guard.gateway.choices import Choice, PythonTarget, choose_npm_release, choose_python_release, files_of
from guard.gateway.offers import unmet
from guard.managers.pip.command import PipCommand
from guard.managers.pip.configured import find_target
from guard.managers.pip.index_settings import IndexSettings
from guard.model import Artifact, Decision, EarlierRelease, Ecosystem, Facts, HeldBack, Judged, Verdict
from guard.policy.patterns import PackageRelease
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file, and what stands beside it.

    Args:
        judged: the file and its decision; a block without a file where nothing that is offered can be chosen.
        is_chosen: whether a resolver chose the release.
        held_back: newer releases that it was not offered, the newest last.
        earlier: the release to compare with.
        others: other files of the release.
        others_left_out: how many more there are.
        fits: whether this platform can install the file.
    """

    judged: Judged
    is_chosen: bool = False
    held_back: tuple[HeldBack, ...] = ()
    earlier: EarlierRelease | None = None
    others: tuple[Judged, ...] = ()
    others_left_out: int = 0
    fits: bool = True


def find_explained(app: App, asked: PackageRelease | Subject, engines: Engines) -> Found:
    """Find the file that is asked for and decide it. Never raises for what a server sends.

    Args:
        app: the outside.
        asked: a package, a release of one, or a file that is one.
        engines: gather and decide.

    Raises:
        ConfigInvalid: the configuration of pip or npm cannot be used.
    """
    package = asked.package if isinstance(asked, Subject) else asked
    match package:
        case PythonFile() as file if isinstance(asked, Subject):
            found = _find_python_file(asked, file, engines.pypi(IndexSettings()))
        case NpmRelease() if isinstance(asked, Subject):
            found = _find_npm_file(asked, engines.npm(app.cwd))
        case PackageRelease(ecosystem=Ecosystem.NPM) as release:
            found = _find_npm(release, engines.npm(app.cwd))
        case PackageRelease() as release:
            found = _find_python(release, engines.pypi(IndexSettings()), _python_target(app))
        case _:
            raise AssertionError(f"no package: {package}")
    return replace(found, judged=replace(found.judged, bound_by="none", installed=False))


def _find_python(release: PackageRelease, engine: PyPIEngine, target: PythonTarget) -> Found:
    artifact = Artifact(ecosystem=Ecosystem.PYPI, name=release.name, version=release.version or "")
    try:
        project = engine.fetch_project(release.name)
    except (Unavailable, MalformedInput) as error:
        return Found(judged=_undecided(engine, artifact, error))
    choice = None if release.version else choose_python_release(engine, project, target)
    version = release.version or (choice.version if choice else None)
    if version is None:
        return _nothing_chosen(engine, artifact, choice)
    files = files_of(project.files, version)
    file = target.choose_file(files)
    if not files:
        return Found(judged=_undecided(engine, artifact, MalformedInput("the index lists no such release")))
    found = _explained_file(engine, project, file or files[0], others=files, is_locked=choice is None)
    return replace(
        found, is_chosen=choice is not None, held_back=choice.held_back if choice else (), fits=file is not None
    )


def _explained_file(
    engine: PyPIEngine, project: Project, file: IndexFile, *, others: tuple[IndexFile, ...], is_locked: bool
) -> Found:
    beside = [other for other in others if other.filename != file.filename]
    looked_at = beside[: limits.EXPLAINED_FILES_MAX_COUNT]
    work = (functools.partial(engine.judge_listed, project, each, is_locked=is_locked) for each in (file, *looked_at))
    judged, *rest = engine.run_all(work)
    return Found(
        judged=judged,
        earlier=engine.find_earlier(project, file),
        others=tuple(rest),
        others_left_out=len(beside) - len(looked_at),
    )


def _find_python_file(subject: Subject, named: PythonFile, engine: PyPIEngine) -> Found:
    request = registry_request(subject)
    name = canonicalize_name(named.project)
    try:
        project = engine.fetch_project(name)
    except (Unavailable, MalformedInput) as error:
        return _of_subject(Found(judged=_undecided(engine, request.artifact, error)), subject)
    files = files_of(project.files, named.version)
    file = next((each for each in files if each.filename == subject.filename), None)
    if file is None:
        missing = MalformedInput("the index lists no such file")
        return _of_subject(Found(judged=_undecided(engine, request.artifact, missing)), subject)
    judged = engine.judge_listed(project, file, pins=Pins(digests=subject.digests), is_locked=True)
    return _of_subject(Found(judged=judged, earlier=engine.find_earlier(project, file)), subject)


def _find_npm(release: PackageRelease, engine: NpmEngine) -> Found:
    artifact = Artifact(ecosystem=Ecosystem.NPM, name=release.name, version=release.version or "")
    try:
        packument = engine.fetch_packument(release.name)
        choice = None if release.version else choose_npm_release(engine, packument)
    except (Unavailable, MalformedInput) as error:
        return Found(judged=_undecided(engine, artifact, error))
    if choice is not None and choice.version is None:
        return _nothing_chosen(engine, artifact, choice)
    artifact = replace(artifact, version=release.version or (choice.version if choice else None) or "")
    found = _found_npm(engine, LockedRequest(artifact=artifact, enforced=False, is_new=choice is not None))
    return replace(found, is_chosen=choice is not None, held_back=choice.held_back if choice else ())


def _find_npm_file(subject: Subject, engine: NpmEngine) -> Found:
    return _of_subject(_found_npm(engine, registry_request(subject)), subject)


def _found_npm(engine: NpmEngine, request: LockedRequest) -> Found:
    judged = engine.judge_locked(request)
    artifact = judged.artifact
    earlier = engine.find_earlier(artifact.name, artifact.version) if judged.facts.listed else None
    return Found(judged=judged, earlier=earlier)


def _of_subject(found: Found, subject: Subject) -> Found:
    """Say what is said of the file that is there, whatever the registry lists under its name."""
    facts = found.judged.facts
    artifact = replace(facts.artifact, digests=subject.digests, file=subject.filename)
    return replace(found, judged=replace(found.judged, facts=replace(facts, artifact=artifact)))


def _undecided(engine: Engine, artifact: Artifact, error: GuardError) -> Judged:
    """Judge a release of which there is no listing: what is not there blocks, what could not be asked is undecided."""
    if isinstance(error, Unavailable) and not isinstance(error, NotFound):
        return engine.judge_facts(Facts(artifact=artifact, registry_problem=error.message))
    return engine.judge_facts(Facts(artifact=artifact, bytes_problem=error.message))


def _nothing_chosen(engine: Engine, artifact: Artifact, choice: Choice | None) -> Found:
    if choice is None or not choice.held_back:
        nothing = MalformedInput("no release that is listed can be installed here")
        return Found(judged=_undecided(engine, artifact, nothing), is_chosen=True)
    decision = Decision(verdict=Verdict.BLOCK, findings=(unmet(artifact.name, choice.held_back),))
    judged = Judged(facts=Facts(artifact=artifact), decision=decision)
    return Found(judged=judged, is_chosen=True, held_back=choice.held_back)


def _python_target(app: App) -> PythonTarget:
    """Return the interpreter of the user's pip; where there is none, the one that guard runs on."""
    try:
        target, _ = find_target(app, PipCommand("install"))
    except (ToolNotFound, UsageError):
        return PythonTarget(version=platform.python_version(), tags=tuple(map(str, sys_tags())))
    return PythonTarget(version=target.environment["python_full_version"], tags=target.probe.load_tags())

"""What a resolver takes of what it is offered, where it is asked for a package without a version.

The gateway leaves releases out (:mod:`guard.policy.offer`), pip and npm choose. Where guard explains a package, no pip
and no npm runs; what they would choose is told here by their own rules.

Source: pip's documentation, "Finding candidates" and ``CandidateEvaluator._sort_key``; PEP 440, "Handling of
pre-releases"; PEP 592; npm-pick-manifest, ``lib/index.js``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from guard.engine.npm import NpmEngine
from guard.engine.pypi import PyPIEngine
from guard.gateway.index import wheel_tags
from guard.gateway.packuments import without_versions
from guard.model import Ecosystem, HeldBack
from guard.policy.versions import parse_release_version
from guard.registry.packument import Packument
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTarget:
    """The interpreter that files are chosen for.

    Args:
        version: full version of it.
        tags: wheel tags that it accepts, best first (PEP 425).
    """

    version: str
    tags: tuple[str, ...]

    def choose_file(self, files: Sequence[IndexFile]) -> IndexFile | None:
        """Return the one of a release's files that pip would install: the best wheel, else a source distribution."""
        fitting = [file for file in files if self.takes(file)]
        return min(fitting, key=self._rank, default=None)

    def takes(self, file: IndexFile) -> bool:
        """Tell whether pip could install a file."""
        tags = wheel_tags(file.filename)
        if (tags and tags.isdisjoint(self.tags)) or (not tags and file.filename.lower().endswith(".whl")):
            return False
        try:
            return file.requires_python is None or SpecifierSet(file.requires_python).contains(
                self.version, prereleases=True
            )
        except InvalidSpecifier:
            return True  # as pip does

    def _rank(self, file: IndexFile) -> int:
        places = [self.tags.index(tag) for tag in wheel_tags(file.filename) if tag in self.tags]
        return min(places, default=len(self.tags))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A release that a resolver takes.

    Args:
        version: of it; ``None`` where it is offered none.
        held_back: newer releases that it is not offered, or all where it is offered none; the newest last.
    """

    version: str | None
    held_back: tuple[HeldBack, ...] = ()


def choose_python_release(engine: PyPIEngine, project: Project, target: PythonTarget) -> Choice:
    """Return the release that pip takes of a project.

    Args:
        engine: holds back.
        project: as its index lists it.
        target: the interpreter that it is for.
    """
    held: list[tuple[Version, HeldBack]] = []
    offered: set[Version] = set()
    for file in project.files:
        version = _pep440(file.version)
        if version is None or not target.takes(file):
            continue
        reason = engine.hold_back(project, file)
        if reason is not None:
            held.append((version, reason))
        elif file.yanked is None:
            offered.add(version)
    finals = {version for version in offered if not version.is_prerelease}
    newest = max(finals or offered, default=None)
    newer = [
        (version, reason)
        for version, reason in held
        if newest is None or (version > newest and (newest.is_prerelease or not version.is_prerelease))
    ]
    reasons = {(each.purl, each.rule): each for _, each in sorted(newer, key=itemgetter(0))}
    return Choice(version=None if newest is None else str(newest), held_back=tuple(reasons.values()))


def choose_npm_release(engine: NpmEngine, packument: Packument) -> Choice:
    """Return the release that npm takes of a package.

    Args:
        engine: holds back.
        packument: of the package.

    Raises:
        Unavailable: how old its releases are had to be asked, and could not be.
    """
    held = engine.hold_back(packument)
    offered = json.loads(without_versions(packument.document, held))
    version = _taken_by_npm(offered["dist-tags"], offered["versions"])
    if version is None:
        return Choice(version=None, held_back=tuple(held.values()))
    taken = parse_release_version(Ecosystem.NPM, version)
    parsed = ((parse_release_version(Ecosystem.NPM, each), reason) for each, reason in held.items())
    newer = [
        (each.order, reason)
        for each, reason in parsed
        if each and taken and each.order > taken.order and (taken.is_prerelease or not each.is_prerelease)
    ]
    return Choice(version=version, held_back=tuple(reason for _, reason in sorted(newer, key=itemgetter(0))))


def _taken_by_npm(tags: Mapping[str, str], versions: Mapping[str, object]) -> str | None:
    """Return what ``latest`` names, else the highest final release, those that are deprecated last."""
    latest = tags.get("latest")
    if latest in versions:
        return latest
    ranked = []
    for version, entry in versions.items():
        parsed = parse_release_version(Ecosystem.NPM, version)
        if parsed is not None:
            is_deprecated = isinstance(entry, dict) and bool(entry.get("deprecated"))
            ranked.append((not parsed.is_prerelease, not is_deprecated, parsed.order, version))
    return max(ranked)[-1] if ranked else None


def _pep440(text: str | None) -> Version | None:
    try:
        return None if text is None else Version(text)
    except InvalidVersion:
        return None


def files_of(files: Iterable[IndexFile], version: str) -> tuple[IndexFile, ...]:
    """Return the files of one version, each name once, as the first place that pip would prefer has it.

    Args:
        files: of a project.
        version: in any spelling (PEP 440).
    """
    wanted = _pep440(version)
    found: dict[str, IndexFile] = {}
    for file in files:
        if file.version == version or (wanted is not None and _pep440(file.version) == wanted):
            found.setdefault(file.filename, file)
    return tuple(found.values())

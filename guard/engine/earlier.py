"""Which release, and which other file of the same release, a file of a Python package index is compared with.

Listings tell which files have provenance; what of it holds is verified elsewhere. Like is compared with like: an sdist
with sdists, a wheel with wheels for the same kind of machine, since many projects attest some kinds of files only.

Source: facts/amendments, number 12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from guard.model import EarlierRelease, Ecosystem, Evidence, EvidenceState
from guard.policy.provenance import PROVENANCE_KINDS
from guard.policy.versions import Earlier, find_earlier

if TYPE_CHECKING:  # npm's engine compares releases, too, and needs neither
    from guard.registry.pypi import Project
    from guard.registry.simple import IndexFile

# The parts of a platform tag that say which release of a system a wheel was built for (PEP 425, PEP 600, PEP 656).
_SYSTEM_RELEASE = re.compile(r"^(many|musl)?(linux|macosx|win|ios|android)[0-9]*(_\d+)*")


def earlier_release(found: Earlier, evidence: tuple[Evidence, ...] = (), *, problem: str = "") -> EarlierRelease:
    """Return a release to compare with, and what is verified about it.

    Args:
        found: which.
        evidence: what was gathered about it, in any state.
        problem: why none could be.
    """
    verified = tuple(each for each in evidence if each.state is EvidenceState.VERIFIED)
    if evidence and not any(each.kind in PROVENANCE_KINDS for each in verified):
        problem = next((each.reason for each in evidence if each.reason), "its provenance does not hold")
        verified = ()
    return EarlierRelease(version=found.version, is_same_line=found.is_same_line, evidence=verified, problem=problem)


def find_attested_beside(project: Project, file: IndexFile) -> str:
    """Return the name of another file of the same release that has provenance; the empty string where none has."""
    others = (other for other in project.files if other.version == file.version and other.provenance_url is not None)
    return next((other.filename for other in others if other.filename != file.filename), "")


def find_earlier_file(project: Project, file: IndexFile, *, alike: bool) -> tuple[Earlier, IndexFile] | None:
    """Return the next lower release that has provenance, and the file of it to compare with.

    Args:
        project: as its index lists it.
        file: one of its files.
        alike: whether a file of another kind counts for nothing.
    """
    attested: dict[str, list[IndexFile]] = {}
    for other in project.files:
        if other.provenance_url is not None and other.version is not None:
            attested.setdefault(other.version, []).append(other)
    own_kind = kind_of_file(file.filename)
    alikes = {version: _alike(files, own_kind) for version, files in attested.items()}
    nearest = _find(file, {version: files for version, files in alikes.items() if files})
    if alike or (nearest is not None and nearest[0].is_same_line):
        return nearest
    other_kind = _find(file, attested)
    return other_kind if other_kind is not None and other_kind[0].is_same_line else nearest or other_kind


def kind_of_file(filename: str) -> str:
    """Return ``sdist``, or for a wheel the machine that it is for: system and processor without their releases."""
    if not filename.endswith(".whl"):
        return "sdist"
    platform = filename.removesuffix(".whl").rpartition("-")[2].partition(".")[0].lower()
    return _SYSTEM_RELEASE.sub(r"\2", platform)


def _alike(files: list[IndexFile], kind: str) -> list[IndexFile]:
    return [file for file in files if kind_of_file(file.filename) == kind]


def _find(file: IndexFile, attested: Mapping[str, list[IndexFile]]) -> tuple[Earlier, IndexFile] | None:
    if file.version is None:
        return None
    found = find_earlier(Ecosystem.PYPI, file.version, attested, counts=lambda _: True)
    return None if found is None else (found, min(attested[found.version], key=lambda other: other.filename))

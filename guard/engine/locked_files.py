"""Which files of a Python package index a lock entry stands for, and one judgement for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from packaging.utils import parse_wheel_filename

from guard.model import Artifact, Decision, Digest, EvidenceState, Judged
from guard.policy.provenance import provenance_state
from guard.registry.simple import ARCHIVE_SUFFIXES, IndexFile, version_in_filename

# Of one file, what is verified outweighs what is absent; among files, the one without evidence is the worse one.
_WORST_FIRST = (
    EvidenceState.INVALID,
    EvidenceState.STRIPPED,
    EvidenceState.UNAVAILABLE,
    EvidenceState.ABSENT,
    EvidenceState.VERIFIED,
)


def version_of(artifact: Artifact) -> str:
    """Return the version that a lock entry names, if need be by its file's name; the empty string where it names none.

    Args:
        artifact: of the lock.
    """
    if artifact.version or artifact.file is None:
        return artifact.version
    version, _ = version_in_filename(artifact.file, artifact.name)
    return version or ""


def files_named(files: Sequence[IndexFile], artifact: Artifact) -> tuple[IndexFile, ...]:
    """Return the files of a release that a lock entry names: all of them where it names none.

    Lockers write a project's name and version normalised, where the index has what the file was uploaded as.

    Args:
        files: of the release, as the index lists them.
        artifact: of the lock.

    Source: the binary distribution format, "File name convention"; PEP 440, "Normalization".
    """
    named = artifact.file
    if named is None:
        return tuple(files)
    exactly = tuple(file for file in files if file.filename == named)
    return exactly or tuple(file for file in files if _is_same_file(file.filename, named, artifact.name))


def choose_files(
    files: Sequence[IndexFile], artifact: Artifact, fits: Callable[[str], bool]
) -> tuple[tuple[IndexFile, ...], tuple[Digest, ...]]:
    """Return the files that pip could install for a lock entry, and the pinned digests that no listed file has.

    pip installs any file of the version whose bytes have one of the hashes ("Secure installs"); the file's name is
    not pinned. Locks accept the files of all platforms, of which only those that fit are chosen. A hash that no listed
    file has admits nothing today, and whatever the index lists with it tomorrow: lockers leave such hashes behind where
    a file was removed, and somebody who changes a lock could add one. It is returned so that it is said.

    Args:
        files: of the version, at least one.
        artifact: of the lock.
        fits: whether a wheel of this name can be used where the lock is meant for.

    Returns:
        At least one file, even where none has a pinned hash or fits: a lock entry is never decided by nothing.
    """
    pinned = frozenset(artifact.pinned)
    accepted = tuple(file for file in files if not pinned or not pinned.isdisjoint(file.digests))
    if artifact.file is not None:  # a name may stand twice, at an index and at a find-links location
        return (accepted or tuple(files))[:1], ()
    unlisted = pinned.difference(*(file.digests for file in files)) if accepted else frozenset()
    if unlisted or not accepted:
        # pip looks at the bytes of a file without a listed hash: they may have one of those.
        accepted += tuple(file for file in files if not file.digests)
    fitting = tuple(file for file in accepted if not file.filename.endswith(".whl") or fits(file.filename))
    return fitting or accepted or tuple(files[:1]), tuple(sorted(unlisted))


def merge_judged(judged: Sequence[Judged]) -> Judged:
    """Return one judgement for all files that an entry may stand for: the worst one, with everybody's findings.

    Evidence is not merged: one attested file would then vouch for another one that is not.

    Args:
        judged: at least one.
    """
    worst = min(judged, key=_badness)
    if len(judged) == 1:
        return worst
    findings = dict.fromkeys(finding for each in (worst, *judged) for finding in each.decision.findings)
    note = f"the worst of {len(judged)} files that the entry accepts"
    return replace(
        worst,
        decision=Decision(verdict=worst.decision.verdict, findings=tuple(findings)),
        notes=(*worst.notes, note),
        merged=tuple(each.facts for each in judged),
    )


def _badness(judged: Judged) -> tuple[int, int]:
    return judged.decision.verdict, _WORST_FIRST.index(provenance_state(judged.facts))


def _is_same_file(one: str, other: str, project: str) -> bool:
    version, is_of_project = version_in_filename(one, project)
    if version is None or not is_of_project or version_in_filename(other, project) != (version, True):
        return False
    if one.lower().endswith(".whl") and other.lower().endswith(".whl"):
        return parse_wheel_filename(one)[2:] == parse_wheel_filename(other)[2:]
    suffixes = {next(filter(name.lower().endswith, (".whl", *ARCHIVE_SUFFIXES)), None) for name in (one, other)}
    return len(suffixes) == 1 and None not in suffixes

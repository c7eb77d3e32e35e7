"""Single requirements, typed or in a file: what they name, and where it is to be taken from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from guard.errors import MalformedInput, UsageError
from guard.managers.pip.places import path_of_url
from guard.model import Digest, Location, SourceKind
from guard.registry.credentials import redact_url
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.requirements import LineKind, RequirementLine, parse_requirement
from guard_lockfiles.requirements_lock import exact_version, fragment_digests, pinned_commit

Owns = Callable[[str], bool]  # whether a path is the user's own: typed by the user, or inside the project


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementEntry:
    """One requirement or constraint.

    Args:
        name: of the project, normalised, where it is said.
        specifier: of the version, as PEP 440 writes it.
        extras: sorted.
        marker: of the environment, or the empty string.
        source: where it is to be taken from.
        origin: the URL, credentials removed, or the path of a source that is not an index.
        digests: those that are accepted; empty when it pins none.
        editable: whether it is to be installed in place.
        constraint: whether it only limits a choice.
        location: the line that says it; ``None`` on the command line.
    """

    name: str | None
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    source: SourceKind = SourceKind.REGISTRY
    origin: str | None = None
    digests: tuple[Digest, ...] = ()
    editable: bool = False
    constraint: bool = False
    location: Location | None = None

    @property
    def exact_version(self) -> str | None:
        """The one version that the specifier allows (``==1.0``), normalised; ``None`` when it allows several."""
        version = exact_version(self.specifier)
        try:
            return str(Version(version)) if version else None
        except InvalidVersion:
            return None


def parse_arguments(arguments: Sequence[str], *, editables: Sequence[str] = ()) -> tuple[RequirementEntry, ...]:
    """Classify what was typed.

    Args:
        arguments: requirements.
        editables: values of ``-e``.

    Raises:
        UsageError: pip could not read it either.
        MalformedInput: a digest in a URL is not one.
    """
    typed = [(text, False) for text in arguments if text.strip()] + [(text, True) for text in editables]
    entries = []
    for text, editable in typed:
        try:
            line = parse_requirement(text, editable=editable)
        except MalformedLockfile as error:
            raise UsageError(f"{redact_url(text)!r}: {error.message}") from error
        entries.append(entry_of(line, constraint=False, location=None, owns=lambda _: True))
    return tuple(entries)


def entry_of(line: RequirementLine, *, constraint: bool, location: Location | None, owns: Owns) -> RequirementEntry:
    """Return what a parsed line asks for.

    Args:
        line: a requirement or an editable.
        constraint: whether it only limits a choice.
        location: the line's place; ``None`` on the command line.
        owns: whether a path is the user's own.

    Raises:
        MalformedInput: a digest on the line is not one.
    """
    try:
        digests = tuple(Digest.from_text(text) for text in (*line.hashes, *fragment_digests(line.url or "")))
    except MalformedInput as error:
        raise MalformedInput(f"{location}: {error.message}" if location else error.message) from error
    source, origin = _classify(line, digests, owns)
    return RequirementEntry(
        name=line.name,
        specifier=line.specifier,
        extras=line.extras,
        marker=line.marker,
        source=source,
        origin=origin,
        digests=digests,
        editable=line.kind is LineKind.EDITABLE,
        constraint=constraint,
        location=location,
    )


def _classify(line: RequirementLine, digests: tuple[Digest, ...], owns: Owns) -> tuple[SourceKind, str | None]:
    """Say where a requirement is to be taken from."""
    if line.path is not None or (line.url is not None and line.url.lower().startswith("file:")):
        path = line.path if line.path is not None else path_of_url(line.url or "")
        return (SourceKind.LOCAL if owns(path) else SourceKind.PATH), path
    if line.url is None:
        return SourceKind.REGISTRY, None
    if "+" in line.url.partition("://")[0]:
        return (SourceKind.VCS_PINNED if pinned_commit(line.url) else SourceKind.VCS), redact_url(line.url)
    is_hashed = any(digest.is_strong for digest in digests)
    return (SourceKind.URL_HASHED if is_hashed else SourceKind.URL), redact_url(line.url)

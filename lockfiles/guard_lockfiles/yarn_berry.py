"""yarn.lock of yarn 2 to 4 (berry): YAML whose entries bind descriptors to a locator.

Sources: ``Project.ts`` (``setupResolutions``), ``structUtils.ts`` and ``Manifest.ts`` (``getConditions``) of yarnpkg's
berry, and what its releases write. Every scalar is a text (js-yaml's failsafe schema). An entry is a block; what its
``resolution`` binds is what yarn fetches, whatever its descriptors say. Its ``checksum`` is that of the archive that
yarn makes of a package, never of the file that a registry delivers, and so is no digest here.

yarn reads files of older versions and, without a word, of newer ones. Here only versions that a release wrote are
known.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source, UnreadableEntry
from guard_lockfiles.npm_fields import (
    SEMVER,
    Unreadable,
    check_count,
    check_name,
    check_text,
    check_version,
    commit_of,
    printable,
    read_text,
)
from guard_lockfiles.package_lock_entries import aliased_name
from guard_lockfiles.package_lock_sources import stays_inside
from guard_lockfiles.yaml_positions import YamlMapping, YamlPlace, parse_yaml

_METADATA = "__metadata"
_VERSIONS = ("4", "5", "6", "7", "8", "9", "10")
_LOCAL_VERSION = "0.0.0-use.local"  # of what stands in a folder, whatever its manifest says
_IDENT = re.compile(r"(?P<name>(?:@[^/@]+/)?[^/@]+)@(?P<rest>.+)", re.DOTALL)
_ARCHIVE = re.compile(r"\.(?:tgz|tar\.gz|tar)$", re.IGNORECASE)
_GIT = re.compile(
    r"(?:git(?:\+[a-z]+)?:|ssh:|git@|https?://[^#]+\.git(?:#|$)|https?://[^#]*#(?:[^#]*&)?commit=|github:|[^/:@]+/[^/:@]+#)"
)
_COMMIT = re.compile(r"[#&]commit=(?P<commit>[0-9a-f]+)")
_PATCHES_MAX_DEPTH = 8
_SEPARATOR = re.compile(r" *, *")  # ``MULTIPLE_KEYS_REGEXP``
_CONDITION = re.compile(r"(?P<negation>!?)(?P<field>os|cpu|libc)=(?P<value>[^\s()&|]+)")


@dataclass(frozen=True, slots=True)
class _Locator:
    """What a ``resolution`` binds: a name, and a reference of some protocol without its parameters."""

    name: str
    reference: str
    parameters: str = ""

    @property
    def protocol(self) -> str:
        """What stands before the first colon; empty for none."""
        head, colon, _ = self.reference.partition(":")
        return head.lower() if colon else ""


def parse_yarn_berry(text: str) -> Lockfile:
    """Parse a yarn.lock of yarn 2 to 4.

    Args:
        text: of the file, without a byte order mark.

    Raises:
        MalformedLockfile: it is no such file, is of a version that is not known, or says something that two readers
            could understand differently.
    """
    documents = parse_yaml(text, only_texts=True)
    root = documents[0].root if len(documents) == 1 else None
    if not isinstance(root, YamlMapping) or documents[0].is_marked or documents[0].is_ended:
        raise MalformedLockfile("not one mapping")
    version = _read_version(root)
    check_count(len(root), 1)
    artifacts: list[LockedArtifact] = []
    unreadable: list[UnreadableEntry] = []
    descriptors: set[str] = set()
    for key, place in root.places.items():
        if key == _METADATA:
            continue
        _check_descriptors(key, place, descriptors)
        try:
            artifacts += _parse_entry(key, root[key], place)
        except Unreadable as error:
            shown = printable(key)
            unreadable.append(UnreadableEntry(place=shown, reason=str(error), line=place.line, column=place.column))
    return Lockfile(
        format="yarn",
        version=version,
        artifacts=tuple(artifacts),
        unreadable=tuple(unreadable),
        aliased=frozenset(_aliased(root)),
        folders=tuple(_folders(root)),
        pins_other_files=True,
    )


def _aliased(root: YamlMapping) -> Iterator[str]:
    for value in root.values():
        if not isinstance(value, YamlMapping) or "@workspace:" in str(value.get("resolution")):
            continue
        requested = value.get("dependencies")
        for wanted in requested.values() if isinstance(requested, YamlMapping) else ():
            # A range of a registry has the same prefix: ``npm:^1.0.0``.
            name = aliased_name(str(wanted)) if "@" in str(wanted) else None
            if name:
                yield name


def _folders(root: YamlMapping) -> Iterator[str]:
    for value in root.values():
        resolution = str(value.get("resolution")) if isinstance(value, YamlMapping) else ""
        _, is_project, folder = resolution.partition("@workspace:")
        if is_project and stays_inside(folder):
            yield "" if folder == "." else folder


def _check_descriptors(key: str, place: YamlPlace, known: set[str]) -> None:
    for descriptor in _SEPARATOR.split(key):
        if descriptor in known:
            raise MalformedLockfile("a descriptor stands twice", line=place.line)
        known.add(descriptor)


def _read_version(root: YamlMapping) -> str:
    metadata = root.get(_METADATA)
    line = root.places.get(_METADATA, YamlPlace(1, 1)).line
    if not isinstance(metadata, YamlMapping) or not isinstance(version := metadata.get("version"), str):
        raise MalformedLockfile("`__metadata` states no version", line=line)
    if version not in _VERSIONS:
        line = metadata.places["version"].line
        raise MalformedLockfile(
            f"its version is not one of the known ones, {_VERSIONS[0]} to {_VERSIONS[-1]}", line=line
        )
    return version


def _parse_entry(key: str, value: object, place: YamlPlace) -> tuple[LockedArtifact, ...]:
    if not isinstance(value, YamlMapping):
        raise Unreadable("not a mapping")
    resolution = read_text(value, "resolution")
    if resolution is None:
        raise Unreadable("`resolution` is missing")
    locator = _parse_locator(resolution)
    if locator.protocol == "workspace":
        return ()
    if _is_folder(locator) and stays_inside(_path_of(locator)):
        return ()
    version = read_text(value, "version") or ""
    base = LockedArtifact(
        ecosystem=Ecosystem.NPM,
        name=check_name(locator.name),
        version="" if version in ("", _LOCAL_VERSION) else check_version(version),
        source=Source.REGISTRY,
        line=place.line,
        column=place.column,
        place=check_text(key, "its key"),
        installed_as=_installed_as(key, locator.name),
    )
    return (_with_conditions(_with_locator(base, locator), read_text(value, "conditions")),)


def _parse_locator(text: str) -> _Locator:
    match = _IDENT.fullmatch(text)
    if match is None:
        raise Unreadable("`resolution` is no locator")
    reference, _, parameters = match["rest"].partition("::")
    return _Locator(match["name"], reference, parameters)


def _installed_as(key: str, name: str) -> str | None:
    """Return the first name that a descriptor of the entry gives it, where that is another one."""
    for descriptor in _SEPARATOR.split(key):
        match = _IDENT.fullmatch(descriptor)
        if match is None:
            raise Unreadable("its key is no list of descriptors")
        if match["name"] != name:
            return check_name(match["name"])
    return None


def _with_locator(base: LockedArtifact, locator: _Locator) -> LockedArtifact:
    match locator.protocol:
        case "npm":
            return _with_version(base, locator)
        case "patch":
            return _with_patched(base, _written_path(locator))
        case "link" | "portal" | "file":
            source = Source.FOLDER if _is_folder(locator) else Source.FILE
            return replace(base, source=source, resolved=_path_of(locator))
        case "virtual" | "exec":
            return replace(base, source=Source.OTHER)
    if _GIT.match(locator.reference):
        commit = _COMMIT.search(locator.reference)
        pinned = commit_of(commit["commit"]) if commit else None
        return replace(base, source=Source.GIT, resolved=locator.reference, commit=pinned)
    if locator.protocol in ("http", "https"):
        return replace(base, source=Source.URL, resolved=locator.reference)
    raise Unreadable("the protocol of its `resolution` is not one of the known ones")


def _is_folder(locator: _Locator) -> bool:
    is_archive = locator.protocol == "file" and _ARCHIVE.search(_written_path(locator))
    return locator.protocol in ("link", "portal", "file") and not is_archive


def _written_path(locator: _Locator) -> str:
    return locator.reference.partition(":")[2].partition("#")[0]


def _path_of(locator: _Locator) -> str:
    """Return the path of a local source, from the lockfile's folder: it is written from that of who asks for it."""
    asker = _parameter(locator, "locator") or ""
    folder = asker.partition("@workspace:")[2]
    return posixpath.normpath(posixpath.join(folder, check_text(_written_path(locator), "its path")))


def _parameter(locator: _Locator, name: str) -> str | None:
    try:
        return parse_qs(locator.parameters, max_num_fields=16).get(name, [None])[0]
    except ValueError as error:
        raise Unreadable("the parameters of its `resolution` cannot be read") from error


def _with_version(base: LockedArtifact, locator: _Locator) -> LockedArtifact:
    """Read ``npm:1.0.0``; where the address is not the registry's usual one, ``__archiveUrl`` gives it."""
    version = locator.reference.removeprefix("npm:")
    if base.version != version:
        raise Unreadable("`version` is another one than in its `resolution`")
    address = _parameter(locator, "__archiveUrl")
    return replace(base, resolved=None if address is None else check_text(address, "its address"))


def _with_patched(base: LockedArtifact, source: str) -> LockedArtifact:
    """Read ``patch:name@npm%3A1.0.0``: yarn fetches what is patched, which gives name and version, and changes it."""
    for _ in range(_PATCHES_MAX_DEPTH):
        patched = _parse_locator(unquote(source))
        if patched.protocol != "patch":
            break
        source = _written_path(patched)
    version = patched.reference.removeprefix("npm:")
    is_of_registry = SEMVER.fullmatch(version) is not None
    name = check_name(patched.name)
    return replace(
        base,
        name=name,
        version=version if is_of_registry else base.version,
        installed_as=base.installed_as or (base.name if base.name != name else None),
        source=Source.REGISTRY if is_of_registry else Source.OTHER,
    )


def _with_conditions(base: LockedArtifact, conditions: str | None) -> LockedArtifact:
    """Read ``os=linux & (cpu=x64 | cpu=arm64)``; in another form they restrict nothing, so that nothing is left out."""
    found: dict[str, tuple[str, ...]] = {}
    for group in (conditions or "").split(" & "):
        matches = [_CONDITION.fullmatch(each) for each in group.removeprefix("(").removesuffix(")").split(" | ")]
        fields = {match["field"] if match else "" for match in matches}
        if len(fields) != 1 or "" in fields or not found.keys().isdisjoint(fields):
            return base
        found[fields.pop()] = tuple(match["negation"] + match["value"] for match in matches if match)
    return replace(base, os=found.get("os", ()), cpu=found.get("cpu", ()), libc=found.get("libc", ()))

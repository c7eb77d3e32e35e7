"""One entry of pnpm-lock.yaml: where its ``resolution`` says that it comes from, and what is locked of it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Source
from guard_lockfiles.npm_fields import (
    Unreadable,
    check_name,
    check_text,
    check_version,
    commit_of,
    commit_of_archive,
    digests_of,
    is_git_archive,
    read_flag,
    read_object,
    read_text,
    read_texts,
)
from guard_lockfiles.package_lock_sources import stays_inside
from guard_lockfiles.pnpm_keys import PackageKey
from guard_lockfiles.yaml_positions import YamlPlace

_RUNTIME = "runtime:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the rest of the document says of an entry.

    Args:
        place: where it stands.
        folders: of the workspace's projects.
        installed_as: another name that it is installed under.
        is_dev: whether only development asks for it.
        is_optional: whether an installation goes on without it.
    """

    place: YamlPlace
    folders: frozenset[str]
    installed_as: str | None
    is_dev: bool
    is_optional: bool


def parse_package(
    key: str, parts: PackageKey, value: object, circumstances: Circumstances
) -> tuple[LockedArtifact, ...]:
    """Return what an entry of ``packages`` locks: one artifact, one for each platform, or none for a folder inside.

    Args:
        key: its key.
        parts: what the key says.
        value: its members.
        circumstances: what the rest says of it.

    Raises:
        Unreadable: it says nothing certain.
    """
    check_text(key, "its key")
    if not isinstance(value, Mapping):
        raise Unreadable("not a mapping")
    resolution = value.get("resolution")
    if not isinstance(resolution, Mapping):
        raise Unreadable("`resolution` is not a mapping")
    base = LockedArtifact(
        ecosystem=Ecosystem.NPM,
        name=_name(parts, value),
        version=_version(parts, value),
        source=Source.REGISTRY,
        line=circumstances.place.line,
        column=circumstances.place.column,
        place=key,
        installed_as=circumstances.installed_as,
        os=read_texts(value, "os"),
        cpu=read_texts(value, "cpu"),
        libc=read_texts(value, "libc"),
        is_dev=circumstances.is_dev,
        is_optional=circumstances.is_optional,
        has_install_script=read_flag(value, "requiresBuild"),
    )
    if resolution.get("type") == "variations":
        return tuple(_variants(base, resolution))
    if resolution.get("type") == "directory":
        folder = _required(resolution, "directory")
        if posixpath.normpath(folder) in circumstances.folders or stays_inside(folder):
            return ()
        return (replace(base, source=Source.FOLDER, resolved=folder),)
    return (_with_resolution(base, parts, resolution),)


def _name(parts: PackageKey, value: Mapping[str, object]) -> str:
    name = read_text(value, "name")
    if name is not None and parts.name is not None and name != parts.name:
        raise Unreadable("`name` is another one than in its key")
    return check_name(name or parts.name or "")


def _version(parts: PackageKey, value: Mapping[str, object]) -> str:
    version = read_text(value, "version")
    if version is not None and parts.version is not None and version != parts.version:
        raise Unreadable("`version` is another one than in its key")
    reference = parts.reference or ""
    named = reference.removeprefix(_RUNTIME) if reference.startswith(_RUNTIME) else ""
    version = version or parts.version or named
    return check_version(version) if version else ""


def _with_resolution(base: LockedArtifact, parts: PackageKey, resolution: Mapping[str, object]) -> LockedArtifact:
    kind = read_text(resolution, "type")
    if kind is None:
        return _with_tarball(base, parts, resolution)
    if kind == "git":
        commit = commit_of(_required(resolution, "commit"))
        return replace(base, source=Source.GIT, resolved=_required(resolution, "repo"), commit=commit)
    digests = digests_of(read_text(resolution, "integrity"))
    if kind == "binary":
        address = _required(resolution, "url")
        return replace(base, source=Source.OTHER, resolved=address, digests=digests, file=address.rpartition("/")[2])
    if kind.startswith("custom:"):
        return replace(base, source=Source.OTHER, digests=digests)
    raise Unreadable("`type` of its `resolution` is not one of the known ones")


def _with_tarball(base: LockedArtifact, parts: PackageKey, resolution: Mapping[str, object]) -> LockedArtifact:
    address = read_text(resolution, "tarball")
    digests = digests_of(read_text(resolution, "integrity"))
    if parts.version is not None:
        registry = read_text(resolution, "registry") or parts.registry
        return replace(base, resolved=address, digests=digests, registry=registry)
    reference = parts.reference or ""
    if address is None and not reference.startswith("file:"):
        raise Unreadable("neither a version nor an address")
    address = address or reference
    if address.startswith("file:"):
        return replace(base, source=Source.FILE, resolved=address, digests=digests)
    if resolution.get("gitHosted") is True or is_git_archive(address):
        commit = commit_of_archive(address)
        return replace(base, source=Source.GIT, resolved=address, digests=digests, commit=commit)
    return replace(base, source=Source.URL, resolved=address, digests=digests)


def _variants(base: LockedArtifact, resolution: Mapping[str, object]) -> Iterator[LockedArtifact]:
    """Yield one artifact for each archive of a runtime, which no registry delivers as a package."""
    variants = resolution.get("variants")
    if not isinstance(variants, list) or not variants:
        raise Unreadable("`variants` is not a list of archives")
    for variant in variants:
        if not isinstance(variant, Mapping):
            raise Unreadable("an archive is not a mapping")
        targets = variant.get("targets")
        if not isinstance(targets, list) or not all(isinstance(target, Mapping) for target in targets):
            raise Unreadable("`targets` is not a list of mappings")
        artifact = _with_resolution(base, PackageKey(None, None), read_object(variant, "resolution"))
        yield replace(
            artifact,
            os=_of_targets(targets, "os"),
            cpu=_of_targets(targets, "cpu"),
            libc=_of_targets(targets, "libc"),
        )


def _of_targets(targets: list[Mapping[str, object]], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for target in targets for text in read_texts(target, key)))


def _required(value: Mapping[str, object], key: str) -> str:
    text = read_text(value, key)
    if not text:
        raise Unreadable(f"`{key}` is missing")
    return text

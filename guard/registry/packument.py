"""Documents of an npm registry: packuments and single versions, from bytes to typed values.

npm describes them in its registry repository (``docs/responses/package-metadata.md``, ``docs/REGISTRY-API.md``). A
packument of thousands of versions costs the parsing of its JSON; a version is made sense of when it is asked for, and
then read completely or refused with its place. What the listing of another package or version says is never taken for
the one that was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import urlsplit

from guard import limits
from guard.errors import MalformedInput, malformed_input_boundary
from guard.model import Digest
from guard.registry.credentials import redact_url

# What npm reads of Subresource Integrity (ssri, ``DEFAULT_PRIORITY``), as far as guard compares it.
_SRI_ALGORITHMS = frozenset({"md5", "sha1", "sha256", "sha384", "sha512"})
# npm-lifecycle's hooks of an installed package (arborist ``lib/node.js``, ``get hasInstallScript``).
_INSTALL_HOOKS = ("preinstall", "install", "postinstall")
# In npm's order: the last one that names a package wins (arborist ``lib/node.js``, ``_loadDeps``).
_DEPENDENCY_MEMBERS = ("peerDependencies", "dependencies", "optionalDependencies")
_EVIDENCE_MEMBERS = frozenset({"signatures", "attestations"})
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmSignature:
    """A registry's signature over one version.

    Args:
        keyid: names the key; outside the signature.
        sig: base64, as listed.
    """

    keyid: str
    sig: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """One version as its registry lists it.

    Args:
        name: of the package, scope included.
        version: as the registry writes it.
        registry: URL of the registry that lists it, without credentials.
        tarball: ``dist.tarball``, absolute.
        integrity: ``dist.integrity`` as signatures cover it.
        digests: every value of ``dist.integrity``, and ``dist.shasum``; the strong ones first.
        signatures: ``dist.signatures``.
        carries_signatures: whether ``dist`` has that member at all.
        attestations_url: ``dist.attestations.url``.
        has_attestations: whether ``dist.attestations`` is there.
        promises_provenance: whether it says that there is provenance among them.
        has_install_script: whether the package runs code of its own when it is installed.
        deprecated: why it should not be used; ``None`` where nothing is said.
        dependencies: dependencies, optionalDependencies and peerDependencies together, name to spec.
        bundled: names of packages that the tarball brings along.
        published_at: aware, UTC; only full packuments tell it.
    """

    name: str
    version: str
    registry: str
    tarball: str
    integrity: str | None = None
    digests: tuple[Digest, ...] = ()
    signatures: tuple[NpmSignature, ...] = ()
    carries_signatures: bool = False
    attestations_url: str | None = None
    has_attestations: bool = False
    promises_provenance: bool = False
    has_install_script: bool = False
    deprecated: str | None = None
    dependencies: Mapping[str, str]
    bundled: tuple[str, ...] = ()
    published_at: datetime | None = None

    @property
    def carries_evidence(self) -> bool:
        """Whether the listing has a member for evidence, even an empty one."""
        return self.carries_signatures or self.has_attestations


class Packument:
    """Everything that a registry says about one package. Made by :func:`parse_packument`.

    Attributes:
        name: of the package.
        registry: URL of the registry, without credentials.
        document: the bytes as they were received, decoded.
        dist_tags: tag to version.
    """

    __slots__ = ("_modified", "_times", "_versions", "dist_tags", "document", "name", "registry")

    def __init__(self, document: bytes, members: Mapping[str, object], *, name: str, registry: str) -> None:
        self.name = name
        self.registry = registry
        self.document = document
        self.dist_tags = _texts(members.get("dist-tags"), "dist-tags")
        self._versions = _versions(members)
        self._times = _optional_object(members.get("time"), "time")
        self._modified = members.get("modified", self._times.get("modified"))

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that is listed, in the document's order."""
        return tuple(self._versions)

    @property
    def is_full(self) -> bool:
        """Whether it tells when versions were published."""
        return bool(self._times)

    @property
    def modified(self) -> datetime | None:
        """When the package last changed; nothing in it is younger.

        Raises:
            MalformedInput: it is no time.
        """
        with _named(self._description):
            return _moment(self._modified, "modified")

    @property
    def carries_evidence(self) -> bool:
        """Whether the listing of any version has a member for evidence."""
        listings = (version.get("dist") for version in self._versions.values() if isinstance(version, dict))
        return any(isinstance(dist, dict) and not dist.keys().isdisjoint(_EVIDENCE_MEMBERS) for dist in listings)

    def version(self, version: str) -> PublishedVersion | None:
        """Return one version, ``None`` where it is not listed.

        Raises:
            MalformedInput: its entry cannot be used, naming the place.
        """
        if version not in self._versions:
            return None
        place = f"versions[{version[:80]!r}]"
        with _named(self._description):
            published_at = _moment(self._times.get(version), f"time[{version[:80]!r}]")
            entry = _Entry(_object(self._versions[version], place), place)
            return entry.published(self.name, version, self.registry, published_at)

    def published_at(self, version: str) -> datetime | None:
        """Return when a version was published; ``None`` where the document does not tell.

        Raises:
            MalformedInput: it is no time.
        """
        with _named(self._description):
            return _moment(self._times.get(version), f"time[{version[:80]!r}]")

    def versions_with_addresses(self) -> frozenset[str]:
        """Return the versions that may depend on something which is no range of versions."""
        return frozenset(version for version, entry in self._versions.items() if _has_address(entry))

    @property
    def _description(self) -> str:
        return f"packument of {self.name} from {redact_url(self.registry)}"


def parse_packument(data: bytes, *, name: str, registry: str) -> Packument:
    """Parse the answer to ``GET /{name}``, abbreviated or full.

    Args:
        data: the document.
        name: of the package that was asked for.
        registry: URL of the registry, without credentials.

    Raises:
        MalformedInput: it is no packument, or one of another package.
    """
    description = f"packument of {name} from {redact_url(registry)}"
    members = _parse_object(data, description, max_bytes=limits.PACKUMENT_MAX_BYTES)
    with _named(description):
        _require_stated(members, "name", name, "")
        return Packument(data, members, name=name, registry=registry)


def parse_version_document(data: bytes, *, name: str, version: str, registry: str) -> PublishedVersion:
    """Parse the answer to ``GET /{name}/{version}``.

    Args:
        data: the document.
        name: of the package that was asked for.
        version: that was asked for.
        registry: URL of the registry, without credentials.

    Raises:
        MalformedInput: it is no version, or another one.
    """
    description = f"listing of {name}@{version} from {redact_url(registry)}"
    members = _parse_object(data, description, max_bytes=limits.PACKAGE_VERSION_MAX_BYTES)
    with _named(description):
        return _Entry(members, "").published(name, version, registry, None)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A version's part of a packument, and its place for messages."""

    members: Mapping[str, object]
    place: str

    def published(self, name: str, version: str, registry: str, published_at: datetime | None) -> PublishedVersion:
        _require_stated(self.members, "name", name, self.place)
        _require_stated(self.members, "version", version, self.place)
        dist = _object(self.members.get("dist"), self._at("dist"))
        integrity = _optional_text(dist.get("integrity"), self._at("dist.integrity"))
        attestations = self._attestations(dist.get("attestations"))
        return PublishedVersion(
            name=name,
            version=version,
            registry=registry,
            tarball=_address(dist.get("tarball"), self._at("dist.tarball")),
            integrity=integrity,
            digests=self._digests(integrity, dist.get("shasum")),
            signatures=self._signatures(dist.get("signatures")),
            carries_signatures="signatures" in dist,
            attestations_url=_optional_text((attestations or {}).get("url"), self._at("dist.attestations.url")),
            has_attestations=attestations is not None,
            promises_provenance=bool((attestations or {}).get("provenance")),
            has_install_script=self._has_install_script(),
            deprecated=_deprecation(self.members.get("deprecated")),
            dependencies=self._dependencies(),
            bundled=self._bundled(),
            published_at=published_at,
        )

    def _at(self, member: str) -> str:
        return f"{self.place}.{member}" if self.place else member

    def _digests(self, integrity: str | None, shasum: object) -> tuple[Digest, ...]:
        found = [] if integrity is None else _integrity_digests(integrity, self._at("dist.integrity"))
        if shasum is not None:
            place = self._at("dist.shasum")
            with _placed(place):
                found.append(Digest("sha1", _text(shasum, place).lower()))
        return tuple(sorted(dict.fromkeys(found), key=lambda digest: not digest.is_strong))

    def _attestations(self, value: object) -> Mapping[str, object] | None:
        return None if value is None or value is False else _object(value, self._at("dist.attestations"))

    def _signatures(self, value: object) -> tuple[NpmSignature, ...]:
        place = self._at("dist.signatures")
        entries = [] if value is None else _list(value, place)
        if len(entries) > limits.ATTESTATIONS_MAX_COUNT:
            raise MalformedInput(f"more than {limits.ATTESTATIONS_MAX_COUNT} signatures", context=place)
        return tuple(_signature(entry, f"{place}[{n}]") for n, entry in enumerate(entries))

    def _has_install_script(self) -> bool:
        scripts = self.members.get("scripts")
        has_hook = isinstance(scripts, dict) and any(scripts.get(hook) for hook in _INSTALL_HOOKS)
        return has_hook or bool(self.members.get("hasInstallScript"))

    def _dependencies(self) -> Mapping[str, str]:
        groups = (_texts(self.members.get(member), self._at(member)) for member in _DEPENDENCY_MEMBERS)
        return MappingProxyType({name: spec for group in groups for name, spec in group.items()})

    def _bundled(self) -> tuple[str, ...]:
        """Read ``bundleDependencies``, also misspelt or ``true`` (``@npmcli/package-json/lib/normalize.js``)."""
        member = "bundleDependencies" if "bundleDependencies" in self.members else "bundledDependencies"
        value = self.members.get(member)
        if value is True:
            value = self.members.get("dependencies")
        if not value:
            return ()
        names = list(value) if isinstance(value, dict) else _list(value, self._at(member))
        return tuple(_text(name, self._at(member)) for name in names)


def _versions(members: Mapping[str, object]) -> dict[str, object]:
    """Return the listed versions; an unpublished package has none (npm-pick-manifest ``lib/index.js``)."""
    if "versions" not in members and "unpublished" in _optional_object(members.get("time"), "time"):
        return {}
    return _object(members.get("versions"), "versions")


def _has_address(entry: object) -> bool:
    groups = (entry.get(member) for member in _DEPENDENCY_MEMBERS) if isinstance(entry, dict) else ()
    specs = (spec for group in groups if isinstance(group, dict) for spec in group.values())
    return any(isinstance(spec, str) and (":" in spec or "/" in spec or spec.startswith(".")) for spec in specs)


def _integrity_digests(text: str, place: str) -> list[Digest]:
    """Read Subresource Integrity: values divided by white space, unknown algorithms left out (W3C SRI, section 3.3.3).

    Raises:
        MalformedInput: a known algorithm's value is malformed, or no algorithm is known.
    """
    with _placed(place):
        found = [Digest.from_sri(value) for value in text.split() if value.partition("-")[0].lower() in _SRI_ALGORITHMS]
    if not found:
        raise MalformedInput(f"no digest of a known algorithm: {text[:140]!r}", context=place)
    return found


def _signature(value: object, place: str) -> NpmSignature:
    entry = _object(value, place)
    return NpmSignature(
        keyid=_text(entry.get("keyid"), f"{place}.keyid"),
        sig=_text(entry.get("sig"), f"{place}.sig"),
    )


def _address(value: object, place: str) -> str:
    text = _text(value, place)
    try:
        parts = urlsplit(text)
        is_complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    if not is_complete or _UNPRINTABLE.search(text):
        raise MalformedInput(f"not an http or https address: {redact_url(text)[:140]!r}", context=place)
    return text


def _deprecation(value: object) -> str | None:
    """Read ``deprecated``, a text; some registries write ``true``, and ``false`` or an empty text for no."""
    if not value:
        return None
    # npm cuts such texts anywhere, in the middle of a character too.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _moment(value: object, place: str) -> datetime | None:
    """Read a time in ECMAScript's format (ECMA-262, "Date Time String Format"); without a zone it is taken for UTC."""
    if value is None:
        return None
    match = _TIMESTAMP.fullmatch(_text(value, place))
    if match is None:
        raise MalformedInput("expected a time such as 2026-01-31T12:00:00.000Z", context=place)
    seconds, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    try:
        moment = datetime.fromisoformat(f"{seconds}.{(fraction or '0').ljust(6, '0')[:6]}{zone}")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise MalformedInput(f"no such time: {match.group()}", context=place) from error


def _parse_object(data: bytes, description: str, *, max_bytes: int) -> dict[str, object]:
    """Parse JSON of which guard and npm cannot read different things (RFC 7493, section 2.3).

    Lone surrogates, which RFC 7493 forbids as well, stand in real packuments, where a description was cut in the
    middle of a character; they are refused in what is taken from the document. Depth needs no limit of its own: what
    nests deeper than the parser can follow fails there, and nothing here walks the tree.
    """
    if len(data) > max_bytes:
        raise MalformedInput(f"{description} is larger than {max_bytes} bytes")
    with malformed_input_boundary(description):
        # Not json.loads(data): that takes UTF-16 as well, which npm does not.
        value: object = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant
        )
    if not isinstance(value, dict):
        raise MalformedInput(f"{description} is not a JSON object")
    return value


def _object_without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return members


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _require_stated(members: Mapping[str, object], member: str, expected: str, place: str) -> None:
    where = f"{place}.{member}" if place else member
    if _text(members.get(member), where) != expected:
        raise MalformedInput(f"it states another {member} than {expected[:200]!r}", context=where)


def _object(value: object, place: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedInput(f"expected an object, found {_type_name(value)}", context=place)
    return value


def _optional_object(value: object, place: str) -> dict[str, object]:
    return {} if value is None else _object(value, place)


def _list(value: object, place: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedInput(f"expected a list, found {_type_name(value)}", context=place)
    return value


def _texts(value: object, place: str) -> dict[str, str]:
    """Return an object of texts; old listings write an empty list or text for an empty object."""
    return {_text(name, place): _text(text, place) for name, text in _object(value or {}, place).items()}


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise MalformedInput(f"expected text, found {_type_name(value)}", context=place)
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise MalformedInput("not a text of complete characters", context=place)
    return value


def _optional_text(value: object, place: str) -> str | None:
    return None if value is None else _text(value, place)


def _type_name(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


@contextmanager
def _placed(place: str) -> Iterator[None]:
    """Give an error of the model the place in the document."""
    try:
        yield
    except MalformedInput as error:
        raise error if error.context else MalformedInput(error.message, context=place) from error


@contextmanager
def _named(description: str) -> Iterator[None]:
    """Give an error the document that it is in."""
    try:
        yield
    except MalformedInput as error:
        detail = error.message.removeprefix(f"{error.context}: ")
        raise MalformedInput(f"{detail} ({description})", context=error.context) from error

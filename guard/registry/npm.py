"""The client of npm registries: what they list, the files, their evidence and their keys.

A package belongs to one registry: that of its scope, else the default one. Nothing of another registry is ever taken
for it. Where npm and guard ask for the same thing they ask the same address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import BinaryIO
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from guard import limits
from guard.attest.availability import Flag, Outcome, is_request_needed
from guard.constants import EVIDENCE_BEARING_REGISTRY_HOSTS, NPM_HOST
from guard.errors import MalformedInput, NotFound, Unavailable
from guard.once import Once
from guard.registry.credentials import origin_of, redact_url
from guard.registry.http import HttpClient, Response
from guard.registry.packument import Packument, PublishedVersion, parse_packument, parse_version_document

# pacote ``lib/registry.js``.
ABBREVIATED_ACCEPT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"
FULL_ACCEPT = "application/json"

# npm-audit-report's two generations (arborist ``lib/audit-report.js``).
AUDIT_PATHS = frozenset({"/-/npm/v1/security/advisories/bulk", "/-/npm/v1/security/audits/quick"})

# validate-npm-package-name ``lib/index.js``, "valid for old packages": what a URL need not escape.
_NAME = re.compile(r"(?:@[\w!~*'().-]+/(?!\.)|(?![._]))[\w!~*'().-]+", re.ASCII)
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]*")
_DENIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# What registries answer that know packuments only.
_VERSIONS_NOT_SERVED = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.NOT_IMPLEMENTED}
)
# What describes a body. Whatever else a client sends, its login at the gateway foremost, stays with guard.
_BODY_HEADERS = frozenset({"accept", "content-type", "content-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmRegistries:
    """The registries that are in force.

    Args:
        default: URL without credentials, with a slash at its end.
        scopes: the same for each scope that has one of its own, by ``@scope``.
    """

    default: str
    scopes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def registry_of(self, name: str) -> str:
        """Return the registry that a package belongs to (npm-registry-fetch ``lib/index.js``, ``pickRegistry``)."""
        scope, slash, _ = name.partition("/")
        return self.scopes.get(scope, self.default) if slash else self.default

    @property
    def urls(self) -> tuple[str, ...]:
        """Every registry once, the default one first."""
        return tuple(dict.fromkeys((self.default, *self.scopes.values())))


class NpmClient:
    """Asks the registries, once for each thing and run. Thread-safe: who asks for the same waits for the answer.

    Args:
        http: the HTTP layer.
        registries: that are in force.
        replace_registry_host: npm's setting: whose tarballs are taken from the default registry instead; ``npmjs``,
            ``never``, ``always``, a host, or a URL.
    """

    def __init__(self, http: HttpClient, registries: NpmRegistries, *, replace_registry_host: str = "npmjs") -> None:
        self.registries = registries
        self._http = http
        self._replaced_host = NPM_HOST if replace_registry_host in ("", "npmjs") else replace_registry_host
        self._packuments: Once[str, Packument] = Once()
        self._full_packuments: Once[str, Packument] = Once()
        self._versions: Once[tuple[str, str], PublishedVersion] = Once()
        self._attestations: Once[tuple[str, str, str], tuple[Outcome, bytes | None]] = Once()
        self._keys: Once[str, bytes] = Once()
        self._evidence_carriers: set[str] = set()
        self._packuments_only: set[str] = set()

    def fetch_packument(self, name: str) -> Packument:
        """Fetch what the registry lists of a package, in the abbreviated form where it has one.

        Where this run has the full form already, that is what it gets.

        Args:
            name: of the package, scope included.

        Raises:
            NotFound: the registry has no such package.
            Unavailable: it could not be asked.
            MalformedInput: its answer, or the name, cannot be used.
        """
        at_hand = self._full_packuments.find(name)
        return self._packuments.get(name, lambda: self._load_abbreviated(name)) if at_hand is None else at_hand

    def find_packument(self, name: str) -> Packument | None:
        """Return what the registry lists of a package where this run has it already, in either form."""
        return self._full_packuments.find(name) or self._packuments.find(name)

    def fetch_full_packument(self, name: str) -> Packument:
        """Fetch the form that tells when each version was published.

        Args:
            name: of the package, scope included.

        Raises:
            NotFound: the registry has no such package.
            Unavailable: it could not be asked.
            MalformedInput: its answer, or the name, cannot be used.
        """
        at_hand = self._packuments.find(name)
        if at_hand is not None and at_hand.is_full:
            return at_hand
        return self._full_packuments.get(name, lambda: self._load_packument(name, FULL_ACCEPT))

    def fetch_version(self, name: str, version: str) -> PublishedVersion:
        """Fetch what the registry lists of one version.

        Args:
            name: of the package, scope included.
            version: exactly as the registry writes it.

        Raises:
            NotFound: the registry has no such package, or not this version of it.
            Unavailable: it could not be asked.
            MalformedInput: its answer, or the name or version, cannot be used.
        """
        return self._versions.get((name, version), lambda: self._load_version(name, version))

    def fetch_tarball(self, published: PublishedVersion, sink: BinaryIO) -> None:
        """Stream a version's file into ``sink``, which must be seekable. The caller compares its digest before any use.

        Args:
            published: from this client.
            sink: seekable binary file.

        Raises:
            NotFound: it does not exist.
            Unavailable: it could not be fetched completely.
            MalformedInput: it is too large.
        """
        url = self._tarball_address(published.tarball)
        self._http.fetch_to(url, sink, max_bytes=limits.ARTIFACT_MAX_BYTES, registry=published.registry)

    def fetch_attestations(self, published: PublishedVersion) -> tuple[Flag, Outcome, bytes | None]:
        """Fetch a version's attestations where there can be some.

        Args:
            published: from this client.

        Returns:
            What the registry's listing says, what became of the request, and the document where one was found. An
            answer 200 is a document whatever its type: that it does not parse is for its verification to say.

        Raises:
            MalformedInput: the document is too large or does not decode: it is invalid, neither absent nor missing.
        """
        flag = self.flag_of(published)
        if not is_request_needed(flag, provenance_url_set=False):
            return flag, Outcome.NOT_ASKED, None
        key = (published.registry, published.name, published.version)
        return flag, *self._attestations.get(key, lambda: self._load_attestations(published))

    def fetch_keys(self, registry: str) -> bytes:
        """Fetch the public keys that a registry signs with.

        Args:
            registry: one of the registries that are in force.

        Raises:
            NotFound: it signs nothing.
            Unavailable: it could not be asked.
            MalformedInput: the document is too large or does not decode.
        """
        return self._keys.get(registry, lambda: self._load_keys(registry))

    def recall(self, published: PublishedVersion) -> None:
        """Take a listing of this run's registries that was not asked for: it shows what they carry, too."""
        if published.carries_evidence:
            self._evidence_carriers.add(published.registry)

    def flag_of(self, published: PublishedVersion) -> Flag:
        """Return what a version's listing says about evidence, beside the other listings of its registry."""
        if published.has_attestations:
            return Flag.PRESENT
        registry = published.registry
        is_bearing = registry in self._evidence_carriers or _is_evidence_bearing_host(registry)
        return Flag.ABSENT if is_bearing else Flag.NEVER_CARRIED

    def post_audit(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Ask the default registry for advisories, as ``npm audit`` does.

        Args:
            path: one of :data:`AUDIT_PATHS`.
            body: as npm sends it.
            headers: of npm's request; those that describe the body go along.

        Returns:
            The answer, whatever its status, with its body decoded.

        Raises:
            Unavailable: no complete answer came.
            MalformedInput: it is too large or does not decode.
        """
        if path not in AUDIT_PATHS:
            raise ValueError(f"not an address of npm audit: {path}")
        registry = self.registries.default
        kept = {name: value for name, value in headers.items() if name.lower() in _BODY_HEADERS}
        return self._http.post(
            registry.rstrip("/") + path,
            body,
            headers=kept,
            max_bytes=limits.AUDIT_ANSWER_MAX_BYTES,
            registry=registry,
        )

    def _load_abbreviated(self, name: str) -> Packument:
        try:
            return self._load_packument(name, ABBREVIATED_ACCEPT)
        except NotFound:
            # As pacote does: the registry may have the full form only.
            return self.fetch_full_packument(name)

    def _load_packument(self, name: str, accept: str) -> Packument:
        registry = self.registries.registry_of(name)
        url = registry + _escaped(name)
        answer = self._http.fetch(url, accept=accept, max_bytes=limits.PACKUMENT_MAX_BYTES, registry=registry)
        packument = parse_packument(answer.body, name=name, registry=registry)
        if packument.carries_evidence:
            self._evidence_carriers.add(registry)
        return packument

    def _load_version(self, name: str, version: str) -> PublishedVersion:
        if not _VERSION.fullmatch(version):
            raise MalformedInput(f"{version[:80]!r} is not a version of {name[:200]}")
        packument = self.find_packument(name)
        if packument is None:
            asked = self._ask_for_version(name, version)
            if asked is not None:
                return asked
            packument = self.fetch_packument(name)
            if version in packument.versions:
                self._packuments_only.add(packument.registry)
        published = packument.version(version)
        if published is None:
            raise NotFound(f"{redact_url(packument.registry)} has no version {version} of {name}")
        return published

    def _ask_for_version(self, name: str, version: str) -> PublishedVersion | None:
        """Ask for one version; ``None`` where only the packument can tell."""
        registry = self.registries.registry_of(name)
        if registry in self._packuments_only:
            return None
        url = f"{registry}{_escaped(name)}/{quote(version, safe='')}"
        max_bytes = limits.PACKAGE_VERSION_MAX_BYTES
        try:
            answer = self._http.fetch(url, accept=FULL_ACCEPT, max_bytes=max_bytes, registry=registry)
        except Unavailable as error:
            if isinstance(error, NotFound) or error.status in _VERSIONS_NOT_SERVED:
                return None
            raise
        published = parse_version_document(answer.body, name=name, version=version, registry=registry)
        if published.carries_evidence:
            self._evidence_carriers.add(registry)
        return published

    def _load_attestations(self, published: PublishedVersion) -> tuple[Outcome, bytes | None]:
        max_bytes = limits.PROVENANCE_MAX_BYTES
        for url in _attestation_addresses(published):
            try:
                answer = self._http.fetch(url, accept=FULL_ACCEPT, max_bytes=max_bytes, registry=published.registry)
            except NotFound:
                continue
            except Unavailable as error:
                return Outcome.DENIED if error.status in _DENIALS else Outcome.FAILED, None
            return Outcome.FOUND, answer.body
        return Outcome.NOT_FOUND, None

    def _load_keys(self, registry: str) -> bytes:
        url = f"{registry}-/npm/v1/keys"
        max_bytes = limits.REGISTRY_KEYS_MAX_BYTES
        try:
            return self._http.fetch(url, accept=FULL_ACCEPT, max_bytes=max_bytes, registry=registry).body
        except Unavailable as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            # What npm takes for a registry without keys as well (``lib/utils/verify-signatures.js``).
            raise NotFound(error.message, status=error.status) from error

    def _tarball_address(self, tarball: str) -> str:
        """Return where npm fetches a tarball from, by ``replace-registry-host``.

        Source: arborist ``lib/arborist/reify.js``, ``#registryResolved``, and for a host with a port pacote
        ``lib/remote.js``.
        """
        listed, registry = urlsplit(tarball), urlsplit(self.registries.default)
        host, prefix = _host_and_path(self._replaced_host)
        if host not in ("always", listed.hostname, listed.netloc.lower()) or not _is_below(listed.path, prefix):
            return tarball
        own_path = registry.path.rstrip("/")
        if prefix:
            path = own_path + listed.path[len(prefix) :]
        else:
            path = listed.path if _is_below(listed.path, own_path) else own_path + listed.path
        return _on_host_of(registry, path, listed.query)


def _escaped(name: str) -> str:
    """Return a name as addresses have it (npm-package-arg ``lib/npa.js``, ``escapedName``).

    npm writes ``%2f``, which is the same (RFC 3986, section 2.1), and which urllib3 would write in capitals anyhow.

    Raises:
        MalformedInput: no registry has such a name.
    """
    if not _NAME.fullmatch(name):
        raise MalformedInput(f"{name[:200]!r} is not the name of an npm package")
    return name.replace("/", "%2F")


def _attestation_addresses(published: PublishedVersion) -> tuple[str, ...]:
    """Return where a version's attestations may be: below its registry, else where its listing says on that host.

    pacote takes the listed path alone (``lib/registry.js``), which a registry below a path of its own need not serve.
    The listed host is never asked: it would decide who sees what is installed.
    """
    own = f"{published.registry}-/npm/v1/attestations/{_escaped(published.name)}@{quote(published.version, safe='')}"
    try:
        listed = urlsplit(published.attestations_url or "").path
    except ValueError:
        listed = ""
    if not listed.startswith("/"):
        return (own,)
    return tuple(dict.fromkeys((own, _on_host_of(urlsplit(published.registry), listed, ""))))


def _on_host_of(registry: SplitResult, path: str, query: str) -> str:
    return urlunsplit((registry.scheme, registry.netloc, path, query, ""))


def _host_and_path(setting: str) -> tuple[str, str]:
    """Split the setting ``replace-registry-host``, a host or, since npm 11, a URL."""
    if "://" not in setting:
        return setting.lower(), ""
    parts = urlsplit(setting)
    return parts.hostname or "", parts.path.rstrip("/")


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _is_evidence_bearing_host(registry: str) -> bool:
    return origin_of(registry).host in EVIDENCE_BEARING_REGISTRY_HOSTS

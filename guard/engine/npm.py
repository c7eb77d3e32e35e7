"""Gathers facts about npm packages: the only place that turns failures of npm registries into states."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from guard import limits
from guard.attest.availability import Outcome as EndpointOutcome
from guard.attest.availability import evaluate_availability
from guard.attest.npm import verify_attestations
from guard.attest.npm_signature import RegistryKey, parse_registry_keys, verify_registry_signatures
from guard.constants import NPM_HOST
from guard.engine.engine import Engine
from guard.engine.outcome import NO_PINS, Pins
from guard.errors import EvidenceCode, MalformedInput, NotFound, Unavailable
from guard.model import (
    Artifact,
    Digest,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Judged,
    SourceKind,
    UnavailableCause,
)
from guard.once import Once
from guard.policy.policy import Policy
from guard.policy.schema import RegistrySignatureMode
from guard.registry.credentials import redact_url
from guard.registry.npm import NpmClient
from guard.registry.packument import Packument, PublishedVersion
from guard.sigstore.verify import Verifier
from guard.store.files import FileStore, StoredFile
from guard.store.tarballs import PackageManifest, TarballFacts, load_package_manifest

_DENIALS = frozenset({401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmRequest:
    """A release that npm would install.

    Args:
        name: registry name.
        version: as the registry writes it.
        pins: what the user's lock accepts.
        resolved: the address that the user's lock gives for it, if any.
        source: REGISTRY or ALIAS.
    """

    name: str
    version: str
    pins: Pins = NO_PINS
    resolved: str | None = None
    source: SourceKind = SourceKind.REGISTRY


class NpmEngine(Engine):
    """Fetches, verifies and judges releases of npm registries.

    Args:
        client: where packuments, tarballs and evidence come from.
        store: where verified bytes are kept, under their sha512.
        facts: what tarballs say of themselves.
        keys: the registry's keys where the policy names a file of them; else each registry's own are fetched.
        make_verifier: makes the Sigstore verifier; called once, and only when there is provenance to verify.
        policy: what is asked of artifacts.
        today: the date on which exceptions are judged.
    """

    def __init__(
        self,
        *,
        client: NpmClient,
        store: FileStore,
        facts: TarballFacts,
        keys: tuple[RegistryKey, ...] | None = None,
        make_verifier: Callable[[], Verifier],
        policy: Policy,
        today: date,
    ) -> None:
        super().__init__(make_verifier=make_verifier, policy=policy, today=today, workers=limits.NPM_WORKERS)
        self._client = client
        self._store = store
        self._facts = facts
        self._given_keys = keys
        self._keys: Once[str, tuple[RegistryKey, ...]] = Once()
        self._tarballs: Once[tuple[str, str], StoredFile] = Once()
        self._judged: Once[NpmRequest, Judged] = Once()

    def fetch_packument(self, name: str) -> Packument:
        """Return what a package's registry says about all its releases.

        Raises:
            NotFound: the registry has no such package.
            Unavailable: it did not answer.
            MalformedInput: it answered what is no packument.
        """
        return self._client.fetch_packument(name)

    def fetch_full_packument(self, name: str) -> Packument:
        """Return the same in its long form, with times and all members of each release; see above."""
        return self._client.fetch_full_packument(name)

    def load_tarball(self, published: PublishedVersion) -> StoredFile:
        """Return a release's bytes with their digests, from the store or the registry.

        Raises:
            Unavailable: the registry did not deliver them.
            MalformedInput: they are more than allowed.
        """
        return self._tarballs.get((published.name, published.version), lambda: self._load_tarball(published))

    def judge(self, request: NpmRequest) -> Judged:
        """Gather all facts about one release and decide it. Never raises for what a server sends."""
        return self._judged.get(request, lambda: self._judge(request))

    def judge_all(self, requests: list[NpmRequest]) -> tuple[Judged, ...]:
        """Judge several releases at once, in the order given."""
        return self.run_all(functools.partial(self.judge, request) for request in requests)

    def find_published(self, name: str, version: str) -> PublishedVersion:
        """Return a release as its registry lists it.

        Raises:
            NotFound: the registry does not list it.
            Unavailable: it did not answer.
            MalformedInput: it answered what cannot be used.
        """
        return self._client.fetch_version(name, version)

    def _judge(self, request: NpmRequest) -> Judged:
        facts = Facts(artifact=_artifact(request), hashes_enforced=request.pins.enforced)
        try:
            published = self.find_published(request.name, request.version)
        except NotFound as error:
            missing = f"{_shown(self._client.registries.registry_of(request.name))} lists no such release"
            return self.judge_facts(replace(facts, bytes_problem=missing if request.version else error.message))
        except Unavailable as error:
            return self.judge_facts(replace(facts, registry_problem=error.message))
        except MalformedInput as error:
            return self.judge_facts(replace(facts, bytes_problem=error.message))
        facts = self._listed_facts(facts, request, published)
        try:
            stored = self.load_tarball(published)
        except Unavailable as error:
            return self.judge_facts(replace(facts, registry_problem=error.message))
        except MalformedInput as error:
            return self.judge_facts(replace(facts, bytes_problem=error.message))
        if not published.digests:
            facts = replace(facts, artifact=replace(facts.artifact, digests=(stored.digest("sha512"),)))
        facts = self._with_manifest(replace(facts, observed=stored.digests), stored)
        return self.judge_facts(replace(facts, evidence=self._gather_evidence(published, stored.digest("sha512"))))

    def _listed_facts(self, facts: Facts, request: NpmRequest, published: PublishedVersion) -> Facts:
        artifact = replace(
            facts.artifact,
            file=_file_name(published.tarball),
            digests=published.digests,
            origin=_shown(published.registry),
        )
        problem, is_configured = compare_address(request.resolved, published, self._client.registries.urls)
        return replace(
            facts,
            artifact=artifact,
            listed=published.digests,
            resolved_problem=problem,
            resolved_is_configured=is_configured,
            has_install_script=published.has_install_script,
        )

    def _with_manifest(self, facts: Facts, stored: StoredFile) -> Facts:
        """Add what the bytes say of themselves: name, version and whether they bring code that installing runs."""
        artifact = facts.artifact
        try:
            manifest = self._load_manifest(stored, artifact.file or artifact.spec)
        except MalformedInput as error:
            return replace(facts, metadata_problem=error.message)
        problem = ""
        if (manifest.name, _plain_version(manifest.version)) != (artifact.name, _plain_version(artifact.version)):
            problem = f"{artifact.file} says of itself that it is {manifest.name}@{manifest.version}"
        runs_code = facts.has_install_script or manifest.has_install_script
        return replace(facts, metadata_problem=problem, has_install_script=runs_code)

    def _load_manifest(self, stored: StoredFile, filename: str) -> PackageManifest:
        sha512 = stored.digest("sha512")
        known = self._facts.load(sha512)
        if known is None:
            known = load_package_manifest(stored.path, filename=filename)
            self._facts.store(sha512, known)
        return known

    def _load_tarball(self, published: PublishedVersion) -> StoredFile:
        algorithms = frozenset(digest.algorithm for digest in published.digests) | {"sha512"}
        for listed in published.digests:
            found = self._store.load(listed, algorithms=algorithms) if listed.algorithm == "sha512" else None
            if found is not None:
                return found
        try:
            return self._store.store(
                lambda sink: self._client.fetch_tarball(published, sink), algorithms=algorithms, named_by="sha512"
            )
        except OSError as error:
            raise Unavailable(f"{published.tarball} cannot be stored: {error.strerror or error}") from error

    def _gather_evidence(self, published: PublishedVersion, sha512: Digest) -> tuple[Evidence, ...]:
        return (*self._gather_provenance(published, sha512), *self._gather_signature(published))

    def _gather_provenance(self, published: PublishedVersion, sha512: Digest) -> tuple[Evidence, ...]:
        try:
            flag, outcome, document = self._client.fetch_attestations(published)
        except MalformedInput as error:
            return (_invalid(EvidenceKind.SLSA_PROVENANCE, error.message),)
        if outcome is EndpointOutcome.FOUND and document is not None:
            return verify_attestations(
                document, name=published.name, version=published.version, sha512=sha512, verifier=self.load_verifier()
            )
        found = evaluate_availability(flag, outcome, provenance_url_set=False)
        return (Evidence(kind=EvidenceKind.SLSA_PROVENANCE, state=found.state, cause=found.cause, reason=found.reason),)

    def _gather_signature(self, published: PublishedVersion) -> tuple[Evidence, ...]:
        asked = self.policy.for_package(Ecosystem.NPM, published.name, published.version, today=self.today)
        if asked.registry_signature is RegistrySignatureMode.OFF:
            return ()
        if not published.signatures:
            return (Evidence(kind=EvidenceKind.NPM_SIGNATURE, state=EvidenceState.ABSENT),)
        try:
            keys = self._load_keys(published.registry)
        except NotFound:
            return (_no_keys(UnavailableCause.NOT_SERVED, f"{_shown(published.registry)} serves no keys"),)
        except Unavailable as error:
            denied = error.status in _DENIALS
            cause = UnavailableCause.ACCESS_DENIED if denied else UnavailableCause.OUTAGE
            return (_no_keys(cause, error.message),)
        except MalformedInput as error:
            return (_invalid(EvidenceKind.NPM_SIGNATURE, error.message),)
        evidence = verify_registry_signatures(
            [(signature.keyid, signature.sig) for signature in published.signatures],
            name=published.name,
            version=published.version,
            integrity=published.integrity or "",
            keys=keys,
            published_at=published.published_at,
        )
        return (evidence,)

    def _load_keys(self, registry: str) -> tuple[RegistryKey, ...]:
        if self._given_keys is not None:
            return self._given_keys
        return self._keys.get(registry, lambda: parse_registry_keys(self._client.fetch_keys(registry)))


def compare_address(resolved: str | None, published: PublishedVersion, configured: tuple[str, ...]) -> tuple[str, bool]:
    """Compare the address in the user's lock with the one that the registry lists.

    The bytes are always taken from where the registry lists them; an address that says something else tells of another
    registry at the time of locking, or of a lock that was tampered with.

    Args:
        resolved: from the lock, or ``None``.
        published: the release.
        configured: URLs of the user's registries.

    Returns:
        How it differs, or the empty string; and whether its host is a configured one.
    """
    if resolved is None:
        return "", True
    found, listed = urlsplit(resolved), urlsplit(published.tarball)
    if (found.netloc.rpartition("@")[2], found.path) == (listed.netloc, listed.path):
        return "", True
    shown = redact_url(resolved)
    names_it = found.path == listed.path or found.path.endswith(_address_tail(published))
    if not names_it:
        return f"the lock names {shown}, and that is not where {published.name}@{published.version} is", False
    # The public registry's address stands for whatever registry is configured (npm's replace-registry-host).
    if found.hostname in (NPM_HOST, listed.hostname):
        return "", True
    known = {urlsplit(url).netloc for url in configured}
    is_configured = found.netloc.rpartition("@")[2] in known
    return f"the lock names the host {redact_url(f'{found.scheme}://{found.netloc}')}", is_configured


def _address_tail(published: PublishedVersion) -> str:
    """Return how the path of a release ends on most registries: ``/@SCOPE/NAME/-/NAME-VERSION.tgz``."""
    base = published.name.rpartition("/")[2]
    return f"/{published.name}/-/{base}-{published.version}.tgz"


def _artifact(request: NpmRequest) -> Artifact:
    return Artifact(
        ecosystem=Ecosystem.NPM,
        name=request.name,
        version=request.version,
        source=request.source,
        location=request.pins.location,
        pinned=request.pins.digests,
    )


def _plain_version(version: str) -> str:
    """Return a version as npm writes it when it publishes: no ``v`` or ``=`` before it and no build metadata."""
    return re.sub(r"^[=v\s]+", "", version.strip()).partition("+")[0]


def _file_name(tarball: str) -> str:
    return Path(urlsplit(tarball).path).name


def _shown(url: str) -> str:
    return redact_url(url).rstrip("/")


def _no_keys(cause: UnavailableCause, reason: str) -> Evidence:
    return Evidence(kind=EvidenceKind.NPM_SIGNATURE, state=EvidenceState.UNAVAILABLE, cause=cause, reason=reason)


def _invalid(kind: EvidenceKind, reason: str) -> Evidence:
    return Evidence(kind=kind, state=EvidenceState.INVALID, code=EvidenceCode.MALFORMED, reason=reason)

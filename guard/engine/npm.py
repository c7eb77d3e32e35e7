"""Gathers facts about npm packages: the only place that turns failures of npm registries into states."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from guard import limits
from guard.attest.npm_signature import RegistryKey
from guard.engine.addresses import compare_address, with_registry
from guard.engine.earlier import earlier_release
from guard.engine.engine import Engine
from guard.engine.locked import LockedRequest, bound_digest, require_comparable
from guard.engine.npm_evidence import NpmEvidence
from guard.engine.npm_keys import NpmKeys
from guard.engine.npm_offer import NpmOffers
from guard.engine.npm_source import NpmSource, RecallingNpm
from guard.engine.outcome import NO_PINS, Pins
from guard.engine.recollection import Recollection
from guard.engine.verifications import Verifications
from guard.errors import MalformedInput, NotFound, Unavailable
from guard.model import (
    Artifact,
    Digest,
    EarlierRelease,
    Ecosystem,
    Evidence,
    Facts,
    HeldBack,
    Judged,
    SourceKind,
)
from guard.once import Once
from guard.policy.downgrade import is_without_provenance, is_young
from guard.policy.policy import Policy
from guard.policy.provenance import verified_provenance
from guard.policy.settings import LockedAgeMode, RegistrySignatureMode
from guard.policy.versions import Earlier, find_earlier
from guard.registry.credentials import redact_url
from guard.registry.npm import NpmClient
from guard.registry.packument import Packument, PublishedVersion
from guard.sigstore.verify import Verifier
from guard.store.facts import Facts as VerifiedFacts
from guard.store.files import FileStore, StoredFile
from guard.store.tarballs import PackageManifest, TarballFacts, load_package_manifest


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
        verified: what verifications came to before; ``None`` remembers nothing.
        recollection: what an audit knows without asking; an installation judges by what its registry says now.
        keys: the registry's keys where the policy names a file of them; else each registry's own are fetched.
        make_verifier: makes the Sigstore verifier; called once, and only when there is provenance to verify.
        policy: what is asked of artifacts.
        now: the moment to which ages are counted and on whose day exceptions are judged; aware.
    """

    def __init__(
        self,
        *,
        client: NpmClient,
        store: FileStore,
        facts: TarballFacts,
        verified: VerifiedFacts | None = None,
        recollection: Recollection | None = None,
        keys: tuple[RegistryKey, ...] | None = None,
        make_verifier: Callable[[], Verifier],
        policy: Policy,
        now: datetime,
    ) -> None:
        super().__init__(make_verifier=make_verifier, policy=policy, now=now, workers=limits.NPM_WORKERS)
        self._client = client
        self._store = store
        self._facts = facts
        self._source: NpmSource = client if recollection is None else RecallingNpm(client, recollection)
        self._gatherer = NpmEvidence(
            self._source, NpmKeys(client, keys, recollection), Verifications(verified, self.load_verifier)
        )
        self._tarballs: Once[tuple[str, str], StoredFile] = Once()
        self._judged: Once[NpmRequest, Judged] = Once()
        self._offers = NpmOffers(self, client)
        self._is_offline = recollection is not None and recollection.is_offline
        self._held_back: Once[str, Mapping[str, HeldBack]] = Once()
        self._evidence: Once[tuple[str, str, str, Digest], tuple[Evidence, ...]] = Once()

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

    def hold_back(self, packument: Packument) -> Mapping[str, HeldBack]:
        """Return the versions that are not offered to a resolver; see :meth:`NpmOffers.hold_back`."""
        return self._held_back.get(packument.name, lambda: self._offers.hold_back(packument))

    def judge(self, request: NpmRequest) -> Judged:
        """Gather all facts about one release and decide it. Never raises for what a server sends."""
        return self._judged.get(request, lambda: self._judge(request))

    def judge_all(self, requests: list[NpmRequest]) -> tuple[Judged, ...]:
        """Judge several releases at once, in the order given."""
        return self.run_all(functools.partial(self.judge, request) for request in requests)

    def judge_locked(self, request: LockedRequest) -> Judged:
        """Decide a release that a lock names, without its bytes. Never raises for what a server sends."""
        facts, published = self._look_up(request)
        if not request.is_of_registry:
            return self.judge_facts(facts)
        if published is None:
            return self._judge_lock_facts(with_registry(facts, request, self._client.registries.urls))
        facts = require_comparable(self._with_age(self._listed_facts(facts, request.resolved, published)))
        sha512 = bound_digest(facts, "sha512")
        if sha512 is not None:
            facts = replace(facts, evidence=self._evidence_of(published, sha512))
        return self._judge_lock_facts(self._with_earlier(facts, published))

    def judge_all_locked(
        self, requests: Sequence[LockedRequest], *, done: Callable[[Judged], None] = lambda _: None
    ) -> tuple[Judged, ...]:
        """Judge everything that locks name, in the order given.

        Listings come first: whether a registry ever says that a release has evidence shows in any of them.

        Args:
            requests: what the locks name.
            done: called in the caller's thread after each.
        """
        quick: Sequence[bool] = ()
        if isinstance(self._source, RecallingNpm):
            quick = self._source.read_ahead([(each.artifact.name, each.artifact.version) for each in requests])
        self.do_all((functools.partial(self._look_up, each) for each in requests), quick=quick)
        return self.run_all((functools.partial(self.judge_locked, each) for each in requests), quick=quick, done=done)

    def find_published(self, name: str, version: str) -> PublishedVersion:
        """Return a release as its registry lists it.

        Raises:
            NotFound: the registry does not list it.
            Unavailable: it did not answer.
            MalformedInput: it answered what cannot be used.
        """
        return self._source.fetch_version(name, version)

    def find_earlier(self, name: str, version: str) -> EarlierRelease | None:
        """Return the next lower release that has provenance by the registry's listing, with what is verified about it.

        Args:
            name: of the package.
            version: that it is lower than.
        """
        try:
            packument = self._source.fetch_packument(name)
            found = _find_earlier(packument, version)
            other = packument.version(found.version) if found else None
        except (Unavailable, MalformedInput) as error:
            return earlier_release(Earlier("the release before", is_same_line=False), problem=error.message)
        if found is None or other is None:
            return None
        sha512 = next((digest for digest in other.digests if digest.algorithm == "sha512"), None)
        if sha512 is None:
            return earlier_release(found, problem="its registry lists no sha512 of it")
        return earlier_release(found, self._evidence_of(other, sha512))

    def _judge(self, request: NpmRequest) -> Judged:
        artifact = _artifact(request)
        # A lock that npm has just made pins digests, too, but nobody wrote it before.
        is_locked = self.named.holds(artifact)
        facts, published = self._find(
            Facts(artifact=artifact, hashes_enforced=request.pins.enforced, is_locked=is_locked)
        )
        if published is None:
            return self.judge_facts(facts)
        facts = self._with_age(self._listed_facts(facts, request.resolved, published))
        try:
            stored = self.load_tarball(published)
        except Unavailable as error:
            return self.judge_facts(replace(facts, registry_problem=error.message))
        except MalformedInput as error:
            return self.judge_facts(replace(facts, bytes_problem=error.message))
        if not published.digests:
            facts = replace(facts, artifact=replace(facts.artifact, digests=(stored.digest("sha512"),)))
        facts = self._with_manifest(replace(facts, observed=stored.digests), stored)
        facts = replace(facts, evidence=self._evidence_of(published, stored.digest("sha512")))
        return self.judge_facts(self._with_earlier(facts, published))

    def _judge_lock_facts(self, facts: Facts) -> Judged:
        return self.judge_facts(facts, bound_by="npm-integrity")

    def _look_up(self, request: LockedRequest) -> tuple[Facts, PublishedVersion | None]:
        return self._find(request.facts) if request.is_of_registry else (request.facts, None)

    def _find(self, facts: Facts) -> tuple[Facts, PublishedVersion | None]:
        """Return what the registry lists of an artifact, or why it lists nothing of use."""
        name, version = facts.artifact.name, facts.artifact.version
        try:
            return facts, self.find_published(name, version)
        except NotFound as error:
            missing = f"{_shown(self._client.registries.registry_of(name))} lists no such release"
            return replace(facts, bytes_problem=missing if version else error.message), None
        except Unavailable as error:
            return replace(facts, registry_problem=error.message), None
        except MalformedInput as error:
            return replace(facts, bytes_problem=error.message), None

    def _listed_facts(self, facts: Facts, resolved: str | None, published: PublishedVersion) -> Facts:
        artifact = replace(
            facts.artifact,
            file=_file_name(published.tarball),
            digests=published.digests,
            origin=_shown(published.registry),
        )
        problem, is_configured = compare_address(resolved, published, self._client.registries.urls)
        return replace(
            facts,
            artifact=artifact,
            listed=published.digests,
            resolved_problem=problem,
            resolved_is_configured=is_configured,
            has_install_script=facts.has_install_script or published.has_install_script,
            published_at=published.published_at,
            deprecated=published.deprecated,
        )

    def _with_age(self, facts: Facts) -> Facts:
        """Add when a release was published, where that counts and its listing alone does not tell."""
        policy = self.policy_for(facts.artifact)
        # What is only noted of a locked release is not worth a request for each of them.
        is_noted = facts.is_locked and policy.min_age_locked is LockedAgeMode.NOTE
        if facts.published_at is not None or is_noted or self._is_offline:
            return facts
        try:
            return replace(facts, published_at=self._offers.published_at(facts.artifact, policy))
        except Unavailable as error:
            return replace(facts, registry_problem=error.message)
        except MalformedInput:
            return facts

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
        return replace(
            facts,
            metadata_problem=problem,
            has_install_script=runs_code,
            bundles_install_script=manifest.bundles_install_script,
        )

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

    def _with_earlier(self, facts: Facts, published: PublishedVersion) -> Facts:
        """Add the release that this one is compared with, where it has no provenance or is young.

        A lock names each release by itself, so that often no packument is at hand; for one that has no provenance,
        which warns where a lock names it, none is fetched.
        """
        if is_without_provenance(facts):
            return self._with_loss(facts, published)
        if not verified_provenance(facts) or not is_young(facts, self.policy_for(facts.artifact)):
            return facts
        return replace(facts, earlier=self.find_earlier(published.name, published.version))

    def _with_loss(self, facts: Facts, published: PublishedVersion) -> Facts:
        try:
            if facts.is_locked:
                packument = self._client.find_packument(published.name)
            else:
                packument = self._source.fetch_packument(published.name)
            found = _find_earlier(packument, published.version) if packument else None
            if found is None:
                return facts
            facts = replace(facts, earlier=earlier_release(found))
            if facts.published_at is not None:
                return facts
            # What a young release lost weighs more, and only the long form tells when it was published.
            listed = self._client.fetch_full_packument(published.name).version(published.version)
        except (Unavailable, MalformedInput) as error:
            return replace(facts, registry_problem=f"its earlier releases could not be looked at: {error.message}")
        return replace(facts, published_at=listed.published_at if listed else None)

    def _evidence_of(self, published: PublishedVersion, sha512: Digest) -> tuple[Evidence, ...]:
        key = (published.registry, published.name, published.version, sha512)
        asked = self.policy.for_package(Ecosystem.NPM, published.name, published.version, now=self.now)
        with_signature = asked.registry_signature is not RegistrySignatureMode.OFF
        return self._evidence.get(
            key,
            lambda: self._gatherer.gather(
                published, sha512, with_signature=with_signature, identity_expected=bool(asked.locked)
            ),
        )


def _find_earlier(packument: Packument, version: str) -> Earlier | None:
    """Return the next lower release that has provenance by its listing."""

    def has_provenance(other: str) -> bool:
        try:
            listed = packument.version(other)
        except MalformedInput:
            return False
        return listed is not None and listed.promises_provenance

    return find_earlier(Ecosystem.NPM, version, packument.versions, counts=has_provenance)


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
    return urlsplit(tarball).path.rpartition("/")[2]


@functools.lru_cache(maxsize=64)
def _shown(url: str) -> str:
    return redact_url(url).rstrip("/")

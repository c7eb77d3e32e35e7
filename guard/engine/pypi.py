"""Gathers facts about files of Python package indexes: the only place that turns their failures into states."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from guard.attest.availability import Flag, evaluate_availability
from guard.attest.availability import Outcome as EndpointOutcome
from guard.attest.documents import digest_of_document
from guard.engine.addresses import compare_file_address, compare_registry, with_registry
from guard.engine.earlier import earlier_release, find_attested_beside, find_earlier_file
from guard.engine.engine import Engine
from guard.engine.locked import LockedRequest, bound_digest, require_comparable
from guard.engine.locked_files import choose_files, files_named, merge_judged, version_of
from guard.engine.outcome import NO_PINS, Pins
from guard.engine.pypi_source import PyPISource, RecallingPyPI
from guard.engine.recollection import RecalledDocument, Recollection
from guard.engine.verifications import Verifications
from guard.errors import EvidenceCode, MalformedInput, NotFound, Unavailable
from guard.model import (
    Artifact,
    Digest,
    EarlierRelease,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    HeldBack,
    Judged,
    SourceKind,
    UnavailableCause,
)
from guard.once import Once
from guard.policy.downgrade import is_without_provenance, is_young
from guard.policy.offer import may_be_refused
from guard.policy.policy import Policy
from guard.policy.provenance import verified_provenance
from guard.policy.versions import Earlier
from guard.registry.credentials import redact_url
from guard.registry.pypi import IndexClient, Project
from guard.registry.simple import IndexFile
from guard.store.archives import CoreMetadata, load_sdist_metadata, load_wheel_metadata, parse_core_metadata
from guard.store.facts import FactKey
from guard.store.facts import Facts as VerifiedFacts
from guard.store.files import FileStore, StoredFile

if TYPE_CHECKING:
    from guard.sigstore.verify import Verifier


class PyPIEngine(Engine):
    """Fetches, verifies and judges files of a Python package index.

    Args:
        index: where pages, files and evidence come from.
        store: where verified bytes are kept.
        verified: what verifications came to before; ``None`` remembers nothing.
        recollection: what an audit knows without asking; an installation judges by what its index says now.
        make_verifier: makes the Sigstore verifier; called once, and only when there is provenance to verify.
        policy: what is asked of artifacts.
        now: the moment to which ages are counted and on whose day exceptions are judged; aware.
    """

    def __init__(
        self,
        *,
        index: IndexClient,
        store: FileStore,
        verified: VerifiedFacts | None = None,
        recollection: Recollection | None = None,
        make_verifier: Callable[[], Verifier],
        policy: Policy,
        now: datetime,
    ) -> None:
        super().__init__(make_verifier=make_verifier, policy=policy, now=now)
        self._index = index
        self._source: PyPISource = index if recollection is None else RecallingPyPI(index, recollection)
        self._verifications = Verifications(verified, self.load_verifier)
        self._store = store
        self._files: Once[str, StoredFile] = Once()
        self._metadata: Once[str, bytes] = Once()
        self._judged: Once[tuple[str, Pins], Judged] = Once()
        self._evidence: Once[tuple[str, str, Digest], tuple[Evidence, ...]] = Once()

    def fetch_project(self, name: str) -> Project:
        """Return the project's page from the index that owns the name.

        Raises:
            NotFound: no index has it.
            Unavailable: an index that could own it did not answer.
            MalformedInput: an index answered what is no index page.
        """
        return self._index.fetch_project(name)

    def load_file(self, file: IndexFile) -> StoredFile:
        """Return the file's bytes with their digests, from the store or the index.

        Raises:
            Unavailable: the index did not deliver it.
            MalformedInput: it is larger than allowed.
        """
        return self._files.get(file.url, lambda: self._load_file(file))

    def load_metadata(self, file: IndexFile) -> bytes:
        """Return a wheel's METADATA, from the index (PEP 658) or, where it offers none, from the wheel itself.

        Raises:
            Unavailable: the index did not deliver it.
            MalformedInput: it does not have the digest that the index lists, or is no metadata.
        """
        return self._metadata.get(file.url, lambda: self._load_metadata(file))

    def hold_back(self, project: Project, file: IndexFile) -> HeldBack | None:
        """Return why a file is not offered to a resolver, by what its index lists; ``None`` where it is."""
        asked = self.policy_for(Artifact(ecosystem=Ecosystem.PYPI, name=project.name, version=""))
        if not may_be_refused(asked, filename=file.filename, published_at=file.upload_time, yanked=file.yanked):
            return None
        facts = listed_facts(project, file, NO_PINS)
        if self._index.flag_of(file, project) is Flag.ABSENT:
            facts = replace(facts, evidence=_SAYS_NONE)
        return self.evaluate_offer(facts)

    def judge(self, project: Project, file: IndexFile, pins: Pins = NO_PINS) -> Judged:
        """Gather all facts about one file of an index and decide it. Never raises for what a server sends."""
        return self._judged.get((file.url, pins), lambda: self._judge(project, file, pins))

    def judge_all(
        self, requests: Iterable[tuple[Project, IndexFile, Pins]], *, done: Callable[[Judged], None]
    ) -> tuple[Judged, ...]:
        """Judge several files at once, in the order given.

        Args:
            requests: project, file and what the user's input accepts for it.
            done: called in the caller's thread after each.
        """
        return self.run_all((functools.partial(self.judge, *request) for request in requests), done=done)

    def judge_listed(self, project: Project, file: IndexFile, *, pins: Pins = NO_PINS, is_locked: bool) -> Judged:
        """Decide one file of an index by what is said about it, without its bytes.

        Args:
            project: as its index lists it, with all its releases.
            file: one of its files.
            pins: digests that the user knows of it.
            is_locked: whether the user names this very release.
        """
        facts = replace(listed_facts(project, file, pins), is_locked=is_locked)
        return self._judge_unseen(project, file, facts)

    def find_earlier(self, project: Project, file: IndexFile) -> EarlierRelease | None:
        """Return the next lower release that has provenance by the index's listing, with what is verified about it."""
        found = find_earlier_file(project, file, alike=False)
        if found is None:
            return None
        earlier, other = found
        sha256 = next((digest for digest in other.digests if digest.algorithm == "sha256"), None)
        if sha256 is None:
            return earlier_release(earlier, problem=f"the index lists no sha256 of {other.filename}")
        return earlier_release(earlier, self._evidence_of(project, other, sha256))

    def judge_locked(self, request: LockedRequest, *, fits: Callable[[str], bool]) -> Judged:
        """Decide what a lock names, without its bytes. Never raises for what a server sends.

        Where the lock names a package, pip may install any file of that version whose hash is pinned; every one of
        them that fits is judged by itself, and the worst counts, so that an attested file never stands for another.

        Args:
            request: what the lock names.
            fits: whether a file of this name can be used where the lock is meant for; source archives always can.
        """
        if not request.is_of_registry:
            return self.judge_facts(request.facts)
        release = self._look_up(request)
        if isinstance(release, Facts):
            return _bound_by_pip(self.judge_facts(with_registry(release, request, self._index.urls)))
        project, files = release
        files, unlisted = choose_files(files, request.artifact, fits)
        judged = [self._judge_listed(project, file, request, unlisted) for file in files]
        return _bound_by_pip(merge_judged(judged))

    def judge_all_locked(
        self,
        requests: Sequence[LockedRequest],
        *,
        fits: Callable[[str], bool],
        done: Callable[[Judged], None] = lambda _: None,
    ) -> tuple[Judged, ...]:
        """Judge everything that locks name, in the order given.

        Listings come first: whether an index ever says that a file has provenance shows in any of them.

        Args:
            requests: what the locks name.
            fits: as above.
            done: called in the caller's thread after each.
        """
        quick: Sequence[bool] = ()
        if isinstance(self._source, RecallingPyPI):
            quick = self._source.read_ahead([(each.artifact.name, version_of(each.artifact)) for each in requests])
        self.do_all(functools.partial(self._look_up, each) for each in requests if each.is_of_registry)
        work = (functools.partial(self.judge_locked, each, fits=fits) for each in requests)
        return self.run_all(work, quick=quick, done=done)

    def _judge(self, project: Project, file: IndexFile, pins: Pins) -> Judged:
        facts = listed_facts(project, file, pins)
        facts = replace(facts, is_locked=self.named.holds(facts.artifact))
        try:
            stored = self.load_file(file)
        except Unavailable as error:
            return self.judge_facts(replace(facts, registry_problem=error.message))
        except MalformedInput as error:
            return self.judge_facts(replace(facts, bytes_problem=error.message))
        if not facts.artifact.digests:
            facts = replace(facts, artifact=replace(facts.artifact, digests=(stored.sha256,)))
        facts = replace(facts, observed=stored.digests)
        facts = replace(facts, metadata_problem=self._metadata_problem(file, stored, facts.artifact))
        facts = replace(facts, evidence=self._evidence_of(project, file, stored.sha256))
        return self.judge_facts(self._with_earlier(facts, project, file, lambda: project))

    def _look_up(self, request: LockedRequest) -> tuple[Project, tuple[IndexFile, ...]] | Facts:
        """Return the files that the index lists for a locked release, or the facts that say why there are none."""
        artifact = request.artifact
        try:
            release = self._source.fetch_release(artifact.name, version_of(artifact))
        except NotFound as error:
            return replace(request.facts, bytes_problem=error.message)
        except Unavailable as error:
            return replace(request.facts, registry_problem=error.message)
        except MalformedInput as error:
            return replace(request.facts, bytes_problem=error.message)
        files = files_named(release.files, artifact)
        if files:
            return release, files
        index = redact_url(release.owner.url) if release.owner else "the index"
        return replace(request.facts, bytes_problem=f"{index} lists no such {'file' if artifact.file else 'release'}")

    def _judge_listed(
        self, project: Project, file: IndexFile, request: LockedRequest, unlisted: tuple[Digest, ...]
    ) -> Judged:
        problem, is_configured = compare_file_address(request.resolved, file, self._index.urls)
        if not request.resolved:
            problem, is_configured = compare_registry(request.registry, self._index.urls)
        facts = replace(
            listed_facts(project, file, request.pins),
            is_locked=not request.is_new,
            unlisted_pins=unlisted,
            resolved_problem=problem,
            resolved_is_configured=is_configured,
        )
        return self._judge_unseen(project, file, facts)

    def _judge_unseen(self, project: Project, file: IndexFile, facts: Facts) -> Judged:
        facts = require_comparable(facts)
        sha256 = bound_digest(facts, "sha256")
        if sha256 is not None:
            facts = replace(facts, evidence=self._evidence_of(project, file, sha256))
        whole = functools.partial(self._source.fetch_project, project.name)
        return self.judge_facts(self._with_earlier(facts, project, file, whole))

    def _load_file(self, file: IndexFile) -> StoredFile:
        algorithms = frozenset(digest.algorithm for digest in file.digests)
        listed = next((digest for digest in file.digests if digest.algorithm == "sha256"), None)
        found = self._store.load(listed, algorithms=algorithms) if listed else None
        if found is not None:
            return found
        try:
            return self._store.store(lambda sink: self._index.fetch_file(file, sink), algorithms=algorithms)
        except OSError as error:
            raise Unavailable(f"{file.filename} cannot be stored: {error.strerror or error}") from error

    def _load_metadata(self, file: IndexFile) -> bytes:
        if file.has_core_metadata:
            return self._index.fetch_metadata(file)
        stored = self.load_file(file)
        if not as_listed(file.digests, stored.digests):
            raise MalformedInput(f"{file.filename} does not have the digest that its index lists")
        return load_wheel_metadata(stored.path, filename=file.filename)

    def _metadata_problem(self, file: IndexFile, stored: StoredFile, artifact: Artifact) -> str:
        """Say how the file's own metadata differs from its name and from what the resolver was given, if it does."""
        try:
            if file.filename.endswith(".whl"):
                inside: bytes | None = load_wheel_metadata(stored.path, filename=file.filename)
            else:
                inside = load_sdist_metadata(stored.path, filename=file.filename)
            if inside is None:
                return ""
            stated = parse_core_metadata(inside, what=f"metadata inside {file.filename}")
            problem = identity_problem(stated, file, artifact.name)
            offered = self._offered_metadata(file)
        except MalformedInput as error:
            return error.message
        if problem:
            return problem
        if offered is not None and offered != inside:
            return f"the metadata that the index offers beside {file.filename} is not the metadata inside it"
        return ""

    def _offered_metadata(self, file: IndexFile) -> bytes | None:
        """Return what the resolver was given, if anything.

        Raises:
            MalformedInput: the resolver was given nothing because what the index offers cannot be used.
        """
        try:
            return self._metadata.peek(file.url)
        except Unavailable:
            return None

    def _with_earlier(
        self, facts: Facts, release: Project, file: IndexFile, fetch_project: Callable[[], Project]
    ) -> Facts:
        """Add the release and the file that this one is compared with, where it has no provenance or is young.

        For a release without provenance that a lock names, which at worst warns, only its own files are looked at.

        Args:
            facts: with the evidence about the file.
            release: the project with at least the files of the release.
            file: the file.
            fetch_project: gets the project with all its files.
        """
        is_lost = is_without_provenance(facts)
        if is_lost:
            facts = replace(facts, attested_beside=find_attested_beside(release, file))
        elif not verified_provenance(facts) or not is_young(facts, self.policy_for(facts.artifact)):
            return facts
        try:
            project = release if is_lost and facts.is_locked else fetch_project()
        except (Unavailable, MalformedInput) as error:
            if is_lost:
                return replace(facts, registry_problem=f"its earlier releases could not be looked at: {error.message}")
            unknown = Earlier("the release before", is_same_line=False)
            return replace(facts, earlier=earlier_release(unknown, problem=error.message))
        if not is_lost:
            return replace(facts, earlier=self.find_earlier(project, file))
        found = find_earlier_file(project, file, alike=bool(facts.attested_beside))
        return replace(facts, earlier=earlier_release(found[0]) if found else None)

    def _evidence_of(self, project: Project, file: IndexFile, sha256: Digest) -> tuple[Evidence, ...]:
        key = (project.name, file.url, sha256)
        return self._evidence.get(key, lambda: self._gather_evidence(project, file, sha256))

    def _gather_evidence(self, project: Project, file: IndexFile, sha256: Digest) -> tuple[Evidence, ...]:
        try:
            flag, outcome, document = self._source.fetch_provenance(file, project=project, version=file.version or "")
            if isinstance(document, RecalledDocument):
                known = self._verifications.find(self._document_key(file, sha256, document.digest))
                if known is not None:
                    return known
                flag, outcome, document = document.fetch()
        except Unavailable as error:
            return (_unavailable(UnavailableCause.OUTAGE, error.message),)
        except MalformedInput as error:
            return (_invalid(error),)
        if outcome is EndpointOutcome.FOUND and document is not None:
            return self._verify_document(file, sha256, document)
        found = evaluate_availability(
            flag,
            outcome,
            provenance_url_set=self._index.has_provenance_url,
            identity_expected=self.expects_identity(Ecosystem.PYPI, project.name),
        )
        return (Evidence(kind=EvidenceKind.PEP740_PUBLISH, state=found.state, cause=found.cause, reason=found.reason),)

    def _verify_document(self, file: IndexFile, sha256: Digest, document: bytes) -> tuple[Evidence, ...]:
        def verify(verifier: Verifier) -> tuple[Evidence, ...]:
            from guard.attest.pypi import verify_provenance  # pip need not wait for it to begin

            return verify_provenance(document, filename=file.filename, sha256=sha256, verifier=verifier)

        return self._verifications.get(self._document_key(file, sha256, digest_of_document(document)), verify)

    def _document_key(self, file: IndexFile, sha256: Digest, document: Digest) -> FactKey:
        return self._verifications.key(Ecosystem.PYPI, file.filename, sha256, str(document))


def _unavailable(cause: UnavailableCause, reason: str) -> Evidence:
    return Evidence(kind=EvidenceKind.PEP740_PUBLISH, state=EvidenceState.UNAVAILABLE, cause=cause, reason=reason)


# What an index says that marks every file which has provenance.
_SAYS_NONE = (Evidence(kind=EvidenceKind.PEP740_PUBLISH, state=EvidenceState.ABSENT),)


def _invalid(error: MalformedInput) -> Evidence:
    return Evidence(
        kind=EvidenceKind.PEP740_PUBLISH,
        state=EvidenceState.INVALID,
        code=EvidenceCode.MALFORMED,
        reason=error.message,
    )


def _bound_by_pip(judged: Judged) -> Judged:
    return replace(judged, bound_by="pip-hash")


def listed_facts(project: Project, file: IndexFile, pins: Pins) -> Facts:
    """Return what the index and the user's input say about a file."""
    return Facts(
        artifact=artifact_of(project, file, pins),
        listed=file.digests,
        hashes_enforced=pins.enforced,
        other_indexes=project.other_indexes,
        published_at=file.upload_time,
        yanked=file.yanked,
    )


def artifact_of(project: Project, file: IndexFile, pins: Pins = NO_PINS) -> Artifact:
    """Return the artifact that a file on an index page is."""
    return Artifact(
        ecosystem=Ecosystem.PYPI,
        name=project.name,
        version=file.version or "",
        file=file.filename,
        digests=file.digests,
        source=SourceKind.REGISTRY,
        origin=redact_url(project.owner.url if project.owner else file.url),
        location=pins.location,
        pinned=pins.digests,
    )


def as_listed(listed: tuple[Digest, ...], observed: tuple[Digest, ...]) -> bool:
    """Whether every listed digest is among the observed ones; nothing listed is nothing to differ from."""
    return set(listed) <= set(observed)


def identity_problem(stated: CoreMetadata, file: IndexFile, name: str) -> str:
    """Say what a file states to be where that is not what its index lists it as; else return the empty string."""
    if stated.name == canonicalize_name(name) and _same_version(stated.version, file.version or ""):
        return ""
    return f"{file.filename} says of itself that it is {stated.name} {stated.version}"


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other

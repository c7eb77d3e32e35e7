"""Audits without a network, from a folder of evidence: what is saved is enough, what is missing is never a no."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from guard import limits
from guard.engine.evidence_saving import Saved, save_npm_evidence, save_pypi_evidence
from guard.engine.locked import LockedRequest
from guard.engine.recollection import Recollection
from guard.errors import ConfigInvalid
from guard.model import (
    Artifact,
    Digest,
    Ecosystem,
    EvidenceKind,
    EvidenceState,
    Judged,
    Level,
    SourceKind,
    Verdict,
)
from guard.registry.npm import NpmClient, NpmRegistries
from guard.registry.npm_credentials import NpmCredentials
from guard.store.evidence_folder import EvidenceFolder
from guard.store.facts import Facts
from tests.sim.faults import Fault
from tests.sim.npm import NpmSimulator
from tests.sim.npm_documents import keys_document
from tests.sim.packages import make_sdist
from tests.sim.world import World, maintainer_of
from tests.unit.npm_engine import npm_engine
from tests.unit.pypi_engine import index_client, pypi_engine
from tests.unit.test_registry_http import client_for_tests

NOW = datetime.now(timezone.utc)
SLSA, SIGNATURE, PEP740 = EvidenceKind.SLSA_PROVENANCE, EvidenceKind.NPM_SIGNATURE, EvidenceKind.PEP740_PUBLISH


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(started: World) -> World:
    for registry in (started.npm, started.pypi):
        registry.clear_faults()
        registry.evidence_bearing = True
    started.npm.keys = keys_document([started.registry_key])
    return started


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[Facts]:
    with closing(Facts(tmp_path / "facts")) as opened:
        yield opened


def npm_lock(world: World, name: str, **publication: object) -> LockedRequest:
    content = world.publish_npm(name, "1.0.0", **publication).content  # type: ignore[arg-type]
    pinned = (Digest("sha512", hashlib.sha512(content).hexdigest()),)
    return LockedRequest(artifact=Artifact(ecosystem=Ecosystem.NPM, name=name, version="1.0.0", pinned=pinned))


def pypi_lock(world: World, name: str, **listing: object) -> LockedRequest:
    pinned = (Digest("sha256", world.publish(name, "1.0.0", **listing).sha256),)  # type: ignore[arg-type]
    return LockedRequest(artifact=Artifact(ecosystem=Ecosystem.PYPI, name=name, version="1.0", pinned=pinned))


def client_of(world: World, **scopes: str) -> NpmClient:
    registries = NpmRegistries(default=world.npm.url, scopes={f"@{name}": url for name, url in scopes.items()})
    return NpmClient(client_for_tests(credentials=NpmCredentials({})), registries)


def save(world: World, folder: EvidenceFolder, *requests: LockedRequest) -> Saved:
    in_npm = [each for each in requests if each.artifact.ecosystem is Ecosystem.NPM]
    in_pypi = [each for each in requests if each.artifact.ecosystem is Ecosystem.PYPI]
    saved = save_npm_evidence(client_of(world), folder, in_npm)
    return saved + save_pypi_evidence(index_client(world), folder, in_pypi, fits=lambda _: True)


def audit(
    world: World,
    facts: Facts,
    folder: EvidenceFolder | None,
    request: LockedRequest,
    *,
    offline: bool = True,
    now: datetime = NOW,
) -> Judged:
    """Judge one entry; offline, with every registry failing whatever is asked."""
    world.npm.clear_requests()
    world.pypi.clear_requests()
    known = Recollection(facts=facts, now=now, folder=folder, is_offline=offline)
    place = facts.path.parent.parent
    if request.artifact.ecosystem is Ecosystem.NPM:
        with npm_engine(world, place, verified=facts, recollection=known) as (in_npm, _):
            (judged,) = in_npm.judge_all_locked([request])
    else:
        with pypi_engine(world, place, verified=facts, recollection=known) as in_pypi:
            (judged,) = in_pypi.judge_all_locked([request], fits=lambda _: True)
    if offline:
        assert (world.npm.requests, world.pypi.requests) == ([], [])
    return judged


def states(judged: Judged) -> dict[EvidenceKind, EvidenceState]:
    return {evidence.kind: evidence.state for evidence in judged.facts.evidence}


def rules(judged: Judged, level: Level) -> set[str]:
    return {found.rule.value for found in judged.decision.findings if found.level is level}


LOCKS = pytest.mark.parametrize("lock", [npm_lock, pypi_lock], ids=["npm", "pypi"])


@LOCKS
def test_what_was_saved_is_judged_offline_as_it_is_online(
    world: World, facts: Facts, folder: EvidenceFolder, lock: object, tmp_path: Path
) -> None:
    for name, attested in (("attested", True), ("plain", False)):
        request = lock(world, name, attested=attested)  # type: ignore[operator]
        saved = save(world, folder, request)
        assert (saved.listings, saved.documents, saved.problems) == (1, int(attested), ())
        offline = audit(world, facts, folder, request)
        with closing(Facts(tmp_path / name)) as others:
            online = audit(world, others, None, request, offline=False)
        assert offline == online
        assert offline.decision.verdict is Verdict.ALLOW


@LOCKS
def test_what_is_not_at_hand_offline_is_undecided(
    world: World, facts: Facts, folder: EvidenceFolder, lock: object
) -> None:
    request = lock(world, "missing")  # type: ignore[operator]
    for given in (folder, None):
        judged = audit(world, facts, given, request)
        assert judged.decision.verdict is Verdict.UNDECIDED
        assert rules(judged, Level.UNDECIDED) == {"registry-unavailable"}


@LOCKS
def test_a_document_that_a_listing_promises_and_the_folder_lacks_is_unavailable(
    world: World, facts: Facts, folder: EvidenceFolder, lock: object
) -> None:
    request = lock(world, "attested", attested=True)  # type: ignore[operator]
    save(world, folder, request)
    for document in (*folder.path.rglob("*.attestations.json"), *folder.path.rglob("*.provenance.json")):
        document.unlink()
    judged = audit(world, facts, folder, request)
    assert rules(judged, Level.UNDECIDED) == {"provenance-unavailable"}
    assert EvidenceState.UNAVAILABLE in states(judged).values()
    assert EvidenceState.ABSENT not in states(judged).values()


@LOCKS
def test_what_was_verified_before_needs_no_document(
    world: World, facts: Facts, folder: EvidenceFolder, lock: object
) -> None:
    request = lock(world, "attested", attested=True)  # type: ignore[operator]
    online = audit(world, facts, None, request, offline=False)
    assert audit(world, facts, None, request) == online
    lapsed = NOW + timedelta(seconds=limits.LISTING_LIFE_SECONDS)
    assert audit(world, facts, None, request, now=lapsed).decision.verdict is Verdict.UNDECIDED


@LOCKS
def test_a_document_in_the_folder_is_verified_like_any_other(
    world: World, facts: Facts, folder: EvidenceFolder, lock: object
) -> None:
    request = lock(world, "attested", attested=True)  # type: ignore[operator]
    other = lock(world, "other", attested=True)  # type: ignore[operator]
    save(world, folder, request, other)
    pattern = "*.attestations.json" if request.artifact.ecosystem is Ecosystem.NPM else "*.provenance.json"
    of_other, of_request = sorted(folder.path.rglob(pattern), key=lambda path: "other" not in str(path))
    of_request.write_bytes(of_other.read_bytes())
    assert "statement-mismatch" in rules(audit(world, facts, folder, request), Level.BLOCK)
    of_request.write_bytes(b"{")
    assert rules(audit(world, facts, folder, request), Level.BLOCK) == {"provenance-invalid"}


@LOCKS
def test_a_listing_in_the_folder_that_cannot_be_used_is_no_answer(
    world: World, facts: Facts, folder: EvidenceFolder, lock: object
) -> None:
    request = lock(world, "attested")  # type: ignore[operator]
    save(world, folder, request)
    (listing,) = (*folder.path.rglob("*.listing.json"), *folder.path.rglob("index.json"))
    document = json.loads(listing.read_bytes())
    for broken in (b"", b"[]", json.dumps(document | {"name": "other"}).encode()):
        listing.write_bytes(broken)
        assert audit(world, facts, folder, request).decision.verdict is Verdict.BLOCK


@LOCKS
def test_with_a_network_listings_come_from_the_registry_and_documents_from_the_folder(
    world: World, facts: Facts, folder: EvidenceFolder, lock: object
) -> None:
    request = lock(world, "attested", attested=True)  # type: ignore[operator]
    save(world, folder, request)
    world.npm.evidence_bearing = world.pypi.evidence_bearing = False  # a mirror of it
    judged = audit(world, facts, folder, request, offline=False)
    assert EvidenceState.VERIFIED in states(judged).values()
    for registry, kinds in ((world.npm, ("version", "packument")), (world.pypi, ("page",))):
        for kind in kinds:
            registry.fault(kind, Fault.SERVER_ERROR)  # type: ignore[arg-type]
    with closing(Facts(facts.path.parent.parent / "others")) as others:
        judged = audit(world, others, folder, request, offline=False)
    assert rules(judged, Level.UNDECIDED) == {"registry-unavailable"}


def test_keys_of_the_folder_judge_signatures_offline(world: World, facts: Facts, folder: EvidenceFolder) -> None:
    request = npm_lock(world, "signed", attested=True)
    save(world, folder, request)
    keys = folder.path / "npm" / "keys.json"
    document = keys.read_bytes()
    keys.write_bytes(b"{}")
    assert states(audit(world, facts, folder, request))[SIGNATURE] is EvidenceState.INVALID
    keys.unlink()
    judged = audit(world, facts, folder, request)
    assert states(judged)[SIGNATURE] is EvidenceState.UNAVAILABLE
    assert states(judged)[EvidenceKind.NPM_PUBLISH] is EvidenceState.UNAVAILABLE
    assert judged.decision.verdict is Verdict.UNDECIDED
    keys.write_bytes(document)
    assert set(states(audit(world, facts, folder, request)).values()) == {EvidenceState.VERIFIED}


def test_every_registry_has_its_own_keys_in_a_folder(world: World, folder: EvidenceFolder) -> None:
    with NpmSimulator() as scoped:
        scoped.keys = keys_document([world.registry_key])
        world.publish_npm("@acme/a", "1.0.0", registry=scoped)
        artifact = Artifact(ecosystem=Ecosystem.NPM, name="@acme/a", version="1.0.0")
        saved = save_npm_evidence(client_of(world, acme=scoped.url), folder, [LockedRequest(artifact=artifact)])
        assert (saved.listings, saved.problems) == (1, ())
        (keys,) = (folder.path / "npm" / "keys").iterdir()
        assert keys.name == f"127.0.0.1_{scoped.url.rstrip('/').rpartition(':')[2]}.json"
        assert not (folder.path / "npm" / "keys.json").exists()


def test_a_listing_says_which_registry_it_is_of(world: World, facts: Facts, folder: EvidenceFolder) -> None:
    request = npm_lock(world, "elsewhere")
    save(world, folder, request)
    (listing,) = folder.path.rglob("*.listing.json")
    document = json.loads(listing.read_bytes())
    assert document["_guard_registry"] == world.npm.url
    listing.write_text(json.dumps(document | {"_guard_registry": "https://npm.corp.test/"}))
    assert audit(world, facts, folder, request).artifact.origin == "https://npm.corp.test"
    listing.write_text(json.dumps(document | {"_guard_registry": "file:///etc"}))
    assert audit(world, facts, folder, request).decision.verdict is Verdict.BLOCK
    del document["_guard_registry"]  # saved with another tool
    listing.write_text(json.dumps(document))
    assert audit(world, facts, folder, request).artifact.origin == world.npm.base_url


def test_a_page_that_was_saved_from_an_index_is_a_listing(world: World, facts: Facts, folder: EvidenceFolder) -> None:
    request = pypi_lock(world, "paged", attested=False)
    world.publish("paged", "2.0.0", attested=False)
    accept = "application/vnd.pypi.simple.v1+json"
    page = client_for_tests().fetch(f"{world.pypi.simple_url}/paged/", accept=accept, max_bytes=10**6).body
    folder.store_release("paged", "1.0", page)
    judged = audit(world, facts, folder, request)
    assert judged.decision.verdict is Verdict.ALLOW
    assert judged.artifact.file == "paged-1.0.0-py3-none-any.whl"


def test_all_files_that_an_entry_accepts_are_saved(world: World, folder: EvidenceFolder) -> None:
    wheel = world.publish("both", "1.0.0")
    name, content = make_sdist("both", "1.0.0")
    world.upload(name, content, identity=maintainer_of("both"))
    pinned = (Digest("sha256", wheel.sha256), Digest("sha256", hashlib.sha256(content).hexdigest()))
    artifact = Artifact(ecosystem=Ecosystem.PYPI, name="both", version="1.0.0", pinned=pinned)
    saved = save(world, folder, LockedRequest(artifact=artifact))
    assert (saved.listings, saved.documents) == (1, 2)


def test_what_could_not_be_saved_is_named(world: World, folder: EvidenceFolder) -> None:
    gone = npm_lock(world, "gone")
    requests = [gone, npm_lock(world, "attested", attested=True), pypi_lock(world, "attested")]
    elsewhere = Artifact(ecosystem=Ecosystem.NPM, name="elsewhere", version="1.0.0", source=SourceKind.URL)
    nobody = Artifact(ecosystem=Ecosystem.PYPI, name="nobody", version="1.0.0")
    world.npm.fault("version", Fault.SERVER_ERROR, name="gone@1.0.0")
    world.npm.fault("attestations", Fault.FORBIDDEN)
    world.pypi.fault("provenance", Fault.FORBIDDEN)
    saved = save(world, folder, *requests, LockedRequest(artifact=elsewhere), LockedRequest(artifact=nobody))
    assert (saved.listings, saved.documents) == (2, 0)
    assert [problem.partition(":")[0] for problem in saved.problems] == [
        "the attestations of attested@1.0.0 could not be fetched",
        "gone@1.0.0",
        "the provenance of attested-1.0.0-py3-none-any.whl could not be fetched",
        "nobody==1.0.0",
    ]


def test_a_folder_that_cannot_be_written_to_is_said(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigInvalid):
        save(world, EvidenceFolder(tmp_path / "file"), npm_lock(world, "attested"))


def test_no_login_or_ticket_is_saved(world: World, folder: EvidenceFolder) -> None:
    secret = world.npm.base_url.replace("http://", "http://user:hunter2@") + "/a/-/a-1.0.0.tgz?ticket=hunter2"
    save(world, folder, npm_lock(world, "a", tarball=secret))
    assert not [path for path in folder.path.rglob("*.json") if b"hunter2" in path.read_bytes()]

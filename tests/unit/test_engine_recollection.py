"""What an audit knows without asking: what is remembered for how long, and that an installation never relies on it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from guard import limits
from guard.attest.npm import verify_attestations
from guard.attest.npm_signature import verify_registry_signatures
from guard.attest.pypi import verify_provenance
from guard.engine import verifications
from guard.engine.locked import LockedRequest
from guard.engine.npm import NpmRequest
from guard.engine.recollection import Recollection
from guard.model import Artifact, Digest, Ecosystem, EvidenceKind, EvidenceState, Judged, Location, Verdict
from guard.store.facts import Facts
from tests.sim.faults import Fault
from tests.sim.npm_documents import RegistryKey, keys_document
from tests.sim.sigstore import Defect
from tests.sim.world import World
from tests.unit.npm_engine import npm_engine
from tests.unit.pypi_engine import pypi_engine

NOW = datetime.now(timezone.utc)
HOUR, DAY = timedelta(seconds=limits.LISTING_LIFE_SECONDS), timedelta(seconds=limits.KEYS_LIFE_SECONDS)


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
def facts(tmp_path: Path) -> Iterator[Facts]:
    with closing(Facts(tmp_path / "facts")) as opened:
        yield opened


def npm_lock(world: World, *names: str, **publication: object) -> list[LockedRequest]:
    """Publish packages and lock them."""
    contents = [(name, world.publish_npm(name, "1.0.0", **publication).content) for name in names]  # type: ignore[arg-type]
    world.npm.clear_requests()
    return [request(Ecosystem.NPM, name, Digest("sha512", hashlib.sha512(each).hexdigest())) for name, each in contents]


def pypi_lock(world: World, *names: str, **listing: object) -> list[LockedRequest]:
    contents = [(name, world.publish(name, "1.0.0", **listing).content) for name in names]  # type: ignore[arg-type]
    world.pypi.clear_requests()
    return [
        request(Ecosystem.PYPI, name, Digest("sha256", hashlib.sha256(each).hexdigest())) for name, each in contents
    ]


def request(ecosystem: Ecosystem, name: str, pinned: Digest) -> LockedRequest:
    location = Location("some.lock", 1)
    return LockedRequest(
        artifact=Artifact(ecosystem=ecosystem, name=name, version="1.0.0", pinned=(pinned,), location=location)
    )


def audit_npm(
    world: World, facts: Facts, lock: list[LockedRequest], *, now: datetime = NOW, trust_root: bytes | None = None
) -> tuple[Judged, ...]:
    """Judge a lock with what is remembered; forget what earlier audits asked."""
    world.npm.clear_requests()
    recollection = Recollection(facts=facts, now=now)
    folder = facts.path.parent.parent
    with npm_engine(world, folder, verified=facts, recollection=recollection, trust_root=trust_root) as (engine, _):
        return engine.judge_all_locked(lock)


def audit_pypi(
    world: World, facts: Facts, lock: list[LockedRequest], *, now: datetime = NOW, provenance_url: str | None = None
) -> tuple[Judged, ...]:
    world.pypi.clear_requests()
    recollection = Recollection(facts=facts, now=now)
    folder = facts.path.parent.parent
    with pypi_engine(world, folder, verified=facts, recollection=recollection, provenance_url=provenance_url) as engine:
        return engine.judge_all_locked(lock, fits=lambda _: True)


def asked_of_npm(world: World) -> set[str]:
    return {each.path for each in world.npm.requests}


def states(judged: Judged) -> dict[EvidenceKind, EvidenceState]:
    return {evidence.kind: evidence.state for evidence in judged.facts.evidence}


# What is remembered, and for how long


def test_a_second_audit_of_an_npm_lock_asks_nothing(world: World, facts: Facts) -> None:
    lock = npm_lock(world, "attested", attested=True) + npm_lock(world, "plain") + npm_lock(world, "bare", signed=False)
    first = audit_npm(world, facts, lock)
    assert [each.decision.verdict for each in first] == [Verdict.ALLOW] * 3
    assert world.npm.requests
    assert audit_npm(world, facts, lock) == first
    assert world.npm.requests == []


def test_a_second_audit_of_a_python_lock_asks_nothing(world: World, facts: Facts) -> None:
    lock = pypi_lock(world, "attested") + pypi_lock(world, "plain", attested=False)
    first = audit_pypi(world, facts, lock)
    assert [states(each)[EvidenceKind.PEP740_PUBLISH] for each in first] == [
        EvidenceState.VERIFIED,
        EvidenceState.ABSENT,
    ]
    assert audit_pypi(world, facts, lock) == first
    assert world.pypi.requests == []


def test_listings_lapse_after_an_hour_keys_after_a_day_and_what_was_verified_never(world: World, facts: Facts) -> None:
    lock = npm_lock(world, "attested", attested=True)
    first = audit_npm(world, facts, lock)
    assert audit_npm(world, facts, lock, now=NOW + HOUR) == first
    assert asked_of_npm(world) == {"/attested/1.0.0"}
    assert audit_npm(world, facts, lock, now=NOW + DAY) == first
    assert asked_of_npm(world) == {"/attested/1.0.0", "/-/npm/v1/keys"}
    in_pypi = pypi_lock(world, "attested")
    first = audit_pypi(world, facts, in_pypi)
    assert audit_pypi(world, facts, in_pypi, now=NOW + HOUR) == first
    assert {each.path for each in world.pypi.requests} == {"/simple/attested/"}


def test_a_listing_of_the_future_is_not_believed(world: World, facts: Facts) -> None:
    lock = npm_lock(world, "attested", attested=True)
    audit_npm(world, facts, lock, now=NOW + DAY)
    audit_npm(world, facts, lock)
    assert "/attested/1.0.0" in asked_of_npm(world)


def test_an_installation_asks_whatever_is_remembered(world: World, facts: Facts, tmp_path: Path) -> None:
    lock = npm_lock(world, "attested", attested=True)
    audit_npm(world, facts, lock)
    world.npm.clear_requests()
    with npm_engine(world, tmp_path, verified=facts) as (engine, _):
        judged = engine.judge(NpmRequest(name="attested", version="1.0.0"))
    assert judged.decision.verdict is Verdict.ALLOW
    assert {"/attested/1.0.0", "/-/npm/v1/keys", "/-/npm/v1/attestations/attested@1.0.0"} <= asked_of_npm(world)


def test_what_could_not_be_had_or_does_not_hold_is_asked_again(world: World, facts: Facts) -> None:
    lock = npm_lock(world, "flaky", attested=True)
    world.npm.fault("attestations", Fault.FORBIDDEN)
    (judged,) = audit_npm(world, facts, lock)
    assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.UNAVAILABLE
    world.npm.clear_faults()
    (judged,) = audit_npm(world, facts, lock)
    assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.VERIFIED
    forged = npm_lock(world, "forged", attested=True, defect=Defect.SIGNATURE_CORRUPT)
    for _ in range(2):
        (judged,) = audit_npm(world, facts, forged)
        assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.INVALID
        assert "/-/npm/v1/attestations/forged@1.0.0" in asked_of_npm(world)


def test_what_a_provenance_url_does_not_have_is_remembered_as_absent(world: World, facts: Facts) -> None:
    world.pypi.evidence_bearing = False
    lock = pypi_lock(world, "mirrored")
    for asked in (True, False):
        (judged,) = audit_pypi(world, facts, lock, provenance_url=world.pypi.base_url)
        assert states(judged) == {EvidenceKind.PEP740_PUBLISH: EvidenceState.ABSENT}
        assert bool(world.pypi.requests) is asked


def test_a_registry_that_signs_with_another_key_by_now_is_asked_for_it(world: World, facts: Facts) -> None:
    first = npm_lock(world, "before")
    audit_npm(world, facts, first)
    newer = RegistryKey()
    world.npm.keys = keys_document([world.registry_key, newer])
    content = world.publish_npm("after", "1.0.0", signed=False).content
    integrity = hashlib.sha512(content)
    signature = newer.sign("after", "1.0.0", world.publish_npm("after", "1.0.0").integrity)
    world.publish_npm("after", "1.0.0", signatures=[signature])
    lock = [request(Ecosystem.NPM, "after", Digest("sha512", integrity.hexdigest()))]
    (judged,) = audit_npm(world, facts, lock)
    assert states(judged)[EvidenceKind.NPM_SIGNATURE] is EvidenceState.VERIFIED


# The key of a verification


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was verified anew, in order."""
    seen: list[str] = []
    watched: dict[str, Callable[..., object]] = {
        "guard.engine.npm_evidence.verify_attestations": verify_attestations,
        "guard.engine.npm_evidence.verify_registry_signatures": verify_registry_signatures,
        "guard.attest.pypi.verify_provenance": verify_provenance,
    }
    for place, function in watched.items():
        monkeypatch.setattr(place, _watch(function, seen))
    return seen


def _watch(function: Callable[..., object], seen: list[str]) -> Callable[..., object]:
    def watched(*arguments: object, **named: object) -> object:
        seen.append(function.__name__.removeprefix("verify_"))
        return function(*arguments, **named)

    return watched


def test_what_is_known_is_not_verified_again(world: World, facts: Facts, verified: list[str]) -> None:
    lock, in_pypi = npm_lock(world, "attested", attested=True), pypi_lock(world, "attested")
    for _ in range(2):
        audit_npm(world, facts, lock)
        audit_pypi(world, facts, in_pypi)
    assert verified == ["attestations", "registry_signatures", "provenance"]


def test_another_trust_root_verifies_anew(world: World, facts: Facts, verified: list[str]) -> None:
    lock = npm_lock(world, "attested", attested=True)
    audit_npm(world, facts, lock)
    audit_npm(world, facts, lock, trust_root=world.sigstore.trusted_root_json() + b" ")
    assert verified == ["attestations", "registry_signatures"] * 2


def test_another_version_of_the_verifier_verifies_anew(
    world: World, facts: Facts, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = npm_lock(world, "attested", attested=True)
    audit_npm(world, facts, lock)
    monkeypatch.setattr(verifications, "_verifier_version", lambda: "guard-0 sigstore-0")
    audit_npm(world, facts, lock)
    assert verified == ["attestations", "registry_signatures"] * 2


def test_another_document_digest_or_name_verifies_anew(world: World, facts: Facts, verified: list[str]) -> None:
    lock = npm_lock(world, "attested", attested=True)
    audit_npm(world, facts, lock)
    audit_npm(world, facts, npm_lock(world, "attested", attested=True), now=NOW + HOUR)  # signed once more
    assert verified.count("attestations") == 1  # the document that held still holds
    other = [request(Ecosystem.NPM, "attested", Digest("sha512", "00" * 64))]
    (judged,) = audit_npm(world, facts, other)
    assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.INVALID
    renamed = world.publish_npm("attested", "1.0.1", attested=True)
    assert renamed.attestations is not None
    world.publish_npm("renamed", "1.0.0", attestations=renamed.attestations)
    (judged,) = audit_npm(world, facts, [request(Ecosystem.NPM, "renamed", lock[0].artifact.pinned[0])])
    assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.INVALID


def test_other_keys_of_the_registry_verify_anew(world: World, facts: Facts, verified: list[str]) -> None:
    lock = npm_lock(world, "attested", attested=True)
    audit_npm(world, facts, lock)
    world.npm.keys = keys_document([world.registry_key, RegistryKey()])
    audit_npm(world, facts, lock, now=NOW + DAY)
    assert verified == ["attestations", "registry_signatures"] * 2
    world.npm.keys = keys_document([RegistryKey()])  # the key that signed is none of the registry's any more
    (judged,) = audit_npm(world, facts, lock, now=NOW + 2 * DAY)
    assert states(judged)[EvidenceKind.NPM_SIGNATURE] is EvidenceState.INVALID
    assert states(judged)[EvidenceKind.NPM_PUBLISH] is EvidenceState.INVALID


def test_an_installation_verifies_nothing_twice(
    world: World, facts: Facts, tmp_path: Path, verified: list[str]
) -> None:
    npm_lock(world, "attested", attested=True)
    pypi_lock(world, "attested")
    for _ in range(2):
        with npm_engine(world, tmp_path, verified=facts) as (engine, _):
            judged = engine.judge(NpmRequest(name="attested", version="1.0.0"))
        assert set(states(judged).values()) == {EvidenceState.VERIFIED}
        with pypi_engine(world, tmp_path, verified=facts) as in_pypi:
            project = in_pypi.fetch_project("attested")
            assert in_pypi.judge(project, project.files[0]).decision.verdict is Verdict.ALLOW
    assert verified == ["attestations", "registry_signatures", "provenance"]


# The database


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0" + b"\xff" * 9000, b"not a database at all"])
def test_a_damaged_database_costs_the_memory_and_nothing_else(world: World, tmp_path: Path, damage: bytes) -> None:
    lock = npm_lock(world, "attested", attested=True)
    with closing(Facts(tmp_path / "facts")) as facts:
        first = audit_npm(world, facts, lock)
    for companion in facts.path.parent.glob("*-wal"):
        companion.unlink()
    facts.path.write_bytes(damage)
    with closing(Facts(tmp_path / "facts")) as facts:
        assert audit_npm(world, facts, lock) == first
        assert world.npm.requests
        assert audit_npm(world, facts, lock) == first
        assert world.npm.requests == []


AUDIT = """
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from guard.engine.locked import LockedRequest
from guard.engine.npm import NpmEngine
from guard.engine.recollection import Recollection
from guard.model import Artifact, Digest, Ecosystem
from guard.policy.policy import merge_policies
from guard.registry.http import Deadline, HttpClient
from guard.registry.http_settings import HttpSettings
from guard.registry.npm import NpmClient, NpmRegistries
from guard.registry.npm_credentials import NpmCredentials
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from guard.store.facts import Facts
from guard.store.files import FileStore
from guard.store.tarballs import TarballFacts

url, trusted_root, folder, *digests = sys.argv[1:]
folder, now = Path(folder), datetime.now(timezone.utc)
root = parse_trust_root(Path(trusted_root).read_bytes(), source="simulated")
http = HttpClient(HttpSettings(), credentials=NpmCredentials({}), deadline=Deadline())
with closing(Facts(folder / "facts")) as facts:
    engine = NpmEngine(
        client=NpmClient(http, NpmRegistries(default=url)),
        store=FileStore(folder / "files"), facts=TarballFacts(folder / "tarballs"),
        verified=facts, recollection=Recollection(facts=facts, now=now),
        make_verifier=lambda: Verifier(root, now=now),
        policy=merge_policies(None, None, project_trusted=False)[0], now=now,
    )
    requests = [
        LockedRequest(artifact=Artifact(
            ecosystem=Ecosystem.NPM, name=f"many{n}", version="1.0.0", pinned=(Digest("sha512", digest),)
        ))
        for n, digest in enumerate(digests)
    ]
    judged = engine.judge_all_locked(requests)
    engine.close()
print(*sorted({evidence.state.value for each in judged for evidence in each.facts.evidence}))
print(*[name for name in ("sigstore", "cryptography", "requests") if name in sys.modules])
"""


def test_what_is_known_imports_no_library_and_processes_share_it(world: World, tmp_path: Path) -> None:
    lock = npm_lock(world, *(f"many{n}" for n in range(6)), attested=True)
    digests = [each.artifact.pinned[0].hex for each in lock]
    line = [sys.executable, "-I", "-c", AUDIT, world.npm.url, str(world.trusted_root_path), str(tmp_path), *digests]
    together = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in together:
        output, _ = process.communicate(timeout=120)
        assert (process.returncode, output.splitlines()[0]) == (0, "verified")
    again = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    assert again.stdout.splitlines() == ["verified", ""]

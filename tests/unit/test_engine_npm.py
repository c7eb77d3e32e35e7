"""What the npm engine gathers about a release, and which state each failure of a registry becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from guard import limits
from guard.attest.npm_signature import parse_registry_keys
from guard.constants import NPM_HOST, YARN_REGISTRY_URL
from guard.engine.addresses import compare_address
from guard.engine.npm import NpmEngine, NpmRequest
from guard.engine.outcome import Pins
from guard.model import Digest, EvidenceKind, EvidenceState, Judged, Level, Location, SourceKind, UnavailableCause
from guard.registry.packument import PublishedVersion
from guard.store.files import FileStore
from tests.sim.documents import compact_json
from tests.sim.npm import Fault, NpmSimulator
from tests.sim.npm_documents import RegistryKey, keys_document
from tests.sim.npm_packages import make_tarball
from tests.sim.sigstore import Defect
from tests.sim.world import World
from tests.unit.npm_engine import npm_engine

SIGNATURE, SLSA = EvidenceKind.NPM_SIGNATURE, EvidenceKind.SLSA_PROVENANCE
BROKEN = Digest("sha512", "00" * 64)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(started: World) -> World:
    started.npm.clear_faults()
    started.npm.keys = keys_document([started.registry_key])
    started.publish_npm("a", "1.0.0")
    started.npm.clear_requests()
    return started


@contextmanager
def engine(world: World, folder: Path, *policy: str, **more: object) -> Iterator[NpmEngine]:
    with npm_engine(world, folder / "engine", *policy, **more) as (made, _):  # type: ignore[arg-type]
        yield made


def judge(world: World, folder: Path, *policy: str, **request: object) -> Judged:
    """Judge ``a@1.0.0`` unless the request says otherwise."""
    with engine(world, folder, *policy) as made:
        return made.judge(NpmRequest(**{"name": "a", "version": "1.0.0", **request}))  # type: ignore[arg-type]


def rules(judged: Judged, *levels: Level) -> set[str]:
    return {found.rule.value for found in judged.decision.findings if found.level in (levels or (Level.BLOCK,))}


def states(judged: Judged) -> dict[EvidenceKind, tuple[EvidenceState, UnavailableCause | None]]:
    return {evidence.kind: (evidence.state, evidence.cause) for evidence in judged.facts.evidence}


# The file


def test_a_release_is_decided_by_its_bytes(world: World, tmp_path: Path) -> None:
    content = make_tarball("a", "1.0.0")
    judged = judge(world, tmp_path)
    assert judged.decision.verdict.installs
    assert judged.artifact.file == "a-1.0.0.tgz"
    assert judged.artifact.origin == world.npm.base_url
    assert {each.algorithm for each in judged.facts.listed} == {"sha512", "sha1"}
    assert Digest("sha512", hashlib.sha512(content).hexdigest()) in judged.facts.observed


def test_other_bytes_than_listed_are_a_mismatch(world: World, tmp_path: Path) -> None:
    world.upload_npm(make_tarball("a", "1.0.0"), served=make_tarball("a", "1.0.0", files={"x.js": "1"}))
    assert rules(judge(world, tmp_path)) == {"hash-mismatch"}


def test_every_listed_digest_must_hold(world: World, tmp_path: Path) -> None:
    world.upload_npm(make_tarball("a", "1.0.0"), shasum="0" * 40)
    assert rules(judge(world, tmp_path)) == {"hash-mismatch"}


def test_a_pin_that_the_registry_does_not_list_is_a_mismatch(world: World, tmp_path: Path) -> None:
    place = Location("package-lock.json", 7)
    judged = judge(world, tmp_path, pins=Pins(digests=(BROKEN,), location=place, enforced=True))
    assert rules(judged) == {"hash-mismatch"}
    assert judged.artifact.location == place


def test_a_lock_without_digests_is_a_hole(world: World, tmp_path: Path) -> None:
    assert rules(judge(world, tmp_path, pins=Pins(enforced=True))) == {"hash-missing"}


def test_a_release_without_any_digest_is_known_by_its_bytes(world: World, tmp_path: Path) -> None:
    published = world.upload_npm(make_tarball("a", "1.0.0"), integrity="", shasum="", signed=False)
    [digest] = judge(world, tmp_path).artifact.digests
    assert digest == Digest("sha512", hashlib.sha512(published.content).hexdigest())


def test_bytes_in_the_store_are_not_fetched_again(world: World, tmp_path: Path) -> None:
    judge(world, tmp_path)
    world.npm.fault("tarball", Fault.RESET)
    assert judge(world, tmp_path).decision.verdict.installs


def test_bytes_in_the_store_that_were_changed_are_fetched_again(world: World, tmp_path: Path) -> None:
    judge(world, tmp_path)
    [stored] = [path for path in (tmp_path / "engine" / "files" / "sha512").rglob("*") if path.is_file()]
    stored.write_bytes(b"damaged")
    assert judge(world, tmp_path).decision.verdict.installs
    assert stored.read_bytes() == make_tarball("a", "1.0.0")


def test_a_weak_digest_finds_nothing_in_the_store(world: World, tmp_path: Path) -> None:
    judge(world, tmp_path)
    world.upload_npm(make_tarball("a", "1.0.0"), integrity="", signed=False)
    world.npm.clear_requests()
    judge(world, tmp_path)
    assert [seen.path for seen in world.npm.requests if seen.path.endswith(".tgz")] == ["/a/-/a-1.0.0.tgz"]


def test_a_release_is_fetched_once_whoever_asks(world: World, tmp_path: Path) -> None:
    with engine(world, tmp_path) as made:
        judged = made.judge_all([NpmRequest(name="a", version="1.0.0", resolved=each) for each in (None, "x", "y")])
    assert [item.artifact.spec for item in judged] == ["a@1.0.0"] * 3
    assert len([seen for seen in world.npm.requests if seen.path.endswith(".tgz")]) == 1


def test_a_store_that_cannot_be_written_leaves_it_undecided(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileStore, "store", fail)
    judged = judge(world, tmp_path)
    assert rules(judged, Level.UNDECIDED) == {"registry-unavailable"}
    assert "No space left" in judged.facts.registry_problem


def test_a_tarball_that_is_too_large_is_refused(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARTIFACT_MAX_BYTES", 100)
    assert rules(judge(world, tmp_path)) == {"hash-mismatch"}


# The registry


@pytest.mark.parametrize(("name", "version"), [("absent", "1.0.0"), ("a", "6.6.6")])
def test_what_is_not_listed_is_refused(world: World, tmp_path: Path, name: str, version: str) -> None:
    judged = judge(world, tmp_path, name=name, version=version)
    assert rules(judged) == {"hash-mismatch"}
    assert "lists no such release" in judged.facts.bytes_problem


@pytest.mark.parametrize(
    ("name", "version"), [("../x", "1.0.0"), ("a", ""), ("a", "latest"), ("a", "../../b"), ("a b", "1"), ("", "1.0.0")]
)
def test_no_registry_is_asked_for_what_is_no_release(world: World, tmp_path: Path, name: str, version: str) -> None:
    assert not judge(world, tmp_path, name=name, version=version).decision.verdict.installs
    assert world.npm.requests == []


@pytest.mark.parametrize("kind", ["packument", "tarball"])
@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RESET, Fault.UNAUTHORIZED, Fault.TRUNCATE])
def test_an_outage_is_undecided(world: World, tmp_path: Path, kind: str, fault: Fault) -> None:
    world.npm.fault("version", Fault.NOT_FOUND)
    world.npm.fault(kind, fault)  # type: ignore[arg-type]
    judged = judge(world, tmp_path)
    assert (rules(judged), rules(judged, Level.UNDECIDED)) == (set(), {"registry-unavailable"})


def test_a_tarball_that_is_gone_is_undecided_and_not_absent(world: World, tmp_path: Path) -> None:
    world.npm.fault("tarball", Fault.NOT_FOUND)
    assert rules(judge(world, tmp_path), Level.UNDECIDED) == {"registry-unavailable"}


@pytest.mark.parametrize("fault", [Fault.NOT_JSON, Fault.HTML_INSTEAD])
def test_a_complete_answer_that_is_no_document_is_refused(world: World, tmp_path: Path, fault: Fault) -> None:
    world.npm.fault("version", fault)
    assert not judge(world, tmp_path).decision.verdict.installs


@pytest.mark.parametrize(
    "listed", [{"name": "b"}, {"version": "2.0.0"}, {"dist": {}}, {"dist": {"tarball": "file:///etc/passwd"}}]
)
def test_a_listing_of_something_else_is_refused(world: World, tmp_path: Path, listed: dict[str, object]) -> None:
    world.upload_npm(make_tarball("a", "1.0.0"), listed=listed)
    assert not judge(world, tmp_path).decision.verdict.installs


def test_a_listing_without_a_full_form_is_enough(world: World, tmp_path: Path) -> None:
    world.npm.fault("version", Fault.NOT_FOUND)
    assert judge(world, tmp_path).decision.verdict.installs


# What the bytes say of themselves


@pytest.mark.parametrize("version", ["1.0.0", "v1.0.0", "=1.0.0", " v 1.0.0 ", "1.0.0+build.5", "v1.0.0+a+b"])
def test_versions_are_compared_as_npm_writes_them(world: World, tmp_path: Path, version: str) -> None:
    listed = {"name": "a", "version": "1.0.0"}
    world.upload_npm(make_tarball("a", "1.0.0", manifest_overrides={"version": "1.0.0"}))
    content = make_tarball("a", "1.0.0", manifest_overrides={"version": version})
    world.npm.add(make_tarball("a", "1.0.0"), served=content, integrity="", shasum="", listed=listed)
    assert judge(world, tmp_path).facts.metadata_problem == ""


@pytest.mark.parametrize(
    "stated", [{"name": "b"}, {"version": "1.0.1"}, {"name": "A"}, {"version": "1.0.0-rc"}, {"name": "@acme/a"}]
)
def test_bytes_that_say_they_are_something_else_are_refused(
    world: World, tmp_path: Path, stated: dict[str, object]
) -> None:
    other = make_tarball("a", "1.0.0", manifest_overrides=stated)
    world.npm.add(make_tarball("a", "1.0.0"), served=other, integrity="", shasum="")
    judged = judge(world, tmp_path)
    assert rules(judged) == {"metadata-mismatch"}
    assert "says of itself" in judged.facts.metadata_problem


def test_bytes_that_are_no_package_are_refused(world: World, tmp_path: Path) -> None:
    world.npm.add(make_tarball("a", "1.0.0"), served=b"<html>", integrity="", shasum="")
    assert rules(judge(world, tmp_path)) == {"metadata-mismatch"}


def test_a_script_that_the_listing_hides_is_seen(world: World, tmp_path: Path) -> None:
    hidden = make_tarball("a", "1.0.0", scripts={"postinstall": "x"})
    world.upload_npm(hidden, listed={"scripts": {}, "hasInstallScript": False})
    assert judge(world, tmp_path).facts.has_install_script


def test_a_script_that_only_the_listing_names_counts(world: World, tmp_path: Path) -> None:
    world.upload_npm(make_tarball("a", "1.0.0"), listed={"hasInstallScript": True})
    judged = judge(world, tmp_path, "[policy]", 'install-scripts = "block"')
    assert rules(judged) == {"install-script"}


def test_what_bytes_say_is_read_once_for_all_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(world, tmp_path)
    monkeypatch.setattr("guard.engine.npm.load_package_manifest", lambda *_, **__: pytest.fail("read again"))
    assert judge(world, tmp_path).decision.verdict.installs


# Evidence


def test_evidence_that_is_there_is_verified(world: World, tmp_path: Path) -> None:
    world.publish_npm("attested", "1.0.0", attested=True)
    found = states(judge(world, tmp_path, name="attested"))
    assert found[SLSA] == (EvidenceState.VERIFIED, None)
    assert found[SIGNATURE] == (EvidenceState.VERIFIED, None)


def test_evidence_that_nobody_speaks_of_is_absent(world: World, tmp_path: Path) -> None:
    world.publish_npm("a", "1.0.0", signed=False)
    world.publish_npm("a", "0.9.0", attested=True, tag=None)
    world.npm.fault("version", Fault.NOT_FOUND)
    assert states(judge(world, tmp_path)) == {
        SLSA: (EvidenceState.ABSENT, None),
        SIGNATURE: (EvidenceState.ABSENT, None),
    }
    assert not [seen for seen in world.npm.requests if "attestations" in seen.path]


@pytest.mark.parametrize(
    ("fault", "state", "cause"),
    [
        (Fault.NOT_FOUND, EvidenceState.STRIPPED, None),
        (Fault.FORBIDDEN, EvidenceState.UNAVAILABLE, UnavailableCause.ACCESS_DENIED),
        (Fault.RESET, EvidenceState.UNAVAILABLE, UnavailableCause.OUTAGE),
        (Fault.TRUNCATE, EvidenceState.UNAVAILABLE, UnavailableCause.OUTAGE),
        (Fault.NOT_JSON, EvidenceState.INVALID, None),
    ],
)
def test_promised_provenance_that_cannot_be_had_is_never_absent(
    world: World, tmp_path: Path, fault: Fault, state: EvidenceState, cause: UnavailableCause | None
) -> None:
    world.publish_npm("attested", "1.0.0", attested=True)
    world.npm.fault("attestations", fault)
    assert states(judge(world, tmp_path, name="attested"))[SLSA] == (state, cause)


def test_provenance_that_does_not_hold_is_refused(world: World, tmp_path: Path) -> None:
    world.publish_npm("attested", "1.0.0", attested=True, defect=Defect.PAYLOAD_SWAPPED)
    assert rules(judge(world, tmp_path, name="attested")) == {"provenance-invalid"}


def test_provenance_is_bound_to_the_bytes_and_not_to_what_is_listed(world: World, tmp_path: Path) -> None:
    """The registry serves and lists other bytes than those that were attested."""
    honest = world.upload_npm(make_tarball("attested", "1.0.0"), attested=True)
    other = make_tarball("attested", "1.0.0", files={"x.js": "1"})
    assert honest.attestations is not None
    world.upload_npm(other, attestations=honest.attestations)
    assert "statement-mismatch" in rules(judge(world, tmp_path, name="attested"))


@pytest.mark.parametrize(
    ("fault", "state", "cause"),
    [
        (Fault.NOT_FOUND, EvidenceState.UNAVAILABLE, UnavailableCause.NOT_SERVED),
        (Fault.FORBIDDEN, EvidenceState.UNAVAILABLE, UnavailableCause.ACCESS_DENIED),
        (Fault.RESET, EvidenceState.UNAVAILABLE, UnavailableCause.OUTAGE),
        (Fault.NOT_JSON, EvidenceState.INVALID, None),
    ],
)
def test_a_signature_without_its_key_is_not_verified(
    world: World, tmp_path: Path, fault: Fault, state: EvidenceState, cause: UnavailableCause | None
) -> None:
    world.npm.fault("keys", fault)
    assert states(judge(world, tmp_path))[SIGNATURE] == (state, cause)


def test_a_signature_of_another_release_does_not_hold(world: World, tmp_path: Path) -> None:
    foreign = world.registry_key.sign("b", "1.0.0", world.publish_npm("a", "1.0.0").integrity)
    world.publish_npm("a", "1.0.0", signatures=[foreign])
    assert rules(judge(world, tmp_path)) == {"registry-signature-invalid"}


def test_keys_are_asked_for_once_a_run_and_registry(world: World, tmp_path: Path) -> None:
    world.publish_npm("b", "1.0.0")
    with engine(world, tmp_path) as made:
        made.judge_all([NpmRequest(name=name, version="1.0.0") for name in ("a", "b")])
    assert len([seen for seen in world.npm.requests if seen.path.endswith("/keys")]) == 1


def test_given_keys_are_the_only_ones(world: World, tmp_path: Path) -> None:
    given = parse_registry_keys(compact_json(keys_document([RegistryKey()])))
    with engine(world, tmp_path, keys=given) as made:
        judged = made.judge(NpmRequest(name="a", version="1.0.0"))
    assert states(judged)[SIGNATURE][0] is not EvidenceState.VERIFIED
    assert not [seen for seen in world.npm.requests if seen.path.endswith("/keys")]


def test_signatures_that_nobody_asks_for_cost_nothing(world: World, tmp_path: Path) -> None:
    judged = judge(world, tmp_path, "[policy]", 'registry-signature = "off"')
    assert SIGNATURE not in states(judged)
    assert not [seen for seen in world.npm.requests if seen.path.endswith("/keys")]


def test_each_scope_is_asked_of_its_registry(world: World, tmp_path: Path) -> None:
    world.publish_npm("@acme/a", "1.0.0")
    with NpmSimulator() as scoped, engine(world, tmp_path, scopes={"@acme": scoped.url}) as made:
        assert rules(made.judge(NpmRequest(name="@acme/a", version="1.0.0"))) == {"hash-mismatch"}
        world.publish_npm("@acme/b", "1.0.0", registry=scoped)
        scoped.keys = world.npm.keys
        judged = made.judge(NpmRequest(name="@acme/b", version="1.0.0", source=SourceKind.ALIAS))
    assert judged.decision.verdict.installs
    assert (judged.artifact.origin, judged.artifact.source) == (scoped.base_url, SourceKind.ALIAS)
    assert world.npm.requests == []


# Addresses in a lock

RELEASE = PublishedVersion(
    name="a",
    version="1.0.0",
    registry="https://npm.corp.test/",
    tarball="https://npm.corp.test/a/-/a-1.0.0.tgz",
    dependencies={},
)
SCOPED = replace(RELEASE, name="@acme/a", tarball="https://npm.corp.test/@acme/a/-/a-1.0.0.tgz")
ELSEWHERE = replace(RELEASE, tarball="https://files.corp.test/download/a/1.0.0/0f0f")
CONFIGURED = ("https://npm.corp.test/", "https://mirror.test:8443/npm/")
SAME, CONFIGURED_HOST, UNKNOWN_HOST, ANOTHER = "same", "configured host", "unknown host", "another package"


def compared(resolved: str | None, published: PublishedVersion = RELEASE) -> str:
    problem, is_configured = compare_address(resolved, published, CONFIGURED)
    assert "secret" not in problem
    if not problem:
        assert is_configured
        return SAME
    if "is not where" in problem:
        assert not is_configured
        return ANOTHER
    return CONFIGURED_HOST if is_configured else UNKNOWN_HOST


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        (None, SAME),
        ("", SAME),
        ("https://npm.corp.test/a/-/a-1.0.0.tgz", SAME),
        ("https://NPM.corp.test:443/a/-/a-1.0.0.tgz", SAME),
        ("http://npm.corp.test/a/-/a-1.0.0.tgz", SAME),
        ("https://npm.corp.test/a/-/a-1.0.0.tgz?x=1#secret", SAME),
        ("https://user:secret@npm.corp.test/a/-/a-1.0.0.tgz", SAME),
        ("https://npm.corp.test/npm/mirror/a/-/a-1.0.0.tgz", SAME),
        ("https://npm.corp.test/a/-/%61-1.0.0.tgz", SAME),
        (f"https://{NPM_HOST}/a/-/a-1.0.0.tgz", SAME),
        (f"http://{NPM_HOST}:80/a/-/a-1.0.0.tgz", SAME),
        ("https://mirror.test:8443/npm/a/-/a-1.0.0.tgz", CONFIGURED_HOST),
        ("https://MIRROR.test:8443/npm/a/-/a-1.0.0.tgz", CONFIGURED_HOST),
        ("https://mirror.test/npm/a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        ("https://npm.corp.test:8080/a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        ("https://npm.corp.test./a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        ("https://npm.corp.test@evil.test/a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        ("https://user:secret@evil.test/a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        (f"{YARN_REGISTRY_URL}a/-/a-1.0.0.tgz#0123456789abcdef0123456789abcdef01234567", SAME),
        (f"{YARN_REGISTRY_URL}b/-/b-1.0.0.tgz", ANOTHER),
        (f"{YARN_REGISTRY_URL[:-1]}.evil.test/a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        (f"https://{NPM_HOST}.evil.test/a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        ("//evil.test/a/-/a-1.0.0.tgz", UNKNOWN_HOST),
        ("https://npm.corp.test/a/-/a-1.0.1.tgz", ANOTHER),
        ("https://npm.corp.test/b/-/b-1.0.0.tgz", ANOTHER),
        ("https://npm.corp.test/@evil/a/-/a-1.0.0.tgz", ANOTHER),
        (f"https://{NPM_HOST}/@evil/a/-/a-1.0.0.tgz", ANOTHER),
        (f"https://{NPM_HOST}/@evil%2fa/-/a-1.0.0.tgz", ANOTHER),
        ("https://npm.corp.test/evil-a/-/a-1.0.0.tgz", ANOTHER),
        ("https://npm.corp.test/b/-/b-1.0.0.tgz?/a/-/a-1.0.0.tgz", ANOTHER),
        ("https://npm.corp.test/b/-/b-1.0.0.tgz#/a/-/a-1.0.0.tgz", ANOTHER),
        ("https://npm.corp.test/a/-/a-1.0.0.tgz/", ANOTHER),
        ("https://npm.corp.test/a/-/a-1.0.0.tgz\n", SAME),
        ("https://user:secret@[broken/a/-/a-1.0.0.tgz", ANOTHER),
        ("https://npm.corp.test:port/a/-/a-1.0.0.tgz", ANOTHER),
    ],
)
def test_an_address_in_a_lock_is_compared(resolved: str | None, expected: str) -> None:
    assert compared(resolved) == expected


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        ("https://npm.corp.test/@acme/a/-/a-1.0.0.tgz", SAME),
        ("https://npm.corp.test/@acme%2fa/-/a-1.0.0.tgz", SAME),
        (f"https://{NPM_HOST}/@acme%2Fa/-/a-1.0.0.tgz", SAME),
        ("https://npm.corp.test/a/-/a-1.0.0.tgz", ANOTHER),
        ("https://npm.corp.test/@evil/a/-/a-1.0.0.tgz", ANOTHER),
    ],
)
def test_the_address_of_a_scoped_package_names_its_scope(resolved: str, expected: str) -> None:
    assert compared(resolved, SCOPED) == expected


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        ("https://files.corp.test/download/a/1.0.0/0f0f", SAME),
        ("https://npm.corp.test/a/-/a-1.0.0.tgz", CONFIGURED_HOST),
        ("https://evil.test/download/a/1.0.0/0f0f", UNKNOWN_HOST),
        ("https://files.corp.test/download/b/1.0.0/0f0f", ANOTHER),
    ],
)
def test_registries_may_keep_files_where_they_like(resolved: str, expected: str) -> None:
    assert compared(resolved, ELSEWHERE) == expected


def test_an_address_of_an_unknown_host_blocks(world: World, tmp_path: Path) -> None:
    assert rules(judge(world, tmp_path, resolved="https://evil.test/a/-/a-1.0.0.tgz")) == {"registry-host"}
    assert rules(judge(world, tmp_path, resolved="https://[broken/a/-/a-1.0.0.tgz")) == {"registry-host"}

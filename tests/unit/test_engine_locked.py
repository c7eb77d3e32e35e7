"""What locks name is judged without its bytes: digests, addresses and evidence against what the registry lists."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guard import constants
from guard.engine.locked import LockedRequest
from guard.model import (
    Artifact,
    Digest,
    Ecosystem,
    EvidenceKind,
    EvidenceState,
    Judged,
    Level,
    Location,
    SourceKind,
    Verdict,
)
from tests.sim.documents import compact_json
from tests.sim.faults import Fault
from tests.sim.packages import make_sdist, make_wheel
from tests.sim.sigstore import Defect
from tests.sim.world import World, maintainer_of
from tests.unit.npm_engine import npm_engine
from tests.unit.pypi_engine import pypi_engine

PLACE = Location("some.lock", 7)
ANYWHERE: Callable[[str], bool] = lambda _: True  # noqa: E731
OTHER = b"other bytes"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(started: World) -> World:
    for registry in (started.npm, started.pypi):
        registry.clear_faults()
        registry.evidence_bearing = True
    # What shows that a registry lists evidence where there is some.
    started.publish_npm("signed", "1.0.0", attested=True)
    started.publish("signed", "1.0.0")
    started.npm.clear_requests()
    started.pypi.clear_requests()
    return started


def digest(content: bytes, algorithm: str) -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, content).hexdigest())


def locked(ecosystem: Ecosystem, name: str, *pinned: Digest, **more: object) -> LockedRequest:
    own = {key: more.pop(key) for key in ("resolved", "registry", "enforced", "has_install_script") if key in more}
    artifact = {"version": "1.0.0", "source": SourceKind.REGISTRY, **more}
    return LockedRequest(
        artifact=Artifact(ecosystem=ecosystem, name=name, pinned=pinned, location=PLACE, **artifact),  # type: ignore[arg-type]
        **own,  # type: ignore[arg-type]
    )


def in_npm(
    world: World, folder: Path, name: str, *pinned: Digest, policy: tuple[str, ...] = (), **more: object
) -> Judged:
    with npm_engine(world, folder, *policy) as (engine, _):
        (judged,) = engine.judge_all_locked([locked(Ecosystem.NPM, name, *pinned, **more)])
    assert not [each for each in world.npm.requests if each.path.endswith(".tgz")]
    return judged


def in_pypi(
    world: World,
    folder: Path,
    name: str,
    *pinned: Digest,
    policy: tuple[str, ...] = (),
    fits: Callable[[str], bool] = ANYWHERE,
    **more: object,
) -> Judged:
    with pypi_engine(world, folder, *policy) as engine:
        (judged,) = engine.judge_all_locked([locked(Ecosystem.PYPI, name, *pinned, **more)], fits=fits)
    assert not [each for each in world.pypi.requests if each.path.endswith((".whl", ".tar.gz"))]
    return judged


def rules(judged: Judged, *levels: Level) -> set[str]:
    return {found.rule.value for found in judged.decision.findings if found.level in (levels or (Level.BLOCK,))}


def states(judged: Judged) -> dict[EvidenceKind, EvidenceState]:
    return {evidence.kind: evidence.state for evidence in judged.facts.evidence}


# npm


def test_a_locked_release_is_verified_without_its_bytes(world: World, tmp_path: Path) -> None:
    content = world.publish_npm("attested", "1.0.0", attested=True).content
    judged = in_npm(world, tmp_path, "attested", digest(content, "sha512"))
    assert judged.decision.verdict is Verdict.ALLOW
    assert set(states(judged).values()) == {EvidenceState.VERIFIED}
    assert len(judged.facts.evidence) == 3
    assert judged.facts.observed == ()
    assert (judged.artifact.file, judged.artifact.location) == ("attested-1.0.0.tgz", PLACE)
    assert judged.artifact.origin == world.npm.base_url
    assert judged.bound_by == "npm-integrity"


def test_a_digest_that_the_registry_does_not_list_is_a_mismatch(world: World, tmp_path: Path) -> None:
    world.publish_npm("swapped", "1.0.0", attested=True)
    judged = in_npm(world, tmp_path, "swapped", digest(OTHER, "sha512"))
    assert "hash-mismatch" in rules(judged)
    # The evidence is about the listed bytes; it is held against what the lock pins, never passed on to it.
    assert "statement-mismatch" in rules(judged)
    assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.INVALID


def test_evidence_is_bound_to_the_locks_digest_where_the_listing_has_another(world: World, tmp_path: Path) -> None:
    published = world.publish_npm("relisted", "1.0.0", attested=True, integrity=f"sha512-{'A' * 86}==", signed=False)
    judged = in_npm(world, tmp_path, "relisted", digest(published.content, "sha512"))
    assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.VERIFIED
    assert rules(judged) == {"hash-mismatch"}


@pytest.mark.parametrize(("name", "version"), [("attested", "9.0.0"), ("nobody", "1.0.0"), ("attested", "")])
def test_what_the_registry_does_not_list_is_refused(world: World, tmp_path: Path, name: str, version: str) -> None:
    content = world.publish_npm("attested", "1.0.0").content
    judged = in_npm(world, tmp_path, name, digest(content, "sha512"), version=version)
    assert rules(judged) == {"hash-mismatch"}


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        ("https://npm.corp.example/internal/-/internal-1.0.0.tgz", {"hash-mismatch", "registry-host"}),
        (f"{constants.NPM_REGISTRY_URL}internal/-/internal-1.0.0.tgz", {"hash-mismatch"}),
        (f"{constants.YARN_REGISTRY_URL}internal/-/internal-1.0.0.tgz", {"hash-mismatch"}),
        ("https://[/internal-1.0.0.tgz", {"hash-mismatch", "registry-host"}),
        (None, {"hash-mismatch"}),
    ],
)
def test_what_is_not_listed_and_comes_from_a_registry_that_is_not_configured_is_said_to(
    world: World, tmp_path: Path, resolved: str | None, expected: set[str]
) -> None:
    judged = in_npm(world, tmp_path, "internal", digest(OTHER, "sha512"), resolved=resolved)
    assert rules(judged) == expected


def test_a_registry_that_cannot_be_asked_leaves_it_undecided(world: World, tmp_path: Path) -> None:
    content = world.publish_npm("attested", "1.0.0").content
    world.npm.fault("version", Fault.SERVER_ERROR)
    judged = in_npm(world, tmp_path, "attested", digest(content, "sha512"))
    assert judged.decision.verdict is Verdict.UNDECIDED
    assert rules(judged, Level.UNDECIDED) == {"registry-unavailable"}


def test_a_lock_with_sha1_is_warned_of_where_the_registry_lists_sha512_beside_it(world: World, tmp_path: Path) -> None:
    content = world.publish_npm("old", "1.0.0", attested=True).content
    judged = in_npm(world, tmp_path, "old", digest(content, "sha1"))
    assert rules(judged) == set()
    assert rules(judged, Level.WARN) == {"hash-weak"}
    assert states(judged)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.VERIFIED
    assert rules(in_npm(world, tmp_path, "old", digest(OTHER, "sha1"))) >= {"hash-mismatch"}


def test_an_entry_without_digest_is_a_hole_where_others_have_one(world: World, tmp_path: Path) -> None:
    world.publish_npm("open", "1.0.0")
    assert rules(in_npm(world, tmp_path, "open")) == {"hash-missing"}
    assert rules(in_npm(world, tmp_path, "open", enforced=False)) == set()


def test_an_address_that_is_not_the_registrys_is_refused(world: World, tmp_path: Path) -> None:
    content = world.publish_npm("moved", "1.0.0").content
    pinned = digest(content, "sha512")
    ours = f"{world.npm.url}moved/-/moved-1.0.0.tgz"
    assert rules(in_npm(world, tmp_path, "moved", pinned, resolved=ours)) == set()
    for resolved in ("https://evil.test/moved/-/moved-1.0.0.tgz", f"{world.npm.url}other/-/other-1.0.0.tgz"):
        assert rules(in_npm(world, tmp_path, "moved", pinned, resolved=resolved)) == {"registry-host"}


def test_an_install_script_is_known_from_the_listing_or_the_lock(world: World, tmp_path: Path) -> None:
    content = world.publish_npm("scripted", "1.0.0", scripts={"install": "true"}).content
    plain = world.publish_npm("plain", "1.0.0").content
    blocking = ('[policy]\ninstall-scripts = "block"',)
    judged = in_npm(world, tmp_path, "scripted", digest(content, "sha512"), policy=blocking)
    assert rules(judged) == {"install-script"}
    judged = in_npm(world, tmp_path, "plain", digest(plain, "sha512"), policy=blocking, has_install_script=True)
    assert rules(judged) == {"install-script"}


def test_evidence_that_does_not_hold_or_is_gone_blocks(world: World, tmp_path: Path) -> None:
    content = world.publish_npm("forged", "1.0.0", attested=True, defect=Defect.SIGNATURE_CORRUPT).content
    assert rules(in_npm(world, tmp_path, "forged", digest(content, "sha512"))) == {"provenance-invalid"}
    content = world.publish_npm("stripped", "1.0.0", attestations_flag=True).content
    assert rules(in_npm(world, tmp_path, "stripped", digest(content, "sha512"))) == {"provenance-stripped"}


def test_a_registry_is_known_to_list_evidence_whatever_entry_comes_first(world: World, tmp_path: Path) -> None:
    """The first entry lists no evidence; that is an absence only where the registry lists evidence of another."""
    world.publish_npm("first", "1.0.0", signed=False)
    requests = [locked(Ecosystem.NPM, name, enforced=False) for name in ("first", "signed")]
    with npm_engine(world, tmp_path) as (engine, _):
        first, _ = engine.judge_all_locked(requests)
    assert states(first)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.ABSENT
    world.npm.evidence_bearing = False
    with npm_engine(world, tmp_path) as (engine, _):
        first, _ = engine.judge_all_locked(requests)
    assert states(first)[EvidenceKind.SLSA_PROVENANCE] is EvidenceState.UNAVAILABLE


@pytest.mark.parametrize("ecosystem", Ecosystem)
def test_other_sources_are_judged_without_a_registry(world: World, tmp_path: Path, ecosystem: Ecosystem) -> None:
    judge = in_npm if ecosystem is Ecosystem.NPM else in_pypi
    assert rules(judge(world, tmp_path, "elsewhere", source=SourceKind.URL)) == {"hash-missing", "source-not-allowed"}
    assert rules(judge(world, tmp_path, "inside", source=SourceKind.BUNDLED)) == set()
    assert (world.npm.requests, world.pypi.requests) == ([], [])


# PyPI, one file


def test_a_locked_file_is_verified_without_its_bytes(world: World, tmp_path: Path) -> None:
    published = world.publish("attested", "1.0.0")
    judged = in_pypi(world, tmp_path, "attested", digest(published.content, "sha256"), file=published.filename)
    assert judged.decision.verdict is Verdict.ALLOW
    assert states(judged) == {EvidenceKind.PEP740_PUBLISH: EvidenceState.VERIFIED}
    assert judged.facts.observed == ()
    assert (judged.artifact.file, judged.artifact.location) == (published.filename, PLACE)
    assert judged.bound_by == "pip-hash"


@pytest.mark.parametrize("content", [OTHER, b""])
def test_a_file_with_another_digest_is_a_mismatch(world: World, tmp_path: Path, content: bytes) -> None:
    published = world.publish("swapped", "1.0.0")
    judged = in_pypi(world, tmp_path, "swapped", digest(content, "sha256"), file=published.filename)
    assert rules(judged) == {"hash-mismatch", "statement-mismatch"}


@pytest.mark.parametrize(
    ("name", "version", "file"),
    [
        ("attested", "1.0.0", "attested-1.0.0-py2-none-any.whl"),
        ("attested", "9.0.0", None),
        ("attested", "9.0.0", "attested-1.0.0-py3-none-any.whl"),
        ("nobody", "1.0.0", None),
        ("not a name", "1.0.0", None),
    ],
)
def test_a_file_or_release_that_is_not_listed_is_refused(
    world: World, tmp_path: Path, name: str, version: str, file: str | None
) -> None:
    content = world.publish("attested", "1.0.0").content
    judged = in_pypi(world, tmp_path, name, digest(content, "sha256"), version=version, file=file)
    assert rules(judged) == {"hash-mismatch"}


@pytest.mark.parametrize(
    ("named", "is_found"),
    [
        ("spelled_otherwise-1.0.0-py2.py3-none-any.whl", True),
        ("spelled_otherwise-1.0.0-py3.py2-none-any.whl", True),
        ("spelled.otherwise-01.0.0.tar.gz", True),
        ("spelled_otherwise-1.0.0-1-py2.py3-none-any.whl", False),
        ("spelled_otherwise-1.0.0-py3-none-any.whl", False),
        ("spelled_otherwise-1.0.0.zip", False),
        ("spelled_otherwise-1.0.0.exe", False),
        ("spelled_otherwise-1.1.0.tar.gz", False),
        ("otherwise-1.0.0.tar.gz", False),
    ],
)
def test_a_file_name_in_a_lock_may_be_spelled_otherwise(
    world: World, tmp_path: Path, named: str, is_found: bool
) -> None:
    wheel = "Spelled.Otherwise-1.0.0-py2.py3-none-any.whl"
    listed = {wheel: make_wheel("Spelled.Otherwise", "1.0.0")[1], "Spelled.Otherwise-1.0.0.tar.gz": OTHER}
    for filename, content in listed.items():
        world.pypi.add(filename, content)
    pinned = (digest(content, "sha256") for content in listed.values())
    judged = in_pypi(world, tmp_path, "spelled-otherwise", *pinned, version="1.0.0", file=named)
    assert rules(judged) == (set() if is_found else {"hash-mismatch"})
    assert (judged.artifact.file in listed) is is_found


def test_a_release_of_an_index_that_is_not_configured_is_said_to_be_of_that(world: World, tmp_path: Path) -> None:
    world.publish("internal", "1.0.0")  # of somebody else, under the same name
    pinned = digest(OTHER, "sha256")
    private = "https://python.corp.example/simple/"
    for registry, resolved in ((private, None), (None, f"{private}internal-2.0.0.tar.gz")):
        judged = in_pypi(world, tmp_path, "internal", pinned, version="2.0.0", registry=registry, resolved=resolved)
        assert rules(judged) == {"hash-mismatch", "registry-host"}
    for registry in (world.pypi.simple_url, constants.PYPI_SIMPLE_URL, f"https://{constants.PYPI_FORMER_HOST}/simple"):
        judged = in_pypi(world, tmp_path, "internal", pinned, version="2.0.0", registry=registry)
        assert rules(judged) == {"hash-mismatch"}


def test_an_index_that_cannot_be_asked_or_lists_no_hash_leaves_it_undecided(world: World, tmp_path: Path) -> None:
    published = world.publish("unhashed", "1.0.0", hashes={})
    pinned = digest(published.content, "sha256")
    for file in (published.filename, None):
        judged = in_pypi(world, tmp_path, "unhashed", pinned, file=file)
        assert rules(judged, Level.UNDECIDED) == {"registry-unavailable"}
        assert rules(judged) == set()
        assert states(judged) == {EvidenceKind.PEP740_PUBLISH: EvidenceState.VERIFIED}
    world.pypi.fault("page", Fault.SERVER_ERROR)
    judged = in_pypi(world, tmp_path, "unhashed", pinned, file=published.filename)
    assert rules(judged, Level.UNDECIDED) == {"registry-unavailable"}


def test_versions_are_compared_as_pep_440_says(world: World, tmp_path: Path) -> None:
    content = world.publish("attested", "1.0.0").content
    judged = in_pypi(world, tmp_path, "attested", digest(content, "sha256"), version="v1.0")
    assert judged.decision.verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        ("{files}/anywhere/moved-1.0.0-py3-none-any.whl", None),
        ("https://{public}/packages/aa/bb/moved-1.0.0-py3-none-any.whl#sha256=00", None),
        ("{index}/moved-1.0.0-py3-none-any.whl", Level.NOTE),
        ("https://evil.test/packages/moved-1.0.0-py3-none-any.whl", Level.BLOCK),
        ("{files}/anywhere/other-1.0.0-py3-none-any.whl", Level.BLOCK),
        ("https://[evil/moved-1.0.0-py3-none-any.whl", Level.BLOCK),
    ],
)
def test_the_address_of_a_file(world: World, tmp_path: Path, resolved: str, expected: Level | None) -> None:
    published = world.publish("moved", "1.0.0")
    resolved = resolved.format(files=world.pypi.files_url, index=world.pypi.base_url, public=constants.PYPI_FILES_HOST)
    pinned = digest(published.content, "sha256")
    judged = in_pypi(world, tmp_path, "moved", pinned, file=published.filename, resolved=resolved)
    assert [each.level for each in judged.decision.findings] == ([] if expected is None else [expected])


# PyPI, a package with the hashes of its files


def release(
    world: World, name: str, *, sdist_attested: bool = True, wheel_attested: bool = True
) -> tuple[Digest, Digest]:
    """Publish a wheel and a source archive of one version; return their digests."""
    signer = maintainer_of(name)
    wheel, sdist = make_wheel(name, "1.0.0"), make_sdist(name, "1.0.0")
    world.upload(*wheel, identity=signer, attested=wheel_attested)
    world.upload(*sdist, identity=signer, attested=sdist_attested)
    return digest(wheel[1], "sha256"), digest(sdist[1], "sha256")


REQUIRED = ('[policy]\nprovenance = "required"',)


def test_every_file_that_a_line_accepts_is_judged_and_the_worst_counts(world: World, tmp_path: Path) -> None:
    wheel, sdist = release(world, "half", sdist_attested=False)
    judged = in_pypi(world, tmp_path, "half", wheel, sdist, policy=REQUIRED)
    assert rules(judged) == {"provenance-stripped"}
    assert judged.artifact.file == "half-1.0.0.tar.gz"
    assert states(judged) == {EvidenceKind.PEP740_PUBLISH: EvidenceState.ABSENT}
    assert "2 files" in "".join(judged.notes)


def test_files_that_are_not_pinned_or_do_not_fit_are_not_judged(world: World, tmp_path: Path) -> None:
    wheel, sdist = release(world, "half", sdist_attested=False)
    judged = in_pypi(world, tmp_path, "half", wheel, policy=REQUIRED)
    assert (judged.decision.verdict, judged.artifact.file) == (Verdict.ALLOW, "half-1.0.0-py3-none-any.whl")
    wheel, sdist = release(world, "otherhalf", wheel_attested=False)
    judged = in_pypi(world, tmp_path, "otherhalf", wheel, sdist, policy=REQUIRED, fits=lambda _: False)
    assert (judged.decision.verdict, judged.artifact.file) == (Verdict.ALLOW, "otherhalf-1.0.0.tar.gz")


def test_an_entry_of_which_nothing_fits_is_judged_all_the_same(world: World, tmp_path: Path) -> None:
    wheel, _ = release(world, "elsewhere", wheel_attested=False)
    judged = in_pypi(world, tmp_path, "elsewhere", wheel, policy=REQUIRED, fits=lambda _: False)
    assert rules(judged) == {"provenance-stripped"}


def test_a_hash_of_nothing_that_is_listed_is_warned_of(world: World, tmp_path: Path) -> None:
    wheel, _ = release(world, "extra")
    judged = in_pypi(world, tmp_path, "extra", wheel, digest(OTHER, "sha256"), digest(OTHER, "sha384"))
    assert judged.decision.verdict is Verdict.WARN
    (finding,) = judged.decision.findings
    assert (finding.rule.value, finding.level) == ("hash-mismatch", Level.WARN)
    assert str(digest(OTHER, "sha256")) in finding.message


def test_hashes_of_which_none_is_listed_are_a_mismatch(world: World, tmp_path: Path) -> None:
    release(world, "swapped")
    judged = in_pypi(world, tmp_path, "swapped", digest(OTHER, "sha256"), digest(b"more", "sha256"))
    assert "hash-mismatch" in rules(judged)


def test_a_file_without_listed_hash_could_be_what_an_unlisted_hash_is_of(world: World, tmp_path: Path) -> None:
    wheel, sdist = make_wheel("partly", "1.0.0"), make_sdist("partly", "1.0.0")
    signer = maintainer_of("partly")
    world.upload(*wheel, identity=signer)
    world.upload(*sdist, identity=signer, hashes={})
    pinned = digest(wheel[1], "sha256")
    assert in_pypi(world, tmp_path, "partly", pinned).decision.verdict is Verdict.ALLOW
    judged = in_pypi(world, tmp_path, "partly", pinned, digest(sdist[1], "sha256"))
    assert judged.decision.verdict is Verdict.UNDECIDED


def test_each_pinned_hash_is_of_its_own_file(world: World, tmp_path: Path) -> None:
    """A line may pin one file by sha256 and another one by sha512; the first says nothing about the second."""
    name, signer = "mixed", maintainer_of("mixed")
    wheel, sdist = make_wheel(name, "1.0.0"), make_sdist(name, "1.0.0")
    world.upload(*wheel, identity=signer)
    hashes = {each: hashlib.new(each, sdist[1]).hexdigest() for each in ("sha256", "sha512")}
    world.upload(*sdist, identity=signer, hashes=hashes)
    judged = in_pypi(world, tmp_path, name, digest(wheel[1], "sha256"), digest(sdist[1], "sha512"))
    assert judged.decision.verdict is Verdict.ALLOW


def test_a_release_without_hashes_in_a_hashed_file_is_a_hole(world: World, tmp_path: Path) -> None:
    release(world, "open")
    assert rules(in_pypi(world, tmp_path, "open")) == {"hash-missing"}


def test_a_malformed_page_or_document_is_no_answer(world: World, tmp_path: Path) -> None:
    wheel, _ = release(world, "broken")
    world.pypi.add(*make_wheel("broken", "1.0.0"), provenance=compact_json({"version": 1}))
    judged = in_pypi(world, tmp_path, "broken", wheel)
    assert rules(judged) == {"provenance-invalid"}
    world.pypi.fault("page", Fault.NOT_JSON)
    assert rules(in_pypi(world, tmp_path, "broken", wheel)) == {"hash-mismatch"}

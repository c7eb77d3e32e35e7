"""What is allowed and what is refused for its bytes, its evidence and its place in the tree, with the real npm."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked, write_published
from tests.e2e.refusals import (
    INSTALL_HOOKS,
    blocked_by,
    canary_of,
    lock_publisher,
    npm_refused,
    policy_file,
    singing,
)
from tests.sim import npm_documents
from tests.sim.documents import JsonObject
from tests.sim.faults import Fault
from tests.sim.npm_documents import RegistryKey
from tests.sim.npm_packages import make_tarball
from tests.sim.packuments import integrity_of
from tests.sim.sigstore import Defect
from tests.sim.world import PublishedNpm, World, maintainer_of

ROOT_HOOKS = (*INSTALL_HOOKS, "prepublish", "preprepare", "prepare", "postprepare")
ELSEWHERE = {"os": ["aix"]}
OUTAGES = {"refused": Fault.FORBIDDEN, "failing": Fault.SERVER_ERROR, "half": Fault.TRUNCATE, "reset": Fault.RESET}


def root_scripts(target: NpmEnvironment) -> dict[str, str]:
    return {hook: f"echo {hook} project >> {canary_of(target)}" for hook in ROOT_HOOKS}


def states(report: JsonObject) -> dict[str, str]:
    return {artifact["name"]: artifact["provenance"] for artifact in report["artifacts"]}


def publish_choir(target: NpmEnvironment, world: World, *, leaf: Defect | None) -> dict[str, object]:
    """Publish a tree of every kind of dependency, all of which sing, and return the members of a package.json.

    Args:
        target: where the canary is.
        world: where it is published.
        leaf: what is wrong with the deepest package.
    """
    world.upload_npm(singing(target, "leaf"), attested=True, defect=leaf)
    world.upload_npm(singing(target, "deep", dependencies={"leaf": "^1.0.0"}))
    world.upload_npm(singing(target, "@acme/scoped", dependencies={"deep": "^1.0.0"}), attested=True)
    world.upload_npm(singing(target, "real"))
    world.upload_npm(singing(target, "wanted"))
    world.upload_npm(singing(target, "unwanted", manifest_overrides=ELSEWHERE))
    world.upload_npm(singing(target, "peer"))
    world.upload_npm(singing(target, "holder", bundled={"inner": singing(target, "inner")}, peer={"peer": "1"}))
    return {
        "dependencies": {"@acme/scoped": "^1.0.0", "other-name": "npm:real@^1.0.0", "holder": "1.0.0"},
        "optionalDependencies": {"wanted": "1.0.0", "unwanted": "1.0.0"},
        "scripts": root_scripts(target),
    }


# Trees.


def test_a_tree_of_every_kind_of_dependency_is_installed_with_its_scripts(
    either_npm: NpmEnvironment, world: World
) -> None:
    either_npm.manifest(**publish_choir(either_npm, world, leaf=None))
    result = either_npm.guard("install")
    assert (result.status, result.report["verdict"]) == (0, "allow"), result.stderr
    tops = ("@acme/scoped", "deep", "leaf", "other-name", "holder", "wanted", "peer")
    assert either_npm.installed() == dict.fromkeys([*tops, "holder/node_modules/inner"], "1.0.0")
    found = states(result.report)
    assert found["leaf"] == found["@acme/scoped"] == "verified"
    assert found["deep"] == found["real"] == "absent"
    assert "unwanted" not in found
    assert result.rules("block", "undecided", "warn") == set()
    singers = ("leaf", "deep", "@acme/scoped", "real", "wanted", "peer", "holder", "inner")
    expected = {f"{hook} {name}" for hook in INSTALL_HOOKS for name in singers} | {
        f"{hook} project" for hook in ROOT_HOOKS
    }
    assert set(canary_of(either_npm).read_text().splitlines()) == expected


@pytest.mark.parametrize("command", ["install", "ci"])
def test_nothing_sings_anywhere_in_the_tree_of_what_is_refused(
    npm_target: NpmEnvironment, world: World, command: str
) -> None:
    npm_target.manifest(**publish_choir(npm_target, world, leaf=Defect.SIGNATURE_CORRUPT))
    if command == "ci":
        assert npm_target.npm("install", "--package-lock-only", "--ignore-scripts").status == 0
    result = npm_refused(npm_target, command, rules={"provenance-invalid"})
    blocked = {name for name, rules in blocked_by(result).items() if rules}
    assert blocked == {"leaf"}


@pytest.mark.parametrize("command", ["install", "ci"])
def test_an_optional_dependency_that_is_blocked(either_npm: NpmEnvironment, world: World, command: str) -> None:
    """npm itself would go on without it, and end with 0."""
    leaf = world.upload_npm(singing(either_npm, "leaf"), defect=Defect.SIGNATURE_CORRUPT, attested=True)
    holder = world.upload_npm(singing(either_npm, "holder", optional={"leaf": "1.0.0"}))
    if command == "ci":
        entries = {
            "holder": entry_of(holder, world.npm, optionalDependencies={"leaf": "1.0.0"}),
            "leaf": entry_of(leaf, world.npm, optional=True),
        }
        write_locked(either_npm, entries, dependencies={"holder": "1.0.0"}, scripts=root_scripts(either_npm))
    else:
        either_npm.manifest(optionalDependencies={"holder": "1.0.0"}, scripts=root_scripts(either_npm))
    npm_refused(either_npm, command, rules={"provenance-invalid"})


def test_what_is_left_out_is_not_decided(npm_target: NpmEnvironment, world: World) -> None:
    widget = world.publish_npm("widget", "1.0.0")
    forged = world.publish_npm("forged", "1.0.0", attested=True, defect=Defect.SIGNATURE_CORRUPT)
    entries = {"widget": entry_of(widget, world.npm), "forged": entry_of(forged, world.npm, dev=True)}
    write_locked(npm_target, entries, dependencies={"widget": "1.0.0"}, devDependencies={"forged": "1.0.0"})
    npm_refused(npm_target, "ci", rules={"provenance-invalid"})
    result = npm_target.guard("ci", "--omit=dev")
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"widget": "1.0.0"}


# Bytes.


def test_a_lock_with_the_integrity_of_other_bytes(either_npm: NpmEnvironment, world: World) -> None:
    widget = world.upload_npm(singing(either_npm, "widget"))
    write_locked(either_npm, {"widget": entry_of(widget, world.npm, integrity=integrity_of(b"other bytes"))})
    result = npm_refused(either_npm, "ci", rules={"hash-mismatch"})
    assert f"{either_npm.project / 'package-lock.json'}:" in result.stderr


def test_a_lock_with_address_and_integrity_of_another_release(either_npm: NpmEnvironment, world: World) -> None:
    """What the address serves has the integrity, so that npm itself is content."""
    world.publish_npm("widget", "1.0.0")
    other = world.upload_npm(singing(either_npm, "widget", "0.9.0"))
    write_locked(either_npm, {"widget": entry_of(other, world.npm, version="1.0.0")})
    npm_refused(either_npm, "ci", rules={"hash-mismatch", "registry-host"})


def test_a_lock_with_the_address_of_another_release_or_host(npm_target: NpmEnvironment, world: World) -> None:
    names = ("other-host", "other-package", "other-release", "honest")
    entries = {name: entry_of(world.publish_npm(name, "1.0.0"), world.npm) for name in names}
    entries["other-host"]["resolved"] = "https://evil.test/other-host/-/other-host-1.0.0.tgz"
    entries["other-package"]["resolved"] = entries["honest"]["resolved"]
    entries["other-release"]["resolved"] = entries["other-release"]["resolved"].replace("1.0.0", "0.9.0")
    write_locked(npm_target, entries)
    result = npm_refused(npm_target, "ci", rules={"registry-host"})
    assert blocked_by(result) == {**every(names[:3], "registry-host"), "honest": set()}


def test_bytes_that_are_not_the_listed_ones(either_npm: NpmEnvironment, world: World) -> None:
    evil = singing(either_npm, "widget")
    world.publish_npm("widget", "1.0.0", served=evil)
    result = npm_refused(either_npm, "install", "widget", rules={"hash-mismatch"})
    assert integrity_of(evil) != integrity_of(make_tarball("widget", "1.0.0"))
    assert "the registry lists sha512:" in result.stderr


def test_bytes_that_the_lock_pins_and_the_registry_does_not_list(npm_target: NpmEnvironment, world: World) -> None:
    """The registry serves what the lock says, and lists other bytes."""
    evil = singing(npm_target, "widget")
    widget = world.publish_npm("widget", "1.0.0", served=evil)
    write_locked(npm_target, {"widget": entry_of(widget, world.npm, integrity=integrity_of(evil))})
    npm_refused(npm_target, "ci", rules={"hash-mismatch"})


def test_tarballs_that_are_not_what_they_are_listed_as(npm_target: NpmEnvironment, world: World) -> None:
    listed = {"unsigned": integrity_of(b"other bytes"), "signed": integrity_of(b"other bytes")}
    expected = {"unsigned": {"hash-mismatch"}, "signed": {"hash-mismatch", "registry-signature-invalid"}}
    released = [
        world.publish_npm(name, "1.0.0", integrity=integrity, signed=name == "signed")
        for name, integrity in listed.items()
    ]
    released.append(world.publish_npm("short-sum", "1.0.0", shasum="0" * 40))
    expected["short-sum"] = {"hash-mismatch"}
    for name, inside in {
        "renamed": {"name": "widget"},
        "updated": {"version": "2.0.0"},
    }.items():
        content = make_tarball(name, "1.0.0", manifest_overrides=inside)
        released.append(publish_as(world, name, content))
        expected[name] = {"metadata-mismatch"}
    for name, content in {
        "twice": with_second_manifest(make_tarball("twice", "1.0.0")),
        "nothing": b"",
        "text": b"this is no tarball",
        "empty": make_tarball("empty", "1.0.0", root="package/nested"),
    }.items():
        released.append(publish_as(world, name, content))
        expected[name] = {"metadata-mismatch"}
    write_published(npm_target, world.npm, *released)
    result = npm_refused(npm_target, "ci", rules={"hash-mismatch", "metadata-mismatch", "registry-signature-invalid"})
    assert blocked_by(result) == expected


def test_tarballs_that_cannot_be_had(npm_target: NpmEnvironment, world: World) -> None:
    write_published(npm_target, world.npm, *(world.upload_npm(singing(npm_target, name)) for name in OUTAGES))
    for name, fault in OUTAGES.items():
        world.npm.fault("tarball", fault, name=f"{name}@1.0.0")
    result = npm_refused(npm_target, "ci", rules={"registry-unavailable"}, status=11)
    assert blocked_by(result, "undecided") == every(OUTAGES, "registry-unavailable")


# Provenance.


def test_provenance_that_does_not_verify(npm_target: NpmEnvironment, world: World) -> None:
    released, expected = [], {}
    for defect in set(Defect) - {Defect.NO_INCLUSION_PROOF}:  # a form of its own, not a forgery
        name = defect.name.lower().replace("_", "-")
        released.append(world.publish_npm(name, "1.0.0", attested=True, defect=defect))
        expected[name] = {"provenance-invalid"}
    expected["v1-v2-issuer-conflict"] = {"identity-mismatch"}
    write_published(npm_target, world.npm, *released)
    result = npm_refused(npm_target, "ci", rules={"provenance-invalid", "identity-mismatch"})
    assert blocked_by(result) == expected


def test_a_genuine_statement_about_something_else(npm_target: NpmEnvironment, world: World) -> None:
    other = world.publish_npm("other", "1.0.0", attested=True)
    older = world.publish_npm("of-older", "0.9.0", attested=True)
    released = {
        "of-other": world.publish_npm("of-other", "1.0.0", attestations=other.attestations or {}),
        "of-older": world.publish_npm("of-older", "1.0.0", attestations=older.attestations or {}),
        "of-other-bytes": attest_as(world, "of-other-bytes", content=b"other bytes"),
        "of-other-name": attest_as(world, "of-other-name", stated="other"),
        "mislabelled": attest_as(world, "mislabelled", label=npm_documents.PUBLISH_PREDICATE),
    }
    write_published(npm_target, world.npm, *released.values())
    result = npm_refused(npm_target, "ci", rules={"statement-mismatch"})
    assert blocked_by(result) == every(released, "statement-mismatch")


def test_attestations_that_cannot_be_used(npm_target: NpmEnvironment, world: World) -> None:
    documents: dict[str, JsonObject | bytes] = {
        "empty": {"attestations": []},
        "none": {},
        "half": b'{"attestations": [',
        "deep": b"[" * 100_000,
        "bytes": b"\xff\xfe",
        "huge": b" " * 10_000_000,
    }
    released = [world.publish_npm(name, "1.0.0", attestations=document) for name, document in documents.items()]
    genuine = world.publish_npm("twofold", "1.0.0", attested=True).attestations or {}
    doubled = {"attestations": [*genuine["attestations"], genuine["attestations"][-1]]}
    released.append(world.publish_npm("twofold", "1.0.0", attestations=doubled))
    write_published(npm_target, world.npm, *released)
    result = npm_refused(npm_target, "ci", rules={"provenance-invalid", "statement-mismatch"})
    assert blocked_by(result) == {**every(documents, "provenance-invalid"), "twofold": {"statement-mismatch"}}


def test_provenance_that_is_listed_and_not_there(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("widget", "1.0.0", attestations_flag=True)
    result = npm_refused(npm_target, "install", "widget", rules={"provenance-stripped"})
    assert states(result.report) == {"widget": "stripped"}


def test_attestations_that_cannot_be_had(npm_target: NpmEnvironment, world: World) -> None:
    write_published(npm_target, world.npm, *(world.publish_npm(name, "1.0.0", attested=True) for name in OUTAGES))
    for name, fault in OUTAGES.items():
        world.npm.fault("attestations", fault, name=f"{name}@1.0.0")
    result = npm_refused(npm_target, "ci", rules={"provenance-unavailable"}, status=11)
    assert blocked_by(result, "undecided") == every(OUTAGES, "provenance-unavailable")
    assert set(states(result.report).values()) == {"unavailable"}


def test_a_pinned_publisher(npm_target: NpmEnvironment, world: World) -> None:
    released = {
        "own": world.publish_npm("own", "1.0.0", attested=True),
        "foreign": world.publish_npm("foreign", "1.0.0", attested=True, identity=maintainer_of("evil")),
        "absent": world.publish_npm("absent", "1.0.0"),
    }
    options = policy_file(npm_target, "".join(pin(name) for name in released))
    write_published(npm_target, world.npm, *released.values())
    rules = {"identity-mismatch", "provenance-missing"}
    result = npm_refused(npm_target, "ci", rules=rules, options=options)
    expected = {"own": set(), "foreign": {"identity-mismatch"}, "absent": {"provenance-missing"}}
    assert blocked_by(result) == expected
    assert "https://github.com/acme/evil" in result.stderr
    write_published(npm_target, world.npm, released["own"])
    assert npm_target.guard("ci", options=options).status == 0


def test_a_publisher_that_guard_lock_does_not_record(npm_target: NpmEnvironment, world: World) -> None:
    own = world.publish_npm("own", "1.0.0", attested=True)
    recorded = maintainer_of("own").source_repository_identifier or ""
    write_published(npm_target, world.npm, own)
    lock_publisher(npm_target.project, "npm:own", repository_id="9", digest=f"sha512:{'a' * 128}")
    npm_refused(npm_target, "ci", rules={"identity-changed"})
    lock_publisher(npm_target.project, "npm:own", repository_id=recorded, digest=f"sha512:{'a' * 128}")
    assert npm_target.guard("ci").status == 0
    write_published(npm_target, world.npm, world.publish_npm("own", "1.1.0"))
    npm_refused(npm_target, "ci", rules={"provenance-stripped"})


# Signatures of the registry.


def test_signatures_that_do_not_hold(npm_target: NpmEnvironment, world: World) -> None:
    good = world.registry_key.sign("absent", "1.0.0", integrity_of(make_tarball("absent", "1.0.0")))
    stranger = RegistryKey()
    signatures = {
        "of-other-release": [good],
        "of-stranger": [stranger.sign("of-stranger", "1.0.0", integrity_of(make_tarball("of-stranger", "1.0.0")))],
        "in-others-name": [{**good, "sig": stranger.sign("in-others-name", "1.0.0", "")["sig"]}],
        "no-base64": [{**good, "sig": "%"}],
    }
    released = [world.publish_npm(name, "1.0.0", signatures=each) for name, each in signatures.items()]
    released.append(world.publish_npm("absent", "1.0.0", signed=False))
    write_published(npm_target, world.npm, *released)
    result = npm_refused(npm_target, "ci", rules={"registry-signature-invalid"})
    assert blocked_by(result) == {**every(signatures, "registry-signature-invalid"), "absent": set()}
    write_published(npm_target, world.npm, released[-1])
    required = policy_file(npm_target, '[policy]\nregistry-signature = "required"\n')
    npm_refused(npm_target, "ci", rules={"registry-signature-missing"}, options=required)


@pytest.mark.parametrize(
    ("fault", "state", "status"), [(Fault.SERVER_ERROR, "unavailable", 11), (Fault.NOT_JSON, "invalid", 10)]
)
def test_keys_that_cannot_be_had(
    npm_target: NpmEnvironment, world: World, fault: Fault, state: str, status: int
) -> None:
    write_published(npm_target, world.npm, world.publish_npm("widget", "1.0.0"))
    world.npm.fault("keys", fault)
    npm_refused(npm_target, "ci", rules={f"registry-signature-{state}"}, status=status)


def test_a_registry_without_keys_and_a_mirror_without_evidence(npm_target: NpmEnvironment, world: World) -> None:
    write_published(npm_target, world.npm, world.publish_npm("widget", "1.0.0"))
    world.npm.fault("keys", Fault.NOT_FOUND)
    result = npm_target.guard("ci")
    assert (result.status, result.rules("note")) == (0, {"registry-signature-unavailable"})
    assert result.stderr.count("registry-signature-unavailable") == 1
    world.npm.evidence_bearing = False
    result = npm_target.guard("ci")
    assert (result.status, states(result.report)) == (0, {"widget": "unavailable"}), result.stderr
    required = policy_file(npm_target, '[policy]\nregistry-signature = "required"\n')
    npm_refused(npm_target, "ci", rules={"registry-signature-missing"}, options=required)


# The registry itself.


@pytest.mark.parametrize(("fault", "status"), [(Fault.SERVER_ERROR, 11), (Fault.HTML_INSTEAD, 10)])
def test_a_packument_that_cannot_be_had(npm_target: NpmEnvironment, world: World, fault: Fault, status: int) -> None:
    world.publish_npm("widget", "1.0.0", dependencies={"gear": "1"})
    world.publish_npm("gear", "1.0.0")
    world.npm.fault("packument", fault, name="gear")
    result = npm_refused(npm_target, "install", "widget", rules={"registry-unavailable"}, status=status)
    assert world.npm.url in result.stderr


def test_what_is_blocked_wins_over_what_is_undecided(npm_target: NpmEnvironment, world: World) -> None:
    forged = world.publish_npm("forged", "1.0.0", attested=True, defect=Defect.SIGNATURE_CORRUPT)
    write_published(npm_target, world.npm, world.publish_npm("widget", "1.0.0"), forged)
    world.npm.fault("tarball", Fault.FORBIDDEN, name="widget@1.0.0")
    npm_refused(npm_target, "ci", rules={"provenance-invalid"})


# Install scripts.


def test_packages_with_install_scripts_are_refused_where_the_policy_says_so(
    npm_target: NpmEnvironment, world: World
) -> None:
    builds = make_tarball("builds", "1.0.0", files={"binding.gyp": "{}"})
    holder = make_tarball("holder", "1.0.0", bundled={"inner": singing(npm_target, "inner")})
    sings = singing(npm_target, "sings")
    released = [world.upload_npm(each) for each in (builds, holder, sings, make_tarball("silent", "1.0.0"))]
    write_published(npm_target, world.npm, *released)
    options = policy_file(npm_target, '[policy]\ninstall-scripts = "block"\n')
    result = npm_refused(npm_target, "ci", rules={"install-script"}, options=options)
    assert {name for name, rules in blocked_by(result).items() if rules} == {"builds", "holder", "sings"}


def test_packages_are_installed_without_their_install_scripts(either_npm: NpmEnvironment, world: World) -> None:
    for name in ("@acme/skipped", "wanted"):
        world.upload_npm(singing(either_npm, name))
    either_npm.manifest(
        dependencies={"@acme/skipped": "1.0.0", "wanted": "1.0.0"},
        scripts={**root_scripts(either_npm), "test": f"echo test project >> {canary_of(either_npm)}"},
    )
    rule = '[[package]]\nname = "npm:@acme/*"\ninstall-scripts = "skip"\n'
    result = either_npm.guard("install-test", options=policy_file(either_npm, rule))
    assert result.status == 0, result.stderr
    assert either_npm.installed() == {"@acme/skipped": "1.0.0", "wanted": "1.0.0"}
    sung = canary_of(either_npm).read_text()
    assert "@acme/skipped" not in sung
    assert {line.split()[1] for line in sung.splitlines()} == {"wanted", "project"}
    assert "test project" in sung


def every(names: Iterable[str], rule: str) -> dict[str, set[str]]:
    return {name: {rule} for name in names}


def pin(name: str) -> str:
    repository = f"https://github.com/acme/{name}"
    return f'[[package]]\nname = "npm:{name}"\n[[package.identity]]\nrepository = "{repository}"\n'


def publish_as(world: World, name: str, content: bytes) -> PublishedNpm:
    """Publish a release 1.0.0 whose bytes, honestly listed and signed, are what they are."""
    integrity = integrity_of(content)
    signatures = [world.registry_key.sign(name, "1.0.0", integrity)]
    shasum = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    honest = make_tarball(name, "1.0.0")
    world.npm.add(honest, served=content, integrity=integrity, shasum=shasum, signatures=signatures)
    return PublishedNpm(name=name, version="1.0.0", content=content, identity=None, attestations=None)


def with_second_manifest(content: bytes) -> bytes:
    """Return a package with one more package.json in another first folder, which npm would put in the same place."""
    raw = io.BytesIO(gzip.decompress(content))
    data = b'{"name": "evil", "version": "1.0.0"}'
    with tarfile.open(fileobj=raw, mode="a") as archive:
        member = tarfile.TarInfo("other/package.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def attest_as(
    world: World, name: str, *, content: bytes | None = None, stated: str | None = None, label: str | None = None
) -> PublishedNpm:
    """Publish a release with a genuine signature of its maintainer, over a statement about something else."""
    identity, tarball = maintainer_of(name), make_tarball(name, "1.0.0")
    statement = npm_documents.provenance_statement(stated or name, "1.0.0", content or tarball, identity)
    bundle = world.sigstore.bundle(statement, identity)
    document = npm_documents.attestations_document([(label or npm_documents.SLSA_PREDICATE, bundle)])
    return world.publish_npm(name, "1.0.0", attestations=document)

"""Input that cannot be read: one clear line that names it, the right status, nothing changed, no traceback."""

from __future__ import annotations

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_lock, write_locked, write_published
from tests.e2e.refusals import assert_clean, blocked_by, npm_refused, npm_snapshot, singing
from tests.sim.documents import JsonObject
from tests.sim.faults import Fault
from tests.sim.packuments import integrity_of
from tests.sim.world import World

MIB = 1024 * 1024
UNREADABLE = {"lock-entry-unreadable"}


@pytest.mark.parametrize("text", [b"", b"[]", b'{"name": "caf\xe9"}', b"[" * 100_000, b" " * 5 * MIB])
def test_a_package_json_that_cannot_be_read(npm_target: NpmEnvironment, world: World, text: bytes) -> None:
    (npm_target.project / "package.json").write_bytes(text)
    result = npm_refused(npm_target, "install", "widget", rules=UNREADABLE)
    assert f"{npm_target.project / 'package.json'} is" in result.stderr
    assert world.npm.requests == []


@pytest.mark.parametrize(
    "manifest",
    [
        {"dependencies": {"widget": 1}},
        {"dependencies": ["widget"]},
        {"scripts": "none", "overrides": [], "workspaces": 7},
    ],
)
def test_a_package_json_that_makes_no_sense(
    npm_target: NpmEnvironment, world: World, manifest: dict[str, object]
) -> None:
    """It is for npm to say so, and for guard to let it."""
    world.publish_npm("widget", "1.0.0")
    npm_target.manifest(**manifest)
    bare = npm_target.npm("install", "--package-lock=false", "--dry-run")
    result = npm_target.guard("install", "--package-lock=false", "--dry-run")
    assert result.status == bare.status, result.stderr
    assert_clean(npm_target, result)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "package-lock.json"),
        (b"{", "package-lock.json:1: "),
        (b'{"lockfileVersion": 3,\n"packages": []}', "package-lock.json"),
        (b'{"lockfileVersion": 9, "packages": {}}', "package-lock.json"),
        (b"[" * 100_000, "package-lock.json"),
        (b'{\n<<<<<<< HEAD\n"a": 1,\n=======\n"b": 1,\n>>>>>>> other\n}', "package-lock.json:2: "),
    ],
)
def test_a_lock_that_cannot_be_read(npm_target: NpmEnvironment, world: World, text: bytes, words: str) -> None:
    npm_target.manifest(dependencies={"widget": "1.0.0"})
    (npm_target.project / "package-lock.json").write_bytes(text)
    command = "install" if text.startswith(b"{") else "ci"
    result = npm_refused(npm_target, command, rules=UNREADABLE)
    assert words in result.stderr
    assert world.npm.requests == []


def test_entries_of_a_lock_that_cannot_be_read(npm_target: NpmEnvironment, world: World) -> None:
    """Each is a finding of its own, beside the decision on all the others."""
    honest = entry_of(world.publish_npm("widget", "1.0.0"), world.npm)
    unreadable: dict[str, JsonObject] = {
        "node_modules/number": {"version": 1},
        "node_modules/../outside": honest,
        "node_modules/short": {**honest, "integrity": "sha512-AAAA"},
        "node_modules/none": {},
        "node_modules/UPPER/../x": honest,
    }
    write_locked(npm_target, {"widget": honest, **unreadable})
    result = npm_refused(npm_target, "ci", rules=UNREADABLE)
    assert len(result.report["findings"]) == len(unreadable)
    assert all(f"'{place}'" in result.stderr for place in unreadable)
    assert blocked_by(result) == {"widget": set()}


def test_integrities_of_no_known_algorithm(npm_target: NpmEnvironment, world: World) -> None:
    """npm passes over what it cannot read, and then checks nothing."""
    values = {"bare": "sha512", "unknown": "crc32-AAAA", "half": f"{integrity_of(b'')} sha512-x", "blank": "  "}
    released = {name: world.upload_npm(singing(npm_target, name)) for name in values}
    entries = {name: entry_of(each, world.npm, integrity=values[name]) for name, each in released.items()}
    write_locked(npm_target, entries)
    result = npm_refused(npm_target, "ci", rules=UNREADABLE)
    assert len(result.report["findings"]) == len(values)


@pytest.mark.parametrize(
    "line", ["registry=nowhere", "registry=ftp://evil.test/", "registry=http://user:hidden@[evil/"]
)
def test_an_npmrc_that_names_no_registry(npm_target: NpmEnvironment, line: str) -> None:
    npm_target.configure(line, level="project")
    before = npm_snapshot(npm_target)
    result = npm_target.guard("install", "@acme/widget")
    assert (result.status, npm_snapshot(npm_target)) == (2, before), result.stderr
    assert "registry" in result.stderr.splitlines()[0]
    assert "hidden" not in result.stderr
    assert_clean(npm_target, result)


def test_an_npmrc_that_is_hardly_one(npm_target: NpmEnvironment, world: World) -> None:
    """npm takes any bytes for settings, and so does guard."""
    world.publish_npm("widget", "1.0.0")
    npm_target.manifest()
    (npm_target.project / ".npmrc").write_bytes(b"\xff\xfe\x00=\xff\n[unclosed\n= = =\n'\"\n${NOBODY}=${SETS\n;\n" * 50)
    result = npm_target.guard("install", "widget")
    assert (result.status, npm_target.installed()) == (0, {"widget": "1.0.0"}), result.stderr


def test_releases_that_are_listed_as_nonsense(npm_target: NpmEnvironment, world: World) -> None:
    listings: dict[str, JsonObject] = {
        "nowhere": {"dist": {}},
        "number": {"dist": {"tarball": 7, "integrity": "sha512-"}},
        "on-disk": {"dist": {"tarball": "file:///nowhere/widget.tgz"}},
        "short": {"dist": {"tarball": "http://evil.test/short.tgz", "integrity": "sha512-AAAA"}},
        "other-name": {"name": "other"},
        "other-version": {"version": "2.0.0"},
    }
    released = [world.upload_npm(singing(npm_target, name), listed=each) for name, each in listings.items()]
    write_published(npm_target, world.npm, *released)
    result = npm_refused(npm_target, "ci", rules={"hash-mismatch"})
    assert blocked_by(result) == {name: {"hash-mismatch"} for name in listings}


def test_a_packument_beyond_all_bounds(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("widget", "1.0.0")
    world.npm.fault("packument", Fault.huge(130 * MIB))
    npm_target.manifest()
    result = npm_refused(npm_target, "install", "widget", rules={"registry-unavailable"})
    assert f"is larger than {128 * MIB} bytes" in result.stderr


def test_a_package_that_does_not_exist(npm_target: NpmEnvironment, world: World) -> None:
    npm_target.manifest()
    bare = npm_target.npm("install", "nowhere")
    before = npm_snapshot(npm_target)
    result = npm_target.guard("install", "nowhere")
    assert (result.status, result.stdout) == (bare.status, bare.stdout)
    assert "E404" in result.stderr
    said, expected = (
        [line for line in each.stderr.splitlines() if line.startswith("npm") and "_logs" not in line]
        for each in (result, bare)
    )
    assert said == expected
    assert npm_snapshot(npm_target) == before


def test_a_release_that_is_gone(npm_target: NpmEnvironment, world: World) -> None:
    gone = world.publish_npm("widget", "1.0.0")
    world.publish_npm("widget", "1.1.0")
    world.npm.remove("widget", "1.0.0")
    write_published(npm_target, world.npm, gone)
    result = npm_refused(npm_target, "ci", rules={"hash-mismatch"})
    assert "lists no such release" in result.stderr


def test_no_network_at_all(npm_target: NpmEnvironment, world: World) -> None:
    widget = world.publish_npm("widget", "1.0.0")
    write_published(npm_target, world.npm, widget)
    world.npm.stop()
    npm_refused(npm_target, "ci", rules={"registry-unavailable"}, status=11)


def test_no_package_json(npm_target: NpmEnvironment, world: World) -> None:
    forged = world.upload_npm(singing(npm_target, "forged"), integrity=integrity_of(b"other bytes"), signed=False)
    npm_refused(npm_target, "install", "forged", rules={"hash-mismatch"})
    write_lock(
        npm_target, {"lockfileVersion": 3, "packages": {"": {}, "node_modules/forged": entry_of(forged, world.npm)}}
    )
    npm_refused(npm_target, "ci", rules={"hash-mismatch"})

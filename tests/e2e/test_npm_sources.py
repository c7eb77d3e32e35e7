"""Where packages come from: repositories, addresses, archives, folders, aliases, and what locks say of them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked
from tests.e2e.refusals import blocked_by, canary_of, npm_refused, policy_file, singing
from tests.sim.documents import JsonObject
from tests.sim.npm import NpmSimulator
from tests.sim.npm_packages import make_tarball, unpack_tarball
from tests.sim.packuments import integrity_of
from tests.sim.sigstore import Defect
from tests.sim.world import World

DENIED = {"source-not-allowed"}
COMMIT = "0123456789012345678901234567890123456789"


@pytest.fixture
def evil() -> Iterator[NpmSimulator]:
    """A host of somebody else's."""
    with NpmSimulator() as registry:
        yield registry


def put_git(target: NpmEnvironment) -> Path:
    """Put a git in front of the real one that writes down that it ran."""
    ran = target.root / "git-ran"
    program = target.programs / "git"
    program.write_text(f'#!/bin/sh\necho "$@" >> {ran}\nexit 1\n')
    program.chmod(0o755)
    return ran


def make_repository(target: NpmEnvironment) -> str:
    """Make a repository of a package that sings, and return its address."""
    folder = target.root / "repository"
    scripts = {hook: f"echo {hook} gear >> {canary_of(target)}" for hook in ("prepare", "postinstall")}
    unpack_tarball(make_tarball("gear", "1.0.0", scripts=scripts), folder)
    identity = ("-c", "user.name=acme", "-c", "user.email=acme@example.test")
    for words in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "-m", "one")):
        assert target.run("git", *words, folder=folder).status == 0
    return f"git+{folder.as_uri()}"


def depend_on(target: NpmEnvironment, world: World, place: str, address: str, entry: JsonObject) -> tuple[str, ...]:
    """Let a project depend on gear from an address and return the words that install it.

    Args:
        target: whose project.
        world: where a package is published that asks for it, if one does.
        place: where the address stands.
        address: where gear is.
        entry: of a lock.
    """
    target.manifest()
    if place == "typed":
        return "install", address
    if place == "lock":
        write_locked(target, {"gear": entry}, dependencies={"gear": address})
        return ("ci",)
    if place == "transitive":
        world.upload_npm(make_tarball("widget", "1.0.0", dependencies={"gear": address}))
    wanted = {"widget": "1.0.0"} if place == "transitive" else {"gear": address}
    target.manifest(**{"optionalDependencies" if place == "optional" else "dependencies": wanted})
    return ("install",)


# Repositories.


@pytest.mark.parametrize("place", ["direct", "transitive", "optional", "lock"])
def test_a_repository_is_never_asked(either_npm: NpmEnvironment, world: World, place: str) -> None:
    """The repository is there, so that npm itself would clone it and run its ``prepare``."""
    address = make_repository(either_npm)
    ran = put_git(either_npm)
    entry = {"version": "1.0.0", "resolved": f"{address}#{COMMIT}"}
    npm_refused(either_npm, *depend_on(either_npm, world, place, address, entry), rules=DENIED)
    assert not ran.exists()


def test_repositories_however_they_are_written(npm_target: NpmEnvironment, world: World) -> None:
    addresses = {
        "a": "git+ssh://git@evil.test/acme/a.git",
        "b": "git+https://evil.test/acme/b.git#semver:^1",
        "c": f"git://evil.test/acme/c.git#{COMMIT}",
        "d": "git@evil.test:acme/d.git",
        "e": "gitlab:acme/e",
        "f": "acme/f#main",
    }
    ran = put_git(npm_target)
    npm_target.manifest(optionalDependencies=addresses)
    result = npm_refused(npm_target, "install", rules=DENIED)
    assert len(result.report["findings"]) >= len(addresses)
    assert not ran.exists()


# Addresses.


@pytest.mark.parametrize("place", ["direct", "transitive", "optional", "typed", "lock"])
def test_a_tarball_at_an_address_is_never_asked_for(
    npm_target: NpmEnvironment, world: World, evil: NpmSimulator, place: str
) -> None:
    content = singing(npm_target, "gear")
    address = evil.base_url + evil.add(content).path
    entry = {"version": "1.0.0", "resolved": address, "integrity": integrity_of(content)}
    npm_refused(npm_target, *depend_on(npm_target, world, place, address, entry), rules=DENIED)
    assert evil.requests == []


@pytest.mark.parametrize("place", ["direct", "lock"])
def test_an_address_with_the_path_of_a_release(
    either_npm: NpmEnvironment, world: World, evil: NpmSimulator, place: str
) -> None:
    """npm puts the gateway's host in place of every other one, so that the path is all that is left of it."""
    gear = world.publish_npm("gear", "1.0.0")
    address = evil.base_url + evil.add(singing(either_npm, "gear")).path
    entry = entry_of(gear, world.npm, resolved=address)
    npm_refused(either_npm, *depend_on(either_npm, world, place, address, entry), rules=DENIED)
    assert evil.requests == []


def test_an_address_that_the_policy_allows_is_not_bound_yet(npm_target: NpmEnvironment, evil: NpmSimulator) -> None:
    content = singing(npm_target, "gear")
    address = evil.base_url + evil.add(content).path
    entry = {"version": "1.0.0", "resolved": address, "integrity": integrity_of(content)}
    write_locked(npm_target, {"gear": entry}, dependencies={"gear": address})
    options = policy_file(npm_target, '[policy]\nsources = ["registry", "url-hashed"]\n')
    npm_refused(npm_target, "ci", rules={"command-not-guarded"}, options=options)


# Files and folders.


def test_archives_and_folders_of_the_project_are_its_own(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("widget", "1.0.0")
    unpack_tarball(make_tarball("folder", "1.0.0", dependencies={"widget": "1"}), npm_target.project / "folder")
    (npm_target.project / "archive.tgz").write_bytes(make_tarball("archive", "1.0.0"))
    npm_target.manifest(dependencies={"folder": "file:./folder", "archive": "file:archive.tgz"})
    result = npm_target.guard("install")
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"folder": "1.0.0", "archive": "1.0.0", "widget": "1.0.0"}
    assert result.rules("block", "undecided", "warn") == set()
    (npm_target.project / "archive.tgz").write_bytes(singing(npm_target, "archive"))
    npm_refused(npm_target, "ci", rules={"hash-mismatch"})


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_what_lies_outside_the_project(npm_target: NpmEnvironment, kind: str) -> None:
    outside = npm_target.root / "outside"
    if kind == "folder":
        unpack_tarball(singing(npm_target, "gear"), outside)
    else:
        outside = outside.with_suffix(".tgz")
        outside.write_bytes(singing(npm_target, "gear"))
    npm_target.manifest(dependencies={"gear": f"file:../{outside.name}"})
    npm_refused(npm_target, "install", rules=DENIED)
    options = policy_file(npm_target, '[[package]]\nname = "npm:gear"\nsources = ["path"]\n')
    assert npm_target.guard("install", "--ignore-scripts", options=options).status == 0
    assert npm_target.installed() == {"gear": "1.0.0"}


def test_a_folder_that_somebody_elses_package_names(npm_target: NpmEnvironment, world: World) -> None:
    """One in the package itself is part of its tarball."""
    outside = npm_target.root / "outside"
    unpack_tarball(singing(npm_target, "gear"), outside)
    inner = {"inner/package.json": '{"name": "cog", "version": "1.0.0"}'}
    world.upload_npm(make_tarball("absolute", "1.0.0", dependencies={"gear": f"file:{outside}"}))
    world.upload_npm(make_tarball("relative", "1.0.0", dependencies={"cog": "file:./inner"}, files=inner))
    npm_target.manifest(dependencies={"absolute": "1.0.0"})
    npm_refused(npm_target, "install", rules=DENIED)
    npm_target.manifest(dependencies={"relative": "1.0.0"})
    assert npm_target.guard("install").status == 0
    assert npm_target.installed() == {"relative": "1.0.0", "cog": "1.0.0"}


def test_a_link_that_only_the_lock_makes(npm_target: NpmEnvironment, world: World) -> None:
    unpack_tarball(singing(npm_target, "widget"), npm_target.root / "outside")
    write_locked(
        npm_target,
        {"widget": {"resolved": "../outside", "link": True}, "../outside": {"version": "1.0.0"}},
        dependencies={"widget": "1.0.0"},
    )
    npm_refused(npm_target, "ci", rules=DENIED)


# Other names.


def test_an_alias_that_only_the_lock_makes(npm_target: NpmEnvironment, world: World) -> None:
    """npm puts it in the place of what package.json asks for, whatever the lock says that this is."""
    world.publish_npm("widget", "1.0.0")
    evil = world.upload_npm(singing(npm_target, "evil"))
    entry = entry_of(evil, world.npm, name="evil")
    rules = {"registry-host", "hash-mismatch"}
    write_locked(npm_target, {"widget": entry}, dependencies={"widget": "1.0.0"})
    npm_refused(npm_target, "ci", rules=rules)
    npm_refused(npm_target, "install", rules=rules)
    write_locked(npm_target, {"widget": entry}, dependencies={"widget": "npm:evil@1.0.0"})
    npm_target.manifest(dependencies={"widget": "1.0.0"})
    npm_refused(npm_target, "ci", rules=rules)


def test_an_alias_that_an_override_makes(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("holder", "1.0.0", dependencies={"widget": "1"})
    world.publish_npm("other", "1.0.0")
    overrides = {"holder": {"widget": "npm:other@1.0.0"}}
    npm_target.manifest(dependencies={"holder": "1.0.0"}, overrides=overrides)
    for command in ("install", "ci"):
        result = npm_target.guard(command)
        assert (result.status, set(blocked_by(result))) == (0, {"holder", "other"}), result.stderr


def test_an_alias_is_decided_as_the_package_that_it_stands_for(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("forged", "1.0.0", attested=True, defect=Defect.SIGNATURE_CORRUPT)
    result = npm_refused(npm_target, "install", "widget@npm:forged@1", rules={"provenance-invalid"})
    assert set(blocked_by(result)) == {"forged"}


# Locks.


def test_an_entry_without_integrity(npm_target: NpmEnvironment, world: World) -> None:
    widget, gear = world.publish_npm("widget", "1.0.0"), world.publish_npm("gear", "1.0.0")
    entries = {"widget": entry_of(widget, world.npm), "gear": entry_of(gear, world.npm, integrity=None)}
    write_locked(npm_target, entries)
    result = npm_refused(npm_target, "ci", rules={"hash-missing"})
    assert blocked_by(result) == {"widget": set(), "gear": {"hash-missing"}}


def test_an_entry_that_claims_to_be_in_a_bundle(npm_target: NpmEnvironment, world: World) -> None:
    widget, gear = world.publish_npm("widget", "1.0.0"), world.upload_npm(singing(npm_target, "gear"))
    entries = {
        "widget": entry_of(widget, world.npm, dependencies={"gear": "1.0.0"}),
        "node_modules/widget/node_modules/gear": entry_of(gear, world.npm, inBundle=True),
    }
    write_locked(npm_target, entries)
    npm_refused(npm_target, "ci", rules={"hash-missing"})


def test_an_entry_with_sha1_only(npm_target: NpmEnvironment, world: World) -> None:
    content = make_tarball("widget", "1.0.0")
    sha1 = f"sha1-{base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()}"
    widget = world.upload_npm(content)
    write_locked(npm_target, {"widget": entry_of(widget, world.npm, integrity=sha1)})
    result = npm_target.guard("ci")
    assert (result.status, result.rules("warn")) == (0, {"hash-weak"}), result.stderr
    world.upload_npm(content, integrity="", signed=False)
    npm_refused(npm_target, "ci", rules={"hash-weak"})


@pytest.mark.parametrize("version", [1, 2, 3])
def test_locks_of_every_version(npm_target: NpmEnvironment, world: World, version: int) -> None:
    world.publish_npm("widget", "1.0.0", dependencies={"gear": "1"})
    world.publish_npm("gear", "1.0.0")
    npm_target.manifest(dependencies={"widget": "1"})
    made = npm_target.npm("install", "--package-lock-only", f"--lockfile-version={version}")
    assert (made.status, npm_target.lock()["lockfileVersion"]) == (0, version)
    result = npm_target.guard("ci")
    assert result.status == 0, result.stderr
    assert {artifact["name"] for artifact in result.report["artifacts"]} == {"widget", "gear"}
    text = (npm_target.project / "package-lock.json").read_text()
    honest = integrity_of(make_tarball("gear", "1.0.0"))
    assert honest in text
    (npm_target.project / "package-lock.json").write_text(text.replace(honest, integrity_of(b"other bytes")))
    npm_refused(npm_target, "ci", rules={"hash-mismatch"})


def test_what_a_lock_inside_a_package_names(npm_target: NpmEnvironment, world: World, evil: NpmSimulator) -> None:
    """npm follows the npm-shrinkwrap.json of a published package."""
    content = singing(npm_target, "gear")
    world.publish_npm("gear", "1.0.0")
    named = {"version": "1.0.0", "resolved": evil.base_url + evil.add(content).path, "integrity": integrity_of(content)}
    packages = {"": {"dependencies": {"gear": "1.0.0"}}, "node_modules/gear": named}
    shrinkwrap = {"name": "widget", "version": "1.0.0", "lockfileVersion": 3, "packages": packages}
    files = {"npm-shrinkwrap.json": json.dumps(shrinkwrap)}
    world.upload_npm(make_tarball("widget", "1.0.0", dependencies={"gear": "1.0.0"}, files=files))
    npm_target.manifest(dependencies={"widget": "1.0.0"})
    npm_refused(npm_target, "install", rules={"hash-mismatch", "registry-host"})
    assert evil.requests == []


def test_unknown_sources(npm_target: NpmEnvironment, world: World) -> None:
    addresses = {
        "a": "ftp://evil.test/a.tgz",
        "b": "data:application/gzip,",
        "c": "file:///nowhere/c.tgz",
        "d": "//evil.test/d.tgz",
    }
    released = {name: world.upload_npm(singing(npm_target, name)) for name in addresses}
    entries = {name: entry_of(each, world.npm, resolved=addresses[name]) for name, each in released.items()}
    write_locked(npm_target, entries)
    assert blocked_by(npm_refused(npm_target, "ci", rules=DENIED)) == dict.fromkeys(addresses, DENIED)

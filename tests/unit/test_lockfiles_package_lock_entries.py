"""npm's lockfiles in the shape of all lockfiles: what becomes an entry, and from where it says it comes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest

from guard_lockfiles.lockfile import LockedArtifact, Source
from guard_lockfiles.package_lock_entries import parse_package_lock_entries

RAW = b"0" * 64
SRI = "sha512-" + base64.b64encode(RAW).decode()
SHA512 = f"sha512:{RAW.hex()}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
V = {"version": "1.0.0"}


def parse(packages: Mapping[str, object]) -> dict[str, LockedArtifact]:
    lock = parse_package_lock_entries(json.dumps({"lockfileVersion": 3, "packages": packages}, indent=2).encode())
    assert lock.unreadable == ()
    return {artifact.place: artifact for artifact in lock.artifacts}


def test_a_package_of_a_registry() -> None:
    tarball = "https://registry.example.test/@s/b/-/b-1.0.0.tgz"
    found = parse(
        {
            "": {"name": "project"},
            "node_modules/a/node_modules/@s/b": {
                **V,
                "resolved": tarball,
                "integrity": f"{SRI}?x sha1-{base64.b64encode(b'1' * 20).decode()}",
                "dev": True,
                "optional": True,
                "os": ["!win32"],
                "cpu": "x64",
                "libc": ["musl"],
            },
        }
    )
    (entry,) = found.values()
    assert (entry.name, entry.version, entry.source, entry.resolved) == ("@s/b", "1.0.0", Source.REGISTRY, tarball)
    assert entry.digests == (SHA512, f"sha1:{(b'1' * 20).hex()}")
    assert (entry.os, entry.cpu, entry.libc) == (("!win32",), ("x64",), ("musl",))
    assert (entry.is_dev, entry.is_optional, entry.installed_as, entry.line, entry.column) == (True, True, None, 7, 5)


@pytest.mark.parametrize(
    ("members", "source", "commit"),
    [
        ({}, Source.REGISTRY, None),
        ({"resolved": f"git+ssh://git@example.test/a.git#{COMMIT}"}, Source.GIT, COMMIT),
        ({"resolved": "git+ssh://git@example.test/a.git#main"}, Source.GIT, None),
        ({"resolved": "https://example.test/a.tgz", "version": None}, Source.URL, None),
        ({"resolved": "file:../a.tgz"}, Source.FILE, None),
    ],
)
def test_where_an_entry_comes_from(members: dict[str, object], source: Source, commit: str | None) -> None:
    entry = parse({"node_modules/a": {**V, "integrity": SRI, **members}})["node_modules/a"]
    assert (entry.source, entry.commit, entry.digests) == (source, commit, (SHA512,))


def test_an_alias_has_the_name_of_its_registry() -> None:
    lock = parse_package_lock_entries(
        json.dumps(
            {
                "lockfileVersion": 3,
                "packages": {
                    "": {"dependencies": {"x": "npm:y@1"}},
                    "node_modules/short": {**V, "name": "@s/long", "dependencies": {"c": "npm:@s/long@^1"}},
                },
            }
        ).encode()
    )
    (entry,) = lock.artifacts
    assert (entry.name, entry.installed_as) == ("@s/long", "short")
    assert lock.aliased == {"@s/long"}


def test_own_folders_are_no_entries_and_others_are() -> None:
    link = {"link": True}
    found = parse(
        {
            "": {"workspaces": ["packages/*"]},
            "packages/one": V,
            "lib": V,
            "../outer": V,
            "node_modules/one": {**link, "resolved": "packages/one"},
            "node_modules/lib": {**link, "resolved": "lib"},
            "node_modules/outer": {**link, "resolved": "../outer"},
            "node_modules/else": {**link, "resolved": "../else"},
            "packages/one/node_modules/a": V,
        }
    )
    assert {place: entry.source for place, entry in found.items()} == {
        "../outer": Source.FOLDER,
        "node_modules/else": Source.FOLDER,
        "packages/one/node_modules/a": Source.REGISTRY,
    }


def test_what_a_tarball_bundles_and_what_only_says_so() -> None:
    found = parse(
        {
            "node_modules/a": {**V, "bundleDependencies": ["b"]},
            "node_modules/a/node_modules/b": {**V, "inBundle": True},
            "node_modules/c": {**V, "inBundle": True, "integrity": SRI},
        }
    )
    assert {place: (entry.source, entry.bundled_in) for place, entry in found.items()} == {
        "node_modules/a": (Source.REGISTRY, None),
        "node_modules/a/node_modules/b": (Source.BUNDLED, "node_modules/a"),
        "node_modules/c": (Source.BUNDLED, None),
    }
    assert found["node_modules/c"].digests == ()


def test_what_cannot_be_read_stays_visible() -> None:
    lock = parse_package_lock_entries(
        json.dumps(
            {"lockfileVersion": 3, "packages": {"node_modules/..": V, "node_modules/a": {"version": 1}}}
        ).encode()
    )
    assert [entry.place for entry in lock.unreadable] == ["node_modules/..", "node_modules/a"]
    assert lock.artifacts == ()

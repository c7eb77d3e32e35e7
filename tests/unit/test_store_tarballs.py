"""What guard makes of an npm tarball, honest or hostile, and what it remembers of it."""

from __future__ import annotations

import bz2
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from guard import limits
from guard.errors import MalformedInput
from guard.model import Digest
from guard.store.tarballs import PackageManifest, TarballFacts, load_package_manifest
from tests.sim.npm_packages import make_tarball
from tests.unit.test_store_tar import END, file, header

SHA512 = Digest("sha512", "ab" * 64)
MANIFEST = PackageManifest(name="a", version="1.0.0", has_install_script=True)


def load(tmp_path: Path, content: bytes) -> PackageManifest:
    path = tmp_path / "a.tgz"
    path.write_bytes(content)
    return load_package_manifest(path, filename="a-1.0.0.tgz")


def refused(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(MalformedInput) as caught:
        load(tmp_path, content)
    assert caught.value.message.startswith("package a-1.0.0.tgz")
    return caught.value.message


def manifest(name: str = "a", version: str = "1.0.0", **members: object) -> bytes:
    return json.dumps({"name": name, "version": version, **members}).encode()


def tarball(*members: bytes, own: bytes | None = None) -> bytes:
    """Return a tarball of members behind an ordinary package.json."""
    first = file("package/package.json", manifest() if own is None else own)
    return gzip.compress(b"".join([first, *members, END]), mtime=0)


@pytest.mark.parametrize("name", ["a", "@acme/a"])
def test_name_and_version_are_read(tmp_path: Path, name: str) -> None:
    found = load(tmp_path, make_tarball(name, "1.0.0-rc.1"))
    assert found == PackageManifest(name=name, version="1.0.0-rc.1", has_install_script=False)


@pytest.mark.parametrize("root", ["package", "ms-2.1.3", ".", "..", "a b"])
def test_the_first_folder_has_any_name(tmp_path: Path, root: str) -> None:
    assert load(tmp_path, make_tarball("a", "1.0.0", root=root)).name == "a"


def test_an_archive_need_not_be_compressed(tmp_path: Path) -> None:
    assert load(tmp_path, gzip.decompress(tarball())).name == "a"


def test_an_archive_may_be_compressed_in_parts(tmp_path: Path) -> None:
    plain = gzip.decompress(tarball())
    assert load(tmp_path, gzip.compress(plain[:700]) + gzip.compress(plain[700:])).name == "a"


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbf" + manifest(), manifest(author="x").replace(b"x", b"\xe9")], ids=["mark", "latin-1"]
)
def test_a_manifest_is_read_as_node_reads_it(tmp_path: Path, data: bytes) -> None:
    assert load(tmp_path, tarball(own=data)).name == "a"


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        ({"preinstall": "x"}, True),
        ({"install": "x"}, True),
        ({"postinstall": "x"}, True),
        ({"postinstall": ""}, False),
        ({"prepare": "x", "test": "x", "preinstalled": "x"}, False),
        (["postinstall"], False),
        (None, False),
    ],
)
def test_install_scripts_are_seen(tmp_path: Path, scripts: object, expected: bool) -> None:
    assert load(tmp_path, tarball(own=manifest(scripts=scripts))).has_install_script is expected


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("package/binding.gyp", True),
        ("./binding.gyp", True),
        ("/binding.gyp", True),
        ("package/Binding.GYP", True),
        ("package/node_modules/b/binding.gyp", True),
        ("package/node_modules/@acme/b/binding.gyp", True),
        ("package/node_modules/b/node_modules/c/binding.gyp", True),
        ("package/src/binding.gyp", False),
        ("package/node_modules/binding.gyp", False),
        ("package/node_modules/@acme/binding.gyp", False),
        ("package/node_modules/b/src/binding.gyp", False),
        ("binding.gyp", False),
    ],
)
def test_an_implicit_build_is_an_install_script(tmp_path: Path, place: str, expected: bool) -> None:
    assert load(tmp_path, tarball(file(place, b"{}"))).has_install_script is expected


def test_a_link_is_no_implicit_build(tmp_path: Path) -> None:
    assert not load(tmp_path, tarball(header("package/binding.gyp", kind="2", link="x"))).has_install_script


@pytest.mark.parametrize("folder", ["b", "@acme/b"])
def test_scripts_of_bundled_packages_are_seen(tmp_path: Path, folder: str) -> None:
    bundled = make_tarball(folder, "1.0.0", scripts={"install": "x"})
    found = load(tmp_path, make_tarball("a", "1.0.0", bundled={folder: bundled}))
    assert (found.has_install_script, found.bundles_install_script) == (True, True)
    own = load(tmp_path, make_tarball("a", "1.0.0", scripts={"install": "x"}, bundled={folder: "1.0.0"}))
    assert (own.has_install_script, own.bundles_install_script) == (True, False)


def test_a_bundled_package_does_not_name_its_parent(tmp_path: Path) -> None:
    found = load(tmp_path, tarball(file("package/node_modules/b/package.json", manifest("b", "9.9.9"))))
    assert (found.name, found.version, found.has_install_script) == ("a", "1.0.0", False)


def test_a_manifest_elsewhere_says_nothing(tmp_path: Path) -> None:
    fixture = file("package/test/package.json", manifest("b", scripts={"install": "x"}))
    broken = file("package/test/node_modules/b/package.json", b"{")
    assert load(tmp_path, tarball(fixture, broken)) == PackageManifest(
        name="a", version="1.0.0", has_install_script=False
    )


@pytest.mark.parametrize(
    "place",
    ["package/package.json", "other/package.json", "./package.json", "package/./package.json", "package/PACKAGE.json"],
)
def test_two_files_in_one_place_are_refused(tmp_path: Path, place: str) -> None:
    assert "more than one package.json" in refused(tmp_path, tarball(file(place, manifest("b"))))


def test_two_manifests_of_a_bundled_package_are_refused(tmp_path: Path) -> None:
    twice = [file(f"{root}/node_modules/b/package.json", manifest("b")) for root in ("package", "other")]
    assert "more than one node_modules/b/package.json" in refused(tmp_path, tarball(*twice))


def test_a_link_and_a_folder_in_the_place_of_the_manifest_are_nothing(tmp_path: Path) -> None:
    link = header("package/package.json", kind="2", link="other.json")
    assert load(tmp_path, tarball(link, header("package/package.json/", kind="5"))).name == "a"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no package.json"),
        (gzip.compress(b""), "no package.json"),
        (b"\x1f\x8b", "malformed"),
        (b"<html>" * 200, "malformed"),
        (gzip.compress(b"<html>" * 200), "malformed"),
        (bz2.compress(gzip.decompress(tarball(file("package/x", os.urandom(1000))))), "malformed"),
        (tarball()[:-40], "malformed"),
        (gzip.compress(file("package/index.js") + END), "no package.json"),
        (gzip.compress(header("package/package.json", kind="2", link="x") + END), "no package.json"),
        (gzip.compress(file("package.json", manifest()) + END), "no package.json"),
        (tarball(own=b""), "malformed"),
        (tarball(own=b"[]"), "no object"),
        (tarball(own=b"{" * 100_000), "malformed"),
        (tarball(own=b'{"name":"a"}'), "no version"),
        (tarball(own=b'{"name":"","version":"1"}'), "no name"),
        (tarball(own=b'{"name":["a"],"version":"1"}'), "no name"),
        (tarball(file("package/node_modules/b/package.json", b"{")), "malformed"),
        (tarball(file("package/x", link="y")), "malformed"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(tmp_path, content)


def test_a_huge_manifest_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "METADATA_MAX_BYTES", 100)
    assert load(tmp_path, tarball()).name == "a"
    assert "larger than 100 bytes" in refused(tmp_path, tarball(own=manifest(author="x" * 100)))


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TARBALL_MEMBERS_MAX_COUNT", 3)
    members = [file(f"package/{number}") for number in range(3)]
    assert load(tmp_path, tarball(*members[:2])).name == "a"
    assert "more than 3 members" in refused(tmp_path, tarball(*members))


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TARBALL_UNPACKED_MAX_BYTES", 100_000)
    assert load(tmp_path, tarball(file("package/x", bytes(90_000)))).name == "a"
    assert "unpacks to more than 100000 bytes" in refused(tmp_path, tarball(file("package/x", bytes(100_000))))


def test_facts_are_remembered_by_digest(tmp_path: Path) -> None:
    facts = TarballFacts(tmp_path / "facts")
    assert facts.load(SHA512) is None
    facts.store(SHA512, MANIFEST)
    facts.store(SHA512, replace(MANIFEST, version="2.0.0"))
    assert facts.load(SHA512) == replace(MANIFEST, version="2.0.0")
    assert facts.load(Digest("sha512", "cd" * 64)) is None
    assert (tmp_path / "facts").stat().st_mode & 0o777 == 0o700
    assert len([path for path in (tmp_path / "facts").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[]", "null", '{"format": 0, "manifest": {}}', '{"format": 2}', '{"format": 2, "manifest": {"name": 1}}'],
)
def test_damaged_facts_are_none(tmp_path: Path, damaged: str) -> None:
    facts = TarballFacts(tmp_path)
    facts.store(SHA512, MANIFEST)
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_text(damaged)
    assert facts.load(SHA512) is None


def test_facts_of_an_older_reader_are_not_used(tmp_path: Path) -> None:
    facts = TarballFacts(tmp_path)
    facts.store(SHA512, MANIFEST)
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_text(path.read_text().replace('"format": 3', '"format": 1'))
    assert facts.load(SHA512) is None


def test_a_place_that_cannot_be_written_costs_the_memory_only(tmp_path: Path) -> None:
    (tmp_path / "facts").write_text("a file")
    facts = TarballFacts(tmp_path / "facts")
    facts.store(SHA512, MANIFEST)
    assert facts.load(SHA512) is None

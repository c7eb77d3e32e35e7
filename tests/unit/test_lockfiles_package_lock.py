"""npm's lockfiles: every key is an entry or unreadable; a file that two readers could read differently is refused."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.package_lock import (
    DependencyKind,
    LockedPackage,
    PackageLock,
    parse_declared,
    parse_package_lock,
)

SRI = "sha512-" + base64.b64encode(b"0" * 64).decode()
SHA1 = "sha1-" + base64.b64encode(b"0" * 20).decode()
TARBALL = "https://registry.example.test/a/-/a-1.0.0.tgz"


def parse(packages: Mapping[str, object], **members: object) -> PackageLock:
    return parse_package_lock(json.dumps({"lockfileVersion": 3, "packages": packages, **members}, indent=2).encode())


def parse_one(path: str, **members: object) -> LockedPackage:
    lock = parse({path: members})
    assert lock.unreadable == ()
    (package,) = lock.packages
    return package


def parse_legacy(dependencies: Mapping[str, object]) -> dict[str, LockedPackage]:
    lock = parse_package_lock(json.dumps({"lockfileVersion": 1, "dependencies": dependencies}).encode())
    assert lock.unreadable == ()
    assert lock.packages[0].path == ""
    return {package.path: package for package in lock.packages[1:]}


def reason_for(path: str, value: object) -> str:
    lock = parse({path: value, "node_modules/other": {"version": "1.0.0"}})
    assert [package.path for package in lock.packages] == ["node_modules/other"]
    (unreadable,) = lock.unreadable
    assert unreadable.line == 4
    return unreadable.reason


def test_every_member_of_an_entry() -> None:
    package = parse_one(
        "node_modules/a/node_modules/@s/b",
        version="1.0.0-rc.1+build",
        resolved=TARBALL,
        integrity=f"{SHA1} {SRI}?option",
        inBundle=True,
        bundleDependencies=["c"],
        dev=True,
        optional=True,
        devOptional=True,
        peer=True,
        extraneous=True,
        os=["!win32"],
        cpu="x64",
        libc=["glibc", "musl"],
        hasInstallScript=True,
        dependencies={"c": "^1"},
        optionalDependencies={"d": "2"},
        peerDependencies={"e": "3", "f": "4"},
        peerDependenciesMeta={"f": {"optional": True}},
        devDependencies={"g": "5"},
        license="MIT",
    )
    assert (package.name, package.alias, package.installed_name) == ("@s/b", None, "@s/b")
    assert (package.version, package.resolved, package.integrity) == (
        "1.0.0-rc.1+build",
        TARBALL,
        f"{SHA1} {SRI}?option",
    )
    flags = ("in_bundle", "dev", "optional", "dev_optional", "peer", "extraneous", "has_install_script")
    assert all(getattr(package, flag) is True for flag in flags)
    assert (package.bundles, package.os, package.cpu, package.libc) == (
        ("c",),
        ("!win32",),
        ("x64",),
        ("glibc", "musl"),
    )
    assert package.requested == {"c": "^1", "d": "2", "e": "3", "f": "4"}
    assert package.kinds == {
        "c": DependencyKind.REQUIRED,
        "d": DependencyKind.OPTIONAL,
        "e": DependencyKind.PEER,
        "f": DependencyKind.PEER_OPTIONAL,
    }
    assert (package.line, package.column) == (4, 5)


def test_an_entry_without_optional_members() -> None:
    package = parse_one("node_modules/a", version="1.0.0")
    assert package == LockedPackage(path="node_modules/a", name="a", version="1.0.0", line=4, column=5)


@pytest.mark.parametrize(
    ("path", "members", "name", "alias", "is_folder"),
    [
        ("", {"name": "project"}, "project", None, True),
        ("", {}, "", None, True),
        ("node_modules/b", {"name": "a", "version": "1.0.0"}, "a", "b", False),
        ("node_modules/a", {"name": "a", "version": "1.0.0"}, "a", None, False),
        ("node_modules/JSONStream", {"version": "1.0.0"}, "JSONStream", None, False),
        ("node_modules/@s/a", {"link": True, "resolved": "packages/a", "name": "other"}, "@s/a", None, False),
        ("packages/a", {"name": "@s/a"}, "@s/a", None, True),
        ("packages/a b", {}, "a b", None, True),
        ("packages/@s/a", {}, "@s/a", None, True),
        ("../outer", {}, "outer", None, True),
        ("../outer/node_modules/a", {"version": "1.0.0"}, "a", None, False),
        ("node_modules/a/vendor/b", {}, "b", None, True),
        ("my_node_modules/a", {}, "a", None, True),
    ],
)
def test_names(path: str, members: Mapping[str, object], name: str, alias: str | None, is_folder: bool) -> None:
    package = parse_one(path, **members)
    assert (package.name, package.alias, package.is_folder) == (name, alias, is_folder)


def test_development_counts_for_the_project_and_folders_only() -> None:
    for path, requested in (("", {"a": "1"}), ("packages/b", {"a": "1"}), ("node_modules/b", {})):
        assert parse_one(path, version="1.0.0", devDependencies={"a": "1"}).requested == requested


def test_the_last_kind_that_names_a_dependency_holds() -> None:
    declared = parse_declared(
        {"optionalDependencies": {"a": "2"}, "dependencies": {"a": "1"}, "peerDependencies": {"a": "0"}}, dev=True
    )
    assert (declared.requested, declared.kinds) == ({"a": "2"}, {"a": DependencyKind.OPTIONAL})


@pytest.mark.parametrize(
    ("member", "bundles"),
    [(["a"], ("a",)), ("a", ("a",)), (True, ("c", "d")), (False, ()), (None, ()), ({"a": "1"}, ("a",))],
)
def test_the_forms_of_bundle_dependencies(member: object, bundles: tuple[str, ...]) -> None:
    assert parse_one("", bundleDependencies=member, dependencies={"c": "1", "d": "1"}).bundles == bundles
    assert parse_declared({"bundledDependencies": ["a"]}, dev=True).bundles == ("a",)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "not an object"),
        (None, "not an object"),
        ({"version": 1}, "`version` is not a string"),
        ({"version": "1.0.0/../../b"}, "`version` is no version"),
        ({"version": "1.0.0\n"}, "`version` holds control characters, or too many"),
        ({"version": "1.0.0", "resolved": ["x"]}, "`resolved` is not a string"),
        ({"version": "1.0.0", "resolved": "\x1b[2J"}, "`resolved` holds control characters, or too many"),
        ({"version": "1.0.0", "resolved": "x" * 9000}, "`resolved` holds control characters, or too many"),
        ({"version": "1.0.0", "name": "../b"}, "`name` is no package name"),
        ({"version": "1.0.0", "name": "@s"}, "`name` is no package name"),
        ({"version": "1.0.0", "name": "\ud800"}, "`name` holds control characters, or too many"),
        ({"version": "1.0.0", "dev": "false"}, "`dev` is neither true nor false"),
        ({"version": "1.0.0", "inBundle": 1}, "`inBundle` is neither true nor false"),
        ({"version": "1.0.0", "os": {"win32": True}}, "`os` is not a list of strings"),
        ({"version": "1.0.0", "cpu": [1]}, "`cpu` is not a list of strings"),
        ({"version": "1.0.0", "dependencies": ["b"]}, "`dependencies` is not an object"),
        ({"version": "1.0.0", "dependencies": {"b": 1}}, "a value in `dependencies` is not a string"),
        ({"version": "1.0.0", "bundleDependencies": 1}, "`bundleDependencies` is not a list of strings"),
        ({"link": True}, "a link that leads nowhere"),
        ({"optional": True}, "neither `version` nor `resolved`"),
    ],
)
def test_an_entry_that_says_nothing_certain(value: object, reason: str) -> None:
    assert reason_for("node_modules/a", value) == reason


@pytest.mark.parametrize(
    "integrity",
    [
        "",
        "garbage",
        "sha512-",
        "sha512-AAAA",
        SRI.upper(),
        SRI.replace("sha512", "SHA512"),
        SRI.replace("sha512", "sha256"),
        SRI[:-1],
        f" {SRI}",
        f"{SRI} ",
        f"{SRI} garbage",
        SRI + "\n",
        SRI.replace("=", "A"),
    ],
)
def test_an_integrity_that_npm_would_pass_over(integrity: str) -> None:
    assert "integrity" in reason_for("node_modules/a", {"version": "1.0.0", "integrity": integrity})


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_integrities_of_every_algorithm(algorithm: str) -> None:
    size = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}[algorithm]
    for byte in (0, 1, 127, 255):
        integrity = f"{algorithm}-{base64.b64encode(bytes([byte] * size)).decode()}"
        assert parse_one("node_modules/a", version="1.0.0", integrity=integrity).integrity == integrity


@pytest.mark.parametrize(
    "path",
    [
        "node_modules/..",
        "node_modules/../b",
        "node_modules/a/../b",
        "node_modules//a",
        "node_modules/./a",
        "./a",
        "a/",
        "/a",
        "a\\b",
        "node_modules/a\n",
        "node_modules/\u202ea",
        "node_modules/.hidden",
        "node_modules/_a",
        "node_modules/@s",
        "node_modules/@s/",
        "node_modules/a b",
        "node_modules/a%2fb",
        "node_modules/node_modules",
        "node_modules/favicon.ico",
        "node_modules/a/node_modules",
        "node_modules",
        "node_modules/" + "a" * 2048,
    ],
)
def test_a_key_that_npm_would_not_write(path: str) -> None:
    assert "path" in reason_for(path, {"version": "1.0.0"})


def test_an_unreadable_key_steers_no_terminal() -> None:
    (entry,) = parse({"node_modules/\x1b[2J\ud800" + "a" * 2000: {}}).unreadable
    assert entry.path.isprintable()
    assert entry.path.startswith("node_modules/\\x1b[2J\\ud800aaa")
    assert len(entry.path) < 400


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "an object is missing"),
        (b"\n[]", 2, "an object is missing"),
        (b"null", 1, "an object is missing"),
        (b'{"lockfileVersion": 3', 1, "a comma is missing"),
        (b'{"lockfileVersion": 3,\n}', 2, "a name in quotes is missing"),
        (b'{"lockfileVersion" 3}', 1, "a colon is missing"),
        (b'{"lockfileVersion": 3, "packages": {"": {}\n"a": {}}}', 2, "a comma is missing"),
        (b'{"lockfileVersion": 3, "packages": {"": \n{"a: 1}}}', 2, "Unterminated string"),
        (b'{"lockfileVersion": 3} x', 1, "behind its end"),
        (b'{"lockfileVersion": 3, "x": NaN}', 1, "a number that no reader takes"),
        (b'{"lockfileVersion": 3, "x": ' + b"9" * 5000 + b"}", 1, "a number that no reader takes"),
        (b'{"lockfileVersion": 3, "packages": {}}\n\xff', 2, "not UTF-8"),
        ('{"lockfileVersion": 3}'.encode("utf-16"), None, "UTF-16"),
        ('{"lockfileVersion": 3}'.encode("utf-16-le"), 1, "a name in quotes is missing"),
        (b"\x00\x01\x02", 1, "an object is missing"),
        (b'{\n"lockfileVersion": 4}', 2, "lockfileVersion 4 is not one of the known ones, 1 to 3"),
        (b'{"lockfileVersion": "3"}', 1, "not a whole number"),
        (b'{"lockfileVersion": true}', 1, "not a whole number"),
        (b'{"lockfileVersion": 3.0}', 1, "not a whole number"),
        (b'{"lockfileVersion": 3,\n"packages": []}', 2, "`packages` is not an object"),
        (b'{"lockfileVersion": 1,\n"dependencies": ""}', 2, "`dependencies` is not an object"),
        (b'{"x": ' + b"[" * 100_000, None, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_lock(data: bytes, line: int | None, message: str) -> None:
    with pytest.raises(MalformedLockfile, match=message) as caught:
        parse_package_lock(data)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ('{"packages": {},\n"packages": {}}', 2),
        ('{"lockfileVersion": 1,\n"lockfileVersion": 3}', 2),
        ('{"packages": {\n"node_modules/a": {},\n"node_modules/a": {}}}', 3),
        ('{"packages": {\n"node_modules/a": {},\n"node_modules/\\u0061": {}}}', 3),
        ('{"packages": {"node_modules/a": {"version": "1",\n"x": "",\n"version": "2"}}}', 3),
        ('{"packages": {"node_modules/a": {"x": {\n"y": {"z": 1,\n"z": 2}}}}}', 3),
        ('{"packages": {"node_modules/a": {\n"x": [{"y": 1,\n"y": 2}]}}}', 2),
        ('{"dependencies": {"a": {"dependencies": {"b": {},\n"b": {}}}}}', 2),
        ('{"packages": {}, "dependencies": {"a": {},\n"a": {}}}', 2),
    ],
)
def test_a_name_that_stands_twice(data: str, line: int) -> None:
    with pytest.raises(MalformedLockfile, match="a name stands twice") as caught:
        parse_package_lock(data.encode())
    assert caught.value.line == line


def test_a_merge_that_was_not_finished() -> None:
    text = '{\n<<<<<<< ours\n"lockfileVersion": 3\n=======\n"lockfileVersion": 2\n>>>>>>> theirs\n}'
    with pytest.raises(MalformedLockfile, match="merge") as caught:
        parse_package_lock(text.encode())
    assert caught.value.line == 2


def test_marks_of_a_merge_inside_strings_are_what_npm_takes_for_one() -> None:
    packages = {"node_modules/a": {"version": "1.0.0", "license": "<<<<<<< ======= >>>>>>>"}}
    with pytest.raises(MalformedLockfile, match="merge"):
        parse(packages)
    assert parse({"node_modules/a": {"version": "1.0.0", "license": "<<<<<<< ======="}}).unreadable == ()


def test_a_file_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard_lockfiles.package_lock._DOCUMENT_MAX_BYTES", 30)
    with pytest.raises(MalformedLockfile, match="larger"):
        parse({"node_modules/a": {}})


def test_more_entries_than_any_file_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard_lockfiles.package_lock._ENTRIES_MAX_COUNT", 2)
    entries = {f"node_modules/{name}": {"version": "1.0.0"} for name in "abc"}
    with pytest.raises(MalformedLockfile, match="more than 2 entries"):
        parse(entries)
    assert len(parse(dict(list(entries.items())[:2])).packages) == 2


def test_a_byte_order_mark_and_carriage_returns() -> None:
    text = (
        '\ufeff{"lockfileVersion": 3,\r\n  "packages": {\r\n    "node_modules/a": {"version": "1.0.0"}\r\n  }\r\n}\r\n'
    )
    (package,) = parse_package_lock(text.encode()).packages
    assert (package.line, package.column) == (3, 5)


def test_a_file_on_one_line_in_any_order() -> None:
    text = (
        '{"packages":{"node_modules/a":{"packages":{},"version":"1.0.0"}},"dependencies":{"b":1},"lockfileVersion":2}'
    )
    lock = parse_package_lock(text.encode())
    assert (lock.lockfile_version, [package.path for package in lock.packages]) == (2, ["node_modules/a"])
    assert (lock.packages[0].line, lock.packages[0].column) == (1, text.index('"node_modules/a"') + 1)


def test_packages_are_read_and_their_older_copy_is_not() -> None:
    legacy = {"b": {"version": "2.0.0"}}
    assert [
        package.path for package in parse({"node_modules/a": {"version": "1.0.0"}}, dependencies=legacy).packages
    ] == ["node_modules/a"]
    lock = parse_package_lock(json.dumps({"lockfileVersion": 3, "packages": None, "dependencies": legacy}).encode())
    assert [package.path for package in lock.packages] == ["", "node_modules/b"]


@pytest.mark.parametrize(("text", "version"), [("{}", 1), ('{"packages": {}}', 3), ('{"dependencies": {}}', 1)])
def test_a_file_that_does_not_say_its_version(text: str, version: int) -> None:
    assert parse_package_lock(text.encode()).lockfile_version == version


def test_version_1_nests() -> None:
    packages = parse_legacy(
        {
            "a": {
                "version": "1.0.0",
                "resolved": TARBALL,
                "integrity": SRI,
                "requires": {"b": "^2"},
                "dependencies": {"b": {"version": "2.0.0", "dev": True, "name": "ignored"}},
            },
            "@s/c": {"version": "3.0.0", "dev": True, "optional": True, "requires": True},
        }
    )
    assert list(packages) == ["node_modules/a", "node_modules/a/node_modules/b", "node_modules/@s/c"]
    a, b, c = packages.values()
    assert (a.version, a.resolved, a.integrity, a.requested) == ("1.0.0", TARBALL, SRI, {"b": "^2"})
    assert (b.name, b.alias, b.dev, b.optional) == ("b", None, True, False)
    assert (c.dev, c.optional, c.dev_optional) == (False, False, True)


@pytest.mark.parametrize(
    ("members", "name", "version", "resolved"),
    [
        ({"version": "npm:real@2.0.0", "resolved": TARBALL}, "real", "2.0.0", TARBALL),
        ({"version": "npm:@s/real@2.0.0", "integrity": SRI}, "@s/real", "2.0.0", None),
        ({"version": "https://example.test/a.tgz", "integrity": SRI}, "a", "", "https://example.test/a.tgz"),
        ({"version": "git+ssh://git@example.test/a.git#1"}, "a", "", "git+ssh://git@example.test/a.git#1"),
        ({"version": "github:u/a#1", "from": "github:u/a"}, "a", "", "github:u/a#1"),
        ({"version": "file:../a.tgz", "integrity": SRI}, "a", "", "file:../a.tgz"),
        ({"version": "1.0.0", "from": "github:u/a"}, "a", "", "github:u/a"),
        ({"version": "1.0.0", "from": "github:u/a", "integrity": SRI}, "a", "1.0.0", None),
        ({"version": "1.0.0", "from": "a@^1"}, "a", "1.0.0", None),
    ],
)
def test_what_a_version_of_version_1_may_be(
    members: Mapping[str, object], name: str, version: str, resolved: str | None
) -> None:
    (package,) = parse_legacy({"a": members}).values()
    assert (package.name, package.version, package.resolved, package.link) == (name, version, resolved, False)


@pytest.mark.parametrize(
    ("version", "folder"),
    [("file:packages/a", "packages/a"), ("file:./lib/", "lib"), ("../a", "../a"), ("FILE:a/../lib", "lib")],
)
def test_a_folder_of_version_1_and_what_it_nests(version: str, folder: str) -> None:
    entry = {"version": version, "requires": {"b": "1"}, "dependencies": {"b": {"version": "1.0.0"}}}
    packages = parse_legacy({"a": entry, "also": entry})
    assert list(packages) == ["node_modules/a", folder, f"{folder}/node_modules/b", "node_modules/also"]
    assert (packages["node_modules/a"].link, packages["node_modules/a"].resolved) == (True, folder)
    assert packages[folder].requested == {"b": "1"}


def test_two_entries_of_version_1_for_one_place() -> None:
    links = {
        name: {"version": "file:lib", "dependencies": {"b": {"version": version}}}
        for name, version in (("a", "1.0.0"), ("also", "2.0.0"))
    }
    lock = parse_package_lock(json.dumps({"dependencies": links}).encode())
    (unreadable,) = lock.unreadable
    assert (unreadable.path, unreadable.reason) == ("lib/node_modules/b", "another entry has the same place")


def test_what_version_1_says_of_bundles() -> None:
    bundled = {"version": "1.0.0", "bundled": True}
    packages = parse_legacy(
        {
            "a": {"version": "1.0.0", "requires": {"b": "1"}, "dependencies": {"b": bundled, "c": bundled}},
            "d": {"version": "1.0.0", "bundled": True, "requires": {"b": "1"}, "dependencies": {"b": bundled}},
        }
    )
    assert {path: package.bundles for path, package in packages.items() if package.bundles} == {
        "node_modules/a": ("b",)
    }
    assert packages["node_modules/a/node_modules/c"].in_bundle


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.0.0", "not an object"),
        ({"version": 1}, "`version` is not a string"),
        ({"version": "1.0.0", "requires": ["b"]}, "`dependencies` is not an object"),
        ({"version": "1.0.0", "dependencies": ["b"]}, "`dependencies` is not an object"),
        ({"version": "1.0.0", "bundled": "yes"}, "`inBundle` is neither true nor false"),
        ({"version": "npm:@1.0.0"}, "`version` is no version"),
        ({"optional": True}, "neither `version` nor `resolved`"),
    ],
)
def test_an_unreadable_entry_of_version_1_hides_nothing(value: object, reason: str) -> None:
    nested = {"version": "1.0.0"}
    whole = (
        {**value, "dependencies": {"b": nested}} if isinstance(value, dict) and "dependencies" not in value else value
    )
    lock = parse_package_lock(json.dumps({"dependencies": {"a": whole, "c": nested}}).encode())
    assert [(entry.path, entry.reason) for entry in lock.unreadable] == [("node_modules/a", reason)]
    found = {package.path for package in lock.packages}
    assert found == {"", "node_modules/c"} | ({"node_modules/a/node_modules/b"} if whole is not value else set())


def test_version_1_that_is_nested_without_end() -> None:
    text = '{"dependencies": ' + '{"a": {"dependencies": ' * 70 + "{}" + "}}" * 70 + "}"
    with pytest.raises(MalformedLockfile, match="nested deeper than 64"):
        parse_package_lock(text.encode())
    long = "a" * 200
    text = '{"dependencies": ' + f'{{"{long}": {{"dependencies": ' * 20 + "{}" + "}}" * 20 + "}"
    with pytest.raises(MalformedLockfile, match="a path of more than"):
        parse_package_lock(text.encode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    st.sampled_from(["name", "version", "resolved", "integrity", "link", "inBundle", "bundled", "bundleDependencies"])
    | st.sampled_from(["dev", "optional", "peer", "os", "cpu", "libc", "hasInstallScript", "from", "requires"])
    | st.sampled_from(["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"])
    | st.just("peerDependenciesMeta")
)
TEXTS = st.sampled_from([SRI, TARBALL, "1.0.0", "file:../a", "npm:b@1", "git+ssh://git@example.test/a.git", "", "\n"])
ENTRIES = st.dictionaries(MEMBERS, VALUES | TEXTS | st.dictionaries(st.text(max_size=4), TEXTS, max_size=2), max_size=6)
PATHS = st.lists(st.sampled_from(["node_modules", "a", "@s", "b", "..", "", ".", "c d", "\0"]), max_size=6).map(
    "/".join
)


@given(st.binary(max_size=300) | st.text(alphabet='{}[]":, \\\n0aé', max_size=60).map(str.encode))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    for whole in (data, b'{"packages": ' + data + b"}", b'{"dependencies": {"a": ' + data + b"}}"):
        with contextlib.suppress(MalformedLockfile):
            parse_package_lock(whole)


@given(st.dictionaries(PATHS | st.text(max_size=12), ENTRIES | VALUES, max_size=5), st.sampled_from([None, 0, 2, "\t"]))
def test_no_entry_is_dropped_and_no_line_is_anothers(packages: dict[str, object], indent: int | str | None) -> None:
    text = json.dumps({"lockfileVersion": 3, "packages": packages}, indent=indent)
    lock = parse_package_lock(text.encode())
    assert len(lock.packages) + len(lock.unreadable) == len(packages)
    assert {package.path for package in lock.packages} <= packages.keys()
    lines = text.split("\n")
    for package in lock.packages:
        assert lines[package.line - 1][package.column - 1 :].startswith(f"{json.dumps(package.path)}:")
    unreadable = [path for path in packages if path not in {package.path for package in lock.packages}]
    for path, entry in zip(unreadable, lock.unreadable, strict=True):
        assert f"{json.dumps(path)}:" in lines[entry.line - 1]


@given(st.dictionaries(st.sampled_from(["a", "@s/b", "c", "../d", ""]), ENTRIES | VALUES, max_size=4), st.data())
def test_no_entry_of_version_1_is_dropped(entries: dict[str, object], data: st.DataObject) -> None:
    nested = data.draw(st.dictionaries(st.sampled_from(["a", "e"]), ENTRIES, max_size=2))
    for entry in entries.values():
        if isinstance(entry, dict) and data.draw(st.booleans()):
            entry["dependencies"] = nested
    lock = parse_package_lock(json.dumps({"dependencies": entries}).encode())
    found = {package.path for package in lock.packages} | {entry.path for entry in lock.unreadable}
    assert {f"node_modules/{name}" for name in entries} <= found
    deep = [name for name, entry in entries.items() if isinstance(entry, dict) and entry.get("dependencies") is nested]
    for name in nested if deep else ():
        assert any(path.endswith(f"/node_modules/{name}") for path in found)

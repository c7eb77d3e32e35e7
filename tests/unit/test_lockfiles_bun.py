"""bun.lock: what becomes an entry, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_lockfiles.bun import parse_bun_lock
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import LockedArtifact, Lockfile, Source

RAW = b"0" * 64
SRI = "sha512-" + base64.b64encode(RAW).decode()
SHA512 = f"sha512:{RAW.hex()}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECORDED = Path(__file__).parent / "data" / "lockfiles" / "bun-1.4" / "bun.lock"


def parse(packages: Mapping[str, object], **members: object) -> Lockfile:
    return parse_bun_lock(json.dumps({"lockfileVersion": 1, **members, "packages": packages}, indent=1).encode())


def one(key: str, *value: object) -> LockedArtifact:
    lock = parse({key: list(value)})
    assert lock.unreadable == ()
    (artifact,) = lock.artifacts
    return artifact


@pytest.mark.parametrize(
    ("value", "source", "version", "resolved", "commit"),
    [
        (("a@1.0.0", "", {}, SRI), Source.REGISTRY, "1.0.0", None, None),
        (("a@1.0.0", "https://x.example/a.tgz", {}, SRI), Source.REGISTRY, "1.0.0", "https://x.example/a.tgz", None),
        (("a@1.0.0", "", {}), Source.REGISTRY, "1.0.0", None, None),
        (("a@https://x.example/a.tgz", {}, SRI), Source.URL, "", "https://x.example/a.tgz", None),
        (("a@https://x.example/a.tgz", {}), Source.URL, "", "https://x.example/a.tgz", None),
        (("a@./a.tgz", {}), Source.FILE, "", "./a.tgz", None),
        (("a@file:../a", {}), Source.FOLDER, "", "../a", None),
        (("a@link:../a", {}), Source.FOLDER, "", "../a", None),
        (
            (f"a@git+https://x.example/a.git#{COMMIT}", {}, COMMIT),
            Source.GIT,
            "",
            f"git+https://x.example/a.git#{COMMIT}",
            COMMIT,
        ),
        (("a@github:o/a#0123456", {}, "o-a-0123456", SRI), Source.GIT, "", "github:o/a#0123456", None),
    ],
)
def test_sources(
    value: tuple[object, ...], source: Source, version: str, resolved: str | None, commit: str | None
) -> None:
    artifact = one("a", *value)
    assert (artifact.name, artifact.source, artifact.version) == ("a", source, version)
    assert (artifact.resolved, artifact.commit) == (resolved, commit)
    assert artifact.digests == ((SHA512,) if SRI in value and source is not Source.GIT else ())
    assert (artifact.line, artifact.column) == (4, 3)


@pytest.mark.parametrize("text", ["a@workspace:packages/a", "a@root:", "a@link:a", "a@file:./b/../a"])
def test_what_is_the_users_own(text: str) -> None:
    assert parse({"a": [text, {}]}).artifacts == ()


@pytest.mark.parametrize(
    ("key", "name", "installed_as"),
    [
        ("a", "a", None),
        ("@s/a", "@s/a", None),
        ("b/a", "a", None),
        ("@t/b/@s/a", "@s/a", None),
        ("x", "a", "x"),
        ("b/@t/x", "a", "@t/x"),
        ("@s/b/a", "a", None),
    ],
)
def test_names(key: str, name: str, installed_as: str | None) -> None:
    artifact = one(key, f"{name}@1.0.0", "", {}, SRI)
    assert (artifact.name, artifact.installed_as, artifact.place) == (name, installed_as, key)


def test_what_is_bundled_has_who_bundles_it() -> None:
    for key, bundler in (("b/a", "b"), ("@t/b/@s/a", "@t/b"), ("a", None)):
        name = "@s/a" if "@s" in key else "a"
        artifact = one(key, f"{name}@1.0.0", "", {"bundled": True}, SRI)
        assert (artifact.source, artifact.bundled_in) == (Source.BUNDLED, bundler)


def test_what_is_said_to_run_code() -> None:
    for about in ({}, {"hasInstallScript": True}):
        assert one("a", "a@1.0.0", "", about, SRI).has_install_script is bool(about)


def test_platforms_aliases_and_folders() -> None:
    about = {"os": "linux", "cpu": ["x64", "arm64"], "libc": "musl", "dependencies": {"c": "npm:@s/d@^1", "e": "^1"}}
    workspaces = {"": {"dependencies": {"x": "npm:y@1"}}, "packages/b": {}, "../out": {}}
    lock = parse({"a": ["a@1.0.0", "", about, SRI]}, workspaces=workspaces)
    (artifact,) = lock.artifacts
    assert (artifact.os, artifact.cpu, artifact.libc) == (("linux",), ("x64", "arm64"), ("musl",))
    assert lock.aliased == {"@s/d"}
    assert lock.folders == ("", "packages/b")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("a", {}, "not a list that starts with a name"),
        ("a", [], "not a list that starts with a name"),
        ("a", [1], "not a list that starts with a name"),
        ("a", ["a"], "it starts with no package name"),
        ("a", ["../a@1.0.0", "", {}, SRI], "it starts with no package name"),
        ("a", ["a\x1b@1.0.0", "", {}, SRI], "its name holds control characters, or too many"),
        ("a\n", ["a@1.0.0", "", {}, SRI], "its key holds control characters, or too many"),
        ("..", ["a@1.0.0", "", {}, SRI], "no package name"),
        ("a", ["a@1.0.0"], "not a list of name, address, members and integrity"),
        ("a", ["a@1.0.0", {}, SRI], "not a list of name, address, members and integrity"),
        ("a", ["a@1.0.0", "", {}, SRI, ""], "not a list of name, address, members and integrity"),
        ("a", ["a@1.0.0", "", {}, "sha512-AAAA"], "`integrity` is no Subresource Integrity value"),
        ("a", ["a@1.0.0", "", {}, 1], "its integrity is not a string"),
        ("a", ["a@1.0.0", "", {"os": 1}, SRI], "`os` is not a list of strings"),
        ("a", ["a@1.0.0", "", {"bundled": "x"}, SRI], "`bundled` is neither true nor false"),
        ("a", ["a@magic:1", {}], "neither a version nor a known source"),
        ("a", ["a@latest", {}], "neither a version nor a known source"),
    ],
)
def test_an_entry_that_says_nothing_certain(key: str, value: object, reason: str) -> None:
    lock = parse({key: value, "z": ["z@1.0.0", "", {}, SRI]})
    assert [each.name for each in lock.artifacts] == ["z"]
    assert [(each.reason, each.line, each.column) for each in lock.unreadable] == [(reason, 4, 3)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "an object is missing"),
        ("[]", 1, "an object is missing"),
        ("{}", 1, "lockfileVersion is not one of the known ones, 0 to 2"),
        ('{\n"lockfileVersion": 3}', 2, "not one of the known ones"),
        ('{"lockfileVersion": true}', 1, "not one of the known ones"),
        ('{"lockfileVersion": "1"}', 1, "not one of the known ones"),
        ('{"lockfileVersion": 1.0}', 1, "not one of the known ones"),
        ('{"lockfileVersion": 1,\n"packages": []}', 2, "an object is missing"),
        ('{"lockfileVersion": 1, "packages": {"a": [],\n"a": []}}', 2, "a name stands twice"),
        ('{"lockfileVersion": 1,, "packages": {}}', 1, "a name in quotes is missing"),
        ('{"lockfileVersion": 1, "packages": {,}}', 1, "a name in quotes is missing"),
        ('{"lockfileVersion": 1} // x', 1, "behind its end"),
        ('{"lockfileVersion": 1, /* x */ "packages": {}}', 1, "a name in quotes is missing"),
        ('{"lockfileVersion": 1, "packages": {"a": ["a', 1, "Unterminated string"),
        ('{"x": ' + "[" * 100_000, None, "nested too deeply"),
        ('{"lockfileVersion": 1,\n<<<<<<< a\n=======\n>>>>>>> b\n}', 2, "merge"),
    ],
)
def test_a_file_that_is_no_lock(text: str, line: int | None, message: str) -> None:
    with pytest.raises(MalformedLockfile, match=message) as caught:
        parse_bun_lock(text.encode())
    assert caught.value.line == line


def test_commas_inside_of_texts_stay() -> None:
    package = '["a@1.0.0", "https://x.example/,}\\",]", {"os": ["a", ], }, "", ]'
    text = f'{{"lockfileVersion": 0, "packages": {{"a": {package}, }}, }}'.replace(", ]", ",  ]").replace(", }", ",\n}")
    (artifact,) = parse_bun_lock(text.encode()).artifacts
    assert artifact.resolved == 'https://x.example/,}",]'


@given(data=st.data())
def test_a_recorded_lock_with_lines_exchanged_parses_or_is_malformed(data: st.DataObject) -> None:
    lines = RECORDED.read_text().splitlines(keepends=True)
    at = st.integers(0, len(lines) - 1)
    for _ in range(data.draw(st.integers(1, 3))):
        here, there = data.draw(at), data.draw(at)
        lines[here] = data.draw(st.sampled_from([lines[there], "", lines[here][:-3] + "\n"]))
    try:
        lock = parse_bun_lock("".join(lines).encode())
    except MalformedLockfile:
        return
    assert all(each.line >= 1 and each.place.isprintable() for each in lock.artifacts)
    assert all(each.line >= 1 and each.place.isprintable() for each in lock.unreadable)

"""pnpm-lock.yaml: what becomes an entry, and what is refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import LockedArtifact, Lockfile, Source
from guard_lockfiles.pnpm import parse_pnpm_lock
from guard_lockfiles.pnpm_keys import GENERATIONS, PackageKey, without_suffix

RAW = b"0" * 64
SRI = "sha512-" + base64.b64encode(RAW).decode()
SHA512 = f"sha512:{RAW.hex()}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECORDED = Path(__file__).parent / "data" / "lockfiles" / "pnpm-9" / "pnpm-lock.yaml"


def parse(text: str) -> Lockfile:
    return parse_pnpm_lock(text.encode())


def lock_9(packages: str, snapshots: str = "", importers: str = "") -> Lockfile:
    text = f"lockfileVersion: '9.0'\nimporters:\n  .: {{}}\n{importers}packages:\n{packages}\nsnapshots:\n{snapshots}\n"
    return parse(text)


def one(packages: str, snapshots: str = "", importers: str = "") -> LockedArtifact:
    lock = lock_9(packages, snapshots, importers)
    assert lock.unreadable == ()
    (artifact,) = lock.artifacts
    return artifact


def reason(key: str, members: str) -> str:
    lock = lock_9(f"  other@1.0.0:\n    resolution: {{}}\n  {key}:\n{members}")
    assert [artifact.name for artifact in lock.artifacts] == ["other"]
    (entry,) = lock.unreadable
    assert (entry.line, entry.column) == (7, 3)
    return entry.reason


@pytest.mark.parametrize(
    ("key", "resolution", "source", "resolved", "commit"),
    [
        ("a@1.0.0", f"{{integrity: {SRI}}}", Source.REGISTRY, None, None),
        ("a@1.0.0", "{tarball: 'https://x.example/a.tgz'}", Source.REGISTRY, "https://x.example/a.tgz", None),
        (
            "a@https://x.example/a.tgz",
            "{tarball: 'https://x.example/a.tgz'}",
            Source.URL,
            "https://x.example/a.tgz",
            None,
        ),
        ("a@file:a.tgz", "{tarball: 'file:a.tgz'}", Source.FILE, "file:a.tgz", None),
        ("a@file:a.tgz", f"{{integrity: {SRI}}}", Source.FILE, "file:a.tgz", None),
        ("a@file:../a", "{type: directory, directory: ../a}", Source.FOLDER, "../a", None),
        (
            "a@git+https://x.example/a.git#main",
            f"{{type: git, repo: 'https://x.example/a.git', commit: {COMMIT}}}",
            Source.GIT,
            "https://x.example/a.git",
            COMMIT,
        ),
        (
            f"a@https://codeload.github.com/o/a/tar.gz/{COMMIT}",
            f"{{tarball: 'https://codeload.github.com/o/a/tar.gz/{COMMIT}'}}",
            Source.GIT,
            f"https://codeload.github.com/o/a/tar.gz/{COMMIT}",
            COMMIT,
        ),
        (
            f"a@https://gitlab.com/api/v4/projects/o%2Fa/repository/archive.tar.gz?ref={COMMIT}",
            f"{{tarball: 'https://gitlab.com/api/v4/projects/o%2Fa/repository/archive.tar.gz?ref={COMMIT}'}}",
            Source.GIT,
            f"https://gitlab.com/api/v4/projects/o%2Fa/repository/archive.tar.gz?ref={COMMIT}",
            COMMIT,
        ),
        (
            f"a@https://bitbucket.org/o/a/get/{COMMIT}.tar.gz",
            f"{{tarball: 'https://bitbucket.org/o/a/get/{COMMIT}.tar.gz'}}",
            Source.GIT,
            f"https://bitbucket.org/o/a/get/{COMMIT}.tar.gz",
            COMMIT,
        ),
        (
            f"a@https://codeload.github.com/o/{COMMIT}/tar.gz/main",
            f"{{tarball: 'https://codeload.github.com/o/{COMMIT}/tar.gz/main'}}",
            Source.GIT,
            f"https://codeload.github.com/o/{COMMIT}/tar.gz/main",
            None,
        ),
        (
            "a@https://git.example/a.tgz",
            "{tarball: 'https://git.example/a.tgz', gitHosted: true}",
            Source.GIT,
            "https://git.example/a.tgz",
            None,
        ),
        ("a@custom:x", "{type: 'custom:cdn', url: x}", Source.OTHER, None, None),
    ],
)
def test_sources(key: str, resolution: str, source: Source, resolved: str | None, commit: str | None) -> None:
    artifact = one(f"  {key}:\n    resolution: {resolution}\n    version: 1.0.0")
    assert (artifact.name, artifact.version, artifact.source) == ("a", "1.0.0", source)
    assert (artifact.resolved, artifact.commit, artifact.place) == (resolved, commit, key)
    assert artifact.digests == ((SHA512,) if SRI in resolution else ())


def test_what_gives_no_version_has_none() -> None:
    assert one("  a@file:../a:\n    resolution: {type: directory, directory: ../a}").version == ""


def test_a_package_of_a_registry_with_a_name() -> None:
    artifact = one(f"  a@work:1.0.0:\n    resolution: {{integrity: {SRI}}}")
    assert (artifact.name, artifact.version, artifact.registry) == ("a", "1.0.0", "work")


def test_folders_inside_the_project_are_its_own() -> None:
    packages = "".join(
        f"  a@file:{folder}:\n    resolution: {{type: directory, directory: {folder}}}\n"
        for folder in ("a", "b/c", "../o")
    )
    lock = lock_9(packages)
    assert [artifact.resolved for artifact in lock.artifacts] == ["../o"]


def test_a_project_outside_the_folder_of_the_lock_is_no_entry() -> None:
    importers = (
        "  ../b:\n    dependencies:\n      c: {specifier: '*', version: 'link:../c'}\n"
        "      d: {specifier: '*', version: 'link:../d'}\n  ../c: {}\n"
    )
    lock = lock_9("  b@file:../b:\n    resolution: {type: directory, directory: ../b}", importers=importers)
    (link,) = lock.artifacts
    assert (link.name, link.version, link.source, link.resolved) == ("d", "", Source.FOLDER, "../d")
    assert (link.place, link.line) == ("../b > d", 7)
    assert lock.folders == ("",)


def test_a_link_that_a_package_asks_for_starts_from_the_lock() -> None:
    lock = lock_9(
        f"  a@1.0.0:\n    resolution: {{integrity: {SRI}}}", "  a@1.0.0:\n    dependencies:\n      b: link:../b"
    )
    assert [(each.name, each.resolved) for each in lock.artifacts] == [("a", None), ("b", "../b")]


def test_a_runtime_is_one_entry_for_each_archive() -> None:
    archives = "".join(
        f"      - resolution: {{type: binary, archive: tarball, bin: bin/node, integrity: {SRI}, url: {url}}}\n"
        f"        targets:\n          - {target}\n          - {{os: aix, cpu: ppc64}}\n"
        for url, target in (
            ("https://x.example/node-linux.tar.gz", "{os: linux, cpu: x64, libc: musl}"),
            ("https://x.example/node-mac.tar.gz", "{os: darwin, cpu: arm64}"),
        )
    )
    lock = lock_9(f"  node@runtime:22.0.0:\n    resolution:\n      type: variations\n      variants:\n{archives}")
    assert lock.unreadable == ()
    assert [(each.name, each.version, each.source, each.file) for each in lock.artifacts] == [
        ("node", "22.0.0", Source.OTHER, "node-linux.tar.gz"),
        ("node", "22.0.0", Source.OTHER, "node-mac.tar.gz"),
    ]
    linux, mac = lock.artifacts
    assert (linux.os, linux.cpu, linux.libc) == (("linux", "aix"), ("x64", "ppc64"), ("musl",))
    assert (mac.os, mac.cpu, mac.libc, mac.digests) == (("darwin", "aix"), ("arm64", "ppc64"), (), (SHA512,))


def test_both_documents_hold_entries() -> None:
    first = (
        "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n"
        "    configDependencies:\n      b: {specifier: 1.0.0, version: 1.0.0}\n"
        "    packageManagerDependencies:\n      pnpm: {specifier: 11.0.0, version: 11.0.0}\n"
        "packages:\n  b@1.0.0:\n    resolution: {}\n  pnpm@11.0.0:\n    resolution: {}\n"
        "snapshots:\n  b@1.0.0: {}\n  pnpm@11.0.0: {}\n"
    )
    second = (
        "---\nlockfileVersion: '9.0'\nimporters:\n  .: {}\n"
        "packages:\n  c@2.0.0:\n    resolution: {}\nsnapshots:\n  c@2.0.0: {}\n"
    )
    for text in (first + second, (first + second).replace("\n", "\r\n"), "\ufeff" + first + second):
        lock = parse(text)
        assert [(each.place, each.line) for each in lock.artifacts] == [
            ("b@1.0.0", 10),
            ("pnpm@11.0.0", 12),
            ("c@2.0.0", 22),
        ]
        assert lock.unreadable == ()
    assert [each.name for each in parse(first).artifacts] == ["b", "pnpm"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lockfileVersion: '9.0'\n---\nlockfileVersion: '9.0'\n", 2),
        ("# x\n---\nlockfileVersion: '9.0'\n", 2),
        ("--- {lockfileVersion: '9.0'}\n", 1),
        ("---\nlockfileVersion: '9.0'\n--- # x\nlockfileVersion: '9.0'\n", 3),
        ("---\nlockfileVersion: '9.0'\n...\n---\nlockfileVersion: '9.0'\n", 1),
        ("---\nlockfileVersion: '9.0'\n---\nlockfileVersion: '9.0'\n---\nlockfileVersion: '9.0'\n", 5),
    ],
)
def test_documents_that_pnpm_would_not_tell_apart(text: str, line: int) -> None:
    with pytest.raises(MalformedLockfile) as caught:
        parse(text)
    assert caught.value.line == line


def test_platforms_options_and_peers() -> None:
    packages = (
        f"  a@1.0.0:\n    resolution: {{integrity: {SRI}}}\n    os: ['!win32']\n    cpu: [x64]\n    libc: musl\n"
        "  b@1.0.0:\n    resolution: {}\n"
    )
    snapshots = (
        "  a@1.0.0(b@1.0.0):\n    optional: true\n"
        "  a@1.0.0(b@2.0.0(c@1.0.0))(d@1.0.0):\n    optional: {}\n  b@1.0.0: {{}}\n"
    )
    a, b = lock_9(packages, snapshots.format("true")).artifacts
    assert (a.os, a.cpu, a.libc, a.is_optional, b.is_optional) == (("!win32",), ("x64",), ("musl",), True, False)
    a, _ = lock_9(packages, snapshots.format("false")).artifacts
    assert not a.is_optional


def test_a_key_that_is_too_long_for_one_line() -> None:
    peers = "".join(f"(b{number}@1.0.0)" for number in range(100))
    packages = "".join(f"  b{number}@1.0.0:\n    resolution: {{}}\n" for number in range(100))
    lock = lock_9(f"  a@1.0.0:\n    resolution: {{}}\n{packages}", f"  ? a@1.0.0{peers}\n  : optional: true")
    assert lock.unreadable == ()
    assert (lock.artifacts[0].name, lock.artifacts[0].is_optional) == ("a", True)


def test_what_is_said_to_run_code() -> None:
    text = "lockfileVersion: 5.4\npackages:\n  /a/1.0.0:\n    resolution: {}\n    requiresBuild: true\n"
    (artifact,) = parse(text).artifacts
    assert artifact.has_install_script
    assert not one("  a@1.0.0:\n    resolution: {}").has_install_script


def test_only_development_is_what_no_project_needs_otherwise() -> None:
    packages = "".join(f"  {name}@1.0.0:\n    resolution: {{}}\n" for name in "abc")
    snapshots = "  a@1.0.0:\n    dependencies: {b: 1.0.0}\n  b@1.0.0: {}\n  c@1.0.0: {}\n"
    importers = (
        "  x:\n    devDependencies:\n"
        "      a: {specifier: '*', version: 1.0.0}\n      c: {specifier: '*', version: 1.0.0}\n"
        "  y:\n    optionalDependencies:\n      b: {specifier: '*', version: 1.0.0}\n"
    )
    lock = lock_9(packages, snapshots, importers)
    assert [each.is_dev for each in lock.artifacts] == [True, False, True]


def test_a_flag_of_development_that_is_not_true_is_not_believed() -> None:
    text = "lockfileVersion: '6.0'\ndependencies:\n  a: {specifier: '*', version: 1.0.0}\npackages:\n"
    (artifact,) = parse(f"{text}  /a@1.0.0:\n    resolution: {{}}\n    dev: true\n").artifacts
    assert not artifact.is_dev


@pytest.mark.parametrize(
    ("key", "members", "expected"),
    [
        ("a@1.0.0", "    {}", "`resolution` is not a mapping"),
        ("a@1.0.0", "    - x", "not a mapping"),
        ("a@1.0.0", "    resolution: x", "`resolution` is not a mapping"),
        ("a@1.0.0", "    resolution: {integrity: sha512-AAAA}", "`integrity` is no Subresource Integrity value"),
        ("a@1.0.0", "    resolution: {integrity: [x]}", "`integrity` is not a string"),
        ("a@1.0.0", "    resolution: {tarball: 1}", "`tarball` is not a string"),
        ("a@1.0.0", '    resolution: {tarball: "\\e[2J"}', "`tarball` holds control characters, or too many"),
        ("a@1.0.0", "    resolution: {type: magic}", "`type` of its `resolution` is not one of the known ones"),
        ("a@1.0.0", "    resolution: {type: git, repo: x}", "`commit` is missing"),
        ("a@1.0.0", "    resolution: {type: variations}", "`variants` is not a list of archives"),
        ("a@1.0.0", "    resolution: {type: variations, variants: [1]}", "an archive is not a mapping"),
        ("a@1.0.0", "    resolution: {type: variations, variants: [{}]}", "`targets` is not a list of mappings"),
        ("a@1.0.0", "    resolution: {}\n    name: b", "`name` is another one than in its key"),
        ("a@1.0.0", "    resolution: {}\n    version: 2.0.0", "`version` is another one than in its key"),
        ("a@1.0.0", "    resolution: {}\n    os: {x: y}", "`os` is not a list of strings"),
        ("a@x:y", "    resolution: {}", "neither a version nor an address"),
        ("'a@'", "    resolution: {}", "neither a version nor an address"),
        ("a@file:x.tgz", "    resolution: {}\n    version: ../1", "no version"),
        ("'@1.0.0'", "    resolution: {}", "no package name"),
        ("../../b@1.0.0", "    resolution: {}", "no package name"),
        ('"a\\e[2J@1.0.0"', "    resolution: {}", "its key holds control characters, or too many"),
    ],
)
def test_an_entry_that_says_nothing_certain(key: str, members: str, expected: str) -> None:
    assert reason(key, members) == expected


@pytest.mark.parametrize(
    ("text", "place", "expected", "line"),
    [
        ("dependencies:\n  a: {specifier: '*', version: 1.0.0}\n", ". > a", "it is asked for and has no entry", 3),
        ("dependencies:\n  a: {specifier: '*'}\n", ". > a", "its version is not a string", 3),
        ("dependencies:\n  a: 1\n", ". > a", "its version is not a string", 3),
        ("dependencies: x\n", ".", "`dependencies` is not a mapping", 1),
        ("importers:\n  b: x\n", "b", "not a mapping", 3),
        ("snapshots:\n  a@1.0.0: {}\n", "a@1.0.0", "a snapshot of what `packages` does not have", 3),
        ("packages:\n  a@1.0.0: {resolution: {}}\nsnapshots:\n  a@1.0.0: {optional: x}\n", "a@1.0.0", "`optional`", 5),
        ("dependencies:\n  '../a': {version: 'link:../b'}\n", ". > ../a", "no package name", 3),
    ],
)
def test_a_request_that_says_nothing_certain(text: str, place: str, expected: str, line: int) -> None:
    (entry,) = parse(f"lockfileVersion: '9.0'\n{text}").unreadable
    assert entry.place == place
    assert expected in entry.reason
    assert entry.line == line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "empty"),
        ("# nothing\n", None, "empty"),
        ("[]", 1, "not a mapping"),
        ("a: 1", 1, "no `lockfileVersion`"),
        ("\nlockfileVersion: 9", 2, "not one of the known ones"),
        ("lockfileVersion: '9.1'", 1, "not one of the known ones"),
        ("lockfileVersion: '10.0'", 1, "not one of the known ones"),
        ("lockfileVersion: 4", 1, "not one of the known ones"),
        ("lockfileVersion: [9]", 1, "no `lockfileVersion`"),
        ("lockfileVersion: '9.0'\npackages: []", 2, "`packages` is not a mapping"),
        ("lockfileVersion: '9.0'\nimporters: []", 2, "`importers` is not a mapping"),
        ("lockfileVersion: '9.0'\npackages:\n  a@1.0.0: {}\n  a@1.0.0: {}", 4, "stands twice"),
        ("lockfileVersion: '9.0'\npackages: &x {}\n", 2, "an anchor, alias or tag"),
        ("lockfileVersion: '9.0'\npackages: *x\n", 2, "an anchor, alias or tag"),
        ("lockfileVersion: '9.0'\npackages: !!map {}\n", 2, "an anchor, alias or tag"),
        ("lockfileVersion: '9.0'\npackages:\n  a: 'x", 3, "no YAML"),
        ("lockfileVersion: '9.0'\n<<<<<<< a\nx: 1\n=======\nx: 2\n>>>>>>> b\n", 2, "merge"),
        ("lockfileVersion: '9.0'\nx: " + "[" * 5000, 2, "nest"),
        ("lockfileVersion: '9.0'\nx: " + "{a: " * 50, 2, "nested deeper than 32"),
        ("lockfileVersion: '9.0'\nx: y\u2028z\n", 2, "a character that no lockfile holds"),
    ],
)
def test_a_file_that_is_no_lock(text: str, line: int | None, message: str) -> None:
    with pytest.raises(MalformedLockfile, match=message) as caught:
        parse(text)
    assert caught.value.line == line


def test_sizes_that_no_file_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard_lockfiles.npm_fields.ENTRIES_MAX_COUNT", 1)
    with pytest.raises(MalformedLockfile, match="more than 1 entries"):
        lock_9("  a@1.0.0:\n    resolution: {}\n  b@1.0.0:\n    resolution: {}\n")
    monkeypatch.setattr("guard_lockfiles.npm_fields.DOCUMENT_MAX_BYTES", 10)
    with pytest.raises(MalformedLockfile, match="larger"):
        parse("lockfileVersion: '9.0'")


@pytest.mark.parametrize(
    ("version", "key", "expected"),
    [
        ("5.4", "/a/1.0.0", PackageKey("a", "1.0.0")),
        ("5.4", "/@s/a/1.0.0_b@2.0.0+c@3.0.0", PackageKey("@s/a", "1.0.0")),
        ("5.4", "/a/1.0.0-rc.1", PackageKey("a", "1.0.0-rc.1")),
        ("5.4", "host.example/a/1.0.0", PackageKey("a", "1.0.0", None, "host.example")),
        ("5.4", "file:a.tgz", PackageKey(None, None, "file:a.tgz")),
        ("5.4", f"github.com/o/a/{COMMIT}", PackageKey(None, None, f"github.com/o/a/{COMMIT}")),
        ("6.0", "/a@1.0.0(b@2.0.0)(@s/c@3.0.0(d@1.0.0))", PackageKey("a", "1.0.0")),
        ("6.0", "/@s/a@1.0.0(patch_hash=abc)(b@1.0.0)", PackageKey("@s/a", "1.0.0")),
        ("6.0", "host.example/a@1.0.0", PackageKey("a", "1.0.0", None, "host.example")),
        ("6.0", "@host.example/x/a.tgz", PackageKey(None, None, "@host.example/x/a.tgz")),
        ("9.0", "@s/a@1.0.0", PackageKey("@s/a", "1.0.0")),
        ("9.0", "a@jsr:1.0.0", PackageKey("a", None, "jsr:1.0.0")),
        ("9.0", "a@file:b", PackageKey("a", None, "file:b")),
        ("9.0", "a", PackageKey(None, None, "a")),
    ],
)
def test_keys(version: str, key: str, expected: PackageKey) -> None:
    assert GENERATIONS[version].split(key) == expected


@pytest.mark.parametrize(
    ("version", "reference", "key"),
    [
        ("5.4", "1.0.0_b@1.0.0", "/a/1.0.0_b@1.0.0"),
        ("5.4", "/b/1.0.0", "/b/1.0.0"),
        ("5.4", "file:b", "file:b"),
        ("6.0", "1.0.0(@s/b@1.0.0)", "/a@1.0.0(@s/b@1.0.0)"),
        ("6.0", "/b@1.0.0", "/b@1.0.0"),
        ("9.0", "1.0.0(@s/b@1.0.0)", "a@1.0.0(@s/b@1.0.0)"),
        ("9.0", "b@1.0.0", "b@1.0.0"),
        ("9.0", "@s/b@1.0.0", "@s/b@1.0.0"),
        ("9.0", "b@file:x", "b@file:x"),
        ("9.0", "https://u@x.example/a.tgz", "a@https://u@x.example/a.tgz"),
    ],
)
def test_references(version: str, reference: str, key: str) -> None:
    assert GENERATIONS[version].refer(reference, "a") == key


@given(st.text("()a@.1=_", max_size=20))
def test_what_is_left_without_a_suffix_has_none(key: str) -> None:
    left = without_suffix(key)
    assert key.startswith(left)
    assert without_suffix(left) == left


@given(data=st.data())
def test_a_recorded_lock_with_lines_exchanged_parses_or_is_malformed(data: st.DataObject) -> None:
    lines = RECORDED.read_text().splitlines(keepends=True)
    at = st.integers(0, len(lines) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        here, there = data.draw(at), data.draw(at)
        lines[here] = data.draw(
            st.sampled_from([lines[there], "", lines[here] * 2, f"  {lines[here]}", lines[here].lstrip()])
        )
    try:
        lock = parse("".join(lines))
    except MalformedLockfile:
        return
    assert all(each.line >= 1 and each.place.isprintable() for each in lock.artifacts)
    assert all(each.line >= 1 and each.place.isprintable() for each in lock.unreadable)

"""poetry.lock: files and digests from each of the three places where they have stood; groups, extras and markers."""

from __future__ import annotations

import pytest

from guard_lockfiles import fields
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source
from guard_lockfiles.poetry import parse_poetry_lock

HASH = "sha256:" + "0" * 64
OTHER_HASH = "sha256:" + "1" * 64
WHEEL = "one-1.0-py3-none-any.whl"
FILES = f'files = [{{file = "{WHEEL}", hash = "{HASH}"}}]'


def parse(text: str, *, version: str = "2.1", more: str = "") -> Lockfile:
    metadata = f'[metadata]\nlock-version = "{version}"\npython-versions = "*"\n'
    return parse_poetry_lock((text + metadata + more).encode())


def package(*lines: str, name: str = "one", version: str = "1.0") -> str:
    return "\n".join(["[[package]]", f'name = "{name}"', f'version = "{version}"', *lines, ""])


def source(**members: str) -> str:
    return "\n".join(["[package.source]", *(f'{key} = "{value}"' for key, value in members.items())])


def parse_one(*lines: str) -> LockedArtifact:
    lock = parse(package(*lines))
    assert lock.unreadable == ()
    (artifact,) = lock.artifacts
    return artifact


def test_everything_about_a_file() -> None:
    lines = ("optional = false", 'groups = ["dev", "docs"]', "markers = \"os_name == 'nt'\"", FILES)
    index = source(type="legacy", url="https://corp.example/simple", reference="corp")
    assert parse_one(*lines, index) == LockedArtifact(
        ecosystem=Ecosystem.PYPI,
        name="one",
        version="1.0",
        source=Source.REGISTRY,
        line=7,
        column=10,
        place="one",
        file=WHEEL,
        digests=(HASH,),
        registry="https://corp.example/simple",
        markers=("os_name == 'nt'",),
        groups=("dev", "docs"),
        is_dev=True,
    )


GIT = "https://git.example/a"


@pytest.mark.parametrize(
    ("kind", "url", "references", "expected", "commit"),
    [
        ("git", GIT, {"reference": "v1", "resolved_reference": "0123abc"}, Source.GIT, "0123abc"),
        ("git", GIT, {"reference": "0123abc"}, Source.GIT, "0123abc"),
        ("directory", "../a", {}, Source.FOLDER, None),
        ("file", f"vendor/{WHEEL}", {}, Source.FILE, None),
        ("url", f"https://files.example.test/{WHEEL}", {}, Source.URL, None),
    ],
)
def test_sources(kind: str, url: str, references: dict[str, str], expected: Source, commit: str | None) -> None:
    artifact = parse_one("files = []", source(type=kind, url=url, **references))
    assert (artifact.source, artifact.resolved, artifact.commit, artifact.registry) == (expected, url, commit, None)
    assert artifact.file == (WHEEL if kind in ("file", "url") else None)


def test_files_by_name_in_the_metadata() -> None:
    lock = parse(
        package(), version="1.1", more=f'[metadata.files]\nOne = [\n  {{file = "{WHEEL}", hash = "{HASH}"}},\n]\n'
    )
    (artifact,) = lock.artifacts
    assert (artifact.file, artifact.digests, artifact.line, artifact.column) == (WHEEL, (HASH,), 9, 3)


def test_files_of_two_versions_of_a_name_are_told_apart_by_their_names() -> None:
    files = (
        f'[metadata.files]\none = [{{file = "{WHEEL}", hash = "{HASH}"}}, '
        f'{{file = "one-2.0.tar.gz", hash = "{OTHER_HASH}"}}, {{file = "one.egg", hash = "{HASH}"}}]\n'
    )
    lock = parse(package() + package(version="2.0.0"), version="1.1", more=files)
    assert [(each.version, each.file) for each in lock.artifacts] == [
        ("1.0", WHEEL),
        ("1.0", "one.egg"),  # of whichever
        ("2.0.0", "one-2.0.tar.gz"),
        ("2.0.0", "one.egg"),
    ]


def test_digests_without_files_are_of_the_package() -> None:
    hashes = f'[metadata]\ncontent-hash = ""\n[metadata.hashes]\none = ["{"0" * 64}", "{"1" * 64}"]\n'
    lock = parse_poetry_lock((package() + hashes).encode())
    (artifact,) = lock.artifacts
    assert lock.version == "1.0"
    assert (artifact.file, artifact.digests) == (None, (HASH, OTHER_HASH))


def test_a_package_without_files_is_an_entry_without_digests() -> None:
    artifact = parse_one("files = []")
    assert (artifact.file, artifact.digests, artifact.line) == (None, (), 1)


@pytest.mark.parametrize(
    ("lines", "groups", "is_dev"),
    [
        (('category = "dev"', "optional = false"), ("dev",), True),
        (('category = "main"', "optional = true"), ("fast",), False),
        (('category = "main"', "optional = false"), (), False),
        (('groups = ["main", "dev"]', "optional = false"), (), False),
        (('groups = ["main", "dev"]', "optional = true"), ("dev", "fast"), False),
        (('groups = ["main"]', "optional = true"), ("fast",), False),
        (('groups = ["docs"]', "optional = false"), ("docs",), True),
        ((), (), False),
    ],
)
def test_groups(lines: tuple[str, ...], groups: tuple[str, ...], is_dev: bool) -> None:
    lock = parse(package(*lines) + '[extras]\nfast = ["One (>=1)"]\n')
    (artifact,) = lock.artifacts
    assert (artifact.groups, artifact.is_dev) == (groups, is_dev)


@pytest.mark.parametrize(
    ("markers", "expected"),
    [
        ("markers = \"os_name == 'nt'\"", ("os_name == 'nt'",)),
        ("marker = \"os_name == 'nt'\"", ("os_name == 'nt'",)),
        ("markers = \"extra == 'a'\"", ()),
        ("markers = { main = \"os_name == 'nt'\" }", ()),  # and in the other group everywhere
        (
            "markers = { main = \"os_name == 'nt'\", dev = \"os_name == 'a'\" }",
            ("(os_name == 'a') or (os_name == 'nt')",),
        ),
        ("markers = { main = \"os_name == 'nt'\", dev = \"extra == 'a'\" }", ()),
    ],
)
def test_markers(markers: str, expected: tuple[str, ...]) -> None:
    assert parse_one('groups = ["main", "dev"]', markers).markers == expected


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((source(type="svn", url="https://svn.example/a"),), "no known type"),
        ((source(url="https://git.example/a"),), "no known type"),
        ((source(type="git"),), "leads nowhere"),
        (("source = 1",), "not a table"),
        ((f'files = [{{file = "{WHEEL}"}}]',), "hash"),
        ((f'files = [{{file = "{WHEEL}", hash = "{"0" * 64}"}}]',), "hash"),
        ((f'files = [{{hash = "{HASH}"}}]',), "name"),
        ((f'files = [{{file = "../{WHEEL}", hash = "{HASH}"}}]',), "name"),
        ((f'files = [{{file = "a\\u001b[2J.whl", hash = "{HASH}"}}]',), "control"),
        (("files = 1",), "not an array"),
        (('files = ["a"]',), "not a table"),
        (('markers = "nothing"',), "marker"),
        (("groups = 1",), "not an array"),
        (("optional = 1",), "neither true nor false"),
    ],
)
def test_what_cannot_be_read_is_an_entry_too(lines: tuple[str, ...], reason: str) -> None:
    lock = parse(package(*lines) + package(name="other"))
    assert [artifact.name for artifact in lock.artifacts] == ["other"]
    (entry,) = lock.unreadable
    assert reason in entry.reason
    assert (entry.place, entry.line < 6) == ("one", True)


def test_files_of_what_is_not_locked_are_unreadable() -> None:
    more = f'[metadata.files]\none = []\nother = []\nthird = [{{file = "{WHEEL}", hash = "{HASH}"}}]\n'
    lock = parse(package(), version="1.1", more=more)
    assert [(entry.place, entry.line) for entry in lock.unreadable] == [("third", 10)]


@pytest.mark.parametrize("version", ["1", "1.0", "1.1", "2.0", "2.1", "2.99"])
def test_versions_that_poetry_reads(version: str) -> None:
    assert parse(package(), version=version).version == version


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("package = []\n", None),
        ("[metadata]\nlock-version = '2.1'\n", None),  # no `package`
        ("package = []\n[metadata]\nlock-version = '0.9'\n", 3),
        ("package = []\n[metadata]\nlock-version = '3.0'\n", 3),
        ("package = []\n[metadata]\nlock-version = 2\n", 3),
        ("package = []\n[metadata]\nlock_version = '4.5'\n", 2),  # pdm's
        ("package = 1\n[metadata]\nlock-version = '2.1'\n", 1),
        ("package = []\n[metadata]\nlock-version = '1.1'\nfiles = 1\n", 4),
        ("package = []\n[metadata]\nlock-version = '1.1'\n[metadata.files]\na_b = []\nA-B = []\n", 6),
        ("package = []\n[metadata]\nlock-version = '1.1'\n[metadata.files]\n'a b' = []\n", 5),
        ('package = []\nextras = {"a\\u001b" = []}\n[metadata]\nlock-version = "1.1"\n', 2),
        ("package = []\nextras = 1\n[metadata]\nlock-version = '1.1'\n", 2),
        ("package = []\n<<<<<<< HEAD\n", 2),
        ("[[package]]\nname = 'a'\nname = 'b'\n", 3),
        ("\N{ZERO WIDTH NO-BREAK SPACE}package = []\n[metadata]\nlock-version = '2.1'\n", 1),
    ],
)
def test_what_is_no_lock_is_malformed(text: str, line: int | None) -> None:
    with pytest.raises(MalformedLockfile) as caught:
        parse_poetry_lock(text.encode())
    assert caught.value.line == line


def test_files_that_many_packages_share_are_read_a_limited_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "ENTRIES_MAX_COUNT", 1000)
    files = ", ".join(f'{{file = "one-{number}.zip", hash = "{HASH}"}}' for number in range(100))
    text = "".join(package() for _ in range(11))
    with pytest.raises(MalformedLockfile, match="more than"):
        parse(text, version="1.1", more=f"[metadata.files]\none = [{files}]\n")

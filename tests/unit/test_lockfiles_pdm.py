"""pdm.lock: files by package or by key, with or without addresses; what extras repeat is one entry."""

from __future__ import annotations

import pytest

from guard_lockfiles import fields
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source
from guard_lockfiles.pdm import parse_pdm_lock

HASH = "sha256:" + "0" * 64
WHEEL = "one-1.0-py3-none-any.whl"
ADDRESS = f"https://files.example.test/{WHEEL}"
FILES = f'files = [{{file = "{WHEEL}", hash = "{HASH}"}}]'


def parse(text: str, *, version: str = "4.5.0", more: str = "") -> Lockfile:
    return parse_pdm_lock(f'[metadata]\nlock_version = "{version}"\n{more}{text}'.encode())


def package(*lines: str, name: str = "one", version: str = "1.0") -> str:
    return "\n".join(["[[package]]", f'name = "{name}"', f'version = "{version}"', *lines, ""])


def parse_one(*lines: str) -> LockedArtifact:
    lock = parse(package(*lines))
    assert lock.unreadable == ()
    (artifact,) = lock.artifacts
    return artifact


def test_everything_about_a_file() -> None:
    assert parse_one('groups = ["dev", "docs"]', "marker = \"os_name == 'nt'\"", FILES) == LockedArtifact(
        ecosystem=Ecosystem.PYPI,
        name="one",
        version="1.0",
        source=Source.REGISTRY,
        line=8,
        column=10,
        place="one",
        file=WHEEL,
        digests=(HASH,),
        markers=("os_name == 'nt'",),
        groups=("dev", "docs"),
    )


def test_static_addresses() -> None:
    artifact = parse_one(f'files = [{{url = "{ADDRESS}", hash = "{HASH}"}}]')
    assert (artifact.file, artifact.resolved, artifact.source) == (WHEEL, ADDRESS, Source.REGISTRY)


@pytest.mark.parametrize(
    ("lines", "source", "resolved", "commit"),
    [
        (('git = "https://git.example/a"', 'revision = "0123abc"'), Source.GIT, "https://git.example/a", "0123abc"),
        (('hg = "https://hg.example/a"', 'revision = "0123abc"'), Source.GIT, "https://hg.example/a", "0123abc"),
        ((f'url = "{ADDRESS}"', FILES), Source.URL, ADDRESS, None),
        ((f'path = "./vendor/{WHEEL}"', FILES), Source.FILE, f"./vendor/{WHEEL}", None),
        ((f'url = "file:///${{PROJECT_ROOT}}/{WHEEL}"',), Source.FILE, f"./{WHEEL}", None),
        ((f'url = "file:///srv/{WHEEL}"',), Source.FILE, f"file:///srv/{WHEEL}", None),
        (('path = "../a"', "editable = true"), Source.FOLDER, "../a", None),
        (('path = "./a"',), Source.FOLDER, "./a", None),
    ],
)
def test_sources(lines: tuple[str, ...], source: Source, resolved: str, commit: str | None) -> None:
    artifact = parse_one(*lines)
    assert (artifact.source, artifact.resolved, artifact.commit) == (source, resolved, commit)
    assert artifact.file == (WHEEL if source in (Source.URL, Source.FILE) else None)


def test_the_project_itself_is_no_entry() -> None:
    assert parse(package('path = "."', "editable = true")).artifacts == ()


@pytest.mark.parametrize("key", ["One 1.0", "one[fast] 1.0"])
def test_files_by_key_in_the_metadata(key: str) -> None:
    files = f'[metadata.files]\n"{key}" = [\n  {{url = "{ADDRESS}", hash = "{HASH}"}},\n]\n'
    lock = parse(package(), version="4.1", more=files)
    (artifact,) = lock.artifacts
    assert (artifact.file, artifact.digests, artifact.line, artifact.column) == (WHEEL, (HASH,), 5, 3)


def test_files_by_key_of_what_is_not_locked_are_unreadable() -> None:
    more = f'[metadata.files]\n"one 2.0" = [{{url = "{ADDRESS}", hash = "{HASH}"}}]\n"other 1" = []\n'
    lock = parse(package(), version="4.1", more=more)
    assert [(entry.place, entry.line) for entry in lock.unreadable] == [("one", 4)]
    assert [artifact.digests for artifact in lock.artifacts] == [()]


def test_a_package_without_files_is_an_entry_without_digests() -> None:
    assert (parse_one().file, parse_one().digests, parse_one().line) == (None, (), 3)


@pytest.mark.parametrize(
    ("first", "second", "markers", "groups"),
    [
        ((), (), (), ()),
        (('groups = ["a"]',), ('groups = ["b"]',), (), ("a", "b")),
        (('groups = ["a"]',), ('groups = ["default"]',), (), ()),
        (("marker = \"os_name == 'nt'\"",), ("marker = \"os_name == 'nt'\"",), ("os_name == 'nt'",), ()),
        (("marker = \"os_name == 'nt'\"",), (), (), ()),
    ],
)
def test_a_package_that_stands_once_more_with_extras_is_one_entry(
    first: tuple[str, ...], second: tuple[str, ...], markers: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    (artifact,) = parse(package(*first, FILES) + package(*second, 'extras = ["fast"]', FILES)).artifacts
    assert (artifact.markers, artifact.groups, artifact.file) == (markers, groups, WHEEL)


def test_another_digest_of_the_same_file_is_another_entry() -> None:
    other = FILES.replace("0" * 64, "1" * 64)
    assert len(parse(package(FILES) + package('extras = ["fast"]', other)).artifacts) == 2


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (('git = "https://git.example/a"', 'path = "a"'), "source"),
        (('path = ""',), "source"),
        ((f'files = [{{file = "{WHEEL}"}}]',), "hash"),
        ((f'files = [{{hash = "{HASH}"}}]',), "neither"),
        ((f'files = [{{file = "a/{WHEEL}", hash = "{HASH}"}}]',), "name"),
        ((f'files = [{{url = "https://files.example.test/a%0a", hash = "{HASH}"}}]',), "name"),
        (("files = 1",), "not an array"),
        (("files = [1]",), "not a table"),
        (('marker = "nothing"',), "marker"),
        (('groups = "a"',), "not an array"),
    ],
)
def test_what_cannot_be_read_is_an_entry_too(lines: tuple[str, ...], reason: str) -> None:
    lock = parse(package(*lines) + package(name="other"))
    assert [artifact.name for artifact in lock.artifacts] == ["other"]
    (entry,) = lock.unreadable
    assert reason in entry.reason
    assert (entry.place, entry.line in (3, 6)) == ("one", True)


def test_a_release_has_a_version() -> None:
    lock = parse('[[package]]\nname = "one"\n' + FILES)
    assert [entry.reason for entry in lock.unreadable] == ["`version` is missing"]


@pytest.mark.parametrize("version", ["4", "4.0", "4.2", "4.4.1", "4.5.0", "4.5.1"])
def test_versions_that_pdm_reads(version: str) -> None:
    assert parse(package(), version=version).version == version


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("[metadata]\n", None),
        ("[metadata]\nlock_version = '3.1'\n", 2),
        ("[metadata]\nlock_version = '4.6.0'\n", 2),
        ("[metadata]\nlock_version = '5.0'\n", 2),
        ("[metadata]\nlock_version = 4.5\n", 2),
        ("metadata = 1\n", 1),
        ("package = 1\n[metadata]\nlock_version = '4.5'\n", 1),
        ("[metadata]\nlock_version = '4.1'\n[metadata.files]\n'.' = []\n", 4),
        ("[metadata]\nlock_version = '4.5'\n<<<<<<< HEAD\n", 3),
        ("[[package]]\nname = 'a'\nname = 'b'\n", 3),
    ],
)
def test_what_is_no_lock_is_malformed(text: str, line: int | None) -> None:
    with pytest.raises(MalformedLockfile) as caught:
        parse_pdm_lock(text.encode())
    assert caught.value.line == line


def test_files_that_many_packages_share_are_read_a_limited_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "ENTRIES_MAX_COUNT", 1000)
    files = f'{{url = "{ADDRESS}", hash = "{HASH}"}}, ' * 100
    text = "".join(package() for _ in range(11))
    with pytest.raises(MalformedLockfile, match="more than"):
        parse(text, version="4.1", more=f'[metadata.files]\n"one 1.0" = [{files}]\n')

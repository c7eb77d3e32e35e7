"""Pipfile.lock: one entry for each package of each category, from the index, repository or path that it names."""

from __future__ import annotations

import json

import pytest

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source
from guard_lockfiles.pipfile_lock import parse_pipfile_lock

HASH = "sha256:" + "0" * 64
OTHER_HASH = "sha256:" + "1" * 64
WHEEL = "one-1.0-py3-none-any.whl"
META = {
    "hash": {"sha256": "0" * 64},
    "pipfile-spec": 6,
    "requires": {},
    "sources": [
        {"name": "pypi", "url": "https://pypi.example/simple", "verify_ssl": True},
        {"name": "corp", "url": "https://${USER}@corp.example/simple", "verify_ssl": True},
    ],
}


def parse(**categories: object) -> Lockfile:
    return parse_pipfile_lock(json.dumps({"_meta": META, **categories}, indent=1).encode())


def parse_one(**package: object) -> LockedArtifact:
    lock = parse(default={"One": package})
    assert lock.unreadable == ()
    (artifact,) = lock.artifacts
    return artifact


def test_everything_about_a_package() -> None:
    package = {
        "version": "==1.0",
        "hashes": [HASH, OTHER_HASH],
        "index": "corp",
        "markers": "os_name == 'nt'",
        "extras": ["fast"],
    }
    lock = parse(develop={"One": package})
    assert lock.artifacts == (
        LockedArtifact(
            ecosystem=Ecosystem.PYPI,
            name="one",
            version="1.0",
            source=Source.REGISTRY,
            line=22,
            column=3,
            place="one",
            digests=(HASH, OTHER_HASH),
            registry="https://${USER}@corp.example/simple",
            markers=("os_name == 'nt'",),
            groups=("develop",),
            is_dev=True,
        ),
    )
    assert lock.indexes == ("https://pypi.example/simple", "https://${USER}@corp.example/simple")


def test_every_category_has_entries_of_its_own() -> None:
    package = {"one": {"version": "==1.0"}}
    lock = parse(default=package, develop=package, docs=package)
    assert [(each.groups, each.is_dev) for each in lock.artifacts] == [
        ((), False),
        (("develop",), True),
        (("docs",), False),
    ]


def test_a_source_without_a_name_is_called_by_its_host() -> None:
    meta = META | {"sources": [{"url": "https://pypi.example:8443/simple", "verify_ssl": True}]}
    package = {"hashes": [HASH], "version": "==1.0"}
    document = {"_meta": meta, "default": {"one": package, "two": package | {"index": "pypi.example"}}}
    lock = parse_pipfile_lock(json.dumps(document).encode())
    assert [artifact.registry for artifact in lock.artifacts] == [None, "https://pypi.example:8443/simple"]
    assert lock.indexes == ("https://pypi.example:8443/simple",)
    assert lock.unreadable == ()


@pytest.mark.parametrize(
    ("package", "source", "resolved", "commit"),
    [
        ({"git": "https://git.example/a", "ref": "0123abc"}, Source.GIT, "https://git.example/a", "0123abc"),
        ({"hg": "https://hg.example/a"}, Source.GIT, "https://hg.example/a", None),
        ({"path": "../a", "editable": True}, Source.FOLDER, "../a", None),
        ({"path": f"./vendor/{WHEEL}"}, Source.FILE, f"./vendor/{WHEEL}", None),
        ({"file": f"https://files.example.test/{WHEEL}"}, Source.URL, f"https://files.example.test/{WHEEL}", None),
        ({"file": f"file:///srv/{WHEEL}"}, Source.FILE, f"file:///srv/{WHEEL}", None),
        ({"file": f"vendor/{WHEEL}"}, Source.FILE, f"vendor/{WHEEL}", None),
    ],
)
def test_sources(package: dict[str, object], source: Source, resolved: str, commit: str | None) -> None:
    artifact = parse_one(**package)
    assert (artifact.source, artifact.resolved, artifact.commit) == (source, resolved, commit)
    assert artifact.registry is None
    assert artifact.file == (WHEEL if source in (Source.URL, Source.FILE) else None)


def test_the_project_itself_is_no_entry() -> None:
    assert parse(default={"project": {"path": ".", "editable": True}}).artifacts == ()


def test_what_names_no_index_is_of_whichever() -> None:
    assert parse_one(version="==1.0").registry is None


@pytest.mark.parametrize(
    ("name", "package", "reason"),
    [
        ("one", 1, "not a table"),
        ("one", {}, "neither a version nor a source"),
        ("one", {"version": "*"}, "does not pin"),
        ("one", {"version": ">=1.0"}, "does not pin"),
        ("one", {"version": 1}, "not a string"),
        ("one", {"version": "==1 0"}, "version"),
        ("one", {"version": "==1.0", "index": "other"}, "names no source"),
        ("one", {"version": "==1.0", "hashes": ["0"]}, "hash"),
        ("one", {"version": "==1.0", "hashes": HASH}, "not an array"),
        ("one", {"version": "==1.0", "markers": "nothing"}, "marker"),
        ("one", {"git": "https://git.example/a", "path": "a"}, "source"),
        ("one", {"file": ""}, "source"),
        ("one", {"file": "https://files.example.test/"}, "name"),
        ("../one", {"version": "==1.0"}, "name"),
        ("one\x1b[2J", {"version": "==1.0"}, "name"),
        ("", {"version": "==1.0"}, "name"),
    ],
)
def test_what_cannot_be_read_is_an_entry_too(name: str, package: object, reason: str) -> None:
    lock = parse(default={name: package, "other": {"version": "==1.0"}})
    assert [artifact.name for artifact in lock.artifacts] == ["other"]
    (entry,) = lock.unreadable
    assert reason in entry.reason
    assert (entry.line, entry.place.isprintable()) == (22, True)


def test_a_category_that_steers_a_terminal_makes_its_packages_unreadable() -> None:
    assert len(parse(**{"a\x1b[2J": {"one": {"version": "==1.0"}}}).unreadable) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", None),
        ("[]", 1),
        ('{"lockfileVersion": 3, "packages": {}}', 1),
        ('{"_meta": 1}', 1),
        ('{"default": {},\n"_meta": {}}', 2),
        ('{"_meta": {"pipfile-spec": 5}}', 1),
        ('{"_meta": {"pipfile-spec": 7}}', 1),
        ('{"_meta": {"pipfile-spec": "6"}}', 1),
        ('{"_meta": {"pipfile-spec": 6.0}}', 1),
        ('{"_meta": {"pipfile-spec": true}}', 1),
        ('{"_meta": {"pipfile-spec": 6, "sources": {}}}', 1),
        ('{"_meta": {"pipfile-spec": 6, "sources": [{"name": "a"}]}}', 1),
        ('{"_meta": {"pipfile-spec": 6, "sources": [{"url": "https://[/simple"}]}}', 1),
        ('{"_meta": {"pipfile-spec": 6, "sources": [{"url": "simple"}]}}', 1),
        ('{"_meta": {"pipfile-spec": 6, "sources": [{"name": "", "url": "https://a.example"}]}}', 1),
        ('{"_meta": {"pipfile-spec": 6, "sources": [{"name": "a", "url": "b"}, {"name": "a", "url": "c"}]}}', 1),
        ('{"_meta": {"pipfile-spec": 6},\n"default": 1}', 2),
        ('{"_meta": {"pipfile-spec": 6},\n"default": {"a": {},\n"a": {}}}', 3),
        ('{"_meta": {"pipfile-spec": 6}, "default": {', 1),
        ('{"_meta": {"pipfile-spec": 6},\n<<<<<<< HEAD\n', 2),
        ('\N{ZERO WIDTH NO-BREAK SPACE}{"_meta": {"pipfile-spec": 6}}', 1),
        ('{"_meta": ' + "[" * 100_000, None),
    ],
)
def test_what_is_no_lock_is_malformed(text: str, line: int | None) -> None:
    with pytest.raises(MalformedLockfile) as caught:
        parse_pipfile_lock(text.encode())
    assert caught.value.line == line

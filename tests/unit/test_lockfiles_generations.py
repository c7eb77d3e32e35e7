"""Locks that every generation of each tool made: every entry is read, and is what the tool itself says it is."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import chain
from pathlib import Path

import pytest

from guard_lockfiles.formats import find_format
from guard_lockfiles.lockfile import LockedArtifact, Lockfile, Source
from tests.locktools.__main__ import RECORDED
from tests.locktools.generations import GENERATIONS, Generation
from tests.locktools.tools import Said

_EVERY = pytest.mark.parametrize("generation", GENERATIONS, ids=lambda generation: generation.id)
_VERSIONS = {
    "uv-0.4.30": "1.0",
    "uv-0.5.31": "1.0",
    "uv-0.7.22": "1.2",
    "uv-0.13.9": "1.5",
    "poetry-1.2.2": "1.1",
    "poetry-1.4.2": "2.0",
    "poetry-1.8.5": "2.0",
    "poetry-2.0.1": "2.1",
    "poetry-2.5.1": "2.1",
    "pdm-2.4.9": "4.1",
    "pdm-2.8.2": "4.3",
    "pdm-2.12.4": "4.4.1",
    "pdm-2.29.4": "4.5.1",
    "pdm-2.29.4-static_urls": "4.5.1",
}


def parse(generation: Generation, data: bytes) -> Lockfile:
    known = find_format(generation.file_name)
    assert known is not None
    return known.parse(data)


def recorded(generation: Generation) -> bytes:
    return (RECORDED / generation.id / generation.file_name).read_bytes()


def assert_same(lock: Lockfile, said: Said) -> None:
    """Compare every package and digest, both ways; of a repository, URL or path some tools give no version."""
    assert lock.unreadable == ()
    read: dict[tuple[str, str], set[str]] = defaultdict(set)
    for artifact in lock.artifacts:
        read[artifact.name, artifact.version].update(artifact.digests)
    expected: dict[tuple[str, str], set[str]] = {}
    for name, version, hashes in said:
        versions = [known for known_name, known in read if known_name == name]
        known = version if version in versions or len(versions) != 1 else versions[0]
        expected.setdefault((name, known), set()).update(hashes)
    assert read.keys() == expected.keys()
    if lock.format == "poetry" and lock.version == "1.1":  # poetry itself takes all files of a name for every version
        expected = {key: digests & {*read[key]} for key, digests in expected.items()}
        assert {*chain(*expected.values())} == {each for _, _, hashes in said for each in hashes}
    for key, digests in expected.items():
        # pipenv leaves out the digests of what is not of an index.
        assert read[key] == digests or not digests, key


@_EVERY
def test_entries_are_what_the_tool_says(generation: Generation) -> None:
    lock = parse(generation, recorded(generation))
    said = json.loads((RECORDED / generation.id / "said.json").read_text())
    assert_same(lock, said)
    assert lock.version == ("6" if generation.tool == "pipenv" else _VERSIONS[generation.id])


@_EVERY
def test_every_kind_of_source_is_told(generation: Generation) -> None:
    lock = parse(generation, recorded(generation))
    by_name = {artifact.name: artifact for artifact in lock.artifacts}
    assert by_name["widget"].source is Source.REGISTRY
    assert by_name["from-git"].source is Source.GIT
    assert by_name["from-git"].commit == "5aedb67f489b5906a59a78e9fdb8de6886219832"
    assert by_name["from-url"].source is Source.URL
    assert by_name["from-url"].file == "from_url-1.1-py3-none-any.whl"
    assert by_name["from-file"].source is Source.FILE
    assert by_name["from-file"].file == "from_file-1.2-py3-none-any.whl"
    assert by_name["outer-lib"].source is Source.FOLDER
    assert by_name["outer-lib"].digests == ()
    assert "project" not in by_name
    assert "member-lib" not in by_name


@_EVERY
def test_the_index_is_the_one_that_the_lock_names(generation: Generation) -> None:
    lock = parse(generation, recorded(generation))
    (corp,) = (artifact for artifact in lock.artifacts if artifact.name == "corp-lib")
    names_indexes = generation.tool != "pdm"
    assert corp.registry == ("https://corp.example/simple" if names_indexes else None)
    assert lock.indexes == (
        ("https://pypi.example/simple", "https://corp.example/simple") if generation.tool == "pipenv" else ()
    )


@_EVERY
def test_files_stand_where_their_line_is(generation: Generation) -> None:
    data = recorded(generation)
    lines = data.decode().splitlines()
    for artifact in parse(generation, data).artifacts:
        shown = lines[artifact.line - 1][artifact.column - 1 :]
        if generation.tool == "pipenv":
            assert shown.startswith(f'"{artifact.name}"')
        elif shown.startswith("[["):
            assert shown == "[[package]]"
        else:
            assert artifact.file is not None
            assert artifact.file in shown
            assert artifact.digests[0] in shown


def find(lock: Lockfile, name: str) -> LockedArtifact:
    return next(artifact for artifact in lock.artifacts if artifact.name == name)


@_EVERY
def test_conditions_and_groups_are_kept(generation: Generation) -> None:
    lock = parse(generation, recorded(generation))
    has_groups = generation.id not in ("poetry-1.8.5", "pdm-2.4.9", "pdm-2.8.2")
    checker, doclib = find(lock, "checker"), next((each for each in lock.artifacts if each.name == "doclib"), None)
    assert checker.groups == (() if not has_groups else ("develop",) if generation.tool == "pipenv" else ("dev",))
    assert checker.is_dev is (has_groups and generation.tool != "pdm")  # where nothing but a name would tell
    if doclib is not None:
        assert doclib.groups == (("docs",) if has_groups or generation.tool == "poetry" else ())
        assert not doclib.is_dev
    assert find(lock, "widget").groups == ()
    assert find(lock, "widget").markers == ()
    if generation.tool == "uv":
        assert find(lock, "winlib").markers == ("sys_platform == 'win32'",)
        markers = {each.version: each.markers for each in lock.artifacts if each.name == "numbers-lib"}
        assert markers == {"1.9": ("python_full_version < '3.11'",), "2.5.1": ("python_full_version >= '3.11'",)}
    if generation.tool == "poetry" and lock.version == "2.1":
        assert find(lock, "winlib").markers == ('sys_platform == "win32"',)
    if generation.tool == "pipenv":
        assert find(lock, "numbers-lib").markers == ("sys_platform == 'linux'",)


@pytest.mark.online
@pytest.mark.campaign(10_000)
@pytest.mark.timeout(900)
@_EVERY
def test_a_lock_made_now_is_read_alike(generation: Generation, tmp_path: Path) -> None:
    program = generation.install(tmp_path / "tool")
    lock, said = generation.lock(program, tmp_path / "world")
    assert_same(parse(generation, lock.encode()), said)
    assert parse(generation, lock.encode()).artifacts == parse(generation, recorded(generation)).artifacts

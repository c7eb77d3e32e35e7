"""Locks that yarn, pnpm and bun of several generations made: every entry is what the tool says that it holds.

The recordings come from ``python -m tests.npm_locktools``; made anew, they are the same.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from typing import Any

import pytest

from guard_lockfiles.formats import find_format
from guard_lockfiles.lockfile import Lockfile, Source
from tests.npm_locktools.recording import install_tools, record
from tests.npm_locktools.tools import RECORDINGS, TOOLS

BY_ID = {tool.id: tool for tool in TOOLS}
YARN_1 = [tool.id for tool in TOOLS if tool.package == "yarn"]
BERRY = [tool.id for tool in TOOLS if tool.package == "@yarnpkg/cli-dist"]
PNPM = [tool.id for tool in TOOLS if tool.id.startswith("pnpm")]
BUN = [tool.id for tool in TOOLS if tool.id.startswith("bun")]
VERSIONS = {
    "yarn-1.9": "1",
    "yarn-1.22": "1",
    "yarn-2.4": "4",
    "yarn-3.8": "6",
    "yarn-4.0": "8",
    "yarn-4.18": "10",
    "pnpm-5": "5.2",
    "pnpm-6": "5.3",
    "pnpm-7": "5.4",
    "pnpm-8": "6.0",
    "pnpm-9": "9.0",
    "pnpm-11": "9.0",
    "pnpm-12": "9.0",
    "bun-1.2": "1",
    "bun-1.4": "2",
}


def load_lock(tool_id: str) -> Lockfile:
    tool = BY_ID[tool_id]
    form = find_format(tool.lockfile)
    assert form
    lock = form.parse((RECORDINGS / tool_id / tool.lockfile).read_bytes())
    assert (lock.version, lock.unreadable) == (VERSIONS[tool_id], ())
    return lock


def load_said(tool_id: str) -> Any:
    return json.loads((RECORDINGS / tool_id / "said.json").read_text())


def hex_digests(integrity: str | None) -> tuple[str, ...]:
    pairs = [text.split("-", 1) for text in (integrity or "").split()]
    return tuple(f"{name}:{base64.b64decode(value).hex()}" for name, value in pairs)


@pytest.mark.parametrize("tool_id", BY_ID)
def test_each_entry_stands_where_its_line_says(tool_id: str) -> None:
    lines = (RECORDINGS / tool_id / BY_ID[tool_id].lockfile).read_text().splitlines()
    for artifact in load_lock(tool_id).artifacts:
        at = lines[artifact.line - 1][artifact.column - 1 :].lstrip("\"'")
        key = artifact.place.rpartition(" > ")[2] or artifact.place
        assert at.startswith(key.partition(", ")[0]), artifact


@pytest.mark.parametrize("tool_id", YARN_1)
def test_yarn_1(tool_id: str) -> None:
    said = {entry["pattern"]: entry for entry in load_said(tool_id)}
    entries = {pattern: each for each in load_lock(tool_id).artifacts for pattern in each.place.split(", ")}
    assert said.keys() - entries.keys() == {"folder@file:./folder"}  # inside the project
    for pattern, artifact in entries.items():
        entry = said[pattern]
        assert artifact.resolved == entry.get("resolved", artifact.resolved)
        assert artifact.version == (entry["version"] if artifact.source is not Source.FOLDER else "")
        sha1 = (f"sha1:{entry['resolved'].partition('#')[2]}",) if "resolved" in entry else ()
        assert artifact.digests == (hex_digests(entry.get("integrity")) or sha1), pattern


@pytest.mark.parametrize("tool_id", BERRY)
def test_yarn_2_to_4(tool_id: str) -> None:
    said = Counter(
        found for entry in load_said(tool_id) if (found := described(entry["value"], entry["version"])) is not None
    )
    lock = load_lock(tool_id)
    assert Counter((each.name, each.version, each.source) for each in lock.artifacts) == said
    assert all(each.digests == () for each in lock.artifacts)  # its checksums are of its own archives
    assert set(lock.folders) == {"", "packages/one", "packages/two"}


def described(locator: str, version: str) -> tuple[str, str, Source] | None:
    """Return what ``yarn info`` says of a package; ``None`` for what is no entry, or one already."""
    name, _, reference = locator[1:].partition("@")
    name = locator[0] + name
    if reference.startswith(("workspace:", "virtual:", "file:./folder")):
        return None
    if reference.startswith("patch:"):
        return "right", version, Source.REGISTRY
    for prefix, source in (("npm:", Source.REGISTRY), ("https:", Source.URL), ("file:", Source.FILE)):
        if reference.startswith(prefix):
            return name, version, source
    assert reference.startswith(("portal:", "link:"))
    return name, "", Source.FOLDER


@pytest.mark.parametrize("tool_id", PNPM)
def test_pnpm(tool_id: str) -> None:
    lock = load_lock(tool_id)
    said: dict[str, Any] = {}
    for entry in load_said(tool_id):
        key = entry["key"] if VERSIONS[tool_id] < "9" else re.sub(r"\(.*\)$", "", entry["key"])
        if entry["resolution"].get("directory") != "folder":
            said.setdefault(key, entry)
    packages = {each.place: each for each in lock.artifacts if " > " not in each.place}
    # pnpm 8's own library gives keys of version 6 in the form of version 5.
    by_key = {re.sub(r"^(/(?:@[^/]+/)?[^/@]+)@", r"\1/", key): each for key, each in packages.items()}
    assert by_key.keys() == said.keys()
    for key, artifact in by_key.items():
        entry = said[key]
        assert (artifact.name, artifact.version) == (entry["name"], entry["version"]), key
        assert artifact.digests == hex_digests(entry["resolution"].get("integrity")), key
        assert artifact.is_optional == bool(entry.get("optional")), key
        if VERSIONS[tool_id] < "9":  # later ones leave out who asks
            assert artifact.is_dev == bool(entry.get("dev")), key
        for field in ("os", "cpu", "libc"):
            assert getattr(artifact, field) == tuple(entry.get(field) or ()), key
    assert [each.resolved for each in lock.artifacts if each.place not in packages] == ["../outer"]


@pytest.mark.parametrize("tool_id", PNPM)
def test_what_only_development_asks_for(tool_id: str) -> None:
    dev_only = {each.name for each in load_lock(tool_id).artifacts if each.is_dev}
    assert dev_only >= {"tester", "only-tested", "@scope/dev"}
    assert dev_only <= {"tester", "only-tested", "@scope/dev", "left"}


@pytest.mark.parametrize("tool_id", BUN)
def test_bun(tool_id: str) -> None:
    lock = load_lock(tool_id)
    lines = [re.sub(r"^[│├└─ ]+", "", line) for line in load_said(tool_id)[1:]]
    said = {line for line in lines if "@workspace:" not in line and line != "folder@folder"}
    held = {f"{each.installed_as or each.name}@{each.version or each.resolved}" for each in lock.artifacts}
    assert held - said <= {"@native/darwin@1.0.0", "@native/musl@1.0.0"}  # newer ones list this platform's alone
    assert said <= held
    inside = {each.place: each for each in lock.artifacts}["bundler/inside"]
    assert (inside.source, inside.bundled_in) == (Source.BUNDLED, "bundler")
    assert set(lock.folders) == {"", "packages/one", "packages/two"}


@pytest.mark.parametrize("tool_id", BY_ID)
def test_aliases_and_sources(tool_id: str) -> None:
    lock = load_lock(tool_id)
    renamed = {each.installed_as: each for each in lock.artifacts if each.installed_as}
    assert (renamed["renamed"].name, renamed["renamed"].version) == ("left", "2.0.0")
    assert renamed["inner-alias"].name == "@scope/real"
    assert lock.aliased == {"@scope/real"}  # what the project alone asks for, it says itself
    by_name = {each.name: each for each in lock.artifacts}
    assert by_name["remote"].source is Source.URL
    assert by_name["remote"].resolved.startswith("https://files.example/remote/-/remote-5.0.0.tgz")  # type: ignore[union-attr]
    assert by_name["packed"].source is Source.FILE
    assert (by_name["outer"].source, by_name["outer"].resolved) == (Source.FOLDER, "../outer")
    assert not {"project", "@scope/one", "two", "folder"} & by_name.keys()


@pytest.mark.online
@pytest.mark.campaign(1000)
def test_made_anew_they_are_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    tools = tmp_path_factory.mktemp("tools")
    install_tools(tools)
    for tool in TOOLS:
        recording = record(tool, tools, tmp_path_factory.mktemp(tool.id))
        assert recording.lockfile == (RECORDINGS / tool.id / tool.lockfile).read_text(), tool.id
        assert recording.listing == load_said(tool.id), tool.id

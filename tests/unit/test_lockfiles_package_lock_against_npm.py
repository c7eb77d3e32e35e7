"""Locks that the real npm writes: every entry as npm reads it, and what npm leaves out is what the plan leaves out."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import pytest

from guard.managers.npm.plan import Omit, Platform, plan_lock, requires_resolution
from guard.model import SourceKind
from guard_lockfiles.lockfile import Source
from guard_lockfiles.package_lock import PackageLock, parse_package_lock
from guard_lockfiles.package_lock_entries import parse_package_lock_entries

pytestmark = [pytest.mark.online, pytest.mark.campaign(3)]

QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")

MANIFEST = {
    "name": "project",
    "version": "1.0.0",
    "workspaces": ["packages/*"],
    "dependencies": {
        "odd": "npm:is-odd@3.0.1",
        "esbuild": "0.24.0",
        "lib": "file:lib",
        "outer": "file:../outer",
        "packed": "file:packed-1.0.0.tgz",
        "@npmcli/name-from-folder": "2.0.0",
    },
    "devDependencies": {"is-even": "1.0.0"},
    "optionalDependencies": {"fsevents": "2.3.3", "isobject": "4.0.0"},
}
FOLDERS: Mapping[str, Mapping[str, object]] = {
    "packages/one": {"name": "@scope/one", "version": "1.2.3", "devDependencies": {"is-number": "6.0.0"}},
    "packages/two": {"name": "two", "version": "2.0.0", "dependencies": {"@scope/one": "1.2.3", "is-number": "5.0.0"}},
    "lib": {
        "name": "lib",
        "version": "0.1.0",
        "dependencies": {"is-number": "4.0.0"},
        "devDependencies": {"ms": "2.1.3"},
    },
}
OUTER: Mapping[str, object] = {"name": "outer", "version": "3.0.0"}

# npm's own reading of a lock (@npmcli/arborist), one object for each place.
VIRTUAL = """
const Arborist = require(process.argv[1] + '/node_modules/@npmcli/arborist')
const { libc } = require(process.argv[1] + '/node_modules/npm-install-checks/lib/current-env.js')
new Arborist({ path: process.cwd() }).loadVirtual().then(tree => console.log(JSON.stringify({
  platform: { os: process.platform, cpu: process.arch, libc: libc(process.platform) },
  nodes: [...tree.inventory.values()].map(node => ({
    location: node.location, name: node.packageName, alias: node.name, version: node.version, link: node.isLink,
    resolved: node.resolved, integrity: node.integrity, bundled: node.inDepBundle,
    bundler: node.inDepBundle ? node.getBundler().location : null,
    dev: node.dev, optional: node.optional, devOptional: node.devOptional, peer: node.peer,
    requested: Object.fromEntries([...node.edgesOut.values()].filter(e => e.type !== 'workspace')
                                  .map(edge => [edge.name, edge.spec])),
  })),
})))
"""


class Node(TypedDict):
    location: str
    name: str
    alias: str
    version: str
    link: bool
    resolved: str | None
    integrity: str | None
    bundled: bool
    bundler: str | None
    dev: bool
    optional: bool
    devOptional: bool
    peer: bool
    requested: dict[str, str]


class Virtual(TypedDict):
    platform: dict[str, str]
    nodes: list[Node]


def run(folder: Path, *arguments: str) -> str:
    tool = shutil.which(arguments[0])
    assert tool, f"{arguments[0]} is needed"
    done = subprocess.run([tool, *arguments[1:]], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def read_virtual(folder: Path) -> Virtual:
    npm = shutil.which("npm")
    assert npm
    virtual: Virtual = json.loads(run(folder, "node", "-e", VIRTUAL, str(Path(npm).resolve().parent.parent)))
    return virtual


def write_manifest(folder: Path, manifest: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps(manifest))


def write_tarball(path: Path) -> None:
    data = json.dumps({"name": "packed", "version": "1.0.0"}).encode()
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm") / "project"
    write_manifest(folder, MANIFEST)
    write_manifest(folder.parent / "outer", OUTER)
    for name, manifest in FOLDERS.items():
        write_manifest(folder / name, manifest)
    write_tarball(folder / "packed-1.0.0.tgz")
    run(folder, "npm", "install", "--package-lock-only", *QUIET)
    return folder


@pytest.fixture(scope="module")
def bundling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a package that bundles some two hundred others: npm itself."""
    folder = tmp_path_factory.mktemp("bundling")
    write_manifest(folder, {"name": "project", "dependencies": {"npm": "9.9.4"}})
    run(folder, "npm", "install", "--package-lock-only", *QUIET)
    return folder


@pytest.fixture(scope="module")
def platform(project: Path) -> Platform:
    return Platform(**read_virtual(project)["platform"])


def load_lock(folder: Path) -> PackageLock:
    return parse_package_lock((folder / "package-lock.json").read_bytes())


def last_part(resolved: str | None) -> str | None:
    """Without the folder, which npm makes absolute where it is a path."""
    return resolved and resolved.removeprefix("file:").rpartition("/")[2]


@pytest.fixture(scope="module", params=[1, 2, 3])
def versioned(request: pytest.FixtureRequest, project: Path) -> Path:
    """The project with its lock in one version, beside the project, so that what lies outside is there too."""
    folder = project.parent / f"version-{request.param}"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("node_modules"))
    run(folder, "npm", "install", "--package-lock-only", f"--lockfile-version={request.param}", *QUIET)
    return folder


def test_every_entry_is_what_npm_reads(versioned: Path) -> None:
    lock = load_lock(versioned)
    version = lock.lockfile_version
    nodes = {node["location"]: node for node in read_virtual(versioned)["nodes"]}
    packages = {package.path: package for package in lock.packages}
    assert versioned.name.endswith(str(version))
    assert lock.unreadable == ()
    assert packages.keys() == nodes.keys()
    for path, package in packages.items():
        node = nodes[path]
        assert package.link == node["link"], path
        if package.link:
            continue
        assert package.integrity == node["integrity"], path
        if version > 1:
            assert (package.version, package.requested) == (node["version"], node["requested"]), path
            assert (package.dev, package.optional, package.peer) == (node["dev"], node["optional"], node["peer"]), path
        if not package.is_folder:
            assert (package.name, package.installed_name) == (node["name"], node["alias"]), path
            assert package.version in (node["version"], ""), path
            assert last_part(package.resolved) == last_part(node["resolved"]), path


def test_the_lines_are_where_the_keys_stand(versioned: Path) -> None:
    lines = (versioned / "package-lock.json").read_text().splitlines()
    lock = load_lock(versioned)
    for package in lock.packages:
        if package.path and (lock.lockfile_version > 1 or not package.is_folder):
            key = package.path if lock.lockfile_version > 1 else package.installed_name
            assert lines[package.line - 1][package.column - 1 :].startswith(f'"{key}": {{'), package.path


def test_every_place_that_npm_fills_from_elsewhere_is_an_entry(versioned: Path) -> None:
    nodes = {node["location"]: node for node in read_virtual(versioned)["nodes"]}
    lock = parse_package_lock_entries((versioned / "package-lock.json").read_bytes())
    entries = {entry.place: entry for entry in lock.artifacts}
    folders = {place for place in nodes if "node_modules" not in place and not place.startswith("..")}
    links = {place for place, node in nodes.items() if node["link"]}
    assert lock.unreadable == ()
    assert entries.keys() == nodes.keys() - folders - links
    for place, entry in entries.items():
        node = nodes[place]
        assert (entry.name, entry.installed_as or entry.name) == (node["name"], node["alias"]), place
        assert entry.version in (node["version"], ""), place
        assert [*entry.digests] == ([sha512_of(node["integrity"])] if node["integrity"] else []), place
        assert (entry.is_dev, entry.is_optional) == (node["dev"], node["optional"]) or lock.version == "1", place
    assert entries["../outer"].source is Source.FOLDER
    assert entries["node_modules/packed"].source is Source.FILE


def sha512_of(integrity: str) -> str:
    return f"sha512:{base64.b64decode(integrity.removeprefix('sha512-')).hex()}"


def test_the_sources_of_a_lock(versioned: Path) -> None:
    planned = {
        item.entry.path: item
        for item in plan_lock(load_lock(versioned), platform=Platform(os="linux", cpu="x64", libc=None), omit=Omit())
    }
    assert "" not in planned
    assert planned["node_modules/odd"].source is SourceKind.ALIAS
    assert planned["node_modules/esbuild"].source is SourceKind.REGISTRY
    assert (planned["lib"].source, planned["lib"].origin) == (SourceKind.LOCAL, "lib")
    assert (planned["../outer"].source, planned["../outer"].origin) == (SourceKind.PATH, "../outer")
    packed = planned["node_modules/packed"]
    assert (packed.source, packed.origin) == (SourceKind.LOCAL, "packed-1.0.0.tgz")
    assert {path for path, item in planned.items() if item.entry.link} == set()


@pytest.mark.parametrize("omit", [(), ("dev",), ("optional",), ("dev", "optional")], ids=",".join)
def test_what_is_left_out_is_what_npm_does_not_install(
    omit: tuple[str, ...], project: Path, platform: Platform
) -> None:
    planned = plan_lock(
        load_lock(project), platform=platform, omit=Omit(dev="dev" in omit, optional="optional" in omit)
    )
    run(project, "npm", "ci", *QUIET, *(f"--omit={kind}" for kind in omit))
    places = {package.path for package in load_lock(project).packages if "node_modules/" in package.path}
    installed = {path for path in places if (project / path).is_dir() and not (project / path).is_symlink()}
    assert {item.entry.path for item in planned if "node_modules/" in item.entry.path} == installed
    assert len(installed) < len(places)


def test_what_a_package_bundles(bundling: Path) -> None:
    lock = load_lock(bundling)
    nodes = {node["location"]: node for node in read_virtual(bundling)["nodes"]}
    planned = plan_lock(lock, platform=Platform(os="linux", cpu="x64", libc="glibc"), omit=Omit())
    assert {item.entry.path: item.parent.path for item in planned if item.parent} == {
        path: node["bundler"] for path, node in nodes.items() if node["bundled"]
    }
    assert [item.entry.path for item in planned if item.source is not SourceKind.BUNDLED] == ["node_modules/npm"]
    assert len(planned) > 100
    entries = parse_package_lock_entries((bundling / "package-lock.json").read_bytes()).artifacts
    assert {entry.place: entry.bundled_in for entry in entries if entry.source is Source.BUNDLED} == {
        path: node["bundler"] for path, node in nodes.items() if node["bundled"]
    }


def test_an_unchanged_project_needs_no_resolution(project: Path) -> None:
    lock, workspaces = load_lock(project), {**FOLDERS, "../outer": OUTER}
    assert not requires_resolution(lock, MANIFEST, workspaces)
    assert requires_resolution(lock, {**MANIFEST, "devDependencies": {}}, workspaces)

"""The package managers whose lockfiles guard reads, one release of each generation, as the npm registry has them.

``python -m tests.npm_locktools FOLDER`` installs them there and locks the project of ``projects.py``
with each, against the simulator; what they write, and what they or their own libraries say is locked, replaces the
recordings. Ports and folders differ in every run and are replaced by neutral ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

RECORDINGS = Path(__file__).parent.parent / "unit" / "data" / "lockfiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One release of one package manager.

    Args:
        id: name of its recording.
        package: its package, or the one with its program for this platform.
        version: of that.
        program: inside the package.
        node: key of :data:`NODES`, or ``None`` for a program that needs none.
        arguments: of the command that locks.
        lockfile: that it writes.
        outer: how it is asked to link to a folder outside the project.
        listing: JavaScript that prints what is locked, of the tool's own library; or a command of the tool.
        libraries: that the JavaScript needs, with their versions.
    """

    id: str
    package: str
    version: str
    program: str
    arguments: tuple[str, ...]
    lockfile: str
    outer: str
    node: str | None = "node"
    listing: str | tuple[str, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)


# The node of this machine, and those that the oldest and the newest releases need.
NODES = {"node-14": "14.21.3", "node-26": "26.12.1"}

_YARN_V1 = ("install", "--ignore-scripts", "--no-progress", "--non-interactive", "--cache-folder", "../cache")
_YARN_LIBRARY = """
const { object } = require('@yarnpkg/lockfile').parse(require('fs').readFileSync('yarn.lock', 'utf8'))
console.log(JSON.stringify(Object.entries(object).map(([pattern, entry]) => ({
  pattern, version: entry.version, resolved: entry.resolved, integrity: entry.integrity }))))
"""
_PNPM_LIBRARY = """
const { readWantedLockfile } = require('FS')
const { nameVerFromPkgSnapshot, pkgSnapshotToResolution } = require('UTILS')
readWantedLockfile('.', { ignoreIncompatible: false }).then(lock => {
  const registries = { default: 'https://npm.example/' }
  console.log(JSON.stringify(Object.entries(lock.packages).map(([key, entry]) => {
    const { name, version } = nameVerFromPkgSnapshot(key, entry)
    return { key, name, version, resolution: pkgSnapshotToResolution(key, entry, registries), dev: entry.dev,
             optional: entry.optional, os: entry.os, cpu: entry.cpu, libc: entry.libc }
  })))
})
"""
_PNPM_INSTALL = ("install", "--no-frozen-lockfile", "--ignore-scripts")


def _pnpm(
    major: str, version: str, node: str | None, program: str, libraries: Mapping[str, str], package: str = "pnpm"
) -> Tool:
    fs, utils = libraries
    listing = _PNPM_LIBRARY.replace("FS", fs).replace("UTILS", utils)
    return Tool(
        id=f"pnpm-{major}",
        package=package,
        version=version,
        program=program,
        node=node,
        arguments=_PNPM_INSTALL,
        lockfile="pnpm-lock.yaml",
        outer="link:../outer",
        listing=listing,
        libraries=libraries,
    )


def _berry(label: str, version: str) -> Tool:
    return Tool(
        id=f"yarn-{label}",
        package="@yarnpkg/cli-dist",
        version=version,
        program="bin/yarn.js",
        arguments=("install",),
        lockfile="yarn.lock",
        outer="portal:../outer",
        listing=("info", "--all", "--recursive", "--json"),
    )


def _yarn(label: str, version: str) -> Tool:
    return Tool(
        id=f"yarn-{label}",
        package="yarn",
        version=version,
        program="bin/yarn.js",
        arguments=_YARN_V1,
        lockfile="yarn.lock",
        outer="link:../outer",
        listing=_YARN_LIBRARY,
        libraries={"@yarnpkg/lockfile": "1.1.0"},
    )


def _bun(label: str, version: str) -> Tool:
    return Tool(
        id=f"bun-{label}",
        package="@oven/bun-linux-x64",
        version=version,
        program="bin/bun",
        node=None,
        arguments=("install", "--save-text-lockfile", "--ignore-scripts"),
        lockfile="bun.lock",
        outer="file:../outer",
        listing=("pm", "ls", "--all"),
    )


_LIBRARIES_5 = {"@pnpm/lockfile-file": "6.0.5", "@pnpm/lockfile-utils": "5.0.7"}
_LIBRARIES_6 = {"@pnpm/lockfile-file": "8.1.8", "@pnpm/lockfile-utils": "9.0.6"}
_LIBRARIES_9 = {"@pnpm/lockfile.fs": "1001.1.34", "@pnpm/lockfile.utils": "1003.0.9"}

TOOLS = (
    _yarn("1.9", "1.9.4"),
    _yarn("1.22", "1.22.22"),
    _berry("2.4", "2.4.2"),
    _berry("3.8", "3.8.7"),
    _berry("4.0", "4.0.2"),
    _berry("4.18", "4.18.1"),
    _pnpm("5", "5.18.11", "node-14", "bin/pnpm.js", _LIBRARIES_5),
    _pnpm("6", "6.35.1", "node-14", "bin/pnpm.cjs", _LIBRARIES_5),
    _pnpm("7", "7.33.7", "node", "bin/pnpm.cjs", _LIBRARIES_5),
    _pnpm("8", "8.15.9", "node", "bin/pnpm.cjs", _LIBRARIES_6),
    _pnpm("9", "9.15.9", "node", "bin/pnpm.cjs", _LIBRARIES_9),
    _pnpm("11", "11.28.11", "node-26", "bin/pnpm.mjs", _LIBRARIES_9),
    _pnpm("12", "12.21.0", None, "pnpm", _LIBRARIES_9, "@pnpm/exe.linux-x64"),
    _bun("1.2", "1.2.0"),
    _bun("1.4", "1.4.5"),
)

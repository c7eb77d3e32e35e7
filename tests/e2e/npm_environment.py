"""The real npm, of several versions, each in a folder of its own with the node that runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.e2e.surroundings import Result, Surroundings
from tests.sim.documents import JsonObject

NEWEST_NPM = "11.19.1"
MIDDLE_NPM = "10.9.9"
OLDEST_NPM = "9.9.4"

_FETCH_SECONDS = 240
_PROGRAMS = {"npm": "npm-cli.js", "npx": "npx-cli.js"}


class NpmTools:
    """What environments are made of: this machine's node, and npm from the registry it is configured for.

    Args:
        folder: where they are kept, on one file system with the environments; what is there is not made again.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder

    @property
    def node(self) -> Path:
        """The program itself, whatever launcher stands on PATH, as a file that may be linked to."""
        program = self._folder / "node"
        if program.exists():
            return program
        command = ["node", "--print", "process.execPath"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_FETCH_SECONDS)
        try:
            os.link(found.stdout.strip(), program)
        except OSError:  # another file system, or a file of another owner
            shutil.copy2(found.stdout.strip(), program)
        return program

    def npm(self, version: str) -> Path:
        """Return the folder of one npm, fetched when it is asked for first."""
        return self.package("npm", version)

    def package(self, name: str, version: str) -> Path:
        """Return the folder of one release of a package, fetched when it is asked for first; scripts are not run."""
        plain = name.removeprefix("@").replace("/", "-")
        folder = self._folder / f"{plain}-{version}"
        if not folder.exists():
            command = ["npm", "pack", "--silent", f"{name}@{version}", "--pack-destination", str(self._folder)]
            subprocess.run(command, cwd=self._folder, check=True, capture_output=True, timeout=_FETCH_SECONDS)
            with tarfile.open(self._folder / f"{plain}-{version}.tgz") as archive:
                # Newer Pythons ask which filter to extract by, older ones know none.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(folder)
        return folder / "package"


@dataclass
class NpmEnvironment(Surroundings):
    """A node with one npm, laid out as version managers lay them out, so that the prefix is the root itself."""

    npm_version: str

    @property
    def global_folder(self) -> Path:
        """The folder whose ``node_modules`` is what ``--global`` installs into."""
        return self.root / "lib"

    def npm(self, *arguments: str, folder: Path | None = None) -> Result:
        """Run the bare npm."""
        return self.run(str(self.programs / "npm"), *arguments, folder=folder)

    def npx(self, *arguments: str, folder: Path | None = None) -> Result:
        """Run the bare npx."""
        return self.run(str(self.programs / "npx"), *arguments, folder=folder)

    def guard(self, *arguments: str, options: tuple[str, ...] = (), folder: Path | None = None) -> Result:
        """Run ``guard [OPTIONS] npm ARGUMENTS``; for npx, use ``run_guard``."""
        return self.run_guard("npm", *arguments, options=options, folder=folder)

    def configure(self, *lines: str, level: Literal["user", "project", "global"] = "user") -> None:
        """Append lines to the .npmrc of one level."""
        path = {
            "user": self.home / ".npmrc",
            "project": self.project / ".npmrc",
            "global": self.root / "etc" / "npmrc",
        }[level]
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as stream:
            stream.writelines(f"{line}\n" for line in lines)

    def manifest(self, **fields: object) -> None:
        """Write the project's package.json; name and version are there without being given."""
        document = {"name": "project", "version": "1.0.0", **fields}
        (self.project / "package.json").write_text(json.dumps(document, indent=2) + "\n")

    def lock(self, folder: Path | None = None) -> JsonObject:
        """Read package-lock.json."""
        document: JsonObject = json.loads(((folder or self.project) / "package-lock.json").read_text())
        return document

    def installed(self, folder: Path | None = None) -> dict[str, str]:
        """Version of everything in node_modules but npm itself, by its path there: ``a/node_modules/@acme/b``."""
        modules = (folder or self.project) / "node_modules"
        return {
            package.relative_to(modules).as_posix(): json.loads((package / "package.json").read_text())["version"]
            for package in _packages(modules)
        }


def make_npm(
    root: Path,
    tools: NpmTools,
    npm_version: str = NEWEST_NPM,
    *,
    registry: str | None = None,
    npmrc: Literal["user", "project", "global"] = "user",
) -> NpmEnvironment:
    """Make a fresh environment with an empty project.

    Args:
        root: its folder, which is made.
        tools: where node and npm are taken from.
        npm_version: of npm.
        registry: written into an .npmrc.
        npmrc: the level of that .npmrc.
    """
    environment = NpmEnvironment(root, npm_version)
    for folder in (environment.project, environment.home, environment.programs):
        folder.mkdir(parents=True)
    os.link(tools.node, environment.programs / "node")
    # Hard links: npm never writes into a file in place, not even to replace itself.
    installed = environment.global_folder / "node_modules" / "npm"
    shutil.copytree(tools.npm(npm_version), installed, copy_function=os.link)
    for program, script in _PROGRAMS.items():
        (environment.programs / program).symlink_to(f"../lib/node_modules/npm/bin/{script}")
    if registry is not None:
        environment.configure(f"registry={registry}", level=npmrc)
    return environment


def _packages(modules: Path) -> Iterator[Path]:
    for entry in sorted(modules.iterdir()) if modules.is_dir() else ():
        if entry.name.startswith("@"):
            yield from _packages(entry)
        elif entry.is_dir() and not entry.name.startswith(".") and entry.name != "npm":
            yield entry
            if not entry.is_symlink():
                yield from _packages(entry / "node_modules")

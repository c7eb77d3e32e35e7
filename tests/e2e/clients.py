"""Where other clients are tried: a project, a home, the simulated registries, and a client on PATH."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.npm_environment import NpmTools
from tests.e2e.surroundings import Result, Surroundings
from tests.sim.world import World

LOOPBACK = b"127.0.0.1"


@dataclass
class ClientStage(Surroundings):
    """A project and one client."""

    world: World

    @property
    def canary(self) -> Path:
        """Written by code of packages that runs."""
        return self.root / "canary"

    def write(self, name: str, text: str) -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def tree(self) -> dict[str, bytes]:
        """Every file of the project, byte for byte."""
        return {
            str(path.relative_to(self.project)): path.read_bytes()
            for path in sorted(self.project.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }

    def addresses_left(self, *also: Path) -> list[str]:
        """Files with an address on loopback that is none of the simulated registries'."""
        own = [self.world.pypi.base_url, self.world.pypi.files_url, self.world.npm.base_url, self.world.npm.files_url]
        found = []
        for folder in (self.project, self.home, *also):
            for path in folder.rglob("*"):
                if not path.is_file() or path.is_symlink() or "provenance-guard" in path.parts:
                    continue
                content = path.read_bytes()
                for url in own:
                    content = content.replace(url.partition("://")[2].encode(), b"")
                if LOOPBACK in content:
                    found.append(str(path))
        return found


def make_uv_stage(root: Path, world: World) -> ClientStage:
    """Return a stage with uv and an interpreter on PATH, and the simulated index in uv's own configuration."""
    stage = ClientStage(root, world=world, trust_root=world.trusted_root_path)
    for folder in (stage.project, stage.home, stage.programs):
        folder.mkdir(parents=True)
    for name in ("uv", "uvx"):
        (stage.programs / name).symlink_to(Path(sys.executable).with_name(name))
    stage.variables = {"UV_PYTHON": os.path.realpath(sys.executable), "UV_NO_PROGRESS": "1"}
    configuration = stage.home / ".config" / "uv" / "uv.toml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(f'[[index]]\nurl = "{world.pypi.simple_url}"\ndefault = true\n')
    return stage


def make_node_stage(root: Path, world: World, tools: NpmTools, program: str, script: Path) -> ClientStage:
    """Return a stage with node and one client on PATH, and the simulated registry in the home's .npmrc.

    Args:
        root: of the stage.
        world: whose registry it uses.
        tools: gives node.
        program: what the client is called.
        script: of the client.
    """
    stage = ClientStage(root, world=world, trust_root=world.trusted_root_path)
    for folder in (stage.project, stage.home, stage.programs):
        folder.mkdir(parents=True)
    os.link(tools.node, stage.programs / "node")
    script.chmod(0o755)
    (stage.programs / program).symlink_to(script)
    (stage.home / ".npmrc").write_text(f"registry={world.npm.url}\nfetch-retries=0\n")
    return stage


def modules(project: Path) -> dict[str, bytes]:
    """Every file below node_modules, but for what states a time or a folder."""
    folder = project / "node_modules"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".modules.yaml", ".yarn-integrity", ".pnpm-workspace-state-v1.json")
    }


def distributions(environment: Path) -> dict[str, str]:
    """Name and version of what an environment has."""
    folders = environment.glob("lib/python*/site-packages/*.dist-info")
    pairs = (folder.name.removesuffix(".dist-info").rpartition("-") for folder in folders)
    return {name: version for name, _, version in pairs}


__all__ = ["ClientStage", "Result", "distributions", "make_node_stage", "make_uv_stage", "modules"]

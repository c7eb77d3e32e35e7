"""The real pip and npm in fresh environments, simulated registries, and guard as the user starts it."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.audit_stage import stage
from tests.e2e.clients import ClientStage, make_uv_stage
from tests.e2e.npm_environment import NEWEST_NPM, OLDEST_NPM, NpmEnvironment, NpmTools, make_npm
from tests.e2e.surroundings import GUARD, Result, Surroundings
from tests.sim.world import World

__all__ = ["GUARD", "NEWEST_PIP", "OLDEST_PIP", "Environment", "Result", "stage"]

NEWEST_PIP = "26.3"
OLDEST_PIP = "22.3"


@dataclass
class Environment(Surroundings):
    """A virtual environment with one pip, and a scrubbed surrounding to run commands in."""

    pip_version: str
    index_url: str | None = None

    @property
    def programs(self) -> Path:
        return self.python.parent

    @property
    def python(self) -> Path:
        return self.root / "env" / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return next((self.root / "env" / "lib").glob("python*/site-packages"))

    def guard(self, *arguments: str, options: tuple[str, ...] = ()) -> Result:
        """Run ``guard [OPTIONS] ARGUMENTS`` in the project folder; its report, if any, is valid."""
        return self.run_guard(*arguments, options=options)

    def install(self, *arguments: str, options: tuple[str, ...] = ()) -> Result:
        """Run ``guard pip install`` from the simulated index."""
        index = ("--index-url", self.index_url) if self.index_url else ()
        return self.guard("pip", "install", *index, *arguments, options=options)

    def installed(self) -> dict[str, str]:
        """Name and version of everything in the environment but pip itself."""
        names = (folder.name.removesuffix(".dist-info") for folder in self.site_packages.glob("*.dist-info"))
        pairs = (name.rpartition("-") for name in names)
        return {name: version for name, _, version in pairs if name != "pip"}


@pytest.fixture(scope="session")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the wheel of one pip, from the index this machine is configured for."""
    folder = tmp_path_factory.mktemp("pips")

    def fetch(version: str) -> Path:
        wheel = folder / f"pip-{version}-py3-none-any.whl"
        if not wheel.exists():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"pip=={version}"]
            subprocess.run([*command, "--dest", str(folder)], check=True, timeout=240)
        return wheel

    return fetch


@pytest.fixture(scope="session")
def unpacked_pip(tmp_path_factory: pytest.TempPathFactory, pip_wheel: Callable[[str], Path]) -> Callable[[str], Path]:
    """Return a function that gives a folder with one pip, compiled once for all environments that link to it."""
    root = tmp_path_factory.mktemp("unpacked-pips")

    def unpack(version: str) -> Path:
        folder = root / version
        if not folder.exists():
            with zipfile.ZipFile(pip_wheel(version)) as wheel:
                wheel.extractall(folder)
            compileall.compile_dir(folder, quiet=2)
        return folder

    return unpack


@pytest.fixture
def uv_stage(tmp_path: Path, world: World) -> ClientStage:
    """An empty project with uv on PATH, using the simulated index and trusting its Sigstore."""
    return make_uv_stage(tmp_path / "uv-stage", world)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A Sigstore that mints and registries of both ecosystems, all empty."""
    with World(tmp_path) as started:
        yield started


@pytest.fixture
def make_environment(tmp_path: Path, unpacked_pip: Callable[[str], Path]) -> Callable[..., Environment]:
    """Return a function that makes a fresh environment with the pip of one version."""

    def make(name: str = "target", pip_version: str = NEWEST_PIP) -> Environment:
        return make_pip(tmp_path / name, unpacked_pip, pip_version)

    return make


def make_pip(root: Path, unpacked_pip: Callable[[str], Path], pip_version: str = NEWEST_PIP) -> Environment:
    """Make a fresh environment with an empty project and home.

    Args:
        root: its folder, which is made.
        unpacked_pip: gives a folder with one pip.
        pip_version: of pip.
    """
    environment = Environment(root, pip_version)
    environment.project.mkdir(parents=True)
    environment.home.mkdir()
    venv.create(environment.root / "env", with_pip=False, symlinks=True)
    # Hard links: pip never writes into a file in place, not even to replace itself.
    shutil.copytree(unpacked_pip(pip_version), environment.site_packages, copy_function=os.link, dirs_exist_ok=True)
    script = environment.python.with_name("pip")
    script.write_text(
        f"#!{environment.python}\nimport re, sys\nfrom pip._internal.cli.main import main\n"
        "sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return environment


@pytest.fixture
def target(make_environment: Callable[..., Environment], world: World) -> Environment:
    """A fresh environment with the newest pip, using the simulated index and trusting its Sigstore."""
    environment = make_environment()
    environment.index_url = world.pypi.simple_url
    environment.trust_root = world.trusted_root_path
    return environment


@pytest.fixture(scope="session")
def npm_tools(tmp_path_factory: pytest.TempPathFactory) -> NpmTools:
    """This machine's node and, as they are asked for, npm in several versions."""
    return NpmTools(tmp_path_factory.getbasetemp() / "npm-tools")


@pytest.fixture
def make_npm_environment(tmp_path: Path, npm_tools: NpmTools) -> Callable[..., NpmEnvironment]:
    """Return a function that makes a fresh environment with the npm of one version; see :func:`make_npm`."""

    def make(
        name: str = "npm-target",
        npm_version: str = NEWEST_NPM,
        *,
        registry: str | None = None,
        npmrc: Literal["user", "project", "global"] = "user",
    ) -> NpmEnvironment:
        return make_npm(tmp_path / name, npm_tools, npm_version, registry=registry, npmrc=npmrc)

    return make


@pytest.fixture
def npm_target(make_npm_environment: Callable[..., NpmEnvironment], world: World) -> NpmEnvironment:
    """A fresh environment with the newest npm, using the simulated registry and trusting its Sigstore."""
    environment = make_npm_environment(registry=world.npm.url)
    environment.trust_root = world.trusted_root_path
    return environment


@pytest.fixture(params=[NEWEST_NPM, pytest.param(OLDEST_NPM, marks=pytest.mark.campaign(3))])
def either_npm(
    request: pytest.FixtureRequest, make_npm_environment: Callable[..., NpmEnvironment], world: World
) -> NpmEnvironment:
    """The same with the newest npm, and with the oldest."""
    environment = make_npm_environment(npm_version=request.param, registry=world.npm.url)
    environment.trust_root = world.trusted_root_path
    return environment

"""The real pip in fresh environments, a simulated index, and guard as the user starts it."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.sim.world import World

NEWEST_PIP = "26.3"
OLDEST_PIP = "22.3"
GUARD = Path(sys.executable).with_name("guard")
_SCHEMA = json.loads((resources.files("guard") / "data" / "guard-report-1.schema.json").read_text())
_REPORT_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)


@dataclass(frozen=True)
class Result:
    """What a command left."""

    status: int
    stdout: str
    stderr: str
    report: dict[str, Any] = field(default_factory=dict)

    def rules(self, *levels: str) -> set[str]:
        """Rule identifiers of every finding of the report, of the given levels only when any are given."""
        findings = [*self.report["findings"], *(f for a in self.report["artifacts"] for f in a["findings"])]
        return {finding["rule"] for finding in findings if not levels or finding["level"] in levels}


@dataclass
class Environment:
    """A virtual environment with one pip, and a scrubbed surrounding to run commands in."""

    root: Path
    pip_version: str
    variables: dict[str, str] = field(default_factory=dict)
    trust_root: Path | None = None
    index_url: str | None = None

    @property
    def python(self) -> Path:
        return self.root / "env" / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return next((self.root / "env" / "lib").glob("python*/site-packages"))

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def environ(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.python.parent), "/usr/local/bin", "/usr/bin", "/bin"])
        # XDG_CONFIG_DIRS: the machine's own pip.conf must not take part.
        scrubbed = {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "XDG_CONFIG_DIRS": str(self.root / "xdg")}
        return {**scrubbed, **self.variables}

    def guard(self, *arguments: str, options: tuple[str, ...] = ()) -> Result:
        """Run ``guard [OPTIONS] ARGUMENTS`` in the project folder; its report, if any, is valid."""
        report = self.root / "report.json"
        report.unlink(missing_ok=True)
        trust = ("--trust-root", str(self.trust_root)) if self.trust_root else ()
        result = self.run(str(GUARD), "--report", str(report), *trust, *options, *arguments)
        loaded = json.loads(report.read_text()) if report.exists() else {}
        if loaded:
            _REPORT_VALIDATOR.validate(loaded)
        return Result(result.status, result.stdout, result.stderr, loaded)

    def install(self, *arguments: str, options: tuple[str, ...] = ()) -> Result:
        """Run ``guard pip install`` from the simulated index."""
        index = ("--index-url", self.index_url) if self.index_url else ()
        return self.guard("pip", "install", *index, *arguments, options=options)

    def run(self, *argv: str) -> Result:
        """Run anything in the project folder."""
        done = subprocess.run(
            argv, cwd=self.project, env=self.environ(), capture_output=True, text=True, timeout=240, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

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
def world(tmp_path: Path) -> Iterator[World]:
    """A Sigstore that mints and a package index, both empty."""
    with World(tmp_path) as started:
        yield started


@pytest.fixture
def make_environment(tmp_path: Path, unpacked_pip: Callable[[str], Path]) -> Callable[..., Environment]:
    """Return a function that makes a fresh environment with the pip of one version."""

    def make(name: str = "target", pip_version: str = NEWEST_PIP) -> Environment:
        environment = Environment(tmp_path / name, pip_version)
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

    return make


@pytest.fixture
def target(make_environment: Callable[..., Environment], world: World) -> Environment:
    """A fresh environment with the newest pip, using the simulated index and trusting its Sigstore."""
    environment = make_environment()
    environment.index_url = world.pypi.simple_url
    environment.trust_root = world.trusted_root_path
    return environment

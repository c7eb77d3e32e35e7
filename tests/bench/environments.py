"""Fresh environments and projects to measure in, made cheaply, and the cost of one command."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guard_shims import launcher
from guard_shims.script import render_shims

_PIP = "26.3"
_GUARD = Path(sys.executable).with_name("guard")
# What belongs to this process's own environment, or would let caches survive an empty home.
_OWN_VARIABLES = (
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "npm_config_cache",
)
# Both write when they began to run, by the clock of time.monotonic().
_PIP_WITNESS = 'import time\nwith open({path!r}, "a") as stream:\n    print(time.monotonic(), file=stream)\n'
_NPM_WITNESS = """\
if (/npm(-cli\\.js)?$/.test(process.argv[1] || '')) {
  require('fs').appendFileSync(PATH, Number(process.hrtime.bigint()) / 1e9 + '\\n')
}
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command cost, and what it left.

    Args:
        wall_seconds: from start to end.
        cpu_seconds: user and system time of the process and everything that it waited for.
        installed: the distributions in the environment, and the packages in the project.
    """

    wall_seconds: float
    cpu_seconds: float
    installed: frozenset[str]


class Bench:
    """Runs commands in fresh environments.

    The registries are those this machine is configured for: the caller's variables, the system-wide configuration and
    the user's .npmrc hold for both sides; the home folder, and with it every other configuration and all caches, is an
    empty one.

    Args:
        folder: an empty folder for everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._template = folder / "template"
        _make_template(self._template, _download_pip(folder))
        self._shims = folder / "shims"
        _write_shims(self._shims)
        asked = subprocess.run(["node", "--print", "process.execPath"], check=True, capture_output=True, text=True)
        self._node_folder = Path(asked.stdout.strip()).parent

    def run(self, argv: Sequence[str], *, keep_home: str | None = None, project: Path | None = None) -> Cost:
        """Run ``pip …``, ``guard pip …``, or ``shim pip …``: the plain word behind shims, in a fresh environment.

        Args:
            argv: the command line; the same for ``npm``.
            keep_home: name of a home folder that stays from run to run; a fresh one without.
            project: folder whose copy it is run in; an empty one without.
        """
        root = Path(tempfile.mkdtemp(dir=self.folder))
        home = self.folder / f"home-{keep_home}" if keep_home else root / "home"
        home.mkdir(exist_ok=True)
        copy = root / "project"
        shutil.copytree(project, copy) if project else copy.mkdir()
        environ = self._environ(self._new_environment(root / "env"), home)
        if argv[0] == "shim":
            argv = argv[1:]
            environ["PATH"] = f"{self._shims}{os.pathsep}{environ['PATH']}"
        try:
            wall, cpu = _measure(argv, environ, cwd=copy)
            return Cost(wall, cpu, _find_installed(root))
        finally:
            shutil.rmtree(root)

    def start_of_tool(self, argv: Sequence[str], *, words: Sequence[str]) -> float:
        """Return how many seconds pass from typing a command until pip or npm begins to run, in a fresh environment.

        Args:
            argv: the command line, of ``pip`` or ``npm``.
            words: in front of it: none, or ``shim`` as for :meth:`run`.
        """
        root = Path(tempfile.mkdtemp(dir=self.folder))
        for name in ("home", "project"):
            (root / name).mkdir()
        environ = self._environ(self._new_environment(root / "env"), root / "home")
        witness = root / "witness"
        script = root / "env" / "bin" / "pip"
        first, _, rest = script.read_text().partition("\n")
        script.write_text(f"{first}\n{_PIP_WITNESS.format(path=str(witness))}{rest}")
        (root / "witness.js").write_text(_NPM_WITNESS.replace("PATH", json.dumps(str(witness))))
        environ["NODE_OPTIONS"] = f"--require={root}/witness.js"
        if words:
            environ["PATH"] = f"{self._shims}{os.pathsep}{environ['PATH']}"
        try:
            start = time.monotonic()
            _measure(argv, environ, cwd=root / "project")
            return float(witness.read_text().split()[0]) - start
        finally:
            shutil.rmtree(root)

    def output_of(self, argv: Sequence[str]) -> bytes:
        """Return what ``pip …`` prints in a fresh environment."""
        root = Path(tempfile.mkdtemp(dir=self.folder))
        environ = self._environ(self._new_environment(root / "env"), root)
        return subprocess.run(argv, cwd=root, env=environ, check=True, capture_output=True).stdout

    def make_project(self, name: str, dependencies: Sequence[str]) -> Path:
        """Return a folder with a package.json and, where there are dependencies, the lock that npm makes of them."""
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir()
            (folder / "package.json").write_text('{"name": "bench", "version": "1.0.0"}\n')
            if dependencies:
                command = ["npm", "install", "--package-lock-only", "--no-audit", *dependencies]
                environ = self._environ(self._template, folder)
                subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
                shutil.rmtree(folder / ".npm")
        return folder

    def _environ(self, environment: Path, home: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES}
        folders = (environment / "bin", self._node_folder, "/usr/local/bin", "/usr/bin", "/bin")
        own = {
            "PATH": os.pathsep.join(map(str, folders)),
            "HOME": str(home),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "npm_config_update_notifier": "false",
            # A lock with the address of each tarball, as nearly all are.
            "npm_config_omit_lockfile_registry_resolved": "false",
        }
        npmrc = Path.home() / ".npmrc"
        return kept | own | ({"npm_config_userconfig": str(npmrc)} if npmrc.exists() else {})

    def _new_environment(self, path: Path) -> Path:
        shutil.copytree(self._template, path, symlinks=True)
        script = path / "bin" / "pip"
        script.write_text(
            f"#!{path}/bin/python\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)
        return path


def write_locked_requirements(bench: Bench, requirements: Sequence[str], path: Path) -> None:
    """Resolve requirements once and write what came out as a hashed requirements file."""
    argv = ("pip", "install", "--dry-run", "--quiet", "--report", "-", *requirements)
    planned = json.loads(bench.output_of(argv))["install"]
    lines = [
        f"{item['metadata']['name']}=={item['metadata']['version']}"
        f" --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}\n"
        for item in planned
    ]
    path.write_text("".join(sorted(lines)))


def _download_pip(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"pip=={_PIP}", "--dest", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("pip-*.whl"))


def _make_template(path: Path, pip_wheel: Path) -> None:
    """Make an environment with a compiled pip, as ``python -m venv`` leaves it."""
    venv.create(path, with_pip=False, symlinks=True)
    site_packages = next(path.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(pip_wheel) as wheel:
        wheel.extractall(site_packages)
    compileall.compile_dir(site_packages, quiet=2)


def _write_shims(folder: Path) -> None:
    folder.mkdir()
    for path, content in render_shims(folder, python=sys.executable, launcher=launcher.__file__).items():
        path.write_bytes(content)
        path.chmod(0o755)


def _find_installed(root: Path) -> frozenset[str]:
    dist_infos = root.glob("env/lib/python*/site-packages/*.dist-info")
    tree = root / "project" / "node_modules" / ".package-lock.json"
    packages = json.loads(tree.read_bytes())["packages"] if tree.exists() else {}
    places = (f"{place}@{package['version']}" for place, package in packages.items())
    return frozenset([*(path.name for path in dist_infos), *places])


def _measure(argv: Sequence[str], environ: dict[str, str], *, cwd: Path) -> tuple[float, float]:
    command = [str(_GUARD), *argv[1:]] if argv[0] == "guard" else list(argv)
    with tempfile.TemporaryFile() as output:
        # pip is looked up on the new environment's PATH, not on this process's.
        executable = shutil.which(command[0], path=environ["PATH"]) or command[0]
        start = time.perf_counter()
        process = subprocess.Popen([executable, *command[1:]], env=environ, cwd=cwd, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output.read().decode()}")
    return wall, usage.ru_utime + usage.ru_stime

"""Where audits are tried: a project, a home that names the simulated registries, and guard in this very process.

Started as a process of its own, guard takes a second for what it does in a hundredth of one; here it is started by its
command line all the same. There is no pip and no npm, of which an audit needs none.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from guard.cli.run import run
from tests.e2e.surroundings import REPORT_VALIDATOR, Result
from tests.sim.documents import JsonObject
from tests.sim.world import Published, PublishedNpm, World


@dataclass
class AuditStage:
    """A project to audit.

    Args:
        root: holds the project and the home.
        world: whose registries the home names.
        capsys: captures what guard prints.
    """

    root: Path
    world: World
    capsys: pytest.CaptureFixture[str]

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of the project."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def audit(self, *arguments: str, options: tuple[str, ...] = (), command: tuple[str, ...] = ("audit",)) -> Result:
        """Run ``guard [OPTIONS] audit ARGUMENTS`` in the project; its report, if any, is valid."""
        report = self.root / "report.json"
        report.unlink(missing_ok=True)
        trust = ("--trust-root", str(self.world.trusted_root_path))
        status = run(["--report", str(report), *trust, *options, *command, *arguments])
        printed = self.capsys.readouterr()
        loaded = json.loads(report.read_text()) if report.exists() else {}
        if loaded:
            REPORT_VALIDATOR.validate(loaded)
        return Result(status, printed.out, printed.err, loaded)

    def believe_simulators(self) -> None:
        """Let a guard that is started with no option believe the simulated Sigstore."""
        folder = self.home / ".config" / "provenance-guard"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "guard.toml").write_text(f'version = 1\n[sigstore]\ntrust-root = "{self.world.trusted_root_path}"\n')

    def git(self, *arguments: str) -> str:
        """Run git in the project."""
        settings = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.test", "-c", "init.defaultBranch=main")
        command = ["git", *settings, *arguments]
        done = subprocess.run(command, cwd=self.project, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    def commit(self) -> str:
        """Commit the project as it is, in a repository of its own, and return the commit."""
        if not (self.project / ".git").exists():
            self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "as it is")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def stage(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AuditStage:
    """An empty project in a scrubbed environment, with git alone on PATH."""
    stage = AuditStage(tmp_path / "stage", world, capsys)
    programs = stage.root / "bin"
    pip = stage.home / ".config" / "pip"
    for folder in (stage.project, programs, pip):
        folder.mkdir(parents=True)
    (pip / "pip.conf").write_text(f"[global]\nindex-url = {world.pypi.simple_url}\n")
    (stage.home / ".npmrc").write_text(f"registry={world.npm.url}\n")
    git = shutil.which("git")
    assert git, "git is needed"
    (programs / "git").symlink_to(git)
    for name in ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "VIRTUAL_ENV", "NODE_ENV", "PREFIX"):
        monkeypatch.delenv(name, raising=False)
    scrubbed = {"HOME": stage.home, "PATH": programs, "XDG_CONFIG_DIRS": stage.root / "xdg", "CI": "1"}
    for name, value in scrubbed.items():
        monkeypatch.setenv(name, str(value))
    for name in ("CACHE", "CONFIG", "STATE", "DATA"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.chdir(stage.project)
    return stage


def hashed(*published: Published) -> str:
    """Return a requirements file that pins files by their digests."""
    lines = []
    for each in published:
        name, version = each.filename.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{each.sha256}\n")
    return "".join(lines)


def pylock(*published: Published, url: str) -> str:
    """Return a pylock.toml that pins files by their digests.

    Args:
        published: the files.
        url: base address of them.
    """
    lines = ['lock-version = "1.0"', 'created-by = "test"']
    for each in published:
        name, version = each.filename.split("-")[:2]
        file = f'{{ url = "{url}/{each.filename}", hashes = {{ sha256 = "{each.sha256}" }} }}'
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{version}"', f"wheels = [{file}]"]
    return "\n".join(lines) + "\n"


def package_lock(*published: PublishedNpm, url: str, **changes: JsonObject) -> str:
    """Return a package-lock.json of releases that all stand at the top.

    Args:
        published: the releases.
        url: of the registry.
        changes: members in place of others, by name of the package.
    """
    packages: JsonObject = {"": {"dependencies": {each.name: each.version for each in published}}}
    for each in published:
        base = each.name.rpartition("/")[2]
        packages[f"node_modules/{each.name}"] = {
            "version": each.version,
            "resolved": f"{url}{each.name}/-/{base}-{each.version}.tgz",
            "integrity": each.integrity,
            **changes.get(each.name, {}),
        }
    return json.dumps({"name": "project", "lockfileVersion": 3, "packages": packages}, indent=2)

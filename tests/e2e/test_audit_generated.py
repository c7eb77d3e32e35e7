"""Locks that uv, pip, pip-compile and npm make: every entry is what the tool says it locked, and is allowed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli

from guard_lockfiles.formats import find_format
from guard_lockfiles.lockfile import Lockfile, Source
from guard_lockfiles.package_lock_entries import parse_package_lock_entries
from tests.e2e.audit_stage import AuditStage
from tests.e2e.npm_environment import MIDDLE_NPM, NEWEST_NPM, OLDEST_NPM, NpmEnvironment
from tests.sim.documents import JsonObject
from tests.sim.packages import make_sdist
from tests.sim.world import World

UV = Path(sys.executable).with_name("uv")
INPUT = "rocket[boost]\ngadget ; sys_platform != 'win32'\ncolored ; sys_platform == 'win32'\n"


@pytest.fixture
def published(stage: AuditStage) -> AuditStage:
    """A project whose requirements have extras, markers, several files and a source archive alone."""
    world = stage.world
    world.publish("rocket", "1.2.0", requires=["anvil>=1", "fuel; extra == 'boost'"])
    for version in ("1.0.0", "1.1.0"):
        world.publish("anvil", version)
    filename, content = make_sdist("anvil", "1.1.0")
    world.pypi.add(filename, content)
    world.publish("fuel", "0.1")
    world.publish("Gadget.Kit", "3.0", attested=False)
    world.publish("gadget", "2.0", requires=["Gadget.Kit"])
    world.publish("colored", "1.0")
    stage.write("requirements.in", INPUT)
    return stage


def run(stage: AuditStage, *command: str) -> str:
    """Run a tool in the project, reaching nothing but the simulated index."""
    environ = {"HOME": str(stage.home), "PATH": os.defpath, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1"}
    environ |= {"UV_CACHE_DIR": str(stage.root / "uv"), "XDG_CONFIG_DIRS": str(stage.root / "xdg"), "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=stage.project, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(stage: AuditStage, name: str) -> Lockfile:
    form = find_format(name)
    assert form is not None
    lock = form.parse((stage.project / name).read_bytes())
    assert lock.unreadable == ()
    return lock


def locked_by_uv(stage: AuditStage, *arguments: str) -> None:
    index = ("--index-url", f"{stage.world.pypi.simple_url}/")
    run(stage, str(UV), "pip", "compile", "--quiet", *index, "--python", sys.executable, *arguments, "requirements.in")


def installed_by_pip(stage: AuditStage, *arguments: str) -> dict[str, tuple[str, str]]:
    """Return version and digest of everything that pip would install."""
    index = ("--index-url", stage.world.pypi.simple_url, "--isolated", "--disable-pip-version-check")
    target = ("--target", str(stage.root / "nowhere"), "--dry-run", "--quiet", "--report", "-")
    report = json.loads(run(stage, sys.executable, "-m", "pip", "install", *index, *target, *arguments))
    return {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): (
            item["metadata"]["version"],
            "sha256:" + item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in report["install"]
    }


def test_requirements_of_uv_are_what_pip_installs_of_them(published: AuditStage) -> None:
    locked_by_uv(published, "--generate-hashes", "--universal", "--emit-index-url", "-o", "requirements.txt")
    lock = load(published, "requirements.txt")
    entries = {artifact.name: artifact for artifact in lock.artifacts}
    installed = installed_by_pip(published, "--require-hashes", "--no-deps", "-r", "requirements.txt")
    assert lock.is_pinned
    assert entries.keys() == {*installed, "colored"}
    for name, (version, digest) in installed.items():
        assert entries[name].version == version
        assert digest in entries[name].digests
    assert len(entries["anvil"].digests) == 2
    assert {artifact.source for artifact in lock.artifacts} == {Source.REGISTRY}
    result = published.audit("requirements.txt")
    assert (result.status, len(result.report["artifacts"])) == (0, len(entries)), result.stderr


def test_a_pylock_of_uv_is_what_its_toml_says(published: AuditStage) -> None:
    locked_by_uv(published, "--format", "pylock.toml", "--universal", "-o", "pylock.toml")
    lock = load(published, "pylock.toml")
    document = tomli.loads((published.project / "pylock.toml").read_text())
    files = [
        (package["name"], package["version"], file["url"], f"sha256:{file['hashes']['sha256']}")
        for package in document["packages"]
        for file in (*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else []))
    ]
    assert [(each.name, each.version, each.resolved, *each.digests) for each in lock.artifacts] == files
    assert {name for name, *_ in files} == {"rocket", "anvil", "fuel", "gadget", "gadget-kit", "colored"}
    lines = (published.project / "pylock.toml").read_text().splitlines()
    for artifact in lock.artifacts:
        assert artifact.file is not None
        assert artifact.file in lines[artifact.line - 1]
    result = published.audit("pylock.toml", "--all-platforms")
    assert (result.status, len(result.report["artifacts"])) == (0, len(files)), result.stderr


def test_a_pylock_of_pip_is_what_pip_installs(published: AuditStage) -> None:
    index = ("--index-url", published.world.pypi.simple_url, "--isolated", "--disable-pip-version-check", "--quiet")
    run(published, sys.executable, "-m", "pip", "lock", *index, "-r", "requirements.in", "-o", "pylock.toml")
    entries = load(published, "pylock.toml").artifacts
    installed = installed_by_pip(published, "-r", "requirements.in")
    assert {each.name: (each.version, *each.digests) for each in entries} == installed
    result = published.audit("pylock.toml")
    assert (result.status, len(result.report["artifacts"])) == (0, len(installed)), result.stderr


@pytest.fixture(scope="module")
def pip_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with pip-tools, from the index that this machine is configured for."""
    environment = tmp_path_factory.mktemp("pip-tools")
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "pip-tools"]
    subprocess.run(install, check=True, timeout=240)
    return python


@pytest.mark.online
@pytest.mark.campaign(3)
def test_requirements_of_pip_compile_are_what_pip_installs_of_them(pip_tools: Path, published: AuditStage) -> None:
    index = ("--index-url", published.world.pypi.simple_url, "--no-config", "--quiet", "--strip-extras")
    compiling = ("-m", "piptools", "compile", "--generate-hashes", "--output-file", "requirements.txt")
    run(published, str(pip_tools), *compiling, *index, "requirements.in")
    lock = load(published, "requirements.txt")
    installed = installed_by_pip(published, "--require-hashes", "--no-deps", "-r", "requirements.txt")
    entries = {artifact.name: artifact for artifact in lock.artifacts}
    assert lock.is_pinned
    assert {name: artifact.version for name, artifact in entries.items()} == {
        name: version for name, (version, _) in installed.items()
    }
    for name, (_, digest) in installed.items():
        assert digest in entries[name].digests
    result = published.audit("requirements.txt")
    assert (result.status, len(result.report["artifacts"])) == (0, len(entries)), result.stderr


def _listed(tree: JsonObject) -> Iterator[tuple[str, str, str]]:
    """Yield place, version and address of everything that ``npm ls`` lists where it stands."""
    for node in tree.get("dependencies", {}).values():
        if "version" in node and node.get("path"):
            yield node["path"], node["version"], node["resolved"]
        yield from _listed(node)


@pytest.mark.campaign(3)
@pytest.mark.parametrize("npm_version", [NEWEST_NPM, MIDDLE_NPM, OLDEST_NPM])
def test_a_lock_of_npm_is_what_npm_lists(
    world: World, make_npm_environment: Callable[..., NpmEnvironment], npm_version: str
) -> None:
    for name, version, dependencies in (
        ("leaf", "1.0.0", {}),
        ("leaf", "2.0.0", {}),
        ("@acme/widget", "1.0.0", {"leaf": "^1.0.0"}),
        ("gadget", "1.0.0", {"leaf": "^2.0.0", "@acme/widget": "1.0.0"}),
    ):
        world.publish_npm(name, version, dependencies=dependencies)
    environment = make_npm_environment(npm_version=npm_version, registry=world.npm.url)
    environment.manifest(dependencies={"gadget": "1.0.0", "leaf": "1.0.0", "other": "npm:leaf@2.0.0"})
    installed = environment.npm("install", "--package-lock-only", "--no-audit")
    assert installed.status == 0, installed.stderr
    said = environment.npm("ls", "--package-lock-only", "--all", "--long", "--json")
    project = str(environment.project)
    listed = {
        (path.removeprefix(project).lstrip("/"), version, resolved)
        for path, version, resolved in _listed(json.loads(said.stdout))
    }
    lock = parse_package_lock_entries((environment.project / "package-lock.json").read_bytes())
    assert {(each.place, each.version, each.resolved) for each in lock.artifacts} == listed
    assert len(listed) == len(lock.artifacts) == 5
    environment.trust_root = world.trusted_root_path
    result = environment.run_guard("audit")
    assert (result.status, len(result.report["artifacts"])) == (0, 5), result.stderr

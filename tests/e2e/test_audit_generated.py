"""Locks that uv and pip make of simulated packages: every entry is what the tool says it locked, and is allowed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from guard_lockfiles.formats import find_format
from guard_lockfiles.lockfile import Lockfile, Source
from tests.e2e.audit_stage import AuditStage
from tests.sim.packages import make_sdist

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

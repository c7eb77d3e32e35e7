"""The hook for pre-commit, with the real one: what a commit changes is decided before there is a commit."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from guard_lockfiles.formats import FORMATS, UNSUPPORTED, Format, Unsupported, find_format
from tests.e2e.audit_stage import AuditStage, package_lock
from tests.e2e.test_audit_staged import pinned
from tests.sim.identity import Identity

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
PRE_COMMIT = (sys.executable, "-m", "pre_commit")
GUARD = Path(sys.executable).with_name("guard")
MACHINE = dict(os.environ)  # with the index that the machine is configured for


@functools.cache
def the_hook() -> dict[str, Any]:
    [hook] = yaml.safe_load(MANIFEST.read_text())
    assert isinstance(hook, dict)
    return hook


def run(stage: AuditStage, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=stage.project, env={**os.environ, **environ}, capture_output=True, text=True, timeout=240
    )


def configure(stage: AuditStage, repository: dict[str, Any]) -> None:
    """Let pre-commit guard the project's commits, and guard believe the simulators."""
    for name in ("bash", "env"):  # which start git's hook
        program = shutil.which(name, path=MACHINE["PATH"])
        assert program, f"{name} is needed"
        (stage.root / "bin" / name).symlink_to(program)
    stage.believe_simulators()
    (stage.home / ".gitconfig").write_text("[user]\nname = nobody\nemail = nobody@example.test\n")
    stage.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [repository]}))
    stage.commit()
    assert run(stage, *PRE_COMMIT, "install").returncode == 0


def move_a_package(stage: AuditStage) -> None:
    """Commit a package, then try to commit it with another publisher, and the policy that allows that."""
    world = stage.world
    thief = Identity.github(repository="thief/widget", ref="refs/tags/v1.1.0", repository_id="666", owner_id="667")
    other = world.publish_npm("other", "1.0.0")
    old = world.publish_npm("widget", "1.0.0", attested=True)
    new = world.publish_npm("widget", "1.1.0", attested=True, identity=thief)
    stage.write("guard.toml", pinned("acme/widget"))
    stage.git("add", "guard.toml")
    assert run(stage, "git", "commit", "--quiet", "--message", "who may publish").returncode == 0
    stage.write("package-lock.json", package_lock(old, url=world.npm.url))
    stage.git("add", "--all")
    done = run(stage, "git", "commit", "--message", "widget")
    assert (done.returncode, "Passed" in done.stderr) == (0, True), done.stderr
    head = stage.git("rev-parse", "HEAD")

    stage.write("package-lock.json", package_lock(new, url=world.npm.url))
    stage.git("add", "--all")
    stage.write("package-lock.json", package_lock(old, other, url=world.npm.url))  # which is not staged
    done = run(stage, "git", "commit", "--message", "a newer widget")
    assert done.returncode == 1
    assert "block: widget@1.1.0: identity-mismatch" in done.stderr
    assert "other" not in done.stderr
    done = run(stage, "git", "commit", "--all", "--message", "what is in the work tree")
    assert (done.returncode, "Passed" in done.stderr) == (0, True), done.stderr
    assert stage.git("rev-parse", "HEAD^") == head


def test_the_manifest_is_one_that_pre_commit_takes() -> None:
    done = subprocess.run([*PRE_COMMIT, "validate-manifest", str(MANIFEST)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("form", [*FORMATS, *UNSUPPORTED], ids=lambda form: form.id)
@settings(max_examples=25)
@given(data=st.data())
def test_the_hook_is_started_for_every_name_of_a_lockfile(form: Format | Unsupported, data: st.DataObject) -> None:
    name = data.draw(st.from_regex(form.file_name, fullmatch=True).filter(lambda name: not set(name) & set("/\n\r\0")))
    folder = (form.folder if isinstance(form, Format) else None) or "any"
    if isinstance(form, Format) and find_format(name, folder=folder) is None:
        return  # a name that the format leaves out
    assert re.search(the_hook()["files"], f"{folder}/{name}"), name
    if folder == "any":
        assert re.search(the_hook()["files"], name), name


@pytest.mark.parametrize(
    "name", ["README.md", "src/lock.py", "package.json", "notes.txt", "my-yarn.lock", "guard.toml.x"]
)
def test_the_hook_is_not_started_for_others(name: str) -> None:
    assert not re.search(the_hook()["files"], name)


@pytest.mark.parametrize("name", ["guard.toml", "guard.lock", "pyproject.toml", ".npmrc", "requirements/base.in"])
def test_the_hook_is_started_for_what_changes_how_a_lock_is_judged(name: str) -> None:
    assert re.search(the_hook()["files"], name)


def test_a_commit_that_moves_a_package_to_another_publisher_is_stopped(stage: AuditStage) -> None:
    hook = {**the_hook(), "language": "system"}
    hook["entry"] = hook["entry"].replace("guard", str(GUARD), 1)
    configure(stage, {"repo": "local", "hooks": [hook]})
    move_a_package(stage)


@pytest.mark.online
@pytest.mark.campaign(10_000)
def test_the_hook_is_installed_from_a_repository(stage: AuditStage, tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    hooks = [{"id": the_hook()["id"], "language_version": sys.executable}]
    os.environ["PRE_COMMIT_HOME"] = str(tmp_path / "pre-commit")
    try:
        configure(stage, {"repo": str(ROOT), "rev": revision.stdout.strip(), "hooks": hooks})
        done = run(stage, *PRE_COMMIT, "install-hooks", **MACHINE, PRE_COMMIT_HOME=os.environ["PRE_COMMIT_HOME"])
        assert done.returncode == 0, done.stdout + done.stderr
        move_a_package(stage)
    finally:
        del os.environ["PRE_COMMIT_HOME"]

"""``action.yml``: its scripts, run by bash as a runner would, with a payload, files for outputs, and the simulators."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.audit_stage import AuditStage, package_lock
from tests.e2e.test_audit_staged import pinned
from tests.sim.identity import Identity

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
MACHINE = dict(os.environ)
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
BASH = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")  # as actions/runner starts ``shell: bash``


@dataclass
class Runner:
    """A machine that carries the action out.

    Args:
        stage: with the home and the simulators.
        checkout: the workspace.
        event: payload of the event.
    """

    stage: AuditStage
    checkout: Path
    event: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""

    @property
    def temp(self) -> Path:
        return self.stage.root / "runner temp"

    @property
    def summary(self) -> str:
        return (self.temp / "summary.md").read_text()

    def run(self, *ids: str, **inputs: str) -> int:
        """Carry out steps with outputs of those before, and return the status of the last one that ran.

        Args:
            ids: of the steps; the others are passed over.
            inputs: of the action; underscores stand for hyphens.
        """
        given = {name: str(each["default"]) for name, each in ACTION["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        self.temp.mkdir(exist_ok=True)
        (self.temp / "summary.md").touch()
        if "install" not in ids:
            (self.temp / "guard").mkdir(exist_ok=True)
            self.outputs["install"] = {"python": sys.executable, "folder": str(self.temp / "guard")}
        status = 0
        for step in STEPS:
            if step.get("id") in ids and status == 0:
                status = self._run_step(step, given)
        return status

    def _run_step(self, step: dict[str, Any], inputs: dict[str, str]) -> int:
        contexts = {
            "inputs": inputs,
            "github": {"event": self.event, "action_path": str(ROOT)},
            "runner": {"temp": str(self.temp)},
            "steps": {name: {"outputs": values} for name, values in self.outputs.items()},
        }
        output, script = self.temp / "output", self.temp / "script.sh"
        output.write_text("")
        script.write_text(step["run"])
        variables = {name: expand(value, contexts) for name, value in step["env"].items()}
        own = {"GITHUB_OUTPUT": output, "GITHUB_STEP_SUMMARY": self.temp / "summary.md", "RUNNER_TEMP": self.temp}
        done = subprocess.run(
            [*BASH, str(script)],
            cwd=expand(step.get("working-directory", str(self.checkout)), contexts),
            env={**os.environ, "PATH": MACHINE["PATH"], **{name: str(path) for name, path in own.items()}, **variables},
            capture_output=True,
            text=True,
            timeout=240,
        )
        self.stdout, self.stderr = self.stdout + done.stdout, self.stderr + done.stderr
        self.outputs[step["id"]] = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode


def expand(text: str, contexts: dict[str, Any]) -> str:
    """Evaluate what of GitHub's expressions the action uses: look-ups, and the first of several that is not empty."""
    return EXPRESSION.sub(lambda match: next(filter(None, looked_up(match[1], contexts)), ""), text)


def looked_up(expression: str, contexts: dict[str, Any]) -> list[str]:
    values = []
    for path in expression.split(" || "):
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", path), path
        value: Any = contexts
        for name in path.split("."):
            value = value.get(name, "") if isinstance(value, dict) else ""
        values.append(str(value))
    return values


def pull_request(base: str) -> dict[str, Any]:
    return {"pull_request": {"base": {"sha": base}}}


@pytest.fixture
def change(stage: AuditStage) -> tuple[Runner, str]:
    """A pull request that moves a package to another publisher and the policy with it, checked out without its base."""
    world = stage.world
    thief = Identity.github(repository="thief/widget", ref="refs/tags/v1.1.0", repository_id="666", owner_id="667")
    kept = world.publish_npm("kept", "1.0.0")
    old = world.publish_npm("widget", "1.0.0", attested=True)
    new = world.publish_npm("widget", "1.1.0", attested=True, identity=thief)
    stage.believe_simulators()
    stage.write("guard.toml", pinned("acme/widget"))
    stage.write("package-lock.json", package_lock(kept, old, url=world.npm.url))
    base = stage.commit()
    stage.git("switch", "--quiet", "-c", "change")
    stage.write("guard.toml", pinned("thief/widget"))
    stage.write("package-lock.json", package_lock(kept, new, url=world.npm.url))
    stage.commit()
    checkout = stage.root / "checkout"
    stage.git("clone", "--quiet", "--depth=1", "--branch=change", stage.project.as_uri(), str(checkout))
    return Runner(stage, checkout), base


def test_a_pull_request_is_judged_by_its_base(change: tuple[Runner, str]) -> None:
    runner, base = change
    runner.event = pull_request(base)
    assert runner.run("base", "audit", format="sarif github\njunit") == 10, runner.stderr
    outputs = runner.outputs["audit"]
    assert outputs["verdict"] == "block"
    report = json.loads(Path(outputs["report"]).read_text())
    assert report["run"]["since"] == base
    assert [each["name"] for each in report["artifacts"]] == ["widget"]
    errors = [line for line in runner.stdout.splitlines() if line.startswith("::error ")]
    assert any("file=package-lock.json" in line and "identity-mismatch" in line for line in errors)
    assert any("file=guard.toml" in line or "policy-loosened" in line for line in errors)
    assert "### guard: blocked" in runner.summary
    sarif = json.loads(Path(outputs["sarif"]).read_text())
    assert {each["ruleId"] for each in sarif["runs"][0]["results"]} >= {"identity-mismatch", "policy-loosened"}
    assert "<testsuite" in Path(outputs["junit"]).read_text()
    assert not (runner.stage.home / ".cache").exists()


def test_a_merge_group_has_a_base_too(change: tuple[Runner, str]) -> None:
    runner, base = change
    runner.event = {"merge_group": {"base_sha": base}}
    assert runner.run("base") == 0
    assert runner.outputs["base"] == {"commit": base}


def test_without_a_base_everything_is_judged_by_the_policy_that_is_there(change: tuple[Runner, str]) -> None:
    runner, base = change
    assert runner.run("base", "audit", paths="package-lock.json\n\n", format="github", cache="true") == 0, runner.stderr
    report = json.loads(Path(runner.outputs["audit"].pop("report")).read_text())
    assert runner.outputs["audit"] == {"verdict": "allow"}
    assert [each["name"] for each in report["artifacts"]] == ["kept", "widget"]
    assert (runner.temp / "guard-cache" / "provenance-guard").is_dir()
    runner.event = pull_request(base)
    assert runner.run("base", changed_since="none") == 0
    assert runner.outputs["base"] == {"commit": ""}


def test_a_base_may_be_a_branch_that_was_not_fetched(change: tuple[Runner, str]) -> None:
    runner, base = change
    runner.stage.git("branch", "release", base)
    assert runner.run("base", "audit", changed_since="release", policy="guard.toml") == 10
    assert runner.outputs["base"] == {"commit": base}


@pytest.mark.parametrize("revision", ["0" * 40, "nothing", "--upload-pack=touch canary", "$(touch canary)"])
def test_a_base_that_cannot_be_had_is_an_error_and_nothing_is_judged(change: tuple[Runner, str], revision: str) -> None:
    runner, _ = change
    runner.stage.git("-C", str(runner.checkout), "fetch", "--quiet", "origin", "change")  # leaves a FETCH_HEAD
    runner.event = pull_request(revision)
    assert runner.run("base", "audit") == 2
    assert "fetch-depth: 0" in runner.stdout
    assert "audit" not in runner.outputs
    assert not list(runner.checkout.glob("canary"))


def test_inputs_are_values_and_never_part_of_a_script(stage: AuditStage) -> None:
    stage.believe_simulators()
    hostile = '$(touch canary)`touch canary`"; touch canary; #'
    folder = stage.write(
        f"{hostile}/package-lock.json", package_lock(stage.world.publish_npm("a", "1.0.0"), url="")
    ).parent
    runner = Runner(stage, stage.project)
    assert runner.run("base", "audit", paths=folder.name) == 0, runner.stderr
    assert runner.run("base", "audit", paths="--offline") == 2
    assert runner.outputs["audit"] == {"verdict": "error"}
    for name in ("policy", "format", "changed_since"):
        assert runner.run("base", "audit", **{name: hostile}) == 2
    assert not list(stage.project.rglob("canary"))


def test_a_lock_that_cannot_be_read_is_an_error(stage: AuditStage) -> None:
    stage.believe_simulators()
    stage.write("package-lock.json", "{")
    runner = Runner(stage, stage.project)
    assert runner.run("base", "audit") == 2
    assert (runner.outputs["audit"]["verdict"], "::error " in runner.stdout) == ("error", True)


def test_no_expression_stands_in_a_script() -> None:
    scripts = [step["run"] for step in STEPS if "run" in step]
    assert len(scripts) == 3
    assert not [script for script in scripts if "${{" in script or "eval" in script]
    assert {step["shell"] for step in STEPS if "run" in step} == {"bash"}


def test_every_input_is_used_and_every_one_that_is_used_exists() -> None:
    used = set(re.findall(r"\binputs\.([\w-]+)", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    named = re.findall(r"steps\.(\w+)\.outputs\.(\w+)", (ROOT / "action.yml").read_text())
    scripts = {step["id"]: step["run"] for step in STEPS if "id" in step}
    for step, output in named:
        assert f"{output}=" in scripts[step] or output in ("sarif", "junit")


def test_nothing_is_kept_for_other_runs_unless_asked_for_and_other_actions_are_pinned() -> None:
    [cache] = [step for step in STEPS if "uses" in step]
    assert re.fullmatch(r"actions/cache@[0-9a-f]{40}", cache["uses"])
    assert cache["if"] == "${{ inputs.cache == 'true' }}"
    assert ACTION["inputs"]["cache"]["default"] == "false"


def test_a_python_that_is_none_is_an_error(stage: AuditStage) -> None:
    runner = Runner(stage, stage.project)
    assert runner.run("install", python="no-such-python") == 2
    assert runner.stdout.startswith("::error ")


@pytest.mark.online
@pytest.mark.campaign(10_000)
def test_guard_is_installed_into_an_environment_of_its_own(
    change: tuple[Runner, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, base = change
    home, machine = os.environ["HOME"], MACHINE.get("HOME", "")
    (runner.checkout / "pip.py").write_text("raise SystemExit('the checkout was imported')\n")
    monkeypatch.setenv("HOME", machine)  # whose pip asks a real index
    assert runner.run("install", python=sys.executable) == 0, runner.stderr
    monkeypatch.setenv("HOME", home)
    installed = runner.outputs["install"]
    assert Path(installed["python"]).is_relative_to(runner.temp)
    runner.event = pull_request(base)
    steps = runner.outputs
    assert runner.run("base") == 0
    runner.outputs = {**steps, "install": installed, "base": runner.outputs["base"]}
    [audit] = [step for step in STEPS if step.get("id") == "audit"]
    given = {name: str(each["default"]) for name, each in ACTION["inputs"].items()}
    assert runner._run_step(audit, given) == 10, runner.stderr

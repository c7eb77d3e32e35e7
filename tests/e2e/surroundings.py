"""Where tests run the real tools: a folder with a project and a home, nothing of the machine's own configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

GUARD = Path(sys.executable).with_name("guard")
_SCHEMA = json.loads((resources.files("guard") / "data" / "guard-report-1.schema.json").read_text())
REPORT_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)


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
class Surroundings:
    """A folder with everything that a command can see or change.

    Args:
        root: the folder.
        variables: of the environment, beside those that are always there.
        trust_root: that guard is told to use.
    """

    root: Path
    variables: dict[str, str] = field(default_factory=dict, kw_only=True)
    trust_root: Path | None = field(default=None, kw_only=True)

    @property
    def programs(self) -> Path:
        """The folder that stands first on PATH."""
        return self.root / "bin"

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def environ(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.programs), "/usr/local/bin", "/usr/bin", "/bin"])
        # XDG_CONFIG_DIRS: the machine's own pip.conf must not take part.
        scrubbed = {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "XDG_CONFIG_DIRS": str(self.root / "xdg")}
        return {**scrubbed, **self.variables}

    def run_guard(self, *arguments: str, options: tuple[str, ...] = (), folder: Path | None = None) -> Result:
        """Run ``guard [OPTIONS] ARGUMENTS``; its report, if any, is valid."""
        report = self.root / "report.json"
        report.unlink(missing_ok=True)
        trust = ("--trust-root", str(self.trust_root)) if self.trust_root else ()
        result = self.run(str(GUARD), "--report", str(report), *trust, *options, *arguments, folder=folder)
        loaded = json.loads(report.read_text()) if report.exists() else {}
        if loaded:
            REPORT_VALIDATOR.validate(loaded)
        return Result(result.status, result.stdout, result.stderr, loaded)

    def run(self, *argv: str, folder: Path | None = None) -> Result:
        """Run anything, in the project's folder unless another is given."""
        folder = folder or self.project
        done = subprocess.run(
            argv, cwd=folder, env=self.environ(), capture_output=True, text=True, timeout=240, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

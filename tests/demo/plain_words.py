"""Shims: in a shell that has read its startup file, the plain words pip and npm are guarded; afterwards all is gone."""

from __future__ import annotations

from guard.errors import ExitCode
from guard.model import RuleId
from tests.demo.stage import Stage, Step
from tests.e2e.interactive import InteractiveShell

_STARTUP_FILE = b"# my own\nexport EDITOR=vi"


def show_plain_words(stage: Stage) -> None:
    """Show the part; it needs the packages of the parts before."""
    stage.show_heading("4. The plain words, in a new bash")
    startup_file = stage.home / ".bashrc"
    startup_file.write_bytes(_STARTUP_FILE)
    stage.run(_about_shims("Put guard behind them", "install --shell bash"))
    with InteractiveShell("bash", environ=stage.simulated_environ, cwd=stage.project) as shell:
        for tool in ("pip", "npm"):
            blocked = Step(
                title=f"{tool} as ever, and a package that is blocked",
                command=f"{tool} install forged",
                status=ExitCode.BLOCKED,
                rule=RuleId.PROVENANCE_INVALID,
            )
            stage.run_typed(blocked, shell)
    stage.run(_about_shims("And take it away", "remove"))
    is_same = startup_file.read_bytes() == _STARTUP_FILE
    stage.check(is_same, good=".bashrc is as it was, to the byte", bad=".bashrc is not as it was")


def _about_shims(title: str, arguments: str) -> Step:
    command = f"guard shims {arguments}"
    return Step(title=title, command=command, status=ExitCode.ALLOWED, good="no package is concerned")

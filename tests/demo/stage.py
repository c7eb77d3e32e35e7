"""Where the demonstration happens: scratch folders, and commands that are run, shown and checked."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from guard.errors import ExitCode
from guard.model import RuleId
from tests.e2e.interactive import InteractiveShell

_GUARD = Path(sys.executable).with_name("guard")
_OLDEST_PIP = (22, 2)  # the first with `install --dry-run --report`
_TIMEOUT_SECONDS = 300
# What leads to the user's own indexes, registries and folders.
_CONFIGURATION = ("pip_", "npm_config_", "xdg_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command and what must come of it.

    Args:
        title: what is shown.
        command: as the user types it.
        status: the exit status.
        rule: that is named as the reason; ``None`` when nothing is refused.
        lands: a package that must be installed afterwards; ``None`` when nothing may change.
        good: what is said when it came out as it must.
    """

    title: str
    command: str
    status: ExitCode
    rule: RuleId | None = None
    lands: str | None = None
    good: str = "nothing was installed, and nothing of the package ran"


class Stage:
    """Runs steps in scratch folders and shows what came of them.

    Args:
        folder: an empty folder for everything.

    Attributes:
        project: the project of the simulated world.
        real_project: another, for packages from the user's own registries.
        home: the home folder in the simulated world.
        trace: what code of a package that must not run would leave.
        failures: how many steps did not come out as they must.
    """

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.real_project = folder / "real-project"
        self.home = folder / "home"
        self.trace = folder / "code-of-a-package-ran"
        self.failures = 0
        self._folder = folder
        self._console = Console(highlight=False)
        self._env = folder / "env"
        # Of node itself: the launchers of version managers look for it in the home folder, which here is another.
        asked = subprocess.run(["node", "--print", "process.execPath"], check=True, capture_output=True, text=True)
        self._node_folder = str(Path(asked.stdout.strip()).parent)
        for each in (self.project, self.real_project, self.home):
            each.mkdir()

    @property
    def real_environ(self) -> dict[str, str]:
        """The user's own environment with the scratch one activated; caches are scratch, too."""
        path = os.pathsep.join([str(self._env / "bin"), self._node_folder, os.environ.get("PATH", os.defpath)])
        cache = str(self._folder / "cache")
        scratch = {"PATH": path, "VIRTUAL_ENV": str(self._env), "XDG_CACHE_HOME": cache, "npm_config_cache": cache}
        return {**os.environ, **scratch, "PIP_PROGRESS_BAR": "off"}

    @property
    def simulated_environ(self) -> dict[str, str]:
        """The same without configuration of pip and npm, proxies or a home folder: the simulators are all there is."""
        kept = {
            name: value
            for name, value in self.real_environ.items()
            if not name.lower().startswith(_CONFIGURATION) and not name.lower().endswith("_proxy")
        }
        return {**kept, "HOME": str(self.home), "PIP_CONFIG_FILE": os.devnull, "PIP_PROGRESS_BAR": "off"}

    def prepare(self) -> None:
        """Make the scratch environment, with the pip that Python brings unless that is too old to be guarded."""
        self._console.print("Making a scratch environment …", style="dim")
        subprocess.run([sys.executable, "-m", "venv", str(self._env)], check=True)
        pip = [str(self._env / "bin" / "python"), "-m", "pip"]
        version = subprocess.run([*pip, "--version"], check=True, capture_output=True, text=True).stdout
        if tuple(map(int, re.findall(r"\d+", version)[:2])) < _OLDEST_PIP:
            command = [*pip, "install", "--quiet", "--no-cache-dir", "--upgrade", "pip"]
            subprocess.run(command, check=True, env=self.real_environ)

    def show_heading(self, text: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.print(Rule(Text(text, style="bold"), align="left"))

    def show_file(self, path: Path) -> None:
        """Show a file of the project folder."""
        self._console.print(Text(f"$ cat {path.name}", style="bold"))
        self._show_output(path.read_text(encoding="utf-8"))

    def run_real(self, step: Step) -> None:
        """Run a step as the user would, with their own indexes and registries."""
        self._run(step, lambda: _start(step.command, self.real_project, self.real_environ))

    def run(self, step: Step) -> None:
        """Run a step in the simulated world, show it, and say whether it came out as it must."""
        self._run(step, lambda: _start(step.command, self.project, self.simulated_environ))

    def run_typed(self, step: Step, shell: InteractiveShell) -> None:
        """Do the same by typing the command into a shell."""
        self._run(step, lambda: self._type(step.command, shell))

    def check(self, holds: bool, *, good: str, bad: str) -> None:
        """Show something that must hold beside what every step is checked for."""
        self._show_result(good, [] if holds else [bad])

    def _run(self, step: Step, carry_out: Callable[[], tuple[int, str]]) -> None:
        before = self._files()
        self._console.print()
        self._console.print(Text(step.title, style="italic"))
        self._console.print(Text(f"$ {step.command}", style="bold"))
        status, output = carry_out()
        self._show_output(output)
        problems = self._problems(step, status, output, before ^ self._files())
        good = f"{step.lands} is installed" if step.lands else step.good
        self._show_result(f"exit status {status}: {step.status.name.lower()}, {good}", problems)

    def _type(self, command: str, shell: InteractiveShell) -> tuple[int, str]:
        output, status = self._folder / "output", self._folder / "status"
        shell.type(f"{command} >{output} 2>&1 </dev/null; echo $? >{status}")
        return int(status.read_text(encoding="ascii")), output.read_text(encoding="utf-8")

    def _files(self) -> set[tuple[str, bytes]]:
        """Name and digest of everything that an install may change, but for bytecode."""
        folders = (self._env, self.project, self.real_project)
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {(f"/{path.relative_to(self._folder)}", hashlib.sha256(path.read_bytes()).digest()) for path in files}

    def _problems(self, step: Step, status: int, output: str, changed: set[tuple[str, bytes]]) -> list[str]:
        """Say how the outcome differs from the expected one."""
        problems = []
        if status != step.status:
            problems.append(f"exit status {status} instead of {step.status.value}")
        if step.rule is not None and f": {step.rule.value}" not in output:
            problems.append(f"the reason is not {step.rule.value}")
        if step.lands is None and changed:
            problems.append(f"{len(changed)} files of the project or its environment changed")
        if step.lands is not None:
            places = re.compile(rf"/(site-packages/{step.lands}-|node_modules/{step.lands}/)")
            problems += [] if any(places.search(path) for path, _ in changed) else [f"{step.lands} is not installed"]
        if self.trace.exists():
            problems.append(f"code of a package ran: {self.trace.read_text(encoding='utf-8').strip()}")
        return problems

    def _show_output(self, output: str) -> None:
        for line in output.splitlines():
            style = "" if line.startswith("guard:") else "dim"
            self._console.print(Text(f"  {line}".rstrip(), style=style), soft_wrap=True)

    def _show_result(self, good: str, problems: list[str]) -> None:
        self.failures += bool(problems)
        mark = Text("✘", style="bold red") if problems else Text("✔", style="bold green")
        self._console.print(mark, Text("; ".join(problems) or good), soft_wrap=True)


def _start(command: str, folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a line that begins with ``guard`` and return its exit status and output."""
    done = subprocess.run(
        [str(_GUARD), *shlex.split(command)[1:]],
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout

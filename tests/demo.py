"""``make demo``: guard at work, with the real pip, in an environment that is gone afterwards.

First from the index that this machine is configured for; then from a simulated index and Sigstore on loopback, where
one package is as it should be and each of the others has something wrong with it. Every bad package is an sdist whose
build script leaves a trace: none may be found.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from guard.errors import ExitCode
from guard.model import RuleId
from tests.sim.packages import make_sdist
from tests.sim.pypi import Fault
from tests.sim.sigstore import Defect
from tests.sim.world import World, maintainer_of

_GUARD = Path(sys.executable).with_name("guard")
_OLDEST_PIP = (22, 2)  # the first with `install --dry-run --report`
_REAL_PACKAGE = "rich"
_TIMEOUT_SECONDS = 300
_POLICY = """\
version = 1

[policy]
provenance = "required"

[pypi]
index-url = "{index_url}/"

[sigstore]
trust-root = "trusted_root.json"

[[package]]
name = "pypi:impostor"
[[package.identity]]
repository = "https://github.com/acme/impostor"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command and what must come of it.

    Args:
        title: what is shown.
        command: as the user types it.
        status: the exit status.
        rule: that is named as the reason; ``None`` when nothing is refused.
        lands: a project that must be installed afterwards; ``None`` when nothing may change.
    """

    title: str
    command: str
    status: ExitCode
    rule: RuleId | None = None
    lands: str | None = None


class Demo:
    """Runs steps in a scratch environment and shows what came of them.

    Args:
        folder: an empty folder for everything.
    """

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.trace = folder / "a-build-script-ran"
        self.failures = 0
        self._console = Console(highlight=False)
        self._env = folder / "env"
        self._home = folder / "home"
        self._cache = folder / "cache"
        for each in (self.project, self._home):
            each.mkdir()

    @property
    def real_environ(self) -> dict[str, str]:
        """The user's own environment with the scratch one activated; caches are scratch, too."""
        path = os.pathsep.join([str(self._env / "bin"), os.environ.get("PATH", os.defpath)])
        scratch = {"PATH": path, "VIRTUAL_ENV": str(self._env), "XDG_CACHE_HOME": str(self._cache)}
        return {**os.environ, **scratch, "PIP_PROGRESS_BAR": "off"}

    @property
    def simulated_environ(self) -> dict[str, str]:
        """The same without configuration of pip, proxies or a home folder: the simulator is all there is."""
        kept = {
            name: value
            for name, value in self.real_environ.items()
            if not name.startswith(("PIP_", "XDG_CONFIG")) and not name.lower().endswith("_proxy")
        }
        return {**kept, "HOME": str(self._home), "PIP_CONFIG_FILE": os.devnull, "PIP_PROGRESS_BAR": "off"}

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

    def run(self, step: Step, environ: Mapping[str, str]) -> None:
        """Run a step, show it, and say whether it came out as it must."""
        before = self._installed_files()
        self._console.print()
        self._console.print(Text(step.title, style="italic"))
        self._console.print(Text(f"$ {step.command}", style="bold"))
        done = subprocess.run(
            [str(_GUARD), *shlex.split(step.command)[1:]],
            cwd=self.project,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        self._show_output(done.stdout)
        problems = self._problems(step, done.returncode, done.stdout, before ^ self._installed_files())
        self._show_result(step, done.returncode, problems)

    def _installed_files(self) -> set[tuple[str, int, int]]:
        folder = next(self._env.glob("lib/python*/site-packages"))
        files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {(str(path.relative_to(folder)), (at := path.stat()).st_size, at.st_mtime_ns) for path in files}

    def _problems(self, step: Step, status: int, output: str, changed: set[tuple[str, int, int]]) -> list[str]:
        """Say how the outcome differs from the expected one."""
        problems = []
        if status != step.status:
            problems.append(f"expected exit status {step.status.value}")
        if step.rule is not None and f": {step.rule.value}" not in output:
            problems.append(f"expected the reason {step.rule.value}")
        if step.lands is None and changed:
            problems.append(f"{len(changed)} files of site-packages changed")
        if step.lands is not None and not any(path.startswith(f"{step.lands}-") for path, _, _ in changed):
            problems.append(f"{step.lands} is not installed")
        if self.trace.exists():
            problems.append(f"a build script ran: {self.trace.read_text(encoding='utf-8').strip()}")
        return problems

    def _show_output(self, output: str) -> None:
        for line in output.splitlines():
            style = "" if line.startswith("guard:") else "dim"
            self._console.print(Text(f"  {line}".rstrip(), style=style), soft_wrap=True)

    def _show_result(self, step: Step, status: int, problems: list[str]) -> None:
        self.failures += bool(problems)
        good = f"{step.lands} is installed" if step.lands else "nothing was installed, no build script ran"
        mark = Text("✘", style="bold red") if problems else Text("✔", style="bold green")
        outcome = "; ".join(problems) or f"{step.status.name.lower()}, {good}"
        self._console.print(mark, Text(f"exit status {status}: {outcome}"), soft_wrap=True)


def _publish_bad(world: World, name: str, trace: Path) -> None:
    """Publish an sdist with one thing wrong."""
    filename, traced = make_sdist(name, "1.0.0", canary=trace)
    publisher = maintainer_of(name)
    match name:
        case "unsigned":
            world.upload(filename, traced, identity=publisher, attested=False)
        case "tampered":
            clean = make_sdist(name, "1.0.0")[1].ljust(len(traced), b"\0")  # of one length: the digest alone tells
            world.upload(filename, clean, identity=publisher, served=traced)
        case "impostor":
            world.upload(filename, traced, identity=maintainer_of("other"))
        case "forged":
            world.upload(filename, traced, identity=publisher, defect=Defect.SIGNATURE_CORRUPT)
        case _:
            world.upload(filename, traced, identity=publisher)
            world.pypi.fault("provenance", Fault.SERVER_ERROR, name=filename)


_INSTALL = "guard --policy guard.toml pip install"
_BLOCKED = Step(title="", command=_INSTALL, status=ExitCode.BLOCKED)
_BAD: Mapping[str, Step] = {
    "unsigned": replace(_BLOCKED, title="Nobody signed it, and the policy requires it", rule=RuleId.PROVENANCE_MISSING),
    "tampered": replace(_BLOCKED, title="The bytes are not those that the index lists", rule=RuleId.HASH_MISMATCH),
    "impostor": replace(_BLOCKED, title="Signed well, by another repository", rule=RuleId.IDENTITY_MISMATCH),
    "forged": replace(_BLOCKED, title="The signature does not hold", rule=RuleId.PROVENANCE_INVALID),
    "outage": replace(
        _BLOCKED,
        title="The evidence cannot be had: that is not the same as none",
        status=ExitCode.UNDECIDED,
        rule=RuleId.PROVENANCE_UNAVAILABLE,
    ),
}


def _run_real(demo: Demo) -> None:
    demo.show_heading("1. From the index that this machine is configured for")
    command = f"guard -v pip install {_REAL_PACKAGE}"
    step = Step(title="A package and what it requires", command=command, status=ExitCode.ALLOWED, lands=_REAL_PACKAGE)
    demo.run(step, demo.real_environ)


def _run_simulated(demo: Demo) -> None:
    demo.show_heading("2. From a simulated index, under a policy that requires provenance")
    with World(demo.project) as world:
        policy = demo.project / "guard.toml"
        policy.write_text(_POLICY.format(index_url=world.pypi.simple_url), encoding="utf-8")
        demo.show_file(policy)
        world.publish("gears", "1.0.0")
        world.publish("widget", "1.0.0", requires=["gears"])
        command = "guard -v --policy guard.toml pip install widget"
        good = Step(title="Signed, and by whom", command=command, status=ExitCode.ALLOWED, lands="widget")
        demo.run(good, demo.simulated_environ)
        for name, step in _BAD.items():
            _publish_bad(world, name, demo.trace)
            demo.run(replace(step, command=f"{_INSTALL} {name}"), demo.simulated_environ)


def main() -> int:
    """Run the demonstration.

    Returns:
        0 when everything came out as it must, else 1.
    """
    started = time.monotonic()
    parts: tuple[Callable[[Demo], None], ...] = (_run_real, _run_simulated)
    with tempfile.TemporaryDirectory(prefix="guard-demo-") as folder:
        demo = Demo(Path(folder).resolve())
        demo.prepare()
        for part in parts:
            part(demo)
    seconds = time.monotonic() - started
    outcome = f"{demo.failures} not as expected" if demo.failures else "everything as expected"
    print(f"\n{outcome} ({seconds:.0f} s)")
    return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(main())

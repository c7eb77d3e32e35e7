"""Each generation of each tool that is recorded: how to get it, and how to lock with it."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.locktools.projects import Sources, served
from tests.locktools.tools import Said, lock_with_pdm, lock_with_pipenv, lock_with_poetry, lock_with_uv

_Lock = Callable[[Path, Path, Sources, tuple[int, ...]], tuple[str, Said]]

_FORMATS: dict[str, tuple[str, _Lock]] = {
    "uv": ("uv.lock", lock_with_uv),
    "poetry": ("poetry.lock", lock_with_poetry),
    "pdm": ("pdm.lock", lock_with_pdm),
    "pipenv": ("Pipfile.lock", lock_with_pipenv),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One version of a tool.

    Args:
        tool: its name in the index.
        version: of it.
        also: requirements that it needs beside itself, since newer ones of its dependencies break it.
        strategy: pdm's, where another than its default is locked with.
    """

    tool: str
    version: str
    also: tuple[str, ...] = ()
    strategy: str = ""

    @property
    def id(self) -> str:
        """Its name among the recorded ones."""
        return "-".join(part for part in (self.tool, self.version, self.strategy) if part)

    @property
    def file_name(self) -> str:
        """What its lock is called."""
        return _FORMATS[self.tool][0]

    def install(self, folder: Path) -> Path:
        """Install it into an environment of its own, from the index this machine is configured for."""
        venv.create(folder, with_pip=False, symlinks=True)
        python = folder / "bin" / "python"
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, f"{self.tool}=={self.version}", *self.also], check=True, timeout=600)
        return folder / "bin" / self.tool

    def lock(self, program: Path, folder: Path) -> tuple[str, Said]:
        """Lock the project of :mod:`tests.locktools.projects` and return the lock, and what the tool says of it."""
        lock = _FORMATS[self.tool][1]
        if self.strategy:
            lock = partial(lock_with_pdm, strategy=self.strategy)
        with served(folder) as sources:
            text, said = lock(program, folder, sources, tuple(int(part) for part in self.version.split(".")))
            return sources.neutral(text), sorted((name, version, sorted(hashes)) for name, version, hashes in said)


GENERATIONS = (
    Generation(tool="uv", version="0.4.30"),
    Generation(tool="uv", version="0.5.31"),
    Generation(tool="uv", version="0.7.22"),
    Generation(tool="uv", version="0.13.9"),
    Generation(tool="poetry", version="1.2.2"),
    Generation(tool="poetry", version="1.4.2"),
    Generation(tool="poetry", version="1.8.5"),
    Generation(tool="poetry", version="2.0.1"),
    Generation(tool="poetry", version="2.5.1"),
    Generation(tool="pdm", version="2.4.9"),
    Generation(tool="pdm", version="2.8.2"),
    Generation(tool="pdm", version="2.12.4"),
    Generation(tool="pdm", version="2.29.4", also=("hishel<2",)),
    Generation(tool="pdm", version="2.29.4", also=("hishel<2",), strategy="static_urls"),
    Generation(tool="pipenv", version="2026.10.3"),
)

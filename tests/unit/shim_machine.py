"""A machine with shims: a guard that only says what it was given, and tools that say what they were given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from guard_shims import launcher
from guard_shims.script import render_shims

# Both write who they are and every argument, as bytes, each with a NUL behind it.
_STUB = """\
import os, sys
words = [{name!r}, *sys.argv[1:]]
os.write(1, b"".join(os.fsencode(word) + bytes(1) for word in words))
"""


@dataclass(frozen=True)
class Ran:
    """What a command line led to: who ran at last, with which arguments."""

    status: int
    words: list[bytes]
    stderr: str

    @property
    def who(self) -> str:
        return self.words[0].decode() if self.words else ""

    @property
    def arguments(self) -> list[bytes]:
        return self.words[1:]


class Machine:
    """Shims of a stub guard in an environment of its own, and folders with stub tools for PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = root / "guard's environment"
        self.shims = root / "shims"
        self.path: list[str] = [str(self.shims)]
        self.system_path = ["/usr/bin", "/bin"]
        self.environ: dict[str, str] = {}
        venv.create(self.environment, with_pip=False, symlinks=True)
        self.python = self.environment / "bin" / "python"
        self.site_packages = next(self.environment.glob("lib/python*/site-packages"))
        for package in ("guard", "guard_shims"):
            (self.site_packages / package).mkdir()
            (self.site_packages / package / "__init__.py").touch()
        self.guard_main = self.site_packages / "guard" / "__main__.py"
        self.guard_main.write_text(_STUB.format(name="guard"))
        self.launcher = self.site_packages / "guard_shims" / "launcher.py"
        shutil.copy(launcher.__file__, self.launcher)
        self.shims.mkdir()
        shims = render_shims(
            self.shims, python=str(self.python), launcher=str(self.launcher), more=("pip3.12", *launcher.MORE_TOOLS)
        )
        for shim, content in shims.items():
            shim.write_bytes(content)
            shim.chmod(0o755)

    @property
    def full_environ(self) -> dict[str, str]:
        """The whole environment of a command, with nothing of this process's own."""
        return {"PATH": os.pathsep.join([*self.path, *self.system_path]), "LANG": "C.UTF-8", **self.environ}

    def add_tool(self, folder: str, name: str, *, script: str | None = None) -> Path:
        """Put a tool into a folder, which joins PATH; it says its folder, unless it does as its script says."""
        path = self.root / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script or f"#!{sys.executable} -IS\n" + _STUB.format(name=folder))
        path.chmod(0o755)
        if str(path.parent) not in self.path:
            self.path.append(str(path.parent))
        return path

    def run(self, *words: str | bytes, cwd: Path | None = None) -> Ran:
        """Run a command line, its first word by way of the shim."""
        done = subprocess.run(
            [self.shims / os.fsdecode(words[0]), *words[1:]],
            executable=self.shims / os.fsdecode(words[0]),
            env=self.full_environ,
            cwd=cwd or self.root,
            capture_output=True,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout.split(b"\0")[:-1], done.stderr.decode(errors="surrogateescape"))

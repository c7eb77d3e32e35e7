"""Which pip is guarded: the script on PATH, the interpreter behind it, and what that interpreter says of itself."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from guard.errors import GuardError, ToolNotFound, UsageError, malformed_input_boundary
from guard.managers.pip.command import Kind, classify, parse_command
from guard.managers.shim_mark import HEAD_BYTES, SHIM_MARK

_PROBE_TIMEOUT_SECONDS = 60
_SUPPORTED = (22, 2)  # the first pip with `install --dry-run --report`
_PYTHON_NAME = re.compile(r"(python|pypy)[0-9.]*(\.exe)?")

# Runs in the target interpreter: the standard library and pip's own vendored packaging only. The first line comes at
# once; the tags and what is installed take longer and are read when they are needed.
_PROBE = """
import json, os, platform, sys
import pip
impl = sys.implementation
v = impl.version
full = "%d.%d.%d" % v[:3] + ("" if v.releaselevel == "final" else v.releaselevel[0] + str(v.serial))
print(json.dumps({
    "prefix": sys.prefix, "executable": sys.executable, "pip_version": pip.__version__,
    "environment": {
        "implementation_name": impl.name, "implementation_version": full, "os_name": os.name,
        "platform_machine": platform.machine(), "platform_release": platform.release(),
        "platform_system": platform.system(), "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "platform_python_implementation": platform.python_implementation(),
        "python_version": ".".join(platform.python_version_tuple()[:2]), "sys_platform": sys.platform}}), flush=True)
from pip._vendor.packaging.tags import sys_tags
print(json.dumps([str(tag) for tag in sys_tags()]), flush=True)
folders = [folder for folder in sys.path if os.path.isdir(folder)]
names = [name for folder in folders for name in os.listdir(folder)]
print(json.dumps([name for name in names if name.endswith(".dist-info")]), flush=True)
"""


class Probe:
    """A process of the target's interpreter that says what it is.

    Args:
        interpreter: the Python that runs pip.
        environ: the user's environment.
    """

    def __init__(self, interpreter: str, environ: Mapping[str, str]) -> None:
        self.interpreter = interpreter
        # -P is newer than the oldest pip; in the root folder the empty first path entry of -c leads nowhere.
        self._process = subprocess.Popen(
            [interpreter, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            cwd="/",
        )
        self._lists: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def read_facts(self) -> bytes:
        """Return what the interpreter says of itself, in JSON; nothing when it cannot import pip."""
        line = self._read_line()
        if not line:
            self._process.communicate()
        return line

    def stop(self) -> None:
        """End it; nobody wants to know any more."""
        self._process.kill()
        self._process.communicate()

    def load_tags(self) -> tuple[str, ...]:
        """Return the wheel tags that the interpreter accepts, best first (PEP 425)."""
        return self._load_lists()[0]

    def load_installed(self) -> tuple[tuple[str, str], ...]:
        """Return name and version of what is installed there, both normalised (the names of ``.dist-info`` folders)."""
        found = []
        for folder in self._load_lists()[1]:
            name, _, version = folder.removesuffix(".dist-info").partition("-")
            with contextlib.suppress(InvalidVersion):
                found.append((canonicalize_name(name), str(Version(version))))
        return tuple(found)

    def _load_lists(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self._lists is None:
            tags, installed = self._read_line(), self._read_line()
            self._process.communicate()
            with malformed_input_boundary("the interpreter's answer"):
                self._lists = tuple(map(str, json.loads(tags))), tuple(map(str, json.loads(installed)))
        return self._lists

    def _read_line(self) -> bytes:
        # Both lines are read through the same buffer: what it read ahead of the first belongs to the second.
        assert self._process.stdout is not None, "it was started with a pipe"
        return self._process.stdout.readline()


@dataclass(frozen=True, slots=True)
class PipCommandLine:
    """How to start the user's pip.

    Args:
        interpreter: the Python that runs it.
        script: the script on PATH, so that pip names itself as it would without guard.
    """

    interpreter: str
    script: str

    @property
    def argv(self) -> tuple[str, str]:
        """First words of every command line of this pip."""
        return (self.interpreter, self.script)


@dataclass(frozen=True, slots=True)
class Target:
    """The pip that is driven and the environment that it changes.

    Args:
        command: how to start it.
        prefix: ``sys.prefix`` of its interpreter.
        version: pip's version, as it writes it.
        environment: marker environment of the interpreter (PEP 508).
        probe: asks the interpreter for more.
    """

    command: PipCommandLine
    prefix: str
    version: str
    environment: Mapping[str, str]
    probe: Probe

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version of pip."""
        return _release(self.version)


def find_pip(path: str, *, virtual_env: str | None, name: str | None = None) -> PipCommandLine:
    """Return the first pip that is not a guard shim: on PATH, else in the activated virtual environment.

    Args:
        path: value of ``PATH``; unreadable folders are passed over.
        virtual_env: value of ``VIRTUAL_ENV``.
        name: of the script, such as ``pip3.12``; without it, ``pip`` and ``pip3`` will do.

    Raises:
        ToolNotFound: there is none, or the interpreter of the one that is there cannot be told.
    """
    for script in _candidates(path, virtual_env, ("pip", "pip3") if name is None else (name,)):
        command = _command_of(script)
        if command is not None:
            return command
    raise ToolNotFound(
        f"no {name or 'pip'} was found on PATH", hint="activate an environment that has pip, or install python3-pip"
    )


def command_of_python(python: str) -> PipCommandLine:
    """Return the pip of the interpreter, or environment folder, that pip's own ``--python`` option names."""
    path = Path(python)
    if path.is_dir():
        path = next((path / name for name in ("bin/python", "Scripts/python.exe") if (path / name).exists()), path)
    script = next((item for item in _scripts_beside(path) if item.exists()), None)
    if not path.is_file() or script is None:
        raise ToolNotFound(f"no pip was found for --python {python}")
    return PipCommandLine(str(path), str(script))


def start_probe(arguments: Sequence[str], environ: Mapping[str, str]) -> Probe | None:
    """Start to ask the pip on PATH what it is, before anybody waits for the answer; what fails is said by whoever does.

    Args:
        arguments: what follows ``pip``.
        environ: the user's environment.

    Returns:
        The running probe for :func:`probe_target`; ``None`` where the command names another Python or asks none.
    """
    with contextlib.suppress(GuardError, OSError):
        if classify(arguments) is Kind.PASS_THROUGH or parse_command(arguments).has("--python"):
            return None
        command = find_pip(environ.get("PATH", os.defpath), virtual_env=environ.get("VIRTUAL_ENV"))
        return Probe(command.interpreter, environ)
    return None


def probe_target(command: PipCommandLine, environ: Mapping[str, str], *, probe: Probe | None = None) -> Target:
    """Ask the interpreter which environment it is.

    Args:
        command: the pip of which it is the interpreter.
        environ: the user's environment.
        probe: what was started ahead, for this interpreter or another.

    Raises:
        ToolNotFound: it does not answer, or has no pip.
        UsageError: its pip is too old to be guarded.
    """
    if probe is not None and probe.interpreter != command.interpreter:
        probe.stop()
        probe = None
    probe = probe or Probe(command.interpreter, environ)
    line = probe.read_facts()
    if not line:
        raise ToolNotFound(f"{command.script} does not run: {command.interpreter} cannot import pip")
    with malformed_input_boundary(f"what {command.interpreter} says of itself"):
        facts = json.loads(line)
        target = Target(command, facts["prefix"], facts["pip_version"], facts["environment"], probe)
    if target.release < _SUPPORTED:
        raise UsageError(
            f"pip {target.version} is too old to be guarded; {_SUPPORTED[0]}.{_SUPPORTED[1]} is the oldest that can",
            hint=f"{command.interpreter} -m pip install -U pip",
        )
    return target


def is_own_environment(target: Target) -> bool:
    """Whether the environment that pip would change is the one guard itself runs from."""
    return os.path.realpath(target.prefix) == os.path.realpath(sys.prefix)


def _candidates(path: str, virtual_env: str | None, names: Sequence[str]) -> Iterator[Path]:
    folders = [Path(folder).absolute() for folder in path.split(os.pathsep)]
    if virtual_env:
        folders.append(Path(virtual_env) / "bin")
    for folder in folders:
        for name in names:
            script = folder / name
            if os.access(script, os.X_OK) and script.is_file():
                yield script


def _command_of(script: Path) -> PipCommandLine | None:
    try:
        with script.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return None
    if SHIM_MARK in head:
        return None
    interpreter = _shebang_interpreter(head)
    return PipCommandLine(interpreter, str(script)) if interpreter else _command_behind(script)


def _shebang_interpreter(head: bytes) -> str | None:
    """Return the interpreter a script names: ``#!/path/python``, or distlib's ``exec`` line for long paths."""
    lines = head.decode("utf-8", "surrogateescape").splitlines()[:2]
    if not lines or not lines[0].startswith("#!"):
        return None
    words = lines[0][2:].split()
    if len(lines) > 1 and lines[1].startswith("'''exec' "):
        words = [lines[1].removeprefix("'''exec' ").partition(' "$0"')[0].strip('" ')]
    if not words or not _PYTHON_NAME.fullmatch(Path(words[0]).name):
        return None
    return words[0]


def _command_behind(script: Path) -> PipCommandLine | None:
    """Return the pip that a version manager's shell shim (pyenv, asdf) leads to, by asking it where pip is."""
    try:
        answer = subprocess.run(
            [script, "--version"], capture_output=True, timeout=_PROBE_TIMEOUT_SECONDS, check=True, text=True
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return None
    match = re.search(
        r"from (?P<prefix>.+)/lib/python[^/]*/(site|dist)-packages/pip \(python (?P<version>[0-9.]+)\)", answer
    )
    if match is None:
        return None
    interpreter = Path(match["prefix"], "bin", f"python{match['version']}")
    beside = next((item for item in _scripts_beside(interpreter) if item.exists()), None)
    return PipCommandLine(str(interpreter), str(beside)) if interpreter.is_file() and beside else None


def _scripts_beside(interpreter: Path) -> tuple[Path, ...]:
    return tuple(interpreter.with_name(name) for name in ("pip", "pip3", "pip.exe"))


def _release(version: str) -> tuple[int, int]:
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)

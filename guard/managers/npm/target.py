"""Which npm is guarded: the program on PATH, the package behind it, and the node that runs it.

Mostly the program is a link into npm's own folder, and files say the rest. Behind a program of a version manager
(Volta, asdf, mise, corepack) npm itself is asked where it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from guard import limits
from guard.errors import MalformedInput, ToolNotFound, UsageError, malformed_input_boundary
from guard.managers.npm.plan import Platform
from guard.managers.npm.vocabulary import MAJORS
from guard.managers.shim_mark import HEAD_BYTES, SHIM_MARK

_PROBE_TIMEOUT_SECONDS = 60
_NODE_NAME = re.compile(r"node(js)?(-?v?[0-9.]+)?")
_SHEBANG = re.compile(rb"#!\s*(\S+)(?:\s+(?:-S\s+)?(\S+))?")
_VERSION = re.compile(r"(\d+)\.(\d+)\.")

# npm tells scripts where it is. Nothing of the working directory has a say but the choice of a version manager.
_ASK_PLACE = (
    "exec",
    "--offline",
    "--loglevel=silent",
    "--no-workspaces",
    "--prefix=/",
    "--script-shell=/bin/sh",
    '--call=printf "%s\\n%s\\n" "$npm_execpath" "$npm_node_execpath"',
)

# How npm itself finds the C library (npm-install-checks); npm 9 has only the second way.
_ASK_PLATFORM = """
let libc = null
try {
  libc = require(process.argv[1] + '/node_modules/npm-install-checks/lib/current-env.js').libc(process.platform)
} catch {
  if (process.platform === 'linux') {
    process.report.excludeNetwork = true
    const report = process.report.getReport()
    const isMusl = (file) => file.includes('libc.musl-') || file.includes('ld-musl-')
    libc = report.header.glibcVersionRuntime ? 'glibc' : report.sharedObjects.some(isMusl) ? 'musl' : null
  }
}
console.log(JSON.stringify({ os: process.platform, cpu: process.arch, libc: libc || null }))
"""


class _PlatformProbe:
    """A process of node's that says what it runs on. It is started once, and its answer is read once."""

    def __init__(self, node: Path, root: Path) -> None:
        self._argv = [str(node), "-e", _ASK_PLATFORM, str(root)]
        self._process: subprocess.Popen[bytes] | None = None
        self._platform: Platform | None = None

    def start(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            # What NODE_OPTIONS loads may print to the same stream.
            environ = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
            )
        return self._process

    def load(self) -> Platform:
        if self._platform is None:
            process = self.start()
            try:
                answer, _ = process.communicate(timeout=_PROBE_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
            facts = json.loads(answer)
            self._platform = Platform(os=facts["os"], cpu=facts["cpu"], libc=facts["libc"])
        return self._platform


@dataclass(frozen=True, slots=True)
class NpmTarget:
    """The npm that is driven.

    Args:
        script: the program on PATH, so that npm is started as it would be without guard.
        root: npm's own folder.
        node: the node that runs it, links resolved.
        version: npm's version, as it writes it.
    """

    script: Path
    root: Path
    node: Path
    version: str
    _probe: _PlatformProbe = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_probe", _PlatformProbe(self.node, self.root))

    @property
    def argv(self) -> tuple[str, ...]:
        """First words of every command line of this npm."""
        return (str(self.script),)

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version."""
        match = _VERSION.match(self.version)
        return (int(match[1]), int(match[2])) if match else (0, 0)

    @property
    def major(self) -> int:
        """Major version."""
        return self.release[0]

    def ask_platform(self) -> None:
        """Start to ask node for the platform, so that :meth:`load_platform` need not wait for it later."""
        with contextlib.suppress(OSError):  # which is for `load_platform` to say
            self._probe.start()

    def load_platform(self) -> Platform:
        """Return what node says of the platform that it runs on.

        Raises:
            ToolNotFound: node does not answer.
        """
        try:
            return self._probe.load()
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            raise ToolNotFound(f"{self.node} does not say what platform it runs on") from error


def find_script(path: str, name: str = "npm") -> Path:
    """Return the first program of this name on PATH that is not a guard shim.

    Args:
        path: value of ``PATH``; unreadable folders are passed over.
        name: ``npm`` or ``npx``.

    Raises:
        ToolNotFound: there is none.
    """
    script = next((item for item in _programs(path, name) if not _is_shim(item)), None)
    if script is None:
        raise ToolNotFound(f"no {name} was found on PATH", hint="install Node.js, which brings npm along")
    return script


def find_npm(path: str, name: str = "npm") -> NpmTarget:
    """Return the npm that PATH leads to.

    Args:
        path: value of ``PATH``.
        name: ``npm`` or ``npx``, which is another entry to the same npm.

    Raises:
        ToolNotFound: there is none, or it cannot be told where it leads.
        UsageError: it is too old to be guarded.
    """
    script = find_script(path, name)
    root, node = _root_of(script, name), _node_of(script, path)
    if root is None or node is None:
        root, node = _ask_place(script, name)
    target = NpmTarget(script, root, node, _load_version(root))
    if target.major < MAJORS[0]:
        raise UsageError(
            f"npm {target.version} is too old to be guarded; {MAJORS[0]} is the oldest that can",
            hint="npm install -g npm",
        )
    return target


def _programs(path: str, name: str) -> Iterator[Path]:
    for folder in path.split(os.pathsep):
        program = Path(folder).absolute() / name
        if os.access(program, os.X_OK) and program.is_file():
            yield program


def _is_shim(program: Path) -> bool:
    """Whether a program is guard's own; one that cannot be read is not, for guard's can."""
    return SHIM_MARK in _load_head(program)


def _load_head(program: Path) -> bytes:
    try:
        with program.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


def _root_of(script: Path, name: str) -> Path | None:
    """Return npm's folder where the program is, or leads to, a file in it."""
    real = Path(os.path.realpath(script))
    root = real.parent.parent
    is_npm = real.name == f"{name}-cli.js" and real.parent.name == "bin" and (root / "package.json").is_file()
    return root if is_npm else None


def _node_of(script: Path, path: str) -> Path | None:
    """Return the node that a script's first line names; ``None`` where that is a program of a version manager."""
    match = _SHEBANG.match(_load_head(script))
    if match is None:
        return None
    words = [os.fsdecode(word) for word in match.groups() if word]
    is_looked_up = Path(words[0]).name == "env"
    named = next(_programs(path, words[-1]), None) if is_looked_up else Path(words[0])
    if named is None:
        return None
    node = Path(os.path.realpath(named))
    is_program = bool(_NODE_NAME.fullmatch(node.name)) and not _load_head(node).startswith(b"#!")
    return node if is_program else None


def _ask_place(script: Path, name: str) -> tuple[Path, Path]:
    """Return npm's folder and its node, as npm itself says."""
    program = script if name == "npm" else script.with_name("npm")
    try:
        answer = subprocess.run(
            [program, *_ASK_PLACE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_SECONDS,
            check=True,
        ).stdout
        cli, node = os.fsdecode(answer).splitlines()[-2:]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ToolNotFound(
            f"{program} does not say where its npm is", hint="put the folder of npm itself first on PATH"
        ) from error
    root, interpreter = _root_of(Path(cli), "npm"), Path(os.path.realpath(node))
    if root is None or not interpreter.is_file():
        raise ToolNotFound(f"{program} does not lead to an npm", hint="put the folder of npm itself first on PATH")
    return root, interpreter


def _load_version(root: Path) -> str:
    manifest = root / "package.json"
    with malformed_input_boundary(str(manifest)), manifest.open("rb") as stream:
        content = json.loads(stream.read(limits.METADATA_MAX_BYTES))
        if content["name"] != "npm" or not _VERSION.match(content["version"]):
            raise MalformedInput("it is not npm's", context=str(manifest))
        return str(content["version"])

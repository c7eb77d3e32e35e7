"""What every shim starts: hands a command that installs nothing to the real tool, and everything else to guard.

The first word alone decides, by an allow-list of full names. Two ways in, told apart by the interpreter's flags::

    PYTHON -I -S launcher.py SHIM LC_CTYPE ARGUMENTS…   from the shim: decide; no site, because it costs milliseconds
    PYTHON -I launcher.py SHIM ARGUMENTS…               from the first: start guard, and say so when it does not start

The first way imports ``os`` and ``sys`` and nothing else, not even ``__future__``: a test looks. Nothing that is
inherited from the environment takes part in what is guarded; the trail below only chooses among real tools.
"""
# Importing pathlib would cost more than all the rest.
# ruff: noqa: PTH100, PTH113, PTH118, PTH119, PTH120, PTH123

import os
import sys

# In the first bytes of every shim, so that neither this module nor guard takes one for the tool.
MARK = b"provenance-guard shim"

# The tools that have a shim always, and those that have one on request; guard's word for each.
TOOLS = {"pip": "pip", "pip3": "pip", "npm": "npm", "npx": "npx"}
MORE_TOOLS = {word: word for word in ("uv", "uvx", "pipx", "pnpm", "pnpx", "yarn", "poetry", "pdm")}
# For `python -m pip`: the functions of shells call it with the name of a Python and what is typed behind that.
PYTHON_SHIM = "python-m-pip"

# First words that install nothing, in full: neither tool reads anything else into a first word that it knows (pip:
# cli/main_parser.py, parse_command; npm: lib/utils/cmd-list.js, deref).
_PIP_WORDS = "cache check completion config debug freeze hash help index inspect list search show uninstall"
_NPM_WORDS = """
    bugs c completion config docs explain find fund get help home info issues la list ll ls outdated ping prefix query
    repo restart root rum run run-script s sbom se search set show start stop t test tst urn v view whoami why
"""
PASS_THROUGH: dict[str, frozenset[str]] = {
    "pip": frozenset(_PIP_WORDS.split()),
    "npm": frozenset(_NPM_WORDS.split()),
    "npx": frozenset(),
    **{word: frozenset() for word in MORE_TOOLS},
}
# Whole command lines: with more on the line, npm takes such an option back (`npm --version --no-version install x`).
PASS_THROUGH_ALONE: dict[str, list[list[str]]] = {
    "pip": [[], ["-V"], ["--version"], ["-h"], ["--help"]],
    "npm": [[], ["-v"], ["--version"], ["-h"], ["--help"]],
    "npx": [],
    **{word: [["--version"]] for word in MORE_TOOLS},
}

# The last words of a shim whose guard is gone; the shim itself has them, too.
MEND = "To mend it: pipx reinstall provenance-guard, then: guard shims install. To do without: remove the folder"

# How many shims in a row may lead to each other. Scripts that call npm that call scripts stay far below.
DEPTH_MAX = 30

_TRAIL = "PROVENANCE_GUARD_SHIM_TRAIL"
_HEAD_BYTES = 4096
_NOT_FOUND = 127
# Options of Python's that take a value, which may be a word of its own (CPython: Python/getopt.c).
_PYTHON_VALUES = "WX"
_PYTHON_LONG_VALUE = "--check-hash-based-pycs"
_ENOEXEC = 8  # a script without a first line that names its interpreter


def main(argv: list[str]) -> None:
    """Become the real tool or guard; returns never.

    Args:
        argv: the process's arguments, see the module.
    """
    if not sys.flags.no_site:
        start_guard(argv[1], argv[2:])
        return
    shim, locale, arguments = argv[1], argv[2], argv[3:]
    tool = os.path.basename(shim)
    _restore_locale(locale)
    depth, been = _read_trail(tool)
    if depth >= DEPTH_MAX:
        _fail(f"{tool}: {depth} shims led to each other; call {tool} by its full path")
    if tool == PYTHON_SHIM:
        arguments = _arguments_of_pip(arguments[0], arguments[1:])
    elif passes_through(word_of(tool), arguments):
        _become_tool(tool, arguments, depth, been)
    os.environ[_TRAIL] = str(depth + 1)
    _become_guard(shim, arguments)


def passes_through(word: str, arguments: list[str]) -> bool:
    """Whether a command line installs nothing, so that guard need not look at it.

    Args:
        word: guard's word for the tool.
        arguments: what follows the tool's name.
    """
    return arguments in PASS_THROUGH_ALONE[word] or (bool(arguments) and arguments[0] in PASS_THROUGH[word])


def word_of(tool: str) -> str:
    """Return guard's word for a tool that may have a shim; the empty string for any other.

    Args:
        tool: its name, such as ``pip3.12``.
    """
    known = TOOLS.get(tool) or MORE_TOOLS.get(tool)
    if known is None and tool.startswith("pip3.") and tool.isascii() and tool[len("pip3.") :].isdecimal():
        return "pip"
    return known or ""


def split_at_pip(arguments: list[str]) -> list[str] | None:
    """Return what a Python's command line hands to pip; ``None`` where it does not run the module.

    Args:
        arguments: what follows the interpreter's name: ``-I -m pip install x``.
    """
    position = 0
    while position < len(arguments) and len(arguments[position]) > 1 and arguments[position][0] == "-":
        word = arguments[position]
        position += 1
        if word == _PYTHON_LONG_VALUE:
            position += 1
        if word.startswith("--"):
            continue
        for place, letter in enumerate(word[1:], 2):
            if letter == "c":
                return None
            if letter == "m":
                module, *rest = [word[place:]] * bool(word[place:]) + arguments[position:] or [""]
                return rest if module == "pip" or module.startswith("pip.") else None
            if letter in _PYTHON_VALUES:
                position += not word[place:]
                break
    return None


def find_executables(name: str, path: str) -> list[str]:
    """Return every executable of a name, in the order of PATH.

    An empty entry is the working directory (POSIX, Base Definitions 8.3); folders that are missing or cannot be
    searched have nothing.

    Args:
        name: of the tool.
        path: value of ``PATH``.
    """
    candidates = (os.path.join(folder or ".", name) for folder in path.split(os.pathsep))
    return [each for each in candidates if os.path.isfile(each) and os.access(each, os.X_OK)]


def is_shim(executable: str) -> bool:
    """Whether a file is a shim of guard's, of this installation or another."""
    try:
        with open(executable, "rb", 0) as stream:
            return MARK in stream.read(_HEAD_BYTES)
    except OSError:
        return False  # a shim is a script: what cannot be read cannot be one that runs


def start_guard(shim: str, arguments: list[str]) -> None:
    """Run guard in this process.

    Args:
        shim: path of the shim that was called.
        arguments: what follows the tool's name.
    """
    import runpy

    tool = os.path.basename(shim)
    if tool == PYTHON_SHIM:
        words = ["pip", "--python"]
    else:
        words = [*(() if tool in TOOLS or tool in MORE_TOOLS else ("--pip", tool)), word_of(tool)]
    sys.argv = ["guard", *words, *arguments]
    try:
        runpy.run_module("guard", run_name="__main__", alter_sys=True)
    except Exception as error:  # noqa: BLE001 - guard answers for its own errors: this one is missing or damaged
        _fail_to_start(shim, f"{type(error).__name__}: {error}")


def _arguments_of_pip(name: str, arguments: list[str]) -> list[str]:
    """Return the Python and the arguments of a pip that guard is to run; become the Python where it is no such line.

    Args:
        name: of the Python, as it was typed.
        arguments: what follows it.
    """
    found = [name] if os.sep in name else find_executables(name, os.environ.get("PATH", os.defpath))
    if not found:
        _fail(f"{name}: not found on PATH")
    pip = split_at_pip(arguments)
    if pip is None or passes_through("pip", pip):
        try:
            os.execv(found[0], [name, *arguments])  # noqa: S606 - the user's own Python
        except OSError as error:
            _fail(f"{found[0]}: {error.strerror}")
    return [os.path.abspath(found[0]), *(pip or [])]


def _become_tool(tool: str, arguments: list[str], depth: int, been: list[str]) -> None:
    """Become the first real tool on PATH that this process has not been yet.

    Version managers (pyenv, asdf, mise) look PATH up again and arrive here in the same process when they have no
    version of their own; then it is the turn of what stands behind them.
    """
    for executable in find_executables(tool, os.environ.get("PATH", os.defpath)):
        if executable in been or is_shim(executable):
            continue
        os.environ[_TRAIL] = os.pathsep.join([str(depth + 1), _this_process(), tool, *been, executable])
        try:
            os.execv(executable, [tool, *arguments])  # noqa: S606 - the user's own tool
        except OSError as error:
            if error.errno == _ENOEXEC:
                os.execv("/bin/sh", ["sh", executable, *arguments])  # noqa: S606 - as every shell does
            _fail(f"{executable}: {error.strerror}")
    _fail(f"{tool}: not found on PATH behind guard's shim")


def _become_guard(shim: str, arguments: list[str]) -> None:
    try:
        os.execv(sys.executable, [sys.executable, "-I", __file__, shim, *arguments])  # noqa: S606
    except OSError as error:
        _fail_to_start(shim, str(error.strerror))


def _read_trail(tool: str) -> tuple[int, list[str]]:
    """Return how many shims led here, and which executables of the tool this very process has been already.

    A child that inherits the trail is another process: for it the search begins anew.
    """
    depth, *rest = os.environ.get(_TRAIL, "").split(os.pathsep)
    is_same = rest[:2] == [_this_process(), tool]
    return (int(depth) if depth.isdecimal() and len(depth) < 4 else 0, rest[2:] if is_same else [])


def _this_process() -> str:
    """Return what stays the same through exec: the number and, where the system tells, the start, of the process.

    Numbers are used again; together with the start (proc(5), field 22 of stat) they are not.
    """
    try:
        with open("/proc/self/stat", "rb", 0) as stream:
            start = stream.read(_HEAD_BYTES).rpartition(b")")[2].split()[19].decode("ascii")
    except (OSError, IndexError, UnicodeError):
        start = ""
    return f"{os.getpid()}@{start}"


def _restore_locale(locale: str) -> None:
    """Undo what Python does to LC_CTYPE in the C locale (PEP 538), of which the tool shall see nothing."""
    if locale:
        os.environ["LC_CTYPE"] = locale
    else:
        os.environ.pop("LC_CTYPE", None)


def _fail_to_start(shim: str, reason: str) -> None:
    tool, folder = os.path.basename(shim), os.path.dirname(shim)
    _fail(f"{tool}: guard does not start ({reason}), so nothing was run. {MEND} {folder}")


def _fail(message: str) -> None:
    os.write(2, f"guard: {message}\n".encode("utf-8", "surrogateescape"))
    os._exit(_NOT_FOUND)


if __name__ == "__main__":
    main(sys.argv)

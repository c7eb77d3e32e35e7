"""What the shells are told: the marked block of each, and the file it belongs into.

The block puts the shim folder in front of PATH when the shell starts, and back in front when a virtual environment or
a version manager has put its own folder there. It is the same for a shell that reads it twice, takes the folder out
when it no longer exists, and leaves ``$?`` and whatever else runs before the prompt alone.
"""

from __future__ import annotations

import enum
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from guard_shims.errors import ShimsError
from guard_shims.launcher import TOOLS

_BEGIN = b"# >>> provenance-guard shims >>>"
_END = b"# <<< provenance-guard shims <<<"
_BLOCK = re.compile(rb"^%s(?:(?!%s).)*?^%s$\n?" % (_BEGIN, _BEGIN, _END), re.MULTILINE | re.DOTALL)


class Shell(str, enum.Enum):
    """A shell that can be told."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


# For bash 3.2 and newer and for zsh. PATH is compared between colons, so that no part of an entry is taken for it.
_ON_PATH = r"""
function __provenance_guard {
  local result=$? folder=FOLDER rest=":$PATH:"
  if [[ $rest != ":$folder:"* || ! -d $folder ]]; then
    while [[ $rest == *":$folder:"* ]]; do rest=${rest//":$folder:"/:}; done
    rest=${rest#:}
    rest=${rest%:}
    [[ ! -d $folder ]] || rest=$folder${rest:+:$rest}
    if [[ $rest != "$PATH" ]]; then PATH=$rest; hash -r; fi
  fi
  return $result
}
__provenance_guard || :
function __provenance_guard_python {
  local folder=FOLDER
  __provenance_guard || :
  if [[ "$*" == *-*m*pip* && -x $folder/python-m-pip ]]; then "$folder/python-m-pip" "$@"; else command "$@"; fi
}
# For one line that activates an environment and installs: no prompt comes between. Your own functions stay.
FUNCTIONS"""
_FUNCTION = r"""typeset -f TOOL >/dev/null || function TOOL { __provenance_guard || :; command \TOOL "$@"; }
"""
_PYTHON_FUNCTION = r"""typeset -f TOOL >/dev/null || function TOOL { __provenance_guard_python TOOL "$@"; }
"""
_PYTHONS = ("python", "python3")

# PROMPT_COMMAND is an array of commands where the user made it one, from bash 5.1 on; else its first is all there is.
_BASH = (
    _ON_PATH
    + r"""
if [[ ${PROMPT_COMMAND[*]-} != *__provenance_guard* ]]; then
  if (( BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501 )) &&
    [[ $(declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
    PROMPT_COMMAND+=(__provenance_guard)
  else
    PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}__provenance_guard
  fi
fi
"""
)

_ZSH = (
    _ON_PATH
    + r"""
autoload -Uz add-zsh-hook
add-zsh-hook precmd __provenance_guard
add-zsh-hook preexec __provenance_guard
"""
)

# No tool is a function here, as fish runs none in the background: `python server.py &` would keep the shell waiting.
# fish runs the function whenever PATH is set, inside a line too. It also runs when the function itself has set it.
_FISH = r"""
function __provenance_guard --on-variable PATH --on-event fish_prompt
    set -l folder FOLDER
    set -l rest
    for entry in $PATH
        test "$entry" = "$folder"; or set -a rest $entry
    end
    if test -d "$folder"
        test "$PATH[1]" = "$folder"; or set -gx PATH $folder $rest
    else if contains -- "$folder" $PATH
        set -gx PATH $rest
    end
end
__provenance_guard
"""

_TEXTS = {Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH}
_ABOUT = """
# Made by `guard shims install`, taken away by `guard shims remove`: what installs goes through guard.
"""


def startup_file(shell: Shell, *, environ: Mapping[str, str], home: Path) -> Path:
    """Return the file that an interactive shell reads when it starts, links followed.

    Source: bash(1) INVOCATION; zsh(1) STARTUP/SHUTDOWN FILES; fish's documentation, "Configuration files".

    Args:
        shell: which shell.
        environ: where ZDOTDIR and XDG_CONFIG_HOME may be set.
        home: the user's home folder.
    """
    match shell:
        case Shell.BASH:
            path = home / ".bashrc"
        case Shell.ZSH:
            path = Path(environ.get("ZDOTDIR") or home) / ".zshrc"
        case Shell.FISH:
            folder = environ.get("XDG_CONFIG_HOME") or home / ".config"
            path = Path(folder) / "fish" / "conf.d" / "provenance-guard.fish"
    return Path(os.path.realpath(path))


def is_used(shell: Shell, *, environ: Mapping[str, str], home: Path) -> bool:
    """Whether the shell is on PATH, or its startup file exists; what cannot be seen does not."""
    found = shutil.which(shell.value, path=environ.get("PATH", os.defpath))
    return found is not None or os.path.exists(startup_file(shell, environ=environ, home=home))  # noqa: PTH110


def render_block(shell: Shell, folder: Path, *, more: Iterable[str] = ()) -> bytes:
    """Return the marked block that puts ``folder`` in front of PATH.

    Args:
        shell: whose language it is in.
        folder: the shim folder.
        more: tools that have a shim beside those that have one always.
    """
    quoted = _quote_for_fish(str(folder)) if shell is Shell.FISH else shlex.quote(str(folder))
    functions = [_FUNCTION.replace("TOOL", tool) for tool in (*TOOLS, *more)]
    functions += [_PYTHON_FUNCTION.replace("TOOL", python) for python in _PYTHONS]
    text = _TEXTS[shell].lstrip().replace("FUNCTIONS", "".join(functions)).replace("FOLDER", quoted)
    text = _ABOUT.lstrip() + text
    return _BEGIN + b"\n" + os.fsencode(text) + _END + b"\n"


def render_path_line(folder: Path) -> str:
    """Return the line that puts ``folder`` in front of PATH in any POSIX shell."""
    return f'export PATH={shlex.quote(str(folder))}:"$PATH"'


def has_block(content: bytes) -> bool:
    """Whether a startup file has the block."""
    return _BLOCK.search(content) is not None


def put_block(content: bytes, block: bytes) -> bytes:
    """Return a startup file with the block: in the place of the one it has, else at the end.

    Args:
        content: the file as it is, of which :func:`cut_block` says that it can be read.
        block: what to put.
    """
    if has_block(content):
        return _BLOCK.sub(lambda _: block, content, count=1)
    return (content + b"\n" if is_line_open(content) else content) + block


def cut_block(content: bytes, *, path: Path) -> bytes:
    """Return a startup file without the block.

    Raises:
        ShimsError: the block has lost its last line, so that nobody can say where it ends.
    """
    rest = _BLOCK.sub(b"", content)
    if _BEGIN in rest:
        raise ShimsError(f"{path}: guard's block has no end", hint="take its lines out by hand")
    return rest


def is_line_open(content: bytes) -> bool:
    """Whether the last line has no newline."""
    return bool(content) and not content.endswith(b"\n")


def _quote_for_fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

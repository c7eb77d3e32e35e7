"""The corpus as a whole, and the tables of it that the documentation shows."""

from __future__ import annotations

from tests.bypass.npm_ways import NPM_WAYS
from tests.bypass.python_ways import PYTHON_WAYS
from tests.bypass.way import Way

WAYS: tuple[Way, ...] = (*PYTHON_WAYS, *NPM_WAYS)


def render_table() -> str:
    """Return a row for each way, for docs/shims.md."""
    rows = [f"| `{way.id}` | {way.about} | {_outcome(way)} | {way.source} |" for way in WAYS]
    return "\n".join(["| way | what | outcome | met in |", "|---|---|---|---|", *rows]) + "\n"


def render_summary() -> str:
    """Return a row for each group of ways, for the README."""
    rows = []
    for group, about in _GROUPS.items():
        ways = [way for way in WAYS if way.group == group]
        caught = sum(way.open_as is None for way in ways)
        rows.append(f"| {about} | {caught} | {len(ways) - caught} |")
    return "\n".join(["| ways to start an install | caught | open |", "|---|---|---|", *rows]) + "\n"


_GROUPS = {
    "word": "`pip`, `pip3`, `pip3.X` however they are typed: aliases, `command`, `exec`, `eval`, `hash -r`",
    "shell": "from `sh`, `bash`, `zsh`, `fish`, scripts and agents",
    "program": "from `env`, `xargs`, `make`, `find`, Python's and node's subprocesses",
    "venv": "in virtual environments, on the line that activates one, too",
    "module": "`python -m pip` and its spellings, in interactive bash and zsh",
    "options": "options before the command, other commands, `--python`, `--target`",
    "config": "`PIP_*`, pip.conf, options in requirement files",
    "source": "dependencies, addresses, repositories",
    "nested": "build requirements, and backends that run pip",
    "path": "PATH, links and copies of shims, a `guard` on PYTHONPATH",
    "npm": "npm and npx: aliases, prefixes, manifests, workspaces, registries, scripts that run npm or pip",
    "open": "paths, `sudo`, `env -i`, `python -m pip` in programs, zipped pips: `guard doctor` names each",
}


def _outcome(way: Way) -> str:
    if way.open_as is None:
        return "caught"
    check, colon, subject = way.open_as.partition(": ")
    return f"open, doctor: `{check}` {subject}" if colon else f"open, doctor: `limit` `{check}`"

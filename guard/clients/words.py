"""The command lines of other clients that install nothing, by an allow-list of full names.

Nothing is imported here, so that what passes through costs little more than the tool itself.
"""

from __future__ import annotations

# guard's word for a client, and the program that it starts.
PROGRAMS = {name: name for name in ("uv", "pnpm", "pnpx", "yarn", "poetry", "pdm", "pipx")} | {"uvx": "uv"}

# Words that stand between the program and what is typed after guard's word.
LEADING_WORDS = {
    "uvx": ("tool", "run"),
    # pnpm may be told to install before it runs a script, or to fetch another pnpm (pnpm.io/settings).
    "pnpm": ("--config.verify-deps-before-run=false", "--config.manage-package-manager-versions=false"),
}

# What guard says of each.
CLIENTS = {
    "uv": "Run uv, guarded: what is locked is decided, then installed frozen; pip and tool commands ask guard's index.",
    "uvx": "Run uvx, guarded: the packages of the program are decided before it starts.",
    "pnpm": "Run pnpm, guarded: what pnpm-lock.yaml names is decided, then installed frozen.",
    "pnpx": "Refuse pnpx, with a line to use.",
    "yarn": "Run yarn, guarded: what installs is refused with a line to use, other commands pass through.",
    "poetry": "Run poetry, guarded: what poetry.lock names is decided, then installed.",
    "pdm": "Run pdm, guarded: what pdm.lock names is decided, then installed.",
    "pipx": "Run pipx, guarded: what installs is refused with a line to use, other commands pass through.",
}

_ALONE = {("--version",), ("-V",), ("--help",), ("-h",), ("help",)}

# First words of lines that install nothing, and never make or change a lock or an environment on the way.
_LEADING = {
    "uv": """
        auth; cache; help; pip check; pip freeze; pip list; pip show; pip tree; pip uninstall; publish; python dir;
        python find; python list; python pin; python uninstall; tool dir; tool list; tool uninstall; tool update-shell
    """,
    "uvx": "",
    "pnpm": """
        bin; c; cat-file; cat-index; config; exec; find-hash; help; info; init; la; licenses; list; ll; login; logout;
        ls; outdated; pack; ping; publish; restart; root; run; run-script; search; start; stop; store path; store prune;
        store status; t; test; view; whoami; why
    """,
    "pnpx": "",
    "yarn": """
        bin; config; exec; help; info; licenses; list; node; npm whoami; outdated; pack; publish; run; test;
        versions; why; workspaces info; workspaces list
    """,
    # poetry installs the plugins that a project names before any command; that takes a look at the project first.
    "poetry": "",
    "pdm": "",
    "pipx": "completions; ensurepath; environment; help; list; uninstall; uninstall-all",
}
# What looks at a lock passes where it must not make one, which one word says.
_FROZEN = {"uv": frozenset({"export", "tree"})}

PASS_THROUGH = {
    word: frozenset(tuple(line.split()) for line in lines.split(";") if line.strip())
    for word, lines in _LEADING.items()
}


def passes_through(word: str, arguments: list[str]) -> bool:
    """Whether a command line installs nothing.

    Args:
        word: guard's word for the client.
        arguments: what follows it.
    """
    if not arguments:
        return word != "yarn"  # which installs where nothing is said
    if tuple(arguments) in _ALONE:
        return True
    if arguments[0] in _FROZEN.get(word, frozenset()):
        return "--frozen" in arguments
    return any(tuple(arguments[: len(words)]) == words for words in PASS_THROUGH[word])

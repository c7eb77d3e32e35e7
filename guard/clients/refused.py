"""Clients of which nothing that installs can be guarded fully, and what to use in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guard.clients.line import not_guarded
from guard.errors import Refused

REFUSED: Mapping[str, Mapping[str, str]] = {
    # yarn 2 and newer compare an archive that yarn makes itself, by a checksum that says nothing of a registry's bytes;
    # yarn 1 resolves what a lock lacks even where it is told to take the lock as it is.
    "yarn": {
        "": "guard npm install",
        "add": "guard npm install NAME",
        "create": "guard npx create-NAME",
        "dlx": "guard npx NAME",
        "global": "guard npm install -g NAME",
        "install": "guard npm install",
    },
    "pnpx": {},
    "pipx": {
        "inject": "guard uv tool install --with NAME PACKAGE",
        "install": "guard uv tool install NAME",
        "run": "guard uvx NAME",
        "runpip": "guard pip, in the environment",
        "upgrade": "guard uv tool install --upgrade NAME",
    },
}
_USUAL = {
    "pnpx": "guard npx NAME",
    "yarn": "write the command first, by its full name: yarn run NAME; to install: guard npm install",
}


def refused_command(word: str, arguments: Sequence[str]) -> Refused:
    """Return the refusal of a command of one of these clients."""
    command = arguments[0] if arguments else ""
    hint = REFUSED[word].get(command) or _USUAL.get(word, "guard uv tool install NAME, or: guard uvx NAME")
    return not_guarded(f"{word} {command}".rstrip(), hint=hint)

"""Which way each command of uv goes."""

from __future__ import annotations

from collections.abc import Sequence

from guard.clients.driver import Done
from guard.clients.line import not_guarded
from guard.clients.session import Session
from guard.clients.uv.deciding import COMMANDS as ASKING
from guard.clients.uv.deciding import run_asking
from guard.clients.uv.locked import COMMANDS, become_program, run_locked

_HINTS = {
    "build": "python -m build through guard's pip, or uv itself where the build requirements are trusted",
    "export": "guard uv export --frozen",
    "python": "an interpreter is no package of an index; install it with uv itself",
    "self": "an update of uv itself is nothing that an index answers for; run uv itself",
    "tree": "guard uv tree --frozen",
}
_USUAL_HINT = "write the command first, by its full name; run it with uv itself if it installs nothing"


def carry_out(session: Session, word: str, arguments: Sequence[str]) -> Done:
    """Carry out ``uv ARGUMENTS`` or ``uvx ARGUMENTS``.

    Raises:
        Refused: it is nothing that guard can carry out.
    """
    command, *words = arguments if word == "uv" else ("tool", "run", *arguments)
    if command in COMMANDS:
        outcome = run_locked(session, command, words)
        if command == "run":
            return Done(outcome=outcome, become=lambda: become_program(session, words))
        return Done(outcome=outcome)
    if (command, *words[:1]) in ASKING:
        return Done(outcome=run_asking(session, (command, words[0]), words[1:]))
    raise not_guarded(
        " ".join(("uv", command, *words[:1])) if command in ("pip", "tool") else f"uv {command}",
        hint=_HINTS.get(command, _USUAL_HINT),
    )

"""What clients of npm registries have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from guard.clients.line import not_guarded
from guard.clients.session import Session
from guard.engine.outcome import Outcome
from guard.model import Ecosystem
from guard.policy.settings import InstallScriptsMode


def refuse_names_off_registry(cwd: Path, arguments: Iterable[str]) -> None:
    """Refuse what a command line asks for past every registry; aliases and workspaces are decided from the lock.

    Raises:
        Refused: it asks for an archive, an address, a folder or a repository.
    """
    for argument in arguments:
        spec = argument.removeprefix("@")
        version = spec.partition("@")[2]
        is_scoped = argument.startswith("@") and spec.partition("@")[0].count("/") == 1
        is_path = (
            argument.startswith((".", "/", "~"))
            or (cwd / argument).is_file()
            or (":" in spec and version[:4] != "npm:")
        )
        if is_path or ("/" in spec.partition("@")[0] and not is_scoped) or ("/" in version and version[:4] != "npm:"):
            raise not_guarded(argument, hint="name a release of a registry")


def refuse_left_out_scripts(session: Session, outcome: Outcome, *, is_left_out: bool, line: str) -> None:
    """Refuse packages that the policy wants without their scripts, where the tool would run them.

    Raises:
        Refused: there is one.
    """
    if is_left_out:
        return
    for judged in outcome.judged:
        artifact = judged.artifact
        asked = session.policy.for_package(
            Ecosystem.NPM, artifact.name, artifact.version, now=session.app.started
        ).install_scripts
        if asked is InstallScriptsMode.SKIP and judged.facts.has_install_script:
            raise not_guarded(f"{artifact.spec} without its scripts but other packages with theirs", hint=line)

"""Next steps that several rules name, in the words of the command line."""

from __future__ import annotations

import shlex

from guard.model import Artifact


def to_except(artifact: Artifact) -> str:
    """Return how an artifact is excepted: the command that prints the lines for it.

    The words are quoted for a shell, since names in lockfiles are anybody's and people copy what they read.

    Args:
        artifact: of a registry.
    """
    spec = shlex.quote(f"{artifact.ecosystem.value}:{artifact.spec}")
    return f"write a [[exception]] with a reason and an end, whose lines are printed by: guard explain {spec}"

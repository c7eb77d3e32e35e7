"""What is said where a resolver could not be offered enough."""

from __future__ import annotations

from collections.abc import Sequence

from guard.model import Finding, HeldBack, Level


def unmet(name: str, held_back: Sequence[HeldBack]) -> Finding:
    """Return the finding on a requirement that cannot be met by what was offered.

    Args:
        name: of the package.
        held_back: what was not offered of it, the newest last.
    """
    newest = held_back[-1]
    return Finding(
        rule=newest.rule,
        level=Level.BLOCK,
        message=f"no release of {name} that was offered can be installed; {newest.reason}",
        next="wait, name the release exactly, or write a [[exception]] with a reason and an end",
    )

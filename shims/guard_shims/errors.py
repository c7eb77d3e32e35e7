"""What installing and removing shims raises."""

from __future__ import annotations


class ShimsError(Exception):
    """The shims cannot be installed or removed; nothing was changed.

    Args:
        message: what is wrong, naming the path.
        hint: the next step, or the empty string.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

"""The one error of the lockfile parsers."""

from __future__ import annotations


class MalformedLockfile(Exception):
    """Bytes are not the lockfile that they were taken for.

    Args:
        message: what is wrong, without values of the file.
        line: where, counted from 1, or ``None`` when it is the whole file.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line

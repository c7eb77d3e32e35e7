"""Everything guard raises, and the exit statuses it ends with.

Refusing an artifact is a value (:class:`guard.model.Decision`), not an exception. Exceptions answer other questions::

    GuardError                 one line for the user, an optional next step, an exit status
     ├─ UsageError             the command line cannot be carried out as written             2
     ├─ ConfigInvalid          guard.toml, a pip.conf or a trust root cannot be used         2
     ├─ ToolNotFound           the pip that was to be guarded does not exist               127
     ├─ MalformedInput         untrusted bytes are not what they claim to be                10
     ├─ EvidenceInvalid        evidence was read and does not hold (stable code)            10
     ├─ Unavailable            something could not be fetched                               11
     └─ Refused                a command that guard will not carry out                      10
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager


class ExitCode(enum.IntEnum):
    """guard's own exit statuses; a wrapped tool's status passes through unchanged when guard allowed the run."""

    ALLOWED = 0
    USAGE = 2
    BLOCKED = 10
    UNDECIDED = 11
    INTERNAL = 70
    TOOL_NOT_FOUND = 127


class GuardError(Exception):
    """A failure that ends the command with one line for the user.

    Args:
        message: what is wrong, naming the file or URL and the place; without credentials.
        hint: the next step, as a command or a line to write, or the empty string.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GuardError):
    """The command line cannot be carried out as written."""

    exit_code = ExitCode.USAGE


class ConfigInvalid(GuardError):
    """A configuration file or a trust root cannot be used."""

    exit_code = ExitCode.USAGE


class ToolNotFound(GuardError):
    """The package manager to be guarded was not found."""

    exit_code = ExitCode.TOOL_NOT_FOUND


class MalformedInput(GuardError):
    """Untrusted bytes do not parse as the format they were taken for.

    Args:
        message: what is wrong.
        context: the place inside the document, such as ``files[3].hashes``, or the empty string.
    """

    exit_code = ExitCode.BLOCKED

    def __init__(self, message: str, *, context: str = "", hint: str = "") -> None:
        super().__init__(f"{context}: {message}" if context else message, hint=hint)
        self.context = context


class EvidenceCode(str, enum.Enum):
    """Why evidence does not hold. Stable: reports and tests name these values."""

    MALFORMED = "malformed"
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"
    CERTIFICATE = "certificate"
    SIGNATURE = "signature"
    LOG_ENTRY = "log-entry"
    STATEMENT_SUBJECT = "statement-subject"
    STATEMENT_PREDICATE = "statement-predicate"
    STATEMENT_PUBLISHER = "statement-publisher"
    CLAIMS_CONFLICT = "claims-conflict"


class EvidenceInvalid(GuardError):
    """Evidence was read completely and does not hold.

    Args:
        code: the stable reason.
        message: the reason in words.
    """

    exit_code = ExitCode.BLOCKED

    def __init__(self, code: EvidenceCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unavailable(GuardError):
    """Something could not be fetched: an outage, a refusal of access, or an answer that was cut short.

    Args:
        message: which URL (credentials removed) and why.
        status: the HTTP status of the final answer, or ``None`` when there was none.
    """

    exit_code = ExitCode.UNDECIDED

    def __init__(self, message: str, *, status: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NotFound(Unavailable):
    """The server answered 404 or 410: for evidence and index pages this is an answer, not an outage."""


class Refused(GuardError):
    """A command that guard will not carry out because it cannot guard it.

    Args:
        rule: identifier of the rule that refuses.
        message: what is refused and why.
    """

    exit_code = ExitCode.BLOCKED

    def __init__(self, rule: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


@contextmanager
def malformed_input_boundary(what: str) -> Iterator[None]:
    """Turn whatever parsing untrusted bytes raises into :class:`MalformedInput`.

    Libraries raise far more than they document on hostile bytes (``RecursionError``, ``UnicodeError``,
    ``binascii.Error`` …); one boundary per format keeps that inside.

    Args:
        what: the document in the user's words, such as ``index page of https://…/six/``.

    Raises:
        MalformedInput: in place of any other exception; guard's own errors pass.
    """
    try:
        yield
    except GuardError:
        raise
    except Exception as error:
        # Libraries quote what they choked on; nothing of it may steer a terminal.
        plain = "".join(character if character.isprintable() else " " for character in str(error))
        detail = " ".join(plain.split())[:200] or type(error).__name__
        raise MalformedInput(f"{what} is malformed: {detail}") from error

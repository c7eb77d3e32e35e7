"""A command line of pip's, taken apart as pip does it and put together again with parts replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from guard.errors import Refused, UsageError
from guard.managers.pip.options import (
    GUARDED_COMMANDS,
    Kind,
    OptionError,
    Scan,
    classify,
    options_of,
    split_command,
)

__all__ = ["Kind", "Option", "PipCommand", "classify", "parse_command"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option as given, by its canonical long name.

    Args:
        name: such as ``--requirement``, whatever was typed.
        value: as typed, undecodable bytes surrogate-escaped; ``None`` for an option without one.
        from_general: whether it stands before the command, where only pip's general options may.
    """

    name: str
    value: str | None = None
    from_general: bool = False

    @property
    def token(self) -> str:
        """The one argument that says it."""
        return self.name if self.value is None else f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class PipCommand:
    """A guarded command of pip's.

    Args:
        command: ``install``, ``download``, ``wheel`` or ``lock``.
        options: in the order given: it matters between ``--no-binary`` and ``--only-binary``, say.
        arguments: requirements, in the order given.
        isolated: whether pip leaves the environment and the user's configuration unread. pip looks for the very
            token ``--isolated`` among the command's (``cli/main.py``), so an abbreviation does not count.
    """

    command: str
    options: tuple[Option, ...] = ()
    arguments: tuple[str, ...] = ()
    isolated: bool = False

    def has(self, name: str) -> bool:
        """Whether the option is given at all."""
        return any(option.name == name for option in self.options)

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of an option, in order."""
        return tuple(option.value for option in self.options if option.name == name and option.value is not None)

    def last(self, name: str) -> str | None:
        """Return the value that counts for an option of which the last one does."""
        return next(reversed(self.values(name)), None)

    def without(self, names: Collection[str]) -> PipCommand:
        """Return the command with these options taken out."""
        return replace(self, options=tuple(option for option in self.options if option.name not in names))

    def replacing(self, name: str, values: Mapping[str, str]) -> PipCommand:
        """Return the command with values of one option replaced where they stand.

        Args:
            name: of the option.
            values: from the value as given to the new one.

        Raises:
            KeyError: a value is given for which there is no new one.
        """
        options = (
            replace(option, value=values[option.value]) if option.name == name and option.value is not None else option
            for option in self.options
        )
        return replace(self, options=tuple(options))

    def preceded_by(self, options: Iterable[Option]) -> PipCommand:
        """Return the command with ``options`` in front of its own, as weaker as a configuration is."""
        return replace(self, options=(*options, *self.options))

    def followed_by(self, options: Iterable[Option]) -> PipCommand:
        """Return the command with ``options`` behind its own, where they win."""
        return replace(self, options=(*self.options, *options))

    def to_argv(self) -> tuple[str, ...]:
        """Return what to put behind ``pip``."""
        before = tuple(option.token for option in self.options if option.from_general)
        after = tuple(option.token for option in self.options if not option.from_general)
        end = ("--",) if any(argument.startswith("-") for argument in self.arguments) else ()
        return (*before, self.command, *after, *end, *self.arguments)


def parse_command(argv: Sequence[str]) -> PipCommand:
    """Parse a guarded command line as pip does (``optparse``: abbreviations, bundled letters, ``--``).

    Args:
        argv: what follows ``pip``.

    Raises:
        Refused: a command or an option that guard does not know.
        UsageError: pip would end with an error: an ambiguous option, a missing or a superfluous value.
    """
    try:
        general, command, rest = split_command(tuple(argv))
        if command not in GUARDED_COMMANDS:
            raise Refused(
                "command-not-guarded",
                f"pip {command or 'without a command'} is not a command that guard can carry out",
                hint="run it with pip itself if it installs nothing",
            )
        scan = Scan(options_of(command), rest, interspersed=True)
    except OptionError as error:
        if error.unknown:
            raise Refused("command-not-guarded", f"guard does not know this option of pip's: {error}") from error
        raise UsageError(f"pip: {error}") from error
    options = tuple(Option(spec.name, value, start < general.position) for start, spec, value in scan.found)
    return PipCommand(command, options, tuple(scan.arguments), isolated="--isolated" in rest)

"""Command lines of clients, read by an allow-list of options: what guard does not know, it does not let through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guard.errors import Refused
from guard.model import RuleId

_HINT = "write it without that; docs/clients.md lists what guard carries out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What of one command guard carries out.

    Args:
        switches: options without a value.
        valued: options with one.
        stops: whether the first word that is no option ends the options.
    """

    switches: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    stops: bool = False

    @classmethod
    def of(cls, switches: str = "", valued: str = "", *, stops: bool = False) -> Vocabulary:
        """Make one of words that stand in a text."""
        return cls(switches=frozenset(switches.split()), valued=frozenset(valued.split()), stops=stops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A command line.

    Args:
        options: name and value of each; ``None`` for the value of a switch.
        arguments: what is no option.
        rest: what follows the first word that is no option, where that ends them.
    """

    options: tuple[tuple[str, str | None], ...] = ()
    arguments: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()

    def has(self, *names: str) -> bool:
        """Whether one of some options is given."""
        return any(name in names for name, _ in self.options)

    def values(self, *names: str) -> tuple[str, ...]:
        """Return the values of some options, in order."""
        return tuple(value for name, value in self.options if name in names and value is not None)

    def words(self, *, without: Iterable[str] = (), only: Iterable[str] | None = None) -> list[str]:
        """Return the options as they can be typed.

        Args:
            without: names that are left out.
            only: the only names that are kept; without it all are.
        """
        left_out = frozenset(without)
        kept = None if only is None else frozenset(only)
        words: list[str] = []
        for name, value in self.options:
            if name in left_out or (kept is not None and name not in kept):
                continue
            words += [name] if value is None else [name, value] if not name.startswith("--") else [f"{name}={value}"]
        return words


def parse_line(command: str, words: Sequence[str], vocabulary: Vocabulary, *, hint: str = _HINT) -> Line:
    """Read what follows a command.

    Args:
        command: the tool's name and the command, for messages.
        words: what follows.
        vocabulary: of the command.
        hint: what to do where a word is not known.

    Raises:
        Refused: an option is not known.
    """
    options: list[tuple[str, str | None]] = []
    arguments: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            rest = tuple(words[position:])
            if vocabulary.stops and not arguments:
                return Line(options=tuple(options), arguments=rest[:1], rest=rest[1:])
            return Line(options=tuple(options), arguments=(*arguments, *rest))
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            if vocabulary.stops:
                return Line(options=tuple(options), arguments=(word,), rest=tuple(words[position:]))
            continue
        name, equals, value = word.partition("=")
        if word in vocabulary.switches:
            options.append((word, None))
        elif equals and name in vocabulary.valued and name.startswith("--"):
            options.append((name, value))
        elif word in vocabulary.valued and position < len(words):
            options.append((word, words[position]))
            position += 1
        else:
            raise not_guarded(f"{command} {name}", hint=hint)
    return Line(options=tuple(options), arguments=tuple(arguments))


def not_guarded(what: str, *, hint: str = _HINT) -> Refused:
    """Return the error for something that guard cannot carry out."""
    return Refused(RuleId.COMMAND_NOT_GUARDED.value, f"{what} is nothing that guard can carry out", hint=hint)

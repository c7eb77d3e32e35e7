"""A command line of npm's or npx's, taken apart as npm does it and put together again with parts taken out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from guard.managers.npm.options import MAJORS, NEWEST, Kind, Part, Piece, Scan, classify
from guard.managers.npm.vocabulary import SHORTHANDS, dereference, types_of

__all__ = ["Kind", "NpmCommand", "classify", "parse_command", "parse_npx", "rewrite_npx"]

_NPX_REMOVED_SWITCHES = frozenset({"always-spawn", "ignore-existing", "shell-auto-fallback"})
_NPX_REMOVED_OPTIONS = frozenset({"npm", "node-arg", "n"})
_NPX_REMOVED = _NPX_REMOVED_SWITCHES | _NPX_REMOVED_OPTIONS
_NPX_SWITCHES = _NPX_REMOVED_SWITCHES | {"no-install", "quiet", "q", "version", "v", "help", "h"}
_NPX_NAMES = {"p": "--package", "shell": "--script-shell"}
_NPX_OPTIONS = _NPX_REMOVED_OPTIONS | {"package", "p", "cache", "userconfig", "call", "c", "shell"}


@dataclass(frozen=True, slots=True)
class NpmCommand:
    """A command line of npm's.

    Args:
        command: what npm makes of the command word, such as ``install`` for ``i``; ``None`` where there is none or
            npm does not know it. ``run`` stands for ``run-script`` too.
        word: the command as typed.
        pieces: the line as typed; may hold secrets.
        major: version of npm that the line was read for.
    """

    command: str | None
    word: str | None
    pieces: tuple[Piece, ...] = field(repr=False)
    major: int

    @property
    def options(self) -> tuple[Part, ...]:
        """The options, in the order given."""
        return tuple(part for part in self._parts if part.key is not None)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What follows the command word, options aside."""
        return tuple(part.tokens[0] for part in self._arguments[1:])

    @property
    def positions(self) -> tuple[int, ...]:
        """Where in the line each of the arguments stands."""
        return tuple(part.position for part in self._arguments[1:])

    def has(self, key: str) -> bool:
        """Whether an option is given at all."""
        return any(part.key == key for part in self.options)

    def values(self, key: str) -> tuple[str | bool | None, ...]:
        """Return the values of an option in order; ``True`` and ``False`` for a switch and its negation."""
        return tuple(part.value for part in self.options if part.key == key)

    def last(self, key: str) -> str | bool | None:
        """Return the value that counts for an option of which the last one does."""
        return next(reversed(self.values(key)), None)

    def without(self, keys: Collection[str]) -> NpmCommand:
        """Return the command with these options taken out."""
        kept = tuple(part for part in self._parts if part.key not in keys)
        pieces = (_reduced(piece, keys) for piece in self.pieces)
        changed = replace(self, pieces=tuple(piece for piece in pieces if piece is not None))
        if _reading(Scan(changed.to_argv(), self.major).parts) == _reading(kept):
            return changed
        return self._arranged((part.tokens for part in kept if part.key is not None), self._words)

    def followed_by(self, options: Sequence[str]) -> NpmCommand:
        """Return the command with options behind its own, where they win.

        Args:
            options: each one as one token, such as ``--no-audit`` or ``--before=2026-01-01``.
        """
        own = [part.tokens for part in self.options]
        # An option at the end that lacks its value would take the first of them for it.
        ends_open = bool(own) and len(Scan([*own[-1], "--json"], self.major).parts) == 1
        last = len(own) - ends_open
        return self._arranged([*own[:last], tuple(options), *own[last:]], self._words)

    def with_arguments(self, arguments: Sequence[str]) -> NpmCommand:
        """Return the command with other arguments behind the command word."""
        return self._arranged((part.tokens for part in self.options), [*self._words[:1], *arguments])

    def with_word(self, word: str) -> NpmCommand:
        """Return another command with the same options and arguments."""
        command = self._arranged((part.tokens for part in self.options), [word, *self._words[1:]])
        return replace(command, command=word, word=word)

    def to_argv(self) -> tuple[str, ...]:
        """Return what to put behind ``npm``: what was typed, to the byte, where nothing was taken out."""
        return tuple(token for piece in self.pieces for token in piece.typed)

    @property
    def _parts(self) -> tuple[Part, ...]:
        return tuple(part for piece in self.pieces for part in piece.parts)

    @property
    def _arguments(self) -> tuple[Part, ...]:
        return tuple(part for part in self._parts if part.is_argument)

    @property
    def _words(self) -> list[str]:
        return [part.tokens[0] for part in self._arguments]

    def _arranged(self, options: Iterable[tuple[str, ...]], words: Iterable[str]) -> NpmCommand:
        """Return the command with its options first and its words behind ``--``, where no option can take one."""
        closed = (self._closed(tokens) for tokens in options)
        argv = [*itertools.chain.from_iterable(closed), "--", *words]
        return replace(self, pieces=tuple(Scan(argv, self.major).pieces))

    def _closed(self, tokens: tuple[str, ...]) -> tuple[str, ...]:
        """Return an option such that it takes no token behind it: a few switches would even take a ``--``."""
        is_closed = Scan([*tokens, "--"], self.major).parts[-1].ends_options
        return tokens if is_closed else (f"{tokens[0]}=true",)


def _reduced(piece: Piece, keys: Collection[str]) -> Piece | None:
    """Return a piece without some options: as typed where it has none of them, ``None`` where nothing remains."""
    kept = tuple(part for part in piece.parts if part.key not in keys)
    if len(kept) == len(piece.parts):
        return piece
    return Piece(tuple(token for part in kept for token in part.tokens), kept) if kept else None


def _reading(parts: Sequence[Part]) -> tuple[list[object], list[str]]:
    """Return what parts say, wherever they stand: options with their values, and arguments."""
    return (
        [(part.key, part.value) for part in parts if part.key is not None],
        [part.tokens[0] for part in parts if part.is_argument],
    )


def parse_command(argv: Sequence[str], *, major: int = NEWEST) -> NpmCommand:
    """Take a command line apart as npm does. Any line can be.

    Args:
        argv: what follows ``npm``; undecodable bytes surrogate-escaped.
        major: version of the npm that will run it.
    """
    known = min(max(major, MAJORS[0]), NEWEST)
    scan = Scan(argv, known)
    word = next((part.tokens[0] for part in scan.parts if part.is_argument), None)
    command = None if word is None else dereference(word, known)[0]
    return NpmCommand(command, word, tuple(scan.pieces), known)


def parse_npx(argv: Sequence[str], *, major: int = NEWEST) -> NpmCommand:
    """Take a command line of npx's apart: that of the ``npm exec`` which it starts.

    Args:
        argv: what follows ``npx``.
        major: version of the npm that will run it.
    """
    return parse_command(rewrite_npx(argv, major=major)[0], major=major)


def rewrite_npx(argv: Sequence[str], *, major: int = NEWEST) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the command line of npm that npx makes of its own, and the names of options that it no longer has.

    npx reads options up to the first argument, before which it puts ``--``, and complains of each removed option on
    stderr. Source: ``bin/npx-cli.js`` of npm 9, 10 and 11.

    Args:
        argv: what follows ``npx``.
        major: version of the npm that will run it.
    """
    types = types_of(min(max(major, MAJORS[0]), NEWEST))
    switches = _NPX_SWITCHES | {name for name, kinds in types.items() if "boolean" in kinds}
    words, removed, at = list(argv), [], 0
    while at < len(words) and words[at] != "--":
        if not words[at].startswith("-"):
            words.insert(at, "--")
            break
        key, *value = words[at].lstrip("-").split("=")
        if key in _NPX_NAMES:
            words[at] = "=".join([_NPX_NAMES[key], *value])
        elif key == "no-install":
            words[at] = "--yes=false"
        elif key in SHORTHANDS and key not in _NPX_REMOVED:
            words[at : at + 1] = [*SHORTHANDS[key], *(["=".join(value)] if value else [])]
            continue
        is_followed = not any(word.startswith("-") for word in words[at + 1 : at + 2])
        takes_next = not value and key not in switches and (key in _NPX_OPTIONS or is_followed)
        if key in _NPX_REMOVED:
            removed.append(key)
            del words[at : at + 1 + takes_next]
        else:
            at += 1 + takes_next
    return ("exec", *words), tuple(removed)

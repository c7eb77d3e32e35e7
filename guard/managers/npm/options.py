"""npm's command line, taken apart as npm's parser ``nopt`` does it, and what guard does with it.

What cannot be told for sure is refused or guarded, never guessed. This module imports nothing that the interpreter has
not loaded already but ``enum``, so that a command that only passes through starts fast.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from guard.managers.npm.vocabulary import MAJORS, NEWEST, SHORTHANDS, Kind, dereference, expand, kind_of, types_of

__all__ = ["MAJORS", "NEWEST", "Kind", "Part", "Piece", "Scan", "classify"]

_TRUTH = {"true": True, "false": False}
_CACHE_COMMANDS = frozenset({None, "check", "clean", "clear", "ls", "npx", "rm", "verify"})
_LOCAL_PREFIXES = (".", "/", "~/", "file:")
_TARBALL_SUFFIXES = (".tgz", ".tar.gz", ".tar")


class Part:
    """An option, an argument, or the ``--`` that ends the options.

    Args:
        tokens: what says it, standing alone.
        position: in the line as typed, of the token that it begins in.
        key: name of the option in full, without dashes; ``None`` where it is none.
        value: of the option as nopt has it before it looks at types; ``None`` stands for JavaScript's null.
        ends_options: whether it is the ``--``.
    """

    __slots__ = ("ends_options", "key", "position", "tokens", "value")

    def __init__(
        self,
        tokens: tuple[str, ...],
        position: int,
        *,
        key: str | None = None,
        value: str | bool | None = None,
        ends_options: bool = False,
    ) -> None:
        self.tokens = tokens
        self.position = position
        self.key = key
        self.value = value
        self.ends_options = ends_options

    @property
    def is_argument(self) -> bool:
        """Whether it is an argument; the first one of a line is npm's command."""
        return self.key is None and not self.ends_options


class Piece:
    """Tokens as typed with what they say: one part mostly, several for ``-gD`` or ``--json=install``."""

    __slots__ = ("parts", "typed")

    def __init__(self, typed: tuple[str, ...], parts: tuple[Part, ...]) -> None:
        self.typed = typed
        self.parts = parts


class Scan:
    """A command line taken apart (``parse`` of ``nopt/lib/nopt-lib.js``, the same in npm 9, 10 and 11).

    Args:
        tokens: the command line without ``npm``.
        major: version of npm whose options count.
    """

    __slots__ = ("_at", "_tokens", "_types", "pieces")

    def __init__(self, tokens: Sequence[str], major: int) -> None:
        self._tokens = [(token, position) for position, token in enumerate(tokens)]
        self._types = types_of(major)
        self._at = 0
        self.pieces: list[Piece] = []
        parts: list[Part] = []
        begin = 0
        while self._at < len(self._tokens):
            part = self._take()
            if part is None:
                continue
            parts.append(part)
            end = self._tokens[self._at][1] if self._at < len(self._tokens) else len(tokens)
            if self._tokens[self._at - 1][1] != end:
                self.pieces.append(Piece(tuple(tokens[begin:end]), tuple(parts)))
                parts, begin = [], end
            if part.ends_options:
                self._take_arguments(parts, tokens, begin)
                return

    @property
    def parts(self) -> list[Part]:
        """All parts, in order."""
        return [part for piece in self.pieces for part in piece.parts]

    def _take_arguments(self, parts: list[Part], tokens: Sequence[str], begin: int) -> None:
        """Take all that follows ``--``; ``parts`` began before in the same token as the first of it."""
        for token, position in self._tokens[self._at :]:
            parts.append(Part((token,), position))
            self.pieces.append(Piece(tuple(tokens[begin : position + 1]), tuple(parts)))
            parts, begin = [], position + 1

    def _take(self) -> Part | None:
        token, position = self._tokens[self._at]
        if len(token) > 1 and not token.strip("-"):
            self._at += 1
            return Part(("--",), position, ends_options=True)
        if len(token) > 1 and token.startswith("-"):
            return self._take_option(token, position)
        self._at += 1
        return Part((token,), position)

    def _take_option(self, token: str, position: int) -> Part | None:
        name, equals, value = token.partition("=")
        if equals:
            self._tokens[self._at : self._at + 1] = [(name, position), (value, position)]
        shorthand = self._shorthand(name.lstrip("-"))
        if shorthand is not None:
            self._tokens[self._at : self._at + 1] = [(word, position) for word in shorthand]
            return None
        self._at += 1
        following = self._tokens[self._at][0] if self._at < len(self._tokens) else None
        key, negated = _strip_negations(name.lstrip("-"))
        key = expand(key, self._types) or key
        read, is_taken = _read_value(self._types.get(key), following, negated=negated, has_equals=bool(equals))
        plain = f"--{name.lstrip('-')}"
        if not is_taken or following is None:
            return Part((f"{plain}=" if read == "" else plain,), position, key=key, value=read)
        self._at += 1
        return Part((f"{plain}={following}",) if equals else (plain, following), position, key=key, value=read)

    def _shorthand(self, name: str) -> list[str] | None:
        """Return what a shorthand stands for (``resolveShort``): exact, several letters, abbreviated, in this order."""
        if name in self._types:
            return None
        if name in SHORTHANDS:
            return list(SHORTHANDS[name])
        if all(letter in SHORTHANDS for letter in name):  # of no letters, as in `-=x`, nothing remains
            return [word for letter in name for word in SHORTHANDS[letter]]
        if expand(name, self._types):
            return None
        full = expand(name, SHORTHANDS)
        return list(SHORTHANDS[full]) if full else None


def _strip_negations(name: str) -> tuple[str, bool | None]:
    """Return a name without ``no-``, and whether what remains is negated; ``None`` where there was none."""
    negated: bool | None = None
    while name[:3].lower() == "no-":
        negated, name = not negated, name[3:]
    return name, negated


def _read_value(
    types: tuple[str, ...] | None, following: str | None, *, negated: bool | None, has_equals: bool
) -> tuple[str | bool | None, bool]:
    """Return the value of an option, and whether it is the following token.

    Args:
        types: of the option; ``None`` for one that npm does not know.
        following: the next token, or what stands behind ``=``.
        negated: see :func:`_strip_negations`.
        has_equals: whether there is a ``=``.
    """
    known = types or ()
    if (
        negated is not None
        or "boolean" in known
        or (types is None and not has_equals)
        or (following == "false" and "null" in known)
    ):
        return _read_flag(known, following, negated=bool(negated))
    if types == ("string",) and _looks_like_option(following):
        return "", False
    if following is None or (len(following) > 1 and not following.strip("-")):
        return True, False
    return following, True


def _read_flag(types: tuple[str, ...], following: str | None, *, negated: bool) -> tuple[str | bool | None, bool]:
    if following in _TRUTH:
        return _TRUTH[following] != negated, True
    if not following or len(types) < 2:  # nopt looks at the values of a type that is a list alone
        return not negated, False
    if f'"{following}"' in types:
        return following, True
    if following == "null" and "null" in types:
        return None, True
    if "number" in types and _is_number(following):
        return following, True
    if "string" in types and not (following[0] == "-" and following[1:2] not in ("", "-")):
        return following, True
    return not negated, False


def _looks_like_option(token: str | None) -> bool:
    """Whether an option that wants text leaves a token alone: there is none, or it has one or two dashes in front."""
    if token is None:
        return True
    return token.startswith("-") and not token.startswith("---") and bool(token.strip("-"))


def _is_number(token: str) -> bool:
    """Whether a token is a plain decimal number; JavaScript knows more, which then reads as an argument here."""
    text = token.strip()
    digits = text[text[:1] in ("+", "-") :].replace(".", "", 1)
    return digits.isascii() and digits.isdigit()


def classify(arguments: Sequence[str], majors: Sequence[int] = MAJORS) -> Kind:
    """Say what guard does with a command line of npm's.

    Only full names on an allow-list pass through. Where the given versions read the line differently, one that prints
    its usage for an unknown command has no say, and what any other guards is guarded.

    Args:
        arguments: what follows ``npm``.
        majors: the versions of npm that may run it.
    """
    kinds = {_classify_for(arguments, major) for major in majors} - {None}
    guarded = kinds - {Kind.PASS_THROUGH}
    if len(guarded) == 1:
        return guarded.pop() or Kind.REFUSED
    return Kind.PASS_THROUGH if kinds and not guarded else Kind.REFUSED


def _classify_for(arguments: Sequence[str], major: int) -> Kind | None:
    """Say it for one version; ``None`` where npm knows no such command."""
    parts = Scan(arguments, major).parts
    settings = {part.key: part.value for part in parts if part.key is not None}
    words = [part.tokens[0] for part in parts if part.is_argument]
    # npm prints its version, or its usage, instead of carrying a command out (`lib/npm.js`).
    if not words or any(settings.get(key) for key in ("version", "versions")):
        return Kind.PASS_THROUGH
    command, is_full = dereference(words[0], major)
    if command is None:
        return None
    if settings.get("usage"):
        return Kind.PASS_THROUGH
    kind = _kind_with_arguments(command, words[1:], settings.keys())
    return Kind.REFUSED if kind is Kind.PASS_THROUGH and not is_full else kind


def _kind_with_arguments(command: str, arguments: Sequence[str], options: Collection[str]) -> Kind:
    """Say what guard does with a command, where that hangs on what it is given.

    ``init`` and ``version`` end with an install where a workspace is concerned, which no command line tells alone.
    """
    first = arguments[0] if arguments else None
    match command:
        case "audit":
            return Kind.PASS_THROUGH if first in (None, "signatures") else Kind.AUDIT_FIX
        case "cache":
            return Kind.PASS_THROUGH if first in _CACHE_COMMANDS else Kind.REFUSED
        case "init":
            return Kind.EXEC if arguments else Kind.OTHER
        case "version":
            return Kind.OTHER if arguments else Kind.PASS_THROUGH
        case "diff":
            return Kind.OTHER if "diff" in options else Kind.PASS_THROUGH
        case "pack" | "publish":
            return Kind.PASS_THROUGH if all(map(_is_local, arguments)) else Kind.OTHER
        case "stage":
            uploads = arguments[1:] if first == "publish" else ()
            return Kind.PASS_THROUGH if all(map(_is_local, uploads)) else Kind.OTHER
        case "view":
            return Kind.PASS_THROUGH if all(map(_runs_nothing, arguments[:1])) else Kind.OTHER
        case "bugs" | "docs" | "fund" | "owner" | "repo":
            return Kind.PASS_THROUGH if all(map(_runs_nothing, arguments)) else Kind.OTHER
        case _:
            return kind_of(command)


def _is_local(spec: str) -> bool:
    """Whether a package specifier is a folder or an archive of the user's own (``npm-package-arg``)."""
    is_archive = ":" not in spec and spec.lower().endswith(_TARBALL_SUFFIXES)
    return is_archive or spec.startswith(_LOCAL_PREFIXES)


def _runs_nothing(spec: str) -> bool:
    """Whether npm can tell of a package without building it: it does build one from a repository, to read its name."""
    unscoped = spec.partition("/")[2] if spec.startswith("@") else spec
    return _is_local(spec) or (":" not in spec and "/" not in unscoped)

"""Requirement files of pip: bytes to lines, every one of which is accounted for.

A line is a requirement, an editable, an include, options known by name, or it is unreadable and says why; pip passes
some of what is unreadable here in silence (an orphaned ``--hash``, options behind a requirement, a second ``-r`` on one
line), and a guard must not. Sources: ``pip/_internal/req/req_file.py`` of pip 22.3 to 26.3 and
https://pip.pypa.io/en/stable/reference/requirements-file-format/. Continuations and the kinds of requirements are read
by ``pip-requirements-parser``; ``_logical_lines`` and ``_parse_target`` are the only places that know it.
"""

from __future__ import annotations

import codecs
import enum
import optparse
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from urllib.parse import urlsplit

import pip_requirements_parser
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from guard_lockfiles.errors import MalformedLockfile

# Far beyond real files; without them, hostile ones cost minutes: some steps take time by the square of the length.
_LOGICAL_LINE_MAX_CHARACTERS = 256 * 1024
_QUOTED_OPTIONS_MAX_CHARACTERS = 16 * 1024
_OPTION_WORDS_MAX_COUNT = 4096
_REQUIREMENT_MAX_CHARACTERS = 8 * 1024
_BRACKETS_MAX_COUNT = 64
_LINES_MAX_COUNT = 200_000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ENCODING_COMMENT = re.compile(rb"coding[:=]\s*([-\w.]+)")
_SLOW_ENCODINGS = frozenset({"punycode", "idna"})  # decoding takes time by the square of the length
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_OPTIONS_START = re.compile(r"(?:^| )-")
_QUOTING = re.compile(r"""['"\\]""")
_SHELL_WHITESPACE = re.compile(r"[ \t\r\n]+")

_VALUE_OPTIONS = (
    ("--index-url", "--pypi-url", "-i"),
    ("--extra-index-url",),
    ("--constraint", "-c"),
    ("--requirement", "-r"),
    ("--editable", "-e"),
    ("--find-links", "-f"),
    ("--no-binary",),
    ("--only-binary",),
    ("--all-releases",),
    ("--only-final",),
    ("--trusted-host",),
    ("--use-feature",),
    ("--hash",),
    ("--config-settings", "-C"),
    ("--global-option",),
    ("--install-option",),
)
_FLAG_OPTIONS = (("--no-index",), ("--prefer-binary",), ("--require-hashes",), ("--no-require-hashes",), ("--pre",))
_REQUIREMENT_OPTIONS = frozenset({"--hash", "--config-settings", "--global-option", "--install-option"})
_EDITABLE_OPTIONS = frozenset({"--editable", "--config-settings"})
_INCLUDE_OPTIONS = frozenset({"--requirement", "--constraint"})


class LineKind(enum.Enum):
    """What a logical line is."""

    REQUIREMENT = "requirement"
    EDITABLE = "editable"
    INCLUDE = "include"
    CONSTRAINT = "constraint"
    OPTION = "option"
    BLANK = "blank"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class LineOption:
    """An option on a line, by its canonical long name."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementLine:
    """One logical line, or a run of blank and comment lines.

    Args:
        line: its first physical line, from 1.
        line_count: how many physical lines it takes.
        kind: what it is.
        text: the line without continuations and comments, variables not expanded.
        requirement: the requirement as pip gets it, variables expanded; for an editable, what follows ``-e``.
        name: of the project, normalised (PEP 503), where the line says it.
        specifier: of the version, as PEP 440 writes it.
        extras: sorted.
        marker: of the environment, normalised, or the empty string.
        url: of a direct reference, credentials and fragment included.
        path: of a direct reference to a local file or folder.
        options: what else stands on the line, in order.
        reason: why it is unreadable, without values of the file.
    """

    line: int
    line_count: int
    kind: LineKind
    text: str = ""
    requirement: str = ""
    name: str | None = None
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    url: str | None = None
    path: str | None = None
    options: tuple[LineOption, ...] = ()
    reason: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of one option of the line."""
        return tuple(option.value for option in self.options if option.name == name and option.value is not None)

    @property
    def hashes(self) -> tuple[str, ...]:
        """The digests that the line pins, as written: ``ALGORITHM:HEX``."""
        return self.values("--hash")


@dataclass(frozen=True, slots=True)
class RequirementsFile:
    """A requirements or constraints file: together its lines cover every physical line exactly once."""

    lines: tuple[RequirementLine, ...]


def parse_requirements(data: bytes, *, expand: Callable[[str], str | None] = lambda _: None) -> RequirementsFile:
    """Parse a requirements or constraints file.

    Args:
        data: its bytes, in any encoding that pip detects; without a mark, UTF-8.
        expand: gives the value of an environment variable written ``${NAME}``; ``None`` or empty leaves it as it is.

    Raises:
        MalformedLockfile: the bytes are not text, or more lines than any real file has.
    """
    parser = _LineParser()
    lines: list[RequirementLine] = []
    covered = 0
    physical = _decode(data).splitlines()
    for first, last, joined in _logical_lines(physical):
        text = _without_comment(joined).strip()
        if not text:
            continue
        if len(lines) > _LINES_MAX_COUNT:
            raise MalformedLockfile(f"more than {_LINES_MAX_COUNT} lines", line=first)
        if first > covered + 1:
            lines.append(_blank_line(covered + 1, first - 1))
        line = RequirementLine(line=first, line_count=last - first + 1, kind=LineKind.UNREADABLE, text=text)
        lines.append(_parse_line(parser, line, expand))
        covered = last
    if len(physical) > covered:
        lines.append(_blank_line(covered + 1, len(physical)))
    return RequirementsFile(tuple(lines))


def parse_requirement(text: str, *, editable: bool = False) -> RequirementLine:
    """Parse one requirement as it is typed on a command line, where no option and no comment can follow it.

    Args:
        text: the requirement, or what follows ``-e``.
        editable: whether it follows ``-e``.

    Raises:
        MalformedLockfile: pip could not read it either.
    """
    kind = LineKind.EDITABLE if editable else LineKind.REQUIREMENT
    line = RequirementLine(line=1, line_count=1, kind=kind, text=text)
    try:
        stripped = _checked(text).strip()
        return _parse_editable_target(line, stripped) if editable else _parse_target(line, stripped)
    except _UnreadableLine as error:
        raise MalformedLockfile(str(error)) from error


def _blank_line(first: int, last: int) -> RequirementLine:
    return RequirementLine(line=first, line_count=last - first + 1, kind=LineKind.BLANK)


def _decode(data: bytes) -> str:
    """Decode as pip does (``_decode_req_file``): a byte order mark, a PEP 263 comment, else UTF-8."""
    encoding = "utf-8"
    for mark, marked_encoding in _BOMS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], marked_encoding
            break
    else:
        found = [_ENCODING_COMMENT.search(line) for line in data.split(b"\n", 2)[:2] if line.startswith(b"#")]
        encoding = next((match.group(1).decode("ascii") for match in found if match), encoding)
    try:
        if codecs.lookup(encoding).name in _SLOW_ENCODINGS:
            raise MalformedLockfile(f"the encoding {encoding[:40]} is not for files")
        text = data.decode(encoding)
        text.encode("utf-8")  # a lone surrogate, which UTF-7 can smuggle in, is no text
    except (LookupError, ValueError) as error:
        raise MalformedLockfile(f"not text in the encoding {encoding[:40]}") from error
    return text


def _logical_lines(physical: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yield first and last physical line of every logical line, and what it says with its continuations joined."""
    logical = pip_requirements_parser.join_lines(enumerate(physical, start=1))
    for (first, joined), (following, _) in pairwise([*logical, (len(physical) + 1, "")]):
        yield first, following - 1, joined


def _without_comment(text: str) -> str:
    """Cut a comment off: a ``#`` at the start or behind whitespace. pip's expression takes quadratic time for this."""
    position = text.find("#")
    while position > 0 and not text[position - 1].isspace():
        position = text.find("#", position + 1)
    return text if position < 0 else text[:position]


class _UnreadableLine(Exception):
    """Why a line is unreadable, without values of the file."""


def _parse_line(parser: _LineParser, line: RequirementLine, expand: Callable[[str], str | None]) -> RequirementLine:
    try:
        expanded = _expand_variables(_checked(line.text), expand)
        requirement, options = _split_options(_checked(expanded))
        line = replace(line, options=parser.parse(options))
        if requirement:
            return _requirement_line(line, requirement)
        if line.values("--editable"):
            return _editable_line(line)
        return _option_line(line)
    except _UnreadableLine as error:
        return replace(line, kind=LineKind.UNREADABLE, reason=str(error))


def _checked(text: str) -> str:
    if len(text) > _LOGICAL_LINE_MAX_CHARACTERS:
        raise _UnreadableLine(f"longer than {_LOGICAL_LINE_MAX_CHARACTERS} characters")
    if "\0" in text:
        raise _UnreadableLine("a NUL character")
    if text.endswith("\\"):
        raise _UnreadableLine("a backslash before a comment or the end continues nothing")
    return text


def _expand_variables(text: str, expand: Callable[[str], str | None]) -> str:
    for name in _VARIABLE.findall(text):
        value = expand(name)
        if value:
            text = text.replace(f"${{{name}}}", value)
    return text


def _split_options(text: str) -> tuple[str, list[str]]:
    """Separate the requirement, which may hold quotes of its own, from the options (``break_args_options``)."""
    match = _OPTIONS_START.search(text)
    if match is None:
        return text, []
    return text[: match.start()].strip(), _split_words(text[match.start() :])


def _split_words(text: str) -> list[str]:
    if _QUOTING.search(text) is None:
        words = [word for word in _SHELL_WHITESPACE.split(text) if word]
    elif len(text) > _QUOTED_OPTIONS_MAX_CHARACTERS:
        raise _UnreadableLine(f"quoted options longer than {_QUOTED_OPTIONS_MAX_CHARACTERS} characters")
    else:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise _UnreadableLine("a quote or a backslash of its options is not closed") from error
    if len(words) > _OPTION_WORDS_MAX_COUNT:
        raise _UnreadableLine(f"more than {_OPTION_WORDS_MAX_COUNT} options")
    return words


@dataclass(slots=True)
class _Found(optparse.Values):
    options: list[LineOption] = field(default_factory=list)


class _LineParser(optparse.OptionParser):
    """pip's options of requirement files, with optparse's rules; what it meets it records in order."""

    def __init__(self) -> None:
        super().__init__(add_help_option=False, prog="requirements")
        for names in _VALUE_OPTIONS:
            self.add_option(*names, type="string", action="callback", callback=self._record, callback_args=names[:1])
        for names in _FLAG_OPTIONS:
            self.add_option(*names, action="callback", callback=self._record, callback_args=names[:1])

    @staticmethod
    def _record(
        _option: optparse.Option, _written: str, value: str | None, parser: optparse.OptionParser, name: str
    ) -> None:
        found = parser.values
        assert isinstance(found, _Found)
        found.options.append(LineOption(name, value))

    def error(self, msg: str) -> None:  # type: ignore[override]
        """Report what optparse objects to, without the value that its message ends with."""
        raise _UnreadableLine(f"its options are not what pip takes: {msg.partition(':')[0]}")

    def parse(self, tokens: Sequence[str]) -> tuple[LineOption, ...]:
        """Return the options of one line."""
        if not tokens:
            return ()
        found = _Found()
        _, rest = self.parse_args(list(tokens), found)
        if rest:
            raise _UnreadableLine("words behind its options, which pip passes over")
        return tuple(found.options)


def _requirement_line(line: RequirementLine, requirement: str) -> RequirementLine:
    _reject_options(line, _REQUIREMENT_OPTIONS)
    return replace(_parse_target(line, requirement), kind=LineKind.REQUIREMENT)


def _editable_line(line: RequirementLine) -> RequirementLine:
    _reject_options(line, _EDITABLE_OPTIONS)
    target = _single_value(line, "--editable")
    return replace(_parse_editable_target(line, target), kind=LineKind.EDITABLE)


def _option_line(line: RequirementLine) -> RequirementLine:
    names = {option.name for option in line.options}
    if not names:
        raise _UnreadableLine("dashes and nothing else")
    if names & _REQUIREMENT_OPTIONS:
        raise _UnreadableLine("--hash or a build option without a requirement, which pip passes over")
    if names & _INCLUDE_OPTIONS:
        if len(line.options) != 1:
            raise _UnreadableLine("more than an include on its line, of which pip takes only that")
        return replace(line, kind=LineKind.INCLUDE if "--requirement" in names else LineKind.CONSTRAINT)
    if len(line.values("--find-links")) > 1:
        raise _UnreadableLine("several --find-links on one line, of which pip takes the first")
    return replace(line, kind=LineKind.OPTION)


def _single_value(line: RequirementLine, name: str) -> str:
    values = line.values(name)
    if len(values) != 1:
        raise _UnreadableLine(f"several {name} on one line, of which pip takes the first")
    return values[0]


def _reject_options(line: RequirementLine, allowed: frozenset[str]) -> None:
    names = sorted({option.name for option in line.options} - allowed)
    if names:
        raise _UnreadableLine(f"{', '.join(names)} behind a requirement, which pip passes over")


def _parse_target(line: RequirementLine, text: str) -> RequirementLine:
    """Read a requirement that is not editable: by name, ``name @ URL``, URL or path (``parse_req_from_line``)."""
    _check_size(text)
    try:
        parts = pip_requirements_parser.parse_reqparts_from_string(text)
    except Exception as error:  # its errors are undocumented, and whatever it cannot read is unreadable
        raise _UnreadableLine("not a requirement that pip can read") from error
    named: Requirement | None = parts.requirement
    marker = parts.marker or (named and named.marker)
    link = str(parts.link) if parts.link else (named.url if named else None)
    extras = set(parts.extras) | (named.extras if named else set())
    line = replace(line, requirement=text, extras=tuple(sorted(extras)), marker=str(marker) if marker else "")
    if named is not None:
        line = replace(line, name=canonicalize_name(named.name), specifier=str(named.specifier))
    return _with_link(line, link)


def _parse_editable_target(line: RequirementLine, text: str) -> RequirementLine:
    """Read what follows ``-e``: a folder, a VCS URL, or since pip 25 ``name @ URL`` (``parse_editable``)."""
    _check_size(text)
    line = replace(line, requirement=text)
    try:
        named = Requirement(text)
    except InvalidRequirement:
        named = None
    if named is not None and named.url:
        marker = str(named.marker) if named.marker else ""
        line = replace(line, name=canonicalize_name(named.name), extras=tuple(sorted(named.extras)), marker=marker)
        return _checked_editable(_with_link(line, named.url))
    try:
        parts = pip_requirements_parser.parse_reqparts_from_editable(text)
    except Exception as error:  # as above
        raise _UnreadableLine("not a folder or a repository that pip can read") from error
    name = canonicalize_name(parts.requirement.name) if parts.requirement else None
    return _checked_editable(_with_link(replace(line, name=name, extras=tuple(sorted(parts.extras))), str(parts.link)))


def _checked_editable(line: RequirementLine) -> RequirementLine:
    scheme = (line.url or "file:").partition(":")[0].lower()
    if scheme != "file" and (line.name is None or "+" not in scheme):
        raise _UnreadableLine("not a folder, and not a repository with a name")
    return line


def _check_size(text: str) -> None:
    if len(text) > _REQUIREMENT_MAX_CHARACTERS:
        raise _UnreadableLine(f"a requirement longer than {_REQUIREMENT_MAX_CHARACTERS} characters")
    if text.count("[") > _BRACKETS_MAX_COUNT:
        raise _UnreadableLine(f"more than {_BRACKETS_MAX_COUNT} opening brackets")


def _with_link(line: RequirementLine, link: str | None) -> RequirementLine:
    if link is None:
        return line
    if not pip_requirements_parser.is_url(link):
        return replace(line, path=link)
    try:
        urlsplit(link)
    except ValueError as error:
        raise _UnreadableLine("not a URL") from error
    return replace(line, url=link)

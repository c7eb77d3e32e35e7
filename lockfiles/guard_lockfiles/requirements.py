"""Requirement files of pip: bytes to lines, every one of which is accounted for.

A line is a requirement, an editable, an include, options known by name, or it is unreadable and says why; pip passes
some of what is unreadable here in silence (an orphaned ``--hash``, options behind a requirement, a second ``-r`` on one
line), and a guard must not. Sources: ``pip/_internal/req/req_file.py`` of pip 22.3 to 26.3 and
https://pip.pypa.io/en/stable/reference/requirements-file-format/. Continuations and the kinds of requirements are read
by ``pip-requirements-parser``; ``_text_lines`` and ``_parse_target`` are the only places that know it.
"""

from __future__ import annotations

import codecs
import enum
import optparse
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pip_requirements_parser
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from guard_lockfiles.errors import MalformedLockfile

# pip's own files come nowhere near; beyond, parsing would take minutes, and some of its steps grow with the square.
_LOGICAL_LINE_MAX_CHARACTERS = 256 * 1024
_REQUIREMENT_MAX_CHARACTERS = 8 * 1024
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
    for first, last, joined in _text_lines(_decode(data)):
        text = _without_comment(joined).strip()
        if text:
            lines.append(
                _parse_line(
                    parser,
                    RequirementLine(line=first, line_count=last - first + 1, kind=LineKind.UNREADABLE, text=text),
                    expand,
                )
            )
        elif lines and lines[-1].kind is LineKind.BLANK:
            lines[-1] = replace(lines[-1], line_count=last - lines[-1].line + 1)
        else:
            lines.append(RequirementLine(line=first, line_count=last - first + 1, kind=LineKind.BLANK))
        if len(lines) > _LINES_MAX_COUNT:
            raise MalformedLockfile(f"more than {_LINES_MAX_COUNT} lines", line=first)
    return RequirementsFile(tuple(lines))


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


def _text_lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield first and last physical line of every logical line, and what it says with its continuations joined."""
    last = 0

    def numbered() -> Iterator[tuple[int, str]]:
        nonlocal last
        for last, line in enumerate(text.splitlines(), start=1):  # noqa: B007 - read by the enclosing function
            yield last, line

    for first, joined in pip_requirements_parser.join_lines(numbered()):
        yield first, last, joined


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
    try:
        return text[: match.start()].strip(), shlex.split(text[match.start() :])
    except ValueError as error:
        raise _UnreadableLine("a quote or a backslash of its options is not closed") from error


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
        raise _UnreadableLine(f"pip does not know or take an option of it ({msg.partition(':')[0]})")

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
    _check_length(text)
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
    _check_length(text)
    line = replace(line, requirement=text)
    try:
        named = Requirement(text)
    except InvalidRequirement:
        named = None
    if named is not None and named.url:
        marker = str(named.marker) if named.marker else ""
        line = replace(line, name=canonicalize_name(named.name), extras=tuple(sorted(named.extras)), marker=marker)
        return _with_link(line, named.url)
    try:
        parts = pip_requirements_parser.parse_reqparts_from_editable(text)
    except Exception as error:  # as above
        raise _UnreadableLine("not a folder or a repository that pip can read") from error
    name = canonicalize_name(parts.requirement.name) if parts.requirement else None
    return _with_link(replace(line, name=name, extras=tuple(sorted(parts.extras))), str(parts.link))


def _check_length(text: str) -> None:
    if len(text) > _REQUIREMENT_MAX_CHARACTERS:
        raise _UnreadableLine(f"a requirement longer than {_REQUIREMENT_MAX_CHARACTERS} characters")


def _with_link(line: RequirementLine, link: str | None) -> RequirementLine:
    if link is None:
        return line
    is_url = bool(pip_requirements_parser.is_url(link))
    return replace(line, url=link) if is_url else replace(line, path=link)

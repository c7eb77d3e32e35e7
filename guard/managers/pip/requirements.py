"""The user's requirement and constraint files: what they ask for, and private copies that pip may read.

pip lets such a file choose the index, past everything that was said on the command line; so pip gets copies in which
those lines are blank, with every other line at its own number, and guard keeps what they said. Semantics:
``pip/_internal/req/req_file.py`` of pip 22.3 to 26.3.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import assert_never

from guard import limits
from guard.errors import ConfigInvalid, MalformedInput, Refused
from guard.managers.pip.entries import Owns, RequirementEntry, entry_of
from guard.managers.pip.index_settings import IndexSettings
from guard.managers.pip.places import is_inside, is_web, source_of
from guard.model import Location, RuleId
from guard.registry.credentials import redact_url
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.requirements import (
    LineKind,
    LineOption,
    RequirementLine,
    RequirementsFile,
    parse_requirements,
)

_INCLUSIONS_MAX_COUNT = 1000  # two files that include the next one twice, 32 deep, would be four thousand million
_INDEX_OPTIONS = frozenset({"--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--no-index"})
_BLANKED_OPTIONS = _INDEX_OPTIONS | {"--no-require-hashes"}
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_PYLOCK_NAME = re.compile(r"pylock(\.[^.]+)?\.toml(\[[^\]]*\])?")

Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableLine:
    """A line that guard cannot read, and so cannot guard."""

    location: Location
    reason: str
    rule: RuleId = RuleId.LOCK_ENTRY_UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """One file: ``included`` maps the line of an include to the source that it names."""

    source: str
    parsed: RequirementsFile
    included: Mapping[int, str]

    @property
    def shown(self) -> str:
        return redact_url(self.source) if is_web(self.source) else self.source

    def location(self, line: RequirementLine) -> Location:
        return Location(self.shown, line.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementFiles:
    """All requirement and constraint files of one command, with what they include.

    Args:
        requirements: in the order in which pip meets them.
        constraints: of ``-c`` and of included constraint files.
        build_constraints: of ``--build-constraint``.
        index: what the files say about indexes.
        unreadable: lines that guard cannot read. Copies are not written while there are any.
        hashes_enforced: whether a line has a ``--hash`` or asks for ``--require-hashes``: pip then wants every
            requirement hashed.
        pylocks: values of ``-r`` that name a pylock.toml, which only pip 26.3 and newer read.
        copies: private copy of each file, by the value of the option that names it; a pylock.toml stands for itself.
        originals: the user's file, by its copy.
    """

    requirements: tuple[RequirementEntry, ...] = ()
    constraints: tuple[RequirementEntry, ...] = ()
    build_constraints: tuple[RequirementEntry, ...] = ()
    index: IndexSettings = field(default_factory=IndexSettings)
    unreadable: tuple[UnreadableLine, ...] = ()
    hashes_enforced: bool = False
    pylocks: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    originals: Mapping[str, str] = field(default_factory=dict)
    _documents: Mapping[str, _Document] = field(default_factory=dict)

    @property
    def variables(self) -> frozenset[str]:
        """Names of the environment variables that the files mention, which pip will want to replace in the copies."""
        lines = (line.text for document in self._documents.values() for line in document.parsed.lines)
        return frozenset(name for text in lines for name in _VARIABLE.findall(text))

    @property
    def pinned_constraints(self) -> tuple[RequirementEntry, ...]:
        """Constraints with digests: pip forgets those when the plan brings its own, so guard intersects them."""
        return tuple(entry for entry in self.constraints if entry.digests)

    def write_private_copies(self) -> Mapping[str, str]:
        """Write a copy of every file, readable by this user alone.

        Returns:
            :attr:`copies`.

        Raises:
            MalformedInput: a line is unreadable: what pip would make of it is not known.
        """
        for line in self.unreadable:
            raise MalformedInput(f"{line.location}: {line.reason}")
        by_source = {source: copy for copy, source in self.originals.items()}
        for copy, source in self.originals.items():
            text = "".join(f"{line}\n" for line in _copied_lines(self._documents[source], by_source))
            # Older pips take a file without a mark for text in the encoding of the locale.
            encoding = "utf-8" if text.isascii() else "utf-8-sig"
            descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(text.encode(encoding, "surrogateescape"))
        return self.copies

    def describe(self, text: str) -> str:
        """Return a message of pip's with the user's files in place of the copies."""
        for copy, source in self.originals.items():
            text = text.replace(copy, self._documents[source].shown)
        return text


def is_pylock(value: str) -> bool:
    """Whether a value of ``-r`` names a pylock.toml (PEP 751, file naming), extras behind it allowed."""
    name = urlsplit(value).path if is_web(value) else value
    return _PYLOCK_NAME.fullmatch(name.rpartition("/")[2]) is not None


def load_requirement_files(
    *,
    requirements: Sequence[str],
    constraints: Sequence[str] = (),
    build_constraints: Sequence[str] = (),
    environ: Mapping[str, str],
    folder: Path,
    project: Path = Path(),
    fetch: Fetch | None = None,
) -> RequirementFiles:
    """Read all files of one command and what they include.

    Args:
        requirements: values of ``-r``: paths, or ``file:``, ``http:`` and ``https:`` URLs.
        constraints: values of ``-c``.
        build_constraints: values of ``--build-constraint``.
        environ: for ``${NAME}`` in the files.
        folder: private folder for the copies. Nothing is written yet.
        project: root of the user's project: paths inside it are the user's own code.
        fetch: gets the bytes of an http(s) URL.

    Raises:
        ConfigInvalid: a file cannot be read, is too large, includes itself or includes too deeply.
        MalformedInput: a file is not text, or a digest in it is not one.
        Refused: a file at an http(s) URL, and nothing to fetch it with.
    """
    reader = _Reader(environ=environ, project=project, fetch=fetch)
    pylocks = tuple(value for value in requirements if is_pylock(value))
    named = [value for value in requirements if value not in pylocks]
    # pip reads constraints first (`RequirementCommand.get_requirements`), so they have the weaker word on indexes.
    for value in constraints:
        reader.walk(source_of(value), reader.main, constraint=True)
    for value in named:
        reader.walk(source_of(value), reader.main, constraint=False)
    for value in build_constraints:
        reader.walk(source_of(value), reader.build, constraint=True)
    copies = {source: str(folder / _copy_name(number, source)) for number, source in enumerate(reader.documents, 1)}
    values = (*named, *constraints, *build_constraints)
    return RequirementFiles(
        requirements=reader.main.entries(constraint=False),
        constraints=reader.main.entries(constraint=True),
        build_constraints=(*reader.build.entries(constraint=False), *reader.build.entries(constraint=True)),
        index=reader.main.index,
        unreadable=tuple(reader.unreadable()),
        hashes_enforced=reader.main.hashes_enforced,
        pylocks=pylocks,
        copies={value: value for value in pylocks} | {value: copies[source_of(value)] for value in values},
        originals={copy: source for source, copy in copies.items()},
        _documents=reader.documents,
    )


@dataclass(slots=True)
class _Gathered:
    """What the files say so far; ``found`` is keyed by place, because a file may be included twice."""

    index: IndexSettings = field(default_factory=IndexSettings)
    found: dict[tuple[str, int, bool], RequirementEntry] = field(default_factory=dict)
    hashes_enforced: bool = False
    project: Path = Path()

    def _owner_of(self, document: _Document) -> Owns:
        if is_web(document.source):
            return lambda _: False
        return lambda path: is_inside(path, self.project)

    def entries(self, *, constraint: bool) -> tuple[RequirementEntry, ...]:
        return tuple(entry for entry in self.found.values() if entry.constraint is constraint)

    def take_entry(self, document: _Document, line: RequirementLine, *, constraint: bool) -> None:
        key = (document.source, line.line, constraint)
        if key not in self.found:
            self.found[key] = entry_of(
                line, constraint=constraint, location=document.location(line), owns=self._owner_of(document)
            )
        self.hashes_enforced |= bool(line.hashes)

    def take_options(self, document: _Document, line: RequirementLine) -> None:
        self.index = self.index.followed_by(line, source=document.source)
        self.hashes_enforced |= any(option.name == "--require-hashes" for option in line.options)


class _Reader:
    """Reads each file once and walks the includes in pip's order."""

    def __init__(self, *, environ: Mapping[str, str], project: Path, fetch: Fetch | None) -> None:
        self._environ = environ
        self._fetch = fetch
        self._inclusions = 0
        self.documents: dict[str, _Document] = {}
        self.main = _Gathered(project=project)
        self.build = _Gathered(project=project)

    def walk(
        self, source: str, gathered: _Gathered, *, constraint: bool, inside: tuple[str, ...] = (), place: str = ""
    ) -> None:
        self._inclusions += 1
        if source in inside:
            raise ConfigInvalid(f"{place}: {_shown(source)} includes itself")
        if len(inside) > limits.REQUIREMENT_INCLUDES_MAX_DEPTH or self._inclusions > _INCLUSIONS_MAX_COUNT:
            raise ConfigInvalid(f"{place}: too many files include one another")
        if source not in self.documents:
            self.documents[source] = self._load(source, place)
        document = self.documents[source]
        for line in document.parsed.lines:
            match line.kind:
                case LineKind.REQUIREMENT | LineKind.EDITABLE:
                    gathered.take_entry(document, line, constraint=constraint)
                case LineKind.INCLUDE | LineKind.CONSTRAINT:
                    self.walk(
                        document.included[line.line],
                        gathered,
                        # An `-r` inside a constraints file names requirements again.
                        constraint=line.kind is LineKind.CONSTRAINT,
                        inside=(*inside, source),
                        place=str(document.location(line)),
                    )
                case LineKind.OPTION:
                    gathered.take_options(document, line)
                case LineKind.BLANK | LineKind.UNREADABLE:
                    pass
                case _:
                    assert_never(line.kind)

    def unreadable(self) -> Iterator[UnreadableLine]:
        for document in self.documents.values():
            for line in document.parsed.lines:
                if line.kind is LineKind.UNREADABLE:
                    yield UnreadableLine(location=document.location(line), reason=line.reason)

    def _load(self, source: str, place: str) -> _Document:
        data = self._read(source, place)
        if len(data) > limits.REQUIREMENTS_MAX_BYTES:
            raise ConfigInvalid(f"{_shown(source)}: larger than {limits.REQUIREMENTS_MAX_BYTES} bytes")
        try:
            parsed = parse_requirements(data, expand=self._environ.get)
        except MalformedLockfile as error:
            raise MalformedInput(f"{Location(_shown(source), error.line)}: {error.message}") from error
        included = {
            line.line: source_of(value, including=source)
            for line in parsed.lines
            if line.kind in (LineKind.INCLUDE, LineKind.CONSTRAINT)
            for value in (*line.values("--requirement"), *line.values("--constraint"))
        }
        return _Document(source=source, parsed=parsed, included=included)

    def _read(self, source: str, place: str) -> bytes:
        if is_web(source):
            if self._fetch is None:
                raise Refused(
                    RuleId.COMMAND_NOT_GUARDED.value,
                    f"guard does not read requirement files over the network: {_shown(source)}",
                    hint="download the file, look at it, and name the copy",
                )
            return self._fetch(source)
        try:
            with Path(source).open("rb") as stream:
                return stream.read(limits.REQUIREMENTS_MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a path"
            raise ConfigInvalid(f"{place + ': ' if place else ''}cannot read {source}: {reason}") from error


def _shown(source: str) -> str:
    return redact_url(source) if is_web(source) else source


def _copy_name(number: int, source: str) -> str:
    name = urlsplit(source).path if is_web(source) else source
    return f"{number:04}-{re.sub(r'[^A-Za-z0-9._-]', '_', name.rpartition('/')[2])[-80:]}"


def _copied_lines(document: _Document, copies: Mapping[str, str]) -> Iterator[str]:
    """Yield as many lines as the file has, each logical line where it begins: pip's ``(line N)`` stays right."""
    for line in document.parsed.lines:
        yield _copied_line(document, line, copies)
        yield from [""] * (line.line_count - 1)


def _copied_line(document: _Document, line: RequirementLine, copies: Mapping[str, str]) -> str:
    match line.kind:
        case LineKind.REQUIREMENT | LineKind.EDITABLE:
            return line.text
        case LineKind.INCLUDE | LineKind.CONSTRAINT:
            option = "-c" if line.kind is LineKind.CONSTRAINT else "-r"
            return f"{option} {shlex.quote(copies[document.included[line.line]])}"
        case LineKind.OPTION:
            kept = [option for option in line.options if option.name not in _BLANKED_OPTIONS]
            return line.text if len(kept) == len(line.options) else " ".join(map(_option_text, kept))
        case LineKind.BLANK | LineKind.UNREADABLE:
            return ""
        case _:
            assert_never(line.kind)


def _option_text(option: LineOption) -> str:
    return option.name if option.value is None else f"{option.name}={shlex.quote(option.value)}"

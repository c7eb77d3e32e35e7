"""What pip's command line is made of: its commands and every option of the commands that install.

The table is the union of pip 22.3 to 26.3 (``pip/_internal/cli/cmdoptions.py``, ``pip/_internal/commands``). An option
that is missing here is refused, never guessed. This module imports nothing that the interpreter has not
loaded already but ``enum``, so that a command that only passes through starts fast.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence


class Kind(str, enum.Enum):
    """What guard does with a whole command line."""

    PASS_THROUGH = "pass-through"  # noqa: S105 - no password
    INSTALL = "install"
    DOWNLOAD = "download"
    WHEEL = "wheel"
    LOCK = "lock"
    REFUSED = "refused"


class Action(enum.Enum):
    """How pip's parser takes an option; it decides what a configuration file's value of the same name means."""

    STORE = "store"  # the last value counts
    APPEND = "append"  # values add up; a configured value is split on whitespace
    CALLBACK = "callback"  # values add up in pip's own way; a configured value is one value
    TRUE = "true"
    FALSE = "false"
    COUNT = "count"
    FLAG = "flag"  # takes no value on the command line, yet checks one from the configuration


class Treatment(enum.Enum):
    """What guard does with an option when it replays the command line."""

    REPLAYED = "replayed"  # goes to every run as it stands
    INDEX = "index"  # names an upstream of the gateway: never reaches pip
    NETWORK = "network"  # guard sets its own value: the user's holds between guard and the upstreams
    FILE = "file"  # names a requirements or constraints file: reaches pip as a private copy
    HASHES = "hashes"  # switches hash checking: guard decides it
    RESULT = "result"  # concerns what the final run prints, writes or changes: not given to the resolving run
    STOPS = "stops"  # pip prints and ends as soon as it meets it


class OptionSpec:
    """One option of pip's. A plain class, because importing ``dataclasses`` would cost every ``pip --version`` 16 ms.

    Args:
        names: all its spellings; the first is the canonical one.
        action: how pip's parser takes it.
        treatment: what guard does with it.
        general: whether pip also takes it before the command.
        commands: the commands that have it.
        target: the setting that it writes; options that share one override each other.
        since: first version of pip that has it.
        until: first version of pip that no longer has it.
    """

    __slots__ = ("action", "commands", "general", "names", "since", "target", "treatment", "until")

    def __init__(
        self,
        names: tuple[str, ...],
        action: Action,
        treatment: Treatment,
        *,
        general: bool,
        commands: frozenset[str],
        target: str,
        since: tuple[int, ...],
        until: tuple[int, ...],
    ) -> None:
        self.names = names
        self.action = action
        self.treatment = treatment
        self.general = general
        self.commands = commands
        self.target = target
        self.since = since
        self.until = until

    @property
    def name(self) -> str:
        """The canonical long spelling."""
        return self.names[0]

    @property
    def takes_value(self) -> bool:
        """Whether it is followed by a value on the command line."""
        return self.action in (Action.STORE, Action.APPEND, Action.CALLBACK)

    @property
    def repeatable(self) -> bool:
        """Whether a second one adds to the first instead of replacing it."""
        return self.action in (Action.APPEND, Action.CALLBACK, Action.COUNT)

    def exists_in(self, pip_version: tuple[int, ...]) -> bool:
        """Whether that version of pip has it."""
        return self.since <= pip_version < self.until


_ALWAYS: tuple[int, ...] = ()
_NEVER: tuple[int, ...] = (10_000,)
_ALL = frozenset({"install", "download", "wheel", "lock"})


def _option(
    spellings: str,
    action: Action,
    treatment: Treatment = Treatment.REPLAYED,
    *,
    general: bool = False,
    commands: str = "",
    target: str = "",
    since: tuple[int, ...] = _ALWAYS,
    until: tuple[int, ...] = _NEVER,
) -> OptionSpec:
    names = tuple(spellings.split())
    return OptionSpec(
        names,
        action,
        treatment,
        general=general,
        commands=frozenset(commands.split()) if commands else _ALL,
        target=target or names[0],
        since=since,
        until=until,
    )


_GENERAL_OPTIONS = (
    _option("--help -h", Action.FLAG, Treatment.STOPS, general=True),
    _option("--version -V", Action.TRUE, general=True),
    _option("--debug", Action.TRUE, general=True),
    _option("--isolated", Action.TRUE, general=True),
    _option("--require-virtualenv --require-venv", Action.TRUE, general=True),
    _option("--python", Action.STORE, general=True),
    _option("--verbose -v", Action.COUNT, Treatment.RESULT, general=True),
    _option("--quiet -q", Action.COUNT, Treatment.RESULT, general=True),
    _option("--log --log-file --local-log", Action.STORE, Treatment.RESULT, general=True),
    _option("--no-input", Action.TRUE, general=True),
    _option("--keyring-provider", Action.STORE, Treatment.NETWORK, general=True, since=(23, 1)),
    _option("--proxy", Action.STORE, Treatment.NETWORK, general=True),
    _option("--no-proxy-env", Action.TRUE, Treatment.NETWORK, general=True, since=(26, 2)),
    _option("--retries", Action.STORE, Treatment.NETWORK, general=True),
    _option("--resume-retries", Action.STORE, Treatment.NETWORK, general=True, since=(25, 1)),
    _option("--timeout --default-timeout", Action.STORE, Treatment.NETWORK, general=True),
    _option("--exists-action", Action.APPEND, general=True),
    _option("--trusted-host", Action.APPEND, Treatment.INDEX, general=True),
    _option("--cert", Action.STORE, Treatment.NETWORK, general=True),
    _option("--client-cert", Action.STORE, Treatment.NETWORK, general=True),
    _option("--cache-dir", Action.STORE, Treatment.NETWORK, general=True),
    _option("--no-cache-dir", Action.FLAG, Treatment.NETWORK, general=True, target="--cache-dir"),
    _option("--disable-pip-version-check", Action.TRUE, general=True),
    _option("--no-color", Action.TRUE, general=True),
    _option("--no-python-version-warning", Action.TRUE, general=True),
    _option("--use-feature", Action.APPEND, general=True),
    _option("--use-deprecated", Action.APPEND, general=True),
    # general_group puts it into every command's parser too, where it does nothing
    _option("--check-build-dependencies", Action.TRUE),
)

_INDEX_OPTIONS = (
    _option("--index-url --pypi-url -i", Action.STORE, Treatment.INDEX),
    _option("--extra-index-url", Action.APPEND, Treatment.INDEX),
    _option("--no-index", Action.TRUE, Treatment.INDEX),
    _option("--find-links -f", Action.APPEND, Treatment.INDEX),
    _option("--refresh-package", Action.CALLBACK, Treatment.NETWORK, since=(26, 2)),
    _option("--uploaded-prior-to", Action.CALLBACK, since=(26,)),
)

_SOURCE_OPTIONS = (
    _option("--requirement -r", Action.APPEND, Treatment.FILE),
    _option("--constraint -c", Action.APPEND, Treatment.FILE),
    _option("--build-constraint", Action.APPEND, Treatment.FILE, since=(25, 3)),
    _option("--requirements-from-script", Action.APPEND, since=(26,)),
    _option("--group", Action.CALLBACK, since=(25, 1)),
    _option("--editable -e", Action.APPEND, commands="install wheel lock"),
    _option("--src --source --source-dir --source-directory", Action.CALLBACK),
    _option("--no-deps --no-dependencies", Action.TRUE),
    _option("--only-deps --only-dependencies", Action.TRUE, since=(26, 2)),
    _option("--require-hashes", Action.TRUE, Treatment.HASHES),
    _option("--no-require-hashes", Action.TRUE, Treatment.HASHES, since=(26, 2)),
)

_SELECTION_OPTIONS = (
    _option("--pre", Action.TRUE),
    _option("--all-releases", Action.CALLBACK, target="release-control", since=(26,)),
    _option("--only-final", Action.CALLBACK, target="release-control", since=(26,)),
    _option("--no-binary", Action.CALLBACK, target="format-control"),
    _option("--only-binary", Action.CALLBACK, target="format-control"),
    _option("--prefer-binary", Action.TRUE),
    _option("--ignore-requires-python", Action.TRUE),
    _option("--platform", Action.APPEND, commands="install download"),
    _option("--python-version", Action.CALLBACK, commands="install download"),
    _option("--implementation", Action.STORE, commands="install download"),
    _option("--abi", Action.APPEND, commands="install download"),
    _option("--upgrade -U", Action.TRUE, commands="install"),
    _option("--upgrade-strategy", Action.STORE, commands="install"),
    _option("--force-reinstall", Action.TRUE, commands="install"),
    _option("--ignore-installed -I", Action.TRUE, commands="install"),
)

_BUILD_OPTIONS = (
    _option("--no-build-isolation", Action.FALSE, target="build-isolation"),
    _option("--use-pep517", Action.TRUE, target="pep517"),
    _option("--no-use-pep517", Action.FLAG, target="pep517", until=(25, 3)),
    _option("--config-settings -C", Action.CALLBACK, commands="install wheel lock"),
    _option("--global-option", Action.APPEND, commands="install download wheel", until=(25, 3)),
    _option("--build-option", Action.APPEND, commands="wheel", until=(25, 3)),
    _option("--install-option", Action.APPEND, commands="install", until=(23, 1)),
    _option("--no-clean", Action.TRUE),
    _option("--no-verify", Action.TRUE, commands="wheel"),
)

_PLACE_OPTIONS = (
    _option("--target -t", Action.STORE, commands="install"),
    _option("--user", Action.TRUE, commands="install", target="user-site"),
    _option("--no-user", Action.FALSE, commands="install", target="user-site"),
    _option("--root", Action.STORE, commands="install"),
    _option("--prefix", Action.STORE, commands="install"),
    _option("--compile", Action.TRUE, commands="install", target="compile"),
    _option("--no-compile", Action.FALSE, commands="install", target="compile"),
    _option("--no-warn-script-location", Action.FALSE, commands="install", target="warn-script-location"),
    _option("--no-warn-conflicts", Action.FALSE, commands="install", target="warn-conflicts"),
    _option("--break-system-packages", Action.TRUE, commands="install", since=(23, 0, 1)),
    _option("--root-user-action", Action.STORE, commands="install"),
    _option("--dry-run", Action.TRUE, Treatment.RESULT, commands="install"),
    _option("--report", Action.STORE, Treatment.RESULT, commands="install"),
    _option("--progress-bar", Action.STORE, Treatment.RESULT),
    _option("--dest --destination-dir --destination-directory -d", Action.STORE, Treatment.RESULT, commands="download"),
    _option("--wheel-dir -w", Action.STORE, Treatment.RESULT, commands="wheel"),
    _option("--output -o", Action.STORE, Treatment.RESULT, commands="lock"),
)

OPTIONS: tuple[OptionSpec, ...] = (
    *_GENERAL_OPTIONS,
    *_INDEX_OPTIONS,
    *_SOURCE_OPTIONS,
    *_SELECTION_OPTIONS,
    *_BUILD_OPTIONS,
    *_PLACE_OPTIONS,
)

GUARDED_COMMANDS = {"install": Kind.INSTALL, "download": Kind.DOWNLOAD, "wheel": Kind.WHEEL, "lock": Kind.LOCK}
PASS_THROUGH_COMMANDS = frozenset(
    {
        "list",
        "show",
        "freeze",
        "check",
        "config",
        "search",
        "cache",
        "index",
        "inspect",
        "debug",
        "help",
        "hash",
        "completion",
        "uninstall",
    }
)


def names_treated(treatment: Treatment) -> frozenset[str]:
    """Return the canonical names of the options that get ``treatment``."""
    return frozenset(spec.name for spec in OPTIONS if spec.treatment is treatment)


def options_of(command: str | None) -> dict[str, OptionSpec]:
    """Return every spelling that pip takes after ``command``, or before any command for ``None``."""
    specs = (spec for spec in OPTIONS if (spec.general if command is None else command in spec.commands))
    return {name: spec for spec in specs for name in spec.names}


class OptionError(ValueError):
    """A token that pip's parser would not take.

    Args:
        message: what is wrong with it, without its value.
        unknown: whether guard does not know the option, as against a misuse of a known one.
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class Scan:
    """Tokens taken apart as ``optparse`` does.

    Args:
        table: every spelling of the options that may stand here.
        tokens: the command line.
        interspersed: whether options may follow arguments.

    Raises:
        OptionError: pip's parser would end here with an error.
    """

    __slots__ = ("_table", "_tokens", "arguments", "found", "position", "stopped")

    def __init__(self, table: dict[str, OptionSpec], tokens: tuple[str, ...], *, interspersed: bool) -> None:
        self._table = table
        self._tokens = tokens
        self.found: list[tuple[int, OptionSpec, str | None]] = []
        self.arguments: list[str] = []
        self.position = 0
        self.stopped = False
        self._run(interspersed=interspersed)

    def _run(self, *, interspersed: bool) -> None:
        while self.position < len(self._tokens) and not self.stopped:
            word = self._tokens[self.position]
            if word == "--":
                self.position += 1
                break
            if word.startswith("--"):
                self._take_long(word)
            elif word.startswith("-") and len(word) > 1:
                self._take_short(word)
            elif interspersed:
                self.arguments.append(word)
                self.position += 1
            else:
                return
        if interspersed and not self.stopped:
            self.arguments.extend(self._tokens[self.position :])
            self.position = len(self._tokens)

    def _take_long(self, token: str) -> None:
        start = self.position
        written, equals, explicit = token.partition("=")
        name = self._match_long(written)
        spec = self._table[name]
        self.position += 1
        if spec.takes_value:
            self._add(start, spec, explicit if equals else self._next_value(name))
        elif equals:
            raise OptionError(f"{name} does not take a value")
        else:
            self._add(start, spec, None)

    def _match_long(self, written: str) -> str:
        if written in self._table:
            return written
        candidates = sorted(name for name in self._table if name.startswith(written))
        if len(candidates) > 1:
            raise OptionError(f"ambiguous option: {written} ({', '.join(candidates)}?)")
        if not candidates:
            raise OptionError(f"no such option: {written}", unknown=True)
        return candidates[0]

    def _take_short(self, token: str) -> None:
        start = self.position
        self.position += 1
        for index, letter in enumerate(token[1:], start=2):
            name = f"-{letter}"
            spec = self._table.get(name)
            if spec is None:
                raise OptionError(f"no such option: {name}", unknown=True)
            if spec.takes_value:
                self._add(start, spec, token[index:] or self._next_value(name))
                return
            self._add(start, spec, None)
            if self.stopped:
                return

    def _next_value(self, name: str) -> str:
        if self.position >= len(self._tokens):
            raise OptionError(f"{name} needs a value")
        value = self._tokens[self.position]
        self.position += 1
        return value

    def _add(self, start: int, spec: OptionSpec, value: str | None) -> None:
        self.found.append((start, spec, value))
        self.stopped = spec.treatment is Treatment.STOPS


def split_command(argv: tuple[str, ...]) -> tuple[Scan, str | None, tuple[str, ...]]:
    """Separate the general options, the command, and what pip gives that command's parser.

    pip removes the first token that equals the command's name, wherever it stands (``cli/main_parser.py``,
    ``parse_command``); where that is not the command itself, the line means something else than it says.

    Args:
        argv: what follows ``pip``.

    Raises:
        OptionError: pip would end with an error, or would misread the line.
    """
    general = Scan(options_of(None), argv, interspersed=False)
    if general.stopped or general.position == len(argv):
        return general, None, ()
    command = argv[general.position]
    rest = argv[: general.position] + argv[general.position + 1 :]
    first = argv.index(command)
    if rest != argv[:first] + argv[first + 1 :]:
        raise OptionError(
            f"an option has the value {command!r} like the command: pip would misread it, write --option=value"
        )
    return general, command, rest


def classify(argv: Sequence[str]) -> Kind:
    """Say what guard does with a command line of pip's.

    Only full names on an allow-list pass through; everything else that is not a guarded command is refused.

    Args:
        argv: what follows ``pip``.
    """
    try:
        general, command, rest = split_command(tuple(argv))
    except OptionError:
        return Kind.REFUSED
    if command is None or any(spec.name == "--version" for _, spec, _ in general.found):
        return Kind.PASS_THROUGH
    if command in PASS_THROUGH_COMMANDS:
        return Kind.PASS_THROUGH
    kind = GUARDED_COMMANDS.get(command, Kind.REFUSED)
    if kind is Kind.REFUSED:
        return kind
    try:
        return Kind.PASS_THROUGH if Scan(options_of(command), rest, interspersed=True).stopped else kind
    except OptionError:
        return kind

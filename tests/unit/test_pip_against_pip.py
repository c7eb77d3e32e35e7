"""guard's understanding of pip, compared with what the real pips say of themselves."""

from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple, TypedDict

import pytest

from guard.errors import ConfigInvalid, GuardError, MalformedInput
from guard.managers.pip.command import Kind, classify, parse_command
from guard.managers.pip.config import configuration_options, load_configuration
from guard.managers.pip.options import Action, options_of
from guard.managers.pip.requirements import load_requirement_files
from guard_lockfiles.requirements import LineKind, LineOption, RequirementLine, parse_requirements

pytestmark = pytest.mark.online

VERSIONS = ["22.3", "23.3.2", "24.3.1", "25.3", "26.3"]

DESCRIBE = """
import json, sys
from pip._internal.cli.main_parser import create_main_parser
from pip._internal.commands import commands_dict, create_command
def options(parser):
    return {name: [option.takes_value(), option.action]
            for option in parser.option_list_all for name in option._long_opts + option._short_opts}
names = [name for name in ("install", "download", "wheel", "lock") if name in commands_dict]
parsers = {name: create_command(name).parser for name in names}
print(json.dumps({"commands": list(commands_dict), "general": options(create_main_parser()),
                  "parsers": {name: options(parser) for name, parser in parsers.items()}}))
"""

# Parses each case in its own process's state; where pip ends with an error, so does the case.
PARSE = """
import json, os, sys
from pip._internal.cli.main_parser import parse_command
from pip._internal.commands import create_command
from pip._internal.exceptions import PipError
def plain(value):
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, (str, float, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    names = getattr(type(value), "__slots__", None) or getattr(value, "__dict__", None)
    if names is None:
        return str(value)
    return {name: plain(getattr(value, name)) for name in names}
def parse(case):
    os.environ.clear()
    os.environ.update(case["environ"], _PIP_RUNNING_IN_SUBPROCESS="1")
    sys.prefix = case["prefix"]
    try:
        name, tokens = parse_command(case["argv"])
        options, arguments = create_command(name, isolated="--isolated" in tokens).parser.parse_args(tokens)
    except (SystemExit, PipError):
        return None
    return {"command": name, "options": plain(vars(options)), "arguments": arguments}
cases = json.loads(sys.stdin.read())
sys.stdout = sys.stderr
answers = [parse(case) for case in cases]
sys.__stdout__.write(json.dumps(answers))
"""


class Described(TypedDict):
    """What a pip says of its parsers: spelling to (takes a value, action)."""

    commands: list[str]
    general: dict[str, tuple[bool, str]]
    parsers: dict[str, dict[str, tuple[bool, str]]]


class Parsed(TypedDict):
    """What a pip's parser ends up with."""

    command: str
    options: dict[str, object]
    arguments: list[str]


class Case(TypedDict):
    """One command line in one environment."""

    argv: list[str]
    environ: dict[str, str]
    prefix: str


class Pip(NamedTuple):
    """One released pip."""

    folder: Path
    version: tuple[int, ...]

    def run(self, program: str, stdin: str = "") -> str:
        """Run a program that imports this pip, without any configuration."""
        return subprocess.run(
            [sys.executable, "-c", program],
            input=stdin,
            env={"PYTHONPATH": str(self.folder), "PIP_CONFIG_FILE": os.devnull, "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def parse(self, cases: list[Case]) -> list[Parsed | None]:
        """Return what its parser makes of command lines."""
        parsed: list[Parsed | None] = json.loads(self.run(PARSE, json.dumps(cases)))
        return parsed


@functools.cache
def describe(pip: Pip) -> Described:
    """Return what a pip says of its parsers."""
    described: Described = json.loads(pip.run(DESCRIBE))
    return described


@pytest.fixture(scope="session", params=VERSIONS)
def pip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pip:
    version: str = request.param
    folder = tmp_path_factory.mktemp(f"pip-{version}")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", f"pip=={version}"]
    subprocess.run([*command, "-d", folder], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "lib")
    return Pip(folder / "lib", tuple(map(int, version.split("."))))


_ACTIONS = {
    "store": Action.STORE,
    "append": Action.APPEND,
    "store_true": Action.TRUE,
    "store_false": Action.FALSE,
    "count": Action.COUNT,
    "help": Action.FLAG,
}


def test_every_option_of_pip_is_in_the_table(pip: Pip) -> None:
    described = describe(pip)
    for command, spellings in [(None, described["general"]), *described["parsers"].items()]:
        table = options_of(command)
        for name, (takes_value, action) in spellings.items():
            assert name in table, (command, name)
            assert table[name].takes_value is takes_value, (command, name)
            expected = _ACTIONS.get(action) or (Action.CALLBACK if takes_value else Action.FLAG)
            assert table[name].action is expected, (command, name)


def test_the_table_knows_which_pip_has_what(pip: Pip) -> None:
    described = describe(pip)
    for command, spellings in described["parsers"].items():
        known = {spec.name for spec in options_of(command).values() if spec.exists_in(pip.version)}
        # `--version` left the commands' parsers with 26.3; before any command it stays.
        assert known - set(spellings) <= {"--version"}


def test_every_command_of_pip_is_classified(pip: Pip) -> None:
    commands = describe(pip)["commands"]
    assert [name for name in commands if classify([name]) is Kind.REFUSED] == []
    guarded = {name for name in commands if classify([name]) is not Kind.PASS_THROUGH}
    assert guarded == {"install", "download", "wheel", "lock"} & set(commands)


LINES = [
    "install six",
    "install -qqU --no-binary a,b --only-binary :all: six==1 -r a.txt -cb.txt --constraint=c.txt",
    "-q --timeout 5 install -q --timeout=6 six -- --pre",
    "-- install six",
    "--log install install six",
    "install --user --no-user --no-compile --compile --no-warn-c .",
    "install -e . -e git+https://x/y#egg=y --upgrade-s eager --root / --pref x",
    "install --hel",
    "install --proxy= --pypi-url https://x --trusted-host h --find-links f -ff --no-index",
    "install -t --pre six - --isolated --src s --progress-bar off --python-v 3.12 --abi a --platform p",
    "download --destination-d d six --implementation cp -vvv --require-venv",
    "wheel -w w . --no-verify --no-build-isolation --no-cache-dir --cache-dir x",
    "wheel --cache-dir x --no-cache-dir .",
    "install -r",
    "install --pre=1 six",
    "install --requi x",
    "install --bogus",
    "install -Z",
    "--bogus install",
    "download --user six",
    "--log install --timeout 5 install six",
]


def cases(lines: list[str], project: Path) -> list[Case]:
    environ = {"HOME": str(project), "PIP_CONFIG_FILE": os.devnull}
    return [{"argv": line.split(), "environ": environ, "prefix": str(project)} for line in lines]


def test_replayed_lines_mean_the_same(pip: Pip, tmp_path: Path) -> None:
    understood = {line: parse_command(line.split()) for line in LINES if _is_understood(line)}
    replays = [" ".join(command.to_argv()) for command in understood.values()]
    typed = pip.parse(cases(list(understood), tmp_path))
    for (line, command), parsed, replayed in zip(
        understood.items(), typed, pip.parse(cases(replays, tmp_path)), strict=True
    ):
        assert replayed == parsed, line
        if parsed is not None:
            assert (command.command, list(command.arguments)) == (parsed["command"], parsed["arguments"]), line
            assert list(command.values("--requirement")) == parsed["options"]["requirements"], line


def test_lines_that_guard_does_not_take_pip_does_not_either(pip: Pip, tmp_path: Path) -> None:
    misread = "--log install --timeout 5 install six"  # pip takes it, for something else than it says
    refused = [line for line in LINES if not _is_understood(line) and line != misread]
    assert pip.parse(cases(refused, tmp_path)) == [None] * len(refused)


def _is_understood(line: str) -> bool:
    try:
        parse_command(line.split())
    except GuardError:
        return False
    return True


CONFIGURATIONS: dict[str, dict[str, str]] = {
    "nothing": {},
    "every-place": {
        "xdg/pip/pip.conf": "[global]\nproxy = 1\nlog = 1\ncert = 1\nclient-cert = 1\nretries = 1",
        "home/.pip/pip.conf": "[global]\nproxy = 2\nlog = 2\ncert = 2\nclient-cert = 2",
        "home/.config/pip/pip.conf": "[global]\nproxy = 3\nlog = 3\ncert = 3",
        "prefix/pip.conf": "[global]\nproxy = 4\nlog = 4",
        "PIP_PROXY": "5",
    },
    "sections": {
        "home/.config/pip/pip.conf": "[install]\nindex-url = https://section\n[download]\nindex-url = https://download",
        "prefix/pip.conf": "[global]\nindex_url = https://global\n[DEFAULT]\nextra-index-url = https://default",
    },
    "named-file": {
        "home/.config/pip/pip.conf": "[global]\nlog = user",
        "named.conf": "[global]\nproxy = named",
        "PIP_CONFIG_FILE": "ROOT/named.conf",
    },
    "missing-named-file": {"home/.config/pip/pip.conf": "[global]\nlog = user", "PIP_CONFIG_FILE": "ROOT/missing"},
    "devnull": {"prefix/pip.conf": "[global]\nlog = site", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "9"},
    "empty-values": {
        "home/.config/pip/pip.conf": "[global]\nproxy = user\nextra-index-url = https://user",
        "prefix/pip.conf": "[global]\nproxy =",
        "PIP_EXTRA_INDEX_URL": "",
    },
    "lists": {
        "prefix/pip.conf": "[global]\nextra-index-url = https://a\n    https://b\ntrusted-host = a b\nfind-links = x y",
        "PIP_CONSTRAINT": "c.txt d.txt",
        "PIP_REQUIREMENT": "r.txt",
    },
    "booleans": {
        "prefix/pip.conf": "[install]\nno-compile = false\nno-warn-script-location = 0\nno-build-isolation = no",
        "PIP_NO_INDEX": "1",
        "PIP_USER": "off",
        "PIP_PRE": "t",
        "PIP_NO_DEPS": "f",
    },
    "negative-booleans": {"PIP_NO_COMPILE": "true", "PIP_NO_USER": "1", "PIP_NO_WARN_CONFLICTS": "1"},
    "counts": {"PIP_VERBOSE": "2", "PIP_QUIET": "yes"},
    "callbacks": {
        "prefix/pip.conf": "[global]\nno-binary = a,b\nsrc = s\n[install]\nonly-binary = :all:\nno-binary = c",
        "PIP_CONFIG_SETTINGS": "a=b",
        "PIP_PYTHON_VERSION": "3.12",
    },
    "no-cache": {"PIP_NO_CACHE_DIR": "false", "PIP_CACHE_DIR": "x"},
    "other-names": {"PIP_PYPI_URL": "https://x", "PIP_DEFAULT_TIMEOUT": "3", "PIP_LOCAL_LOG": "l", "PIP_R": "a.txt"},
    "ignored": {"PIP_VERSION": "1", "PIP_HELP": "1", "PIP_BOGUS": "1", "PIP_DEST": "d", "PIP_ISOLATED": "1"},
    "newer": {"PIP_RESUME_RETRIES": "7", "PIP_NO_PROXY_ENV": "1", "PIP_UPLOADED_PRIOR_TO": "2026-01-01T00:00:00Z"},
    "keyring": {"PIP_KEYRING_PROVIDER": "disabled", "PIP_REQUIRE_HASHES": "1", "PIP_USE_PEP517": "1"},
    "python": {"prefix/pip.conf": "[global]\npython = /opt/python"},
}


# pip 25.2 and 25.3 alone let a weaker file's value stand when a stronger one's is empty.
KNOWN_DIFFERENCES = {("empty-values", (25, 3))}


@pytest.mark.parametrize("line", ["install six", "install --isolated six", "download six -i https://typed -v"])
def test_configuration_means_the_same_as_options(pip: Pip, tmp_path: Path, line: str) -> None:
    names = [name for name in CONFIGURATIONS if (name, pip.version) not in KNOWN_DIFFERENCES]
    configured = [_configured(tmp_path / name, CONFIGURATIONS[name], line) for name in names]
    replayed = [_replayed(case, pip.version) for case in configured]
    for name, said, meant in zip(names, pip.parse(configured), pip.parse(replayed), strict=True):
        assert said is not None, name
        assert meant is not None, name
        for parsed in (said, meant):
            parsed["options"].pop("python")  # belongs to the parser before the command: the unit tests have it
        assert meant == said, name


def _configured(folder: Path, configuration: dict[str, str], line: str) -> Case:
    environ = {"HOME": f"{folder}/home", "XDG_CONFIG_DIRS": f"{folder}/xdg"}
    for place, text in configuration.items():
        if place.startswith("PIP_"):
            environ[place] = text.replace("ROOT", str(folder))
        else:
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return {"argv": line.split(), "environ": environ, "prefix": f"{folder}/prefix"}


def _replayed(case: Case, pip_version: tuple[int, ...]) -> Case:
    typed = parse_command(case["argv"])
    config = load_configuration(
        environ=case["environ"],
        prefix=Path(case["prefix"]),
        command=typed.command,
        isolated=typed.isolated,
        platform=sys.platform,
    )
    argv = typed.preceded_by(configuration_options(config, typed.command, pip_version=pip_version)).to_argv()
    environ = {"HOME": case["environ"]["HOME"], "PIP_CONFIG_FILE": os.devnull}
    return {"argv": list(argv), "environ": environ, "prefix": case["prefix"]}


def test_abbreviations_mean_the_same_or_are_refused(pip: Pip, tmp_path: Path) -> None:
    spellings = [name for name in describe(pip)["parsers"]["install"] if len(name) > len("--from")]
    lines = [f"install {name[:length]} x y" for name in spellings for length in (6, len(name) - 1)]
    for line, parsed in zip(lines, pip.parse(cases(lines, tmp_path)), strict=True):
        try:
            command = parse_command(line.split())
        except GuardError:
            continue  # the table is of all pips, so an abbreviation may be ambiguous where it is not to this one
        if parsed is not None:
            assert list(command.arguments) == parsed["arguments"], line


READ_REQUIREMENTS = """
import json, sys
from pip._internal.req.req_file import get_line_parser, preprocess
parse_line = get_line_parser(None)
def read(text):
    lines = []
    for number, line in preprocess(text):
        try:
            requirement, found = parse_line(line)
        except Exception:
            return None
        said = {name: getattr(found, name) for name in
                ("requirements", "constraints", "editables", "index_url", "extra_index_urls", "find_links", "no_index",
                 "trusted_hosts", "pre", "require_hashes")}
        said["hashes"] = sorted(f"{name}:{value}" for name, values in (found.hashes or {}).items() for value in values)
        lines.append([number, requirement.strip(), {name: value for name, value in said.items() if value}])
    return lines
print(json.dumps([read(text) for text in json.loads(sys.stdin.read())]))
"""

PIECES = [
    "six", "idna==3.4", "foo[x]>=1; python_version>'3'", "./package", "foo @ https://x/y#egg=z", "-e ./package",
    "-r b.txt", "-c b.txt", "-i https://x", "--extra-index-url https://y", "-f d --trusted-host h", "--no-index",
    "--pre", "--require-hashes", f" --hash=sha256:{'ab' * 32}", f" --hash sha512:{'cd' * 64}", " \\", "\\", "\n", "\n",
    "\n", "\r\n", "# comment", " # comment", "  ", "${V}", "'", '"', "\x0c",
]  # fmt: skip


@functools.cache
def _generated_files() -> list[str]:
    """Return requirement files of which guard can read every line."""
    choose = random.Random(0)
    texts = dict.fromkeys("".join(choose.choices(PIECES, k=choose.randint(1, 12))) for _ in range(6000))
    return [text for text in texts if all(line.kind is not LineKind.UNREADABLE for line in _lines(text))]


@functools.cache
def _lines(text: str) -> list[RequirementLine]:
    return [line for line in parse_requirements(text.encode()).lines if line.kind is not LineKind.BLANK]


def _said(line: RequirementLine) -> tuple[int, str, dict[str, object]]:
    """Return a line in the words of the program above."""
    said: dict[str, object] = {
        "requirements": list(line.values("--requirement")),
        "constraints": list(line.values("--constraint")),
        "editables": list(line.values("--editable")),
        "index_url": next(reversed(line.values("--index-url")), None),
        "extra_index_urls": list(line.values("--extra-index-url")),
        "find_links": list(line.values("--find-links")),
        "no_index": LineOption("--no-index") in line.options,
        "trusted_hosts": list(line.values("--trusted-host")),
        "pre": LineOption("--pre") in line.options,
        "require_hashes": LineOption("--require-hashes") in line.options,
        "hashes": sorted(line.hashes),
    }
    requirement = line.requirement if line.kind is LineKind.REQUIREMENT else ""
    return line.line, requirement, {name: value for name, value in said.items() if value}


def test_requirement_files_are_read_as_pip_reads_them(pip: Pip) -> None:
    texts = _generated_files()
    assert len(texts) > 1000
    for text, lines in zip(texts, json.loads(pip.run(READ_REQUIREMENTS, json.dumps(texts))), strict=True):
        assert [list(_said(line)) for line in _lines(text)] == lines, text


@pytest.fixture(scope="module")
def private_copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The private copy of each generated file that has one; it is the same for every pip."""
    root = tmp_path_factory.mktemp("copies")
    copies = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(root)
        Path("b.txt").write_text("certifi", encoding="utf-8")
        for number, text in enumerate(_generated_files()):
            folder = root / str(number)
            folder.mkdir()
            Path("a.txt").write_bytes(text.encode())
            try:
                files = load_requirement_files(requirements=["a.txt"], environ={}, folder=folder)
            except (ConfigInvalid, MalformedInput):
                continue  # another file than b.txt, or a digest with something behind it
            copy = Path(files.write_private_copies()["a.txt"]).read_text(encoding="utf-8")
            copies[text] = copy.replace(f"{folder}/0002-b.txt", "b.txt")
    return copies


def test_private_copies_say_the_same_but_for_the_index(pip: Pip, private_copies: dict[str, str]) -> None:
    assert len(private_copies) > 500
    index = {"index_url", "extra_index_urls", "find_links", "no_index", "trusted_hosts"}
    said_of_copies = json.loads(pip.run(READ_REQUIREMENTS, json.dumps(list(private_copies.values()))))
    for text, lines in zip(private_copies, said_of_copies, strict=True):
        expected = [
            [line, requirement, {name: value for name, value in said.items() if name not in index}]
            for line, requirement, said in map(_said, _lines(text))
        ]
        assert lines == [line for line in expected if line[1] or line[2]], text

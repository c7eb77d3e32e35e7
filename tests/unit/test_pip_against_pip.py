"""guard's understanding of pip, compared with what the real pips say of themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple, TypedDict

import pytest

from guard.errors import GuardError
from guard.managers.pip.command import Kind, classify, parse_command
from guard.managers.pip.config import configuration_options, load_configuration
from guard.managers.pip.options import Action, options_of

pytestmark = pytest.mark.online

VERSIONS = ["22.3", "23.3.2", "24.3.1", "25.3", "26.3"]

DESCRIBE = """
import json, sys
from pip._internal.cli.main_parser import create_main_parser
from pip._internal.commands import commands_dict, create_command
def options(parser):
    return {name: [option.takes_value(), option.action]
            for option in parser.option_list_all for name in option._long_opts + option._short_opts}
parsers = {name: create_command(name).parser for name in ("install", "download", "wheel", "lock") if name in commands_dict}
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
    names = getattr(type(value), "__slots__", None) or vars(value)
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

    def describe(self) -> Described:
        """Return what it says of its parsers."""
        described: Described = json.loads(self.run(DESCRIBE))
        return described

    def parse(self, cases: list[Case]) -> list[Parsed | None]:
        """Return what its parser makes of command lines."""
        parsed: list[Parsed | None] = json.loads(self.run(PARSE, json.dumps(cases)))
        return parsed


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
    described = pip.describe()
    for command, spellings in [(None, described["general"]), *described["parsers"].items()]:
        table = options_of(command)
        for name, (takes_value, action) in spellings.items():
            assert name in table, (command, name)
            assert table[name].takes_value is takes_value, (command, name)
            expected = _ACTIONS.get(action) or (Action.CALLBACK if takes_value else Action.FLAG)
            assert table[name].action is expected, (command, name)


def test_the_table_knows_which_pip_has_what(pip: Pip) -> None:
    described = pip.describe()
    for command, spellings in described["parsers"].items():
        known = {spec.name for spec in options_of(command).values() if spec.exists_in(pip.version)}
        # `--version` left the commands' parsers with 26.3; before any command it stays.
        assert known - set(spellings) <= {"--version"}


def test_every_command_of_pip_is_classified(pip: Pip) -> None:
    commands = pip.describe()["commands"]
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
    for line, parsed in zip(LINES, pip.parse(cases(LINES, tmp_path)), strict=True):
        try:
            command = parse_command(line.split())
        except GuardError:
            assert parsed is None or "install --timeout" in line or "--timeout 5 install six" in line, line
            continue
        (replayed,) = pip.parse(cases([" ".join(command.to_argv())], tmp_path))
        assert replayed == parsed, line
        if parsed is not None:
            assert (command.command, list(command.arguments)) == (parsed["command"], parsed["arguments"])
            assert list(command.values("--requirement")) == parsed["options"]["requirements"]


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


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("line", ["install six", "install --isolated six", "download six -i https://typed -v"])
def test_configuration_means_the_same_as_options(pip: Pip, tmp_path: Path, name: str, line: str) -> None:
    environ = {"HOME": f"{tmp_path}/home", "XDG_CONFIG_DIRS": f"{tmp_path}/xdg"}
    for place, text in CONFIGURATIONS[name].items():
        if place.startswith("PIP_"):
            environ[place] = text.replace("ROOT", str(tmp_path))
        else:
            path = tmp_path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    prefix = tmp_path / "prefix"
    typed = parse_command(line.split())
    config = load_configuration(
        environ=environ, prefix=prefix, command=typed.command, isolated=typed.isolated, platform=sys.platform
    )
    options = configuration_options(config, typed.command, pip_version=pip.version)
    bare = {"HOME": environ["HOME"], "PIP_CONFIG_FILE": os.devnull}
    configured, replayed = pip.parse(
        [
            {"argv": line.split(), "environ": environ, "prefix": str(prefix)},
            {"argv": list(typed.preceded_by(options).to_argv()), "environ": bare, "prefix": str(prefix)},
        ]
    )
    assert configured is not None
    assert replayed is not None
    for parsed in (configured, replayed):
        parsed["options"].pop("python")  # belongs to the parser before the command: the unit tests have it
    assert replayed == configured


def test_abbreviations_mean_the_same_or_are_refused(pip: Pip, tmp_path: Path) -> None:
    spellings = [name for name in pip.describe()["parsers"]["install"] if len(name) > len("--from")]
    lines = [f"install {name[:length]} x y" for name in spellings for length in (6, len(name) - 1)]
    for line, parsed in zip(lines, pip.parse(cases(lines, tmp_path)), strict=True):
        try:
            command = parse_command(line.split())
        except GuardError:
            continue  # the table is of all pips, so an abbreviation may be ambiguous where it is not to this one
        if parsed is not None:
            assert list(command.arguments) == parsed["arguments"], line

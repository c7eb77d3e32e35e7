"""guard's understanding of npm's command line and configuration, compared with what the real npms make of them."""

from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from guard.errors import ConfigInvalid
from guard.managers.npm.command import parse_command, rewrite_npx
from guard.managers.npm.config import load_configuration
from guard.managers.npm.ini import parse_ini
from guard.managers.npm.options import MAJORS, Kind, Scan, classify
from guard.managers.npm.plan import Platform
from guard.managers.npm.target import NpmTarget, find_npm
from guard.managers.npm.vocabulary import SHORTHANDS, dereference, types_of, words_of
from tests.e2e.npm_environment import MIDDLE_NPM, NEWEST_NPM, OLDEST_NPM, NpmTools

pytestmark = [pytest.mark.online, pytest.mark.campaign(3)]

VERSIONS = [OLDEST_NPM, MIDDLE_NPM, NEWEST_NPM]

# Answers every question about one npm in one process; what an npm throws is its answer.
ASK = r"""
const root = process.argv[1]
const fs = require('node:fs')
const { definitions, shorthands, flatten, nerfDarts } = require(root + '/node_modules/@npmcli/config/lib/definitions')
const { commands, aliases, deref } = require(root + '/lib/utils/cmd-list.js')
const Config = require(root + '/node_modules/@npmcli/config')
const nopt = require(root + '/node_modules/nopt')
const ini = require(root + '/node_modules/ini')
const typeDefs = require(root + '/node_modules/@npmcli/config/lib/type-defs.js')
console.error = () => {}

const named = (type) => {
  const known = Object.entries(typeDefs).find(([, def]) => def.type === type)
  return known ? known[0].toLowerCase() : type === null || type === false ? String(type) : JSON.stringify(type)
}
const types = {}
for (const [key, { type }] of Object.entries(definitions)) {
  types[key] = type
}

const questions = {
  words: () => [...commands, ...Object.keys(aliases)].map((word) => [word, aliases[word] || word]),
  shorthands: () => shorthands,
  options: () => Object.entries(types).map(([key, type]) => [key, [].concat(type).map(named)]),
  deref: (word) => deref(word) || null,
  parse: (argv) => {
    const data = {}
    const remain = []
    nopt.lib.parse([...argv], data, remain, { types, shorthands, typeDefs })
    return { data, remain }
  },
  npx: (argv) => {
    const cli = require.resolve(root + '/lib/cli.js')
    require.cache[cli] = { id: cli, filename: cli, loaded: true, exports: () => {} }
    delete require.cache[require.resolve(root + '/bin/npx-cli.js')]
    process.argv = ['node', 'npx', ...argv]
    require(root + '/bin/npx-cli.js')
    return process.argv.slice(2)
  },
  ini: (text) => ini.parse(text),
  load: async ({ argv, env, cwd, execPath }) => {
    process.chdir(cwd)
    process.env.HOME = env.HOME
    const config = new Config({
      npmPath: root, definitions, shorthands, flatten, nerfDarts, env, cwd, execPath, warn: false,
      argv: ['node', 'npm', ...argv],
    })
    await config.load()
    const levels = {}
    for (const [where, { data }] of config.data.entries()) {
      levels[where] = structuredClone({ ...data }) // making it flat changes lists
    }
    const { localPrefix, globalPrefix } = config
    const workspace = config.get('workspace', 'default')
    const { omit, packageLock, global, strictSSL, noProxy } = config.flat
    return { levels, localPrefix, globalPrefix, workspace, omit, packageLock, global: !!global, strictSSL, noProxy }
  },
}

const main = async () => {
  const answers = []
  for (const [name, question] of JSON.parse(fs.readFileSync(0, 'utf8'))) {
    try {
      answers.push(await questions[name](question))
    } catch (error) {
      answers.push({ thrown: String(error) })
    }
  }
  process.stdout.write(JSON.stringify(answers, (_, value) => value === undefined ? null : value))
}
main()
"""

Ask = Callable[[list[tuple[str, Any]]], list[Any]]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> NpmTools:
    return NpmTools(tmp_path_factory.getbasetemp() / "npm-tools")


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def major(version: str) -> int:
    return int(version.partition(".")[0])


@pytest.fixture
def ask(version: str, tools: NpmTools) -> Ask:
    def ask(questions: list[tuple[str, Any]]) -> list[Any]:
        command = [str(tools.node), "-e", ASK, str(tools.npm(version))]
        run = subprocess.run(
            command, input=json.dumps(questions), capture_output=True, text=True, timeout=120, env={"PATH": os.defpath}
        )
        assert run.returncode == 0, run.stderr
        answers: list[Any] = json.loads(run.stdout)
        assert len(answers) == len(questions)
        return answers

    return ask


def ask_all(ask: Ask, name: str, questions: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(questions, ask([(name, question) for question in questions]), strict=True))


def canonical(command: str | None) -> str | None:
    return "run" if command == "run-script" else command


class TestTables:
    def test_commands_and_aliases_are_npms(self, ask: Ask, major: int) -> None:
        (words,) = ask([("words", None)])
        assert words_of(major) == {word: canonical(command) for word, command in words} | {"run-script": "run"}

    def test_shorthands_are_npms(self, ask: Ask) -> None:
        (shorthands,) = ask([("shorthands", None)])
        assert {name: list(words) for name, words in SHORTHANDS.items()} == shorthands

    def test_options_and_types_are_npms(self, ask: Ask, major: int) -> None:
        (options,) = ask([("options", None)])
        theirs = {name: {kind for kind in kinds if not kind.isdigit()} for name, kinds in options}
        ours = {name: set(kinds) for name, kinds in types_of(major).items()}
        assert ours.pop("local-address") == {"null", "address"}
        assert "null" in theirs.pop("local-address")
        if major < MAJORS[-1]:
            theirs["access"].add('"private"')
        assert ours == theirs


class TestCommandWords:
    def test_every_prefix_and_camel_case_is_read_as_npm_does(self, ask: Ask, major: int) -> None:
        full = sorted({word for each in MAJORS for word in words_of(each)})
        words = {word[:end] for word in full for end in range(1, len(word) + 1)}
        words |= (
            {camel_case(word) for word in words} | {f"{word}x" for word in full} | {"", "-", "é", "Install", "add "}
        )
        for word, theirs in ask_all(ask, "deref", sorted(words)):
            assert dereference(word, major)[0] == canonical(theirs), word

    def test_what_passes_through_means_the_same_to_every_npm(self) -> None:
        words = sorted({word for each in MAJORS for word in words_of(each)})
        for word in words:
            kinds = {classify([word], [major]) for major in MAJORS if dereference(word, major)[0] is not None}
            if Kind.PASS_THROUGH in kinds:
                assert kinds == {Kind.PASS_THROUGH}, word


def camel_case(word: str) -> str:
    first, *others = word.split("-")
    return "".join([first, *(part.capitalize() for part in others)])


def make_lines(seed: int, count: int) -> list[list[str]]:
    """Make command lines of every kind of token that nopt treats in a way of its own."""
    chance = random.Random(seed)
    names = [*types_of(9), *types_of(10), *types_of(11)]
    values = ["true", "false", "null", "--", "---", "-", "", "x", "install", "-x", "--y", "---z", "7", "-7", "silent"]
    values += ["dev", "always", "http://example.test/", "prod", "all", "./x", "~/y", "é"]

    def name() -> str:
        word = chance.choice([*names, *SHORTHANDS, "unknown", "@acme:registry", "//h/:_authToken"])
        return word[: chance.randint(1, len(word))] if chance.random() < 0.3 else word

    def token() -> str:
        kind = chance.random()
        if kind < 0.35:
            return chance.choice(values)
        if kind < 0.45:
            return "-" + "".join(chance.choices([letter for letter in SHORTHANDS if len(letter) == 1], k=3))
        dashes = chance.choice(["-", "--", "--", "--", "---"])
        negation = chance.choice(["", "", "", "no-", "no-no-", "NO-"])
        tail = f"={chance.choice(values)}" if chance.random() < 0.3 else ""
        return f"{dashes}{negation}{name()}{tail}"

    return [[token() for _ in range(chance.randint(1, 6))] for _ in range(count)]


class TestParsing:
    def test_lines_are_taken_apart_as_nopt_does(self, ask: Ask, major: int) -> None:
        for line, theirs in ask_all(ask, "parse", make_lines(1, 3000)):
            parts = Scan(line, major).parts
            assert [part.tokens[0] for part in parts if part.is_argument] == theirs["remain"], line
            assert collect(parts, major) == {key: plain(value) for key, value in theirs["data"].items()}, line

    def test_npx_is_rewritten_as_npx_does(self, ask: Ask, major: int) -> None:
        lines = make_lines(2, 1000)
        lines += [["-p", "a", "b"], ["--shell", "x"], ["--no-install", "a"], ["-n", "x", "a"], ["--node-arg=x", "a"]]
        for line, theirs in ask_all(ask, "npx", lines):
            assert list(rewrite_npx(line, major=major)[0]) == theirs, line


def collect(parts: list[Any], major: int) -> dict[str, Any]:
    """Put the options of a line together as nopt does: some add up."""
    collected: dict[str, Any] = {}
    for part in parts:
        if part.key is None:
            continue
        types = types_of(major).get(part.key)
        value = plain(part.value)
        if types is None and part.key in collected:
            known = collected[part.key]
            collected[part.key] = [*(known if isinstance(known, list) else [known]), value]
        elif types is not None and "array" in types:
            collected.setdefault(part.key, []).append(value)
        else:
            collected[part.key] = value
    return collected


def plain(value: Any) -> Any:
    """Make values comparable: nopt reads some numbers at once."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


INI_TEXTS = [
    "a=b\n; c=d\n # e=f\n g = h ; i\n",
    "a\nb=\n=c\n==d\ne==f\n",
    "a=\"b;c\"\nd='e'\nf=\"g\n h='7'\ni='true'\nj='{\"k\": [1]}'\n",
    "a=b\\;c\\#d\\\\e\\f\\\n",
    "a[]=1\na[]=2\na=3\nb=1\nb[]=2\n[]=x\nc []=4\n",
    "a=true\nb=false\nc=null\nd=undefined\n",
    "[s]\na=b\n[t.u]\nc=d\n[v\\.w]\ne=f\n[ x ] \ng=h\n[y]z\n",
    "a=b\n[a]\nc=d\n[a.e]\nf=g\n",
    "__proto__=x\n[__proto__]\na=b\n",
    "\ufeffa=b\r\n\u00a0c\u3000=\u2003d\re=f\u2028g\nh\u2028=i\n",
    "a='\nb=\"\nc=''\nd=\"\"\ne='\"x\"'\n",
    "//example.test/:_authToken=${TOKEN}\n@acme:registry = https://example.test/\n",
]


class TestIni:
    def test_files_are_read_as_npm_does(self, ask: Ask) -> None:
        chance = random.Random(3)
        pieces = ["a", "b[]", "c.d", "=", "=", "\n", "\n", ";", "#", "\\", '"', "'", " ", "[", "]", "true", "1", "é"]
        texts = INI_TEXTS + ["".join(chance.choices(pieces, k=chance.randint(1, 24))) for _ in range(4000)]
        for text, theirs in ask_all(ask, "ini", texts):
            if "thrown" not in theirs:
                assert parse_ini(text.encode()) == theirs, text


class Machine:
    """Folders with a project, a home and a node, for cases of configuration."""

    def __init__(self, root: Path, npm: Path, version: str) -> None:
        self.root = root
        self.target = NpmTarget(root / "bin" / "npm", npm, root / "prefix" / "bin" / "node", version)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def question(self, case: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "argv": case.get("argv", []),
            "env": {"HOME": str(self.root / "home"), **case.get("env", {})},
            "cwd": str(self.root / case.get("cwd", "project")),
            "execPath": str(self.target.node),
        }

    def load(self, question: dict[str, Any]) -> Any:
        return load_configuration(
            environ=question["env"],
            cwd=Path(question["cwd"]),
            command=parse_command(question["argv"], major=self.target.major),
            npm=self.target,
            home=self.root / "home",
        )


PROJECT = {"project/package.json": "{}"}
WORKSPACES = {
    "project/package.json": '{"workspaces": ["packages/*", "!packages/c", "./apps/**", "{x,y}/z"]}',
    "project/.npmrc": "tag=root",
    **{f"project/{name}/package.json": "{}" for name in ("packages/a", "packages/c", "apps/d/e", "x/z", "other/f")},
    "project/packages/a/.npmrc": "tag=workspace",
    "project/packages/a/src/x": "",
    "project/packages/.hidden/package.json": "{}",
    "project/apps/node_modules/g/package.json": "{}",
}
LEVELS = {
    **PROJECT,
    "project/.npmrc": "registry=https://project.example.test/\n@acme:registry=https://acme.example.test\nomit[]=peer\n",
    "home/.npmrc": "registry=https://user.example.test/\n//user.example.test/:_authToken=${TOKEN}\ntag=user\n",
    "prefix/etc/npmrc": "tag=global\nscript-shell=/bin/global\nnoproxy=a.test\n",
}
CASES: list[dict[str, Any]] = [
    {"files": PROJECT},
    {"files": LEVELS},
    {"files": LEVELS, "env": {"TOKEN": "t", "npm_config_tag": "env", "NPM_CONFIG_SCRIPT_SHELL": "sh"}},
    {"files": LEVELS, "argv": ["install", "--tag", "cli", "--registry=https://cli.example.test"]},
    {"files": LEVELS, "argv": ["-g"]},
    {"files": LEVELS, "argv": ["--location=global"]},
    {"files": LEVELS, "env": {"npm_config_global": "true"}},
    {"files": LEVELS, "env": {"npm_config_global": ""}},
    {"files": LEVELS, "argv": ["--prefix", "elsewhere"]},
    {"files": LEVELS, "argv": ["--userconfig", "other"]},
    {
        "files": LEVELS | {"other": "tag=other\nglobalconfig=~/global\n", "home/global": "heading=g"},
        "argv": ["--userconfig=../other"],
    },
    {
        "files": LEVELS | {"home/.npmrc": "globalconfig=~/global", "home/global": "tag=u", "home/cli": "tag=c"},
        "argv": ["--globalconfig=~/cli"],
    },
    {
        "files": LEVELS
        | {"project/.npmrc": "userconfig=../other\nprefix=../p", "other": "tag=o", "p/etc/npmrc": "heading=p"}
    },
    {"files": LEVELS, "env": {"PREFIX": "/nowhere"}},
    {"files": LEVELS, "env": {"DESTDIR": "/dest"}},
    {"files": PROJECT | {"home/.npmrc": "prefix=~/local", "home/local/etc/npmrc": "tag=there"}},
    {"files": {"home/.npmrc": "tag=user", "home/node_modules/x": "", "home/sub/x": ""}, "cwd": "home/sub"},
    {"files": {"project/node_modules/x": "", "project/a/b/x": ""}, "cwd": "project/a/b"},
    {"files": {"project/a/x": ""}, "cwd": "project/a"},
    *(
        {"files": WORKSPACES, "cwd": f"project/{name}"}
        for name in ("packages/a", "packages/a/src", "packages/c", "apps/d/e")
    ),
    *(
        {"files": WORKSPACES, "cwd": f"project/{name}"}
        for name in ("x/z", "other/f", "packages/.hidden", "apps/node_modules/g")
    ),
    {"files": WORKSPACES, "cwd": "project/packages/a", "argv": ["--no-workspaces"]},
    {"files": WORKSPACES, "cwd": "project/packages/a", "argv": ["--global"]},
    {"files": WORKSPACES, "cwd": "project/packages/a", "argv": ["--workspace=other"]},
    {
        "files": WORKSPACES | {"project/package.json": '{"workspaces": {"packages": ["packages/**"]}}'},
        "cwd": "project/packages/a",
    },
    {
        "files": WORKSPACES | {"project/package.json": '{"workspaces": ["!packages/a", "packages/*", "packages/a"]}'},
        "cwd": "project/packages/a",
    },
    {"files": WORKSPACES | {"project/package.json": "{"}, "cwd": "project/packages/a"},
    {"files": WORKSPACES | {"project/packages/package.json": '{"workspaces": ["a"]}'}, "cwd": "project/packages/a"},
    {"files": PROJECT | {"project/.npmrc": "production=true"}},
    {"files": PROJECT | {"project/.npmrc": "omit[]=dev\nomit[]=peer\ninclude[]=dev"}},
    {"files": PROJECT | {"project/.npmrc": "omit=dev\n", "home/.npmrc": "omit[]=optional"}},
    {"files": PROJECT | {"home/.npmrc": "only=prod"}, "argv": ["--include=dev"]},
    {"files": PROJECT | {"home/.npmrc": "only=production"}, "argv": ["--also", "dev"]},
    {"files": PROJECT | {"home/.npmrc": "optional=false\nproduction=false"}, "argv": ["--omit", "dev", "--omit=peer"]},
    {"files": PROJECT, "argv": ["--no-optional", "--production"]},
    {"files": PROJECT, "argv": ["--no-production", "--dev", "--omit", "dev"]},
    {"files": PROJECT, "env": {"npm_config_omit": "dev\n\npeer", "npm_config_optional": "false"}},
    {"files": PROJECT, "argv": ["--omit=nothing", "--omit", "dev"]},
    {"files": PROJECT | {"project/.npmrc": "package-lock=false"}},
    {"files": PROJECT | {"project/.npmrc": "package-lock=false"}, "argv": ["--package-lock-only"]},
    {"files": PROJECT | {"project/.npmrc": "shrinkwrap=false\npackage-lock=true"}},
    {"files": PROJECT | {"home/.npmrc": "shrinkwrap=false", "project/.npmrc": "package-lock=true"}},
    {"files": PROJECT | {"project/.npmrc": "package-lock=maybe"}},
    {"files": PROJECT | {"project/.npmrc": "package-lock="}},
    {"files": PROJECT | {"project/.npmrc": "strict-ssl=false\nnoproxy=a.test,b.test\nproxy=null\nhttps-proxy=false"}},
    {"files": PROJECT | {"project/.npmrc": "noproxy[]=a.test\nnoproxy[]=b.test\nca=\nca[]=x"}},
    {"files": PROJECT | {"project/.npmrc": "[global]\nx=y"}},
    {
        "files": PROJECT | {"project/.npmrc": "${A}=${B}\ncache=${A?}/x\ntag=${A?}${B?}\\${C}\\\\${D}\n"},
        "env": {"A": "heading", "B": "b", "D": "d"},
    },
    {"files": PROJECT | {"project/.npmrc": "tag=${A:-x}${}${${A}}\nheading=  x  \n"}, "env": {"A": "a"}},
    {
        "files": PROJECT
        | {"project/.npmrc": "fetch-timeout=100\nmaxsockets=x\ndepth=null\nmessage=true\nyes=null\nfund=undefined"}
    },
    {"files": PROJECT | {"project/.npmrc": "cache=relative\ncafile=~/ca.pem\nlogs-dir=null\nunknown=~/x"}},
    {
        "files": PROJECT,
        "env": {
            "npm_config__auth": "a",
            "npm_config_//h/:_authToken": "t",
            "NPM_CONFIG_@Acme:Registry": "https://a.test",
        },
    },
    {"files": PROJECT, "env": {"npm_config_package_lock": "false", "NPM_CONFIG_PACKAGE_LOCK": "true"}},
    {"files": PROJECT, "env": {"npm_config_prefix": "~/x", "npm_config___x": "y", "npm_config_userconfig": "~/none"}},
    {
        "files": PROJECT,
        "argv": ["--@acme:registry=https://a.test", "--script-shell", "false", "--call", "--json", "--no-yes"],
    },
    {"files": PROJECT, "argv": ["--cache", "~/c", "--workspace=a", "-w", "b", "--git=${HOME}/git", "--loglevel=loud"]},
    {"files": PROJECT, "argv": ["--unknown=true", "--unknown=x", "--depth=3", "--no-proxy", "--registry", "nonsense"]},
]


class TestTarget:
    def test_npm_is_found_behind_a_link_and_behind_a_script(
        self, version: str, tools: NpmTools, tmp_path: Path
    ) -> None:
        root, node = tools.npm(version), tools.node
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/node").symlink_to(node)
        (tmp_path / "bin/npm").symlink_to(root / "bin/npm-cli.js")
        (root / "bin/npm-cli.js").chmod(0o755)
        (tmp_path / "manager").mkdir()
        script = tmp_path / "manager/npm"
        script.write_text(f'#!/bin/sh\nexec {node} {root}/bin/npm-cli.js "$@"\n')
        script.chmod(0o755)
        linked, asked = (find_npm(str(tmp_path / name)) for name in ("bin", "manager"))
        assert (linked.root, linked.node, linked.version) == (root, node, version)
        assert (asked.root, asked.node, asked.version) == (root, node, version)
        platform = linked.load_platform()
        assert platform == Platform(os=sys.platform, cpu=platform.cpu, libc=platform.libc)
        assert (platform.libc in ("glibc", "musl")) is (sys.platform == "linux")


class TestConfiguration:
    def test_levels_and_results_are_npms(self, ask: Ask, version: str, tools: NpmTools, tmp_path: Path) -> None:
        machines = []
        for number, case in enumerate(CASES):
            machine = Machine(tmp_path / str(number), tools.npm(version), version)
            machine.write({"home/keep": "", "project/keep": "", "prefix/bin/node": "", **case["files"]})
            machines.append((machine, machine.question(case)))
        answers = ask([("load", question) for _, question in machines])
        for (machine, question), theirs in zip(machines, answers, strict=True):
            assert "thrown" not in theirs, (question, theirs)
            compare(machine.load(question), theirs, question)

    def test_one_file_for_two_levels_stops_both(self, ask: Ask, version: str, tools: NpmTools, tmp_path: Path) -> None:
        machine = Machine(tmp_path, tools.npm(version), version)
        machine.write(PROJECT | {"home/.npmrc": "globalconfig=~/.npmrc"})
        question = machine.question({})
        assert "double-loading" in ask([("load", question)])[0]["thrown"]
        with pytest.raises(ConfigInvalid, match="two levels"):
            machine.load(question)


def compare(ours: Any, theirs: dict[str, Any], question: dict[str, Any]) -> None:
    for name in ("cli", "env", "project", "user", "global", "builtin"):
        levels = {key: without_slash(value) for key, value in theirs["levels"][name].items()}
        assert {key: without_slash(value) for key, value in ours.levels[name].items()} == levels, (name, question)
    assert str(ours.local_prefix) == theirs["localPrefix"], question
    assert str(ours.global_prefix) == theirs["globalPrefix"], question
    assert ([str(ours.workspace)] if ours.workspace else []) == theirs["workspace"], question
    assert ours.omit == set(theirs["omit"]), question
    assert ours.package_lock == bool(theirs["packageLock"]), question
    assert ours.is_global == theirs["global"], question
    assert ours.http.strict_ssl == (theirs["strictSSL"] is not False), question
    assert ours.http.no_proxy == theirs["noProxy"], question


@functools.singledispatch
def without_slash(value: Any) -> Any:
    return value


@without_slash.register
def _(value: str) -> str:
    return value.removesuffix("/")  # nopt puts one at the end of a bare host

"""What a shim does with a command line: which go to the real tool, which to guard, and that none gets by."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.managers.pip import options as pip_options
from guard.managers.shim_mark import SHIM_MARK
from guard_shims import launcher
from guard_shims.launcher import MARK, PASS_THROUGH, PASS_THROUGH_ALONE, passes_through, split_at_pip, word_of
from tests.unit.shim_machine import Machine

# `exec`, as pyenv and mise do when they have no version of their own: the process stays the same.
BACK_BY_EXEC = '#!/bin/sh\nexec {name} "$@"\n'
# The same, with the manager's own folder taken out of PATH, as asdf does.
BACK_WITHOUT_ITSELF = '#!/bin/sh\nPATH=$(printf %s "$PATH" | sed "s,${{0%/*}}:,,"); export PATH\nexec {name} "$@"\n'
# A process of its own, as Volta does.
BACK_BY_CHILD = '#!/bin/sh\nPATH=$(printf %s "$PATH" | sed "s,${{0%/*}}:,,") {name} "$@"\nexit $?\n'
ENDLESS_BY_CHILD = '#!/bin/sh\n{name} "$@"\nexit $?\n'

HOSTILE = [
    b"a b",
    b"",
    b"'",
    b'"',
    b"\\",
    b"$HOME",
    b"`id`",
    b"*",
    b"a\nb\n",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"-n",
    b"--",
]

words = st.sampled_from(["install", "--version", "--no-version", "-h", "--", "-", "", "list", "ci", "-g", "--target=x"])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_mark_is_the_one_that_guard_knows() -> None:
    assert MARK == SHIM_MARK


@given(st.sampled_from(sorted(PASS_THROUGH["pip"])), st.lists(words, max_size=4))
def test_guard_itself_passes_through_what_the_shim_of_pip_does(word: str, rest: list[str]) -> None:
    assert pip_options.classify([word, *rest]) is pip_options.Kind.PASS_THROUGH


@pytest.mark.parametrize("arguments", PASS_THROUGH_ALONE["pip"])
def test_guard_itself_passes_through_these_whole_lines_of_pip(arguments: list[str]) -> None:
    assert pip_options.classify(arguments) is pip_options.Kind.PASS_THROUGH


@given(st.sampled_from(sorted(PASS_THROUGH["npm"])), st.lists(words, max_size=4))
def test_guard_itself_passes_through_what_the_shim_of_npm_does(word: str, rest: list[str]) -> None:
    npm_options = pytest.importorskip("guard.managers.npm.options")
    assert npm_options.classify([word, *rest]).name == "PASS_THROUGH"


@pytest.mark.parametrize("arguments", PASS_THROUGH_ALONE["npm"])
def test_guard_itself_passes_through_these_whole_lines_of_npm(arguments: list[str]) -> None:
    npm_options = pytest.importorskip("guard.managers.npm.options")
    assert npm_options.classify(arguments).name == "PASS_THROUGH"


@given(st.sampled_from(["pip", "npm", "npx"]), st.text(max_size=12), st.lists(words, max_size=3))
def test_only_full_names_pass_through(word: str, first: str, rest: list[str]) -> None:
    line = [first, *rest]
    assert passes_through(word, line) is (first in PASS_THROUGH[word] or line in PASS_THROUGH_ALONE[word])


@pytest.mark.parametrize("tool", ["pip", "pip3", "npm"])
@pytest.mark.parametrize("line", [["list"], ["list", "install"], ["show", "x"], ["--version"], []])
def test_what_installs_nothing_reaches_the_tool(machine: Machine, tool: str, line: list[str]) -> None:
    machine.add_tool("real", tool)
    ran = machine.run(tool, *line)
    assert (ran.status, ran.words, ran.stderr) == (0, [b"real", *map(str.encode, line)], "")


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("pip", ["install", "x"]),
        ("pip", ["lis"]),
        ("pip", ["LIST"]),
        ("pip", ["-v", "list"]),
        ("pip", ["--version", "install"]),
        ("pip3", ["install", "x"]),
        ("pip3", [""]),
        ("npm", ["i", "x"]),
        ("npm", ["rest"]),
        ("npm", ["-g", "ls"]),
        ("npm", ["--version", "--no-version", "install", "x"]),
        ("npx", []),
        ("npx", ["--version"]),
        ("npx", ["list"]),
    ],
)
def test_everything_else_reaches_guard(machine: Machine, tool: str, line: list[str]) -> None:
    machine.add_tool("real", tool)
    ran = machine.run(tool, *line)
    word = "pip" if tool == "pip3" else tool
    assert (ran.status, ran.words, ran.stderr) == (0, [b"guard", word.encode(), *map(str.encode, line)], "")


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (["-m", "pip", "install", "x"], ["install", "x"]),
        (["-mpip", "ci"], ["ci"]),
        (["-Im", "pip"], []),
        (["-Impip.__main__", "x"], ["x"]),
        (["-W", "ignore", "-X", "utf8", "-Wx", "-sBm", "pip", "-m"], ["-m"]),
        (["--check-hash-based-pycs", "never", "-m", "pip", "i"], ["i"]),
        (["-W", "-m", "-m", "pip"], []),
        (["-m", "pipx"], None),
        (["-m"], None),
        (["-c", "-m", "pip"], None),
        (["-cm", "pip"], None),
        (["script", "-m", "pip"], None),
        (["-", "-m", "pip"], None),
        (["-W"], None),
        ([], None),
    ],
)
def test_what_a_python_hands_to_pip(line: list[str], arguments: list[str] | None) -> None:
    assert split_at_pip(line) == arguments


@given(
    st.lists(st.text(alphabet="-mcWXIpi ", max_size=5) | st.sampled_from(["pip", "-m", "-mpip", "--help"]), max_size=6)
)
def test_any_line_of_a_python_is_read(line: list[str]) -> None:
    arguments = split_at_pip(line)
    assert arguments is None or line[len(line) - len(arguments) :] == arguments


@pytest.mark.parametrize("typed", ["python", "path"])
@pytest.mark.parametrize("line", [["-m", "pip", "install", "a b"], ["-Im", "pip", "lis"]])
def test_the_pip_of_a_python_reaches_guard(machine: Machine, typed: str, line: list[str]) -> None:
    python = machine.add_tool("real", "python")
    ran = machine.run("python-m-pip", str(python) if typed == "path" else "python", *line)
    told = [b"guard", b"pip", b"--python", os.fsencode(python), *map(str.encode, line[2:])]
    assert (ran.status, ran.words, ran.stderr) == (0, told, "")


@pytest.mark.parametrize("line", [["-m", "pip", "list"], ["-I", "-c", "pip"], ["-m", "x", "pip"]])
def test_everything_else_reaches_the_python(machine: Machine, line: list[str]) -> None:
    machine.add_tool("real", "python3")
    ran = machine.run("python-m-pip", "python3", *line, b"\xff")
    assert (ran.status, ran.words, ran.stderr) == (0, [b"real", *map(str.encode, line), b"\xff"], "")


def test_there_is_no_python(machine: Machine) -> None:
    machine.system_path = []
    ran = machine.run("python-m-pip", "python9", "-m", "pip", "install", "x")
    assert (ran.status, ran.words, ran.stderr) == (127, [], "guard: python9: not found on PATH\n")


@pytest.mark.parametrize(
    ("tool", "words"),
    [("pip3.12", ["--pip", "pip3.12", "pip"]), ("uv", ["uv"]), ("pnpm", ["pnpm"])],
)
def test_tools_on_request_reach_guard(machine: Machine, tool: str, words: list[str]) -> None:
    machine.add_tool("real", tool)
    ran = machine.run(tool, "install", "x")
    assert (ran.status, ran.words) == (0, [b"guard", *map(str.encode, words), b"install", b"x"])
    assert machine.run(tool, "--version").words == [b"real", b"--version"]


@pytest.mark.parametrize("name", ["pip3.", "pip3.x", "pip3.12.", "pip4", "pip3.\u0661", "git", "", "python"])
def test_other_tools_have_no_shim(name: str) -> None:
    assert word_of(name) == ""


@pytest.mark.parametrize("first", [b"run", b"install"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", "xx_XX.none"])
def test_arguments_arrive_byte_by_byte(machine: Machine, first: bytes, locale: str) -> None:
    machine.add_tool("real", "npm")
    machine.environ["LC_ALL"] = locale
    ran = machine.run("npm", first, *HOSTILE)
    assert ran.arguments[-len(HOSTILE) - 1 :] == [first, *HOSTILE]
    assert ran.who == ("real" if first == b"run" else "guard")


@pytest.mark.parametrize(("tool", "first"), [("npm", b"run"), ("npm", b"install"), ("python-m-pip", b"-c")])
def test_a_hundred_kilobytes_arrive(machine: Machine, tool: str, first: bytes) -> None:
    machine.add_tool("real", "npm")
    machine.add_tool("real", "python")
    long = [b"x" * 100_000, b"\n" * 1000, *(b"\xff %d" % number for number in range(2000))]
    ran = machine.run(tool, *([b"python"] if tool == "python-m-pip" else []), first, *long)
    assert ran.arguments[-len(long) :] == long


@pytest.mark.parametrize("set_by_user", [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LANG": "de_DE.UTF-8"}])
def test_the_tool_finds_the_environment_as_it_was(machine: Machine, set_by_user: dict[str, str]) -> None:
    script = f"#!{sys.executable} -IS\nimport os\nos.write(1, open('/proc/self/environ', 'rb').read())\n"
    tool = machine.add_tool("real", "pip", script=script)
    machine.environ = {"LANG": "C", "PYTHONPATH": "/nowhere", "python": "mine", **set_by_user}
    through_shim = machine.run("pip", "list").words
    bare = subprocess.run([str(tool), "list"], env=machine.full_environ, capture_output=True).stdout.split(b"\0")[:-1]
    # dash exports PWD to what it starts; a shell that calls a tool has done so before.
    own = (b"PROVENANCE_GUARD_SHIM_TRAIL=", b"PWD=")
    assert sorted(item for item in through_shim if not item.startswith(own)) == sorted(bare)


def test_the_tool_has_its_name_and_its_streams(machine: Machine) -> None:
    machine.add_tool(
        "real", "npm", script='#!/bin/sh\nread line\nprintf "%s\\0" "$0" "$line"\necho problem >&2\nexit 7\n'
    )
    command = [str(machine.shims / "npm"), "test"]
    done = subprocess.run(command, env=machine.full_environ, input=b"typed\n", capture_output=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(machine.root / "real" / "npm"), b"typed"]
    assert (done.returncode, done.stderr) == (7, b"problem\n")


@pytest.mark.parametrize("line", [["list"], ["install", "x"]])
def test_the_hot_path_imports_nothing_but_os_and_sys(line: list[str]) -> None:
    look = (
        "import os, sys\nbefore = set(sys.modules)\n"
        "os.execv = lambda *_: os._exit(print(*set(sys.modules) - before, flush=True) or 0)\n"
        "path = sys.argv[1]\ndel sys.argv[0]\n"
        "exec(compile(open(path).read(), path, 'exec'), {'__name__': '__main__', '__file__': path})\n"
    )
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", look, launcher.__file__, "/shims/pip", ""]
    done = subprocess.run([*command, *line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


class TestFindingTheTool:
    """Which executable on PATH is the real tool."""

    def test_entries_that_have_nothing_are_passed_over(self, machine: Machine) -> None:
        locked = machine.root / "locked"
        locked.mkdir(mode=0o000)
        (machine.root / "folder" / "pip").mkdir(parents=True)
        (machine.root / "file").touch()
        plain = machine.root / "plain"
        plain.mkdir()
        (plain / "pip").write_text("#!/bin/sh\necho not executable\n")
        strange = ["missing", "locked", "folder", "file", "plain", "a\nb", "\udcff"]
        machine.path += [str(machine.root / name) for name in strange]
        machine.add_tool("real", "pip")
        assert machine.run("pip", "list").who == "real"

    @pytest.mark.parametrize("entry", ["", ".", "real"])
    def test_relative_entries_lead_from_the_working_folder(self, machine: Machine, entry: str) -> None:
        machine.add_tool("real", "pip")
        machine.path[1:] = [entry]
        folder = machine.root if entry == "real" else machine.root / "real"
        assert machine.run("pip", "list", cwd=folder).who == "real"

    def test_shims_are_passed_over_by_whatever_name_they_come(self, machine: Machine) -> None:
        (machine.root / "links").mkdir()
        (machine.root / "links" / "pip").symlink_to(machine.shims / "pip")
        (machine.root / "same").symlink_to(machine.shims)
        (machine.root / "copies").mkdir()
        shutil.copy(machine.shims / "pip", machine.root / "copies" / "pip")
        machine.path += [str(machine.root / name) for name in ("links", "same", "copies")]
        machine.add_tool("real", "pip")
        assert machine.run("pip", "list").who == "real"

    def test_a_script_that_names_no_interpreter_is_run_by_the_shell(self, machine: Machine) -> None:
        machine.add_tool("real", "pip", script="printf '%s\\0' real \"$@\"\n")
        assert machine.run("pip", "list", "a b").words == [b"real", b"list", b"a b"]

    def test_a_tool_that_cannot_be_started_is_said(self, machine: Machine) -> None:
        tool = machine.add_tool("real", "pip", script="#!/nowhere/python\n")
        ran = machine.run("pip", "list")
        assert (ran.status, ran.stderr) == (127, f"guard: {tool}: No such file or directory\n")

    def test_there_is_no_tool(self, machine: Machine) -> None:
        machine.system_path = []
        ran = machine.run("npm", "test")
        assert (ran.status, ran.stderr) == (127, "guard: npm: not found on PATH behind guard's shim\n")


class TestManagers:
    """Version managers that look PATH up again do not go round in circles."""

    @pytest.mark.parametrize("script", [BACK_BY_EXEC, BACK_WITHOUT_ITSELF, BACK_BY_CHILD])
    def test_a_manager_without_a_version_of_its_own(self, machine: Machine, script: str) -> None:
        machine.add_tool("manager", "pip", script=script.format(name="pip"))
        machine.add_tool("real", "pip")
        ran = machine.run("pip", "list", "a b")
        assert (ran.status, ran.words, ran.stderr) == (0, [b"real", b"list", b"a b"], "")

    def test_managers_behind_each_other(self, machine: Machine) -> None:
        for manager in ("pyenv", "mise", "asdf"):
            machine.add_tool(manager, "pip", script=BACK_BY_EXEC.format(name="pip"))
        machine.add_tool("real", "pip")
        assert machine.run("pip", "list").words == [b"real", b"list"]

    def test_nothing_behind_the_manager(self, machine: Machine) -> None:
        machine.system_path = []
        machine.add_tool("manager", "npm", script=BACK_BY_EXEC.format(name="npm"))
        ran = machine.run("npm", "test")
        assert (ran.status, ran.stderr) == (127, "guard: npm: not found on PATH behind guard's shim\n")

    def test_an_endless_chain_of_processes_ends(self, machine: Machine) -> None:
        machine.add_tool("manager", "pip", script=ENDLESS_BY_CHILD.format(name="pip"))
        ran = machine.run("pip", "list")
        assert (ran.status, ran.words) == (127, [])
        assert ran.stderr == "guard: pip: 30 shims led to each other; call pip by its full path\n"

    def test_a_chain_through_guard_ends_too(self, machine: Machine) -> None:
        machine.guard_main.write_text("import os, sys\nos.execvp(sys.argv[1], sys.argv[1:])\n")
        ran = machine.run("pip", "install", "x")
        assert (ran.status, ran.stderr.count("\n")) == (127, 1)


class TestInheritance:
    """What a child inherits never switches guard off, nor sends it to another tool."""

    def test_a_child_of_the_tool_is_guarded(self, machine: Machine) -> None:
        machine.add_tool("real", "npm", script="#!/bin/sh\nnpm install x\nexit $?\n")
        assert machine.run("npm", "run", "build").words == [b"guard", b"npm", b"install", b"x"]

    def test_the_tool_itself_is_guarded_when_it_comes_back_to_install(self, machine: Machine) -> None:
        machine.add_tool("real", "npm", script="#!/bin/sh\nexec npm install x\n")
        assert machine.run("npm", "run", "build").words == [b"guard", b"npm", b"install", b"x"]

    def test_a_child_of_the_tool_finds_the_same_tool(self, machine: Machine) -> None:
        script = '#!/bin/sh\n[ "$1" = run ] && { npm ls; exit $?; }\nprintf "%s\\0" first "$@"\n'
        machine.add_tool("first", "npm", script=script)
        machine.add_tool("second", "npm")
        assert machine.run("npm", "run", "build").words == [b"first", b"ls"]

    def test_another_tool_in_the_same_process_starts_anew(self, machine: Machine) -> None:
        machine.add_tool("first", "pip", script='#!/bin/sh\nexec pip3 "$@"\n')
        machine.add_tool("first", "pip3")
        machine.add_tool("second", "pip3")
        assert machine.run("pip", "list").words == [b"first", b"list"]

    @pytest.mark.parametrize(
        "trail", ["", "0", "x", "-1", "9" * 5000, "1:2:3", "\udcff", ":::", "0:1@1:pip:/x", "\N{DIGIT ONE}\u0662"]
    )
    @pytest.mark.parametrize("line", [["install"], ["list"]])
    def test_no_trail_leads_past_guard(self, machine: Machine, trail: str, line: list[str]) -> None:
        machine.add_tool("real", "pip")
        machine.environ["PROVENANCE_GUARD_SHIM_TRAIL"] = trail
        ran = machine.run("pip", *line)
        assert (ran.status, ran.who) == (0, "guard" if line == ["install"] else "real")

    def test_a_trail_that_is_too_long_stops(self, machine: Machine) -> None:
        machine.add_tool("real", "pip")
        machine.environ["PROVENANCE_GUARD_SHIM_TRAIL"] = "30"
        assert machine.run("pip", "list").status == 127


class TestGuardIsGone:
    """A shim without its guard ends with 127 and the line that mends it, and runs no tool."""

    @pytest.fixture(params=["list", "install"])
    def first(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def expect_127(self, machine: Machine, *line: str, what: str) -> None:
        machine.add_tool("real", "pip")
        ran = machine.run("pip", *line)
        assert (ran.status, ran.words) == (127, [])
        [told] = ran.stderr.splitlines()
        assert told.startswith("guard: pip: ")
        assert what in told
        assert "pipx reinstall provenance-guard, then: guard shims install" in told
        assert told.endswith(f" remove the folder {machine.shims}")

    def test_its_environment_is_gone(self, machine: Machine, first: str) -> None:
        shutil.rmtree(machine.environment)
        self.expect_127(machine, first, what="is gone")

    def test_its_interpreter_leads_nowhere(self, machine: Machine, first: str) -> None:
        machine.python.unlink()
        machine.python.symlink_to("/nowhere/python")
        self.expect_127(machine, first, what="is gone")

    def test_the_launcher_is_gone(self, machine: Machine, first: str) -> None:
        machine.launcher.unlink()
        self.expect_127(machine, first, what="is gone")

    def test_guard_is_not_in_its_environment(self, machine: Machine) -> None:
        shutil.rmtree(machine.guard_main.parent)
        self.expect_127(machine, "install", what="No module named guard")

    @pytest.mark.parametrize("damage", ["import missing_module", "def", "raise RuntimeError('x')"])
    def test_guard_is_damaged(self, machine: Machine, damage: str) -> None:
        machine.guard_main.write_text(damage)
        self.expect_127(machine, "install", what="guard does not start")

    def test_an_ending_of_guard_is_its_own(self, machine: Machine) -> None:
        machine.guard_main.write_text("raise SystemExit(10)")
        ran = machine.run("pip", "install")
        assert (ran.status, ran.stderr) == (10, "")

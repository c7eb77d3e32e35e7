"""The block in a startup file: put in, taken out, and what it does to a shell's PATH, prompt and status."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_shims.errors import ShimsError
from guard_shims.shells import (
    Shell,
    cut_block,
    has_block,
    is_line_open,
    put_block,
    render_block,
    render_path_line,
)

BLOCK = render_block(Shell.BASH, Path("/shims"))
MARKS = [
    line for line in BLOCK.splitlines(keepends=True) if b"provenance-guard shims" in line and b">>" in line + b">>"
]
contents = st.lists(st.sampled_from([*MARKS, BLOCK, b"x\n", b"\n", b"x", b"\r\n", b"\xff"])).map(b"".join) | st.binary()


@given(st.binary().filter(lambda content: b"provenance-guard shims" not in content))
def test_what_was_put_can_be_cut_to_the_byte(content: bytes) -> None:
    told = put_block(content, BLOCK)
    assert has_block(told)
    assert put_block(told, BLOCK) == told
    assert cut_block(told, path=Path("rc")) == content + b"\n" * is_line_open(content)


@given(contents)
def test_any_bytes_are_cut_or_refused_and_nothing_else_is_lost(content: bytes) -> None:
    try:
        rest = cut_block(content, path=Path("rc"))
    except ShimsError:
        assert b"# >>> provenance-guard shims >>>" in content
        return
    assert not has_block(rest)
    assert rest.count(b"x\n") <= content.count(b"x\n")
    if not has_block(content):
        assert rest == content


def test_two_blocks_lose_nothing_between_them() -> None:
    content = b"a\n" + BLOCK + b"precious\n" + BLOCK + b"z"
    assert cut_block(content, path=Path("rc")) == b"a\nprecious\nz"


def test_a_block_whose_last_newline_an_editor_dropped() -> None:
    assert cut_block(b"a\n" + BLOCK.removesuffix(b"\n"), path=Path("rc")) == b"a\n"


@pytest.mark.parametrize("name", ["shims", "a b", "it's", 'say "x"', "$HOME", "a\\b", "*?[x]", "a\nb", "\udcff", "-n"])
@pytest.mark.parametrize("shell", [*Shell, "sh"])
class TestFolders:
    """Whatever the folder is called, it comes to stand in front of PATH."""

    def test_it_is_quoted(self, tmp_path: Path, shell: Shell | str, name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "told").write_text("#!/bin/sh\necho told\n")
        (folder / "told").chmod(0o755)
        rc = tmp_path / "rc"
        if isinstance(shell, Shell):
            rc.write_bytes(render_block(shell, folder))
        else:
            rc.write_bytes(render_path_line(folder).encode(errors="surrogateescape"))
        word = shell.value if isinstance(shell, Shell) else shell
        assert run_shell(word, f". {rc}; told", tmp_path).stdout == "told\n"


def run_shell(
    shell: str, line: str, folder: Path, *, path: str = "/usr/bin:/bin", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell that reads no startup file."""
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"], "sh": []}[shell]
    executable = shutil.which(shell)
    if executable is None:
        pytest.skip(f"{shell} is not installed")  # CI makes sure that it is
    environ = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "dumb", **variables}
    command = [executable, *quiet, "-c", line]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=60)


class TestPath:
    """What the hook makes of PATH."""

    @pytest.fixture(params=["bash", "zsh", "fish"])
    def shell(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def rc(self, tmp_path: Path, shell: str) -> Path:
        (tmp_path / "shims").mkdir()
        path = tmp_path / "rc"
        path.write_bytes(render_block(Shell(shell), tmp_path / "shims"))
        return path

    def path_after(self, shell: str, rc: Path, path: str) -> list[str]:
        done = run_shell(shell, f". {rc}; /usr/bin/printenv PATH", rc.parent, path=path)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.removesuffix("\n").replace(str(rc.parent), "").split(":")

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("/bin", ["/shims", "/bin"]),
            ("/a:{shims}:/b", ["/shims", "/a", "/b"]),
            ("/a:{shims}:{shims}:/b:{shims}", ["/shims", "/a", "/b"]),
            ("{shims}:/a", ["/shims", "/a"]),
            ("{shims}2:/x{shims}:/a", ["/shims", "/shims2", "/x/shims", "/a"]),
            ("{shims}/:/a", ["/shims", "/shims/", "/a"]),
        ],
    )
    def test_the_folder_comes_first_and_once(self, shell: str, rc: Path, before: str, after: list[str]) -> None:
        assert self.path_after(shell, rc, before.format(shims=rc.parent / "shims")) == after

    def test_a_folder_that_is_gone_leaves_path(self, shell: str, rc: Path) -> None:
        (rc.parent / "shims").rmdir()
        assert self.path_after(shell, rc, f"/a:{rc.parent}/shims:/b") == ["/a", "/b"]
        assert self.path_after(shell, rc, "/a:/b") == ["/a", "/b"]


class TestShellsWithHooks:
    """bash and zsh, which need a function for every tool and a hook before the prompt."""

    @pytest.fixture(params=["bash", "zsh"])
    def shell(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def rc(self, tmp_path: Path, shell: str) -> Path:
        for name in ("shims", "venv"):
            (tmp_path / name).mkdir()
            for tool in ("pip", "npm"):
                (tmp_path / name / tool).write_text(f"#!/bin/sh\nprintf '%s ' {name} \"$@\"\n")
                (tmp_path / name / tool).chmod(0o755)
        path = tmp_path / "rc"
        path.write_bytes(render_block(Shell(shell), tmp_path / "shims"))
        return path

    @pytest.mark.parametrize("before", ["", "pip; ", "hash pip; "])
    def test_one_line_that_activates_and_installs(self, shell: str, rc: Path, before: str) -> None:
        line = f". {rc}; {before}PATH={rc.parent}/venv:$PATH; pip 'a b'; npm c"
        assert run_shell(shell, line, rc.parent).stdout.endswith("shims a b shims c ")

    def test_a_function_of_the_users_stays(self, shell: str, rc: Path) -> None:
        assert run_shell(shell, f"pip() {{ echo mine; }}; . {rc}; pip", rc.parent).stdout == "mine\n"

    def test_an_alias_of_the_users_does_not_break_the_block(self, shell: str, rc: Path) -> None:
        option = "shopt -s expand_aliases" if shell == "bash" else "setopt aliases"
        rc.with_name("rc2").write_text(f"{option}\nalias pip='echo mine' npm=false\n. {rc}\n")
        done = run_shell(shell, f". {rc.parent}/rc2; \\pip x", rc.parent)
        assert (done.stdout, done.stderr) == ("shims x ", "")

    def test_the_status_of_the_last_command_passes_through(self, shell: str, rc: Path) -> None:
        assert run_shell(shell, f". {rc}; (exit 7); __provenance_guard; echo $?", rc.parent).stdout == "7\n"
        assert run_shell(shell, f"set -e; . {rc}; false || pip x; echo on", rc.parent).stdout == "shims x on\n"

    def test_it_works_under_strict_options(self, shell: str, rc: Path) -> None:
        strict = {
            "bash": "set -euf",
            "zsh": "setopt sh_word_split glob_subst ksh_arrays no_unset err_exit warn_create_global",
        }
        line = f"{strict[shell]}; . {rc}; . {rc}; PATH=/usr/bin; pip x; echo $PATH"
        done = run_shell(shell, line, rc.parent, path="/usr/bin")
        assert (done.stdout, done.stderr) == (f"shims x {rc.parent}/shims:/usr/bin\n", "")

    def test_without_the_folder_the_tool_is_found_again(self, shell: str, rc: Path) -> None:
        line = f". {rc}; PATH={rc.parent}/venv:$PATH; pip; rm -r {rc.parent}/shims; pip"
        assert run_shell(shell, line, rc.parent).stdout == "shims venv "


class TestPythons:
    """python and python3 are functions, because `-m pip` is seen nowhere else."""

    @pytest.fixture(params=["bash", "zsh"])
    def shell(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def rc(self, tmp_path: Path, shell: str) -> Path:
        for place in ("shims/python-m-pip", "bin/python", "bin/python3"):
            path = tmp_path / place
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\nprintf '%s ' {place.partition('/')[0]} \"$@\"\n")
            path.chmod(0o755)
        path = tmp_path / "rc"
        path.write_bytes(render_block(Shell(shell), tmp_path / "shims"))
        return path

    @pytest.mark.parametrize(
        ("line", "ran"),
        [
            ("python -m pip install 'a b'", "shims python -m pip install a b "),
            ("python3 -Im pip list", "shims python3 -Im pip list "),
            ("python3 -mpip", "shims python3 -mpip "),
            ("python -c x pip", "bin -c x pip "),
            ("python '' '*' 'a b'", "bin  * a b "),
            ("python3", "bin "),
        ],
    )
    def test_what_may_be_pip_goes_to_the_launcher(self, shell: str, rc: Path, line: str, ran: str) -> None:
        done = run_shell(shell, f". {rc}; {line}", rc.parent, path=f"{rc.parent}/bin:/usr/bin:/bin")
        assert (done.returncode, done.stdout, done.stderr) == (0, ran, "")

    def test_without_the_shim_it_is_the_python(self, shell: str, rc: Path) -> None:
        line = f". {rc}; rm -r {rc.parent}/shims; python -m pip"
        assert run_shell(shell, line, rc.parent, path=f"{rc.parent}/bin:/usr/bin:/bin").stdout == "bin -m pip "

    def test_a_function_of_the_users_stays(self, shell: str, rc: Path) -> None:
        assert run_shell(shell, f"python() {{ echo mine; }}; . {rc}; python -m pip", rc.parent).stdout == "mine\n"


class TestPrompt:
    """Whatever else runs before the prompt goes on running."""

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("unset PROMPT_COMMAND", 'declare -- PROMPT_COMMAND="__provenance_guard"'),
            ("PROMPT_COMMAND='mine; '", "declare -- PROMPT_COMMAND=$'mine; \\n__provenance_guard'"),
            ("PROMPT_COMMAND='mine # x'", "declare -- PROMPT_COMMAND=$'mine # x\\n__provenance_guard'"),
            ("PROMPT_COMMAND=(a 'b c')", 'declare -a PROMPT_COMMAND=([0]="a" [1]="b c" [2]="__provenance_guard")'),
            ("PROMPT_COMMAND=()", 'declare -a PROMPT_COMMAND=([0]="__provenance_guard")'),
        ],
    )
    def test_bash_keeps_what_was_there(self, tmp_path: Path, before: str, after: str) -> None:
        (tmp_path / "rc").write_bytes(render_block(Shell.BASH, tmp_path))
        done = run_shell("bash", f"{before}; . ./rc; . ./rc; declare -p PROMPT_COMMAND", tmp_path)
        assert (done.stdout, done.stderr) == (after + "\n", "")

    def test_zsh_keeps_what_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "rc").write_bytes(render_block(Shell.ZSH, tmp_path))
        line = "precmd_functions=(mine); . ./rc; . ./rc; print $precmd_functions - $preexec_functions"
        done = run_shell("zsh", line, tmp_path)
        assert (done.stdout, done.stderr) == ("mine __provenance_guard - __provenance_guard\n", "")

    def test_fish_reacts_inside_a_line(self, tmp_path: Path) -> None:
        (tmp_path / "rc").write_bytes(render_block(Shell.FISH, tmp_path))
        done = run_shell("fish", ". ./rc; set -gx PATH /venv $PATH; echo $PATH", tmp_path)
        assert (done.stdout, done.stderr) == (f"{tmp_path} /venv /usr/bin /bin\n", "")

    def test_fish_runs_tools_in_the_background(self, tmp_path: Path) -> None:
        """Which it does with no function."""
        (tmp_path / "rc").write_bytes(render_block(Shell.FISH, tmp_path))
        done = run_shell("fish", ". ./rc; functions -q python python3 pip npm; echo $status", tmp_path)
        assert (done.stdout, done.stderr) == ("4\n", "")

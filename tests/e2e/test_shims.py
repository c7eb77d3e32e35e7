"""The plain words pip and npm in fresh shells, inside and outside environments, after ``guard shims install``."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import Environment
from tests.e2e.interactive import InteractiveShell
from tests.e2e.surroundings import GUARD
from tests.sim.sigstore import Defect
from tests.sim.world import World

RC = {".bashrc": b"export MINE=1", ".zshrc": b"# mine\nPROMPT='> '\n"}
STATUS = {"bash": "$?", "zsh": "$?", "fish": "$status"}


@pytest.fixture
def user(make_environment: Callable[..., Environment]) -> Iterator[Environment]:
    """Somebody who has startup files, a stub npm and shims; afterwards the shims go and all is as it was."""
    user = make_environment()
    npm = user.programs / "npm"
    npm.write_text('#!/bin/sh\nprintf "%s\\n" npm "$@"\n')
    npm.chmod(0o755)
    for name, content in RC.items():
        (user.home / name).write_bytes(content)
        (user.home / name).chmod(0o640)
    before = startup_files(user)
    assert user.run(str(GUARD), "shims", "install").status == 0
    yield user
    result = user.run(str(GUARD), "shims", "remove")
    assert result.status == 0, result.stderr
    assert startup_files(user) == before
    assert not list(user.home.rglob("npx"))


@pytest.fixture
def customer(user: Environment, world: World) -> Environment:
    """The same, with an index that has a package that is blocked and one that is not."""
    world.publish("forged", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    world.publish("widget", "1.0.0")
    user.variables = {"PIP_INDEX_URL": world.pypi.simple_url}
    own = user.home / ".config" / "provenance-guard"
    own.mkdir(parents=True)
    (own / "guard.toml").write_text(f'version = 1\n[sigstore]\ntrust-root = "{world.trusted_root_path}"\n')
    return user


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def startup_files(user: Environment) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every startup file; fish keeps files of its own beside guard's."""
    files = [*user.home.glob(".*rc"), *(user.home / ".config").rglob("provenance-guard.fish")]
    return {str(path): (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) for path in files}


class Typist:
    """Types lines and reads what the commands in them left.

    Args:
        shell: the shell's name.
        terminal: the shell.
        user: whose it is.
    """

    def __init__(self, shell: str, terminal: InteractiveShell, user: Environment) -> None:
        self._shell = shell
        self._terminal = terminal
        self._folder = user.root

    def run(self, line: str) -> tuple[int, str]:
        """Return the status and everything that is printed by the last command of a line."""
        output, status = self._folder / "output", self._folder / "status"
        self._terminal.type(f"{line} >{output} 2>&1 </dev/null; echo {STATUS[self._shell]} >{status}")
        return int(status.read_text()), output.read_text()

    def path(self) -> list[str]:
        """Return PATH as a program sees it."""
        return self.run("printenv PATH")[1].strip().split(os.pathsep)

    def activation_of(self, environment: Environment) -> str:
        """Return the command that activates a virtual environment in this shell."""
        script = environment.programs / "activate"
        return f"source {script}.fish" if self._shell == "fish" else f". {script}"


@contextmanager
def open_shell(shell: str, user: Environment) -> Iterator[Typist]:
    with InteractiveShell(shell, environ=user.environ(), cwd=user.project) as terminal:
        yield Typist(shell, terminal, user)


@pytest.fixture
def shims(user: Environment) -> str:
    return str(next(user.home.rglob("npx")).parent)


def expect_blocked(typist: Typist, line: str) -> None:
    status, output = typist.run(line)
    assert status == 10, output
    assert "forged==1.0.0: provenance-invalid" in output
    assert output.splitlines()[-1].startswith("guard: blocked")


def test_the_plain_word_is_guarded_inside_and_outside_an_environment(
    customer: Environment, shell: str, make_environment: Callable[..., Environment]
) -> None:
    inner = make_environment("inner")
    with open_shell(shell, customer) as typist:
        expect_blocked(typist, "pip install forged")
        # No prompt comes between the activation and the command.
        expect_blocked(typist, f"{typist.activation_of(inner)}; pip install forged")
        assert typist.run("python -m pip list --format=freeze") == (0, f"pip=={inner.pip_version}\n")
        if shell != "fish":
            expect_blocked(typist, "python -I -m pip install forged")
        status, output = typist.run("pip --version")
        assert (status, str(inner.root) in output) == (0, True)
    assert customer.installed() == inner.installed() == {}


@pytest.mark.parametrize(
    "shell",
    ["bash", *(pytest.param(name, marks=pytest.mark.campaign(3)) for name in ("zsh", "fish"))],
    indirect=True,
)
def test_doctor_says_that_a_fresh_user_is_guarded_and_how(
    user: Environment, shell: str, make_environment: Callable[..., Environment]
) -> None:
    inner = make_environment("inner")
    doctor = f"{GUARD} doctor --format json"
    outside = user.run(str(GUARD), "doctor", "--format", "json")
    assert (outside.status, states(outside.stdout)["pip"]) == (10, "open")
    with open_shell(shell, user) as typist:
        for line in ("true", typist.activation_of(inner)):
            typist.run(line)
            status, output = typist.run(doctor)
            found = states(output)
            assert [found[name] for name in ("pip", "pip3", "npm", "npx", "python -m pip")] == ["guarded"] * 5
        # What is still open, such as the system's own pip3.11, is closed by the lines that doctor says.
        fixes = {row["fix"] for row in json.loads(output)["rows"] if row["state"] == "open"}
        assert all(fix.startswith("guard shims install --tool pip3.") for fix in fixes)
        for fix in fixes:
            assert typist.run(fix.replace("guard", str(GUARD), 1))[0] == 0
        status, output = typist.run(doctor)
        assert (status, json.loads(output)["summary"]["open"]) == (0, 0)


def states(output: str) -> dict[str, str]:
    return {row["subject"]: row["state"] for row in json.loads(output)["rows"]}


def test_what_is_allowed_is_installed_where_the_shell_is(
    customer: Environment, make_environment: Callable[..., Environment]
) -> None:
    inner = make_environment("inner")
    with open_shell("bash", customer) as typist:
        assert typist.run(f"{typist.activation_of(inner)}; pip install widget")[0] == 0
    assert (customer.installed(), inner.installed()) == ({}, {"widget": "1.0.0"})


def test_a_pip_with_a_version_in_its_name(customer: Environment, world: World) -> None:
    """Its shim drives that pip, and no other one on PATH."""
    (customer.programs / "pip3.99").write_bytes((customer.programs / "pip").read_bytes())
    (customer.programs / "pip3.99").chmod(0o755)
    (customer.programs / "pip").unlink()
    assert customer.run(str(GUARD), "shims", "install", "--tool", "pip3.99").status == 0
    with open_shell("bash", customer) as typist:
        expect_blocked(typist, "pip3.99 install forged")
        assert typist.run("pip3.99 install widget")[0] == 0
        assert typist.run("pip3.99 --no-color list --format=freeze")[1].endswith("widget==1.0.0\n")
    assert customer.installed() == {"widget": "1.0.0"}


def test_a_script_that_runs_in_a_guarded_shell_is_guarded(customer: Environment) -> None:
    (customer.project / "setup.sh").write_text("exec env pip install forged\n")
    with open_shell("bash", customer) as typist:
        expect_blocked(typist, "sh setup.sh")


def test_path_managed_by_hand(customer: Environment) -> None:
    """In CI: no shell is told, the line that is printed sets PATH."""
    line = f'eval "$({GUARD} shims install --no-shell 2>/dev/null)" && pip3 install forged'
    result = customer.run("sh", "-c", line)
    assert (result.status, "provenance-invalid" in result.stderr) == (10, True), result.stderr
    assert customer.installed() == {}


def test_path_stays_in_order_through_every_change(
    user: Environment, shell: str, shims: str, make_environment: Callable[..., Environment]
) -> None:
    outer, inner = make_environment("outer"), make_environment("inner")
    start = [shims, *user.environ()["PATH"].split(os.pathsep)]
    with open_shell(shell, user) as typist:
        assert typist.path() == start
        typist.run(typist.activation_of(outer))
        assert typist.path() == [shims, str(outer.programs), *start[1:]]
        typist.run(typist.activation_of(inner))
        assert typist.path()[:2] == [shims, str(inner.programs)]
        assert typist.path().count(shims) == 1
        typist.run("deactivate")
        assert typist.path() == start
        assert typist.run(f"{GUARD} shims status")[0] == 0


def test_what_installs_nothing_is_the_tools_own_and_an_open_shell_survives_removal(
    user: Environment, shell: str, shims: str
) -> None:
    with open_shell(shell, user) as typist:
        assert typist.run("pip list --format=freeze") == (0, f"pip=={user.pip_version}\n")
        assert typist.run("""npm run 'a b' '"' '*' -- ''""") == (0, 'npm\nrun\na b\n"\n*\n--\n\n')
        assert typist.run("sh -c 'command -v npm'") == (0, f"{shims}/npm\n")
        assert user.run(str(GUARD), "shims", "remove").status == 0
        status, output = typist.run("pip --version")
        assert (status, str(user.site_packages) in output) == (0, True)
        assert shims not in typist.path()

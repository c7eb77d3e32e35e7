"""The README's commands do what it says they do, as far as they need no network."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

import pytest

from guard import __version__
from tests.e2e.conftest import GUARD, Environment
from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import write_published
from tests.e2e.surroundings import Surroundings
from tests.sim.identity import Identity
from tests.sim.npm_packages import make_tarball
from tests.sim.packages import make_sdist
from tests.sim.world import World, maintainer_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
USES = list(dict.fromkeys(re.findall(r"^\$ (guard .+)$", README, flags=re.MULTILINE)))
NPM_USES = [line for line in USES if line.startswith(("guard npm ", "guard npx "))]
SHIMS_USES = [line for line in USES if line.startswith("guard shims ")]
DOCTOR_USE = "guard doctor"  # test_shims.py asks it inside and outside of guarded shells
OTHER_USES = [
    line for line in USES if line not in [*NPM_USES, *SHIMS_USES, DOCTOR_USE] and not line.endswith(" impostor")
]

_POLICY = """\
version = 1
[policy]
provenance = "required"
[pypi]
index-url = "{index_url}/"
[sigstore]
trust-root = "trusted_root.json"
[[package]]
name = "pypi:impostor"
[[package.identity]]
repository = "https://github.com/acme/impostor"
"""


@pytest.fixture
def reader(target: Environment, world: World) -> Environment:
    """Somebody whose index has what the README installs, and whose project has the files that it names."""
    rich = world.publish("rich", "15.0.0")
    world.upload(*make_sdist("impostor", "1.0.0"), identity=maintainer_of("other"))
    sample = world.publish("sampleproject", "4.0.0", identity=Identity.github("pypa/sampleproject"))
    (target.project / sample.filename).write_bytes(sample.content)
    target.trust_root = None
    target.variables = {"PIP_INDEX_URL": world.pypi.simple_url}
    trusted_root = world.trusted_root_path.read_bytes()
    (target.project / "trusted_root.json").write_bytes(trusted_root)
    (target.project / "guard.toml").write_text(_POLICY.format(index_url=world.pypi.simple_url))
    digest = hashlib.sha256(rich.content).hexdigest()
    (target.project / "requirements.txt").write_text(f"rich==15.0.0 --hash=sha256:{digest}\n")
    trust_the_world(target, world)
    return target


@pytest.fixture
def npm_reader(npm_target: NpmEnvironment, world: World) -> NpmEnvironment:
    """Somebody who has a locked project, and whose registry has what the README installs."""
    content = make_tarball("semver", "7.8.0", bin={"semver": "console.log(process.argv[2])"})
    write_published(npm_target, world.npm, world.upload_npm(content, attested=True))
    npm_target.trust_root = None
    trust_the_world(npm_target, world)
    return npm_target


def trust_the_world(user: Surroundings, world: World) -> None:
    """Make it the user's own trust root: in the README's world there is one Sigstore."""
    own = user.home / ".config" / "provenance-guard"
    own.mkdir(parents=True)
    (own / "trusted_root.json").write_bytes(world.trusted_root_path.read_bytes())
    (own / "guard.toml").write_text('version = 1\n[sigstore]\ntrust-root = "trusted_root.json"\n')


@pytest.mark.parametrize("line", OTHER_USES)
def test_a_command_of_the_readme_succeeds(reader: Environment, line: str) -> None:
    words = shlex.split(line)
    result = reader.run(str(GUARD), *words[1:])
    assert result.status == 0, result.stderr
    if "install" in words:
        assert reader.installed() == {"rich": "15.0.0"}
        assert result.stderr.splitlines()[-1] == "guard: allowed — 1 file: 1 verified"
    if words[-1] == "--version":
        assert result.stdout == f"guard {__version__}\n"
    assert (reader.project / "report.json").exists() is ("--report" in words)


@pytest.mark.parametrize("line", NPM_USES)
def test_a_command_of_npm_in_the_readme_succeeds(npm_reader: NpmEnvironment, line: str) -> None:
    words = shlex.split(line)
    result = npm_reader.run(str(GUARD), *words[1:])
    assert result.status == 0, result.stderr
    if words[1] == "npx":
        assert result.stdout == f"{words[-1]}\n"
    else:
        assert npm_reader.installed() == {"semver": "7.8.0"}
        assert result.stderr.splitlines()[-1] == "guard: allowed — 1 file: 1 verified"


def test_the_lines_about_shims_do_what_they_say(target: Environment) -> None:
    startup_file = target.home / ".bashrc"
    startup_file.write_bytes(b"# mine")
    for line in SHIMS_USES:
        # "Open a new shell", interactive so that it reads its startup file.
        command = line.replace("guard", shlex.quote(str(GUARD)), 1)
        result = target.run("bash", "-i", "-c", command)
        assert result.status == 0, result.stderr
        assert (result.stdout.count("guarded") == 4) is line.endswith(" status")
        assert (startup_file.read_bytes() == b"# mine") is line.endswith(" remove")
    assert [line.split()[-1] for line in SHIMS_USES] == ["install", "status", "remove"]


def test_the_block_that_the_readme_shows_is_what_guard_says(reader: Environment) -> None:
    shown = next(block for block in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL) if "block:" in block)
    command, _, output = shown.partition("\n")
    result = reader.run(str(GUARD), *shlex.split(command.removeprefix("$ "))[1:])
    assert (result.status, result.stderr) == (10, output)
    assert reader.installed() == {}

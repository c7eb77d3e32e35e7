"""The README's commands do what it says they do, as far as they need no network."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

import pytest

from guard import __version__
from tests.e2e.conftest import GUARD, Environment
from tests.sim.packages import make_sdist
from tests.sim.world import World, maintainer_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
USES = [line.removeprefix("$ ") for line in re.findall(r"^\$ guard .+$", README, flags=re.MULTILINE)]

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
    target.trust_root = None
    target.variables = {"PIP_INDEX_URL": world.pypi.simple_url}
    trusted_root = world.trusted_root_path.read_bytes()
    (target.project / "trusted_root.json").write_bytes(trusted_root)
    (target.project / "guard.toml").write_text(_POLICY.format(index_url=world.pypi.simple_url))
    digest = hashlib.sha256(rich.content).hexdigest()
    (target.project / "requirements.txt").write_text(f"rich==15.0.0 --hash=sha256:{digest}\n")
    # The user's own trust root: in the README's world there is one Sigstore.
    own = target.home / ".config" / "provenance-guard"
    own.mkdir(parents=True)
    (own / "trusted_root.json").write_bytes(trusted_root)
    (own / "guard.toml").write_text('version = 1\n[sigstore]\ntrust-root = "trusted_root.json"\n')
    return target


@pytest.mark.parametrize("line", list(dict.fromkeys(line for line in USES if not line.endswith(" impostor"))))
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


def test_the_block_that_the_readme_shows_is_what_guard_says(reader: Environment) -> None:
    shown = next(block for block in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL) if "block:" in block)
    command, _, output = shown.partition("\n")
    result = reader.run(str(GUARD), *shlex.split(command.removeprefix("$ "))[1:])
    assert (result.status, result.stderr) == (10, output)
    assert reader.installed() == {}

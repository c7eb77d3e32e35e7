"""The plain words npm and npx, with the real npm behind the shims, in fresh shells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.interactive import InteractiveShell
from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.surroundings import GUARD
from tests.sim.npm_packages import make_tarball
from tests.sim.sigstore import Defect
from tests.sim.world import World


@pytest.fixture
def customer(npm_target: NpmEnvironment, world: World) -> Iterator[NpmEnvironment]:
    """Somebody with shims and a registry that has a package that is blocked and one that is not."""
    (npm_target.home / ".zshrc").write_text("PROMPT='> '\n")
    own = npm_target.home / ".config" / "provenance-guard"
    own.mkdir(parents=True)
    (own / "guard.toml").write_text(f'version = 1\n[sigstore]\ntrust-root = "{world.trusted_root_path}"\n')
    world.publish_npm("widget", "1.0.0")
    forged = make_tarball("forged", "1.0.0", bin={"forged": "console.log('it runs')"})
    world.upload_npm(forged, attested=True, defect=Defect.SIGNATURE_CORRUPT)
    before = home_files(npm_target.home)
    assert npm_target.run(str(GUARD), "shims", "install").status == 0
    yield npm_target
    assert npm_target.run(str(GUARD), "shims", "remove").status == 0
    assert home_files(npm_target.home) == before


def home_files(home: Path) -> dict[str, bytes]:
    """Every file of the home folder but what tools write there by themselves: caches, logs, a shell's own state."""
    own = (".npm", ".cache", ".local/share/fish", ".zcompdump")
    files = {path.relative_to(home).as_posix(): path for path in home.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(own)}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_plain_words_are_guarded(customer: NpmEnvironment, shell: str) -> None:
    customer.manifest()
    with InteractiveShell(shell, environ=customer.environ(), cwd=customer.project) as terminal:
        for line in ("npm install forged", "npx --yes forged"):
            output = customer.root / "output"
            terminal.type(f"{line} >{output} 2>&1 </dev/null; echo $? >>{output}")
            lines = output.read_text().splitlines()
            assert lines[-1] == "10", lines
            assert lines[-2].startswith("guard: blocked")
            assert any("provenance-invalid" in each for each in lines)
        terminal.type("npm install widget >/dev/null 2>&1 </dev/null")
    assert customer.installed() == {"widget": "1.0.0"}


def test_an_installation_in_a_script_of_the_projects_own_is_guarded(customer: NpmEnvironment) -> None:
    customer.manifest(scripts={"setup": "npm install forged"})
    with InteractiveShell("bash", environ=customer.environ(), cwd=customer.project) as terminal:
        terminal.type(f"npm run setup >{customer.root / 'output'} 2>&1 </dev/null")
    assert "forged@1.0.0: provenance-invalid" in (customer.root / "output").read_text()
    assert customer.installed() == {}


def test_an_installation_in_a_script_of_a_package_is_decided_by_the_same_evidence(
    customer: NpmEnvironment, world: World
) -> None:
    """The guard behind the shim in the script asks the gateway of the one that runs npm."""
    (customer.project / "guard.toml").write_text('version = 1\n[policy]\nregistry-signature = "required"\n')
    world.publish_npm("helper", "1.0.0")
    world.publish_npm("caller", "1.0.0", scripts={"postinstall": "npm install --no-save helper"})
    customer.manifest()
    with InteractiveShell("bash", environ=customer.environ(), cwd=customer.project) as terminal:
        terminal.type(
            f"npm install caller >{customer.root / 'output'} 2>&1 </dev/null; echo $? >>{customer.root / 'output'}"
        )
    output = (customer.root / "output").read_text()
    assert output.splitlines()[-1] == "0", output
    assert customer.installed() == {"caller": "1.0.0", "caller/node_modules/helper": "1.0.0"}

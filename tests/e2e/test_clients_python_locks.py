"""``guard poetry`` and ``guard pdm`` with the real tools: the lock is decided, and the tool is held to it."""

from __future__ import annotations

import shutil
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients import ClientStage, distributions
from tests.locktools.generations import Generation
from tests.sim.packages import make_sdist, make_wheel
from tests.sim.world import World, maintainer_of

# Each tool brings some forty packages, which takes half a minute to install.
pytestmark = [pytest.mark.e2e, pytest.mark.campaign(1000)]

POLICY = 'version = 1\n[[package]]\nname = "pypi:evil"\nprovenance = "required"\n'
_TOOLS = {
    "poetry": Generation(tool="poetry", version="2.5.1"),
    "pdm": Generation(tool="pdm", version="2.29.4", also=("hishel<2",)),
}
_SYNC = {"poetry": ("sync", "--no-root"), "pdm": ("sync", "--no-self")}
_BOTH = pytest.mark.parametrize("tool", _TOOLS)
MakeStage = Callable[[str], ClientStage]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the program of a tool, installed when it is asked for first."""
    found: dict[str, Path] = {}

    def install(tool: str) -> Path:
        if tool not in found:
            found[tool] = _TOOLS[tool].install(tmp_path_factory.mktemp(tool) / "tool")
        return found[tool]

    return install


@pytest.fixture
def make_stage(tmp_path: Path, world: World, programs: Callable[[str], Path]) -> MakeStage:
    """Return a function that makes a project with one tool, and an environment for it."""

    def make(tool: str) -> ClientStage:
        stage = ClientStage(tmp_path / "stage", world=world, trust_root=world.trusted_root_path)
        for folder in (stage.project, stage.home, stage.programs):
            folder.mkdir(parents=True)
        (stage.programs / tool).symlink_to(programs(tool))
        venv.create(stage.project / ".venv", with_pip=False, symlinks=True)
        (stage.programs / "python").symlink_to(sys.executable)
        stage.variables = {
            "POETRY_VIRTUALENVS_IN_PROJECT": "true",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "VIRTUAL_ENV": str(stage.project / ".venv"),
        }
        write_manifest(stage, "widget")
        return stage

    return make


def write_manifest(stage: ClientStage, *dependencies: str) -> None:
    url = stage.world.pypi.simple_url
    listed = ", ".join(f'"{each}"' for each in dependencies)
    stage.write(
        "pyproject.toml",
        f'[project]\nname = "project"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = [{listed}]\n'
        f'[[tool.poetry.source]]\nname = "main"\nurl = "{url}/"\npriority = "primary"\n'
        f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{url}"\n',
    )


@_BOTH
def test_a_lock_is_installed_as_the_tool_alone_installs_it(make_stage: MakeStage, world: World, tool: str) -> None:
    world.publish("inner", "1.0.0")
    world.publish("widget", "1.0.0", requires=["inner"])
    stage = make_stage(tool)
    assert stage.run(tool, "lock").status == 0
    lock = (stage.project / f"{tool}.lock").read_bytes()
    result = stage.run_guard(tool, *_SYNC[tool])
    assert result.status == 0, result.stdout + result.stderr
    assert {artifact["name"] for artifact in result.report["artifacts"]} == {"inner", "widget"}
    assert distributions(stage.project / ".venv") == {"inner": "1.0.0", "widget": "1.0.0"}
    assert (stage.project / f"{tool}.lock").read_bytes() == lock
    assert stage.addresses_left() == []


@_BOTH
def test_a_blocked_package_is_not_installed(make_stage: MakeStage, world: World, tool: str) -> None:
    world.publish("widget", "1.0.0", requires=["evil"])
    world.publish("evil", "1.0.0", attested=False)
    stage = make_stage(tool)
    stage.write("guard.toml", POLICY)
    assert stage.run(tool, "lock").status == 0
    before = stage.tree()
    result = stage.run_guard(tool, *_SYNC[tool])
    assert (result.status, result.rules("block")) == (10, {"provenance-missing"}), result.stderr
    assert stage.tree() == before


@_BOTH
def test_the_tool_itself_refuses_bytes_that_the_lock_does_not_name(
    make_stage: MakeStage, world: World, tool: str
) -> None:
    name, honest = make_wheel("widget", "1.0.0")
    swapped = make_wheel("widget", "1.0.0", files={"more.py": "x = 1\n"})[1]
    published = world.upload(name, honest, identity=maintainer_of("widget"))
    stage = make_stage(tool)
    assert stage.run(tool, "lock").status == 0
    shutil.rmtree(stage.home / ".cache", ignore_errors=True)
    world.pypi.remove(name)
    world.upload(name, honest, identity=maintainer_of("widget"), served=swapped, hashes={"sha256": published.sha256})
    result = stage.run_guard(tool, *_SYNC[tool])
    assert result.report["verdict"] == "allow", result.stderr
    assert result.status not in (0, 10, 11)
    assert distributions(stage.project / ".venv") == {}


@_BOTH
def test_nothing_is_built(make_stage: MakeStage, world: World, tool: str) -> None:
    stage = make_stage(tool)
    world.upload(*make_sdist("widget", "1.0.0"), identity=maintainer_of("widget"))
    assert stage.run(tool, "lock").status == 0
    canary = make_sdist("widget", "1.0.0", canary=stage.canary)
    world.pypi.remove(canary[0])
    world.upload(*canary, identity=maintainer_of("widget"))
    lock = stage.project / f"{tool}.lock"
    former = lock.read_text()
    digest = former.partition("sha256:")[2][:64]
    published = next(hosted for hosted in world.pypi._hosted() if hosted.filename == canary[0])
    lock.write_text(former.replace(digest, published.hashes["sha256"]))
    result = stage.run_guard(tool, *_SYNC[tool])
    assert result.status not in (0, 70), result.stderr
    assert not stage.canary.exists()
    assert distributions(stage.project / ".venv") == {}


@_BOTH
def test_what_makes_a_lock_is_refused_with_a_line_to_use(make_stage: MakeStage, world: World, tool: str) -> None:
    stage = make_stage(tool)
    for line in (("lock",), ("add", "widget"), ("update",), ("self", "update"), ("build",)):
        result = stage.run_guard(tool, *line)
        assert (result.status, result.rules()) == (10, {"command-not-guarded"}), result.stderr
        assert "next: " in result.stderr
    assert stage.run_guard(tool, *_SYNC[tool]).status == 10
    assert world.pypi.requests == []

"""``guard uv`` and ``guard uvx`` with the real uv: what is locked, asked for or built is decided before uv uses it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.clients import ClientStage, distributions
from tests.sim.packages import make_sdist, make_wheel, unpack_sdist
from tests.sim.world import World, maintainer_of

pytestmark = pytest.mark.e2e

MANIFEST = '[project]\nname = "project"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["widget"]\n'
# Blocks a package that nobody attests, and no other.
POLICY = 'version = 1\n[[package]]\nname = "pypi:evil"\nprovenance = "required"\n'
_VOLATILE = ("RECORD", "uv_cache.json")


def publish(world: World) -> None:
    world.publish("inner", "1.0.0")
    world.publish("widget", "1.0.0", requires=["inner"])
    world.publish("evil", "1.0.0", attested=False)


def installed_files(environment: Path) -> dict[str, bytes]:
    packages = next((environment / "lib").glob("python*/site-packages"))
    return {
        str(path.relative_to(packages)): path.read_bytes()
        for path in packages.rglob("*")
        if path.is_file() and path.name not in _VOLATILE and path.suffix != ".pyc"
    }


def write_own_project(stage: ClientStage, build_requirement: str) -> None:
    """Make the project one that has to be built, by a backend of its own that requires something."""
    source = stage.root / "source"
    unpack_sdist(make_sdist("own", "1", build_requires=[build_requirement])[1], source)
    shutil.copytree(source, stage.project, dirs_exist_ok=True)
    stage.write(
        "pyproject.toml",
        f'[build-system]\nrequires = ["{build_requirement}"]\nbuild-backend = "sim_backend"\nbackend-path = ["."]\n'
        '[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["widget"]\n',
    )


def test_a_sync_leaves_what_uv_alone_leaves_and_no_address_of_guard(uv_stage: ClientStage, world: World) -> None:
    publish(world)
    uv_stage.write("pyproject.toml", MANIFEST)
    result = uv_stage.run_guard("uv", "sync")
    assert result.status == 0, result.stderr
    assert {artifact["name"] for artifact in result.report["artifacts"]} == {"inner", "widget"}
    assert {artifact["bound_by"] for artifact in result.report["artifacts"]} == {"client-lock"}
    guarded = installed_files(uv_stage.project / ".venv"), (uv_stage.project / "uv.lock").read_bytes()
    assert uv_stage.addresses_left() == []
    shutil.rmtree(uv_stage.project / ".venv")
    (uv_stage.project / "uv.lock").unlink()
    assert uv_stage.run("uv", "sync").status == 0
    assert guarded == (installed_files(uv_stage.project / ".venv"), (uv_stage.project / "uv.lock").read_bytes())


def test_a_blocked_package_is_neither_added_nor_locked_nor_installed(uv_stage: ClientStage, world: World) -> None:
    publish(world)
    uv_stage.write("guard.toml", POLICY)
    uv_stage.write("pyproject.toml", MANIFEST)
    before = uv_stage.tree()
    result = uv_stage.run_guard("uv", "add", "evil")
    assert (result.status, result.rules("block")) == (10, {"provenance-missing"}), result.stderr
    assert uv_stage.tree() == before


def test_uv_itself_refuses_bytes_that_the_lock_does_not_name(uv_stage: ClientStage, world: World) -> None:
    honest = make_wheel("widget", "1.0.0")
    swapped = make_wheel("widget", "1.0.0", files={"widget/more.py": "x = 1\n"})[1]
    world.upload(*honest, identity=maintainer_of("widget"), served=swapped, core_metadata=True)
    uv_stage.write("pyproject.toml", MANIFEST)
    result = uv_stage.run_guard("uv", "sync")
    assert result.report["verdict"] == "allow"
    assert result.status not in (0, 10, 11)
    assert "ash mismatch" in result.stderr
    assert distributions(uv_stage.project / ".venv") == {}


def test_what_building_the_project_needs_is_decided_too(uv_stage: ClientStage, world: World) -> None:
    publish(world)
    uv_stage.write("guard.toml", POLICY)
    write_own_project(uv_stage, "evil")
    result = uv_stage.run_guard("uv", "sync")
    assert (result.status, result.rules("block")) == (10, {"provenance-missing"}), result.stderr
    assert distributions(uv_stage.project / ".venv") == {}
    write_own_project(uv_stage, "inner")
    result = uv_stage.run_guard("uv", "sync")
    assert result.status == 0, result.stderr
    assert distributions(uv_stage.project / ".venv") == {"own": "1", "widget": "1.0.0", "inner": "1.0.0"}
    assert uv_stage.addresses_left() == []


@pytest.mark.campaign(6)
def test_dynamic_metadata_is_built_with_requirements_that_are_decided(uv_stage: ClientStage, world: World) -> None:
    publish(world)
    for requirement, status in (("evil", 10), ("inner", 0)):
        write_own_project(uv_stage, requirement)
        manifest = uv_stage.project / "pyproject.toml"
        manifest.write_text(manifest.read_text().replace('version = "1"', 'dynamic = ["version"]'))
        uv_stage.write("guard.toml", POLICY)
        result = uv_stage.run_guard("uv", "lock")
        assert result.status == status, result.stderr
        assert (uv_stage.project / "uv.lock").exists() is (status == 0)
    assert uv_stage.addresses_left() == []


def test_a_package_that_pip_install_would_take_is_decided_before_it_is_delivered(
    uv_stage: ClientStage, world: World
) -> None:
    world.upload(*make_sdist("evil", "1.0.0", canary=uv_stage.canary), identity=maintainer_of("evil"), attested=False)
    publish_others = make_wheel("asks", "1.0.0", requires=["evil"])
    world.upload(*publish_others, identity=maintainer_of("asks"))
    uv_stage.write("guard.toml", POLICY)
    assert uv_stage.run("uv", "venv").status == 0
    uv_stage.variables.pop("UV_PYTHON")
    before = installed_files(uv_stage.project / ".venv")
    result = uv_stage.run_guard("uv", "pip", "install", "asks")
    assert (result.status, result.rules("block")) == (10, {"provenance-missing"}), result.stderr
    assert installed_files(uv_stage.project / ".venv") == before
    assert not uv_stage.canary.exists()


@pytest.mark.campaign(12)
@pytest.mark.parametrize("command", ["install", "sync", "compile"])
def test_the_pip_interface_does_what_uv_alone_does(uv_stage: ClientStage, world: World, command: str) -> None:
    publish(world)
    uv_stage.write("requirements.in", "widget\ninner==1.0.0\n")
    line = ["install", "-r"] if command == "install" else [command]
    assert uv_stage.run("uv", "venv").status == 0
    uv_stage.variables.pop("UV_PYTHON")
    results = []
    for run in (uv_stage.run_guard, uv_stage.run):
        result = run("uv", "pip", *line, "requirements.in")
        assert result.status == 0, result.stderr
        results.append((result.stdout, distributions(uv_stage.project / ".venv")))
        assert uv_stage.addresses_left() == []
        uv_stage.run("uv", "pip", "uninstall", "widget", "inner")
    assert results[0] == results[1]


@pytest.mark.campaign(6)
def test_tools_are_decided_and_their_programs_run_in_the_users_own_environment(
    uv_stage: ClientStage, world: World
) -> None:
    code = (
        "import os, sys\ndef main():\n    print(sys.argv[1:], 'HTTP_PROXY' in os.environ, 'UV_INDEX' in os.environ)\n"
    )
    wheel = make_wheel("shower", "1.0.0", scripts={"show": "shower:main"}, files={"shower/__init__.py": code})
    world.upload(*wheel, identity=maintainer_of("shower"))
    result = uv_stage.run_guard("uvx", "--from", "shower", "show", "a b", "--version")
    assert (result.status, result.stdout) == (0, "['a b', '--version'] False False\n"), result.stderr
    assert uv_stage.run_guard("uv", "tool", "install", "shower").status == 0
    assert uv_stage.addresses_left() == []
    world.publish("evil", "1.0.0", attested=False)
    uv_stage.write("guard.toml", POLICY)
    assert uv_stage.run_guard("uvx", "evil").status == 10


@pytest.mark.campaign(6)
def test_run_syncs_decided_packages_and_starts_the_program_as_uv_does(uv_stage: ClientStage, world: World) -> None:
    publish(world)
    uv_stage.write("pyproject.toml", MANIFEST)
    code = "import os, sys, widget; print(sys.argv[1:], 'UV_INDEX' in os.environ); sys.exit(7)"
    result = uv_stage.run_guard("uv", "run", "python", "-c", code, "--frozen")
    assert (result.status, result.stdout) == (7, "['--frozen'] False\n"), result.stderr
    script = uv_stage.write("script.py", '# /// script\n# dependencies = ["evil"]\n# ///\n')
    result = uv_stage.run_guard("uv", "run", script.name)
    assert (result.status, result.rules()) == (10, {"command-not-guarded"})


@pytest.mark.campaign(12)
@pytest.mark.parametrize(
    "line",
    [
        "uv build",
        "uv sync --index https://index.example/simple",
        "uv run --with widget python",
        "uv pip install ./widget-1.0.0-py3-none-any.whl",
        "uv pip install git+https://git.example/widget",
        "uv pip install --find-links . widget",
        "uv --directory . sync",
        "uv python install",
        "uv self update",
        "uv tree",
        "uv add --index https://index.example/simple widget",
        "uvx --with-editable . widget",
    ],
)
def test_what_cannot_be_guarded_is_refused_with_a_line_to_use(uv_stage: ClientStage, world: World, line: str) -> None:
    uv_stage.write("pyproject.toml", MANIFEST)
    result = uv_stage.run_guard(*line.split())
    assert (result.status, result.rules()) == (10, {"command-not-guarded"}), result.stderr
    assert "next: " in result.stderr
    assert world.pypi.requests == []


def test_what_installs_nothing_is_uvs_alone(uv_stage: ClientStage) -> None:
    for line in (["--version"], ["pip", "list", "--python", uv_stage.variables["UV_PYTHON"]]):
        guarded, alone = uv_stage.run_guard("uv", *line), uv_stage.run("uv", *line)
        assert (guarded.status, guarded.stdout, guarded.stderr) == (alone.status, alone.stdout, alone.stderr)
        assert guarded.report == {}


@pytest.mark.campaign(6)
def test_a_local_index_in_uvs_configuration_is_refused(uv_stage: ClientStage, world: World) -> None:
    publish(world)
    uv_stage.write("pyproject.toml", MANIFEST + '[[tool.uv.index]]\nurl = "file:///srv/packages"\n')
    result = uv_stage.run_guard("uv", "pip", "install", "widget")
    assert (result.status, result.rules()) == (10, {"command-not-guarded"}), result.stderr


@pytest.mark.campaign(6)
def test_a_lock_that_is_there_is_decided_and_not_made_anew(uv_stage: ClientStage, world: World) -> None:
    publish(world)
    uv_stage.write("pyproject.toml", MANIFEST)
    assert uv_stage.run("uv", "lock").status == 0
    lock = uv_stage.project / "uv.lock"
    other = make_wheel("widget", "1.0.0", files={"more.py": ""})[1]
    world.pypi.remove("widget-1.0.0-py3-none-any.whl")
    world.upload("widget-1.0.0-py3-none-any.whl", other, identity=maintainer_of("widget"))
    before = lock.read_bytes()
    result = uv_stage.run_guard("uv", "sync", "--frozen")
    assert (result.status, "hash-mismatch" in result.rules("block")) == (10, True), result.stderr
    assert lock.read_bytes() == before
    assert not (uv_stage.project / ".venv").exists()


@pytest.mark.campaign(6)
def test_what_uv_has_in_its_cache_is_used_under_the_locks_digest_alone(uv_stage: ClientStage, world: World) -> None:
    first, second = (make_wheel("widget", "1.0.0", files={"more.py": f"x = {number}\n"}) for number in (1, 2))
    world.upload(*first, identity=maintainer_of("widget"))
    uv_stage.write("pyproject.toml", MANIFEST)
    assert uv_stage.run("uv", "sync").status == 0
    lock = uv_stage.project / "uv.lock"
    shutil.rmtree(uv_stage.project / ".venv")
    world.pypi.remove(first[0])
    published = world.upload(*second, identity=maintainer_of("widget"))
    text, size = lock.read_text(), f"size = {len(first[1])}"
    path = next(hosted.path for hosted in world.pypi._hosted() if hosted.filename == first[0])
    known = text[text.index('url = "') :].split('"')
    lock.write_text(
        text.replace(known[1], world.pypi.files_url + path)
        .replace(known[3], f"sha256:{published.sha256}")
        .replace(size, f"size = {len(second[1])}")
    )
    result = uv_stage.run_guard("uv", "sync", "--frozen")
    assert result.status == 0, result.stderr
    assert installed_files(uv_stage.project / ".venv")["more.py"] == b"x = 2\n"

"""The bypass corpus: every way is caught, or open and named by doctor; the documentation shows the same table."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bypass.table import WAYS, render_summary, render_table
from tests.bypass.way import Way
from tests.e2e.conftest import NEWEST_PIP, make_pip
from tests.e2e.npm_environment import NpmTools, make_npm
from tests.e2e.surroundings import GUARD, Result, Surroundings
from tests.sim.npm_packages import make_tarball
from tests.sim.packages import make_sdist
from tests.sim.sigstore import Defect
from tests.sim.world import World, maintainer_of

ROOT = Path(__file__).parents[2]
_SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin")
# What a default sudoers does: a PATH of its own and hardly any other variable.
_SUDO = '#!/bin/sh\nexec env -i HOME="$HOME" PATH={path} "$@"\n'
_BUN = "#!/bin/sh\necho bun >>{canary}\n"


@dataclass(frozen=True)
class Stage:
    """Somebody with shims, and registries on which ``forged`` is blocked.

    Args:
        user: the user.
        places: what stands for the words between ``@`` in ways.
        canary: the file that tells that code of ``forged`` ran.
        named: check and subject of everything that doctor says without calling it guarded.
    """

    user: Surroundings
    places: dict[str, str]
    canary: Path
    named: set[tuple[str, str]]
    _site_packages: Path
    _global_modules: Path

    def run(self, way: Way) -> Result:
        """Carry a way out in an empty project."""
        for name, content in way.files.items():
            file = self.user.project / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.fill(content))
        variables = self.user.variables
        own = {name: self.fill(value) for name, value in way.environ.items()}
        shell = ["sh", "-c"] if way.shell == "sh" else [way.shell, "-i", "-c"]
        path = self.fill("@SHIMS@:@PATH@" if way.shell == "sh" else "@PATH@")
        self.user.variables = {**variables, **own, "PATH": path}
        try:
            return self.user.run(*shell, self.fill(way.line))
        finally:
            self.user.variables = variables

    def fill(self, text: str) -> str:
        """Put the places in."""
        for name, place in self.places.items():
            text = text.replace(f"@{name}@", place)
        return text

    def take_left(self) -> list[str]:
        """Return, and remove, what a way has installed or run."""
        left = [path for path in self._site_packages.iterdir() if path.name.startswith("forged")]
        left += self._global_modules.glob("forged")
        left += self.user.project.glob("**/node_modules/**/forged")
        names = sorted({path.name for path in left} | ({"canary"} if self.canary.exists() else set()))
        self.canary.unlink(missing_ok=True)
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(self.user.project)
        self.user.project.mkdir()
        for cache in (".npm", ".cache/pip"):
            shutil.rmtree(self.user.home / cache, ignore_errors=True)
        return names


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory,
    unpacked_pip: Callable[[str], Path],
    pip_wheel: Callable[[str], Path],
    npm_tools: NpmTools,
) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("bypass")
    with World(root) as world:
        npm = make_npm(root / "npm", npm_tools)
        user = make_pip(root / "user", unpacked_pip)
        canary = root / "canary"
        path = os.pathsep.join([str(user.programs), str(npm.programs), *_SYSTEM])
        for name in ("pip3.98", "pip3.99"):
            shutil.copy2(user.programs / "pip", user.programs / name)
        for name, script in (("sudo", _SUDO.format(path=path)), ("bun", _BUN.format(canary=canary))):
            (user.programs / name).write_text(script)
            (user.programs / name).chmod(0o755)
        publish(world, canary)
        configure(user, world)
        user.variables = {"PATH": path}
        assert user.run(str(GUARD), "shims", "install", "--tool", "pip3.99").status == 0
        report = json.loads(user.run("bash", "-i", "-c", f"{GUARD} doctor --format json").stdout)
        places = {
            "BIN": str(user.programs),
            "PYTHON": str(user.python),
            "NPMBIN": str(npm.programs),
            "SHIMS": str(next(user.home.rglob("npx")).parent),
            "PATH": path,
            "INDEX": world.pypi.simple_url,
            "REGISTRY": world.npm.url,
            "FILE": f"{world.pypi.base_url}/forged-1.0.0.tar.gz",
            "TARBALL": f"{world.npm.base_url}/forged/-/forged-1.0.0.tgz",
            "PIPWHEEL": str(pip_wheel(NEWEST_PIP)),
        }
        named = {(row["check"], row["subject"]) for row in report["rows"] if row["state"] != "guarded"}
        yield Stage(user, places, canary, named, user.site_packages, npm.global_folder / "node_modules")


def publish(world: World, canary: Path) -> None:
    """Publish what is blocked, and what leads to it."""
    filename, content = make_sdist("forged", "1.0.0", canary=canary)
    world.upload(filename, content, identity=maintainer_of("forged"), defect=Defect.SIGNATURE_CORRUPT)
    world.publish("dependent", "1.0.0", requires=["forged"])
    for name in ("forged", "@acme/forged", "create-forged"):
        sings = f"require('fs').appendFileSync({str(canary)!r}, 'it runs')"
        tarball = make_tarball(name, "1.0.0", bin={name.rpartition("/")[2]: sings}, canary=canary)
        world.upload_npm(tarball, attested=True, defect=Defect.SIGNATURE_CORRUPT)
    world.publish_npm("dependent", "1.0.0", dependencies={"forged": "1.0.0"})
    world.publish_npm("caller", "1.0.0", scripts={"postinstall": "npm install --no-save forged"})


def configure(user: Surroundings, world: World) -> None:
    """Write what the user would have in files, so that no variable has a part in it."""
    own = user.home / ".config" / "provenance-guard"
    own.mkdir(parents=True)
    (own / "guard.toml").write_text(f'version = 1\n[sigstore]\ntrust-root = "{world.trusted_root_path}"\n')
    (user.home / ".config" / "pip").mkdir()
    (user.home / ".config" / "pip" / "pip.conf").write_text(f"[global]\nindex-url = {world.pypi.simple_url}\n")
    (user.home / ".npmrc").write_text(f"registry={world.npm.url}\naudit=false\nfund=false\nupdate-notifier=false\n")
    (user.home / ".zshrc").write_text("PROMPT='> '\n")


@pytest.mark.campaign(24)
@pytest.mark.parametrize("way", WAYS, ids=[way.id for way in WAYS])
def test_a_way_is_caught_or_open_and_named(scene: Stage, way: Way) -> None:
    result = scene.run(way)
    left = scene.take_left()
    said = result.stdout + result.stderr
    if way.open_as is not None:
        check, colon, subject = way.open_as.partition(": ")
        assert ((check, subject) if colon else ("limit", check)) in scene.named
        assert left, f"{way.id} is not open any more: {said}"
        return
    assert left == [], said
    # guard in the output of another tool, and one that cannot tell which pip it would drive, as inside of a build.
    assert "guard: blocked" in said or "cannot import pip" in said, said
    assert way.status in (None, result.status), said


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len({way.id for way in WAYS}) == len(WAYS) >= 60


@pytest.mark.parametrize(("page", "table"), [("docs/shims.md", render_table()), ("README.md", render_summary())])
def test_the_documentation_shows_the_corpus(page: str, table: str) -> None:
    """``python -m tests.bypass`` prints both tables."""
    assert table in (ROOT / page).read_text(encoding="utf-8")

"""The state of two simulated indexes that the byte-identity table installs from, and a project beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.sim.packages import make_sdist, make_wheel, unpack_sdist
from tests.sim.pypi import PyPISimulator
from tests.sim.world import World, maintainer_of

_GROUPS = """
[project]
name = "local"
version = "1.0"

[dependency-groups]
dev = ["rocket==1.0", {include-group = "tools"}]
tools = ["maker"]
"""


@dataclass(frozen=True)
class Indexes:
    """Two running indexes; nothing changes in them.

    Args:
        world: has the main one.
        extra: another one, which signs nothing.
        texts: what a row of the table may name in braces: addresses, and ``--hash`` options by project and version.
    """

    world: World
    extra: PyPISimulator
    texts: dict[str, str]

    @property
    def ports(self) -> set[str]:
        """Ports that may be named in what an installation leaves."""
        urls = (self.world.pypi.base_url, self.world.pypi.files_url, self.extra.base_url, self.extra.files_url)
        return {url.rpartition(":")[2] for url in urls}

    def fill(self, text: str) -> str:
        """Put addresses and digests in place of the names in braces."""
        return text.format_map(self.texts)


def publish(world: World, extra: PyPISimulator) -> Indexes:
    """Publish everything the table needs.

    ``rocket`` has a script, an extra, a dependency and one that does not apply here; ``anvil`` has an upgrade and a
    pre-release; ``mixed`` has a wheel and an sdist; ``forged`` and ``cast`` are sdists alone, ``cast`` with a build
    requirement; ``recalled`` is yanked; ``elsewhere`` is on the second index.
    """
    digests: dict[str, str] = {}
    for version in ("1.0", "1.1", "2.0b1"):
        digests[f"anvil_{version}"] = world.publish("anvil", version).sha256
    for version in ("1.0", "1.1"):
        wheel = make_wheel(
            "rocket",
            version,
            requires=["anvil>=1.0", "wings; sys_platform == 'none'"],
            extras={"boost": ["fuel"]},
            scripts={"launch": "rocket:__version__.strip"},
        )
        digests[f"rocket_{version}"] = world.upload(*wheel, identity=maintainer_of("rocket", version)).sha256
    world.publish("fuel", "1.0", attested=False)
    world.publish("maker", "1.0")
    world.publish("mixed", "1.0")
    world.publish("recalled", "1.0", yanked="broken")
    world.publish("cautious", "1.0", requires=["anvil<1.1"])
    sdists = (
        make_sdist("mixed", "1.0", scripts={"mix": "mixed:__version__.strip"}),
        make_sdist("forged", "1.0", requires=["anvil"]),
        make_sdist("cast", "1.0", build_requires=["maker"]),
    )
    for filename, content in sdists:
        name = filename.partition("-")[0]
        digests[name] = world.upload(filename, content, identity=maintainer_of(name)).sha256
    extra.add(*make_wheel("elsewhere", "1.0", requires=["anvil"]))
    texts = {name.replace(".", "_"): f"--hash=sha256:{digest}" for name, digest in digests.items()}
    return Indexes(world, extra, {"index": world.pypi.simple_url, "extra": extra.simple_url, **texts})


def lay_out_project(project: Path) -> None:
    """Make ``project`` a source tree with files to install beside it.

    The tree is ``local``, editable too; ``files`` has a wheel and an sdist, ``links`` is a flat index.
    """
    _, content = make_sdist("local", "1.0", requires=["anvil"], scripts={"local": "local:__version__.strip"})
    unpack_sdist(content, project)
    with (project / "pyproject.toml").open("a") as stream:
        stream.write(_GROUPS)
    for folder, name in (("files", "boxed"), ("links", "linked")):
        (project / folder).mkdir()
        for filename, packed in (make_wheel(name, "1.0"), make_sdist(f"{name}-source", "1.0")):
            (project / folder / filename).write_bytes(packed)

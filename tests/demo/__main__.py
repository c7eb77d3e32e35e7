"""``make demo``: guard at work, with the real pip and npm, in folders that are gone afterwards.

First from the registries that this machine is configured for; then from simulated ones and a Sigstore on loopback,
where one package is as it should be and each of the others has something wrong with it. Code of every bad package, a
build script or a lifecycle script, leaves a trace: none may be found.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from guard.errors import ExitCode
from tests.demo.npm_packages import show_npm_packages, write_manifest
from tests.demo.plain_words import show_plain_words
from tests.demo.python_packages import show_python_packages
from tests.demo.stage import Stage, Step
from tests.sim.world import World

_REAL = {"pip": "rich", "npm": "semver"}
_POLICY = """\
version = 1

[policy]
provenance = "required"

[pypi]
index-url = "{index_url}/"

[npm]
registry = "{registry}"

[sigstore]
trust-root = "trusted_root.json"

[[package]]
name = "pypi:impostor"
[[package.identity]]
repository = "https://github.com/acme/impostor"

[[package]]
name = "npm:impostor"
[[package.identity]]
repository = "https://github.com/acme/impostor"
"""


def main() -> int:
    """Run the demonstration.

    Returns:
        0 when everything came out as it must, else 1.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="guard-demo-") as folder:
        stage = Stage(Path(folder).resolve())
        stage.prepare()
        _show_real_packages(stage)
        with World(stage.project) as world:
            _trust_the_simulated_world(stage, world)
            show_python_packages(stage, world)
            show_npm_packages(stage, world)
            show_plain_words(stage)
    seconds = time.monotonic() - started
    outcome = f"{stage.failures} not as expected" if stage.failures else "everything as expected"
    print(f"\n{outcome} ({seconds:.0f} s)")
    return 1 if stage.failures else 0


def _show_real_packages(stage: Stage) -> None:
    stage.show_heading("1. From the registries that this machine is configured for")
    write_manifest(stage.real_project)
    for tool, name in _REAL.items():
        command = f"guard -v {tool} install {name}"
        title = f"A package of {tool}'s, and what it requires"
        stage.run_real(Step(title=title, command=command, status=ExitCode.ALLOWED, lands=name))


def _trust_the_simulated_world(stage: Stage, world: World) -> None:
    policy = stage.project / "guard.toml"
    policy.write_text(_POLICY.format(index_url=world.pypi.simple_url, registry=world.npm.url), encoding="utf-8")
    stage.show_heading("From here on: simulated registries, and a policy that requires provenance")
    stage.show_file(policy)
    stage.run(
        Step(
            title="A project's trust root and registries count once you trust its file",
            command="guard policy trust guard.toml",
            status=ExitCode.ALLOWED,
            good="no package is concerned",
        )
    )


if __name__ == "__main__":
    sys.exit(main())

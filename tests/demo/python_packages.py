"""``guard pip install`` against the simulated index: one package as it should be, five with something wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from guard.errors import ExitCode
from guard.model import RuleId
from tests.demo.stage import Stage, Step
from tests.sim.packages import make_sdist
from tests.sim.pypi import Fault
from tests.sim.sigstore import Defect
from tests.sim.world import World, maintainer_of

_BLOCKED = Step(title="", command="", status=ExitCode.BLOCKED)
_BAD: Mapping[str, Step] = {
    "unsigned": replace(_BLOCKED, title="Nobody signed it, and the policy requires it", rule=RuleId.PROVENANCE_MISSING),
    "tampered": replace(_BLOCKED, title="The bytes are not those that the index lists", rule=RuleId.HASH_MISMATCH),
    "impostor": replace(_BLOCKED, title="Signed well, by another repository", rule=RuleId.IDENTITY_MISMATCH),
    "forged": replace(_BLOCKED, title="The signature does not hold", rule=RuleId.PROVENANCE_INVALID),
    "outage": replace(
        _BLOCKED,
        title="The evidence cannot be had: that is not the same as none",
        status=ExitCode.UNDECIDED,
        rule=RuleId.PROVENANCE_UNAVAILABLE,
    ),
}


def show_python_packages(stage: Stage, world: World) -> None:
    """Show the part."""
    stage.show_heading("2. Python packages of the simulated index")
    world.publish("gears", "1.0.0")
    world.publish("widget", "1.0.0", requires=["gears"])
    command = "guard -v pip install widget"
    stage.run(Step(title="Signed, and by whom", command=command, status=ExitCode.ALLOWED, lands="widget"))
    for name, step in _BAD.items():
        _publish_bad(world, name, stage.trace)
        stage.run(replace(step, command=f"guard pip install {name}"))


def _publish_bad(world: World, name: str, trace: Path) -> None:
    """Publish an sdist with one thing wrong, whose build script leaves a trace."""
    filename, traced = make_sdist(name, "1.0.0", canary=trace)
    publisher = maintainer_of(name)
    match name:
        case "unsigned":
            world.upload(filename, traced, identity=publisher, attested=False)
        case "tampered":
            clean = make_sdist(name, "1.0.0")[1].ljust(len(traced), b"\0")  # of one length: the digest alone tells
            world.upload(filename, clean, identity=publisher, served=traced)
        case "impostor":
            world.upload(filename, traced, identity=maintainer_of("other"))
        case "forged":
            world.upload(filename, traced, identity=publisher, defect=Defect.SIGNATURE_CORRUPT)
        case _:
            world.upload(filename, traced, identity=publisher)
            world.pypi.fault("provenance", Fault.SERVER_ERROR, name=filename)

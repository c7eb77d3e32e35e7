"""``guard npm install`` against the simulated registry: a tree as it should be, and six ways for one not to be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from guard.errors import ExitCode
from guard.model import RuleId
from tests.demo.stage import Stage, Step
from tests.sim.npm import Fault
from tests.sim.npm_packages import make_tarball, unpack_tarball
from tests.sim.sigstore import Defect
from tests.sim.world import World, maintainer_of

_BLOCKED = Step(title="", command="", status=ExitCode.BLOCKED)
_BAD: Mapping[str, Step] = {
    "tampered": replace(_BLOCKED, title="The bytes are not those that the registry lists", rule=RuleId.HASH_MISMATCH),
    "impostor": replace(_BLOCKED, title="Signed well, by another repository", rule=RuleId.IDENTITY_MISMATCH),
    "forged": replace(_BLOCKED, title="The signature does not hold", rule=RuleId.PROVENANCE_INVALID),
    "hopeful": replace(
        _BLOCKED,
        title="That one again, as an optional dependency: npm alone would go on without it",
        rule=RuleId.PROVENANCE_INVALID,
    ),
    "borrower": replace(
        _BLOCKED,
        title="It depends on a repository, whose `prepare` npm would run",
        rule=RuleId.SOURCE_NOT_ALLOWED,
    ),
    "outage": replace(
        _BLOCKED,
        title="The evidence cannot be had: that is not the same as none",
        status=ExitCode.UNDECIDED,
        rule=RuleId.PROVENANCE_UNAVAILABLE,
    ),
}


def show_npm_packages(stage: Stage, world: World) -> None:
    """Show the part."""
    stage.show_heading("3. npm packages of the simulated registry")
    write_manifest(stage.project)
    world.publish_npm("cog", "1.0.0", attested=True)
    world.publish_npm("gadget", "1.0.0", dependencies={"cog": "^1.0.0"}, attested=True)
    command = "guard -v npm install gadget"
    stage.run(Step(title="A tree, signed, and by whom", command=command, status=ExitCode.ALLOWED, lands="cog"))
    for name, step in _BAD.items():
        _publish_bad(world, name, stage)
        stage.run(replace(step, command=f"guard npm install {name}"))


def write_manifest(project: Path) -> None:
    """Make a folder a project of npm's."""
    (project / "package.json").write_text(json.dumps({"name": "demo", "version": "1.0.0"}), encoding="utf-8")


def _publish_bad(world: World, name: str, stage: Stage) -> None:
    """Publish a package with one thing wrong, whose postinstall script leaves a trace."""
    traced = make_tarball(name, "1.0.0", canary=stage.trace)
    match name:
        case "tampered":
            world.upload_npm(make_tarball(name, "1.0.0"), attested=True, served=traced)
        case "impostor":
            world.upload_npm(traced, attested=True, identity=maintainer_of("other"))
        case "forged":
            world.upload_npm(traced, attested=True, defect=Defect.SIGNATURE_CORRUPT)
        case "hopeful":
            optional = make_tarball(name, "1.0.0", canary=stage.trace, optional={"forged": "^1.0.0"})
            world.upload_npm(optional, attested=True)
        case "borrower":
            repository = _make_repository(stage.trace.with_name("repository"), stage.trace)
            borrowing = make_tarball(name, "1.0.0", dependencies={"lent": f"git+{repository.as_uri()}"})
            world.upload_npm(borrowing, attested=True)
        case _:
            world.upload_npm(traced, attested=True)
            world.npm.fault("attestations", Fault.SERVER_ERROR, name=f"{name}@1.0.0")


def _make_repository(folder: Path, trace: Path) -> Path:
    """Make a git repository with a package whose ``prepare`` leaves a trace."""
    unpack_tarball(make_tarball("lent", "1.0.0", canary=trace, hooks=("prepare",)), folder)
    git = ["git", "-C", str(folder), "-c", "user.name=demo", "-c", "user.email=demo@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--no-gpg-sign", "--message", "lent"]):
        subprocess.run([*git, *arguments], check=True)
    return folder

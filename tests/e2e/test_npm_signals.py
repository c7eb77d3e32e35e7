"""Ending guard in the middle of npm: all is as it was, nothing of it stays, and the same command then works."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked, write_published
from tests.e2e.processes import PATIENCE_SECONDS, processes_of, run_folders, wait_for
from tests.e2e.refusals import npm_snapshot
from tests.e2e.surroundings import GUARD
from tests.e2e.traces import find_traces_in
from tests.sim.faults import Fault
from tests.sim.npm_packages import make_tarball
from tests.sim.world import PublishedNpm, World

pytestmark = [
    pytest.mark.campaign(2),
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at the processes in /proc"),
]


@dataclass(frozen=True)
class Moment:
    """A moment at which guard waits for something that does not come.

    Args:
        command: what is typed after ``npm``.
        hold: makes it wait.
        has_come: whether it waits.
    """

    command: tuple[str, ...]
    hold: Callable[[NpmEnvironment, World], None]
    has_come: Callable[[NpmEnvironment], bool]


def runs_npm(target: NpmEnvironment) -> bool:
    return any(line.startswith("npm ") for line in processes_of(target))


def has_resolved(target: NpmEnvironment) -> bool:
    locks = (lock for folder in run_folders(target) for lock in folder.glob("scratch/*/package-lock.json"))
    return any(locks) and not runs_npm(target)


def hold_packument(target: NpmEnvironment, world: World) -> None:
    target.manifest()
    world.npm.fault("packument", Fault.hang(PATIENCE_SECONDS), name="rocket")


def hold_tarball(target: NpmEnvironment, world: World) -> None:
    target.manifest()
    world.npm.fault("tarball", Fault.hang(PATIENCE_SECONDS), name="rocket@1.0.0")


def hold_script(target: NpmEnvironment, world: World) -> None:
    """The script waits by itself; the project has a tree, and a lock that does not name the package."""
    write_published(target, world.npm, world.publish_npm("anvil", "1.0.0"))
    assert target.npm("ci").status == 0


def hold_script_of_lock(target: NpmEnvironment, world: World) -> None:
    write_locked(target, {"rocket": entry_of(publish_rocket(target, world), world.npm, hasInstallScript=True)})
    assert target.npm("ci", "--ignore-scripts").status == 0


MOMENTS = {
    "resolving": Moment(("install", "rocket"), hold_packument, runs_npm),
    "deciding": Moment(("install", "rocket"), hold_tarball, has_resolved),
    "installing": Moment(("install", "rocket"), hold_script, lambda target: (target.root / "waiting").exists()),
    "reinstalling": Moment(("ci",), hold_script_of_lock, lambda target: (target.root / "waiting").exists()),
}
KILLS = [
    ("resolving", signal.SIGINT),
    ("resolving", signal.SIGKILL),
    ("deciding", signal.SIGINT),
    ("deciding", signal.SIGTERM),
    ("deciding", signal.SIGHUP),
    ("installing", signal.SIGINT),
    ("installing", signal.SIGHUP),
    ("installing", signal.SIGKILL),
    ("reinstalling", signal.SIGTERM),
    ("reinstalling", signal.SIGKILL),
]


def publish_rocket(target: NpmEnvironment, world: World) -> PublishedNpm:
    """Publish a package whose script waits, unless it may go on."""
    script = f"cd {target.root}; [ -e free ] || {{ touch waiting; sleep {PATIENCE_SECONDS}; }}"
    return world.publish_npm("rocket", "1.0.0", scripts={"postinstall": script})


def start(target: NpmEnvironment, *command: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*prefix, str(GUARD), "--trust-root", str(target.trust_root), *command],
        cwd=target.project,
        env=target.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def traces_in(target: NpmEnvironment, world: World) -> list[str]:
    """Return the addresses of a gateway in every file below project and home."""
    ports = {url.rpartition(":")[2] for url in (world.npm.base_url, world.npm.files_url)}
    files = (path for folder in (target.project, target.home) for path in folder.rglob("*") if path.is_file())
    return [f"{path}: {trace}" for path in files for trace in find_traces_in(path.read_bytes(), ports, [])]


@pytest.mark.parametrize(("moment", "number"), KILLS, ids=lambda each: getattr(each, "name", each))
def test_a_signal_leaves_nothing_behind(
    moment: str, number: signal.Signals, npm_target: NpmEnvironment, world: World
) -> None:
    held = MOMENTS[moment]
    publish_rocket(npm_target, world)
    held.hold(npm_target, world)
    before, locks = npm_snapshot(npm_target), {lock_of(npm_target)}
    process = start(npm_target, "npm", *held.command)
    wait_for(lambda: held.has_come(npm_target), moment)
    process.send_signal(number)
    status = process.wait(timeout=PATIENCE_SECONDS)
    wait_for(lambda: not processes_of(npm_target), "the end of npm and of all that it started")
    manifest = (npm_target.project / "package.json").read_bytes()
    found = lock_of(npm_target)
    if number is signal.SIGKILL:
        assert status == -number
    else:
        assert status == 128 + number
        assert npm_snapshot(npm_target) == before
        assert run_folders(npm_target) == []
        assert traces_in(npm_target, world) == []

    world.npm.clear_faults()
    (npm_target.root / "free").touch()
    again = npm_target.guard(*held.command)
    assert again.status == 0, again.stderr
    assert npm_target.installed()["rocket"] == "1.0.0"
    assert found in locks | {lock_of(npm_target)}
    assert b"rocket" not in manifest or manifest == (npm_target.project / "package.json").read_bytes()
    assert run_folders(npm_target) == []
    assert not list(npm_target.project.glob(".*"))


def lock_of(target: NpmEnvironment) -> bytes | None:
    path = target.project / "package-lock.json"
    return path.read_bytes() if path.exists() else None


def test_a_signal_that_guard_was_started_to_ignore_stays_ignored(npm_target: NpmEnvironment, world: World) -> None:
    """As ``nohup`` does it: the end of a terminal ends nothing."""
    publish_rocket(npm_target, world)
    world.npm.fault("tarball", Fault.hang(2), name="rocket@1.0.0")
    (npm_target.root / "free").touch()
    npm_target.manifest()
    process = start(npm_target, "npm", "install", "rocket", prefix=("/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh"))
    wait_for(lambda: runs_npm(npm_target), "the start of npm")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: has_resolved(npm_target), "the lock")
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert npm_target.installed() == {"rocket": "1.0.0"}


def test_a_program_of_npx_has_time_to_end_in_its_own_way(npm_target: NpmEnvironment, world: World) -> None:
    """npm itself, and the shell between, end at once; at a terminal, the program would be told likewise."""
    waiting, ended = npm_target.root / "waiting", npm_target.root / "ended"
    source = f"""
        const {{ writeFileSync }} = require('fs')
        const end = () => {{ writeFileSync('{ended}', ''); process.exit() }}
        process.on('SIGTERM', () => setTimeout(end, 500))
        setTimeout(() => 0, {1000 * PATIENCE_SECONDS})
        writeFileSync('{waiting}', '')
    """
    world.upload_npm(make_tarball("server", "1.0.0", bin={"server": source}))
    process = start(npm_target, "npx", "--yes", "server")
    wait_for(waiting.exists, "the start of the program")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_SECONDS) == 128 + signal.SIGTERM
    wait_for(lambda: not processes_of(npm_target), "the end of the program")
    assert ended.exists()
    assert run_folders(npm_target) == []

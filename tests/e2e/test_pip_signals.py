"""Ending guard in the middle: nothing was installed, nothing of it stays, and the same command then works."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import GUARD, Environment
from tests.e2e.processes import PATIENCE_SECONDS, processes_of, run_folders, wait_for
from tests.sim.faults import Fault
from tests.sim.world import World

pytestmark = pytest.mark.e2e


def start_held_install(target: Environment, world: World) -> subprocess.Popen[bytes]:
    """Start an installation whose index does not answer, and wait until pip runs."""
    world.publish("rocket", "1.0.0")
    world.pypi.fault("page", Fault.hang(PATIENCE_SECONDS))
    assert target.index_url is not None
    process = subprocess.Popen(
        [GUARD, "--trust-root", str(target.trust_root), "pip", "install", "-i", target.index_url, "rocket"],
        cwd=target.project,
        env=target.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: any("--dry-run" in line for line in processes_of(target)), "the start of pip")
    return process


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at the processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_a_signal_leaves_nothing_behind(number: signal.Signals, target: Environment, world: World) -> None:
    before = sorted(os.listdir(target.site_packages))
    process = start_held_install(target, world)
    process.send_signal(number)
    status = process.wait(timeout=PATIENCE_SECONDS)
    assert status == (-number if number is signal.SIGKILL else 128 + number)
    wait_for(lambda: not processes_of(target), "the end of pip")
    assert sorted(os.listdir(target.site_packages)) == before
    assert run_folders(target) == [] or number is signal.SIGKILL

    world.pypi.clear_faults()
    again = target.install("rocket")
    assert again.status == 0, again.stderr
    assert target.installed() == {"rocket": "1.0.0"}
    assert run_folders(target) == []

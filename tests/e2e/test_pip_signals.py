"""Ending guard in the middle: nothing was installed, nothing of it stays, and the same command then works."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import GUARD, Environment
from tests.sim.faults import Fault
from tests.sim.world import World

pytestmark = pytest.mark.e2e

_PATIENCE_SECONDS = 60


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fail when it does not come."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


def run_folders(environment: Environment) -> list[Path]:
    return list((environment.home / ".cache" / "provenance-guard" / "runs").glob("run-*"))


def processes_of(environment: Environment) -> list[str]:
    """Command lines of processes that were started from the environment."""
    mark = str(environment.root / "env")
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in lines if line.startswith(mark)]


def start_held_install(target: Environment, world: World) -> subprocess.Popen[bytes]:
    """Start an installation whose index does not answer, and wait until pip runs."""
    world.publish("rocket", "1.0.0")
    world.pypi.fault("page", Fault.hang(_PATIENCE_SECONDS))
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


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at the processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_a_signal_leaves_nothing_behind(number: signal.Signals, target: Environment, world: World) -> None:
    before = sorted(os.listdir(target.site_packages))
    process = start_held_install(target, world)
    process.send_signal(number)
    status = process.wait(timeout=_PATIENCE_SECONDS)
    assert status == (-number if number is signal.SIGKILL else 128 + number)
    wait_for(lambda: not processes_of(target), "the end of pip")
    assert sorted(os.listdir(target.site_packages)) == before
    assert run_folders(target) == [] or number is signal.SIGKILL

    world.pypi.clear_faults()
    again = target.install("rocket")
    assert again.status == 0, again.stderr
    assert target.installed() == {"rocket": "1.0.0"}
    assert run_folders(target) == []

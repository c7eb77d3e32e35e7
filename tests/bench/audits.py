"""What an audit costs: parsing a lock, auditing it for the first time and again, against the simulator.

What is counted is the CPU time of guard's own process, start included; the registry's is not.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from guard_lockfiles.package_lock_entries import parse_package_lock_entries
from tests.sim.world import PublishedNpm, World

ENTRIES_COUNT = 1500
_ATTESTED_COUNT = 500
_PARSE_MAX_SECONDS = 0.060
_WARM_MAX_SECONDS = 0.6
_COLD_MIN_PER_SECOND = 250
_HOOK_MAX_SECONDS = 0.8
_PNPM_ENTRIES_COUNT = 10_000
_PNPM_WARM_MAX_SECONDS = 3.0


def measure_audits(folder: Path, *, rounds: int) -> None:
    """Measure, and print a row for each case.

    Args:
        folder: empty.
        rounds: of the cases that are short.
    """
    with World(folder) as world:
        attested = [
            world.publish_npm(f"attested-{number}", "1.0.0", attested=True) for number in range(_ATTESTED_COUNT)
        ]
        plain = [world.publish_npm(f"plain-{number}", "1.0.0") for number in range(ENTRIES_COUNT - _ATTESTED_COUNT)]
        lock = _lock(world, [*attested, *plain])
        parsing = statistics.median(_parsing_seconds(lock) for _ in range(rounds))
        target = f"<= {1000 * _PARSE_MAX_SECONDS:.0f} ms"
        _print_row("audit-parse", f"{1000 * parsing:.0f} ms", target, parsing <= _PARSE_MAX_SECONDS)
        cold = [_audit_seconds(folder / f"cold-{number}", world, _lock(world, attested)) for number in range(3)]
        rate = _ATTESTED_COUNT / statistics.median(cold)
        _print_row("audit-cold", f"{rate:.0f} packages/s", f">= {_COLD_MIN_PER_SECOND}/s", rate >= _COLD_MIN_PER_SECOND)
        _measure_hook(folder / "hook", world, [*attested, *plain], min(rounds, 7))
        _measure_pnpm(folder / "pnpm", world, 3)
        _audit_seconds(folder / "warm", world, lock)
        warm = statistics.median(_audit_seconds(folder / "warm", world, lock) for _ in range(min(rounds, 7)))
        _print_row("audit-warm", f"{warm:.2f} s", f"<= {_WARM_MAX_SECONDS} s", warm <= _WARM_MAX_SECONDS)


def _measure_hook(root: Path, world: World, published: list[PublishedNpm], rounds: int) -> None:
    """Measure what the hook costs for a commit that changes one entry of a lock, git's processes included."""
    project = root / "project"
    project.mkdir(parents=True)

    def stage(lock: bytes) -> None:
        (project / "package-lock.json").write_bytes(lock)
        subprocess.run(["git", "add", "--all"], cwd=project, check=True)

    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    stage(_lock(world, published))
    settings = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.test")
    subprocess.run(["git", *settings, "commit", "--quiet", "--message", "first"], cwd=project, check=True)
    seconds = []
    for number in range(rounds):
        newer = world.publish_npm(published[0].name, f"1.1.{number}", attested=True)
        stage(_lock(world, [newer, *published[1:]]))
        seconds.append(_guard_seconds(root, world, "--staged"))
    median = statistics.median(seconds)
    _print_row("audit-hook", f"{median:.2f} s", f"<= {_HOOK_MAX_SECONDS} s", median <= _HOOK_MAX_SECONDS)


def _measure_pnpm(root: Path, world: World, rounds: int) -> None:
    """Measure the second audit of a large lock of pnpm, for which everything is remembered."""
    published = [world.publish_npm(f"large-{number}", "1.0.0") for number in range(_PNPM_ENTRIES_COUNT)]
    lines = ["lockfileVersion: '9.0'", "importers:", "  .: {}", "packages:"]
    for each in published:
        lines += [f"  {each.name}@{each.version}:", f"    resolution: {{integrity: {each.integrity}}}"]
    lines += ["snapshots:", *(f"  {each.name}@{each.version}: {{}}" for each in published)]
    (root / "project").mkdir(parents=True)
    (root / "project" / "pnpm-lock.yaml").write_text("\n".join(lines))
    _guard_seconds(root, world)
    warm = statistics.median(_guard_seconds(root, world) for _ in range(rounds))
    _print_row("audit-pnpm", f"{warm:.2f} s", f"<= {_PNPM_WARM_MAX_SECONDS} s", warm <= _PNPM_WARM_MAX_SECONDS)


def _lock(world: World, published: list[PublishedNpm]) -> bytes:
    packages: dict[str, object] = {"": {"dependencies": {each.name: each.version for each in published}}}
    for each in published:
        packages[f"node_modules/{each.name}"] = {
            "version": each.version,
            "resolved": f"{world.npm.url}{each.name}/-/{each.name}-{each.version}.tgz",
            "integrity": each.integrity,
            "license": "MIT",
            "dependencies": {published[0].name: "^1.0.0"},
            "engines": {"node": ">=18"},
        }
    return json.dumps({"name": "project", "lockfileVersion": 3, "packages": packages}, indent=2).encode()


def _parsing_seconds(lock: bytes) -> float:
    started = time.process_time()
    parse_package_lock_entries(lock)
    return time.process_time() - started


def _audit_seconds(root: Path, world: World, lock: bytes) -> float:
    """Return the CPU seconds of one audit of a lock; what it remembers stays in its home."""
    (root / "project").mkdir(parents=True, exist_ok=True)
    (root / "project" / "package-lock.json").write_bytes(lock)
    return _guard_seconds(root, world)


def _guard_seconds(root: Path, world: World, *arguments: str) -> float:
    """Return the CPU seconds of one audit, with those of the processes that it starts."""
    project, home = root / "project", root / "home"
    home.mkdir(exist_ok=True)
    (home / ".npmrc").write_text(f"registry={world.npm.url}\n")
    environ = {"PATH": os.path.dirname(shutil.which("git") or "/usr/bin/git"), "HOME": str(home), "CI": "1"}
    command = [
        sys.executable,
        "-I",
        "-m",
        "guard",
        "-q",
        "--trust-root",
        str(world.trusted_root_path),
        "audit",
        *arguments,
    ]
    back = Path.cwd()
    os.chdir(project)
    try:
        process = os.posix_spawn(sys.executable, command, environ)
    finally:
        os.chdir(back)
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"the audit that is measured ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime


def _print_row(case: str, figure: str, target: str, is_met: bool) -> None:
    print(f"{case:<15}{figure:>18}   {target}: {'met' if is_met else 'MISSED'}", flush=True)

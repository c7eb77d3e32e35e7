"""One audit of a real lockfile, by guard as it is installed, and what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Rules that need nothing but the lock and the registry's listing: of a lock that its own tool installs, none may block.
LISTING_RULES = frozenset(
    {
        "hash-mismatch",
        "hash-missing",
        "hash-weak",
        "lock-entry-unreadable",
        "registry-host",
        "source-not-allowed",
        "yanked",
    }
)
# What would let the caller's own settings and caches of guard, pip and npm survive an empty home.
_OWN_VARIABLES = ("VIRTUAL_ENV", "PYTHONPATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedLock:
    """What an audit of one lockfile said, and what it cost.

    Args:
        lockfile: that was audited.
        exit_code: of guard.
        summary: of the report: how many artifacts have which verdict.
        rules: how many findings there are of a level and rule.
        wall_seconds: from start to end.
        cpu_seconds: user and system time of guard's process.
    """

    lockfile: Path
    exit_code: int
    summary: Mapping[str, int]
    rules: Mapping[tuple[str, str], int]
    wall_seconds: float
    cpu_seconds: float

    @property
    def entries(self) -> int:
        """How many entries the lock has."""
        return self.summary["artifacts"] + self.summary["not_decided"]

    @property
    def listing_blocks(self) -> int:
        """How many findings of :data:`LISTING_RULES` block: each is looked into."""
        return sum(count for (level, rule), count in self.rules.items() if level == "block" and rule in LISTING_RULES)


def audit_lockfile(lockfile: Path, folder: Path, *, number: int) -> AuditedLock:
    """Audit one lockfile with an empty policy.

    Args:
        lockfile: absolute.
        folder: for the home folder, in which what registries answered is remembered for the next one, and the reports.
        number: of the report.

    Raises:
        SystemExit: guard wrote no report.
    """
    home = folder / "home"
    home.mkdir(exist_ok=True)
    report = folder / f"report-{number}.json"
    report.unlink(missing_ok=True)
    environ = {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES} | {"HOME": str(home)}
    command = [sys.executable, "-I", "-m", "guard", "-q", "--report", str(report), "audit", str(lockfile)]
    started = time.monotonic()
    with (folder / f"report-{number}.txt").open("wb") as said:
        process = subprocess.Popen(command, cwd=lockfile.parent, env=environ, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if not report.exists():
        raise SystemExit(f"guard ended with {process.returncode} and without a report on {lockfile}")
    document = json.loads(report.read_bytes())
    return AuditedLock(
        lockfile=lockfile,
        exit_code=process.returncode,
        summary={name: count for name, count in document["summary"].items() if isinstance(count, int)},
        rules=Counter((finding["level"], finding["rule"]) for finding in _findings(document)),
        wall_seconds=time.monotonic() - started,
        cpu_seconds=used.ru_utime + used.ru_stime,
    )


def _findings(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from document["findings"]
    for artifact in document["artifacts"]:
        yield from artifact["findings"]

"""How long a large lock takes to read, in process time, so that what else the machine does counts little."""

from __future__ import annotations

import base64
import statistics
import time

from guard_lockfiles.pnpm import parse_pnpm_lock

_ENTRIES = 10_000
_TARGET_SECONDS = 2.0


def measure_pnpm_lock(*, rounds: int) -> None:
    """Print what a pnpm-lock.yaml of ten thousand entries costs to parse, beside its target."""
    data = _pnpm_lock(_ENTRIES)
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        lock = parse_pnpm_lock(data)
        seconds.append(time.process_time() - start)
        assert (len(lock.artifacts), lock.unreadable) == (_ENTRIES, ())
    median = statistics.median(seconds)
    verdict = "met" if median <= _TARGET_SECONDS else "MISSED"
    print(
        f"pnpm-lock.yaml of {_ENTRIES} entries, {len(data) / 1e6:.1f} MB: {median:.2f} s of process time "
        f"(best {min(seconds):.2f} s)   <= {_TARGET_SECONDS:.1f} s: {verdict}",
        flush=True,
    )


def _pnpm_lock(count: int) -> bytes:
    """Make a lock of version 9 in which every package asks for three others, as large projects' do."""
    names = [f"package-{number}" for number in range(count)]
    lines = ["lockfileVersion: '9.0'", "importers:", "  .:", "    dependencies:"]
    for number, name in enumerate(names[::50]):
        lines += [f"      {name}:", "        specifier: ^1.0.0", f"        version: 1.0.{number * 50}"]
    lines.append("packages:")
    for number, name in enumerate(names):
        integrity = base64.b64encode(number.to_bytes(8, "big") * 8).decode()
        lines += [f"  {name}@1.0.{number}:", f"    resolution: {{integrity: sha512-{integrity}}}"]
        lines.append("    engines: {node: '>=8'}")
    lines.append("snapshots:")
    for number, name in enumerate(names):
        lines += [f"  {name}@1.0.{number}:", "    dependencies:"]
        asked = sorted({(number * 7 + step) % count for step in range(3)})
        lines += [f"      {names[each]}: 1.0.{each}" for each in asked]
    return "\n".join(lines).encode()

"""``python -m tests.fuzz [--minutes N] [TARGET…]``: fuzzes each target for an equal share of the time.

What is found is made small and printed with the line that shows it again; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import base64
import random
import sys
import time
from collections.abc import Sequence

from tests.fuzz.target import Target, try_inputs
from tests.fuzz.targets import TARGETS

_BATCH = 200


def main(arguments: Sequence[str]) -> int:
    """Fuzz the chosen targets, or all, and return 1 when one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=90.0, help="for all targets together")
    parser.add_argument("--again", metavar="BASE64", help="give the one target this input")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without one")
    options = parser.parse_args(arguments)
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    chosen = options.targets or list(TARGETS)
    if options.again is not None:
        TARGETS[chosen[0]].check(base64.b64decode(options.again))
        return 0
    share_seconds = options.minutes * 60 / len(chosen)
    return max([_fuzz(name, TARGETS[name], share_seconds) for name in chosen])


def _fuzz(name: str, target: Target, seconds: float) -> int:
    end, count = time.monotonic() + seconds, 0
    last = b""

    def check(data: bytes) -> None:
        nonlocal last, count
        last, count = data, count + 1
        target.check(data)

    while time.monotonic() < end:
        try:
            try_inputs(Target(target.inputs, check), count=_BATCH, start=random.getrandbits(63))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of Rust code is no Exception
            print(f"{name}: {type(error).__name__}: {ascii(str(error))[:500]}")
            print(f"    python -m tests.fuzz {name} --again {base64.b64encode(last).decode()}", flush=True)
            return 1
    print(f"{name}: {count} inputs in {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

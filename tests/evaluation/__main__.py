"""Audits lockfiles that the command line names, and prints one row of a table for each.

The registries are those that this machine's pip and npm are configured for. Policy and home folder are empty, so that
what is counted is what somebody sees who has just installed guard. Nothing of a lockfile is kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.evaluation.audit import audit_lockfile
from tests.evaluation.table import render_header, render_row, render_total


def main(argv: list[str]) -> int:
    """Audit, print the table, and return 1 where a rule that reads nothing but locks and listings blocked.

    Args:
        argv: the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation", description=__doc__)
    parser.add_argument("lockfiles", nargs="+", type=Path, metavar="LOCKFILE")
    parser.add_argument("--keep", type=Path, help="folder for the reports and for what guard remembers")
    options = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        print(render_header(), flush=True)
        audited = []
        for number, lockfile in enumerate(options.lockfiles):
            audited.append(audit_lockfile(lockfile.absolute(), folder.absolute(), number=number))
            print(render_row(audited[-1]), flush=True)
        print(render_total(audited), flush=True)
    return int(any(each.listing_blocks for each in audited))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

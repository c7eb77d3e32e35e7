"""What guard costs: the same command bare and guarded, in turns, against the configured index.

Every run gets a fresh virtual environment and, unless its case is a warm one, empty caches. Runs alternate, so that
both sides see the same machine and the same index; medians of pairs are compared. Nothing here is a test: figures of
a shared machine decide nothing by themselves.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.environments import Bench, Cost, write_locked_requirements

_SMALL = ("rich", "requests", "flask")
_LARGE = ("jupyterlab",)


@dataclass(frozen=True, slots=True)
class Target:
    """The most that guard may cost, in words and as a judgement on two wall times in seconds."""

    text: str
    is_met: Callable[[float, float], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """One command that is measured.

    Args:
        name: for ``--case``.
        arguments: what follows ``pip``; ``LOCKED`` stands for the hashed requirements file.
        target: the most that guard may cost.
        pairs: how many pairs of runs are worth their time.
        is_warm: whether pip's and guard's caches are kept between runs.
    """

    name: str
    arguments: tuple[str, ...]
    target: Target
    pairs: int
    is_warm: bool = False


def _at_most_ratio(most: float) -> Target:
    return Target(f"<= {most:.2f} x", lambda bare, guarded: guarded <= most * bare)


def _at_most_added(seconds: float) -> Target:
    return Target(f"<= +{seconds:.2f} s", lambda bare, guarded: guarded <= bare + seconds)


_INSTALL = ("install", "--quiet")
_CASES = (
    Case("version", ("--version",), _at_most_added(0.08), pairs=15),
    Case("small", (*_INSTALL, *_SMALL), _at_most_added(0.9), pairs=5),
    Case("small-warm", (*_INSTALL, *_SMALL), _at_most_added(0.9), pairs=5, is_warm=True),
    Case("locked", (*_INSTALL, "-r", "LOCKED"), _at_most_ratio(1.10), pairs=3),
    Case("locked-warm", (*_INSTALL, "-r", "LOCKED"), _at_most_ratio(1.10), pairs=3, is_warm=True),
    Case("large", (*_INSTALL, *_LARGE), _at_most_ratio(1.30), pairs=3),
    Case("large-warm", (*_INSTALL, *_LARGE), _at_most_ratio(1.30), pairs=3, is_warm=True),
)


def main() -> int:
    """Measure the chosen cases and print a table."""
    names = [case.name for case in _CASES]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--case", action="append", choices=names, help="measure this case only; may be repeated")
    parser.add_argument("--pairs", type=int, help="pairs of runs for each case, instead of the case's own number")
    options = parser.parse_args()
    chosen = [case for case in _CASES if options.case is None or case.name in options.case]
    print(f"{'case':<12}{'':<9}{'wall':>8}{'CPU':>9}   guarded / bare   added     target", flush=True)
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        bench = Bench(Path(folder))
        for case in chosen:
            pairs = list(_measure(bench, case, options.pairs or case.pairs))
            _print_rows(case, [bare for bare, _ in pairs], [guarded for _, guarded in pairs])
    return 0


def _measure(bench: Bench, case: Case, count: int) -> Iterator[tuple[Cost, Cost]]:
    arguments = tuple(_locked(bench) if word == "LOCKED" else word for word in case.arguments)
    if case.is_warm:
        bench.run(("pip", *arguments), keep_home="bare")
        bench.run(("guard", "pip", *arguments), keep_home="guarded")
    for number in range(count):
        if sys.stderr.isatty():
            print(f"{case.name}: pair {number + 1} of {count}", end="\r", file=sys.stderr, flush=True)
        bare = bench.run(("pip", *arguments), keep_home="bare" if case.is_warm else None)
        guarded = bench.run(("guard", "pip", *arguments), keep_home="guarded" if case.is_warm else None)
        if bare.installed != guarded.installed:
            raise SystemExit(f"{case.name}: both sides did not install the same: {bare.installed ^ guarded.installed}")
        yield bare, guarded


def _locked(bench: Bench) -> str:
    path = bench.folder / "locked.txt"
    if not path.exists():
        write_locked_requirements(bench, _LARGE, path)
    return os.fspath(path)


def _print_rows(case: Case, bare: list[Cost], guarded: list[Cost]) -> None:
    ratio = statistics.median(b.wall_seconds / a.wall_seconds for a, b in zip(bare, guarded, strict=True))
    added = statistics.median(b.wall_seconds - a.wall_seconds for a, b in zip(bare, guarded, strict=True))
    wall = statistics.median(item.wall_seconds for item in bare)
    cpu = statistics.median(item.cpu_seconds for item in bare)
    wall_guarded = statistics.median(item.wall_seconds for item in guarded)
    cpu_guarded = statistics.median(item.cpu_seconds for item in guarded)
    verdict = "met" if case.target.is_met(wall, wall_guarded) else "MISSED"
    print(f"{case.name:<12}{'bare':<9}{wall:>7.2f}s{cpu:>8.2f}s", flush=True)
    print(
        f"{'':<12}{'guarded':<9}{wall_guarded:>7.2f}s{cpu_guarded:>8.2f}s"
        f"{ratio:>10.2f} x   {added:>+9.2f} s   {case.target.text}: {verdict}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

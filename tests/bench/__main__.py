"""What guard costs: the same command bare and guarded, in turns, against the configured registries.

Every run gets a fresh virtual environment or project and, unless its case is a warm one, empty caches. The two sides
take turns in going first, so that both see the same machine, disk and index; what is judged is the median over pairs.
Nothing here is a test: figures of a shared machine decide nothing by themselves.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.audits import measure_audits
from tests.bench.environments import Bench, Cost, write_locked_requirements
from tests.bench.lockfiles import measure_pnpm_lock
from tests.bench.verification import measure_verification

_SMALL = ("rich", "requests", "flask")
_LARGE = ("jupyterlab",)
_NPM_SMALL = ("semver",)  # a package without dependencies
_NPM_LARGE = ("express", "eslint", "webpack", "webpack-cli", "html-webpack-plugin", "mocha")  # some 300 packages


@dataclass(frozen=True, slots=True)
class Target:
    """The most that guard may cost: a ratio of wall times, or seconds that it adds."""

    ratio: float | None = None
    added_seconds: float | None = None

    def __str__(self) -> str:
        return f"<= {self.ratio:.2f} x" if self.ratio is not None else f"<= {self.added_seconds:+.3f} s"

    def is_met(self, ratio: float, added_seconds: float) -> bool:
        """Judge medians over pairs."""
        if self.ratio is not None:
            return ratio <= self.ratio
        return self.added_seconds is not None and added_seconds <= self.added_seconds


@dataclass(frozen=True, slots=True)
class Case:
    """One command that is measured.

    Args:
        name: for ``--case``.
        argv: as it is typed without guard; ``LOCKED`` stands for the hashed requirements file.
        target: the most that guard may cost.
        pairs: how many pairs of runs are worth their time.
        is_warm: whether the tool's and guard's caches are kept between runs.
        is_typed_plainly: whether the guarded side types the same and meets the shim, instead of ``guard pip``.
        locks: dependencies of the npm project that it is run in, which has a lock; none for an empty project.
    """

    name: str
    argv: tuple[str, ...]
    target: Target
    pairs: int
    is_warm: bool = False
    is_typed_plainly: bool = False
    locks: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Both sides, with the first word that stands before their command lines."""
        return ("bare", ()), ("guarded", ("shim",) if self.is_typed_plainly else ("guard",))


_PIP = ("pip", "install", "--quiet")
_NPM = ("npm", "install", "--no-audit", "--no-fund")
_CI = ("npm", "ci", "--no-audit", "--no-fund")
_VERIFICATION = "verification"
_LOCKFILES = "lockfiles"
_STARTS = "starts"
_STARTS_ROUNDS = 15
_START_TARGET_SECONDS = 0.120
_LOCKFILES_ROUNDS = 5
_VERIFICATION_ROUNDS = 50
_AUDIT = "audit"
_AUDIT_ROUNDS = 15
_CASES = (
    Case("version", ("pip", "--version"), Target(added_seconds=0.08), pairs=15),
    Case("shim", ("pip", "--version"), Target(added_seconds=0.025), pairs=31, is_typed_plainly=True),
    Case("small", (*_PIP, *_SMALL), Target(added_seconds=0.9), pairs=5),
    Case("small-warm", (*_PIP, *_SMALL), Target(added_seconds=0.9), pairs=5, is_warm=True),
    Case("locked", (*_PIP, "-r", "LOCKED"), Target(ratio=1.10), pairs=3),
    Case("locked-warm", (*_PIP, "-r", "LOCKED"), Target(ratio=1.10), pairs=3, is_warm=True),
    Case("large", (*_PIP, *_LARGE), Target(ratio=1.30), pairs=3),
    Case("large-warm", (*_PIP, *_LARGE), Target(ratio=1.30), pairs=3, is_warm=True),
    Case("npm-version", ("npm", "--version"), Target(added_seconds=0.08), pairs=15),
    Case("npm-shim", ("npm", "--version"), Target(added_seconds=0.025), pairs=31, is_typed_plainly=True),
    Case("npm-small", (*_NPM, *_NPM_SMALL), Target(ratio=1.30), pairs=7),
    Case("npm-small-warm", (*_NPM, *_NPM_SMALL), Target(ratio=1.30), pairs=7, is_warm=True),
    Case("npm-large", (*_NPM, *_NPM_LARGE), Target(ratio=1.30), pairs=3),
    Case("npm-large-warm", (*_NPM, *_NPM_LARGE), Target(ratio=1.30), pairs=3, is_warm=True),
    Case("npm-ci", _CI, Target(ratio=1.10), pairs=5, locks=_NPM_LARGE),
    Case("npm-ci-warm", _CI, Target(ratio=1.15), pairs=5, is_warm=True, locks=_NPM_LARGE),
)


def main() -> int:
    """Measure the chosen cases and print a table."""
    names = [*(case.name for case in _CASES), _VERIFICATION, _LOCKFILES, _AUDIT, _STARTS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--case", action="append", choices=names, help="measure this case only; may be repeated")
    parser.add_argument("--pairs", type=int, help="pairs of runs, or rounds, for each case, instead of its own number")
    options = parser.parse_args()
    chosen = [case for case in _CASES if options.case is None or case.name in options.case]
    if options.case is None or _VERIFICATION in options.case:
        with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
            measure_verification(Path(folder), rounds=options.pairs or _VERIFICATION_ROUNDS)
    if options.case is None or _LOCKFILES in options.case:
        measure_pnpm_lock(rounds=options.pairs or _LOCKFILES_ROUNDS)
    if options.case is None or _AUDIT in options.case:
        with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
            measure_audits(Path(folder), rounds=options.pairs or _AUDIT_ROUNDS)
    if options.case is None or _STARTS in options.case:
        with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
            _measure_starts(Bench(Path(folder)), options.pairs or _STARTS_ROUNDS)
    if not chosen:
        return 0
    print(f"{'case':<15}{'':<9}{'wall':>8}{'CPU':>9}   guarded / bare   added     target", flush=True)
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        bench = Bench(Path(folder))
        for case in chosen:
            pairs = list(_measure(bench, case, options.pairs or case.pairs))
            _print_rows(case, [bare for bare, _ in pairs], [guarded for _, guarded in pairs])
    return 0


def _measure_starts(bench: Bench, rounds: int) -> None:
    """Print how much later the tool begins to run when an install is typed with shims in front."""
    for argv in (("pip", "install", "--quiet", "six"), (*_NPM, *_NPM_SMALL)):
        pairs = []
        for number in range(rounds):
            turns = ((), ("shim",)) if number % 2 == 0 else (("shim",), ())
            seconds = {words: bench.start_of_tool(argv, words=words) for words in turns}
            pairs.append((seconds[()], seconds["shim",]))
        added = statistics.median(guarded - bare for bare, guarded in pairs)
        verdict = "met" if added <= _START_TARGET_SECONDS else "MISSED"
        print(
            f"{argv[0]} begins to run {added:+.3f} s later   <= {_START_TARGET_SECONDS:+.3f} s: {verdict}", flush=True
        )


def _measure(bench: Bench, case: Case, count: int) -> Iterator[tuple[Cost, Cost]]:
    argv = tuple(_locked(bench) if word == "LOCKED" else word for word in case.argv)
    project = None
    if argv[0] == "npm":
        project = bench.make_project("locked" if case.locks else "empty", case.locks)
    if case.is_warm:
        for side, words in case.sides:
            bench.run((*words, *argv), keep_home=side, project=project)
    for number in range(count):
        if sys.stderr.isatty():
            print(f"{case.name}: pair {number + 1} of {count}", end="\r", file=sys.stderr, flush=True)
        turns = case.sides if number % 2 == 0 else case.sides[::-1]
        costs = {
            side: bench.run((*words, *argv), keep_home=side if case.is_warm else None, project=project)
            for side, words in turns
        }
        bare, guarded = costs["bare"], costs["guarded"]
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
    verdict = "met" if case.target.is_met(ratio, added) else "MISSED"
    print(f"{case.name:<15}{'bare':<9}{wall:>7.2f}s{cpu:>8.2f}s", flush=True)
    print(
        f"{'':<15}{'guarded':<9}{wall_guarded:>7.2f}s{cpu_guarded:>8.2f}s"
        f"{ratio:>10.2f} x   {added:>+9.3f} s   {case.target}: {verdict}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

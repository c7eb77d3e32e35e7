"""``python -m tests.mutation [MODULE…]``: prints each mutant of guard.sigstore and guard.attest that no test notices.

Every mutant has a process of its own, forked from one that has imported the libraries and nothing of guard, in which
the mutant stands in for its module while the package's tests run until the first failure. It never touches a file.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tests.mutation.operators import Mutant, mutants_of

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("guard/sigstore", "guard/attest")
# Beside the tests that are named for a module: what runs all modules of its package together.
_TOGETHER = {
    "sigstore": ["tests/unit/test_sigstore_own.py"],
    "attest": ["tests/unit/test_corpus_npm.py", "tests/unit/test_corpus_pypi.py"],
}
_SECONDS = 120.0


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from other source than its file's."""

    def __init__(self, path: Path, source: str) -> None:
        self._path, self._source = path, source

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == _name_of(self._path) else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, self._path, "exec"), module.__dict__)


def main(arguments: Sequence[str]) -> int:
    """Run the mutants of modules and return 1 when one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as guard/sigstore/log.py; all without one")
    chosen = parser.parse_args(arguments).modules
    os.chdir(_ROOT)
    paths = [Path(one) for one in chosen] or [
        path for package in _PACKAGES for path in sorted(Path(package).glob("*.py"))
    ]
    _import_libraries()
    survivors = sum(_run_module(path) for path in paths)
    return 1 if survivors else 0


def _import_libraries() -> None:
    for library in ("hypothesis", "pytest", "rfc3161_client", "sigstore.verify"):
        importlib.import_module(library)
    assert not any(name.partition(".")[0] == "guard" for name in sys.modules)


def _run_module(path: Path) -> int:
    tests = _tests_of(path)
    source = path.read_text()
    start = time.monotonic()
    if not _survives(path, source, tests):
        print(f"{path}: its tests fail without any mutant", flush=True)
        return 1
    limit = 10 + 5 * (time.monotonic() - start)
    survivors, count = [], 0
    for mutant in mutants_of(source):
        count += 1
        if _survives(path, mutant.source, tests, min(limit, _SECONDS)):
            survivors.append(mutant)
            _report(path, mutant)
    print(f"{path}: {count - len(survivors)} of {count} mutants noticed", flush=True)
    return len(survivors)


def _name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def _tests_of(path: Path) -> list[str]:
    package, module = path.parent.name, path.stem
    named = f"tests/unit/test_{package}_{module}.py"
    return [test for test in dict.fromkeys([named, *_TOGETHER[package]]) if Path(test).exists()]


def _report(path: Path, mutant: Mutant) -> None:
    print(f"{path}:{mutant.line}: {mutant.was}  ->  {mutant.becomes}", flush=True)


def _survives(path: Path, source: str, tests: list[str], seconds: float = _SECONDS) -> bool:
    """Whether all tests pass; each file has a process of its own, so that the next is read only where they do."""
    return all(_passes(path, source, test, seconds) for test in tests)


def _passes(path: Path, source: str, test: str, seconds: float) -> bool:
    """Whether the tests of a file pass; a mutant that does not end is noticed."""
    child = os.fork()
    if child == 0:
        _run_tests(path, source, test)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run_tests(path: Path, source: str, test: str) -> None:
    """Run tests with a module's stand-in, and end this process with their status."""
    import pytest

    sys.meta_path.insert(0, _StandIn(path, source))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    status = 70
    try:
        status = int(pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", test]))
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

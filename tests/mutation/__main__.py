"""``python -m tests.mutation [MODULE…]``: prints each mutant of guard.sigstore and guard.attest that no test notices.

The tests of a module are its own and those of all modules of its package together. They run first in forks of a process
that has imported everything (:mod:`tests.mutation.resident`); what they do not notice there gets a process in which the
mutant is what all others import. Nothing touches a file.
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
from collections.abc import Iterator, Sequence
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
    "policy": [],
}
# Modules whose tests have another's name.
_VERIFY = "tests/unit/test_cli_verify.py"
_NAMED_OTHERWISE = {
    "guard/sigstore/envelope.py": ["tests/unit/test_cli_verify_envelope.py", "tests/unit/test_attest_file_evidence.py"],
    "guard/sigstore/issuers.py": ["tests/unit/test_sigstore_certificate.py", "tests/unit/test_attest_publisher.py"],
    "guard/sigstore/library.py": ["tests/unit/test_sigstore_verify.py", "tests/unit/test_sigstore_differential.py"],
    "guard/sigstore/slsa_level.py": ["tests/unit/test_attest_slsa.py"],
    "guard/policy/expectation.py": [_VERIFY],
    "guard/policy/verification.py": [_VERIFY],
    "guard/attest/statement.py": ["tests/unit/test_attest_statement.py", _VERIFY],
    **{
        f"guard/attest/{module}.py": [
            f"tests/unit/test_attest_{module}.py",
            "tests/unit/test_attest_file_evidence.py",
            _VERIFY,
        ]
        for module in ("evidence_file", "evidence_set", "file_evidence", "file_statement", "subject")
    },
}
_PYTEST = ["-x", "-q", "--assert=plain", "--capture=sys", "-o", "timeout=0", "-p", "no:cacheprovider"]
_SECONDS = 600.0


class _UnusableTests(Exception):
    """They fail without any mutant."""


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
    mutants = list(mutants_of(path.read_text()))
    start = time.monotonic()
    survivors = 0
    try:
        for number in _unnoticed(path, mutants, tests):
            mutant = mutants[number]
            if _survives(path, mutant.source, tests):
                survivors += 1
                print(f"{path}:{mutant.line}: {mutant.was}  ->  {mutant.becomes}", flush=True)
    except _UnusableTests:
        print(f"{path}: its tests fail without any mutant", flush=True)
        return 1
    minutes = (time.monotonic() - start) / 60
    print(f"{path}: {len(mutants) - survivors} of {len(mutants)} mutants noticed, {minutes:.1f} minutes", flush=True)
    return survivors


def _name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def _tests_of(path: Path) -> list[str]:
    package, module = path.parent.name, path.stem
    named = _NAMED_OTHERWISE.get(str(path), [f"tests/unit/test_{package}_{module}.py"])
    return [test for test in dict.fromkeys([*named, *_TOGETHER[package]]) if Path(test).exists()]


def _unnoticed(path: Path, mutants: Sequence[Mutant], tests: Sequence[str]) -> Iterator[int]:
    """Yield the numbers of those mutants that tests which are imported already do not notice."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_resident(path, mutants, tests, writing)
    os.close(writing)
    with os.fdopen(reading) as lines:
        yield from map(int, lines)
    if os.waitpid(child, 0)[1] != 0:
        raise _UnusableTests


def _run_resident(path: Path, mutants: Sequence[Mutant], tests: Sequence[str], writing: int) -> None:
    from tests.mutation.resident import MutantLoop

    def report(number: int) -> None:
        os.write(writing, f"{number}\n".encode())

    _run_tests(tests, [MutantLoop(_name_of(path), mutants, report)])


def _survives(path: Path, source: str, tests: Sequence[str]) -> bool:
    """Whether all tests pass; each file has a process of its own, so that the next is read only where they do."""
    return all(_passes(path, source, test) for test in tests)


def _passes(path: Path, source: str, test: str) -> bool:
    """Whether the tests of a file pass; a mutant that does not end is noticed."""
    child = os.fork()
    if child == 0:
        signal.alarm(int(_SECONDS))
        sys.meta_path.insert(0, _StandIn(path, source))
        _run_tests([test], [])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _run_tests(tests: Sequence[str], plugins: list[object]) -> None:
    """Run tests and end this process with their status."""
    import pytest

    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    status = 70
    try:
        status = int(pytest.main([*_PYTEST, *tests], plugins=plugins))
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs tests that are imported already under one mutant after another, each in a fork of this process.

Importing, collecting and minting cost a hundred times what most tests do. So they are done once; a fork gives the
module's functions the mutant's code, runs the tests until the first failure and ends. Only what is wrong inside a
function can be shown in this way: what a module makes when it is imported, others have taken from it by then.
"""

from __future__ import annotations

import importlib
import inspect
import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any

import hypothesis
import pytest

from tests.mutation.operators import Mutant

_MEMORY_BYTES = 4 * 1024**3


class MutantLoop:
    """A plugin of pytest that runs the collected tests under mutants in place of once.

    Args:
        module: name of the module.
        mutants: of it.
        report: called with the number of each mutant that these tests do not notice.
    """

    def __init__(self, module: str, mutants: Sequence[Mutant], report: Callable[[int], None]) -> None:
        self._module, self._mutants, self._report = module, mutants, report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run what tries examples last: it takes longest and is rarely the first to notice."""
        items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests under each mutant."""
        module = importlib.import_module(self._module)
        # A counterexample need not be a short one.
        profile = hypothesis.settings(phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate), database=None)
        hypothesis.settings.register_profile("mutation", profile)
        hypothesis.settings.load_profile("mutation")
        put_in_place(module, inspect.getsource(module))
        if not _passes(session, cpu_seconds=600):
            raise SystemExit(f"{self._module}: its tests fail without any mutant")
        limit = 3 + int(2 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime)
        for number, mutant in enumerate(self._mutants):
            if not (mutant.in_function and _can_be_put(module, mutant.source)) or _passes(session, cpu_seconds=limit):
                self._report(number)
        return True


def put_in_place(module: ModuleType, source: str) -> None:
    """Give a module's functions the code that they have in other source; every one, so that nothing stays of the last.

    Args:
        module: imported.
        source: of it, with other bodies of functions and nothing else changed.
    """
    codes = dict(_codes(compile(source, str(module.__file__), "exec")))
    for name, function in _functions(module):
        function.__code__ = codes[name]


def _can_be_put(module: ModuleType, source: str) -> bool:
    """Put a mutant in place, unless a function of it closes over less than it did, such as ``super()``."""
    try:
        put_in_place(module, source)
    except ValueError:
        return False
    return True


def _codes(code: CodeType, place: str = "") -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            name = f"{place}{inner.co_name}"
            yield name, inner
            if not inner.co_flags & inspect.CO_NEWLOCALS:  # the body of a class
                yield from _codes(inner, f"{name}.")


def _functions(owner: ModuleType | type, place: str = "") -> Iterator[tuple[str, FunctionType]]:
    """Yield those functions of a module, its classes' included, whose source stands in it, by name."""
    for name, value in vars(owner).items():
        function = inspect.unwrap(_undecorated(value))
        if isinstance(function, FunctionType) and function.__code__.co_filename == _file_of(owner):
            yield f"{place}{name}", function
        elif isinstance(value, type) and isinstance(owner, ModuleType) and value.__module__ == owner.__name__:
            yield from _functions(value, f"{name}.")


def _undecorated(value: Any) -> Any:
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _file_of(owner: ModuleType | type) -> str | None:
    return inspect.getsourcefile(owner)


def _passes(session: pytest.Session, *, cpu_seconds: int) -> bool:
    """Whether all tests pass in a fork; what does not end in its share of processor time is noticed."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
            signal.alarm(60 * cpu_seconds)
            status = _run(session)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _run(session: pytest.Session) -> int:
    """Run the tests until the first failure."""
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0

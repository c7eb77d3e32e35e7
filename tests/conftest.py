"""How thorough the tests are: a tenth of the examples and a share of large tables; all with ``make test-full``."""

from __future__ import annotations

import os
import signal
import zlib

import pytest
from hypothesis import HealthCheck, settings

_TENTH = settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("tenth", _TENTH)
settings.register_profile("full", _TENTH, max_examples=1000, derandomize=False)
_IS_FULL = os.environ.get("GUARD_TEST_CAMPAIGNS") == "full"
settings.load_profile("full" if _IS_FULL else "tenth")

# A shell's background job ignores interrupts, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is no part of this run: of a ``campaign(N)`` one case in N is, always the same ones."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        marker = item.get_closest_marker("campaign")
        share = 1 if marker is None or _IS_FULL else marker.args[0]
        (left if zlib.crc32(item.nodeid.encode()) % share else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name cases of bytes by their place: what is made anew in every process has no name that two workers share."""
    return argname if isinstance(val, bytes) else None

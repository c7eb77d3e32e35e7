"""Relaying a tool's output to the end, whoever reads it and whoever still could write."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from guard.managers import process
from guard.managers.process import OutputFilter

_MORE_THAN_PIPES_HOLD = b"x" * 1_000_000


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[process._Relay, int, int]]:
    """A relay with the end that its tool writes to and the end that its user reads from."""
    monkeypatch.setattr(process, "_KILL_AFTER_SECONDS", 0.01)
    source, tool = os.pipe()
    user, sink = os.pipe()
    relay = process._Relay(source, sink, OutputFilter(["http://127.0.0.1:1"], lambda text: text))
    relay.start()
    yield relay, tool, user
    relay.join(timeout=60)
    os.close(user)
    os.close(sink)


def _write_and_close(descriptor: int) -> None:
    os.write(descriptor, _MORE_THAN_PIPES_HOLD)
    os.close(descriptor)


def test_a_reader_may_take_its_time(relay: tuple[process._Relay, int, int]) -> None:
    running, tool, user = relay
    writer = threading.Thread(target=_write_and_close, args=(tool,))
    finisher = threading.Thread(target=running.finish)
    writer.start()
    seen = len(os.read(user, 1))  # from here on, it is the reader that is waited for
    finisher.start()
    finisher.join(timeout=0.2)
    assert finisher.is_alive()
    while seen < len(_MORE_THAN_PIPES_HOLD):
        seen += len(os.read(user, 65536))
    finisher.join(timeout=60)
    assert not finisher.is_alive()
    writer.join()


def test_who_still_could_write_and_does_not_is_not_waited_for(relay: tuple[process._Relay, int, int]) -> None:
    running, tool, user = relay
    os.write(tool, b"done\n")
    assert os.read(user, 100) == b"done\n"
    running.finish()
    assert running.is_alive()
    os.close(tool)

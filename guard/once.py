"""Work that is done once a run, whoever needs its result and from whichever thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Once(Generic[_Key, _Value]):
    """Makes the value for each key once; whoever asks meanwhile waits for the one who makes it."""

    def __init__(self) -> None:
        self._futures: dict[_Key, Future[_Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """Return the value for a key, made by the first who asks; raise what making it raised."""
        with self._lock:
            future = self._futures.get(key)
            mine = future is None
            if future is None:
                future = self._futures[key] = Future()
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def peek(self, key: _Key) -> _Value | None:
        """Return the value if it was made, and raise what making it raised; never wait."""
        with self._lock:
            future = self._futures.get(key)
        return future.result() if future is not None and future.done() else None

    def find(self, key: _Key) -> _Value | None:
        """Return the value if it was made; ``None`` where it was not, or making it failed."""
        with self._lock:
            future = self._futures.get(key)
        return future.result() if future is not None and future.done() and future.exception() is None else None

"""Work that is done once a run, whoever needs its result and from whichever thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class _Made(Generic[_Value]):
    """A value that is being made or was made; whoever waits for it brings the event to wait by."""

    __slots__ = ("error", "event", "is_done", "value")

    def __init__(self) -> None:
        self.is_done = False
        self.value: _Value | None = None
        self.error: BaseException | None = None
        self.event: threading.Event | None = None

    def result(self) -> _Value:
        if self.error is not None:
            raise self.error
        return cast("_Value", self.value)


class Once(Generic[_Key, _Value]):
    """Makes the value for each key once; whoever asks meanwhile waits for the one who makes it."""

    def __init__(self) -> None:
        self._made: dict[_Key, _Made[_Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """Return the value for a key, made by the first who asks; raise what making it raised."""
        event: threading.Event | None = None
        with self._lock:
            made = self._made.get(key)
            mine = made is None
            if made is None:
                made = self._made[key] = _Made()
            elif not made.is_done:
                event = made.event = made.event or threading.Event()
        if mine:
            self._make(made, make)
        elif event is not None:
            event.wait()
        return made.result()

    def _make(self, made: _Made[_Value], make: Callable[[], _Value]) -> None:
        try:
            made.value = make()
        except BaseException as error:
            made.error = error
            raise
        finally:
            with self._lock:
                made.is_done = True
            if made.event is not None:
                made.event.set()

    def peek(self, key: _Key) -> _Value | None:
        """Return the value if it was made, and raise what making it raised; never wait."""
        with self._lock:
            made = self._made.get(key)
        return made.result() if made is not None and made.is_done else None

    def find(self, key: _Key) -> _Value | None:
        """Return the value if it was made; ``None`` where it was not, or making it failed."""
        with self._lock:
            made = self._made.get(key)
        return made.value if made is not None and made.is_done and made.error is None else None

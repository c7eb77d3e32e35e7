"""Work that is done once, from several threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from guard.once import Once


def fail() -> int:
    raise LookupError("no")


def test_a_value_is_made_once_for_each_key() -> None:
    once: Once[str, str] = Once()
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    assert [once.get(key, partial(make, key)) for key in ("a", "b", "a", "b")] == ["A", "B", "A", "B"]
    assert made == ["a", "b"]


def test_whoever_asks_meanwhile_waits_for_the_one_who_makes_it() -> None:
    once: Once[str, object] = Once()
    begun, may_end = threading.Event(), threading.Event()
    made: list[object] = []

    def make() -> object:
        begun.set()
        assert may_end.wait(10)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(once.get, "a", make)
        assert begun.wait(10)
        others = [pool.submit(once.get, "a", make) for _ in range(3)]
        assert once.peek("a") is once.find("a") is None
        may_end.set()
        assert {id(each.result(10)) for each in (first, *others)} == {id(made[0])}
    assert len(made) == 1


def test_another_key_does_not_wait() -> None:
    once: Once[str, str] = Once()
    assert once.get("a", lambda: once.get("b", lambda: "b") + "a") == "ba"


def test_a_failure_is_everybodys() -> None:
    once: Once[str, int] = Once()
    for _ in range(2):
        with pytest.raises(LookupError, match="no"):
            once.get("a", fail)
    with pytest.raises(LookupError):
        once.get("a", lambda: 1)
    with pytest.raises(LookupError):
        once.peek("a")
    assert once.find("a") is None


def test_who_waits_hears_of_an_interrupt_too() -> None:
    once: Once[str, int] = Once()

    def interrupt() -> int:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            once.get("a", interrupt)


def test_what_was_not_asked_for_is_nothing() -> None:
    once: Once[str, int] = Once()
    assert once.peek("a") is once.find("a") is None
    once.get("a", lambda: 0)
    assert once.peek("a") == once.find("a") == 0

"""A seeded share of what ``make fuzz`` does for longer: any bytes verify, or are refused with the one error."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.fuzz.__main__ import main
from tests.fuzz.target import try_inputs
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_verify_or_are_refused(name: str) -> None:
    try_inputs(TARGETS[name], count=settings().max_examples // 4, start=20)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000, b"\x30\x80", b"null"], ids=ascii)
def test_what_is_no_document_is_refused(name: str, data: bytes) -> None:
    TARGETS[name].check(data)


def test_a_target_is_fuzzed_for_its_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--minutes", "0.00001", "statement"]) == 0
    assert capsys.readouterr().out.startswith("statement: ")


def test_what_is_found_is_printed_with_the_line_that_shows_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(data: bytes) -> None:
        raise LookupError("\x1b[2J")

    monkeypatch.setitem(TARGETS, "statement", type(TARGETS["statement"])(TARGETS["statement"].inputs, fail))
    assert main(["--minutes", "0.0001", "statement"]) == 1
    said, again = capsys.readouterr().out.splitlines()
    assert said == "statement: LookupError: '\\x1b[2J'"
    with pytest.raises(LookupError):
        main(again.split()[3:])

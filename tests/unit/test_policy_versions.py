"""The order of releases and their lines, against the specifications' own examples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model import Ecosystem
from guard.policy.versions import find_earlier, parse_release_version

PYPI, NPM = Ecosystem.PYPI, Ecosystem.NPM

# Semantic Versioning 2.0.0, items 10 and 11.
SEMVER_ORDER = (
    "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
    "1.0.0", "2.0.0", "2.1.0", "2.1.1", "2.1.10",
)  # fmt: skip
# PEP 440, "Summary of permitted suffixes and relative ordering".
PEP440_ORDER = ("1.dev0", "1.0.dev456", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post456", "1.1.dev1", "1.1", "1!0.1")


def order_of(ecosystem: Ecosystem, text: str) -> object:
    parsed = parse_release_version(ecosystem, text)
    assert parsed is not None
    return parsed.order


@pytest.mark.parametrize(("ecosystem", "ordered"), [(NPM, SEMVER_ORDER), (PYPI, PEP440_ORDER)])
def test_releases_have_the_order_of_their_specification(ecosystem: Ecosystem, ordered: tuple[str, ...]) -> None:
    for lower, higher in pairwise(ordered):
        assert order_of(ecosystem, lower) < order_of(ecosystem, higher)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("ecosystem", "version", "line"),
    [
        (NPM, "1.2.3", (1,)),
        (NPM, "0.2.3", (0, 2)),
        (NPM, "0.0.3", (0, 0)),
        (NPM, "2024.1.0", (1990,)),
        (PYPI, "1.2", (0, 1)),
        (PYPI, "0", (0, 0)),
        (PYPI, "0.7.post1", (0, 0, 7)),
        (PYPI, "2025.1.1", (0, 1990)),
        (PYPI, "24.1", (0, 24)),
        (PYPI, "1!2.0", (1, 2)),
    ],
)
def test_a_line_is_a_major_version_but_for_zero_and_years(
    ecosystem: Ecosystem, version: str, line: tuple[int, ...]
) -> None:
    parsed = parse_release_version(ecosystem, version)
    assert parsed is not None
    assert parsed.line == line


@pytest.mark.parametrize(
    ("ecosystem", "text"),
    [(NPM, "1.2"), (NPM, "v1.2.3"), (NPM, "01.2.3"), (NPM, ""), (PYPI, "final"), (PYPI, "1." * 150 + "1")],
)
def test_what_is_no_version_has_no_place(ecosystem: Ecosystem, text: str) -> None:
    assert parse_release_version(ecosystem, text) is None
    assert find_earlier(ecosystem, text, ["1.0.0"], counts=lambda _: True) is None


@pytest.mark.parametrize(
    ("version", "others", "expected"),
    [
        ("1.2.0", ["1.0.0", "1.1.0", "1.3.0", "2.0.0"], ("1.1.0", True)),
        ("1.2.0", ["0.9.0", "2.0.0"], ("0.9.0", False)),
        ("2.0.0", ["1.10.0", "1.9.0"], ("1.10.0", False)),
        ("0.2.0", ["0.1.9"], ("0.1.9", False)),
        ("1.2.0", ["1.2.0", "1.2.0-rc.1"], None),
        ("1.2.0-rc.2", ["1.1.0", "1.2.0-rc.1"], ("1.2.0-rc.1", True)),
        ("1.2.0", ["not a version"], None),
    ],
)
def test_the_release_to_compare_with(version: str, others: list[str], expected: tuple[str, bool] | None) -> None:
    found = find_earlier(NPM, version, others, counts=lambda _: True)
    assert (found and (found.version, found.is_same_line)) == expected


def test_only_what_counts_is_compared_with_and_only_the_highest_are_asked() -> None:
    asked: list[str] = []

    def counts(version: str) -> bool:
        asked.append(version)
        return version == "1.1.0"

    found = find_earlier(PYPI, "1.9", ["0.9", "1.0", "1.1.0", "1.2"], counts=counts)
    assert found is not None
    assert (found.version, asked) == ("1.1.0", ["1.2", "1.1.0"])


@given(st.text(max_size=250), st.sampled_from(Ecosystem))
def test_any_text_has_a_place_or_none(text: str, ecosystem: Ecosystem) -> None:
    parsed = parse_release_version(ecosystem, text)
    assert parsed is None or parsed.order == parsed.order

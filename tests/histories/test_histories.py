"""The acceptance test of the defaults: every history comes out as it was written down before there were rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.model import Level
from tests.histories.attacks import ATTACKS, BEYOND_THE_EVIDENCE
from tests.histories.history import History
from tests.histories.ordinary import CHANGING_HARD_FACTS, CHANGING_SOFT_FACTS, ORDINARY, WITHOUT_PROVENANCE
from tests.histories.play import play
from tests.sim.world import World

HISTORIES = (*ORDINARY, *ATTACKS, *BEYOND_THE_EVIDENCE)
CASES = [
    pytest.param(history, ecosystem, id=f"{ecosystem}: {history.name}")
    for history in HISTORIES
    for ecosystem in history.ecosystems
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.campaign(4)
@pytest.mark.parametrize(("history", "ecosystem"), CASES)
def test_a_history_comes_out_as_written(history: History, ecosystem: str, world: World, tmp_path: Path) -> None:
    judged = play(history, ecosystem, world, tmp_path)
    told = [each for each in judged.decision.findings if each.rule.value.startswith(("identity-", "provenance-"))]
    assert [f"{each.rule.value}:{each.level.label}" for each in told if each.level < Level.NOTE] == [*history.found]
    assert [each.rule.value for each in told if each.level is Level.NOTE] == [*history.noted]
    for words in history.says:
        assert words in " ".join(each.message for each in told)


def test_there_are_enough_of_them_and_each_names_its_source() -> None:
    assert len(HISTORIES) >= 40
    assert len({history.name for history in HISTORIES}) == len(HISTORIES)
    assert all(history.source for history in HISTORIES)


def test_no_attack_passes_in_silence_and_no_ordinary_life_is_blocked() -> None:
    """What is written down is what the defaults promise; the histories themselves show that they keep it."""
    assert all(history.attack and history.found for history in ATTACKS)
    for history in CHANGING_SOFT_FACTS + WITHOUT_PROVENANCE:
        assert history.policy or not any(found.endswith(":block") for found in history.found), history.name
    for history in CHANGING_HARD_FACTS:
        blocks = any(found.endswith(":block") for found in history.found)
        assert blocks is history.name.startswith(("blocked once", "required", "asked for")), history.name

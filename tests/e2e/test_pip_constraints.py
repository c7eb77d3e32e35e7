"""Digests in a constraints file: pip 26.1 and newer take them for what is asked for and for what that requires."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.conftest import OLDEST_PIP, Environment
from tests.sim.world import World

pytestmark = pytest.mark.e2e

_WRONG = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize("tampered", ["widget", "gadget"], ids=["of-what-is-asked-for", "of-a-dependency"])
def test_another_digest_in_a_constraint_is_a_mismatch(target: Environment, world: World, tampered: str) -> None:
    released = {
        "widget": world.publish("widget", "1.0", requires=["gadget"]),
        "gadget": world.publish("gadget", "1.0"),
    }
    hashes = {name: f"--hash=sha256:{item.sha256}" for name, item in released.items()} | {tampered: _WRONG}
    limits = target.project / "limits.txt"
    limits.write_text("".join(f"{name}==1.0 {option}\n" for name, option in hashes.items()))

    result = target.install("-c", "limits.txt", "widget")

    assert result.status == 10
    assert [item["name"] for item in result.report["artifacts"] if item["verdict"] == "block"] == [tampered]
    assert result.rules("block") == {"hash-mismatch"}
    assert target.installed() == {}


def test_an_older_pip_takes_no_digests_from_constraints(
    make_environment: Callable[..., Environment], world: World
) -> None:
    target = make_environment(pip_version=OLDEST_PIP)
    target.index_url, target.trust_root = world.pypi.simple_url, world.trusted_root_path
    released = world.publish("widget", "1.0")
    (target.project / "limits.txt").write_text(f"widget==1.0 --hash=sha256:{released.sha256}\n")

    result = target.install("-c", "limits.txt", "widget")

    assert (result.status, result.rules("block")) == (10, {"hash-missing"})
    assert target.installed() == {}

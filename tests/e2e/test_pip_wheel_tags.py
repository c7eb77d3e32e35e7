"""Wheels that the interpreter cannot take are not offered to pip, except where an option says what it may take."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Environment
from tests.sim.packages import make_wheel
from tests.sim.world import World, maintainer_of

pytestmark = pytest.mark.e2e

FOREIGN_TAG = "cp27-cp27m-win32"


@pytest.fixture
def rocket(world: World) -> None:
    """A project whose newest release has no wheel but one for another interpreter and platform."""
    world.publish("rocket", "1.0.0")
    filename, content = make_wheel("rocket", "2.0.0", tag=FOREIGN_TAG)
    world.upload(filename, content, identity=maintainer_of("rocket", "2.0.0"))


@pytest.mark.usefixtures("rocket")
def test_a_wheel_for_another_platform_is_passed_over(target: Environment) -> None:
    result = target.install("rocket")
    assert result.status == 0, result.stderr
    assert target.installed() == {"rocket": "1.0.0"}


@pytest.mark.usefixtures("rocket")
def test_a_wheel_for_the_platform_that_is_asked_for_is_offered(target: Environment) -> None:
    asked_for = ("--platform", "win32", "--python-version", "27", "--implementation", "cp", "--abi", "cp27m")
    result = target.guard(
        "pip", "download", "--index-url", str(target.index_url), "--only-binary", ":all:", *asked_for, "rocket"
    )
    assert result.status == 0, result.stderr
    assert (target.project / f"rocket-2.0.0-{FOREIGN_TAG}.whl").exists()

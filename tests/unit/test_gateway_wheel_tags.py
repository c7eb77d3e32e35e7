"""Tags of a wheel's file name, as the gateway reads them."""

from __future__ import annotations

import pytest
from packaging.utils import parse_wheel_filename

from guard.gateway.index import wheel_tags


@pytest.mark.parametrize(
    "filename",
    [
        "rocket-1.0-py3-none-any.whl",
        "rocket-1.0-py2.py3-none-any.whl",
        "rocket-1.0-1build2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "rocket-1.0+local.1-CP311-abi3-MACOSX_11_0_arm64.whl",
    ],
)
def test_reads_tags_as_packaging_does(filename: str) -> None:
    assert wheel_tags(filename) == {str(tag) for tag in parse_wheel_filename(filename)[3]}


@pytest.mark.parametrize("filename", ["rocket-1.0.tar.gz", "rocket-1.0.whl", "rocket-1.0-a-b-c-d-e.whl"])
def test_has_no_tags_for_other_names(filename: str) -> None:
    assert wheel_tags(filename) == frozenset()

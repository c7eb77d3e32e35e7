"""Which wheels the open gateway lists."""

from __future__ import annotations

import json

import pytest
from packaging.utils import parse_wheel_filename

from guard.engine.pypi import PyPIEngine
from guard.gateway.index import OpenSite, wheel_tags
from guard.gateway.server import Body, Request
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile, ProjectPage


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


class PagesOnly(PyPIEngine):
    """An engine that knows one page."""

    def __init__(self, *filenames: str) -> None:
        files = tuple(IndexFile(filename=name, url=f"https://index.example/{name}") for name in filenames)
        page = ProjectPage(name="rocket", url="https://index.example/simple/rocket/", files=files)
        self._project = Project(name="rocket", owner=None, page=page)

    def fetch_project(self, name: str) -> Project:
        return self._project


def listed(site: OpenSite) -> list[str]:
    answer = site.answer(Request(method="GET", path="/simple/rocket/"))
    assert isinstance(answer, Body)
    return [file["filename"] for file in json.loads(answer.content)["files"]]


FILES = ("rocket-1.0.tar.gz", "rocket-1.0-py3-none-any.whl", "rocket-1.0-cp27-cp27m-win32.whl")


def test_lists_wheels_that_have_an_accepted_tag_and_every_sdist() -> None:
    site = OpenSite(PagesOnly(*FILES), wheel_metadata=False, holds_back=False, wheel_tags=frozenset({"py3-none-any"}))
    assert listed(site) == ["rocket-1.0.tar.gz", "rocket-1.0-py3-none-any.whl"]


def test_lists_every_wheel_where_the_accepted_tags_are_not_known() -> None:
    assert listed(OpenSite(PagesOnly(*FILES), wheel_metadata=False, holds_back=False)) == list(FILES)

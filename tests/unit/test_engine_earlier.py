"""Which file a file is compared with: like with like."""

from __future__ import annotations

import pytest

from guard.engine.earlier import find_attested_beside, find_earlier_file, kind_of_file
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile, ProjectPage

WHEEL = "a-{}-py3-none-any.whl"
LINUX = "a-{}-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
SDIST = "a-{}.tar.gz"


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        ("a-1.tar.gz", "sdist"),
        ("a-1.zip", "sdist"),
        ("a-1-py3-none-any.whl", "any"),
        ("a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "linux_x86_64"),
        ("a-1-cp312-cp312-manylinux2014_aarch64.whl", "linux_aarch64"),
        ("a-1-cp312-cp312-musllinux_1_2_x86_64.whl", "linux_x86_64"),
        ("a-1-cp312-cp312-macosx_11_0_arm64.whl", "macosx_arm64"),
        ("a-1-cp312-cp312-win_amd64.whl", "win_amd64"),
        ("a-1-cp312-cp312-win32.whl", "win"),
    ],
)
def test_the_kind_of_a_file_is_the_machine_that_it_is_for(filename: str, kind: str) -> None:
    assert kind_of_file(filename) == kind


def file(pattern: str, version: str, *, attested: bool = True) -> IndexFile:
    name = pattern.format(version)
    provenance = f"https://index.example/{name}/provenance" if attested else None
    return IndexFile(filename=name, url=f"https://files.example/{name}", version=version, provenance_url=provenance)


def project(*files: IndexFile) -> Project:
    return Project(name="a", owner=None, page=ProjectPage(name="a", url="https://index.example/a/", files=files))


@pytest.mark.parametrize(
    ("others", "alike", "expected"),
    [
        ([file(LINUX, "1.0"), file(SDIST, "1.0")], False, ("1.0", True, LINUX)),
        ([file(SDIST, "1.1"), file(LINUX, "1.0")], False, ("1.0", True, LINUX)),
        ([file(SDIST, "1.1"), file(LINUX, "1.0", attested=False)], False, ("1.1", True, SDIST)),
        ([file(SDIST, "1.1")], True, None),
        ([file(SDIST, "1.1"), file(LINUX, "0.9")], False, ("1.1", True, SDIST)),
        ([file(SDIST, "0.8"), file(LINUX, "0.9")], False, ("0.9", False, LINUX)),
        ([file(SDIST, "0.9")], False, ("0.9", False, SDIST)),
        ([file(LINUX, "1.2"), file(LINUX, "2.0")], False, None),
    ],
)
def test_the_file_to_compare_with(others: list[IndexFile], alike: bool, expected: tuple[str, bool, str] | None) -> None:
    own = file(LINUX, "1.2", attested=False)
    found = find_earlier_file(project(own, *others), own, alike=alike)
    if expected is None:
        assert found is None
    else:
        version, is_same_line, pattern = expected
        assert found is not None
        assert (found[0].version, found[0].is_same_line) == (version, is_same_line)
        assert found[1].filename == pattern.format(version)


def test_a_file_beside_is_another_one_of_the_same_release() -> None:
    own = file(WHEEL, "1.0", attested=False)
    beside = file(SDIST, "1.0")
    assert find_attested_beside(project(own, beside), own) == "a-1.0.tar.gz"
    assert find_attested_beside(project(own, file(SDIST, "1.1")), own) == ""
    assert find_attested_beside(project(beside), beside) == ""

"""Requirements on a place instead of a project, as core metadata states them."""

from __future__ import annotations

import pytest

from guard.gateway.references import DirectReference, parse_direct_references
from guard.model import SourceKind


@pytest.mark.parametrize(
    ("requirement", "name", "url"),
    [
        ("gear @ https://evil.test/gear.whl", "gear", "https://evil.test/gear.whl"),
        ("gear@file:///srv/gear", "gear", "file:///srv/gear"),
        ("  Gear.x [fast, big] @ hg+ssh://evil.test/g ; extra == 'all'", "Gear.x", "hg+ssh://evil.test/g"),
        ("gear\n @ file:///srv/gear;os_name=='nt'", "gear", "file:///srv/gear"),
        ("gear @ ./gear", "gear", "./gear"),
    ],
)
def test_a_requirement_on_a_place(requirement: str, name: str, url: str) -> None:
    assert list(parse_direct_references([requirement])) == [DirectReference(name, url)]


@pytest.mark.parametrize("requirement", ["gear", "gear>=1; extra == '@'", "gear (>=1)", "gear[a@b]", "", "@ x"])
def test_a_requirement_on_a_project(requirement: str) -> None:
    assert list(parse_direct_references([requirement])) == []


@pytest.mark.parametrize(
    ("url", "is_stopped"),
    [
        ("HTTPS://evil.test/x", True),
        ("http://evil.test/x", True),
        ("git+file:///srv/x", True),
        ("file:///srv/x", False),
        ("hg+https://evil.test/x", False),
        ("svn+ssh://evil.test/x", False),
        ("bzr+lp:x", False),
        ("./x", False),
    ],
)
def test_what_the_gateway_stops_by_itself(url: str, is_stopped: bool) -> None:
    assert DirectReference("gear", url).is_stopped is is_stopped


def test_the_artifact_names_project_and_kind_and_no_secret() -> None:
    artifact = DirectReference("Gear_x", "svn+https://user:secret@evil.test/x").artifact
    assert (artifact.name, artifact.source, artifact.origin) == ("gear-x", SourceKind.VCS, "svn+https://evil.test/x")
    assert DirectReference("gear", "file:///srv/x").artifact.source is SourceKind.PATH

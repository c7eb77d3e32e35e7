"""What a file is: its digests, and the package that its name or a package URL says."""

from __future__ import annotations

import pytest

from guard.attest.subject import NpmRelease, PythonFile, Subject, parse_npm_purl, parse_python_file
from guard.errors import MalformedInput
from guard.limits import DISTRIBUTION_NAME_MAX_CHARACTERS
from guard.model import Digest


def test_a_name_that_no_file_system_holds_is_none_of_a_distribution() -> None:
    name = "a" * (DISTRIBUTION_NAME_MAX_CHARACTERS - 9)
    assert parse_python_file(f"{name}-1.tar.gz") is not None
    assert parse_python_file(f"{name}aa-1.tar.gz") is None


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("My_Widget-1.0.post0-py3-none-any.whl", "my-widget", "1.0.post0"),
        ("My.Widget-1.0-0.tar.gz", "my-widget-1-0", "0"),
        ("widget-1.0.zip", "widget", "1.0"),
    ],
)
def test_a_file_name_says_project_and_version(filename: str, project: str, version: str) -> None:
    assert parse_python_file(filename) == PythonFile(filename, project, version)


@pytest.mark.parametrize("filename", ["", "widget", "widget-1.0.whl", "widget-1.0.tgz", "widget-one.tar.gz", ".whl"])
def test_other_files_are_no_distributions(filename: str) -> None:
    assert parse_python_file(filename) is None


@pytest.mark.parametrize("name", ["widget", "@acme/widget"])
def test_a_release_is_named_as_npm_names_it(name: str) -> None:
    release = NpmRelease(name, "1.0.0")
    assert release.purl == f"pkg:npm/{name.replace('@', '%40')}@1.0.0"
    assert parse_npm_purl(release.purl) == release


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("pkg:npm/@acme/widget@1.0.0", "@acme/widget", "1.0.0"),
        ("pkg:npm/widget@1.0.0-x%2B1", "widget", "1.0.0-x+1"),
        ("pkg:npm/a@b@1", "a@b", "1"),
    ],
)
def test_a_package_url_is_read_in_other_spellings(text: str, name: str, version: str) -> None:
    assert parse_npm_purl(text) == NpmRelease(name, version)


@pytest.mark.parametrize("text", ["", "widget@1.0.0", "pkg:pypi/widget@1.0.0", "npm/widget@1.0.0"])
def test_another_text_is_no_package_url_of_npm(text: str) -> None:
    assert parse_npm_purl(text) is None


@pytest.mark.parametrize(
    "rest", ["", "widget", "@1.0.0", "widget@", "@acme/widget", "a@1/b", "a@1?b", "a@1#b", "widget@/", "@"]
)
def test_a_package_url_of_npm_names_a_release(rest: str) -> None:
    with pytest.raises(MalformedInput, match="names no release"):
        parse_npm_purl(f"pkg:npm/{rest}")


def test_a_digest_is_found_by_its_algorithm() -> None:
    digests = (Digest("sha512", "0" * 128), Digest("sha256", "0" * 64))
    subject = Subject(name="it", digests=digests)
    assert [subject.digest(name) for name in ("sha256", "sha512", "sha384")] == [digests[1], digests[0], None]

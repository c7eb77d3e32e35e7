"""Where packages come from: several indexes, index options in files, direct references, repositories, hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Environment
from tests.e2e.refusals import guard_refused, install_refused
from tests.sim.packages import make_sdist, make_wheel, unpack_sdist, wheel_metadata
from tests.sim.pypi import Fault, PyPISimulator
from tests.sim.world import World, maintainer_of

DENIED = {"source-not-allowed"}


@pytest.fixture
def evil() -> Iterator[PyPISimulator]:
    """An index of somebody else's."""
    with PyPISimulator() as index:
        yield index


def require(target: Environment, *lines: str) -> tuple[str, str]:
    """Write a requirements file and return the option that names it."""
    (target.project / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    return "-r", "requirements.txt"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put_vcs_recorders(target: Environment) -> Path:
    """Put programs named like version control systems in front of the real ones; they write down that they ran."""
    ran = target.root / "vcs-ran"
    for name in ("git", "hg", "svn", "bzr"):
        program = target.python.with_name(name)
        program.write_text(f"#!/bin/sh\necho {name} >> {ran}\nexit 1\n")
        program.chmod(0o755)
    return ran


# Dependency confusion.


def test_a_higher_version_on_an_extra_index_is_not_taken(
    target: Environment, world: World, evil: PyPISimulator, tmp_path: Path
) -> None:
    world.publish("widget", "1.0.0")
    evil.add(*make_sdist("widget", "99.0.0", canary=tmp_path / "canary"))
    result = target.install("--extra-index-url", evil.simple_url, "widget")
    assert result.status == 0, result.stderr
    assert target.installed() == {"widget": "1.0.0"}
    assert result.rules("warn") == DENIED
    assert f"widget is also offered by {evil.simple_url}" in result.stderr
    assert {request.path for request in evil.requests} == {"/simple/widget/"}
    assert not (tmp_path / "canary").exists()


def test_the_first_index_owns_a_name_even_with_a_lower_version(
    target: Environment, world: World, evil: PyPISimulator
) -> None:
    world.publish("widget", "1.0.0")
    evil.add(*make_wheel("widget", "0.5.0"))
    target.index_url = evil.simple_url
    result = target.install("--extra-index-url", world.pypi.simple_url, "widget")
    assert target.installed() == {"widget": "0.5.0"}
    assert f"widget is also offered by {world.pypi.simple_url}" in result.stderr


def test_an_index_that_fails_does_not_hand_its_names_to_the_next(
    target: Environment, world: World, evil: PyPISimulator
) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.credentials = ("user", "secret")
    evil.add(*make_wheel("widget", "99.0.0"))
    extra = ("--extra-index-url", evil.simple_url)
    install_refused(target, *extra, "widget", rules={"registry-unavailable"}, status=11)
    assert evil.requests == []


def test_packages_of_an_extra_index_are_decided(target: Environment, world: World, evil: PyPISimulator) -> None:
    world.publish("widget", "1.0.0", requires=["gear"])
    filename, content = make_wheel("gear", "1.0.0")
    evil.add(filename, content, provenance=b'{"version": 1, "attestation_bundles": []}')
    extra = ("--extra-index-url", evil.simple_url)
    install_refused(target, *extra, "widget", rules={"provenance-invalid"})


# Index options in requirement files.


def test_an_index_in_a_file_does_not_replace_the_one_that_was_typed(
    target: Environment, world: World, evil: PyPISimulator
) -> None:
    world.publish("widget", "1.0.0")
    evil.add(*make_wheel("widget", "99.0.0"))
    files = require(target, f"--index-url {evil.simple_url}", "--trusted-host 127.0.0.1", "widget")
    assert target.install(*files).status == 0
    assert target.installed() == {"widget": "1.0.0"}
    assert evil.requests == []


def test_an_index_in_a_file_is_in_force_where_none_was_typed(target: Environment, evil: PyPISimulator) -> None:
    evil.add(*make_wheel("widget", "99.0.0"), served=b"x" * 900)
    target.index_url = None
    files = require(target, f"--index-url {evil.simple_url}", "widget")
    result = install_refused(target, *files, rules={"hash-mismatch"})
    assert evil.files_url in result.stderr


def test_an_extra_index_in_an_included_file_does_not_own_what_the_first_has(
    target: Environment, world: World, evil: PyPISimulator
) -> None:
    world.publish("widget", "1.0.0")
    evil.add(*make_wheel("widget", "99.0.0"))
    (target.project / "more.txt").write_text(f"--extra-index-url {evil.simple_url}\n")
    result = target.install(*require(target, "-r more.txt", "widget"))
    assert target.installed() == {"widget": "1.0.0"}
    assert result.rules("warn") == DENIED


def test_find_links_in_a_file_are_decided(target: Environment, world: World, evil: PyPISimulator) -> None:
    world.publish("widget", "1.0.0")
    filename, content = make_wheel("widget", "99.0.0")
    evil.add(filename, content, provenance=b"{}")
    files = require(target, f"--find-links {evil.simple_url}/widget/", "widget")
    install_refused(target, *files, rules={"provenance-invalid"})


# Metadata that lies.


@pytest.mark.parametrize("is_pinned", [True, False], ids=["its-own-hash", "another-hash"])
def test_files_of_a_folder_are_held_to_their_digests(target: Environment, world: World, *, is_pinned: bool) -> None:
    filename, content = make_wheel("shelved", "1.0.0")
    folder = target.root / "shelf"
    folder.mkdir()
    (folder / filename).write_bytes(content)
    sha256 = hashlib.sha256(content if is_pinned else b"others").hexdigest()
    (target.project / "pins.txt").write_text(f"shelved==1.0.0 --hash=sha256:{sha256}\n")
    arguments = ("--find-links", str(folder), "-r", "pins.txt")
    if is_pinned:
        assert target.install(*arguments).status == 0
    else:
        install_refused(target, *arguments, rules={"hash-mismatch"})


def test_metadata_beside_the_wheel_is_not_that_inside(target: Environment, world: World) -> None:
    _, other = make_wheel("widget", "1.0.0")
    world.publish("widget", "1.0.0", requires=["evil"], metadata_served=wheel_metadata(other))
    result = install_refused(target, "widget", rules={"metadata-mismatch"})
    assert "is not the metadata inside it" in result.stderr


def test_metadata_that_does_not_have_its_listed_digest(target: Environment, world: World) -> None:
    published = world.publish("widget", "1.0.0")
    world.pypi.fault("metadata", Fault.NOT_JSON)
    result = install_refused(target, "widget", rules={"metadata-mismatch"})
    assert published.filename in result.stderr


@pytest.mark.parametrize("identity", ["Name: evil\nVersion: 1.0.0", "Name: widget\nVersion: 2.0.0"])
def test_a_wheel_that_says_it_is_something_else(target: Environment, world: World, identity: str) -> None:
    inside = {"widget-1.0.0.dist-info/METADATA": f"Metadata-Version: 2.1\n{identity}\n"}
    filename, content = make_wheel("widget", "1.0.0", files=inside)
    honest = wheel_metadata(make_wheel("widget", "1.0.0")[1])
    world.upload(filename, content, identity=maintainer_of("widget"), metadata_served=honest)
    result = install_refused(target, "widget", rules={"metadata-mismatch"})
    assert "says of itself that it is" in result.stderr


def test_a_wheel_that_says_it_is_something_else_beside_as_inside(target: Environment, world: World) -> None:
    inside = {"widget-1.0.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0.0\n"}
    world.upload(*make_wheel("widget", "1.0.0", files=inside), identity=maintainer_of("widget"))
    install_refused(target, "widget", rules={"metadata-mismatch"})


# Direct references.


def test_a_dependency_from_an_address(target: Environment, world: World, evil: PyPISimulator) -> None:
    filename, content = make_wheel("gear", "1.0.0")
    evil.add(filename, content)
    world.publish("widget", "1.0.0", requires=[f"gear @ {evil.files_url}/packages/{filename}"])
    install_refused(target, "widget", rules=DENIED)
    assert evil.requests == []


def test_a_dependency_from_a_repository(target: Environment, world: World, evil: PyPISimulator) -> None:
    world.publish("widget", "1.0.0", requires=[f"gear @ git+{evil.base_url}/gear.git"])
    result = install_refused(target, "widget", rules=DENIED)
    assert "widget-1.0.0-py3-none-any.whl requires" in result.stderr
    assert evil.requests == []


@pytest.mark.parametrize("scheme", ["hg+http", "svn+http", "bzr+http"])
def test_a_dependency_from_a_repository_of_another_system(target: Environment, world: World, scheme: str) -> None:
    world.publish("widget", "1.0.0", requires=[f"gear @ {scheme}://evil.test/gear"])
    ran = put_vcs_recorders(target)
    install_refused(target, "widget", rules=DENIED)
    assert not ran.exists()


def test_a_dependency_from_a_folder_is_not_built(target: Environment, world: World, tmp_path: Path) -> None:
    _, content = make_sdist("gear", "1.0.0", canary=tmp_path / "canary")
    unpack_sdist(content, tmp_path / "gear")
    world.publish("widget", "1.0.0", requires=[f"gear @ {(tmp_path / 'gear').as_uri()}"])
    install_refused(target, "widget", rules=DENIED)
    assert not (tmp_path / "canary").exists()


def test_a_dependency_from_a_file_is_not_built(target: Environment, world: World, tmp_path: Path) -> None:
    filename, content = make_sdist("gear", "1.0.0", canary=tmp_path / "canary")
    (tmp_path / filename).write_bytes(content)
    requirement = f'gear[fast] @ {(tmp_path / filename).as_uri()} ; extra == "all"'
    world.upload(
        *make_wheel("widget", "1.0.0", requires=[requirement], metadata_extra="Provides-Extra: all"),
        identity=maintainer_of("widget"),
    )
    install_refused(target, "widget[all]", rules=DENIED)
    assert not (tmp_path / "canary").exists()


def test_a_constraint_from_a_repository(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    (target.project / "constraints.txt").write_text("gear==1\nwidget @ hg+http://evil.test/widget\n")
    ran = put_vcs_recorders(target)
    result = install_refused(target, "-c", "constraints.txt", "widget", rules=DENIED)
    assert "constraints.txt:2" in result.stderr
    assert not ran.exists()


@pytest.mark.parametrize("system", ["git", "hg"])
def test_a_repository_on_the_command_line(target: Environment, evil: PyPISimulator, system: str) -> None:
    ran = put_vcs_recorders(target)
    install_refused(target, f"widget @ {system}+{evil.base_url}/widget.git", rules=DENIED)
    assert evil.requests == []
    assert not ran.exists()


def test_a_pinned_repository_on_the_command_line(target: Environment, evil: PyPISimulator) -> None:
    ran = put_vcs_recorders(target)
    rules = DENIED | {"command-not-guarded"}
    install_refused(target, f"git+{evil.base_url}/widget.git@{'0' * 40}#egg=widget", rules=rules)
    assert evil.requests == []
    assert not ran.exists()


def test_an_address_on_the_command_line(target: Environment, evil: PyPISimulator) -> None:
    evil.add(*make_wheel("widget", "1.0.0"))
    install_refused(target, f"{evil.files_url}/widget-1.0.0-py3-none-any.whl", rules=DENIED)
    assert evil.requests == []


def test_a_repository_in_a_requirements_file(target: Environment, world: World, evil: PyPISimulator) -> None:
    world.publish("gear", "1.0.0")
    ran = put_vcs_recorders(target)
    files = require(target, "gear", f"-e git+{evil.base_url}/widget.git#egg=widget")
    result = install_refused(target, *files, rules=DENIED)
    assert "requirements.txt:2" in result.stderr
    assert evil.requests == []
    assert not ran.exists()


# Hashes.


def test_a_hash_of_other_bytes_than_the_registry_lists(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    result = install_refused(
        target, *require(target, f"widget==1.0.0 --hash=sha256:{'0' * 64}"), rules={"hash-mismatch"}
    )
    assert "requirements.txt:1" in result.stderr


def test_bytes_of_the_pinned_hash_that_the_registry_does_not_list(target: Environment, world: World) -> None:
    filename, evil = make_wheel("widget", "1.0.0", requires=["evil"])
    _, content = make_wheel("widget", "1.0.0")
    world.pypi.add(filename, content, served=evil)
    install_refused(target, *require(target, f"widget==1.0.0 --hash=sha256:{sha256(evil)}"), rules={"hash-mismatch"})


def test_served_bytes_do_not_have_the_pinned_hash(target: Environment, world: World) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    world.pypi.add(filename, content, served=content[:-1] + b"\1")
    files = require(target, f"widget==1.0.0 --hash=sha256:{sha256(content)}")
    install_refused(target, *files, rules={"hash-mismatch"})


def test_one_line_without_a_hash(target: Environment, world: World) -> None:
    widget, gear = world.publish("widget", "1.0.0"), world.publish("gear", "1.0.0")
    files = require(target, f"widget==1.0.0 --hash=sha256:{widget.sha256}", "gear==1.0.0")
    result = install_refused(target, *files, rules={"hash-missing"})
    assert "requirements.txt:2" in result.stderr
    assert world.pypi.requests == []
    assert gear.content


def test_a_dependency_that_a_hashed_file_does_not_name(target: Environment, world: World) -> None:
    widget = world.publish("widget", "1.0.0", requires=["gear"])
    world.publish("gear", "1.0.0")
    files = require(target, f"widget==1.0.0 --hash=sha256:{widget.sha256}")
    result = target.install(*files)
    assert (result.status, target.installed()) == (1, {})
    assert "gear" in result.stderr


@pytest.mark.parametrize("algorithm", ["md5", "sha1"])
def test_a_weak_hash(target: Environment, world: World, algorithm: str) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    digest = hashlib.new(algorithm, content).hexdigest()
    world.pypi.add(filename, content, hashes={algorithm: digest})
    files = require(target, f"widget==1.0.0 --hash={algorithm}:{digest}")
    install_refused(target, *files, rules={"hash-weak"})


# What guard does not know.


@pytest.mark.parametrize("words", [["instal", "widget"], ["install", "--frobnicate", "widget"], ["add", "widget"]])
def test_what_guard_does_not_know(target: Environment, world: World, words: list[str]) -> None:
    guard_refused(target, "pip", *words, rules={"command-not-guarded"})
    assert world.pypi.requests == []

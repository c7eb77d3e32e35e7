"""Input that cannot be read: one clear line that names it, the right status, nothing installed, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Environment, Result
from tests.e2e.refusals import assert_clean, install_refused, snapshot
from tests.sim.packages import make_wheel
from tests.sim.pypi import Fault, PyPISimulator
from tests.sim.world import World

WHEEL = "widget-1.0.0-py3-none-any.whl"
MIB = 1024 * 1024


def fail_to_start(target: Environment, *arguments: str, options: tuple[str, ...] = ()) -> Result:
    """Expect a usage or configuration error: status 2 in one line, before anything is asked for."""
    before = snapshot(target.root / "env", target.project)
    result = target.install(*arguments, options=options)
    assert snapshot(target.root / "env", target.project) == before
    assert result.status == 2, result.stderr
    assert result.stderr.splitlines()[0].startswith("guard: ")
    assert_clean(target, result)
    return result


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version = 1\n[policy\n", 2),
        ("version = 1\n[policy]\nprovenence = 'required'\n", 3),
        ("version = 1\n[policy]\nprovenance = 'sometimes'\n", 3),
        ("version = 1\n\n[[exception]]\npackage = 'pypi:widget'\nrule = 'provenance'\nreason = 'x'\n", 3),
    ],
)
def test_a_policy_that_cannot_be_used(target: Environment, world: World, text: str, line: int) -> None:
    (target.project / "guard.toml").write_text(text)
    result = fail_to_start(target, "widget")
    assert f"guard.toml:{line}" in result.stderr
    assert world.pypi.requests == []


def test_a_policy_that_is_no_text(target: Environment, tmp_path: Path) -> None:
    (tmp_path / "guard.toml").write_bytes(b"\xff\xfe\x00" * 100)
    result = fail_to_start(target, "widget", options=("--policy", str(tmp_path / "guard.toml")))
    assert str(tmp_path / "guard.toml") in result.stderr


def test_a_policy_that_is_not_there(target: Environment, tmp_path: Path) -> None:
    result = fail_to_start(target, "widget", options=("--policy", str(tmp_path / "guard.toml")))
    assert f"{tmp_path / 'guard.toml'} cannot be read" in result.stderr


def test_a_policy_of_10_megabytes(target: Environment) -> None:
    (target.project / "guard.toml").write_bytes(b"#" * 10 * MIB)
    assert f"is larger than {MIB} bytes" in fail_to_start(target, "widget").stderr


@pytest.mark.parametrize("data", [b"{}", b"not json", b"[" * 100_000, b" " * 10 * MIB])
def test_a_trust_root_that_cannot_be_used(target: Environment, tmp_path: Path, data: bytes) -> None:
    target.trust_root = tmp_path / "root.json"
    target.trust_root.write_bytes(data)
    assert str(target.trust_root) in fail_to_start(target, "widget").stderr


def test_a_pip_conf_that_cannot_be_read(target: Environment) -> None:
    folder = target.home / ".config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text("[global]\nindex-url\n  = https://user:secret@evil.test/simple\nhm\n")
    result = fail_to_start(target, "widget")
    assert f"{folder / 'pip.conf'}:" in result.stderr
    assert "secret" not in result.stderr


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("widget==1.0.0 \\\n    # a comment\n    --hash=sha256:00\n", 3),
        ("widget\n--frobnicate\n", 2),
        ("widget\nwid get\n", 2),
    ],
)
def test_a_line_of_a_requirements_file_that_cannot_be_read(
    target: Environment, world: World, text: str, line: int
) -> None:
    world.publish("widget", "1.0.0")
    (target.project / "requirements.txt").write_text(text)
    result = install_refused(target, "-r", "requirements.txt", rules={"lock-entry-unreadable"})
    assert f"requirements.txt:{line}" in result.stderr
    assert world.pypi.requests == []


def test_a_hash_of_the_wrong_length_in_a_requirements_file(target: Environment, world: World) -> None:
    (target.project / "requirements.txt").write_text("\nwidget==1.0.0 --hash=sha256:abcdef\n")
    result = install_refused(target, "-r", "requirements.txt", rules={"lock-entry-unreadable"})
    assert "requirements.txt:2" in result.stderr
    assert world.pypi.requests == []


def test_a_requirements_file_that_is_no_text(target: Environment) -> None:
    (target.project / "requirements.txt").write_bytes(b"widget\n\xff\xfe\xfd\n")
    result = install_refused(target, "-r", "requirements.txt", rules={"lock-entry-unreadable"})
    assert "requirements.txt: not text" in result.stderr


def test_a_requirements_file_that_is_not_there(target: Environment) -> None:
    (target.project / "requirements.txt").write_text("widget\n-r more.txt\n")
    result = fail_to_start(target, "-r", "requirements.txt")
    assert "requirements.txt:2: cannot read more.txt" in result.stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.NOT_JSON, "is malformed"),
        (Fault.HTML_INSTEAD, "is no index page"),
        (Fault.huge(65 * MIB), f"is larger than {64 * MIB} bytes"),
    ],
)
def test_an_index_page_that_cannot_be_read(target: Environment, world: World, fault: Fault, words: str) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.fault("page", fault)
    result = install_refused(target, "widget", rules={"registry-unavailable"})
    assert f"{world.pypi.simple_url}/widget/" in result.stderr
    assert words in result.stderr


def test_a_hash_of_the_wrong_length_on_an_index_page(target: Environment, world: World) -> None:
    world.pypi.add(*make_wheel("widget", "1.0.0"), hashes={"sha256": "abcdef"})
    result = install_refused(target, "widget", rules={"registry-unavailable"})
    assert f"{world.pypi.simple_url}/widget/" in result.stderr
    assert "files[0].hashes: not a sha256 digest" in result.stderr


def test_an_index_page_that_redirects_to_another_host(target: Environment, world: World) -> None:
    with PyPISimulator() as evil:
        evil.add(*make_wheel("widget", "99.0.0"))
        world.pypi.credentials = ("user", "secret")
        world.pypi.files_need_credentials = False
        evil.credentials = ("user", "secret")
        world.publish("widget", "1.0.0")
        world.pypi.fault("page", Fault.redirect(f"{evil.simple_url}/widget/"))
        target.index_url = world.pypi.simple_url.replace("://", "://user:secret@")
        result = install_refused(target, "widget", rules={"registry-unavailable"}, status=11)
        assert [request.headers.get("authorization") for request in evil.requests] == [None]
    assert "secret" not in result.stderr + str(result.report)


def test_a_file_that_redirects_to_other_bytes_on_another_host(target: Environment, world: World) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    world.pypi.add(filename, content)
    with PyPISimulator() as evil:
        other = evil.add(filename, content[:-1] + b"\1")
        world.pypi.fault("file", Fault.redirect(evil.files_url + other.path))
        install_refused(target, "widget", rules={"hash-mismatch"})


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.NOT_JSON, "does not have the digest that its index lists"),
        (Fault.huge(5 * MIB), f"is larger than {4 * MIB} bytes"),
    ],
)
def test_metadata_that_cannot_be_read(target: Environment, world: World, fault: Fault, words: str) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.fault("metadata", fault)
    result = install_refused(target, "widget", rules={"metadata-mismatch"})
    assert WHEEL in result.stderr
    assert words in result.stderr


@pytest.mark.campaign(2)
@pytest.mark.parametrize("metadata", [b"", b"\xff\xfe\x00 no metadata", b"Name: widget\n"])
def test_metadata_that_is_none(target: Environment, world: World, metadata: bytes) -> None:
    world.publish("widget", "1.0.0", metadata_served=metadata)
    result = install_refused(target, "widget", rules={"metadata-mismatch"})
    assert WHEEL in result.stderr


@pytest.mark.campaign(2)
@pytest.mark.parametrize("content", [b"", b"no zip file", make_wheel("widget", "1.0.0", files={})[1][:-30]])
def test_a_wheel_that_is_none(target: Environment, world: World, content: bytes) -> None:
    world.pypi.add(WHEEL, content, core_metadata=False)
    result = install_refused(target, "widget", rules={"metadata-mismatch"})
    assert f"wheel {WHEEL} is malformed" in result.stderr


@pytest.mark.campaign(2)
@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b'{"version": 1, "attestation_bundles": []}',
        b'{"version": 1, "attestation_bundles": [{"publisher": {"kind": "GitHub"}, "attestations": []}]}',
        b'{"version": 1, "attestation_bundles": [{',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_provenance_that_cannot_be_read(target: Environment, world: World, document: bytes) -> None:
    world.pypi.add(*make_wheel("widget", "1.0.0"), provenance=document)
    result = install_refused(target, "widget", rules={"provenance-invalid"})
    assert WHEEL in result.stderr


@pytest.mark.parametrize("fault", [Fault.HTML_INSTEAD, Fault.huge(10 * MIB)])
def test_provenance_that_is_something_else(target: Environment, world: World, fault: Fault) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.fault("provenance", fault)
    result = install_refused(target, "widget", rules={"provenance-invalid"})
    assert WHEEL in result.stderr

"""``guard verify`` with the evidence of registries: the user's own indexes, through their configuration."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.faults import Fault
from tests.sim.identity import Identity
from tests.sim.npm_packages import make_tarball
from tests.sim.packages import make_sdist, make_wheel
from tests.sim.pep740 import provenance, publish_statement, publisher_of
from tests.sim.sigstore import Defect
from tests.sim.world import World, maintainer_of
from tests.unit.verify_command import ANY, SOURCE, Surrounding, Verified

WIDGET = "widget-1.0.0-py3-none-any.whl"
GADGET = ("--source-repository", "https://github.com/acme/gadget")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as started:
        yield started


@pytest.fixture
def here(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Surrounding:
    """A folder of somebody whose pip and npm are configured for the simulated registries."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in [name for name in os.environ if name.upper().startswith(("PIP_", "NPM_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(folder / "none"))
    (folder / ".config" / "pip").mkdir(parents=True)
    (folder / ".config" / "pip" / "pip.conf").write_text(f"[global]\nindex-url = {world.pypi.simple_url}\n")
    (folder / ".npmrc").write_text(f"registry={world.npm.url}\n")
    monkeypatch.chdir(folder)
    here = Surrounding(folder, capsys)
    here.trust_root = world.trusted_root_path
    return here


def sha(algorithm: str, content: bytes) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def test_a_wheel_and_a_source_distribution(here: Surrounding, world: World) -> None:
    wheel = world.publish("widget", "1.0.0")
    sdist = world.upload(*make_sdist("widget", "1.0.0"), identity=maintainer_of("widget"))
    for published in (wheel, sdist):
        here.write(published.filename, published.content)
        result = here.verify(published.filename, *SOURCE, "--source-tag", "v1.0.0", "--format", "json")
        assert result.status == 0, result.err
        artifact = result.report["artifacts"][0]
        assert (artifact["purl"], artifact["file"]) == ("pkg:pypi/widget@1.0.0", published.filename)
        assert artifact["source"] == "registry"
        assert artifact["digests"]["sha256"] == published.sha256
        assert here.verify(f"sha256:{published.sha256}", "--name", published.filename, *SOURCE).status == 0
    assert here.verify(wheel.filename, sdist.filename, *SOURCE).status == 0
    assert here.verify(wheel.filename, *GADGET).rules == ["identity-mismatch"]


def test_an_npm_tarball(here: Surrounding, world: World) -> None:
    published = world.publish_npm("@acme/gadget", "1.0.0", attested=True)
    here.write("acme-gadget-1.0.0.tgz", published.content)
    result = here.verify("acme-gadget-1.0.0.tgz", *GADGET, "--slsa-level", "2", "--format", "json")
    assert result.status == 0, result.err
    artifact = result.report["artifacts"][0]
    assert artifact["purl"] == "pkg:npm/%40acme/gadget@1.0.0"
    assert {each["kind"] for each in artifact["evidence"]} == {"slsa-provenance", "npm-publish", "npm-signature"}
    name = ("--name", "pkg:npm/@acme/gadget@1.0.0")
    assert here.verify(sha("sha512", published.content), *name, *GADGET).status == 0
    assert here.verify(sha("sha512", b"another"), *name, *GADGET).status == 10
    assert here.verify("acme-gadget-1.0.0.tgz", *SOURCE).rules == ["identity-mismatch"]
    foreign = here.write("keys.json", b'{"keys": []}')
    assert here.verify("acme-gadget-1.0.0.tgz", *GADGET, "--npm-keys", foreign).status == 2


def test_keys_on_the_command_line_are_the_only_ones(here: Surrounding, world: World) -> None:
    from tests.sim.npm_documents import RegistryKey, keys_document

    here.write("gadget-1.0.0.tgz", world.publish_npm("gadget", "1.0.0", attested=True).content)
    own, other = (keys_document([key]) for key in (world.registry_key, RegistryKey()))
    world.npm.keys = other
    assert here.verify("gadget-1.0.0.tgz", *GADGET, "--npm-keys", here.write("own.json", own)).status == 0
    world.npm.keys = own
    assert here.verify("gadget-1.0.0.tgz", *GADGET, "--npm-keys", here.write("other.json", other)).status == 10


def test_other_bytes_under_the_same_name(here: Surrounding, world: World) -> None:
    world.publish("widget", "1.0.0")
    world.publish_npm("gadget", "1.0.0", attested=True)
    here.write(WIDGET, make_wheel("widget", "1.0.0", requires=["other"])[1])
    here.write("gadget-1.0.0.tgz", make_tarball("gadget", "1.0.0", scripts={"test": "true"}))
    for name, source in ((WIDGET, SOURCE), ("gadget-1.0.0.tgz", GADGET)):
        result = here.verify(name, *source)
        assert result.status == 10
        assert "hash-mismatch" in result.rules


def test_credentials_are_those_of_pip_and_npm(here: Surrounding, world: World) -> None:
    here.write(WIDGET, world.publish("widget", "1.0.0").content)
    here.write("gadget-1.0.0.tgz", world.publish_npm("gadget", "1.0.0", attested=True).content)
    world.pypi.credentials, world.npm.credentials = ("me", "secret"), "token"
    assert here.verify(WIDGET, *SOURCE).status == here.verify("gadget-1.0.0.tgz", *GADGET).status == 11
    host = world.pypi.simple_url.partition("//")[2]
    (here.folder / ".config" / "pip" / "pip.conf").write_text(f"[install]\nindex-url = http://me:secret@{host}\n")
    registry = f"registry={world.npm.url}\n{world.npm.url.partition(':')[2]}:_authToken=token\n"
    (here.folder / ".npmrc").write_text(registry)
    for name, source in ((WIDGET, SOURCE), ("gadget-1.0.0.tgz", GADGET)):
        result = here.verify(name, *source, "--format", "json")
        assert result.status == 0, result.err
        assert "secret" not in result.out + result.err


def refusals(here: Surrounding, name: str) -> Verified:
    return here.verify(name, *ANY)


def test_a_release_that_the_registry_does_not_have(here: Surrounding, world: World) -> None:
    world.publish("widget", "2.0.0")
    here.write(WIDGET, make_wheel("widget", "1.0.0")[1])
    here.write("gone-1.0.0-py3-none-any.whl", make_wheel("gone", "1.0.0")[1])
    here.write("gadget-1.0.0.tgz", make_tarball("gadget", "1.0.0"))
    for name in (WIDGET, "gone-1.0.0-py3-none-any.whl", "gadget-1.0.0.tgz"):
        assert refusals(here, name).status == 10


def test_a_release_without_provenance(here: Surrounding, world: World) -> None:
    world.publish("other", "1.0.0")
    here.write(WIDGET, world.publish("widget", "1.0.0", attested=False, provenance_flag=False).content)
    world.publish_npm("other", "1.0.0", attested=True)
    here.write("gadget-1.0.0.tgz", world.publish_npm("gadget", "1.0.0", attested=False).content)
    # Whether an index ever says that a file has provenance shows in its pages.
    here.write("other-1.0.0-py3-none-any.whl", make_wheel("other", "1.0.0")[1])
    both = here.verify("other-1.0.0-py3-none-any.whl", WIDGET, *ANY)
    assert (both.status, both.rules) == (10, ["provenance-missing"])
    assert refusals(here, "gadget-1.0.0.tgz").status in (10, 11)


def test_a_registry_that_serves_no_evidence_says_nothing(here: Surrounding, world: World) -> None:
    here.write(WIDGET, world.publish("widget", "1.0.0", attested=False).content)
    world.pypi.evidence_bearing = False
    result = refusals(here, WIDGET)
    assert (result.status, result.rules) == (11, ["provenance-unavailable"])
    policy = here.write("guard.toml", f'version = 1\n[pypi]\nprovenance-url = "{world.pypi.base_url}"\n'.encode())
    missing = here.verify(WIDGET, *ANY, "--policy", policy)
    assert (missing.status, missing.rules) == (10, ["provenance-missing"])


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.FORBIDDEN], ids=["outage", "denied"])
def test_evidence_that_cannot_be_fetched(
    here: Surrounding, world: World, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr("guard.limits.RETRIES_MAX_COUNT", 0)
    here.write(WIDGET, world.publish("widget", "1.0.0").content)
    world.pypi.fault("provenance", fault)
    result = refusals(here, WIDGET)
    assert (result.status, result.rules) == (11, ["provenance-unavailable"])
    here.write("tool", b"")
    assert here.verify(WIDGET, "tool", *ANY).status == 10
    world.pypi.fault("page", fault)
    result = refusals(here, WIDGET)
    assert (result.status, result.rules) == (11, ["registry-unavailable"])


def test_evidence_that_is_announced_and_not_there(here: Surrounding, world: World) -> None:
    here.write(WIDGET, world.publish("widget", "1.0.0").content)
    world.pypi.fault("provenance", Fault.NOT_FOUND)
    assert refusals(here, WIDGET).rules == ["provenance-stripped"]


def test_evidence_that_does_not_hold(here: Surrounding, world: World) -> None:
    here.write(WIDGET, world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT).content)
    assert refusals(here, WIDGET).rules == ["provenance-invalid"]
    content = world.publish_npm("gadget", "1.0.0", attested=True, defect=Defect.PAYLOAD_SWAPPED).content
    here.write("gadget-1.0.0.tgz", content)
    assert refusals(here, "gadget-1.0.0.tgz").rules == ["provenance-invalid"]


def test_a_contradictory_certificate_is_refused_whoever_is_accepted(here: Surrounding, world: World) -> None:
    here.write(WIDGET, world.publish("widget", "1.0.0", defect=Defect.V1_V2_ISSUER_CONFLICT).content)
    assert refusals(here, WIDGET).rules == ["identity-mismatch"]


def test_an_attestation_about_another_file(here: Surrounding, world: World) -> None:
    identity = maintainer_of("widget")
    filename, content = make_wheel("widget", "1.0.0")
    attestation = world.sigstore.attest(publish_statement("widget-1.0.1-py3-none-any.whl", content), identity)
    world.pypi.add(filename, content, provenance=provenance([(publisher_of(identity), [attestation])]))
    here.write(filename, content)
    assert refusals(here, filename).rules == ["statement-mismatch"]


def test_evidence_that_is_brought_is_the_only_one(here: Surrounding, world: World) -> None:
    published = world.publish("widget", "1.0.0")
    here.write(WIDGET, published.content)
    foreign = world.sigstore.attest(publish_statement(WIDGET, published.content), Identity.github("evil/widget"))
    result = here.verify(WIDGET, "--bundle", here.write("a.json", foreign), *SOURCE)
    assert (result.status, result.rules) == (10, ["identity-mismatch"])
    assert published.provenance is not None
    assert here.verify(WIDGET, "--bundle", here.write("p.json", published.provenance), *SOURCE).status == 0
    assert world.pypi.requests == []


def test_an_archive_that_only_looks_like_a_package_is_asked_for_nowhere(here: Surrounding, world: World) -> None:
    here.write("widget-1.0.0.tar.gz", b"\x1f\x8b no archive")
    here.write("widget-1.0.0.zip", b"no archive either")
    here.write("widget-1.0.0.tgz", b"nor this")
    world.pypi.fault("page", Fault.SERVER_ERROR)
    for name in ("widget-1.0.0.tar.gz", "widget-1.0.0.zip", "widget-1.0.0.tgz"):
        assert refusals(here, name).rules == ["provenance-missing"]


def test_it_runs_as_a_program(here: Surrounding, world: World) -> None:
    here.write(WIDGET, world.publish("widget", "1.0.0").content)
    guard = Path(sys.executable).with_name("guard")
    command = [str(guard), "--trust-root", str(world.trusted_root_path), "verify", WIDGET, *SOURCE]
    environ = {"HOME": str(here.folder), "PATH": str(here.folder), "XDG_CONFIG_DIRS": str(here.folder / "none")}
    result = subprocess.run(command, capture_output=True, text=True, env=environ)
    assert (result.returncode, result.stderr) == (0, "guard: allowed — 1 file: 1 verified\n")
    assert result.stdout.startswith(f"verified: {WIDGET}\n")

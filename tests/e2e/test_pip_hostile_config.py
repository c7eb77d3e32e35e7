"""The same verdicts on a machine whose configuration works against them, and what each setting may do."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import Environment
from tests.e2e.refusals import guard_refused, install_refused
from tests.sim.packages import make_sdist, make_wheel, wheel_metadata
from tests.sim.pypi import PyPISimulator
from tests.sim.sigstore import Defect, MintingSigstore
from tests.sim.world import World, maintainer_of

REQUIRED = 'version = 1\n[policy]\nprovenance = "required"\n'
SECRET = "s3cr3t-pa55"
DEAD_PROXY = "http://127.0.0.1:9"

pytestmark = pytest.mark.hostile_config


@pytest.fixture
def evil() -> Iterator[PyPISimulator]:
    """An index that somebody put into the configuration."""
    with PyPISimulator() as index:
        yield index


@dataclass(frozen=True)
class Machine:
    """An environment in hostile surroundings.

    Args:
        target: the environment.
        world: what the user installs from.
        canary: written by whatever code of the surroundings or of a refused package runs.
    """

    target: Environment
    world: World
    canary: Path


@pytest.fixture
def machine(target: Environment, world: World, evil: PyPISimulator, tmp_path: Path) -> Iterator[Machine]:
    """Every setting at once that must not change what is installed from an index that is typed."""
    canary = tmp_path / "canary"
    for name in ("widget", "gear"):
        evil.add(*make_sdist(name, "99.0.0", canary=canary))
    write_pip_conf(target, f"[global]\nindex-url = {evil.simple_url}\n[install]\nextra-index-url = {evil.simple_url}\n")
    named = tmp_path / "pip.conf"
    named.write_text(f"[install]\ntrusted-host = evil.test\nextra-index-url =\n  {evil.simple_url}\n")
    write_hostile_project(target, evil, canary, tmp_path)
    target.variables |= {
        "PIP_CONFIG_FILE": str(named),
        "PIP_INDEX_URL": evil.simple_url,
        "PIP_EXTRA_INDEX_URL": evil.simple_url,
        "PIP_CACHE_DIR": str(tmp_path / "pip-cache"),
        "PIP_RETRIES": "0",
        "PIP_NO_REQUIRE_HASHES": "1",
        "PYTHONPATH": str(tmp_path / "modules"),
        "HTTP_PROXY": DEAD_PROXY,
        "https_proxy": DEAD_PROXY,
        "ALL_PROXY": DEAD_PROXY,
        "NO_PROXY": "127.0.0.1",
        "REQUESTS_CA_BUNDLE": str(world.trusted_root_path),
        "NETRC": str(tmp_path / "no-netrc"),
    }
    yield Machine(target, world, canary)
    assert not canary.exists()
    assert all(request.path.startswith("/simple/") for request in evil.requests)
    assert not (tmp_path / "pip-cache").exists()


def write_pip_conf(target: Environment, text: str) -> None:
    folder = target.home / ".config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(text)


def write_hostile_project(target: Environment, evil: PyPISimulator, canary: Path, tmp_path: Path) -> None:
    """A project that brings a policy and modules with the names of guard's and pip's own."""
    stranger = tmp_path / "stranger.json"
    stranger.write_bytes(MintingSigstore().trusted_root_json())
    (target.project / "guard.toml").write_text(
        f'version = 1\n[pypi]\nindex-url = "{evil.simple_url}"\nextra-indexes = ["{evil.simple_url}"]\n'
        f'[sigstore]\ntrust-root = "{stranger}"\n'
    )
    (tmp_path / "modules").mkdir()
    for folder in (target.project, tmp_path / "modules"):
        for name in ("requests", "click", "packaging", "sigstore"):
            (folder / f"{name}.py").write_text(f"open({str(canary)!r}, 'a').write({name!r})\n")
    for name in ("pip", "guard", "setuptools"):
        (target.project / f"{name}.py").write_text(f"open({str(canary)!r}, 'a').write({name!r})\n")


# Ten scenarios again.


def a_signed_wheel(machine: Machine) -> None:
    machine.world.publish("widget", "1.0.0", requires=["gear"])
    machine.world.publish("gear", "1.0.0", attested=False)
    result = machine.target.install("widget")
    assert result.status == 0, result.stderr
    assert machine.target.installed() == {"widget": "1.0.0", "gear": "1.0.0"}
    assert "without `guard policy trust` this has no effect" in result.stderr


def an_sdist(machine: Machine) -> None:
    filename, content = make_sdist("widget", "1.0.0", build_requires=["gear"])
    machine.world.upload(filename, content, identity=maintainer_of("widget"))
    machine.world.publish("gear", "1.0.0")
    result = machine.target.install("widget")
    assert result.status == 0, result.stderr
    assert machine.target.installed() == {"widget": "1.0.0"}


def a_hashed_requirement(machine: Machine) -> None:
    published = machine.world.publish("widget", "1.0.0")
    line = f"widget==1.0.0 --hash=sha256:{published.sha256}\n"
    (machine.target.project / "requirements.txt").write_text(line)
    result = machine.target.install("-r", "requirements.txt")
    assert result.status == 0, result.stderr
    assert result.report["artifacts"][0]["bound_by"] == "pip-hash"


def other_bytes(machine: Machine) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    machine.world.pypi.add(filename, content, served=content[:-1] + b"\1")
    install_refused(machine.target, "widget", rules={"hash-mismatch"})


def an_invalid_signature(machine: Machine) -> None:
    machine.world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    install_refused(machine.target, "widget", rules={"provenance-invalid"})


def provenance_that_is_required(machine: Machine) -> None:
    machine.world.publish("widget", "1.0.0", attested=False)
    policy = machine.target.root / "policy.toml"
    policy.write_text(REQUIRED)
    install_refused(machine.target, "widget", rules={"provenance-missing"}, options=("--policy", str(policy)))


def provenance_that_was_stripped(machine: Machine) -> None:
    machine.world.publish("widget", "1.0.0", attested=False, provenance_flag=True)
    install_refused(machine.target, "widget", rules={"provenance-stripped"})


def an_sdist_that_is_blocked(machine: Machine) -> None:
    filename, content = make_sdist("widget", "1.0.0", canary=machine.canary)
    machine.world.upload(filename, content, identity=maintainer_of("widget"), defect=Defect.FOREIGN_CA)
    install_refused(machine.target, "widget", rules={"provenance-invalid"})


def a_build_requirement_that_is_blocked(machine: Machine) -> None:
    filename, content = make_sdist("widget", "1.0.0", build_requires=["gear"], canary=machine.canary)
    machine.world.upload(filename, content, identity=maintainer_of("widget"))
    machine.world.publish("gear", "1.0.0", canary=machine.canary, defect=Defect.FOREIGN_CA)
    install_refused(machine.target, "widget", rules={"provenance-invalid"})


def metadata_that_lies(machine: Machine) -> None:
    honest = wheel_metadata(make_wheel("widget", "1.0.0")[1])
    machine.world.publish("widget", "1.0.0", requires=["gear"], metadata_served=honest)
    install_refused(machine.target, "widget", rules={"metadata-mismatch"})


def an_address(machine: Machine) -> None:
    url = f"{machine.world.pypi.files_url}/widget-1.0.0-py3-none-any.whl"
    install_refused(machine.target, url, rules={"source-not-allowed"})
    assert machine.world.pypi.requests == []


def an_unknown_command(machine: Machine) -> None:
    guard_refused(machine.target, "pip", "instal", "widget", rules={"command-not-guarded"})


@pytest.mark.parametrize(
    "scenario",
    [
        a_signed_wheel,
        an_sdist,
        a_hashed_requirement,
        other_bytes,
        an_invalid_signature,
        provenance_that_is_required,
        provenance_that_was_stripped,
        an_sdist_that_is_blocked,
        a_build_requirement_that_is_blocked,
        metadata_that_lies,
        an_address,
        an_unknown_command,
    ],
)
def test_the_machine_changes_no_verdict(machine: Machine, scenario: Callable[[Machine], None]) -> None:
    scenario(machine)


# What each setting may do.


def test_a_configured_index_is_in_force_and_decided(target: Environment, evil: PyPISimulator) -> None:
    filename, content = make_wheel("widget", "99.0.0")
    evil.add(filename, content, provenance=b"{}")
    target.index_url = None
    write_pip_conf(target, f"[global]\nindex-url = {evil.simple_url}\n")
    install_refused(target, "widget", rules={"provenance-invalid"})


def test_a_variable_wins_over_a_file(target: Environment, world: World, evil: PyPISimulator) -> None:
    world.publish("widget", "1.0.0")
    evil.add(*make_wheel("widget", "99.0.0"))
    target.index_url = None
    write_pip_conf(target, f"[global]\nindex-url = {evil.simple_url}\n")
    target.variables["PIP_INDEX_URL"] = world.pypi.simple_url
    assert target.install("widget").status == 0
    assert target.installed() == {"widget": "1.0.0"}
    assert evil.requests == []


def test_no_index_asks_none(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    target.variables["PIP_NO_INDEX"] = "1"
    result = target.install("widget")
    assert (result.status, target.installed()) == (1, {})
    assert world.pypi.requests == []


def test_hashes_that_a_variable_requires(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    target.variables["PIP_REQUIRE_HASHES"] = "1"
    install_refused(target, "widget", rules={"hash-missing"})


def test_a_constraint_of_a_variable_holds(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0")
    world.publish("widget", "2.0.0")
    (tmp_path / "limits.txt").write_text("widget<2\n")
    target.variables["PIP_CONSTRAINT"] = str(tmp_path / "limits.txt")
    assert target.install("widget").status == 0
    assert target.installed() == {"widget": "1.0.0"}


def test_a_target_of_a_variable_is_where_it_goes(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0")
    target.variables["PIP_TARGET"] = str(tmp_path / "elsewhere")
    assert target.install("widget").status == 0
    assert (tmp_path / "elsewhere" / "widget" / "__init__.py").exists()
    assert target.installed() == {}


def test_a_proxy_that_is_dead_is_an_outage(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    target.variables["http_proxy"] = DEAD_PROXY
    result = install_refused(target, "widget", rules={"registry-unavailable"}, status=11)
    assert "through the proxy" in result.stderr
    assert world.pypi.requests == []


def test_a_trust_root_and_index_of_a_project_wait_for_trust(
    target: Environment, world: World, evil: PyPISimulator
) -> None:
    world.publish("widget", "1.0.0")
    evil.add(*make_wheel("widget", "99.0.0"))
    target.index_url = target.trust_root = None
    target.variables["PIP_EXTRA_INDEX_URL"] = ""
    target.variables["CI"] = "true"  # the shipped trust root is in force, and here it is not to be refreshed
    write_pip_conf(target, f"[global]\nindex-url = {world.pypi.simple_url}\n")
    (target.project / "guard.toml").write_text(
        f'version = 1\n[sigstore]\ntrust-root = "{world.trusted_root_path}"\n[pypi]\nindex-url = "{evil.simple_url}"\n'
    )
    result = install_refused(target, "widget", rules={"provenance-invalid"})
    assert "guard.toml sets pypi.index-url, sigstore.trust-root" in result.stderr
    assert "policy-loosened" in result.rules("note")
    assert evil.requests == []


def test_a_looser_rule_of_a_project_is_said(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0", attested=False)
    config = target.home / ".config" / "provenance-guard"
    config.mkdir(parents=True)
    (config / "guard.toml").write_text('version = 1\n[policy]\nprovenance = "required"\n')
    (target.project / "guard.toml").write_text('version = 1\n[policy]\nprovenance = "optional"\n')
    result = target.install("widget")
    assert "guard.toml:3 sets provenance looser than your own policy" in result.stderr


# Credentials (invariant I9).


def places_of_secret(target: Environment, texts: tuple[str, ...]) -> list[str]:
    """Return where the secret stands, plain or as Basic authorization has it."""
    needles = [SECRET.encode(), base64.b64encode(f"user:{SECRET}".encode())]
    found = [text for text in texts if any(needle in text.encode() for needle in needles)]
    files = (path for path in target.root.rglob("*") if path.is_file())
    return found + [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]


def test_credentials_of_an_index_reach_only_its_host(target: Environment, world: World, evil: PyPISimulator) -> None:
    world.pypi.credentials, world.pypi.files_need_credentials = ("user", SECRET), False
    world.publish("widget", "1.0.0")
    world.publish("widget", "1.1.0", yanked="bad")
    evil.add(*make_wheel("gear", "1.0.0"))
    target.index_url = world.pypi.simple_url.replace("://", f"://user:{SECRET}@")
    extra = ("--extra-index-url", evil.simple_url)
    result = target.install(
        *extra, "--log", "pip.log", "--report", "plan.json", "-v", "widget", "gear", options=("-v",)
    )
    assert result.status == 0, result.stderr
    asked = [*world.pypi.requests, *evil.requests]
    assert {request.path for request in asked if "authorization" in request.headers} == {
        "/simple/widget/",
        "/simple/gear/",
        "/integrity/widget/1.0.0/widget-1.0.0-py3-none-any.whl/provenance",
    }
    assert all("authorization" not in request.headers for request in evil.requests)
    assert "127.0.0.1" in (target.project / "pip.log").read_text()
    assert places_of_secret(target, (result.stdout, result.stderr, str(result.report))) == []


def test_credentials_that_are_refused_are_not_shown(target: Environment, world: World) -> None:
    world.pypi.credentials = ("user", "another")
    world.publish("widget", "1.0.0")
    target.variables["USER_OF_INDEX"], target.variables["SECRET_OF_INDEX"] = "user", SECRET
    address = world.pypi.simple_url.replace("://", "://${USER_OF_INDEX}:${SECRET_OF_INDEX}@")
    (target.project / "requirements.txt").write_text(f"--index-url {address}\nwidget\n")
    target.index_url = None
    result = install_refused(target, "-r", "requirements.txt", rules={"registry-unavailable"}, status=11)
    assert "127.0.0.1 wants credentials" in result.stderr
    assert world.pypi.requests[0].headers["authorization"].startswith("Basic ")
    assert places_of_secret(target, (result.stdout, result.stderr, str(result.report))) == []

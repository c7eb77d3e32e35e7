"""npm packages for tests, and what the real npm makes of them and of the simulator that serves them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.npm_environment import NEWEST_NPM, OLDEST_NPM, NpmEnvironment, NpmTools, make_npm
from tests.sim.npm import Fault, NpmSimulator
from tests.sim.npm_packages import make_tarball, read_manifest, read_tarball, unpack_tarball
from tests.sim.packuments import integrity_of

_HOOKS = ("preinstall", "install", "postinstall")


@pytest.fixture
def npm() -> Iterator[NpmSimulator]:
    with NpmSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> NpmTools:
    return NpmTools(tmp_path_factory.getbasetemp() / "npm-tools")


@pytest.fixture
def make(tmp_path: Path, tools: NpmTools, npm: NpmSimulator) -> Callable[..., NpmEnvironment]:
    def make(npm_version: str = NEWEST_NPM) -> NpmEnvironment:
        environment = make_npm(tmp_path / npm_version, tools, npm_version, registry=npm.url)
        environment.manifest()
        return environment

    return make


def _info(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        return {member.name: member for member in archive.getmembers()}


def test_bytes_are_reproducible() -> None:
    assert make_tarball("widget", "1.0.0", bin={"w": ""}) == make_tarball("widget", "1.0.0", bin={"w": ""})


def test_everything_is_in_one_folder_with_modes_and_a_date() -> None:
    members = _info(make_tarball("@acme/widget", "1.0.0", bin={"widget": "console.log(1)"}))
    assert {name: oct(member.mode) for name, member in members.items()} == {
        "package/bin/widget.js": "0o755",
        "package/index.js": "0o644",
        "package/package.json": "0o644",
    }
    assert {member.mtime for member in members.values()} == {499162500}
    assert {*_info(make_tarball("widget", "1.0.0", root="widget-1"))} == {"widget-1/package.json", "widget-1/index.js"}


def test_package_json_has_what_is_given_and_nothing_empty() -> None:
    assert read_manifest(make_tarball("widget", "1.0.0")) == {"name": "widget", "version": "1.0.0"}
    content = make_tarball(
        "widget",
        "1.0.0",
        dependencies={"a": "^1"},
        optional={"b": "^2"},
        peer={"c": "^3"},
        bundled={"d": "4.0.0"},
        scripts={"test": "true"},
        bin={"widget": ""},
        manifest_overrides={"os": ["linux"], "version": "6.6.6"},
    )
    assert read_manifest(content) == {
        "name": "widget",
        "version": "6.6.6",
        "dependencies": {"d": "4.0.0", "a": "^1"},
        "optionalDependencies": {"b": "^2"},
        "peerDependencies": {"c": "^3"},
        "bundleDependencies": ["d"],
        "scripts": {"test": "true"},
        "bin": {"widget": "bin/widget.js"},
        "os": ["linux"],
    }


def test_what_is_bundled_is_inside_with_all_its_files() -> None:
    inner = make_tarball("@acme/inner", "2.0.0", files={"data.bin": b"\x00\xff"}, bundled={"deep": "3.0.0"})
    files = read_tarball(make_tarball("widget", "1.0.0", bundled={"@acme/inner": inner, "plain": "1.2.3"}))
    assert files["node_modules/@acme/inner/data.bin"] == b"\x00\xff"
    assert json.loads(files["node_modules/@acme/inner/node_modules/deep/package.json"])["version"] == "3.0.0"
    assert json.loads(files["package.json"])["dependencies"] == {"@acme/inner": "2.0.0", "plain": "1.2.3"}


def test_given_files_replace_what_would_be_generated() -> None:
    content = make_tarball("widget", "1.0.0", files={"package.json": '{"name": "other"}'})
    assert read_manifest(content) == {"name": "other"}


def test_unpacking_leaves_the_package(tmp_path: Path) -> None:
    unpack_tarball(make_tarball("widget", "1.0.0", bundled={"inner": "1.0.0"}), tmp_path / "local")
    assert json.loads((tmp_path / "local/package.json").read_text())["name"] == "widget"
    assert (tmp_path / "local/node_modules/inner/index.js").exists()


@pytest.mark.e2e
@pytest.mark.parametrize("npm_version", [NEWEST_NPM, OLDEST_NPM])
def test_npm_installs_a_tree_and_runs_its_scripts(
    npm: NpmSimulator, make: Callable[..., NpmEnvironment], tmp_path: Path, npm_version: str
) -> None:
    canary = tmp_path / "it's a canary"
    deep = make_tarball("deep", "1.0.0", canary=canary, hooks=_HOOKS)
    npm.add(deep, elsewhere=True)
    npm.add(make_tarball("foreign", "1.0.0", manifest_overrides={"os": ["none"]}))
    bundled = {"inner": make_tarball("inner", "1.0.0", canary=canary)}
    widget = make_tarball(
        "@acme/widget",
        "1.0.0",
        dependencies={"deep": "^1"},
        optional={"foreign": "^1"},
        bundled=bundled,
        bin={"widget": "console.log(`widget says ${process.argv[2]}`)"},
    )
    npm.add(widget)
    environment = make(npm_version)
    result = environment.npm("install", "@acme/widget")
    assert result.status == 0, result.stderr
    assert environment.npm("--version").stdout == f"{npm_version}\n"
    assert environment.installed() == {
        "@acme/widget": "1.0.0",
        "@acme/widget/node_modules/inner": "1.0.0",
        "deep": "1.0.0",
    }
    entry = environment.lock()["packages"]["node_modules/deep"]
    assert entry["integrity"] == integrity_of(deep)
    assert entry["hasInstallScript"] is True
    assert entry["resolved"] == f"{npm.files_url}/deep/-/deep-1.0.0.tgz"
    assert sorted(canary.read_text().splitlines()) == sorted([*(f"{h} deep" for h in _HOOKS), "postinstall inner"])
    assert environment.npx("--no", "widget", "hello").stdout == "widget says hello\n"
    assert {request.method for request in npm.requests} == {"GET", "POST"}


@pytest.mark.e2e
def test_the_global_folder_is_inside_the_environment(npm: NpmSimulator, make: Callable[..., NpmEnvironment]) -> None:
    npm.add(make_tarball("widget", "1.0.0", bin={"widget": "console.log(1)"}))
    environment = make()
    assert environment.npm("install", "--global", "widget").status == 0
    assert environment.installed(environment.global_folder) == {"widget": "1.0.0"}
    assert environment.run("widget").stdout == "1\n"
    assert environment.installed() == {}


@pytest.mark.e2e
def test_nothing_of_the_machine_configures_npm(
    make: Callable[..., NpmEnvironment], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("npm_config_ignore_scripts", "NPM_CONFIG_FUND", "NODE_OPTIONS", "CI"):
        monkeypatch.setenv(name, "true")
    environment = make()
    environment.configure("fund=false", level="global")
    environment.configure("audit=false", level="project")
    listed = json.loads(environment.npm("config", "list", "--json").stdout)
    assert (listed["fund"], listed["audit"], listed["ignore-scripts"]) == (False, False, False)
    assert listed["globalconfig"] == str(environment.root / "etc/npmrc")
    assert listed["userconfig"] == str(environment.home / ".npmrc")


@pytest.mark.e2e
@pytest.mark.parametrize("npm_version", [NEWEST_NPM, OLDEST_NPM])
def test_npm_refuses_bytes_that_are_not_the_listed_ones(
    npm: NpmSimulator, make: Callable[..., NpmEnvironment], npm_version: str
) -> None:
    npm.add(make_tarball("widget", "1.0.0"), served=make_tarball("widget", "1.0.0", files={"evil.js": ""}))
    environment = make(npm_version)
    environment.configure("fetch-retries=0")  # else npm asks again for more than a minute
    result = environment.npm("install", "widget")
    assert result.status != 0
    assert "EINTEGRITY" in result.stderr
    assert environment.installed() == {}


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("credentials", "setting"),
    [("s3cret", "_authToken=s3cret"), (("ann", "pass"), "_auth=YW5uOnBhc3M=")],
    ids=["token", "basic"],
)
def test_npm_presents_credentials(
    npm: NpmSimulator,
    make: Callable[..., NpmEnvironment],
    credentials: str | tuple[str, str],
    setting: str,
) -> None:
    npm.credentials = credentials
    npm.add(make_tarball("widget", "1.0.0"))
    environment = make()
    assert "E401" in environment.npm("install", "widget").stderr
    environment.configure(f"{npm.url.removeprefix('http:')}:{setting}")
    assert environment.npm("install", "widget").status == 0


@pytest.mark.e2e
def test_npm_knows_the_errors(npm: NpmSimulator, make: Callable[..., NpmEnvironment]) -> None:
    npm.add(make_tarball("widget", "1.0.0"))
    environment = make()
    assert "E404" in environment.npm("install", "unknown").stderr
    assert "ETARGET" in environment.npm("install", "widget@9").stderr
    npm.fault("tarball", Fault.FORBIDDEN)
    assert "E403" in environment.npm("install", "widget").stderr


@pytest.mark.e2e
def test_npm_audits_and_shows_what_is_deprecated(npm: NpmSimulator, make: Callable[..., NpmEnvironment]) -> None:
    npm.add(make_tarball("widget", "1.0.0"), deprecated="use gear")
    advisory = {"id": 7, "url": "https://example.test/7", "title": "bad", "severity": "high"}
    npm.advisories["widget"] = [{**advisory, "vulnerable_versions": "<2.0.0"}]
    environment = make()
    result = environment.npm("install", "widget")
    assert "widget@1.0.0: use gear" in result.stderr
    assert "1 high severity vulnerability" in result.stdout

"""Where npm's packages come from: registries of every level, credentials, mirrors, proxies and certificates."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked
from tests.e2e.refusals import npm_refused, policy_file, singing
from tests.sim import npm_documents
from tests.sim.npm import NpmSimulator, Request
from tests.sim.npm_packages import make_tarball
from tests.sim.sigstore import Defect
from tests.sim.world import World

pytestmark = pytest.mark.e2e

TOKEN = "s3cret-token"


@pytest.fixture
def corporate(world: World) -> Iterator[NpmSimulator]:
    """A registry of a company, below a path of its host, that wants a token."""
    with NpmSimulator(prefix="/api/npm") as registry:
        registry.keys = world.npm.keys
        registry.credentials = TOKEN
        yield registry


@pytest.fixture
def foreign() -> Iterator[NpmSimulator]:
    """A registry that nobody asked for."""
    with NpmSimulator() as registry:
        yield registry


def dart(registry: NpmSimulator) -> str:
    """Return what credentials of a registry stand under in an .npmrc."""
    return registry.url.partition(":")[2]


def credentials_in(requests: list[Request]) -> set[str | None]:
    return {request.headers.get("authorization") for request in requests}


def assert_installed(target: NpmEnvironment, *arguments: str, **expected: str) -> None:
    """Run ``guard npm install`` and look what is there afterwards; keywords are names with their versions."""
    result = target.guard("install", *arguments)
    assert result.status == 0, result.stderr
    assert target.installed() == expected


# Which registry is asked.


def by_file(level: Literal["user", "project", "global"]) -> Callable[[NpmEnvironment, str], tuple[str, ...]]:
    def choose(target: NpmEnvironment, url: str) -> tuple[str, ...]:
        target.configure(f"registry = {url}", level=level)
        return ()

    return choose


def by_variable(target: NpmEnvironment, url: str) -> tuple[str, ...]:
    target.configure("registry=http://127.0.0.1:9/", level="project")
    target.variables["NPM_CONFIG_REGISTRY"] = url
    return ()


def by_option(target: NpmEnvironment, url: str) -> tuple[str, ...]:
    target.variables["npm_config_registry"] = "http://127.0.0.1:9/"
    return ("--reg", url)


WAYS = {
    "global": by_file("global"),
    "user": by_file("user"),
    "project": by_file("project"),
    "variable": by_variable,
    "option": by_option,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_registry_that_npm_would_ask_is_asked_and_decided(
    make_npm_environment: Callable[..., NpmEnvironment], world: World, way: str
) -> None:
    """The registry of every way in, with nothing else configured, holds a package that is refused."""
    target = make_npm_environment()
    target.trust_root = world.trusted_root_path
    target.manifest()
    world.upload_npm(singing(target, "evil"), attested=True, defect=Defect.SIGNATURE_CORRUPT)
    options = WAYS[way](target, world.npm.url)
    npm_refused(target, "install", *options, "evil", rules={"provenance-invalid"})


def test_a_project_decides_over_the_user_and_the_user_over_the_machine(
    make_npm_environment: Callable[..., NpmEnvironment], world: World, foreign: NpmSimulator
) -> None:
    world.publish_npm("widget", "1.0.0")
    world.publish_npm("widget", "9.0.0", registry=foreign)
    target = make_npm_environment(registry=foreign.url, npmrc="global")
    target.configure(f"registry={foreign.url}")
    target.configure("registry=${PLACE}/", level="project")
    target.variables["PLACE"] = world.npm.base_url
    target.manifest()
    assert_installed(target, "widget", widget="1.0.0")
    assert foreign.requests == []


# Credentials.


def test_a_scope_with_a_registry_and_a_token_of_its_own(
    either_npm: NpmEnvironment, world: World, corporate: NpmSimulator
) -> None:
    """The token reaches its host, on every path there, and nobody else."""
    world.publish_npm("widget", "1.0.0")
    world.publish_npm("@acme/tool", "1.0.0", registry=corporate, dependencies={"widget": "1", "@acme/part": "1"})
    world.publish_npm("@acme/part", "1.0.0", registry=corporate, attested=True)
    # What stands in for `npm login`: another token for the public one.
    either_npm.configure(f"{dart(world.npm)}:_authToken=public-token")
    either_npm.configure(
        f"@acme:registry={corporate.url}", f"{dart(corporate)}:_authToken=${{ACME_TOKEN}}", level="project"
    )
    either_npm.variables["ACME_TOKEN"] = TOKEN
    either_npm.manifest()
    result = either_npm.guard("install", "@acme/tool")
    assert result.status == 0, result.stderr
    assert either_npm.installed() == {"widget": "1.0.0", "@acme/tool": "1.0.0", "@acme/part": "1.0.0"}
    assert credentials_in(corporate.requests) == {f"Bearer {TOKEN}"}
    assert credentials_in(world.npm.requests) == {"Bearer public-token"}
    written = [path.read_bytes() for path in either_npm.home.rglob("*") if path.is_file() and path.name != ".npmrc"]
    assert not [
        text for text in (*written, result.stdout, result.stderr, json.dumps(result.report)) if TOKEN in str(text)
    ]
    resolved = {entry["resolved"] for path, entry in either_npm.lock()["packages"].items() if path}
    assert resolved == {
        f"{world.npm.base_url}/widget/-/widget-1.0.0.tgz",
        f"{corporate.base_url}/@acme/tool/-/tool-1.0.0.tgz",
        f"{corporate.base_url}/@acme/part/-/part-1.0.0.tgz",
    }
    npm_refused(
        either_npm,
        "ci",
        rules={"provenance-missing"},
        options=policy_file(either_npm, '[policy]\nprovenance = "required"\n'),
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"_auth": base64.b64encode(b"alice:p:w").decode()},
        {"username": "alice", "_password": base64.b64encode(b"p:w").decode()},
    ],
    ids=["_auth", "password"],
)
def test_a_user_with_a_password(npm_target: NpmEnvironment, world: World, settings: dict[str, str]) -> None:
    world.npm.credentials = ("alice", "p:w")
    world.publish_npm("widget", "1.0.0")
    npm_target.configure(*(f"{dart(world.npm)}:{name}={value}" for name, value in settings.items()))
    npm_target.manifest()
    assert_installed(npm_target, "widget", widget="1.0.0")
    assert npm_target.lock()["packages"]["node_modules/widget"]["resolved"].startswith(world.npm.url)


def test_tarballs_on_a_host_that_is_not_the_registrys_get_no_token(
    npm_target: NpmEnvironment, world: World, corporate: NpmSimulator
) -> None:
    corporate.files_need_credentials = False
    corporate.tarballs_elsewhere = True
    world.publish_npm("@acme/tool", "1.0.0", registry=corporate)
    npm_target.configure(f"@acme:registry={corporate.url}", f"{dart(corporate)}:_authToken={TOKEN}")
    npm_target.manifest()
    assert_installed(npm_target, "@acme/tool", **{"@acme/tool": "1.0.0"})
    by_host = {host: [each for each in corporate.requests if each.host == host] for host in ("index", "files")}
    assert credentials_in(by_host["index"]) == {f"Bearer {TOKEN}"}
    assert credentials_in(by_host["files"]) == {None}
    resolved = npm_target.lock()["packages"]["node_modules/@acme/tool"]["resolved"]
    assert resolved == f"{corporate.files_url}/@acme/tool/-/tool-1.0.0.tgz"


def test_a_denial_names_the_host_and_where_guard_looked(
    npm_target: NpmEnvironment, world: World, corporate: NpmSimulator
) -> None:
    world.publish_npm("@acme/tool", "1.0.0", registry=corporate)
    npm_target.configure(f"@acme:registry={corporate.url}", f"{dart(world.npm)}:_authToken=other-token")
    npm_target.manifest()
    result = npm_refused(npm_target, "install", "@acme/tool", rules={"registry-unavailable"}, status=11)
    host = corporate.base_url.partition("//")[2].partition("/")[0]
    assert f"{host}" in result.stderr
    assert f".npmrc: no entry names 127.0.0.1; it has entries for {dart(world.npm)}" in result.stderr
    assert f"npm config set //{host}/:_authToken TOKEN" in result.stderr
    assert "other-token" not in result.stderr
    assert credentials_in(corporate.requests) == {None}


# Mirrors.


def test_a_lock_that_was_made_with_another_mirror(npm_target: NpmEnvironment, world: World) -> None:
    """A lock of the same bytes that names an unknown host is refused; one that is configured is only told of."""
    widget = world.publish_npm("widget", "1.0.0")
    elsewhere = entry_of(widget, world.npm, resolved="https://mirror.invalid/npm/widget/-/widget-1.0.0.tgz")
    write_locked(npm_target, {"widget": elsewhere})
    refused = npm_refused(npm_target, "ci", rules={"registry-host"})
    assert "mirror.invalid" in refused.stderr
    npm_target.configure("@mirrored:registry=https://mirror.invalid/npm/")
    result = npm_target.guard("ci")
    assert result.status == 0, result.stderr
    assert "registry-host" in result.rules("note")
    assert npm_target.installed() == {"widget": "1.0.0"}
    assert npm_target.lock()["packages"]["node_modules/widget"] == elsewhere


@pytest.mark.parametrize("command", ["install", "ci"])
def test_a_lock_without_addresses(npm_target: NpmEnvironment, world: World, command: str) -> None:
    world.publish_npm("widget", "1.0.0")
    npm_target.configure("omit-lockfile-registry-resolved=true", level="project")
    npm_target.manifest(dependencies={"widget": "1.0.0"})
    if command == "ci":
        widget = world.publish_npm("widget", "1.0.0")
        write_locked(npm_target, {"widget": entry_of(widget, world.npm, resolved=None)})
    result = npm_target.guard(command)
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"widget": "1.0.0"}
    assert "resolved" not in npm_target.lock()["packages"]["node_modules/widget"]


def test_replace_registry_host_is_obeyed_where_the_bytes_are_fetched(
    npm_target: NpmEnvironment, world: World, foreign: NpmSimulator
) -> None:
    """With ``always``, tarballs that the registry lists on another host are taken from the registry's own."""
    widget = make_tarball("widget", "1.0.0")
    world.upload_npm(widget, tarball=f"{foreign.base_url}/widget/-/widget-1.0.0.tgz")
    npm_target.manifest()
    npm_target.configure("replace-registry-host=always")
    assert_installed(npm_target, "widget", widget="1.0.0")
    assert foreign.requests == []


# What guard.toml says.


def test_the_registry_of_a_policy_is_used_where_the_command_line_names_none(
    npm_target: NpmEnvironment, world: World, foreign: NpmSimulator
) -> None:
    world.publish_npm("widget", "2.0.0", registry=foreign)
    world.publish_npm("widget", "1.0.0")
    npm_target.manifest()
    policy = policy_file(npm_target, f'[npm]\nregistry = "{foreign.base_url}"\n')
    result = npm_target.guard("install", "widget", options=policy)
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"widget": "2.0.0"}
    typed = npm_target.guard("install", "widget@latest", "--registry", world.npm.url, options=policy)
    assert typed.status == 0, typed.stderr
    assert npm_target.installed() == {"widget": "1.0.0"}


def test_the_registry_of_a_project_needs_trust(npm_target: NpmEnvironment, world: World, foreign: NpmSimulator) -> None:
    world.publish_npm("widget", "2.0.0", registry=foreign)
    world.publish_npm("widget", "1.0.0")
    npm_target.manifest()
    (npm_target.project / "guard.toml").write_text(f'version = 1\n[npm]\nregistry = "{foreign.url}"\n')
    result = npm_target.guard("install", "widget")
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"widget": "1.0.0"}
    assert foreign.requests == []
    assert "guard policy trust" in result.stderr
    assert npm_target.run_guard("policy", "trust").status == 0
    assert npm_target.guard("install", "widget@latest").status == 0
    assert npm_target.installed() == {"widget": "2.0.0"}


def test_keys_of_a_file_count_in_place_of_the_registrys(npm_target: NpmEnvironment, world: World) -> None:
    """The registry itself serves the right keys; the file has others."""
    npm_target.manifest()
    world.upload_npm(singing(npm_target, "widget"))
    keys = npm_target.root / "keys.json"
    keys.write_text(json.dumps(npm_documents.keys_document([npm_documents.RegistryKey()])))
    policy = policy_file(npm_target, f'[npm]\nkeys = "{keys}"\n')
    npm_refused(npm_target, "install", "widget", rules={"registry-signature-invalid"}, options=policy)
    keys.write_text(json.dumps(world.npm.keys))
    world.npm.keys = None
    result = npm_target.guard("install", "widget", options=policy)
    assert result.status == 0, result.stderr
    assert [each["state"] for each in result.report["artifacts"][0]["evidence"] if each["kind"] == "npm-signature"] == [
        "verified"
    ]


# What a package says about registries.


def test_what_a_package_says_about_registries_has_no_effect(
    npm_target: NpmEnvironment, world: World, foreign: NpmSimulator
) -> None:
    says = {
        "publishConfig": {"registry": foreign.url, "@acme:registry": foreign.url},
        "config": {"registry": foreign.url},
        "@acme:registry": foreign.url,
    }
    npmrc = f"registry={foreign.url}\n@acme:registry={foreign.url}\n"
    dependencies = {"@acme/part": "1"}
    speaker = make_tarball(
        "speaker", "1.0.0", dependencies=dependencies, manifest_overrides=says, files={".npmrc": npmrc}
    )
    world.upload_npm(speaker)
    world.publish_npm("@acme/part", "1.0.0")
    world.publish_npm("@acme/part", "1.9.0", registry=foreign)
    npm_target.manifest(**{"@acme:registry": foreign.url, "publishConfig": {"registry": foreign.url}})
    assert_installed(npm_target, "speaker", **{"speaker": "1.0.0", "@acme/part": "1.0.0"})
    assert foreign.requests == []


# The way to the network.


@pytest.mark.parametrize("way", ["variable", "npmrc"])
def test_the_users_proxy_is_used_for_registries_and_not_for_the_loopback(
    npm_target: NpmEnvironment, world: World, way: str
) -> None:
    """The registry's name leads nowhere: the simulator is the proxy, to which it is said in full."""
    proxy = world.npm.base_url.replace("//", "//me:hunter2@")
    world.publish_npm("widget", "1.0.0", tarball="http://registry.invalid/widget/-/widget-1.0.0.tgz")
    if way == "variable":
        npm_target.variables |= {"HTTP_PROXY": proxy, "https_proxy": proxy}
    else:
        npm_target.configure(f"proxy={proxy}")
    npm_target.configure("registry=http://registry.invalid/", level="project")
    npm_target.manifest()
    result = npm_target.guard("install", "widget")
    assert result.status == 0, result.stderr
    assert npm_target.installed() == {"widget": "1.0.0"}
    assert {request.headers["host"] for request in world.npm.requests} == {"registry.invalid"}
    login = base64.b64encode(b"me:hunter2").decode()
    assert {request.headers["proxy-authorization"] for request in world.npm.requests} == {f"Basic {login}"}
    assert "hunter2" not in result.stdout + result.stderr + json.dumps(result.report)

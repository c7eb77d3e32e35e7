"""What a refusal leaves of a project that was there before, and what no run leaves anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked, write_published
from tests.e2e.refusals import blocked_by, canary_of, npm_refused, npm_snapshot, policy_file, singing
from tests.e2e.traces import find_traces_in
from tests.sim.npm import NpmSimulator
from tests.sim.npm_packages import make_tarball, unpack_tarball
from tests.sim.sigstore import Defect
from tests.sim.world import PublishedNpm, World

FORGED = {"provenance-invalid"}
EXCEPTION = """
[[exception]]
package = "npm:forged"
rule = "provenance-invalid"
reason = "known"
expires = 2999-01-01
"""
# Downloads as a build script would: through the proxy that the environment names.
_DOWNLOAD = """
const proxy = new URL(process.env.HTTP_PROXY)
const asked = { host: proxy.hostname, port: proxy.port, path: '/binary' }
require('http').get(asked, (answer) => answer.resume())
"""
# Every node notes what it was told of the gateway.
_WITNESS = """
const told = Object.entries(process.env).filter(([name]) => /_authToken|registry$|_cache$/.test(name))
require('fs').appendFileSync(process.env.WITNESS, told.flat().join('\\n') + '\\n')
"""


def publish_forged(target: NpmEnvironment, world: World, name: str = "forged") -> PublishedNpm:
    return world.upload_npm(singing(target, name), attested=True, defect=Defect.SIGNATURE_CORRUPT)


def install_before(target: NpmEnvironment, world: World) -> PublishedNpm:
    """Let a project have a tree, with a file in it that no package has brought."""
    old = world.publish_npm("old", "1.0.0")
    write_published(target, world.npm, old)
    assert target.npm("ci").status == 0
    (target.project / "node_modules" / "old" / "mine.txt").write_text("patched by hand\n")
    (target.project / "node_modules" / ".mine").symlink_to("old/mine.txt")
    return old


# Refused before anything began.


def test_ci_leaves_the_tree_that_is_there(either_npm: NpmEnvironment, world: World) -> None:
    old = install_before(either_npm, world)
    write_published(either_npm, world.npm, old, publish_forged(either_npm, world))
    npm_refused(either_npm, "ci", rules=FORGED)


@pytest.mark.parametrize("words", [("install", "forged"), ("install",)])
def test_a_command_that_would_change_the_tree(either_npm: NpmEnvironment, world: World, words: tuple[str, ...]) -> None:
    install_before(either_npm, world)
    publish_forged(either_npm, world)
    if words == ("install",):
        either_npm.manifest(dependencies={"old": "1.0.0", "forged": "^1.0.0"})
    npm_refused(either_npm, *words, rules=FORGED)


def test_two_projects_with_two_policies_and_one_home(either_npm: NpmEnvironment, world: World) -> None:
    forged = publish_forged(either_npm, world)
    other = either_npm.root / "other"
    unpack_tarball(make_tarball("other", "1.0.0", optional={"forged": "1.0.0"}), other)
    options = policy_file(either_npm, EXCEPTION)
    allowed = either_npm.guard("install", "--ignore-scripts", options=options, folder=other)
    assert (allowed.status, either_npm.installed(other)) == (0, {"forged": "1.0.0"}), allowed.stderr
    assert either_npm.npm("install", "--ignore-scripts", "--no-save", "forged", folder=other).status == 0
    either_npm.manifest(optionalDependencies={"forged": "1.0.0"})
    npm_refused(either_npm, "install", rules=FORGED)
    write_locked(either_npm, {"forged": entry_of(forged, world.npm)})
    npm_refused(either_npm, "ci", rules=FORGED)


def test_an_entry_that_only_the_lock_calls_left_out(npm_target: NpmEnvironment, world: World) -> None:
    """npm finds out by itself what is for development only; the rest it asks for, and goes on where it is optional."""
    install_before(npm_target, world)
    new, forged = world.publish_npm("old", "1.1.0"), publish_forged(npm_target, world)
    entries = {"old": entry_of(new, world.npm), "forged": entry_of(forged, world.npm, dev=True)}
    write_locked(npm_target, entries, dependencies={"old": "1.1.0"}, optionalDependencies={"forged": "1.0.0"})
    for command in ("install", "ci"):
        npm_refused(npm_target, command, "--omit=dev", rules=FORGED)


# Refused while a script was running.


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_script_that_installs_what_is_refused(npm_target: NpmEnvironment, world: World, command: str) -> None:
    """The package that brings it is allowed, as far as anybody can see."""
    old = install_before(npm_target, world)
    publish_forged(npm_target, world)
    scripts = {"postinstall": "npm install --no-audit forged || true"}
    nested = world.publish_npm("nested", "1.0.0", scripts=scripts)
    write_published(npm_target, world.npm, old, nested)
    result = npm_refused(npm_target, command, rules=FORGED)
    assert {name for name, rules in blocked_by(result).items() if rules} == {"forged"}


def test_a_script_that_installs_from_the_registry_of_a_scope(npm_target: NpmEnvironment, world: World) -> None:
    forged = singing(npm_target, "@acme/forged")
    nested = world.publish_npm("nested", "1.0.0", scripts={"postinstall": "npm install --no-audit @acme/forged"})
    write_published(npm_target, world.npm, nested)
    with NpmSimulator() as private:
        world.upload_npm(forged, registry=private, attested=True, defect=Defect.SIGNATURE_CORRUPT)
        npm_target.configure(f"@acme:registry={private.url}", level="project")
        npm_refused(npm_target, "ci", rules=FORGED)


def test_a_script_of_the_project_that_installs_what_is_refused(npm_target: NpmEnvironment, world: World) -> None:
    old = install_before(npm_target, world)
    publish_forged(npm_target, world)
    scripts = {"postinstall": "rm node_modules/old/mine.txt; npm install --no-audit forged"}
    write_locked(npm_target, {"old": entry_of(old, world.npm)}, scripts=scripts)
    npm_refused(npm_target, "install", rules=FORGED)


def test_a_script_that_installs_what_is_allowed(npm_target: NpmEnvironment, world: World) -> None:
    world.publish_npm("gear", "1.0.0")
    scripts = {"postinstall": "npm install --no-audit --no-save gear"}
    world.publish_npm("nested", "1.0.0", scripts=scripts)
    result = npm_target.guard("install", "nested")
    assert result.status == 0, result.stderr
    assert set(blocked_by(result)) == {"nested", "gear"}


def test_scripts_have_the_users_network(npm_target: NpmEnvironment, world: World) -> None:
    told = npm_target.root / "told"
    script = f'node download.js; echo "$HTTP_PROXY $NO_PROXY $GIT_ALLOW_PROTOCOL" > {told}'
    world.upload_npm(make_tarball("builds", "1.0.0", scripts={"postinstall": script}, files={"download.js": _DOWNLOAD}))
    with NpmSimulator() as proxy:
        npm_target.variables = {"HTTP_PROXY": proxy.base_url, "NO_PROXY": "127.0.0.1", "GIT_ALLOW_PROTOCOL": "https"}
        result = npm_target.guard("install", "builds")
        assert result.status == 0, result.stderr
        assert [request.path for request in proxy.requests] == ["/binary"]
    assert told.read_text().split() == [proxy.base_url, "127.0.0.1", "https"]


# What npm itself refuses.


@pytest.mark.parametrize("command", ["ci", "install"])
def test_a_failure_of_npms_own_leaves_the_tree(npm_target: NpmEnvironment, world: World, command: str) -> None:
    install_before(npm_target, world)
    npm_target.manifest(dependencies={"old": "1.0.0", "nowhere": "1.0.0"})
    bare = npm_target.npm(command)
    before = npm_snapshot(npm_target)
    guarded = npm_target.guard(command)
    assert (guarded.status, guarded.stdout) == (bare.status, bare.stdout)
    assert guarded.report["verdict"] == "allow"
    assert npm_snapshot(npm_target) == before


# Traces.


def test_neither_address_nor_credential_of_the_gateway_is_left_anywhere(
    npm_target: NpmEnvironment, world: World, tmp_path: Path
) -> None:
    witness, script = tmp_path / "witness", tmp_path / "witness.js"
    script.write_text(_WITNESS)
    npm_target.variables = {"NODE_OPTIONS": f"--require={script}", "WITNESS": str(witness)}
    publish_forged(npm_target, world)
    world.upload_npm(singing(npm_target, "widget", bin={"widget": "console.log('widget')"}))
    npm_target.manifest()
    loud = ("--loglevel=silly", "--timing", "--foreground-scripts")
    results = [npm_target.guard(*words, *loud) for words in (("install", "widget"), ("install", "forged"))]
    results += [npm_target.guard("install", "nowhere", *loud), npm_target.guard("exec", "--yes", *loud, "widget")]
    assert [result.status for result in results] == [0, 10, 1, 0]
    told = witness.read_text().splitlines()
    secrets = {line for line in told if re.fullmatch(r"[\w-]{43}", line)}
    folders = {str(Path(line).parent) for line in told if line.endswith("/cache")}
    assert len(secrets) >= len(results)
    assert len(folders) == len(results)
    ports = {str(urlsplit(url).port) for url in (world.npm.url, world.npm.files_url)}
    hidden = sorted(secrets | folders)
    places = (npm_target.project, npm_target.home, npm_target.root / "lib", npm_target.root / "report.json")
    files = [
        file for place in places for file in (place, *place.rglob("*")) if file.is_file() and "npm" not in file.parts
    ]
    assert {str(file): found for file in files if (found := find_traces_in(file.read_bytes(), ports, hidden))} == {}
    said = "".join(result.stdout + result.stderr for result in results)
    assert find_traces_in(said.encode(), ports, hidden) == []
    assert json.loads((npm_target.project / "package.json").read_text())["dependencies"] == {"widget": "^1.0.0"}
    assert canary_of(npm_target).read_text().count("postinstall widget") == 1

"""Every command of npm's but plain installs: what it may start, what a refusal leaves, what passes through."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.e2e.interactive import InteractiveShell
from tests.e2e.npm_environment import NEWEST_NPM, NpmEnvironment
from tests.e2e.npm_locks import entry_of, write_locked
from tests.e2e.refusals import canary_of, npm_refused, npm_snapshot, singing
from tests.e2e.surroundings import GUARD, Result
from tests.sim.npm_packages import make_tarball
from tests.sim.sigstore import Defect
from tests.sim.world import PublishedNpm, World

pytestmark = pytest.mark.e2e

BLOCKED = {"provenance-invalid"}
REFUSED = {"command-not-guarded"}
# Writes the bytes of npm's own argument list, before npm puts its title in their place.
_WITNESS = """
const { appendFileSync, readFileSync } = require('fs')
appendFileSync(process.env.WITNESS, readFileSync('/proc/self/cmdline').toString('hex') + '\\n')
"""


def sing(target: NpmEnvironment) -> str:
    """Return JavaScript that sings."""
    return f"require('fs').appendFileSync({json.dumps(str(canary_of(target)))}, 'program')"


def publish_evil(target: NpmEnvironment, world: World) -> PublishedNpm:
    """Publish ``evil``, which is refused, and ``holder``, which npm would install without that optional dependency."""
    forged = singing(target, "evil", bin={"evil": sing(target)})
    optional = make_tarball("holder", "1.0.0", optional={"evil": "1.0.0"}, bin={"holder": sing(target)})
    world.upload_npm(optional)
    return world.upload_npm(forged, attested=True, defect=Defect.SIGNATURE_CORRUPT)


def assert_allowed(result: Result) -> None:
    assert result.status == 0, result.stderr
    assert result.report["verdict"] == "allow"


def guard_argv(target: NpmEnvironment, *arguments: str | bytes) -> list[str | bytes]:
    return [str(GUARD), "--trust-root", str(target.trust_root), *arguments]


# Programs.


@pytest.mark.parametrize(
    "line",
    [
        ("npx", "--yes", "evil"),
        ("npx", "--yes", "holder"),
        ("npx", "--yes", "--package", "tool", "-p", "evil", "-c", "tool"),
        ("npm", "exec", "--yes", "--package=tool", "--package=holder", "--", "tool"),
        ("npm", "create", "evil"),
    ],
    ids=" ".join,
)
def test_no_program_starts_beside_what_is_refused(
    npm_target: NpmEnvironment, world: World, line: tuple[str, ...]
) -> None:
    publish_evil(npm_target, world)
    world.upload_npm(make_tarball("create-evil", "1.0.0", dependencies={"evil": "1"}, bin={"x": sing(npm_target)}))
    world.upload_npm(make_tarball("tool", "1.0.0", bin={"tool": sing(npm_target)}))
    npm_target.manifest()
    result = npm_refused(npm_target, *line[1:], program=line[0], rules=BLOCKED)
    assert result.report["run"]["command"] == [*line]
    assert result.report["run"]["tool"] == {"name": "npm", "version": NEWEST_NPM}


def test_programs_of_several_packages_start_with_their_status(npm_target: NpmEnvironment, world: World) -> None:
    world.upload_npm(make_tarball("one", "1.0.0", bin={"one": "console.log(process.argv.slice(2).join('|'))"}))
    world.upload_npm(make_tarball("two", "1.0.0", bin={"two": "process.exit(7)"}))
    result = npm_target.run_guard("npx", "--yes", "-p", "one", "-p", "two", "-c", 'one "a  b" c; two')
    assert (result.status, result.stdout) == (7, "a  b|c\n")
    assert result.report["verdict"] == "allow"
    assert {artifact["purl"] for artifact in result.report["artifacts"]} == {"pkg:npm/one@1.0.0", "pkg:npm/two@1.0.0"}
    assert {artifact["bound_by"] for artifact in result.report["artifacts"]} == {"gateway"}


def test_what_is_typed_reaches_npm_to_the_byte(npm_target: NpmEnvironment, world: World) -> None:
    source = "console.log(JSON.stringify(process.argv.slice(2)))"
    world.upload_npm(make_tarball("teller", "1.0.0", bin={"teller": source}))
    witness, hook = npm_target.root / "witness", npm_target.root / "hook.js"
    hook.write_text(_WITNESS)
    npm_target.variables = {"NODE_OPTIONS": f"--require={hook}", "WITNESS": str(witness)}
    given = [b"a  b", b'it\'s "so" $HOME `x` \\', b"line\nbreak", b"\xff\xfe", b"", b"*", b"-p", b"--registry=x"]
    typed = [b"exec", b"--yes", b"--loglevel", b"error", b"--", b"teller", *given]
    done = subprocess.run(
        guard_argv(npm_target, "npm", *typed), cwd=npm_target.project, env=npm_target.environ(), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [each.decode(errors="replace") for each in given]
    lines = [bytes.fromhex(line).split(b"\0")[:-1] for line in witness.read_text().splitlines()]
    assert typed in [line[-len(typed) :] for line in lines if line[1].endswith(b"/npm")]


def test_a_program_of_the_project_starts_without_a_registry(npm_target: NpmEnvironment, world: World) -> None:
    local = npm_target.project / "node_modules" / ".bin" / "mine"
    local.parent.mkdir(parents=True)
    local.write_text('#!/bin/sh\necho "mine $*"\n')
    local.chmod(0o755)
    result = npm_target.run_guard("npx", "mine", "a b")
    assert (result.status, result.stdout) == (0, "mine a b\n")
    assert world.npm.requests == []


def test_a_program_that_may_not_be_installed_does_not_start(npm_target: NpmEnvironment, world: World) -> None:
    world.upload_npm(make_tarball("tool", "1.0.0", bin={"tool": sing(npm_target)}))
    before = npm_snapshot(npm_target)
    result = npm_target.run_guard("npx", "--no", "tool")
    assert (result.status, result.report["verdict"]) == (1, "allow")
    assert "npx canceled" in result.stderr
    assert npm_snapshot(npm_target) == before
    assert not canary_of(npm_target).exists()


def test_a_program_has_the_users_stdin_and_its_death_is_told(npm_target: NpmEnvironment, world: World) -> None:
    die = "() => process.stdout.write('', () => process.kill(process.pid, 'SIGTERM'))"
    source = f"process.stdin.on('data', d => process.stdout.write(d)).on('end', {die})"
    world.upload_npm(make_tarball("echo", "1.0.0", bin={"echoing": source}))
    argv = guard_argv(npm_target, "npx", "--yes", "--package=echo", "echoing")
    content = bytes(range(256)) * 1000
    done = subprocess.run(argv, input=content, cwd=npm_target.project, env=npm_target.environ(), capture_output=True)
    assert (done.returncode, done.stdout) == (128 + 15, content)


def test_a_program_learns_that_nobody_reads_on(npm_target: NpmEnvironment, world: World) -> None:
    source = "process.stdout.on('error', () => process.exit(0)); setInterval(() => console.log('more'.repeat(9999)), 1)"
    world.upload_npm(make_tarball("endless", "1.0.0", bin={"endless": source}))
    argv = guard_argv(npm_target, "npx", "--yes", "endless")
    process = subprocess.Popen(
        argv, cwd=npm_target.project, env=npm_target.environ(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.read(4) == b"more"
    process.stdout.close()
    assert process.wait(timeout=60) == 0


def test_a_program_has_the_users_terminal(npm_target: NpmEnvironment, world: World) -> None:
    told = npm_target.root / "told"
    streams = "[process.stdin.isTTY, process.stdout.isTTY, process.stderr.isTTY, process.stdout.columns]"
    source = f"require('fs').writeFileSync('{told}', JSON.stringify({streams}))"
    world.upload_npm(make_tarball("looker", "1.0.0", bin={"looker": source}))
    line = " ".join(map(str, guard_argv(npm_target, "npx", "--yes", "looker")))
    with InteractiveShell("bash", environ=npm_target.environ(), cwd=npm_target.project) as terminal:
        terminal.type("stty cols 97 rows 31")
        terminal.type(line)
    assert json.loads(told.read_text()) == [True, True, True, 97]


# The global folder and links into it.


def test_global_packages(npm_target: NpmEnvironment, world: World) -> None:
    publish_evil(npm_target, world)
    world.upload_npm(make_tarball("tool", "1.0.0", bin={"tool": "console.log('one')"}))
    npm_refused(npm_target, "install", "--global", "holder", rules=BLOCKED)
    assert_allowed(npm_target.guard("install", "-g", "tool"))
    assert npm_target.installed(npm_target.global_folder) == {"tool": "1.0.0"}
    assert npm_target.run("tool").stdout == "one\n"
    world.upload_npm(make_tarball("tool", "1.1.0", optional={"evil": "1.0.0"}))
    npm_refused(npm_target, "update", "-g", "tool", rules=BLOCKED)
    assert_allowed(npm_target.guard("uninstall", "--location=global", "tool"))
    assert npm_target.installed(npm_target.global_folder) == {}


def test_links(npm_target: NpmEnvironment, world: World) -> None:
    """npm installs what is missing globally, then what the project lacks, and goes on without optional ones."""
    publish_evil(npm_target, world)
    world.upload_npm(make_tarball("tool", "1.0.0", bin={"tool": "console.log('one')"}))
    npm_target.manifest(scripts={"prepare": f"echo prepare >> {canary_of(npm_target)}"})
    npm_refused(npm_target, "link", "holder", rules=BLOCKED)
    npm_target.manifest(dependencies={"holder": "1.0.0"})
    npm_refused(npm_target, "link", "tool", rules=BLOCKED)
    npm_target.manifest()
    assert_allowed(npm_target.guard("link"))
    assert_allowed(npm_target.guard("link", "tool@1.0.0"))
    modules = npm_target.global_folder / "node_modules"
    assert (modules / "project").resolve() == npm_target.project
    assert (npm_target.project / "node_modules" / "tool").resolve() == modules / "tool"
    assert npm_target.installed(npm_target.global_folder) == {"project": "1.0.0", "tool": "1.0.0"}


# Workspaces.


def test_workspaces(npm_target: NpmEnvironment, world: World) -> None:
    publish_evil(npm_target, world)
    world.publish_npm("widget", "1.0.0")
    for name in ("one", "two"):
        folder = npm_target.project / "packages" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0"}))
    npm_target.manifest(workspaces=["packages/*"])
    npm_refused(npm_target, "install", "holder", "-w", "one", rules=BLOCKED)
    npm_refused(npm_target, "install", "holder", "--workspaces", rules=BLOCKED)
    npm_refused(npm_target, "install", "holder", folder=npm_target.project / "packages" / "two", rules=BLOCKED)
    assert_allowed(npm_target.guard("install", "widget", "-w", "packages/one"))
    own = json.loads((npm_target.project / "packages" / "one" / "package.json").read_text())
    assert own["dependencies"] == {"widget": "^1.0.0"}


def test_a_version_of_a_workspace_ends_with_an_install(npm_target: NpmEnvironment, world: World) -> None:
    publish_evil(npm_target, world)
    folder = npm_target.project / "one"
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"name": "one", "version": "1.0.0"}))
    (npm_target.project / "node_modules").mkdir()
    npm_target.manifest(workspaces=["one"], dependencies={"holder": "1.0.0"})
    npm_refused(npm_target, "version", "patch", "-w", "one", rules=BLOCKED)


# Commands that change a tree.


@pytest.mark.campaign(2)
@pytest.mark.parametrize(
    "line",
    [
        ("update",),
        ("dedupe",),
        ("prune",),
        ("uninstall", "widget"),
        ("install-test",),
        ("isntall",),
        ("installTest",),
        ("upg",),
        ("--loglevel", "error", "--prefix", "../project", "ins"),
    ],
    ids=" ".join,
)
def test_a_command_that_would_fetch_what_is_refused(
    npm_target: NpmEnvironment, world: World, line: tuple[str, ...]
) -> None:
    widget, evil = world.publish_npm("widget", "1.0.0"), publish_evil(npm_target, world)
    entries = {
        "widget": entry_of(widget, world.npm),
        "evil": entry_of(evil, world.npm, optional=True, hasInstallScript=True),
    }
    scripts = dict.fromkeys(("test", "postinstall"), f"echo own >> {canary_of(npm_target)}")
    write_locked(
        npm_target,
        entries,
        dependencies={"widget": "1.0.0"},
        optionalDependencies={"evil": "1.0.0"},
        scripts=scripts,
    )
    folder = npm_target.home if "--prefix" in line else None
    npm_refused(npm_target, *line, rules=BLOCKED, folder=folder)


def test_an_update_to_what_is_refused(npm_target: NpmEnvironment, world: World) -> None:
    write_locked(npm_target, {"widget": entry_of(world.publish_npm("widget", "1.0.0"), world.npm)})
    npm_target.manifest(dependencies={"widget": "^1.0.0"})
    assert_allowed(npm_target.guard("install"))
    world.upload_npm(singing(npm_target, "widget", "1.1.0"), attested=True, defect=Defect.SIGNATURE_CORRUPT)
    npm_refused(npm_target, "update", rules=BLOCKED)
    world.publish_npm("widget", "1.2.0")
    assert_allowed(npm_target.guard("up"))
    assert npm_target.installed() == {"widget": "1.2.0"}


def test_a_rebuild_of_what_is_refused_now(npm_target: NpmEnvironment, world: World) -> None:
    publish_evil(npm_target, world)
    world.upload_npm(singing(npm_target, "widget"))
    npm_target.manifest()
    assert npm_target.npm("install", "--ignore-scripts", "evil", "widget").status == 0
    npm_refused(npm_target, "rebuild", rules=BLOCKED)
    assert npm_target.npm("uninstall", "--ignore-scripts", "evil").status == 0
    assert_allowed(npm_target.guard("rebuild"))
    assert {*canary_of(npm_target).read_text().split()} == {"preinstall", "install", "postinstall", "widget"}


def test_an_audit_that_mends(npm_target: NpmEnvironment, world: World) -> None:
    advisory = {
        "id": 1,
        "url": "https://a.invalid",
        "title": "leaks",
        "severity": "high",
        "vulnerable_versions": "<1.0.1",
    }
    world.npm.advisories["widget"] = [{**advisory, "cwe": [], "cvss": {"score": 7, "vectorString": None}}]
    widget = world.publish_npm("widget", "1.0.0")
    write_locked(npm_target, {"widget": entry_of(widget, world.npm)}, dependencies={"widget": "^1.0.0"})
    assert npm_target.npm("ci").status == 0
    world.upload_npm(singing(npm_target, "widget", "1.0.1"), attested=True, defect=Defect.SIGNATURE_CORRUPT)
    told = npm_target.guard("audit")
    assert (told.status, told.report) == (1, {}), "it passes through"
    npm_refused(npm_target, "audit", "fix", rules=BLOCKED)
    world.publish_npm("widget", "1.0.2")
    assert_allowed(npm_target.guard("audi", "fix"))
    assert npm_target.installed() == {"widget": "1.0.2"}


# Commands that fetch and install nothing.


def test_packages_that_are_only_fetched(npm_target: NpmEnvironment, world: World) -> None:
    publish_evil(npm_target, world)
    world.publish_npm("widget", "1.0.0")
    npm_refused(npm_target, "pack", "evil", "widget", rules=BLOCKED)
    npm_refused(npm_target, "diff", "--diff=widget@1.0.0", "--diff=evil@1.0.0", rules=BLOCKED)
    assert_allowed(npm_target.guard("pack", "widget"))
    assert [path.name for path in npm_target.project.iterdir()] == ["widget-1.0.0.tgz"]


@pytest.mark.parametrize(
    "line",
    [("edit", "widget"), ("cache", "add", "widget"), ("frobnicate",), ("st",)],
    ids=" ".join,
)
def test_what_guard_cannot_carry_out(npm_target: NpmEnvironment, world: World, line: tuple[str, ...]) -> None:
    npm_target.manifest()
    result = npm_refused(npm_target, *line, rules=REFUSED)
    assert f"npm {line[0]} is not a command that guard can carry out" in result.stderr
    assert world.npm.requests == []


def test_scripts_of_packages_that_npm_keeps_no_record_of(npm_target: NpmEnvironment, world: World) -> None:
    world.upload_npm(singing(npm_target, "widget"))
    assert npm_target.npm("install", "--global", "--ignore-scripts", "widget").status == 0
    npm_refused(npm_target, "rebuild", "--global", rules=REFUSED)
    assert not canary_of(npm_target).exists()


def test_other_commands_are_npm_itself(npm_target: NpmEnvironment, world: World) -> None:
    """The very process: guard is replaced by npm, whose environment and registry are the user's."""
    world.publish_npm("widget", "1.0.0")
    scripts = {"who": "echo $PPID", "test": "env", "start": "echo started"}
    npm_target.manifest(scripts=scripts)
    process = subprocess.Popen(
        guard_argv(npm_target, "npm", "run", "--silent", "who"),
        cwd=npm_target.project,
        env=npm_target.environ(),
        stdout=subprocess.PIPE,
    )
    assert int(process.communicate()[0]) == process.pid
    test = npm_target.guard("-s", "t")
    assert f"npm_config_userconfig={npm_target.home}/.npmrc" in test.stdout.splitlines()
    assert "127.0.0.1" not in test.stdout.replace(world.npm.url, "")
    viewed = npm_target.guard("view", "widget", "version")
    assert (viewed.status, viewed.stdout, viewed.report) == (0, "1.0.0\n", {})
    assert all(request.headers["user-agent"].startswith("npm/") for request in world.npm.requests)
    for line in (("config", "get", "registry"), ("ls", "--json"), ("start",), ("install", "--help"), ("-v",)):
        bare, guarded = npm_target.npm(*line), npm_target.guard(*line)
        assert (guarded.status, guarded.stdout) == (bare.status, bare.stdout)


@pytest.mark.parametrize("line", [("npm", "install", "x"), ("npx", "x"), ("npm", "ls")], ids=" ".join)
def test_a_machine_without_npm(npm_target: NpmEnvironment, line: tuple[str, ...]) -> None:
    nothing = npm_target.root / "nothing"
    nothing.mkdir()
    npm_target.variables = {"PATH": f"{nothing}{os.pathsep}{npm_target.root / 'missing'}"}
    result = npm_target.run_guard(*line)
    assert (result.status, result.stdout) == (127, "")
    assert "no npm was found on PATH" in result.stderr

"""Which entries of a lock are judged, as what, and against which digests."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from guard.engine.outcome import Outcome
from guard.gateway.server import Gateway
from guard.managers.npm.command import parse_command
from guard.managers.npm.config import load_configuration
from guard.managers.npm.entries import LockedTree, judge_tree
from guard.managers.npm.environment import Places
from guard.managers.npm.project import load_project
from guard.managers.npm.session import Session
from guard.managers.npm.target import NpmTarget
from guard.managers.progress import Progress
from guard.model import Judged, Level, RuleId, SourceKind, Verdict
from guard_lockfiles.package_lock import parse_package_lock
from tests.sim.npm_packages import make_tarball
from tests.sim.packuments import integrity_of
from tests.sim.world import World
from tests.unit.npm_engine import npm_engine

BROKEN = integrity_of(b"other")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
A = integrity_of(make_tarball("a", "1.0.0"))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        for name in ("a", "b", "@acme/a"):
            world.publish_npm(name, "1.0.0")
        yield world


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> NpmTarget:
    """An npm of which nothing is run but node, which says what platform it is."""
    root = tmp_path_factory.mktemp("npm")
    (root / "package.json").write_text('{"name": "npm", "version": "11.19.1"}')
    return NpmTarget(root / "npm", root, Path(shutil.which("node") or ""), "11.19.1")


@dataclass
class Bench:
    """A project, and what is judged in it."""

    world: World
    target: NpmTarget
    root: Path

    @property
    def project(self) -> Path:
        return self.root / "project"

    def judge(
        self,
        packages: Mapping[str, object],
        *arguments: str,
        own: Mapping[str, object] | None = None,
        manifest: Mapping[str, object] | None = None,
        policy: tuple[str, ...] = (),
    ) -> Outcome:
        """Judge a lock that npm made, in a project with a lock of its own; without one, the lock is its own."""
        self.project.mkdir(exist_ok=True)
        (self.project / "package.json").write_text(json.dumps(manifest or {}))
        lock = parse_package_lock(json.dumps({"lockfileVersion": 3, "packages": packages}).encode())
        before = lock if own is None else parse_package_lock(json.dumps({"packages": own}).encode())
        with self.session(*arguments or ("ci",), policy=policy) as session:
            tree = LockedTree(project=load_project(self.project), lock=lock, base=self.project, own=before)
            return judge_tree(session, tree)

    @contextmanager
    def session(self, *arguments: str, policy: tuple[str, ...] = ()) -> Iterator[Session]:
        """Make a session for one command."""
        command = parse_command(arguments)
        environ = {"HOME": str(self.root)}
        configuration = load_configuration(
            environ=environ, cwd=self.project, command=command, npm=self.target, home=self.root
        )
        with npm_engine(self.world, self.root / "engine", *policy) as (engine, client):
            yield Session(
                command=command,
                target=self.target,
                configuration=configuration,
                client=client,
                engine=engine,
                environ=environ,
                cwd=self.project,
                places=Places(folder=self.root / "run", logs=self.root / "logs"),
                progress=Progress(),
            )

    def url(self, name: str) -> str:
        return f"{self.world.npm.base_url}/{name}/-/{name.rpartition('/')[2]}-1.0.0.tgz"


@pytest.fixture
def bench(started: World, target: NpmTarget, tmp_path: Path) -> Bench:
    started.npm.clear_requests()
    return Bench(started, target, tmp_path)


def entry(package: str = "a", /, **members: object) -> dict[str, object]:
    return {"version": "1.0.0", "integrity": integrity_of(make_tarball(package, "1.0.0")), **members}


def only(outcome: Outcome) -> Judged:
    [judged] = outcome.judged
    assert outcome.planned == 1
    return judged


def rules(judged: Judged) -> set[RuleId]:
    return {found.rule for found in judged.decision.findings if found.level is Level.BLOCK}


# Releases


def test_a_tree_is_judged_entry_by_entry(bench: Bench) -> None:
    outcome = bench.judge({"": {}, "node_modules/a": entry(), "node_modules/@acme/a": entry("@acme/a")})
    assert [item.artifact.spec for item in outcome.judged] == ["a@1.0.0", "@acme/a@1.0.0"]
    assert (outcome.verdict, outcome.planned, outcome.findings) == (Verdict.ALLOW, 2, ())


def test_a_release_in_several_places_is_one_artifact(bench: Bench) -> None:
    outcome = bench.judge({"": {}, "node_modules/a": entry(), "node_modules/b/node_modules/a": entry(dev=True)})
    assert only(outcome).artifact.location is not None


@pytest.mark.parametrize("second", [entry(integrity=BROKEN), entry(resolved="https://evil.test/a/-/a-1.0.0.tgz")])
def test_an_entry_that_differs_does_not_hide_behind_another(bench: Bench, second: dict[str, object]) -> None:
    outcome = bench.judge({"": {}, "node_modules/a": entry(), "node_modules/b/node_modules/a": second})
    assert [item.decision.verdict for item in outcome.judged] == [Verdict.ALLOW, Verdict.BLOCK]


def test_without_a_lock_nothing_is_judged(bench: Bench) -> None:
    bench.judge({})
    tree = LockedTree(project=load_project(bench.project), lock=None, base=bench.project, own=None)
    assert judge_tree(None, tree) == Outcome()  # type: ignore[arg-type]


def test_an_empty_tree_is_allowed(bench: Bench) -> None:
    assert bench.judge({"": {}}).allowed


@pytest.mark.parametrize("arguments", [("ci", "--omit=dev"), ("ci", "--omit=dev", "--omit=optional")])
def test_what_is_omitted_is_not_judged(bench: Bench, arguments: tuple[str, ...]) -> None:
    outcome = bench.judge({"": {}, "node_modules/a": entry(dev=True), "node_modules/b": entry("b")}, *arguments)
    assert only(outcome).artifact.name == "b"


# Digests


def test_a_digest_that_the_registry_does_not_list_blocks_in_its_line(bench: Bench) -> None:
    judged = only(bench.judge({"": {}, "node_modules/a": entry(integrity=BROKEN)}))
    assert rules(judged) == {RuleId.HASH_MISMATCH}
    assert judged.artifact.location is not None
    assert judged.artifact.location.path == str(bench.project / "package-lock.json")


def test_an_entry_without_digest_is_a_hole_in_a_lock_of_the_users(bench: Bench) -> None:
    bare = {"": {}, "node_modules/a": {"version": "1.0.0"}}
    assert rules(only(bench.judge(bare))) == {RuleId.HASH_MISSING}


def test_an_entry_that_npm_has_just_made_pins_nothing(bench: Bench) -> None:
    judged = only(bench.judge({"": {}, "node_modules/a": {"version": "1.0.0"}}, "install", own={"": {}}))
    assert (judged.decision.verdict, judged.artifact.location) == (Verdict.ALLOW, None)


def test_an_updated_entry_is_a_new_one(bench: Bench) -> None:
    own = {"": {}, "node_modules/a": {"version": "0.9.0"}}
    assert only(bench.judge({"": {}, "node_modules/a": entry()}, "install", own=own)).artifact.location is None


@pytest.mark.parametrize(
    "integrity",
    [
        f"{BROKEN} {A}",
        f"{A}?option",
        "sha1-" + base64.b64encode(hashlib.sha1(make_tarball("a", "1.0.0")).digest()).decode() + " " + A,
    ],
)
def test_several_digests_are_read(bench: Bench, integrity: str) -> None:
    judged = only(bench.judge({"": {}, "node_modules/a": entry(integrity=integrity)}))
    assert len(judged.artifact.pinned) == len(integrity.split())


def test_an_entry_that_cannot_be_read_is_a_finding_and_no_hole(bench: Bench) -> None:
    outcome = bench.judge({"": {}, "node_modules/a": entry(), "node_modules/b": {"version": 7}})
    [finding] = outcome.findings
    assert (finding.rule, outcome.verdict) == (RuleId.LOCK_ENTRY_UNREADABLE, Verdict.BLOCK)
    assert finding.location is not None
    assert finding.location.line


# Aliases


@pytest.mark.parametrize(
    "manifest",
    [
        {"dependencies": {"mine": "npm:a@^1"}},
        {"dependencies": {"mine": "NPM:a"}},
        {"overrides": {"b": {"mine": "npm:a@1.0.0"}}},
    ],
)
def test_an_alias_that_the_project_asks_for_is_the_real_package(bench: Bench, manifest: dict[str, object]) -> None:
    judged = only(bench.judge({"": {}, "node_modules/mine": entry(name="a")}, manifest=manifest))
    assert (judged.artifact.source, judged.artifact.spec) == (SourceKind.ALIAS, "a@1.0.0")
    assert judged.decision.verdict is Verdict.ALLOW


def test_an_alias_that_a_package_asks_for_is_one(bench: Bench) -> None:
    packages = {
        "": {},
        "node_modules/b": entry("b", dependencies={"mine": "npm:a@1"}),
        "node_modules/mine": entry(name="a"),
    }
    assert [item.artifact.source for item in bench.judge(packages).judged] == [SourceKind.REGISTRY, SourceKind.ALIAS]


@pytest.mark.parametrize(
    "packages",
    [
        {"": {}, "node_modules/b": entry("a", name="a")},
        {"": {"dependencies": {"b": "npm:a@1"}}, "node_modules/b": entry("a", name="a")},
    ],
)
def test_an_alias_that_only_the_lock_knows_is_another_package_in_place_of_that(
    bench: Bench, packages: dict[str, object]
) -> None:
    judged = only(bench.judge(packages, manifest={"dependencies": {"b": "^1"}}))
    assert judged.artifact.spec == "b@1.0.0"
    assert RuleId.HASH_MISMATCH in rules(judged)


# Folders and archives


def test_an_archive_in_the_project_is_measured(bench: Bench) -> None:
    content = make_tarball("c", "1.0.0")
    bench.project.mkdir()
    (bench.project / "c.tgz").write_bytes(content)
    packages = {"": {}, "node_modules/c": entry("c", resolved="file:c.tgz")}
    judged = only(bench.judge(packages))
    assert (judged.artifact.source, judged.artifact.origin) == (SourceKind.LOCAL, "c.tgz")
    assert hashlib.sha512(content).hexdigest() in {digest.hex for digest in judged.facts.observed}
    packages["node_modules/c"] = entry("c", resolved="file:c.tgz", integrity=BROKEN)
    assert rules(only(bench.judge(packages))) == {RuleId.HASH_MISMATCH}


@pytest.mark.parametrize("resolved", ["file:../c.tgz", "file:/c.tgz", "../c.tgz"])
def test_an_archive_elsewhere_is_a_path(bench: Bench, resolved: str) -> None:
    judged = only(bench.judge({"": {}, "node_modules/c": entry("c", resolved=resolved)}))
    assert (judged.artifact.source, rules(judged)) == (SourceKind.PATH, {RuleId.SOURCE_NOT_ALLOWED})


def test_what_the_command_line_names_is_the_users_own(bench: Bench) -> None:
    (bench.root / "c.tgz").write_bytes(make_tarball("c", "1.0.0"))
    packages = {"": {}, "node_modules/c": entry("c", resolved="file:../c.tgz")}
    judged = only(bench.judge(packages, "install", "../c.tgz", own={"": {}}))
    assert (judged.artifact.source, judged.decision.verdict) == (SourceKind.LOCAL, Verdict.ALLOW)


def test_an_archive_that_cannot_be_read_is_undecided(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    bench.project.mkdir()
    (bench.project / "c.tgz").write_bytes(b"x")
    monkeypatch.setattr("guard.managers.npm.entries.measure", fail)
    judged = only(bench.judge({"": {}, "node_modules/c": entry("c", resolved="file:c.tgz")}))
    assert (judged.decision.verdict, "Permission denied" in judged.facts.registry_problem) == (Verdict.UNDECIDED, True)


def test_a_workspace_is_the_users_own(bench: Bench) -> None:
    packages = {
        "": {"workspaces": ["w"]},
        "node_modules/w": {"resolved": "w", "link": True},
        "w": {"name": "w", "version": "2.0.0"},
    }
    judged = only(bench.judge(packages))
    assert (judged.artifact.spec, judged.artifact.source, judged.artifact.origin) == ("w@2.0.0", SourceKind.LOCAL, "w")


# Other sources


@pytest.mark.parametrize(
    ("resolved", "source"),
    [
        (f"git+ssh://git@host.test/c.git#{COMMIT}", SourceKind.VCS_PINNED),
        ("git+https://host.test/c.git#main", SourceKind.VCS),
    ],
)
def test_repositories_are_refused_even_where_allowed(bench: Bench, resolved: str, source: SourceKind) -> None:
    packages = {"": {}, "node_modules/c": {"version": "1.0.0", "resolved": resolved}}
    assert rules(only(bench.judge(packages))) == {RuleId.SOURCE_NOT_ALLOWED}
    outcome = bench.judge(packages, policy=("[policy]", 'sources = ["registry", "vcs-pinned"]'))
    assert only(outcome).artifact.source is source
    assert outcome.verdict is Verdict.BLOCK


def test_an_address_on_the_web_is_refused_even_where_allowed(bench: Bench) -> None:
    resolved = "https://user:secret@files.test/c.tgz"
    packages = {
        "": {"dependencies": {"c": resolved}},
        "node_modules/c": entry("c", resolved=resolved),
    }
    assert rules(only(bench.judge(packages))) == {RuleId.SOURCE_NOT_ALLOWED}
    outcome = bench.judge(packages, policy=("[policy]", 'sources = ["registry", "url-hashed"]'))
    [finding] = outcome.findings
    assert (finding.rule, outcome.verdict) == (RuleId.COMMAND_NOT_GUARDED, Verdict.BLOCK)
    assert "secret" not in repr([outcome.judged, finding])


def test_what_is_bundled_is_decided_with_its_parent(bench: Bench) -> None:
    packages = {
        "": {},
        "node_modules/b": entry("b", bundleDependencies=["c"], dependencies={"c": "1"}),
        "node_modules/b/node_modules/c": {"version": "1.0.0", "inBundle": True},
    }
    outcome = bench.judge(packages)
    assert [item.artifact.source for item in outcome.judged] == [SourceKind.REGISTRY, SourceKind.BUNDLED]
    assert outcome.judged[1].artifact.origin == "node_modules/b"
    assert outcome.allowed


def test_what_nothing_bundles_is_a_hole(bench: Bench) -> None:
    packages = {"": {}, "node_modules/a": entry(inBundle=True)}
    assert RuleId.HASH_MISSING in rules(only(bench.judge(packages)))


def test_the_address_in_the_lock_is_compared(bench: Bench) -> None:
    assert bench.judge({"": {}, "node_modules/a": entry(resolved=bench.url("a"))}).allowed
    judged = only(bench.judge({"": {}, "node_modules/a": entry(resolved=bench.url("@acme/a"))}))
    assert rules(judged) == {RuleId.REGISTRY_HOST}


# What the whole run is told


@pytest.mark.parametrize(
    ("source", "name", "marks"),
    [
        (SourceKind.REGISTRY, "@acme/a", ["@acme/a@1.0.0"]),
        (SourceKind.ALIAS, "a", ["a@1.0.0"]),
        (SourceKind.BUNDLED, "a", ["a@1.0.0"]),
        (SourceKind.LOCAL, "a", []),
        (SourceKind.LOCAL, "../../escaped", []),
        (SourceKind.PATH, "/escaped", []),
    ],
)
def test_packages_are_marked_for_the_shell_and_the_users_own_code_is_not(
    bench: Bench, source: SourceKind, name: str, marks: list[str]
) -> None:
    judged = only(bench.judge({"": {}, "node_modules/a": entry()}))
    artifact = replace(judged.artifact, name=name, source=source)
    with bench.session("ci", policy=("[policy]", 'install-scripts = "skip"')) as session:
        session.make_site([replace(judged, facts=replace(judged.facts, artifact=artifact))])
        skipped = session.places.skipped
        found = [str(path.relative_to(skipped)) for path in skipped.rglob("*") if path.is_file()]
    assert found == marks
    assert not list(bench.root.parent.rglob("*escaped*"))


def test_only_packages_without_scripts_are_marked(bench: Bench) -> None:
    judged = only(bench.judge({"": {}, "node_modules/a": entry()}))
    with bench.session("ci") as session:
        session.make_site([judged])
        assert not session.places.skipped.exists()


def test_repositories_that_npm_asked_for_are_findings_without_passwords(bench: Bench) -> None:
    bench.judge({})
    with bench.session("install") as session:
        session.places.folder.mkdir()
        session.places.git_log.write_bytes(
            b"ls-remote https://user:secret@host.test/c.git?token=secret\nls-remote git@host.test:c.git\n"
            b"--version\nls-remote git@host.test:c.git\n\xff\n"
        )
        with Gateway(site := session.make_site()) as gateway:
            findings = session.findings(gateway, site)
    assert [found.message.rpartition(" ")[2] for found in findings] == [
        "https://host.test/c.git?****",
        "git@host.test:c.git",
    ]
    assert {(found.rule, found.level) for found in findings} == {(RuleId.SOURCE_NOT_ALLOWED, Level.BLOCK)}

"""``guard audit --installed``: what npm recorded in node_modules is decided, and the tree is what npm recorded."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.e2e.audit_stage import AuditStage
from tests.e2e.npm_environment import NpmEnvironment
from tests.npm_locktools.projects import fill, write_project
from tests.sim.world import World


def install(stage: AuditStage, **changes: Any) -> dict[str, Any]:
    """Lay out a tree and npm's record of it, with members of entries changed, and return the record."""
    world = stage.world
    one, two = world.publish_npm("one", "1.0.0", attested=True), world.publish_npm("@s/two", "2.0.0")
    record: dict[str, Any] = {"name": "project", "lockfileVersion": 3, "requires": True, "packages": {}}
    for each in (one, two):
        base = each.name.rpartition("/")[2]
        record["packages"][f"node_modules/{each.name}"] = {
            "version": each.version,
            "resolved": f"{world.npm.url}{each.name}/-/{base}-{each.version}.tgz",
            "integrity": each.integrity,
        } | changes.get(base, {})
        manifest = json.dumps({"name": each.name, "version": each.version})
        stage.write(f"node_modules/{each.name}/package.json", manifest)
    stage.write("node_modules/.bin/one", "")
    stage.write("node_modules/.package-lock.json", json.dumps(record, indent=2))
    return record


def messages(report: dict[str, Any], level: str) -> list[str]:
    return [
        each["message"] for each in report["findings"] if (each["rule"], each["level"]) == ("installed-differs", level)
    ]


@pytest.mark.parametrize("paths", [(), (".",), ("node_modules",)])
def test_a_tree_is_held_against_the_registry(stage: AuditStage, paths: tuple[str, ...]) -> None:
    install(stage)
    result = stage.audit("--installed", *paths)
    assert (result.status, result.report["findings"]) == (0, [])
    places = [(each["name"], each["location"]["path"]) for each in result.report["artifacts"]]
    assert places == [(name, "node_modules/.package-lock.json") for name in ("one", "@s/two")]


def test_a_digest_that_the_registry_does_not_list_and_one_that_is_missing_block(stage: AuditStage) -> None:
    install(stage, two={"integrity": "sha512-" + "A" * 86 + "=="})
    assert stage.audit("--installed").rules("block") == {"hash-mismatch"}
    record = install(stage)
    del record["packages"]["node_modules/one"]["integrity"]
    stage.write("node_modules/.package-lock.json", json.dumps(record))
    assert stage.audit("--installed").rules("block") == {"hash-missing"}


def test_what_is_of_other_platforms_is_decided_too_for_it_is_there(stage: AuditStage) -> None:
    install(stage, one={"optional": True, "os": ["aix"]})
    assert len(stage.audit("--installed").report["artifacts"]) == 2


@pytest.mark.parametrize(
    "path",
    ["node_modules/extra/index.js", "node_modules/@s/extra/package.json", "node_modules/one/node_modules/x/a.js"],
)
def test_a_package_that_npm_did_not_record_blocks(stage: AuditStage, path: str) -> None:
    install(stage)
    written = stage.write(path, "{}")
    result = stage.audit("--installed")
    assert (result.status, len(messages(result.report, "block"))) == (10, 1)
    assert result.report["findings"][0]["location"]["path"] == str(written.parent.relative_to(stage.project))


def test_a_file_and_a_link_that_npm_did_not_record_block(stage: AuditStage) -> None:
    install(stage)
    stage.write("node_modules/file.js", "")
    (stage.project / "node_modules" / "link").symlink_to("/")
    result = stage.audit("--installed")
    assert messages(result.report, "block") == [
        f"npm did not record node_modules/{name}" for name in ("file.js", "link")
    ]


@pytest.mark.parametrize(
    "manifest",
    ['{"name": "one", "version": "1.0.1"}', '{"name": "other", "version": "1.0.0"}', "[]", "{", "[" * 100_000, None],
    ids=range(6),
)
def test_a_package_json_that_says_something_else_blocks(stage: AuditStage, manifest: str | None) -> None:
    install(stage)
    if manifest is None:
        (stage.project / "node_modules" / "one" / "package.json").unlink()
    else:
        stage.write("node_modules/one/package.json", manifest)
    result = stage.audit("--installed")
    assert result.status == 10
    (message,) = messages(result.report, "block")
    assert message.startswith("node_modules/one is recorded as one@1.0.0")


def test_a_link_in_place_of_a_package_blocks_and_what_is_gone_is_a_warning(stage: AuditStage) -> None:
    install(stage)
    folder = stage.project / "node_modules" / "one"
    folder.rename(stage.project / "elsewhere")
    result = stage.audit("--installed")
    assert (result.status, messages(result.report, "warn")) == (0, ["node_modules/one is recorded, and is not there"])
    folder.symlink_to("../elsewhere")
    assert stage.audit("--installed").rules("block") == {"installed-differs"}


def test_a_record_that_cannot_be_read_ends_with_2(stage: AuditStage) -> None:
    stage.write("node_modules/.package-lock.json", "{")
    assert stage.audit("--installed").status == 2


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("node_modules/a/package.json", ".", "npm ci"),
        ("node_modules/.modules.yaml", ".", "pnpm-lock.yaml"),
        ("node_modules/.yarn-integrity", "node_modules", "yarn.lock"),
        ("venv/pyvenv.cfg", "venv", "keeps no digest of the wheels"),
        ("lib/site-packages/six.py", "lib/site-packages", "keeps no digest of the wheels"),
        ("target/six-1.17.0.dist-info/RECORD", "target", "keeps no digest of the wheels"),
    ],
)
def test_what_has_no_record_is_refused_and_never_allowed(stage: AuditStage, name: str, path: str, said: str) -> None:
    stage.write(name, "")
    result = stage.audit("--installed", path)
    assert (result.status, result.report) == (2, {})
    assert said in result.stderr


def test_other_ways_to_choose_are_refused_beside_it(stage: AuditStage) -> None:
    install(stage)
    stage.commit()
    assert stage.audit("--installed", "--staged").status == 2
    assert stage.audit("--installed", "--changed-since", "HEAD").status == 2


@pytest.mark.e2e
def test_what_the_real_npm_installs_is_as_it_recorded(
    npm_target: NpmEnvironment, stage: AuditStage, world: World
) -> None:
    fill(world.npm)
    write_project(npm_target.project, {"dependencies": {"outer": "file:../outer", "folder": "file:./folder"}})
    assert npm_target.npm("install", "--ignore-scripts", "--no-audit", "--no-fund").status == 0
    result = stage.audit("--installed", str(npm_target.project))
    assert messages(result.report, "block") + messages(result.report, "warn") == []
    assert {each["source"] for each in result.report["artifacts"]} >= {"registry", "bundled"}
    npm_target.project.joinpath("node_modules", "outer").unlink()
    shutil.copytree(npm_target.project.parent / "outer", npm_target.project / "node_modules" / "outer")
    assert len(messages(stage.audit("--installed", str(npm_target.project)).report, "block")) >= 1

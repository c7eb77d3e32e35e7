"""Files that are no lockfile: one clear finding with its place, status 2, and never "allowed"."""

from __future__ import annotations

import json

import pytest

from tests.e2e.audit_stage import AuditStage, hashed, package_lock

GOOD_LOCK = '{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"}}}'
CONFLICT = f"<<<<<<< HEAD\n{GOOD_LOCK}\n=======\n{GOOD_LOCK}\n>>>>>>> other\n"
HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        pytest.param("package-lock.json", GOOD_LOCK[:40].encode(), 1, id="truncated-json"),
        pytest.param("pylock.toml", b'lock-version = "1.0"\npackages = [', 2, id="truncated-toml"),
        pytest.param("package-lock.json", CONFLICT.encode(), 1, id="conflict-json"),
        pytest.param("pylock.toml", b'lock-version = "1.0"\n<<<<<<< HEAD\n', 2, id="conflict-toml"),
        pytest.param("package-lock.json", b"\x89PNG\r\n\x1a\n\x00\xff", 1, id="binary-json"),
        pytest.param("pylock.toml", b"\x89PNG\r\n\x1a\n\x00\xff", 1, id="binary-toml"),
        pytest.param("requirements.txt", b"# coding: utf-8\n\xff\xfe\x00", None, id="binary-requirements"),
        pytest.param("package-lock.json", GOOD_LOCK.encode("utf-16"), None, id="utf-16-json"),
        pytest.param("pylock.toml", 'lock-version = "1.0"\n'.encode("utf-16"), None, id="utf-16-toml"),
        pytest.param("package-lock.json", b'{"a":' * 50_000, None, id="deep-json"),
        pytest.param("pylock.toml", b"a = " + b"[" * 50_000, None, id="deep-toml"),
        pytest.param("package-lock.json", b'{"packages": {},\n"packages": {}}', 2, id="duplicate-key-json"),
        pytest.param("pylock.toml", b"a = 1\na = 2\n", 2, id="duplicate-key-toml"),
        pytest.param("package-lock.json", b'lock-version = "1.0"\n', 1, id="toml-as-json"),
        pytest.param("pylock.toml", GOOD_LOCK.encode(), 1, id="json-as-toml"),
        pytest.param("package-lock.json", b"", 1, id="empty-json"),
        pytest.param("package-lock.json", b'{"lockfileVersion":\n4, "packages": {}}', 1, id="future-json"),
        pytest.param("pylock.toml", b'lock-version = "2.0"\ncreated-by = "x"\npackages = []\n', None, id="future-toml"),
    ],
)
def test_what_no_reader_takes_ends_with_2_at_its_line(
    stage: AuditStage, name: str, data: bytes, line: int | None
) -> None:
    stage.write(name, data)
    result = stage.audit()
    assert (result.status, result.report["verdict"], result.report["exit_code"]) == (2, "block", 2)
    (finding,) = result.report["findings"]
    assert (finding["rule"], finding["level"]) == ("lock-entry-unreadable", "block")
    assert (finding["location"]["path"], finding["location"]["line"]) == (name, line)
    assert result.report["artifacts"] == []
    assert "guard: blocked" in result.stderr
    assert len(result.stderr.splitlines()) <= 5


def test_a_file_larger_than_any_lock_is_not_read(stage: AuditStage) -> None:
    with stage.write("package-lock.json", "{").open("r+b") as stream:
        stream.truncate(50 * 1024 * 1024 + 1)
    result = stage.audit()
    assert result.status == 2
    assert "larger than 50 MB" in result.report["findings"][0]["message"]


def test_the_other_files_are_decided_and_the_status_stays_2(stage: AuditStage) -> None:
    stage.write("requirements.txt", hashed(stage.world.publish("widget", "1.0.0")))
    stage.write("web/package-lock.json", "{")
    result = stage.audit()
    assert (result.status, result.report["summary"]["allow"]) == (2, 1)


def test_an_entry_that_says_nothing_certain_blocks_at_its_place(stage: AuditStage) -> None:
    lock = json.loads(package_lock(stage.world.publish_npm("widget", "1.0.0"), url=stage.world.npm.url))
    lock["packages"]["node_modules/../../etc"] = {"version": "1.0.0"}
    lock["packages"]["node_modules/\x1b[31mred"] = {"version": "1.0.0"}
    lock["packages"]["node_modules/b"] = {"version": "1.0.0", "integrity": "sha512-AAAA"}
    stage.write("package-lock.json", json.dumps(lock, indent=2))
    result = stage.audit()
    assert result.status == 10
    unreadable = [finding for finding in result.report["findings"] if finding["rule"] == "lock-entry-unreadable"]
    assert [finding["location"]["line"] for finding in unreadable] == [15, 18, 21]
    assert "\x1b" not in result.stderr + json.dumps(result.report)
    assert result.report["summary"]["allow"] == 1


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (["six==1.0 --nothing"], 2),
        (["# a \\", HASH], 3),
        ([f"six==1.0 {HASH[:-1]}"], 2),
        (["-r missing.txt"], 2),
        (["-r https://example.test/more.txt"], 2),
        (["-r ../../outside.txt"], 2),
    ],
)
def test_a_line_that_cannot_be_read_is_a_finding(stage: AuditStage, lines: list[str], line: int | None) -> None:
    widget = stage.world.publish("widget", "1.0.0")
    stage.root.joinpath("outside.txt").write_text("secret words\n")
    stage.write("requirements.txt", hashed(widget) + "\n".join(lines) + "\n")
    result = stage.audit()
    assert result.status in (2, 10)
    found = [each for each in result.report["findings"] if each["rule"] == "lock-entry-unreadable"]
    assert [each["location"]["line"] for each in found] == [line]
    assert "secret" not in result.stderr + json.dumps(result.report)


def test_files_that_include_one_another_end(stage: AuditStage) -> None:
    widget = stage.world.publish("widget", "1.0.0")
    stage.write("requirements.txt", hashed(widget) + "-r two.txt\n")
    stage.write("two.txt", "-r requirements.txt\n")
    assert stage.audit("requirements.txt").report["summary"]["artifacts"] == 1


def test_a_name_that_steers_a_terminal_is_spelled_out(stage: AuditStage) -> None:
    name = "bad\x1b[2J\u202e"
    packages = {f"node_modules/{name}": {"version": "1.0.0", "resolved": f"https://example.test/{name}.tgz"}}
    stage.write("package-lock.json", json.dumps({"lockfileVersion": 3, "packages": packages}, ensure_ascii=False))
    result = stage.audit()
    assert result.status in (2, 10)
    assert "\x1b" not in result.stderr
    assert "\u202e" not in result.stderr


@pytest.mark.parametrize("arguments", [(), ("empty",), ("nowhere",), ("package.json",), ("nowhere/package-lock.json",)])
def test_nothing_to_audit_ends_with_2(stage: AuditStage, arguments: tuple[str, ...]) -> None:
    stage.write("empty/readme", "")
    stage.write("package.json", "{}")
    result = stage.audit(*arguments)
    assert (result.status, result.report) == (2, {})
    assert "allowed" not in result.stderr


def test_a_lock_elsewhere_includes_what_is_in_its_own_project(stage: AuditStage) -> None:
    widget = stage.world.publish("widget", "1.0.0")
    other = stage.root / "other"
    (other / "deep").mkdir(parents=True)
    (other / "base.txt").write_text(hashed(widget))
    (other / "deep" / "requirements.txt").write_text("-r ../base.txt\n")
    assert stage.audit("../other/deep/requirements.txt").rules("block") == {"lock-entry-unreadable"}
    (other / ".git").mkdir()
    result = stage.audit("../other/deep/requirements.txt")
    assert (result.status, result.report["artifacts"][0]["location"]["path"]) == (0, str(other / "base.txt"))


@pytest.mark.parametrize(
    ("name", "instead"), [("bun.lockb", "--save-text-lockfile"), ("deno.lock", "guard audit PATH")]
)
@pytest.mark.parametrize("paths", [(), ("sub",), ("sub/NAME",)], ids=["searched", "folder", "named"])
def test_a_format_that_is_not_read_is_refused_by_name_with_the_next_step(
    stage: AuditStage, name: str, instead: str, paths: tuple[str, ...]
) -> None:
    widget = stage.world.publish_npm("widget", "1.0.0")
    stage.write("sub/package-lock.json", package_lock(widget, url=stage.world.npm.url))
    stage.write(f"sub/{name}", b"#!/usr/bin/env bun\n\x00")
    result = stage.audit(*(path.replace("NAME", name) for path in paths))
    assert result.status == 2
    [finding] = result.report["findings"]
    assert (finding["rule"], finding["location"]["path"]) == ("lock-entry-unreadable", f"sub/{name}")
    assert instead in finding["next"]

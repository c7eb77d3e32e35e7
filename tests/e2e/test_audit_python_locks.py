"""``guard audit`` of locks of uv, poetry, pdm and pipenv: what is honest passes, what was swapped stops at its line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.e2e.audit_stage import AuditStage
from tests.sim.world import Published, World

_Render = Callable[[World, str, str], str]
"""Makes a lock of one package, ``widget`` 1.0.0, whose one file has the given name and digest."""


def uv_lock(world: World, file: str, digest: str) -> str:
    path = next(hosted.path for hosted in world.pypi._hosted() if hosted.filename == file)
    return (
        'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n\n[[package]]\nname = "project"\nversion = "1"\n'
        'source = { virtual = "." }\ndependencies = [\n    { name = "widget" },\n]\n\n[[package]]\nname = "widget"\n'
        f'version = "1.0.0"\nsource = {{ registry = "{world.pypi.simple_url}" }}\n'
        f'wheels = [\n    {{ url = "{world.pypi.files_url}{path}", hash = "sha256:{digest}" }},\n]\n'
    )


def poetry_lock(world: World, file: str, digest: str) -> str:
    return (
        '[[package]]\nname = "widget"\nversion = "1.0.0"\ngroups = ["main"]\n'
        f'files = [\n    {{file = "{file}", hash = "sha256:{digest}"}},\n]\n\n[package.source]\ntype = "legacy"\n'
        f'url = "{world.pypi.simple_url}"\nreference = "main"\n\n'
        '[metadata]\nlock-version = "2.1"\npython-versions = "*"\ncontent-hash = ""\n'
    )


def pdm_lock(_: World, file: str, digest: str) -> str:
    return (
        '[metadata]\nlock_version = "4.5.0"\n\n[[package]]\nname = "widget"\nversion = "1.0.0"\ngroups = ["default"]\n'
        f'files = [\n    {{file = "{file}", hash = "sha256:{digest}"}},\n]\n'
    )


def pipfile_lock(world: World, _: str, digest: str) -> str:
    source = {"name": "main", "url": world.pypi.simple_url, "verify_ssl": True}
    package = {"version": "==1.0.0", "index": "main", "hashes": [f"sha256:{digest}"]}
    document = {"_meta": {"pipfile-spec": 6, "sources": [source]}, "default": {"widget": package}}
    return json.dumps(document, indent=4)


LOCKS: dict[str, tuple[_Render, int]] = {
    "uv.lock": (uv_lock, 18),
    "poetry.lock": (poetry_lock, 6),
    "pdm.lock": (pdm_lock, 9),
    "Pipfile.lock": (pipfile_lock, 13),
}
_EACH = pytest.mark.parametrize("name", LOCKS)


def write(stage: AuditStage, name: str, widget: Published, digest: str = "") -> None:
    render, _ = LOCKS[name]
    stage.write(name, render(stage.world, widget.filename, digest or widget.sha256))


@_EACH
def test_an_honest_lock_is_allowed_and_a_swapped_hash_is_blocked_at_its_line(stage: AuditStage, name: str) -> None:
    widget, evil = stage.world.publish("widget", "1.0.0"), stage.world.publish("evil", "1.0.0")
    write(stage, name, widget)
    result = stage.audit()
    (artifact,) = result.report["artifacts"]
    assert (result.status, artifact["verdict"], artifact["provenance"]) == (0, "allow", "verified"), result.stderr
    write(stage, name, widget, evil.sha256)
    result = stage.audit()
    (artifact,) = result.report["artifacts"]
    assert result.status == 10
    assert "hash-mismatch" in {finding["rule"] for finding in artifact["findings"]}
    assert (artifact["location"]["path"], artifact["location"]["line"]) == (name, LOCKS[name][1])


@_EACH
def test_an_entry_that_cannot_be_read_is_blocked_at_its_line(stage: AuditStage, name: str) -> None:
    write(stage, name, stage.world.publish("widget", "1.0.0"), "0")
    result = stage.audit()
    assert (result.status, result.rules("block")) == (10, {"lock-entry-unreadable"})
    (finding,) = result.report["findings"]
    assert (finding["location"]["path"], finding["location"]["line"]) == (name, LOCKS[name][1])


@_EACH
def test_a_lock_of_another_tool_under_its_name_is_refused(stage: AuditStage, name: str) -> None:
    widget = stage.world.publish("widget", "1.0.0")
    for other, (render, _) in LOCKS.items():
        if other != name:
            stage.write(name, render(stage.world, widget.filename, widget.sha256))
            assert stage.audit().status == 2, other

"""The project that every package manager locks: aliases, peers, platforms, links, archives, bundles and a workspace.

Every package is made here and served by the simulator; no name means anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.sim.npm import NpmSimulator
from tests.sim.npm_packages import make_tarball

LINUX = {"os": ["linux"], "cpu": ["x64", "arm64"]}
DARWIN = {"os": ["darwin"]}
NOT_WINDOWS = {"os": ["!win32"]}
MUSL = {"os": ["linux"], "libc": ["musl"]}

MANIFEST: Mapping[str, object] = {
    "name": "project",
    "version": "1.0.0",
    "private": True,
    "workspaces": ["packages/*"],
    "dependencies": {
        "left": "^1.0.0",
        "renamed": "npm:left@^2.0.0",
        "@scope/tool": "~1.2.0",
        "plugin": "1.0.0",
        "host": "2.0.0",
        "bundler": "1.0.0",
        "packed": "file:./packed-1.0.0.tgz",
        "scripted": "1.0.0",
    },
    "devDependencies": {"tester": "*", "left-again": "npm:left@1.0.0"},
    "optionalDependencies": {"native": "1.0.0"},
}
WORKSPACE: Mapping[str, Mapping[str, object]] = {
    "packages/one": {
        "name": "@scope/one",
        "version": "1.1.0",
        "dependencies": {"plugin": "1.0.0", "host": "1.0.0", "left": "^2.0.0", "two": "WORKSPACE"},
    },
    "packages/two": {"name": "two", "version": "1.0.0", "devDependencies": {"@scope/dev": "0.1.0-rc.1"}},
}
PATCH = """diff --git a/index.js b/index.js
--- a/index.js
+++ b/index.js
@@ -1 +1 @@
-module.exports = "2.5.0"
+module.exports = "patched"
"""
OUTER: Mapping[str, object] = {"name": "outer", "version": "3.0.0"}


def fill(npm: NpmSimulator) -> None:
    """Host every package that the project asks for."""
    for tarball in (
        make_tarball("left", "1.0.0"),
        make_tarball("left", "1.1.0"),
        make_tarball("left", "2.0.0", dependencies={"right": ">=1 <3"}),
        make_tarball("right", "1.0.0"),
        make_tarball("right", "2.5.0"),
        make_tarball("@scope/tool", "1.2.3", dependencies={"inner-alias": "npm:@scope/real@^4.0.0", "left": "^1.0.0"}),
        make_tarball("@scope/real", "4.0.1"),
        make_tarball("plugin", "1.0.0", peer={"host": "*"}),
        make_tarball("host", "1.0.0"),
        make_tarball("host", "2.0.0"),
        make_tarball("bundler", "1.0.0", bundled={"inside": "7.0.0"}),
        make_tarball("inside", "7.0.0"),
        make_tarball("scripted", "1.0.0", scripts={"postinstall": "exit 1"}),
        make_tarball("tester", "3.0.0", dependencies={"only-tested": "^1.0.0", "left": "^1.0.0"}),
        make_tarball("only-tested", "1.5.0"),
        make_tarball("@scope/dev", "0.1.0-rc.1"),
        make_tarball(
            "native",
            "1.0.0",
            optional={"@native/linux": "1.0.0", "@native/darwin": "1.0.0", "@native/musl": "1.0.0", "any": "1.0.0"},
        ),
        make_tarball("@native/linux", "1.0.0", manifest_overrides=LINUX),
        make_tarball("@native/darwin", "1.0.0", manifest_overrides=DARWIN),
        make_tarball("@native/musl", "1.0.0", manifest_overrides=MUSL),
        make_tarball("any", "1.0.0", manifest_overrides=NOT_WINDOWS),
    ):
        npm.add(tarball)
    npm.add(make_tarball("remote", "5.0.0"), elsewhere=True)


def write_project(folder: Path, additions: Mapping[str, Mapping[str, str]], *, workspace: str = "") -> None:
    """Write the project into a folder, and beside it a folder ``outer``.

    Args:
        folder: new.
        additions: to the members of its package.json that are objects.
        workspace: how the package manager marks what only the workspace can give.
    """
    manifest = {**MANIFEST}
    for member, more in additions.items():
        present = manifest.get(member, {})
        assert isinstance(present, dict)
        manifest[member] = {**present, **more}
    _write(folder / "package.json", manifest)
    _write(folder.parent / "outer" / "package.json", OUTER)
    for place, member_manifest in WORKSPACE.items():
        text = json.dumps(member_manifest).replace("WORKSPACE", f"{workspace}1.0.0")
        _write(folder / place / "package.json", json.loads(text))
    _write(
        folder / "folder" / "package.json", {"name": "folder", "version": "0.2.0", "dependencies": {"right": "1.0.0"}}
    )
    (folder / "packed-1.0.0.tgz").write_bytes(make_tarball("packed", "1.0.0", dependencies={"right": "^2.0.0"}))


def _write(path: Path, manifest: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest, indent=2) + "\n")

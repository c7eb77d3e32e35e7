"""npm packages for tests: small, reproducible to the byte, and where asked telling when their scripts ran.

A *canary* is a file that a lifecycle script appends a line to. It is how a test sees that nothing ran.
"""

from __future__ import annotations

import gzip
import io
import json
import shlex
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.sim.documents import JsonObject

_TAR_SECONDS = 499162500  # 26 October 1985, as pacote packs (lib/util/tar-create-options.js)
_PROGRAM_MODE = 0o755
_FILE_MODE = 0o644


def make_tarball(
    name: str,
    version: str,
    *,
    dependencies: Mapping[str, str] | None = None,
    optional: Mapping[str, str] | None = None,
    peer: Mapping[str, str] | None = None,
    bundled: Mapping[str, str | bytes] | None = None,
    scripts: Mapping[str, str] | None = None,
    bin: Mapping[str, str] | None = None,  # noqa: A002 - package.json calls it so
    canary: Path | None = None,
    hooks: Iterable[str] = ("postinstall",),
    files: Mapping[str, str | bytes] | None = None,
    manifest_overrides: JsonObject | None = None,
    root: str = "package",
) -> bytes:
    """Make a package as ``npm pack`` does and return the bytes of the ``.tgz``.

    Args:
        name: with its scope, if it has one.
        version: as package.json writes it.
        dependencies: name to specifier, as for the next two.
        optional: ``optionalDependencies``.
        peer: ``peerDependencies``.
        bundled: what stands in ``node_modules`` of the package and in ``bundleDependencies``: a version, or a whole
            package made here. Each is a dependency too, as npm demands.
        scripts: of package.json.
        bin: command to JavaScript that it runs.
        canary: file that each of ``hooks`` appends a line to: the hook and the package's name.
        hooks: the lifecycle scripts that do so.
        files: more files, or others, by their path in the package.
        manifest_overrides: put into package.json last; the rest knows nothing of it.
        root: folder that everything is in. npm strips it, whatever its name (pacote ``lib/fetcher.js``, ``strip: 1``).
    """
    members: dict[str, str | bytes] = {"index.js": f"module.exports = {json.dumps(version)}\n"}
    members |= {f"bin/{command}.js": f"#!/usr/bin/env node\n{source}\n" for command, source in (bin or {}).items()}
    for folder, package in (bundled or {}).items():
        inner = make_tarball(folder, package) if isinstance(package, str) else package
        members |= {f"node_modules/{folder}/{path}": content for path, content in read_tarball(inner).items()}
    versions = {folder: str(_manifest_of(members, folder)["version"]) for folder in bundled or {}}
    manifest: JsonObject = {
        "name": name,
        "version": version,
        "dependencies": versions | dict(dependencies or {}),
        "optionalDependencies": dict(optional or {}),
        "peerDependencies": dict(peer or {}),
        "bundleDependencies": [*versions],
        "scripts": {**_canary_scripts(canary, hooks, name), **(scripts or {})},
        "bin": {command: f"bin/{command}.js" for command in bin or {}},
    }
    manifest = {key: value for key, value in manifest.items() if value} | (manifest_overrides or {})
    members["package.json"] = json.dumps(manifest, indent=2) + "\n"
    return _tar(root, members | dict(files or {}))


def read_tarball(content: bytes) -> dict[str, bytes]:
    """Return the files of a package by their path in it."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        opened = ((member.name.partition("/")[2], archive.extractfile(member)) for member in archive.getmembers())
        return {path: file.read() for path, file in opened if file is not None}


def read_manifest(content: bytes) -> JsonObject:
    """Return the package.json of a package."""
    manifest: JsonObject = json.loads(read_tarball(content)["package.json"])
    return manifest


def unpack_tarball(content: bytes, folder: Path) -> None:
    """Unpack a package so that ``folder`` is the package: a local dependency, a workspace, a project."""
    for path, file in read_tarball(content).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file)


def _canary_scripts(canary: Path | None, hooks: Iterable[str], name: str) -> dict[str, str]:
    if canary is None:
        return {}
    return {hook: f"echo {hook} {name} >> {shlex.quote(str(canary))}" for hook in hooks}


def _manifest_of(members: Mapping[str, str | bytes], bundled: str) -> JsonObject:
    """Return the package.json of a package that is bundled among ``members``."""
    manifest: JsonObject = json.loads(members[f"node_modules/{bundled}/package.json"])
    return manifest


def _tar(root: str, members: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in sorted(members.items()):
            content = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(f"{root}/{path}")
            info.size = len(content)
            info.mtime = _TAR_SECONDS
            info.mode = _PROGRAM_MODE if content.startswith(b"#!") else _FILE_MODE
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)

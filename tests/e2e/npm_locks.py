"""Locks as tests want them: written by hand, so that a whole row of hostile entries costs one run of guard."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.e2e.npm_environment import NpmEnvironment
from tests.sim.documents import JsonObject
from tests.sim.npm import NpmSimulator
from tests.sim.world import PublishedNpm

_PLACES = (".", "node_modules/")


def entry_of(published: PublishedNpm, registry: NpmSimulator, **changes: object) -> JsonObject:
    """Return what npm writes into a lock for a release that has install scripts: it looks for them in no other.

    Args:
        published: the release.
        registry: whose address the entry names.
        changes: members in place of others; ``None`` leaves one out.
    """
    file = f"{published.name.rpartition('/')[2]}-{published.version}.tgz"
    honest: JsonObject = {
        "version": published.version,
        "resolved": f"{registry.base_url}/{published.name}/-/{file}",
        "integrity": published.integrity,
        "hasInstallScript": True,
    }
    return {member: value for member, value in (honest | changes).items() if value is not None}


def write_locked(
    target: NpmEnvironment,
    entries: Mapping[str, JsonObject],
    *,
    dependencies: Mapping[str, str] | None = None,
    **manifest: object,
) -> None:
    """Write package.json and a lock that agree.

    Args:
        target: whose project they are of.
        entries: by their place; a name alone stands in node_modules.
        dependencies: of the project; without them, the version of every entry at the top.
        manifest: more members of package.json.
    """
    top = {name: str(entry.get("version")) for name, entry in entries.items() if not name.startswith(_PLACES)}
    asked = top if dependencies is None else dict(dependencies)
    target.manifest(dependencies=asked, **manifest)
    own = json.loads((target.project / "package.json").read_text())
    placed = {f"node_modules/{name}" if name in top else name: entry for name, entry in entries.items()}
    document = {
        "name": own["name"],
        "version": own["version"],
        "lockfileVersion": 3,
        "requires": True,
        "packages": {"": {key: value for key, value in own.items() if key != "scripts"}, **placed},
    }
    write_lock(target, document)


def write_published(target: NpmEnvironment, registry: NpmSimulator, *published: PublishedNpm) -> None:
    """Write package.json and an honest lock of some releases, all at the top."""
    write_locked(target, {each.name: entry_of(each, registry) for each in published})


def write_lock(target: NpmEnvironment, document: JsonObject) -> None:
    """Write package-lock.json as npm formats it."""
    (target.project / "package-lock.json").write_text(json.dumps(document, indent=2) + "\n")

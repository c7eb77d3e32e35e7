"""A project of uv's: where its locks may be, and what of them has to be built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli

from guard.clients.line import not_guarded
from guard.clients.uv.settings import Table, load_configuration, load_manifest, table_of
from guard.errors import Refused
from guard.model import RuleId

LOCK = "uv.lock"
MANIFEST = "pyproject.toml"
# What uv reads as settings, manifests and locks of a project.
COPIED = frozenset({LOCK, MANIFEST, "uv.toml", ".python-version", ".python-versions"})
_OWN_SOURCES = ("editable", "directory", "virtual")
_UNBUILT_SOURCES = ("registry", *_OWN_SOURCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class UvProject:
    """The project around the working directory.

    Args:
        root: the outermost folder that may hold its lock.
        folders: every folder that may, from the working directory up.
        tables: uv's configuration, the strongest first.
    """

    root: Path
    folders: tuple[Path, ...]
    tables: tuple[Table, ...]

    def load_locks(self) -> dict[Path, bytes]:
        """Return every lock that uv may mean, by its path; which one it takes is its own affair."""
        paths = (folder / LOCK for folder in self.folders)
        return {path: path.read_bytes() for path in paths if path.is_file()}


def find_project(cwd: Path, *, environ: Mapping[str, str], home: Path) -> UvProject | None:
    """Find the project that uv would find (docs.astral.sh/uv/concepts/projects/workspaces).

    It is the nearest folder with a ``pyproject.toml``, and a workspace around it is any of those above.

    Raises:
        ConfigInvalid: a manifest or configuration cannot be read.
        Refused: the environment leads uv elsewhere.
    """
    above = [folder for folder in (cwd, *cwd.parents) if (folder / MANIFEST).is_file()]
    if not above:
        return None
    nearest, *outer = above
    workspaces = [folder for folder in outer if "workspace" in table_of(load_manifest(folder), "tool", "uv")]
    folders = (nearest, *workspaces)
    return UvProject(
        root=folders[-1],
        folders=folders,
        tables=load_configuration(folders, environ=environ, home=home),
    )


def refuse_outside_paths(project: UvProject, scratch: Path) -> None:
    """Refuse a project that takes sources from folders outside of it, which a copy of it does not have.

    Raises:
        Refused: it does.
    """
    for manifest in scratch.rglob(MANIFEST):
        folder = project.root / manifest.parent.relative_to(scratch)
        for name, source in _sources(load_manifest(manifest.parent)):
            path = source.get("path")
            if isinstance(path, str) and not (folder / path).resolve().is_relative_to(project.root.resolve()):
                raise not_guarded(
                    f"{name}, which {folder / MANIFEST} takes from {path} outside of the project",
                    hint="lock with uv itself, then: guard uv sync --frozen",
                )


def find_build_requirements(scratch: Path) -> tuple[str, ...]:
    """Return what the builds require by which uv learns the metadata of the user's own folders (PEP 517, PEP 621).

    Args:
        scratch: copy of the project.

    Raises:
        Refused: one of them is on no index.
    """
    found: list[str] = []
    for path in sorted(scratch.rglob(MANIFEST)):
        manifest = load_manifest(path.parent)
        if table_of(manifest, "project").get("dynamic"):
            requires = table_of(manifest, "build-system").get("requires")
            found += map(str, requires if isinstance(requires, list) else ["setuptools", "wheel"])
    for requirement in found:
        if "@" in requirement or requirement.startswith(("-", ".", "/")):
            raise not_guarded(f"the build requirement {requirement}", hint="name a release of an index")
    return tuple(dict.fromkeys(found))


def _sources(manifest: Table) -> Iterator[tuple[str, Table]]:
    for name, listed in table_of(manifest, "tool", "uv", "sources").items():
        for source in listed if isinstance(listed, list) else [listed]:
            if isinstance(source, dict):
                yield name, source


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What locks say of how their packages come to be installed.

    Args:
        own: names of packages that are folders of the user's.
        registry: names of those of indexes.
    """

    own: tuple[str, ...]
    registry: tuple[str, ...]


def read_contents(locks: Iterable[bytes]) -> Contents:
    """Read locks that were decided already.

    Raises:
        Refused: a package would be built from something that is neither the user's nor of an index.
    """
    own: list[str] = []
    registry: list[str] = []
    for data in locks:
        packages = tomli.loads(data.decode())["package"] if b"[[package]]" in data else []
        for package in packages:
            source = package["source"]
            kind = next(iter(source))
            if kind not in _UNBUILT_SOURCES and not str(source[kind]).partition("?")[0].endswith(".whl"):
                raise Refused(
                    RuleId.COMMAND_NOT_GUARDED.value,
                    f"{package['name']} would be built from {kind}, with requirements that the lock does not name",
                    hint="install it by itself: guard pip install",
                )
            if kind == "registry":
                registry.append(package["name"])
            elif kind in ("editable", "directory"):
                own.append(package["name"])
    return Contents(own=tuple(dict.fromkeys(own)), registry=tuple(dict.fromkeys(registry)))

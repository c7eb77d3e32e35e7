"""Who asks for each package of a uv.lock, and under which conditions; uv keeps both on its edges alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from guard_lockfiles.fields import (
    Unreadable,
    any_of,
    as_object,
    read_items,
    read_marker,
    read_name,
    read_object,
    read_text,
)

# Far beyond real projects; without them, time grows by the square of a hostile file. What is beyond counts as asked for
# by everything, everywhere.
_GROUPS_MAX_COUNT = 100
_MARKERS_MAX_COUNT = 64


@dataclass(frozen=True, slots=True)
class Edge:
    """One dependency: a name, the version where that alone says which, and a condition."""

    name: str
    version: str | None
    marker: str | None

    @property
    def target(self) -> tuple[str, str | None]:
        """What it leads to: one version of a package, or every one."""
        return self.name, self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a package depends on.

    Args:
        name: normalised.
        version: ``None`` where it has none.
        is_project: whether it is the project itself or a member of its workspace.
        edges: what it always asks for.
        extras: what each of its extras asks for.
        groups: what each of its dependency groups asks for.
    """

    name: str
    version: str | None = None
    is_project: bool = False
    edges: tuple[Edge, ...] = ()
    extras: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)

    def inherited_edges(self) -> Iterator[Edge]:
        """Return what comes with a package; what a project's groups ask for does not."""
        return iter(self.edges) if self.is_project else self.all_edges()

    def all_edges(self) -> Iterator[Edge]:
        """Return every dependency, of whatever kind."""
        yield from self.edges
        for edges in (*self.extras.values(), *self.groups.values()):
            yield from edges


@dataclass(frozen=True, slots=True)
class Demand:
    """Who asks for a package: a condition that holds wherever anything does, and the groups, as in an entry."""

    marker: str | None = None
    groups: tuple[str, ...] = ()
    is_dev: bool = False


def read_node(package: Mapping[str, object], *, name: str, is_project: bool) -> Node:
    """Read the dependencies of a package.

    Raises:
        Unreadable: they are no dependencies.
    """
    return Node(
        name=name,
        version=read_text(package, "version"),
        is_project=is_project,
        edges=_read_edges(package, "dependencies"),
        extras=_read_groups(package, "optional-dependencies"),
        groups={**_read_groups(package, "dev-dependencies"), **_read_groups(package, "dependency-groups")},
    )


def read_requirements(manifest: Mapping[str, object]) -> Node:
    """Read what the lock's own manifest asks for: a script's requirements, and groups of a folder without a project.

    Raises:
        Unreadable: they are no dependencies.
    """
    return Node(
        name="",
        is_project=True,
        edges=_read_edges(manifest, "requirements"),
        groups=_read_groups(manifest, "dependency-groups"),
    )


_Target = tuple[str, str | None]


class Graph:
    """The dependencies of a whole lock.

    Args:
        nodes: each readable package, by any key.
        requirements: see :func:`read_requirements`.
    """

    def __init__(self, nodes: Mapping[int, Node], requirements: Node) -> None:
        self._nodes = nodes
        self._indexes: dict[_Target, list[int]] = defaultdict(list)
        for index, node in nodes.items():
            self._indexes[node.name, None].append(index)
            if node.version is not None:
                self._indexes[node.name, node.version].append(index)
        self._markers: dict[_Target, set[str | None]] = defaultdict(set)
        for node in (*nodes.values(), requirements):
            for edge in node.all_edges():
                self._markers[edge.target].add(edge.marker)
        roots = [requirements, *(node for node in nodes.values() if node.is_project)]
        self._always = self._reach(edge for root in roots for edge in root.edges)
        self._extras = self._reach_of_groups(root.extras for root in roots)
        self._groups = self._reach_of_groups(root.groups for root in roots)

    def demand(self, index: int) -> Demand:
        """Return who asks for a package."""
        marker = self._marker(self._nodes[index])
        if index in self._always:
            return Demand(marker)
        extras = [name for name, reached in self._extras.items() if index in reached]
        groups = [name for name, reached in self._groups.items() if index in reached]
        return Demand(marker, tuple(sorted({*extras, *groups})), bool(groups) and not extras)

    def _marker(self, node: Node) -> str | None:
        """Return the conditions of all edges that may mean a package, as one; ``None`` where one of them has none."""
        markers: set[str | None] = set()
        for version in {node.version, None}:
            markers |= self._markers.get((node.name, version), set())
            if len(markers) > _MARKERS_MAX_COUNT:
                return None
        known = [marker for marker in markers if marker is not None]
        return any_of(known) if known and len(known) == len(markers) else None

    def _reach(self, edges: Iterable[Edge]) -> frozenset[int]:
        """Return every package that some edges lead to, with all extras, which may be more than they ask for."""
        reached: set[int] = set()
        followed: set[_Target] = set()
        waiting = [edge.target for edge in edges]
        while waiting:
            target = waiting.pop()
            if target not in followed:
                followed.add(target)
                new = [index for index in self._indexes.get(target, ()) if index not in reached]
                reached.update(new)
                waiting += [edge.target for index in new for edge in self._nodes[index].inherited_edges()]
        return frozenset(reached)

    def _reach_of_groups(self, roots: Iterable[Mapping[str, tuple[Edge, ...]]]) -> dict[str, frozenset[int]]:
        edges: dict[str, list[Edge]] = defaultdict(list)
        for groups in roots:
            for name, members in groups.items():
                edges[name] += members
        if len(edges) > _GROUPS_MAX_COUNT:
            return {}
        return {name: self._reach(members) for name, members in edges.items()}


def _read_edges(value: Mapping[str, object], key: str) -> tuple[Edge, ...]:
    return tuple(_read_edge(item) for item in read_items(value, key))


def _read_groups(value: Mapping[str, object], key: str) -> dict[str, tuple[Edge, ...]]:
    groups = read_object(value, key)
    if not all(name.isprintable() for name in groups):
        raise Unreadable(f"`{key}` holds control characters")
    return {name: _read_edges(groups, name) for name in groups}


def _read_edge(item: object) -> Edge:
    table = as_object(item, "a dependency")
    return Edge(read_name(table), read_text(table, "version"), read_marker(table, "marker"))

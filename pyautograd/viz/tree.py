"""The groups of a picture: modules within modules, each with a sheet of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pyautograd.viz.graph import Graph, Vertex
from pyautograd.viz.names import Path
from pyautograd.viz.sheet import Item, Sheet, Wire, lay_out

# The name of an item: a vertex by its key, a group by its path.
Name = int | Path
Size = tuple[float, float]

READABLE = 28  # boxes in a picture whose groups are unfolded unasked


@dataclass
class Group:
    """A group: the vertices that it holds itself, and the groups in it."""

    path: Path
    vertices: list[Vertex] = field(default_factory=list)
    groups: list[Path] = field(default_factory=list)


class Tree:
    """The groups of a graph by path; () is the whole.

    tags: the name of the module of a vertex that is all of it, and so needs no group.
    marked: vertices whose wires are drawn first, where several wires of a value share a way.
    """

    def __init__(self, graph: Graph, marked: Collection[int] = ()) -> None:
        self.graph = graph
        self.marked = marked
        self.paths, self.tags = _without_trifles(graph)
        self.groups: dict[Path, Group] = {(): Group(())}
        for vertex in graph.vertices.values():
            path = self.paths[vertex.key]
            self._group(path).vertices.append(vertex)

    def _group(self, path: Path) -> Group:
        if path not in self.groups:
            self._group(path[:-1]).groups.append(path)
            self.groups[path] = Group(path)
        return self.groups[path]

    def inside(self, path: Path) -> Iterator[Vertex]:
        """The vertices of a group and of those below it."""
        yield from self.groups[path].vertices
        for child in self.groups[path].groups:
            yield from self.inside(child)

    def opened(self, depth: int | None = None) -> set[Path]:
        """The groups to unfold: those above a depth; without one, as many as stay readable."""
        if depth is not None:
            return {path for path in self.groups if len(path) <= depth}
        opened: set[Path] = {()}
        level: list[Path] = list(self.groups[()].groups)
        while any(self.groups[path].groups for path in level):
            more = opened | {path for path in level if self.groups[path].groups}
            if self.shown(more) > READABLE:
                return opened  # and modules without submodules stay folded too
            opened = more
            level = [child for path in level for child in self.groups[path].groups]
        more = set(self.groups)
        return more if self.shown(more) <= READABLE else opened

    def shown(self, opened: set[Path]) -> int:
        """How many boxes there are with these groups unfolded."""
        held = [self.groups[path] for path in opened]
        return sum(len(g.vertices) + sum(c not in opened for c in g.groups) for g in held)

    @cached_property
    def leaving(self) -> dict[Path, list[int]]:
        """Of each group, the vertices whose values are read outside it, or are results."""
        found: dict[Path, dict[int, None]] = {path: {} for path in self.groups}
        for edge in self.graph.edges:
            source, target = self.paths[edge.source], self.paths[edge.target]
            for depth in range(_shared(source, target) + 1, len(source) + 1):
                found[source[:depth]][edge.source] = None
        for key in self.graph.outputs:
            path = self.paths[key]
            for depth in range(1, len(path) + 1):
                found[path[:depth]][key] = None
        return {path: list(keys) for path, keys in found.items()}

    def sheet(self, path: Path, size: Callable[[Name], Size]) -> Sheet:
        """The layout of the inside of a group, its subgroups folded; `size` measures boxes."""
        return lay_out(*_Builder(self, path, size).parts())


class _Builder:
    """The items and wires of a group's inside."""

    def __init__(self, tree: Tree, path: Path, size: Callable[[Name], Size]) -> None:
        self.tree = tree
        self.path = path
        self.items: list[Item] = []
        self.places: dict[Name, int] = {}
        reads = tree.graph.outputs_of
        for vertex in tree.groups[path].vertices:
            leaf = vertex.kind != "op" and len(reads[vertex.key]) > 0
            self._add(vertex.key, Item(vertex.key, *size(vertex.key), leaf=leaf))
        for child in tree.groups[path].groups:
            self._add(child, Item(child, *size(child)))

    def _add(self, name: Name, item: Item) -> None:
        self.places[name] = len(self.items)
        self.items.append(item)

    def _place(self, key: int) -> int | None:
        """The item that is or holds a vertex; None for one outside."""
        depth = len(self.path)
        path = self.tree.paths[key]
        if path[:depth] != self.path:
            return None
        return self.places[key if len(path) == depth else path[: depth + 1]]

    def parts(self) -> tuple[list[Item], list[Wire]]:
        """Values that go from one item to the same others are one wire; outside is one item."""
        coming: dict[int, dict[int, None]] = {}  # by vertex: the items that its value goes to
        going: dict[int, dict[int, None]] = {}  # the same, of one that is here
        leaving: dict[int, dict[int, None]] = {}  # by item: its vertices that are read outside
        edges = [(e.source, e.target) for e in self.tree.graph.edges]
        edges.sort(key=lambda edge: edge[1] not in self.tree.marked)
        for source, target in edges:
            a, b = self._place(source), self._place(target)
            if a is None and b is not None:
                coming.setdefault(source, {})[b] = None
            elif a is not None and b is None:
                leaving.setdefault(a, {})[source] = None
                going.setdefault(source, {})
            elif a is not None and b is not None and a != b:
                going.setdefault(source, {})[b] = None
        together: dict[frozenset[int], list[int]] = {}
        for key, targets in coming.items():
            together.setdefault(frozenset(targets), []).append(key)
        wires = []
        for keys in together.values():
            port = self._port("top", keys)
            wires.append(Wire(keys, port, list(coming[keys[0]])))
        ports = {a: self._port("bottom", list(keys)) for a, keys in leaving.items()}
        bundles: dict[tuple[int, frozenset[int]], Wire] = {}
        for key, targets in going.items():
            a = self._place(key)
            assert a is not None
            if key in leaving.get(a, ()):
                targets[ports[a]] = None
            if targets:
                new = Wire([], a, list(targets))
                bundles.setdefault((a, frozenset(targets)), new).keys.append(key)
        return self.items, [*wires, *bundles.values()]

    def _port(self, side: str, keys: list[int]) -> int:
        self.items.append(Item(tuple(keys), port=side))
        return len(self.items) - 1


def _shared(a: Path, b: Path) -> int:
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def _without_trifles(graph: Graph) -> tuple[dict[int, Path], dict[int, str]]:
    """The path of each vertex, without groups of one vertex only; and the names of those."""
    holds: dict[Path, int] = {}
    for vertex in graph.vertices.values():
        for depth in range(1, len(vertex.path) + 1):
            holds[vertex.path[:depth]] = holds.get(vertex.path[:depth], 0) + 1
    paths, tags = {}, {}
    for vertex in graph.vertices.values():
        depth = len(vertex.path)
        while depth and holds[vertex.path[:depth]] == 1:
            depth -= 1
        paths[vertex.key] = vertex.path[:depth]
        if depth < len(vertex.path):
            tags[vertex.key] = ".".join(vertex.path[depth:])
    return paths, tags

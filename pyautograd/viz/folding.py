"""Where a page draws its cards: with all groups folded, with all unfolded, with each one unfolded.

A group is laid out on a sheet of its own and is then one item of the sheet around it, so groups
never overlap. Browsers have nothing to compute: they go from one arrangement to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyautograd.viz.graph import Graph, Vertex
from pyautograd.viz.names import Path
from pyautograd.viz.sheet import Item, Sheet, Wire, lay_out

CARD = (164.0, 78.0)
LEAF = (132.0, 60.0)
BETWEEN = 30.0  # more room between layers, for what stands on the edges
FRAME = (16.0, 36.0, 16.0)  # around the inside of a group: sides, top, bottom
_MOST = 20_000  # cards in all arrangements with one group unfolded

Name = int | Path  # a vertex by its key, or a group


def arrangements(graph: Graph) -> dict[str, Any]:
    """`groups` with their classes and members, and `states`: the arrangements.

    A state is named "all", "none" or the number of the group that is unfolded, with those around
    it.
    """
    layouts = _Layouts(graph)
    groups = sorted({group for path in layouts.paths.values() for group in _around(path)})
    number = {group: i for i, group in enumerate(groups)}
    states = {"all": layouts.state(groups, number)}
    if groups:
        states["none"] = layouts.state((), number)
        if len(groups) * len(states["none"]["cards"]) <= _MOST:
            for group in groups:
                states[str(number[group])] = layouts.state(_around(group), number)
    members: dict[Path, list[int]] = {group: [] for group in groups}
    for key, path in layouts.paths.items():
        for group in _around(path):
            members[group].append(key)
    listed = [
        {
            "path": list(group),
            "class": graph.groups.get(group, ""),
            "members": members[group],
            "parent": number.get(group[:-1]),
        }
        for group in groups
    ]
    return {"groups": listed, "states": states, "card": CARD, "leaf": LEAF}


def _around(path: Path) -> list[Path]:
    """The groups that a vertex of this path is in, outermost first."""
    return [path[:depth] for depth in range(1, len(path) + 1)]


class _Layouts:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.paths = {key: _path(graph, vertex) for key, vertex in graph.vertices.items()}

    def state(self, unfolded: Iterable[Path], number: dict[Path, int]) -> dict[str, Any]:
        """Middles of the cards, frames of the unfolded groups, and bends of the edges."""
        inside = _Inside(self, set(unfolded))
        width, height = inside.place((), 0.0, 0.0)

        def name(x: Name) -> int | str:
            return f"g{number[x]}" if isinstance(x, tuple) else x

        return {
            "size": [round(width), round(height)],
            "cards": [[name(x), *place] for x, place in inside.cards.items()],
            "frames": [[number[x], *place] for x, place in inside.frames.items()],
            "bends": [[name(a), name(b), points] for (a, b), points in inside.bends.items()],
        }


class _Inside:
    """One arrangement."""

    def __init__(self, layouts: _Layouts, unfolded: set[Path]) -> None:
        self.graph, self.paths, self.unfolded = layouts.graph, layouts.paths, unfolded
        self.cards: dict[Name, tuple[int, int]] = {}
        self.frames: dict[Path, tuple[int, int, int, int]] = {}
        self.bends: dict[tuple[Name, Name], list[int]] = {}
        self.members: dict[Path, list[int]] = {(): list(self.paths)}
        for key, path in self.paths.items():
            for group in _around(path):
                self.members.setdefault(group, []).append(key)
        self.sheets: dict[Path, Sheet] = {}
        self._lay_out(())

    def _shown(self, key: int) -> Name:
        """The vertex, or the outermost folded group around it."""
        for group in _around(self.paths[key]):
            if group not in self.unfolded:
                return group
        return key

    def _lay_out(self, container: Path) -> Sheet:
        """The sheet of a group's inside; those of unfolded groups in it first."""
        depth = len(container)
        inside = {
            key: self.paths[key][: depth + 1] if len(self.paths[key]) > depth else key
            for key in self.members[container]
        }
        places: dict[Name, int] = {}
        items: list[Item] = []
        for name in inside.values():
            if name not in places:
                places[name] = len(items)
                items.append(self._item(name))
        targets: dict[int, dict[int, None]] = {}
        for key in inside:
            for edge in self.graph.outputs_of[key]:
                if edge.target in inside and inside[edge.target] != inside[key]:
                    a, b = places[inside[key]], places[inside[edge.target]]
                    targets.setdefault(a, {})[b] = None
        wires = [Wire(a, a, list(to)) for a, to in targets.items()]
        sheet = self.sheets[container] = lay_out(items, wires)
        return sheet

    def _item(self, name: Name) -> Item:
        if isinstance(name, tuple):
            if name in self.unfolded:
                sheet = self._lay_out(name)
                side, top, bottom = FRAME
                return Item(name, sheet.width + 2 * side, sheet.height + top + bottom + BETWEEN)
            return Item(name, CARD[0], CARD[1] + BETWEEN)
        leaf = self.graph.vertices[name].kind != "op"
        width, height = LEAF if leaf else CARD
        return Item(name, width, height + BETWEEN, leaf=leaf)

    def place(self, container: Path, left: float, top: float) -> tuple[float, float]:
        """Puts what the sheet holds where it belongs, its corner at (left, top)."""
        sheet = self.sheets[container]
        for item in sheet.items[: sheet.size]:
            x, y = left + item.x, top + item.y
            if isinstance(item.name, tuple) and item.name in self.unfolded:
                corner = x - item.width / 2, y - item.height / 2 + BETWEEN / 2
                size = item.width, item.height - BETWEEN
                self.frames[item.name] = _rounded(*corner, *size)  # type: ignore[assignment]
                self.place(item.name, corner[0] + FRAME[0], corner[1] + FRAME[1] - BETWEEN / 2)
            else:
                self.cards[item.name] = _rounded(x, y)  # type: ignore[assignment]
        self._bend(container, sheet, left, top)
        return sheet.width, sheet.height

    def _bend(self, container: Path, sheet: Sheet, left: float, top: float) -> None:
        routes = {
            (sheet.items[wire.source].name, sheet.items[target].name): bends
            for wire in sheet.wires
            for target, bends in zip(wire.targets, wire.bends, strict=True)
            if bends
        }
        depth = len(container)
        if not routes:
            return
        for edge in self.graph.edges:
            ends = [
                self.paths[k][: depth + 1] if len(self.paths[k]) > depth else k
                for k in (edge.source, edge.target)
            ]
            bends = routes.get((ends[0], ends[1]))
            if bends and all(self.paths[k][:depth] == container for k in (edge.source, edge.target)):
                points = [sheet.items[i] for i in bends]
                flat = [z for p in points for z in _rounded(left + p.x, top + p.y)]
                self.bends[self._shown(edge.source), self._shown(edge.target)] = flat


def _rounded(*numbers: float) -> tuple[int, ...]:
    return tuple(round(x) for x in numbers)


def _path(graph: Graph, vertex: Vertex) -> Path:
    """The modules around it; a constant goes with what reads it."""
    if vertex.kind == "constant" and not vertex.path:
        readers = {graph.vertices[e.target].path for e in graph.outputs_of[vertex.key]}
        return readers.pop() if len(readers) == 1 else ()
    return vertex.path

"""Where a page draws its cards: with all groups folded, with all unfolded, with each one unfolded.

A group is laid out on a sheet of its own and is then one item of the sheet around it, so groups
never overlap. Browsers have nothing to compute: they go from one arrangement to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyautograd.viz.graph import Graph
from pyautograd.viz.names import Path
from pyautograd.viz.sheet import Item, Sheet
from pyautograd.viz.tree import Name, Tree

CARD = (164.0, 78.0)
LEAF = (132.0, 60.0)
BETWEEN = 30.0  # more room between layers, for what stands on the edges
FRAME = (16.0, 14.0, -14.0)  # around the inside of a group: sides, top, bottom
_MOST = 20_000  # cards in all arrangements with one group unfolded


def arrangements(graph: Graph) -> dict[str, Any]:
    """`groups` with their classes and members, and `states`: the arrangements.

    A state is named "all", "none" or the number of the group that is unfolded, with those around
    it.
    """
    tree = Tree(graph)
    groups = sorted(path for path in tree.groups if path)
    number = {group: i for i, group in enumerate(groups)}
    states = {"all": _state(tree, groups, number)}
    if groups:
        states["none"] = _state(tree, (), number)
        if len(groups) * len(states["none"]["cards"]) <= _MOST:
            for group in groups:
                states[str(number[group])] = _state(tree, _around(group), number)
    listed = [
        {
            "path": list(group),
            "class": graph.groups.get(group, ""),
            "members": sorted(vertex.key for vertex in tree.inside(group)),
            "output": (tree.leaving[group] or [tree.groups[group].vertices[-1].key])[-1],
            "parent": number.get(group[:-1]),
        }
        for group in groups
    ]
    return {"groups": listed, "states": states, "card": CARD, "leaf": LEAF}


def _around(path: Path) -> list[Path]:
    """The groups that something of this path is in, outermost first."""
    return [path[:depth] for depth in range(1, len(path) + 1)]


def _state(tree: Tree, unfolded: Iterable[Path], number: dict[Path, int]) -> dict[str, Any]:
    """Middles of the cards, frames of the unfolded groups, and bends of the edges."""
    made = _Arrangement(tree, set(unfolded))

    def name(x: Name) -> int | str:
        return f"g{number[x]}" if isinstance(x, tuple) else x

    sheet = made.sheets[()]
    return {
        "size": [round(sheet.width), round(sheet.height)],
        "cards": [[name(x), *place] for x, place in made.cards.items()],
        "frames": [[number[x], *place] for x, place in made.frames.items()],
        "bends": [[name(a), name(b), points] for (a, b), points in made.bends().items()],
    }


class _Arrangement:
    """All sheets of a tree, with some of its groups unfolded."""

    def __init__(self, tree: Tree, unfolded: set[Path]) -> None:
        self.tree, self.unfolded = tree, unfolded
        self.cards: dict[Name, tuple[int, int]] = {}
        self.frames: dict[Path, tuple[int, ...]] = {}
        self.sheets: dict[Path, Sheet] = {}
        self.corners: dict[Path, tuple[float, float]] = {}
        self._lay_out(())
        self._place((), 0.0, 0.0)

    def _lay_out(self, group: Path) -> Sheet:
        """The sheet of a group's inside; those of unfolded groups in it first."""
        for child in self.tree.groups[group].groups:
            if child in self.unfolded:
                self._lay_out(child)
        sheet = self.sheets[group] = self.tree.sheet(group, self._size)
        return sheet

    def _size(self, name: Name) -> tuple[float, float]:
        if isinstance(name, int):
            width, height = CARD if self.tree.graph.vertices[name].kind == "op" else LEAF
        elif name in self.unfolded:
            sheet, (side, top, bottom) = self.sheets[name], FRAME
            width, height = sheet.width + 2 * side, sheet.height + top + bottom
        else:
            width, height = CARD
        return width, height + BETWEEN

    def _place(self, group: Path, left: float, top: float) -> None:
        """Puts what the sheet holds where it belongs, its corner at (left, top)."""
        sheet = self.sheets[group]
        self.corners[group] = left, top
        for item in sheet.items[: sheet.size]:
            x, y = left + item.x, top + item.y
            if item.port:
                continue
            if isinstance(item.name, tuple) and item.name in self.unfolded:
                width, height = item.width, item.height - BETWEEN
                corner = x - width / 2, y - height / 2
                self.frames[item.name] = tuple(round(z) for z in (*corner, width, height))
                self._place(item.name, corner[0] + FRAME[0], corner[1] + FRAME[1])
            else:
                self.cards[item.name] = round(x), round(y)

    # ---- edges -----------------------------------------------------------------------------------

    def _shown(self, key: int) -> Name:
        """The vertex, or the outermost folded group around it."""
        for group in _around(self.tree.paths[key]):
            if group not in self.unfolded:
                return group
        return key

    def bends(self) -> dict[tuple[Name, Name], list[int]]:
        """The points between the ends of the edges that have some: x, y, x, y, ..."""
        ways = _ways(self.sheets)
        found = {}
        for edge in self.tree.graph.edges:
            ends = self._shown(edge.source), self._shown(edge.target)
            if ends[0] == ends[1] or ends in found:
                continue
            points = [z for point in self._way(ways, edge.source, *ends) for z in point]
            if points:
                found[ends] = points
        return found

    def _way(self, ways: Any, key: int, source: Name, target: Name) -> list[tuple[int, int]]:
        """The bends from one card to another, sheet by sheet: out of groups, across, and in."""
        above, below = self._sheets_of(source), self._sheets_of(target)
        shared = max(i for i, (a, b) in enumerate(zip(above, below, strict=False)) if a == b)
        points: list[tuple[int, int]] = []
        for group in reversed(above[shared + 1 :]):
            points += self._points(group, ways[group].get((key, "bottom"), ()), -1)
        inner = below[shared + 1] if shared + 1 < len(below) else target
        points += self._points(above[shared], ways[above[shared]].get((key, inner), ()), 0)
        for i in range(shared + 1, len(below)):
            inner = below[i + 1] if i + 1 < len(below) else target
            points += self._points(below[i], ways[below[i]].get((key, inner), ()), 1)
        return points

    def _sheets_of(self, name: Name) -> list[Path]:
        """The groups whose sheets lead to a card, outermost first."""
        path = name[:-1] if isinstance(name, tuple) else self.tree.paths[name]
        return [(), *_around(path)]

    def _points(self, group: Path, way: tuple[Item, ...], port: int) -> list[tuple[int, int]]:
        """Of a way's items the bends, and the end that is a port of the group."""
        left, top = self.corners[group]
        items = way[1:-1] if port == 0 else way[1:] if port < 0 else way[:-1]
        points = []
        for item in items:
            ends = [item.y - item.height / 2, item.y + item.height / 2]
            for y in reversed(ends) if item.upward else ends[: 1 + bool(item.height)]:
                points.append((round(left + item.x), round(top + y)))
        return points


def _ways(sheets: dict[Path, Sheet]) -> dict[Path, dict[tuple[int, Name | str], tuple[Item, ...]]]:
    """By group: the items on the way of a vertex's value, by its key and where it ends."""
    found: dict[Path, dict[tuple[int, Name | str], tuple[Item, ...]]] = {}
    for group, sheet in sheets.items():
        ways = found[group] = {}
        for wire in sheet.wires:
            for target, bends in zip(wire.targets, wire.bends, strict=True):
                end = sheet.items[target]
                way = (sheet.items[wire.source], *(sheet.items[i] for i in bends), end)
                ways.update({(key, end.port or end.name): way for key in wire.keys})
    return found

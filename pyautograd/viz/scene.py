"""Where everything is, for a choice of unfolded groups: boxes, frames and wires on one plane.

An unfolded group makes room for itself: the plane of the sheet that it is on is stretched where it
stands, across and down. Order and alignment stay, and so nothing comes to overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pyautograd.viz.names import Path
from pyautograd.viz.sheet import Item, Sheet, Wire
from pyautograd.viz.tree import Name, Size, Tree

PADDING = 16.0  # around what is in a frame
HEADER = 30.0  # of a frame, above that


class Point(NamedTuple):
    """A point of a wire; `way` is 1 where it goes down, -1 where it goes up."""

    x: float
    y: float
    way: int = 1


Points = tuple[Point, ...]


@dataclass(frozen=True)
class Box:
    """A vertex or a group; x, y: the upper left corner."""

    name: Name
    x: float
    y: float
    width: float
    height: float
    open: bool = False


@dataclass(frozen=True)
class Line:
    """A piece of the way of values from box to box, or to the frame around; keys: of the vertices.

    source, target: names of the boxes; None for the frame. sheet: the group in which it is drawn.
    ends: whether the value is read where the line ends; it goes on inside of an unfolded group.
    branch: whether it starts on the way of another line of the same value, not at the source.
    """

    keys: tuple[int, ...]
    source: Name | None
    target: Name | None
    sheet: Path
    points: Points
    ends: bool = True
    branch: bool = False


@dataclass
class Scene:
    """Boxes (frames before what is in them) and lines."""

    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


class Stage:
    """A tree and the sheets of its groups, from which scenes are made."""

    def __init__(self, tree: Tree, size: Callable[[Name], Size]) -> None:
        self.tree = tree
        self.size = size
        self._sheets: dict[Path, Sheet] = {}

    def sheet(self, path: Path) -> Sheet:
        """The sheet of a group."""
        if path not in self._sheets:
            self._sheets[path] = self.tree.sheet(path, self.size)
        return self._sheets[path]

    def scene(self, opened: Collection[Path]) -> Scene:
        """The plane with these groups unfolded; a group in a folded one is not seen."""
        scene = Scene()
        whole = _Part(self, (), opened)
        whole.draw(scene, 0.0, 0.0)
        scene.width, scene.height = whole.inner
        return scene


class _Part:
    """A group with its unfolded subgroups, placed on a sheet that has made room for them."""

    outer: Size
    inner: Size

    def __init__(self, stage: Stage, path: Path, opened: Collection[Path]) -> None:
        self.path = path
        self.sheet = sheet = stage.sheet(path)
        self.parts: dict[int, _Part] = {}
        for i, item in enumerate(sheet.items[: sheet.size]):
            if isinstance(item.name, tuple) and item.name in opened:
                self.parts[i] = _Part(stage, item.name, opened)
        self.rows: dict[int, float] = {}  # of each layer the height
        for i, item in enumerate(sheet.items[: sheet.size]):
            height = self.parts[i].outer[1] if i in self.parts else item.height
            self.rows[item.layer] = max(self.rows.get(item.layer, 0.0), height)
        grown = [(sheet.items[i], part) for i, part in self.parts.items()]
        self.across = _Stretch([(x.x, x.width, part.outer[0]) for x, part in grown])
        self.down = _Stretch([(x.y, x.height, part.outer[1]) for x, part in grown])
        self.inner = self.across(sheet.width), self.down(sheet.height)
        least = stage.size(path)[0] if path else 0.0
        self.margin = max(PADDING, (least - self.inner[0]) / 2)
        self.outer = self.inner[0] + 2 * self.margin, self.inner[1] + HEADER + PADDING

    def middle(self, item: Item) -> tuple[float, float]:
        return self.across(item.x), self.down(item.y)

    def draw(self, scene: Scene, x: float, y: float) -> None:
        """Adds it to the scene, with the corner of what is inside at (x, y)."""
        corners: dict[int, tuple[float, float]] = {}  # of the insides of parts
        for i, item in enumerate(self.sheet.items[: self.sheet.size]):
            if item.port:
                continue
            part = self.parts.get(i)
            width, height = part.outer if part else (item.width, item.height)
            at = self.middle(item)
            left, top = x + at[0] - width / 2, y + at[1] - height / 2
            scene.boxes.append(Box(item.name, left, top, width, height, part is not None))
            if part is not None:
                corners[i] = left + part.margin, top + HEADER
                part.draw(scene, *corners[i])
        there: set[Points] = set()
        for wire in self.sheet.wires:
            drawn: set[int] = set()  # bends
            for k in range(len(wire.targets)):
                for line in self._lines(wire, k, x, y, corners, drawn):
                    if len(line.points) > 1 and line.points not in there:
                        there.add(line.points)
                        scene.lines.append(line)

    def _lines(
        self, wire: Wire, k: int, x: float, y: float, corners: dict[int, tuple[float, float]],
        drawn: set[int],
    ) -> Iterator[Line]:  # fmt: skip
        """The way to the k-th target, from where it leaves the ways to those before.

        Further lines lead from and to further ports of unfolded groups.
        """
        items, target, bends = self.sheet.items, wire.targets[k], wire.bends[k]
        shared = sum(i in drawn for i in bends)  # the first ones
        drawn.update(bends)
        way: list[Point] = []
        for i in bends[max(shared - 1, 0) :]:
            bend = items[i]
            top, bottom = (y + self.down(bend.y + side * bend.height / 2) for side in (-1, 1))
            sense = -1 if bend.upward else 1
            ends = (bottom, top) if bend.upward else (top, bottom)
            way += [Point(x + self.across(bend.x), end, sense) for end in ends]
        starts: list[Points] = [()] * len(wire.keys)
        if shared:
            del way[0]  # it starts at the end of the last shared bend
        else:
            starts = self._ends(wire, wire.source, 1, wire.start, x, y, corners)
        arrivals = [p[::-1] for p in self._ends(wire, target, -1, wire.ends[k], x, y, corners)]
        names = [None if items[i].port else items[i].name for i in (wire.source, target)]
        reads = names[1] is not None and target not in self.parts
        keys = tuple(wire.keys)

        def line(points: Points, ends: bool, branch: bool) -> Line:
            return Line(keys, names[0], names[1], self.path, points, ends, branch)

        if not way:
            for start, arrival in dict.fromkeys(zip(starts, arrivals, strict=True)):
                yield line(start + arrival, reads, False)
            return
        yield line((*starts[0], *way, *arrivals[0]), reads, shared > 0)
        for start in list(dict.fromkeys(starts))[1:]:
            yield line((*start, way[0]), False, shared > 0)
        for arrival in list(dict.fromkeys(arrivals))[1:]:
            yield line((way[-1], *arrival), reads, True)

    def _ends(
        self, wire: Wire, i: int, side: int, offset: float, x: float, y: float,
        corners: dict[int, tuple[float, float]],
    ) -> list[Points]:  # fmt: skip
        """Where each value of a wire meets an item and leaves its row: at ports, if it is unfolded.

        side: 1 is the item's bottom, -1 its top.
        """
        item = self.sheet.items[i]
        at = self.middle(item)
        part = self.parts.get(i)
        if item.port:
            edge = -HEADER if item.port == "top" else self.inner[1] + PADDING
            return [(Point(x + at[0], y + edge),)] * len(wire.keys)
        if part is None:
            places, height = [x + at[0] + offset] * len(wire.keys), item.height
        else:
            port = "bottom" if side > 0 else "top"
            places = [corners[i][0] + part.port(key, port) for key in wire.keys]
            height = part.outer[1]
        heights = dict.fromkeys((height, self.rows[item.layer]))
        return [tuple([Point(p, y + at[1] + side * h / 2) for h in heights]) for p in places]

    def port(self, key: int, side: str) -> float:
        """Where across the value of a vertex comes in or leaves."""
        for item in self.sheet.items[: self.sheet.size]:
            if item.port == side and key in item.name:
                return self.across(item.x)
        return self.inner[0] / 2


class _Stretch:
    """A map of a line onto itself that gives parts of it more room, and keeps the order.

    parts: (middle, size, size that is needed).
    """

    def __init__(self, parts: list[tuple[float, float, float]]) -> None:
        cuts = sorted({at + side * size / 2 for at, size, _ in parts for side in (-1, 1)})
        self._from = np.array(cuts)
        gains = [0.0]
        for low, high in pairwise(cuts):
            rate = max(
                (
                    max(0.0, needed - size) / size
                    for at, size, needed in parts
                    if at - size / 2 <= low and high <= at + size / 2
                ),
                default=0.0,
            )
            gains.append(gains[-1] + rate * (high - low))
        self._gains = np.array(gains)

    def __call__(self, x: float) -> float:
        return x + float(np.interp(x, self._from, self._gains)) if len(self._from) else x

"""The layout of one group's inside: what it holds in layers, and the wires between.

A sheet is laid out with all its subgroups folded. Layers follow from the graph; igraph orders
what is in them and lines it up (K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding
of hierarchical system structures, 1981). It takes all to be equally wide: `_tightened` then gives
each the room that it needs. What is unfolded later makes room for itself: see scene.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from pyautograd.viz.extra import needs

GAP = 26.0  # between neighbours in a layer
STEP = 44.0  # between layers: room for the shapes on the wires
NEAR = 20.0  # between a layer and where wires come in or leave
TALL = 2400.0  # a sheet that is taller, and as narrow as a chain, goes on in another column


@dataclass
class Item:
    """What a sheet holds: a box, or where a wire comes in (`top`) or leaves (`bottom`).

    name: whatever its maker calls it; of a port, the values that pass it. x, y: its middle.
    """

    name: Any
    width: float = 0.0
    height: float = 0.0
    port: str = ""
    leaf: bool = False  # stands right above what it goes into
    upward: bool = False  # a bend through which a wire goes up
    layer: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass
class Wire:
    """A value on its way from an item to others, or several that have the same way.

    keys: of the vertices whose values they are. Numbers are places in the sheet's items.
    """

    keys: list[int]
    source: int
    targets: list[int]
    bends: list[list[int]] = field(default_factory=list)  # for each target, those on the way to it
    start: float = 0.0  # where it leaves the source, from the middle to the right
    ends: list[float] = field(default_factory=list)  # where it comes into each target, likewise


@dataclass
class Sheet:
    """Items and wires; `size` items are real, those behind them are bends of wires."""

    items: list[Item]
    wires: list[Wire]
    size: int = 0
    width: float = 0.0
    height: float = 0.0


def lay_out(items: list[Item], wires: list[Wire]) -> Sheet:
    """Gives every item its place."""
    sheet = Sheet(items, wires, len(items))
    if not items:
        return sheet
    _choose_layers(items, wires)
    edges = _bend(sheet)
    _line_up(sheet, edges)
    _stack(sheet)
    _wrap(sheet)
    _spread(sheet)
    return sheet


# ---- layers --------------------------------------------------------------------------------------


def _choose_layers(items: list[Item], wires: list[Wire]) -> None:
    """The longest way from the inputs; leaves right above the first that reads them."""
    after: list[list[int]] = [[] for _ in items]
    waiting = [0] * len(items)
    for wire in wires:
        for target in wire.targets:
            after[wire.source].append(target)
            waiting[target] += 1
    top = any(x.port == "top" for x in items)
    for x in items:
        x.layer = int(top and x.port != "top")
    ready = [i for i, n in enumerate(waiting) if not n]
    left = dict.fromkeys(i for i, n in enumerate(waiting) if n)
    while ready or left:
        if not ready:  # a circle, of groups that read each other: broken at the first
            ready.append(next(iter(left)))
            del left[ready[0]]
        i = ready.pop()
        for j in after[i]:
            if j in left:
                items[j].layer = max(items[j].layer, items[i].layer + 1)
                waiting[j] -= 1
                if not waiting[j]:
                    del left[j]
                    ready.append(j)
    for i, x in enumerate(items):
        if x.leaf and after[i]:
            x.layer = max(x.layer, min(items[j].layer for j in after[i]) - 1)
    last = max((x.layer for x in items if x.port != "bottom"), default=0) + 1
    for x in items:
        if x.port == "bottom":
            x.layer = last


def _bend(sheet: Sheet) -> list[tuple[int, int]]:
    """Adds an item for each layer that a wire passes; returns the edges from layer to layer."""
    edges: list[tuple[int, int]] = []
    for wire in sheet.wires:
        passed: dict[int, int] = {}  # the item of the wire in each layer
        source = sheet.items[wire.source]
        for target in wire.targets:
            bends = []
            end = sheet.items[target].layer
            step = 1 if end >= source.layer else -1
            before = wire.source
            for layer in range(source.layer + step, end, step):
                if layer not in passed:
                    passed[layer] = len(sheet.items)
                    sheet.items.append(Item(None, layer=layer, upward=step < 0))
                    edges.append((before, passed[layer]))
                before = passed[layer]
                bends.append(before)
            if end != source.layer:
                edges.append((before, target))
            wire.bends.append(bends)
    return edges


# ---- across --------------------------------------------------------------------------------------


def _line_up(sheet: Sheet, edges: Sequence[tuple[int, int]]) -> None:
    igraph = needs("igraph")
    beside = _beside(sheet, edges)
    kept = [i for i in range(len(sheet.items)) if i not in beside]
    number = {i: n for n, i in enumerate(kept)}
    ordered = [(a, b) if sheet.items[a].layer < sheet.items[b].layer else (b, a) for a, b in edges]
    down = [(number[a], number[b]) for a, b in ordered if a in number]
    graph = igraph.Graph(n=len(kept), edges=down, directed=True)
    placed = graph.layout_sugiyama(layers=[sheet.items[i].layer for i in kept])
    columns = np.zeros(len(sheet.items))
    columns[kept] = np.round([placed[n][0] for n in range(len(kept))], 6)
    _put_beside(sheet, columns, kept, beside)
    layers: dict[int, list[int]] = {}
    for i in np.argsort(columns, kind="stable"):
        layers.setdefault(sheet.items[i].layer, []).append(int(i))
    neighbours = [(a, b) for row in layers.values() for a, b in pairwise(row)]
    apart = [(sheet.items[a].width + sheet.items[b].width) / 2 + GAP for a, b in neighbours]
    for item, x in zip(sheet.items, _tightened(columns, neighbours, apart), strict=True):
        item.x = float(x)


def _beside(sheet: Sheet, edges: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Leaves read by one call that reads other things too, by leaf; they leave its way straight."""
    readers: dict[int, list[int]] = {}
    reads: dict[int, set[int]] = {}
    for a, b in edges:
        readers.setdefault(a, []).append(b)
        reads.setdefault(b, set()).add(a)
    alone = {
        i: readers[i][0]
        for i, item in enumerate(sheet.items[: sheet.size])
        if item.leaf and len(readers.get(i, ())) == 1 and readers[i][0] < sheet.size
    }
    return {i: j for i, j in alone.items() if any(k not in alone for k in reads[j])}


def _put_beside(sheet: Sheet, columns: Any, kept: Sequence[int], beside: dict[int, int]) -> None:
    """Gives leaves columns next to that of the call that reads them, half a column apart."""
    taken = {(sheet.items[i].layer, columns[i]) for i in kept}
    leaves: dict[int, list[int]] = {}
    for leaf, reader in beside.items():
        leaves.setdefault(reader, []).append(leaf)
    for leaf, reader in beside.items():
        together = leaves[reader]
        n = together.index(leaf) + (len(together) == 1)  # left, right, left, ...; one alone right
        side = 1 if n % 2 else -1
        column = columns[reader] + side * 0.5 * (n // 2 + 1)
        while (sheet.items[leaf].layer, column) in taken:
            column = round(column + side * 0.125, 6)
        taken.add((sheet.items[leaf].layer, column))
        columns[leaf] = column


def _tightened(columns: Any, neighbours: Sequence[tuple[int, int]], apart: Any) -> Any:
    """New places for the columns, in the same order: as close as the neighbours allow.

    All gaps between columns grow at the same rate, each until every pair of neighbours across it
    is far enough apart; so what was in the middle of two others stays there.
    """
    places, index = np.unique(columns, return_inverse=True)
    if len(places) == 1 or not neighbours:
        return columns * 0.0
    low, high = np.array([[index[a], index[b]] for a, b in neighbours]).T
    apart = np.asarray(apart)
    pairs = np.stack([low, high, apart], 1)
    pairs = pairs[np.lexsort((-apart, high, low))]
    keep = np.r_[True, (np.diff(pairs[:, :2], axis=0) != 0).any(1)]  # of equal ones the widest
    low, high, apart = pairs[keep, 0].astype(int), pairs[keep, 1].astype(int), pairs[keep, 2]
    share = np.diff(places)  # gaps grow in proportion to these
    size = np.zeros_like(share)
    growing = np.zeros(len(share), bool)
    for a, b in zip(low, high, strict=True):
        growing[a:b] = True
    for last in (False,) * 60 + (True,):
        rates = np.r_[0.0, np.cumsum(np.where(growing, share, 0.0))]
        sizes = np.r_[0.0, np.cumsum(size)]
        lack = apart - (sizes[high] - sizes[low])
        short = lack > 1e-6
        if not short.any():
            break
        times = lack[short] / (rates[high] - rates[low])[short]
        needed = np.zeros(len(share))  # for how long each gap has to grow yet
        for a, b, t in zip(low[short], high[short], times, strict=True):
            np.maximum(needed[a:b], t, out=needed[a:b])
        growing &= needed > 0
        step = needed[growing].max() if last else needed[growing].min()
        size += np.where(growing, share * step, 0.0)
        growing &= needed > step * (1 + 1e-9)
    return np.r_[0.0, np.cumsum(size)][index]


# ---- down ----------------------------------------------------------------------------------------


def _stack(sheet: Sheet) -> None:
    heights: dict[int, float] = {}
    for x in sheet.items:
        heights[x.layer] = max(heights.get(x.layer, 0.0), x.height)
    ports = {x.layer for x in sheet.items if x.port}
    y, middles = 0.0, {}
    for layer in sorted(heights):
        middles[layer] = y + heights[layer] / 2
        y += heights[layer] + (STEP if layer + 1 not in ports and layer not in ports else NEAR)
    left = min(x.x - x.width / 2 for x in sheet.items)
    for i, x in enumerate(sheet.items):
        x.x -= left
        x.y = middles[x.layer]
        if i >= sheet.size:
            x.height = heights[x.layer]
    _measure(sheet)


def _measure(sheet: Sheet) -> None:
    sheet.height = max(x.y + x.height / 2 for x in sheet.items)
    sheet.width = max(x.x + x.width / 2 for x in sheet.items)


def _wrap(sheet: Sheet) -> None:
    """Continues a long, narrow sheet in further columns."""
    if sheet.height < TALL or sheet.height < 4 * sheet.width:
        return
    across = sheet.width + 3 * GAP
    columns = round(math.sqrt(1.4 * sheet.height / across))
    start, column = {}, {}  # of each column its top; of each layer its column
    places = sorted({(x.layer, x.y) for x in sheet.items})
    crossing = _crossings(sheet)
    now, top = 0, 0.0
    for layer, y in places:
        if now < columns - 1 and y - top > sheet.height / columns and crossing.get(layer, 0) <= 2:
            now, top = now + 1, y
            start[now] = min(x.y - x.height / 2 for x in sheet.items if x.layer == layer)
        column[layer] = now
    for x in sheet.items:
        x.x += column[x.layer] * across
        x.y -= start.get(column[x.layer], 0.0)
    _measure(sheet)
    for wire in sheet.wires:
        _lead_up(sheet, wire, column, across)


def _crossings(sheet: Sheet) -> dict[int, int]:
    """How many wires come into each layer from the one before."""
    found: dict[int, set[tuple[int, int]]] = {}
    for i, wire in enumerate(sheet.wires):
        for target, bends in zip(wire.targets, wire.bends, strict=True):
            way = [wire.source, *bends, target]
            for before, at in pairwise(way):
                found.setdefault(sheet.items[at].layer, set()).add((i, before))
    return {layer: len(edges) for layer, edges in found.items()}


def _lead_up(sheet: Sheet, wire: Wire, column: dict[int, int], across: float) -> None:
    """Adds the bends that lead a wire from the foot of a column to the head of the next."""
    up: dict[int, int] = {}
    for k, target in enumerate(wire.targets):
        way = [wire.source, *wire.bends[k], target]
        bends = []
        for before, at in pairwise(way):
            a, b = sheet.items[before], sheet.items[at]
            if column[a.layer] != column[b.layer]:
                if before not in up:
                    up[before] = len(sheet.items)
                    top, bottom = b.y - b.height / 2, a.y + a.height / 2
                    x = column[b.layer] * across - 1.5 * GAP
                    sheet.items.append(
                        Item(None, height=bottom - top, upward=True, x=x, y=(top + bottom) / 2)
                    )
                bends.append(up[before])
            if at != target:
                bends.append(at)
        wire.bends[k] = bends


# ---- where wires meet boxes ----------------------------------------------------------------------


def _spread(sheet: Sheet) -> None:
    """Puts wires at one side of a box side by side, in the order of their other ends.

    Those from one box to another come together: they are one line.
    """
    leaving: dict[int, dict[int, list[int]]] = {}  # by source and next item: wires
    coming: dict[int, dict[int, list[tuple[int, int]]]] = {}  # by target and item before
    for i, wire in enumerate(sheet.wires):
        wire.ends = [0.0] * len(wire.targets)
        following = wire.bends[0][0] if wire.bends[0] else wire.targets[0]
        leaving.setdefault(wire.source, {}).setdefault(following, []).append(i)
        for k, target in enumerate(wire.targets):
            before = wire.bends[k][-1] if wire.bends[k] else wire.source
            coming.setdefault(target, {}).setdefault(before, []).append((i, k))
    for source, bundles in leaving.items():
        for other, at in _offsets(sheet, source, bundles):
            for i in bundles[other]:
                sheet.wires[i].start = at
    for target, arrived in coming.items():
        for other, at in _offsets(sheet, target, arrived):
            for i, k in arrived[other]:
                sheet.wires[i].ends[k] = at


def _offsets(sheet: Sheet, i: int, others: Iterable[int]) -> list[tuple[int, float]]:
    """Where wires to or from each of the others meet an item, from its middle to the right."""
    ordered = sorted(others, key=lambda other: sheet.items[other].x)
    step = min(22.0, sheet.items[i].width / (len(ordered) + 1))
    return [(other, (n - (len(ordered) - 1) / 2) * step) for n, other in enumerate(ordered)]

"""A drawing as a page of its own, in which groups unfold."""

from __future__ import annotations

import json
from collections.abc import Collection
from importlib import resources
from typing import Any

from pyautograd.viz import svg, text
from pyautograd.viz.boxes import Cards, clean
from pyautograd.viz.names import Path
from pyautograd.viz.scene import HEADER, PADDING, Box, Stage
from pyautograd.viz.sheet import Item
from pyautograd.viz.style import style_sheet
from pyautograd.viz.tree import Name

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}{page_style}</style>
</head>
<body>
<svg id="view" role="img" aria-label="computational graph">{defs}\
<rect class="ag-paper" width="100%" height="100%"/><g id="plane"></g></svg>
{caption}<nav>
<button id="fold" title="Fold all modules">Fold all</button>
<button id="unfold" title="Unfold one more level of modules">Unfold</button>
<button id="fit" title="Show the whole graph (0)">Fit</button>
<button id="in" title="Larger (+)" aria-label="larger">+</button>
<button id="out" title="Smaller (-)" aria-label="smaller">−</button>
</nav>
<script type="application/json" id="graph">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def html(stage: Stage, cards: Cards, opened: Collection[Path], caption: str = "") -> str:
    """The page. All boxes are in it, drawn; its script puts them where they belong."""
    kinds: dict[str, int] = {}
    for vertex in stage.tree.graph.vertices.values():
        kinds[vertex.kind] = kinds.get(vertex.kind, 0) + 1
    title = "Graph of " + ", ".join(text.count(n, kind) for kind, n in kinds.items())
    return _PAGE.format(
        title=clean(title),
        style=style_sheet(text.FONT),
        page_style=_file("draw.css"),
        caption=f"<p>{clean(caption)}</p>" if caption else "",
        defs=svg.DEFS,
        data=_script_safe(_data(stage, cards, opened)),
        script=_file("draw.js"),
    )


def _file(name: str) -> str:
    return resources.files("pyautograd.viz").joinpath(name).read_text(encoding="utf-8")


def _script_safe(data: Any) -> str:
    """JSON that cannot end the script element that it is in."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _data(stage: Stage, cards: Cards, opened: Collection[Path]) -> dict[str, Any]:
    numbers = {path: i for i, path in enumerate(stage.tree.groups)}
    return {
        "padding": PADDING,
        "header": HEADER,
        "opened": sorted(numbers[path] for path in opened),
        "groups": [_group(stage, cards, path, numbers) for path in stage.tree.groups],
    }


def _group(stage: Stage, cards: Cards, path: Path, numbers: dict[Path, int]) -> dict[str, Any]:
    """The sheet of a group, with the SVG of the boxes on it."""
    sheet = stage.sheet(path)
    items: list[dict[str, Any]] = []
    for i, item in enumerate(sheet.items):
        place = {k: round(getattr(item, k), 1) for k in ("x", "y", "width", "height")}
        if i >= sheet.size:
            items.append({**place, "bend": -1 if item.upward else 1})
        elif item.port:
            items.append({**place, "layer": item.layer, "port": item.port, "keys": item.name})
        else:
            box = _box(cards, item.name, item, numbers)
            items.append({**place, "layer": item.layer, **box})
    wires = [
        {
            "keys": wire.keys,
            "source": wire.source,
            "start": round(wire.start, 1),
            "hint": svg.hint(wire.keys, cards),
            "shape": svg.label(wire.keys, cards),
            "ways": [
                [target, round(end, 1), bends, int(svg.is_bad(wire.keys, target_name, cards))]
                for target, end, bends, target_name in zip(
                    wire.targets,
                    wire.ends,
                    wire.bends,
                    [None if sheet.items[t].port else sheet.items[t].name for t in wire.targets],
                    strict=True,
                )
            ],
        }
        for wire in sheet.wires
    ]
    return {
        "path": "/".join(path),
        "depth": len(path),
        "width": round(sheet.width, 1),
        "height": round(sheet.height, 1),
        "items": items,
        "wires": wires,
    }


def _box(cards: Cards, name: Name, item: Item, numbers: dict[Path, int]) -> dict[str, Any]:
    box = Box(name, 0.0, 0.0, item.width, item.height)
    data = {"style": cards.style(name), "hint": cards.card(name).hint, "svg": cards.svg(box)}
    if isinstance(name, int):
        return {**data, "key": name}
    heading = cards.heading(name)
    return {**data, "group": numbers[name], "open": cards.style(name, True), "heading": heading}

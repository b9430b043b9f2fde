"""A scene as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pyautograd.viz import text
from pyautograd.viz.boxes import Cards, clean
from pyautograd.viz.scene import Box, Line, Point, Scene
from pyautograd.viz.style import style_sheet

MARGIN = 24.0
_TURN = 34.0  # how far a wire goes on before it turns back
_HEAD = 5.0  # length of an arrow's head

DEFS = """<defs>
<marker id="ag-head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" \
orient="auto"><path class="ag-head" d="M0 1L10 5L0 9z"/></marker>
<marker id="ag-head-bad" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="5" markerHeight="5" \
orient="auto"><path class="ag-head ag-bad" d="M0 1L10 5L0 9z"/></marker>
</defs>"""


def svg(scene: Scene, cards: Cards, theme: str = "auto") -> str:
    """The picture, with its style sheet in it."""
    width, height = scene.width + 2 * MARGIN, scene.height + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="computational graph">',
            f"<style>{style_sheet(text.FONT, theme)}</style>",
            DEFS,
            '<rect class="ag-paper" width="100%" height="100%"/>',
            f'<g transform="translate({MARGIN:g} {MARGIN:g})">',
            *body(scene, cards),
            "</g>",
            "</svg>",
        ]
    )


def body(scene: Scene, cards: Cards) -> list[str]:
    """Frames, then wires, what is written on frames, boxes, and the shapes on wires."""
    frames = [box for box in scene.boxes if box.open]
    return [
        *(placed(box, cards, cards.frame(box)) for box in frames),
        *(wire(line, cards) for line in scene.lines),
        *(placed(box, cards, cards.heading(box)) for box in frames),
        *(placed(box, cards, cards.svg(box)) for box in scene.boxes if not box.open),
        *labels(scene.lines, cards),
    ]


def placed(box: Box, cards: Cards, drawn: str) -> str:
    """The SVG of a box in its place."""
    if isinstance(box.name, tuple):
        data = f'data-group="{clean("/".join(box.name))}"'
    else:
        data = f'data-key="{box.name}"'
    return (
        f'<g class="{cards.style(box)}" {data} transform="translate({box.x:.1f} {box.y:.1f})">'
        f"<title>{clean(cards.card(box.name).hint)}</title>{drawn}</g>"
    )


def wire(line: Line, cards: Cards) -> str:
    """The way of a value."""
    bad = " ag-bad" if line.key in cards.bad and _leads_to_bad(line, cards) else ""
    head = ""
    if line.ends:
        head = f' marker-end="url(#ag-head{"-bad" if bad else ""})"'
    vertex = cards.tree.graph.vertices[line.key]
    hint = clean(f"{vertex.label}: {text.layout(vertex)}")
    return (
        f'<path class="ag-wire{bad}" data-source="{line.key}" d="{path(line.points)}"{head}>'
        f"<title>{hint}</title></path>"
    )


def _leads_to_bad(line: Line, cards: Cards) -> bool:
    if isinstance(line.target, int):
        return line.target in cards.bad
    if line.target is None:
        return True
    inside = {v.key for v in cards.tree.inside(line.target)}
    reads = cards.tree.graph.outputs_of[line.key]
    return any(e.target in inside and e.target in cards.bad for e in reads)


def path(points: Sequence[Point]) -> str:
    """A smooth way through the points: vertical at each, straight where they are in line."""
    first = points[0]
    parts = [f"M{first.x:.1f} {first.y:.1f}"]
    for a, b in pairwise(points):
        if abs(a.x - b.x) < 0.5 and a.way == b.way:
            parts.append(f"V{b.y:.1f}")
            continue
        reach = abs(b.y - a.y) / 2 if a.way == b.way else _TURN
        parts.append(
            f"C{a.x:.1f} {a.y + a.way * reach:.1f} {b.x:.1f} {b.y - b.way * reach:.1f} "
            f"{b.x:.1f} {b.y:.1f}"
        )
    return "".join(parts)


def labels(lines: Sequence[Line], cards: Cards) -> list[str]:
    """The shapes of the values of ops and inputs, each once, below the box that it comes from."""
    found, seen = [], set()
    for line in lines:
        vertex = cards.tree.graph.vertices[line.key]
        small = vertex.kind == "constant" or vertex.kind == "parameter"
        if line.source is None or line.source in seen or small or vertex.shape is None:
            continue
        seen.add(line.source)
        start, then = line.points[:2]
        side, anchor = (-5, "end") if then.x > start.x + 1 else (5, "start")
        found.append(
            f'<text class="ag-shape ag-halo" x="{start.x + side:.1f}" y="{start.y + 14:.1f}" '
            f'text-anchor="{anchor}">{clean(text.shape(vertex.shape))}</text>'
        )
    return found

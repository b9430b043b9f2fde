"""A scene as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pyautograd.viz import text
from pyautograd.viz.boxes import Cards, clean
from pyautograd.viz.scene import Box, Line, Point, Scene
from pyautograd.viz.style import style_sheet
from pyautograd.viz.tree import Name

MARGIN = 24.0
_TURN = 34.0  # how far a wire goes on before it turns back

DEFS = """<defs>
<marker id="ag-head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" \
orient="auto"><path class="ag-head" d="M0 1L10 5L0 9z"/></marker>
<marker id="ag-head-bad" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="5" markerHeight="5" \
orient="auto"><path class="ag-head ag-bad" d="M0 1L10 5L0 9z"/></marker>
</defs>"""


def svg(scene: Scene, cards: Cards, theme: str = "auto", caption: str = "") -> str:
    """The picture, with its style sheet in it, and a line above."""
    above = 28.0 if caption else 0.0
    least = min(text.width(caption, 12.0), 600.0) if caption else 0.0
    inner = max(scene.width, least)
    width, height = inner + 2 * MARGIN, scene.height + 2 * MARGIN + above
    left = MARGIN + (inner - scene.width) / 2
    heading = (
        f'<text class="ag-caption" x="{MARGIN:g}" y="{MARGIN + 6:g}">'
        f"<title>{clean(caption)}</title>{clean(text.fitted(caption, 12.0, inner))}</text>"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="computational graph">',
            f"<style>{style_sheet(text.FONT, theme)}</style>",
            DEFS,
            '<rect class="ag-paper" width="100%" height="100%"/>',
            *([heading] if caption else []),
            f'<g transform="translate({left:g} {MARGIN + above:g})">',
            *body(scene, cards),
            "</g>",
            "</svg>",
        ]
    )


def body(scene: Scene, cards: Cards) -> list[str]:
    """Frames, then wires, what is written on frames, boxes, and the shapes on wires."""
    frames = [(box, box.name) for box in scene.boxes if isinstance(box.name, tuple) and box.open]
    return [
        *(placed(box, cards, cards.frame(box)) for box, _ in frames),
        *(wire(line, cards) for line in scene.lines),
        *(placed(box, cards, cards.heading(path)) for box, path in frames),
        *(placed(box, cards, cards.svg(box)) for box in scene.boxes if not box.open),
        *labels(scene.lines, cards),
    ]


def placed(box: Box, cards: Cards, drawn: str) -> str:
    """The SVG of a box in its place."""
    if isinstance(box.name, tuple):
        data = f'data-group="{clean("/".join(box.name))}"'
    else:
        data = f'data-key="{box.name}"'
    at = f'transform="translate({box.x:.1f} {box.y:.1f})"'
    return (
        f'<g class="{cards.style(box.name, box.open)}" {data} {at}>'
        f"<title>{clean(cards.card(box.name).hint)}</title>{drawn}</g>"
    )


def wire(line: Line, cards: Cards) -> str:
    """The way of a value."""
    bad = is_bad(line.keys, line.target, cards)
    head = f' marker-end="url(#ag-head{"-bad" if bad else ""})"' if line.ends else ""
    keys = " ".join(map(str, line.keys))
    return (
        f'<path class="ag-wire{" ag-bad" if bad else ""}" data-source="{keys}" '
        f'd="{path(line.points)}"{head}><title>{clean(hint(line.keys, cards))}</title></path>'
    )


def hint(keys: Sequence[int], cards: Cards) -> str:
    """What is said of a wire while the mouse is over it."""
    vertices = [cards.tree.graph.vertices[key] for key in keys[:9]]
    lines = [f"{vertex.label}: {text.layout(vertex)}" for vertex in vertices]
    more = [f"and {len(keys) - 9:,} more"] if len(keys) > 9 else []
    return "\n".join([*lines, *more])


def is_bad(keys: Sequence[int], target: Name | None, cards: Cards) -> bool:
    """Whether a wire carries bad values to one that is bad; None for the frame around."""
    carried = [key for key in keys if key in cards.bad]
    if not carried or target is None:
        return bool(carried)
    inside = [target] if isinstance(target, int) else [v.key for v in cards.tree.inside(target)]
    reads = {edge.target for key in carried for edge in cards.tree.graph.outputs_of[key]}
    return any(k in reads and k in cards.bad for k in inside)


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


def label(keys: Sequence[int], cards: Cards) -> str:
    """The shape that a wire carries; not said of leaves that stand right above their reader."""
    vertex = cards.tree.graph.vertices[keys[0]]
    small = vertex.kind in ("constant", "parameter") or vertex.shape is None
    return "" if small else text.shape(vertex.shape)


def _turn(points: Sequence[Point]) -> float:
    """Where a wire goes first: negative for left, positive for right."""
    return next((p.x - points[0].x for p in points if abs(p.x - points[0].x) > 1), 0.0)


def labels(lines: Sequence[Line], cards: Cards) -> list[str]:
    """The shapes on the wires, each once, below the box that it comes from."""
    found = []
    leaving: dict[Name, list[Line]] = {}
    for line in lines:
        if line.source is not None and not line.branch and label(line.keys, cards):
            leaving.setdefault(line.source, []).append(line)
    for together in leaving.values():
        start = together[0].points[0]
        shape = label(together[0].keys, cards)
        right = any(_turn(line.points) > 0 for line in together)
        side, anchor = (-5, "end") if right else (5, "start")
        found.append(
            f'<text class="ag-shape ag-halo" x="{start.x + side:.1f}" y="{start.y + 14:.1f}" '
            f'text-anchor="{anchor}">{clean(shape)}</text>'
        )
    return found

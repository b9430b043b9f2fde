"""What stands in the boxes of a picture, how large they are, and their SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

from pyautograd.viz import text
from pyautograd.viz.graph import Vertex
from pyautograd.viz.names import Path
from pyautograd.viz.nan import Bad
from pyautograd.viz.scene import Box
from pyautograd.viz.style import KINDS
from pyautograd.viz.tree import Name, Size, Tree

_PAD, _LEAST, _MOST = 16.0, 96.0, 288.0
_SNAP = 32.0  # widths are multiples of it, so that columns look even
_TITLE, _NOTE = 13.0, 11.0
_TITLE_STEP, _NOTE_STEP = 18.0, 15.0
_TAG_GAP = 12.0


@dataclass(frozen=True)
class Card:
    """The words in a box: a title, what stands at the right of it, lines below, and more."""

    title: str
    tag: str = ""
    lines: tuple[str, ...] = ()
    wrong: tuple[int, ...] = ()  # the lines that tell of what is bad
    hint: str = ""  # shown while the mouse is over the box

    def size(self) -> Size:
        """The room that the words need, within limits."""
        title = text.width(self.title, _TITLE, bold=True)
        if self.tag:
            title += _TAG_GAP + text.width(self.tag, _NOTE)
        widest = max([title, *(text.width(line, _NOTE) for line in self.lines)])
        width = min(max(math.ceil((widest + 2 * _PAD) / _SNAP) * _SNAP, _LEAST), _MOST)
        return width, _TITLE_STEP + _NOTE_STEP * len(self.lines) + 14.0


class Cards:
    """The cards of all boxes of a tree, made when they are asked for.

    found: the vertices to be shown as bad.
    """

    def __init__(self, tree: Tree, found: Bad | None = None) -> None:
        found = found or Bad()
        self.tree = tree
        self.bad = found.keys
        self.first = found.first
        self.gradients = found.gradients
        self._cards: dict[Name, Card] = {}

    def size(self, name: Name) -> Size:
        """The size of a box."""
        card = self.card(name)
        width, height = card.size()
        if isinstance(name, int) and self._vertex(name).kind == "constant" and not card.lines:
            return max(36.0, math.ceil(text.width(card.title, _TITLE, True) + 22.0)), 28.0
        return (width + 18.0, height + 4.0) if isinstance(name, tuple) else (width, height)

    def card(self, name: Name) -> Card:
        """The words in a box."""
        if name not in self._cards:
            made = self._group(name) if isinstance(name, tuple) else self._card(self._vertex(name))
            self._cards[name] = made
        return self._cards[name]

    def _vertex(self, key: int) -> Vertex:
        return self.tree.graph.vertices[key]

    # ---- words -----------------------------------------------------------------------------------

    def _card(self, vertex: Vertex) -> Card:
        if vertex.kind == "constant" and vertex.shape in ((), None):
            return Card(vertex.label, hint=_hint(vertex))
        title = vertex.label
        if vertex.kind == "parameter":
            path = self.tree.paths[vertex.key]
            around = (".".join(path[depth:]) + "." for depth in range(len(path)))
            title = next((title[len(a) :] for a in around if title.startswith(a)), title)
        lines: tuple[str, ...] = (text.layout(vertex), text.values(vertex.summary))
        wrong: tuple[int, ...] = (
            (1,) if vertex.summary is not None and vertex.summary.is_bad else ()
        )
        if vertex.value is None and vertex.node is None:  # of a plan, which has no values
            lines = () if vertex.shape is None else lines[:1]
        elif vertex.kind == "op" and vertex.value is None and vertex.shape is None:
            lines = ("shape and values not kept",)
        if vertex.key in self.gradients:
            lines += (f"gradient {text.values(self.gradients[vertex.key])}",)
            wrong += (len(lines) - 1,)
        return Card(title, self.tree.tags.get(vertex.key, ""), lines, wrong, _hint(vertex))

    def _group(self, path: Path) -> Card:
        inside = list(self.tree.inside(path))
        ops = sum(v.kind == "op" for v in inside)
        sizes = [
            math.prod(v.shape) for v in inside if v.kind == "parameter" and v.shape is not None
        ]
        what = [text.count(ops, "op")]
        if sizes:
            what.append(text.count(sum(sizes), "parameter"))
        lines = [" · ".join(what)]
        results = [self._vertex(key) for key in self.tree.leaving[path]]
        if len(results) == 1:
            lines.append(text.layout(results[0]))
            if results[0].node is not None:
                lines.append(text.values(results[0].summary))
        elif results:
            lines.append(text.count(len(results), "result"))
        kind = self.tree.graph.groups.get(path, "")
        hint = f"{'.'.join(path)}\n{kind}\n" + "\n".join(lines)
        bad = len(results) == 1 and results[0].summary is not None and results[0].summary.is_bad
        return Card(path[-1], kind, tuple(lines), (2,) if bad else (), hint)

    # ---- pictures --------------------------------------------------------------------------------

    def svg(self, box: Box) -> str:
        """The SVG of a box, its corner at the origin."""
        card = self.card(box.name)
        behind, mark, radius = "", "", 8.0
        name = box.name
        width = box.width
        if isinstance(name, tuple):
            width -= 4
            behind = _card(width, box.height - 4, radius, 4, 4, "ag-behind")
            behind += _card(width, box.height - 4, radius, 2, 2, "ag-behind")
            mark = f'<path class="ag-chevron" d="M{width - 18:g} 13l4 4 4-4"/>'
        else:
            vertex = self._vertex(name)
            if vertex.kind == "op":
                bar = vertex.op.kind if vertex.op is not None and hasattr(vertex.op, "kind") else ""
                bar = bar if bar in KINDS else "other"
                size = f'width="3" height="{box.height - 22:g}" rx="1.5"'
                mark = f'<rect class="ag-bar-{bar}" x="6" y="11" {size}/>'
            else:
                radius = min(box.height / 2, 18.0)
        height = box.height - 4 if behind else box.height
        front = _card(width, height, radius, 0, 0, "ag-card")
        return f"{behind}{front}{mark}{self._words(card, box, width, height, bool(behind))}"

    def _words(self, card: Card, box: Box, width: float, height: float, group: bool) -> str:
        if not card.lines and box.height < 30:
            title = escape(text.fitted(card.title, _TITLE, width - 16, True))
            return _text("ag-title", title, width / 2, height / 2 + 4.5, "middle")
        right = width - _PAD - (14 if group else 0)
        room = right - _PAD
        least = min(text.width(card.title, _TITLE, True), room * 0.6)
        tag = text.fitted(card.tag, _NOTE, room - _TAG_GAP - least) if card.tag else ""
        used = text.width(tag, _NOTE) + _TAG_GAP if tag else 0.0
        y = 20.0
        parts = [_text("ag-title", text.fitted(card.title, _TITLE, room - used, True), _PAD, y)]
        if tag:
            parts.append(_text("ag-note ag-end", tag, right, y))
        for i, line in enumerate(card.lines):
            y += _NOTE_STEP + (2 if i == 0 else 0)
            style = "ag-wrong" if i in card.wrong else "ag-note"
            parts.append(_text(style, text.fitted(line, _NOTE, width - 2 * _PAD + 4), _PAD, y))
        return "".join(parts)

    def frame(self, box: Box) -> str:
        """What is behind an unfolded group."""
        even = "" if len(box.name) % 2 else " ag-even"  # type: ignore[arg-type]
        size = f'width="{box.width:g}" height="{box.height:g}"'
        chevron = f'<path class="ag-chevron" d="M{box.width - 24:g} 19l4-4 4 4"/>'
        return f'<rect class="ag-frame{even}" {size} rx="12"/>{chevron}'

    def heading(self, path: Path) -> str:
        """What is written on that, over the wires that come in; no wider than the folded box."""
        card = self.card(path)
        room = self.size(path)[0] - 44
        title = text.fitted(card.title, _TITLE, room, True)
        used = text.width(title, _TITLE, True) + 10
        heading = _text("ag-title ag-halo", title, _PAD, 21)
        if card.tag and used + 24 < room:
            tag = text.fitted(card.tag, _NOTE, room - used)
            heading += _text("ag-note ag-halo", tag, _PAD + used, 21)
        return heading

    def style(self, name: Name, opened: bool = False) -> str:
        """The classes of a box, or of an unfolded group."""
        if isinstance(name, int):
            classes = [f"ag-{self._vertex(name).kind}"]
            if name in self.tree.graph.outputs:
                classes.append("ag-result")
            inside = [name]
        else:
            classes = ["ag-group"]
            inside = [] if opened else [v.key for v in self.tree.inside(name)]
        if any(key in self.bad for key in inside):
            classes.append("ag-bad")
        if any(key in self.first for key in inside):
            classes.append("ag-first")
        return " ".join(classes)


def _hint(vertex: Vertex) -> str:
    lines = [vertex.label, text.layout(vertex)]
    if vertex.value is not None or vertex.node is not None:
        lines.append(text.values(vertex.summary))
    if vertex.path:
        lines.append("in " + ".".join(vertex.path))
    if vertex.attrs:
        shown = ", ".join(map(repr, vertex.attrs))
        lines.append("with " + (shown if len(shown) < 120 else shown[:119] + "…"))
    if vertex.origin:
        lines.append("at " + vertex.origin)
    return "\n".join(lines)


def clean(words: str) -> str:
    """Escaped for XML."""
    return escape(text.known(words), {'"': "&quot;"})


def _card(width: float, height: float, radius: float, x: float, y: float, style: str) -> str:
    return (
        f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
        f'rx="{radius:g}"/>'
    )


def _text(style: str, words: str, x: float, y: float, anchor: str = "") -> str:
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{style}" x="{x:g}" y="{y:g}"{anchor}>{clean(words)}</text>'

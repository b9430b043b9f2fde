"""`draw`: the graph behind a tensor, or of a compiled function, as a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from pyautograd.origin import users_frame
from pyautograd.viz import text
from pyautograd.viz.boxes import Cards
from pyautograd.viz.extra import needs
from pyautograd.viz.graph import Graph
from pyautograd.viz.names import Path
from pyautograd.viz.nan import Bad, find_bad
from pyautograd.viz.scene import Stage
from pyautograd.viz.tree import Tree

_EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"></svg>'
_PROBE = _EMPTY.replace("><", f'><text y="18" font-family="{text.FONT}">M</text><')
_SIDE = 16_000  # pixels that an image may measure at most


def draw(
    target: Any,
    depth: int | None = None,
    *,
    highlight: str | None = None,
    names: Mapping[str, Any] | None = None,
) -> Drawing:
    """The graph behind `target` as a picture, which notebooks show and `save` writes.

    target: a tensor, a list of them, or a function made by `ag.compile` that was called. Boxes
    show ops with shape, dtype and the range of their values; parameters have the names of their
    modules, other tensors those of the caller's variables (or of `names`). Modules are groups.

    depth: how deep to unfold them: 0 for none; without it, as deep as stays readable.
    highlight: "nan" marks the way of NaN and infinities from the op that made the first to the
        result. Where all values are finite it asks the gradients, by a backward that changes
        nothing, and marks the way from the op whose gradient rule made the first.

    The tape keeps only what backward needs, and after backward not even that: what it does not
    know is left out. What is computed under `ag.viz.record()` is known in full.

    Raises TypeError for anything else, ValueError for another depth or highlight, and ImportError
    where the extra is missing: pip install 'pyautograd[viz]'.

    >>> import pyautograd as ag
    >>> a = ag.tensor(100.0, requires_grad=True)
    >>> b = ag.tensor(150.0, requires_grad=True)
    >>> picture = ag.viz.draw((2 * a + 3 * b) * 1.1)
    >>> picture
    <Drawing: 4 ops, 2 inputs, 3 constants>
    >>> print(picture.dot())  # doctest: +ELLIPSIS
    digraph {
    ...
      0 -> 2 [label="scalar"];
    ...
    """
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(f"draw: depth is how deep to unfold modules, 0 or more, got {depth!r}")
    if highlight not in (None, "nan"):
        raise ValueError(f'draw: highlight: expected "nan" or None, got {highlight!r}')
    if names is None:
        frame = users_frame()
        names = {**frame.f_globals, **frame.f_locals}
    return Drawing(Graph.of(target, names), depth, marks_bad=highlight == "nan")


class Drawing:
    """A picture of a graph: shown by notebooks, written by `save`."""

    def __init__(self, graph: Graph, depth: int | None = None, marks_bad: bool = False) -> None:
        self.graph = graph
        found = find_bad(graph) if marks_bad else Bad()
        self.tree = Tree(graph, found.keys)
        self.caption = found.caption
        self.cards = Cards(self.tree, found)
        self.stage = Stage(self.tree, self.cards.size)
        self.opened: set[Path] = self.tree.opened(depth)
        if depth is None:
            for key in found.first:  # where they were born is to be seen
                path = self.tree.paths[key]
                self.opened |= {path[:n] for n in range(len(path) + 1)}

    def svg(self, theme: str = "auto") -> str:
        """SVG; theme: "light", "dark", or "auto" for what the reader's system prefers."""
        if theme not in ("auto", "light", "dark"):
            raise ValueError(f'svg: theme: expected "auto", "light" or "dark", got {theme!r}')
        from pyautograd.viz.svg import svg

        return svg(self.stage.scene(self.opened), self.cards, theme, self.caption)

    def html(self) -> str:
        """A page of its own, without anything from elsewhere: groups unfold where they are clicked.

        It is moved by dragging, and zoomed by the wheel or two fingers.
        """
        from pyautograd.viz.html import html

        return html(self.stage, self.cards, self.opened, self.caption)

    def dot(self) -> str:
        """The whole graph in the language of Graphviz, modules as clusters."""
        from pyautograd.viz.dot import dot

        return dot(self.tree, self.cards)

    def png(self, theme: str = "light") -> bytes:
        """A PNG image, at twice the size where that is no more than 16,000 pixels a side."""
        resvg = needs("resvg_py")
        scene = self.stage.scene(self.opened)
        zoom = min(2.0, _SIDE / max(scene.width, scene.height, 1.0))
        if theme not in ("light", "dark"):
            raise ValueError(f'png: theme: expected "light" or "dark", got {theme!r}')
        if resvg.svg_to_bytes(svg_string=_PROBE) == resvg.svg_to_bytes(svg_string=_EMPTY):
            raise RuntimeError(
                "png: this system has none of the usual fonts, and a picture would have no words; "
                "install one (on Debian: fonts-dejavu-core), or save it as .svg"
            )
        return bytes(resvg.svg_to_bytes(svg_string=self.svg(theme), zoom=zoom))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file, as its name ends: .svg, .html, .dot or .png.

        Raises ValueError for another ending.
        """
        file = FilePath(path)
        formats: dict[str, Callable[[], str | bytes]] = {
            ".svg": self.svg,
            ".html": self.html,
            ".dot": self.dot,
            ".png": self.png,
        }
        make = formats.get(file.suffix.lower())
        if make is None:
            raise ValueError(
                f"save: {os.fspath(path)!r} ends in {file.suffix!r}, expected .svg, .html, .dot "
                "or .png"
            )
        made = make()
        file.write_bytes(made if isinstance(made, bytes) else made.encode())

    @cached_property
    def _drawn(self) -> str:
        return self.svg()

    def _repr_svg_(self) -> str:
        return self._drawn

    def __repr__(self) -> str:
        kinds: dict[str, int] = {"op": 0}
        for vertex in self.graph.vertices.values():
            kinds[vertex.kind] = kinds.get(vertex.kind, 0) + 1
        return f"<Drawing: {', '.join(text.count(n, kind) for kind, n in kinds.items())}>"

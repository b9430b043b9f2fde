"""A drawing: shapes with CSS classes, in a coordinate system of pixels, as SVG.

Colours are the style sheet's (_static/site.css), so that a picture follows the page's theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

CELL = 34


class Drawing:
    """Collects shapes; `svg` writes them."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.parts: list[str] = []

    def svg(self, alt: str) -> str:
        head = (
            '<svg xmlns="http://www.w3.org/2000/svg" class="drawing" '
            f'role="img" aria-label="{escape(alt)}" '
            f'viewBox="0 0 {self.width} {self.height}" width="{self.width}">'
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" class="head"/>'
            "</marker></defs>"
        )
        return "".join([head, *self.parts, "</svg>"])

    def text(self, x: float, y: float, words: Any, style: str = "", anchor: str = "middle") -> None:
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}" '
            f'dominant-baseline="central">{escape(str(words))}</text>'
        )

    def box(self, x: float, y: float, w: float, h: float, style: str = "", words: Any = "") -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="4" class="box {style}"/>'
        )
        if words != "":
            self.text(x + w / 2, y + h / 2 + 1, words, f"in-{style}" if style else "")

    def line(self, *points: tuple[float, float], style: str = "", arrow: bool = False) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        end = ' marker-end="url(#head)"' if arrow else ""
        self.parts.append(f'<polyline points="{path}" class="line {style}"{end}/>')

    def arrow(self, a: tuple[float, float], b: tuple[float, float], style: str = "") -> None:
        self.line(a, b, style=style, arrow=True)

    def node(self, x: float, y: float, words: Any, style: str = "op", r: float = 19) -> None:
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{r}" class="node {style}"/>')
        self.text(x, y + 1, words)

    def grid(
        self,
        x: float,
        y: float,
        rows: Sequence[Sequence[Any]],
        styles: dict[tuple[int, int], str] | None = None,
        cell: float = CELL,
        title: str = "",
    ) -> None:
        """A matrix of cells with its title above; `styles` colours cells by (row, column)."""
        if title:
            self.text(x + len(rows[0]) * cell / 2, y - 14, title, "title")
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                style = (styles or {}).get((i, j), "")
                words = f"{value:g}" if isinstance(value, float) else value
                self.parts.append(
                    f'<rect x="{x + j * cell:g}" y="{y + i * cell:g}" width="{cell:g}" '
                    f'height="{cell:g}" class="cell {style}"/>'
                )
                self.text(x + (j + 0.5) * cell, y + (i + 0.5) * cell + 1, words)


def between(
    a: tuple[float, float], b: tuple[float, float], gap: float = 21
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of an arrow from circle a to circle b."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = (dx * dx + dy * dy) ** 0.5
    ux, uy = dx / length * gap, dy / length * gap
    return (a[0] + ux, a[1] + uy), (b[0] - ux, b[1] - uy)

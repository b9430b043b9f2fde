"""A profile as a flame graph: an SVG that is whole as a picture, and zooms in a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from pyautograd.profiler.events import BACKWARD, DATA, UPDATE, WORK, Event
from pyautograd.terminal import units

_WIDTH, _ROW, _LEFT, _TOP, _CHARACTER = 1200, 22, 10, 64, 7.1  # pixels
_LEAST = 0.4  # pixels of a bar that is worth drawing
_LEGEND = (
    ("forward", "forward"), ("rule", "gradient rules"), ("backward", "their kernels"),
    ("update", "optimizer"), ("data", "data"), ("around", "modules, Python"),
)  # fmt: skip


class Bar:
    """Events of one name in one place, added up."""

    __slots__ = ("calls", "children", "colour", "flops", "name", "note", "time")

    def __init__(self, name: str, colour: str, note: str = "") -> None:
        self.name = name
        self.colour = colour
        self.note = note
        self.time = self.calls = self.flops = 0
        self.children: dict[tuple[str, str], Bar] = {}

    def child(self, name: str, colour: str, note: str = "") -> Bar:
        """The bar of that name below this one."""
        found = self.children.get((name, colour))
        if found is None:
            found = self.children[name, colour] = Bar(name, colour, note)
        return found


def bars(events: list[Event]) -> Bar:
    """The bar of the profile, with all others below; the nodes of backward within their modules."""
    root = events[0]
    whole = Bar("profile", "around")
    bar_of = {root: whole}
    whole.time, whole.calls = root.time, 1
    for event in events[1:]:
        above = bar_of.get(event.parent, whole)  # type: ignore[arg-type]
        if event.kind == "node" and event.module is not None:
            for scope in event.module.path():
                above = above.child(scope.name, "around", scope.label if scope.parent else "")
                above.time += event.time
        module = event.module if event.kind == "module" else None
        note = module.label if module is not None and module.label != module.name else ""
        bar = bar_of[event] = above.child(event.name, _colour(event), note)
        bar.time += event.time
        bar.calls += 1
        bar.flops += event.cost.flops
    return whole


def _colour(event: Event) -> str:
    if event.kind == "node":
        return "rule"
    if event.kind not in WORK:
        return "around"
    return event.phase if event.phase in (BACKWARD, UPDATE, DATA) else "forward"


def _placed(whole: Bar) -> Iterator[tuple[Bar, float, float, int]]:
    """(bar, its left and its width as parts of the whole, its depth), parents first."""
    stack = [(whole, 0.0, 1.0, 0)]
    while stack:
        bar, left, width, depth = stack.pop()
        yield bar, left, width, depth
        below = []
        for child in bar.children.values():
            share = child.time / (whole.time or 1)
            if share * _WIDTH >= _LEAST:
                below.append((child, left, share, depth + 1))
            left += share
        stack.extend(reversed(below))


def save_flame(events: list[Event], path: str | os.PathLike[str]) -> None:
    """Writes the flame graph of the events."""
    Path(path).write_text(flame(events), encoding="utf-8")


def flame(events: list[Event]) -> str:
    """The SVG."""
    whole = bars(events)
    placed = list(_placed(whole))
    height = _TOP + (1 + max(depth for *_, depth in placed)) * _ROW + 14
    width = _WIDTH + 2 * _LEFT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="head" x="{_LEFT}" y="24">{whole.time / 1e6:,.1f} ms</text>',
        f'<text class="help" id="told" x="{_LEFT + 110}" y="24">click a bar to zoom in, '
        "the top one to zoom out</text>",
        *_legend(),
    ]
    parts += [_drawn(bar, whole, left, part, depth) for bar, left, part, depth in placed]
    parts += [f"<script><![CDATA[{_SCRIPT}]]></script>", "</svg>\n"]
    return "\n".join(parts)


def _legend() -> Iterator[str]:
    x = float(_LEFT)
    for colour, text in _LEGEND:
        yield f'<rect class="{colour}" x="{x:g}" y="36" width="12" height="12" rx="2"/>'
        yield f'<text class="help" x="{x + 17:g}" y="46">{text}</text>'
        x += 17 + len(text) * _CHARACTER + 18


def _drawn(bar: Bar, whole: Bar, left: float, width: float, depth: int) -> str:
    share = bar.time / (whole.time or 1)
    told = (
        f"{bar.name}{f' ({bar.note})' if bar.note else ''}: {bar.time / 1e6:,.3f} ms, {share:.1%}"
    )
    if bar.calls:
        told += f", {bar.calls:,} call{'s' if bar.calls != 1 else ''}"
    if bar.flops and bar.time:
        told += f", {units(bar.flops / bar.time * 1e9)}FLOP/s"
    x, wide = _LEFT + left * _WIDTH, width * _WIDTH
    y = _TOP + depth * _ROW
    label = f"{bar.name} {bar.note}".rstrip()
    return (
        f'<g class="bar" data-at="{left:.7f}" data-part="{width:.7f}" data-row="{depth}" '
        f"data-label={quoteattr(label)}><title>{escape(told)}</title>"
        f'<rect class="{bar.colour}" x="{x:.2f}" y="{y}" width="{wide:.2f}" height="{_ROW - 1}" '
        f'rx="2"/><text x="{x + 5:.2f}" y="{y + 15}">{escape(_fitted(label, wide))}</text></g>'
    )


def _fitted(label: str, width: float) -> str:
    room = int((width - 8) / _CHARACTER)
    if len(label) <= room:
        return label
    return label[: room - 1] + "…" if room >= 3 else ""


_STYLE = """
:root { background: #ffffff }
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1c2330; pointer-events: none }
.page { fill: #ffffff } .head { font-size: 16px; font-weight: 600 } .help { fill: #5b6472 }
.forward { fill: #8fbcf0 } .backward { fill: #f4b183 } .update { fill: #9fd3a8 }
.rule { fill: #fbdcc6 } .data { fill: #cdb4e8 } .around { fill: #dfe4ea }
.bar { cursor: pointer } .bar:hover rect { stroke: #1c2330; stroke-width: 1 }
.bar.above rect { opacity: .55 } .bar.gone { display: none }
@media (prefers-color-scheme: dark) {
:root { background: #15181d }
text { fill: #e8ebf0 } .page { fill: #15181d } .help { fill: #9aa4b2 }
.forward { fill: #2f6db5 } .backward { fill: #b0602a } .update { fill: #3d8049 }
.rule { fill: #6b4630 } .data { fill: #7a58a3 } .around { fill: #39414d }
.bar:hover rect { stroke: #e8ebf0 }
}
"""

_SCRIPT = f"""
const LEFT = {_LEFT}, WIDTH = {_WIDTH}, CHARACTER = {_CHARACTER};
const bars = [...document.querySelectorAll(".bar")].map(node => ({{
  node, at: +node.dataset.at, part: +node.dataset.part, row: +node.dataset.row,
  rect: node.querySelector("rect"), text: node.querySelector("text")}}));
const close = 1e-6;
function fitted(label, width) {{
  const room = Math.floor((width - 8) / CHARACTER);
  return label.length <= room ? label : room >= 3 ? label.slice(0, room - 1) + "…" : "";
}}
function zoom(to) {{
  for (const bar of bars) {{
    const above = bar.row < to.row && bar.at <= to.at + close
      && bar.at + bar.part >= to.at + to.part - close;
    const within = bar.row >= to.row && bar.at >= to.at - close
      && bar.at + bar.part <= to.at + to.part + close;
    bar.node.classList.toggle("above", above);
    bar.node.classList.toggle("gone", !above && !within);
    const x = above ? LEFT : LEFT + (bar.at - to.at) / to.part * WIDTH;
    const width = above ? WIDTH : bar.part / to.part * WIDTH;
    bar.rect.setAttribute("x", x); bar.rect.setAttribute("width", width);
    bar.text.setAttribute("x", x + 5);
    bar.text.textContent = fitted(bar.node.dataset.label, width);
  }}
}}
const told = document.getElementById("told"), help = told.textContent;
for (const bar of bars) {{
  bar.node.addEventListener("click", () => zoom(bar));
  bar.node.addEventListener("mouseenter", () => {{
    told.textContent = bar.node.querySelector("title").textContent; }});
  bar.node.addEventListener("mouseleave", () => {{ told.textContent = help; }});
}}
document.addEventListener("keydown", event => {{ if (event.key === "Escape") zoom(bars[0]); }});
"""

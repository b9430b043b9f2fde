"""The colours of pictures, light and dark, as a style sheet."""

from __future__ import annotations

# By name: light, dark.
_COLOURS = {
    "paper": ("#ffffff", "#0e131a"),
    "ink": ("#1b2430", "#e7ebf1"),
    "muted": ("#657186", "#94a1b3"),
    "card": ("#ffffff", "#1a222d"),
    "edge": ("#cfd6e0", "#3a4757"),
    "frame": ("#f5f7fa", "#141b24"),
    "frame2": ("#ebeff5", "#1b2430"),
    "wire": ("#8f9bad", "#6d7b8e"),
    "accent": ("#2f62d9", "#7fa6ff"),
    "bad": ("#d92d20", "#ff7b6e"),
    "badcard": ("#fff1f0", "#3a1a1b"),
    "parameter": ("#e8f6ec", "#16301f"),
    "parameteredge": ("#8bcb9d", "#3d7a52"),
    "input": ("#e9f0fe", "#17263f"),
    "inputedge": ("#93b4f5", "#45679f"),
    "constant": ("#f1f3f6", "#232c38"),
}
_KINDS = {
    "contraction": ("#3568e0", "#6f9bff"),
    "window": ("#7b52e8", "#a68bff"),
    "normalisation": ("#0d9488", "#3fc7b8"),
    "elementwise": ("#e08a1b", "#f0ad55"),
    "reduction": ("#cf3a93", "#f07cc0"),
    "movement": ("#8792a5", "#8f9cae"),
    "other": ("#5b6b82", "#9aa8ba"),
}
KINDS = tuple(_KINDS)

# Rules with `$colour` for the colours above.
_RULES = """
.ag-paper{fill:$paper}
.ag-card{fill:$card;stroke:$edge;stroke-width:1}
.ag-behind{fill:$card;stroke:$edge;stroke-width:1}
.ag-frame{fill:$frame;stroke:$edge;stroke-width:1}
.ag-frame.ag-even{fill:$frame2}
.ag-parameter .ag-card{fill:$parameter;stroke:$parameteredge}
.ag-input .ag-card{fill:$input;stroke:$inputedge}
.ag-constant .ag-card{fill:$constant}
.ag-result .ag-card{stroke:$accent;stroke-width:2}
.ag-bad .ag-card{fill:$badcard;stroke:$bad}
.ag-first .ag-card{stroke-width:3}
.ag-wrong{fill:$bad}
.ag-title{fill:$ink}
.ag-note,.ag-shape,.ag-caption{fill:$muted}
.ag-halo{stroke:$paper}
.ag-group .ag-halo{stroke:$frame}
.ag-wire{stroke:$wire}
.ag-wire.ag-bad{stroke:$bad}
.ag-head{fill:$wire}
.ag-head.ag-bad{fill:$bad}
.ag-chevron{stroke:$muted}
"""
_PLAIN = """
.ag-title,.ag-note,.ag-wrong,.ag-shape,.ag-caption{font-family:%s}
.ag-title{font-size:13px;font-weight:600}
.ag-note,.ag-wrong{font-size:11px}
.ag-caption{font-size:12px}
.ag-shape{font-size:10px}
.ag-halo{stroke-width:4;stroke-linejoin:round;paint-order:stroke}
.ag-end{text-anchor:end}
.ag-wire{fill:none;stroke-width:1.4}
.ag-wire.ag-bad{stroke-width:2.2}
.ag-chevron{fill:none;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
"""


def style_sheet(font: str, theme: str = "auto") -> str:
    """The rules; theme: "light", "dark", or "auto" for what the reader's system prefers."""
    plain = _PLAIN % font
    if theme == "auto":
        return f"{plain}{_rules(0)}@media (prefers-color-scheme:dark){{{_rules(1)}}}\n"
    return plain + _rules(("light", "dark").index(theme))


def _rules(theme: int) -> str:
    rules = _RULES
    for name in sorted(_COLOURS, key=len, reverse=True):
        rules = rules.replace(f"${name}", _COLOURS[name][theme])
    bars = (f".ag-bar-{kind}{{fill:{colours[theme]}}}" for kind, colours in _KINDS.items())
    return rules + "\n".join(bars) + "\n"

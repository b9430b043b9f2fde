"""The words in a picture: how wide they are, and numbers and shapes as text."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from pyautograd.viz.graph import Summary

FONT = (
    "Inter, system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', 'Noto Sans', 'Liberation Sans', Ubuntu, "
    "Arial, Helvetica, 'Noto Sans CJK SC', sans-serif"
)

# Advances in hundredths of the font size; those of DejaVu Sans, the widest of the usual fonts.
_ADVANCES = {
    **dict.fromkeys("ijl'", 28),
    **dict.fromkeys(" ,.|", 32),
    **dict.fromkeys("I:;", 34),
    **dict.fromkeys("()[]!ft/\\-", 40),
    **dict.fromkeys("r", 42),
    **dict.fromkeys('"szJ?*_', 54),
    **dict.fromkeys("ackvxyF", 61),
    **dict.fromkeys("m@W%", 100),
    **dict.fromkeys("wMOQ=+<>−×…·#", 84),
}


def width(text: str, size: float, bold: bool = False) -> float:
    """About how wide a line of text is, in the unit of `size`; rather more than less."""
    total = 0
    for c in text:
        if c in _ADVANCES:
            total += _ADVANCES[c]
        elif unicodedata.east_asian_width(c) in "WF":
            total += 105
        elif not unicodedata.combining(c):
            total += 78 if c.isupper() else 64 if c.isascii() else 90
    return total * size * (1.1 if bold else 1.0) / 100


def fitted(text: str, size: float, room: float, bold: bool = False) -> str:
    """The text on one line; what does not fit is left out in the middle, where names differ least.

    >>> fitted("a name that is far too long", 10, 80)
    'a name…o long'
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if width(text, size, bold) <= room:
        return text
    low, high = 0, len(text)  # most characters that fit
    while low < high:
        keep = (low + high + 1) // 2
        if width(_shortened(text, keep), size, bold) <= room:
            low = keep
        else:
            high = keep - 1
    return _shortened(text, low)


def known(words: str) -> str:
    """The words without characters that XML does not know."""
    kept = (c for c in words if c in "\n\t" or (c >= " " and not 0xD800 <= ord(c) < 0xE000))
    return "".join(c for c in kept if c not in "\x7f\ufffe\uffff")


def _shortened(text: str, keep: int) -> str:
    return text[: keep // 2] + "…" + text[len(text) - (keep - keep // 2) :]


def number(x: float) -> str:
    """In four digits, with a minus sign.

    >>> number(-0.0123456), number(1e-9), number(12345678.0), number(3.0)
    ('−0.01235', '1e−09', '1.235e+07', '3')
    """
    return ("NaN" if math.isnan(x) else f"{x:.4g}").replace("-", "−").replace("inf", "∞")


def shape(of: tuple[int, ...] | None) -> str:
    """As Python writes it; "scalar" without dimensions, "?" where it is not known."""
    return "?" if of is None else str(tuple(of)) if of else "scalar"


def layout(vertex: Any) -> str:
    """Shape and dtype of a vertex, as far as they are known."""
    if vertex.dtype is None:
        return shape(vertex.shape)
    return f"{shape(vertex.shape)} {vertex.dtype.name}"


def values(summary: Summary | None) -> str:
    """The range and mean in a line; the value itself of one number."""
    if summary is None:
        return "values not kept"
    if not summary.size:
        return "empty"
    if summary.size == 1:
        return number(summary.low)
    bad = bad_values(summary)
    if summary.nan + summary.infinite == summary.size:
        return bad
    if summary.low == summary.high:
        finite = f"all {number(summary.low)}"
    else:
        finite = f"{number(summary.low)} … {number(summary.high)}"
        finite += "" if bad else f", mean {number(summary.mean)}"
    return f"{bad}, {finite}" if bad else finite


def bad_values(summary: Summary) -> str:
    """How many are NaN or infinite; empty where all are finite."""
    parts = [f"{n:,} {what}" for n, what in ((summary.nan, "NaN"), (summary.infinite, "∞")) if n]
    return ", ".join(parts)


def count(n: int, what: str) -> str:
    """`1 op`, `2 ops`."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")

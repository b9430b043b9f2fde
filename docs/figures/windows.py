"""Chapters 4 to 6: windows that move over an image."""

from __future__ import annotations

from typing import Any

import pyautograd as ag
from figures.drawing import CELL, Drawing
from pyautograd.nn import functional as F


def image() -> ag.Tensor:
    """1..16 in rows of four, as (1, 1, 4, 4)."""
    return ag.arange(1.0, 17.0).reshape(1, 1, 4, 4)


def rows(t: ag.Tensor) -> list[list[float]]:
    return t.reshape(*t.shape[-2:]).tolist()


def cells(top: int, left: int, height: int, width: int, style: str) -> dict[tuple[int, int], str]:
    return {(top + i, left + j): style for i in range(height) for j in range(width)}


def sign(d: Drawing, x: float, y: float, words: str) -> None:
    d.text(x, y, words, "strong large")


def convolution() -> Drawing:
    kernel = ag.ones(1, 1, 3, 3)
    d = Drawing(480, 190)
    d.grid(14, 40, rows(image()), cells(0, 1, 3, 3, "accent"), title="image")
    sign(d, 172, 108, "∗")
    d.grid(194, 57, rows(kernel), title="weight")
    sign(d, 318, 108, "=")
    out = rows(F.conv2d(image(), kernel))
    d.grid(342, 74, out, {(0, 1): "accent"}, cell=44, title="output")
    return d


def weight_gradient() -> Drawing:
    weight = ag.ones(1, 1, 3, 3, requires_grad=True)
    F.conv2d(image(), weight).mean().backward()
    d = Drawing(480, 190)
    d.grid(14, 40, rows(image()), cells(0, 0, 2, 2, "accent"), title="image")
    sign(d, 172, 108, "∗")
    d.grid(194, 74, [["¼", "¼"], ["¼", "¼"]], title="gradient of output")
    sign(d, 292, 108, "=")
    d.grid(322, 50, rows(weight.grad), {(0, 0): "accent"}, cell=42, title="gradient of weight")
    return d


def columns() -> Drawing:
    x = ag.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    unfolded = F.unfold(x, 2)
    d = Drawing(470, 214)
    d.grid(20, 60, rows(x), cells(0, 1, 2, 2, "accent"), title="image, a window")
    d.arrow((136, 111), (186, 111))
    d.text(161, 94, "im2col", "small")
    d.grid(206, 43, rows(unfolded), cells(0, 1, 4, 1, "accent"), title="a column per window")
    for i, place in enumerate(("↖", "↗", "↙", "↘")):
        d.text(206 + 4 * CELL + 16, 43 + (i + 0.5) * CELL, place, "small")
    return d


def fold_counts() -> Drawing:
    counts = F.fold(ag.ones(1, 4, 4), (3, 3), 2)
    d = Drawing(440, 200)
    d.grid(20, 36, rows(ag.ones(4, 4)), cells(0, 0, 4, 4, "value"), title="columns of ones")
    d.arrow((172, 104), (222, 104))
    d.text(197, 87, "col2im", "small")
    d.grid(250, 53, rows(counts), {(1, 1): "accent"}, title="windows over a pixel")
    return d


VALUES = [[1.0, 3.0, 2.0, 0.0], [4.0, 2.0, 1.0, 5.0], [0.0, 1.0, 7.0, 7.0], [2.0, 1.0, 6.0, 3.0]]


def argmax_mask() -> Drawing:
    x = ag.tensor([[VALUES]], requires_grad=True)
    y, places = F.max_pool2d(x, 2, return_indices=True)
    (y * ag.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    taken = {divmod(int(i), 4): "accent" for i in places.reshape(-1).tolist()}
    d = Drawing(440, 170)
    cell = 28
    d.grid(10, 36, VALUES, taken, cell, "input")
    d.arrow((126, 92), (150, 92))
    d.grid(156, 64, rows(y.detach()), cell=cell, title="maxima")
    d.grid(226, 64, [[1, 2], [3, 4]], cells(0, 0, 2, 2, "value"), cell, "gradients")
    d.arrow((288, 92), (312, 92))
    d.grid(318, 36, rows(x.grad), taken, cell, "gradient of input")
    return d


def overlapping_windows() -> Drawing:
    grads: list[Any] = []
    for pool in (F.max_pool2d, F.avg_pool2d):
        x = image().requires_grad_()
        (pool(x, 3, 1).sum() * (9 if pool is F.avg_pool2d else 1)).backward()
        grads.append(rows(x.grad.round()))
    d = Drawing(480, 190)
    d.grid(14, 40, rows(image()), cells(2, 2, 2, 2, "accent"), title="image")
    d.grid(172, 40, grads[0], cells(2, 2, 2, 2, "accent"), title="max: windows won")
    d.grid(330, 40, grads[1], title="average: windows over it")
    return d

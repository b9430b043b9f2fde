"""Chapter 2: products of matrices, and the gradients that run back through them."""

from __future__ import annotations

import math

import pyautograd as ag
from figures.drawing import Drawing


def strip(
    boxes: list[tuple[str, str, int, int]], forward: str, backward: str, unit: float = 15
) -> Drawing:
    """Matrices side by side, as large as their shapes say: (name, style, rows, columns)."""
    gap = 34
    width = sum(columns * unit + gap for _, _, _, columns in boxes) + 10
    tall = max(rows for _, _, rows, _ in boxes) * unit
    d = Drawing(width, tall + 96)
    x = 20.0
    middle = 34 + tall / 2
    for i, (name, style, rows, columns) in enumerate(boxes):
        w, h = columns * unit, rows * unit
        d.box(x, middle - h / 2, w, h, style, name)
        d.text(x + w / 2, middle + tall / 2 + 14, f"{rows}×{columns}", "small")
        if i + 1 < len(boxes):
            d.text(x + w + gap / 2, middle, "=" if boxes[i + 1][1] == "value" else "·", "strong")
        x += w + gap
    d.text(24, 12, forward, "value", "start")
    d.text(24, tall + 82, backward, "grad", "start")
    return d


def two_layers() -> Drawing:
    return strip(
        [("X", "leaf", 6, 3), ("W₁", "accent", 3, 5), ("H", "value", 6, 5), ("W₂", "accent", 5, 2),
         ("Y", "value", 6, 2)],
        "H = relu(X W₁),  Y = H W₂",
        "∂L/∂W has the shape of W",
        17,
    )  # fmt: skip


def three_products() -> Drawing:
    return strip(
        [("X", "leaf", 8, 3), ("W₁", "accent", 3, 5), ("W₂", "accent", 5, 4),
         ("W₃", "accent", 4, 2), ("Y", "value", 8, 2)],
        "forward: from the left",
        "G = ∂L/∂Y runs back from the right",
    )  # fmt: skip


def losses() -> list[float]:
    """The loss by step, of the chapter's training."""
    ag.manual_seed(0)
    X = ag.randn(32, 3, dtype=ag.float64)
    T = X @ ag.tensor([[1.0, -2.0], [0.5, 1.0], [-1.0, 0.0]], dtype=ag.float64)
    sizes = ((3, 5), (5, 4), (4, 2))
    weights = [(ag.randn(n, m, dtype=ag.float64) / n**0.5).requires_grad_() for n, m in sizes]
    out = []
    for _ in range(151):
        W1, W2, W3 = weights
        loss = ((X @ W1 @ W2 @ W3 - T) ** 2).mean()
        loss.backward()
        out.append(loss.item())
        with ag.no_grad():
            for w in weights:
                w -= 0.1 * w.grad
                w.grad = None
    return out


def training_loss() -> Drawing:
    found = losses()
    left, top, w, h = 58, 16, 400, 190
    low = math.floor(math.log10(min(found)))
    high = math.ceil(math.log10(max(found)))
    d = Drawing(480, 250)
    for power in range(low, high + 1, max(1, (high - low) // 5)):
        y = top + (high - power) / (high - low) * h
        d.line((left, y), (left + w, y), style="rule")
        d.text(left - 8, y, f"{10.0**power:.0e}" if power else "1", "small", "end")
    for step in range(0, 151, 50):
        d.text(left + step / 150 * w, top + h + 16, step, "small")
    points = [
        (left + i / 150 * w, top + (high - math.log10(v)) / (high - low) * h)
        for i, v in enumerate(found)
    ]
    d.line(*points, style="curve")
    return d

"""Chapter 7: the same chain of ops on the tape, and as a plan."""

from __future__ import annotations

from figures.drawing import Drawing


def tape_and_plan() -> Drawing:
    d = Drawing(520, 250)
    d.text(130, 14, "eager: each op, each time", "title")
    for i, name in enumerate(("mul", "add", "tanh", "mul")):
        y = 36 + i * 50
        d.box(24, y, 90, 34, "accent", f"Python: {name}")
        d.arrow((114, y + 17), (150, y + 17))
        d.box(152, y, 36, 34, "value", f"k{'₁₂₃₄'[i]}")
        d.arrow((188, y + 17), (214, y + 17))
        d.box(216, y, 40, 34, "leaf", "array")
    d.text(400, 14, "compiled: one call", "title")
    d.box(300, 86, 66, 84, "accent", "Python: f")
    d.arrow((366, 128), (392, 128))
    d.box(394, 60, 116, 136, "value")
    d.text(452, 76, "plan, one pass", "small")
    for i, name in enumerate(("x·y", "+ y", "tanh", "· y")):
        d.box(420, 90 + i * 25, 64, 21, "leaf", name)
    return d

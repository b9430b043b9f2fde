"""Chapter 1: two stacks at work, and the graph that they leave."""

from __future__ import annotations

import re
from html import escape

import pyautograd as ag
from figures.drawing import Drawing, between

RANK = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2}
APPLY = {"+": ag.add, "-": ag.sub, "*": ag.mul, "/": ag.div}
EXPRESSION = "(2*100 + 3*150) * 1.1"


def steps(text: str) -> list[tuple[str, list[str], list[str]]]:
    """(what was read, the operand stack, the operator stack) after each token."""
    numbers: list[ag.Tensor] = []
    signs: list[str] = []
    out = []

    def apply() -> None:
        right, left = numbers.pop(), numbers.pop()
        numbers.append(APPLY[signs.pop()](left, right))

    for token in [*re.findall(r"[\d.]+|[-+*/()]", text), "end"]:
        if token == "(":
            signs.append(token)
        elif token in RANK or token in (")", "end"):
            while signs and RANK[signs[-1]] >= RANK.get(token, 1):
                apply()
            if token == ")":
                signs.pop()
            elif token != "end":
                signs.append(token)
        else:
            numbers.append(ag.tensor(float(token), dtype=ag.float64))
        out.append((token, [f"{x.item():g}" for x in numbers], [*signs]))
    return out


def two_stacks() -> Drawing:
    rows = steps(EXPRESSION)
    height = 30
    d = Drawing(470, height * len(rows) + 40)
    for x, title in ((42, "token"), (180, "operands"), (370, "operators")):
        d.text(x, 16, title, "title")
    for i, (token, numbers, signs) in enumerate(rows):
        y = 34 + i * height
        d.text(42, y + 13, token, "strong")
        for j, number in enumerate(numbers):
            d.box(90 + j * 62, y, 58, 25, "value", number)
        for j, sign in enumerate(signs):
            d.box(310 + j * 34, y, 30, 25, "accent", sign)
        if i:
            d.line((4, y - 3), (466, y - 3), style="rule")
    return d


class Drawn:
    """What `ag.viz.draw` makes, as the pages want it."""

    def __init__(self, drawing: ag.viz.Drawing) -> None:
        self.drawing = drawing

    def svg(self, alt: str) -> str:
        return f'<div role="img" aria-label="{escape(alt)}">{self.drawing.svg()}</div>'


def drawn() -> Drawn:
    apples, oranges, tax = (ag.tensor(v, requires_grad=True) for v in (100.0, 150.0, 1.1))
    return Drawn(ag.viz.draw((2 * apples + 3 * oranges) * tax))


def expression_graph() -> Drawing:
    a, b, c, e, f = (
        ag.tensor(v, dtype=ag.float64, requires_grad=True) for v in (2.0, 100.0, 3.0, 150.0, 1.1)
    )
    p, q = a * b, c * e
    s = p + q
    z = s * f
    for t in (p, q, s):
        t.retain_grad()
    z.retain_grad()
    z.backward()
    d = Drawing(440, 356)
    places = {
        "a": (45, 50, a, "2"), "b": (45, 120, b, "100"), "c": (45, 190, c, "3"),
        "e": (45, 260, e, "150"), "p": (160, 85, p, "×"), "q": (160, 225, q, "×"),
        "s": (275, 155, s, "+"), "f": (275, 275, f, "1.1"), "z": (390, 215, z, "×"),
    }  # fmt: skip
    edges = ("ap", "bp", "cq", "eq", "ps", "qs", "sz", "fz")
    for tail, head in edges:
        start, end = between(places[tail][:2], places[head][:2], 23)
        d.arrow(start, end)
    for name, (x, y, t, word) in places.items():
        d.node(x, y, word, "op" if name in "pqsz" else "leaf", 21)
        if name in "pqsz":
            d.text(x, y - 33, f"{t.item():g}", "value")
        d.text(x, y + 33, f"{t.grad.item():g}", "grad")
    d.text(20, 342, "above: value", "value", "start")
    d.text(140, 342, "below: gradient of the result", "grad", "start")
    return d

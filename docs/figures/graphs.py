"""Chapter 3: a graph in which a value is used twice, and the order of its backward."""

from __future__ import annotations

from figures.drawing import Drawing, between

PLACES = {"x": (60, 110), "a": (180, 50), "b": (300, 130), "y": (420, 80)}
EDGES = (("x", "a"), ("x", "b"), ("a", "b"), ("a", "y"), ("b", "y"))
OPS = {"x": "x", "a": "a=x²", "b": "b=a+x", "y": "y=ab"}


def skeleton(d: Drawing, arrows: str = "") -> None:
    for tail, head in EDGES:
        start, end = between(PLACES[tail], PLACES[head], 30)
        d.arrow(start, end, arrows)
    for name, (x, y) in PLACES.items():
        d.node(x, y, OPS[name], "leaf" if name == "x" else "op", 28)


def diamond() -> Drawing:
    """Values at x = 3, and the slope of each edge."""
    d = Drawing(480, 190)
    skeleton(d)
    for name, value in {"x": "3", "a": "9", "b": "12", "y": "108"}.items():
        x, y = PLACES[name]
        d.text(x, y - 40, value, "value")
    slopes = {"xa": (107, 68, "2x = 6"), "xb": (190, 136, "1"), "ab": (254, 84, "1"),
              "ay": (296, 48, "b = 12"), "by": (376, 124, "a = 9")}  # fmt: skip
    for x, y, words in slopes.values():
        d.text(x, y, words, "grad small")
    return d


def backward_order() -> Drawing:
    """The order in which nodes are visited, and what each has received by then."""
    d = Drawing(480, 200)
    skeleton(d)
    order = {
        "y": ("1", "1"),
        "b": ("2", "9"),
        "a": ("3", "12 + 9 = 21"),
        "x": ("4", "126 + 9 = 135"),
    }
    for name, (number, gradient) in order.items():
        x, y = PLACES[name]
        d.box(x - 11, y - 56, 22, 22, "accent", number)
        d.text(x, y + 42, gradient, "grad")
    return d

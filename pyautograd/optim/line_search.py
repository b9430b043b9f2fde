"""A step along a line that meets the strong Wolfe conditions. Nocedal and Wright, chapter 3."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Where the value must lie below the line from the start, and how flat the slope must be.
_DECREASE, _CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """A place on the line: how far, the value, the gradient, and the slope along the line."""

    at: float
    value: float
    gradient: Any
    slope: float


def dot(a: Any, b: Any) -> float:
    """The same bits for any number of threads, as BLAS's would not be."""
    return float((a * b).sum())


def cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through both has its minimum, within [low, high]; the middle if nowhere."""
    if a.at > b.at:
        a, b = b, a
    d = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.at - b.at)
    inside = d * d - a.slope * b.slope
    if not inside >= 0.0:
        return (low + high) / 2.0
    root = math.sqrt(inside)
    below = b.slope - a.slope + 2.0 * root
    if below == 0.0:
        return (low + high) / 2.0
    at = b.at - (b.at - a.at) * ((b.slope + root - d) / below)
    return min(max(at, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Any]],
    start: Point,
    first: float,
    direction: Any,
    tolerance: float,
    most: int = 25,
) -> tuple[Point, int]:
    """The point, and how many values it took. `evaluate(t)`: value and gradient at t."""

    def point(t: float) -> Point:
        value, gradient = evaluate(t)
        return Point(t, value, gradient, dot(gradient, direction))

    def too_high(p: Point) -> bool:
        return p.value > start.value + _DECREASE * p.at * start.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -_CURVATURE * start.slope

    before, here, tries = start, point(first), 1
    while tries <= most:
        if too_high(here) or (tries > 2 and here.value >= before.value):
            break
        if flat(here):
            return here, tries
        if here.slope >= 0.0:
            break
        low, high = here.at + 0.01 * (here.at - before.at), here.at * 10.0
        before, here = here, point(cubic_minimum(before, here, low, high))
        tries += 1
    else:
        return (start if start.value <= here.value else here), tries
    ends = [before, here]
    reach = float(np.abs(direction).max())
    stuck = False
    while tries <= most:
        low, high = sorted(p.at for p in ends)
        if (high - low) * reach < tolerance:
            break
        t, stuck = _between(cubic_minimum(ends[0], ends[1], low, high), low, high, stuck)
        here = point(t)
        tries += 1
        best, worst = (0, 1) if ends[0].value <= ends[1].value else (1, 0)
        if too_high(here) or here.value >= ends[best].value:
            ends[worst] = here
            continue
        if flat(here):
            return here, tries
        if here.slope * (ends[worst].at - ends[best].at) >= 0.0:
            ends[worst] = ends[best]
        ends[best] = here
    return min(ends, key=lambda p: p.value), tries


def _between(t: float, low: float, high: float, stuck: bool) -> tuple[float, bool]:
    """A place that is not again next to an end: then a tenth of the way from it."""
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if not stuck and low < t < high:
        return t, True
    return (high - margin if high - t < t - low else low + margin), False

"""Prints the coefficients of the float64 functions in csrc/isa, highest power first.

    python docs/fit_polynomials.py

Each polynomial interpolates its function at the Chebyshev nodes of the interval that argument
reduction leaves, computed with 60 digits by mpmath and then rounded to double. The error printed is
the largest on that interval, in units of 2^-53.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60
Function = Callable[[mp.mpf], mp.mpf]


def beyond(f: Function, *series: mp.mpf) -> Function:
    """(f(s) / s - sum of series[i] z^i) / z^n of z = s^2: what the n leading terms leave over."""

    def rest(z: mp.mpf) -> mp.mpf:
        s = mp.sqrt(z)
        return (f(s) / s - sum(c * z**i for i, c in enumerate(series))) / z ** len(series)

    return rest


def tail(q: mp.mpf) -> mp.mpf:
    """The normal distribution below -t over s exp(-t^2 / 2); s = 1 / (t + 3.5), q = 1 - 7 s."""
    s = (1 - q) / 7
    t = 1 / s - mp.mpf("3.5")
    return mp.erfc(t / mp.sqrt(2)) / 2 * mp.exp(t * t / 2) / s


def erfc_tail(q: mp.mpf) -> mp.mpf:
    """erfc x over s exp(-x^2), 1 <= x <= 6; s = 1 / (x + 3), q = 14.4 s - 2.6."""
    s = (q + mp.mpf("2.6")) / mp.mpf("14.4")
    x = 1 / s - 3
    return mp.erfc(x) * mp.exp(x * x) / s


LN2_HALF = mp.log(2) / 2 * mp.mpf("1.002")
QUARTER_PI_SQUARE = (mp.pi / 4) ** 2 * mp.mpf("1.0001")
ROOT_SQUARE = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.0001")
ONE, THIRD = mp.mpf(1), mp.mpf(1) / 3


def twice_atanh(s: mp.mpf) -> mp.mpf:
    return 2 * mp.atanh(s)


# name: function, its interval, number of coefficients (with an odd one the middle is a node, which
# must not be 0)
POLYNOMIALS = {
    "expm1": (lambda r: (mp.expm1(r) - r) / r**2, -LN2_HALF, LN2_HALF * mp.mpf("1.001"), 11),
    "log": (beyond(twice_atanh, 2), 0, ROOT_SQUARE, 7),
    "softplus": (beyond(twice_atanh, 2), 0, ONE / 9, 10),
    "log for pow": (beyond(twice_atanh, 2, 2 * THIRD), 0, ROOT_SQUARE, 8),
    "sin": (beyond(mp.sin, 1), 0, QUARTER_PI_SQUARE, 6),
    "cos": (lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, 0, QUARTER_PI_SQUARE, 6),
    "atan": (beyond(mp.atan, 1), 0, ONE, 21),
    "asin": (beyond(mp.asin, 1), 0, ONE / 4, 13),
    "sinh": (beyond(mp.sinh, 1), 0, ONE, 7),
    "erf": (lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, 0, ONE, 12),
    "erfc": (erfc_tail, -ONE, ONE, 15),
    "normal tail": (tail, -ONE, 1 - 7 / mp.mpf("42.5"), 24),
}


def interpolate(f: Function, low: mp.mpf, high: mp.mpf, n: int) -> list[mp.mpf]:
    """The coefficients, highest power first, of what meets f at the Chebyshev nodes."""
    angles = [mp.pi * (k + mp.mpf("0.5")) / n for k in range(n)]
    nodes = [(low + high + (high - low) * mp.cos(angle)) / 2 for angle in angles]
    powers = mp.matrix([[x**p for p in reversed(range(n))] for x in nodes])
    return list(mp.lu_solve(powers, mp.matrix([f(x) for x in nodes])))


def value(coefficients: list[mp.mpf], x: mp.mpf) -> mp.mpf:
    return functools.reduce(lambda total, c: total * x + c, coefficients)


def fit(name: str) -> tuple[list[float], float]:
    """The coefficients, and the largest error before they were rounded."""
    f, low, high, n = POLYNOMIALS[name]
    with mp.workdps(120):  # the functions subtract what is nearly equal
        coefficients = interpolate(f, low, high, n)
        points = [low + (high - low) * (i + mp.mpf("0.37")) / 500 for i in range(500)]
        error = max(abs(value(coefficients, x) - f(x)) for x in points)
    return [float(c) for c in coefficients], float(error)


if __name__ == "__main__":
    for name in POLYNOMIALS:
        coefficients, error = fit(name)
        print(f"{name}, within {error * 2**53:.2g}:")
        print("    " + ",\n    ".join(map(repr, coefficients)))

"""How errors of the vector functions are measured: for test_accuracy.py and the site's tables.

float32 is compared with NumPy in float64, at numbers of all exponents; float64 with mpmath, at some
of those, and at such as a network has.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

from pyautograd import _C


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    return x * np.vectorize(math.erfc)(-x / math.sqrt(2)) / 2


def mish(x: np.ndarray) -> np.ndarray:
    e = np.exp(np.minimum(x, 40))
    return x * (e * (e + 2) / (e * (e + 2) + 2))


# In float64, and the largest error allowed in ulp of the float32 result.
FUNCTIONS = {
    "exp": (np.exp, 1.0),
    "exp2": (np.exp2, 1.1),
    "expm1": (np.expm1, 1.6),
    "log": (np.log, 1.0),
    "log1p": (np.log1p, 1.5),
    "log2": (np.log2, 1.7),
    "log10": (np.log10, 2.0),
    "sin": (np.sin, 1.5),
    "cos": (np.cos, 1.5),
    "tan": (np.tan, 3.0),
    "asin": (np.arcsin, 1.5),
    "acos": (np.arccos, 1.5),
    "atan": (np.arctan, 1.5),
    "sinh": (np.sinh, 1.5),
    "cosh": (np.cosh, 1.5),
    "erf": (np.vectorize(math.erf), 2.0),
    "gelu": (gelu, 7.0),
    "silu": (lambda x: x * np.exp(-np.logaddexp(0, -x)), 3.0),
    "mish": (mish, 4.0),
    "tanh": (np.tanh, 2.5),
    "sigmoid": (sigmoid, 2.5),
    "softplus": (lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0), 2.5),
    "sqrt": (np.sqrt, 0.5),
}


def precise_sigmoid(x: Any) -> Any:
    return mp.exp(x) / (1 + mp.exp(x)) if x < 0 else 1 / (1 + mp.exp(-x))


def precise_gelu(x: Any) -> Any:
    return x * mp.erfc(min(max(-x / mp.sqrt(2), -99), 99)) / 2


# The same in any precision, and the largest error allowed in ulp of the float64 result.
PRECISE: dict[str, tuple[Callable[..., Any], float]] = {
    "exp": (mp.exp, 1.2),
    "exp2": (lambda x: mp.power(2, x), 1.2),
    "expm1": (mp.expm1, 1.3),
    "log": (mp.log, 1.0),
    "log1p": (mp.log1p, 1.2),
    "log2": (lambda x: mp.log(x) / mp.log(2), 1.0),
    "log10": (lambda x: mp.log(x) / mp.log(10), 1.0),
    "sin": (mp.sin, 1.0),
    "cos": (mp.cos, 1.0),
    "tan": (mp.tan, 2.5),
    "asin": (mp.asin, 1.0),
    "acos": (mp.acos, 1.0),
    "atan": (mp.atan, 1.5),
    "sinh": (mp.sinh, 1.5),
    "cosh": (mp.cosh, 1.5),
    "erf": (mp.erf, 2.5),
    "gelu": (precise_gelu, 7.0),
    "silu": (lambda x: x * precise_sigmoid(x), 3.0),
    "mish": (lambda x: x * mp.tanh(mp.log1p(mp.exp(x))), 4.0),
    "tanh": (mp.tanh, 2.5),
    "sigmoid": (precise_sigmoid, 2.5),
    "softplus": (lambda x: mp.log1p(mp.exp(-abs(x))) + max(x, 0), 2.5),
    "sqrt": (mp.sqrt, 0.5),
    "pow": (mp.power, 2.0),  # 3: two products, each rounded
}

# Products whose small factor is a denormal number: errors count from here on.
FROM = {
    np.float32: {"gelu": 1e-34, "silu": 1e-34, "mish": 1e-34},
    np.float64: {"gelu": 1e-300, "silu": 1e-300, "mish": 1e-300},
}


def every_exponent() -> np.ndarray:
    """Floats of all signs and exponents, denormals, infinities and NaN included."""
    return np.arange(0, 2**32, 4999, dtype=np.uint64).astype(np.uint32).view(np.float32)


@functools.cache
def doubles(name: str) -> tuple[np.ndarray, ...]:
    """The operands in float64: finite numbers of all exponents, and some around 0 and 1."""
    rng = np.random.default_rng(0)
    spread = np.arange(0, 2**64, 2**64 // 2999, dtype=np.uint64).view(np.float64)
    near = [scale * rng.standard_normal(1000) for scale in (0.3, 1, 3, 30, 300)]
    x = np.concatenate([spread[np.isfinite(spread)], *near, 1 + near[0] / 100])
    if name != "pow":
        return (x,)
    y = rng.integers(-9, 9, x.size).astype(np.float64)
    y[::2] += rng.random(y[::2].size)  # every other a whole number
    return x, y


def precise(name: str, *operands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A function's results, each as the nearest double and what is left over."""

    def parts(*numbers: float) -> tuple[float, float]:
        try:
            value = PRECISE[name][0](*map(mp.mpf, numbers))
        except ZeroDivisionError:
            return math.inf, 0.0
        if isinstance(value, mp.mpc) or mp.isnan(value):
            return math.nan, 0.0
        nearest = float(value)
        return nearest, float(value - nearest) if math.isfinite(nearest) else 0.0

    with mp.workprec(140):
        results = [parts(*numbers) for numbers in zip(*operands, strict=True)]
    nearest, rest = np.array(results).T
    return nearest, rest


@functools.cache
def exact_doubles(name: str) -> tuple[np.ndarray, np.ndarray]:
    return precise(name, *doubles(name))


def ulps(got: np.ndarray, exact: np.ndarray, rest: np.ndarray | float = 0.0) -> np.ndarray:
    """How far results are off exact + rest."""
    rounded = exact.astype(got.dtype)
    step = np.spacing(np.abs(rounded)).astype(np.float64)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    with np.errstate(all="ignore"):
        return np.where(same, 0.0, np.abs(got.astype(np.float64) - exact - rest) / step)


def under(isa: str, name: str) -> Callable[..., np.ndarray]:
    """A function of the kernels, as built for an instruction set."""

    def run(*x: np.ndarray) -> np.ndarray:
        before = _C.isa()
        _C.select_isa(isa)
        try:
            return _C.elementwise[name](*x)
        finally:
            _C.select_isa(before)

    return run


def errors(name: str, isa: str, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """The numbers tried, and the error at each, in ulp."""
    with np.errstate(all="ignore"):
        if dtype is np.float32:
            x = (every_exponent(),)
            exact, rest = FUNCTIONS[name][0](x[0].astype(np.float64)), 0.0
        else:
            x = doubles(name)
            exact, rest = exact_doubles(name)
        error = ulps(under(isa, name)(*x), exact, rest)
    return x[0], np.where(np.abs(exact) < FROM[dtype].get(name, 0.0), 0.0, error)

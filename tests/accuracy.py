"""How errors of the vector functions are measured: for test_accuracy.py and the site's table."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pyautograd import _C


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    return x * np.vectorize(math.erfc)(-x / math.sqrt(2)) / 2


def mish(x: np.ndarray) -> np.ndarray:
    e = np.exp(np.minimum(x, 40))
    return x * (e * (e + 2) / (e * (e + 2) + 2))


# Largest error allowed, in ulp of the float32 result.
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


# Products whose small factor is a denormal number: errors count from here on.
FROM = {"gelu": 1e-34, "silu": 1e-34, "mish": 1e-34}


def every_exponent() -> np.ndarray:
    """Floats of all signs and exponents, denormals, infinities and NaN included."""
    return np.arange(0, 2**32, 4999, dtype=np.uint64).astype(np.uint32).view(np.float32)


def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    rounded = exact.astype(np.float32)
    step = np.spacing(np.abs(rounded)).astype(np.float64)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same, 0.0, np.abs(got.astype(np.float64) - exact) / step)


def under(isa: str, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function of the kernels, as built for an instruction set."""

    def run(x: np.ndarray) -> np.ndarray:
        before = _C.isa()
        _C.select_isa(isa)
        try:
            return _C.elementwise[name](x)
        finally:
            _C.select_isa(before)

    return run


def measured(name: str, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The errors of a function of float32 arrays at every_exponent(), in ulp."""
    x = every_exponent()
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[name][0](x.astype(np.float64))
        return np.where(np.abs(exact) < FROM.get(name, 0.0), 0.0, ulps(function(x), exact))


def errors(name: str, isa: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers tried, and the error at each."""
    return every_exponent(), measured(name, under(isa, name))

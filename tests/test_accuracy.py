"""Errors of the vector functions against float64, in units in the last place, under every ISA."""

from __future__ import annotations

import math

import numpy as np
import pytest

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


@pytest.mark.parametrize("isa", _C.available_isas())
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_error(name: str, isa: str) -> None:
    reference, limit = FUNCTIONS[name]
    x = every_exponent()
    before = _C.isa()
    _C.select_isa(isa)
    try:
        got = _C.elementwise[name](x)
    finally:
        _C.select_isa(before)
    with np.errstate(all="ignore"):
        exact = reference(x.astype(np.float64))
        error = np.where(np.abs(exact) < FROM.get(name, 0.0), 0.0, ulps(got, exact))
    worst = int(np.nanargmax(error))
    assert not np.isnan(error).any(), f"{name}({x[np.isnan(error)][0]})"
    assert error[worst] <= limit, f"{name}({x[worst]!r}) is off by {error[worst]:.2f} ulp"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str) -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40], dtype)
        with np.errstate(all="ignore"):
            exact = FUNCTIONS[name][0](x.astype(np.float64))
        got = _C.elementwise[name](x)
        np.testing.assert_allclose(got, exact.astype(dtype), rtol=1e-6, atol=1e-45)
        assert (np.signbit(got) == np.signbit(exact))[~np.isnan(exact)].all()


def test_a_value_does_not_depend_on_its_place() -> None:
    """The tail of a loop goes through the same expression as its body."""
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    for name in FUNCTIONS:
        whole = _C.elementwise[name](np.abs(x))
        for n in (1, 3, 15, 17, 33):
            np.testing.assert_array_equal(_C.elementwise[name](np.abs(x[:n])), whole[:n])


def test_float32_sum_of_ten_million() -> None:
    x = np.random.default_rng(1).random(10**7, dtype=np.float32)
    exact = x.sum(dtype=np.float64)
    assert abs(float(_C.reduce_sum(x, (0,), False, 1.0)) - exact) <= 1e-6 * exact
    columns = x.reshape(-1, 4)
    np.testing.assert_allclose(
        _C.reduce_sum(columns, (0,), False, 1.0), columns.sum(0, dtype=np.float64), rtol=1e-6
    )

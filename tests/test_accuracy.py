"""Errors of the vector functions, in units in the last place, under every ISA."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from accuracy import FUNCTIONS, PRECISE, errors, precise, ulps, under

from pyautograd import _C


def check_errors(name: str, isa: str, dtype: type, limit: float) -> None:
    x, error = errors(name, isa, dtype)
    worst = int(np.nanargmax(error))
    assert not np.isnan(error).any(), f"{name}({x[np.isnan(error)][0]})"
    assert error[worst] <= limit, f"{name}({x[worst]!r}) is off by {error[worst]:.2f} ulp"


@pytest.mark.parametrize("isa", _C.available_isas())
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_error(name: str, isa: str) -> None:
    check_errors(name, isa, np.float32, FUNCTIONS[name][1])


@pytest.mark.parametrize("isa", _C.available_isas())
@pytest.mark.parametrize("name", PRECISE)
def test_float64_error(name: str, isa: str) -> None:
    check_errors(name, isa, np.float64, PRECISE[name][1])


# Where results stop being normal, or numbers at all; and where a reduction of arguments changes.
LIMITS = {
    "exp": [
        709.782712893384,
        709.7827128933841,
        -708.4,
        -708.39,
        -745.1332191019411,
        -745.14,
        -1e9,
    ],
    "exp2": [1023.9999999999999, 1024.0, -1022.0, -1022.5, -1074.0, -1074.9, -1076.0],
    "expm1": [709.782712893384, 709.7827128933841, -36.0, -38.0, -1e300, 1e-300, -1e-17, 5e-324],
    "log": [5e-324, 2.2250738585072009e-308, 2.2250738585072014e-308, 1.7976931348623157e308],
    "log2": [5e-324, 2.2250738585072009e-308, 8.0, 1.0, 1.7976931348623157e308],
    "log10": [5e-324, 2.2250738585072009e-308, 1000.0, 1.0, 1.7976931348623157e308],
    "log1p": [-0.9999999999999999, -1.0, 1e-17, 5e-324, -5e-324, 1.7976931348623157e308, 1e16],
    "tanh": [5e-324, -5e-324, 18.0, 19.1, 1e300, -1e-9],
    "sigmoid": [-708.5, -745.0, -746.0, 36.0, 38.0],
    "softplus": [-708.5, -745.0, -746.0, 36.0, 38.0, 1e300],
    "sin": [1e6, 1000001.0, 1e22, 5e-324, -1e-9, np.pi, 355.0, 3.14159e5],
    "cos": [1e6, 1000001.0, 1e22, 1e-300, np.pi / 2, 355.0 / 2, 3.14159e5],
    "tan": [1e6, 1000001.0, 1e22, 5e-324, np.pi / 2, np.pi, 1e-9],
    "asin": [1.0, -1.0, 0.9999999999999999, 0.5, 0.5000000000000001, 5e-324, 1.0000000000000002],
    "acos": [1.0, -1.0, 0.9999999999999999, -0.5, -0.5000000000000001, 5e-324, -1.0000000000000002],
    "atan": [1.0, 1.0000000000000002, 1e300, -1e300, 5e-324],
    "sinh": [710.4758600739439, 710.475860073944, -711.0, 1e300, 5e-324, 1.0],
    "cosh": [710.4758600739439, 710.475860073944, -711.0, 1e300, 5e-324],
    "erf": [1.0, 0.9999999999999999, 5.9, 6.0, 1e300, 5e-324, -1e-310],
}


@pytest.mark.parametrize("isa", _C.available_isas())
@pytest.mark.parametrize("name", LIMITS)
def test_float64_limits(name: str, isa: str) -> None:
    x = np.array(LIMITS[name])
    got = under(isa, name)(x)
    exact, rest = precise(name, x)
    error = ulps(got, exact, rest)
    assert (error <= PRECISE[name][1]).all(), f"{name}: {got} instead of {exact} at {x}"


@pytest.mark.parametrize("isa", _C.available_isas())
def test_float64_power_of_special_values(isa: str) -> None:
    """As C defines it; so does NumPy."""
    positive = [0.0, 0.3, 0.5, 1.0, 1 + 2**-52, 2.0, 3.0, 2.0**53, 1e-310, 1e300, np.inf]
    values = [*positive, *np.negative(positive), np.nan]
    a, b = np.meshgrid(values, values)
    with np.errstate(all="ignore"):
        exact = np.power(a, b)
    got = under(isa, "pow")(a, b)
    np.testing.assert_allclose(got, exact, rtol=4e-16, atol=5e-324)
    assert (np.signbit(got) == np.signbit(exact))[~np.isnan(exact)].all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str) -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40], dtype)
        with np.errstate(all="ignore"):
            exact = FUNCTIONS[name][0](x.astype(np.float64))
        got = _C.elementwise[name](x)
        atol = 1e-45 if dtype is np.float32 else 5e-324
        np.testing.assert_allclose(got, exact.astype(dtype), rtol=1e-6, atol=atol)
        assert (np.signbit(got) == np.signbit(exact))[~np.isnan(exact)].all()


def test_a_value_does_not_depend_on_its_place() -> None:
    """The tail of a loop goes through the same expression as its body."""
    x = np.abs(np.random.default_rng(0).standard_normal(1000))
    for name, dtype in itertools.product(FUNCTIONS, (np.float32, np.float64)):
        whole = _C.elementwise[name](x.astype(dtype))
        for n in (1, 3, 15, 17, 33):
            np.testing.assert_array_equal(_C.elementwise[name](x[:n].astype(dtype)), whole[:n])


def test_float32_sum_of_ten_million() -> None:
    x = np.random.default_rng(1).random(10**7, dtype=np.float32)
    exact = x.sum(dtype=np.float64)
    assert abs(float(_C.reduce_sum(x, (0,), False, 1.0)) - exact) <= 1e-6 * exact
    columns = x.reshape(-1, 4)
    np.testing.assert_allclose(
        _C.reduce_sum(columns, (0,), False, 1.0), columns.sum(0, dtype=np.float64), rtol=1e-6
    )

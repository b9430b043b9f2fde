"""Errors of the vector functions against float64, in units in the last place, under every ISA."""

from __future__ import annotations

import numpy as np
import pytest
from accuracy import FUNCTIONS, errors

from pyautograd import _C


@pytest.mark.parametrize("isa", _C.available_isas())
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_error(name: str, isa: str) -> None:
    x, error = errors(name, isa)
    worst = int(np.nanargmax(error))
    assert not np.isnan(error).any(), f"{name}({x[np.isnan(error)][0]})"
    limit = FUNCTIONS[name][1]
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

"""Copies and element-wise ops between arrays in different orders, under every ISA."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C

SHAPES = [(3, 5), (65, 130), (7, 9, 11), (2, 64, 5, 7), (1000, 3)]


@pytest.fixture(params=_C.available_isas())
def isa(request: pytest.FixtureRequest):
    before = _C.isa()
    _C.select_isa(request.param)
    yield
    _C.select_isa(before)


def views(x: np.ndarray):
    """Every order of the dimensions; steps, negative strides and a start in the middle in each."""
    for order in itertools.permutations(range(x.ndim)):
        y = x.transpose(order)
        yield from (y, y[::2], y[:, ::-1], y[..., ::3], y[1:])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("shape", SHAPES)
def test_copies(isa: None, shape: tuple[int, ...], dtype: str) -> None:
    x = (np.random.default_rng(0).standard_normal(shape) * 2).astype(dtype)
    for view in views(x):
        copied = _C.copy(view)
        assert copied.flags.c_contiguous
        np.testing.assert_array_equal(copied, view)
        joined = _C.concatenate([view, view[:, ::-1]], 1)
        np.testing.assert_array_equal(joined, np.concatenate([view, view[:, ::-1]], 1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_operands_in_different_orders(isa: None, shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    for view in views(x):
        plain = rng.standard_normal(view.shape).astype(dtype)
        column = rng.standard_normal((view.shape[0],) + (1,) * (view.ndim - 1)).astype(dtype)
        np.testing.assert_array_equal(_C.elementwise["add"](plain, view), plain + view)
        np.testing.assert_array_equal(_C.elementwise["mul"](view, column), view * column)
        chosen = _C.elementwise["where"](plain > 0, view, plain)
        np.testing.assert_array_equal(chosen, np.where(plain > 0, view, plain))


@pytest.mark.parametrize("shape", [(4,), (5, 3), (4, 3, 2)])
def test_index_select_counts_from_the_end(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for dim, n in enumerate(shape):
        places = np.array([[0, -1], [1 - n, n - 1]])
        np.testing.assert_array_equal(_C.index_select(x, dim, places), x.take(places, dim))
        for wrong in (n, -n - 1):
            with pytest.raises(IndexError, match=f"index {wrong} is out of bounds"):
                ag.tensor(x)[(slice(None),) * dim + (ag.tensor([wrong]),)]


def test_pad_fills_all_borders() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    expected = np.pad(x, ((1, 0), (2, 3), (0, 1)), constant_values=7)
    np.testing.assert_array_equal(_C.pad(x, (1, 2, 0), (0, 3, 1), 7.0), expected)
    with pytest.raises(ValueError, match="pad: expected borders"):
        _C.pad(x, (1, 2), (0, 3, 1), 0.0)


@pytest.mark.parametrize("width", [5, 16, 28, 57])
def test_a_nan_wins_its_windows_alone(isa: None, width: int) -> None:
    x = np.random.default_rng(0).standard_normal((1, 2, 9, width)).astype(np.float32)
    x[0, 1, 4, width // 2] = np.nan
    for kernel, stride, padding in ((3, 1, 1), (3, 2, 1), (2, 2, 0)):
        window = (kernel, kernel), (stride, stride), (padding, padding)
        out, _ = _C.max_pool2d(x, *window, (1, 1), False)
        border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        padded = np.pad(x, border, constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (2, 3))
        np.testing.assert_array_equal(out, windows[:, :, ::stride, ::stride].max((4, 5)))


@pytest.mark.parametrize("n", [1000, 1024, 5000])
def test_row_times_matrix(isa: None, n: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((1, 1024)), rng.standard_normal((1024, n))
    np.testing.assert_allclose(_C.matmul(a, b), a @ b, rtol=1e-10, atol=1e-10)

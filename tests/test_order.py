"""Sorting and running sums against NumPy: dtypes, ties, special values, layouts, threads."""

from __future__ import annotations

import numpy as np
import pytest

import pyautograd as ag

DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]
SHAPES = [(1,), (7,), (25,), (1000,), (3, 41, 5), (40, 3), (2, 0, 3), (0, 4), (5, 300), (70_000,)]


def values(shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    """Many equal ones; all exponents and special values among floats."""
    rng = np.random.default_rng(seed)
    if dtype is np.bool_:
        return rng.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        bounds = np.iinfo(dtype)
        a = rng.integers(bounds.min, bounds.max, shape, dtype, endpoint=True)
        return np.where(rng.random(shape) < 0.5, a, rng.integers(0, 9, shape)).astype(dtype)
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 1e-40, -1e-40], dtype)
    size = np.finfo(dtype).maxexp
    a = rng.standard_normal(shape) * 2.0 ** rng.integers(-size, size - 4, shape)
    return np.where(rng.random(shape) < 0.4, rng.choice(special, shape), a).astype(dtype)


def in_order(a: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """Positions by Python's own sort, which is stable."""

    def line(x: np.ndarray) -> list[int]:
        keys = [(x[i] != x[i], 0.0 if x[i] != x[i] else x[i]) for i in range(len(x))]
        if descending:  # reversed twice, so that equals keep their order
            backwards = sorted(range(len(x) - 1, -1, -1), key=keys.__getitem__)
            return backwards[::-1]
        return sorted(range(len(x)), key=keys.__getitem__)

    moved = np.moveaxis(a, dim, -1)
    out = np.empty(moved.shape, np.int64)
    for at in np.ndindex(moved.shape[:-1]):
        out[at] = line(moved[at])
    return np.moveaxis(out, -1, dim)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_sort_and_topk(shape: tuple[int, ...], dtype: type, descending: bool) -> None:
    a = values(shape, dtype)
    for dim in range(a.ndim):
        expected = in_order(a, dim, descending)
        found = ag.sort(ag.tensor(a), dim, descending)
        np.testing.assert_array_equal(found.indices.numpy(), expected)
        np.testing.assert_array_equal(found.values.numpy(), np.take_along_axis(a, expected, dim))
        for k in {0, min(1, a.shape[dim]), a.shape[dim] // 20, a.shape[dim] // 3}:
            best = ag.topk(ag.tensor(a), k, dim, largest=descending)
            first = expected[(slice(None),) * dim + (slice(k),)]
            np.testing.assert_array_equal(best.indices.numpy(), first)
            np.testing.assert_array_equal(best.values.numpy(), np.take_along_axis(a, first, dim))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("shape", SHAPES)
def test_cumsum(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(1)
    a = (rng.random(shape) * 100).astype(dtype)
    for dim in range(a.ndim):
        found = ag.cumsum(ag.tensor(a), dim, dtype).numpy()
        assert found.dtype == dtype
        wide = np.cumsum(a, dim, np.float64 if np.dtype(dtype).kind == "f" else dtype)
        np.testing.assert_allclose(found, wide.astype(dtype), rtol=1e-6)


def test_cumsum_of_many_floats_is_exact_to_the_last_bits() -> None:
    a = np.random.default_rng(2).random(1_000_000, np.float32)
    found = ag.cumsum(ag.tensor(a), 0).numpy()
    np.testing.assert_allclose(found, np.cumsum(a, dtype=np.float64), rtol=1e-7)


def test_integers_wrap_around() -> None:
    largest = np.iinfo(np.int64).max
    found = ag.cumsum(ag.tensor([largest, 1]), 0)
    assert found.tolist() == [largest, -largest - 1]


def test_other_layouts() -> None:
    a = values((30, 50), np.float32)
    for view in (a.T, a[::2, ::-3], a[:, 5]):
        x = ag.from_numpy(view)
        expected = in_order(view, 0, False)
        np.testing.assert_array_equal(ag.argsort(x, 0).numpy(), expected)
        finite = np.nan_to_num(view, posinf=1, neginf=1).clip(-9, 9)
        np.testing.assert_allclose(
            ag.cumsum(ag.from_numpy(finite), 0).numpy(),
            np.cumsum(finite, 0, dtype=np.float64),
            rtol=1e-6,
            atol=1e-12,
        )


def test_bits_do_not_depend_on_threads() -> None:
    x = ag.tensor(values((90, 700, 3), np.float32))
    finite = ag.tensor(np.random.default_rng(3).standard_normal((90, 700, 3), np.float32))
    before, results = ag.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 8):
            ag.set_num_threads(threads)
            found = [*ag.sort(x, 1), *ag.topk(x, 9, 1), *(ag.cumsum(finite, d) for d in range(3))]
            results.append([t.numpy().tobytes() for t in found])
    finally:
        ag.set_num_threads(before)
    assert results == results[:1] * len(results)


def test_errors() -> None:
    with pytest.raises(TypeError, match="cumsum: dtype bool"):
        ag.cumsum(ag.tensor([True]), 0, bool)
    with pytest.raises(ValueError, match="topk: k=4"):
        ag.topk(ag.ones(3), 4)

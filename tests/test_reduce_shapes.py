"""Reductions and copies of sizes around those at which the kernels cut their work."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C

# Rows that are short, single, or longer than a piece; columns fewer and more than a strip has.
SHAPES = [
    (1,), (7,), (65537,), (200001,), (3, 1), (1, 5000), (200, 4097), (70, 9001), (1000, 3),
    (70000, 2), (2, 70000), (33, 17, 129), (5, 6, 7, 8),
]  # fmt: skip
FLOATS = (np.float32, np.float64)


@pytest.fixture(params=_C.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before, threads = _C.isa(), ag.get_num_threads()
    _C.select_isa(request.param)
    yield request.param
    _C.select_isa(before)
    ag.set_num_threads(threads)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("with_nan", [False, True])
def test_reductions_are_numpys(
    isa: str, dtype: type, shape: tuple[int, ...], with_nan: bool
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    if with_nan:
        x[tuple([rng.integers(0, n) for n in shape])] = np.nan
    t = ag.from_numpy(x)
    for dim in range(x.ndim):
        seen = set()
        for threads in (1, 2, 3):
            ag.set_num_threads(threads)
            total, most, least = t.sum(dim).numpy(), t.amax(dim).numpy(), t.amin(dim).numpy()
            values, places = [y.numpy() for y in t.max(dim)]
            np.testing.assert_allclose(total, x.sum(dim, dtype=np.float64), rtol=1e-5, atol=1e-4)
            np.testing.assert_array_equal(most, x.max(dim))
            np.testing.assert_array_equal(least, x.min(dim))
            np.testing.assert_array_equal(values, x.max(dim))
            np.testing.assert_array_equal(places, x.argmax(dim))
            seen.add(b"".join(y.tobytes() for y in (total, most, least, values, places)))
        assert len(seen) == 1, f"bits along {dim} depend on threads"


@pytest.mark.parametrize("dtype", [np.uint8, *FLOATS])
def test_copies_of_any_length(isa: str, dtype: type) -> None:
    rng = np.random.default_rng(1)
    for n in (1, 3, 15, 16, 17, 31, 63, 64, 65, 127, 128, 255, 256, 257, 1000, 5003):
        a, b = rng.integers(0, 99, (5, n)).astype(dtype), rng.integers(0, 99, (5, 3)).astype(dtype)
        x = ag.from_numpy(a)
        for got, expected in (
            (ag.cat([x, ag.from_numpy(b), x], 1), np.concatenate([a, b, a], 1)),
            (ag.stack([x, x, x], 0), np.stack([a, a, a], 0)),
            (ag.stack([x, x], 1), np.stack([a, a], 1)),
            (ag.stack([x, x], -1), np.stack([a, a], -1)),
            (ag.roll(x, 2, 1), np.roll(a, 2, 1)),
            (ag.index_select(x, 0, ag.tensor([4, 0, -2])), a[[4, 0, -2]]),
        ):
            np.testing.assert_array_equal(got.numpy(), expected)


def test_an_index_out_of_range_is_found(isa: str) -> None:
    for n in (1, 7, 33, 1000):
        for bad in (-1, 5, 2**62, -(2**63)):
            index = np.zeros((1, n), np.int64)
            index[0, n // 2] = bad
            with pytest.raises(IndexError, match=rf"index {bad} is out of bounds"):
                ag.gather(ag.ones(5, n), 0, ag.from_numpy(index))
    with pytest.raises(IndexError, match=r"index_select: expected an index of integers"):
        ag.index_select(ag.ones(3), 0, ag.tensor([True, False, True]))

"""Resampling along dimensions: each output is a weighted sum of neighbouring inputs.

One op does it for rows and columns of images at once. Its adjoint is the same op with transposed
tables: each input's outputs are neighbours, too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from pyautograd import _C
from pyautograd.op import primitive

__all__ = ["Axis", "resample2d", "table"]

# For one dimension: first input and weights (flat) of each output; then first output and weights of
# each input, the way back. () where nothing changes.
Table = tuple[Any, ...]


def _back(table: Table) -> Table:
    return table[2:] + table[:2]


def _flops(inputs: Any, attrs: Any, outputs: Any) -> int:
    taps = sum(len(table[1]) // len(table[0]) for table in attrs if table and len(table[0]))
    return 2 * outputs[0].size * taps


# resample2d(x, rows, columns): sums over the inputs of rows x columns, times both weights.
resample2d = primitive(
    "resample2d",
    "window",
    _C.resample2d,
    lambda K, g, saved, needs, rows, columns: (K.resample2d(g, _back(rows), _back(columns)),),
    lambda x, rows, columns: (
        (
            *x.shape[:2],
            len(rows[0]) if rows else x.shape[2],
            len(columns[0]) if columns else x.shape[3],
        ),
        x.dtype,
    ),
    fresh=True,
    linear=(0,),
    flops=_flops,
)


class Axis(NamedTuple):
    """One dimension: its sizes, and the distance of neighbouring outputs, in inputs."""

    size: int
    outputs: int
    step: float
    corners: bool

    def centres(self) -> Any:
        """Where the outputs lie among the inputs 0, 1, ..., size - 1."""
        at = np.arange(self.outputs)
        return at * self.step if self.corners else (at + 0.5) * self.step - 0.5


@lru_cache(maxsize=64)
def table(axis: Axis, mode: str, antialias: bool = False) -> Table:
    """For one dimension, by the name of an `interpolate` mode."""
    if mode.startswith("nearest"):
        taps = [(_nearest(axis, mode == "nearest-exact"), np.ones(axis.outputs))]
    else:
        taps = (_smooth_taps if antialias else _taps)(axis, mode == "bicubic")
    at, shares = (np.stack(part, 1) for part in zip(*taps, strict=True))  # (outputs, taps)
    begin, last = at.min(1), at.max(1)
    weights = np.zeros((axis.outputs, int((last - begin).max()) + 1))
    rows = np.arange(axis.outputs)[:, None]
    np.add.at(weights, (rows, at - begin[:, None]), shares)
    reached = begin[:, None] + np.arange(weights.shape[1])
    if axis.outputs == axis.size and np.array_equal(weights, reached == rows):
        return ()
    # The outputs of an input are those from the first that ends at it or later.
    inputs = np.arange(axis.size)
    back_begin = np.minimum(np.searchsorted(last, inputs), axis.outputs - 1)
    back_end = np.searchsorted(begin, inputs, "right")
    back = np.zeros((axis.size, max(int((back_end - back_begin).max()), 1)))
    inside = reached <= last[:, None]
    to, by = reached[inside], np.broadcast_to(rows, reached.shape)[inside]
    back[to, by - back_begin[to]] = weights[inside]
    arrays = begin, weights.reshape(-1), back_begin, back.reshape(-1)
    for array in arrays:
        array.flags.writeable = False  # shared by all calls
    return arrays


def _nearest(axis: Axis, exact: bool) -> Any:
    """An input's number for each output."""
    size, count = axis.size, axis.outputs
    times = count // size
    if count == times * size and axis.step == 1 / times:
        return np.arange(count) // times
    # In float32, as PyTorch counts.
    at = (np.arange(count, dtype=np.float32) + np.float32(0.5 * exact)) * np.float32(axis.step)
    return np.minimum(at.astype(np.int64), size - 1)


def _cubic(t: Any, a: float) -> Any:
    """The weight at distance t >= 0. Keys, 1981."""
    near = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    far = ((t - 5.0) * t + 8.0) * t * a - 4.0 * a
    return np.where(t <= 1.0, near, np.where(t < 2.0, far, 0.0))


def _taps(axis: Axis, cubic: bool) -> list[tuple[Any, Any]]:
    """Pairs of an input's number for each output, and its weight."""
    centre = axis.centres()
    if not cubic:
        centre = np.maximum(centre, 0.0)
    first = np.floor(centre).astype(np.int64)
    share = centre - first
    if not cubic:
        first = np.minimum(first, axis.size - 1)
        share = np.clip(centre - first, 0.0, 1.0)
        return [(first, 1.0 - share), (np.minimum(first + 1, axis.size - 1), share)]
    return [
        (np.clip(first + k, 0, axis.size - 1), _cubic(np.abs(share - k), -0.75))
        for k in (-1, 0, 1, 2)
    ]


def _smooth_taps(axis: Axis, cubic: bool) -> list[tuple[Any, Any]]:
    """As `_taps`; where outputs are fewer, the weights reach as far as outputs lie apart."""
    wide = max(axis.step, 1.0)
    reach = (2.0 if cubic else 1.0) * wide
    centre = (np.arange(axis.outputs) + 0.5) * axis.step
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + reach + 0.5).astype(np.int64), axis.size)
    at = first[:, None] + np.arange(int((end - first).max(initial=1)))  # (count, taps)
    distance = np.abs(at - centre[:, None] + 0.5) / wide
    weights = _cubic(distance, -0.5) if cubic else np.maximum(1.0 - distance, 0.0)
    weights = np.where(at < end[:, None], weights, 0.0)
    weights /= weights.sum(1, keepdims=True)
    at = np.minimum(at, axis.size - 1)
    return [(at[:, k], weights[:, k]) for k in range(at.shape[1])]

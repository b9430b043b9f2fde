"""The way back from max pooling: values at the places where they were found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pyautograd.ops.conv import Pair
from pyautograd.ops.create import zeros
from pyautograd.ops.pool import pool_geometry
from pyautograd.ops.pool_nd import as_batch, as_given
from pyautograd.ops.scatter import scatter
from pyautograd.ops.shape import reshape
from pyautograd.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _max_unpool(
    op: str, dims: int, input: Tensor, indices: Tensor,
    kernel_size: Pair, stride: Pair | None, padding: Pair, output_size: Sequence[int] | None,
) -> Tensor:  # fmt: skip
    x = as_batch(op, dims, input)
    if indices.shape != input.shape or indices.dtype.kind not in "iu":
        raise ValueError(
            f"{op}: expected integers of the input's shape {input.shape} as indices, got "
            f"{indices.dtype} of shape {indices.shape}"
        )
    geometry = pool_geometry(op, dims, kernel_size, stride, padding)
    usual = [(n - 1) * s - 2 * p + k for n, k, s, p in zip(x.shape[2:], *geometry, strict=True)]
    sizes = usual if output_size is None else list(output_size)[-dims:]
    near = zip(sizes, usual, geometry[1], strict=True) if len(sizes) == dims else ()
    if len(sizes) != dims or any(not u - s < n < u + s for n, u, s in near):
        raise ValueError(
            f"{op}: expected output_size nearer to {tuple(usual)} than the stride, got "
            f"{output_size}"
        )
    lead = x.shape[:2]
    flat = [reshape(y, (*lead, -1)) for y in (x, indices)]
    nothing = zeros(*lead, math.prod(sizes), dtype=x.dtype)
    out = reshape(scatter(nothing, 2, flat[1].to(np.int64), flat[0]), (*lead, *sizes))
    return as_given(input, x, out)[0]


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values put back where `max_pool1d` has found them, zeros elsewhere; see `max_unpool2d`."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values put back where `max_pool2d` has found them, zeros elsewhere.

    `indices` are its second result. Several input sizes pool to one output size: `output_size`
    chooses among them. Zeiler and Fergus, 2014.

    >>> import pyautograd as ag
    >>> F = ag.nn.functional
    >>> F.max_unpool2d(*F.max_pool2d(ag.arange(4.0).reshape(1, 2, 2), 2, return_indices=True), 2)
    tensor([[[0., 0.],
             [0., 3.]]])
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values put back where `max_pool3d` has found them, zeros elsewhere; see `max_unpool2d`."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)

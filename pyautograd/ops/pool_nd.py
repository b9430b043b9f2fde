"""Pooling in one and three dimensions, adaptive max pooling, and p-norms.

A sequence is an image of height 1. A volume is pooled plane by plane, and then along its depth: the
largest of the planes' largest, the mean of the planes' means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.ops import elementwise as ew
from pyautograd.ops.conv import Pair, per_dim
from pyautograd.ops.conv_nd import LETTERS, as_image
from pyautograd.ops.index import gather
from pyautograd.ops.pool import (
    adaptive_average_windows,
    adaptive_max_planes,
    adaptive_sizes,
    average,
    average_windows,
    avg_pool2d,
    max_planes,
    max_pool2d,
    pool_counts,
    pool_geometry,
)
from pyautograd.ops.shape import reshape
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool3d",
]

# From images (N, C, H, W) to the largest values, and if asked their places h * W + w, else None.
_PlanePool = Callable[[Tensor, bool], tuple[Tensor, Any]]


def as_batch(op: str, dims: int, input: Tensor) -> Tensor:
    """(N, C, ...), from that or (C, ...)."""
    if input.ndim not in (dims + 1, dims + 2):
        sizes = LETTERS[dims]
        raise ValueError(
            f"{op}: expected input (N, C, {sizes}) or (C, {sizes}), got shape {input.shape}"
        )
    return input if input.ndim == dims + 2 else reshape(input, (1, *input.shape))


def as_given(input: Tensor, batch: Tensor, *results: Tensor) -> list[Tensor]:
    """Results for a batch, without N where the input had none."""
    return [y if input.ndim == batch.ndim else reshape(y, y.shape[1:]) for y in results]


def _row(x: Tensor) -> Tensor:
    """An image of height 1 as a sequence."""
    return reshape(x, (*x.shape[:-2], x.shape[-1]))


# ---- max -----------------------------------------------------------------------------------------


def _max(
    op: str, input: Tensor, dims: int, planes: _PlanePool, depths: _PlanePool | None, places: bool
) -> Any:
    """Pools planes, and for volumes the depth: images (N, C, D, H' W') along the second last."""
    x = as_batch(op, dims, input)
    if dims == 1:
        best, where = planes(as_image(x), places)
        best, where = _row(best), where if where is None else _row(where)
    elif depths is None:
        best, where = planes(x, places)
    else:
        n, c, d, h, w = x.shape
        best, where = planes(reshape(x, (n, c * d, h, w)), places)
        hw = best.shape[2:]
        best, deep = depths(reshape(best, (n, c, d, math.prod(hw))), places)
        shape = (n, c, best.shape[2], *hw)
        best = reshape(best, shape)
        if places:
            in_planes = reshape(where, (n, c, d, math.prod(hw)))
            where = ew.add(in_planes, wrap(np.arange(0, d * h * w, h * w).reshape(d, 1)))
            flat = [reshape(y, (n, c, -1)) for y in (where, deep)]
            where = reshape(gather(flat[0], 2, flat[1]), shape)
    results = as_given(input, x, *((best, where) if places else (best,)))
    return tuple(results) if places else results[0]


def _fixed(kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> _PlanePool:
    return lambda x, places: max_planes(x, kernel, stride, padding, dilation, bool(ceil), places)


def _adaptive(rows: int, columns: int) -> _PlanePool:
    return lambda x, places: adaptive_max_planes(x, (rows, columns), places)


def max_pool1d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of sequences (N, C, L) or (C, L); see `max_pool2d`.

    >>> import pyautograd as ag
    >>> ag.nn.functional.max_pool1d(ag.tensor([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    op = "max_pool1d"
    (k,), (s,), (p,) = pool_geometry(op, 1, kernel_size, stride, padding)
    (d,) = per_dim(op, "dilation", dilation, 1)
    pool_counts(op, as_batch(op, 1, input), ((k,), (s,), (p,)), (d,), ceil_mode)
    planes = _fixed((1, k), (1, s), (0, p), (1, d), ceil_mode)
    return _max(op, input, 1, planes, None, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window of volumes (N, C, D, H, W) or (C, D, H, W).

    As `max_pool2d`; places are numbers (d * H + h) * W + w.
    """
    op = "max_pool3d"
    geometry = pool_geometry(op, 3, kernel_size, stride, padding)
    spread = per_dim(op, "dilation", dilation, 3)
    pool_counts(op, as_batch(op, 3, input), geometry, spread, ceil_mode)
    kernel, steps, border = geometry
    planes = _fixed(kernel[1:], steps[1:], border[1:], spread[1:], ceil_mode)
    depths = _fixed((kernel[0], 1), (steps[0], 1), (border[0], 0), (spread[0], 1), ceil_mode)
    return _max(op, input, 3, planes, depths, return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values over windows of sequences chosen such that the output has that size.

    Window i of n covers floor(i L / n) to ceil((i + 1) L / n). With `return_indices`, a pair with
    the winners' positions.
    """
    op = "adaptive_max_pool1d"
    (size,) = adaptive_sizes(op, output_size, as_batch(op, 1, input).shape[2:])
    return _max(op, input, 1, _adaptive(1, size), None, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values over windows of images chosen such that the output has that size.

    Window i of n covers floor(i H / n) to ceil((i + 1) H / n); None keeps a dimension's size. With
    `return_indices`, a pair with the winners' positions in the plane, h * W + w.

    >>> import pyautograd as ag
    >>> ag.nn.functional.adaptive_max_pool2d(ag.arange(9.0).reshape(1, 3, 3), 2)
    tensor([[[4., 5.],
             [7., 8.]]])
    """
    op = "adaptive_max_pool2d"
    sizes = adaptive_sizes(op, output_size, as_batch(op, 2, input).shape[2:])
    return _max(op, input, 2, _adaptive(*sizes), None, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values over windows of volumes chosen such that the output has that size."""
    op = "adaptive_max_pool3d"
    d, h, w = adaptive_sizes(op, output_size, as_batch(op, 3, input).shape[2:])
    return _max(op, input, 3, _adaptive(h, w), _adaptive(d, h * w), return_indices)


# ---- average -------------------------------------------------------------------------------------


def _average_volumes(x: Tensor, windows: list[Any]) -> Tensor:
    n, c, d, h, w = x.shape
    planes = average(reshape(x, (n, c * d, h, w)), windows[1], windows[2])
    hw = planes.shape[2:]
    at = np.arange(math.prod(hw))
    alone = at, at + 1, np.ones(len(at))
    out = average(reshape(planes, (n, c, d, len(at))), windows[0], alone)
    return reshape(out, (*out.shape[:3], *hw))


def avg_pool1d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of sequences (N, C, L) or (C, L); see `avg_pool2d`."""
    op = "avg_pool1d"
    x = as_batch(op, 1, input)
    (k,), (s,), (p,) = pool_geometry(op, 1, kernel_size, stride, padding)
    pool_counts(op, x, ((k,), (s,), (p,)), (1,), ceil_mode)
    out = avg_pool2d(as_image(x), (1, k), (1, s), (0, p), ceil_mode, count_include_pad)
    return as_given(input, x, _row(out))[0]


def avg_pool3d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of volumes (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`."""
    op = "avg_pool3d"
    x = as_batch(op, 3, input)
    geometry = pool_geometry(op, 3, kernel_size, stride, padding)
    counts = pool_counts(op, x, geometry, (1, 1, 1), ceil_mode)
    windows = average_windows(
        op, x.shape[2:], counts, geometry, count_include_pad, divisor_override
    )
    return as_given(input, x, _average_volumes(x, windows))[0]


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows of sequences such that the output has that size.

    Window i of n covers floor(i L / n) to ceil((i + 1) L / n).
    """
    x = as_batch("adaptive_avg_pool1d", 1, input)
    (columns,) = adaptive_average_windows("adaptive_avg_pool1d", output_size, x.shape[2:])
    whole = np.zeros(1, np.int64), np.ones(1, np.int64), np.ones(1)
    return as_given(input, x, _row(average(as_image(x), whole, columns)))[0]


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows of volumes such that the output has that size; None keeps one."""
    x = as_batch("adaptive_avg_pool3d", 3, input)
    windows = adaptive_average_windows("adaptive_avg_pool3d", output_size, x.shape[2:])
    return as_given(input, x, _average_volumes(x, windows))[0]


# ---- p-norms -------------------------------------------------------------------------------------


def _lp_pool(
    op: str, dims: int, input: Tensor, p: float, kernel: Pair, stride: Pair | None, ceil: bool
) -> Tensor:
    taps = math.prod(per_dim(op, "kernel_size", kernel, dims))
    if math.isinf(p):
        largest = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}[dims]
        size = ew.abs(input)
        if p > 0:
            return largest(size, kernel, stride, 0, 1, ceil)
        return ew.neg(largest(ew.neg(size), kernel, stride, 0, 1, ceil))
    if not p:
        raise ValueError(f"{op}: norm_type must not be 0")
    pool = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}[dims]
    powers = ew.square(input) if p == 2 else ew.pow(input, p)
    total = ew.mul(pool(powers, kernel, stride, 0, ceil), float(taps))
    return ew.sqrt(total) if p == 2 else ew.pow(total, 1.0 / p)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Pair,
    stride: Pair | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """sum(x^p)^(1/p) over each window of sequences, p = `norm_type`; see `lp_pool2d`."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Pair,
    stride: Pair | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """sum(x^p)^(1/p) over each window of images, p = `norm_type`.

    For inf and -inf, the largest and the smallest |x|. As in PyTorch, a window that overhangs in
    `ceil_mode` has its mean times the kernel's size.

    >>> import pyautograd as ag
    >>> ag.nn.functional.lp_pool2d(ag.tensor([[[3.0, 0.0], [0.0, 4.0]]]), 2, 2)
    tensor([[[5.]]])
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Pair,
    stride: Pair | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """sum(x^p)^(1/p) over each window of volumes, p = `norm_type`; see `lp_pool2d`."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)

"""Pooling. Max pooling scatters and gathers by a saved mask, or where its windows differ in size by
the winners' places; average pooling has windows of any size, so that the adaptive one is the same
op.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import index as whole
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.op import primitive
from pyautograd.ops.conv import SEVERAL, Pair, pair, per_dim, window_count
from pyautograd.ops.shape import reshape
from pyautograd.tape import OUT, SHAPE
from pyautograd.tensor import Tensor

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "max_pool2d",
]


def _pooled(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> int:
    """How many windows; with `ceil` also a last one that overhangs, if it starts inside."""
    count = window_count(size + (stride - 1 if ceil else 0), kernel, stride, padding, dilation)
    if ceil and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def pool_geometry(op: str, dims: int, kernel_size: Pair, stride: Pair | None, padding: Pair) -> Any:
    """Kernel, stride and padding for each of the last `dims` dimensions."""
    kernel = per_dim(op, "kernel_size", kernel_size, dims)
    steps = kernel if stride is None or stride == () else per_dim(op, "stride", stride, dims)
    border = per_dim(op, "padding", padding, dims, 0)
    if any(2 * p > k for p, k in zip(border, kernel, strict=True)):
        raise ValueError(f"{op}: padding {border} is more than half of the kernel {kernel}")
    return kernel, steps, border


def _images(op: str, input: Tensor) -> Tensor:
    """(N, C, H, W), from that or (C, H, W)."""
    if input.ndim not in (3, 4):
        raise ValueError(f"{op}: expected input (N, C, H, W) or (C, H, W), got shape {input.shape}")
    return input if input.ndim == 4 else reshape(input, (1, *input.shape))


def pool_counts(
    op: str, input: Any, geometry: tuple[Any, Any, Any], dilation: Any, ceil: bool
) -> list[int]:
    """How many windows along each dimension after the second; ValueError where there is none."""
    kernel, stride, padding = geometry
    counts = [
        _pooled(input.shape[2 + i], kernel[i], stride[i], padding[i], dilation[i], ceil)
        for i in range(len(kernel))
    ]
    if any(n < 1 for n in counts):
        raise ValueError(
            f"{op}: a kernel of {kernel} (dilation {dilation}) does not fit into input "
            f"{input.shape} with padding {padding}"
        )
    return counts


# ---- max -----------------------------------------------------------------------------------------

# max_pool2d(x, kernel, stride, padding, dilation, ceil) -> (out, mask of winning taps)
_max_pool2d = primitive(
    "max_pool2d",
    "window",
    _C.max_pool2d,
    lambda K, g, saved, needs, kernel, stride, padding, dilation, ceil: (
        K.max_pool2d_scatter(g, saved[0], tuple(saved[1][2:]), kernel, stride, padding, dilation),
    ),
    lambda x, kernel, stride, padding, dilation, ceil: (
        (*x.shape[:2], *pool_counts("max_pool2d", x, (kernel, stride, padding), dilation, ceil)),
        x.dtype,
    ),
    saves=(OUT - 1, SHAPE),
    fresh=True,
    flops=lambda inputs, attrs, outputs: outputs[0].size * attrs[0][0] * attrs[0][1],
)
# max_pool2d_scatter(g, mask, (H, W), ...) and max_pool2d_gather(x, mask, ...) are adjoint.
primitive(
    "max_pool2d_scatter",
    "window",
    _C.max_pool2d_scatter,
    lambda K, g, saved, needs, hw, *geometry: (K.max_pool2d_gather(g, saved[0], *geometry), None),
    lambda g, mask, hw, *geometry: ((*g.shape[:2], *hw), g.dtype),
    saves=(1,),
    inputs=2,
    fresh=True,
)
primitive(
    "max_pool2d_gather",
    "window",
    _C.max_pool2d_gather,
    lambda K, g, saved, needs, *geometry: (
        K.max_pool2d_scatter(g, saved[0], tuple(saved[1][2:]), *geometry),
        None,
    ),
    lambda x, mask, *geometry: (mask.shape, x.dtype),
    saves=(1, SHAPE),
    inputs=2,
    fresh=True,
)
# max_pool2d_indices(mask, (H, W), ...): the winners' positions in the plane, int64.
_indices = primitive(
    "max_pool2d_indices",
    "window",
    _C.max_pool2d_indices,
    None,
    lambda mask, *geometry: (mask.shape, np.dtype(np.int64)),
)


Places = tuple[Any, Any]  # begin and end of the windows along one dimension (int64)


def _add_at(K: Any, g: Any, index: Any, shape: Any) -> Any:
    """g added at its places in planes of zeros."""
    flat = [K.reshape(y, (*shape[:2], y.shape[2] * y.shape[3])) for y in (g, index)]
    return K.reshape(K.scatter_add(*flat, 2, (*shape[:2], shape[2] * shape[3])), shape)


# max_pool2d_windows(x, rows, columns) -> (out, the winners' positions in the plane)
_max_windows = primitive(
    "max_pool2d_windows",
    "window",
    _C.max_pool2d_windows,
    lambda K, g, saved, needs, rows, columns: (_add_at(K, g, *saved),),
    lambda x, rows, columns: ((*x.shape[:2], len(rows[0]), len(columns[0])), x.dtype),
    saves=(OUT - 1, SHAPE),
    fresh=True,
)


def max_planes(
    x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, places: bool
) -> tuple[Tensor, Any]:
    """Max pooling of images by checked pairs; with the winners' positions, or None."""
    geometry = kernel, stride, padding, dilation
    out, mask = _max_pool2d(x, *geometry, ceil)
    return out, _indices(mask, tuple(x.shape[2:]), *geometry) if places else None


def adaptive_max_planes(x: Tensor, counts: Sequence[int], places: bool) -> tuple[Tensor, Any]:
    """Max pooling of images to an output of that size, with the winners' positions, or None."""
    if all(n == 2 * count for n, count in zip(x.shape[2:], counts, strict=True)):
        return max_planes(x, (2, 2), (2, 2), (0, 0), (1, 1), False, places)
    rows, columns = map(adaptive_windows, x.shape[2:], counts)
    out, where = _max_windows(x, rows[:2], columns[:2])
    return out, where


def max_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window; the stride is the kernel's size unless given.

    input (N, C, H, W) or (C, H, W). Padding never wins; NaN does; the first of equals does. With
    `return_indices`, a pair with the winners' positions in the plane, h * W + w, int64. With
    `ceil_mode`, a last window may overhang.

    >>> import pyautograd as ag
    >>> ag.nn.functional.max_pool2d(ag.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    x = _images("max_pool2d", input)
    geometry = pool_geometry("max_pool2d", 2, kernel_size, stride, padding)
    spread = pair("max_pool2d", "dilation", dilation)
    kernel, steps, border = geometry
    results = max_planes(x, kernel, steps, border, spread, bool(ceil_mode), return_indices)
    shape = results[0].shape[4 - input.ndim :]
    out, where = [y if y is None or input.ndim == 4 else reshape(y, shape) for y in results]
    return (out, where) if return_indices else out


# ---- average -------------------------------------------------------------------------------------

# Windows along one dimension: begin and end (int64), and the factor of each (float64).
Windows = tuple[Any, Any, Any]


def _added(x: Any, rows: Windows, columns: Windows) -> int:
    """Elements in all windows."""
    heights, widths = [(end - begin).sum() for begin, end, _ in (rows, columns)]
    return x.shape[0] * x.shape[1] * heights * widths


# avg_pool2d(x, rows, columns): sums over rows x columns, times both factors.
average = primitive(
    "avg_pool2d",
    "window",
    _C.avg_pool2d,
    lambda K, g, saved, needs, rows, columns: (
        K.avg_pool2d_grad(g, rows, columns, tuple(saved[0][2:])),
    ),
    lambda x, rows, columns: ((*x.shape[:2], len(rows[0]), len(columns[0])), x.dtype),
    saves=(SHAPE,),
    fresh=True,
    flops=lambda inputs, attrs, outputs: _added(inputs[0], *attrs[:2]),
)
primitive(
    "avg_pool2d_grad",
    "window",
    _C.avg_pool2d_grad,
    lambda K, g, saved, needs, rows, columns, hw: (K.avg_pool2d(g, rows, columns),),
    lambda g, rows, columns, hw: ((*g.shape[:2], *hw), g.dtype),
    fresh=True,
    flops=lambda inputs, attrs, outputs: _added(inputs[0], *attrs[:2]),
)


def average_windows(
    op: str,
    sizes: Sequence[int],
    counts: Sequence[int],
    geometry: tuple[Any, Any, Any],
    count_include_pad: bool,
    divisor_override: int | None,
) -> list[Windows]:
    """The windows along each dimension, whose factors multiply to one over the divisor."""
    if divisor_override is not None and divisor_override == 0:
        raise ValueError(f"{op}: divisor_override must not be 0")
    return [
        _average_windows(
            *(whole(n) for n in (size, count, *each)),
            bool(count_include_pad),
            None if divisor_override is None else (divisor_override if i == 0 else 1),
        )
        for i, (size, count, *each) in enumerate(zip(sizes, counts, *geometry, strict=True))
    ]


@lru_cache(maxsize=256)
def _average_windows(
    size: int, count: int, kernel: int, step: int, border: int, with_border: bool, divisor: Any
) -> Windows:
    """The windows along one dimension."""
    first = np.arange(count) * step - border
    last = np.minimum(first + kernel, size + border)
    begin, end = np.maximum(first, 0), np.minimum(last, size)
    if divisor is not None:
        factor = np.full(count, 1.0 / divisor)
    else:
        factor = 1.0 / (last - first if with_border else np.maximum(end - begin, 1))
    return _fixed(begin, end, factor)


def _fixed(begin: Any, end: Any, factor: Any) -> Windows:
    """As arrays that nobody changes: they are shared by all calls."""
    windows = begin.astype(np.int64), end.astype(np.int64), factor
    for array in windows:
        array.flags.writeable = False
    return windows


def adaptive_sizes(op: str, output_size: Any, sizes: Sequence[int]) -> list[int]:
    """The output's size in each dimension, where None is the input's."""
    dims = len(sizes)
    asked = (output_size,) * dims if isinstance(output_size, int) else tuple(output_size)
    if len(asked) != dims or any(
        n is not None and (not isinstance(n, int) or n < 0) for n in asked
    ):
        raise ValueError(
            f"{op}: expected output_size as an integer or {SEVERAL[dims]}, got {output_size}"
        )
    if not all(sizes):
        raise ValueError(f"{op}: nothing to pool in input of size {tuple(sizes)}")
    return [size if n is None else n for n, size in zip(asked, sizes, strict=True)]


def adaptive_windows(size: int, count: int) -> Windows:
    """Window i from floor(i size / count) to ceil((i + 1) size / count), and the means' factors."""
    return _adaptive_windows(whole(size), whole(count))


@lru_cache(maxsize=256)
def _adaptive_windows(size: int, count: int) -> Windows:
    at = np.arange(count)
    begin, end = at * size // max(count, 1), -(-(at + 1) * size // max(count, 1))
    return _fixed(begin, end, 1.0 / (end - begin))


def adaptive_average_windows(op: str, output_size: Any, sizes: Sequence[int]) -> list[Windows]:
    """The windows along each dimension."""
    return list(map(adaptive_windows, sizes, adaptive_sizes(op, output_size, sizes)))


def _run(input: Tensor, x: Tensor, rows: Windows, columns: Windows) -> Tensor:
    out = average(x, rows, columns)
    return out if input.ndim == 4 else reshape(out, out.shape[1:])


def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; the stride is the kernel's size unless given.

    The divisor counts the padding unless `count_include_pad` is false (never what overhangs in
    `ceil_mode`); `divisor_override` replaces it.
    """
    x = _images("avg_pool2d", input)
    geometry = pool_geometry("avg_pool2d", 2, kernel_size, stride, padding)
    counts = pool_counts("avg_pool2d", x, geometry, (1, 1), ceil_mode)
    windows = average_windows(
        "avg_pool2d", x.shape[2:], counts, geometry, count_include_pad, divisor_override
    )
    return _run(input, x, *windows)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows chosen such that the output has that size; None keeps a dimension's.

    Window i of n covers floor(i H / n) to ceil((i + 1) H / n).
    """
    x = _images("adaptive_avg_pool2d", input)
    windows = adaptive_average_windows("adaptive_avg_pool2d", output_size, x.shape[2:])
    return _run(input, x, *windows)

"""Resampling to another size: each output from its nearest inputs, a dimension at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index as whole
from typing import Any

from pyautograd.ops.pool import adaptive_avg_pool2d
from pyautograd.ops.pool_nd import adaptive_avg_pool1d, adaptive_avg_pool3d
from pyautograd.ops.resample import Axis, resample2d, table
from pyautograd.ops.shape import contiguous, permute, reshape
from pyautograd.tensor import Tensor

__all__ = [
    "channel_shuffle",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
]

_DIMS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}  # of the modes with weights
_MODES = ("nearest", "nearest-exact", "area", *_DIMS)


# ---- interpolate ---------------------------------------------------------------------------------


def _axes(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None, corners: bool
) -> list[Axis]:
    sizes = input.shape[2:]
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: expected either size or scale_factor")
    given: Any = size if scale_factor is None else scale_factor
    each = list(given) if isinstance(given, (tuple, list)) else [given] * len(sizes)
    if len(each) != len(sizes):
        raise ValueError(
            f"interpolate: expected {len(sizes)} values for input {input.shape}, got {given}"
        )
    if scale_factor is None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor needs scale_factor")
        counts = [int(n) for n in each]
    else:
        counts = [math.floor(n * float(f)) for n, f in zip(sizes, each, strict=True)]
    if not all(sizes) or min(counts) < 1:
        raise ValueError(
            f"interpolate: expected sizes of at least 1, got input {input.shape} to {tuple(counts)}"
        )
    axes = []
    for n, count, f in zip(sizes, counts, each, strict=True):
        step = n / count if scale_factor is None or recompute else 1.0 / float(f)
        if corners:
            step = (n - 1) / (count - 1) if count > 1 else 0.0
        axes.append(Axis(whole(n), count, float(step), corners))
    return axes


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Sequences, images or volumes (N, C, ...) in another size.

    Either `size`, or `scale_factor` (sizes are rounded down): a number, or one for each dimension.
    `mode`: "nearest" (input floor(i step), step = old size / new size), "nearest-exact"
    (floor((i + 1/2) step)), "linear" (of (N, C, L)), "bilinear" and "bicubic" (of images),
    "trilinear" (of volumes), "area" (as adaptive_avg_pool). Weights are those at the place
    (i + 1/2) step - 1/2, or with `align_corners` such that the first and the last elements stay at
    the ends; bicubic ones have a = -0.75 (Keys, 1981). Places beyond the border count as the
    border. With `scale_factor`, the step is 1 / scale_factor, unless `recompute_scale_factor`.
    `antialias`: bilinear and bicubic weights that widen where the image shrinks.

    >>> import pyautograd as ag
    >>> x = ag.tensor([[[1.0, 2.0]]])
    >>> ag.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    >>> ag.nn.functional.interpolate(x, size=3, mode="linear", align_corners=True)
    tensor([[[1.0000, 1.5000, 2.0000]]])
    """
    op, dims = "interpolate", input.ndim - 2
    if mode not in _MODES:
        raise ValueError(f"{op}: mode {mode!r} is none of {', '.join(_MODES)}")
    if dims not in (1, 2, 3) or _DIMS.get(mode, dims) != dims:
        raise ValueError(
            f"{op}: expected input of {_DIMS[mode] + 2 if mode in _DIMS else '3 to 5'} dimensions "
            f"for mode {mode}, got shape {input.shape}"
        )
    if align_corners is not None and mode not in _DIMS:
        raise ValueError(f"{op}: align_corners is for linear and cubic modes, not {mode}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"{op}: antialias is for bilinear and bicubic modes, not {mode}")
    if not input.is_floating_point():
        raise TypeError(f"{op}: expected float32 or float64, got {input.dtype}")
    axes = _axes(input, size, scale_factor, recompute_scale_factor, bool(align_corners))
    if mode == "area":
        pool = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1]
        return pool(input, [axis.outputs for axis in axes])
    tables = [table(axis, mode, antialias) for axis in axes]
    if dims == 2:
        return resample2d(input, *tables)
    if dims == 1:
        out = resample2d(reshape(input, (1, *input.shape)), (), *tables)
        return reshape(out, out.shape[1:])
    n, c, d, *hw = input.shape
    planes = resample2d(reshape(input, (n, c * d, *hw)), *tables[1:])
    hw = planes.shape[2:]
    out = resample2d(reshape(planes, (n, c, d, math.prod(hw))), tables[0], ())
    return reshape(out, (n, c, out.shape[2], *hw))


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its former name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


# ---- channels and places -------------------------------------------------------------------------


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C r^2, H, W) to (..., C, H r, W r): each r^2 channels become r x r places.

    Shi et al., 2016.

    >>> import pyautograd as ag
    >>> ag.nn.functional.pixel_shuffle(ag.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle: expected (..., C, H, W) with C divisible by {r} squared, got shape "
            f"{input.shape}"
        )
    *lead, c, h, w = input.shape
    n, c = len(lead), c // (r * r)
    apart = reshape(input, (*lead, c, r, r, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return reshape(contiguous(permute(apart, order)), (*lead, c, h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H r, W r) to (..., C r^2, H, W): what `pixel_shuffle` takes back."""
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-2] % r or input.shape[-1] % r:
        raise ValueError(
            f"pixel_unshuffle: expected (..., C, H, W) with H and W divisible by {r}, got shape "
            f"{input.shape}"
        )
    *lead, c, h, w = input.shape
    n, h, w = len(lead), h // r, w // r
    apart = reshape(input, (*lead, c, h, r, w, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return reshape(contiguous(permute(apart, order)), (*lead, c * r * r, h, w))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, C, ...) with channels taken from each of `groups` groups in turn. Zhang et al., 2018.

    >>> import pyautograd as ag
    >>> ag.nn.functional.channel_shuffle(ag.arange(6.0).reshape(1, 6, 1), 2).reshape(-1)
    tensor([0., 3., 1., 4., 2., 5.])
    """
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        raise ValueError(
            f"channel_shuffle: expected (N, C, ...) with C divisible by {groups}, got shape "
            f"{input.shape}"
        )
    n, c, *rest = input.shape
    apart = reshape(input, (n, groups, c // groups, *rest))
    mixed = permute(apart, (0, 2, 1, *range(3, apart.ndim)))
    return reshape(contiguous(mixed), input.shape)

"""Resampling to another size: each output from its nearest inputs, a dimension at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyautograd.ops import elementwise as ew
from pyautograd.ops.index import index_select
from pyautograd.ops.pool import adaptive_avg_pool2d
from pyautograd.ops.pool_nd import adaptive_avg_pool1d, adaptive_avg_pool3d
from pyautograd.ops.shape import contiguous, permute, reshape
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "channel_shuffle",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
]

_DIMS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}  # of the modes with weights
_MODES = ("nearest", "nearest-exact", "area", *_DIMS)


class _Axis(NamedTuple):
    """One dimension: its sizes, and the distance of neighbouring outputs, in inputs."""

    size: int
    outputs: int
    step: float
    corners: bool

    def centres(self) -> Any:
        """Where the outputs lie among the inputs 0, 1, ..., size - 1."""
        at = np.arange(self.outputs)
        return at * self.step if self.corners else (at + 0.5) * self.step - 0.5


# ---- nearest -------------------------------------------------------------------------------------


def _nearest(x: Tensor, d: int, axis: _Axis, exact: bool) -> Tensor:
    size, count = axis.size, axis.outputs
    times = count // size
    if count == times * size and axis.step == 1 / times:
        return index_select(x, d, wrap(np.arange(count) // times))
    # In float32, as PyTorch counts.
    at = (np.arange(count, dtype=np.float32) + np.float32(0.5 * exact)) * np.float32(axis.step)
    return index_select(x, d, wrap(np.minimum(at.astype(np.int64), size - 1)))


# ---- weighted sums -------------------------------------------------------------------------------


def _cubic(t: Any, a: float) -> Any:
    """The weight at distance t >= 0. Keys, 1981."""
    near = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    far = ((t - 5.0) * t + 8.0) * t * a - 4.0 * a
    return np.where(t <= 1.0, near, np.where(t < 2.0, far, 0.0))


def _taps(axis: _Axis, cubic: bool) -> list[tuple[Any, Any]]:
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


def _smooth_taps(axis: _Axis, cubic: bool) -> list[tuple[Any, Any]]:
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


def _weighted(x: Tensor, d: int, taps: list[tuple[Any, Any]]) -> Tensor:
    """The sum of the taps along dimension d."""
    shape = (-1, *(1,) * (x.ndim - 1 - d))
    total: Any = None
    for at, weight in taps:
        factor = wrap(weight.astype(x.dtype).reshape(shape))
        term = ew.mul(index_select(x, d, wrap(at)), factor)
        total = term if total is None else ew.add(total, term)
    return total


# ---- interpolate ---------------------------------------------------------------------------------


def _axes(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None, corners: bool
) -> list[_Axis]:
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
        axes.append(_Axis(n, count, step, corners))
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
    out = input
    for d, axis in reversed(list(enumerate(axes, start=2))):  # the cheapest dimension last
        if mode in _DIMS:
            cubic = mode == "bicubic"
            out = _weighted(out, d, (_smooth_taps if antialias else _taps)(axis, cubic))
        else:
            out = _nearest(out, d, axis, mode == "nearest-exact")
    return out


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

"""Images read at places that are computed: grids of an affine map, and sampling on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyautograd.ops import elementwise as ew
from pyautograd.ops.functions import floor
from pyautograd.ops.functions import round as nearest
from pyautograd.ops.index import index_select
from pyautograd.ops.matmul import matmul
from pyautograd.ops.shape import contiguous, permute, reshape, transpose, unsqueeze
from pyautograd.tensor import Tensor, wrap

__all__ = ["affine_grid", "grid_sample"]


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The places theta @ (x, y, 1) of an output of `size`, each coordinate from -1 to 1.

    theta (N, 2, 3) and size (N, C, H, W) to (N, H, W, 2); theta (N, 3, 4) and size
    (N, C, D, H, W) to (N, D, H, W, 3). -1 and 1 are the border, or with `align_corners` the centres
    of the outermost elements. Jaderberg et al., 2015.

    >>> import pyautograd as ag
    >>> same = ag.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> ag.nn.functional.affine_grid(same, (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    sizes, dims = tuple(size[2:]), len(size) - 2
    if dims not in (2, 3) or theta.shape != (size[0], dims, dims + 1) or min(size) < 1:
        raise ValueError(
            "affine_grid: expected theta (N, 2, 3) for size (N, C, H, W) or (N, 3, 4) for "
            f"(N, C, D, H, W), got {theta.shape} for {tuple(size)}"
        )
    along = []
    for n in sizes:
        ends = 1.0 if align_corners else 1.0 - 1.0 / n
        along.append(np.linspace(-ends, ends, n) if n > 1 else np.zeros(1))
    places = np.meshgrid(*along, indexing="ij")[::-1]  # x varies along the last dimension
    base = np.stack([*places, np.ones(sizes)], -1).reshape(-1, dims + 1).astype(theta.dtype)
    grid = matmul(wrap(base), transpose(theta, 1, 2))
    return reshape(grid, (size[0], *sizes, dims))


def _place(x: Tensor, n: int, corners: bool) -> Tensor:
    """Coordinates from -1 to 1 as numbers of elements."""
    if corners:
        return ew.mul(ew.add(x, 1.0), (n - 1) / 2.0)
    return ew.sub(ew.mul(ew.add(x, 1.0), n / 2.0), 0.5)


def _reflected(x: Tensor, n: int, corners: bool) -> Tensor:
    """Folded back at the borders, as often as it takes."""
    low, span = (0.0, float(n - 1)) if corners else (-0.5, float(n))
    if span == 0.0:
        return ew.mul(x, 0.0)
    away = ew.abs(ew.sub(x, low))
    turns = floor(ew.div(away.detach(), span))
    rest = ew.sub(away, ew.mul(turns, span))
    even = ew.eq(ew.sub(turns, ew.mul(floor(ew.mul(turns, 0.5)), 2.0)), 0.0)
    return ew.add(ew.where(even, rest, ew.sub(span, rest)), low)


def _within(x: Tensor, n: int, padding: str, corners: bool) -> Tensor:
    """Places as `padding` has them; zeros leave them as they are."""
    if padding == "zeros":
        return x
    if padding == "reflection":
        x = _reflected(x, n, corners)
    return ew.clamp(x, 0.0, float(n - 1))


class _Images(NamedTuple):
    """Images (N, C, ...) as rows of channels, one for each element of each image."""

    rows: Tensor  # (N * elements, C)
    sizes: tuple[int, ...]
    starts: Any  # of the images, in the units of the first dimension: (N, 1)


def _images(input: Tensor) -> _Images:
    n, c, *sizes = input.shape
    last = permute(input, (0, *range(2, input.ndim), 1))
    starts = wrap((np.arange(n) * sizes[0]).reshape(n, 1))
    return _Images(reshape(contiguous(last), (-1, c)), tuple(sizes), starts)


def _read(images: _Images, places: Sequence[Tensor], zeros: bool) -> Tensor:
    """The images at whole places (N, P) a dimension: (N, P, C)."""
    at: Any = None
    inside: Any = None
    for x, size in zip(places, images.sizes, strict=True):
        x = x.detach()
        # What is far away or NaN goes to the border: it must be a number before it is an index.
        bounded = ew.where(ew.ge(x, 0.0), ew.clamp(x, 0.0, float(size - 1)), 0.0).to(np.int64)
        at = ew.add(images.starts if at is None else ew.mul(at, size), bounded)
        here = ew.mul(ew.ge(x, 0.0).to(x.dtype), ew.le(x, float(size - 1)).to(x.dtype))
        inside = here if inside is None else ew.mul(inside, here)
    values = index_select(images.rows, 0, reshape(at, (-1,)))
    values = reshape(values, (*at.shape, values.shape[1]))
    return ew.where(ew.ne(unsqueeze(inside, 2), 0.0), values, 0.0) if zeros else values


def _cubic_weights(t: Tensor) -> list[Tensor]:
    """Of the four elements around a place t in [0, 1) after the second. Keys, 1981, a = -0.75."""
    a = -0.75

    def far(u: Tensor) -> Tensor:
        return ew.sub(ew.mul(ew.mul(ew.add(ew.mul(ew.sub(u, 5.0), u), 8.0), u), a), 4.0 * a)

    def near(u: Tensor) -> Tensor:
        inner = ew.sub(ew.mul(u, a + 2.0), a + 3.0)
        return ew.add(ew.mul(ew.mul(inner, u), u), 1.0)

    return [far(ew.add(t, 1.0)), near(t), near(ew.sub(1.0, t)), far(ew.sub(2.0, t))]


def _taps(x: Tensor, mode: str) -> list[tuple[Tensor, Tensor | None]]:
    """Whole places around x and their weights (None for 1)."""
    if mode == "nearest":
        return [(nearest(x), None)]
    first = floor(x.detach())
    share = ew.sub(x, first)
    if mode == "bilinear":
        return [(first, ew.sub(1.0, share)), (ew.add(first, 1.0), share)]
    weights = _cubic_weights(share)
    return [(ew.add(first, float(k)), w) for k, w in zip((-1, 0, 1, 2), weights, strict=True)]


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Images read at the places of a grid, between elements by their distances.

    input (N, C, H, W) and grid (N, H', W', 2) with places (x, y) to (N, C, H', W'); or volumes
    (N, C, D, H, W) and (N, D', H', W', 3) with (x, y, z). Coordinates run from -1 to 1 as in
    `affine_grid`. `mode`: "bilinear" (for volumes too), "nearest", "bicubic" (images). What lies
    outside is 0 ("zeros"), the border's value ("border"), or that of the mirrored place
    ("reflection"). Jaderberg et al., 2015.

    >>> import pyautograd as ag
    >>> image = ag.tensor([[[[1.0, 3.0]]]])
    >>> ag.nn.functional.grid_sample(image, ag.zeros(1, 1, 1, 2), align_corners=False)
    tensor([[[[2.]]]])
    """
    op, dims = "grid_sample", input.ndim - 2
    if (
        dims not in (2, 3)
        or grid.ndim != dims + 2
        or grid.shape[-1] != dims
        or (grid.shape[0] != input.shape[0])
    ):
        raise ValueError(
            f"{op}: expected input (N, C, H, W) and grid (N, H', W', 2), or volumes and "
            f"(N, D', H', W', 3), got {input.shape} and {grid.shape}"
        )
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and dims == 3):
        raise ValueError(f"{op}: mode is bilinear, nearest or (images) bicubic, got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"{op}: padding_mode is zeros, border or reflection, got {padding_mode!r}")
    if input.dtype != grid.dtype or not input.is_floating_point():
        raise TypeError(f"{op}: expected floats of one dtype, got {input.dtype} and {grid.dtype}")
    if not all(input.shape[2:]):
        raise ValueError(f"{op}: nothing to read in input of shape {input.shape}")
    corners = bool(align_corners)
    where = reshape(grid, (len(grid), -1, dims))
    taps = []
    for i, n in enumerate(input.shape[2:]):
        x = _place(where[:, :, dims - 1 - i], n, corners)
        # Bicubic weights come from the place itself; each of its elements is then padded.
        x = x if mode == "bicubic" else _within(x, n, padding_mode, corners)
        taps.append([
            (_within(p, n, padding_mode, corners) if mode == "bicubic" else p, w)
            for p, w in _taps(x, mode)
        ])  # fmt: skip
    out = _weighted(_images(input), taps, (), None, padding_mode == "zeros")  # (N, P, C)
    return reshape(contiguous(transpose(out, 1, 2)), (*input.shape[:2], *grid.shape[1:-1]))


def _weighted(
    images: _Images, taps: list[Any], places: tuple[Tensor, ...], weight: Any, zeros: bool
) -> Tensor:
    """The sum over all combinations of the remaining dimensions' taps."""
    if len(places) == len(taps):
        values = _read(images, places, zeros)
        return values if weight is None else ew.mul(values, unsqueeze(weight, 2))
    total: Any = None
    for place, share in taps[len(places)]:
        factor = share if weight is None else ew.mul(weight, share)
        part = _weighted(images, taps, (*places, place), factor, zeros)
        total = part if total is None else ew.add(total, part)
    return total

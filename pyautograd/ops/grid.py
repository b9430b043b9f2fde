"""Images read at places that are computed: grids of an affine map, and sampling on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.op import primitive
from pyautograd.ops.matmul import matmul
from pyautograd.ops.shape import reshape, transpose
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


# How images are read: mode, padding, corners; and the orders of the derivative that is meant, along
# x, y and z: (0, 0) for the values themselves.
How = tuple[str, str, bool, tuple[int, ...]]


def _slopes(how: tuple[Any, ...]) -> list[How]:
    """The next derivatives, along each dimension."""
    *rest, orders = how
    return [
        (*rest, tuple([n + (i == d) for i, n in enumerate(orders)])) for d in range(len(orders))
    ]


def _sample_rule(K: Any, g: Any, saved: Any, needs: Any, *how: Any) -> Any:
    x, grid = saved
    return (
        needs[0] and K.grid_sample_input_grad(g, grid, tuple(x.shape[2:]), *how),
        needs[1] and K.grid_sample_grid_grad(g, x, grid, *how),
    )


def _input_grad_rule(K: Any, u: Any, saved: Any, needs: Any, sizes: Any, *how: Any) -> Any:
    g, grid = saved
    return (
        needs[0] and K.grid_sample(u, grid, *how),
        needs[1] and K.grid_sample_grid_grad(g, u, grid, *how),
    )


def _grid_grad_rule(K: Any, u: Any, saved: Any, needs: Any, *how: Any) -> Any:
    """Along each dimension it is the sum over channels of g times the next derivative."""
    g, x, grid = saved
    totals: list[Any] = [None, None, None]
    for d, slope in enumerate(_slopes(how)):
        v = K.slice(u, (..., d))
        by_channel = K.reshape(v, (v.shape[0], 1, *v.shape[1:]))
        terms = (
            needs[0] and K.mul(K.grid_sample(x, grid, *slope), by_channel),
            needs[1]
            and K.grid_sample_input_grad(K.mul(g, by_channel), grid, tuple(x.shape[2:]), *slope),
            needs[2]
            and K.mul(K.grid_sample_grid_grad(g, x, grid, *slope), K.reshape(v, (*v.shape, 1))),
        )
        totals = [b if a is None else K.add(a, b) for a, b in zip(totals, terms, strict=True)]
    return totals


def _flops(inputs: Any, attrs: Any, outputs: Any) -> int:
    """A multiplication and an addition for each tap of each place, by channel."""
    grid = inputs[-1]
    dims, mode = grid.shape[-1], attrs[-4]
    taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}[mode] ** dims
    return 2 * taps * inputs[0].shape[1] * grid.size // max(dims, 1)


# grid_sample(x (N, C, ...), grid (N, ..., dims), *how) -> (N, C, ...) in the grid's sizes. With its
# gradients by x and by the grid, both for g, it is closed: the next derivatives are read, too.
_sample = primitive(
    "grid_sample",
    "window",
    _C.grid_sample,
    _sample_rule,
    lambda x, grid, *how: ((*x.shape[:2], *grid.shape[1:-1]), x.dtype),
    saves=(0, 1),
    inputs=2,
    fresh=True,
    linear=(0,),
    flops=_flops,
)
primitive(
    "grid_sample_input_grad",
    "window",
    _C.grid_sample_input_grad,
    _input_grad_rule,
    lambda g, grid, sizes, *how: ((*g.shape[:2], *sizes), g.dtype),
    saves=(0, 1),
    inputs=2,
    fresh=True,
    linear=(0,),
    flops=_flops,
)
primitive(
    "grid_sample_grid_grad",
    "window",
    _C.grid_sample_grid_grad,
    _grid_grad_rule,
    lambda g, x, grid, *how: (grid.shape, grid.dtype),
    saves=(0, 1, 2),
    inputs=3,
    fresh=True,
    linear=(0, 1),
    flops=_flops,
)


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
    return _sample(input, grid, mode, padding_mode, bool(align_corners), (0,) * dims)

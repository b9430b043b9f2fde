"""Adding, copying and filling slices at given positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.op import method
from pyautograd.ops import elementwise as ew
from pyautograd.ops.index import getitem
from pyautograd.ops.scatter import scatter, scatter_add
from pyautograd.ops.shape import index_of_dim, reshape
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "masked_scatter",
    "take",
]


def _spread(op: str, input: Tensor, dim: int, index: Tensor, source: Tensor | None) -> Any:
    """(dim, index in the shape of the slices at these positions)."""
    d = index_of_dim(op, input.ndim, dim)
    if index.ndim > 1 or index.dtype.kind not in "iu":
        raise ValueError(
            f"{op}: expected a vector of positions, got {index.dtype} of shape {index.shape}"
        )
    positions = reshape(index, (-1,)).to(np.int64)
    shape = (*input.shape[:d], positions.shape[0], *input.shape[d + 1 :])
    if source is not None and source.shape != shape:
        raise ValueError(
            f"{op}: {positions.shape[0]} positions in dimension {d} of {input.shape} take a source "
            f"of shape {shape}, got {source.shape}"
        )
    column = reshape(positions, (1,) * d + (-1,) + (1,) * (input.ndim - 1 - d))
    return d, column.expand(*shape)


@method()
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """`input` with the slices of alpha * source added at the positions `index` along `dim`.

    Where positions repeat, all are added, in order.

    >>> import pyautograd as ag
    >>> ag.index_add(ag.zeros(3), 0, ag.tensor([0, 2, 0]), ag.tensor([1.0, 2.0, 4.0]))
    tensor([5., 0., 2.])
    """
    d, places = _spread("index_add", input, dim, index, source)
    return scatter_add(input, d, places, source if alpha == 1 else ew.mul(source, alpha))


@method()
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with the slices of `source` in the place of those at the positions `index`."""
    d, places = _spread("index_copy", input, dim, index, source)
    return scatter(input, d, places, source)


@method()
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with `value` in the slices at the positions `index` along `dim`."""
    d, places = _spread("index_fill", input, dim, index, None)
    value = value if isinstance(value, Tensor) else wrap(np.array(value, input.dtype))
    return scatter(input, d, places, value.to(input.dtype).expand(*places.shape))


@method()
def index_put(
    input: Tensor, indices: tuple[Tensor, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy of `input` with input[indices] = values, or += where `accumulate`."""
    numbers = wrap(np.arange(input.numel()).reshape(input.shape))
    places = numbers[tuple(indices)]
    write = scatter_add if accumulate else scatter
    source = reshape(values.expand(*places.shape), (-1,))
    return reshape(write(reshape(input, (-1,)), 0, reshape(places, (-1,)), source), input.shape)


@method()
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source`, in order, where `mask` is true."""
    chosen = np.broadcast_to(mask.detach().numpy(), input.shape)
    places = np.flatnonzero(chosen)
    if len(places) > source.numel():
        raise ValueError(
            f"masked_scatter: {len(places)} places for the {source.numel()} elements of source"
        )
    values = reshape(source, (-1,))[: len(places)]
    return reshape(scatter(reshape(input, (-1,)), 0, wrap(places), values), input.shape)


@method()
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at positions in the flattened input, in the shape of `index`."""
    return getitem(reshape(input, (-1,)), index)

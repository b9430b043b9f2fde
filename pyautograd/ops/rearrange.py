"""Composed movement: repeating, rolling, triangles, diagonals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd.op import method
from pyautograd.ops.elementwise import where
from pyautograd.ops.shape import _sizes, cat, dims_of, index_of_dim, reshape, split
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "diagonal",
    "repeat_interleave",
    "roll",
    "tile",
    "tril",
    "triu",
]


@method()
def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """The tensor so many times along each dimension; further dimensions come first.

    >>> import pyautograd as ag
    >>> ag.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    counts = _sizes(sizes)
    lead = len(counts) - input.ndim
    if lead < 0 or any(n < 0 for n in counts):
        raise ValueError(
            f"repeat: expected at least {input.ndim} numbers of at least 0 for shape "
            f"{input.shape}, got {counts}"
        )
    shape = (1,) * lead + input.shape
    apart = [size for n in shape for size in (1, n)]
    spread = [size for n, count in zip(shape, counts, strict=True) for size in (count, n)]
    out = reshape(input, tuple(apart)).expand(tuple(spread))
    return reshape(out, tuple([n * count for n, count in zip(shape, counts, strict=True)]))


@method()
def tile(input: Tensor, *dims: Any) -> Tensor:
    """As `repeat`, with 1 for the first dimensions where fewer numbers are given."""
    counts = _sizes(dims)
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


@method()
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each element (or slice along `dim`) so many times, one after the other.

    `repeats`: one number, or a tensor of one for each; without `dim` the input is flattened.
    """
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    d = index_of_dim("repeat_interleave", input.ndim, dim)
    counts = repeats.numpy() if isinstance(repeats, Tensor) else np.asarray(repeats)
    if counts.dtype.kind not in "iu" or counts.size not in (1, input.shape[d]) or counts.min() < 0:
        raise ValueError(
            f"repeat_interleave: expected one number of at least 0, or {input.shape[d]}, got "
            f"{counts.tolist()}"
        )
    places = np.repeat(np.arange(input.shape[d]), counts.reshape(-1))
    return input[(slice(None),) * d + (wrap(places),)]


@method()
def roll(input: Tensor, shifts: int | Sequence[int], dims: Any = None) -> Tensor:
    """Moved by `shifts` along `dims`, what leaves at the end comes back at the beginning.

    Without `dims`, moved in the flattened order.

    >>> import pyautograd as ag
    >>> ag.roll(ag.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    if dims is None:
        if not isinstance(shifts, int):
            raise ValueError(f"roll: several shifts {tuple(shifts)} need dims")
        return reshape(roll(reshape(input, (-1,)), shifts, 0), input.shape)
    moves = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    along = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(moves) != len(along):
        raise ValueError(f"roll: shifts {moves} and dims {along} differ in number")
    for shift, dim in zip(moves, along, strict=True):
        d = index_of_dim("roll", input.ndim, dim)
        n = input.shape[d]
        if n and shift % n:
            cut = n - shift % n
            input = cat(split(input, [cut, n - cut], d)[::-1], d)
    return input


def _triangle(op: str, input: Tensor, diagonal: int, lower: bool) -> Tensor:
    if input.ndim < 2:
        raise ValueError(f"{op}: expected at least 2 dimensions, got shape {input.shape}")
    rows, columns = input.shape[-2:]
    kept = np.tri(rows, columns, diagonal if lower else diagonal - 1, dtype=bool)
    return where(wrap(kept if lower else ~kept), input, 0)


@method()
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices (..., m, n), zeros above the given diagonal."""
    return _triangle("tril", input, diagonal, True)


@method()
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices (..., m, n), zeros below the given diagonal."""
    return _triangle("triu", input, diagonal, False)


@method()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions, as the last one: a copy."""
    if input.ndim < 2:
        raise ValueError(f"diagonal: expected at least 2 dimensions, got shape {input.shape}")
    a = index_of_dim("diagonal", input.ndim, dim1)
    b = index_of_dim("diagonal", input.ndim, dim2)
    dims_of("diagonal", input.ndim, (a, b))  # refuses equal ones
    rest = [d for d in range(input.ndim) if d not in (a, b)]
    m, n = input.shape[a], input.shape[b]
    length = max(0, min(m, n - offset) if offset >= 0 else min(m + offset, n))
    places = np.arange(length)
    rows, columns = places + max(0, -offset), places + max(0, offset)
    lead = tuple([input.shape[d] for d in rest])
    flat = reshape(input.permute((*rest, a, b)), (math.prod(lead), m * n))
    return reshape(flat[:, wrap(rows * n + columns)], (*lead, length))

"""Joining, cutting and turning tensors, beyond the common ways."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.op import method
from pyautograd.ops.shape import cat, flip, index_of_dim, reshape, split, stack, transpose
from pyautograd.tensor import Tensor, as_tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_tensors",
    "cartesian_prod",
    "column_stack",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "narrow",
    "ravel",
    "rot90",
    "select",
    "tensor_split",
    "unflatten",
    "vsplit",
    "vstack",
]

# ---- at least so many dimensions -----------------------------------------------------------------


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    """Of one tensor the result, of several or a list of them a tuple."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    given = tensors[0] if len(tensors) == 1 else tensors
    return tuple([function(as_tensor(x)) for x in given])


def atleast_1d(*tensors: Any) -> Any:
    """0-d tensors as vectors of one element; others as they are."""
    return _each(lambda x: x if x.ndim else reshape(x, (1,)), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Vectors as one row (1, n); matrices and more as they are."""
    return _each(lambda x: x if x.ndim >= 2 else reshape(x, (1, -1)), tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Vectors as (1, n, 1), matrices as (m, n, 1); more as they are."""

    def deep(x: Tensor) -> Tensor:
        if x.ndim >= 3:
            return x
        return reshape(x, (*x.shape, 1) if x.ndim == 2 else (1, -1, 1))

    return _each(deep, tensors)


# ---- joining -------------------------------------------------------------------------------------


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """One below the other; vectors count as rows.

    >>> import pyautograd as ag
    >>> ag.vstack((ag.tensor([1, 2]), ag.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """
    return cat(atleast_2d(list(tensors)), 0)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side: along the second dimension, or the only one."""
    parts = atleast_1d(list(tensors))
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Along the third dimension."""
    return cat(atleast_3d(list(tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side; vectors count as columns."""
    return cat([reshape(x, (-1, 1)) if x.ndim <= 1 else x for x in tensors], 1)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid over vectors: for each of them a tensor of the grid's shape.

    indexing: "ij" (the first vector goes down) or "xy" (it goes across).

    >>> import pyautograd as ag
    >>> ag.meshgrid(ag.tensor([1, 2]), ag.tensor([3, 4]))[0]
    tensor([[1, 1],
            [2, 2]])
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is 'ij' or 'xy', got {indexing!r}")
    if len(tensors) == 1 and not isinstance(tensors[0], Tensor):
        tensors = tuple(tensors[0])
    if any(x.ndim > 1 for x in tensors):
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise ValueError(f"meshgrid: expected vectors, got shapes {shapes}")
    shape = [x.numel() for x in tensors]
    grids = [
        reshape(x, (1,) * i + (-1,) + (1,) * (len(tensors) - 1 - i)).expand(*shape)
        for i, x in enumerate(tensors)
    ]
    if indexing == "xy" and len(grids) > 1:
        grids = [transpose(g, 0, 1) for g in grids]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of elements of vectors, one a row."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(grid, (-1,)) for grid in meshgrid(*tensors)], 1)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, each broadcast to the shape that they have together."""
    shape = _C.broadcast_shapes("broadcast_tensors", *[x.shape for x in tensors])
    return tuple([x.expand(*shape) if x.shape != shape else x for x in tensors])


# ---- cutting -------------------------------------------------------------------------------------


@method()
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` slices along `dim` from `start`, as a view."""
    d = index_of_dim("narrow", input.ndim, dim)
    size = input.shape[d]
    first = start + size if start < 0 else start
    if not 0 <= first <= first + length <= size:
        raise ValueError(
            f"narrow: {length} slices from {start} do not lie in dimension {d} of {input.shape}"
        )
    return input[(slice(None),) * d + (slice(first, first + length),)]


@method()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice number `index` along `dim`, without it, as a view."""
    return input[(slice(None),) * index_of_dim("select", input.ndim, dim) + (index,)]


@method()
def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Pieces along `dim`: that many, as equal as can be, or cut before the given positions."""
    d = index_of_dim("tensor_split", input.ndim, dim)
    n = input.shape[d]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1:
            raise ValueError(f"tensor_split: expected a positive number of pieces, got {count}")
        small, more = divmod(n, count)
        return split(input, [small + (i < more) for i in range(count)], d)
    places = np.clip([0, *[i + n if i < 0 else i for i in indices_or_sections], n], 0, n)
    return tuple(
        [
            input[(slice(None),) * d + (slice(int(a), max(int(a), int(b))),)]
            for a, b in itertools.pairwise(places)
        ]
    )


def _split_along(name: str, dim: int, dims: int) -> Any:
    def run(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
        if input.ndim < dims:
            raise ValueError(f"{name}: expected {dims} dimensions or more, got {input.shape}")
        along = dim if input.ndim > 1 else 0
        n, count = input.shape[along], indices_or_sections
        if isinstance(count, int) and (count < 1 or n % count):
            raise ValueError(f"{name}: {n} slices do not make {count} equal pieces")
        return tensor_split(input, count, along)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"Equal pieces along dimension {dim}, or cut before the given positions."
    return method()(run)


hsplit = _split_along("hsplit", 1, 1)
vsplit = _split_along("vsplit", 0, 2)
dsplit = _split_along("dsplit", 2, 3)

# ---- shapes --------------------------------------------------------------------------------------


@method()
def ravel(input: Tensor) -> Tensor:
    """All elements in order, 1-D."""
    return reshape(input, (-1,))


@method()
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several; one of the sizes may be -1."""
    d = index_of_dim("unflatten", input.ndim, dim)
    return reshape(input, (*input.shape[:d], *sizes, *input.shape[d + 1 :]))


@method()
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """In the shape of `other`."""
    return reshape(input, other.shape)


@method()
def fliplr(input: Tensor) -> Tensor:
    """Reversed along dimension 1."""
    if input.ndim < 2:
        raise ValueError(f"fliplr: expected 2 dimensions or more, got shape {input.shape}")
    return flip(input, 1)


@method()
def flipud(input: Tensor) -> Tensor:
    """Reversed along dimension 0."""
    return flip(input, 0)


@method()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned k times by 90 degrees, from the first of `dims` towards the second."""
    first, second = (index_of_dim("rot90", input.ndim, d) for d in dims)
    if first == second:
        raise ValueError(f"rot90: expected two dimensions, got {tuple(dims)}")
    if k % 4 == 0:
        return input.clone()
    if k % 4 == 2:
        return flip(input, first, second)
    if k % 4 == 1:
        return transpose(flip(input, second), first, second)
    return flip(transpose(input, first, second), second)

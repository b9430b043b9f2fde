"""Which values there are, how often, and where: results whose shape or values order decides.

None of them has a gradient, and none can be part of a compiled function.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.op import method
from pyautograd.ops.shape import index_of_dim
from pyautograd.tensor import Tensor, as_tensor, wrap

__all__ = [
    "argwhere",
    "bincount",
    "bucketize",
    "histc",
    "isin",
    "nonzero",
    "searchsorted",
    "tril_indices",
    "triu_indices",
    "unique",
    "unique_consecutive",
]


def _values(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(as_tensor(x).numpy())


def _made(array: Any) -> Tensor:
    return wrap(np.ascontiguousarray(array))


@method()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where `input` is not 0: a row of indices for each place, or a tuple of them by dimension.

    >>> import pyautograd as ag
    >>> ag.nonzero(ag.tensor([[0, 1], [1, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    if as_tuple:
        return tuple([_made(i) for i in np.nonzero(np.atleast_1d(_values(input)))])
    return _made(np.argwhere(_values(input)))


@method()
def argwhere(input: Tensor) -> Tensor:
    """`nonzero` as rows of indices."""
    return nonzero(input)


@method()
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values, in order; of the slices along `dim` if given.

    Then, as asked for, where each element of `input` is among them, and how often each occurs.

    >>> import pyautograd as ag
    >>> ag.unique(ag.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    x = _values(input)
    axis = None if dim is None else index_of_dim("unique", input.ndim, dim)
    values, inverse, counts = np.unique(x, False, True, True, axis)
    inverse = np.reshape(inverse, x.shape if axis is None else (-1,))
    return _chosen(values, inverse, counts, return_inverse, return_counts)


@method()
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The values (or slices along `dim`) without those that repeat the one before."""
    x = _values(input)
    axis = 0 if dim is None else index_of_dim("unique_consecutive", input.ndim, dim)
    rows = x.reshape(-1) if dim is None else x
    moved = np.moveaxis(rows, axis, 0).reshape(rows.shape[axis], -1)
    starts = np.ones(len(moved), bool)
    starts[1:] = (moved[1:] != moved[:-1]).any(1)
    first = np.flatnonzero(starts)
    values = np.take(rows, first, axis)
    inverse = (np.cumsum(starts) - 1).reshape(x.shape if dim is None else (-1,))
    counts = np.diff(np.append(first, len(moved)))
    return _chosen(values, inverse, counts, return_inverse, return_counts)


def _chosen(values: Any, inverse: Any, counts: Any, with_inverse: bool, with_counts: bool) -> Any:
    found = [values]
    found += [inverse] if with_inverse else []
    found += [counts] if with_counts else []
    made = tuple([_made(x) for x in found])
    return made if len(made) > 1 else made[0]


@method()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs in a vector, or the sum of its weights."""
    x = _values(input)
    if input.ndim != 1 or x.dtype.kind not in "iu":
        raise ValueError(
            f"bincount: expected a vector of integers, got {input.dtype} of shape {input.shape}"
        )
    if x.size and x.min() < 0:
        raise ValueError(f"bincount: expected numbers of at least 0, got {x.min()}")
    if weights is None:
        return _made(np.bincount(x, minlength=minlength))
    if weights.shape != input.shape:
        raise ValueError(f"bincount: weights of shape {weights.shape} for input {input.shape}")
    w = _values(weights)
    return _made(np.bincount(x, w, minlength).astype(w.dtype if w.dtype.kind == "f" else float))


@method()
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts of [min, max]; others do not count.

    Where both are 0, from the smallest to the largest element.
    """
    if bins < 1:
        raise ValueError(f"histc: expected at least 1 bin, got {bins}")
    x = _values(input)
    low, high = float(min), float(max)
    if low == high == 0 and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not low < high:
        raise ValueError(f"histc: expected min below max, got {min} and {max}")
    return _made(np.histogram(x, bins, (low, high))[0].astype(x.dtype))


@method()
def isin(elements: Any, test_elements: Any, *, invert: bool = False) -> Tensor:
    """Where an element is one of `test_elements`."""
    return _made(np.isin(_values(elements), _values(test_elements), invert=invert))


def searchsorted(
    sorted_sequence: Tensor, values: Any, *, right: bool = False, side: str | None = None
) -> Tensor:
    """Where `values` belong in the ordered last dimension: before equal ones, or after (`right`).

    A vector serves all values; otherwise both agree in the other dimensions.

    >>> import pyautograd as ag
    >>> ag.searchsorted(ag.tensor([1, 3, 5]), ag.tensor([0, 3, 9]))
    tensor([0, 1, 3])
    """
    where: Any = "right" if right or side == "right" else "left"
    order, x = _values(sorted_sequence), _values(values)
    if order.ndim == 1:
        return _made(np.searchsorted(order, x, where))
    if order.shape[:-1] != x.shape[:-1]:
        raise ValueError(
            f"searchsorted: sequences of shape {order.shape} for values of shape {x.shape}"
        )
    found = np.empty(x.shape, np.int64)
    for i in np.ndindex(x.shape[:-1]):
        found[i] = np.searchsorted(order[i], x[i], where)
    return _made(found)


def bucketize(input: Any, boundaries: Tensor, *, right: bool = False) -> Tensor:
    """The number of the first of the ordered `boundaries` that is not below each value."""
    return searchsorted(boundaries, input, right=right)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64) -> Tensor:
    """The places of the lower triangle of a (row, col) matrix, (2, count)."""
    return _made(np.stack(np.tril_indices(row, offset, col))).to(dtype)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64) -> Tensor:
    """The places of the upper triangle of a (row, col) matrix, (2, count)."""
    return _made(np.stack(np.triu_indices(row, offset, col))).to(dtype)

"""Along one dimension: sorting, and running sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.cost import per_element
from pyautograd.op import method, primitive
from pyautograd.ops.reduce import ValuesAndIndices
from pyautograd.ops.shape import index_of_dim
from pyautograd.tape import OUT, SHAPE
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "argsort",
    "cumsum",
    "sort",
    "topk",
]


# sort(x, dim, descending, count): the first `count` values in order, and their positions.
_sort = primitive(
    "sort",
    "movement",
    _C.sort,
    lambda K, g, saved, needs, dim, *rest: (K.scatter_add(g, saved[0], dim, saved[1]),),
    lambda x, dim, descending, count: ((*x.shape[:dim], count, *x.shape[dim + 1 :]), x.dtype),
    saves=(OUT - 1, SHAPE),
    linear=(),
)


def _sorted(op: str, input: Tensor, dim: int, descending: bool, count: int | None = None) -> Any:
    d = index_of_dim(op, input.ndim, dim)
    if not input.ndim:
        return ValuesAndIndices((input, wrap(np.zeros((), np.int64))))
    return ValuesAndIndices(_sort(input, d, descending, input.shape[d] if count is None else count))


@method()
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The pair (values, indices) in order along `dim`; equals keep their order. NaN is the largest.

    >>> import pyautograd as ag
    >>> ag.sort(ag.tensor([3.0, 1.0, 2.0])).values
    tensor([1., 2., 3.])
    """
    return _sorted("sort", input, dim, descending)


@method()
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions that put the values in order along `dim`, int64."""
    return _sorted("argsort", input.detach(), dim, descending).indices


@method()
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The pair (values, indices) of the k largest (or smallest) along `dim`, in order."""
    size = input.shape[index_of_dim("topk", input.ndim, dim)] if input.ndim else 1
    if not 0 <= k <= size:
        raise ValueError(f"topk: k={k} is not within [0, {size}], the size of dimension {dim}")
    return _sorted("topk", input, dim, largest, k)


# running_sum(x, dim, backwards): from the end where backwards.
_running_sum = primitive(
    "running_sum",
    "movement",
    _C.running_sum,
    lambda K, g, saved, needs, dim, backwards: (K.running_sum(g, dim, not backwards),),
    lambda x, dim, backwards: (x.shape, x.dtype),
    fresh=True,
    flops=per_element(),
)


@method()
def cumsum(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """The sums of the values up to each place along `dim`. Integers and bools sum to int64.

    >>> import pyautograd as ag
    >>> ag.cumsum(ag.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    if dtype is not None:
        input = input.to(dtype)
    elif input.dtype.kind != "f":
        input = input.to(np.int64)
    d = index_of_dim("cumsum", input.ndim, dim)
    return _running_sum(input, d, False) if input.ndim else input

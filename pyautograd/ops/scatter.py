"""Writing and adding at positions along one dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C, tape
from pyautograd.op import method, primitive
from pyautograd.ops import elementwise as ew
from pyautograd.ops.index import gather
from pyautograd.ops.shape import index_of_dim, reshape
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "scatter",
    "scatter_add",
    "take_along_dim",
]


def _scatter_rule(K: Any, g: Any, saved: Any, needs: Any, dim: int) -> Any:
    """Where several write to one place, each gets the gradient of that place."""
    (index,) = saved
    there = K.gather(g, index, dim)
    nothing = K.where(K.lt(index, 0), there, 0.0)
    return needs[0] and K.scatter(g, nothing, index, dim), needs[1] and there, None


# scatter(x, source, index, dim): source of the index's shape and x's dtype.
_scatter = primitive(
    "scatter",
    "movement",
    lambda x, source, index, dim: _C.scatter(x, source, dim, index),
    _scatter_rule,
    lambda x, source, index, dim: (x.shape, x.dtype),
    saves=(2,),
    inputs=3,
    linear=(),
)


def _part(op: str, source: Tensor, index: Tensor, dtype: Any) -> Tensor:
    """The part of the source that lies beside the index."""
    if source.ndim != index.ndim or any(
        n > m for n, m in zip(index.shape, source.shape, strict=True)
    ):
        raise ValueError(
            f"{op}: a source of shape {source.shape} does not cover the index of shape "
            f"{index.shape}"
        )
    if source.dtype != dtype:
        raise TypeError(f"{op}: the input is {dtype}, the source {source.dtype}")
    if source.shape == index.shape:
        return source
    return source[tuple([slice(0, n) for n in index.shape])]


@method()
def scatter(input: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """`input` with out[i][index[i][j][k]][k] = src[i][j][k] for dim = 1, and so on.

    `index` (int64) has as many dimensions as `input` and in the others than `dim` at most its
    sizes; `src` is a number, or a tensor of at least the sizes of the index. Where positions
    repeat, the last one counts. Raises IndexError for an index out of range.

    >>> import pyautograd as ag
    >>> ag.zeros(1, 3).scatter(1, ag.tensor([[2]]), 5.0)
    tensor([[0., 0., 5.]])
    """
    d = index_of_dim("scatter", input.ndim, dim)
    if not isinstance(src, Tensor):
        src = wrap(np.full(index.shape, src, input.dtype))
    return _scatter(input, _part("scatter", src, index, input.dtype), index, d)


@method()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` plus `src` at positions: out[i][index[i][j][k]][k] += src[i][j][k] for dim = 1.

    Shapes and errors as for `scatter`; where positions repeat, all are added, in order.
    """
    d = index_of_dim("scatter_add", input.ndim, dim)
    part = _part("scatter_add", src, index, input.dtype)
    return ew.add(input, tape.tensors.scatter_add(part, index, d, input.shape))


@method()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with input and indices broadcast in the other dimensions; flattened without `dim`.

    >>> import pyautograd as ag
    >>> x = ag.tensor([[3.0, 1.0], [2.0, 4.0]])
    >>> ag.take_along_dim(x, x.argsort(1), 1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    d = index_of_dim("take_along_dim", input.ndim, dim)
    if indices.ndim != input.ndim:
        raise ValueError(
            f"take_along_dim: indices of shape {indices.shape} for input {input.shape}"
        )
    before = _C.broadcast_shapes("take_along_dim", input.shape[:d], indices.shape[:d])
    after = _C.broadcast_shapes("take_along_dim", input.shape[d + 1 :], indices.shape[d + 1 :])
    x = input.expand((*before, input.shape[d], *after))
    return gather(x, d, indices.expand((*before, indices.shape[d], *after)))

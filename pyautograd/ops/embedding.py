"""Rows of a table by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.cost import per_element
from pyautograd.op import primitive
from pyautograd.tape import SHAPE
from pyautograd.tensor import Tensor

__all__ = [
    "embedding",
]


def _rows(weight: Any, index: Any, padding: int) -> Any:
    if index.size and index.view(np.uint64).max() >= len(weight):  # negative ones are large
        bad = index.min() if index.min() < 0 else index.max()
        raise IndexError(f"embedding: row {bad} of a table of {len(weight)} rows")
    return _C.index_select(weight, 0, index)


def _add_rows(g: Any, index: Any, count: int, padding: int) -> Any:
    out = _C.index_add(g.reshape(index.size, g.shape[-1]), 0, index.reshape(-1), count)
    if padding >= 0:
        out[padding] = 0
    return out


def _add_rows_rule(K: Any, u: Any, saved: Any, needs: Any, count: int, padding: int) -> Any:
    (index,) = saved
    rows = K.embedding(u, index, -1)
    if padding >= 0:
        counted = K.reshape(K.ne(index, padding), (*index.shape, 1))
        rows = K.where(counted, rows, 0.0)
    return rows, None


# embedding(weight, index, padding): weight[index]; no gradient for the row `padding`, unless -1.
_embedding = primitive(
    "embedding",
    "movement",
    _rows,
    lambda K, g, saved, needs, padding: (
        K.embedding_grad(g, saved[0], saved[1][0], padding),
        None,
    ),
    lambda weight, index, padding: ((*index.shape, weight.shape[1]), weight.dtype),
    saves=(1, SHAPE),
    inputs=2,
    linear=(),  # but for the row of padding
    fresh=True,
    picks=True,
)
# embedding_grad(g, index, count, padding): the rows of g added into a table of `count` zero rows.
primitive(
    "embedding_grad",
    "movement",
    _add_rows,
    _add_rows_rule,
    lambda g, index, count, padding: ((count, g.shape[-1]), g.dtype),
    saves=(1,),
    inputs=2,
    linear=(0,),
    fresh=True,
    flops=per_element(),
)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` (count, features) at the numbers `input` (...): (..., features).

    The row `padding_idx` gets no gradient; negative ones count from the end. Raises IndexError for
    a number that is no row.

    >>> import pyautograd as ag
    >>> ag.nn.functional.embedding(ag.tensor([1, 1]), ag.tensor([[1.0], [2.0]]))
    tensor([[2.],
            [2.]])
    """
    if weight.ndim != 2:
        raise ValueError(f"embedding: expected a weight of 2 dimensions, got {weight.shape}")
    if input.dtype.kind not in "iu":
        raise TypeError(f"embedding: expected row numbers of an integer dtype, got {input.dtype}")
    count, padding = weight.shape[0], -1
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise ValueError(f"embedding: padding_idx {padding_idx} is no row of {count}")
        padding = padding_idx % count
    return _embedding(weight, input.to(np.int64), padding)

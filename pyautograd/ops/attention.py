"""Attention: a weighted mean of values, weighted by how well queries and keys agree."""

from __future__ import annotations

import math

import numpy as np

from pyautograd import _C
from pyautograd.op import has_values
from pyautograd.ops import elementwise as ew
from pyautograd.ops.create import arange
from pyautograd.ops.matmul import matmul
from pyautograd.ops.random import dropout
from pyautograd.ops.reduce import any as any_of
from pyautograd.ops.shape import transpose, unsqueeze
from pyautograd.ops.softmax import softmax
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "scaled_dot_product_attention",
]


def attention_weights(
    query: Tensor,
    key: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query keyᵀ scale + mask): (..., L, S). A row without any key is 0."""
    scale = 1.0 / math.sqrt(query.shape[-1] or 1) if scale is None else scale
    scores = matmul(ew.mul(query, scale), transpose(key, -2, -1))
    if is_causal:
        rows, columns = scores.shape[-2:]
        if isinstance(rows, int) and isinstance(columns, int):
            attn_mask = wrap(np.tri(rows, columns, dtype=bool))
        else:  # sizes that are not known yet
            attn_mask = ew.ge(unsqueeze(arange(rows), 1), arange(columns))
    if attn_mask is None:
        return softmax(scores, -1)
    if attn_mask.dtype != np.bool_:
        return softmax(ew.add(scores, attn_mask), -1)
    if not has_values(attn_mask) or not attn_mask._array.any(-1).all():
        # Rows of -inf alone have no softmax: they are computed as if all keys counted, and dropped.
        some = any_of(attn_mask, -1, True)
        seen = ew.where(ew.logical_or(attn_mask, ew.logical_not(some)), scores, -math.inf)
        return ew.where(some, softmax(seen, -1), 0.0)
    return softmax(ew.where(attn_mask, scores, -math.inf), -1)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query keyᵀ scale + mask) value: (..., L, E), (..., S, E), (..., S, V) to (..., L, V).

    `attn_mask` broadcasts to (..., L, S): bools, true where a key counts, or floats to be added.
    `is_causal`: query i sees the keys up to i. `scale` is 1 / sqrt(E) unless given. Weights are
    zeroed with probability `dropout_p`. A query without any key gets 0. Vaswani et al., 2017.

    >>> import pyautograd as ag
    >>> q, k, v = ag.zeros(1, 2), ag.zeros(3, 2), ag.tensor([[1.0], [2.0], [3.0]])
    >>> ag.nn.functional.scaled_dot_product_attention(q, k, v)
    tensor([[2.]])
    """
    op = "scaled_dot_product_attention"
    if min(query.ndim, key.ndim, value.ndim) < 2 or query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"{op}: expected query (..., L, E) and key (..., S, E), got {query.shape} and "
            f"{key.shape}"
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"{op}: {key.shape[-2]} keys and {value.shape[-2]} values")
    if is_causal and attn_mask is not None:
        raise ValueError(f"{op}: is_causal is a mask of its own, attn_mask must be None")
    if attn_mask is not None:
        if attn_mask.dtype not in (np.bool_, query.dtype):
            raise TypeError(
                f"{op}: expected a mask of bool or {query.dtype}, got {attn_mask.dtype}"
            )
        batch = _C.broadcast_shapes(op, query.shape[:-2], key.shape[:-2])
        _C.broadcast_shapes(op, (*batch, query.shape[-2], key.shape[-2]), attn_mask.shape)
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    return matmul(dropout(weights, dropout_p, dropout_p > 0.0), value)

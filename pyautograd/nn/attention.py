"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd.nn import init
from pyautograd.nn.linear import Linear, new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops import elementwise as ew
from pyautograd.ops.attention import attention_weights, scaled_dot_product_attention
from pyautograd.ops.create import zeros
from pyautograd.ops.matmul import linear, matmul
from pyautograd.ops.random import dropout
from pyautograd.ops.reduce import mean
from pyautograd.ops.shape import cat, pad, reshape
from pyautograd.tensor import Tensor


def _added(op: str, mask: Tensor | None, dtype: Any) -> Tensor | None:
    """A mask of bools (true: does not count) or floats as floats to be added."""
    if mask is None or mask.dtype == dtype:
        return mask
    if mask.dtype != np.bool_:
        raise TypeError(f"{op}: expected a mask of bool or {dtype}, got {mask.dtype}")
    return ew.where(mask, -math.inf, zeros(mask.shape, dtype=dtype))


class MultiheadAttention(Module):
    """Attention of `num_heads` heads, each on embed_dim / num_heads features.

    query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim); with `batch_first` N comes first;
    without N for one sample. Parameters, masks and results are PyTorch's: in_proj_weight
    (3 embed_dim, embed_dim), or q_proj_weight, k_proj_weight, v_proj_weight where kdim or vdim
    differ from embed_dim; in_proj_bias; out_proj. Vaswani et al., 2017.

    >>> import pyautograd as ag
    >>> layer = ag.nn.MultiheadAttention(4, 2, batch_first=True)
    >>> x = ag.zeros(5, 3, 4)
    >>> out, weights = layer(x, x, x)
    >>> out.shape, weights.shape
    ((5, 3, 4), (5, 3, 3))
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim {embed_dim} does not divide into {num_heads} heads"
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.dropout = dropout
        self.add_zero_attn = add_zero_attn
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first = batch_first
        same = self.kdim == self.vdim == embed_dim

        def parameter(made: bool, *shape: int) -> Parameter | None:
            return new_parameter(shape, dtype) if made else None

        for name, value in (
            ("in_proj_weight", parameter(same, 3 * embed_dim, embed_dim)),
            ("q_proj_weight", parameter(not same, embed_dim, embed_dim)),
            ("k_proj_weight", parameter(not same, embed_dim, self.kdim)),
            ("v_proj_weight", parameter(not same, embed_dim, self.vdim)),
            ("in_proj_bias", parameter(bias, 3 * embed_dim)),
            ("bias_k", parameter(add_bias_kv, 1, 1, embed_dim)),
            ("bias_v", parameter(add_bias_kv, 1, 1, embed_dim)),
        ):
            self.register_parameter(name, value)
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new starting values: projections as Glorot's, biases 0."""
        for weight in (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
        ):  # fmt: skip
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        e, bias = self.embed_dim, self.in_proj_bias
        if self.in_proj_weight is not None and query is key and key is value:
            return list(linear(query, self.in_proj_weight, bias).chunk(3, -1))
        weights: Any = (
            (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            if self.in_proj_weight is None
            else self.in_proj_weight.chunk(3, 0)
        )
        biases = (None,) * 3 if bias is None else bias.split(e)
        return [
            linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)
        ]

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        shapes = (query.shape, key.shape, value.shape)
        sizes = (self.embed_dim, self.kdim, self.vdim)
        if (
            query.ndim not in (2, 3)
            or {len(s) for s in shapes} != {query.ndim}
            or [s[-1] for s in shapes] != list(sizes)
            or shapes[1][:-1] != shapes[2][:-1]
        ):
            raise ValueError(
                f"MultiheadAttention: expected query, key and value of 2 or 3 dimensions with "
                f"{sizes} features, got shapes {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )

    def _mask(
        self, scores: tuple[int, ...], padding: Tensor | None, mask: Tensor | None, dtype: Any
    ) -> Tensor | None:
        """What is added to the scores (N, heads, L, S)."""
        op = "MultiheadAttention"
        n, heads, length, keys = scores
        mask, padding = _added(op, mask, dtype), _added(op, padding, dtype)
        if mask is not None:
            if mask.shape == (n * heads, length, keys):
                mask = reshape(mask, scores)
            elif mask.shape != (length, keys):
                raise ValueError(
                    f"{op}: expected an attn_mask of shape ({length}, {keys}) or "
                    f"({n * heads}, {length}, {keys}), got {mask.shape}"
                )
        if padding is not None:
            if padding.shape != (n, keys):
                raise ValueError(
                    f"{op}: expected a key_padding_mask of shape ({n}, {keys}), got {padding.shape}"
                )
            padding = reshape(padding, (n, 1, 1, keys))
            mask = padding if mask is None else ew.add(mask, padding)
        return mask

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The pair (result in the query's shape, weights (N, L, S) or None).

        `key_padding_mask` (N, S) and `attn_mask` (L, S) or (N heads, L, S): bools, true where a key
        does not count, or floats to be added. `is_causal` says that `attn_mask`, which must be
        given, is the causal one. Weights are the mean over the heads, or (N, heads, L, S) without
        `average_attn_weights`.
        """
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal is a hint, and needs attn_mask")
        self._check(query, key, value)
        single = query.ndim == 2
        if single and key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
        projected = self._projected(query, key, value)
        if single:
            projected = [x.unsqueeze(0) for x in projected]
        elif not self.batch_first:
            projected = [x.transpose(0, 1) for x in projected]
        n, length = projected[0].shape[:2]
        shape = (n, self.num_heads, length, projected[1].shape[1])
        mask = self._mask(shape, key_padding_mask, attn_mask, query.dtype)
        if self.bias_k is not None and self.bias_v is not None:
            for i, extra in ((1, self.bias_k), (2, self.bias_v)):
                projected[i] = cat([projected[i], extra.expand(n, 1, self.embed_dim)], 1)
        if self.add_zero_attn:
            nothing = zeros(n, 1, self.embed_dim, dtype=query.dtype)
            projected = [projected[0], *[cat([x, nothing], 1) for x in projected[1:]]]
        if mask is not None and (more := projected[1].shape[1] - shape[3]):
            mask = pad(mask, (0, more))
        q, k, v = (
            reshape(x, (n, x.shape[1], self.num_heads, self.head_dim)).transpose(1, 2)
            for x in projected
        )  # (N, heads, L, head_dim)
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            weights = dropout(attention_weights(q, k, mask), p, p > 0.0)
            out = matmul(weights, v)
            weights = mean(weights, 1) if average_attn_weights else weights
        else:
            out = scaled_dot_product_attention(q, k, v, mask, p)
        out = self.out_proj(reshape(out.transpose(1, 2), (n, length, self.embed_dim)))
        if single:
            return out.squeeze(0), None if weights is None else weights.squeeze(0)
        return out if self.batch_first else out.transpose(0, 1), weights

"""The encoder of the transformer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from pyautograd.nn.attention import MultiheadAttention
from pyautograd.nn.containers import ModuleList
from pyautograd.nn.dropout import Dropout
from pyautograd.nn.linear import Linear
from pyautograd.nn.module import Module
from pyautograd.nn.norm import LayerNorm
from pyautograd.ops.activation import gelu
from pyautograd.ops.elementwise import relu
from pyautograd.tensor import Tensor

Activation = str | Callable[[Tensor], Tensor]


def activation_of(layer: str, activation: Activation) -> Callable[[Tensor], Tensor]:
    """The function of that name, or the function itself."""
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise ValueError(f"{layer}: activation is relu or gelu, got {activation!r}")
    return relu if activation == "relu" else gelu


class TransformerEncoderLayer(Module):
    """Self-attention and a network of two layers, each with a residual path and layer norm.

    x <- norm1(x + attention(x)), x <- norm2(x + linear2(activation(linear1(x)))); with `norm_first`
    the norms come first in their branches. Input and output (L, N, d_model), or (N, L, d_model)
    with `batch_first`. `activation` is "relu", "gelu" or a function. Vaswani et al., 2017.

    >>> import pyautograd as ag
    >>> layer = ag.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(ag.zeros(4, 5, 8)).shape
    (4, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation_of("TransformerEncoderLayer", activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """In the shape of `src`; masks as in MultiheadAttention."""

        def attend(x: Tensor) -> Tensor:
            out, _ = self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal
            )
            return self.dropout1(out)

        def feed_forward(x: Tensor) -> Tensor:
            inner = self.dropout(self.activation(self.linear1(x)))
            return self.dropout2(self.linear2(inner))

        x: Any = src
        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + feed_forward(self.norm2(x))
        x = self.norm1(x + attend(x))
        return self.norm2(x + feed_forward(x))


class TransformerEncoder(Module):
    """`num_layers` copies of a layer, one after the other, and `norm` at the end.

    The copies start from the same values.
    """

    norm: Module | None

    def __init__(
        self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """In the shape of `src`; masks as in MultiheadAttention."""
        out = src
        for layer in self.layers:
            out = layer(out, mask, src_key_padding_mask, is_causal)
        return out if self.norm is None else self.norm(out)

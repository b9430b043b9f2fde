"""The decoder of the transformer, and encoder and decoder together."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from pyautograd.dtypes import as_dtype, float32
from pyautograd.nn import init
from pyautograd.nn.attention import MultiheadAttention
from pyautograd.nn.containers import ModuleList
from pyautograd.nn.dropout import Dropout
from pyautograd.nn.linear import Linear
from pyautograd.nn.module import Module
from pyautograd.nn.norm import LayerNorm
from pyautograd.nn.transformer import (
    Activation,
    TransformerEncoder,
    TransformerEncoderLayer,
    activation_of,
)
from pyautograd.ops.elementwise import relu
from pyautograd.tensor import Tensor, wrap


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's result, and a network of two layers.

    Each has a residual path and layer norm, as in TransformerEncoderLayer. Input and output
    (T, N, d_model), or (N, T, d_model) with `batch_first`. Vaswani et al., 2017.

    >>> import pyautograd as ag
    >>> layer = ag.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
    >>> layer(ag.zeros(4, 3, 8), ag.zeros(4, 5, 8)).shape
    (4, 3, 8)
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

        def attention() -> MultiheadAttention:
            return MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
            )

        self.self_attn = attention()
        self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation_of("TransformerDecoderLayer", activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """In the shape of `tgt`; `memory` is the encoder's result. Masks as in MultiheadAttention.

        A mask that the hints call causal must be given.
        """

        def attend(x: Tensor) -> Tensor:
            out, _ = self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal
            )
            return self.dropout1(out)

        def look_up(x: Tensor) -> Tensor:
            out, _ = self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask,
                is_causal=memory_is_causal,
            )  # fmt: skip
            return self.dropout2(out)

        def feed_forward(x: Tensor) -> Tensor:
            inner = self.dropout(self.activation(self.linear1(x)))
            return self.dropout3(self.linear2(inner))

        x: Any = tgt
        parts = (self.norm1, attend), (self.norm2, look_up), (self.norm3, feed_forward)
        for norm, part in parts:
            x = x + part(norm(x)) if self.norm_first else norm(x + part(x))
        return x


class TransformerDecoder(Module):
    """`num_layers` copies of a layer, one after the other, and `norm` at the end.

    The copies start from the same values.
    """

    norm: Module | None

    def __init__(
        self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """In the shape of `tgt`; arguments as in TransformerDecoderLayer."""
        out = tgt
        for layer in self.layers:
            out = layer(
                out, memory, tgt_mask, memory_mask, tgt_key_padding_mask,
                memory_key_padding_mask, bool(tgt_is_causal), memory_is_causal,
            )  # fmt: skip
        return out if self.norm is None else self.norm(out)


class Transformer(Module):
    """Encoder and decoder, each with a layer norm at the end. Weights start as Glorot's.

    src (S, N, d_model) and tgt (T, N, d_model) to (T, N, d_model); with `batch_first` N comes
    first. `custom_encoder` and `custom_decoder` take the places of these. Vaswani et al., 2017.

    >>> import pyautograd as ag
    >>> net = ag.nn.Transformer(8, 2, 1, 1, 16)
    >>> mask = net.generate_square_subsequent_mask(3)
    >>> net(ag.zeros(5, 4, 8), ag.zeros(3, 4, 8), tgt_mask=mask).shape
    (3, 4, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        settings = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*settings, dtype=dtype), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*settings, dtype=dtype), num_decoder_layers, norm()
        )
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """In the shape of `tgt`; masks as in MultiheadAttention."""
        samples = 0 if self.batch_first else 1
        if (
            src.ndim != tgt.ndim
            or src.shape[-1:] != (self.d_model,)
            or tgt.shape[-1:] != (self.d_model,)
            or (src.ndim == 3 and src.shape[samples] != tgt.shape[samples])
        ):
            raise ValueError(
                f"Transformer: expected src and tgt of as many samples with {self.d_model} "
                f"features, got shapes {src.shape} and {tgt.shape}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, bool(src_is_causal))
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal, memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, *, dtype: Any = None) -> Tensor:
        """(sz, sz): -inf above the diagonal, so that no place looks ahead, 0 elsewhere."""
        ahead = np.full((sz, sz), -math.inf, as_dtype(dtype or float32))
        return wrap(np.triu(ahead, 1))

"""Layers of two inputs."""

from __future__ import annotations

import math
from typing import Any

from pyautograd.nn import init
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.bilinear import bilinear
from pyautograd.ops.distance import cosine_similarity, pairwise_distance
from pyautograd.tensor import Tensor


class CosineSimilarity(Module):
    """sum(x1 x2) / (max(|x1|, eps) max(|x2|, eps)) along `dim`; shapes broadcast."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Without the dimension `dim`."""
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension; shapes broadcast.

    >>> import pyautograd as ag
    >>> ag.nn.PairwiseDistance()(ag.tensor([[3.0, 4.0]]), ag.zeros(1, 2))
    tensor([5.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """(..., D) and (..., D) to (...,), or (..., 1) with `keepdim`."""
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class Bilinear(Module):
    """x1 weight[o] x2 + bias[o]: (..., in1_features) and (..., in2_features) to (..., O).

    weight (O, in1_features, in2_features), bias (O,), both uniform within
    ±1 / sqrt(in1_features) at first.

    >>> import pyautograd as ag
    >>> ag.nn.Bilinear(4, 5, 2)(ag.zeros(3, 4), ag.zeros(3, 5)).shape
    (3, 2)
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features < 1 or in2_features < 0 or out_features < 0:
            raise ValueError(
                "Bilinear: expected in1_features of at least 1 and no negative sizes, got "
                f"{in1_features}, {in2_features} and {out_features}"
            )
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = new_parameter((out_features, in1_features, in2_features), dtype)
        self.register_parameter("bias", new_parameter((out_features,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new starting values."""
        bound = 1.0 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(..., in1_features) and (..., in2_features) to (..., out_features)."""
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )

"""Affine maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.dtypes import as_dtype, float32
from pyautograd.nn import init
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.matmul import linear
from pyautograd.tensor import Tensor, wrap


def new_parameter(shape: tuple[int, ...], dtype: Any) -> Parameter:
    """A parameter that is still to be filled."""
    return Parameter(wrap(np.zeros(shape, as_dtype(dtype or float32))))


class Identity(Module):
    """Gives back its input; takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """`input` itself."""
        return input


class Linear(Module):
    """input @ weight.T + bias: (..., in_features) to (..., out_features).

    weight (out_features, in_features), bias (out_features,), both uniform within
    ±1 / sqrt(in_features) at first.

    >>> import pyautograd as ag
    >>> layer = ag.nn.Linear(4, 2)
    >>> layer(ag.zeros(3, 4)).shape
    (3, 2)
    """

    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__()
        if in_features < 0 or out_features < 0:
            raise ValueError(f"Linear: sizes must not be negative: {in_features}, {out_features}")
        self.in_features = in_features
        self.out_features = out_features
        self.weight = new_parameter((out_features, in_features), dtype)
        self.register_parameter("bias", new_parameter((out_features,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new starting values."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

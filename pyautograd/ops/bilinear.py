"""Bilinear forms."""

from __future__ import annotations

from pyautograd.ops import elementwise as ew
from pyautograd.ops.matmul import linear
from pyautograd.ops.reduce import sum
from pyautograd.ops.shape import permute, reshape, unsqueeze
from pyautograd.tensor import Tensor

__all__ = ["bilinear"]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """out[..., o] = sum over i, j of input1[..., i] weight[o, i, j] input2[..., j] + bias[o].

    input1 (..., m), input2 (..., n), weight (O, m, n), bias (O,) to (..., O).

    >>> import pyautograd as ag
    >>> ag.nn.functional.bilinear(ag.ones(2), ag.ones(3), ag.ones(1, 2, 3))
    tensor([6.])
    """
    out, m, n = weight.shape if weight.ndim == 3 else (0, -1, -1)
    if input1.shape[:-1] != input2.shape[:-1] or (input1.shape[-1:], input2.shape[-1:]) != (
        (m,),
        (n,),
    ):
        raise ValueError(
            "bilinear: expected inputs (..., m) and (..., n) and a weight (O, m, n), got "
            f"{input1.shape}, {input2.shape} and {weight.shape}"
        )
    flat = reshape(permute(weight, (0, 2, 1)), (out * n, m))
    forms = reshape(linear(input1, flat), (*input1.shape[:-1], out, n))
    result = sum(ew.mul(forms, unsqueeze(input2, -2)), -1)
    return result if bias is None else ew.add(result, bias)

"""Layers of products: bilinear forms, and normalisation by neighbouring channels."""

from __future__ import annotations

from pyautograd.ops import elementwise as ew
from pyautograd.ops.matmul import linear
from pyautograd.ops.pool import avg_pool2d
from pyautograd.ops.reduce import sum
from pyautograd.ops.shape import pad, permute, reshape, unsqueeze
from pyautograd.tensor import Tensor

__all__ = ["bilinear", "local_response_norm"]


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


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """input / (k + alpha / size * s)^beta, s the sum of squares over `size` channels around.

    input (N, C, ...) of at least 3 dimensions. Krizhevsky et al., 2012.
    """
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: expected (N, C, ...), got shape {input.shape}")
    if size < 1:
        raise ValueError(f"local_response_norm: expected size of at least 1, got {size}")
    if not input.numel():
        return input
    squares = reshape(ew.square(input), (input.shape[0], 1, input.shape[1], -1))
    bordered = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = reshape(avg_pool2d(bordered, (size, 1), 1), input.shape)
    return ew.div(input, ew.pow(ew.add(ew.mul(means, alpha), k), beta))

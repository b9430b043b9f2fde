"""Normalisation by neighbouring channels."""

from __future__ import annotations

from pyautograd.ops import elementwise as ew
from pyautograd.ops.pool import avg_pool2d
from pyautograd.ops.shape import pad, reshape
from pyautograd.tensor import Tensor

__all__ = ["local_response_norm"]


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

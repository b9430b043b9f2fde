"""Vectors scaled to length 1, and the angles and distances between vectors."""

from __future__ import annotations

from pyautograd.ops import elementwise as ew
from pyautograd.ops.reduce import sum
from pyautograd.ops.vectors import vector_norm
from pyautograd.tensor import Tensor

__all__ = [
    "cosine_similarity",
    "normalize",
    "pairwise_distance",
]


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """input / max(norm, eps), by the p-norm along `dim`."""
    return ew.div(input, ew.clamp(vector_norm(input, p, dim, True), min=eps))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """sum(x1 x2) / (max(|x1|, eps) max(|x2|, eps)) along `dim`; shapes broadcast."""
    a, b = (
        ew.div(x, ew.clamp(vector_norm(x, 2, dim if dim < 0 else dim - ndim, True), min=eps))
        for x, ndim in ((x1, max(x1.ndim, x2.ndim)), (x2, max(x1.ndim, x2.ndim)))
    )
    return sum(ew.mul(a, b), dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension; shapes broadcast.

    >>> import pyautograd as ag
    >>> ag.nn.functional.pairwise_distance(ag.tensor([3.0, 4.0]), ag.zeros(2))
    tensor(5.0000)
    """
    return vector_norm(ew.add(ew.sub(x1, x2), eps), p, -1, keepdim)

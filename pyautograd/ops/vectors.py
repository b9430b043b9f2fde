"""Outer products, and the length of vectors."""

from __future__ import annotations

import math
from typing import Any

from pyautograd.op import method
from pyautograd.ops import elementwise as ew
from pyautograd.ops.reduce import amax, amin, sum
from pyautograd.ops.shape import Dims, reshape
from pyautograd.tensor import Tensor

__all__ = [
    "norm",
    "outer",
]


@method()
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The products of all pairs of two vectors, (m,) and (n,) to (m, n)."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise ValueError(f"outer: expected two vectors, got shapes {input.shape} and {vec2.shape}")
    return ew.mul(reshape(input, (-1, 1)), vec2)


def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """sum(|x|^ord)^(1/ord) over `dim`; the largest |x| for inf, the smallest for -inf.

    For 0 the number of elements that are not 0. Where the norm is 0, its gradient is taken as 0.
    """
    if dtype is not None:
        x = x.to(dtype)
    if not x.is_floating_point():
        raise TypeError(f"vector_norm: expected float32 or float64, got {x.dtype}")
    if ord == 0:
        return sum(ew.ne(x, 0.0).to(x.dtype), dim, keepdim)
    if ord == 1:
        return sum(ew.abs(x), dim, keepdim)
    if math.isinf(ord):
        return (amax if ord > 0 else amin)(ew.abs(x), dim, keepdim)
    total = sum(ew.mul(x, x) if ord == 2 else ew.pow(ew.abs(x), float(ord)), dim, keepdim)
    flat = ew.eq(total, 0.0)
    inside = ew.where(flat, 1.0, total)
    return ew.where(flat, 0.0, ew.sqrt(inside) if ord == 2 else ew.pow(inside, 1.0 / ord))


@method()
def norm(
    input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm over `dim`, 2 unless given: sum(|x|^p)^(1/p). See `linalg.vector_norm`.

    >>> import pyautograd as ag
    >>> ag.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    if p in ("fro", None):
        p = 2
    if not isinstance(p, (int, float)):
        raise ValueError(f"norm: p is a number or 'fro', got {p!r}")
    return vector_norm(input, p, dim, keepdim, dtype=dtype)

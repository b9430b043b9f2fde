"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.cost import products
from pyautograd.op import method, primitive
from pyautograd.ops.shape import reshape, unsqueeze
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "bmm",
    "dot",
    "linear",
    "matmul",
    "mm",
]


def transposed(K: Any, x: Any) -> Any:
    n = len(x.shape)
    return K.permute(x, (*range(n - 2), n - 1, n - 2))


def _matmul_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, b = saved  # (..., m, k), (..., k, n)
    return (
        needs[0] and K.matmul(g, transposed(K, b)),
        needs[1] and K.matmul(transposed(K, a), g),
    )


def _infer_matmul(a: Any, b: Any) -> Any:
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"matmul: shapes {a.shape} and {b.shape} do not multiply: "
            f"{a.shape[-1]} != {b.shape[-2]}"
        )
    batch = _C.broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    return (*batch, a.shape[-2], b.shape[-1]), a.dtype


# matmul(a, b): a (..., m, k), b (..., k, n); batch dimensions broadcast.
_matmul = primitive(
    "matmul",
    "contraction",
    _C.matmul,
    _matmul_rule,
    _infer_matmul,
    saves=(0, 1),
    inputs=2,
    broadcasts=True,
    fresh=True,
    flops=products(lambda inputs, attrs: inputs[0].shape[-1], of_input=False),
)


@method()
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product, by the last two dimensions; the ones before broadcast.

    A 1-D operand counts as a row on the left or a column on the right, and its dimension of size 1
    is dropped from the result.

    >>> import pyautograd as ag
    >>> (ag.ones(2, 3) @ ag.ones(3)).shape
    (2,)
    """
    try:
        if input._array.ndim == other._array.ndim == 2:
            return _matmul(input, other)
    except AttributeError:
        pass  # no tensors, or such as stand for others
    if not isinstance(other, Tensor) or not isinstance(input, Tensor):
        raise TypeError(
            f"matmul: expected two tensors, got {type(input).__name__} and {type(other).__name__}"
        )
    if not input.ndim or not other.ndim:
        raise ValueError(
            f"matmul: expected at least 1 dimension each, got shapes {input.shape} and "
            f"{other.shape}"
        )
    if input.ndim == 2 and other.ndim == 2:
        return _matmul(input, other)
    rows = other.shape[-2 if other.ndim > 1 else -1]
    if input.shape[-1] != rows:
        raise ValueError(
            f"matmul: shapes {input.shape} and {other.shape} do not multiply: "
            f"{input.shape[-1]} != {rows}"
        )
    a = unsqueeze(input, 0) if input.ndim == 1 else input
    b = unsqueeze(other, 1) if other.ndim == 1 else other
    if a.ndim > 2 and b.ndim == 2:  # one matrix for the whole batch: one product
        out = _matmul(
            reshape(a, (-1, a.shape[-1])) if a.numel() else reshape(a, (_rows(a), a.shape[-1])), b
        )
        out = reshape(out, (*a.shape[:-1], b.shape[1]))
    else:
        out = _matmul(a, b)
    shape = out.shape
    if input.ndim == 1:
        shape = (*shape[:-2], shape[-1])
    if other.ndim == 1:
        shape = shape[:-1]
    return reshape(out, shape)


@method("__matmul__")
def _operator(a: Tensor, b: Any) -> Tensor:
    """a @ b; an array counts as a tensor, as beside the other operators."""
    if isinstance(b, Tensor):
        return matmul(a, b)
    return matmul(a, wrap(b)) if isinstance(b, np.ndarray) else NotImplemented


@method("__rmatmul__")
def _reflected_operator(b: Tensor, a: Any) -> Tensor:
    return matmul(wrap(a), b) if isinstance(a, np.ndarray) else NotImplemented


def _rows(x: Tensor) -> int:
    """How many rows x (..., k) has."""
    rows = 1
    for n in x.shape[:-1]:
        rows *= n
    return rows


def _of_dims(name: str, ndim: int, input: Tensor, other: Tensor) -> Tensor:
    if input.ndim != ndim or other.ndim != ndim:
        raise ValueError(
            f"{name}: expected {ndim} dimensions each, got shapes {input.shape} and {other.shape}"
        )
    if ndim == 3 and input.shape[0] != other.shape[0]:
        raise ValueError(f"{name}: batches differ: shapes {input.shape} and {other.shape}")
    return _matmul(input, other)


@method()
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (m, k) and (k, n)."""
    return _of_dims("mm", 2, input, mat2)


@method()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (b, m, k) and (b, k, n)."""
    return _of_dims("bmm", 3, input, mat2)


@method()
def dot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors."""
    if input.ndim != 1 or input.shape != other.shape:
        raise ValueError(
            f"dot: expected two vectors of one size, got shapes {input.shape} and {other.shape}"
        )
    return matmul(input, other)


def _linear_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    x, w = saved  # (m, k), (n, k); g (m, n)
    return (
        needs[0] and K.matmul(g, w),
        needs[1] and K.matmul(K.permute(g, (1, 0)), x),
        needs[2] and K.sum(g, (0,), False, 1.0),
    )


# linear(x, w, bias): x (m, k), w (n, k), bias (n,).
_linear = primitive(
    "linear",
    "contraction",
    _C.linear,
    _linear_rule,
    lambda x, w, bias: ((x.shape[0], w.shape[0]), x.dtype),
    saves=(0, 1),
    inputs=3,
    fresh=True,
    flops=products(lambda inputs, attrs: inputs[0].shape[-1], of_input=False),
)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias; input (..., k), weight (n, k), bias (n,).

    >>> import pyautograd as ag
    >>> ag.nn.functional.linear(ag.ones(2, 3), ag.ones(4, 3), ag.zeros(4)).shape
    (2, 4)
    """
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        raise TypeError(
            f"linear: expected tensors as input and weight, got {type(input).__name__} and "
            f"{type(weight).__name__}"
        )
    if input.ndim == 2:
        return _linear(input, weight, bias)  # the kernel checks the shapes
    if weight.ndim != 2 or not input.ndim or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: expected input (..., k) and weight (n, k), got shapes {input.shape} and "
            f"{weight.shape}"
        )
    rows = reshape(input, (_rows(input), input.shape[-1]))
    return reshape(_linear(rows, weight, bias), (*input.shape[:-1], weight.shape[0]))

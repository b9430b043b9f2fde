"""Products of vectors and matrices beyond `matmul`, and diagonals."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from pyautograd.op import method
from pyautograd.ops import elementwise as ew
from pyautograd.ops.create import eye
from pyautograd.ops.matmul import bmm, matmul, mm
from pyautograd.ops.rearrange import diagonal
from pyautograd.ops.reduce import sum
from pyautograd.ops.shape import broadcast_to, cat, index_of_dim, movedim, pad, permute, reshape
from pyautograd.ops.vectors import outer, vector_norm
from pyautograd.tensor import Tensor

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "block_diag",
    "cdist",
    "cross",
    "diag",
    "diag_embed",
    "diagflat",
    "dist",
    "inner",
    "kron",
    "mv",
    "tensordot",
    "trace",
    "vdot",
]


def _vectors(op: str, a: Tensor, b: Tensor) -> None:
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"{op}: expected two vectors of one size, got shapes {a.shape} and {b.shape}"
        )


@method()
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix (m, k) and a vector (k,)."""
    if input.ndim != 2 or vec.ndim != 1:
        raise ValueError(f"mv: expected (m, k) and (k,), got shapes {input.shape} and {vec.shape}")
    return matmul(input, vec)


@method()
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors."""
    _vectors("vdot", input, other)
    return matmul(input, other)


@method()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dimensions: (..., k) and (*, k) to (..., *)."""
    if not input.ndim or not other.ndim:
        return ew.mul(input, other)
    return tensordot(input, other, ([-1], [-1]))


def _added(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    scaled = product if alpha == 1 else ew.mul(product, alpha)
    if beta == 0:  # NaN in input does not count then
        return scaled
    return ew.add(scaled, broadcast_to(input if beta == 1 else ew.mul(input, beta), product.shape))


@method()
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * input + alpha * mat1 @ mat2, of matrices."""
    return _added(input, mm(mat1, mat2), beta, alpha)


@method()
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * mat @ vec."""
    return _added(input, mv(mat, vec), beta, alpha)


@method()
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * the outer product of vec1 and vec2."""
    return _added(input, outer(vec1, vec2), beta, alpha)


@method()
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * input + alpha * batch1 @ batch2, of batches of matrices."""
    return _added(input, bmm(batch1, batch2), beta, alpha)


@method()
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * input + alpha * the sum of batch1 @ batch2 over the batch."""
    return _added(input, sum(bmm(batch1, batch2), 0), beta, alpha)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over dimensions of both.

    dims: a number n (the last n of `a` and the first n of `b`), or a pair of lists.

    >>> import pyautograd as ag
    >>> ag.tensordot(ag.ones(2, 3, 4), ag.ones(4, 3, 5), ([1, 2], [1, 0])).shape
    (2, 5)
    """
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: {dims} dimensions of shapes {a.shape} and {b.shape}")
        ours, theirs = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        ours = [index_of_dim("tensordot", a.ndim, d) for d in dims[0]]
        theirs = [index_of_dim("tensordot", b.ndim, d) for d in dims[1]]
    sizes = [a.shape[d] for d in ours]
    if sizes != [b.shape[d] for d in theirs]:
        raise ValueError(
            f"tensordot: shapes {a.shape} and {b.shape} do not match in dimensions {ours} and "
            f"{theirs}"
        )
    left = [d for d in range(a.ndim) if d not in ours]
    right = [d for d in range(b.ndim) if d not in theirs]
    shape = [a.shape[d] for d in left] + [b.shape[d] for d in right]
    rows, columns = (math.prod([x.shape[d] for d in kept]) for x, kept in ((a, left), (b, right)))
    count = math.prod(sizes)
    product = mm(
        reshape(permute(a, (*left, *ours)), (rows, count)),
        reshape(permute(b, (*theirs, *right)), (count, columns)),
    )
    return reshape(product, tuple(shape))


@method()
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of `input` times all of `other`, as blocks.

    >>> import pyautograd as ag
    >>> ag.kron(ag.tensor([1.0, 10.0]), ag.tensor([1.0, 2.0]))
    tensor([ 1.,  2., 10., 20.])
    """
    n = max(input.ndim, other.ndim)
    a, b = ((1,) * (n - x.ndim) + x.shape for x in (input, other))
    spread = ew.mul(
        reshape(input, tuple([k for m in a for k in (m, 1)])),
        reshape(other, tuple([k for m in b for k in (1, m)])),
    )
    return reshape(spread, tuple([p * q for p, q in zip(a, b, strict=True)]))


@method()
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector products along `dim`, of size 3; the first such dimension if None."""
    if dim is None:
        if 3 not in input.shape:
            raise ValueError(f"cross: no dimension of shape {input.shape} has size 3")
        dim = input.shape.index(3)
    d = index_of_dim("cross", input.ndim, dim)
    if input.shape[d] != 3 or other.ndim != input.ndim or other.shape[d] != 3:
        raise ValueError(
            f"cross: expected size 3 in dimension {d}, got shapes {input.shape} and {other.shape}"
        )
    a, b = movedim(input, d, 0), movedim(other, d, 0)
    parts = [
        ew.sub(ew.mul(a[i], b[j]), ew.mul(a[j], b[i])).unsqueeze(d)
        for i, j in ((1, 2), (2, 0), (0, 1))
    ]
    return cat(parts, d)


@method()
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ValueError(f"trace: expected a matrix, got shape {input.shape}")
    return sum(diagonal(input))


@method()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension as a diagonal of matrices in dimensions dim1 and dim2.

    >>> import pyautograd as ag
    >>> ag.diag_embed(ag.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    if not input.ndim:
        raise ValueError("diag_embed: expected at least 1 dimension, got a 0-d tensor")
    n = input.ndim + 1
    first, second = (index_of_dim("diag_embed", n, d) for d in (dim1, dim2))
    if first == second:
        raise ValueError(f"diag_embed: dim1 and dim2 are the same, {first}")
    size = input.shape[-1]
    square = ew.where(
        eye(size, dtype=np.bool_), input.unsqueeze(-1), input.new_zeros(())
    )  # (..., size, size)
    k = abs(offset)
    if offset:
        square = pad(square, (k, 0, 0, k) if offset > 0 else (0, k, k, 0))
    if first > second:  # the rows are in dim1
        square = square.transpose(-2, -1)
        first, second = second, first
    order = list(range(n - 2))
    order.insert(first, n - 2)
    order.insert(second, n - 1)
    return permute(square, tuple(order))


@method()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix, or the diagonal of a matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise ValueError(f"diag: expected a vector or a matrix, got shape {input.shape}")
    return input.diagonal(diagonal)


@method()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements in order as the diagonal of a matrix."""
    return diag_embed(reshape(input, (-1,)), offset)


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of one; vectors count as rows, numbers as 1 x 1.

    >>> import pyautograd as ag
    >>> ag.block_diag(ag.ones(1, 1), ag.ones(1, 2))
    tensor([[1., 0., 0.],
            [0., 1., 1.]])
    """
    blocks = []
    for x in tensors:
        if x.ndim > 2:
            raise ValueError(f"block_diag: expected at most 2 dimensions, got shape {x.shape}")
        blocks.append(x if x.ndim == 2 else reshape(x, (1, -1)))
    width = 0
    total = builtins.sum([b.shape[1] for b in blocks])
    rows = []
    for block in blocks:
        after = total - width - block.shape[1]
        rows.append(pad(block, (width, after)))
        width += block.shape[1]
    return cat(rows, 0)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs: (..., P, M) and (..., R, M) to (..., P, R)."""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(
            f"cdist: expected (..., P, M) and (..., R, M), got shapes {x1.shape} and {x2.shape}"
        )
    return vector_norm(ew.sub(x1.unsqueeze(-2), x2.unsqueeze(-3)), p, -1)


@method()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return vector_norm(ew.sub(input, other), p)

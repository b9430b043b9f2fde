"""Linear algebra: what there is of `torch.linalg`.

Matrices are the last two dimensions, the ones before are a batch. Results are differentiable to
any order; where a factorisation is not smooth (equal eigenvalues or singular values), the part of
the gradient that is infinite is taken as 0. LinAlgError (a ValueError) where there is no result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyautograd import tape
from pyautograd.ops import elementwise as ew
from pyautograd.ops import factor
from pyautograd.ops.create import eye
from pyautograd.ops.factor import LinAlgError
from pyautograd.ops.matmul import matmul
from pyautograd.ops.products import cross as _cross
from pyautograd.ops.reduce import amax, amin, sum
from pyautograd.ops.shape import Dims, broadcast_to, cat, dims_of, index_of_dim, movedim, transpose
from pyautograd.ops.vectors import vector_norm
from pyautograd.tensor import Tensor

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]

K = tape.tensors


def _matrices(op: str, *tensors: Tensor, square: bool = False) -> None:
    for x in tensors:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            got = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{op}: expected a float32 or float64 tensor, got {got}")
        if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
            kind = "square matrices" if square else "matrices"
            raise ValueError(f"{op}: expected {kind}, got shape {x.shape}")


# ---- inverses and determinants -------------------------------------------------------------------


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices (..., n, n).

    >>> import pyautograd as ag
    >>> ag.linalg.inv(ag.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    _matrices("inv", A, square=True)
    return factor.inv(A)


def solve(A: Tensor, B: Tensor) -> Tensor:
    """X with A X = B: A (..., n, n), B (..., n, k), or (n,) and batches of it (..., n).

    >>> import pyautograd as ag
    >>> ag.linalg.solve(ag.tensor([[2.0, 0.0], [0.0, 4.0]]), ag.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    _matrices("solve", A, square=True)
    is_vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    right = B.unsqueeze(-1) if is_vector else B
    _matrices("solve", right)
    if right.dtype != A.dtype:
        raise TypeError(f"solve: A is {A.dtype}, B {B.dtype}")
    if right.shape[-2] != A.shape[-1]:
        raise ValueError(f"solve: shapes {A.shape} and {B.shape} do not fit")
    batch = np.broadcast_shapes(A.shape[:-2], right.shape[:-2])
    left, right = (broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, right))
    x = factor.solve(left, right)
    return x.squeeze(-1) if is_vector else x


def det(A: Tensor) -> Tensor:
    """The determinants of (..., n, n). The gradient needs an inverse."""
    _matrices("det", A, square=True)
    return factor.det(A)


class SignAndLog(NamedTuple):
    """`sign` and `logabsdet`."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(A: Tensor) -> SignAndLog:
    """The sign of the determinant, and the logarithm of its size."""
    _matrices("slogdet", A, square=True)
    return SignAndLog(factor.det_sign(A.detach()), factor.log_det(A))


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A multiplied by itself n times; for n below 0, of the inverse."""
    _matrices("matrix_power", A, square=True)
    if n < 0:
        return matrix_power(inv(A), -n)
    if not n:
        return broadcast_to(eye(A.shape[-1], dtype=A.dtype), A.shape).clone()
    result: Tensor | None = None
    while n:  # by squaring
        if n % 2:
            result = A if result is None else matmul(result, A)
        n //= 2
        A = matmul(A, A) if n else A
    assert result is not None
    return result


# ---- factorisations ------------------------------------------------------------------------------


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L, lower triangular, with L L^T = A; or its transpose. A is symmetric and positive definite.

    Reads the lower triangle alone; the gradient is that of a symmetric A.

    >>> import pyautograd as ag
    >>> ag.linalg.cholesky(ag.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    _matrices("cholesky", A, square=True)
    lower = factor.cholesky(A)
    return transpose(lower, -2, -1) if upper else lower


class Eigen(NamedTuple):
    """`eigenvalues` and `eigenvectors`."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(A: Tensor) -> Eigen:
    """The eigenvalues of symmetric matrices (..., n, n), ascending, and eigenvectors as columns.

    Reads the lower triangle alone; the gradient is that of a symmetric A.
    """
    _matrices("eigh", A, square=True)
    vectors, values = factor.parts_of_eigh(K, factor.eigh(A), A.shape[-1])
    return Eigen(values, vectors)


def eigvalsh(A: Tensor) -> Tensor:
    """The eigenvalues of symmetric matrices, ascending."""
    return eigh(A).eigenvalues


class QR(NamedTuple):
    """`Q` and `R`."""

    Q: Tensor
    R: Tensor


def qr(A: Tensor) -> QR:
    """Q (..., m, k) with orthonormal columns and R (..., k, n), upper triangular, with Q R = A.

    k is the smaller of m and n.
    """
    _matrices("qr", A)
    m, n = A.shape[-2:]
    if m >= n:
        return QR(*factor.parts_of_qr(K, factor.qr(A), m, n))
    q, r = qr(A[..., :m])
    return QR(q, cat((r, matmul(transpose(q, -2, -1), A[..., m:])), -1))


class SVD(NamedTuple):
    """`U`, `S` and `Vh`."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(A: Tensor, full_matrices: bool = False) -> SVD:
    """U (..., m, k), the singular values S (..., k), descending, and Vh (..., k, n): A = U S Vh.

    k is the smaller of m and n (`full_matrices` is not there). The signs of the columns of U are
    arbitrary, so only what does not depend on them has a meaningful gradient.
    """
    _matrices("svd", A)
    if full_matrices:
        raise NotImplementedError("svd: full_matrices=True is not supported; False is the default")
    u, vh, s = factor.parts_of_svd(K, factor.svd(A), *A.shape[-2:])
    return SVD(u, s, vh)


def svdvals(A: Tensor) -> Tensor:
    """The singular values, descending."""
    return svd(A).S


# ---- what is composed of them --------------------------------------------------------------------


def _cutoff(s: Tensor, shape: tuple[int, ...], rtol: float | None) -> Tensor:
    if rtol is None:
        rtol = float(np.finfo(s.dtype).eps) * max(shape[-2:])
    return ew.mul(amax(s.detach(), -1, keepdim=True), rtol) if s.shape[-1] else s


def pinv(A: Tensor, *, rtol: float | None = None) -> Tensor:
    """The pseudo-inverse (..., n, m); singular values up to rtol times the largest count as 0."""
    u, s, vh = svd(A)
    small = ew.le(s, _cutoff(s, A.shape, rtol))
    inverse = ew.where(small, 0.0, ew.div(1.0, ew.where(small, 1.0, s)))
    return matmul(ew.mul(transpose(vh, -2, -1), inverse.unsqueeze(-2)), transpose(u, -2, -1))


class Solution(NamedTuple):
    """`solution`: X that makes |A X - B| smallest."""

    solution: Tensor


def lstsq(A: Tensor, B: Tensor, *, rcond: float | None = None) -> Solution:
    """The least-squares solution of A X = B, the shortest where there are several."""
    _matrices("lstsq", A, B)
    return Solution(matmul(pinv(A, rtol=rcond), B))


def matrix_rank(A: Tensor, *, rtol: float | None = None) -> Tensor:
    """How many singular values are above rtol times the largest, int64."""
    s = svdvals(A.detach())
    return sum(ew.gt(s, _cutoff(s, A.shape, rtol)), -1)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: tuple[int, int] = (-2, -1), keepdim: bool = False
) -> Tensor:
    """A norm of matrices in the two dimensions `dim`.

    ord: "fro" sqrt(sum(A^2)), "nuc" the sum of singular values, 2 and -2 the largest and smallest
    of them, inf and -inf of the sums of |A| over rows, 1 and -1 over columns.
    """
    _matrices("matrix_norm", A)
    rows, columns = (index_of_dim("matrix_norm", A.ndim, d) for d in dim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        s = svdvals(movedim(A, (rows, columns), (-2, -1)))
        found = sum(s, -1) if ord == "nuc" else amax(s, -1) if ord == 2 else amin(s, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        over, rest = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = sum(ew.abs(A), over)
        found = (amax if ord > 0 else amin)(sums, rest - (over < rest))
    else:
        raise ValueError(f"matrix_norm: no norm {ord!r}; there are fro, nuc, 1, -1, 2, -2, ±inf")
    return found.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns)) if keepdim else found


def norm(A: Tensor, ord: Any = None, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """`vector_norm` of all elements or of one dimension, `matrix_norm` of two (or with `ord`)."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim)
    two = dims_of("norm", A.ndim, dim)
    if dim is not None and len(two) == 1:
        return vector_norm(A, ord, dim, keepdim)
    if dim is None and A.ndim == 1:
        return vector_norm(A, ord, None, keepdim)
    if len(two) != 2:
        raise ValueError(f"norm: with ord={ord!r}, dim is one or two dimensions, got {dim}")
    return matrix_norm(A, ord, two, keepdim)


def cond(A: Tensor, p: Any = 2) -> Tensor:
    """|A| |A^-1| in the norm p; for 2, the largest singular value over the smallest."""
    if p in (2, None):
        s = svdvals(A)
        return ew.div(s[..., 0], s[..., -1])
    return ew.mul(matrix_norm(A, p), matrix_norm(inv(A), p))


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first may be a vector (a row), the last too (a column).
    """
    given = list(tensors)
    if len(given) < 2:
        raise ValueError(f"multi_dot: expected two tensors or more, got {len(given)}")
    chain = [*given]
    chain[0] = chain[0].unsqueeze(0) if chain[0].ndim == 1 else chain[0]
    chain[-1] = chain[-1].unsqueeze(1) if chain[-1].ndim == 1 else chain[-1]
    sizes = [x.shape[0] for x in chain] + [chain[-1].shape[1]]
    product = _in_order(chain, _split_points(sizes), 0, len(chain) - 1)
    if given[0].ndim == 1:
        product = product.squeeze(0)
    return product.squeeze(-1) if given[-1].ndim == 1 else product


def _split_points(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to split the product of matrices i to j: the textbook's dynamic programme."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


def _in_order(chain: list[Tensor], split: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    if i == j:
        return chain[i]
    k = split[i, j]
    return matmul(_in_order(chain, split, i, k), _in_order(chain, split, k + 1, j))


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sums of products along `dim`."""
    return sum(ew.mul(x, y), dim)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector products along `dim`, of size 3."""
    return _cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of two dimensions, as the last one."""
    return A.diagonal(offset, dim1, dim2)

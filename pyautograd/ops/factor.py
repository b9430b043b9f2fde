"""Factorisations and solutions of matrices (..., m, n), by LAPACK through NumPy.

Several results of one call are packed into one array, which the public functions take apart: so
each of them is on the tape, and the rules below hold to any order. The formulas are Giles's (2008)
and, for the singular value decomposition, Townsend's (2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.op import primitive
from pyautograd.ops.matmul import transposed
from pyautograd.tape import OUT

__all__: list[str] = []  # pyautograd.linalg has the public functions

LinAlgError = np.linalg.LinAlgError


def _factor(
    name: str, function: Any, rule: Any, shape: Callable[..., Any], saves: Any, inputs: int = 1
) -> Any:
    def forward(*arrays: Any) -> Any:
        try:
            with np.errstate(all="ignore"):
                return np.asarray(function(*arrays), order="C")
        except LinAlgError as error:
            shapes = " and ".join(str(x.shape) for x in arrays)
            raise LinAlgError(f"{name}: {error} (shape {shapes})") from None

    def infer(*arrays: Any) -> Any:
        return shape(*[x.shape for x in arrays]), arrays[0].dtype

    return primitive(name, "factorisation", forward, rule, infer, saves=saves, inputs=inputs)


def _product(K: Any, *factors: Any) -> Any:
    product = factors[0]
    for factor in factors[1:]:
        product = K.matmul(product, factor)
    return product


def _part(K: Any, x: Any, start: int, stop: int, shape: tuple[int, ...]) -> Any:
    """Numbers `start` to `stop` of the last dimension, as matrices of a shape."""
    piece = K.slice(x, (..., slice(start, stop)))
    return K.reshape(piece, (*x.shape[:-1], *shape))


def _joined(*parts: Any) -> Any:
    """The packed array: each part (..., a, b) or (..., a) flattened behind the batch dimensions."""
    batch = parts[0].shape[:-2]
    return np.concatenate([x.reshape(*batch, math.prod(x.shape[len(batch) :])) for x in parts], -1)


def _column(K: Any, x: Any) -> Any:
    return K.reshape(x, (*x.shape, 1))


def _row(K: Any, x: Any) -> Any:
    return K.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _inverse_gaps(K: Any, s: Any) -> Any:
    """1 / (s_j - s_i), 0 where they are equal."""
    gaps = K.sub(_row(K, s), _column(K, s))
    return K.div(1.0, K.where(K.eq(gaps, 0.0), math.inf, gaps))


# ---- inverses and determinants -------------------------------------------------------------------


def _inv_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    turned = transposed(K, saved[0])
    return (K.neg(_product(K, turned, g, turned)),)


def _solve_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, x = saved
    gb = K.solve(transposed(K, a), g)
    return needs[0] and K.neg(K.matmul(gb, transposed(K, x))), needs[1] and gb


def _det_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, out = saved
    scaled = K.mul(g, out)
    return (K.mul(K.reshape(scaled, (*out.shape, 1, 1)), transposed(K, K.inv(a))),)


def _log_det_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    (a,) = saved
    return (K.mul(K.reshape(g, (*g.shape, 1, 1)), transposed(K, K.inv(a))),)


inv = _factor("inv", np.linalg.inv, _inv_rule, lambda a: a, (OUT,))
solve = _factor(
    "solve", np.linalg.solve, _solve_rule, lambda a, b: (*a[:-1], b[-1]), (0, OUT), inputs=2
)
det = _factor("det", np.linalg.det, _det_rule, lambda a: a[:-2], (0, OUT))
log_det = _factor(
    "log_det", lambda a: np.linalg.slogdet(a)[1], _log_det_rule, lambda a: a[:-2], (0,)
)
det_sign = _factor("det_sign", lambda a: np.linalg.slogdet(a)[0], None, lambda a: a[:-2], ())

# ---- symmetric matrices --------------------------------------------------------------------------

# lower_half(x): the lower triangle, the diagonal halved.
lower_half = primitive(
    "lower_half",
    "movement",
    lambda x: np.tril(x) * (1.0 - 0.5 * np.eye(*x.shape[-2:], dtype=x.dtype)),
    lambda K, g, saved, needs: (K.lower_half(g),),
    lambda x: (x.shape, x.dtype),
    fresh=True,
)


def _symmetric(K: Any, x: Any) -> Any:
    return K.mul(K.add(x, transposed(K, x)), 0.5)


def _cholesky_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    (lower,) = saved
    upper = transposed(K, lower)
    inner = K.lower_half(K.matmul(upper, g))
    left = K.solve(upper, inner)  # L^-T Φ
    return (_symmetric(K, transposed(K, K.solve(upper, transposed(K, left)))),)


cholesky = _factor("cholesky", np.linalg.cholesky, _cholesky_rule, lambda a: a, (OUT,))


def _eigh(a: Any) -> Any:
    values, vectors = np.linalg.eigh(a)
    return _joined(vectors, values)


def _eigh_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    (packed,) = saved
    n = side(packed.shape[-1])
    v, w = parts_of_eigh(K, packed, n)
    gv, gw = parts_of_eigh(K, g, n)
    turned = transposed(K, v)
    inner = K.mul(K.matmul(turned, gv), _inverse_gaps(K, w))
    by_values = K.matmul(K.mul(v, _row(K, gw)), turned)
    return (_symmetric(K, K.add(by_values, _product(K, v, inner, turned))),)


def side(packed: int) -> int:
    """n, of n * n + n."""
    return math.isqrt(packed)


def parts_of_eigh(K: Any, packed: Any, n: int) -> tuple[Any, Any]:
    """(eigenvectors (..., n, n), eigenvalues (..., n)); K: the space to take them apart in."""
    return _part(K, packed, 0, n * n, (n, n)), _part(K, packed, n * n, n * n + n, (n,))


eigh = _factor("eigh", _eigh, _eigh_rule, lambda a: (*a[:-2], a[-1] * a[-1] + a[-1]), (OUT,))

# ---- orthogonal factors --------------------------------------------------------------------------


def _qr(a: Any) -> Any:
    """Of matrices that are at least as high as wide."""
    return _joined(*np.linalg.qr(a))


def _qr_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, packed = saved
    m, n = a.shape[-2:]
    q, r = parts_of_qr(K, packed, m, n)
    gq, gr = parts_of_qr(K, g, m, n)
    inner = K.sub(K.matmul(r, transposed(K, gr)), K.matmul(transposed(K, gq), q))
    half = K.lower_half(inner)
    both = K.add(half, transposed(K, half))
    right = K.add(gq, K.matmul(q, both))
    return (transposed(K, K.solve(r, transposed(K, right))),)


def parts_of_qr(K: Any, packed: Any, m: int, n: int) -> tuple[Any, Any]:
    """(Q (..., m, n), R (..., n, n))."""
    return _part(K, packed, 0, m * n, (m, n)), _part(K, packed, m * n, (m + n) * n, (n, n))


qr = _factor("qr", _qr, _qr_rule, lambda a: (*a[:-2], (a[-2] + a[-1]) * a[-1]), (0, OUT))


def _svd(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return _joined(u, vh, s)


def parts_of_svd(K: Any, packed: Any, m: int, n: int) -> tuple[Any, Any, Any]:
    """(U (..., m, k), Vh (..., k, n), S (..., k)), k the smaller of m and n."""
    k = min(m, n)
    a, b = m * k, m * k + k * n
    return (
        _part(K, packed, 0, a, (m, k)),
        _part(K, packed, a, b, (k, n)),
        _part(K, packed, b, b + k, (k,)),
    )


def _svd_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
    a, packed = saved
    m, n = a.shape[-2:]
    u, vh, s = parts_of_svd(K, packed, m, n)
    gu, gvh, gs = parts_of_svd(K, g, m, n)
    v, gv, uh = transposed(K, vh), transposed(K, gvh), transposed(K, u)
    gaps = _inverse_gaps(K, K.mul(s, s))

    def turned(x: Any, gx: Any) -> Any:
        product = K.matmul(transposed(K, x), gx)
        return K.mul(K.sub(product, transposed(K, product)), gaps)

    inner = K.add(K.mul(turned(u, gu), _row(K, s)), K.mul(turned(v, gv), _column(K, s)))
    out = K.add(K.matmul(K.mul(u, _row(K, gs)), vh), _product(K, u, inner, vh))
    if m > n:  # what lies outside the columns of U
        rest = K.div(gu, _row(K, s))
        out = K.add(out, K.matmul(K.sub(rest, _product(K, u, uh, rest)), vh))
    if n > m:
        rest = K.div(gvh, _column(K, s))
        out = K.add(out, K.matmul(u, K.sub(rest, _product(K, rest, v, vh))))
    return (out,)


svd = _factor(
    "svd", _svd, _svd_rule, lambda a: (*a[:-2], min(a[-2:]) * (a[-2] + a[-1] + 1)), (0, OUT)
)

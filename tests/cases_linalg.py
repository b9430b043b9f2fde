"""Rows of the table of ops: linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case, Draw

LINALG: list[Case] = []
N = np.linalg


def well(*shape: int) -> Draw:
    """Matrices far from singular, and with singular values apart."""

    def values(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        return rng.uniform(-0.4, 0.4, shape) + np.eye(*shape[-2:]) * np.arange(1, shape[-1] + 1)

    return Draw(shape, values)


def symmetric(K: Any, x: Any) -> Any:
    return x + x.mT


def regular(K: Any, x: Any) -> Any:
    """Far from singular, whatever small x is."""
    return x + K.eye(x.shape[-1], dtype=x.dtype) * 3


def small(*shape: int) -> Draw:
    return Draw(shape, lambda rng, shape: rng.uniform(-0.4, 0.4, shape))


def definite(K: Any, x: Any) -> Any:
    return x @ x.mT


def gram(x: Any) -> Any:
    return x @ x.swapaxes(-1, -2)


def squares(x: Any) -> Any:
    """What does not depend on the signs of eigenvectors."""
    return x * x


LINALG += [
    *[Case(f"{name} {shape}", lambda K, x, n=name: getattr(K.linalg, n)(regular(K, x)),
           [small(*shape)], lambda x, n=name: getattr(N, n)(regular(np, x)))
      for name in ("inv", "det") for shape in ((3, 3), (2, 4, 4), (1, 1))],
    Case("inv empty", lambda K, x: K.linalg.inv(x), [(0, 3, 3)], np.copy),
    Case("slogdet", lambda K, x: tuple(K.linalg.slogdet(x)), [well(2, 3, 3)],
         lambda x: tuple(N.slogdet(x))),
    *[Case(f"solve {a} {b}", lambda K, a, b: K.linalg.solve(regular(K, a), b), [small(*a), b],
           lambda a, b: N.solve(regular(np, a), b if b.ndim > 1 else b[:, None]).reshape(
               b.shape if b.ndim < 2 else (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]),
                                           *b.shape[-2:])))
      for a, b in (((3, 3), (3, 2)), ((3, 3), (3,)), ((2, 3, 3), (2, 3, 1)),
                   ((3, 3), (2, 3, 2)))],
    *[Case(f"matrix_power {n}", lambda K, x, n=n: K.linalg.matrix_power(x, n), [well(2, 3, 3)],
           lambda x, n=n: N.matrix_power(x, n)) for n in (-2, 1, 5)],
    Case("matrix_power 0", lambda K, x: K.linalg.matrix_power(x, 0), [(2, 3, 3)],
         lambda x: N.matrix_power(x, 0), order=0),
    Case("cholesky", lambda K, x: (K.linalg.cholesky(definite(K, x)),
                                   K.linalg.cholesky(definite(K, x), upper=True)),
         [well(2, 3, 3)],
         lambda x: (N.cholesky(gram(x)), N.cholesky(gram(x)).swapaxes(-1, -2))),
    Case("eigh", lambda K, x: (K.linalg.eigh(symmetric(K, x))[0],
                               squares(K.linalg.eigh(symmetric(K, x))[1]),
                               K.linalg.eigvalsh(symmetric(K, x))), [well(2, 3, 3)],
         lambda x: (N.eigvalsh(x + x.swapaxes(-1, -2)),
                    squares(N.eigh(x + x.swapaxes(-1, -2))[1]),
                    N.eigvalsh(x + x.swapaxes(-1, -2)))),
    *[Case(f"qr {shape}", lambda K, x: (squares(K.linalg.qr(x)[0]), squares(K.linalg.qr(x)[1])),
           [well(*shape)], lambda x: tuple(map(squares, N.qr(x))), torch=shape[-2] >= shape[-1])
      for shape in ((3, 3), (2, 4, 3), (2, 3))],
    *[Case(f"svd {shape}", lambda K, x: tuple(map(squares, K.linalg.svd(x, full_matrices=False))),
           [well(*shape)], lambda x: tuple(map(squares, N.svd(x, full_matrices=False))))
      for shape in ((3, 3), (4, 2), (2, 2, 3))],
    *[Case(f"pinv {shape}", lambda K, x: K.linalg.pinv(x), [well(*shape)], N.pinv)
      for shape in ((3, 2), (2, 3))],
    Case("lstsq", lambda K, a, b: K.linalg.lstsq(a, b).solution, [well(4, 2), (4, 3)],
         lambda a, b: N.lstsq(a, b, rcond=None)[0], torch=False),
    Case("matrix_rank", lambda K, x: K.linalg.matrix_rank(x[:, :1] @ x[:1]), [well(3, 3)],
         lambda x: np.array(1), order=0),
    *[Case(f"matrix_norm {p}", lambda K, x, p=p: (K.linalg.matrix_norm(x, p),
                                                  K.linalg.norm(x[0], p)), [well(2, 3, 3)],
           lambda x, p=p: (N.norm(x, p, (-2, -1)), N.norm(x[0], p)))
      for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)],
    Case("matrix_norm dims", lambda K, x: (K.linalg.matrix_norm(x, 1, (2, 0), True),
                                           K.linalg.matrix_norm(x, np.inf, (2, 0)),
                                           K.linalg.norm(x)), [(3, 2, 4)],
         lambda x: (N.norm(x, 1, (2, 0), True), N.norm(x, np.inf, (2, 0)),
                    N.norm(x.reshape(-1)))),
    Case("cond", lambda K, x: (K.linalg.cond(regular(K, x)), K.linalg.cond(regular(K, x), 1)),
         [small(3, 3)], lambda x: (N.cond(regular(np, x)), N.cond(regular(np, x), 1)), order=1,
         torch=False),
    Case("multi_dot", lambda K, *xs: K.linalg.multi_dot(xs), [(3,), (3, 20), (20, 2), (2, 4)],
         lambda *xs: N.multi_dot(xs)),
    Case("vecdot", lambda K, x, y: (K.linalg.vecdot(x, y), K.linalg.vecdot(x, y, dim=0)),
         [(3, 4), (3, 4)], lambda x, y: ((x * y).sum(-1), (x * y).sum(0))),
]  # fmt: skip

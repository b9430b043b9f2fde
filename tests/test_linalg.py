"""Linear algebra: what goes wrong, and what rows of the table cannot say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import linalg

EYE = ag.eye(2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linalg.inv(ag.zeros(2, 2)), linalg.LinAlgError, r"inv: .*ingular.*\(2, 2\)"),
        (lambda: linalg.inv(ag.ones(2, 3)), ValueError, "square matrices, got shape"),
        (lambda: linalg.inv(ag.ones(2, 2).long()), TypeError, "got int64"),
        (lambda: linalg.solve(ag.zeros(2, 2), EYE), linalg.LinAlgError, "solve"),
        (lambda: linalg.solve(EYE, ag.ones(3, 2)), ValueError, "do not fit"),
        (lambda: linalg.solve(EYE, EYE.double()), TypeError, "A is float32, B float64"),
        (lambda: linalg.cholesky(-EYE), linalg.LinAlgError, "cholesky: .*definite"),
        (lambda: linalg.svd(EYE, full_matrices=True), NotImplementedError, "full_matrices"),
        (lambda: linalg.matrix_norm(EYE, 3), ValueError, "no norm 3"),
        (lambda: linalg.multi_dot([EYE]), ValueError, "two tensors or more"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_factors_give_the_matrix_back() -> None:
    ag.manual_seed(0)
    a = ag.randn(5, 4, 6, dtype=ag.float64)
    u, s, vh = linalg.svd(a)
    assert ag.allclose((u * s.unsqueeze(-2)) @ vh, a)
    q, r = linalg.qr(a)
    assert ag.allclose(q @ r, a)
    symmetric = a @ a.mT
    w, v = linalg.eigh(symmetric)
    assert ag.allclose((v * w.unsqueeze(-2)) @ v.mT, symmetric)
    lower = linalg.cholesky(symmetric)
    assert ag.allclose(lower @ lower.mT, symmetric)


def test_equal_eigenvalues_have_finite_gradients() -> None:
    x = ag.eye(3, requires_grad=True)
    values, vectors = linalg.eigh(x)
    (values.sum() + vectors.sum()).backward()
    assert x.grad is not None
    assert np.isfinite(x.grad.numpy()).all()


def test_multi_dot_takes_the_cheap_order() -> None:
    """(1000, 2) (2, 1000) (1000, 1): from the right, the large square is never made."""
    a, b, c = ag.randn(1000, 2), ag.randn(2, 1000), ag.randn(1000, 1)
    ag.reset_peak_memory_stats()
    before = ag.memory_stats()["in_use"]
    linalg.multi_dot([a, b, c])
    assert ag.memory_stats()["peak"] - before < 1000 * 1000 * 4

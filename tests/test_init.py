"""Starting values: identities, orthogonal and sparse matrices, cut normals."""

from __future__ import annotations

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn

init = nn.init


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (4, 2, 3, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonal(shape: tuple[int, ...], dtype: type) -> None:
    ag.manual_seed(0)
    w = init.orthogonal_(ag.empty(shape, dtype=dtype), gain=1.5)
    m = w.numpy().reshape(shape[0], -1).astype(np.float64)
    small = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(small, 2.25 * np.eye(len(small)), atol=1e-5)
    again = init.orthogonal_(ag.empty(shape, dtype=dtype))
    assert (again != w).all()


def test_orthogonal_is_uniform() -> None:
    """Not qr's own choice of signs: each element is as often positive as negative."""
    ag.manual_seed(0)
    signs = np.mean([init.orthogonal_(ag.empty(2, 2)).numpy() > 0 for _ in range(400)], axis=0)
    assert (abs(signs - 0.5) < 0.1).all()


def test_identities() -> None:
    assert np.array_equal(init.eye_(ag.empty(2, 3)), np.eye(2, 3))
    torch = pytest.importorskip("torch")
    for shape, groups in (((4, 2, 3), 1), ((4, 2, 3, 4), 2), ((6, 3, 1, 2, 3), 3), ((2, 5, 3), 1)):
        ours = init.dirac_(ag.ones(shape), groups)
        theirs = torch.nn.init.dirac_(torch.ones(shape), groups)
        assert np.array_equal(ours.numpy(), theirs.numpy())
    layer = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    init.dirac_(layer.weight)
    x = ag.randn(2, 3, 5, 4)
    assert np.array_equal(layer(x).detach(), x)


def test_cut_normal_and_sparse() -> None:
    ag.manual_seed(0)
    w = init.trunc_normal_(ag.empty(20_000), mean=0.5, std=1.0, a=-1.0, b=1.5).numpy()
    assert w.min() >= -1.0
    assert w.max() <= 1.5
    edges = np.linspace(-1.0, 1.5, 6)
    found = np.histogram(w, edges)[0] / w.size
    density = np.exp(-((np.linspace(-1.0, 1.5, 5001) - 0.5) ** 2) / 2)
    wanted = density[:-1].reshape(5, -1).sum(1) / density[:-1].sum()
    np.testing.assert_allclose(found, wanted, atol=0.015)
    s = init.sparse_(ag.empty(10, 4), 0.35, std=2.0).numpy()
    assert ((s == 0).sum(0) == 4).all()


def test_errors() -> None:
    for call, message in (
        (lambda: init.orthogonal_(ag.empty(3)), "orthogonal_: expected at least 2 dimensions"),
        (lambda: init.eye_(ag.empty(3)), "eye_: expected a matrix"),
        (lambda: init.dirac_(ag.empty(3, 3)), "dirac_: expected weights"),
        (lambda: init.dirac_(ag.empty(3, 3, 3), 2), "dirac_: expected weights"),
        (lambda: init.sparse_(ag.empty(3), 0.1), "sparse_: expected a matrix"),
        (lambda: init.sparse_(ag.empty(3, 3), 1.1), "sparse_: expected a sparsity"),
        (lambda: init.trunc_normal_(ag.empty(3), a=9.0, b=10.0), "trunc_normal_: a normal of mean"),
        (lambda: init.trunc_normal_(ag.empty(3), std=0.0), "trunc_normal_: a normal of mean"),
    ):
        with pytest.raises(ValueError, match=message):
            call()

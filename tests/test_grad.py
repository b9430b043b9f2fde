"""create_graph, and autograd.grad."""

from __future__ import annotations

import numpy as np
import pytest
from test_tape import equal, grad_of, leaf

import pyautograd as ag

# ---- higher orders -------------------------------------------------------------------------------


def test_create_graph_to_the_third_order() -> None:
    x = leaf(0.5, 2.0)
    y = x**4 + x.exp()
    (d1,) = ag.autograd.grad(y.sum(), x, create_graph=True)
    (d2,) = ag.autograd.grad(d1.sum(), x, create_graph=True)
    (d3,) = ag.autograd.grad(d2.sum(), x)
    v, e = np.array([0.5, 2.0]), np.exp([0.5, 2.0])
    np.testing.assert_allclose(d1.numpy(force=True), 4 * v**3 + e, rtol=1e-14)
    np.testing.assert_allclose(d2.numpy(force=True), 12 * v**2 + e, rtol=1e-14)
    np.testing.assert_allclose(d3.numpy(force=True), 24 * v + e, rtol=1e-14)
    assert not d3.requires_grad


def test_backward_with_create_graph() -> None:
    x = leaf(0.5, 2.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad is not None
    (dd,) = ag.autograd.grad(x.grad.sum(), x)
    np.testing.assert_allclose(dd.numpy(), 6 * np.array([0.5, 2.0]))
    x.grad = None


def test_gradient_penalty() -> None:
    w = leaf(1.0, -2.0)
    x = leaf(0.5, 2.0)
    y = (w * x).tanh().sum()
    (g,) = ag.autograd.grad(y, x, create_graph=True)
    ((g * g).sum() + y).backward()
    v, u = np.array([1.0, -2.0]), np.array([0.5, 2.0])
    t = np.tanh(u * v)
    s = 1 - t**2
    expected = 2 * (v * s) * (s - 2 * v * t * s * u) + s * u
    np.testing.assert_allclose(grad_of(w), expected, rtol=1e-12)


# ---- autograd.grad -------------------------------------------------------------------------------


def test_grad_leaves_grad_alone() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    (g,) = ag.autograd.grad(y, x)
    assert equal(g, [3.0, 4.0])
    assert x.grad is None
    assert w.grad is None


def test_grad_of_unused_inputs() -> None:
    x, unused = leaf(1.0, 2.0), leaf(1.0)
    y = (x * x).sum()
    with pytest.raises(RuntimeError, match=r"do not depend on input 1.*allow_unused"):
        ag.autograd.grad(y, (x, unused), retain_graph=True)
    g, none = ag.autograd.grad(y, (x, unused), retain_graph=True, allow_unused=True)
    assert none is None
    assert equal(g, [2.0, 4.0])
    _, zero = ag.autograd.grad(y, (x, unused), materialize_grads=True)
    assert (zero.shape, zero.dtype, zero.item()) == ((), np.float64, 0.0)
    with pytest.raises(RuntimeError, match="input 1 does not require a gradient"):
        ag.autograd.grad(y, (x, ag.ones(1)))


def test_grad_by_what_is_no_leaf() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y.exp() + y
    gy, gz, gx = ag.autograd.grad(z.sum(), (y, z, x))
    e = np.exp([2.0, 4.0])
    np.testing.assert_allclose(gy.numpy(), e + 1)
    np.testing.assert_allclose(gz.numpy(), [1, 1])
    np.testing.assert_allclose(gx.numpy(), 2 * e + 2)
    (own,) = ag.autograd.grad(y.sum() * 1.0, y)
    assert equal(own, [1.0, 1.0])
    same = x * 1.0
    (own,) = ag.autograd.grad(same, same, ag.tensor([5.0, 6.0], dtype=ag.float64))
    assert equal(own, [5.0, 6.0])


def test_grad_visits_only_what_leads_to_the_inputs() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    branch = w.exp()
    y = x * x + branch
    ag.autograd.grad(y.sum(), x)
    branch.sum().backward()  # not freed, as it was not visited


def test_several_outputs() -> None:
    x = leaf(1.0, 2.0)
    a, b = x * 2, x.sum() * 3
    v = ag.tensor([1.0, 10.0], dtype=ag.float64)
    (g,) = ag.autograd.grad((a, b), x, (v, None), retain_graph=True)
    assert equal(g, [5.0, 23.0])
    (g,) = ag.autograd.grad((a, a, b), x, (v, v, None), retain_graph=True)
    assert equal(g, [7.0, 43.0])
    ag.autograd.backward((a, a), (v, v), retain_graph=True)
    assert equal(grad_of(x), [4.0, 40.0])
    c = (x * x).sum()
    d = c * 2  # one output below another
    g, gc_ = ag.autograd.grad((d, c), (x, c))
    assert equal(g, [6.0, 12.0])
    assert equal(gc_, 3.0)
    g1, g2 = ag.autograd.grad((x * x).sum(), (x, x))
    assert equal(g1, [2.0, 4.0])
    assert equal(g2, [2.0, 4.0])


def test_wrong_numbers_of_things() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match="got 2 gradients for 1 outputs"):
        ag.autograd.grad(x * 2, x, (x, x))
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\) .* of shape \(2,\)"):
        ag.autograd.grad(x * 2, x, ag.ones(3))
    with pytest.raises(ValueError, match="at least one output"):
        ag.autograd.grad((), x)
    with pytest.raises(RuntimeError, match=r"shape \(2,\) is no scalar"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="requires no gradient"):
        ag.ones(1).backward()


def test_backward_for_some_inputs() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * w
    y.sum().backward(inputs=[x], retain_graph=True)
    assert equal(grad_of(x), [3.0, 4.0])
    assert w.grad is None
    y.sum().backward(inputs=(y, w))
    assert equal(grad_of(y), [1.0, 1.0])
    assert equal(grad_of(w), [1.0, 2.0])
    assert equal(grad_of(x), [3.0, 4.0])


def test_a_gradient_handed_out_is_not_the_seed() -> None:
    x = leaf(1.0, 2.0)
    v = ag.ones(2, dtype=ag.float64)
    y = x + 0.0
    g, h = ag.autograd.grad(y, (x, y), v)
    g.mul_(9.0)
    assert equal(v, [1.0, 1.0])
    assert equal(h, [1.0, 1.0])
    (g,) = ag.autograd.grad(x.sum(), x)
    g.mul_(9.0)  # no expanded view
    assert equal(g, [9.0, 9.0])

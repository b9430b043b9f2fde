"""Transforms of modules, the doors to them in autograd.functional, and tutorials' programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_func import A, B, X, f64
from twins import close, twins

import pyautograd as ag
from pyautograd.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    linearize,
    stack_module_state,
)

# ---- modules -------------------------------------------------------------------------------------


def model(T: Any) -> Any:
    net = T.nn.Sequential(T.nn.Linear(4, 3), T.nn.Tanh(), T.nn.Linear(3, 2))
    for i, p in enumerate(net.parameters()):
        p.data = T.tensor(np.sin(1.0 + i + np.arange(p.numel())).reshape(tuple(p.shape)))
    return net


def per_example(T: Any, x: Any, a: Any, b: Any) -> Any:
    net = model(T)
    params = {name: p.detach() for name, p in net.named_parameters()}

    def loss(params: Any, row: Any, target: Any) -> Any:
        out = T.func.functional_call(net, params, (row.unsqueeze(0),))
        return ((out - target) ** 2).sum()

    return T.func.vmap(T.func.grad(loss), (None, 0, 0))(params, a, x)


def ensemble(T: Any, x: Any, a: Any, b: Any) -> Any:
    models = [model(T) for _ in range(3)]
    for i, net in enumerate(models):
        net[0].weight.data = net[0].weight.data * (i + 1)
    params, buffers = T.func.stack_module_state(models)
    assert all(p.requires_grad and p.is_leaf for p in params.values())
    run = T.func.vmap(lambda p, q, x: T.func.functional_call(models[0], (p, q), (x,)), (0, 0, None))
    out = run(params, buffers, a)
    out.sum().backward()
    return out, {name: p.grad for name, p in params.items()}


def module_hessian(T: Any, x: Any, a: Any, b: Any) -> Any:
    net = model(T)
    params = {name: p.detach() for name, p in net.named_parameters()}
    return T.func.hessian(lambda p: T.func.functional_call(net, p, (a,)).sum())(params)


@pytest.mark.parametrize("program", [per_example, ensemble, module_hessian])
def test_modules(program: Callable[..., Any]) -> None:
    twins(program, X, A, B)


def test_functional_call() -> None:
    net = ag.nn.Linear(2, 1)
    before = dict(net.named_parameters())
    given = {"weight": ag.ones(1, 2), "bias": ag.zeros(1)}
    assert functional_call(net, given, ag.ones(2)).item() == 2
    assert functional_call(net, given, (), {"input": ag.ones(2)}).item() == 2
    assert functional_call(net, ({"weight": ag.ones(1, 2)}, {"bias": ag.ones(1)}),
                           ag.ones(2)).item() == 3  # fmt: skip
    assert all(value is before[name] for name, value in net.named_parameters())
    with pytest.raises(RuntimeError, match=r"has no \['weigh'\]; not given are \['bias', 'weight'"):
        functional_call(net, {"weigh": ag.ones(1, 2)}, ag.ones(2), strict=True)
    with pytest.raises(ValueError, match="more than one dict"):
        functional_call(net, (given, given), ag.ones(2))
    with pytest.raises(TypeError, match="expected a tensor, got float"):
        functional_call(net, {"bias": 1.0}, ag.ones(2))
    with pytest.raises(ValueError, match="expected input"):
        functional_call(net, {"weight": ag.ones(1, 3)}, ag.ones(2))
    assert all(value is before[name] for name, value in net.named_parameters())


def test_functional_call_ties_shared_weights() -> None:
    class Tied(ag.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = ag.nn.Linear(2, 2, bias=False)
            self.b = ag.nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x))

    net, two = Tied(), {"a.weight": ag.eye(2) * 2}
    assert functional_call(net, two, ag.ones(2)).tolist() == [4, 4]
    given = {"a.weight": ag.eye(2) * 2, "b.weight": ag.eye(2)}
    with pytest.raises(ValueError, match="are one tensor in the module"):
        functional_call(net, given, ag.ones(2))
    assert functional_call(net, given, ag.ones(2), tie_weights=False).tolist() == [2, 2]


def test_buffers_given_are_the_ones_that_change() -> None:
    net = ag.nn.BatchNorm2d(2)
    given = {"running_mean": ag.zeros(2), "running_var": ag.ones(2)}
    functional_call(net, given, ag.ones(3, 2, 2, 2) * 5)
    assert given["running_mean"].tolist() == [0.5, 0.5]
    assert net.running_mean.tolist() == [0, 0]


def test_stack_module_state_refuses() -> None:
    linear = ag.nn.Linear(1, 1)
    for models, message in (
        ([], "at least one"),
        ([linear, ag.nn.ReLU()], "models of one class"),
        ([linear, ag.nn.Linear(1, 1).eval()], "training mode"),
    ):
        with pytest.raises(RuntimeError, match=message):
            stack_module_state(models)


def test_linearize_runs_the_function_once() -> None:
    calls = []
    y, push = linearize(lambda x: (calls.append(1), x**3)[1], f64(X))
    for v in (X, X + 1):
        close(push(f64(v)), f64(3 * X**2 * v))
    assert len(calls) == 1
    close(y, f64(X**3))


def test_grad_and_value_of_a_large_module_matches_backward() -> None:
    x = f64(np.linspace(0, 1, 20).reshape(5, 4))
    net = model(ag)
    params = dict(net.named_parameters())
    grads, value = grad_and_value(lambda p: functional_call(net, p, (x,)).sum())(
        {name: p.detach() for name, p in params.items()}
    )
    loss = net(x).sum()
    loss.backward()
    close(value, loss)
    close(grads, {name: p.grad for name, p in params.items()})


# ---- the other doors -----------------------------------------------------------------------------


def test_dual_levels() -> None:
    def program(T: Any, x: Any, a: Any, b: Any) -> Any:
        fw = T.autograd.forward_ad
        w = a.clone().requires_grad_()
        with fw.dual_level():
            dual = fw.make_dual(x, x * 2)
            y, t = fw.unpack_dual(T.tanh(dual @ w))
            assert fw.unpack_dual(x).tangent is None
            (g,) = T.autograd.grad(t.sum(), w)
        return y.detach(), t.detach(), g

    twins(program, X, A, B)
    fw = ag.autograd.forward_ad
    with pytest.raises(RuntimeError, match="within `with dual_level"):
        fw.make_dual(f64(X), f64(X))
    with fw.dual_level():
        with pytest.raises(RuntimeError, match="cannot be nested"), fw.dual_level():
            pass
        with pytest.raises(RuntimeError, match=r"tangent of shape \(4,\)"):
            fw.make_dual(f64(X), f64(B))
        with pytest.raises(ValueError, match="only floating point"):
            fw.make_dual(ag.tensor(1), ag.tensor(1))
        left = fw.make_dual(f64(X), f64(X))
        close(hessian(lambda q: (q**3).sum())(f64(X)), f64(np.diag(6 * X)))
        _, moved = fw.unpack_dual(grad(lambda q: (q**3).sum())(left))
        close(moved, f64(6 * X**2))
    with pytest.raises(RuntimeError, match="dual_level that is over"):
        left * 2


def test_batches_of_cotangents() -> None:
    def program(T: Any, x: Any, a: Any, b: Any) -> Any:
        x = x.clone().requires_grad_()
        unused = a.clone().requires_grad_()
        y = T.tanh(x * x)
        eye = T.eye(3, dtype=x.dtype)
        first = T.vmap(lambda v: T.autograd.grad(y, x, v, retain_graph=True)[0])(eye)
        with_graph = T.vmap(lambda v: T.autograd.grad(y, x, v, create_graph=True)[0])(eye)
        (second,) = T.autograd.grad(with_graph.sum(), x, retain_graph=True)
        rows, none = T.autograd.grad(
            y, (x, unused), eye, is_grads_batched=True, retain_graph=True, allow_unused=True
        )
        assert none is None
        zeros = T.autograd.grad(y, (x, unused), eye, is_grads_batched=True, materialize_grads=True)
        return first, with_graph, second, rows, zeros

    for found in twins(program, X, A, B)[:1]:
        assert not found.requires_grad


def test_batches_of_cotangents_that_do_not_fit() -> None:
    x = f64(X).requires_grad_()
    y, eye = x * 2, f64(np.eye(4))
    with pytest.raises(ValueError, match=r"gradient of shape \(4,\) for an output of shape \(3,\)"):
        ag.autograd.grad(y, x, eye, is_grads_batched=True)
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        ag.autograd.grad(y, (x, f64(X).requires_grad_()), eye[:, :3], is_grads_batched=True)
    with pytest.raises(RuntimeError, match="input 0 does not require a gradient"):
        ag.autograd.grad(y, f64(X), eye[:, :3], is_grads_batched=True)
    with pytest.raises(ValueError, match="got 2 gradients for 1 outputs"):
        ag.autograd.grad(y, x, (eye, eye), is_grads_batched=True)


# ---- programs as PyTorch's tutorials have them ---------------------------------------------------


def jacobians(T: Any, x: Any, a: Any, b: Any) -> Any:
    """Of one layer: row by row, all at once, by batch."""
    weight, bias = a.reshape(4, 3) * 1.0, b

    def predict(weight: Any, bias: Any, x: Any) -> Any:
        return T.tanh(T.nn.functional.linear(x, weight, bias))

    xp = x.clone().requires_grad_()
    unit = T.eye(4, dtype=x.dtype)
    rows = [T.autograd.grad(predict(weight, bias, xp), xp, v, retain_graph=True)[0] for v in unit]
    _, pull = T.func.vjp(lambda x: predict(weight, bias, x), x)
    many = T.stack([x, x * 2, x - 1])
    return (
        T.stack(rows),
        T.vmap(pull)(unit)[0],
        T.func.jacrev(predict, argnums=2)(weight, bias, x),
        T.func.jacfwd(predict, argnums=(0, 1))(weight, bias, x),
        T.func.hessian(predict, argnums=2)(weight, bias, x),
        T.vmap(T.func.jacrev(predict, argnums=2), in_dims=(None, None, 0))(weight, bias, many),
        T.vmap(T.func.hessian(predict, argnums=2), in_dims=(None, None, 0))(weight, bias, many),
    )


def meta_learning(T: Any, x: Any, a: Any, b: Any) -> Any:
    """A step of gradient descent for each task, and the gradient of what it leads to."""

    def predict(params: Any, x: Any) -> Any:
        return T.tanh(x.unsqueeze(-1) * params["w"]) @ params["v"]

    def after_a_step(params: Any, x: Any, y: Any) -> Any:
        error = lambda p: ((predict(p, x) - y) ** 2).mean()  # noqa: E731
        grads = T.func.grad(error)(params)
        stepped = {name: params[name] - 0.1 * grads[name] for name in params}
        return ((predict(stepped, x * 0.5) - y) ** 2).mean()

    def total(params: Any) -> Any:
        return T.vmap(lambda x, y: after_a_step(params, x, y))(a, a * 2).mean()

    params = {"w": b, "v": b - 1}
    return T.func.grad_and_value(total)(params), T.func.hessian(total)(params)


def tangent_kernel(T: Any, x: Any, a: Any, b: Any) -> Any:
    """Of a small network: by whole Jacobians, and by products with vectors inside vmap."""
    net = model(T)
    params = {name: p.detach() for name, p in net.named_parameters()}
    run = lambda p, x: T.func.functional_call(net, p, (x.unsqueeze(0),)).squeeze(0)  # noqa: E731
    jacobian = T.vmap(T.func.jacrev(run), (None, 0))(params, a)
    flat = [j.flatten(2) for j in jacobian.values()]
    whole = sum(j.unsqueeze(1) @ j.unsqueeze(0).transpose(-1, -2) for j in flat)

    def kernel(x1: Any, x2: Any) -> Any:
        def column(v: Any) -> Any:
            _, pull = T.func.vjp(lambda p: run(p, x2), params)
            return T.func.jvp(lambda p: run(p, x1), (params,), pull(v))[1]

        return T.vmap(column)(T.eye(2, dtype=a.dtype)).t()

    by_products = T.vmap(T.vmap(kernel, (None, 0)), (0, None))(a, a)
    np.testing.assert_allclose(by_products.numpy(), whole.numpy(), rtol=1e-9, atol=1e-12)
    return whole, by_products


@pytest.mark.parametrize("program", [jacobians, meta_learning, tangent_kernel])
def test_tutorials(program: Callable[..., Any]) -> None:
    twins(program, X, A, B)

"""autograd.functional against PyTorch's, with create_graph, strict and vectorize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import close, twins

import pyautograd as ag
from pyautograd.autograd import functional as F

X = np.array([0.3, -1.2, 2.0])
A = np.linspace(-1.0, 1.0, 12).reshape(3, 4)


def f64(values: Any) -> ag.Tensor:
    return ag.tensor(np.asarray(values, np.float64))


def scalar(T: Any) -> Callable[..., Any]:
    return lambda x, a: (T.tanh((x.reshape(3, 1) * a).sum(0)) ** 3).sum() * x.prod()


def several(T: Any) -> Callable[..., Any]:
    return lambda x, a: (T.tanh((x.reshape(3, 1) * a).sum(0)), (x * x).sum(), a[0])


def tuples(tree: Any) -> Any:
    """PyTorch gives lists for forward mode, tuples otherwise."""
    return tuple([tuples(x) for x in tree]) if isinstance(tree, (tuple, list)) else tree


def ways(T: Any, x: Any, a: Any) -> dict[str, Any]:
    F, one, many = T.autograd.functional, scalar(T), several(T)
    v = (x + 1, a * 2)
    u = (a[0] + 1, x[0], a[1])
    return {
        "vjp": F.vjp(many, (x, a), u),
        "vjp of one": F.vjp(lambda x: x**2, x, x),
        "vjp of a scalar": F.vjp(one, (x, a)),
        "jvp": F.jvp(many, (x, a), v),
        "jvp of one": F.jvp(lambda x: x**2, x, x),
        "jvp of one element": F.jvp(lambda y: y * x, x[0]),
        "hvp": F.hvp(one, (x, a), v),
        "hvp of one": F.hvp(lambda x: (x**3).sum(), x, x),
        "vhp": F.vhp(one, (x, a), v),
        "vhp of one": F.vhp(lambda x: (x**3).sum().reshape(1), x, x),
        "jacobian": F.jacobian(many, (x, a)),
        "jacobian of one": F.jacobian(lambda x: x**2, x),
        "jacobian of one by two": F.jacobian(one, (x, a)),
        "jacobian of two by one": F.jacobian(lambda x: (x**2, x.sum()), x),
        "jacobian, strict": F.jacobian(lambda x, a: x @ a, (x, a), strict=True),
        "jacobian, vectorized": F.jacobian(many, (x, a), vectorize=True),
        "jacobian, forward": tuples(
            F.jacobian(many, (x, a), vectorize=True, strategy="forward-mode")
        ),
        "jacobian of one, forward": F.jacobian(
            lambda x: x**2, x, vectorize=True, strategy="forward-mode"
        ),
        "jacobian of two by one, forward": F.jacobian(
            lambda x: (x**2, x.sum()), x, vectorize=True, strategy="forward-mode"
        ),
        "hessian": F.hessian(one, (x, a)),
        "hessian of one": F.hessian(lambda x: (x**3).sum(), x),
        "hessian, vectorized": F.hessian(one, (x, a), vectorize=True),
        "hessian, forward": tuples(
            F.hessian(one, (x, a), vectorize=True, outer_jacobian_strategy="forward-mode")
        ),
        "hessian, strict": F.hessian(one, (x, a), strict=True),
        "unused": F.jacobian(lambda x, a: a * 2, (x, a)),
        "independent": F.hessian(lambda x: x.sum(), x),
    }


def test_as_pytorch() -> None:
    def check(tree: Any) -> None:
        for y in tree if isinstance(tree, (tuple, list)) else [tree]:
            if isinstance(y, (tuple, list)):
                check(y)
            else:
                assert not y.requires_grad

    for found in twins(ways, X, A).values():
        check(found)


def created(T: Any, x: Any, a: Any) -> Any:
    """Gradients through each of them, by the inputs and by what the function closes over."""
    F = T.autograd.functional
    found = []
    for run in (
        lambda x, f: F.vjp(f, x, x, create_graph=True)[1],
        lambda x, f: F.jvp(f, x, x, create_graph=True)[1],
        lambda x, f: F.hvp(lambda x: f(x).sum(), x, x, create_graph=True)[1],
        lambda x, f: F.vhp(lambda x: f(x).sum(), x, x, create_graph=True)[1],
        lambda x, f: F.jacobian(f, x, create_graph=True),
        lambda x, f: F.jacobian(f, x, create_graph=True, vectorize=True),
        lambda x, f: F.hessian(lambda x: f(x).sum(), x, create_graph=True),
        lambda x, f: F.vjp(f, x, x, create_graph=True)[0],
        lambda x, f: F.jvp(f, x, x, create_graph=True)[0],
    ):
        x, w = x.detach().requires_grad_(), a[:, :3].clone().requires_grad_()
        y = run(x, lambda x, w=w: T.tanh(x @ w) * x)
        (y**2).sum().backward()
        found.append((y, x.grad, w.grad))
    return found


def test_create_graph() -> None:
    twins(created, X, A)


def test_the_inputs_stay_as_they_are() -> None:
    x = f64(X).requires_grad_()
    F.hessian(lambda x: (x**3).sum(), x)
    F.jacobian(lambda x: x**3, x, create_graph=True)
    assert x.grad is None
    assert x.is_leaf


@pytest.mark.parametrize(("run", "message"), [
    (lambda x: F.vjp(lambda x: x, x), "v may be left out only where the output has a single"),
    (lambda x: F.vjp(lambda x: x, x, x[:2]), r"v 0 has shape \(2,\); expected that of the output"),
    (lambda x: F.vjp(lambda x: x, x, (x, x)), "expected 1 tensors as v"),
    (lambda x: F.jvp(lambda x: x, x), "v may be left out only where the input"),
    (lambda x: F.hvp(lambda x: x, x, x), r"one element, got shape \(3,\)"),
    (lambda x: F.vhp(lambda x: (x, x), x, x), "one element, got tuple"),
    (lambda x: F.hessian(lambda x: x, x), "one element"),
    (lambda x: F.vjp(lambda x: f64(X), x, x, strict=True), "output 0 does not depend"),
    (lambda x: F.jvp(lambda x: f64(X), x, x, strict=True), "does not depend"),
    (lambda x: F.jacobian(lambda x, y: y, (x, x), strict=True), "do not depend on input 0"),
    (lambda x: F.hessian(lambda x: x.sum(), x, strict=True), "does not depend|do not depend"),
    (lambda x: F.hvp(lambda x: x.sum(), x, x, strict=True), "does not depend|do not depend"),
    (lambda x: F.vhp(lambda x: x.sum(), x, x, strict=True), "does not depend|do not depend"),
    (lambda x: F.jacobian(lambda x: 2 * x, x, strict=True, create_graph=True), "the derivative"),
    (lambda x: F.jacobian(lambda x: x, x, strict=True, vectorize=True), "strict=True goes with"),
])  # fmt: skip
def test_errors(run: Callable[..., Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        run(f64(X))


def test_wrong_types() -> None:
    x = f64(X)
    with pytest.raises(TypeError, match="inputs as a tensor or a tuple of tensors, got float at 1"):
        F.jacobian(lambda x, y: x, (x, 2.0))
    with pytest.raises(TypeError, match=r"the function.s outputs as a tensor .* got int"):
        F.jvp(lambda x: 1, x, x)
    with pytest.raises(ValueError, match="strategy is"):
        F.jacobian(lambda x: x, x, strategy="sideways")
    with pytest.raises(NotImplementedError, match="vectorize=True"):
        F.jacobian(lambda x: x, x, strategy="forward-mode")


def test_empty_and_single() -> None:
    assert F.jacobian(lambda x: x * 2, ag.zeros(0)).shape == (0, 0)
    assert F.jacobian(lambda x: x.sum(), ag.zeros(0)).shape == (0,)
    close(F.hessian(lambda x: x**3, f64(2.0)), f64(12.0))

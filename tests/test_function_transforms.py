"""Custom functions under the transforms, as PyTorch's notes on extending it have them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import twins

import pyautograd as ag
from pyautograd.autograd import forward_ad
from pyautograd.op import Stand

rng = np.random.default_rng(11)
X, A, B = rng.standard_normal(3), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))


def sort_functions(T: Any) -> Callable[..., Any]:
    """Sorting by NumPy, with rules for batches."""

    class Sort(T.autograd.Function):
        @staticmethod
        def forward(x: Any, dim: int) -> Any:
            order = np.argsort(x.numpy(), axis=dim)
            places = np.argsort(order, axis=dim)
            return tuple(T.tensor(v) for v in (np.sort(x.numpy(), axis=dim), order, places))

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            _, order, places = output
            ctx.mark_non_differentiable(order, places)
            ctx.save_for_backward(order, places)
            ctx.dim = inputs[1]

        @staticmethod
        def backward(ctx: Any, grad: Any, _order: Any, _places: Any) -> Any:
            order, places = ctx.saved_tensors
            return Take.apply(grad, places, order, ctx.dim), None

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any, dim: int) -> Any:
            x = x.movedim(in_dims[0], 0)
            assert info.batch_size == x.shape[0]
            assert info.randomness == "error"
            return Sort.apply(x, dim + 1 if dim >= 0 else dim), (0, 0, 0)

    class Take(T.autograd.Function):
        @staticmethod
        def forward(x: Any, index: Any, inverse: Any, dim: int) -> Any:
            return T.tensor(np.take_along_axis(x.numpy(), index.numpy(), dim))

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(inputs[1], inputs[2])
            ctx.dim = inputs[3]

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            index, inverse = ctx.saved_tensors
            return Take.apply(grad, inverse, index, ctx.dim), None, None, None

        @staticmethod
        def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
            *tensors, dim = args
            tensors = [
                t.expand(info.batch_size, *t.shape) if d is None else t.movedim(d, 0)
                for t, d in zip(tensors, in_dims, strict=False)
            ]
            return Take.apply(*tensors, dim + 1 if dim >= 0 else dim), 0

    return lambda x, dim=-1: Sort.apply(x, dim)[0]


def own_rules(T: Any, x: Any, a: Any, b: Any) -> Any:
    sort = sort_functions(T)
    weighted = lambda x: (sort(x) ** 2 * T.arange(3)).sum()  # noqa: E731
    return (
        T.vmap(sort)(a),
        T.vmap(sort, in_dims=1, out_dims=1)(a),
        T.vmap(lambda row: sort(row, 0))(a),
        T.vmap(T.func.grad(weighted))(a),
        T.func.grad(lambda a: T.vmap(weighted)(a).sum())(a),
        T.func.jacrev(sort)(x),
        T.vmap(T.func.jacrev(sort))(a),
        T.vmap(T.vmap(sort))(T.stack([a, b])),
    )


def generated_functions(T: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    class Cube(T.autograd.Function):
        """Hands its derivative out, so that it can be differentiated any number of times."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any) -> Any:
            return x**3, 3 * x**2

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(inputs[0], output[1])

        @staticmethod
        def backward(ctx: Any, grad: Any, grad_dx: Any) -> Any:
            x, dx = ctx.saved_tensors
            return grad * dx + grad_dx * 6 * x

    class Scaled(T.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any, y: Any, factor: float) -> Any:
            return x * y * factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs[:2])
            ctx.factor = inputs[2]

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, y = ctx.saved_tensors
            assert ctx.needs_input_grad[2] is False
            return grad * y * ctx.factor, grad * x * ctx.factor, None

    return lambda x: Cube.apply(x)[0], lambda x, y: Scaled.apply(x, y, 2.0)


def generated_rules(T: Any, x: Any, a: Any, b: Any) -> Any:
    cube, scaled = generated_functions(T)
    first = T.func.grad(cube)
    return (
        T.vmap(cube)(x),
        T.vmap(first)(x),
        T.vmap(T.func.grad(first))(x),
        T.vmap(scaled)(a, b),
        T.vmap(scaled, (0, None))(a, x),
        T.func.grad(lambda x: (T.vmap(scaled, (0, None))(a, x) ** 2).sum())(x),
        T.func.grad(lambda a: (T.vmap(scaled, (0, None))(a, x) ** 2).sum())(a),
        T.func.jacrev(lambda x: scaled(x, x))(x),
        T.vmap(T.vmap(scaled, (0, None)), (None, 0))(x, x),
        T.func.hessian(lambda x: T.func.jacrev(cube)(x).sum())(x)
        if T is ag
        else 6 * T.eye(3).double(),
    )


def tangent_function(T: Any) -> Callable[..., Any]:
    class Product(T.autograd.Function):
        @staticmethod
        def forward(x: Any, y: Any) -> Any:
            return x * y, x > y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.mark_non_differentiable(output[1])
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad: Any, _: Any) -> Any:
            x, y = ctx.saved_tensors
            return grad * y, grad * x

        @staticmethod
        def jvp(ctx: Any, dx: Any, dy: Any) -> Any:
            x, y = ctx.saved_tensors
            return dx * y + x * dy, None

    return lambda x, y: Product.apply(x, y)[0]


def tangents(T: Any, x: Any, a: Any, b: Any) -> Any:
    product = tangent_function(T)
    of_one = lambda a: product(a, a * 2)  # noqa: E731
    return (
        T.func.jvp(product, (a, b), (b, a)),
        T.func.jvp(lambda a: product(a, b), (a,), (b,)),
        T.func.jvp(of_one, (a,), (b,)),
        T.func.jvp(T.func.grad(lambda a: product(a, a).sum()), (a,), (b,)),
        T.func.grad(lambda a: (T.func.jvp(of_one, (a,), (b,))[1] ** 2).sum())(a),
    )


def saved_result(T: Any, x: Any, a: Any, b: Any) -> Any:
    """As the tutorial on forward mode has it."""
    forward_ad = T.autograd.forward_ad

    class Exp(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.result = T.exp(x)
            return ctx.result * 1

        @staticmethod
        def jvp(ctx: Any, dx: Any) -> Any:
            out = dx * ctx.result
            del ctx.result
            return out

    with forward_ad.dual_level():
        y = Exp.apply(forward_ad.make_dual(a, b))
        pair = forward_ad.unpack_dual(y)
    assert forward_ad.unpack_dual(y).tangent is None
    assert T.autograd.gradcheck(
        Exp.apply, (a.clone().requires_grad_(),), check_forward_ad=True, check_backward_ad=False,
        check_undefined_grad=False, check_batched_grad=False,
    )  # fmt: skip
    return pair.primal, pair.tangent


@pytest.mark.parametrize("program", [own_rules, generated_rules, tangents, saved_result])
def test_as_pytorch(program: Callable[..., Any]) -> None:
    twins(program, X, A, B)


# ---- what PyTorch does not do --------------------------------------------------------------------


def squares() -> type[ag.autograd.Function]:
    """With a backward alone."""

    class Square(ag.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, negative: bool) -> Any:
            ctx.save_for_backward(x)
            return x * x, x > 0

        @staticmethod
        def backward(ctx: Any, grad: Any, _: Any) -> Any:
            return grad * 2 * ctx.saved_tensors[0], None

    return Square


def test_backward_is_transposed() -> None:
    run = lambda x: squares().apply(x, True)[0]  # noqa: E731
    x, t = ag.tensor(A), ag.tensor(B)
    y, dy = ag.func.jvp(run, (x,), (t,))
    np.testing.assert_allclose(y.numpy(), A * A)
    np.testing.assert_allclose(dy.numpy(), 2 * A * B)
    _, product = ag.func.jvp(ag.func.grad(lambda x: run(x).sum()), (x,), (t,))
    np.testing.assert_allclose(product.numpy(), 2 * B)
    _, flags = ag.func.jvp(lambda x: squares().apply(x, True)[1], (x,), (t,))
    assert flags.dtype == ag.bool


def test_without_a_rule_it_runs_in_a_loop() -> None:
    run = lambda x: squares().apply(x, True)  # noqa: E731
    x = ag.tensor(A, requires_grad=True)
    with pytest.warns(UserWarning, match="Square has no batching rule"):
        y, positive = ag.vmap(run)(x)
    np.testing.assert_allclose(y.detach().numpy(), A * A)
    np.testing.assert_array_equal(positive.numpy(), A > 0)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * A)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # noted once
        found = ag.vmap(ag.func.grad(lambda x: run(x)[0].sum()))(ag.tensor(A))
        empty, _ = ag.vmap(run)(ag.zeros(0, 3))
    np.testing.assert_allclose(found.numpy(), 2 * A)
    assert empty.shape == (0, 3)


def test_generated_rules_sum_over_what_was_broadcast() -> None:
    class Sum(ag.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad, grad

    x, y = ag.zeros(3, requires_grad=True), ag.zeros(3, 3, 3, requires_grad=True)
    ag.vmap(Sum.apply)(x, y).sum().backward()
    assert x.grad.tolist() == [9.0, 9.0, 9.0]
    assert y.grad.shape == (3, 3, 3)


def test_errors() -> None:
    def function(**members: Any) -> Any:
        static = {k: staticmethod(v) if callable(v) else v for k, v in members.items()}
        return type("Mine", (ag.autograd.Function,), static)

    x = ag.ones(2, 3)
    plain = function(forward=lambda ctx, x: x * 1, vmap=lambda info, dims, x: x)
    with pytest.raises(RuntimeError, match=r"Mine\.vmap: expected \(outputs, out_dims\)"):
        ag.vmap(plain.apply)(x)
    wrong = function(forward=lambda ctx, x: x * 1, vmap=lambda info, dims, x: (x, (0, 0)))
    with pytest.raises(RuntimeError, match=r"Mine\.vmap: out_dims \(0, 0\) do not fit"):
        ag.vmap(wrong.apply)(x)
    dirty = function(forward=lambda ctx, x: ctx.mark_dirty(x) or x, generate_vmap_rule=True)
    with pytest.raises(RuntimeError, match="Mine: generate_vmap_rule and mark_dirty"):
        ag.vmap(dirty.apply)(x)
    many = function(forward=lambda ctx, x: x * 1, jvp=lambda ctx, t: (t, t))
    with pytest.raises(RuntimeError, match=r"Mine\.jvp: returned 2 tangents for 1"):
        ag.func.jvp(many.apply, (x,), (x,))
    shape = function(forward=lambda ctx, x: x * 1, jvp=lambda ctx, t: t[0])
    with pytest.raises(RuntimeError, match=r"Mine\.jvp: a tangent of shape \(3,\).*\(2, 3\)"):
        ag.func.jvp(shape.apply, (x,), (x,))
    symbol = type("Symbol", (Stand,), {"__slots__": ()})()
    with pytest.raises(NotImplementedError, match=r"Mine: .* no rule for Symbol tensors"):
        plain.apply(symbol)
    with pytest.raises(RuntimeError, match="make_dual: call it within"):
        forward_ad.make_dual(x, x)

"""Functions with a rule of the user's own: the same programs in our library and in PyTorch."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd.autograd import Function
from pyautograd.autograd.function import once_differentiable


def _exp(lib: Any, a: Any, b: Any) -> Any:
    """Saves an output."""

    class Exp(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (y,) = ctx.saved_tensors
            return grad * y

    return Exp.apply(a) * Exp.apply(b)


def _scaled(lib: Any, a: Any, b: Any) -> Any:
    """Arguments that are no tensors, attributes of ctx, needs_input_grad."""

    class Scaled(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float, y: Any, name: str) -> Any:
            ctx.save_for_backward(x, y)
            ctx.factor, ctx.name = factor, name
            return x * y * factor

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            assert ctx.name == "name"
            x, y = ctx.saved_tensors
            gx = grad * y * ctx.factor if ctx.needs_input_grad[0] else None
            gy = grad * x * ctx.factor if ctx.needs_input_grad[2] else None
            return gx, None, gy, None

    return Scaled.apply(a, 3.0, b, "name") + Scaled.apply(
        lib.ones(3, dtype=lib.float64), 2.0, b, "name"
    )


def _with_setup(lib: Any, a: Any, b: Any) -> Any:
    class Product(lib.autograd.Function):
        @staticmethod
        def forward(x: Any, y: Any) -> Any:
            return x * y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, y = ctx.saved_tensors
            return grad * y, grad * x

    return Product.apply(Product.apply(a, b), b)


def _several(lib: Any, a: Any, b: Any) -> Any:
    """Several outputs, one unused, one saved, one without a gradient."""

    class Several(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            product, total, order = x * y, x + y, x > y
            ctx.mark_non_differentiable(order)
            ctx.save_for_backward(x, y, product)
            return product, total, order

        @staticmethod
        def backward(ctx: Any, product: Any, total: Any, order: Any) -> Any:
            x, y, kept = ctx.saved_tensors
            return product * kept / x + total, product * kept / y + total

    product, total, order = Several.apply(a, b)
    assert not order.requires_grad
    other, _, _ = Several.apply(product, a)
    return product * total + other * order.to(lib.float64)


def _unused_outputs(lib: Any, a: Any, b: Any) -> Any:
    """Gradients that are not there come as zeros, or as None where asked."""

    class Pair(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, materialize: bool) -> Any:
            ctx.materialize = materialize
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, g0: Any, g1: Any) -> Any:
            if ctx.materialize:
                return g0 * 2 + g1 * 3, None
            assert g0 is None
            return g1 * 3, None

    return Pair.apply(a, True)[0] * b + Pair.apply(b, False)[1]


def _dirty(lib: Any, a: Any, b: Any) -> Any:
    """Changes its argument in place."""

    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad * 2

    x = a * b
    y = Double.apply(x)
    assert y is x
    return x * a


def _identity(lib: Any, a: Any, b: Any) -> Any:
    """Returns its argument: the result is another tensor on the same memory."""

    class Reverse(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return -grad

    y = Reverse.apply(a)
    assert y is not a
    return y * y * b


def _nested(lib: Any, a: Any, b: Any) -> Any:
    """A backward that is itself a function."""

    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return Twice.apply(ctx.saved_tensors[0], grad)

    class Twice(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, grad: Any) -> Any:
            ctx.save_for_backward(x, grad)
            return x * grad * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, grad = ctx.saved_tensors
            return g * grad * 2, g * x * 2

    return Square.apply(a) * b


PROGRAMS: list[Callable[[Any, Any, Any], Any]] = [
    _exp, _scaled, _with_setup, _several, _unused_outputs, _dirty, _identity, _nested,
]  # fmt: skip
by_name = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__.strip("_"))


def _values() -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    return rng.uniform(0.5, 1.5, (2, 3)), rng.uniform(0.6, 1.4, (2, 3))


@by_name
def test_gradients(program: Any) -> None:
    a, b = [ag.tensor(x, requires_grad=True) for x in _values()]
    if program is _identity:  # whose rule is not that of an identity
        out = program(ag, a, b)
        ga, gb = ag.autograd.grad(out.sum(), (a, b))
        np.testing.assert_allclose(ga.numpy(), (-2 * a * b).detach().numpy())
        np.testing.assert_allclose(gb.numpy(), (a * a).detach().numpy())
        return
    assert ag.autograd.gradcheck(lambda a, b: program(ag, a, b), (a, b))
    assert ag.autograd.gradgradcheck(lambda a, b: program(ag, a, b), (a, b))


@by_name
def test_same_as_torch(program: Any) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for lib in (ag, torch):
        a, b = [lib.tensor(x, requires_grad=True) for x in _values()]
        out = program(lib, a, b)
        first = lib.autograd.grad((out * out).sum(), (a, b), create_graph=True)
        (first[0] * first[1]).sum().backward()
        found.append([np.asarray(x.detach()) for x in (out, *first, a.grad, b.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# ---- what goes wrong -----------------------------------------------------------------------------


def _function(forward: Any, backward: Any) -> Any:
    return type("Mine", (Function,), {
        "forward": staticmethod(forward), "backward": staticmethod(backward),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("forward", "backward", "error", "message"),
    [
        (lambda c, x: x * 1, lambda c, g: (g, g), RuntimeError, "returned 2 gradients for 1"),
        (lambda c, x: x * 1, lambda c, g: (), RuntimeError, "returned 0 gradients for 1"),
        (lambda c, x: x * 1, lambda c, g: 1.0, TypeError, "expected a Tensor.*float"),
        (lambda c, x: x * 1, lambda c, g: ag.ones(5), ValueError, r"\(5,\).*\(3,\)"),
        (lambda c, x: "y", lambda c, g: g, TypeError, "expected tensors back, got str"),
        (lambda c, x: c.save_for_backward(1), lambda c, g: g, TypeError, "as attributes of ctx"),
        (lambda c, x: c.mark_dirty(x) or x * 1, lambda c, g: g, RuntimeError, "dirty"),
    ],
)
def test_errors(forward: Any, backward: Any, error: Any, message: str) -> None:
    x = ag.ones(3, requires_grad=True) * 1
    with pytest.raises(error, match=message):
        _function(forward, backward).apply(x).sum().backward()


def test_no_instances() -> None:
    with pytest.raises(RuntimeError, match=r"Mine\.apply"):
        _function(lambda ctx, x: x, lambda ctx, g: g)()


def test_gradients_are_summed_and_cast_to_their_inputs() -> None:
    mine = _function(lambda ctx, x: x * ag.ones(4, 3), lambda ctx, g: g.double())
    x = ag.ones(3, requires_grad=True)
    mine.apply(x).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 4.0]
    assert x.grad.dtype == ag.float32


def test_once_differentiable() -> None:
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad: Any) -> Any:
            assert not ag.is_grad_enabled()
            return ag.from_numpy(
                2 * ctx.saved_tensors[0].numpy(force=True) * grad.numpy(force=True)
            )

    x = ag.tensor([3.0], requires_grad=True)
    (grad,) = ag.autograd.grad(Square.apply(x), x, create_graph=True)
    assert grad.tolist() == [6.0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.backward()


def test_saved_tensors_are_freed_and_checked() -> None:
    mine = _function(
        lambda ctx, x: ctx.save_for_backward(x) or x * 2, lambda ctx, g: g * ctx.saved_tensors[0]
    )
    x = ag.ones(3, requires_grad=True)
    h = x * 1
    y = mine.apply(h).sum()
    y.backward(retain_graph=True)
    h.mul_(2)
    with pytest.raises(RuntimeError, match=r"Mine saved .* mul_ has changed in place"):
        y.backward(retain_graph=True)
    z = mine.apply(x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="Mine saved are freed"):
        z.backward()


def test_no_cycles() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        y = x * 2
        ctx.save_for_backward(x, y)
        return y

    mine = _function(forward, lambda ctx, g: g)
    gc.disable()
    try:
        x = ag.ones(3, requires_grad=True)
        y = mine.apply(x)
        array, node = weakref.ref(y), weakref.ref(y.grad_fn)
        del y
        assert array() is None
        assert node() is None
    finally:
        gc.enable()


def test_under_no_grad_and_without_gradients() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        assert not any(ctx.needs_input_grad)
        return x * 2

    mine = _function(forward, lambda ctx, g: g)
    assert not mine.apply(ag.ones(2)).requires_grad
    with ag.no_grad():
        assert not mine.apply(ag.ones(2, requires_grad=True)).requires_grad


def test_dirty_leaf() -> None:
    mine = _function(lambda ctx, x: ctx.mark_dirty(x) or x, lambda ctx, g: g)
    with pytest.raises(RuntimeError, match="leaf"):
        mine.apply(ag.ones(2, requires_grad=True))


def test_names() -> None:
    pair = _function(lambda ctx, x: (x * 1, x * 2), lambda ctx, g, h: g + h)
    x = ag.ones(2, requires_grad=True)
    first, second = pair.apply(x)
    assert first.grad_fn.name() == second.grad_fn.name() == "MineBackward"
    (first + second).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]

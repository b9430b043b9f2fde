"""Hooks on what ops save, checkpointing, and hooks on tensors and nodes."""

from __future__ import annotations

import contextlib
import gc
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd.autograd.graph import saved_tensors_hooks
from pyautograd.utils.checkpoint import checkpoint, checkpoint_sequential


def same(tensor: Any, values: Any) -> None:
    np.testing.assert_allclose(tensor.numpy(), values, rtol=1e-6)


# ---- saved_tensors_hooks -------------------------------------------------------------------------


def test_pack_and_unpack() -> None:
    seen: list[Any] = []

    def pack(t: Any) -> Any:
        seen.append(("pack", t.shape, t.requires_grad))
        return t.numpy().copy()

    def unpack(values: Any) -> Any:
        seen.append(("unpack", values.shape))
        return ag.from_numpy(values)

    x = ag.tensor([1.0, 2.0], requires_grad=True)
    with saved_tensors_hooks(pack, unpack):
        y = x * x
    z = y.exp()  # outside
    assert seen == [("pack", (2,), False)] * 2
    z.sum().backward()
    assert seen[2:] == [("unpack", (2,))] * 2
    same(x.grad, 2 * np.array([1, 2]) * np.exp([1.0, 4.0]))


def test_innermost_pair_applies() -> None:
    x = ag.tensor([3.0], requires_grad=True)
    identity = lambda t: t  # noqa: E731
    with saved_tensors_hooks(identity, lambda t: t * 10):
        a = x.exp()
        with saved_tensors_hooks(identity, lambda t: t * 2):
            b = x.exp()
    a.backward()
    same(x.grad, [10 * np.exp(3.0)])
    x.grad = None
    b.backward()
    same(x.grad, [2 * np.exp(3.0)])


def test_second_order() -> None:
    x = ag.tensor([0.5, 2.0], dtype=ag.float64, requires_grad=True)

    def cube(x: Any) -> Any:
        with saved_tensors_hooks(lambda t: t.numpy().copy(), ag.from_numpy):
            return x * x.exp() * x

    assert ag.autograd.gradcheck(cube, (x,))
    assert ag.autograd.gradgradcheck(cube, (x,))


def test_other_threads_are_left_alone() -> None:
    x = ag.ones(2, requires_grad=True)
    found: list[Any] = []
    with saved_tensors_hooks(lambda t: None, lambda t: t):
        thread = threading.Thread(target=lambda: found.append(x.exp()))
        thread.start()
        thread.join()
    found[0].sum().backward()
    same(x.grad, np.exp([1.0, 1.0]))


def test_what_hooks_do_wrong() -> None:
    x = ag.ones(2, requires_grad=True)
    with pytest.raises(ZeroDivisionError), saved_tensors_hooks(lambda t: 1 / 0, lambda t: t):
        x.exp()
    assert not hasattr(x, "grad") or x.grad is None
    for unpack in (lambda t: None, lambda t: ag.ones(3), lambda t: t.double()):
        with saved_tensors_hooks(lambda t: t, unpack):
            y = x.exp()
        with pytest.raises(RuntimeError, match=r"unpack.*\(2,\) and float32"):
            y.sum().backward()
    y = x.exp()  # recording is as it was
    y.sum().backward()
    same(x.grad, np.exp([1.0, 1.0]))


def test_freed_and_shown() -> None:
    x = ag.ones(2, requires_grad=True)
    with saved_tensors_hooks(lambda t: t.numpy(), ag.from_numpy):
        y = x.exp()
    same(y.grad_fn.saved["result"], np.exp([1.0, 1.0]))
    y.sum().backward()
    with pytest.raises(RuntimeError, match="freed"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="freed"):
        _ = y.grad_fn.saved


def test_saved_by_name() -> None:
    a, b = ag.ones(2, requires_grad=True), ag.full((2,), 3.0, requires_grad=True)
    assert list((a * b).grad_fn.saved) == ["input", "other"]
    assert (a * b).grad_fn.saved["other"].tolist() == [3.0, 3.0]
    assert a.sum().grad_fn.saved == {"input_shape": (2,)}
    assert (a + b).grad_fn.saved == {}
    assert (a + b).grad_fn.name() == "AddBackward"
    assert [n.name() for n, _ in (a + b).grad_fn.next_functions] == ["AccumulateGrad"] * 2


# ---- checkpoint ----------------------------------------------------------------------------------


def _net() -> Any:
    ag.manual_seed(3)
    return ag.nn.Sequential(
        ag.nn.Linear(4, 8), ag.nn.Tanh(), ag.nn.Dropout(0.5), ag.nn.Linear(8, 8), ag.nn.ReLU(),
        ag.nn.Dropout(0.3), ag.nn.Linear(8, 2),
    )  # fmt: skip


def _gradients(run: Any) -> list[Any]:
    net = _net()
    x = ag.tensor(np.linspace(-1, 1, 12).reshape(3, 4), dtype=ag.float32, requires_grad=True)
    ag.manual_seed(11)
    (run(net, x) ** 2).sum().backward()
    after = ag.rand(1).item()
    return [x.grad.numpy(), *[p.grad.numpy() for p in net.parameters()], after]


@pytest.mark.parametrize("segments", [1, 2, 3, 7, 20])
def test_checkpoint_is_exact(segments: int) -> None:
    """Dropout included, and the generator stands where it would have stood."""
    plain = _gradients(lambda net, x: net(x))
    for run in (
        lambda net, x: checkpoint_sequential(net, segments, x, use_reentrant=False),
        lambda net, x: checkpoint(net, x),
        lambda net, x: checkpoint(lambda y: checkpoint(net[1:], net[0](y)), x),
    ):
        for ours, expected in zip(_gradients(run), plain, strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_checkpoint_to_second_order_and_by_grad() -> None:
    x = ag.tensor([0.3, 0.7], dtype=ag.float64, requires_grad=True)
    w = ag.tensor([1.5, 0.5], dtype=ag.float64, requires_grad=True)

    def function(x: Any, w: Any) -> Any:
        return checkpoint(lambda y, scale: (y * w).exp() * y * scale, x, scale=2.0)

    assert ag.autograd.gradcheck(function, (x, w))
    assert ag.autograd.gradgradcheck(function, (x, w))
    y = function(x, w).sum()
    (first,) = ag.autograd.grad(y, x, retain_graph=True)
    (again,) = ag.autograd.grad(y, x)
    np.testing.assert_array_equal(first.numpy(), again.numpy())


def test_checkpoint_runs_once_more_and_only_as_far_as_needed() -> None:
    calls: list[str] = []

    def function(x: Any) -> Any:
        calls.append("start")
        y = x.exp()
        calls.append("middle")
        z = y * 2  # keeps nothing
        calls.append("end")
        return z

    x = ag.ones(2, requires_grad=True)
    checkpoint(function, x).sum().backward()
    assert calls == ["start", "middle", "end", "start"]
    calls.clear()
    with ag.no_grad():
        checkpoint(function, x)
    assert calls == ["start", "middle", "end"]


def test_checkpoint_of_something_else_each_time() -> None:
    sizes = iter([2, 3])

    def function(x: Any) -> Any:
        return x[: next(sizes)].exp()

    y = checkpoint(function, ag.ones(4, requires_grad=True))
    with pytest.raises(RuntimeError, match="must do the same each time"):
        y.sum().backward()
    count = iter([2, 1])

    def shorter(x: Any) -> Any:
        for _ in range(next(count)):
            x = x.exp()
        return x

    y = checkpoint(shorter, ag.ones(4, requires_grad=True))
    with pytest.raises(RuntimeError, match="must do the same each time"):
        y.sum().backward()


def test_checkpoint_options() -> None:
    x = ag.ones(3, requires_grad=True)
    seen: list[str] = []

    @contextlib.contextmanager
    def noted(name: str) -> Any:
        seen.append(name)
        yield
        seen.append(f"end of {name}")

    options: dict[str, Any] = {"context_fn": lambda: (noted("first"), noted("second"))}
    y = checkpoint(lambda x, power: x.exp() ** power, x, power=2, use_reentrant=False, **options)
    assert seen == ["first", "end of first"]
    y.sum().backward()
    assert seen[2] == "second"
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(2.0), rtol=1e-6)


def test_checkpoint_memory() -> None:
    """A chain of 100 keeps about 2 sqrt(100) arrays instead of 100."""

    def peak(segments: int) -> float:
        x = ag.ones(1000, 100, requires_grad=True)
        layers = [lambda t: (t * 1.01).tanh()] * 100
        gc.collect()
        tracemalloc.start()
        if segments:
            y = checkpoint_sequential(layers, segments, x)
        else:
            y = x
            for layer in layers:
                y = layer(y)
        y.sum().backward()
        found = tracemalloc.get_traced_memory()[1] / 400_000
        tracemalloc.stop()
        return found

    assert peak(0) > 100
    assert peak(10) < 25


# ---- hooks on tensors and nodes ------------------------------------------------------------------


def test_order_of_hooks() -> None:
    seen: list[str] = []
    x = ag.tensor([1.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: seen.append("tensor"))
    y.grad_fn.register_prehook(lambda gs: (gs[0] * 3,))
    y.grad_fn.register_hook(lambda a, b: seen.append(f"{a[0].item()} {b[0].item()}"))
    x.register_hook(lambda g: seen.append("leaf"))
    x.register_post_accumulate_grad_hook(lambda t: seen.append(f"grad {t.grad.item()}"))
    y.sum().backward()
    assert seen == ["tensor", "6.0 3.0", "leaf", "grad 6.0"]
    same(y.grad, [1.0])  # what the node made of it comes later


def test_node_hook_replaces_gradients() -> None:
    a, b = ag.ones(2, requires_grad=True), ag.ones(2, requires_grad=True)
    y = a * b
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 5, None))
    y.sum().backward()
    same(a.grad, [5.0, 5.0])
    assert b.grad is None


def test_step_in_backward() -> None:
    """The optimiser's step as a hook: no gradient is kept."""
    w = ag.tensor([1.0, 2.0], requires_grad=True)

    def step(p: Any) -> None:
        with ag.no_grad():
            p.sub_(p.grad * 0.1)
        p.grad = None

    w.register_post_accumulate_grad_hook(step)
    (w * w).sum().backward()
    same(w.detach(), [0.8, 1.6])
    assert w.grad is None


def test_handles() -> None:
    x = ag.ones(2, requires_grad=True)
    handle = x.register_hook(lambda g: g * 2)
    with x.register_hook(lambda g: g * 5):
        x.sum().backward()
    x.sum().backward()
    handle.remove()
    handle.remove()
    x.sum().backward()
    same(x.grad, [10 + 2 + 1] * 2)


def test_hooks_under_create_graph() -> None:
    x = ag.tensor([2.0], requires_grad=True)
    y = x**3
    y.register_hook(lambda g: g * g)
    y.grad_fn.register_prehook(lambda gs: (gs[0] * x,))
    (grad,) = ag.autograd.grad(y, x, ag.tensor([3.0]), create_graph=True)
    same(grad.detach(), [9 * 2 * 12])
    (second,) = ag.autograd.grad(grad, x)
    same(second, [9 * 3 * 3 * 4])


def test_what_hooks_may_not_return() -> None:
    x = ag.ones(2, requires_grad=True)
    y = x * 2
    for register, hook, error, message in (
        (y.register_hook, lambda g: 1, TypeError, "Tensor or None.*int"),
        (y.register_hook, lambda g: ag.ones(3), ValueError, r"\(2,\).*\(3,\)"),
        (y.grad_fn.register_hook, lambda a, b: (None, None, None), ValueError, "expected 2"),
        (y.grad_fn.register_prehook, lambda a: (), ValueError, "expected 1"),
    ):
        with register(hook), pytest.raises(error, match=message):
            y.sum().backward(retain_graph=True)
        assert x.grad is None
    for register in (ag.ones(2).register_hook, y.register_post_accumulate_grad_hook):
        with pytest.raises(RuntimeError):
            register(lambda g: g)
    with pytest.raises(TypeError, match="function"):
        x.register_hook(3)
    y.sum().backward()
    same(x.grad, [2.0, 2.0])


def test_backward_inside_a_hook() -> None:
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    h = x * x
    other = (x * 3).sum()
    h.register_hook(lambda g: other.backward())
    (h * h).sum().backward()
    same(x.grad, 3 + 4 * np.array([1.0, 8.0]))


def test_hook_on_a_function_with_several_outputs() -> None:
    class Pair(ag.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * 2 + h * 3

    x = ag.ones(1, requires_grad=True)
    first, _ = Pair.apply(x)
    node = first.grad_fn.next_functions[0][0]
    seen: list[Any] = []
    node.register_prehook(lambda gs: seen.append([None if g is None else g.item() for g in gs]))
    node.register_hook(lambda inputs, outputs: (inputs[0] * 10,))
    first.register_hook(lambda g: g * 7)
    first.sum().backward()
    assert seen == [[7.0, None]]
    same(x.grad, [140.0])

"""Hooks of modules: the same programs here and in PyTorch."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import numpy as np
import pytest

import pyautograd as ag


def _net(lib: Any) -> Any:
    net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 2))
    rng = np.random.default_rng(1)
    for p in net.parameters():
        values = rng.standard_normal(tuple(p.shape)).astype("float32")
        p.data = lib.tensor(values) if lib is not ag else ag.tensor(values)
    return net


def _inputs(lib: Any, requires_grad: bool = True) -> Any:
    x = lib.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 1.0]])
    return x.requires_grad_() if requires_grad else x


def _forward(lib: Any, log: Any) -> Any:
    net, x = _net(lib), _inputs(lib)
    net[0].register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    net[0].register_forward_pre_hook(lambda m, args: args[0] + 1)
    net[0].register_forward_pre_hook(lambda m, args: log("first"), prepend=True)
    net[2].register_forward_hook(lambda m, args, out: log(tuple(args[0].shape), tuple(out.shape)))
    net[2].register_forward_hook(lambda m, args, out: out * 3)
    net(x).sum().backward()
    return [x.grad, *[p.grad for p in net.parameters()]]


def _keywords(lib: Any, log: Any) -> Any:
    class Scaled(lib.nn.Module):
        def forward(self, x: Any, *, scale: float) -> Any:
            return x * scale

    module, x = Scaled(), _inputs(lib)
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True
    )
    module.register_forward_hook(
        lambda m, args, kwargs, out: log(kwargs["scale"]), with_kwargs=True
    )
    module(x, scale=4.0).sum().backward()
    return [x.grad]


def _backward(lib: Any, log: Any) -> Any:
    net, x = _net(lib), _inputs(lib)

    def hook(module: Any, grad_input: Any, grad_output: Any) -> Any:
        log(type(module).__name__, [tuple(g.shape) for g in grad_input + grad_output])
        return (grad_input[0] * 2,)

    for module in (net, net[0], net[1]):
        module.register_full_backward_hook(hook)
    net[2].register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 5,))
    (net(x) ** 2).sum().backward()
    return [x.grad, *[p.grad for p in net.parameters()]]


def _without_input_gradients(lib: Any, log: Any) -> Any:
    net, x = _net(lib), _inputs(lib, requires_grad=False)
    net.register_full_backward_hook(lambda m, gi, go: log(gi[0] is None, tuple(go[0].shape)))
    net(x).sum().backward()
    return [p.grad for p in net.parameters()]


def _several(lib: Any, log: Any) -> Any:
    class Both(lib.nn.Module):
        def forward(self, a: Any, number: float, b: Any) -> Any:
            return a * b, b * number

    module = Both()
    a, b = _inputs(lib), _inputs(lib)
    module.register_full_backward_hook(
        lambda m, gi, go: (*[None if g is None else g * 2 for g in gi],)
    )
    module.register_full_backward_pre_hook(lambda m, go: log([g is None for g in go]))
    product, scaled = module(a, 3.0, b)
    (product * 1 + scaled).sum().backward()
    product, _ = module(a, 3.0, b)
    product.sum().backward()
    return [a.grad, b.grad]


def _create_graph(lib: Any, log: Any) -> Any:
    net, x = _net(lib), _inputs(lib)
    net.register_full_backward_hook(lambda m, gi, go: (gi[0] * gi[0],))
    (grad,) = lib.autograd.grad(net(x).sum(), x, create_graph=True)
    grad.sum().backward()
    return [x.grad]


PROGRAMS = [_forward, _keywords, _backward, _without_input_gradients, _several, _create_graph]


@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__.strip("_"))
def test_same_as_torch(program: Any) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for lib in (ag, torch):
        seen: list[Any] = []
        grads = program(lib, lambda *items, seen=seen: seen.append(items))
        found.append((seen, [np.asarray(g.detach()) for g in grads]))
    (our_log, ours), (their_log, theirs) = found
    assert our_log == their_log
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_by_hand() -> None:
    layer = ag.nn.Linear(2, 1, bias=False)
    with ag.no_grad():
        layer.weight.copy_(ag.tensor([[3.0, 4.0]]))
    seen: list[Any] = []
    handle = layer.register_full_backward_hook(
        lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist()))
    )
    x = ag.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    handle.remove()
    layer(x).sum().backward()
    assert seen == [([[3.0, 4.0]], [[1.0]])]
    assert x.grad.tolist() == [[6.0, 8.0]]


def test_a_hook_that_raises_leaves_all_usable() -> None:
    layer = ag.nn.Linear(2, 1)
    x = ag.ones(1, 2, requires_grad=True)
    for register in (
        layer.register_forward_hook, layer.register_forward_pre_hook,
        layer.register_full_backward_hook, layer.register_full_backward_pre_hook,
    ):  # fmt: skip
        with register(lambda *args: 1 / 0), pytest.raises(ZeroDivisionError):
            layer(x).sum().backward()
    assert x.grad is None
    layer(x).sum().backward()
    assert x.grad is not None


def test_no_cycles() -> None:
    layer = ag.nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda m, gi, go: None)
    gc.collect()
    gc.disable()
    try:
        x = ag.ones(1, 2, requires_grad=True)
        y = layer(x)
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del x, y
        assert node() is None
    finally:
        gc.enable()


def test_always_called() -> None:
    class Broken(ag.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("broken")

    seen: list[Any] = []
    module = Broken()
    module.register_forward_hook(lambda m, args, out: seen.append("never"))
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError, match="broken"):
        module(ag.ones(1))
    assert seen == [None]


def test_copies_and_errors() -> None:
    layer = ag.nn.Linear(2, 1)
    layer.register_forward_hook(lambda m, args, out: out * 0)
    assert copy.deepcopy(layer)(ag.ones(1, 2)).tolist() == [[0.0]]
    assert ag.nn.Linear(2, 1)._hooks is None
    with pytest.raises(TypeError, match="function, got int"):
        layer.register_forward_hook(3)
    layer.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    with pytest.raises(RuntimeError, match="pair of arguments"):
        layer(ag.ones(1, 2))
    layer = ag.nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda m, gi, go: (None, None))
    with pytest.raises(RuntimeError, match="expected 1 gradients back, got 2"):
        layer(ag.ones(1, 2, requires_grad=True)).sum().backward()

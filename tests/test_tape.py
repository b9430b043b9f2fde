"""The tape: leaves, the order of backward, what is kept, and what is freed."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import Tensor, tape
from pyautograd.op import OPS, primitive


def leaf(*values: float, dtype: Any = ag.float64) -> Tensor:
    return ag.tensor(list(values) if len(values) > 1 else values[0], dtype, requires_grad=True)


def grad_of(t: Tensor) -> Any:
    assert t.grad is not None
    return t.grad.numpy(force=True)


def equal(a: Any, b: Any) -> bool:
    return np.array_equal(a.numpy(force=True) if isinstance(a, Tensor) else a, b)


# ---- leaves --------------------------------------------------------------------------------------


def test_leaf_and_grad_fn() -> None:
    x = leaf(1.0, 2.0)
    assert x.is_leaf
    assert x.requires_grad
    assert x.grad_fn is None
    y = x * 2
    assert not y.is_leaf
    assert y.requires_grad
    assert y.grad_fn is not None
    assert y.grad_fn.name() == "MulBackward"
    assert repr(y.grad_fn) == "<MulBackward>"
    ((below, number),) = [f for f in y.grad_fn.next_functions if f[0] is not None]
    assert (below.name(), number) == ("AccumulateGrad", 0)  # type: ignore[union-attr]
    plain = ag.ones(2) * 2
    assert plain.is_leaf
    assert not plain.requires_grad
    assert plain.grad_fn is None


def test_requires_grad() -> None:
    x = ag.ones(2)
    assert x.requires_grad_() is x
    assert x.requires_grad
    x.requires_grad = False
    assert not x.requires_grad
    assert not (x * 2).requires_grad
    y = leaf(1.0, 2.0) * 2
    y.requires_grad_()  # it does already
    with pytest.raises(RuntimeError, match=r"only a leaf.*detach"):
        y.requires_grad_(False)
    for dtype in (ag.int64, ag.int32, ag.uint8, ag.bool):
        with pytest.raises(RuntimeError, match=str(dtype)):
            ag.zeros(2, dtype=dtype).requires_grad_()


def test_detach() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    d = y.detach()
    assert d.is_leaf
    assert not d.requires_grad
    assert d.numpy() is y.numpy(force=True)
    (y * d).sum().backward()
    assert equal(grad_of(x), [9.0, 18.0])
    assert y.requires_grad


def test_retain_grad() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    assert y.grad is None
    y.retain_grad()
    x.retain_grad()  # a leaf keeps its own anyway
    (y * y).sum().backward()
    assert equal(grad_of(y), [6.0, 12.0])
    assert equal(grad_of(x), [18.0, 36.0])
    with pytest.raises(RuntimeError, match="requires no gradient"):
        ag.ones(2).retain_grad()


def test_retain_grad_twice_is_once() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    assert not y.retains_grad
    assert not x.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    y.sum().backward()
    assert equal(grad_of(y), [1.0, 1.0])
    z = x * 3
    for _ in range(2):
        z.sum().backward(inputs=[z, z])
    assert equal(grad_of(z), [2.0, 2.0])
    assert not z.retains_grad


def test_retained_gradients_are_arrays_of_their_own() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    z = y + 0.0
    y.retain_grad()
    z.retain_grad()
    z.sum().backward()
    with ag.no_grad():
        z.grad.mul_(5.0)  # type: ignore[union-attr]
    assert equal(grad_of(y), [1.0, 1.0])
    assert equal(grad_of(x), [1.0, 1.0])


def test_a_leaf_that_is_gone() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    del x
    y.backward()


# ---- accumulation --------------------------------------------------------------------------------


def test_gradients_accumulate_over_backwards() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first
    assert equal(grad_of(x), [5.0, 7.0])
    x.grad = None
    x.sum().backward()
    assert equal(grad_of(x), [1.0, 1.0])


def test_gradients_accumulate_into_a_buffer() -> None:
    """As programs have it that send or clip all gradients as one array."""
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    buffer = ag.zeros(4, dtype=ag.float64)
    a.grad, b.grad = buffer[:2], buffer[2:]
    for _ in range(2):
        (a * b).sum().backward()
    assert buffer.tolist() == [6.0, 8.0, 2.0, 4.0]


def test_gradients_that_cannot_be_added_into() -> None:
    x = leaf(1.0, 2.0)
    frozen = np.ones(2)
    frozen.flags.writeable = False
    x.grad = ag.from_numpy(frozen)
    (x * x).sum().backward()
    assert equal(grad_of(x), [3.0, 5.0])
    assert frozen.tolist() == [1.0, 1.0]
    x.grad = None
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    (x * 1).sum().backward()
    assert first is not None
    assert equal(first, [3.0, 12.0]), "first is on the tape: a saved value, or part of a loss"


def test_a_saved_gradient_that_backward_adds_to() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    loss = (x * x.grad).sum()
    with pytest.raises(RuntimeError, match=r"mul saved .* backward has changed in place"):
        loss.backward()
        loss = (x * x.grad).sum()
        x.sum().backward()
        loss.backward()


def test_leaves_never_share_a_gradient() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = ag.ones(2, dtype=ag.float64)
    (a + b).backward(seed)
    with ag.no_grad():
        a.grad.mul_(7.0)  # type: ignore[union-attr]
    assert equal(grad_of(b), [1.0, 1.0])
    assert equal(seed, [1.0, 1.0])


def test_diamonds_and_shared_subgraphs() -> None:
    x = leaf(0.5, -1.5)
    a = x.tanh()
    b, c = a * 2, a.exp()
    y = (b * c + b - c * a).sum()
    y.backward()
    a_ = np.tanh([0.5, -1.5])
    e = np.exp(a_)
    expected = (2 * e + 2 * a_ * e + 2 - e * a_ - e) * (1 - a_**2)
    np.testing.assert_allclose(grad_of(x), expected, rtol=1e-14)


def test_the_same_tensor_on_both_sides() -> None:
    x = leaf(3.0)
    (x * x * x / x - x + x).backward()
    assert grad_of(x) == pytest.approx(6.0)


def test_used_ten_thousand_times() -> None:
    x = leaf(1.0, 2.0)
    total = x * 0
    for i in range(10_000):
        total = total + x * i
    total.sum().backward()
    assert equal(grad_of(x), [49_995_000.0] * 2)


def test_exponentially_many_paths() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert grad_of(x) == 2.0**60


def test_gradients_have_the_shape_and_dtype_of_their_tensors() -> None:
    a = ag.ones(2, 3, requires_grad=True)  # float32
    b = ag.ones(3, dtype=ag.float64, requires_grad=True)
    c = ag.ones(2, 1, requires_grad=True)
    d = ag.tensor(2.0, dtype=ag.float64, requires_grad=True)
    y = a * b + c / b - ag.where(a > 0, d, c) + ag.maximum(c, b) ** d
    assert y.dtype == np.float64
    y.sum().backward()
    for t in (a, b, c, d):
        assert t.grad is not None
        assert (t.grad.shape, t.grad.dtype) == (t.shape, t.dtype)
    grads = ag.autograd.grad((a * b + c).sum(), (a, b, c), create_graph=True)
    for t, g in zip((a, b, c), grads, strict=True):
        assert (g.shape, g.dtype) == (t.shape, t.dtype)
    y = ag.cat((a, a.double())).sum() + a.double().sum()
    (g,) = ag.autograd.grad(y, a)
    assert g.dtype == np.float32
    assert equal(g, np.full((2, 3), 3.0))


def test_a_seed_is_cast() -> None:
    x = leaf(1.0, 2.0)
    (x * 2).backward(ag.tensor([1, 2]))
    assert equal(grad_of(x), [2.0, 4.0])
    x.grad = None
    (x * 2).backward(np.array([1.0, 0.5], np.float32))
    assert equal(grad_of(x), [2.0, 1.0])


# ---- depth ---------------------------------------------------------------------------------------

DEEP = """
import gc, sys, threading
import pyautograd as ag
gc.disable()
n = 1_000_000
def chain():
    x = ag.ones(1, requires_grad=True)
    y = x
    for _ in range(n):
        y = y + 1.0
    return x, y
threading.stack_size(2 * 1024 * 1024)
def run():
    x, y = chain()
    y.backward()
    assert x.grad.item() == 1.0
    del y  # after backward
    x, y = chain()
    del x, y  # without it
    x, y = chain()
    (g,) = ag.autograd.grad(y * 1.0, x)
    assert g.item() == 1.0
    x = ag.ones(1, requires_grad=True)
    y = x
    for _ in range(n // 10):
        y = y * y
    (g,) = ag.autograd.grad(y, x, create_graph=True)
    del g, y
    print("done")
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


def test_a_chain_of_a_million() -> None:
    """Forward, backward and destruction on a small stack: nothing recurses."""
    out = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True)
    assert (out.returncode, out.stdout.strip()) == (0, "done"), out.stderr


# ---- what is kept --------------------------------------------------------------------------------


def test_saved_arrays_are_freed_by_backward() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    array = weakref.ref(y.numpy(force=True))
    z = y.exp().sum()
    w = (y * y).sum() + z
    del y, z
    assert array() is not None
    w.backward()
    assert array() is None


def test_nothing_that_no_rule_needs_is_kept() -> None:
    x = leaf(1.0, 2.0)
    y = x + 1
    array = weakref.ref(y.numpy(force=True))
    z = (y + 2).sum()
    del y
    assert array() is None
    z.backward()


def test_an_operand_is_kept_only_for_the_gradient_of_the_other() -> None:
    x, data = leaf(1.0, 2.0), ag.tensor([3.0, 4.0])
    y = x * 2.0
    a, b = y * 2.0, data * x
    kept = weakref.ref(y.numpy(force=True))
    del y
    assert kept() is None
    with ag.no_grad():
        x.zero_()  # not needed
    (a + b).sum().backward()
    assert equal(grad_of(x), [7.0, 8.0])


def test_a_graph_has_no_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x * x).exp().sum()
        kept = [weakref.ref(y), weakref.ref(y.grad_fn), weakref.ref(x)]
        y.retain_grad()
        y.backward()
        del x, y
        assert [ref() for ref in kept] == [None] * 3
    finally:
        gc.enable()


def test_a_second_backward_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"mul saved are freed.*retain_graph=True"):
        y.backward()
    assert equal(grad_of(x), [2.0, 4.0])
    linear = (x + x).sum()  # saves nothing but shapes
    linear.backward()
    linear.backward()


def test_retain_graph() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert equal(grad_of(x), [4.0, 8.0])
    with pytest.raises(RuntimeError, match="freed"):
        ag.autograd.grad(y, x)


def test_an_in_place_change_of_a_saved_value() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    z = y.exp()
    w = (z * y).sum()
    z.detach().mul_(2.0)
    with pytest.raises(RuntimeError) as error:
        w.backward()
    text = str(error.value)
    assert "mul saved" in text or "exp saved" in text
    assert "mul_" in text
    assert "(2,)" in text


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.add_(1.0),
        lambda t: t.zero_(),
        lambda t: t.fill_(3.0),
        lambda t: t.copy_(ag.ones(2, dtype=ag.float64)),
        lambda t: t.__setitem__(0, 5.0),
        lambda t: t[1:].zero_(),  # by a view
        lambda t: t.clamp_(0.0, 1.0),
        lambda t: t.__imul__(2.0),
    ],
)
def test_every_in_place_change_is_noticed(change: Any) -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    with ag.no_grad():
        change(x)
    with pytest.raises(RuntimeError, match=r"mul saved .* has changed in place"):
        y.sum().backward()


def test_changes_that_do_no_harm() -> None:
    x, other = leaf(1.0, 2.0), leaf(1.0, 2.0)
    with ag.no_grad():
        x.mul_(2.0)  # before
    y = (x * x).sum()
    with ag.no_grad():
        other.mul_(2.0)  # of something else
    z = x + 1.0  # saves nothing
    y.backward()
    with ag.no_grad():
        x.mul_(2.0)  # after
    z.sum().backward()
    assert equal(grad_of(x), [5.0, 9.0])


# ---- hooks, and errors on the way ----------------------------------------------------------------


def test_a_backward_inside_a_hook() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    z = y.exp().sum()
    inner: list[Any] = []

    def hook(g: Tensor) -> None:
        if inner:  # called by the backward below
            return
        inner.append(None)
        with ag.enable_grad():
            (again,) = ag.autograd.grad((y * 3).sum(), x, retain_graph=True)  # through y's node
            (other,) = ag.autograd.grad((x * x * x).sum(), x)
        inner[:] = [again.numpy(), other.numpy()]

    assert y.grad_fn is not None
    y.register_hook(hook)
    z.backward()
    np.testing.assert_allclose(grad_of(x), np.exp([1.0, 4.0]) * [2.0, 4.0])
    np.testing.assert_allclose(inner[0], [6.0, 12.0])
    np.testing.assert_allclose(inner[1], [3.0, 12.0])


def test_a_hook_can_replace_the_gradient() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    assert y.grad_fn is not None
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    (y * 1.0).sum().backward()
    assert equal(grad_of(x), [22.0, 22.0])


def test_an_exception_on_the_way_leaves_the_engine_usable() -> None:
    fail = [True]

    def rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        if fail[0]:
            raise KeyError("the rule")
        return (K.mul(g, 2.0),)

    double = primitive(
        "throwaway", "elementwise", lambda x: 2 * x, rule, lambda x: (x.shape, x.dtype)
    )
    try:
        x = leaf(1.0, 2.0)
        a = x.exp()
        y = (double(a) + a * a + x).sum()
        with pytest.raises(KeyError, match="the rule"):
            y.backward(retain_graph=True)
        assert x.grad is None
        with pytest.raises(KeyError, match="the rule"):
            ag.autograd.grad(y, x, create_graph=True)
        assert ag.is_grad_enabled()
        (g,) = ag.autograd.grad((a * 3).sum(), x, retain_graph=True)
        np.testing.assert_allclose(g.numpy(), 3 * np.exp([1.0, 2.0]))
        fail[0] = False
        y.backward()
        e = np.exp([1.0, 2.0])
        np.testing.assert_allclose(grad_of(x), 2 * e + 2 * e * e + 1)
    finally:
        del OPS["throwaway"], tape.arrays.throwaway, tape.tensors.throwaway


# ---- the order -----------------------------------------------------------------------------------


def test_gradients_are_the_same_bits_in_every_run() -> None:
    """The order of additions comes from the graph alone: neither ids nor hashes decide."""
    code = """
import numpy as np, pyautograd as ag
junk = [object() for _ in range(int(__import__("sys").argv[1]))]
r = np.random.default_rng(0)
x = ag.tensor(r.standard_normal(100).astype("f4"), requires_grad=True)
parts = [x * float(v) for v in r.standard_normal(50)]
total = x
for i in r.integers(0, 50, 300):
    total = (total * parts[i]).tanh() + parts[(i * 7) % 50] * x
g, = ag.autograd.grad(total.sum(), x, create_graph=True)
(g * g).sum().backward()
print(g.numpy(force=True).tobytes().hex(), x.grad.numpy().tobytes().hex())
"""
    runs = {
        subprocess.run(
            [sys.executable, "-c", code, n], check=True, capture_output=True, text=True,
            env={**__import__("os").environ, "PYTHONHASHSEED": n},
        ).stdout
        for n in ("1", "2", "3333")
    }  # fmt: skip
    assert len(runs) == 1


def test_consumers_come_before_what_they_consume() -> None:
    """Every node's gradient is complete when its rule runs."""
    x = leaf(1.0)
    seen: list[str] = []
    y = x
    for i in range(20):
        y = y * 1.5 + (x if i % 3 else y)
        assert y.grad_fn is not None
        y.register_hook(lambda g, i=i: seen.append(f"{i}:{g.item()}"))
    y.backward(retain_graph=True)
    first, seen[:] = list(seen), []
    y.backward()
    assert first == seen
    assert [int(s.split(":")[0]) for s in first] == list(range(19, -1, -1))


# ---- repr ----------------------------------------------------------------------------------------


def test_repr_is_fast_and_short() -> None:
    big = ag.zeros(10_000_000, requires_grad=True)
    start = time.perf_counter()
    text = repr(big)
    assert time.perf_counter() - start < 0.5
    assert len(text) < 300
    for part in ("shape=(10000000,)", "float32", "...", "requires_grad=True"):
        assert part in text
    assert len(repr(ag.zeros(200, 300, 2, 3))) < 5000


def test_repr_keeps_no_graph() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    node = weakref.ref(y.grad_fn)
    text = repr(y)
    assert "grad_fn=<MulBackward>" in text
    del y
    assert node() is None

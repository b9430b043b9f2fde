"""Functions of placeholders: what they are fed, what cannot be compiled, and how they run."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest
from static_networks import OPTIMIZERS, assert_equal, perceptron, rows

import pyautograd as ag
from pyautograd import modes, nn, static
from pyautograd.static import GraphError, placeholder

F = nn.functional


def test_feeds() -> None:
    x, n = placeholder((None, 2), name="x"), placeholder((), "int64", name="n")
    f = static.compile([x, n], x * n.float())
    value = np.array([[1.0, 2.0]], np.float32)
    for feed in (((value, 2), {}), (({"x": value, "n": 2},), {}), ((value,), {"n": np.int64(2)}),
                 ((), {"x": ag.tensor(value), "n": ag.tensor(2)})):  # fmt: skip
        assert f(*feed[0], **feed[1]).tolist() == [[2.0, 4.0]]
    assert f([[1.0, 2.0]], 2).tolist() == [[2.0, 4.0]]
    assert f(np.asfortranarray(np.ones((3, 4), np.float32))[:, ::2], 1).shape == (3, 2)


@pytest.mark.parametrize(
    ("args", "kwargs", "kind", "message"),
    [
        ((), {"x": np.ones((2, 2), np.float32)}, TypeError, "no value for 'y'.*x float32"),
        ((1, 2, 3), {}, TypeError, "got 3 values"),
        ((), {"x": 1, "y": 2, "z": 3}, TypeError, "no placeholder is called 'z'"),
        (({"x": 1},), {"x": 2}, TypeError, "x was given twice"),
        ((np.ones((2, 2)), np.ones(2, np.int64)), {}, TypeError, "x of float32, got float64"),
        ((np.ones((2, 3), np.float32), np.ones(2, int)), {}, ValueError, r"x of shape \(N, 2\)"),
        ((np.ones((2, 2), np.float32), np.ones(3, int)), {}, ValueError,
         r"y of shape \(N,\), got \(3,\) \(N = 2\)"),
        ((np.ones(2, np.float32), np.ones(2, int)), {}, ValueError, r"got \(2,\)"),
        ((np.ones((0, 2), np.float32), np.ones(0, int)), {}, ValueError, "at least 1"),
        (("text", np.ones(2, int)), {}, TypeError, "x is str"),
    ],
)  # fmt: skip
def test_feeds_that_do_not_fit(args: Any, kwargs: Any, kind: Any, message: str) -> None:
    x, y = placeholder(("N", 2), name="x"), placeholder(("N",), "int64", name="y")
    f = static.compile([x, y], x.sum(1) * y.float())
    with pytest.raises(kind, match=message):
        f(*args, **kwargs)


def test_what_cannot_be_compiled() -> None:
    x, y = placeholder((2,), name="x"), placeholder((2,), name="y")
    again = placeholder((2,), name="x")
    with pytest.raises(GraphError, match="depend on y"):
        static.compile(x, x + y)
    with pytest.raises(TypeError, match="input 0 is no placeholder"):
        static.compile(x + 1.0, x)
    with pytest.raises(TypeError, match=r"pyautograd\.compile takes a function"):
        static.compile(lambda x: x, x)
    with pytest.raises(TypeError, match="x is a symbol"):
        static.compile(x, x * 2.0)(x)
    with pytest.raises(TypeError, match="output 0 is no symbol"):
        static.compile(x, ag.ones(2))
    with pytest.raises(ValueError, match="two inputs are called 'x'"):
        static.compile([x, again], x + again)
    for shape in ((-1,), (2.5,), ("",), (True,)):
        with pytest.raises(ValueError, match="expected sizes, None or names"):
            placeholder(shape)
    with pytest.raises(TypeError, match="complex64"):
        placeholder((2,), "complex64")
    assert static.compile([x, y], x + y)(ag.ones(2), ag.ones(2)).tolist() == [2.0, 2.0]


# ---- runs ----------------------------------------------------------------------------------------


def test_an_error_in_a_run_leaves_everything_as_it_was() -> None:
    model = perceptron()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    x, y = placeholder((None, 4), name="x"), placeholder((None,), "int64", name="y")
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    train = static.compile([x, y], loss)
    train(*rows(3))
    before = [p.detach().clone() for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]
    with pytest.raises(IndexError, match="cross_entropy: class 99"):
        train(rows(3)[0], rows(3)[1] * 0 + 99)
    for p, q, g in zip(model.parameters(), before, grads, strict=True):
        assert_equal(p, q)
        assert p.grad is g
    train(*rows(3))


def test_a_hundred_sizes_and_two_threads() -> None:
    x = placeholder((None, 4), name="x")
    f = static.compile(x, (x.tanh() * 2.0).mean(0))
    g = static.compile(x, (x * x).sum(1))
    wrong: list[int] = []

    def work(function: Any, eager: Any) -> None:
        for n in range(1, 101):
            value = ag.from_numpy(np.full((n, 4), n, np.float32))
            if not np.array_equal(function(value).numpy(), eager(value).numpy()):
                wrong.append(n)

    jobs = [(f, lambda v: (v.tanh() * 2.0).mean(0)), (g, lambda v: (v * v).sum(1))]
    threads = [threading.Thread(target=work, args=job) for job in (*jobs, *jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(f._variants) <= 32


def test_a_second_dtype_and_what_stays_outside() -> None:
    x = placeholder((None,), "float64", name="x")
    constant = ag.tensor([1.0, 2.0, 3.0], dtype=np.float64)
    doubled = constant * 2.0  # computed at once
    f = static.compile(x, x * doubled)
    assert x.shape == (3,)
    assert f(np.ones(3)).dtype == np.float64
    assert f(np.ones(3)).tolist() == [2.0, 4.0, 6.0]


def test_a_failed_call_leaves_nothing_in_the_graph() -> None:
    x = placeholder((None, 3), name="x")
    layers = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="linear"):
        layers(x)
    static.compile(x, layers[0](x))(ag.randn(4, 3))
    assert layers[0].num_batches_tracked.item() == 1


def test_changes_belong_to_their_inputs() -> None:
    x, y = placeholder((None, 3), name="x"), placeholder((None, 3), name="y")
    first, second = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    f, g = static.compile(x, first(x)), static.compile(y, second(y) * 2.0)
    f(ag.randn(4, 3))
    g(ag.randn(4, 3))
    g(ag.randn(4, 3))
    assert (first.num_batches_tracked.item(), second.num_batches_tracked.item()) == (1, 2)


def test_compiled_functions_of_symbols() -> None:
    inner = ag.compile(lambda x: x * 2.0)
    x = placeholder((None, 2), name="x")
    assert static.compile(x, inner(x) + 1.0)(ag.ones(1, 2)).tolist() == [[3.0, 3.0]]


def test_a_graph_ends_with_its_symbols() -> None:
    """In a thread of its own, where no other graph is being built."""
    alive: list[int] = []

    def work() -> None:
        x = placeholder((None, 3))
        y = nn.Linear(3, 2)(x)
        f = static.compile(x, y)
        alive.append(modes.state.building)
        del x, y
        gc.collect()
        alive.append(modes.state.building)
        assert f(ag.ones(2, 3)).shape == (2, 2)
        alive.append(0)

    gc.collect()
    before = modes.state.building
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert alive == [before + 1, before, 0]


def test_the_graph_is_printed(capsys: Any) -> None:
    x = placeholder(("N", 2), name="x")
    f = static.compile(x, (x * 2.0 + 1.0).tanh())
    f.graph.print()
    assert "t1: float32[N, 2] = mul(x, 2.0)" in capsys.readouterr().out
    assert "not run yet" in f.explain()
    f(ag.ones(3, 2))
    assert "mul+add+tanh(x)" in f.explain()

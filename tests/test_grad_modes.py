"""no_grad, enable_grad and inference_mode, and backward in many threads."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from test_tape import grad_of, leaf

import pyautograd as ag
from pyautograd import Tensor


def test_modes_as_context_managers() -> None:
    x = leaf(1.0, 2.0)
    with ag.no_grad():
        assert not ag.is_grad_enabled()
        assert not (x * 2).requires_grad
        with ag.enable_grad():
            assert (x * 2).requires_grad
            with ag.set_grad_enabled(False):
                assert not (x * 2).requires_grad
            assert ag.is_grad_enabled()
        assert not ag.is_grad_enabled()
        leaf_inside = ag.ones(2, requires_grad=True)
        assert leaf_inside.requires_grad
    assert ag.is_grad_enabled()
    with pytest.raises(KeyError), ag.no_grad():
        raise KeyError
    assert ag.is_grad_enabled()


def test_modes_as_decorators() -> None:
    x = leaf(1.0, 2.0)

    @ag.no_grad()
    def without(n: int) -> Tensor:
        """Doc."""
        return x * 2 if n == 0 else without(n - 1)

    @ag.no_grad
    def bare() -> Tensor:
        return x * 2

    @ag.enable_grad()
    def within() -> Tensor:
        return x * 2

    @ag.set_grad_enabled(False)
    def switched() -> Tensor:
        return x * 2

    ag.set_grad_enabled(True)
    assert without.__doc__ == "Doc."
    assert not without(3).requires_grad
    assert not bare().requires_grad
    assert not switched().requires_grad
    assert (x * 2).requires_grad
    with ag.no_grad():
        assert within().requires_grad


def test_a_mode_around_a_generator() -> None:
    x = leaf(1.0)
    seen: list[Any] = []

    @ag.no_grad()
    def values() -> Any:
        try:
            sent = yield (x * 2).requires_grad
            try:
                yield sent, (x * 2).requires_grad
            except KeyError:
                yield "caught", (x * 2).requires_grad
            yield
        finally:
            seen.append((x * 2).requires_grad)
        return "end"

    def outside() -> bool:
        return (x * 2).requires_grad

    steps = values()
    assert next(steps) is False
    assert outside()
    assert steps.send("sent") == ("sent", False)
    assert outside()
    assert steps.throw(KeyError()) == ("caught", False)
    assert outside()
    steps.close()
    assert seen == [False]
    assert outside()

    def delegating() -> Any:
        seen.append((yield from values()))

    list(delegating())
    assert seen == [False, False, "end"]


def test_inference_mode_holds() -> None:
    x = leaf(1.0)
    with ag.inference_mode():
        assert ag.is_inference_mode_enabled()
        with ag.enable_grad(), ag.set_grad_enabled(True):
            assert not (x * 2).requires_grad
        with ag.inference_mode(False):
            assert not ag.is_inference_mode_enabled()
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
        y = x * 2
    assert (x * 2).requires_grad
    with ag.no_grad():
        assert not ag.is_inference_mode_enabled()
    (y * x).backward()
    assert grad_of(x) == 2.0

    @ag.inference_mode()
    def run() -> tuple[bool, bool]:
        with ag.enable_grad():
            return (x * 2).requires_grad, ag.is_inference_mode_enabled()

    assert run() == (False, True)
    assert not ag.is_inference_mode_enabled()


def test_set_grad_enabled_switches_at_once() -> None:
    ag.set_grad_enabled(False)
    assert not ag.is_grad_enabled()
    ag.set_grad_enabled(True)
    assert ag.is_grad_enabled()


def test_one_mode_object_used_twice() -> None:
    mode = ag.no_grad()
    with mode:
        with mode:
            pass
        assert not ag.is_grad_enabled()
    assert ag.is_grad_enabled()


def test_modes_belong_to_threads() -> None:
    x = leaf(1.0, 2.0)
    inside, go = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with ag.no_grad():
            inside.set()
            go.wait(10)
            seen.append((x * 2).requires_grad)
        seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    assert (x * 2).requires_grad
    with ag.no_grad():
        go.set()
        thread.join()
        assert not (x * 2).requires_grad
    assert seen == [False, True]
    assert ag.is_grad_enabled()


def test_a_thread_that_ends_inside_no_grad() -> None:
    threads = [threading.Thread(target=lambda: ag.no_grad().__enter__()) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    assert (leaf(1.0) * 2).requires_grad
    ag.modes.state.grad_off = 0  # type: ignore[attr-defined]


def test_backward_in_many_threads() -> None:
    x = leaf(*np.linspace(-1, 1, 50))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                (g,) = ag.autograd.grad((x.tanh() * x).sum(), x)
                np.testing.assert_array_equal(g.numpy(), expected)
        except BaseException as error:
            failures.append(error)

    (g,) = ag.autograd.grad((x.tanh() * x).sum(), x)
    expected = g.numpy()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_threads_share_a_graph() -> None:
    """Backwards from several roots above one subgraph do not mix."""
    x = leaf(1.0, 2.0)
    below = x
    for _ in range(200):
        below = below.tanh() * 1.01
    roots = [(below * i).sum() for i in range(8)]
    alone = [ag.autograd.grad(root, x, retain_graph=True)[0].numpy() for root in roots]
    found: list[Any] = [None] * 8

    def work(i: int) -> None:
        found[i] = ag.autograd.grad(roots[i], x, retain_graph=True)[0].numpy()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone, found, strict=True):
        np.testing.assert_array_equal(a, b)

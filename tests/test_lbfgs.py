"""LBFGS: against PyTorch, its state, and what it refuses."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import optim
from pyautograd.optim.line_search import Point, cubic_minimum, strong_wolfe

OPTIONS: list[dict[str, Any]] = [
    {"lr": 0.01},
    {"lr": 0.5, "max_iter": 4, "history_size": 2},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 6, "history_size": 3},
    {"line_search_fn": "strong_wolfe", "lr": 50.0, "max_eval": 9},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 0.3, "max_iter": 3},
]


def closure_of(library: Any, params: list[Any], optimizer: Any, calls: list[int]) -> Any:
    """Rosenbrock's valley, and a bowl in the other parameter."""
    x, other = params

    def closure() -> Any:
        calls[0] += 1
        optimizer.zero_grad()
        valley = (1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2
        loss = valley.sum() + ((other - 3.0) ** 4).sum() / 4
        loss.backward()
        return loss

    return closure


def problem(library: Any, options: Any, start: Any = None) -> Any:
    values = start or [np.array([-1.2, 1.0, 0.5, 2.0]), np.ones((2, 2))]
    params = [library.tensor(v, requires_grad=True) for v in values]
    optimizer = library.optim.LBFGS(params, **options)
    calls = [0]
    return params, optimizer, closure_of(library, params, optimizer, calls), calls


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_follows_pytorch(options: Any) -> None:
    torch = pytest.importorskip("torch")
    runs = [problem(library, options) for library in (ag, torch)]
    for _ in range(3):
        losses = [optimizer.step(closure).item() for _, optimizer, closure, _ in runs]
        np.testing.assert_allclose(*losses, rtol=1e-7)
        for p, q in zip(runs[0][0], runs[1][0], strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-8)
        assert runs[0][3] == runs[1][3]  # as many calls of the closure


def test_finds_the_minimum() -> None:
    params, optimizer, closure, _ = problem(
        ag, {"line_search_fn": "strong_wolfe"}, [np.full(4, 0.5), np.ones((2, 2))]
    )
    for _ in range(8):
        optimizer.step(closure)
    assert closure().item() < 1e-7
    np.testing.assert_allclose(params[0].detach().numpy(), 1.0, atol=1e-4)


@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
def test_state(options: Any) -> None:
    """Through our own state dict, and from PyTorch's."""
    torch = pytest.importorskip("torch")
    runs = [problem(library, options) for library in (ag, torch)]
    for _, optimizer, closure, _ in runs:
        optimizer.step(closure)
    for params, source, _, _ in runs:
        saved = copy.deepcopy(source.state_dict())
        start = [p.detach().numpy().copy() for p in params]
        again, optimizer, closure, _ = problem(ag, {}, start)
        optimizer.load_state_dict(saved)
        optimizer.step(closure)
        other, optimizer, closure, _ = problem(ag, options, start)
        optimizer.load_state_dict(saved)
        optimizer.step(closure)
        for p, q in zip(again, other, strict=True):
            assert np.array_equal(p.detach(), q.detach())
    ours, optimizer, closure, _ = runs[0]
    optimizer.step(closure)
    for p, q in zip(ours, again, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6)


def test_refuses() -> None:
    p, q = (ag.ones(2, requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="LBFGS: expected one group of parameters"):
        optim.LBFGS([{"params": [p]}, {"params": [q]}])
    with pytest.raises(ValueError, match="line_search_fn is None or 'strong_wolfe', got 'armijo'"):
        optim.LBFGS([p], line_search_fn="armijo")
    with pytest.raises(ValueError, match="max_iter and history_size of at least 1"):
        optim.LBFGS([p], max_iter=0)
    with pytest.raises(TypeError, match="LBFGS: expected parameters of one dtype"):
        optim.LBFGS([p, ag.ones(2, dtype=ag.float64, requires_grad=True)])
    with pytest.raises(TypeError, match=r"LBFGS\.step: expected a closure"):
        optim.LBFGS([p]).step()
    optimizer = optim.LBFGS([p])
    with pytest.raises(ag.static.GraphError, match=r"LBFGS\.step cannot be part of a static"):
        ag.compile(lambda: optimizer.step(lambda: (p * p).sum()))()


def test_line_search() -> None:
    """The point meets the strong Wolfe conditions, from steps that are far too long or short."""
    for first in (1e-4, 1.0, 1e3):
        values = {}

        def evaluate(t: float, values: Any = values) -> Any:
            values[t] = np.cos(t) + 0.1 * (t - 1) ** 2
            return values[t], np.array([-np.sin(t) + 0.2 * (t - 1)])

        value, gradient = evaluate(0.3)
        shift = 0.3
        start = Point(0.0, value, gradient, float(gradient[0]))
        found, tries = strong_wolfe(
            lambda t: evaluate(shift + t), start, first, np.array([1.0]), 1e-9
        )
        assert tries == len(values) - 1
        assert found.value <= start.value + 1e-4 * found.at * start.slope
        assert abs(found.slope) <= 0.9 * abs(start.slope)
    square = [Point(t, (t - 0.3) ** 2, None, 2 * (t - 0.3)) for t in (0.0, 1.0)]
    assert abs(cubic_minimum(*square, 0.0, 1.0) - 0.3) < 1e-12
    assert cubic_minimum(*square[::-1], 0.4, 1.0) == 0.4

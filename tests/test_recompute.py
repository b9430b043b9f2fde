"""Recomputation in compiled steps: the same bits as eager mode, in less memory."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from static_networks import assert_equal, assert_equal_models, training_step, verify_passes

import pyautograd as ag
from pyautograd import _C, nn

F = nn.functional
# The package `passes` has the pass as an attribute of that name.
recompute = importlib.import_module("pyautograd.static.passes.recompute")


@pytest.fixture(autouse=True)
def _any_size(monkeypatch: Any) -> None:
    monkeypatch.setattr(recompute, "LEAST", 0)
    verify_passes(monkeypatch)


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        y = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(y)) + x).relu()


def residual(blocks: int = 4, channels: int = 4) -> nn.Module:
    ag.manual_seed(0)
    layers = [nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
    layers += [Block(channels) for _ in range(blocks)]
    return nn.Sequential(*layers, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(channels, 5))


def images(n: int = 6, dtype: Any = ag.float32) -> tuple[ag.Tensor, ag.Tensor]:
    ag.manual_seed(n)
    return ag.randn(n, 3, 8, 8, dtype=dtype), ag.randint(0, 5, (n,))


def arena_bytes(step: Any) -> int:
    line = next(x for x in step.explain().splitlines() if x.startswith("arena:"))
    return int(line.split()[1].replace(",", ""))


def recomputed(step: Any) -> int:
    line = next(x for x in step.explain().splitlines() if "recomputation:" in x)
    return int(line.split()[1]) if line.split()[1].isdigit() else 0


def trained(step: Callable[..., Any], batches: list[Any]) -> list[ag.Tensor]:
    return [step(*batch) for batch in batches]


@pytest.mark.parametrize("dtype", [ag.float32, ag.float64], ids=str)
def test_equals_eager(dtype: Any) -> None:
    model = residual().to(dtype)
    twin = copy.deepcopy(model)
    batches = [images(n, dtype) for n in (6, 6, 1, 6)]
    step, plain = (
        training_step(m, ag.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)) for m in (model, twin)
    )
    for a, b in zip(trained(ag.compile(step), batches), trained(plain, batches), strict=True):
        assert_equal(a, b)
    assert_equal_models(model, twin)


def test_takes_less_memory(monkeypatch: Any) -> None:
    monkeypatch.undo()  # the passes as they are, which explain() runs
    monkeypatch.setattr(recompute, "LEAST", 0)
    with_it, without = (
        ag.compile(training_step(m, ag.optim.SGD(m.parameters(), lr=0.1)))
        for m in (residual(), residual())
    )
    with_it(*images(32))
    monkeypatch.setattr(recompute, "LEAST", 1 << 40)
    without(*images(32))
    assert arena_bytes(with_it) < 0.75 * arena_bytes(without)
    monkeypatch.setattr(recompute, "LEAST", 0)
    assert recomputed(with_it) >= 6


def kept(function: Callable[..., ag.Tensor], *inputs: ag.Tensor) -> int:
    """Checks that a step of function(*inputs) equals eager's; how much it computes again."""

    def step(*inputs: ag.Tensor) -> Any:
        y = function(*inputs)
        return y, ag.autograd.grad(y.sum(), leaves)

    leaves = [x for x in inputs if x.requires_grad]
    free = [x for x in inputs if not x.requires_grad]

    def of_free(*free: ag.Tensor) -> Any:
        rest = iter(free)
        return step(*[x if x.requires_grad else next(rest) for x in inputs])

    compiled = ag.compile(of_free)
    for _ in range(2):
        (y, grads), (y2, grads2) = compiled(*free), of_free(*free)
        assert_equal(y, y2)
        for a, b in zip(grads, grads2, strict=True):
            assert_equal(a, b)
    return recomputed(compiled)


def weight(*shape: int) -> ag.Tensor:
    return ag.from_numpy(np.random.default_rng(len(shape)).standard_normal(shape)).requires_grad_()


def data(*shape: int) -> ag.Tensor:
    return ag.from_numpy(np.random.default_rng(9).standard_normal(shape))


def deep(x: ag.Tensor, n: int = 3) -> ag.Tensor:
    """What takes memory meanwhile."""
    for _ in range(n):
        x = (x * 1.5).tanh() * 2
    return x


def test_what_is_cheap_is_computed_again() -> None:
    w, x = weight(40, 40), data(40, 40)

    def f(x: ag.Tensor, w: ag.Tensor) -> ag.Tensor:
        h = x @ w
        y = (h + x).relu()  # read by the last product's gradient; h and x are not light
        return deep(y @ w) + h.tanh()

    kept(f, x, w)


def test_memory_that_is_written_in_between() -> None:
    """What reads a buffer before it is changed is not computed again after that."""
    w, x, scale = weight(40, 40), data(40, 40), ag.ones(40, dtype=ag.float64)

    def f(x: ag.Tensor, w: ag.Tensor) -> ag.Tensor:
        y = (x * scale).relu() @ w
        with ag.no_grad():
            scale.mul_(1.0)
        return deep(y)

    kept(f, x, w)

    def g(x: ag.Tensor, w: ag.Tensor) -> ag.Tensor:
        y = (x * scale).relu() @ w
        with ag.no_grad():
            scale.add_(1.0)
        return deep(y)

    first = ag.compile(lambda x: ag.autograd.grad(g(x, w).sum(), [w])[0])
    got = first(x)
    scale.sub_(1.0)
    assert_equal(got, ag.autograd.grad(g(x, w).sum(), [w])[0])


def test_views_of_what_is_computed_again() -> None:
    w, v, x = weight(40, 40), weight(80, 5), data(40, 40)

    def f(x: ag.Tensor, w: ag.Tensor, v: ag.Tensor) -> ag.Tensor:
        h = x @ w
        y = (h + x).relu()
        a = deep(y.reshape(20, 80) @ v) * (y.T.reshape(20, 80) @ v)
        return a + (h * h).sum() + (y * y).sum()

    kept(f, x, w, v)


def test_parts_do_not_keep_their_whole() -> None:
    """Gradients of a norm's weights are parts of one array with that of its input."""
    model = nn.Sequential(*[nn.BatchNorm1d(8, eps=1e-3) for _ in range(6)])
    twin = copy.deepcopy(model)

    def step(model: nn.Module, x: ag.Tensor) -> Any:
        grads = ag.autograd.grad((model(x) ** 2).sum(), list(model.parameters()))
        return [g * 2 for g in grads]

    x = data(500, 8).float()
    compiled = ag.compile(lambda x: step(model, x))
    for a, b in zip(compiled(x), step(twin, x), strict=True):
        assert_equal(a, b)
    whole = x.numel() * 4
    assert arena_bytes(compiled) < 10.5 * whole  # 6 outputs, and few gradients at a time


@pytest.mark.parametrize("shape", [(6, 5, 40), (6, 5, 3), (70, 9), (1, 3, 1), (0, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize_as_repeats_normalize(shape: tuple[int, ...], dtype: Any) -> None:
    draw = np.random.default_rng(0).standard_normal
    x, w, b = (draw(n).astype(dtype) for n in (shape, shape[1], shape[1]))
    view = (*shape, 1)[:3]
    for centred in (True, False):
        for weight, bias in ((w, b), (w, None), (None, None)):
            with np.errstate(all="ignore"):
                y, mean, var = _C.normalize(x, weight, bias, view, 0, 1e-5, centred)
            again = _C.normalize_as(x, weight, bias, mean, var, view, 1e-5, centred)
            np.testing.assert_array_equal(again, y)
    with pytest.raises(ValueError, match="expected the mean of shape"):
        _C.normalize_as(x, w, b, mean[:-1], var, view, 1e-5, True)
    with pytest.raises(ValueError, match="is no"):
        _C.normalize_as(x, w, b, mean, var, (1, 2, 3), 1e-5, True)

"""A small network, its training step, and comparisons: for the tests of compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import pyautograd as ag
from pyautograd import nn
from pyautograd.static.function import compiled_of

F = nn.functional


def network(*, dropout: float = 0.0) -> nn.Module:
    ag.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Dropout(dropout), nn.Linear(24, 5),
    )  # fmt: skip


def batch(n: int = 7) -> tuple[ag.Tensor, ag.Tensor]:
    ag.manual_seed(1)
    return ag.randn(n, 1, 12, 12), ag.randint(0, 5, (n,))


def training_step(model: nn.Module, optimizer: Any, clip: float = 0.0) -> Callable[..., Any]:
    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return loss

    return step


def traces(function: Any) -> int:
    return sum(map(len, compiled_of(function)._programs.values()))


def assert_same(a: Any, b: Any) -> None:
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def assert_same_models(a: nn.Module, b: nn.Module) -> None:
    for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy(), err_msg=name)
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy(), err_msg=name)
    for p, q in zip(a.buffers(), b.buffers(), strict=True):
        assert_same(p, q)


OPTIMIZERS = {
    "sgd": lambda p: ag.optim.SGD(p, lr=0.1),
    "momentum": lambda p: ag.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "adam": lambda p: ag.optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: ag.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: ag.optim.AdamW(p, lr=0.01),
}

"""Networks and training steps that tests of static graphs share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import pyautograd as ag
from pyautograd import nn
from pyautograd.static.graph import Graph
from pyautograd.static.lower import lower
from pyautograd.static.passes import PASSES
from pyautograd.static.verify import Verifier

F = nn.functional


def convolutional() -> nn.Module:
    ag.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 5),
    )  # fmt: skip


def images(n: int) -> tuple[ag.Tensor, ag.Tensor]:
    ag.manual_seed(n)
    return ag.randn(n, 1, 6, 6), ag.randint(0, 5, (n,))


def perceptron() -> nn.Module:
    ag.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5))


def rows(n: int) -> tuple[ag.Tensor, ag.Tensor]:
    ag.manual_seed(n)
    return ag.randn(n, 4), ag.randint(0, 5, (n,))


class Encoder(nn.Module):
    """A small transformer over sequences of 4 numbers, to one of 5 classes."""

    def __init__(self) -> None:
        super().__init__()
        ag.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
        self.table = nn.Embedding(11, 8)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.out = nn.Linear(8, 5)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        return self.out(self.layers(self.table(x)).mean(1))


class Recurrent(nn.Module):
    """An LSTM cell, unrolled over 4 numbers."""

    def __init__(self) -> None:
        super().__init__()
        ag.manual_seed(0)
        self.table = nn.Embedding(11, 6)
        self.cell = nn.LSTMCell(6, 7)
        self.out = nn.Linear(7, 5)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        state = None
        for word in self.table(x).unbind(1):
            state = self.cell(word, state)
        return self.out(state[0])


def words(n: int) -> tuple[ag.Tensor, ag.Tensor]:
    ag.manual_seed(n)
    return ag.randint(0, 11, (n, 4)), ag.randint(0, 5, (n,))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Any]]] = {
    "perceptron": (perceptron, rows),
    "convolutional": (convolutional, images),
    "encoder": (Encoder, words),
    "recurrent": (Recurrent, words),
}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: ag.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: ag.optim.Adam(p, lr=0.01),
}


def training_step(model: nn.Module, optimizer: Any) -> Callable[..., Any]:
    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def verify_passes(monkeypatch: Any) -> None:
    """From now on, each pass is followed by the verifier, and the arena's places are looked at."""

    def verified(graph: Graph) -> str:
        verifier = Verifier(graph)
        for improve in PASSES:
            improve(graph)
            verifier.check(improve.__name__)
        return "verified"

    def placed(graph: Graph) -> Any:
        plan = lower(graph)
        for (at, size, _, first, last), other in itertools.combinations(plan.places, 2):
            together = first <= other[4] and other[3] <= last
            assert not (together and at < other[0] + other[1] and other[0] < at + size)
        return plan

    monkeypatch.setattr("pyautograd.static.program.PASSES", [verified])
    monkeypatch.setattr("pyautograd.static.program.lower", placed)


def assert_equal(a: Any, b: Any) -> None:
    """The same values, NaN included, and the same dtype."""
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def assert_equal_models(a: nn.Module, b: nn.Module) -> None:
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert_equal(p, q)
    for p, q in zip(a.buffers(), b.buffers(), strict=True):
        assert_equal(p, q)

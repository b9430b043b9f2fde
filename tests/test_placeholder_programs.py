"""Programs at the placeholder door: graphs that train, draw numbers, and are changed in place."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import state_of

import pyautograd as ag
from pyautograd import nn
from pyautograd.static import GraphError, placeholder

F = nn.functional
static = ag.static


class Centred(nn.Module):
    """Takes away a running mean, in a buffer that it assigns."""

    mean: ag.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", ag.zeros(3))

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        self.mean = 0.5 * self.mean + 0.5 * x.detach().mean(0)
        return x - self.mean


def test_training_is_what_it_is_eagerly() -> None:
    layers = [
        nn.BatchNorm1d(3, momentum=None), nn.Linear(3, 8), nn.Dropout(0.3), nn.ReLU(),
        nn.Linear(8, 2),
    ]  # fmt: skip
    models = [nn.Sequential(Centred(), *layers)]
    models.append(copy.deepcopy(models[0]))
    optimizers = [ag.optim.Adam(m.parameters()) for m in models]

    def losses(i: int, x: ag.Tensor, y: ag.Tensor) -> list[ag.Tensor]:
        optimizers[i].zero_grad()
        noise = ag.rand_like(x)
        loss = F.cross_entropy(models[i](x + noise), y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(models[i].parameters(), 0.1)
        optimizers[i].step()
        return [loss, norm, noise]

    x, y = placeholder((None, 3), name="x"), placeholder((None,), "int64", name="y")
    train = static.compile([x, y], losses(0, x, y))
    for n in (6, 4, 6):
        feed = ag.randn(n, 3), ag.randint(0, 2, (n,))
        before = ag.get_rng_state()
        got = train(*feed)
        after = repr(ag.get_rng_state())
        ag.set_rng_state(before)
        wanted = losses(1, *feed)
        assert repr(ag.get_rng_state()) == after
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.detach().numpy())
    for (name, a), (_, b) in zip(
        state_of([models[0], optimizers[0]], ""), state_of([models[1], optimizers[1]], ""),
        strict=True,
    ):  # fmt: skip
        assert np.array_equal(a, b), name


def test_a_placeholder_changed_in_place() -> None:
    x = placeholder((None, 3), name="x")
    x[:, 0] = 7.0
    f = static.compile(x, x * 2)
    fed = np.ones((2, 3), np.float32)
    assert f(fed).tolist() == [[14.0, 2.0, 2.0]] * 2
    assert fed.tolist() == [[1.0] * 3] * 2


def test_messages_keep_the_numbers_of_the_program() -> None:
    x = placeholder((None, 3), name="x")
    with pytest.raises(IndexError, match=r"index 5 is out of bounds.*shape \(x\[0\], 3\)"):
        x[:, 5]
    with pytest.raises(GraphError, match=r"size x\[0\] is not known.*test_placeholder_programs"):
        x.chunk(2, dim=0)


@pytest.mark.parametrize("change", ["data", "double"])
def test_memory_that_is_replaced_is_noticed(change: str) -> None:
    layer = nn.Linear(2, 1)
    x = placeholder((None, 2), name="x")
    f = static.compile(x, layer(x))
    layer.load_state_dict({"weight": ag.ones(1, 2), "bias": ag.ones(1)})
    assert f(ag.ones(1, 2)).item() == 3.0
    if change == "data":
        layer.weight.data = ag.zeros(1, 2)
    else:
        layer.double()
    with pytest.raises(GraphError, match=r"float32 and shape \(1, 2\) .* has got other memory"):
        f(ag.ones(1, 2))


def test_feeds_are_by_name() -> None:
    x = placeholder((None, 2), name="x")
    f = static.compile(x, x * 2)
    feed: Any = {x: ag.ones(1, 2)}
    with pytest.raises(TypeError, match="expected names of placeholders, got Symbolic"):
        f(feed)


def test_graphs_that_cannot_be_saved_say_why(tmp_path: Path) -> None:
    x = placeholder((None, 2), name="x")
    layer = nn.Linear(2, 1)
    drawn = static.compile(x, F.dropout(layer(x), 0.5))
    with pytest.raises(GraphError, match="draws random numbers"):
        drawn.graph.save(tmp_path / "drawn.npz")
    layer(x).sum().backward()
    trained = static.compile(x, layer(x))
    with pytest.raises(GraphError, match=r"changes memory.* at .*test_placeholder_programs"):
        trained.graph.save(tmp_path / "trained.npz")
    assert not list(tmp_path.iterdir())

"""Compiled training steps with optimisers whose step is Python's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn, optim

F = nn.functional


@pytest.mark.parametrize("name", ["RAdam", "NAdam", "Rprop", "ASGD"])
def test_a_training_step_is_what_it_is_eagerly(name: str) -> None:
    ag.manual_seed(0)
    models = [nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [getattr(optim, name)(m.parameters(), lr=0.05) for m in models]
    x, y = ag.randn(7, 4), ag.randint(0, 3, (7,))

    def step_of(model: Any, optimizer: Any) -> Any:
        def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    eager, compiled = map(step_of, models, optimizers)
    compiled = ag.compile(compiled)
    for i in range(7):
        if i == 4:  # settings are read anew
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = 0.01
        assert eager(x, y).item() == compiled(x, y).item()
    for p, q in zip(*(m.parameters() for m in models), strict=True):
        assert np.array_equal(p.detach(), q.detach())
        for entry, value in optimizers[0].state[p].items():
            other = optimizers[1].state[q][entry]
            assert np.array_equal(np.asarray(value), np.asarray(other))
    assert "optimizer" in str(compiled.explain())

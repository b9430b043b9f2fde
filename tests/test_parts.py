"""Gradients of what was split are put side by side, not added up in zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd.static.passes import PASSES
from pyautograd.tensor import Tensor


def names(function: Any, *args: Tensor) -> list[str]:
    """Of the graph's calls; the compiled function equals the eager one."""
    compiled = ag.compile(function)
    for _ in range(2):
        got, want = compiled(*args).numpy(), function(*args).numpy()
        np.testing.assert_array_equal(got.view(np.int32), want.view(np.int32))
    (graph,) = compiled._latest.source()
    for improve in PASSES:
        improve(graph)
    return [call.title for call in graph.calls]


def gradient(split: Any) -> Any:
    def run(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        loss = sum(((part * part).exp() * (i - 1.0)).sum() for i, part in enumerate(split(x)))
        return ag.autograd.grad(loss, x)[0].detach()

    return run


@pytest.mark.parametrize(
    "split",
    [
        lambda x: x.split(2, 0),
        lambda x: x.chunk(3, -1),
        lambda x: (x[:, 5:], x[:, :2], x[:, 2:5]),
        lambda x: [p.reshape(6, -1, 2).transpose(0, 1) for p in x.split([2, 4, 6], 1)],
    ],
)
def test_parts_that_cover_all_are_joined(split: Any) -> None:
    found = names(gradient(split), ag.randn(6, 12))
    assert "cat" in found
    assert "slice_grad" not in found


@pytest.mark.parametrize(
    "split",
    [
        lambda x: (x[:3], x[2:]),  # both have a row
        lambda x: (x[:3], x[4:]),  # none has a row
        lambda x: (x[:3, :5], x[3:, 5:]),
        lambda x: (x[::2], x[1::2]),
        lambda x: (x[:3], x[3:], x),
    ],
)
def test_other_parts_are_added_up(split: Any) -> None:
    assert "cat" not in names(gradient(split), ag.randn(6, 12))


def test_long_sums_are_left_alone() -> None:
    x = ag.randn(300, 2)
    assert "cat" not in names(gradient(lambda x: x.split(1)), x)

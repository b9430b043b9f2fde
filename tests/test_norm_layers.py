"""Normalisation layers beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_nn_twins import follows_pytorch

import pyautograd as ag

nn = ag.nn

LAYERS: list[tuple[tuple[int, ...], Callable[[Any], Any]]] = [
    ((4, 3), lambda nn: nn.BatchNorm1d(3)),
    ((2, 3, 2, 2, 2), lambda nn: nn.BatchNorm3d(3)),
    ((5, 4), lambda nn: nn.LayerNorm(4)),
    ((4,), lambda nn: nn.LayerNorm(4)),
    ((2, 3, 4), lambda nn: nn.LayerNorm((3, 4), eps=1e-3)),
    ((2, 3, 4), lambda nn: nn.LayerNorm(4, bias=False)),
    ((2, 3, 4), lambda nn: nn.LayerNorm(4, elementwise_affine=False)),
    ((2, 4, 3, 3), lambda nn: nn.GroupNorm(2, 4)),
    ((2, 4, 3), lambda nn: nn.GroupNorm(4, 4, affine=False)),
    ((2, 6), lambda nn: nn.GroupNorm(2, 6, eps=0.1)),
    ((2, 3, 5), lambda nn: nn.InstanceNorm1d(3)),
    ((3, 5), lambda nn: nn.InstanceNorm1d(3, affine=True)),
    ((2, 3, 4, 5), lambda nn: nn.InstanceNorm2d(3, affine=True, track_running_stats=True)),
    ((2, 3, 4, 5), lambda nn: nn.InstanceNorm2d(3, track_running_stats=True).eval()),
    ((2, 3, 2, 3, 2), lambda nn: nn.InstanceNorm3d(3)),
    ((2, 3, 4), lambda nn: nn.RMSNorm(4)),
    ((2, 3, 4), lambda nn: nn.RMSNorm((3, 4), eps=1e-3, elementwise_affine=False)),
]


@pytest.mark.parametrize(("shape", "make"), LAYERS)
def test_as_pytorch(shape: Any, make: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    follows_pytorch(shape, make, rng)
    assert repr(make(nn)) == repr(make(torch.nn))


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda: nn.GroupNorm(3, 4), "GroupNorm: 4 channels do not make 3 groups"),
        (lambda: nn.GroupNorm(2, 4)(ag.zeros(1, 3, 2)), r"group_norm: .*\(1, 3, 2\)"),
        (lambda: nn.LayerNorm(4)(ag.zeros(2, 3)), r"layer_norm: .*\(4,\).*\(2, 3\)"),
        (lambda: nn.RMSNorm(4)(ag.zeros(2, 3)), r"rms_norm: .*\(4,\).*\(2, 3\)"),
        (lambda: nn.functional.layer_norm(ag.zeros(2, 3), (3,), ag.zeros(2)), r"weight .*\(3,\)"),
        (lambda: nn.InstanceNorm1d(3)(ag.zeros(2, 3, 1)), "more than 1 value"),
        (lambda: nn.InstanceNorm1d(3)(ag.zeros(2, 3, 1, 1)), "InstanceNorm1d: expected input of 2"),
        (lambda: nn.InstanceNorm2d(3, affine=True)(ag.zeros(1, 2, 4, 4)), "3 channels"),
        (lambda: nn.functional.group_norm(ag.zeros(4), 2), r"\(N, C, ...\), got shape \(4,\)"),
    ],
)
def test_errors(run: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        run()


def test_gradients_of_weights_do_not_keep_that_of_the_input() -> None:
    x = ag.randn(100, 50).requires_grad_()
    layer = nn.LayerNorm(50)
    layer(x).sum().backward()
    assert layer.weight.grad.numpy().base is None


def test_layer_norm_of_far_values() -> None:
    """The variance does not drown in the mean."""
    x = (1e4 + np.random.default_rng(0).standard_normal((3, 1000))).astype(np.float32)
    exact = (x - x.mean(1, keepdims=True, dtype=np.float64)) / x.std(
        1, keepdims=True, dtype=np.float64
    )
    for channel in (False, True):
        got = (
            nn.functional.batch_norm(ag.tensor(x.T.copy()), training=True, eps=0.0).numpy().T
            if channel
            else nn.functional.layer_norm(ag.tensor(x), (1000,), eps=0.0).numpy()
        )
        np.testing.assert_allclose(got, exact, atol=2e-3)

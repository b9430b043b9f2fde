"""Activations as modules, beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twins import twins

import pyautograd as ag

MODULES: list[tuple[str, tuple[Any, ...]]] = [
    ("ReLU", ()), ("Tanh", ()), ("Sigmoid", ()), ("Softsign", ()),
    ("LogSigmoid", ()), ("Tanhshrink", ()), ("ReLU6", ()), ("SiLU", ()), ("Mish", ()),
    ("Hardswish", ()), ("SELU", ()), ("GELU", ()), ("GELU", ("tanh",)), ("LeakyReLU", ()),
    ("LeakyReLU", (0.2,)), ("ELU", ()), ("ELU", (0.5,)), ("CELU", (0.5,)), ("Hardtanh", ()),
    ("Hardtanh", (-0.3, 0.6)), ("Softplus", ()), ("Softplus", (2.0, 1.0)), ("Hardshrink", ()),
    ("Softshrink", (0.2,)), ("Threshold", (0.1, 20.0)), ("GLU", ()), ("GLU", (1,)),
    ("Softmin", (1,)), ("Softmax", (1,)), ("LogSoftmax", (1,)), ("Softmax2d", ()), ("PReLU", ()),
    ("PReLU", (2, 0.1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), MODULES, ids=str)
def test_as_pytorch(name: str, args: tuple[Any, ...], rng: np.random.Generator) -> None:
    def program(T: Any, x: Any) -> Any:
        module = getattr(T.nn, name)(*args).to(T.float64)
        x.requires_grad_()
        y = module(x)
        y.sum().backward()
        return y, x.grad, dict(module.state_dict()), [p.grad for p in module.parameters()]

    torch = pytest.importorskip("torch")
    assert repr(getattr(ag.nn, name)(*args)) == repr(getattr(torch.nn, name)(*args))
    twins(program, rng.uniform(0.2, 3.0, (2, 2, 4, 3 if name != "GLU" else 2)) - 1.4)


def test_hardsigmoid(rng: np.random.Generator) -> None:
    x = ag.tensor(rng.standard_normal(7) * 3)
    want = np.clip(x.numpy() + 3, 0, 6) / 6
    np.testing.assert_allclose(ag.nn.Hardsigmoid()(x).numpy(), want, rtol=1e-6)


def test_arguments_are_shown() -> None:
    assert repr(ag.nn.LeakyReLU(0.2)) == "LeakyReLU(negative_slope=0.2)"
    assert repr(ag.nn.GELU("tanh")) == "GELU(approximate='tanh')"
    assert repr(ag.nn.Softsign()) == "Softsign()"
    assert repr(ag.nn.PReLU(3)) == "PReLU(num_parameters=3)"


def test_softmax2d_wants_images() -> None:
    with pytest.raises(ValueError, match=r"Softmax2d.*\(2, 3\)"):
        ag.nn.Softmax2d()(ag.zeros(2, 3))

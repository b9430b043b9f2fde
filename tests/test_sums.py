"""Sums of what programs compute, without the array between: eager's bits, by any blocking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_steps import check, steps

import pyautograd as ag
from pyautograd import nn
from pyautograd.tensor import Tensor

SHAPES: list[tuple[tuple[int, ...], Any]] = [
    ((1,), None), ((7,), None), ((511,), None), ((512,), None), ((513,), None), ((5000,), None),
    ((70_000,), None), ((3, 140_001), -1), ((3, 140_001), None), ((300, 3), -1), ((9, 512), -1),
    ((40, 700), 1), ((1000, 17), 1), ((1, 5), 0), ((37, 5), 0), ((16, 300), 0), ((9000, 20), 0),
    ((70_001, 1), 0), ((333, 1000), 0), ((100, 2000), 0), ((5, 40, 6), 1), ((3, 70, 300), 1),
    ((4, 5, 6, 7), (0, 2)), ((8, 3, 20, 20), (0, 2, 3)), ((8, 3, 20, 20), (1,)), ((0, 3), 0),
    ((3, 0), 0), ((3, 0), -1),
]  # fmt: skip


def total(x: Tensor, dims: Any) -> Tensor:
    return x.sum() if dims is None else x.sum(dims)


@pytest.mark.parametrize(("shape", "dims"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks(shape: Any, dims: Any, dtype: Any) -> None:
    x, y = ag.randn(*shape).to(dtype), ag.randn(*shape).to(dtype)
    compiled = check(lambda x, y: total((x - y) * x, dims), x, y)
    last = -1 if dims is None else dims if isinstance(dims, int) else dims[-1]
    columns = x[(0,) * (last % x.ndim + 1)].numel() if x.numel() else 1
    if x.numel():
        together = columns == 1 or columns * x.element_size() <= 2048
        assert steps(compiled) == (["sub+mul+sum"] if together else ["sub+mul", "sum"])
    # A difference that backward needs is written all the same.
    check(lambda x, y: (total((x - y) * x, dims), x - y), x, y)
    for operand in (x[..., :1], ag.tensor(2.0).to(dtype), x[:1]):
        check(lambda x, y: total((x * y).tanh(), dims), x, operand)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads(threads: int) -> None:
    x = ag.randn(1200, 500)
    want = [((x * 2.0).exp()).sum(), ((x * 2.0).exp()).mean(0), ((x * 2.0).exp()).sum(1)]
    before = ag.get_num_threads()
    ag.set_num_threads(threads)
    try:
        for i, f in enumerate((Tensor.sum, lambda y: y.mean(0), lambda y: y.sum(1))):
            compiled = ag.compile(lambda x, f=f: f((x * 2.0).exp()))
            np.testing.assert_array_equal(compiled(x).numpy(), want[i].numpy())
            assert len(steps(compiled)) == 1
    finally:
        ag.set_num_threads(before)


def test_special_values() -> None:
    x = ag.tensor([[np.nan, 1.0, -0.0], [1e-42, np.inf, -0.0], [-1e-42, 2.0, -0.0]])
    check(lambda x: ((x * 1.0001).sum(0), (x * 1.0001).sum(1)), x)
    check(lambda x: (x * -1.5).sum(), x[:, 2:])


CASES: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "mean square": (lambda x, y: ((x - y) ** 2).mean(), ["sub+pow+sum"]),
    "dot": (lambda x, y: (x * y).sum(-1), ["mul+sum"]),
    "reshaped": (lambda x, y: (x * y).reshape(-1).sum(), ["mul+sum"]),
    "read twice": (lambda x, y: ((x * y).sum(0), (x * y).sum(1)), ["mul", "sum", "sum"]),
    "returned": (lambda x, y: ((z := x * y), z.sum()), ["mul", "sum"]),
    "of a program's part": (
        lambda x, y: ((z := x - y), (z * z).sum()), ["sub+mul+sum"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_summed(name: str) -> None:
    function, names = CASES[name]
    compiled = check(function, ag.randn(30, 40), ag.randn(30, 40))
    assert steps(compiled) == names


def test_few_parts_for_threads() -> None:
    x = ag.randn(3000, 17)
    assert steps(check(lambda x: (x * x + 1.0).sum(0), x)) == ["mul+add", "sum"]


def test_explain_and_arena() -> None:
    x = ag.randn(300, 400)
    compiled = ag.compile(lambda x: ((x * x).exp() * 0.5).mean())
    compiled(x)
    text = compiled.explain()
    assert "sums: 1 of what programs compute" in text
    assert "fused: mul+exp+mul+sum" in text
    assert "arena: 0 bytes" in text


def test_gradients_of_layer_norm_by_hand() -> None:
    x, scale = ag.randn(50, 64), nn.Parameter(ag.randn(64))

    def loss(x: Tensor) -> Any:
        centred = x - x.mean(-1, keepdim=True)
        normed = centred * (centred.square().mean(-1, keepdim=True) + 1e-5) ** -0.5
        y = (normed * scale).tanh().sum()
        return y.detach(), ag.autograd.grad(y, scale)[0]

    compiled = ag.compile(loss)
    for _ in range(2):
        for got, want in zip(compiled(x), loss(x), strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())
    assert any(name.endswith("+sum") for name in steps(compiled))

"""Epilogues: kernels of a plan run the fused program that follows them, with eager's bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn
from pyautograd.tensor import Tensor

F = nn.functional


def steps(function: Any) -> list[str]:
    return [note.name for note in function._latest.plan.notes]


def check(function: Callable[..., Any], *args: Tensor) -> list[str]:
    """The compiled function equals the eager one, bit for bit; the names of its steps."""
    compiled = ag.compile(function)
    compiled(*args)
    got, want = compiled(*args), function(*args)
    for g, w in zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]:
        np.testing.assert_array_equal(g.numpy(), w.numpy())
    return steps(compiled)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 3, 64, 500])
@pytest.mark.parametrize("columns", [1, 2, 70, 300])
def test_linear(dtype: Any, rows: int, columns: int) -> None:
    x, w, b = (ag.randn(*s).to(dtype) for s in ((rows, 40), (columns, 40), (columns,)))
    assert check(lambda x: F.linear(x, w, b).relu(), x) == ["linear+relu"]
    more = ag.randn(rows, columns).to(dtype)
    assert check(lambda x: (F.linear(x, w, b) * 2.0 - more).exp(), x) == ["linear+mul+sub+exp"]


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((8, 16, 32, 32), (16, 16, 3, 3), {"padding": 1}),  # Winograd
        ((3, 16, 17, 22), (20, 16, 3, 3), {"padding": 1}),  # tiles across images and edges
        ((2, 64, 8, 8), (128, 64, 3, 3), {"padding": 1}),  # few tiles
        ((4, 1, 28, 28), (6, 1, 5, 5), {}),
        ((9, 3, 7, 7), (5, 3, 3, 3), {"stride": 2, "padding": 1}),  # images taken together
        ((2, 8, 14, 15), (12, 8, 1, 1), {}),  # pointwise
        ((2, 6, 20, 20), (6, 1, 3, 3), {"groups": 6, "padding": 1}),  # by planes
        ((2, 40, 9, 7), (40, 1, 3, 3), {"groups": 40, "padding": 1}),  # along groups
        ((2, 32, 40, 30), (32, 2, 3, 3), {"groups": 16, "stride": 2, "padding": 1}),
        ((40, 6, 14, 14), (16, 6, 5, 5), {}),  # along images
        ((33, 3, 11, 6), (5, 3, 3, 4), {"padding": 2}),
        ((3, 12, 9, 8), (7, 12, 1, 1), {"stride": 2}),  # samples
        ((2, 6, 9, 9), (4, 3, 3, 3), {"groups": 2, "dilation": 2, "padding": 6}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_conv2d_and_its_input_gradient(x: Any, w: Any, options: Any, dtype: Any) -> None:
    weight, bias = ag.randn(*w).to(dtype), ag.randn(w[0]).to(dtype)
    scale, shift = ag.randn(w[0], 1, 1).to(dtype), ag.randn(w[0], 1, 1).to(dtype)
    input = ag.randn(*x).to(dtype)
    more = ag.randn(*F.conv2d(input, weight, **options).shape).to(dtype)

    def forward(x: Tensor) -> Tensor:
        return (F.conv2d(x, weight, bias, **options) * scale + shift + more).relu()

    def other(x: Tensor) -> Tensor:
        return F.conv2d(x, weight, **options).tanh() * scale

    def gradient(x: Tensor) -> Any:
        x = x.detach().requires_grad_()
        y = F.conv2d(x.relu(), weight, **options)
        return ag.autograd.grad(y, x, more)

    assert check(forward, input) == ["conv2d+mul+add+add+relu"]
    assert check(other, input) == ["conv2d+tanh+mul"]
    assert check(gradient, input) == ["conv2d_input_grad+relu+relu_grad"]


@pytest.mark.parametrize("shape", [(5, 7), (1, 900), (0, 4), (3, 40, 50)])
def test_matmul_through_a_reshape(shape: Any) -> None:
    a, b = ag.randn(*shape, 8), ag.randn(8, 6)
    names = check(lambda a: (a @ b).reshape(-1, 3).relu() + 1.0, a)
    assert names == (["matmul+relu+add"] if 0 not in shape else names)


@pytest.mark.parametrize("keep", ["scale", "scale and more", "more", "relu"])
def test_the_form_with_a_loop_of_its_own(keep: str) -> None:
    """NaN, infinities, zeros of either sign and denormals come out as from the ops."""
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, -1e-40, 1.0], np.float32)
    x = ag.from_numpy(np.resize(odd, (4, 3, 40)))
    more = ag.from_numpy(np.resize(odd[::-1].copy(), (4, 3, 40)))
    scale, shift = ag.tensor([[2.0], [-1.0], [1e-30]]), ag.tensor([[0.0], [-0.0], [3.0]])

    def f(x: Tensor) -> Tensor:
        if "scale" in keep:
            x = x * scale + shift
        if "more" in keep:
            x = x + more
        return x.relu()

    with np.errstate(invalid="ignore"):
        want, got = f(x).numpy(), ag.compile(f)(x).numpy()
    np.testing.assert_array_equal(got.view(np.int32), want.view(np.int32))


def test_denormals_count_in_the_program_as_they_do_eagerly() -> None:
    x, w = ag.full((2, 4), 1e-20), ag.full((3, 4), 1e-10)

    def f(x: Tensor) -> Tensor:
        return F.linear(x, w) * 1e-9 + 1e-41

    assert check(f, x) == ["linear+mul+add"]
    assert (f(x).numpy() > 0).all()


def test_a_result_that_others_need_too_is_left_alone() -> None:
    x, w = ag.randn(6, 5), ag.randn(4, 5)

    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.linear(x, w)
        return y.relu(), y.cumsum(0)

    assert check(f, x) == ["linear", "relu", "running_sum"]


def test_an_operand_that_a_program_reads_last_may_lie_where_it_writes() -> None:
    """The kernel must not write over what its program has yet to read."""
    w1, w2 = ag.randn(32, 32), ag.randn(32, 32)

    def f(x: Tensor) -> Tensor:
        y = F.linear(x, w1).relu()
        for _ in range(3):
            y = F.linear(y.tanh(), w2).relu() + y
        return y

    assert sum(name.startswith("linear+") for name in check(f, ag.randn(50, 32))) == 4


def test_batch_norm_in_eval_mode_follows_its_parameters() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    x = ag.randn(2, 3, 9, 9)
    net(x)  # other running statistics than those it starts with
    net.eval()
    run = ag.compile(lambda x: net(x))
    with ag.no_grad():
        run(x)
        assert steps(run)[-1] == "conv2d+mul+add+relu"
        for name, change in {
            "0.weight": 1.5, "0.bias": -1.0, "1.weight": 3.0, "1.running_var": 0.25
        }.items():  # fmt: skip
            state = net.state_dict()
            state[name] = state[name] * change
            net.load_state_dict(state)
            np.testing.assert_array_equal(run(x).numpy(), net(x).numpy())
        net[0].weight.mul_(2.0)
        np.testing.assert_array_equal(run(x).numpy(), net(x).numpy())
        net[0].weight.numpy()[...] = 0.5  # not even this is missed
        np.testing.assert_array_equal(run(x).numpy(), net(x).numpy())


def test_a_kernel_does_not_move_behind_a_change_of_its_operand() -> None:
    w = ag.randn(4, 5)

    def f(x: Tensor) -> Tensor:
        y = F.linear(x, w)
        w.mul_(2.0)
        return (y * w.sum()).relu()

    before = w.numpy().copy()
    compiled = ag.compile(f)
    for _ in range(2):
        w.numpy()[...] = before
        got = compiled(ag.ones(3, 5)).numpy()
        w.numpy()[...] = before
        np.testing.assert_array_equal(got, f(ag.ones(3, 5)).numpy())


def test_the_same_bits_for_any_number_of_threads() -> None:
    net = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 5, 3), nn.Tanh())
    x, threads = ag.randn(6, 8, 33, 31), ag.get_num_threads()
    run = ag.compile(lambda x: net(x).detach())
    results = []
    try:
        for n in (1, 2, 3):
            ag.set_num_threads(n)
            results.append(run(x).numpy())
    finally:
        ag.set_num_threads(threads)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("shape", [(4, 6, 9, 9), (5, 3, 2, 2), (30, 7), (64, 200)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_in_training(shape: Any, dtype: Any) -> None:
    """The program joins the norm in its place: the running statistics are changed in between."""
    weight, bias = ag.randn(shape[1]).to(dtype), ag.randn(shape[1]).to(dtype)
    more = ag.randn(*shape).to(dtype)

    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        mean, var = ag.zeros(shape[1], dtype=x.dtype), ag.ones(shape[1], dtype=x.dtype)
        y = F.batch_norm(x, mean, var, weight, bias, training=True)
        return (y + more).relu(), mean * var

    assert "normalize+add+relu" in check(f, ag.randn(*shape).to(dtype))


def test_group_and_layer_norm() -> None:
    x = ag.randn(4, 6, 5)
    assert check(lambda x: F.layer_norm(x, (5,)).relu(), x) == ["normalize+relu"]
    assert "normalize+relu" in check(lambda x: F.group_norm(x, 3).relu(), x)


@pytest.mark.parametrize(("size", "kernel"), [((8, 8), 2), ((9, 7), 2), ((9, 9), 3), ((30, 30), 2)])
def test_max_pool_gradient(size: Any, kernel: int) -> None:
    def f(x: Tensor) -> Any:
        x = x.detach().requires_grad_()
        y = F.max_pool2d(x.relu(), kernel)
        return ag.autograd.grad((y * y).sum(), x)

    assert any(s.startswith("max_pool2d_scatter+relu") for s in check(f, ag.randn(5, 7, *size)))

"""Graphs of placeholders: checked while they are built, the bits of eager code when they run."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from static_networks import (
    NETWORKS,
    OPTIMIZERS,
    assert_equal,
    assert_equal_models,
    perceptron,
    rows,
    training_step,
)

import pyautograd as ag
from pyautograd import nn, static
from pyautograd.static import GraphError, placeholder

F = nn.functional


@pytest.mark.parametrize("name", NETWORKS)
def test_training_is_what_it_is_eagerly(name: str) -> None:
    make, batch = NETWORKS[name]
    models = make(), make()
    optimizers = [OPTIMIZERS["adam"](m.parameters()) for m in models]
    eager = training_step(models[0], optimizers[0])
    like = batch(2)[0]
    x = placeholder((None, *like.shape[1:]), like.dtype, name="x")
    y = placeholder((None,), "int64", name="y")
    loss = F.cross_entropy(models[1](x), y)
    loss.backward()
    optimizers[1].step()
    train = static.compile([x, y], loss)
    for i, n in enumerate((7, 5, 7, 32, 2)):
        feed = batch(n)
        ag.manual_seed(i)
        expected = eager(*feed)
        ag.manual_seed(i)
        assert_equal(train(*feed), expected)
        for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
            assert_equal(p.grad, q.grad)
    assert_equal_models(*models)


def test_evaluation_and_training_of_one_graph() -> None:
    models = perceptron(), perceptron()
    optimizers = [OPTIMIZERS["sgd"](m.parameters()) for m in models]
    eager = training_step(models[0], optimizers[0])
    x, y = placeholder((None, 4), name="x"), placeholder((None,), "int64", name="y")
    logits = models[1](x)
    loss = F.cross_entropy(logits, y)
    predict = static.compile(x, {"class": logits.argmax(1), "p": [F.softmax(logits, 1)]})
    evaluate = static.compile([x, y], loss)
    optimizers[1].zero_grad()
    ag.autograd.backward(loss)
    assert re.search(r"symbol of shape \(8, 4\)", repr(models[1][0].weight.grad))
    nn.utils.clip_grad_norm_(models[1].parameters(), 100.0)
    optimizers[1].step()
    optimizers[1].zero_grad()
    train = static.compile([x, y], loss)
    assert models[1][0].weight.grad is None
    for n in (3, 5):
        expected = models[0](rows(n)[0])
        found = predict({"x": rows(n)[0].numpy()})
        assert_equal(found["class"], expected.argmax(1))
        assert_equal(found["p"][0], F.softmax(expected, 1))
        before = evaluate(*rows(n))
        assert_equal(evaluate(x=rows(n)[0], y=rows(n)[1]), before)
        assert_equal(train(*rows(n)), before)
        nn.utils.clip_grad_norm_(models[0].parameters(), 100.0)
        assert_equal(eager(*rows(n)), before)
    optimizers[1].param_groups[0]["lr"] = 0.0  # settings are read anew
    frozen = [p.detach().clone() for p in models[1].parameters()]
    optimizers[1].load_state_dict(optimizers[1].state_dict())
    optimizers[1].state.clear()
    train(*rows(3))
    for p, q in zip(models[1].parameters(), frozen, strict=True):
        assert_equal(p, q)


def test_gradients_by_hand_and_of_second_order() -> None:
    w = ag.tensor([0.5, -1.5], requires_grad=True)

    def penalty(x: ag.Tensor) -> tuple[ag.Tensor, ag.Tensor]:
        y = (w * x).tanh().sum()
        (g,) = ag.autograd.grad(y, w, create_graph=True)
        (h,) = ag.autograd.grad((g * g).sum(), w)
        return g.detach(), h

    x = placeholder(("N", 2), name="x")
    f = static.compile(x, penalty(x))
    for n in (3, 1):
        value = ag.randn(n, 2)
        for a, b in zip(f(value), penalty(value), strict=True):
            assert_equal(a, b)


def test_gradients_of_inputs() -> None:
    x = placeholder((None, 3), name="x")
    x.requires_grad_()
    loss = (x * x).sum()
    (g,) = ag.autograd.grad(loss, x)
    f = static.compile(x, g)
    assert f(np.ones((2, 3), np.float32)).tolist() == [[2.0] * 3] * 2


def test_views_of_parameters_outside_of_the_graph() -> None:
    weights = [ag.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True) for _ in range(2)]
    optimizers = [ag.optim.SGD([w], lr=0.1) for w in weights]
    x = placeholder((None, 3), name="x")
    loss = ((x @ weights[1].T)[:, 0] * weights[1][1, :1]).sum()
    loss.backward()
    optimizers[1].step()
    f = static.compile(x, loss)
    for n in (2, 3, 2):
        value = rows(n)[0][:, :3]
        optimizers[0].zero_grad()
        expected = ((value @ weights[0].T)[:, 0] * weights[0][1, :1]).sum()
        expected.backward()
        optimizers[0].step()
        assert_equal(f(value), expected)
        assert_equal(*weights)


def test_random_numbers_and_new_tensors_are_made_for_each_run() -> None:
    x = placeholder((None, 3), name="x")
    layer = nn.Dropout(0.5)
    noise = F.dropout(x, 0.5) + layer(x) + ag.rand_like(x) + ag.zeros(x.shape[0], 3)
    f = static.compile(x, noise)
    value = ag.ones(4, 3)
    ag.manual_seed(1)
    first, second = f(value), f(value)
    assert (first != second).any()
    ag.manual_seed(1)
    expected = F.dropout(value, 0.5) + layer(value) + ag.rand_like(value)
    assert_equal(first, expected)


# ---- sizes ---------------------------------------------------------------------------------------


def test_unnamed_sizes_become_what_they_must_be() -> None:
    x, y = placeholder((None, None), name="x"), placeholder((None, 3), name="y")
    z = placeholder((None,), name="z")
    out = (x @ y).sum(1) + z
    assert repr(out.shape) == repr(z.shape) == f"({x.shape[0]!r},)"
    assert repr(y.shape) == f"({x.shape[1]!r}, 3)"
    f = static.compile([x, y, z], out)
    a, b, c = ag.randn(2, 5), ag.randn(5, 3), ag.randn(2)
    assert_equal(f(a, b, c), (a @ b).sum(1) + c)
    with pytest.raises(ValueError, match=r"expected y of shape \(x\[1\]\S*, 3\), got \(4, 3\)"):
        f(a, b[:4], c)
    w = placeholder((None, 4), name="w") @ ag.ones(4, 2) + ag.ones(7, 2)
    assert w.shape == (7, 2)


def test_a_size_that_is_left_open_is_not_broadcast_away() -> None:
    x, bias = placeholder((None, 4), name="x"), placeholder((4,), name="bias")
    y = ((x * ag.ones(4, 1).T + bias).relu() * x.mean(0)).squeeze()
    assert re.fullmatch(r"\(x\[0\]\S*, 4\)", repr(x.shape))
    f = static.compile([x, bias], y)
    assert f(ag.ones(1, 4), ag.ones(4)).shape == (1, 4)
    assert f(ag.ones(3, 4), ag.ones(4)).tolist() == [[2.0] * 4] * 3


def test_shapes_follow_through_layers() -> None:
    x = placeholder(("N", 3, "H", "W"), name="x")
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.MaxPool2d(2))
    y = layers(x)
    f = static.compile(x, (y, y.mean((2, 3)), y.flatten(1)))
    for shape in ((2, 3, 17, 20), (1, 3, 9, 8), (4, 3, 16, 16)):
        value = ag.randn(*shape)
        out, mean, flat = f(value)
        expected = layers(value)
        assert out.shape == expected.shape
        assert_equal(out, expected)
        assert flat.shape == expected.flatten(1).shape
        assert mean.shape == (shape[0], 4)
    with pytest.raises(ValueError, match=r"built for .*H.*; got N = 1, H = 2, W = 2"):
        f(ag.randn(1, 3, 2, 2))


def test_positions_and_causal_masks() -> None:
    x = placeholder(("N", "T", 6), name="x")

    def program(x: ag.Tensor) -> tuple[ag.Tensor, ...]:
        n, t = x.shape[:2]
        return (
            F.scaled_dot_product_attention(x, x, x, is_causal=True),
            ag.arange(t), ag.arange(3, t + 3, 2), ag.arange(n, dtype=np.float32),
        )  # fmt: skip

    f = static.compile(x, program(x))
    for shape in ((2, 5, 6), (3, 4, 6), (1, 1, 6)):
        value = ag.randn(*shape)
        for a, b in zip(f(value), program(value), strict=True):
            assert_equal(a, b)


NAMED = r"\(N, 3\).*\(M, 4\)"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda a, b: a @ b, f"matmul: shapes {NAMED} do not multiply: 3 != M"),
        (lambda a, b: a + b, f"add: shapes {NAMED} do not broadcast"),
        (lambda a, b: F.linear(a, ag.ones(2, 4)), r"linear: .*\(2, 4\).*\(N, 3\)"),
        (lambda a, b: nn.Linear(4, 2)(a), r"linear: .*\(2, 4\).*\(N, 3\)"),
        (lambda a, b: ag.where(a > 0.0, a, b), r"\(N, 3\).*\(M, 4\)"),
        (lambda a, b: F.cross_entropy(a, b[:, 0].long()), r"cross_entropy: .*N.*M|M.*N"),
        (lambda a, b: nn.BatchNorm1d(5)(a), r"\(N, 3\)"),
        (lambda a, b: nn.LSTMCell(5, 2)(a), r"\(N, 3\)"),
    ],
)
def test_errors_while_building(build: Any, message: str) -> None:
    a, b = placeholder(("N", 3), name="a"), placeholder(("M", 4), name="b")
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        build(a, b)
    assert "test_placeholder.py:" in str(caught.value)
    assert repr((a.shape, b.shape)) == "((N, 3), (M, 4))"  # as before


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda a, b: F.mse_loss(a, b), rf"mse_loss: input of shape {NAMED}"),
        (lambda a, b: ag.cat([a, b]), r"cat: .*\(M, 4\).*\(N, 3\)"),
        (lambda a, b: a.reshape(5, 2), r"reshape: shape \(N, 3\)"),
        (lambda a, b: a.sum(dim=2), "dimension 2"),
    ],
)
def test_errors_before_an_op_is_called(build: Any, message: str) -> None:
    a, b = placeholder(("N", 3), name="a"), placeholder(("M", 4), name="b")
    with pytest.raises((ValueError, IndexError), match=message):
        build(a, b)


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: 1 if x.sum() > 0 else 2,
        lambda x: 1 if x.shape[0] > 3 else 2,
        lambda x: 1 if x.shape[0] == 3 else 2,
        lambda x: list(x),
        lambda x: np.zeros(x.shape),
        lambda x: range(x.shape[0]),
        lambda x: x.numpy(),
        lambda x: x.add_(1.0),
        lambda x: x * (nn.Linear(3, 3).weight * 2.0)[0],
        lambda x: x * nn.Linear(3, 3).weight.T.reshape(9)[:3],
    ],
)
def test_what_a_graph_cannot_tell(read: Any) -> None:
    with pytest.raises(GraphError, match=r"test_placeholder\.py:\d+"):
        read(placeholder((None, 3), name="x"))


def test_what_ops_demand_of_sizes_is_checked_when_fed() -> None:
    x = placeholder((None, 3), name="x")
    f = static.compile(x, nn.BatchNorm1d(3)(x))
    assert f(ag.randn(2, 3)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"built for not x\[0\]\S* <= 1, at .*test_placeholder"):
        f(ag.randn(1, 3))

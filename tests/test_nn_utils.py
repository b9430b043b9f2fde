"""Norms of weights, layers made one, sequences of several lengths, norms of gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from programs import step_of

import pyautograd as ag
from pyautograd import nn
from pyautograd.nn import utils

LAYERS: list[tuple[Callable[[Any], Any], tuple[int, ...]]] = [
    (lambda nn: nn.Linear(4, 3), (5, 4)),
    (lambda nn: nn.Conv2d(2, 4, 3), (2, 2, 5, 6)),
    (lambda nn: nn.ConvTranspose2d(2, 3, 3, bias=False), (2, 2, 4, 3)),
]
REPARAMETRISED: list[Callable[[Any, Any], Any]] = [
    lambda utils, layer: utils.weight_norm(layer),
    lambda utils, layer: utils.weight_norm(layer, dim=1),
    lambda utils, layer: utils.weight_norm(layer, dim=None),
    lambda utils, layer: utils.spectral_norm(layer),
    lambda utils, layer: utils.spectral_norm(layer, n_power_iterations=3, dim=1),
]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("change", REPARAMETRISED)
@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_normed_weights_follow_pytorch(change: Any, make: Any, shape: Any) -> None:
    """Over two calls in training and one in evaluation."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = change(torch.nn.utils, make(torch.nn).double())
    ours = change(utils, make(nn).double())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal(shape)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        got, want = ours(ag.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-12)
    got.square().sum().backward()
    want.square().sum().backward()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-11)
    for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), atol=1e-12)


def test_normed_weights_are_taken_back() -> None:
    x = ag.randn(3, 4)
    for change, remove in (
        (utils.weight_norm, utils.remove_weight_norm),
        (utils.spectral_norm, utils.remove_spectral_norm),
    ):
        layer = change(nn.Linear(4, 3)).eval()
        before = layer(x)
        assert remove(layer) is layer
        np.testing.assert_allclose(layer(x).detach(), before.detach(), rtol=1e-6)
        assert sorted(name for name, _ in layer.named_parameters()) == ["bias", "weight"]
        assert not list(layer.buffers())
        with pytest.raises(ValueError, match=r"remove_\w+_norm: Linear has none for 'weight'"):
            remove(layer)
        with pytest.raises(ValueError, match="_norm: Linear has no parameter 'other'"):
            change(layer, "other")
    with pytest.raises(ValueError, match="n_power_iterations of at least 1"):
        utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)


@pytest.mark.parametrize("change", [utils.weight_norm, utils.spectral_norm])
def test_normed_weights_in_a_compiled_step(change: Any) -> None:
    ag.manual_seed(0)
    models = [change(nn.Linear(4, 3)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [ag.optim.SGD(m.parameters(), lr=0.1) for m in models]

    eager, compiled = map(step_of, models, optimizers)
    compiled = ag.compile(compiled)
    x = ag.randn(5, 4)
    for _ in range(4):
        assert eager(x).item() == compiled(x).item()
    for name, value in models[0].state_dict().items():
        assert np.array_equal(value, models[1].state_dict()[name])


def filled_norm(bn: Any) -> Any:
    """With statistics and weights other than those at first."""
    rng = np.random.default_rng(1)
    bn.load_state_dict(
        {k: np.asarray(rng.uniform(0.5, 2.0, np.shape(v))) for k, v in bn.state_dict().items()}
    )
    return bn.eval()


@pytest.mark.parametrize("bias", [False, True])
def test_fusion(bias: bool) -> None:
    x = ag.randn(2, 4, 6, 5, dtype=ag.float64)
    for layer, transpose in (
        (nn.Conv2d(4, 6, 3, groups=2, bias=bias), False),
        (nn.ConvTranspose2d(4, 6, 3, bias=bias), True),
    ):
        bn = filled_norm(nn.BatchNorm2d(6).double())
        layer.double().eval()
        before = copy.deepcopy(layer.state_dict())
        fused = utils.fuse_conv_bn_eval(layer, bn, transpose)
        np.testing.assert_allclose(fused(x).detach(), bn(layer(x)).detach(), atol=1e-12)
        assert all(np.array_equal(v, before[k]) for k, v in layer.state_dict().items())
        assert type(fused) is type(layer)
    linear, bn = nn.Linear(4, 3, bias).eval(), filled_norm(nn.BatchNorm1d(3))
    y = ag.randn(5, 4)
    fused = utils.fuse_linear_bn_eval(linear, bn)
    np.testing.assert_allclose(fused(y).detach(), bn(linear(y)).detach(), atol=1e-5)
    with pytest.raises(ValueError, match="expected both modules in evaluation"):
        utils.fuse_linear_bn_eval(linear.train(), bn)
    with pytest.raises(ValueError, match="a norm of 3 channels after a layer of 2"):
        utils.fuse_linear_bn_eval(nn.Linear(4, 2).eval(), bn)
    with pytest.raises(ValueError, match="keeps no running statistics"):
        stateless = nn.BatchNorm1d(3, track_running_stats=False).eval()
        utils.fuse_linear_bn_eval(linear.eval(), stateless)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_sequences(batch_first: bool, side: str) -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.random.default_rng(n).standard_normal((n, 2)) for n in (3, 1, 4)]
    ours = [ag.tensor(a, requires_grad=True) for a in arrays]
    got = utils.rnn.pad_sequence(ours, batch_first, 0.5, side)
    want = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(a) for a in arrays], batch_first, 0.5, side
    )
    assert np.array_equal(got.detach(), want)
    got.sum().backward()
    assert all((x.grad == 1).all() for x in ours)
    if side == "right":
        back = utils.rnn.unpad_sequence(got, ag.tensor([3, 1, 4]), batch_first)
        assert all(np.array_equal(a, b.detach()) for a, b in zip(arrays, back, strict=True))
        with pytest.raises(ValueError, match="unpad_sequence: 2 lengths for 3 sequences"):
            utils.rnn.unpad_sequence(got, [1, 2], batch_first)
    with pytest.raises(ValueError, match="pad_sequence: expected at least one sequence"):
        utils.rnn.pad_sequence([])
    with pytest.raises(ValueError, match="padding_side is left or right"):
        utils.rnn.pad_sequence(ours, padding_side="top")


def test_norms_of_gradients() -> None:
    grads = [ag.tensor([3.0, 0.0]), ag.tensor([[4.0]])]
    assert utils.get_total_norm(grads).item() == 5.0
    assert utils.get_total_norm(grads, 1.0).item() == 7.0
    assert utils.get_total_norm(grads, float("inf")).item() == 4.0
    assert utils.get_total_norm([]).item() == 0.0
    assert utils.get_total_norm(grads[0].double()).dtype == ag.float64
    with pytest.raises(RuntimeError, match="get_total_norm: the gradients' norm is inf"):
        utils.get_total_norm(ag.tensor([float("inf")]), error_if_nonfinite=True)
    params = [ag.zeros(g.shape, requires_grad=True) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = g.clone()
    utils.clip_grads_with_norm_(params, 10.0, utils.get_total_norm(grads))
    assert params[0].grad is not None
    assert params[0].grad.tolist() == [3.0, 0.0]
    utils.clip_grads_with_norm_(params, 1.0, utils.get_total_norm(grads))
    np.testing.assert_allclose(params[0].grad.numpy(), [0.6, 0.0], rtol=1e-5)

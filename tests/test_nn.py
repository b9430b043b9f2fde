"""Modules: registration, state, how they print; layers and losses against PyTorch."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn

Array = Any


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.scale = nn.Parameter(ag.ones(3))
        self.register_buffer("seen", ag.zeros(1))
        self.register_buffer("cache", ag.zeros(1), persistent=False)
        self.second = nn.Linear(3, 2, bias=False)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        return self.second(self.first(x) * self.scale)


# ---- registration --------------------------------------------------------------------------------


def test_names_and_order() -> None:
    net = Block()
    assert [name for name, _ in net.named_parameters()] == [
        "scale", "first.weight", "first.bias", "second.weight",
    ]  # fmt: skip
    assert [name for name, _ in net.named_buffers()] == ["seen", "cache"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "second"]
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert list(net.state_dict()) == [
        "scale", "seen", "first.weight", "first.bias", "second.weight",
    ]  # fmt: skip
    assert net.get_submodule("first") is net.first
    assert net.get_submodule("") is net
    assert net.get_parameter("first.bias") is net.first.bias
    assert net.get_buffer("seen") is net.seen
    with pytest.raises(AttributeError, match=r"no submodule 'first\.third'"):
        net.get_submodule("first.third")
    with pytest.raises(AttributeError, match=r"no parameter 'second\.bias'"):
        net.get_parameter("second.bias")


def test_shared_parameters_are_met_once() -> None:
    net = Block()
    net.third = nn.Linear(2, 3)
    net.third.weight = net.first.weight
    net.again = net.first
    names = [name for name, _ in net.named_parameters()]
    assert names == ["scale", "first.weight", "first.bias", "second.weight", "third.bias"]
    assert len(list(net.parameters())) == 5
    assert len(list(net.modules())) == 4
    assert "third.weight" in net.state_dict()
    assert "again.weight" in net.state_dict()


def test_attributes_follow_their_kind() -> None:
    net = Block()
    parameter = nn.Parameter(ag.zeros(2))
    net.scale = parameter
    assert net.get_parameter("scale") is parameter
    net.scale = None
    assert net.scale is None
    assert "scale" not in net.state_dict()
    with pytest.raises(TypeError, match=r"Block.scale: expected a Parameter or None, got Tensor"):
        net.scale = ag.zeros(2)
    with pytest.raises(TypeError, match="expected a Module or None, got int"):
        net.first = 3
    with pytest.raises(TypeError, match="expected a Tensor or None"):
        net.seen = 3
    net.seen = ag.ones(1)
    assert net.get_buffer("seen").item() == 1
    del net.first
    assert not hasattr(net, "first")
    assert "first" not in dict(net.named_children())
    net.seen = nn.Linear(1, 1)
    assert "seen" in dict(net.named_children())
    assert "seen" not in dict(net.named_buffers())
    with pytest.raises(AttributeError):
        _ = net.nothing


def test_registration_errors() -> None:
    net = Block()
    with pytest.raises(KeyError, match="without dots"):
        net.register_buffer("a.b", ag.zeros(1))
    with pytest.raises(KeyError, match="'forward' already exists"):
        net.register_parameter("forward", None)
    with pytest.raises(TypeError, match="expected a Parameter, got Tensor"):
        net.register_parameter("p", ag.zeros(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a Module"):
        net.add_module("m", 3)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="no forward"):
        nn.Module()(1)

    class Early(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Early()


def test_modes_reach_all_modules() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Dropout()))
    assert all(module.training for module in net.modules())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())
    order: list[str] = []
    net.apply(lambda module: order.append(type(module).__name__))
    assert order == ["Linear", "Dropout", "Sequential", "Sequential"]
    with pytest.raises(ValueError, match="expected a bool"):
        net.train(1)  # type: ignore[arg-type]


def test_gradients_and_dtypes() -> None:
    net = Block()
    net(ag.ones(4, 2)).sum().backward()
    parameters = list(net.parameters())
    assert all(p.grad is not None for p in parameters)
    net.double()
    assert list(net.parameters()) == parameters or all(
        a is b for a, b in zip(net.parameters(), parameters, strict=True)
    )
    assert {p.dtype for p in parameters} == {np.dtype(np.float64)}
    assert {p.grad.dtype for p in parameters} == {np.dtype(np.float64)}
    assert net.seen.dtype == np.float64
    net(ag.ones(4, 2, dtype=ag.float64)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in parameters)
    net.zero_grad()
    assert all(p.grad is None for p in parameters)
    net.requires_grad_(False)
    assert not net(ag.ones(4, 2, dtype=ag.float64)).requires_grad
    assert nn.BatchNorm1d(2).double().num_batches_tracked.dtype == np.int64
    with pytest.raises(TypeError, match="float32 or float64"):
        net.to(ag.int64)


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_are_apart(how: str) -> None:
    net = Block()
    net.again = net.first
    twin = copy.deepcopy(net) if how == "deepcopy" else pickle.loads(pickle.dumps(net))
    assert twin.again is twin.first
    assert twin.first.weight is twin.get_parameter("first.weight")
    assert isinstance(twin.scale, nn.Parameter)
    assert twin.scale.requires_grad
    for key, value in twin.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), net.state_dict()[key].numpy())
        assert not np.shares_memory(value.numpy(), net.state_dict()[key].numpy())


def test_parameter() -> None:
    data = ag.zeros(3)
    parameter = nn.Parameter(data)
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert np.shares_memory(parameter.detach().numpy(), data.numpy())
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert type(parameter * 2) is ag.Tensor
    assert nn.Parameter(np.ones(2)).dtype == np.float64
    assert repr(nn.Parameter(ag.ones(1))) == (
        "Parameter containing:\ntensor([1.], requires_grad=True)"
    )


# ---- state ---------------------------------------------------------------------------------------


def test_state_dict_shares_memory_and_loads() -> None:
    a, b = Block(), Block()
    assert np.shares_memory(a.state_dict()["scale"].numpy(), a.scale.detach().numpy())
    assert a.state_dict(keep_vars=True)["scale"] is a.scale
    assert list(a.first.state_dict(prefix="first.")) == ["first.weight", "first.bias"]
    result = b.load_state_dict(a.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    for key, value in b.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), a.state_dict()[key].numpy())
    assert not np.shares_memory(b.scale.detach().numpy(), a.scale.detach().numpy())
    b.load_state_dict({key: value.double().numpy() for key, value in a.state_dict().items()})
    assert b.scale.dtype == np.float32


def test_strict_load_lists_everything_and_changes_nothing() -> None:
    net = Block()
    before = copy.deepcopy(net.state_dict())
    state: dict[str, Any] = {
        "scale": ag.full((3,), 7.0),
        "first.weight": ag.zeros(4, 2),
        "second.weight": "no numbers",
        "other": ag.zeros(1),
    }
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in (
        "does not fit Block",
        "missing keys: seen, first.bias",
        "unexpected keys: other",
        "first.weight: shape (4, 2) in the state, (3, 2) in the module",
        "second.weight: expected numbers, got str",
    ):
        assert part in text
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key].numpy())

    with pytest.raises(RuntimeError, match=r"first.weight: shape") as caught:
        net.load_state_dict(state, strict=False)
    assert "missing" not in str(caught.value)
    result = net.load_state_dict({"scale": ag.full((3,), 7.0), "x": ag.ones(1)}, strict=False)
    assert result.unexpected_keys == ["x"]
    assert "first.bias" in result.missing_keys
    assert net.scale.tolist() == [7.0, 7.0, 7.0]
    with pytest.raises(TypeError, match="expected a dict"):
        net.load_state_dict([1])  # type: ignore[arg-type]


def test_loading_between_the_forward_and_backward_is_noticed() -> None:
    layer = nn.Linear(2, 2)
    out = layer(ag.ones(1, 2, requires_grad=True)).sum()
    layer.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(RuntimeError, match="load_state_dict has changed in place"):
        out.backward()


# ---- containers ----------------------------------------------------------------------------------


def test_sequential() -> None:
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert net[0] is layers[0]
    assert net[-1] is layers[2]
    assert list(net) == layers
    assert isinstance(net[:2], nn.Sequential)
    assert list(net[1:].state_dict()) == ["2.weight", "2.bias"]
    assert net[:2](ag.ones(1, 2)).shape == (1, 3)
    net.append(nn.Tanh())
    assert list(net._modules) == ["0", "1", "2", "3"]
    net.insert(0, nn.Identity())
    assert net[1] is layers[0]
    assert list(net._modules) == ["0", "1", "2", "3", "4"]
    del net[0]
    assert list(net)[:3] == layers
    net[1] = nn.Sigmoid()
    assert isinstance(net[1], nn.Sigmoid)
    named = nn.Sequential({"a": layers[0], "b": layers[1]})
    assert named.a is layers[0]
    assert list(named.state_dict()) == ["a.weight", "a.bias"]
    with pytest.raises(IndexError, match="index 7 is out of range for 4"):
        net[7]
    with pytest.raises(TypeError, match="expected a Module, got function"):
        nn.Sequential(lambda x: x)  # type: ignore[arg-type]


def test_lists_and_dicts() -> None:
    modules = nn.ModuleList([nn.Linear(1, 2)])
    modules.append(nn.Linear(2, 3)).extend([nn.Linear(3, 4)])
    assert len(list(modules.parameters())) == 6
    assert len(modules[1:]) == 2
    heads = nn.ModuleDict({"a": nn.Linear(1, 2)})
    heads["keys_"] = nn.Tanh()
    assert list(heads) == ["a", "keys_"]
    assert "a" in heads
    del heads["a"]
    assert len(heads) == 1
    assert not hasattr(heads, "a")


# ---- starting values -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: nn.Linear(300, 400), lambda: nn.Conv2d(30, 400, (2, 5))])
def test_default_starting_values(make: Callable[[], Any]) -> None:
    layer = make()
    bound = 1.0 / math.sqrt(300)
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.95 * bound
        assert abs(values.mean()) < 6 * bound / math.sqrt(3 * values.size)


def test_initialisers() -> None:
    w = nn.Parameter(ag.empty(200, 50, 2, 2))  # fan in 200, fan out 800
    for fill, std in (
        (lambda: nn.init.xavier_uniform_(w, gain=2.0), 2 * math.sqrt(2 / 1000)),
        (lambda: nn.init.xavier_normal_(w), math.sqrt(2 / 1000)),
        (lambda: nn.init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 200)),
        (lambda: nn.init.kaiming_normal_(w, mode="fan_out"), math.sqrt(2 / 800)),
        (lambda: nn.init.normal_(w, mean=1.0, std=0.5), 0.5),
        (lambda: nn.init.uniform_(w, -1.0, 2.0), math.sqrt(9 / 12)),
    ):
        assert fill() is w  # type: ignore[no-untyped-call]
        assert w.detach().numpy().std() == pytest.approx(std, rel=0.03)
    assert (nn.init.constant_(w, 3.0).detach().numpy() == 3).all()
    assert (nn.init.zeros_(w).detach().numpy() == 0).all()
    assert (nn.init.ones_(w).detach().numpy() == 1).all()
    a = nn.init.uniform_(ag.empty(5), generator=ag.Generator().manual_seed(1))
    b = nn.init.uniform_(ag.empty(5), generator=ag.Generator().manual_seed(1))
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(ValueError, match="no fan in"):
        nn.init.xavier_normal_(ag.empty(3))
    with pytest.raises(ValueError, match="fan_in or fan_out"):
        nn.init.kaiming_normal_(w, mode="fan")
    assert nn.Linear(0, 3)(ag.zeros(2, 0)).shape == (2, 3)


def test_gains_follow_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain(
        "leaky_relu", 0.2
    )


# ---- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [ag.int32, ag.uint8])
def test_classes_of_any_integer_dtype(dtype: Any, rng: np.random.Generator) -> None:
    x, t = rng.standard_normal((4, 3)), [0, 2, 1, 2]
    results = []
    for target in (ag.tensor(t), ag.tensor(t, dtype=dtype)):
        logits = ag.tensor(x, requires_grad=True)
        loss = nn.functional.cross_entropy(logits, target)
        loss.backward()
        results.append([loss.item(), logits.grad.tolist()])
    assert results[0] == results[1]


def test_third_derivatives_of_cross_entropy(rng: np.random.Generator) -> None:
    t = ag.tensor([1, 0, -100])
    w = ag.tensor([0.5, 2.0, 1.0], dtype=ag.float64)
    start = rng.standard_normal((3, 3))

    def third(loss: Callable[[Any], Any]) -> Any:
        x = ag.tensor(start, requires_grad=True)
        y = loss(x)
        for power in (2, 3):
            (g,) = ag.autograd.grad(y, x, create_graph=True)
            y = (g**power).sum()
        return ag.autograd.grad(y, x)[0].numpy()

    F = nn.functional
    fused = third(lambda x: F.cross_entropy(x, t, w))
    composed = third(lambda x: F.nll_loss(x.log_softmax(1), t, w))
    np.testing.assert_allclose(fused, composed, rtol=1e-9, atol=1e-12)


def test_classes_changed_behind_the_tape_do_no_harm() -> None:
    """Writing through NumPy is not noticed; memory outside the gradient stays untouched."""
    x, t = ag.zeros(2, 3, requires_grad=True), ag.tensor([0, 1])
    loss = nn.functional.cross_entropy(x, t)
    t.numpy()[:] = [1 << 40, -5]
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.full((2, 3), 1 / 6), rtol=1e-6)


def test_cross_entropy_of_what_is_not_finite() -> None:
    x = ag.tensor([[np.nan, 0.0], [np.inf, 0.0], [-np.inf, 0.0], [-np.inf, 0.0]])
    loss = nn.functional.cross_entropy(x, ag.tensor([1, 1, 0, 1]), reduction="none")
    np.testing.assert_array_equal(loss.numpy(), [np.nan, np.nan, np.inf, 0.0])


def test_dropout_in_training() -> None:
    x = ag.ones(100, 100, requires_grad=True)
    y = nn.Dropout(0.25)(x)
    values = y.detach().numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (values == 0).mean() == pytest.approx(0.25, abs=0.03)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), values)


def test_one_hot() -> None:
    F = nn.functional
    assert F.one_hot(ag.tensor([[0], [1]]), 3).tolist() == [[[1, 0, 0]], [[0, 1, 0]]]
    assert F.one_hot(ag.tensor([1])).dtype == np.int64
    with pytest.raises(IndexError, match="class 3 is out of range for 3"):
        F.one_hot(ag.tensor([3]), 3)
    with pytest.raises(IndexError, match="negative"):
        F.one_hot(ag.tensor([-1]), 3)
    with pytest.raises(TypeError, match="integer"):
        F.one_hot(ag.tensor([1.0]))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "do not divide into 2 groups"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "'valid' or 'same'"),
        (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), "stride 1"),
        (lambda: nn.Conv2d(3, 4, 0), "kernel_size"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "padding_mode is one of"),
        (lambda: nn.Linear(-1, 2), "negative"),
        (lambda: nn.Dropout(1.5), "probability"),
        (lambda: nn.MSELoss(reduction="avg"), "reduction"),
        (lambda: nn.BatchNorm2d(3)(ag.zeros(2, 4, 5, 5)), r"3 channels .*\(2, 4, 5, 5\)"),
        (lambda: nn.BatchNorm1d(3)(ag.zeros(3)), "2 or 3 dimensions"),
        (lambda: nn.BatchNorm1d(3)(ag.zeros(1, 3)), "more than 1 value"),
        (lambda: nn.Linear(2, 3)(ag.zeros(4, 5)), r"\(4, 5\)"),
        (lambda: nn.Unflatten(1, (4, 2))(ag.zeros(2, 6)), "does not divide"),
    ],
)
def test_errors(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_failed_batch_norm_counts_no_batch() -> None:
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value"):
        layer(ag.zeros(1, 3))
    assert layer.num_batches_tracked.item() == 0


def test_parameter_list() -> None:
    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterList([nn.Parameter(ag.ones(2)), ag.ones(2)])

    net = Sums()
    assert [name for name, _ in net.named_parameters()] == ["weights.0", "weights.1"]
    net.weights.append(ag.zeros(3))
    net.weights[-1] = ag.ones(4)
    assert [p.shape for p in net.weights] == [(2,), (2,), (4,)]
    assert len(net.weights[:2]) == 2
    assert "(2): float32 (4,)" in repr(net)
    with pytest.raises(IndexError, match="out of range for 3"):
        net.weights[3]


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipping_follows_pytorch(
    norm_type: float, max_norm: float, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    data = [rng.standard_normal((2, 3)), rng.standard_normal(4)]
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in data]
    ours = [ag.zeros(g.shape, dtype=ag.float64, requires_grad=True) for g in data]
    for p, q, g in zip(theirs, ours, data, strict=True):
        p.grad, q.grad = torch.tensor(g), ag.tensor(g)
    ours.append(ag.zeros(1, requires_grad=True))  # without a gradient
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    got = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    assert got.item() == pytest.approx(expected.item())
    for p, q in zip(theirs, ours[:2], strict=True):
        np.testing.assert_allclose(q.grad.numpy(), p.grad.numpy(), rtol=1e-12)
    torch.nn.utils.clip_grad_value_(theirs, 0.05)
    nn.utils.clip_grad_value_(ours, 0.05)
    for p, q in zip(theirs, ours[:2], strict=True):
        np.testing.assert_allclose(q.grad.numpy(), p.grad.numpy(), rtol=1e-12)


def test_clipping_what_is_not_finite() -> None:
    p = ag.zeros(2, requires_grad=True)
    p.grad = ag.tensor([1.0, float("nan")])
    with pytest.raises(RuntimeError, match="norm is nan"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad.numpy()[0] == 1.0
    assert math.isnan(nn.utils.clip_grad_norm_(p, 1.0).item())
    assert math.isnan(nn.utils.clip_grad_norm_(p, 1.0, math.inf).item())


def test_vector_of_parameters() -> None:
    net = Block()
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (18,)
    assert vector.requires_grad
    nn.utils.vector_to_parameters(ag.arange(18.0), net.parameters())
    assert nn.utils.parameters_to_vector(net.parameters()).tolist() == list(range(18))
    with pytest.raises(ValueError, match=r"shape \(18,\), got \(17,\)"):
        nn.utils.vector_to_parameters(ag.zeros(17), net.parameters())


def test_parameter_dict() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterDict({"a": ag.zeros(2)})
            self.weights.update([("b", nn.Parameter(ag.ones(3)))])

    net = Net()
    assert list(net.state_dict()) == ["weights.a", "weights.b"]
    assert len(list(net.parameters())) == 2
    weights = net.weights
    assert list(weights) == list(weights.keys()) == ["a", "b"]
    assert "a" in weights
    assert weights.get("c") is None
    assert [p.shape for p in weights.values()] == [(2,), (3,)]
    assert weights.pop("a").shape == (2,)
    assert [name for name, _ in weights.items()] == ["b"]
    weights["b"] = ag.zeros(4)
    assert weights["b"].requires_grad
    assert repr(weights) == "ParameterDict((b): float32 (4,))"


def test_buffers_by_assignment() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Buffer(ag.zeros(2))
            self.scratch = nn.Buffer(ag.ones(3), persistent=False)

    net = Net()
    assert [name for name, _ in net.named_buffers()] == ["mean", "scratch"]
    assert list(net.state_dict()) == ["mean"]
    assert not list(net.parameters())
    assert not net.mean.requires_grad
    net.mean = ag.full((2,), 5.0)
    assert net.state_dict()["mean"].tolist() == [5.0, 5.0]
    net.scratch = nn.Buffer(ag.zeros(1))
    assert list(net.state_dict()) == ["mean", "scratch"]
    net.double()
    assert net.mean.dtype == ag.float64

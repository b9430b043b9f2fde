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


# ---- against PyTorch -----------------------------------------------------------------------------

REPRS: list[Callable[[Any], Any]] = [
    lambda nn: nn.Linear(2, 3, bias=False),
    lambda nn: nn.Conv2d(1, 6, 5),
    lambda nn: nn.Conv2d(2, 4, (3, 2), 2, 1, 2, 2, False, "reflect"),
    lambda nn: nn.Conv2d(2, 4, 3, padding="same"),
    lambda nn: nn.Conv1d(2, 4, 3, 2, padding_mode="circular", padding=1),
    lambda nn: nn.Conv3d(2, 4, (1, 2, 3), bias=False),
    lambda nn: nn.ConvTranspose1d(4, 2, 3, 2, 1, 1, 2, False),
    lambda nn: nn.ConvTranspose2d(4, 2, (3, 2), dilation=2),
    lambda nn: nn.ConvTranspose3d(2, 4, 3, (1, 2, 3), output_padding=(0, 1, 2)),
    lambda nn: nn.BatchNorm1d(3),
    lambda nn: nn.Dropout(0.1),
    lambda nn: nn.MaxPool2d(2),
    lambda nn: nn.AvgPool2d((2, 3), 1),
    lambda nn: nn.AdaptiveAvgPool2d((1, None)),
    lambda nn: nn.Flatten(),
    lambda nn: nn.Unflatten(1, (2, 3)),
    lambda nn: nn.Identity(),
    lambda nn: nn.ReLU(),
    lambda nn: nn.ReLU(inplace=True),
    lambda nn: nn.Softmax(dim=1),
    lambda nn: nn.LogSoftmax(),
    lambda nn: nn.CrossEntropyLoss(),
    lambda nn: nn.Sequential(),
    lambda nn: nn.Sequential(nn.Sequential(nn.Tanh()), nn.Sequential(nn.Sigmoid(), nn.ReLU())),
    lambda nn: nn.ModuleList([nn.Sequential(nn.ReLU()) for _ in range(3)] + [nn.Tanh()]),
    lambda nn: nn.ModuleDict({"a": nn.ReLU()}),
]


@pytest.mark.parametrize("make", REPRS)
def test_repr(make: Callable[[Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    assert repr(make(nn)) == repr(make(torch.nn))


def test_batch_norm_repr() -> None:
    assert repr(nn.BatchNorm2d(4, affine=False)) == (
        "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, "
        "track_running_stats=True)"
    )


LAYERS: list[tuple[str, tuple[int, ...], Callable[[Any], Any]]] = [
    ("linear", (5, 4), lambda nn: nn.Linear(4, 3)),
    ("linear 3-d", (2, 5, 4), lambda nn: nn.Linear(4, 3, bias=False)),
    ("conv", (2, 3, 7, 6), lambda nn: nn.Conv2d(3, 4, 3, stride=2, padding=1)),
    ("conv unbatched", (3, 7, 6), lambda nn: nn.Conv2d(3, 4, (3, 2))),
    ("conv groups", (2, 4, 7, 6), lambda nn: nn.Conv2d(4, 4, 3, dilation=2, groups=2)),
    ("conv same", (2, 3, 7, 6), lambda nn: nn.Conv2d(3, 4, (3, 2), padding="same")),
    ("conv valid", (2, 3, 7, 6), lambda nn: nn.Conv2d(3, 4, 3, padding="valid")),
    *(
        (
            f"conv {mode} {padding}",
            (2, 3, 7, 6),
            lambda nn, mode=mode, padding=padding: nn.Conv2d(
                3, 2, (3, 2), padding=padding, padding_mode=mode
            ),
        )
        for mode in ("reflect", "replicate", "circular")
        for padding in ((2, 1), "same")
    ),
    ("conv 1d", (2, 3, 9), lambda nn: nn.Conv1d(3, 4, 3, stride=2, padding=1)),
    ("conv 1d same", (3, 9), lambda nn: nn.Conv1d(3, 4, 4, padding="same", bias=False)),
    ("conv 3d", (2, 4, 4, 5, 6), lambda nn: nn.Conv3d(4, 6, (2, 3, 1), (2, 1, 2), 1, groups=2)),
    ("conv 3d same", (2, 3, 4, 5, 6), lambda nn: nn.Conv3d(3, 2, (2, 3, 1), padding="same")),
    *(
        (
            f"conv {dims}d {mode}",
            (2, 3, 5, 6, 7)[: dims + 2],
            lambda nn, mode=mode, dims=dims: getattr(nn, f"Conv{dims}d")(
                3, 2, 3, 2, (2, 1, 2)[:dims], padding_mode=mode
            ),
        )
        for dims in (1, 3)
        for mode in ("reflect", "replicate", "circular")
    ),
    ("conv transpose 1d", (2, 4, 5), lambda nn: nn.ConvTranspose1d(4, 6, 3, 3, 1, 2, 2)),
    ("conv transpose 2d", (2, 3, 5, 4), lambda nn: nn.ConvTranspose2d(3, 4, (3, 2), 2, 1, 1)),
    ("conv transpose 2d unbatched", (3, 5, 4), lambda nn: nn.ConvTranspose2d(3, 4, 3, dilation=2)),
    ("conv transpose 3d", (2, 3, 3, 4, 2), lambda nn: nn.ConvTranspose3d(3, 2, 3, 2, 1, (1, 0, 1))),
    ("max pool", (2, 3, 7, 6), lambda nn: nn.MaxPool2d(3, 2, 1)),
    ("avg pool", (2, 3, 7, 6), lambda nn: nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    ("adaptive avg pool", (2, 3, 7, 6), lambda nn: nn.AdaptiveAvgPool2d((3, None))),
    ("flatten", (2, 3, 4), lambda nn: nn.Flatten()),
    ("unflatten", (2, 6, 4), lambda nn: nn.Unflatten(1, (2, -1))),
    ("identity", (2, 3), lambda nn: nn.Identity()),
    ("relu", (2, 3), lambda nn: nn.ReLU()),
    ("tanh", (2, 3), lambda nn: nn.Tanh()),
    ("sigmoid", (2, 3), lambda nn: nn.Sigmoid()),
    ("softmax", (2, 3, 4), lambda nn: nn.Softmax(dim=1)),
    ("log softmax", (2, 3, 4), lambda nn: nn.LogSoftmax(dim=-1)),
    ("batch norm 1d", (6, 3), lambda nn: nn.BatchNorm1d(3)),
    ("batch norm 1d, sequences", (6, 3, 4), lambda nn: nn.BatchNorm1d(3, affine=False)),
    ("batch norm 2d", (4, 3, 5, 2), lambda nn: nn.BatchNorm2d(3, eps=1e-3, momentum=0.3)),
    ("dropout in evaluation", (2, 3), lambda nn: nn.Dropout().eval()),
    (
        "network",
        (4, 2, 8, 8),
        lambda nn: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 3),
        ),
    ),
]


def twins(make: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    """PyTorch, its layer in float64, and ours with its weights."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = make(torch.nn).double()
    ours = make(nn).double()
    ours.load_state_dict(theirs.state_dict())
    return torch, theirs, ours


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("shape", "make"), [c[1:] for c in LAYERS], ids=[c[0] for c in LAYERS])
def test_layers_follow_pytorch(shape: Any, make: Any, rng: np.random.Generator) -> None:
    follows_pytorch(shape, make, rng)


def follows_pytorch(shape: Any, make: Any, rng: np.random.Generator) -> None:
    """With the same weights: the same values and gradients, keys and text."""
    torch, theirs, ours = twins(make)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    data = rng.standard_normal(shape)
    x, y = torch.tensor(data, requires_grad=True), ag.tensor(data, requires_grad=True)
    expected, got = theirs(x), ours(y)
    assert got.shape == tuple(expected.shape)
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), atol=1e-12)
    g = rng.standard_normal(got.shape)
    expected.backward(torch.tensor(g))
    got.backward(ag.tensor(g))
    np.testing.assert_allclose(y.grad.numpy(), x.grad.numpy(), atol=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-11)
    for name, buffer in theirs.named_buffers():
        np.testing.assert_allclose(dict(ours.named_buffers())[name].numpy(), buffer, atol=1e-12)


@pytest.mark.parametrize("size", [(9, 7), (10, 8), (2, 4, 10, 7)])
def test_the_size_of_a_transposed_convolution(size: Any, rng: np.random.Generator) -> None:
    torch, theirs, ours = twins(lambda nn: nn.ConvTranspose2d(3, 4, 3, 2, 1))
    data = rng.standard_normal((2, 3, 5, 4))
    expected, got = theirs(torch.tensor(data), size), ours(ag.tensor(data), size)
    assert got.shape == tuple(expected.shape)
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), atol=1e-12)
    for bad in ((11, 7), (8, 7), (9,), (3, 9, 7)):
        with pytest.raises(ValueError, match=r"output_size lies between \(9, 7\) and \(10, 8\)"):
            ours(ag.tensor(data), bad)


def test_arguments_of_convolutions() -> None:
    with pytest.raises(ValueError, match=r"ConvTranspose1d: padding_mode is 'zeros' only"):
        nn.ConvTranspose1d(1, 1, 2, padding_mode="circular")
    with pytest.raises(TypeError, match="ConvTranspose2d: expected padding as numbers, got 'same'"):
        nn.ConvTranspose2d(1, 1, 2, padding="same")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Conv1d: 3 input and 4 output channels"):
        nn.Conv1d(3, 4, 2, groups=2)
    with pytest.raises(ValueError, match="Conv3d: expected stride as an integer or a triple"):
        nn.Conv3d(1, 1, 2, stride=(1, 2))
    with pytest.raises(ValueError, match="Conv1d: padding='same' needs stride 1"):
        nn.Conv1d(1, 1, 2, stride=2, padding="same")


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}])
def test_batch_norm_statistics(momentum: Any, options: Any, rng: np.random.Generator) -> None:
    torch, theirs, ours = twins(lambda nn: nn.BatchNorm2d(3, momentum=momentum, **options))
    for _ in range(4):
        data = rng.standard_normal((4, 3, 5, 2)) * 3 + 1
        np.testing.assert_allclose(
            ours(ag.tensor(data)).detach().numpy(),
            theirs(torch.tensor(data)).detach().numpy(),
            atol=1e-12,
        )
        for key, value in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), atol=1e-12)
    ours.eval(), theirs.eval()
    np.testing.assert_allclose(
        ours(ag.tensor(data)).detach().numpy(),
        theirs(torch.tensor(data)).detach().numpy(),
        atol=1e-12,
    )
    before = copy.deepcopy(ours.state_dict())
    for key, value in ours.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key].numpy())


LOSSES: list[tuple[str, Callable[[Any, Any], Any], str]] = [
    ("mse", lambda nn, t: nn.MSELoss(), "same"),
    ("mse sum", lambda nn, t: nn.MSELoss(reduction="sum"), "same"),
    ("l1 none", lambda nn, t: nn.L1Loss(reduction="none"), "same"),
    ("bce", lambda nn, t: nn.BCEWithLogitsLoss(), "probabilities"),
    (
        "bce weighted",
        lambda nn, t: nn.BCEWithLogitsLoss(t([1.0, 2.0, 0.5]), pos_weight=t([3.0, 1.0, 2.0])),
        "probabilities",
    ),
    ("nll", lambda nn, t: nn.NLLLoss(t([1.0, 2.0, 0.5]), ignore_index=1), "classes"),
    ("cross-entropy", lambda nn, t: nn.CrossEntropyLoss(), "classes"),
    ("cross-entropy none", lambda nn, t: nn.CrossEntropyLoss(reduction="none"), "classes"),
    (
        "cross-entropy all",
        lambda nn, t: nn.CrossEntropyLoss(
            t([1.0, 2.0, 0.5]), ignore_index=2, reduction="sum", label_smoothing=0.1
        ),
        "classes",
    ),
    ("cross-entropy soft", lambda nn, t: nn.CrossEntropyLoss(), "distribution"),
]


@pytest.mark.parametrize(("make", "kind"), [c[1:] for c in LOSSES], ids=[c[0] for c in LOSSES])
def test_losses_follow_pytorch(make: Any, kind: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    theirs = make(torch.nn, lambda v: torch.tensor(v, dtype=torch.float64))
    ours = make(nn, lambda v: ag.tensor(v, dtype=ag.float64))
    data = rng.standard_normal((6, 3))
    target = {
        "same": rng.standard_normal((6, 3)),
        "probabilities": rng.random((6, 3)),
        "classes": np.array([0, 1, 2, 2, 0, 1]),
        "distribution": rng.dirichlet(np.ones(3), 6),
    }[kind]
    x, y = torch.tensor(data, requires_grad=True), ag.tensor(data, requires_grad=True)
    expected, got = theirs(x, torch.tensor(target)), ours(y, ag.tensor(target))
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), atol=1e-12)
    expected.sum().backward()
    got.sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), x.grad.numpy(), atol=1e-12)
    assert "weight" not in ours.state_dict() or "weight" in theirs.state_dict()


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

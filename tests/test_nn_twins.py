"""Modules against PyTorch's, with the same state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn

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

"""`model.summary`: what it counts, and that it leaves the model as it was."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn


class Branch(nn.Module):
    """Two inputs, a shared layer, one that is never called, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(4, 3)
        self.right = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
        self.again = self.left
        self.unused = nn.Linear(7, 7)

    def forward(self, a: Any, b: Any, scale: float = 1.0) -> Any:
        return self.left(a) + self.right(b) + self.again(a) * scale


def layers(summary: Any) -> dict[str, Any]:
    return {layer.path: layer for layer in summary.layers}


def test_the_numbers_of_layers() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
        nn.Linear(8 * 36, 10),
    )  # fmt: skip
    found = model.summary((2, 3, 6, 6))
    conv, norm, relu, flatten, linear = list(layers(found).values())[1:]
    assert (conv.inputs, conv.outputs) == (((2, 3, 6, 6),), ((2, 8, 6, 6),))
    assert conv.parameters == 8 * 3 * 9 + 8
    assert conv.flops == 2 * (2 * 8 * 36) * 27
    assert conv.memory == relu.memory == 4 * 2 * 8 * 36
    assert norm.parameters == 16
    assert relu.flops == 2 * 8 * 36
    assert (flatten.outputs, flatten.memory, flatten.flops) == (((2, 288),), 0, 0)
    assert linear.flops == 2 * 2 * 288 * 10
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.flops == sum(layer.flops for layer in found.layers)
    assert found.memory == sum(layer.memory for layer in found.layers)
    assert found.parameter_bytes == 4 * found.parameters
    assert found.buffer_bytes == sum(b.numpy().nbytes for b in model.buffers())


def test_the_same_flops_as_a_profile() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(36, 5), nn.LogSoftmax(1))  # fmt: skip
    with ag.no_grad(), ag.profiler.profile() as p:
        model(ag.rand(3, 1, 8, 8))
    assert model.summary((3, 1, 8, 8)).flops == sum(row.flops for row in p.key_averages())


def test_several_inputs_shared_and_unused_layers() -> None:
    model = Branch()
    found = layers(model.summary((2, 4), (2, 5)))
    assert list(found) == ["", "left", "right", "right.0", "right.1", "again", "unused"]
    assert found[""].inputs == ((2, 4), (2, 5))
    assert found["left"].calls == 2
    assert found["left"].flops == 2 * (2 * 2 * 4 * 3)
    assert found["again"].same_as == "left"
    assert found["again"].parameters == 0
    assert found["unused"].calls == 0
    assert found["right.1"].depth == 2
    text = model.summary([(2, 4), (2, 5)]).table(80)
    assert "not called" in text
    assert "the same as left" in text
    assert "100" not in text
    assert str(nn.summary(model, (2, 4), ag.ones(2, 5))).startswith("layer")


def test_dtypes() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2)).double()
    found = model.summary((5, 3), dtype=ag.int64)
    assert found.layers[-1].outputs == ((5, 2),)
    assert found.layers[-1].memory == 8 * 10
    assert nn.Linear(3, 2).double().summary((1, 3)).memory == 16
    model.summary(ag.zeros(5, 3, dtype=ag.int64))


def test_nested_outputs_and_containers() -> None:
    found = nn.LSTM(4, 8, num_layers=2).summary((5, 2, 4))
    assert found.layers[0].outputs == ((5, 2, 8), (2, 2, 8), (2, 2, 8))
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)
    text = str(stack.summary((5, 2, 8)))
    assert "not called" not in text
    assert "layers ModuleList" in text


def test_depth_folds_and_keeps_the_totals() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Linear(4, 2))
    whole, folded = model.summary((1, 3)), model.summary((1, 3), depth=1)
    assert "    0 Linear" in str(whole)
    assert "    0 Linear" not in str(folded)
    assert str(whole).splitlines()[-3:] == str(folded).splitlines()[-3:]
    assert "16" in str(folded).splitlines()[3]
    model.summary((1, 3), depth=0).table(80)


def state_of(model: Any) -> list[Any]:
    return [
        [p.numpy(force=True).tobytes() for p in (*model.parameters(), *model.buffers())],
        [id(b) for b in model.buffers()],
        [p.grad for p in model.parameters()],
        [m.training for m in model.modules()],
        [m._hooks for m in model.modules()],
        ag.rand(1).item,
    ]


class AsksForValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        x = self.drop(self.norm(x))
        return x if x.sum().item() > 0 else -x


@pytest.mark.parametrize("make", [
    lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)), AsksForValues,
])  # fmt: skip
def test_the_model_stays_as_it_was(make: Any) -> None:
    model = make()
    model[2].eval() if isinstance(model, nn.Sequential) else None
    model.register_forward_hook(lambda module, args, out: None)
    model(ag.rand(4, 3)).sum().backward()
    before = state_of(model)[:-1]
    ag.manual_seed(3)
    model.summary((4, 3))
    after = ag.rand(3).tolist()
    assert state_of(model)[:-1] == before
    ag.manual_seed(3)
    assert ag.rand(3).tolist() == after
    assert ag.is_grad_enabled()
    assert model(ag.rand(4, 3)).requires_grad


def test_a_wrong_shape_names_the_layer() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(8, 4), nn.Linear(5, 2)))
    with pytest.raises(RuntimeError, match=r"summary: 1.1 \(Linear\), given \(2, 4\): linear"):
        model.summary((2, 8))
    assert model[1][1]._hooks is None
    with pytest.raises(RuntimeError, match=r"summary: Linear, given \(2, 4\)"):
        nn.Linear(3, 3).summary((2, 4))
    with pytest.raises(RuntimeError, match="missing 1 required positional argument"):
        Branch().summary((2, 4))


@pytest.mark.parametrize("given", [3, "2x3", (2, -1), (2, 1.5), None, [(2, 3), "x"]])
def test_what_is_no_shape(given: Any) -> None:
    with pytest.raises(TypeError, match="expected each input as its shape"):
        nn.Linear(3, 3).summary(given)


def test_other_mistakes() -> None:
    with pytest.raises(TypeError, match="expected a Module, got function"):
        nn.summary(lambda x: x, (1,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got 2 dtypes for 1 inputs"):
        nn.Linear(3, 3).summary((1, 3), dtype=[ag.float32, ag.float32])
    with pytest.raises(ValueError, match="depth of at least 0"):
        nn.Linear(3, 3).summary((1, 3), depth=-1)


def test_empty_batches_and_models_without_parameters() -> None:
    assert nn.Linear(3, 2).summary((0, 3)).flops == 0
    assert nn.ReLU().summary((2, 3)).parameters == 0
    np.testing.assert_equal(nn.ReLU().summary(()).layers[0].outputs, ((),))


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(width: int) -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)
    text = model.summary((5, 2, 8)).table(width)
    assert max(map(len, text.splitlines())) <= width
    assert ("input" in text) == (width == 120)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = nn.Linear(3, 2).summary((1, 3))
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ImportError, match=r"rich missing: pip install 'pyautograd\[cli\]'"):
        str(found)

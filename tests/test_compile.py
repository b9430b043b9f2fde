"""Whole programs under `ag.compile`: they do what they do eagerly."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import (
    OPTIMIZERS,
    assert_same,
    assert_same_models,
    batch,
    network,
    traces,
    training_step,
)

import pyautograd as ag
from pyautograd import nn

F = nn.functional


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_is_what_it_is_eagerly(name: str) -> None:
    models = network(), network()
    optimizers = [OPTIMIZERS[name](m.parameters()) for m in models]
    eager = training_step(models[0], optimizers[0])
    compiled = ag.compile(training_step(models[1], optimizers[1]))
    x, y = batch()
    for i in range(5):
        assert eager(x, y).item() == compiled(x * 1.0, y).item(), i
    assert_same_models(*models)
    assert traces(compiled) == 1
    states = [o.state_dict()["state"] for o in optimizers]
    for key, entries in states[0].items():
        for what, value in entries.items():
            other = states[1][key][what]
            assert value == other if what == "step" else (value == other).all()


def test_dropout_draws_the_same_numbers() -> None:
    models = network(dropout=0.5), network(dropout=0.5)
    steps = [training_step(m, ag.optim.SGD(m.parameters(), lr=0.1)) for m in models]
    steps[1] = ag.compile(steps[1])
    x, y = batch()
    losses: list[list[float]] = []
    for step in steps:
        ag.manual_seed(5)
        losses.append([step(x, y).item() for _ in range(4)])
    assert losses[0] == losses[1]
    assert len(set(losses[0])) == 4
    assert ag.rand(1).item() == _after_seed(5, lambda: [steps[0](x, y) for _ in range(4)])


def _after_seed(seed: int, run: Callable[[], Any]) -> float:
    ag.manual_seed(seed)
    run()
    return float(ag.rand(1).item())


def test_modes_rates_and_states_may_change_between_calls() -> None:
    models = network(), network()
    optimizers = [OPTIMIZERS["momentum"](m.parameters()) for m in models]
    steps = [training_step(m, o) for m, o in zip(models, optimizers, strict=True)]
    compiled = steps[1] = ag.compile(steps[1])
    x, y = batch()
    schedulers = [ag.optim.lr_scheduler.StepLR(o, 1, gamma=0.5) for o in optimizers]

    def everywhere(do: Callable[[int], Any]) -> None:
        for i in range(2):
            do(i)
        assert steps[0](x, y).item() == steps[1](x, y).item()
        assert_same_models(*models)

    everywhere(lambda i: None)
    saved = copy.deepcopy([(models[i].state_dict(), optimizers[i].state_dict()) for i in range(2)])
    everywhere(lambda i: schedulers[i].step())
    assert traces(compiled) == 1
    everywhere(lambda i: models[i].eval())
    assert traces(compiled) == 2
    everywhere(lambda i: models[i].train())
    assert traces(compiled) == 2
    everywhere(lambda i: models[i].load_state_dict(saved[i][0]))
    everywhere(lambda i: optimizers[i].load_state_dict(saved[i][1]))
    assert traces(compiled) == 2
    everywhere(lambda i: models[i][0].weight.requires_grad_(False))
    everywhere(lambda i: models[i][0].weight.requires_grad_(True))


def test_clipping_is_part_of_the_plan() -> None:
    models = network(), network()
    steps = [training_step(m, ag.optim.SGD(m.parameters(), lr=0.1), clip=0.01) for m in models]
    compiled = ag.compile(steps[1])
    x, y = batch()
    for _ in range(3):
        assert steps[0](x, y).item() == compiled(x, y).item()
    assert_same_models(*models)
    assert traces(compiled) == 1


def test_gradients_accumulate_over_calls() -> None:
    models = network(), network()
    eager, compiled = (lambda x, y, m=m: F.cross_entropy(m(x), y).backward() for m in models)
    compiled = ag.compile(compiled)
    x, y = batch()
    for i in range(6):
        eager(x, y)
        compiled(x, y)
        assert_same_models(*models)
        if i == 3:
            for m in models:
                m.zero_grad()
    assert traces(compiled) <= 3


def test_gradients_cleared_by_hand() -> None:
    w = ag.ones(3, requires_grad=True)

    @ag.compile
    def step(x: ag.Tensor) -> ag.Tensor:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        return loss

    for i in range(4):
        step(ag.full((3,), float(i)))
        assert w.grad is not None
        assert w.grad.tolist() == [float(i)] * 3
    assert traces(step) <= 2


def test_gradient_descent_by_hand() -> None:
    def make() -> tuple[ag.Tensor, Callable[..., Any]]:
        w = ag.tensor([1.0, -2.0, 0.5], requires_grad=True)

        def step(x: ag.Tensor) -> ag.Tensor:
            loss = ((w * x) ** 2).sum()
            (g,) = ag.autograd.grad(loss, w)
            with ag.no_grad():
                w.sub_(g * 0.1)
                return (w * x).sum()

        return w, step

    (w1, eager), (w2, plain) = make(), make()
    compiled = ag.compile(plain)
    x = ag.tensor([0.3, 0.2, 0.1])
    for _ in range(4):
        assert eager(x).item() == compiled(x).item()
        assert_same(w1, w2)


def test_second_order_and_several_losses() -> None:
    w = ag.tensor([0.5, -1.5], requires_grad=True)

    def penalty(x: ag.Tensor) -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
        y = (w * x).tanh().sum()
        (g,) = ag.autograd.grad(y, w, create_graph=True)
        total = y + (g * g).sum()
        (h,) = ag.autograd.grad(total, w)
        return total.detach(), {"g": g.detach(), "h": h}

    compiled = ag.compile(penalty)
    for x in (ag.tensor([1.0, 2.0]), ag.tensor([-0.3, 0.7])):
        (t1, d1), (t2, d2) = penalty(x), compiled(x)
        assert_same(t1, t2)
        assert list(d1) == list(d2)
        assert_same(d1["g"], d2["g"])
        assert_same(d1["h"], d2["h"])


def test_checkpoints_and_other_generators() -> None:
    from pyautograd.utils.checkpoint import checkpoint

    layer = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Tanh())
    source = ag.Generator().manual_seed(3)

    def f(x: ag.Tensor) -> tuple[ag.Tensor, ag.Tensor]:
        layer.zero_grad()
        y = checkpoint(layer, x).sum() + ag.rand(1, generator=source).sum()
        y.backward()
        return y.detach(), layer[0].weight.grad.clone()

    compiled = ag.compile(f)
    results = []
    for function in (f, compiled):
        ag.manual_seed(0)
        source.manual_seed(3)
        results.append([t for _ in range(3) for t in function(ag.ones(2, 4))])
    for a, b in zip(*results, strict=True):
        assert_same(a, b)


def encoder() -> nn.Module:
    ag.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, activation="gelu", batch_first=True)
    return nn.Sequential(nn.Embedding(11, 8), nn.TransformerEncoder(layer, 2), nn.Linear(8, 5))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        ag.manual_seed(0)
        self.table = nn.Embedding(11, 6)
        self.lstm = nn.LSTM(6, 7, batch_first=True)
        self.out = nn.Linear(7, 5)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        out, _ = self.lstm(self.table(x))
        return self.out(out)


@pytest.mark.parametrize("make", [encoder, Recurrent])
def test_networks_of_sequences(make: Callable[[], nn.Module]) -> None:
    models = make(), make()
    x, y = ag.randint(0, 11, (3, 4)), ag.randint(0, 5, (12,))

    def step_of(model: nn.Module) -> Callable[..., Any]:
        optimizer = ag.optim.AdamW(model.parameters(), lr=0.01)

        def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x).reshape(-1, 5), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    eager, compiled = step_of(models[0]), ag.compile(step_of(models[1]))
    for seed in range(3):
        ag.manual_seed(seed)
        expected = eager(x, y).item()
        ag.manual_seed(seed)
        assert compiled(x, y).item() == expected
    assert_same_models(*models)


# ---- results on the tape -------------------------------------------------------------------------


def test_a_compiled_module_has_gradients() -> None:
    models = network(dropout=0.3), network(dropout=0.3)
    compiled = ag.compile(models[1])
    x, y = batch()
    for i in range(3):
        losses = []
        for m in (models[0], compiled):
            ag.manual_seed(i)
            loss = F.cross_entropy(m(x), y)
            loss.backward()
            losses.append(loss.item())
        assert losses[0] == losses[1]
        assert_same_models(*models)
    assert compiled.training
    assert len(list(compiled.parameters())) == len(list(models[1].parameters()))
    with ag.no_grad():
        assert not compiled(x).requires_grad


def test_stale_parameters_are_noticed() -> None:
    w = ag.ones(3, requires_grad=True)
    compiled = ag.compile(lambda x: (w * x * w).sum())
    y = compiled(ag.ones(3))
    with ag.no_grad():
        w.mul_(2.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()

    v = ag.ones(3, requires_grad=True)
    kept = (v * v).sum()  # saves v
    step = ag.compile(lambda x: _halve(v))
    step(ag.ones(1))
    with pytest.raises(RuntimeError, match="changed in place"):
        kept.backward()


def _halve(v: ag.Tensor) -> ag.Tensor:
    with ag.no_grad():
        return v.mul_(0.5)


# ---- arguments -----------------------------------------------------------------------------------

SCALE = 2.0


def test_python_values_make_plans_of_their_own() -> None:
    factor = 3.0

    def f(x: ag.Tensor, *more: Any, flip: bool = False, parts: Any = None) -> Any:
        y = x * SCALE * factor
        for p in parts or ():
            y = y + p["a"]
        return {"y": -y if flip else y, "n": len(more)}

    compiled = ag.compile(f)
    x = ag.ones(2)
    assert compiled(x)["y"].tolist() == [6.0, 6.0]
    assert compiled(x, flip=True)["y"].tolist() == [-6.0, -6.0]
    assert compiled(x, 1, "two")["n"] == 2
    assert compiled(x, parts=[{"a": ag.ones(2)}, {"a": x}])["y"].tolist() == [8.0, 8.0]
    assert traces(compiled) == 4
    factor = 1.0  # of the closure
    assert compiled(x)["y"].tolist() == [2.0, 2.0]
    global SCALE
    SCALE = 5.0
    try:
        assert compiled(x)["y"].tolist() == [5.0, 5.0]
    finally:
        SCALE = 2.0


def test_layouts_of_arguments() -> None:
    compiled = ag.compile(lambda x: x * 2.0 + 1.0)
    base = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    for array in (base, base.T, base[::2, ::-1], base[:0], base[0, :1].reshape(())):
        x = ag.from_numpy(array)
        assert_same(compiled(x), x * 2.0 + 1.0)
    assert compiled(ag.from_numpy(base.astype(np.float64))).dtype == np.float64
    with pytest.raises(TypeError, match="NumPy array"):
        compiled(base)


def test_one_tensor_as_two_arguments() -> None:
    compiled = ag.compile(lambda x, y: x * 2.0 + y)
    a, b = ag.ones(2), ag.zeros(2)
    assert compiled(a, a).tolist() == [3.0, 3.0]
    assert compiled(a, b).tolist() == [2.0, 2.0]
    assert compiled(b, a).tolist() == [1.0, 1.0]


def test_results_are_new_each_time() -> None:
    compiled = ag.compile(lambda x: (x + 1.0, x.reshape(2, 2), x))
    x = ag.zeros(4)
    first, view, same = compiled(x)
    first.add_(10.0)
    again, _, _ = compiled(x)
    assert again.tolist() == [1.0] * 4
    view.add_(1.0)
    assert x.tolist() == [0.0] * 4
    assert same.tolist() == [0.0] * 4


def test_many_shapes_are_told_once_and_the_cache_is_bounded() -> None:
    compiled = ag.compile(lambda x: (x * x).sum())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(100):
            assert compiled(ag.full((n,), 2.0)).item() == 4.0 * n
    assert len([w for w in caught if "traced 8 times" in str(w.message)]) == 1
    assert traces(compiled) <= 32


def test_constants_made_inside() -> None:
    @ag.compile
    def f(x: ag.Tensor) -> ag.Tensor:
        total = ag.zeros(3)
        for i in range(3):
            total.add_(x * float(i))
        return total + ag.arange(3.0)

    for value in (1.0, 2.0):
        assert f(ag.full((3,), value)).tolist() == [3 * value, 3 * value + 1, 3 * value + 2]


def test_counters_go_on() -> None:
    count = ag.zeros(())
    compiled = ag.compile(lambda x: (count.add_(1.0), count * x)[1])
    assert [compiled(ag.ones(())).item() for _ in range(3)] == [1.0, 2.0, 3.0]
    assert count.item() == 3.0


def test_a_compiled_function_in_another() -> None:
    inner = ag.compile(lambda x: x * 2.0)
    outer = ag.compile(lambda x: inner(x) + inner(x + 1.0))
    assert outer(ag.ones(2)).tolist() == [6.0, 6.0]

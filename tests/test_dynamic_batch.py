"""`compile(dynamic_batch=True)`: one trace serves every batch, with the bits of eager code."""

from __future__ import annotations

import threading
import warnings
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
from pyautograd import nn
from pyautograd.static.function import compiled_of

F = nn.functional
SIZES = (7, 5, 7, 64, 2, 33, 5, 64, 3)


def programs(function: Any) -> list[Any]:
    return [p for found in compiled_of(function)._programs.values() for p in found]


def plans(function: Any) -> int:
    return sum(len(p.variants) for p in programs(function))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_training_with_batches_of_any_size(name: str, optimizer: str) -> None:
    make, batch = NETWORKS[name]
    models = make(), make()
    steps = [training_step(m, OPTIMIZERS[optimizer](m.parameters())) for m in models]
    compiled = ag.compile(steps[1], dynamic_batch=True)
    for i, n in enumerate(SIZES):
        x, y = batch(n)
        ag.manual_seed(i)
        expected = steps[0](x, y).item()
        ag.manual_seed(i)
        assert compiled(x, y).item() == expected, n
    assert_equal_models(*models)
    assert len(programs(compiled)) == 1
    assert plans(compiled) == len(set(SIZES))


def test_plans_and_eager_steps_take_turns() -> None:
    models = perceptron(), perceptron()
    steps = [training_step(m, OPTIMIZERS["adam"](m.parameters())) for m in models]
    compiled = ag.compile(steps[1])
    for i, n in enumerate((3, 4, 3, 4, 5, 3, 4)):
        x, y = rows(n)
        step = steps[1] if i in (2, 5) else compiled
        assert steps[0](x, y).item() == step(x, y).item(), i
    assert_equal_models(*models)


def test_gradients_cleared_after_the_step() -> None:
    models = perceptron(), perceptron()

    def step_of(model: nn.Module) -> Any:
        optimizer = OPTIMIZERS["adam"](model.parameters())

        def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return step

    eager, compiled = step_of(models[0]), ag.compile(step_of(models[1]))
    for _ in range(3):
        assert eager(*rows(3)).item() == compiled(*rows(3)).item()
        assert models[1][0].weight.grad is None
    assert_equal_models(*models)


def test_results_on_the_tape() -> None:
    models = perceptron(), perceptron()
    compiled = ag.compile(models[1], dynamic_batch=True)
    for n in (3, 8, 3, 5):
        for model, f in zip(models, (models[0], compiled), strict=True):
            model.zero_grad()
            F.cross_entropy(f(rows(n)[0]), rows(n)[1]).backward()
        for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
            assert_equal(p.grad, q.grad)
    assert len(programs(compiled)) == 1


# What depends on the batch: constants of means, sizes in shapes and keys, new tensors.
FUNCTIONS: dict[str, Any] = {
    "means": lambda x: (x.mean(), x.mean(0), x.var(0), x.std(), (x / x.shape[0]).sum()),
    "losses": lambda x: (F.mse_loss(x, x * 0.5), F.kl_div(x, x.exp(), "batchmean")),
    "shapes": lambda x: x.reshape(x.shape[0] * 2, -1).T @ x.reshape(-1, 2),
    "slices": lambda x: (x[1:], x[:-1], x[::2], x[:, 0], x[-1], x[x.shape[0] // 2 :]),
    "joined": lambda x: (ag.cat([x, x * 2.0]), ag.stack([x, x], 1)),
    "made": lambda x: ag.zeros(x.shape[0], 2) + ag.ones(x.shape[0] + 1, 1)[1:] * x[:, :2],
    "like": lambda x: ag.full_like(x, 2.0) * x + ag.zeros_like(x),
    "padded": lambda x: F.pad(x, (1, 2, 0, 1)),
    "products": lambda x: x @ x.T,
    "norms": lambda x: (F.layer_norm(x, (4,)), F.softmax(x, 0), F.normalize(x)),
    "floats": lambda x: x * (1.0 / (x.shape[0] + 1)) - x.shape[0] ** 2,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_depends_on_the_batch_is_derived_anew(name: str) -> None:
    function = FUNCTIONS[name]
    compiled = ag.compile(function, dynamic_batch=True)
    for n in (6, 4, 12, 2, 1, 0, 30, 6):
        if n == 0 and name in ("shapes", "slices"):  # errors, eagerly too
            continue
        x = rows(n)[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                expected = function(x)
            except ZeroDivisionError:
                continue
        got = compiled(x)
        for a, b in zip(
            *[r if isinstance(r, tuple) else (r,) for r in (got, expected)], strict=True
        ):
            assert_equal(a, b)
    assert sum(p.one_batch is None for p in programs(compiled)) <= 4
    assert any(len(p.variants) > 3 for p in programs(compiled))


def test_python_branches_on_the_batch() -> None:
    def f(x: ag.Tensor) -> Any:
        return x * 2.0 if x.shape[0] > 20 else x + 1.0

    compiled = ag.compile(f, dynamic_batch=True)
    for n in (5, 40, 20, 21, 3, 64):
        assert_equal(compiled(rows(n)[0]), f(rows(n)[0]))
    assert len(programs(compiled)) == 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x: sum(x[i] for i in range(x.shape[0])),
        lambda x: [part.mean(0) for part in x.split(4)],
        lambda x: x[:5].sum(0),
        lambda x: x[ag.arange(x.shape[0])],
        lambda x: x * float(np.log2(x.shape[0])),
        lambda x: x * len(x),
        lambda x: x * (1.0 if x.shape == (6, 4) else 2.0),
        lambda x: x * {6: 1.0, 8: 3.0}.get(int(x.shape[0]), 2.0),
    ],
)
def test_what_needs_the_number_is_right_all_the_same(function: Any) -> None:
    compiled = ag.compile(function, dynamic_batch=True)
    for n in (6, 8, 3, 13, 6):
        got, expected = compiled(rows(n)[0]), function(rows(n)[0])
        for a, b in zip(*[r if isinstance(r, list) else [r] for r in (got, expected)], strict=True):
            assert_equal(a, b)


def test_weights_of_the_same_size_are_no_batch() -> None:
    compiled = ag.compile(lambda x, w: x @ w, dynamic_batch=True)
    w = ag.randn(4, 4)
    for n in (4, 6, 9, 4):
        x = rows(n)[0]
        assert_equal(compiled(x, w), x @ w)
    assert len(programs(compiled)) <= 2


def test_a_hundred_sizes() -> None:
    compiled = ag.compile(lambda x: (x * x).mean(), dynamic_batch=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(2, 102):
            x = rows(n)[0]
            assert_equal(compiled(x), (x * x).mean())
    assert len(programs(compiled)) == 1
    assert plans(compiled) == 32


def test_the_note_tells_why() -> None:
    @ag.compile(dynamic_batch=True)
    def counted(x: ag.Tensor) -> ag.Tensor:
        return x * len(x)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(2, 14):
            counted(rows(n)[0])
    (note,) = [str(w.message) for w in caught]
    assert "counted was traced 8 times" in note
    assert "size N is not known" in note
    assert "test_dynamic_batch.py" in note


def test_errors_are_those_of_eager_code() -> None:
    model = perceptron()
    compiled = ag.compile(
        training_step(model, OPTIMIZERS["adam"](model.parameters())), dynamic_batch=True
    )
    compiled(*rows(5))
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(IndexError, match="class 99"):
        compiled(rows(6)[0], rows(6)[1] * 0 + 99)
    with pytest.raises(ValueError, match=r"\(6,\)"):
        compiled(rows(6)[0], rows(7)[1])
    for p, q in zip(model.parameters(), before, strict=True):
        assert_equal(p, q)


def test_two_dtypes_containers_keywords_and_closures() -> None:
    scale = ag.tensor(3.0)
    shared = nn.Linear(4, 4)

    def f(batch: dict[str, Any], *, shift: float = 0.0) -> dict[str, Any]:
        y = shared(shared(batch["x"].float())) * scale + shift
        return {"y": [y, (y.sum(1), batch["n"])]}

    compiled = ag.compile(f, dynamic_batch=True)
    for n in (3, 5, 8):
        for dtype in (np.float32, np.float64):
            for shift in (0.0, 1.5):
                batch = {"x": ag.from_numpy(rows(n)[0].numpy().astype(dtype)), "n": 7}
                got, expected = compiled(batch, shift=shift), f(batch, shift=shift)
                assert_equal(got["y"][0], expected["y"][0])
                assert_equal(got["y"][1][0], expected["y"][1][0])
                assert got["y"][1][1] == 7
    assert len(programs(compiled)) == 4


def test_threads_run_plans_of_one_function() -> None:
    compiled = ag.compile(lambda x: ((x * 2.0).tanh() @ x.T).sum(dim=1), dynamic_batch=True)
    inputs = [rows(n)[0] for n in range(10, 18)]
    expected = [compiled.function(x).numpy() for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(20):
            if not np.array_equal(compiled(inputs[i]).numpy(), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

"""What `ag.compile` refuses and how it says so; modules, copies, threads; what `explain` tells."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from networks import OPTIMIZERS, assert_same, batch, network, traces, training_step

import pyautograd as ag
from pyautograd import nn
from pyautograd.static import GraphError

# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: 1 if x.sum() > 0 else 2,
        lambda x: float(x.sum()),
        lambda x: x.numpy().sum(),
        lambda x: x.tolist(),
        lambda x: np.asarray(x) + 1,
        lambda x: [1, 2, 3][x.long()[0]],
        lambda x: x[x > 0],
    ],
)
def test_values_read_by_python_are_refused(read: Any) -> None:
    compiled = ag.compile(lambda x: x * read(x * 2.0))
    with pytest.raises((GraphError, IndexError), match=r"test_compile_errors\.py|where"):
        compiled(ag.ones(3))


def test_shape_errors_are_those_of_the_ops() -> None:
    layer = nn.Linear(3, 2)
    compiled = ag.compile(lambda x: layer(x))
    with pytest.raises(ValueError, match="linear"):
        compiled(ag.ones(4, 5))
    assert compiled(ag.ones(4, 3)).shape == (4, 2)


def test_an_error_leaves_everything_as_it_was() -> None:
    model = network()
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    compiled = ag.compile(training_step(model, optimizer))
    x, y = batch()
    compiled(x, y)
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    with pytest.raises(IndexError, match="cross_entropy: class 99"):
        compiled(x, y * 0 + 99)
    after = model.state_dict(), optimizer.state_dict()
    for name, value in before[0].items():
        if "running" not in name and "num" not in name:
            assert_same(value, after[0][name])
    for key, entries in before[1]["state"].items():
        assert_same(entries["momentum_buffer"], after[1]["state"][key]["momentum_buffer"])
    compiled(x, y)


def test_arguments_changed_in_place_are_refused() -> None:
    x = ag.ones(2)
    with pytest.raises(GraphError, match="argument 0"):
        ag.compile(lambda x: x.add_(1.0) * 2.0)(x)
    assert x.tolist() == [1.0, 1.0]


def test_an_error_while_tracing_leaves_gradients() -> None:
    w = ag.ones(2, requires_grad=True)
    (w * 3.0).sum().backward()
    grad = w.grad

    @ag.compile
    def f(x: ag.Tensor) -> ag.Tensor:
        (w * x).sum().backward()
        raise KeyError("halfway")

    with pytest.raises(KeyError):
        f(ag.ones(2))
    assert w.grad is grad
    assert w.grad is not None
    assert w.grad.tolist() == [3.0, 3.0]
    assert (w * 2.0).tolist() == [2.0, 2.0]  # ops run again


@pytest.mark.parametrize("act", ["schedule", "seed"])
def test_what_python_would_do_once_is_refused(act: str) -> None:
    optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=0.1)
    scheduler = ag.optim.lr_scheduler.StepLR(optimizer, 1)
    act_in_graph = scheduler.step if act == "schedule" else lambda: ag.manual_seed(0)
    with pytest.raises(GraphError, match="outside of the function"):
        ag.compile(lambda x: (act_in_graph(), x * 2.0)[1])(ag.ones(1))


@pytest.mark.parametrize("kind", ["generator", "coroutine"])
def test_functions_that_go_on_later_are_refused(kind: str) -> None:
    def generator(x: Any) -> Any:
        yield x

    async def coroutine(x: Any) -> Any:
        return x

    with pytest.raises(TypeError, match="got one that yields or awaits"):
        ag.compile(generator if kind == "generator" else coroutine)


def test_a_symbol_that_got_away_says_so() -> None:
    kept: list[list[Any]] = [[]]
    ag.compile(lambda x: (kept[0].append(x * 2), x)[1])(ag.ones(2))
    with pytest.raises(GraphError, match="was made while a function was traced and has no values"):
        kept[0][0].numpy()


# ---- modules, and copies -------------------------------------------------------------------------


@ag.compile
def doubled(x: ag.Tensor) -> ag.Tensor:
    return x * 2


def test_copies_make_their_own_plans() -> None:
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.deepcopy(doubled)(ag.ones(1)).item() == 2.0
    model = ag.compile(nn.Sequential(nn.Linear(3, 2)))
    x = ag.ones(1, 3)
    before = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with ag.no_grad():
            other[0].weight.zero_()
        assert_same(other(x)[0], other[0].bias)
        assert "linear" in other.explain()
    assert_same(model(x), before)


def test_a_compiled_module_is_a_module() -> None:
    inner = nn.Linear(3, 2)
    part = ag.compile(inner)
    assert isinstance(part, nn.Linear)
    model = nn.Sequential(part, nn.Tanh())
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    model.eval()
    assert not inner.training
    part.bias = None
    assert inner.bias is None
    model(ag.ones(1, 3)).sum().backward()
    assert_same(inner.weight.grad, part.weight.grad)
    assert len(ag.compile(ag.compile(model))) == 2
    assert traces(part) == 1


# ---- threads and the machine ---------------------------------------------------------------------


def test_threads_share_a_plan() -> None:
    compiled = ag.compile(lambda x: ((x * 2.0).tanh() @ x.T).sum(dim=1))
    inputs = [ag.from_numpy(np.full((30, 20), i, np.float32)) for i in range(8)]
    wanted = [compiled(x).numpy() for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(compiled(inputs[i]).numpy(), wanted[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_on_any_number_of_threads(threads: int) -> None:
    before = ag.get_num_threads()
    ag.set_num_threads(threads)
    try:
        model = network()
        step = ag.compile(training_step(model, OPTIMIZERS["adam"](model.parameters())))
        x, y = batch(64)
        losses = [step(x, y).item() for _ in range(3)]
    finally:
        ag.set_num_threads(before)
    again = network()
    eager = training_step(again, OPTIMIZERS["adam"](again.parameters()))
    assert losses == [eager(x, y).item() for _ in range(3)]


def test_no_compiler_is_needed() -> None:
    program = (
        "import pyautograd as ag\n"
        "f = ag.compile(lambda x: (x * 2.0 + 1.0).tanh())\n"
        "assert f(ag.zeros(3)).shape == (3,)\n"
    )
    subprocess.run([sys.executable, "-c", program], env={"PATH": ""}, check=True)


def test_explain_tells_what_was_made() -> None:
    compiled = ag.compile(lambda x, y: (x * y + y).tanh() * y)
    assert "not traced" in compiled.explain()
    compiled(ag.ones(3), ag.ones(3))
    text = compiled.explain()
    assert "4 calls in 1 programs" in text
    assert "1 native steps" in text
    fused = "t5: float32[3] = mul+add+tanh+mul(input0, input1)"
    assert f"after the passes:\n  {fused}" in text
    assert "by steps" not in text
    text = compiled.explain(verbose=True)
    assert "-t3: float32[3] = add(t2, input1)" in text
    assert f"+{fused}" in text


def test_explain_tells_why_not_and_where() -> None:
    w = ag.ones(4, 3, requires_grad=True)
    compiled = ag.compile(lambda x: ((x @ w).tanh() * 2.0).sum(0) + 1.0)
    compiled(ag.ones(5, 4))
    text = compiled.explain(verbose=True)
    assert "the gradients' plan" in text
    assert re.search(r"arena: [\d,]+ bytes; eager holds up to [\d,]+ bytes", text)
    assert re.search(r"\d+ bytes +0-1 +\|##\.*\| float32\[5, 3\]", text)
    wider = ag.compile(lambda x, y: x.exp().tanh() + y)
    wider(ag.ones(3), ag.ones(2, 3))
    assert "not fused: exp+tanh with add: shapes (3,) and (2, 3) differ" in wider.explain()


def test_an_optimiser_that_no_longer_fits_names_the_parameter() -> None:
    net = nn.Linear(3, 2)
    optimizer = ag.optim.Adam(net.parameters())

    @ag.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = ag.randn(4, 3)
    step(x)
    before = [p.detach().numpy().copy() for p in net.parameters()]
    good = optimizer.state[net.bias]["exp_avg"]
    optimizer.state[net.bias]["exp_avg"] = ag.zeros(5)
    optimizer.param_groups[0]["lr"] = 0.5  # read anew in each call
    with pytest.raises(ValueError, match=r"Adam\.step.*: parameter 1 is float32 of shape"):
        step(x)
    for p, b in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), b)
    optimizer.state[net.bias]["exp_avg"] = good
    step(x)
